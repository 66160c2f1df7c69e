//! Plans that are edited between a crash and the resume: the run goes by its
//! own, and by the new one only where somebody says so.

use std::fs;

use quintet::run::{Exit, Kind};
use serde_json::{Value, json};

use crate::support::{Live, Test, eventually};
use crate::witness::{
    count, diamond, ends, given, kill_all, kill_engine, ledger, lines, lives, nothing_is_left,
    plan_of, run_of, started, step, touch, with, wrong_files, wrongs,
};

fn write(test: &Test, steps: &[Value]) {
    fs::write(test.path("work/plan.json"), plan_of(2, steps)).expect("it is ours");
}

fn content(test: &Test) -> String {
    let text = fs::read(test.path("work/plan.json")).expect("it is there");
    blake3::hash(&text).to_hex().to_string()
}

fn begin(test: &Test) -> Live<'_> {
    test.quintet(&["run", "plan.json", "-q"])
        .status(137)
        .start()
}

/// The diamond, whose b and c wait for `go`, killed while they run.
fn interrupted() -> (Test, Vec<Value>) {
    let mut steps = diamond("0");
    for (at, id) in [(1, "b"), (2, "c")] {
        steps[at]["args"] = json!(["step.sh", id, "/go"]);
    }
    let test = given(2, &steps);
    let run = begin(&test);
    started(&test, "b");
    started(&test, "c");
    kill_engine(run);
    (test, steps)
}

fn starts(test: &Test) -> Vec<String> {
    let starts = ledger(test).into_iter().filter(|l| l.what == "start");
    starts.map(|line| line.step).collect()
}

/// XA12.
#[test]
fn xa12_an_edited_plan_is_told_of_with_both_hashes_and_not_followed() {
    let (test, mut steps) = interrupted();
    let before = content(&test);
    steps[3]["args"] = json!(["step.sh", "edited", "0"]);
    write(&test, &steps);
    touch(&test, "go");
    let id = run_of(&test).row.run_id;
    test.quintet(&["resume"])
        .stderr_has("work/plan.json has changed since run")
        .stderr_has(&format!("was {before}"))
        .stderr_has(&format!("is  {}", content(&test)))
        .stderr_has(&format!("quintet resume {id} --use-new-plan"))
        .run();
    assert_eq!(wrongs(&test), Vec::<String>::new());
    assert!(!starts(&test).contains(&"edited".to_owned()));
    // Nothing is said where nothing has changed.
    let (test, _) = interrupted();
    touch(&test, "go");
    let resumed = test.quintet(&["resume"]).run();
    assert!(!resumed.stderr.contains("changed"), "{}", resumed.stderr);
}

/// XA12.
#[test]
fn xa12_a_new_plan_takes_over_what_runs_and_changes_what_is_to_come() {
    let (test, mut steps) = interrupted();
    // d is another program now, a is changed though it is done, e is new.
    steps[0]["args"] = json!(["step.sh", "a", "0", "9"]);
    steps[3]["args"] = json!(["step.sh", "d", "0.01"]);
    steps.insert(0, step("e", "0", &["b"]));
    write(&test, &steps);
    let resume = test.quintet(&["resume", "--use-new-plan"]).start();
    eventually("the plan is replaced", || {
        let replaced = |kind: &Kind| matches!(kind, Kind::PlanReplaced { .. });
        count(&run_of(&test), replaced) == 1
    });
    touch(&test, "go");
    resume.finish();

    assert_eq!(wrongs(&test), Vec::<String>::new());
    let mut started = starts(&test);
    started.sort();
    assert_eq!(started, ["a", "b", "c", "d", "e"]);
    let run = run_of(&test);
    let told = run.events.iter().find_map(|event| match &event.kind {
        Kind::PlanReplaced { by } => Some(by.clone()),
        _ => None,
    });
    let list = |ids: &[&str]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
    let told = told.expect("it was looked at before");
    assert_eq!(
        (told.added, told.removed, told.changed),
        (list(&["e"]), list(&[]), list(&["a", "d"]))
    );
    for id in ["d", "e"] {
        let why = test.quintet(&["why", id]).run().text();
        assert!(why.contains("work/plan.json: plan "), "{why}");
    }
    test.quintet(&["events", "last"])
        .stdout_has("plan_replaced")
        .stdout_has("new: e; changed: a, d")
        .run();
    test.quintet(&["status"]).stdout_has("5 of 5 steps").run();
    // The database's own views know the new step by its name.
    let sql = rusqlite::Connection::open(test.path("state/quintet.db")).expect("it is there");
    let query = "SELECT count(*) FROM run_events WHERE step_id = 'e' AND event_type LIKE 'step_%'";
    let of_e: u32 = sql
        .query_row(query, (), |row| row.get(0))
        .expect("a number");
    assert!(of_e >= 3, "{of_e}");
    test.quintet(&["resume"])
        .status(2)
        .stderr_has("there is nothing to resume")
        .run();
}

/// XA12.
#[test]
fn xa12_after_a_crash_under_the_new_plan_the_run_goes_on_by_that() {
    let (test, mut steps) = interrupted();
    steps.push(step("e", "/more", &["d"]));
    steps.push(step("f", "0", &["e"]));
    write(&test, &steps);
    touch(&test, "go");
    let resume = test.quintet(&["resume", "-q", "--use-new-plan"]);
    let resume = resume.status(137).start();
    started(&test, "e");
    kill_engine(resume);
    touch(&test, "more");
    let resumed = test.quintet(&["resume"]).run();
    assert!(!resumed.stderr.contains("changed"), "{}", resumed.stderr);
    assert_eq!(wrongs(&test), Vec::<String>::new());
    assert_eq!(starts(&test).len(), 6);
    // A store that is tidied keeps what the run is read with.
    assert_eq!(run_of(&test).state.plan().steps.len(), 6);
}

/// XA12.
#[test]
fn xa12_a_failed_run_is_done_by_a_plan_that_mends_the_step_and_drops_another() {
    let bad = with(
        step("b", "0", &["a"]),
        json!({"args": ["step.sh", "b", "0", "7"]}),
    );
    let test = given(2, &[step("a", "0", &[]), bad, step("c", "0", &["b"])]);
    test.quintet(&["run", "plan.json", "-q"]).status(1).run();
    // From a file of another name this time.
    let steps = [
        step("a", "0", &[]),
        step("b", "0", &["a"]),
        step("d", "0", &["b"]),
    ];
    let test = test.file("mended.json", plan_of(2, &steps));
    test.quintet(&["resume", "-q", "--use-new-plan=mended.json"])
        .run();
    assert_eq!(starts(&test), ["a", "b", "b", "d"]);
    let run = run_of(&test);
    assert_eq!(run.row.state.word(), "succeeded");
    let exits: Vec<Exit> = ends(&run)
        .remove("b")
        .expect("it ran")
        .into_iter()
        .map(|end| end.exit)
        .collect();
    assert_eq!(exits, [Exit::Exited { code: 7 }, Exit::Exited { code: 0 }]);
    assert_eq!(wrong_files(&test, &run), Vec::<String>::new());
    test.quintet(&["why", "c"])
        .stdout_has("not part of the plan any more")
        .run();
    nothing_is_left(&test);
}

/// XA12.
#[test]
fn xa12_a_new_plan_that_makes_no_sense_is_refused_and_what_runs_is_left_alone() {
    let (test, steps) = interrupted();
    let b = lines(&test, "start", "b")[0].number;
    let refused = |args: &[&str], why: &str| {
        let args = [&["resume"], args].concat();
        test.quintet(&args).status(2).stderr_has(why).run();
        assert!(lives(b));
    };
    // A step that runs must have a place in it.
    write(&test, &[steps[0].clone(), step("c", "0", &["a"])]);
    refused(&["--use-new-plan"], "step b still runs");
    let other = json!({"plan_id": "OTHER", "steps": steps.clone()}).to_string();
    fs::write(test.path("work/other.json"), other).expect("it is ours");
    refused(
        &["--use-new-plan=other.json"],
        "it is a run of plan \"CRASH\"",
    );
    fs::write(test.path("work/plan.json"), "{\"steps\": 3}").expect("it is ours");
    refused(&["--use-new-plan"], "plan.json:1:11");
    refused(&["--use-new-plan=nothing.json"], "nothing.json");
    // The run's own plan is as good as it was.
    touch(&test, "go");
    test.quintet(&["resume", "-q"]).run();
    assert_eq!(wrongs(&test), Vec::<String>::new());
    refused_when_over(&test);

    let test = given(2, &[step("a", "/go", &[]), step("b", "0", &["a"])]);
    let run = test.quintet(&["run", "plan.json", "-q", "a"]);
    let run = run.status(137).start();
    started(&test, "a");
    kill_engine(run);
    test.quintet(&["resume", "--use-new-plan"])
        .status(2)
        .stderr_has("begun with a selection")
        .run();
    touch(&test, "go");
    test.quintet(&["resume", "-q"]).run();
    assert_eq!(starts(&test), ["a"]);
}

fn refused_when_over(test: &Test) {
    write(test, &[step("a", "0", &[])]);
    test.quintet(&["resume", "--use-new-plan"])
        .status(2)
        .stderr_has("there is nothing to resume")
        .run();
}

/// XA12.
#[test]
fn xa12_a_new_plan_is_no_word_about_a_step_that_must_not_be_repeated() {
    let once = with(step("once", "/go", &[]), json!({"idempotent": false}));
    let steps = [once, step("next", "0", &["once"])];
    let test = given(2, &steps);
    let run = begin(&test);
    started(&test, "once");
    kill_engine(run);
    kill_all(&test, |_, _| true);
    let mut changed = steps.clone();
    changed[0]["args"] = json!(["step.sh", "once", "0"]);
    write(&test, &changed);
    let args = ["resume", "-q", "--use-new-plan"];
    test.quintet(&args).status(3).run();
    assert_eq!(starts(&test), ["once"]);
    let args = ["resume", "-q", "--use-new-plan", "--rerun", "once"];
    test.quintet(&args).run();
    assert_eq!(starts(&test), ["once", "once", "next"]);
    assert_eq!(wrongs(&test), Vec::<String>::new());
}
