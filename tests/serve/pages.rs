//! Pages: what a person finds on them.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Test, eventually};

const PLAN: &str = r#"{"plan_id": "DEMO", "steps": [
    {"id": "fetch", "command": "true"},
    {"id": "build", "command": "sh", "args": ["-c", "exit 3"], "depends_on": ["fetch"]},
    {"id": "ship", "command": "true", "depends_on": ["build"]}
]}"#;

#[test]
fn a_run_is_listed_and_its_page_says_how_each_step_ended() {
    let test = Test::new().file("plan.json", PLAN);
    let server = Server::start(&test, &[]);
    assert!(server.get("/").body.contains("No run has been recorded"));
    test.quintet(&["run", "plan.json"]).status(1).run();
    let listed = server.get("/");
    assert_eq!(listed.status, 200);
    assert!(listed.body.contains(">DEMO</a>"), "{}", listed.body);
    assert!(server.get("/?state=succeeded").body.contains("No run"));
    let run = server.get("/runs/last").body;
    for part in ["data-state=\"failed\"", "exit 3", "because of build"] {
        assert!(run.contains(part), "{part}: {run}");
    }
    assert_eq!(server.get("/runs/ghost").status, 404);
    // What is wrong is a page too, wherever it is found out, and JSON for programs.
    for (path, status) in [
        ("/?state=sideways", 400),
        ("/?limit=x", 400),
        ("/nowhere", 404),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.contains("<h1>"), "{path}: {answer:?}");
    }
    let answer = server.get("/api/v1/runs?limit=x");
    assert_eq!(answer.json()["error"]["code"], "bad_request");
}

#[test]
fn runs_are_found_by_tag_and_by_time() {
    let tagged = PLAN.replace(
        "\"steps\"",
        "\"metadata\": {\"tags\": [\"nightly\"]}, \"steps\"",
    );
    let test = Test::new()
        .file("plan.json", PLAN)
        .file("tagged.json", tagged);
    test.quintet(&["run", "plan.json"]).status(1).run();
    test.quintet(&["run", "tagged.json"]).status(1).run();
    let server = Server::start(&test, &[]);
    let rows = |query: &str| server.get(query).body.matches("<tr id=\"run-").count();
    assert_eq!(rows("/"), 2);
    assert_eq!(rows("/?tag=nightly"), 1);
    assert_eq!(rows("/?since=2020-01-01T00:00"), 2);
    assert_eq!(rows("/?until=2020-01-01"), 0);
    assert_eq!(server.get("/?since=yesterday").status, 400);
    let page = server.get("/?limit=1&tag=&since=2020-01-01").body;
    assert!(page.contains("/?since=2020-01-01&amp;before="), "{page}");
    test.quintet(&["runs", "--tag", "nightly", "--since", "2020-01-01"])
        .stdout_has("DEMO")
        .run();
    test.quintet(&["runs", "--since", "never"])
        .status(2)
        .stderr_has("a moment")
        .run();
}

#[test]
fn a_definition_is_a_grid_of_its_runs_and_steps() {
    let test = Test::new().file("plan.json", PLAN);
    for _ in 0..2 {
        test.quintet(&["run", "plan.json"]).status(1).run();
    }
    let server = Server::start(&test, &[]);
    let page = server.get("/definitions?plan=DEMO").body;
    let cells = |state: &str| {
        page.matches(&format!("<a class=\"cell\" data-state=\"{state}\""))
            .count()
    };
    assert_eq!((cells("succeeded"), cells("failed")), (2, 2), "{page}");
    assert!(page.contains("/step?step=fetch"), "{page}");
    assert_eq!(server.get("/definitions?plan=GHOST").status, 404);
    let told = server.get("/api/v1/definitions/DEMO").json();
    assert_eq!(told["runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&told["p95_ms"], &told["runs"][0]["regression"]),
        (&Value::Null, &json!(false))
    );
}

#[test]
fn two_runs_are_compared_and_figures_are_there_for_people_and_prometheus() {
    let other = PLAN.replace("exit 3", "exit 0");
    let test = Test::new()
        .file("plan.json", PLAN)
        .file("other.json", other);
    test.quintet(&["run", "plan.json"]).status(1).run();
    test.quintet(&["run", "other.json"]).run();
    let server = Server::start(&test, &[]);
    let runs = server.get("/api/v1/runs").json()["runs"].clone();
    let id = |at: usize| runs[at]["run_id"].as_str().expect("an id").to_owned();
    let page = server
        .get(&format!("/compare?a={}&b={}", id(1), id(0)))
        .body;
    for part in ["different plans", "2 of 3", "what it does", "exit 0"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let none = server.get("/compare");
    assert_eq!(none.status, 400);
    assert!(server.get("/figures").body.contains(">DEMO</a>"));
    let text = server.get("/metrics");
    assert!(
        text.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain"))
    );
    assert!(text.body.contains("plan=\"DEMO\""), "{text:?}");
}

#[test]
fn who_holds_a_lock_and_who_waits_for_it_is_shown() {
    let plan = r#"{"plan_id": "LOCKED", "steps": [
        {"id": "hold", "command": "sh", "args": ["-c", "until [ -e go ]; do sleep 0.05; done"], "locks": "deploy"}
    ]}"#;
    let test = Test::new().file("plan.json", plan);
    let first = test.quintet(&["run", "plan.json"]).start();
    let server = Server::start(&test, &[]);
    let locks = || server.get("/api/v1/locks").json()["locks"].clone();
    eventually("it is held", || locks()[0]["held"][0]["step"] == "hold");
    let second = test.quintet(&["run", "plan.json"]).start();
    eventually("somebody waits", || {
        locks()[0]["steps"][0]["step"] == "hold"
    });
    let page = server.get("/locks").body;
    assert!(page.contains("lock deploy"), "{page}");
    std::fs::write(test.path("work/go"), "").expect("a file");
    first.finish();
    second.finish();
    assert!(server.get("/locks").body.contains("Nothing is held"));
}

#[test]
fn a_run_is_a_graph_and_a_timeline_too() {
    let test = Test::new().file("plan.json", PLAN);
    let server = Server::start(&test, &[]);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let graph = server
        .get("/runs/last?tab=graph&zoom=50&open=a&open=b")
        .body;
    assert!(graph.contains("build, failed"), "{graph}");
    let timeline = server.get("/runs/last?tab=timeline&from=0&to=600000").body;
    assert!(timeline.contains("build, attempt 1: exit 3"), "{timeline}");
    let list = server.get("/runs/last?tab=list&show=failed&q=BUILD").body;
    assert!(list.contains("step?step=build") && !list.contains("step?step=ship"));
    assert_eq!(server.get("/runs/last?tab=list&show=sideways").status, 400);
    assert_eq!(server.get("/runs/last?tab=timeline&from=-1").status, 400);
}
