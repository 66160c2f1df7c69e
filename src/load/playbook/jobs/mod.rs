//! Jobs: playbooks in the manner of GitHub's workflows.
//!
//! A job becomes a stage, or one for each combination of its matrix. Its steps
//! run one after another, jobs whatever their order as soon as what they need
//! has succeeded. What is in this file is only which job is which stage: steps
//! are read in `step`, a matrix is multiplied in `matrix`, and `needs` puts jobs
//! behind those that they need.
//!
//! Nothing is filled in here. A combination is a variable of its stage, `matrix`,
//! so that a value of the matrix is never read as a part of the file.

mod fields;
mod matrix;
mod needs;
mod step;

use serde_json::Value;

use crate::load::document::{Entry, Kind, Node};
use crate::plan::build::quoted;
use crate::plan::problem::{Problem, Problems};

use super::book::{Named, Needs, Policy, Said, Stage};
use fields::Fields;
use matrix::Combination;

/// What reading jobs adds to, beside stages.
pub struct Notes<'p> {
    pub problems: &'p mut Problems,
    /// Keys that change nothing.
    pub idle: &'p mut Vec<Said<String>>,
}

/// One job as it is written, with its combinations.
struct Job {
    key: Said<String>,
    needs: Vec<Said<String>>,
    stages: Vec<Stage>,
}

/// Reads what stands under `jobs`: stages, each behind those that it needs.
///
/// What is wrong is added to the notes' problems, and what is left is good for
/// finding more.
pub fn read(node: Node<'_>, notes: &mut Notes<'_>) -> Vec<Stage> {
    if node.kind() != Kind::Object {
        let problem = Problem::error("jobs: expected an object with a job for each name");
        notes.problems.push(problem.at(node.span(), ""));
        return Vec::new();
    }
    let jobs: Vec<Job> = node.entries().map(|entry| job(&entry, notes)).collect();
    if jobs.is_empty() {
        let problem = Problem::error("jobs: there are none");
        notes.problems.push(problem.at(node.span(), ""));
    }
    needs::in_order(jobs, notes.problems)
        .into_iter()
        .flat_map(|job| job.stages)
        .collect()
}

/// Reads how scripts are run, which jobs say for their steps and `defaults` for
/// all jobs.
fn policy(fields: &mut Fields<'_>, notes: &mut Notes<'_>) -> Policy {
    let seconds = fields.value("timeout", notes);
    let minutes = fields.value("timeout-minutes", notes);
    let minutes = minutes.and_then(|minutes| step::seconds(minutes, notes.problems));
    Policy {
        continue_on_error: fields.value("continue-on-error", notes),
        timeout: seconds.or(minutes),
        retries: fields.value("retries", notes),
        retry_delay: fields.value("retry-delay", notes),
    }
}

fn job(entry: &Entry<'_>, notes: &mut Notes<'_>) -> Job {
    let key = Said::new(entry.key.to_string(), entry.key_span());
    check_key(&key, "a job", notes.problems);
    let path = format!("jobs.{}", entry.key);
    let mut job = Job {
        key: key.clone(),
        needs: Vec::new(),
        stages: Vec::new(),
    };
    let Some(mut fields) = Fields::of(entry.value, path, notes.problems) else {
        return job;
    };
    job.needs = fields.texts("needs", notes);
    let name = fields.text("name", notes).unwrap_or_else(|| key.clone());
    let mut stage = Stage::new(name, false);
    stage.at = key.at;
    stage.key = key;
    stage.needs = Needs::Keys(job.needs.clone());
    stage.description = fields.text("description", notes);
    stage.condition = step::condition(&mut fields, notes);
    stage.variables = fields.values("variables", notes);
    stage.env = fields.values("env", notes);
    stage.policy = policy(&mut fields, notes);
    stage.outputs = fields.values("outputs", notes);
    stage.items = step::all(&mut fields, notes);
    let combinations = match fields.object("strategy", notes) {
        Some(mut strategy) => {
            stage.max_concurrency = strategy.value("max-parallel", notes);
            let combinations = matrix::read(&mut strategy, notes);
            strategy.finish(notes);
            combinations
        }
        None => None,
    };
    fields.finish(notes);
    job.stages = match combinations {
        None => vec![stage],
        Some(combinations) => combinations.iter().map(|c| instance(&stage, c)).collect(),
    };
    job
}

/// A job's stage for one combination of its matrix.
fn instance(stage: &Stage, combination: &Combination) -> Stage {
    let at = stage.name.at;
    // A name with templates would be filled once for all combinations.
    let name = match super::template::has_holes(&stage.name.value) {
        true => &stage.key.value,
        false => &stage.name.value,
    };
    let mut stage = Stage {
        name: Said::new(format!("{name} ({})", combination.label()), at),
        ..stage.clone()
    };
    let values = combination.values.iter().cloned();
    stage.variables.push(Named {
        name: Said::new("matrix".into(), combination.at),
        value: Said::new(Value::Object(values.collect()), combination.at),
    });
    stage
}

/// Keys and ids are parts of `needs.KEY` and `steps.ID`, so they are words.
fn check_key(key: &Said<String>, what: &str, problems: &mut Problems) {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if key.value.starts_with(first) && key.value.chars().all(within) {
        return;
    }
    let message = format!("{} cannot be {what}'s name", quoted(&key.value));
    let help = "letters, digits, _ and -, beginning with a letter";
    problems.push(Problem::error(message).at(key.at, "").help(help));
}

#[cfg(test)]
mod tests;
