//! What stands around the tables in `RESULTS.md`: on what machine, with which
//! versions, by which command, and what missed.

use std::fmt::Write as _;
use std::fs;

use crate::peers::PEERS;
use crate::report::Section;

/// Why a figure is missed: the row, how the figure's name begins, and the reason.
const REASONS: &[(&str, &str, &str)] = &[
    (
        "W1",
        "wall / ninja's",
        "Two commits are forced to the disk, one before the step may start and one before its end is told; the store is opened and a supervisor is forked. ninja does none of that. Without lines of progress (`-q`) it was 1.6.",
    ),
    (
        "W2",
        "wall / floor's, 10,000 steps, 2 at once",
        "With as many slots as processors, what is recorded competes with the steps: some 70 µs of processor time for each. With 8 at once it holds.",
    ),
    (
        "W3",
        "wall / floor's",
        "One step runs at a time, so the two records and the proof between two steps are all on the way; no round trip to the engine is.",
    ),
    (
        "W3",
        "wall / ninja's",
        "As for the floor, which itself takes 0.42 of ninja's time here.",
    ),
    (
        "W5",
        "`plan`: wall",
        "Beside what `validate` does, 100,000 lines are laid out and written, which n2 does not do.",
    ),
    (
        "W5",
        "`validate`: wall",
        "Every field's name and type is checked with its place in the file, ids and edges are resolved and cycles looked for; n2 reads lines of three known shapes.",
    ),
    (
        "W6",
        "wall / ninja's",
        "The plan is read with every field checked, hashed, and compared with what the store remembers of each step; each step is settled by an event of its own with its reason, in the database and in the copy. ninja reads lines and compares times, and records nothing.",
    ),
    (
        "W6",
        "every byte read again",
        "Beside all that, each file is opened, read and hashed, by one thread, and its new times are written down for the next run.",
    ),
    (
        "W8",
        "CPU beyond the floor's",
        "Each slot has a process of its own: to fork it, and to make its three files while 999 others make theirs in the same directory, takes 1.9 ms. ninja and n2 take 1.1 ms more than the floor, too.",
    ),
];

/// The beginning of the file.
pub fn frame(rounds: usize) -> String {
    format!(
        "# Results\n\n\
         Made by `cargo bench --bench workloads -- --rounds {rounds} --markdown > bench/RESULTS.md`, \
         which is also how to make it again. quintet records every transition, with \
         `synchronous=FULL`; no peer records what it does.\n\n\
         Commands take turns, A B C A B C. `wall s` is the median of the rounds, `× first` the \
         median over the rounds of this command's time divided by the first command's. `CPU s` is that \
         of all processes, the steps included; `peak MiB` that of the largest.\n\n\
         {}\n\n{}\n",
        machine(),
        peers()
    )
}

/// What kind of machine this is; not which.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release: Vec<&str> = release.trim().split('.').take(2).collect();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let memory = memory.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let memory: u64 = memory.unwrap_or(0);
    format!(
        "Machine: {cores} cores, {} GiB of memory, Linux {}.",
        memory / 1024 / 1024,
        release.join(".")
    )
}

/// Which peers are here, in which version, and which are not.
pub fn peers() -> String {
    let (here, missing): (Vec<_>, Vec<_>) = PEERS.iter().partition(|peer| peer.program().is_some());
    let here: Vec<String> = here
        .iter()
        .map(|peer| {
            format!("{} {}", peer.name, peer.said_version())
                .trim()
                .to_owned()
        })
        .collect();
    let missing: Vec<&str> = missing.iter().map(|peer| peer.name).collect();
    format!(
        "Peers: {}. Missing: {}.",
        here.join(", "),
        if missing.is_empty() {
            "none".into()
        } else {
            missing.join(", ")
        }
    )
}

/// The end of the file: every figure that misses its budget.
pub fn missed(sections: &[Section]) -> String {
    let mut out = String::from("\n## What misses its budget\n\n");
    let mut none = true;
    for section in sections {
        for verdict in &section.verdicts {
            if verdict.holds() == Some(true) {
                continue;
            }
            none = false;
            let reason = REASONS
                .iter()
                .find(|(row, what, _)| *row == section.row && verdict.what.starts_with(what));
            let reason = reason.map_or("The reason is not known.", |(_, _, reason)| reason);
            let _ = writeln!(out, "- {}: {} {reason}", section.row, verdict.told());
        }
    }
    if none {
        out.push_str("Nothing.\n");
    }
    out
}
