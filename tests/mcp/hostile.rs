//! What a client gets that says what makes no sense, too much of it, or nothing.

use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Client, configured};

#[test]
fn who_waits_for_news_keeps_nobody_from_canceling() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "nap");
    for n in 0..20 {
        let arguments = json!({ "run": run, "wait_sec": 30, "until_over": true });
        let params = json!({ "name": "watch", "arguments": arguments });
        let wait =
            json!({ "jsonrpc": "2.0", "id": 1000 + n, "method": "tools/call", "params": params });
        client.send(&wait.to_string());
    }
    client.done("cancel", json!({ "run": run, "now": true }));
    let over = || -> bool {
        let status = test.quintet(&["status", &run, "--json"]).run().json();
        status["run"]["state"] == "canceled"
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !over() {
        assert!(Instant::now() < deadline, "it does not stop");
    }
}

#[test]
fn wrong_names_and_arguments_are_told_with_what_is_near() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "hello");
    client.ended(&run);
    for (tool, arguments, said) in [
        (
            "preview",
            json!({ "kind": "job", "name": "helo" }),
            "did you mean \"hello\"?",
        ),
        (
            "preview",
            json!({ "kind": "task", "name": "../parser" }),
            "there is no task",
        ),
        (
            "preview",
            json!({ "kind": "file", "name": "hello" }),
            "file",
        ),
        (
            "preview",
            json!({ "kind": "job", "name": "hello", "path": "/bin/sh" }),
            "path",
        ),
        (
            "preview",
            json!({ "kind": "job", "name": "hello", "goal": "x" }),
            "only an orchestration",
        ),
        ("preview", json!({ "name": "hello" }), "kind"),
        ("runs", json!({ "state": "asleep" }), "the states are"),
        (
            "status",
            json!({ "run": "20200101-000000-zzzz" }),
            "there is no run",
        ),
        (
            "explain",
            json!({ "run": run, "step": "helo" }),
            "did you mean hello?",
        ),
        (
            "log",
            json!({ "run": run, "step": "hello", "attempt": 7 }),
            "no attempt 7",
        ),
    ] {
        let why = client.refused(tool, arguments.clone());
        assert!(why.contains(said), "{tool} {arguments}: {why}");
    }
    // What the command line would take for a path is never run in a job's place.
    let _test = test.file("hello", "#!/bin/sh\ntouch oops\n");
    let why = client.refused("preview", json!({ "kind": "job", "name": "hello" }));
    assert!(why.contains("hides the job"), "{why}");
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    let _test = test.file("config.toml", "[jobs.hello]\ncommnd = [\"true\"]\n");
    let why = client.refused("list", json!({}));
    assert!(
        why.contains("config.toml:2") && !why.contains('\u{1b}'),
        "{why}"
    );
}

#[test]
fn what_is_no_message_or_too_long_is_survived() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    client.send("this is no JSON {");
    client.send(&format!(
        r#"{{"jsonrpc":"2.0","id":99,"method":"{}"}}"#,
        "x".repeat(2 << 20)
    ));
    client.send(r#"{"jsonrpc":"2.0","id":98,"method":"tools/call","params":[]}"#);
    client.send("\u{0}\u{1b}[2J");
    let all = client.done("list", json!({}));
    assert_eq!(all["jobs"][1]["name"], "hello");
    let unknown = client.ask("tools/call", json!({ "name": "shell", "arguments": {} }));
    assert!(unknown["error"].is_object(), "{unknown}");
    assert_eq!(client.hang_up(), Some(0));
}

#[test]
fn a_client_that_says_nothing_ends_the_server() {
    let test = configured();
    test.quintet(&["mcp"]).stdout("").stderr("").run();
}
