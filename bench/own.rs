//! What a tree of processes holds and does, by what the kernel says of it.
//!
//! Of quintet's processes, those whose program is quintet's are its own: the
//! engine, the zygote and the supervisors. The others are steps.

use std::fs;
use std::path::Path;

/// The children of a process, and theirs, and so on; without the process.
pub fn descendants(of: u32) -> Vec<u32> {
    let mut found = children(of);
    let mut at = 0;
    while at < found.len() {
        let next = children(found[at]);
        found.extend(next);
        at += 1;
    }
    found
}

fn children(of: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{of}/task"));
    threads
        .into_iter()
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|line| {
            let pids = line.split_whitespace().filter_map(|pid| pid.parse().ok());
            pids.collect::<Vec<u32>>()
        })
        .collect()
}

/// Whether a process runs this program.
pub fn runs(pid: u32, program: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
}

/// Memory of a process, in KiB. A page that several share counts in each for
/// its share only in `shared_out`, and whole in `resident`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub resident: u64,
    pub shared_out: u64,
}

/// The memory of a process that is still there.
pub fn memory(pid: u32) -> Option<Memory> {
    let said = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    Some(Memory {
        resident: number(&said, "Rss:")?,
        shared_out: number(&said, "Pss:")?,
    })
}

/// How often the threads of a process have been on a processor.
pub fn switches(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    threads
        .into_iter()
        .flatten()
        .filter_map(|thread| {
            let said = fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
            // Those that were forced do not count: whoever is awake anyway
            // has to make room for others.
            number(&said, "voluntary_ctxt_switches:")
        })
        .sum()
}

/// The number behind a name at the beginning of a line.
fn number(said: &str, name: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
