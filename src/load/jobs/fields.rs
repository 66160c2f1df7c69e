//! Every field that the configuration of jobs knows, once.
//!
//! Files are read by these tables, and "did you mean" looks names up in them. The
//! names under `jobs`, `tasks`, `agents` and `orchestrations` are the author's.

use crate::load::plan_file::table::{Field, Shape, field};

const TEXTS: Shape = Shape::List(&Shape::Text);
const ENV: Shape = Shape::Map(&Shape::Word);
const TABLES: Shape = Shape::Map(&Shape::Object(&[]));

pub const LEVELS: &[&str] = &["debug", "info", "warn", "error"];
pub const ALGORITHMS: &[&str] = &["sha256", "sha1", "sha512", "blake3"];
pub const REPOS: &[&str] = &["orchastration", "external"];
pub const STATUSES: &[&str] = &["planned", "in_progress", "done", "failed"];

/// The file itself.
pub static CONFIG: [Field; 6] = [
    field("logging", Shape::Object(&LOGGING), "The log file."),
    field("hash", Shape::Object(&HASH), "How files are hashed."),
    field("jobs", TABLES, "What is run by name."),
    field("tasks", TABLES, "What is planned, built and documented."),
    field("agents", TABLES, "Who takes part in orchestrations."),
    field(
        "orchestrations",
        TABLES,
        "Which agents run, and in what order.",
    ),
];

pub static LOGGING: [Field; 1] = [field(
    "level",
    Shape::Choice(LEVELS),
    "What is not worth less than this goes to the log file; info where it is left out.",
)];

pub static HASH: [Field; 1] = [field(
    "algorithm",
    Shape::Choice(ALGORITHMS),
    "What `hash` uses where nobody says; sha256 where it is left out.",
)];

pub static JOB: [Field; 5] = [
    field(
        "command",
        TEXTS,
        "The program and its arguments; no shell reads them.",
    )
    .required(),
    field("description", Shape::Text, "What the job is for."),
    field(
        "working_dir",
        Shape::Text,
        "Where it runs; a relative one is seen from where the program was started.",
    ),
    field(
        "timeout_seconds",
        Shape::Seconds,
        "It is ended after so long; 0 is never.",
    ),
    field("env", ENV, "Environment, over that of the program."),
];

/// The required ones are what the documents ask of a task.
pub static TASK: [Field; 9] = [
    field(
        "repo",
        Shape::Choice(REPOS),
        "Whose repository it works in.",
    )
    .required(),
    field("working_dir", Shape::Text, "Where it works; absolute.").required(),
    field(
        "command",
        TEXTS,
        "The program and its arguments; no shell reads them.",
    )
    .required(),
    field("description", Shape::Text, "What the task is for."),
    field("outputs", TEXTS, "What it makes; seen from working_dir."),
    field(
        "documents",
        TEXTS,
        "What documents it; seen from working_dir.",
    ),
    field(
        "status",
        Shape::Choice(STATUSES),
        "Where it stands before its first record.",
    ),
    field(
        "timeout_seconds",
        Shape::Seconds,
        "It is ended after so long; 0 is never.",
    ),
    field("env", ENV, "Environment, over that of the program."),
];

pub static AGENT: [Field; 6] = [
    field("command", TEXTS, "What is run in the agent's place."),
    field("description", Shape::Text, "What the agent is for."),
    field("capabilities", TEXTS, "What it can do, for people."),
    field(
        "working_dir",
        Shape::Text,
        "Where it runs; a relative one is seen from where the program was started.",
    ),
    field(
        "timeout_seconds",
        Shape::Seconds,
        "It is ended after so long; 0 is never.",
    ),
    field("env", ENV, "Environment, over that of the program."),
];

pub static ORCHESTRATION: [Field; 3] = [
    field("description", Shape::Text, "What it is for."),
    field("agents", TEXTS, "The agents, one after the other."),
    field(
        "steps",
        Shape::List(&TEXTS),
        "Groups of agents; those of one group run at once.",
    ),
];
