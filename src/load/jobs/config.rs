//! What a configuration of jobs says, as values.
//!
//! Every name in it can be the name of a file and the id of a step, a task has all
//! that it needs, and every agent of an orchestration exists. Paths and texts stand
//! as they are written: nothing is ever replaced in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::plan::Source;
use crate::plan::problem::Sources;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    pub description: String,
    pub capabilities: Vec<String>,
    /// What stands in its place. Its command is empty only for one of the four
    /// that are [built in](BUILT_IN), which then does its own work.
    pub program: Program,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orchestration {
    pub description: String,
    /// Not empty, and none of them is; those of one group run at once, and each
    /// group after the one before it.
    pub groups: Vec<Vec<String>>,
    /// Where its name is written.
    pub source: Source,
}
