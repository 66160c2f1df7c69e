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

mod matrix;
mod needs;
mod step;

use serde_json::Value;

use crate::load::document::{Entry, Kind, Node, Path};
use crate::plan::build::quoted;
use crate::plan::problem::{Problem, Problems};

use super::book::{Named, Needs, Playbook, Said, Stage};
use super::fields::{self, Fields};
use super::head::{environment, policy};
use matrix::Combination;

/// What jobs of workflows have, that nothing here acts on.
const IDLE: &[&str] = &[
    "concurrency",
    "container",
    "defaults",
    "permissions",
    "runson",
    "services",
    "shell",
];

/// One job as it is written, with its combinations.
struct Job {
    key: Said<String>,
    needs: Vec<Said<String>>,
    stages: Vec<Stage>,
}

/// Reads what stands under `jobs`: stages, each behind those that it needs.
///
/// What is wrong is added to the problems, and what is left is good for finding
/// more.
pub fn read(node: Node<'_>, path: &Path<'_>, book: &mut Playbook, problems: &mut Problems) {
    if node.kind() != Kind::Object {
        fields::unfit(node, "an object with a job for each name", path, problems);
        return;
    }
    let mut jobs = Vec::new();
    for entry in node.entries() {
        let path = Path::Field(path, &entry.key);
        jobs.push(job(&entry, &path, book, problems));
    }
    if jobs.is_empty() {
        let problem = Problem::error(path.says("there are none"));
        problems.push(problem.at(node.span(), ""));
    }
    let jobs = needs::in_order(jobs, problems);
    book.stages
        .extend(jobs.into_iter().flat_map(|job| job.stages));
}

fn job(entry: &Entry<'_>, path: &Path<'_>, book: &mut Playbook, problems: &mut Problems) -> Job {
    let key = Said::new(entry.key.to_string(), entry.key_span());
    check_key(&key, "a job", problems);
    let mut fields = Fields::of(entry.value, path, problems);
    let needs = fields.texts(&["needs"], problems).unwrap_or_default();
    if entry.value.kind() != Kind::Object {
        let stages = Vec::new();
        return Job { key, needs, stages };
    }
    let name = fields.text(&["name"], problems);
    let mut stage = Stage::new(name.unwrap_or_else(|| key.clone()), false);
    stage.at = key.at;
    stage.key = key.clone();
    stage.needs = Needs::Keys(needs.clone());
    stage.description = fields.text(&["description"], problems);
    stage.condition = step::condition(&mut fields, problems);
    stage.variables = fields.values(&["variables"], problems);
    stage.env = environment(&mut fields, problems);
    policy(&mut stage.policy, &mut fields, problems);
    stage.outputs = fields.values(&["outputs"], problems);
    stage.items = step::all(&mut fields, book, problems);
    let mut stages = vec![stage];
    if let Some(node) = fields.take(&["strategy"], problems) {
        let path = Path::Field(path, "strategy");
        let mut strategy = Fields::of(node, &path, problems);
        stages[0].max_concurrency = strategy.value(&["maxparallel"], problems);
        if let Some(combinations) = matrix::read(&mut strategy, problems) {
            stages = combinations
                .iter()
                .map(|c| instance(&stages[0], c))
                .collect();
        }
        let rest = strategy.rest(&["failfast"], problems);
        book.idle.extend(rest);
    }
    let rest = fields.rest(IDLE, problems);
    book.idle.extend(rest);
    Job { key, needs, stages }
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
