//! What a configuration of jobs says, as values.
//!
//! Every name in it can be the name of a file and the id of a step, a task has all
//! that it needs, and every agent of an orchestration exists. Paths and texts stand
//! as they are written: nothing is ever replaced in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::plan::agent::{Budget, Price, Prints};
use crate::plan::problem::Sources;
use crate::plan::{Approval, Source};

/// A configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file; `None` where there is none and all is as by default.
    pub path: Option<PathBuf>,
    pub log_level: LogLevel,
    /// The name of a hash function, where the file says one.
    pub algorithm: Option<&'static str>,
    pub jobs: BTreeMap<String, Job>,
    pub tasks: BTreeMap<String, Task>,
    /// Those that the file has: the four that are built in need not be there.
    pub agents: BTreeMap<String, Agent>,
    pub orchestrations: BTreeMap<String, Orchestration>,
    /// What was read.
    pub sources: Sources,
}

/// What is worth writing down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

impl LogLevel {
    pub const ALL: [LogLevel; 4] = [
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Warn,
        LogLevel::Error,
    ];

    /// As files spell it.
    pub fn word(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// A program to run: what jobs, tasks and agents have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// As it is written; a relative one is seen from where quintet was started.
    pub working_dir: Option<String>,
    pub timeout: Option<Duration>,
    /// In the order of the file.
    pub env: Vec<(String, String)>,
    /// Where its name is written.
    pub source: Source,
}

/// What is run by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    pub description: String,
    /// Its command is not empty.
    pub program: Program,
}

/// What is planned, built, and documented in its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub description: String,
    pub repo: Repo,
    /// Its command is not empty, and its working directory is absolute.
    pub program: Program,
    /// Relative to the working directory.
    pub outputs: Vec<String>,
    pub documents: Vec<String>,
    /// Where it stands as long as nothing is recorded of it.
    pub status: TaskStatus,
}

impl Task {
    /// Absolute.
    pub fn working_dir(&self) -> &str {
        self.program.working_dir.as_deref().unwrap_or("/")
    }
}

/// Whose repository a task works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repo {
    Own,
    External,
}

impl Repo {
    /// As files and records spell it.
    pub fn word(self) -> &'static str {
        match self {
            Repo::Own => "orchastration",
            Repo::External => "external",
        }
    }
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskStatus {
    #[default]
    Planned,
    InProgress,
    Done,
    Failed,
}

impl TaskStatus {
    pub const ALL: [TaskStatus; 4] = [
        TaskStatus::Planned,
        TaskStatus::InProgress,
        TaskStatus::Done,
        TaskStatus::Failed,
    ];

    /// As files and records spell it.
    pub fn word(self) -> &'static str {
        match self {
            TaskStatus::Planned => "planned",
            TaskStatus::InProgress => "in_progress",
            TaskStatus::Done => "done",
            TaskStatus::Failed => "failed",
        }
    }

    pub fn from_word(word: &str) -> Option<TaskStatus> {
        TaskStatus::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// Who takes part in orchestrations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agent {
    pub description: String,
    pub capabilities: Vec<String>,
    /// What stands in its place. Its command is empty only for one of the four
    /// that are [built in](BUILT_IN), which then does its own work.
    pub program: Program,
    /// Whether it works in a worktree of its own.
    pub isolated: bool,
    /// So often a failed attempt is made again.
    pub retries: u32,
    pub prints: Prints,
    /// What its result must fit; it can be used.
    pub schema: Option<Value>,
    pub allowance: Allowance,
    pub price: Option<Price>,
}

/// What may be used, time included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Allowance {
    pub wall: Option<Duration>,
    pub rest: Budget,
}

/// Agents that need no configuration, and what they can do.
pub const BUILT_IN: [(&str, &[&str]); 4] = [
    (
        "PlannerAgent",
        &[
            "turn the goal and the task into a plan",
            "record the task as planned",
        ],
    ),
    (
        "BuilderAgent",
        &["run the task's command", "collect its outputs"],
    ),
    (
        "ReviewerAgent",
        &[
            "check that every declared output is there",
            "report what is missing",
        ],
    ),
    (
        "DocAgent",
        &[
            "write the task's page",
            "bring its section of the README up to date",
        ],
    ),
];

/// Which agents run, and in what order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Orchestration {
    pub description: String,
    /// One after the other. Not empty.
    pub stages: Vec<Stage>,
    /// For all its agents together.
    pub allowance: Allowance,
    /// Where its name is written.
    pub source: Source,
}

/// Agents that run at once; not empty, and none of them twice.
pub type Group = Vec<String>;

/// Where the agents of a stage work, and what becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    pub isolation: Isolation,
    /// What they make in worktrees is thrown away rather than merged.
    pub discard: bool,
}

/// Who works in a worktree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Agents that are isolated, each in its own. In a loop all of them in one, if
    /// any is: who reviews must see what is reviewed.
    #[default]
    AsAgentsSay,
    /// All of them, in one.
    Together,
    Nobody,
}

/// A part of an orchestration.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    Group(Group, Apart),
    /// Rounds, until the last agent of one approves of it.
    Loop(Loop),
}

/// Rounds of the same groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// The last one is a single agent: it reviews.
    pub groups: Vec<Group>,
    /// From 1 to [`MOST_ROUNDS`].
    pub max_rounds: u32,
    /// Whether a person is asked where no round was approved, and how long for.
    pub ask: Option<Approval>,
    pub apart: Apart,
}

/// No loop has more rounds.
pub const MOST_ROUNDS: u32 = 20;

impl Stage {
    /// Its groups, those of a round once.
    pub fn groups(&self) -> &[Group] {
        match self {
            Stage::Group(group, _) => std::slice::from_ref(group),
            Stage::Loop(rounds) => &rounds.groups,
        }
    }

    pub fn apart(&self) -> Apart {
        match self {
            Stage::Group(_, apart) => *apart,
            Stage::Loop(rounds) => rounds.apart,
        }
    }
}

impl Orchestration {
    /// The groups, those of a round once.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.stages.iter().flat_map(Stage::groups)
    }
}
