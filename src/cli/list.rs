//! `quintet list`: what there is: the steps of a target, the configured jobs, or the
//! recent runs.

use std::io::Write;
use std::process::ExitCode;

use clap::{ArgMatches, Command, FromArgMatches};
use serde_json::{Value, json};

use super::config;
use super::error::Failure;
use super::global::Global;
use super::listing;
use super::output;
use super::runs;
use super::target::Target;
use crate::load::jobs::Config;
use crate::plan::Plan;
use crate::store::RunFilter;
use crate::view::escape::clean;
use crate::view::order::sections;
use crate::view::style::{FAINT, HEADING};
use crate::view::words;

/// So many runs are recent.
const RECENT: u32 = 10;

/// List the steps of a target, the configured jobs, or the recent runs
///
/// With a target it lists the steps that a run would have, under their groups;
/// a selection narrows them. Without one it lists the jobs of the configuration;
/// where there is no configuration, the newest runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ quintet list
  $ quintet list plan.json
  $ quintet list plan.json tag:db --json
  $ quintet list automation-scripts --stages")]
pub struct Args {
    #[command(flatten)]
    target: PerhapsTarget,

    /// Print a JSON array
    #[arg(long)]
    json: bool,

    /// List the target's stages instead, with the number of steps in each
    #[arg(long, requires = "target", conflicts_with = "tags")]
    stages: bool,

    /// List the target's tags instead, with the number of steps that have each
    #[arg(long, requires = "target")]
    tags: bool,
}

/// All that a [`Target`] can be told, of which nothing need be.
#[derive(Debug)]
struct PerhapsTarget(Option<Target>);

impl clap::Args for PerhapsTarget {
    fn augment_args(command: Command) -> Command {
        // Places are given out anew to arguments that were changed.
        Target::augment_args(command)
            .mut_arg("target", |target| target.default_value(None).index(1))
            .mut_arg("selection", |selection| selection.index(2))
    }

    fn augment_args_for_update(command: Command) -> Command {
        PerhapsTarget::augment_args(command)
    }
}

impl FromArgMatches for PerhapsTarget {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.contains_id("target") {
            true => Target::from_arg_matches(matches).map(|target| PerhapsTarget(Some(target))),
            false => Ok(PerhapsTarget(None)),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = PerhapsTarget::from_arg_matches(matches)?;
        Ok(())
    }
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    match args.target.0 {
        Some(mut target) => {
            // What steps there are does not depend on any variable.
            target.allow_unresolved = true;
            let plan = target.ready(global, false)?.plan;
            match (args.stages, args.tags) {
                (true, _) => listing::stages(&plan, args.json)?,
                (_, true) => listing::tags(&plan, args.json)?,
                _ => steps(&plan, args.json)?,
            }
        }
        None if config::file(global)?.is_some() => {
            jobs(&config::read(global)?, args.json)?;
        }
        None => recent(global, args.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the jobs of a configuration to stdout, sorted by name (O4).
fn jobs(config: &Config, json: bool) -> Result<(), Failure> {
    let mut out = output::results();
    if json {
        writeln!(out, "{:#}", jobs_json(config))?;
    } else if config.jobs.is_empty() {
        writeln!(out, "{NO_JOBS}")?;
    }
    for (name, job) in config.jobs.iter().filter(|_| !json) {
        described(&mut out, name, &job.description)?;
    }
    Ok(out.flush()?)
}

/// The jobs of a configuration, an object for each.
pub fn jobs_json(config: &Config) -> Value {
    let jobs = config.jobs.iter().map(|(name, job)| {
        json!({
            "name": name,
            "description": job.description,
            "command": job.program.command,
        })
    });
    jobs.collect()
}

/// Said where a list of jobs would be.
const NO_JOBS: &str = "no jobs configured";

/// A line with a name and what it is for.
///
/// # Errors
/// The stream does not take it.
pub fn described(out: &mut impl Write, name: &str, description: &str) -> std::io::Result<()> {
    match description {
        "" => writeln!(out, "{}", clean(name)),
        _ => writeln!(out, "{} - {}", clean(name), clean(description)),
    }
}

fn recent(global: &Global, json: bool) -> Result<(), Failure> {
    let filter = RunFilter {
        limit: Some(RECENT),
        ..RunFilter::default()
    };
    let listed = match global.store_if_any()? {
        Some(store) => crate::view::runs::list(&store, &filter)?,
        None => Vec::new(),
    };
    if listed.is_empty() && !json {
        let mut out = output::results();
        writeln!(out, "{NO_JOBS}")?;
        out.flush()?;
    }
    runs::show(global, &listed, json)
}

/// Writes the steps of a plan to stdout, under their groups.
///
/// # Errors
/// Stdout does not take it.
pub fn steps(plan: &Plan, json: bool) -> Result<(), Failure> {
    let mut out = output::results();
    if json {
        writeln!(out, "{:#}", steps_json(plan))?;
        return Ok(out.flush()?);
    }
    let sections = sections(plan);
    let width = plan.steps.iter().map(|step| step.id.chars().count());
    let width = width.max().unwrap_or(0).min(48);
    for section in &sections {
        if let Some(group) = section.group {
            writeln!(out, "{HEADING}{}{HEADING:#}", clean(group))?;
        }
        for ix in &section.steps {
            let step = &plan[*ix];
            let name = step.name.as_deref().filter(|name| **name != *step.id);
            let mut line = format!("{:width$}  {}", clean(&step.id), clean(name.unwrap_or("")));
            if !step.tags.is_empty() {
                line.push_str(&format!(
                    "  {FAINT}{}{FAINT:#}",
                    clean(&step.tags.join(", "))
                ));
            }
            if step.absent.is_some() {
                line.push_str(&format!("  {FAINT}({}){FAINT:#}", words::absent(plan, *ix)));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(out.flush()?)
}

fn steps_json(plan: &Plan) -> Value {
    let order = sections(plan);
    let all = order
        .iter()
        .flat_map(|section| section.steps.iter().map(|ix| (section.group, *ix)));
    let steps = all.map(|(group, ix)| {
        let step = &plan[ix];
        json!({
            "step_id": step.id,
            "name": step.name.as_ref().unwrap_or(&step.id),
            "group": group,
            "stage": step.about.as_ref().and_then(|about| about.stage.as_ref()),
            "tags": step.tags,
            "absent": step.absent,
        })
    });
    steps.collect()
}
