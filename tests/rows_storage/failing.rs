//! System calls that fail: `strace` lets them, in the engine, its supervisors
//! and the steps alike. Steps therefore keep their ledger with `mkdir`, which
//! is never among those that fail.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::support::{Test, eventually, nightly, skip};
use super::{
    Beside, each_ran_once, events, has_tool, noted, nothing_is_left, of_kind, plan, processes,
    state, the_record_is_whole, times, touch, under, until,
};

fn can_trace(row: &str) -> bool {
    let can = has_tool("strace") && {
        let probe = ["-f", "-qq", "-o", "/dev/null", "true"];
        let done = Command::new("strace").args(probe).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !can {
        skip(row, "strace cannot trace here");
    }
    can
}

/// A run under strace, which lets these calls fail.
fn failing(test: &Test, faults: &[String], args: &[&str]) -> Beside {
    let mut wrapper = vec!["strace", "-f", "-qq", "-o", "/dev/null"];
    let calls: Vec<&str> = faults
        .iter()
        .filter_map(|fault| fault.split(':').next())
        .collect();
    let trace = format!("trace={}", calls.join(","));
    wrapper.extend(["-e", &trace]);
    let faults: Vec<String> = faults
        .iter()
        .map(|fault| format!("inject={fault}"))
        .collect();
    for fault in &faults {
        wrapper.extend(["-e", fault]);
    }
    Beside::start(test, "run", under(test, &wrapper, args))
}

/// The engine, which is the one child of strace.
pub fn engine(run: &Beside) -> Option<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", run.pid());
    let children = fs::read_to_string(path).ok()?;
    children
        .split_whitespace()
        .next()?
        .parse()
        .ok()
        .map(Pid::from_raw)
}

/// Both calls that SQLite may have been built to use.
fn failing_syncs(when: &str) -> Vec<String> {
    let of = |call| format!("{call}:error=EIO:when={when}");
    vec![of("fsync"), of("fdatasync")]
}

/// A test in which something has been run before, so that the store is there.
fn with_a_store(plan_file: String) -> Test {
    let test = Test::new().file("plan.json", plan_file).file(
        "first.json",
        plan(1, json!([{"id": "first", "command": "true"}])),
    );
    test.quintet(&["run", "first.json", "-q"]).run();
    test
}

/// XD03: the disk fails to take something for good. The engine stops, whatever
/// the next call would have said, and another one finds the truth.
#[test]
fn xd03_a_failed_fsync_ends_the_engine_and_is_not_tried_again() {
    if !can_trace("xd03") {
        return;
    }
    // The first is of the run's first commit, which is another test; the second
    // of the directory, where SQLite does not ask how it went.
    let all: Vec<u32> = (3..=40).collect();
    let some = [3, 4, 7];
    for nth in if nightly() { &all[..] } else { &some[..] } {
        let mut steps = super::chain(8, "sleep 0.05");
        let steady = noted("steady", &[], &until("steady-may-end"));
        steps.as_array_mut().expect("a list").push(steady);
        let test = with_a_store(plan(2, steps));
        let mut run = failing(
            &test,
            &failing_syncs(&nth.to_string()),
            &["run", "plan.json"],
        );
        // Strace itself stays as long as the steps do, with the engine gone.
        let fails = || run.said().contains("the run cannot be recorded");
        eventually("it fails, or needs no more of these", || {
            times(&test, "end s7") > 0 || fails()
        });
        touch(&test, "steady-may-end");
        if !fails() {
            run.ends(0);
            assert!(*nth > 7, "only {nth} calls were made");
            continue;
        }
        run.ends(74);
        assert!(run.said().contains("I/O error"), "{}", run.said());
        // Steps that ran go on to their end without it.
        eventually("the step that ran ends", || {
            times(&test, "start steady") == times(&test, "end steady")
        });
        test.quintet(&["resume", "-q"]).run();
        let ids: Vec<String> = (0..8).map(|n| format!("s{n}")).collect();
        each_ran_once(&test, ids.iter().map(String::as_str).chain(["steady"]));
        the_record_is_whole(&test);
        nothing_is_left(&test);
    }
}

/// XD03.
#[test]
fn xd03_a_run_whose_first_commit_cannot_be_forced_to_the_disk_never_starts() {
    if !can_trace("xd03") {
        return;
    }
    let steps = super::chain(2, "true");
    let test = with_a_store(plan(1, steps.clone()));
    let mut run = failing(&test, &failing_syncs("1"), &["run", "plan.json"]);
    run.ends(74);
    assert_eq!(super::ledger(&test), [""; 0]);
    test.quintet(&["runs"]).stdout_has("succeeded").run();
    // The same where the store is only being made.
    let test = Test::new().file("plan.json", plan(1, steps));
    let mut run = failing(&test, &failing_syncs("1+"), &["run", "plan.json"]);
    run.ends(74);
    assert_eq!(super::ledger(&test), [""; 0]);
    test.quintet(&["run", "plan.json", "-q"]).run();
    each_ran_once(&test, ["s0", "s1"]);
}

/// XD02: only a slot's own records have no room; the log has.
#[test]
fn xd02_a_slot_that_cannot_record_a_start_does_not_make_it_and_goes_on_by_itself() {
    if !can_trace("xd02") {
        return;
    }
    let steps = json!([
        noted("a", &[], &until("go")),
        noted("b", &["a"], "true"),
        noted("c", &["b"], "true")
    ]);
    let test = Test::new().file("plan.json", plan(1, steps));
    let command = test.quintet(&["run", "plan.json"]).command();
    let mut run = Beside::start(&test, "run", command);
    eventually("a starts", || times(&test, "start a") == 1);
    let engine = run.pid();
    let supervisor = processes(&test)
        .into_iter()
        .find(|(pid, ours)| *ours && *pid != engine && name(*pid) == "quintet-slot")
        .expect("a step that runs has a supervisor");
    let mut strace = Command::new("strace");
    strace
        .args(["-qq", "-o", "/dev/null", "-e", "trace=write"])
        .args(["-e", "inject=write:error=ENOSPC:when=1..3"])
        .args(["-p", &supervisor.0.to_string()]);
    let _strace = Beside::start(&test, "strace", strace);
    eventually("it is traced", || {
        let status = fs::read_to_string(format!("/proc/{}/status", supervisor.0));
        let traced = |line: &str| line.starts_with("TracerPid:") && !line.ends_with("\t0");
        status.is_ok_and(|status| status.lines().any(traced))
    });
    touch(&test, "go");
    run.says("starts nothing new: nothing can be recorded");
    assert!(run.said().contains(".rec: No space left"), "{}", run.said());
    assert_eq!(times(&test, "start b"), 0);
    run.ends(0);
    each_ran_once(&test, ["a", "b", "c"]);
    the_record_is_whole(&test);
    // Nothing was called interrupted, or made twice.
    let events = events(&test);
    assert!(
        of_kind(&events, "step_finished")
            .iter()
            .all(|end| end["end"] == "exited")
    );
    assert_eq!(of_kind(&events, "step_started").len(), 3);
    nothing_is_left(&test);
}

fn name(pid: Pid) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// What is done about a run that finds no room any more.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// There is room again.
    Room,
    Interrupt,
    Kill,
}

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A plan whose steps note with `mkdir` that they ran.
fn marking() -> String {
    let step = |id: &str, needs: &[&str]| -> Value {
        let script = format!("mkdir start-{id}-$$$$ && mkdir end-{id}-$$$$");
        json!({"id": id, "depends_on": needs, "shell": true, "command": script})
    };
    let steps = json!([
        step("a", &[]),
        step("b", &["a"]),
        step("c", &["a"]),
        step("d", &["b", "c"]),
        step("e", &["d"])
    ]);
    plan(2, steps)
}

fn marks(test: &Test, what: &str) -> usize {
    let entries = fs::read_dir(test.path("work")).expect("it can be read");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with(what))
        .count()
}

/// No room at any write from the nth on.
#[track_caller]
fn no_room_from(call: &str, nth: u32, then: Then, begun: bool) {
    let test = match begun {
        true => with_a_store(marking()),
        false => Test::new().file("plan.json", marking()),
    };
    let first = last_run(&test);
    let fault = format!("{call}:error=ENOSPC:when={nth}+");
    let mut run = failing(&test, &[fault], &["run", "plan.json", "--json"]);
    // It ends by itself (refused, or with no more than n writes), or stands still.
    let patience = Instant::now() + Duration::from_secs(3);
    eventually("it ends or stands still", || {
        let stands = run.said().contains("starts nothing new") || Instant::now() > patience;
        run.has_ended().is_some() || stands
    });
    let acknowledged = run.results();
    if run.has_ended().is_none() {
        let engine = engine(&run);
        match (then, engine) {
            (Then::Kill, Some(engine)) => kill(engine, Signal::SIGKILL).expect("it is there"),
            // Twice, since a plan's clean-up could want to run after the first.
            (Then::Interrupt, Some(engine)) => {
                kill(engine, Signal::SIGINT).expect("it is there");
                eventually("it ends when asked to", || run.has_ended().is_some());
            }
            (_, _) => {}
        }
        // Without strace the calls that failed go well again, for supervisors too.
        let _ = run.child.kill();
        let _ = run.child.wait();
        if let Then::Room = then {
            eventually("it goes on by itself", || state(&test) == "succeeded");
        }
    }
    assert!(!run.said().contains("panicked"), "{}", run.said());
    let story = format!("{call} {nth} {then:?}: {}", run.said());
    if last_run(&test) == first {
        // It never came to be: then nothing has run, and nothing was promised.
        assert_eq!(
            (marks(&test, "start-"), acknowledged.len()),
            (0, 0),
            "{story}"
        );
        test.quintet(&["run", "plan.json", "-q"]).run();
    } else {
        // Of a run that is over, only the copy of its record may be short.
        let over = state(&test) == "succeeded";
        let resume = test.quintet(&["resume", "-q"]);
        resume.status(if over { 2 } else { 0 }).run();
    }
    let events = events(&test);
    for line in &acknowledged {
        let event: Value = serde_json::from_str(line).expect("an event is JSON");
        let at = event["seq"].as_u64().expect("a number") as usize - 1;
        assert_eq!(events[at], event, "what was acknowledged is gone: {story}");
    }
    let lost = |id: &str| {
        let ends = of_kind(&events, "step_finished");
        // Stopped by an engine that could not record why, it was cut short as well.
        let cut = |end: &&&Value| end["end"] == "interrupted" || end["end"] == "canceled";
        let interrupted = ends.iter().filter(cut);
        interrupted.filter(|end| end["step_id"] == id).count()
    };
    for id in IDS {
        let started = marks(&test, &format!("start-{id}-"));
        let ended = marks(&test, &format!("end-{id}-"));
        assert!(
            ended >= 1 && started <= 1 + lost(id),
            "{id} {started} {ended}: {story}"
        );
    }
    assert_eq!(state(&test), "succeeded", "{story}");
    the_record_is_whole(&test);
    nothing_is_left(&test);
}

/// The newest run, if anything was ever run.
fn last_run(test: &Test) -> Option<String> {
    let done = test
        .quintet(&["status", "last", "--json"])
        .command()
        .output();
    let status: Value = serde_json::from_slice(&done.expect("it runs").stdout).ok()?;
    Some(super::text(&status["run"]["run_id"]))
}

/// XD04.
#[test]
fn xd04_no_room_at_any_write_loses_nothing_and_invents_nothing() {
    if !can_trace("xd04") {
        return;
    }
    let thens = [Then::Room, Then::Interrupt, Then::Kill];
    // Each thread counts for itself: what makes the store is one, what commits
    // another, and each supervisor is one more.
    let (commits, making, writes): (Vec<u32>, Vec<u32>, Vec<u32>) = match nightly() {
        true => ((1..=300).collect(), (1..=60).collect(), (1..=300).collect()),
        false => (
            vec![1, 5, 9, 12, 17, 22, 27, 31, 36],
            vec![1, 12, 30],
            vec![1, 3, 4, 6, 9],
        ),
    };
    for (at, nth) in commits.into_iter().enumerate() {
        no_room_from("pwrite64", nth, thens[at % 3], true);
    }
    for nth in making {
        no_room_from("pwrite64", nth, Then::Interrupt, false);
    }
    // The engine is woken by a write that cannot fail but here, so a run may
    // stand still without a word, and not hear that it is to stop.
    for nth in writes {
        no_room_from("write", nth, Then::Kill, true);
    }
}
