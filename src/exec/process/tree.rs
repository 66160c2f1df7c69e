//! Finding the processes of an attempt, and ending them.
//!
//! A supervisor is a child subreaper: whatever a step starts, however it
//! forks, changes its session or loses its parents, stays a descendant. So the
//! tree below a supervisor is the attempt, and the kernel's answer that there
//! is no child any more is the proof that nothing is left of it.
//!
//! Where the supervisor itself is gone, only the mark in the environment tells
//! whose a process is; a process that has wiped its environment and has lost
//! its parents cannot be found then.
//!
//! No signal is sent by a bare process id, which may have come to mean another
//! process, but to the direct children of the caller (those keep their id until
//! the caller reaps them) and through a handle that is checked after it is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::sys;

/// Whether this system has what is needed here.
///
/// # Errors
/// It has not: Linux before 5.3.
pub fn can_end_processes() -> io::Result<()> {
    sys::pidfd_open(Pid::this()).map(drop).map_err(|e| {
        let why = format!("this system gives no handles on processes (Linux 5.3 does): {e}");
        io::Error::new(io::ErrorKind::Unsupported, why)
    })
}

/// A process, and the parent it was found under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    pid: Pid,
    parent: Pid,
}

/// Ends everything below this process but the listed children (and what is
/// below those): stops first, so that nothing can fork away, then kills.
/// One round; the caller reaps, and asks again until nothing is left.
pub fn kill_below_self(spared: &BTreeSet<Pid>) {
    let me = Pid::this();
    stop_and_kill(|| below(me, spared));
}

/// Asks everything below this process to end, stopped processes included.
///
/// `group` is a process group whose leader is an unreaped child of the caller.
/// It gets the signal as a whole, which misses nobody; who has left it gets it
/// alone. Nobody gets it twice: to many programs a second one means "at once".
pub fn terminate_below_self(group: Option<Pid>) {
    let me = Pid::this();
    if let Some(group) = group {
        for signal in [Signal::SIGTERM, Signal::SIGCONT] {
            // It may be empty already; then there is nobody to ask.
            let _ = nix::sys::signal::killpg(group, signal);
        }
    }
    for found in below(me, &BTreeSet::new()) {
        if group.is_some() && group_of(found.pid) == group {
            continue;
        }
        if let Some(process) = hold(found, me) {
            let _ = sys::pidfd_signal(&process, Signal::SIGTERM as i32);
            let _ = sys::pidfd_signal(&process, Signal::SIGCONT as i32);
        }
    }
}

/// Whether this process has a child that is not listed.
pub fn has_children_but(spared: &BTreeSet<Pid>) -> bool {
    children_of(Pid::this())
        .iter()
        .any(|pid| !spared.contains(pid))
}

/// Ends every process whose environment has the mark, and all below those,
/// and answers when none is left.
///
/// # Errors
/// One of them does not die (it hangs in the kernel, or is another user's).
pub fn end_marked(mark: &str) -> io::Result<()> {
    let mark = mark.as_bytes();
    let give_up = Instant::now() + Duration::from_secs(10);
    loop {
        let left = marked(mark);
        let Some(first) = left.first() else {
            return Ok(());
        };
        if Instant::now() >= give_up {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("process {first} of an interrupted attempt does not end"),
            ));
        }
        end_these(&left, mark);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One round of [`end_marked`].
fn end_these(pids: &[Pid], mark: &[u8]) {
    let nobody = BTreeSet::new();
    for &pid in pids {
        let Ok(process) = sys::pidfd_open(pid) else {
            continue;
        };
        // Asked again after the handle was opened: if the id had changed hands
        // before, the mark is not there; if it does so after, the handle is dead.
        if !has_mark(pid, mark) {
            continue;
        }
        let _ = sys::pidfd_signal(&process, Signal::SIGSTOP as i32);
        stop_and_kill(|| below(pid, &nobody));
        let _ = sys::pidfd_signal(&process, Signal::SIGKILL as i32);
    }
}

/// All live processes whose environment has the mark, this one left out.
pub fn marked(mark: &[u8]) -> Vec<Pid> {
    let me = Pid::this();
    let all = all_processes().into_iter();
    all.filter(|&pid| pid != me && has_mark(pid, mark))
        .collect()
}

fn has_mark(pid: Pid, mark: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|&b| b == 0).any(|entry| entry == mark))
}

/// Stops what `list` finds until it finds nothing new, then kills all of it.
fn stop_and_kill(list: impl Fn() -> Vec<Found>) {
    // Stopping outruns any program that forks to get away: each round leaves
    // fewer that still can. The bound only guards against a kernel that lies.
    const ROUNDS: usize = 100;
    let me = Pid::this();
    let mut stopped = BTreeSet::new();
    for _ in 0..ROUNDS {
        let new: Vec<Found> = list()
            .into_iter()
            .filter(|found| !stopped.contains(&found.pid))
            .collect();
        if new.is_empty() {
            break;
        }
        for found in new {
            stopped.insert(found.pid);
            if let Some(process) = hold(found, me) {
                let _ = sys::pidfd_signal(&process, Signal::SIGSTOP as i32);
            }
        }
    }
    // Children first: they are still where they were found.
    for found in list().into_iter().rev() {
        if let Some(process) = hold(found, me) {
            let _ = sys::pidfd_signal(&process, Signal::SIGKILL as i32);
        }
    }
}

/// A handle on a process that was found in the tree, if it still is there:
/// under the same parent, or handed on to this subreaper.
fn hold(found: Found, me: Pid) -> Option<OwnedFd> {
    let process = sys::pidfd_open(found.pid).ok()?;
    let parent = parent_of(found.pid)?;
    (parent == found.parent || parent == me).then_some(process)
}

/// Everything below `root`, parents before their children.
fn below(root: Pid, spared: &BTreeSet<Pid>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for pid in children_of(parent) {
            if !spared.contains(&pid) && found.iter().all(|other| other.pid != pid) {
                found.push(Found { pid, parent });
                parents.push(pid);
            }
        }
    }
    found
}

/// The children of a process, of all its threads.
fn children_of(pid: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let mut children = Vec::new();
    for task in tasks.into_iter().flatten().flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(list) => children.extend(list.split_ascii_whitespace().filter_map(parse)),
            // The kernel was built without these files, or the thread is gone;
            // the slow way is right in either case.
            Err(_) => return children_by_scan(pid),
        }
    }
    children
}

fn children_by_scan(parent: Pid) -> Vec<Pid> {
    let mut parents: BTreeMap<Pid, Pid> = BTreeMap::new();
    for pid in all_processes() {
        if let Some(its) = parent_of(pid) {
            parents.insert(pid, its);
        }
    }
    parents.retain(|_, its| *its == parent);
    parents.into_keys().collect()
}

fn all_processes() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| parse(entry.file_name().to_str()?))
        .collect()
}

fn parent_of(pid: Pid) -> Option<Pid> {
    stat_field(pid, 1)
}

fn group_of(pid: Pid) -> Option<Pid> {
    stat_field(pid, 2)
}

/// A field of `/proc/PID/stat`, counted from the process's state.
fn stat_field(pid: Pid, n: usize) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything, parentheses included.
    let (_, after_name) = stat.rsplit_once(')')?;
    parse(after_name.split_ascii_whitespace().nth(n)?)
}

fn parse(text: &str) -> Option<Pid> {
    text.parse().ok().map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn both_ways_of_finding_children_agree() {
        let mut child = Command::new("sleep").arg("30").spawn().expect("sleep runs");
        let pid = Pid::from_raw(child.id() as i32);
        let me = Pid::this();
        assert!(children_of(me).contains(&pid));
        assert!(children_by_scan(me).contains(&pid));
        assert_eq!(parent_of(pid), Some(me));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(!children_of(me).contains(&pid));
    }

    #[test]
    fn a_mark_is_matched_whole_and_its_children_go_with_it() {
        let mark = format!("QUINTET_MARK=tree-test:{}", std::process::id());
        let (key, value) = mark.split_once('=').expect("written so");
        let start = |value: &str, script: &str| {
            Command::new("sh")
                .args(["-c", script])
                .env(key, value)
                .stdout(Stdio::piped())
                .spawn()
                .expect("sh runs")
        };
        let ours = start(value, "env -i sleep 60 & sleep 60; true");
        let mut other = start(&format!("{value}0"), "sleep 60; true");
        while marked(mark.as_bytes()).len() < 2 {
            std::thread::yield_now();
        }

        end_marked(&mark).expect("they can be killed");

        // Ends only when nobody holds the pipe: the one without a mark is dead too.
        ours.wait_with_output().expect("it is ours");
        assert_eq!(marked(mark.as_bytes()), []);
        assert_eq!(other.try_wait().expect("it is ours"), None);
        end_marked(&format!("{mark}0")).expect("they can be killed");
        other.wait().expect("it is ours");
    }

    #[test]
    fn a_handle_is_refused_for_a_process_of_somebody_else() {
        let stranger = Found {
            pid: Pid::from_raw(1),
            parent: Pid::this(),
        };
        assert!(hold(stranger, Pid::this()).is_none());
    }
}
