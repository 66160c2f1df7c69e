//! What a client sees: what is registered, and what became of runs.

use serde_json::{Value, json};

use super::client::{Client, configured};

#[test]
fn what_is_registered_is_listed_and_previewed() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    let all = client.done("list", json!({}));
    assert_eq!(all["jobs"][1]["name"], "hello");
    assert_eq!(all["jobs"][1]["description"], "Says hello");
    assert_eq!(all["tasks"][0]["status"], "planned");
    assert_eq!(all["orchestrations"][0]["groups"], json!([["Writer"]]));
    let some = client.done("list", json!({ "contains": "hel" }));
    assert_eq!(some["jobs"].as_array().map(Vec::len), Some(1));
    assert_eq!(some["orchestrations"], json!([]));

    let seen = client.done("preview", json!({ "kind": "job", "name": "hello" }));
    let told = test
        .quintet(&["--config", "config.toml", "plan", "hello"])
        .run();
    let shown = seen["preview"].as_str().expect("a text");
    assert_eq!(shown, told.text(), "it is what `quintet plan` says");
    let asked = json!({ "kind": "orchestration", "name": "release", "goal": "Ship it" });
    let seen = client.done("preview", asked);
    assert!(
        seen["preview"].as_str().expect("a text").contains("Writer"),
        "{seen}"
    );
}

#[test]
fn from_the_preview_to_the_explanation() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "hello");
    let seen = client.ended(&run);
    assert_eq!(seen["state"], "succeeded", "{seen}");
    let events = seen["events"].as_array().expect("a list");
    assert_eq!(events[0]["type"], "run_started");
    assert_eq!(seen["last_seq"], events.len());

    let last = seen["last_seq"].as_u64().expect("a number");
    let rest = client.done("watch", json!({ "run": run, "after": last - 1 }));
    assert_eq!(rest["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest["events"][0]["type"], "run_finished");

    let log = client.done("log", json!({ "run": run, "step": "hello" }));
    // Escapes are gone, and what the arguments hold was no command.
    assert_eq!(log["stdout"], "hello ; rm -rf /\n");
    assert!(log["note"].as_str().expect("a text").contains("data"));
    let why = client.done("explain", json!({ "run": run, "step": "hello" }));
    assert!(
        why["why"].as_str().expect("a text").contains("succeeded"),
        "{why}"
    );
    let status = client.done("status", json!({ "run": run }));
    assert_eq!(status["steps"][0]["state"], "succeeded", "{status}");
    let runs = client.done("runs", json!({ "state": "succeeded", "name": "hello" }));
    assert_eq!(runs["runs"][0]["run_id"], run, "{runs}");
}

#[test]
fn runs_are_paged() {
    let test = configured();
    for _ in 0..3 {
        test.quintet(&["--config", "config.toml", "run", "hello"])
            .run();
    }
    let mut client = Client::new(&test, &[]);
    let first = client.done("runs", json!({ "limit": 2 }));
    let second = client.done("runs", json!({ "limit": 2, "before": first["next"] }));
    let ids = |page: &Value| -> Vec<Value> {
        let runs = page["runs"].as_array().expect("a list").iter();
        runs.map(|run| run["run_id"].clone()).collect()
    };
    let (mut all, rest) = (ids(&first), ids(&second));
    assert_eq!((all.len(), rest.len()), (2, 1));
    assert!(second["next"].is_null());
    all.extend(rest);
    all.sort_by_key(Value::to_string);
    all.dedup();
    assert_eq!(all.len(), 3);
}
