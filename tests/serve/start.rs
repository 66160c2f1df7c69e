//! What can be begun: only what is registered or known, and only what was shown.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Test, eventually};

const CONFIG: &str = r#"
[jobs.hello]
description = "Says <hello>"
command = ["touch", "said"]

[jobs.other]
command = ["true"]

[agents.Writer]
command = ["sh", "-c", "cat >goal.json; echo '{\"plan\": \"a <b>\"}'"]

[orchestrations.release]
description = "Releases"
steps = [["Writer"]]
"#;

const CHECKS: &str = r#"
[[phases]]
name = "tools"

[[phases.checks]]
name = "there"
command = "test -e there"
ttl = "1h"
remedy = "touch there"
"#;

fn configured() -> (Test, Server) {
    let test = Test::new().file("config.toml", CONFIG);
    let server = Server::start(&test, &["--control", "--config", "config.toml"]);
    (test, server)
}

fn state(server: &Server, run: &Value) -> Value {
    let run = run.as_str().expect("an id");
    server.get(&format!("/api/v1/runs/{run}")).json()["run"]["state"].clone()
}

#[test]
fn what_is_registered_begins_by_the_token_of_its_preview_once() {
    let (test, server) = configured();
    let page = server.get("/start").body;
    assert!(page.contains("Says &lt;hello&gt;"), "{page}");
    let listed = server.get("/api/v1/registered").json();
    assert_eq!(listed["orchestrations"][0]["name"], "release");
    let preview = server.get("/start/preview?kind=job&name=hello").body;
    assert!(preview.contains("data-post=\"/api/v1/runs\""), "{preview}");

    let hello = json!({ "kind": "job", "name": "hello" });
    let seen = server.post("/api/v1/previews", &hello).json();
    assert!(
        seen["preview"]
            .as_str()
            .is_some_and(|text| text.contains("touch said")),
        "{seen}"
    );
    let start = |kind: &str, name: &str, token: &Value| {
        let asked = json!({ "kind": kind, "name": name, "token": token });
        server.post("/api/v1/runs", &asked)
    };
    assert_eq!(start("job", "hello", &json!("0")).status, 409);
    assert_eq!(start("job", "other", &seen["token"]).status, 409);
    let done = start("job", "hello", &seen["token"]);
    assert_eq!(done.status, 200, "{done:?}");
    let run = done.json()["run_id"].clone();
    eventually("it has succeeded", || state(&server, &run) == "succeeded");
    assert!(test.path("work/said").exists());
    let listed = server.get("/api/v1/runs").json();
    let words = listed["runs"][0]["command_line"].to_string();
    assert!(words.contains("--by=serve"), "{words}");
    assert_eq!(start("job", "hello", &seen["token"]).status, 409);
}

#[test]
fn no_path_no_command_and_no_variable_is_taken_from_a_request() {
    let (test, server) = configured();
    std::fs::write(
        test.path("work/plan.json"),
        r#"{"plan_id": "P", "steps": []}"#,
    )
    .expect("a file");
    for body in [
        json!({ "kind": "job", "name": "plan.json" }),
        json!({ "kind": "job", "name": "../work/plan.json" }),
        json!({ "kind": "job", "name": "hello", "goal": "x" }),
        json!({ "kind": "job", "name": "--yes" }),
    ] {
        let answer = server.post("/api/v1/previews", &body);
        assert_eq!(answer.status, 409, "{body}: {answer:?}");
    }
    for body in [
        json!({ "kind": "plan", "name": "hello" }),
        json!({ "kind": "job", "name": "hello", "vars": { "a": "b" } }),
        json!({ "kind": "job", "name": "hello", "command": ["true"] }),
        json!({ "plan": { "steps": [] } }),
    ] {
        let answer = server.post("/api/v1/previews", &body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    assert!(
        server.get("/api/v1/runs").json()["runs"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );
}

#[test]
fn without_control_what_is_registered_is_only_listed() {
    let test = Test::new().file("config.toml", CONFIG);
    let server = Server::start(&test, &["--config", "config.toml"]);
    let page = server.get("/start").body;
    assert!(
        page.contains("hello") && !page.contains("/start/preview"),
        "{page}"
    );
    assert_eq!(server.get("/start/preview?kind=job&name=hello").status, 403);
    for (path, body) in [
        (
            "/api/v1/previews",
            json!({ "kind": "job", "name": "hello" }),
        ),
        (
            "/api/v1/runs",
            json!({ "kind": "job", "name": "hello", "token": "0" }),
        ),
        (
            "/api/v1/checks/preview",
            json!({ "project": "/", "plan": "p", "step": "s" }),
        ),
        (
            "/api/v1/checks/remedy",
            json!({ "project": "/", "plan": "p", "step": "s", "token": "0" }),
        ),
    ] {
        assert_eq!(server.post(path, &body).status, 403, "{path}");
    }
}

#[test]
fn a_check_stands_as_it_is_remembered_and_is_remedied_after_a_preview() {
    let test = Test::new().file("checks.toml", CHECKS);
    test.quintet(&["check", "--no-remediate"]).status(1).run();
    let server = Server::start(&test, &["--control"]);
    let project = server.get("/api/v1/checks").json()["projects"][0].clone();
    // What runs every time stands as it did in the last run.
    assert_eq!(project["checks"][0]["step"], "disk-space");
    assert_eq!(project["checks"][0]["state"], "succeeded");
    let check = project["checks"][1].clone();
    assert_eq!(
        (&check["state"], &check["remedy"]),
        (&json!("failed"), &json!(true)),
        "{project}"
    );
    let of = |token: Option<&Value>| {
        let mut asked = json!({
            "project": project["project"], "plan": project["plan_id"], "step": check["step"],
        });
        if let Some(token) = token {
            asked["token"] = token.clone();
        }
        asked
    };
    let seen = server.post("/api/v1/checks/preview", &of(None));
    assert_eq!(seen.status, 200, "{seen:?}");
    let seen = seen.json();
    assert!(
        seen["preview"]
            .as_str()
            .is_some_and(|text| text.contains("touch there")),
        "{seen}"
    );
    let done = server.post("/api/v1/checks/remedy", &of(Some(&seen["token"])));
    assert_eq!(done.status, 200, "{done:?}");
    let run = done.json()["run_id"].clone();
    eventually("it has been remedied", || {
        state(&server, &run) == "succeeded"
    });
    assert!(test.path("work/there").exists());
    eventually("it is remembered", || {
        let page = server.get("/checks").body;
        page.contains("valid")
    });
    let ghost = json!({ "project": "/nowhere", "plan": project["plan_id"], "step": check["step"] });
    assert_eq!(server.post("/api/v1/checks/preview", &ghost).status, 409);
}

#[test]
fn agents_say_what_they_cost_or_that_nobody_knows() {
    let (test, server) = configured();
    test.quintet(&[
        "--config",
        "config.toml",
        "orchestration",
        "run",
        "release",
        "--goal",
        "go <on>",
    ])
    .run();
    let page = server.get("/agents").body;
    for part in ["release", "Writer", "go &lt;on&gt;", "not told"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let one = server.get("/agents?run=last").body;
    assert!(
        one.contains("a &lt;b&gt;") && one.contains("attempt 1"),
        "{one}"
    );
}
