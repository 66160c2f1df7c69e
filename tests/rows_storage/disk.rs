//! Full and read-only disks: a small file system in memory stands for them.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::support::{Test, eventually, skip};
use super::{
    Beside, Mounted, as_text, chain, each_ran_once, events, is_root, ledger, noted,
    nothing_is_left, of_kind, plan, state, the_record_is_whole, times, touch, until,
};

/// A test whose state is on a file system of this size of its own; none, where
/// nobody may mount one.
fn small(row: &str, size: &str, plan: String) -> Option<(Test, Mounted)> {
    if !is_root() {
        skip(row, "only root mounts file systems");
        return None;
    }
    let test = Test::new().file("plan.json", plan);
    let mounted = Mounted::over(test.path("state"), &format!("size={size}"));
    Some((test, mounted))
}

fn one_step() -> String {
    plan(1, chain(1, "true"))
}

/// The run is refused, soon, with the place in words, and nothing has run.
#[track_caller]
fn refused(test: &Test, args: &[&str]) {
    let began = Instant::now();
    let state = test.path("state");
    test.quintet(args)
        .status(74)
        .stderr_has(as_text(&state))
        .run();
    // The table says two seconds, on a machine that does nothing else.
    assert!(began.elapsed() < Duration::from_secs(6), "it took too long");
    assert_eq!(ledger(test), [""; 0], "something ran");
    nothing_is_left(test);
}

/// XD01.
#[test]
fn xd01_a_full_disk_refuses_a_run_before_anything_starts() {
    let Some((test, mounted)) = small("xd01", "8m", one_step()) else {
        return;
    };
    mounted.fill();
    refused(&test, &["run", "plan.json"]);
    mounted.empty();
    test.quintet(&["run", "plan.json"]).run();
    std::fs::remove_file(test.path("work/ledger")).expect("it is there");
    // Now with a store that is there.
    mounted.fill();
    refused(&test, &["run", "plan.json"]);
    mounted.empty();
    test.quintet(&["run", "plan.json"]).run();
    each_ran_once(&test, ["s0"]);
    the_record_is_whole(&test);
}

/// XD01.
#[test]
fn xd01_a_read_only_disk_refuses_a_run_and_can_still_be_read() {
    let Some((test, mounted)) = small("xd01", "8m", one_step()) else {
        return;
    };
    mounted.remount("ro");
    refused(&test, &["run", "plan.json"]);
    mounted.remount("rw");
    test.quintet(&["run", "plan.json"]).run();
    std::fs::remove_file(test.path("work/ledger")).expect("it is there");
    mounted.remount("ro");
    refused(&test, &["run", "plan.json"]);
    test.quintet(&["status"]).stdout_has("succeeded").run();
    test.quintet(&["events", "last"])
        .stdout_has("run_finished")
        .run();
}

/// XD01.
#[test]
fn xd01_a_full_disk_refuses_a_resume_and_room_lets_it_through() {
    let steps = chain(2, "[ -e go ]");
    let Some((test, mounted)) = small("xd01", "8m", plan(1, steps)) else {
        return;
    };
    test.quintet(&["run", "plan.json", "-q"]).status(1).run();
    let before = ledger(&test);
    touch(&test, "go");
    mounted.fill();
    let resumed = test.quintet(&["resume"]).status(74);
    resumed.stderr_has(as_text(&test.path("state"))).run();
    assert_eq!(ledger(&test), before);
    mounted.empty();
    test.quintet(&["resume", "-q"]).run();
    assert_eq!(state(&test), "succeeded");
    the_record_is_whole(&test);
}

const STEPS: usize = 12;

fn ids() -> Vec<String> {
    (0..STEPS).map(|n| format!("s{n}")).collect()
}

/// A run of a chain, and beside it a step that outlasts the trouble, that has
/// been told that its disk is full and has said so.
fn standing(row: &str) -> Option<(Test, Mounted, Beside)> {
    let mut steps = chain(STEPS, "sleep 0.1");
    let steady = noted("steady", &[], &until("steady-may-end"));
    steps.as_array_mut().expect("a list").push(steady);
    let (test, mounted) = small(row, "8m", plan(2, steps))?;
    let command = test.quintet(&["run", "plan.json"]).command();
    let mut run = Beside::start(&test, "run", command);
    eventually("the chain is under way", || times(&test, "end s1") > 0);
    mounted.fill();
    run.says("starts nothing new: nothing can be recorded");
    assert!(
        run.said().contains(as_text(&test.path("state"))),
        "{}",
        run.said()
    );
    Some((test, mounted, run))
}

/// Nothing starts any more, once what was on its way has.
#[track_caller]
fn nothing_starts(test: &Test) -> Vec<String> {
    super::a_while();
    let before = ledger(test);
    super::a_while();
    assert_eq!(ledger(test), before);
    let started = |id: &&String| times(test, &format!("start {id}")) > 0;
    let started = ids().iter().filter(started).count();
    assert!(started < STEPS, "nothing was left to start: {before:?}");
    before
}

/// XD02.
#[test]
fn xd02_a_disk_that_fills_up_stops_starts_and_room_lets_them_go_on_by_themselves() {
    let Some((test, mounted, mut run)) = standing("xd02") else {
        return;
    };
    nothing_starts(&test);
    // What runs goes on, and ends.
    touch(&test, "steady-may-end");
    eventually("the step that ran ends", || times(&test, "end steady") == 1);
    assert!(run.has_ended().is_none());
    mounted.empty();
    run.ends(0);
    each_ran_once(&test, ids().iter().map(String::as_str).chain(["steady"]));
    assert_eq!(state(&test), "succeeded");
    the_record_is_whole(&test);
    // It was said once, on the screen and in the record.
    let said = run.said();
    assert_eq!(said.matches("starts nothing new").count(), 1, "{said}");
    assert_eq!(
        said.matches("it can be recorded again").count(),
        1,
        "{said}"
    );
    let events = events(&test);
    let paused = of_kind(&events, "run_paused");
    let continued = of_kind(&events, "run_continued");
    assert_eq!((paused.len(), continued.len()), (1, 1), "{paused:?}");
    let seq = |event: &serde_json::Value| event["seq"].as_u64();
    let between = |event: &&serde_json::Value| {
        event["type"] == "step_started"
            && seq(paused[0]) < seq(event)
            && seq(event) < seq(continued[0])
    };
    assert_eq!(events.iter().filter(between).count(), 0);
}

/// XD02.
#[test]
fn xd02_an_engine_killed_on_a_full_disk_is_resumed_without_repeating_anything() {
    let Some((test, mounted, mut run)) = standing("xd02") else {
        return;
    };
    nothing_starts(&test);
    run.signal(Signal::SIGKILL);
    eventually("it is gone", || run.has_ended().is_some());
    touch(&test, "steady-may-end");
    eventually("the step that ran ends", || times(&test, "end steady") == 1);
    mounted.empty();
    test.quintet(&["resume", "-q"]).run();
    each_ran_once(&test, ids().iter().map(String::as_str).chain(["steady"]));
    assert_eq!(state(&test), "succeeded");
    the_record_is_whole(&test);
    nothing_is_left(&test);
}

/// XD02.
#[test]
fn xd02_a_run_that_stands_still_can_be_stopped_and_says_that_its_end_is_not_recorded() {
    let Some((test, mounted, mut run)) = standing("xd02") else {
        return;
    };
    let before = nothing_starts(&test);
    run.signal(Signal::SIGINT);
    run.ends(74);
    assert!(run.said().contains("quintet resume"), "{}", run.said());
    nothing_is_left(&test);
    assert_eq!(ledger(&test), before);
    mounted.empty();
    touch(&test, "steady-may-end");
    test.quintet(&["resume", "-q"]).run();
    each_ran_once(&test, ids().iter().map(String::as_str));
    assert_eq!(state(&test), "succeeded");
    the_record_is_whole(&test);
}

/// XD02.
#[test]
fn xd02_a_disk_that_fills_up_again_is_waited_for_again() {
    const MANY: usize = 40;
    let steps = chain(MANY, "sleep 0.1");
    let Some((test, mounted)) = small("xd02", "8m", plan(1, steps)) else {
        return;
    };
    let command = test.quintet(&["run", "plan.json", "-q"]).command();
    let mut run = Beside::start(&test, "run", command);
    eventually("the chain is under way", || times(&test, "end s1") > 0);
    for round in 1..=2 {
        mounted.fill();
        eventually("it stands still", || {
            // Also where nothing else is said, since it waits for a person.
            run.said().matches("nothing new starts").count() == round
        });
        mounted.empty();
        eventually("it goes on", || {
            of_kind(&events(&test), "run_continued").len() == round
        });
    }
    run.ends(0);
    let ids: Vec<String> = (0..MANY).map(|n| format!("s{n}")).collect();
    each_ran_once(&test, ids.iter().map(String::as_str));
    the_record_is_whole(&test);
}
