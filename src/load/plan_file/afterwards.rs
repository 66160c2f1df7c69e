//! What is done about a step that has ended: mending its failure, taking back
//! what it did. Both are programs with a few words of their own.

use crate::load::document::Path;
use crate::plan::{Action, Budget, Command, Remedy, Retry, Undo};

use super::fields::{ENV, POSITIVE, RETRIES, STEP, WORDS};
use super::record::Record;
use super::step::Steps;
use super::table::{Field, Shape, at, field};
use super::walk::{count, limit, seconds};

const TIMEOUT: usize = at(&STEP, "timeout_sec");
const REMEDY_: usize = at(&STEP, "remedy");
const UNDO_: usize = at(&STEP, "undo");

// What both say alike of their programs.
const COMMAND: Field = field(
    "command",
    Shape::Text,
    "The program; with \"shell\": true a script for /bin/sh.",
)
.required();
const ARGS: Field = field("args", WORDS, "The program's arguments.");
const SHELL: Field = field("shell", Shape::Bool, "The command is a script for /bin/sh.");
const CWD: Field = field(
    "cwd",
    Shape::Text,
    "The working directory; the step's where it is left out.",
);

/// A step's `undo`.
pub static UNDO: [Field; 7] = [
    COMMAND,
    ARGS,
    SHELL,
    CWD,
    field(
        "env",
        ENV,
        "Environment of the undo, over that of the step.",
    ),
    field(
        "timeout_sec",
        Shape::Seconds,
        "An attempt is ended after this long; the step's where it is left out.",
    )
    .or(&["timeout_seconds"]),
    field(
        "retries",
        RETRIES,
        "So many attempts follow a failed first one.",
    ),
];

/// A step's `remedy`.
pub static REMEDY: [Field; 10] = [
    COMMAND,
    ARGS,
    SHELL,
    CWD,
    field(
        "env",
        ENV,
        "Environment of the remedy, over that of the step.",
    ),
    field(
        "timeout_sec",
        Shape::Seconds,
        "It is ended after this long; the step's where it is left out.",
    )
    .or(&["timeout_seconds"]),
    field(
        "attempts",
        POSITIVE,
        "How often it may run in one run of the plan; once where it is left out.",
    ),
    field(
        "cooldown_sec",
        Shape::Seconds,
        "Between one time and the next.",
    )
    .or(&["cooldown_seconds"]),
    field(
        "budget",
        Shape::Object(&BUDGET),
        "How often it may run in all runs together.",
    ),
    field(
        "confirm",
        Shape::Either(&[Shape::Text, Shape::Bool]),
        "A question that a person answers before it runs; true asks in general words.",
    ),
];

/// A remedy's `budget`.
pub static BUDGET: [Field; 2] = [
    field("times", POSITIVE, "So many times.").required(),
    field("window_sec", Shape::Seconds, "Within so long.")
        .or(&["window_seconds"])
        .required(),
];

impl Steps<'_, '_, '_> {
    pub(super) fn remedy(
        &mut self,
        record: &Record<'_>,
        action: &Action,
        path: &Path<'_>,
    ) -> Option<Box<Remedy>> {
        let node = record.get(REMEDY_)?;
        let path = &Path::Field(path, "remedy");
        let remedy = self.walk.record(node, &REMEDY, path);
        let budget = remedy.named("budget").and_then(|node| {
            let budget = self
                .walk
                .record(node, &BUDGET, &Path::Field(path, "budget"));
            Some(Budget {
                times: count(budget.named("times")?),
                window: seconds(budget.named("window_sec")?),
            })
        });
        Some(Box::new(Remedy {
            command: self.over(action, &remedy, path),
            timeout: self.ended_after(&remedy, record),
            attempts: remedy.named("attempts").map_or(1, count),
            cooldown: remedy
                .named("cooldown_sec")
                .map(seconds)
                .unwrap_or_default(),
            budget,
            confirm: remedy.named("confirm").and_then(|node| {
                let general = "It failed. Run its remedy?";
                match node.bool() {
                    Some(asks) => asks.then(|| general.into()),
                    None => {
                        let text = self.walk.plain(node, &Path::Field(path, "confirm"));
                        text.map(Into::into)
                    }
                }
            }),
        }))
    }

    pub(super) fn undo(
        &mut self,
        record: &Record<'_>,
        action: &Action,
        path: &Path<'_>,
    ) -> Option<Box<Undo>> {
        let node = record.get(UNDO_)?;
        let path = &Path::Field(path, "undo");
        let undo = self.walk.record(node, &UNDO, path);
        Some(Box::new(Undo {
            command: self.over(action, &undo, path),
            timeout: self.ended_after(&undo, record),
            retry: Retry {
                count: undo.named("retries").map_or(0, count),
                delay: self.defaults.retry_delay,
                ..Retry::default()
            },
        }))
    }

    /// A program that has its place and its environment from the step's, where it
    /// says nothing else.
    fn over(&mut self, action: &Action, said: &Record<'_>, path: &Path<'_>) -> Command {
        let cwd = action.cwd().unwrap_or(&self.defaults.cwd).clone();
        let under = action.env();
        let fields = ["command", "args", "shell", "cwd", "env"].map(|name| said.named(name));
        let mut command = self.command(fields, &cwd, path);
        let own = command.env;
        let set = |name: &str| own.iter().any(|(set, _)| **set == *name);
        let under = under.iter().filter(|(name, _)| !set(name)).cloned();
        command.env = under.chain(own.iter().cloned()).collect();
        command
    }

    /// Its own timeout, else the step's, else the plan's.
    fn ended_after(&self, said: &Record<'_>, step: &Record<'_>) -> Option<std::time::Duration> {
        match said.named("timeout_sec").or(step.get(TIMEOUT)) {
            Some(node) => limit(node),
            None => self.defaults.timeout,
        }
    }
}
