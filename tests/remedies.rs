//! Remedies in runs as people see them, through every command that tells of them.

mod support;

use serde_json::{Value, json};
use support::Test;

/// A check of a file, with what is said about its remedy.
fn plan(remedy: &Value) -> String {
    json!({
        "plan_id": "MEND",
        "globals": { "rollback": "on_failure" },
        "steps": [
            { "id": "there", "command": "test", "args": ["-e", "thing"], "remedy": remedy },
            { "id": "after", "command": "true", "needs": ["there"] },
        ],
    })
    .to_string()
}

fn touch() -> Value {
    json!({ "command": "echo x >>made; touch thing", "shell": true })
}

fn why(test: &Test, step: &str) -> String {
    test.quintet(&["why", "last", step]).run().text()
}

fn counts(test: &Test) -> Value {
    let status = test.quintet(&["status", "last", "--json"]).run().json();
    status["counts"].clone()
}

/// E10.
#[test]
fn e10_what_fails_is_remedied_tried_again_and_counted() {
    let test = Test::new().file("plan.json", plan(&touch()));
    test.quintet(&["run", "plan.json"])
        .stderr_has("2 steps (1 remedied)")
        .run();
    assert_eq!(counts(&test)["remedied"], 1);
    let why = why(&test, "there");
    assert!(why.contains("its remedy helped"), "{why}");
    assert!(why.contains("remedy 1 ended: exit 0"), "{why}");
    // The next time nothing fails, and nothing is remedied.
    test.quintet(&["run", "plan.json"])
        .file_is("made", "x\n")
        .run();
    assert_eq!(counts(&test)["remedied"], 0);
}

/// E11.
#[test]
fn e11_without_remedies_what_fails_has_failed() {
    let test = Test::new().file("plan.json", plan(&touch()));
    test.quintet(&["run", "plan.json", "--no-remediate"])
        .status(1)
        .no_file("made")
        .run();
    let preview = test.quintet(&["plan", "plan.json", "--no-remediate"]).run();
    assert!(!preview.text().contains("would remedy"));
    test.quintet(&["plan", "plan.json"])
        .stdout_has("if it fails, would remedy with")
        .run();
}

/// E13: there is nobody at a terminal.
#[test]
fn e13_a_remedy_that_is_to_be_agreed_to_is_declined_where_nobody_can() {
    let test = Test::new().file("plan.json", plan(&touch()));
    test.quintet(&["run", "plan.json", "--ask-remedies"])
        .status(1)
        .no_file("made")
        .run();
    let why = why(&test, "there");
    assert!(
        why.contains("its remedy was declined (no terminal)"),
        "{why}"
    );
    test.quintet(&["run", "plan.json", "--ask-remedies", "--yes"])
        .file_is("made", "x\n")
        .run();
}

#[test]
fn a_remedy_that_does_not_help_is_ineffective_and_what_it_did_is_taken_back() {
    let remedy = json!({ "command": "echo x >>made", "shell": true, "attempts": 2 });
    let mut text: Value = serde_json::from_str(&plan(&remedy)).unwrap();
    text["steps"][0]["undo"] = json!({ "command": "mv made unmade", "shell": true });
    let test = Test::new().file("plan.json", text.to_string());
    test.quintet(&["run", "plan.json"])
        .status(1)
        .no_file("made")
        .file_is("unmade", "x\nx\n")
        .run();
    let why = why(&test, "there");
    assert!(
        why.contains("its remedy ran 2 times and did not help"),
        "{why}"
    );
}

#[test]
fn a_remedy_that_makes_things_worse_fails_with_both_exits() {
    let remedy = json!({ "command": "exit 7", "shell": true, "attempts": 5 });
    let test = Test::new().file("plan.json", plan(&remedy));
    test.quintet(&["run", "plan.json"]).status(1).run();
    let why = why(&test, "there");
    assert!(why.contains("exit 1; its remedy failed: exit 7"), "{why}");
    assert!(!why.contains("remedy 2"), "{why}");
}

/// What helps again and again is flapping, what never helps is spent: the two
/// are told apart, and neither is used beyond its budget.
#[test]
fn a_budget_holds_in_all_runs_together_and_flapping_is_told_from_what_never_helped() {
    let budget = json!({ "times": 2, "window_sec": 3600 });
    let mut helps = touch();
    helps["budget"] = budget.clone();
    let test = Test::new().file("plan.json", plan(&helps));
    for _ in 0..2 {
        test.quintet(&["run", "plan.json"]).run();
        std::fs::remove_file(test.path("work/thing")).unwrap();
    }
    test.quintet(&["run", "plan.json"])
        .status(1)
        .file_is("made", "x\nx\n")
        .run();
    let told = why(&test, "there");
    assert!(told.contains("it is flapping"), "{told}");
    assert!(told.contains("helped 2 times"), "{told}");

    let useless = json!({ "command": "echo x >>made", "shell": true, "budget": budget });
    let test = Test::new().file("plan.json", plan(&useless));
    for _ in 0..3 {
        test.quintet(&["run", "plan.json"]).status(1).run();
    }
    let told = why(&test, "there");
    assert!(
        told.contains("was used 2 times within 1h00m and did not help"),
        "{told}"
    );
    test.quintet(&["status", "last"])
        .file_is("made", "x\nx\n")
        .run();
}

#[test]
fn a_step_that_had_to_be_remedied_is_told_of_where_somebody_wants_to_know() {
    let mut text: Value = serde_json::from_str(&plan(&touch())).unwrap();
    text["notify"] = json!([{
        "on": "step_remedied", "shell": true, "command": "cat >>told", "group_within_sec": 0,
    }]);
    let test = Test::new().file("plan.json", text.to_string());
    test.quintet(&["run", "plan.json"]).run();
    let told = std::fs::read_to_string(test.path("work/told")).expect("it was told");
    assert!(told.contains("there"), "{told}");
}
