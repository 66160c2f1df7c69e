//! What a client may start and stop, and when it may not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{CONFIG, Client, configured};

#[test]
fn tools_that_change_something_are_there_only_with_control() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    let tools = client.names();
    let names: Vec<&str> = tools.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "explain", "list", "log", "preview", "runs", "status", "watch"
        ]
    );
    assert!(tools.iter().all(|(_, hints)| hints["readOnlyHint"] == true));

    let tools = Client::new(&test, &["--control"]).names();
    for control in ["start", "cancel"] {
        let found = tools.iter().find(|(name, _)| name == control);
        let (_, hints) = found.expect("it is listed");
        assert_eq!(hints["readOnlyHint"], false, "{control}");
        assert_eq!(hints["destructiveHint"], true, "{control}");
    }
}

#[test]
fn without_control_nothing_starts_and_nothing_stops() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    let seen = client.done("preview", json!({ "kind": "job", "name": "hello" }));
    assert!(seen["token"].is_null(), "{seen}");
    for (tool, arguments) in [
        (
            "start",
            json!({ "kind": "job", "name": "hello", "token": "0" }),
        ),
        ("cancel", json!({ "run": "last" })),
    ] {
        let why = client.refused(tool, arguments);
        assert!(
            why.contains("only reads") && why.contains("--control"),
            "{why}"
        );
    }
    assert_eq!(client.done("runs", json!({}))["runs"], json!([]));
    assert!(!test.path("state").exists(), "looking has written");
}

#[test]
fn tasks_and_orchestrations_start_too() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("task", "parser");
    assert_eq!(client.ended(&run)["state"], "succeeded");
    // Its record is written once the run is over.
    let deadline = Instant::now() + Duration::from_secs(60);
    while client.done("list", json!({}))["tasks"][0]["status"] != "done" {
        assert!(Instant::now() < deadline, "the task is not done");
    }

    let goal = "--now $(touch oops)";
    let seen = client.done(
        "preview",
        json!({ "kind": "orchestration", "name": "release", "goal": goal }),
    );
    let asked = json!({ "kind": "orchestration", "name": "release", "token": seen["token"] });
    let begun = client.done("start", asked);
    let run = begun["run_id"].as_str().expect("an id");
    assert_eq!(client.ended(run)["state"], "succeeded");
    let given = std::fs::read_to_string(test.path("work/goal.json")).expect("it was given a goal");
    let given: Value = serde_json::from_str(&given).expect("the goal is given as JSON");
    assert_eq!(given["goal"], goal);
    assert!(!test.path("work/oops").exists());
}

#[test]
fn nothing_starts_that_was_not_previewed() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let start = |name: &str, token: &Value| json!({ "kind": "job", "name": name, "token": token });
    let why = client.refused("start", start("hello", &json!("00")));
    assert!(why.contains("preview first"), "{why}");
    let seen = client.done("preview", json!({ "kind": "job", "name": "hello" }));
    let why = client.refused("start", start("nap", &seen["token"]));
    assert!(
        why.contains("preview first") && why.contains("hello"),
        "{why}"
    );
    let run = client.done("start", start("hello", &seen["token"]))["run_id"].take();
    client.ended(run.as_str().expect("an id"));
    let why = client.refused("start", start("hello", &seen["token"]));
    assert!(why.contains("preview first"), "a token is good once: {why}");
    assert_eq!(
        client.done("runs", json!({}))["runs"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[test]
fn what_has_changed_since_the_preview_does_not_start() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let seen = client.done("preview", json!({ "kind": "job", "name": "hello" }));
    let test = test.file("config.toml", CONFIG.replace("Says hello", "Says goodbye"));
    let asked = json!({ "kind": "job", "name": "hello", "token": seen["token"] });
    let why = client.refused("start", asked);
    assert!(why.contains("changed since the preview"), "{why}");
    assert_eq!(client.done("runs", json!({}))["runs"], json!([]));
    // The program itself looks as well: it reads the file once more.
    test.quintet(&[
        "--config",
        "config.toml",
        "run",
        "hello",
        "--only-plan",
        "c0ffee",
    ])
    .status(2)
    .stderr_has("no longer what was previewed")
    .run();
    drop(test);
}

#[test]
fn a_sleeping_job_is_canceled() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "nap");
    let why = client.refused("cancel", json!({ "run": "last" }));
    assert!(why.contains("whole id") && why.contains(&run), "{why}");
    let asked = client.done("cancel", json!({ "run": run, "now": true }));
    assert_eq!(asked["asked_to_stop"], true);
    assert_eq!(client.ended(&run)["state"], "canceled");
    let why = client.refused("cancel", json!({ "run": run }));
    assert!(why.contains("over already"), "{why}");
}
