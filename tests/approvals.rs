//! Steps that wait for a person who need not be at the terminal.

mod support;

use serde_json::{Value, json};
use support::{Test, eventually};

fn plan(approval: &Value) -> String {
    json!({
        "plan_id": "GATE",
        "steps": [
            { "id": "build", "command": "touch", "args": ["built"] },
            { "id": "deploy", "command": "touch", "args": ["deployed"], "needs": ["build"],
              "approval": approval },
        ],
    })
    .to_string()
}

/// The store is there once the first step has run.
fn asks(test: &Test) -> bool {
    if !test.path("work/built").exists() {
        return false;
    }
    let status = test.quintet(&["events", "last"]).run().text();
    status.contains("step_asked") || status.contains("asks")
}

#[test]
fn an_approval_waits_for_an_answer_from_elsewhere() {
    for (answer, code) in [(None, 0), (Some("--no"), 0)] {
        let gate = json!({ "question": "Ship it?", "timeout": "1h" });
        let test = Test::new().file("plan.json", plan(&gate));
        let run = test
            .quintet(&["run", "plan.json"])
            .status(code)
            .stderr_has("asks: Ship it?")
            .stderr_has("quintet approve ")
            .start();
        eventually("it asks", || asks(&test));
        test.quintet(&["approve", "last", "build"])
            .status(2)
            .stderr_has("asks nothing now")
            .run();
        let words: Vec<&str> = ["approve", "last", "deploy"]
            .into_iter()
            .chain(answer)
            .collect();
        test.quintet(&words).run();
        run.finish();
        assert_eq!(test.path("work/deployed").exists(), answer.is_none());
        let why = test.quintet(&["why", "last", "deploy"]).run().text();
        assert!(why.contains("(approve (pid "), "{why}");
    }
}

#[test]
fn when_nobody_answers_in_time_the_default_counts() {
    for (default, there) in [("yes", true), ("no", false)] {
        let gate = json!({ "timeout": 0.2, "default": default });
        let test = Test::new().file("plan.json", plan(&gate));
        test.quintet(&["run", "plan.json"])
            .stderr_has("nobody answered in time")
            .run();
        assert_eq!(test.path("work/deployed").exists(), there);
    }
}

#[test]
fn an_approval_and_a_confirmation_cannot_both_be_meant() {
    let mut text: Value = serde_json::from_str(&plan(&json!({}))).unwrap();
    text["steps"][1]["confirm"] = json!("Really?");
    let test = Test::new().file("plan.json", text.to_string());
    test.quintet(&["validate", "plan.json"])
        .status(2)
        .stderr_has("says what \"approval\" says as well")
        .run();
}

/// An answer that comes while no engine lives counts for the next one.
#[test]
fn an_answer_outlives_an_engine() {
    let test = Test::new().file("plan.json", plan(&json!({})));
    let run = test.quintet(&["run", "plan.json"]).status(137).start();
    eventually("it asks", || asks(&test));
    run.signal(nix::sys::signal::Signal::SIGKILL);
    run.finish();
    test.quintet(&["approve", "last", "deploy"])
        .stdout_has("counts when the run goes on")
        .run();
    test.quintet(&["resume", "last"]).run();
    assert!(test.path("work/deployed").exists());
}
