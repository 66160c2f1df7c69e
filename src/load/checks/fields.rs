//! Every field that a file of checks knows, once.

use crate::load::plan_file::builtin::BUILTIN;
use crate::load::plan_file::fields::VARIABLE;
use crate::load::plan_file::notify::NOTIFY;
use crate::load::plan_file::table::{Field, Shape, field};

const TEXTS: Shape = Shape::List(&Shape::Text);
const TEXT_OR_TEXTS: Shape = Shape::Either(&[Shape::Text, TEXTS]);
/// A number of seconds, or a text such as `90s`, `5m` or `1h30m`.
const SPAN: Shape = Shape::Either(&[Shape::Seconds, Shape::Text]);
const BYTES: Shape = Shape::Count {
    least: 0,
    most: 1 << 60,
};
const POSITIVE: Shape = Shape::Count {
    least: 1,
    most: u32::MAX as i64,
};
/// A script for `/bin/sh`, or a program and its arguments.
const COMMAND: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Word)]);

/// The file itself.
pub static FILE: [Field; 16] = [
    field(
        "phases",
        Shape::List(&Shape::Object(&PHASE)),
        "Phases, one after another: what comes in one needs what must hold in those before.",
    )
    .not(&["steps", "stages", "groups"]),
    field(
        "checks",
        Shape::List(&Shape::Object(&CHECK)),
        "Checks that belong to no phase; they come before all phases.",
    ),
    field("name", Shape::Text, "What the checks are called."),
    field("description", Shape::Text, "What they are for."),
    field(
        "version",
        Shape::Word,
        "The author's version of the file; 1 where it is left out.",
    ),
    field(
        "root",
        Shape::Text,
        "The folder of the project, seen from the file's; its own where it is left out. \
         Checks run there, and their freshness and lock are the project's.",
    )
    .not(&["cwd", "dir", "project"]),
    field(
        "parallel",
        Shape::Bool,
        "Whether phases that need no other run at once, and the checks of those that say \
         nothing of it; false where it is left out.",
    ),
    field(
        "keep_going",
        Shape::Bool,
        "Whether the phases after one that failed run all the same; false where it is left out.",
    ),
    field(
        "max_concurrency",
        Shape::Count {
            least: 1,
            most: 65_535,
        },
        "So many checks run at once at the most; 16 where it is left out.",
    ),
    field(
        "env",
        Shape::Map(&Shape::Word),
        "Environment of every check, over the one the run was started in.",
    ),
    field(
        "variables",
        Shape::Map(&Shape::Either(&[
            Shape::Word,
            Shape::Bool,
            Shape::Object(&VARIABLE),
        ])),
        "What may be given with --var NAME=VALUE, and is written ${NAME} in any text, as \
         in a plan file.",
    )
    .not(&["vars"]),
    field(
        "notify",
        Shape::List(&Shape::Object(&NOTIFY)),
        "Who is told of the run elsewhere: a webhook, or a program, as in a plan file.",
    )
    .not(&["webhook", "webhooks", "notifications"]),
    field(
        "disk",
        Shape::Object(&DISK),
        "How much room there must be on the disk before any check runs.",
    ),
    field(
        "lock",
        Shape::Object(&LOCK),
        "The project's lock, which keeps its runs apart.",
    ),
    field("log", Shape::Object(&LOG), "The project's log files."),
    field(
        "settings",
        Shape::Object(&SETTINGS),
        "How the checks are run where neither a flag nor the environment says so.",
    )
    .not(&["options", "config"]),
];

pub static DISK: [Field; 2] = [
    field(
        "minimum",
        Shape::Either(&[BYTES, Shape::Text]),
        "So many bytes, or a text such as 500MB; 1GB where it is left out, and 0 asks for none.",
    )
    .not(&["at_least", "min"]),
    field(
        "path",
        Shape::Text,
        "A place in the file system in question; the project's where it is left out.",
    ),
];

pub static LOCK: [Field; 1] = [field(
    "wait",
    SPAN,
    "How long to wait for another run; 30s where it is left out, and 0 refuses at once.",
)];

pub static LOG: [Field; 1] = [field(
    "keep",
    POSITIVE,
    "So many log files are kept; 20 where it is left out.",
)];

pub static SETTINGS: [Field; 6] = [
    field(
        "auto_remediate",
        Shape::Bool,
        "Whether remedies are used; true where it is left out.",
    ),
    field(
        "interactive",
        Shape::Bool,
        "Whether a person is asked before each remedy.",
    ),
    field(
        "fast_mode",
        Shape::Bool,
        "Whether checks that are fresh are skipped.",
    )
    .or(&["fast"]),
    field(
        "skip_tests",
        Shape::Bool,
        "Whether checks tagged tests or quality are left out.",
    ),
    field(
        "dry_run",
        Shape::Bool,
        "Whether it is only told what would run.",
    ),
    field(
        "log_remediation",
        Shape::Bool,
        "Whether there is a log file; true where it is left out.",
    )
    .or(&["log"]),
];

/// One of the file's `phases`.
pub static PHASE: [Field; 8] = [
    field("name", Shape::Text, "What the phase is called.").required(),
    field(
        "checks",
        Shape::List(&Shape::Object(&CHECK)),
        "What is checked, in this order.",
    )
    .not(&["steps"]),
    field(
        "id",
        Shape::Text,
        "The phase's id; made of its name where it is left out.",
    ),
    field("description", Shape::Text, "What the phase is about."),
    field(
        "parallel",
        Shape::Bool,
        "Whether its checks run at once; what the file says where it is left out.",
    ),
    field(
        "needs",
        TEXTS,
        "The phases that it comes after, in place of those before it.",
    )
    .or(&["depends_on"]),
    field(
        "tags",
        TEXTS,
        "Words to select its checks by; tests and quality are left out by --skip-tests.",
    ),
    field("enabled", Shape::Bool, "Whether it takes part at all."),
];

/// One of the `checks`.
pub static CHECK: [Field; 25] = [
    field("name", Shape::Text, "What the check is called.").required(),
    field(
        "id",
        Shape::Text,
        "The check's id within its phase; made of its name where it is left out.",
    ),
    field(
        "command",
        COMMAND,
        "A script for /bin/sh, or a program with its arguments as a list. Exit code 0 is success.",
    )
    .or(&["run"])
    .not(&["cmd", "script", "exec"]),
    field(
        "builtin",
        Shape::Object(&BUILTIN),
        "Something to ask of the machine in place of a command.",
    ),
    field("description", Shape::Text, "What the check is about."),
    field(
        "ttl",
        SPAN,
        "A success counts for so long, and is skipped in fast mode. Without it, inputs \
         or cache, the check always runs.",
    )
    .not(&["cache_ttl", "max_age"]),
    field(
        "inputs",
        TEXTS,
        "Files that it reads, as paths and globs seen from the project's root; a change \
         of what is in them ends a success.",
    )
    .not(&["watch", "files"]),
    field(
        "outputs",
        TEXTS,
        "Files that it makes, written like inputs.",
    ),
    field(
        "tools",
        TEXTS,
        "Programs that it uses; another one, or another version, ends a success.",
    ),
    field(
        "env_inputs",
        TEXTS,
        "Names of environment variables that it reads; a change ends a success.",
    ),
    field(
        "stale_with",
        TEXTS,
        "Checks that this one is not fresher than: where one of them does not succeed at \
         once, this one runs.",
    )
    .not(&["forces", "forced_by", "needs_sync"]),
    field(
        "severity",
        Shape::Choice(&["error", "warn"]),
        "Whether its failure fails the run (error, which is the default) or is a warning.",
    ),
    field(
        "fast",
        Shape::Bool,
        "Whether it takes part in fast mode; true where it is left out.",
    ),
    field(
        "timeout",
        SPAN,
        "An attempt is ended after this long; 30m where it is left out, and 0 is no limit.",
    )
    .not(&["timeout_sec", "timeout_seconds"]),
    field(
        "retries",
        Shape::Count {
            least: 0,
            most: 1_000_000,
        },
        "So many attempts follow a failed first one.",
    ),
    field("retry_delay", SPAN, "Before each of them."),
    field(
        "needs",
        TEXTS,
        "Checks, by name or id, whose success this one waits for.",
    )
    .or(&["depends_on"])
    .not(&["requires"]),
    field(
        "platform",
        Shape::Either(&[PLATFORM, Shape::List(&PLATFORM)]),
        "The systems that it is for; it is skipped on others.",
    )
    .or(&["platforms"])
    .not(&["os"]),
    field("when", Shape::Text, "It is skipped unless this holds.").or(&["condition"]),
    field(
        "remedy",
        Shape::Either(&[Shape::Text, Shape::Object(&REMEDY)]),
        "What may mend its failure, after which it is made again.",
    )
    .not(&["remediation", "fix", "remediate"]),
    field(
        "cwd",
        Shape::Text,
        "Where it runs, seen from the project's root.",
    ),
    field(
        "env",
        Shape::Map(&Shape::Word),
        "Environment of the check and of its remedy.",
    ),
    field("tags", TEXTS, "Words to select it by, beside its phase's."),
    field("locks", TEXT_OR_TEXTS, "Locks that it holds while it runs."),
    field("enabled", Shape::Bool, "Whether it takes part at all."),
];

const PLATFORM: Shape = Shape::Choice(&["linux", "macos", "windows"]);

/// A check's `remedy`.
pub static REMEDY: [Field; 7] = [
    field(
        "command",
        COMMAND,
        "A script for /bin/sh, or a program with its arguments as a list.",
    )
    .required()
    .or(&["run"]),
    field(
        "timeout",
        SPAN,
        "It is ended after this long; the check's where it is left out.",
    ),
    field(
        "attempts",
        POSITIVE,
        "How often it may run in one run; 1 where it is left out.",
    ),
    field("cooldown", SPAN, "Between one time and the next."),
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
    field(
        "undo",
        COMMAND,
        "What takes its effect back, when a run that failed is rolled back.",
    ),
];

pub static BUDGET: [Field; 2] = [
    field("times", POSITIVE, "So many times.").required(),
    field("window", SPAN, "Within so long.").required(),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<(&'static str, &'static [Field])> {
        vec![
            ("file", &FILE),
            ("disk", &DISK),
            ("lock", &LOCK),
            ("log", &LOG),
            ("settings", &SETTINGS),
            ("phase", &PHASE),
            ("check", &CHECK),
            ("remedy", &REMEDY),
            ("budget", &BUDGET),
        ]
    }

    #[test]
    fn names_are_of_one_field_and_required_fields_come_first() {
        for (table, fields) in tables() {
            let of = |field: &Field| {
                let others = field.aliases.iter().chain(field.mistaken).copied();
                std::iter::once(field.name)
                    .chain(others)
                    .collect::<Vec<_>>()
            };
            let mut names: Vec<&str> = fields.iter().flat_map(of).collect();
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "{table}");
            assert!(fields.is_sorted_by_key(|field| !field.required), "{table}");
        }
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
