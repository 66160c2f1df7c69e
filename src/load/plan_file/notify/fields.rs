//! Every field of a plan's `notify`, once, as in the table of all others.

use super::super::fields::{ENV, RETRY, TEXTS, WORDS};
use super::super::table::{Field, Shape, field};
use crate::plan::notify::Occasion;

/// The words for what there is to tell.
pub static OCCASIONS: [&str; Occasion::ALL.len()] = {
    let (mut words, mut i) = ([""; Occasion::ALL.len()], 0);
    while i < words.len() {
        words[i] = Occasion::ALL[i].word();
        i += 1;
    }
    words
};
const OCCASION: Shape = Shape::Choice(&OCCASIONS);

/// One of the file's `notify`.
pub static NOTIFY: [Field; 15] = [
    field(
        "on",
        Shape::Either(&[OCCASION, Shape::List(&OCCASION)]),
        "What is told. run_recovered: the run succeeded, and the one before it of this plan, \
         or it itself before it went on, had not; who is told that is not told run_succeeded \
         as well. A run that waits for a restart has not ended, and groups are not told of.",
    )
    .required()
    .not(&["events", "when"]),
    field(
        "name",
        Shape::Text,
        "What the receiver is called in warnings; its number in the list where it is left out.",
    ),
    field(
        "webhook",
        Shape::Text,
        "The http or https address that the message is posted to, as JSON: event, title, text \
         (for people), run_id, plan, outcome, reason, duration_ms, counts, steps (the first few \
         that it is about, each as in a report, with its last words) and more_steps. \
         X-Quintet-Delivery is the message's id, the same each time it is tried. Tried \
         again are connections that fail, 5xx and 429, after Retry-After where that is said; \
         redirects are not followed, and an https server's certificate must lead to one of Mozilla's \
         roots. When the run has ended, the program waits 10 seconds for \
         what is under way, and then warns; how the run ended never depends on it.",
    )
    .not(&["url", "http", "hook"]),
    field(
        "secret",
        Shape::Text,
        "What signs the message: a secret variable, as ${NAME}. X-Quintet-Signature is then \
         sha256= and the HMAC-SHA256, in hexadecimal, of X-Quintet-Timestamp (seconds since \
         1970), a dot, and the body.",
    )
    .not(&["key"]),
    field(
        "secret_env",
        Shape::Text,
        "The same, from the environment variable of this name.",
    ),
    field(
        "headers",
        ENV,
        "More headers of the webhook. Values may hold secret variables.",
    ),
    field(
        "command",
        Shape::Text,
        "The program that is run instead, with the message's text on its standard input, the \
         JSON in QUINTET_NOTIFICATION, and QUINTET_TITLE and QUINTET_TEXT. It has failed unless \
         its exit code is 0. With \"shell\": true a script for /bin/sh.",
    )
    .not(&["cmd", "run", "script", "exec"]),
    field(
        "args",
        WORDS,
        "The program's arguments, each passed on as it is.",
    ),
    field("shell", Shape::Bool, "The command is a script for /bin/sh."),
    field(
        "cwd",
        Shape::Text,
        "The program's working directory, seen from that of the plan.",
    ),
    field(
        "env",
        ENV,
        "The program's environment, over the one the run was started in.",
    ),
    field(
        "only",
        Shape::Object(&ONLY),
        "Of which steps is told; of all where it is left out.",
    )
    .not(&["steps", "tags", "filter"]),
    field(
        "group_within_sec",
        Shape::Seconds,
        "What happens to steps so soon after the first becomes one message; 5 where it is left \
         out.",
    )
    .not(&["group", "group_by", "debounce"]),
    field(
        "timeout_sec",
        Shape::Number {
            least: 0.01,
            most: 3600.0,
        },
        "One try to deliver a message may take this long; 10 where it is left out. A program \
         is ended then, with its process group.",
    ),
    field(
        "retry",
        Shape::Object(&RETRY),
        "How often and how soon a message that was not taken is tried again. Where it is left \
         out: 4 times, after 1, 2, 4 and 8 seconds, each varied by a fifth.",
    )
    .not(&["retries"]),
];

/// The `only` of one of these.
pub static ONLY: [Field; 2] = [
    field("steps", TEXTS, "Ids of steps, or of what they lie below.").not(&["ids"]),
    field("tags", TEXTS, "Tags, of which a step has one."),
];
