//! What must not pile up while a run goes on: zombies, descriptors, memory,
//! files, processes.

use std::collections::BTreeMap;
use std::fs;

use nix::unistd::Pid;
use serde_json::{Value, json};

use super::support::{Test, eventually, nightly};
use super::{Beside, nothing_is_left, plan, processes, touch, until};

/// What the run's own processes hold at one moment.
#[derive(Clone, Debug)]
struct Sample {
    /// Events in the record.
    events: usize,
    /// Resident memory of the engine, in KiB.
    memory: u64,
    /// Descriptors, by process.
    descriptors: BTreeMap<i32, usize>,
}

fn sample(test: &Test, engine: Pid) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{engine}/status")).ok()?;
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let memory = memory.split_whitespace().next()?.parse().ok()?;
    let ours = processes(test).into_iter().filter(|(_, ours)| *ours);
    let descriptors = ours.filter_map(|(pid, _)| {
        let count = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        Some((pid.as_raw(), count))
    });
    Some(Sample {
        events: recorded(test),
        memory,
        descriptors: descriptors.collect(),
    })
}

/// How many lines `events.jsonl` has.
fn recorded(test: &Test) -> usize {
    let runs = fs::read_dir(test.path("state/runs")).into_iter().flatten();
    let copies = runs.flatten().map(|run| run.path().join("events.jsonl"));
    let bytes = copies.filter_map(|copy| fs::read(copy).ok()).flatten();
    bytes.filter(|byte| *byte == b'\n').count()
}

/// The dead that nobody has waited for, among the children of these.
fn zombies(parents: &[i32]) -> usize {
    let entries = fs::read_dir("/proc").expect("it can be read").flatten();
    let dead_child = |entry: &fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let mut fields = after_name.split(' ');
        let dead = fields.next() == Some("Z");
        let parent = fields.next().and_then(|parent| parent.parse().ok());
        dead && parent.is_some_and(|parent: i32| parents.contains(&parent))
    };
    entries.filter(dead_child).count()
}

/// XB14.
#[test]
fn xb14_thousands_of_steps_leave_nothing_behind_while_they_run_or_after() {
    let steps = if nightly() { 10_000 } else { 1_000 };
    let mut all: Vec<Value> = (0..steps)
        .map(|n| json!({"id": format!("s{n}"), "command": "true"}))
        .collect();
    let last = json!({"id": "last", "shell": true, "timeout_sec": 600, "priority": -1,
                      "command": until("go")});
    all.push(last);
    let test = Test::new().file("plan.json", plan(2, all.into()));
    let command = test.quintet(&["run", "plan.json", "-q"]).command();
    let mut run = Beside::start(&test, "run", command);
    // Three events a step: claimed, started, finished.
    let mut early = None;
    eventually("a fifth has run", || {
        let far = recorded(&test) > 3 * steps / 5;
        early = far.then(|| sample(&test, run.pid())).flatten();
        early.is_some()
    });
    let early = early.expect("it was taken");
    let mut before = 0;
    while recorded(&test) < 3 * steps {
        // As long as anything happens, however slow the machine is.
        assert!(run.has_ended().is_none(), "{}", run.said());
        eventually("another step ends", || recorded(&test) > before);
        before = recorded(&test);
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let late = sample(&test, run.pid()).expect("the engine lives");
    let pids: Vec<i32> = late.descriptors.keys().copied().collect();
    eventually("nobody dead is left waiting", || zombies(&pids) == 0);

    let counted = (late.events - early.events) / 3;
    let grown = late.memory.saturating_sub(early.memory);
    eprintln!("xb14: {grown} KiB over {counted} steps, {late:?}");
    assert!(
        grown * 1000 < 1024 * counted as u64,
        "memory grows: {grown} KiB over {counted} steps"
    );
    for (pid, count) in &late.descriptors {
        let at_first = early.descriptors.get(pid).copied().unwrap_or(*count);
        assert!(
            count.abs_diff(at_first) <= 5,
            "process {pid}: {at_first}, then {count} descriptors"
        );
    }
    touch(&test, "go");
    run.ends(0);
    nothing_is_left(&test);
    let left: Vec<String> = super::traps::below(&test.path("state"))
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let transient = |name: &&String| {
        [".sock", ".now", ".set"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    assert_eq!(left.iter().filter(transient).count(), 0, "{left:?}");
    assert!(left.len() < 30, "{left:?}");
}
