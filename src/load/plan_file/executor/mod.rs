//! Where steps run, as a plan, a group or a step says it: a word, or what is
//! asked of Slurm.
//!
//! What is said closer in lies over what is said further out. A group's word
//! holds for the steps whose ids lie under its own, wherever in the file they
//! stand, so it is laid under theirs when all of them have been read.

mod options;
mod resources;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::load::document::{Kind, Node, Path};
use crate::plan::build::quoted;
use crate::plan::problem::{Problem, Problems, Span};
use crate::plan::{Action, Executor, Plan, Slurm};

use super::cache::{TIME, span};
use super::fields::{POSITIVE, TEXTS};
use super::record::{self, NO_HINTS, Record};
use super::table::{Field, Shape, field};
use super::walk::{Walk, count};

/// What makes attempts happen.
const KINDS: &[&str] = &["slurm", "local"];

/// An `executor`, of the plan, of a group or of a step.
pub const SHAPE: Shape = Shape::Either(&[Shape::Choice(KINDS), Shape::Object(&EXECUTOR)]);

/// An `executor` that is an object.
pub static EXECUTOR: [Field; 9] = [
    field(
        "kind",
        Shape::Choice(KINDS),
        "What runs the steps; slurm where it is left out.",
    )
    .not(&["type", "name"]),
    field("cpus", POSITIVE, "Processors of one node.").not(&["cores", "threads", "cpus_per_task"]),
    field(
        "memory",
        Shape::Either(&[resources::MEMORY, Shape::Text]),
        "Memory of one node: a number of MiB, or a text such as 8GiB or 512M.",
    )
    .not(&["mem", "ram"]),
    field(
        "gpus",
        Shape::Either(&[POSITIVE, Shape::Text]),
        "How many, or a text such as a100:2.",
    )
    .not(&["gpu", "gres"]),
    field(
        "time",
        TIME,
        "Slurm ends the job after so long: seconds, or a text such as 10m or 2h. Slurm \
         counts in whole minutes, so it is rounded up; 0 asks for no limit.",
    )
    .not(&["timeout", "limit", "walltime"]),
    field(
        "partition",
        Shape::Text,
        "The partition, or several parted by commas.",
    )
    .not(&["partitions", "queue"]),
    field("account", Shape::Text, "Whose account it is charged to.").not(&["project"]),
    field(
        "labels",
        Shape::Map(&Shape::Word),
        "What people find the job by, in its comment. Those of the group and of the plan \
         count as well.",
    )
    .not(&["tags", "comment"]),
    field(
        "options",
        TEXTS,
        "Further options of sbatch, each one text: --exclusive, --constraint=ib. Those of \
         the plan and of the group come first.",
    )
    .not(&["args", "flags", "extra"]),
];

/// What an `executor` says, without what is said further out.
pub fn lower(walk: &mut Walk<'_>, node: Node<'_>, path: &Path<'_>) -> Executor {
    let path = &Path::Field(path, "executor");
    if node.kind() == Kind::Text {
        let text = walk.plain(node, path);
        let kind = text
            .and_then(|text| record::choice(&text, node.span(), KINDS, path, &mut walk.problems));
        return match kind {
            Some("slurm") => Executor::Slurm(Arc::default()),
            Some(_) => Executor::Local,
            None => Executor::Unsaid,
        };
    }
    let record = read(walk, node, path);
    let kind = walk.choice(&record, "kind", path);
    let asked = slurm(walk, &record, path);
    match kind {
        Some("local") => {
            report_asked(walk, &record, path);
            Executor::Local
        }
        _ => Executor::Slurm(Arc::new(asked)),
    }
}

/// Reads the object. An unknown field is no mere note here: it would be something
/// that the step needs and does not get.
fn read<'d>(walk: &mut Walk<'_>, node: Node<'d>, path: &Path<'_>) -> Record<'d> {
    let problems = &mut walk.problems;
    let record = record::read(node, &EXECUTOR, path, &mut NO_HINTS.clone(), problems);
    for entry in record.unknown.iter().filter(|e| !record::is_free(&e.key)) {
        let message = path.says(format!("unknown field {}", quoted(&entry.key)));
        let help = match record::meant(&EXECUTOR, &entry.key) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "what else sbatch takes stands in \"options\", such as [\"--qos=high\"]".into(),
        };
        problems.push(Problem::error(message).at(entry.key_span(), "").help(help));
    }
    record
}

/// Nothing can be asked of this machine.
fn report_asked(walk: &mut Walk<'_>, record: &Record<'_>, path: &Path<'_>) {
    for field in EXECUTOR.iter().filter(|field| field.name != "kind") {
        if let Some(node) = record.named(field.name) {
            let message = "is asked of Slurm, and this runs on this machine";
            walk.report(&Path::Field(path, field.name), message, node.span());
        }
    }
}

fn slurm(walk: &mut Walk<'_>, record: &Record<'_>, path: &Path<'_>) -> Slurm {
    Slurm {
        cpus: record.named("cpus").map(count),
        memory: field_of(walk, record, "memory", path, resources::memory),
        gpus: field_of(walk, record, "gpus", path, resources::gpus),
        time: span(walk, record, "time", path).map(resources::minutes),
        partition: field_of(walk, record, "partition", path, resources::partition),
        account: field_of(walk, record, "account", path, resources::account),
        labels: resources::labels(walk, record, path),
        options: options::list(walk, record, path),
    }
}

/// A field as `read` makes it out.
fn field_of<T>(
    walk: &mut Walk<'_>,
    record: &Record<'_>,
    name: &str,
    path: &Path<'_>,
    read: fn(&mut Walk<'_>, Node<'_>, &Path<'_>) -> Option<T>,
) -> Option<T> {
    read(walk, record.named(name)?, &Path::Field(path, name))
}

/// A group that says where steps run.
pub struct Said {
    pub group: Box<str>,
    pub at: Span,
    /// Where that is in the document.
    pub path: String,
}

/// Lays what each step says over what its group says, and that over what the
/// plan says.
pub fn settle(plan: &mut Plan, outermost: &Executor) {
    let mut shared = Shared::default();
    let mut said = BTreeMap::new();
    for step in &mut plan.steps {
        if step.action == Action::Group && step.executor != Executor::Unsaid {
            said.insert(step.id.clone(), std::mem::take(&mut step.executor));
        }
    }
    let mut groups = BTreeMap::new();
    // In this order a group comes before those that lie under it.
    for (id, executor) in said {
        let settled = shared.over(executor, above(&groups, &id).unwrap_or(outermost));
        groups.insert(id, settled);
    }
    for step in &mut plan.steps {
        if step.action != Action::Group {
            let outer = above(&groups, &step.id).unwrap_or(outermost);
            step.executor = shared.over(std::mem::take(&mut step.executor), outer);
        }
    }
}

/// Tells of groups whose word holds for nothing.
pub fn check(plan: &Plan, said: &[Said], problems: &mut Problems) {
    let mut idle: BTreeMap<&str, &Said> = said.iter().map(|said| (&*said.group, said)).collect();
    for step in &plan.steps {
        if idle.is_empty() {
            return;
        }
        for (end, _) in step.id.match_indices('/') {
            idle.remove(&step.id[..end]);
        }
    }
    for (group, said) in idle {
        let under = quoted(&format!("{group}/"));
        let message = "has no effect, since no step's id begins with";
        let problem = Problem::warning(format!("{}: {message} {under}", said.path));
        problems.push(problem.at(said.at, ""));
    }
}

/// What the nearest group above an id says.
fn above<'g>(groups: &'g BTreeMap<Box<str>, Executor>, id: &str) -> Option<&'g Executor> {
    if groups.is_empty() {
        return None;
    }
    let mut ends = id.rmatch_indices('/').map(|(end, _)| end);
    ends.find_map(|end| groups.get(&id[..end]))
}

/// What was asked of Slurm so far, each once.
#[derive(Default)]
struct Shared(BTreeSet<Arc<Slurm>>);

impl Shared {
    /// What is said, over what is said further out.
    fn over(&mut self, said: Executor, outer: &Executor) -> Executor {
        let asked = match (said, outer) {
            (Executor::Unsaid, outer) => return outer.clone(),
            (Executor::Local, _) => return Executor::Local,
            (Executor::Slurm(asked), Executor::Slurm(outer)) => {
                Arc::unwrap_or_clone(asked).within(outer)
            }
            (Executor::Slurm(asked), _) => Arc::unwrap_or_clone(asked),
        };
        if let Some(known) = self.0.get(&asked) {
            return Executor::Slurm(Arc::clone(known));
        }
        let asked = Arc::new(asked);
        self.0.insert(Arc::clone(&asked));
        Executor::Slurm(asked)
    }
}
