//! `quintet cache`: what is remembered of steps, listed, forgotten, carried
//! elsewhere; and what plan files may say of it.

mod support;

use serde_json::{Value, json};
use support::Test;

const PLAN: &str = r#"{"plan_id": "P", "steps": [
    {"id": "python-check", "command": "true", "cache": {"ttl": "1h"}},
    {"id": "build", "command": "true", "cache": {"inputs": ["in"]}}]}"#;

fn listed(test: &Test) -> Vec<Value> {
    let listed = test
        .quintet(&["cache", "list", "plan.json", "--json"])
        .run()
        .json();
    listed.as_array().expect("a list").clone()
}

/// E26. Lines of an old state file are times and nothing else; what they name is
/// listed, exported, forgotten and imported again.
#[test]
fn e26_e32_a_legacy_state_file_is_imported_and_goes_round() {
    let test = Test::new().file("plan.json", PLAN).file(
        "old",
        "last_python_check=1700000000\nlast_build_check=$(touch executed)\n",
    );
    let said = "line 2 is no NAME=SECONDS is ignored\n";
    test.quintet(&["cache", "import", "old", "plan.json"])
        .stderr_has(said)
        .no_file("executed")
        .run();
    let row = json!({"plan": "P", "step": "python-check", "state": "succeeded",
        "at": "2023-11-14T22:13:20.000Z", "detail": null});
    assert_eq!(listed(&test), std::slice::from_ref(&row));

    let exported = test.quintet(&["cache", "export", "plan.json"]).run();
    let document = exported.json();
    assert_eq!(document["version"], 1);
    std::fs::write(test.path("work/state.json"), exported.text()).expect("a file");
    test.quintet(&["cache", "clear", "plan.json", "build"])
        .run();
    assert_eq!(listed(&test).len(), 1);
    test.quintet(&["cache", "clear", "plan.json", "python-check"])
        .run();
    assert_eq!(listed(&test), [] as [Value; 0]);
    test.quintet(&["cache", "import", "state.json", "plan.json"])
        .run();
    assert_eq!(listed(&test), [row]);
    test.quintet(&["cache", "clear"]).run();
    assert_eq!(listed(&test), [] as [Value; 0]);
}

/// E26. A state file that makes no sense is a warning, and what is in it counts
/// for nothing.
#[test]
fn e26_a_corrupt_state_file_is_a_warning() {
    let test = Test::new().file("plan.json", PLAN);
    for (text, said) in [
        (
            "{\"version\": 1, \"steps\": [",
            "nothing is imported: no state file",
        ),
        (
            "{\"version\": 9, \"steps\": []}",
            "the state file's version is 9",
        ),
        (
            "{\"version\": 1, \"steps\": [{\"plan\": 7}, {\"plan\": \"P\", \"step\": \"build\", \
             \"state\": \"succeeded\", \"at_ms\": 18446744073709551615}]}",
            "2 steps make no sense",
        ),
        ("\u{0}\u{1}binary", "is ignored"),
    ] {
        std::fs::write(test.path("work/state.json"), text).expect("a file");
        test.quintet(&["cache", "import", "state.json", "plan.json"])
            .stderr_has(said)
            .run();
        assert_eq!(listed(&test), [] as [Value; 0], "{text}");
    }
}

/// What cannot be a cache is refused where it is written, before anything runs.
#[test]
fn a_cache_that_makes_no_sense_is_refused() {
    for (cache, said) in [
        (
            r#"{"ttl": "an hour"}"#,
            "expected a time such as 90s, 10m or 1h",
        ),
        (r#"{"ttl": -1}"#, "-1 is too small"),
        (r#"{"inputs": "in"}"#, "put it into brackets"),
        (r#"{"inputs": ["in/[a"]}"#, "is no pattern"),
        (r#"{"outputs": [""]}"#, "names no file"),
        (r#"{"stale_with": ["nobody"]}"#, "nobody"),
        (r#"{"sources": ["in"]}"#, "did you mean \"inputs\"?"),
    ] {
        let plan = format!(r#"{{"steps": [{{"id": "a", "command": "true", "cache": {cache}}}]}}"#);
        let test = Test::new().file("plan.json", plan);
        test.quintet(&["validate", "plan.json"])
            .status(2)
            .stderr_has(said)
            .run();
    }
}
