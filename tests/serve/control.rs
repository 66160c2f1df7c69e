//! What may be asked of a run through the server, and that without `--control` nothing may.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Test, eventually};

/// A step that sleeps until it is ended.
const SLEEPS: &str =
    r#"{"plan_id": "SLEEPS", "steps": [{"id": "long", "command": "sleep", "args": ["600"]}]}"#;

/// A step that fails until there is a file, behind one that has written one.
const MENDED: &str = r#"{"plan_id": "MENDED", "steps": [
    {"id": "first", "command": "sh", "args": ["-c", "echo x >> first"]},
    {"id": "second", "command": "test", "args": ["-e", "there"], "depends_on": ["first"]}
]}"#;

const GATE: &str = r#"{"plan_id": "GATE", "steps": [
    {"id": "build", "command": "true"},
    {"id": "deploy", "command": "touch", "args": ["deployed"], "needs": ["build"],
     "approval": {"question": "Ship <it>?", "timeout": "1h"}}
]}"#;

fn last(server: &Server) -> Value {
    server.get("/api/v1/runs?limit=1").json()["runs"][0].clone()
}

/// The newest run's id, once it is in this state.
fn run_in(server: &Server, state: &str) -> String {
    eventually("the run is there", || last(server)["state"] == state);
    last(server)["run_id"].as_str().expect("an id").to_owned()
}

#[test]
fn without_control_nothing_is_changed_and_pages_say_how_it_could_be() {
    let test = Test::new().file("plan.json", MENDED);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let server = Server::start(&test, &[]);
    let run = run_in(&server, "failed");
    for (what, body) in [
        ("cancel", json!({})),
        ("resume", json!({})),
        ("retry", json!({ "step": "second" })),
        ("approve", json!({ "step": "second", "answer": "yes" })),
    ] {
        let answer = server.post(&format!("/api/v1/runs/{run}/{what}"), &body);
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
        let error = answer.json()["error"].clone();
        assert_eq!(error["code"], "forbidden");
        assert!(
            error["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("--control"))
        );
    }
    let page = server.get(&format!("/runs/{run}")).body;
    assert!(!page.contains("data-post"), "{page}");
    assert!(page.contains("quintet serve --control"), "{page}");
    assert_eq!(last(&server)["state"], "failed");
}

#[test]
fn a_run_that_sleeps_is_canceled_and_its_record_says_by_whom() {
    let test = Test::new().file("plan.json", SLEEPS);
    let sleeps = test.quintet(&["run", "plan.json"]).status(130).start();
    eventually("the store is there", || {
        test.path("state/quintet.db").exists()
    });
    let server = Server::start(&test, &["--control"]);
    let run = run_in(&server, "running");
    let page = server.get(&format!("/runs/{run}")).body;
    assert!(
        page.contains(&format!("/api/v1/runs/{run}/cancel")),
        "{page}"
    );
    let answer = server.post(
        &format!("/api/v1/runs/{run}/cancel"),
        &json!({ "now": true }),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["run_id"], run.as_str());
    sleeps.finish();
    assert_eq!(run_in(&server, "canceled"), run);
    let events = server.get(&format!("/api/v1/runs/{run}/events")).body;
    assert!(events.contains("cancel (serve, pid "), "{events}");
    let again = server.post(&format!("/api/v1/runs/{run}/cancel"), &json!({}));
    assert_eq!(again.status, 409, "{again:?}");
    assert!(again.body.contains("is over already"), "{again:?}");
}

#[test]
fn a_run_that_failed_goes_on_where_it_was() {
    for (what, body) in [
        ("resume", json!({})),
        ("retry", json!({ "step": "second" })),
    ] {
        let test = Test::new().file("plan.json", MENDED);
        test.quintet(&["run", "plan.json"]).status(1).run();
        let server = Server::start(&test, &["--control"]);
        let run = run_in(&server, "failed");
        std::fs::write(test.path("work/there"), "").expect("a file");
        let answer = server.post(&format!("/api/v1/runs/{run}/{what}"), &body);
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(answer.json()["goto"], format!("/runs/{run}"));
        assert_eq!(run_in(&server, "succeeded"), run);
        let first = std::fs::read_to_string(test.path("work/first"));
        assert_eq!(
            first.expect("it ran"),
            "x\n",
            "what has succeeded is not done again"
        );
        // There is nothing more to do, and a step that has succeeded is done.
        let again = server.post(&format!("/api/v1/runs/{run}/resume"), &json!({}));
        assert_eq!(again.status, 409, "{again:?}");
        let first = json!({ "step": "first" });
        let again = server.post(&format!("/api/v1/runs/{run}/retry"), &first);
        assert_eq!(again.status, 409, "{again:?}");
        assert!(again.body.contains("has succeeded"), "{again:?}");
    }
}

#[test]
fn what_is_asked_is_listed_and_answered() {
    for (answer, there) in [("yes", true), ("no", false)] {
        let test = Test::new().file("plan.json", GATE);
        let gated = test.quintet(&["run", "plan.json"]).start();
        eventually("the store is there", || {
            test.path("state/quintet.db").exists()
        });
        let server = Server::start(&test, &["--control"]);
        let asked = || server.get("/api/v1/approvals").json()["approvals"].clone();
        eventually("it asks", || asked()[0]["step"] == "deploy");
        let run = asked()[0]["run_id"].as_str().expect("an id").to_owned();
        for page in ["/approvals".to_owned(), format!("/runs/{run}")] {
            let page = server.get(&page).body;
            assert!(page.contains("Ship &lt;it&gt;?"), "{page}");
            assert!(
                page.contains(&format!("/api/v1/runs/{run}/approve")),
                "{page}"
            );
        }
        let address = format!("/api/v1/runs/{run}/approve");
        let other = server.post(&address, &json!({ "step": "build", "answer": answer }));
        assert_eq!(other.status, 409, "{other:?}");
        let done = server.post(&address, &json!({ "step": "deploy", "answer": answer }));
        assert_eq!(done.status, 200, "{done:?}");
        gated.finish();
        assert_eq!(test.path("work/deployed").exists(), there);
        assert!(server.get("/approvals").body.contains("No step asks"));
        let events = server.get(&format!("/api/v1/runs/{run}/events")).body;
        assert!(events.contains("approve (serve, pid "), "{events}");
    }
}

#[test]
fn a_body_that_says_anything_else_is_refused() {
    let test = Test::new().file("plan.json", MENDED);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let server = Server::start(&test, &["--control"]);
    let run = run_in(&server, "failed");
    let post = |what: &str, body: &str| {
        let json = [("Content-Type", "application/json")];
        server.ask("POST", &format!("/api/v1/runs/{run}/{what}"), &json, body)
    };
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    for (what, body) in [
        ("resume", ""),
        ("resume", "nonsense"),
        ("resume", "[]"),
        ("resume", "[]garbage"),
        ("cancel", "[]"),
        ("cancel", "[true]"),
        ("retry", r#"["second"]"#),
        ("approve", r#"["second", "yes"]"#),
        ("resume", r#"{"args": ["--use-new-plan=/etc/passwd"]}"#),
        ("resume", r#"{"vars": {"a": "b"}}"#),
        ("cancel", r#"{"now": "yes"}"#),
        ("cancel", r#"{"now": true, "now": false}"#),
        ("retry", "{}"),
        ("retry", r#"{"step": ["second"]}"#),
        ("approve", r#"{"step": "second", "answer": "maybe"}"#),
        ("approve", &deep),
    ] {
        let answer = post(what, body);
        assert_eq!(answer.status, 400, "{what} {body:.60}: {answer:?}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    // A step is looked for by its id, whatever that looks like; a run by its whole one.
    assert_eq!(post("retry", r#"{"step": "--yes"}"#).status, 404);
    assert_eq!(post("retry", r#"{"step": "second\u0000"}"#).status, 404);
    let last = server.post("/api/v1/runs/last/cancel", &json!({}));
    assert_eq!(last.status, 400, "{last:?}");
    assert_eq!(
        server.post("/api/v1/runs/--now/cancel", &json!({})).status,
        404
    );
    // More than a request may have, in pieces without a length.
    let mut request = format!(
        "POST /api/v1/runs/{run}/resume HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        server.host, server.token
    );
    let piece = " ".repeat(8_192);
    for _ in 0..9 {
        request.push_str(&format!("2000\r\n{piece}\r\n"));
    }
    request.push_str("0\r\n\r\n");
    assert_eq!(server.raw(request.as_bytes()).status, 413);
    assert_eq!(run_in(&server, "failed"), run);
}
