//! Freshness in runs as people see it: what runs, what need not, and why.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::Test;

fn plan() -> String {
    json!({
        "plan_id": "FRESH",
        "steps": [
            { "id": "build", "shell": true,
              "command": "echo ran >>log; cat in >out; echo SIZE=$(wc -c <out) >>$QUINTET_OUTPUT",
              "cache": { "inputs": ["in"], "outputs": ["out"] } },
            { "id": "use", "command": "sh", "needs": ["build"],
              "args": ["-c", "echo $1 >size", "sh", "${steps.build.outputs.SIZE}"] },
        ],
    })
    .to_string()
}

fn test() -> Test {
    Test::new().file("plan.json", plan()).file("in", "abc")
}

fn fresh(test: &Test) -> u64 {
    let status = test.quintet(&["status", "last", "--json"]).run().json();
    status["counts"]["fresh"].as_u64().expect("a count")
}

fn said_of_build(test: &Test) -> Value {
    let preview = test.quintet(&["plan", "plan.json", "--json"]).run().json();
    let mut steps = preview["steps"].as_array().expect("steps").iter();
    steps
        .find(|step| step["step_id"] == "build")
        .expect("build")
        .clone()
}

/// E3, E7: what a fresh step put out is there for later steps.
#[test]
fn e3_e7_what_is_fresh_does_not_run_until_its_input_changes() {
    let test = test();
    assert_eq!(said_of_build(&test)["fresh"], false);
    test.quintet(&["run", "plan.json"])
        .file_is("size", "3\n")
        .run();
    fs::remove_file(test.path("work/size")).unwrap();
    test.quintet(&["run", "plan.json"])
        .stderr_has("build  is fresh: it succeeded")
        .file_is("log", "ran\n")
        .file_is("size", "3\n")
        .run();
    assert_eq!(fresh(&test), 1);
    assert_eq!(said_of_build(&test)["would_run"], "no");

    fs::write(test.path("work/in"), "abcde").unwrap();
    let said = said_of_build(&test);
    assert_eq!(said["would_run"], "yes");
    assert!(
        said["freshness"]
            .as_str()
            .unwrap()
            .contains("/in has changed"),
        "{said}"
    );
    test.quintet(&["run", "plan.json"])
        .file_is("log", "ran\nran\n")
        .file_is("size", "5\n")
        .run();
    let why = test.quintet(&["why", "last", "build"]).run().text();
    assert!(why.contains("was not fresh: its input"), "{why}");
    let _ = test.quintet(&["run", "plan.json"]).run();
    assert_eq!(fresh(&test), 1);
}

/// E2.
#[test]
fn e2_a_run_may_want_everything_anew_and_what_succeeds_is_fresh_then() {
    let test = test();
    test.quintet(&["run", "plan.json"]).run();
    test.quintet(&["run", "plan.json", "--refresh"])
        .file_is("log", "ran\nran\n")
        .run();
    let why = test.quintet(&["why", "last", "build"]).run().text();
    assert!(why.contains("the run wants everything done anew"), "{why}");
    test.quintet(&["run", "plan.json"])
        .file_is("log", "ran\nran\n")
        .run();
    // Run without the cache, it may have done anything, and is fresh no more.
    test.quintet(&["run", "plan.json", "--no-cache"])
        .file_is("log", "ran\nran\nran\n")
        .run();
    test.quintet(&["run", "plan.json"]).run();
    assert_eq!(fresh(&test), 0);
}

/// E8.
#[test]
fn e8_what_failed_is_not_fresh_though_it_succeeded_before() {
    let test = test();
    test.quintet(&["run", "plan.json"]).run();
    let fails = plan().replace(
        "echo ran >>log;",
        "echo ran >>log; test ! -e bad || exit 1;",
    );
    let test = test.file("plan.json", fails).file("bad", "");
    test.quintet(&["run", "plan.json"]).status(1).run();
    fs::remove_file(test.path("work/bad")).unwrap();
    assert!(
        said_of_build(&test)["freshness"]
            .as_str()
            .unwrap()
            .contains("failed last time")
    );
    test.quintet(&["run", "plan.json"]).run();
    assert_eq!(fresh(&test), 0);
}

/// A step whose inputs change while it runs has not been seen to succeed with
/// what is there now.
#[test]
fn a_step_that_changes_its_own_input_is_not_fresh() {
    let own = plan().replace("cat in >out", "cat in >out; echo more >>in");
    let test = Test::new().file("plan.json", own).file("in", "abc");
    test.quintet(&["run", "plan.json"]).run();
    test.quintet(&["run", "plan.json"]).run();
    assert_eq!(fresh(&test), 0);
    let why = test.quintet(&["why", "last", "build"]).run().text();
    assert!(why.contains("changed while it ran last"), "{why}");
}

/// E9: what succeeded counts, whatever becomes of the rest.
#[test]
fn e9_a_later_failure_takes_nothing_from_what_succeeded() {
    let fails = plan().replace("echo $1 >size", "exit 3");
    let test = Test::new().file("plan.json", fails).file("in", "abc");
    test.quintet(&["run", "plan.json"]).status(1).run();
    test.quintet(&["run", "plan.json"]).status(1).run();
    assert_eq!(fresh(&test), 1);
}

/// E34.
#[test]
fn e34_a_step_is_not_fresher_than_one_that_had_to_be_remedied() {
    let text = json!({
        "plan_id": "NEEDS_SYNC",
        "steps": [
            { "id": "venv", "command": "test", "args": ["-d", "venv"],
              "remedy": { "command": "mkdir", "args": ["venv"] } },
            { "id": "sync", "command": "echo synced >>log", "shell": true,
              "cache": { "ttl": "1h", "stale_with": ["venv"] } },
        ],
    });
    let test = Test::new().file("plan.json", text.to_string());
    test.quintet(&["run", "plan.json"])
        .file_is("log", "synced\n")
        .run();
    test.quintet(&["run", "plan.json"])
        .file_is("log", "synced\n")
        .run();
    fs::remove_dir(test.path("work/venv")).unwrap();
    test.quintet(&["run", "plan.json"])
        .file_is("log", "synced\nsynced\n")
        .run();
    let why = test.quintet(&["why", "last", "sync"]).run().text();
    assert!(why.contains("venv did not succeed at once"), "{why}");
}

/// A failure may be told again for a while, and is a failure then as well.
#[test]
fn a_recent_failure_is_told_again_where_the_plan_wants_that() {
    let text = json!({
        "plan_id": "SLOW",
        "steps": [{ "id": "slow", "command": "echo ran >>log; test -e ok", "shell": true,
            "cache": { "failure_ttl": "1h", "inputs": ["ok"] } }],
    });
    let test = Test::new().file("plan.json", text.to_string());
    test.quintet(&["run", "plan.json"]).status(1).run();
    test.quintet(&["run", "plan.json"])
        .status(1)
        .file_is("log", "ran\n")
        .run();
    let why = test.quintet(&["why", "last", "slow"]).run().text();
    assert!(
        why.contains("exit 1 last time, and nothing has changed since"),
        "{why}"
    );
    let test = test.file("ok", "");
    test.quintet(&["run", "plan.json"])
        .file_is("log", "ran\nran\n")
        .run();
}

/// A remedy that makes the inputs what they were when the step last succeeded: it
/// has failed since, ran again, and is fresh by that.
#[test]
fn e10_what_a_remedy_made_as_it_was_is_fresh_again() {
    let text = json!({
        "plan_id": "AS_BEFORE",
        "steps": [{ "id": "venv", "command": "test", "args": ["-e", "cfg"],
            "cache": { "ttl": "1h", "inputs": ["cfg"] },
            "remedy": { "command": "echo same >cfg", "shell": true } }],
    });
    let test = Test::new().file("plan.json", text.to_string());
    for _ in 0..3 {
        test.quintet(&["run", "plan.json"])
            .stderr_has("1 remedied")
            .run();
        test.quintet(&["run", "plan.json"]).run();
        assert_eq!(fresh(&test), 1);
        fs::remove_file(test.path("work/cfg")).unwrap();
    }
}
