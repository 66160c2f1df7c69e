//! What there is in a plan, without running any of it: its steps, one of them,
//! its stages, its tags.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use super::error::{Failure, Kind};
use super::{list, output};
use crate::plan::name::nearest;
use crate::plan::{Plan, StepIx};
use crate::view::escape::clean;
use crate::view::step;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// List the steps, and run nothing
    #[arg(long, group = "listing")]
    list: bool,

    /// Show all that is known of one step, and run nothing
    #[arg(long, group = "listing", value_name = "STEP")]
    show: Option<String>,

    /// List the stages, with the number of steps in each, and run nothing
    #[arg(long, group = "listing")]
    stages: bool,

    /// List the tags, with the number of steps that have each, and run nothing
    #[arg(long, group = "listing")]
    tags: bool,
}

impl Args {
    pub fn is_wanted(&self) -> bool {
        self.list || self.show.is_some() || self.stages || self.tags
    }

    /// Writes what is wanted to stdout.
    ///
    /// # Errors
    /// There is no such step, or stdout does not take it.
    pub fn show(&self, plan: &Plan, json: bool) -> Result<(), Failure> {
        if let Some(word) = &self.show {
            return one(plan, word, json);
        }
        match (self.stages, self.tags) {
            (true, _) => stages(plan, json),
            (_, true) => tags(plan, json),
            _ => list::steps(plan, json),
        }
    }
}

/// Writes what the plan says of one step: its id, name, or number.
///
/// # Errors
/// There is no such step, or there are several.
pub fn one(plan: &Plan, word: &str, json: bool) -> Result<(), Failure> {
    let ix = find(plan, word)?;
    let mut out = output::results();
    match json {
        true => writeln!(out, "{:#}", step::json(plan, ix))?,
        false => step::text(plan, ix, &mut out)?,
    }
    Ok(out.flush()?)
}

fn find(plan: &Plan, word: &str) -> Result<StepIx, Failure> {
    let number = word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit());
    let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
    let exact = plan.indices().find(|ix| *plan[*ix].id == *word);
    let is_it = |ix: &StepIx| {
        let name = plan[*ix].name.as_deref() == Some(word);
        name || last(&plan[*ix].id) == word
            || (number && last(&plan[*ix].id).starts_with(&format!("{word}_")))
    };
    let found: Vec<StepIx> = match exact {
        Some(ix) => vec![ix],
        None => plan.indices().filter(is_it).collect(),
    };
    let refuse = |message: String| Failure::new(Kind::Usage, message);
    match found.as_slice() {
        [ix] => Ok(*ix),
        [] => {
            let near = nearest(word, plan.steps.iter().map(|step| &*step.id));
            let failure = refuse(format!("there is no step {word:?}"));
            Err(match near {
                Some(near) => failure.hint(format!("did you mean {near:?}?")),
                None => failure,
            })
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|ix| &*plan[*ix].id).collect();
            Err(refuse(format!(
                "{word:?} is {}: name one of them",
                ids.join(" and ")
            )))
        }
    }
}

/// Writes the stages of a plan to stdout, with the number of steps in each.
///
/// # Errors
/// Stdout does not take it.
pub fn stages(plan: &Plan, json: bool) -> Result<(), Failure> {
    let stages = plan
        .steps
        .iter()
        .filter_map(|step| step.about.as_ref()?.stage.as_deref());
    counts("stage", count(stages), json)
}

/// Writes the tags of a plan to stdout, with the number of steps that have each.
///
/// # Errors
/// Stdout does not take it.
pub fn tags(plan: &Plan, json: bool) -> Result<(), Failure> {
    let tags = plan
        .steps
        .iter()
        .flat_map(|step| step.tags.iter().map(|tag| &**tag));
    counts("tag", count(tags), json)
}

fn count<'p>(words: impl Iterator<Item = &'p str>) -> BTreeMap<&'p str, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

fn counts(what: &str, counts: BTreeMap<&str, usize>, json: bool) -> Result<(), Failure> {
    let mut out = output::results();
    if json {
        let all = counts
            .iter()
            .map(|(word, count)| json!({ what: word, "steps": count }));
        writeln!(out, "{:#}", all.collect::<Value>())?;
    } else {
        for (word, count) in counts {
            writeln!(out, "{count:>6}  {}", clean(word))?;
        }
    }
    Ok(out.flush()?)
}
