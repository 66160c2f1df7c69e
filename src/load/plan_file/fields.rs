//! Every field that a plan file knows, once.
//!
//! The checking walk reads files by these tables, "did you mean" looks names up
//! in them, and the published JSON Schema is made of them. So a field that is
//! added here is checked, suggested and documented, and one that is not here
//! does not exist.

use super::afterwards::{REMEDY, UNDO};
use super::builtin::BUILTIN;
use super::cache::CACHE;
use super::executor;
use super::notify::NOTIFY;
use super::question::APPROVAL_FIELDS;
use super::table::{Field, Shape, field};

pub const TEXTS: Shape = Shape::List(&Shape::Text);
pub const WORDS: Shape = Shape::List(&Shape::Word);
pub const ENV: Shape = Shape::Map(&Shape::Word);
pub const POSITIVE: Shape = Shape::Count {
    least: 1,
    most: u32::MAX as i64,
};
const AMOUNTS: Shape = Shape::Map(&POSITIVE);
pub const RETRIES: Shape = Shape::Count {
    least: 0,
    most: 1_000_000,
};

/// What an exit code can mean.
pub const VERDICTS: &[&str] = &[
    "success",
    "warning",
    "restart_required",
    "needs_handling",
    "failure",
];

/// Bytes. More than this was not meant.
const BYTES: Shape = Shape::Count {
    least: 0,
    most: 1 << 50,
};

/// The file itself.
pub static PLAN: [Field; 13] = [
    field(
        "steps",
        Shape::List(&Shape::Object(&STEP)),
        "What is to be done.",
    )
    .required()
    .not(&["tasks", "jobs", "nodes"]),
    field(
        "plan_id",
        Shape::Text,
        "What the plan is called. The file's name where it is left out.",
    ),
    field(
        "id",
        Shape::Text,
        "The same as plan_id, which comes first where both are given.",
    ),
    field(
        "version",
        Shape::Word,
        "The author's version of the plan; 1 where it is left out.",
    ),
    field(
        "name",
        Shape::Text,
        "A name for people; the id where it is left out.",
    ),
    field("description", Shape::Text, "What the plan does."),
    field(
        "metadata",
        Shape::Map(&Shape::Any),
        "Free data, kept with each run and searchable in the store.",
    ),
    field(
        "variables",
        Shape::Map(&Shape::Either(&[
            Shape::Word,
            Shape::Bool,
            Shape::Object(&VARIABLE),
        ])),
        "What may be given with --var NAME=VALUE, and is written ${NAME} in any text. \
         Either a default, or an object that says more.",
    )
    .not(&["vars", "parameters", "params", "inputs"]),
    field(
        "globals",
        Shape::Object(&GLOBALS),
        "What holds for the whole run, and defaults for its steps.",
    )
    .not(&["defaults", "settings", "options"]),
    field(
        "executor",
        executor::SHAPE,
        "Where steps run, as far as they say nothing else: local, which is this machine and \
         the default, or slurm, or what is asked of Slurm.",
    )
    .not(&["runner", "backend"]),
    field(
        "notices",
        Shape::List(&Shape::Object(&NOTICE)),
        "What people are told of the run as a whole, when it begins and when it ends.",
    )
    .not(&["notifications"]),
    field(
        "log_file",
        Shape::Either(&[Shape::Text, TEXTS]),
        "A file that each run adds lines for people to, seen from where the run was \
         started. Of several the first that can be written.",
    )
    .not(&["logfile"]),
    field(
        "notify",
        Shape::List(&Shape::Object(&NOTIFY)),
        "Who is told of the run elsewhere: a webhook, or a program that sends mail or shows \
         something on a desktop. No message changes how a run ends.",
    )
    .not(&["alerts"]),
];

/// One of the file's `notices`.
pub static NOTICE: [Field; 3] = [
    field(
        "on",
        Shape::Choice(&["start", "success", "warning", "failure"]),
        "When: before the first step; when the run succeeded; when it did with something \
         to look at; when it did not.",
    )
    .required(),
    field(
        "level",
        Shape::Choice(&["info", "success", "warning", "error"]),
        "How it is meant; info where it is left out.",
    ),
    field("message", Shape::Text, "What is said.").required(),
];

/// One of the file's `variables`.
pub static VARIABLE: [Field; 9] = [
    field(
        "type",
        Shape::Choice(&["string", "int", "number", "bool", "path", "choice"]),
        "What values it takes; any text where it is left out.",
    ),
    field(
        "default",
        Shape::Either(&[Shape::Word, Shape::Bool]),
        "Its value where none is given.",
    ),
    field(
        "required",
        Shape::Bool,
        "Nothing runs unless a value is given.",
    ),
    field("choices", WORDS, "The only values it takes.").not(&["enum", "values", "options"]),
    field(
        "pattern",
        Shape::Text,
        "A regular expression that the whole value matches.",
    )
    .not(&["regex"]),
    field("min", ANY_NUMBER, "The least value of a number.").not(&["minimum"]),
    field("max", ANY_NUMBER, "The greatest value of a number.").not(&["maximum"]),
    field(
        "secret",
        Shape::Bool,
        "The value is written to no log, event, record or page.",
    ),
    field("description", Shape::Text, "What it is for."),
];

const ANY_NUMBER: Shape = Shape::Number {
    least: f64::MIN,
    most: f64::MAX,
};

/// The file's `globals`.
pub static GLOBALS: [Field; 17] = [
    field(
        "max_concurrency",
        Shape::Count {
            least: 1,
            most: 65_535,
        },
        "So many steps run at once at the most; 1 where it is left out.",
    )
    .not(&["parallel", "concurrency", "max_parallel"]),
    field(
        "slurm_jobs",
        Shape::Count {
            least: 1,
            most: 65_535,
        },
        "So many steps that run through Slurm are under way at once at the most, those that \
         wait there included. max_concurrency counts none of them then.",
    )
    .not(&["max_jobs", "max_slurm_jobs"]),
    field(
        "default_timeout_sec",
        Shape::Seconds,
        "The timeout of steps that give none; 1800 where it is left out, and 0 is no limit.",
    ),
    field(
        "default_retries",
        RETRIES,
        "The retries of steps that give none.",
    ),
    field(
        "default_retry_delay_sec",
        Shape::Seconds,
        "The retry delay of steps that give none.",
    ),
    field(
        "default_grace_sec",
        Shape::Seconds,
        "The grace of steps that give none; 5 where it is left out.",
    ),
    field(
        "default_max_output",
        BYTES,
        "The max_output of steps that give none; no limit where it is left out.",
    ),
    field(
        "env",
        ENV,
        "Environment of every step, over the one the run was started in.",
    ),
    field(
        "cwd",
        Shape::Text,
        "The working directory of every step, seen from where the run was started.",
    ),
    field(
        "on_abort",
        Shape::Choice(&["wait", "terminate"]),
        "Whether steps that run when a critical step fails are left to finish (the \
         default) or stopped.",
    ),
    field(
        "on_restart",
        Shape::Choice(&["continue", "stop"]),
        "Whether the run goes on (the default) when a step's exit code means \
         restart_required, or stops there, to be resumed after the restart.",
    ),
    field(
        "rollback",
        Shape::Choice(&["on_failure", "on_failure_or_cancel", "never"]),
        "When completed steps that have an undo are taken back.",
    ),
    field(
        "cache",
        Shape::Choice(&["use", "refresh", "off"]),
        "Whether steps that need not run again are left out (the default), all run and are \
         remembered, or all run and nothing is remembered.",
    ),
    field(
        "deadline_sec",
        Shape::Seconds,
        "The whole run may take this long; 0 is no limit.",
    ),
    field(
        "lock",
        Shape::Either(&[Shape::Text, Shape::Object(&LOCK)]),
        "A lock that the whole run holds: two runs with one name never overlap.",
    ),
    field(
        "pools",
        AMOUNTS,
        "Pools by name, each with the number of its places.",
    ),
    field(
        "resources",
        AMOUNTS,
        "Weighted resources by name, each with its capacity.",
    ),
];

/// The lock of a run.
pub static LOCK: [Field; 2] = [
    field("name", Shape::Text, "The lock's name.").required(),
    field(
        "wait_sec",
        Shape::Seconds,
        "How long to wait for another run that holds it; 30 where it is left out, and 0 \
         refuses at once.",
    ),
];

/// One of the file's `steps`.
pub static STEP: [Field; 44] = [
    field(
        "id",
        Shape::Text,
        "The step's name, unique in the plan: letters, digits, _ - . and /.",
    )
    .required(),
    field("name", Shape::Text, "A name for people."),
    field("description", Shape::Text, "What the step does."),
    field(
        "type",
        Shape::Choice(&["command", "group"]),
        "A command, which is the default, or a group: a meeting point that runs nothing.",
    ),
    field(
        "command",
        Shape::Text,
        "The program; with \"shell\": true a script for /bin/sh.",
    )
    .not(&["cmd", "run", "script", "exec"]),
    field(
        "builtin",
        Shape::Object(&BUILTIN),
        "Something to ask of the machine in place of a command: whether a file exists, a \
         tool is of some version, there is disk space, a port is reachable, a git tree is \
         clean. The step fails where that does not hold (exit code 1) or cannot be told (2).",
    )
    .not(&["check", "checks"]),
    field(
        "args",
        WORDS,
        "The program's arguments, each passed on as it is; of a script, $1 and on.",
    )
    .not(&["argv", "parameters"]),
    field(
        "cwd",
        Shape::Text,
        "The working directory, seen from that of the plan.",
    )
    .not(&["workdir", "dir", "working_directory"]),
    field(
        "shell",
        Shape::Bool,
        "The command is a script for /bin/sh. Variables reach it as environment.",
    ),
    field(
        "env",
        ENV,
        "Environment of this step, over that of the plan.",
    )
    .not(&["environment"]),
    field(
        "stdin",
        Shape::Text,
        "Text for standard input, which is empty otherwise.",
    ),
    field(
        "depends_on",
        TEXTS,
        "Steps whose success this one waits for.",
    )
    .or(&["needs"])
    .not(&["depends", "dependencies", "deps", "requires"]),
    field(
        "after",
        TEXTS,
        "Steps that this one waits for, however they end.",
    ),
    field(
        "timeout_sec",
        Shape::Seconds,
        "An attempt is ended after this long; 0 is no limit.",
    )
    .or(&["timeout_seconds"]),
    field(
        "grace_sec",
        Shape::Seconds,
        "From the polite signal to the last one.",
    )
    .or(&["critical_grace_period_sec"]),
    field(
        "retries",
        RETRIES,
        "So many attempts follow a failed first one.",
    )
    .not(&["max_retries", "attempts"]),
    field("retry_delay_sec", Shape::Seconds, "Before each of them."),
    field("retry", Shape::Object(&RETRY), "Retries with more to say."),
    field(
        "critical",
        Shape::Bool,
        "The step's failure is the run's; true where it is left out.",
    ),
    field(
        "condition",
        Shape::Text,
        "The step is skipped unless this holds.",
    )
    .or(&["when"])
    .not(&["if"]),
    field(
        "on_failure",
        Shape::Choice(&["abort", "skip_dependents", "continue", "fallback_step"]),
        "What the step's failure means for the rest; abort where it is left out.",
    ),
    field(
        "continue_on_error",
        Shape::Bool,
        "The same as \"on_failure\": \"continue\".",
    ),
    field(
        "fallback_step",
        Shape::Text,
        "A step that runs only if this one fails, and whose success stands in for this one's.",
    ),
    field("provides", TEXTS, "Names of what the step makes."),
    field(
        "consumes",
        TEXTS,
        "Names of what the step uses; one it waits for should provide them.",
    ),
    field("tags", TEXTS, "Words to select steps by."),
    field(
        "stage",
        Shape::Text,
        "The stage it belongs to, to select steps by.",
    ),
    field(
        "ui_hints",
        Shape::Object(&UI_HINTS),
        "How views list the step.",
    ),
    field(
        "always",
        Shape::Bool,
        "Runs also after an abort or a cancel, and whatever became of its needs.",
    ),
    field(
        "pool",
        Shape::Either(&[Shape::Text, Shape::Object(&POOL)]),
        "The pool of which the step takes a place while it runs.",
    ),
    field(
        "locks",
        Shape::Either(&[Shape::Text, TEXTS]),
        "Locks that the step holds while it runs, across all runs.",
    ),
    field(
        "resources",
        AMOUNTS,
        "Resources that the step takes while it runs, each with how much.",
    ),
    field(
        "remedy",
        Shape::Object(&REMEDY),
        "What may mend the step's failure, after which it is tried again.",
    ),
    field(
        "cache",
        Shape::Object(&CACHE),
        "When the step, having succeeded, need not run again: while nothing that is named \
         here has changed.",
    ),
    field(
        "undo",
        Shape::Object(&UNDO),
        "What takes the step back when the run rolls back.",
    ),
    field(
        "confirm",
        Shape::Either(&[Shape::Text, Shape::Bool]),
        "A question that a person answers before the step starts; true asks in general words.",
    ),
    field(
        "approval",
        Shape::Object(&APPROVAL_FIELDS),
        "A question that waits for a person who need not be at the terminal: `quintet approve` \
         answers it.",
    ),
    field(
        "priority",
        Shape::Count {
            least: i32::MIN as i64,
            most: i32::MAX as i64,
        },
        "Higher goes first among the steps that are ready.",
    ),
    field(
        "idempotent",
        Shape::Bool,
        "Whether an attempt whose end nobody saw may simply be made again; true where it \
         is left out.",
    ),
    field(
        "exit_codes",
        Shape::Map(&Shape::Choice(VERDICTS)),
        "What exit codes mean where it is not the usual.",
    ),
    field(
        "executor",
        executor::SHAPE,
        "Where the step runs: local, or slurm, or what is asked of Slurm, over what the plan \
         asks. A group's holds for the steps whose ids begin with its own and a slash.",
    )
    .not(&["runner", "backend"]),
    field(
        "log",
        Shape::Choice(&["shared", "own"]),
        "Whether the step's output gets files of its own.",
    ),
    field(
        "max_output",
        BYTES,
        "At most so many bytes of each of the step's streams are kept: the beginning and \
         the end, with a line in between that says how much is left out. 0 is no limit.",
    )
    .or(&["max_output_bytes"]),
    field(
        "enabled",
        Shape::Bool,
        "Whether the step runs at all; true where it is left out.",
    ),
];

/// A step's `retry`.
pub static RETRY: [Field; 5] = [
    field(
        "count",
        RETRIES,
        "So many attempts follow a failed first one.",
    ),
    field("delay_sec", Shape::Seconds, "Before the second attempt."),
    field(
        "factor",
        Shape::Number {
            least: 1.0,
            most: 1000.0,
        },
        "Each further delay is this many times the one before.",
    )
    .not(&["backoff", "multiplier"]),
    field("cap_sec", Shape::Seconds, "No delay is longer than this.").or(&["max_delay_sec"]),
    field(
        "jitter",
        Shape::Number {
            least: 0.0,
            most: 1.0,
        },
        "Each delay is varied by up to this part of it, either way.",
    ),
];

/// A step's `ui_hints`.
pub static UI_HINTS: [Field; 2] = [
    field(
        "group",
        Shape::Text,
        "The heading under which the step is listed.",
    ),
    field(
        "weight",
        Shape::Count {
            least: i64::MIN,
            most: i64::MAX,
        },
        "Lighter steps are listed first.",
    ),
];

/// A step's `pool`.
pub static POOL: [Field; 2] = [
    field("name", Shape::Text, "The pool's name.").required(),
    field(
        "slots",
        POSITIVE,
        "How many of its places; 1 where it is left out.",
    ),
];

/// Fields whose name begins like this are always allowed and mean nothing here.
pub const FREE_PREFIX: &str = "x-";

#[cfg(test)]
mod tests {
    use super::super::afterwards::BUDGET;
    use super::super::builtin;
    use super::super::table::at;
    use super::*;

    fn tables() -> Vec<(&'static str, &'static [Field])> {
        vec![
            ("plan", &PLAN),
            ("variable", &VARIABLE),
            ("globals", &GLOBALS),
            ("lock", &LOCK),
            ("step", &STEP),
            ("retry", &RETRY),
            ("ui_hints", &UI_HINTS),
            ("pool", &POOL),
            ("remedy", &REMEDY),
            ("budget", &BUDGET),
            ("undo", &UNDO),
            ("cache", &CACHE),
            ("executor", &executor::EXECUTOR),
            ("approval", &APPROVAL_FIELDS),
            ("builtin", &BUILTIN),
            ("file_exists", &builtin::FILE_EXISTS),
            ("tool_version", &builtin::TOOL_VERSION),
            ("disk_space", &builtin::DISK_SPACE),
            ("port_reachable", &builtin::PORT_REACHABLE),
            ("git_clean", &builtin::GIT_CLEAN),
            ("notify", &NOTIFY),
        ]
    }

    #[test]
    fn no_two_fields_of_a_table_share_a_name() {
        for (table, fields) in tables() {
            let mut names: Vec<_> = fields
                .iter()
                .flat_map(|f| [f.name].into_iter().chain(f.aliases.iter().copied()))
                .chain(fields.iter().flat_map(|f| f.mistaken.iter().copied()))
                .collect();
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "{table}");
        }
    }

    #[test]
    fn required_fields_come_first() {
        for (table, fields) in tables() {
            let sorted = fields.is_sorted_by_key(|field| !field.required);
            assert!(sorted, "{table}");
        }
    }

    #[test]
    fn a_field_is_found_at_compile_time() {
        const COMMAND: usize = at(&STEP, "command");
        assert_eq!(STEP[COMMAND].name, "command");
        assert!(STEP[at(&STEP, "depends_on")].is_called("needs"));
        assert!(!STEP[COMMAND].is_called("cmd"));
    }

    #[test]
    fn every_field_says_what_it_is_in_sentences() {
        for (table, fields) in tables() {
            for field in fields {
                assert!(field.doc.ends_with('.'), "{table}.{}", field.name);
            }
        }
    }
}
