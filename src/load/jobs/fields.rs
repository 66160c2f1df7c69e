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

pub const PRINTS: &[&str] = &["json", "claude", "codex"];

pub const ISOLATIONS: &[&str] = &["none", "worktree"];
pub const MERGES: &[&str] = &["merge", "discard"];

pub static AGENT: [Field; 12] = [
    field("command", TEXTS, "What is run in the agent's place."),
    field("description", Shape::Text, "What the agent is for."),
    field("capabilities", TEXTS, "What it can do, for people."),
    field(
        "working_dir",
        Shape::Text,
        "Where it runs; a relative one is seen from where the program was started. Left out, \
         where the task works.",
    ),
    field(
        "timeout_seconds",
        Shape::Seconds,
        "It is ended after so long; 0 is never.",
    ),
    field("env", ENV, "Environment, over that of the program."),
    field(
        "retries",
        Shape::Count { least: 0, most: 20 },
        "A failed attempt is made again so often.",
    ),
    field(
        "prints",
        Shape::Choice(PRINTS),
        "What it prints: its result as JSON, or what one of two programs for language models \
         prints.",
    ),
    field(
        "schema",
        Shape::Map(&Shape::Any),
        "JSON Schema that its result must fit.",
    ),
    field(
        "schema_file",
        Shape::Text,
        "A file with that schema, seen from the configuration's directory.",
    ),
    field("budget", Shape::Object(&BUDGET), "What it may use."),
    field(
        "isolation",
        Shape::Choice(ISOLATIONS),
        "\"worktree\": it works in a worktree of its own, made from the last commit of the \
         repository that it would work in; none where it is left out.",
    ),
];

pub static BUDGET: [Field; 5] = [
    field(
        "wall_seconds",
        Shape::Seconds,
        "Time on the clock, of each attempt; 0 is any.",
    ),
    field("turns", AMOUNT, "Turns of a conversation."),
    field("tokens", AMOUNT, "Tokens, read and written together."),
    field("cost", MONEY, "Money, in the unit of the price."),
    field(
        "price",
        Shape::Object(&PRICE),
        "What tokens cost, where the agent's report does not say it.",
    ),
];

pub static PRICE: [Field; 2] = [
    field("input_per_million", MONEY, "A million tokens read.").required(),
    field("output_per_million", MONEY, "A million tokens written.").required(),
];

const AMOUNT: Shape = Shape::Count {
    least: 0,
    most: 1_000_000_000_000,
};
const MONEY: Shape = Shape::Number {
    least: 0.0,
    most: 1e9,
};

pub static ORCHESTRATION: [Field; 4] = [
    field("description", Shape::Text, "What it is for."),
    field("agents", TEXTS, "The agents, one after the other."),
    field(
        "steps",
        Shape::List(&Shape::Either(&[TEXTS, Shape::Object(&STAGE)])),
        "Groups of agents, and loops of them; those of one group run at once.",
    ),
    field(
        "budget",
        Shape::Object(&BUDGET),
        "What all agents together may use; time on the clock is of the whole run.",
    ),
];

/// One of the first two is what makes it a group or a loop.
pub static STAGE: [Field; 6] = [
    field("group", TEXTS, "Agents that run at once."),
    field(
        "loop",
        Shape::List(&Shape::Either(&[Shape::Text, TEXTS])),
        "The agents of a round, or groups of them; the last one reviews.",
    ),
    field(
        "max_rounds",
        Shape::Count {
            least: 1,
            most: super::config::MOST_ROUNDS as i64,
        },
        "There are no more rounds than this; a loop needs it.",
    ),
    field(
        "ask_seconds",
        Shape::Seconds,
        "A person is asked where no round was approved, and has so long to answer; 0 is for \
         ever. Left out, or without an answer, that is a failure.",
    ),
    field(
        "isolation",
        Shape::Choice(ISOLATIONS),
        "\"worktree\": all of them work in one worktree; \"none\": in no worktree, whatever the \
         agents say.",
    ),
    field(
        "merge",
        Shape::Choice(MERGES),
        "What becomes of work in worktrees when all have succeeded, and a loop was approved; \
         merge where it is left out.",
    ),
];
