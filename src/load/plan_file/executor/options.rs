//! Further options of `sbatch`. They go to it as they are written, beside those
//! that quintet gives it; so one that contradicts these, or that would take the
//! next one for its value, is refused.

use crate::load::document::{Node, Path};
use crate::load::plan_file::record::Record;
use crate::load::plan_file::walk::Walk;
use crate::plan::build::quoted;
use crate::plan::problem::Problem;

/// An option that is quintet's own to give.
struct Ours {
    long: &'static str,
    short: Option<char>,
    /// Why a plan cannot give it.
    why: &'static str,
}

const fn ours(long: &'static str, short: Option<char>, why: &'static str) -> Ours {
    Ours { long, short, why }
}

const OUTPUT: &str = "what a step writes is kept with its run";
const ENVIRONMENT: &str = "\"env\" says what the step's environment is";
const NOTHING: &str = "nothing would run";
const OWNER: &str = "a job belongs to whoever runs the plan";
const ONE: &str = "an attempt is one task on one node";

static OURS: [Ours; 24] = [
    ours("array", Some('a'), "an attempt is one job"),
    ours("chdir", Some('D'), "\"cwd\" says where a step runs"),
    ours("clusters", Some('M'), "jobs are looked for in one cluster"),
    ours("comment", None, "it holds the \"labels\""),
    ours(
        "dependency",
        Some('d'),
        "\"depends_on\" says what a step waits for",
    ),
    ours("error", Some('e'), OUTPUT),
    ours("export", None, ENVIRONMENT),
    ours("export-file", None, ENVIRONMENT),
    ours("gid", None, OWNER),
    ours("help", Some('h'), NOTHING),
    ours("input", Some('i'), "\"stdin\" says what a step reads"),
    ours("job-name", Some('J'), "jobs are found by their names"),
    ours("nodes", Some('N'), ONE),
    ours("ntasks", Some('n'), ONE),
    ours("open-mode", None, OUTPUT),
    ours("output", Some('o'), OUTPUT),
    ours("parsable", None, "what sbatch answers is read"),
    ours(
        "requeue",
        None,
        "\"retries\" says how often a step is tried again",
    ),
    ours("test-only", None, NOTHING),
    ours("uid", None, OWNER),
    ours("usage", None, NOTHING),
    ours("version", Some('V'), NOTHING),
    ours("wait", Some('W'), "nobody waits for sbatch"),
    ours("wrap", None, "\"command\" says what a step runs"),
];

/// Options of `sbatch` that take a value. Without one they would take what
/// follows; what is not listed may be a site's own.
const VALUED: &str = " account acctg-freq batch bb bbf begin cluster-constraint constraint \
    container container-id core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task \
    deadline delay-boot distribution exclude extra extra-node-info gpu-bind gpu-freq gpus \
    gpus-per-node gpus-per-socket gpus-per-task gres gres-flags hint kill-on-invalid-dep \
    licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus \
    network nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node \
    ntasks-per-socket partition power prefer priority profile qos reservation segment signal \
    sockets-per-node switches thread-spec threads-per-core time time-min tmp tres-bind \
    tres-per-task wait-all-nodes wckey ";

/// Those of one letter that take none.
const FLAGS: &str = "HIOQksv";

pub fn list(walk: &mut Walk<'_>, record: &Record<'_>, path: &Path<'_>) -> Vec<Box<str>> {
    let path = Path::Field(path, "options");
    let items = record.named("options").into_iter().flat_map(Node::items);
    let mut options = Vec::new();
    for (i, node) in items.enumerate() {
        let path = Path::Item(&path, i);
        let Some(text) = walk.plain(node, &path) else {
            continue;
        };
        match objection(&text) {
            None => options.push(text.into()),
            Some((message, help)) => {
                let message = format!("{} {message}", quoted(&text));
                let mut problem = Problem::error(path.says(message)).at(node.span(), "");
                problem.help = help;
                walk.problems.push(problem);
            }
        }
    }
    options
}

/// What is wrong with an option, to follow it, and what would mend it.
fn objection(option: &str) -> Option<(String, Option<String>)> {
    if let Some(odd) = option.chars().find(|c| c.is_control()) {
        return Some((format!("holds {odd:?}, which no option can"), None));
    }
    if let Some(long) = option.strip_prefix("--") {
        return long_objection(long);
    }
    match option.strip_prefix('-') {
        Some(letters) if !letters.is_empty() => short_objection(letters),
        _ => {
            let help = "an option and its value are one text: \"--constraint=ib\"";
            Some(("is no option of sbatch".into(), Some(help.into())))
        }
    }
}

/// `sbatch` takes the beginning of a long option for the whole.
fn long_objection(long: &str) -> Option<(String, Option<String>)> {
    let (name, value) = match long.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (long, None),
    };
    if name.is_empty() {
        return Some(("is no option of sbatch".into(), None));
    }
    if let Some(ours) = OURS.iter().find(|ours| ours.long.starts_with(name)) {
        let is_one = ours.why == ONE && matches!(value, Some("1" | "1-1"));
        return (!is_one).then(|| refusal(ours));
    }
    let valued = value.is_none() && VALUED.contains(&format!(" {name} "));
    valued.then(|| without_value(&format!("--{name}=")))
}

/// Several letters may stand behind one dash, up to one that takes the rest.
fn short_objection(letters: &str) -> Option<(String, Option<String>)> {
    for (at, letter) in letters.char_indices() {
        let value = &letters[at + letter.len_utf8()..];
        if let Some(ours) = OURS.iter().find(|ours| ours.short == Some(letter)) {
            let is_one = ours.why == ONE && matches!(value, "1" | "1-1");
            return (!is_one).then(|| refusal(ours));
        }
        if !FLAGS.contains(letter) {
            return value
                .is_empty()
                .then(|| without_value(&format!("-{letter}")));
        }
    }
    None
}

fn refusal(ours: &Ours) -> (String, Option<String>) {
    let message = format!("cannot stand here: {}", ours.why);
    (message, None)
}

fn without_value(option: &str) -> (String, Option<String>) {
    let help = format!("an option and its value are one text: \"{option}VALUE\"");
    ("takes a value".into(), Some(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sbatch_takes_beside_our_own_is_let_through() {
        for option in [
            "--exclusive",
            "--exclusive=user",
            "--constraint=ib",
            "--nice",
            "--qos=high",
            "--mem=0",
            "--no-requeue",
            "--ntasks-per-node=1",
            "--nodelist=n[1-3]",
            "--nodes=1",
            "--ntasks=1",
            "--wait-all-nodes=1",
            "--of-this-site",
            "--licenses=a:2,b",
            "-N1",
            "-n1",
            "-Cib",
            "-H",
            "-HOs",
            "-HCib",
        ] {
            assert_eq!(objection(option), None, "{option}");
        }
    }

    #[test]
    fn no_spelling_of_our_own_options_is_let_through() {
        for ours in &OURS {
            let long = format!("--{}", ours.long);
            for value in ["", "=2", "=x"] {
                assert!(
                    objection(&format!("{long}{value}")).is_some(),
                    "{long}{value}"
                );
            }
            let Some(short) = ours.short else { continue };
            for spelled in [
                format!("-{short}"),
                format!("-{short}2"),
                format!("-H{short}2"),
            ] {
                assert!(objection(&spelled).is_some(), "{spelled}");
            }
        }
        // What sbatch takes for an abbreviation of one.
        for option in [
            "--arr=1-3",
            "--job=x",
            "--dep=afterok:1",
            "--out=x",
            "--w=x",
        ] {
            assert!(objection(option).is_some(), "{option}");
        }
    }

    #[test]
    fn what_would_take_the_next_option_for_its_value_is_none() {
        for option in ["--constraint", "--qos", "-C", "-HC", "--time", "-p"] {
            let (message, _) = objection(option).expect(option);
            assert_eq!(message, "takes a value", "{option}");
        }
        for none in ["", "-", "--", "--=x", "ib", "exclusive", " --nice"] {
            let (message, _) = objection(none).expect("an objection");
            assert_eq!(message, "is no option of sbatch", "{none:?}");
        }
    }
}
