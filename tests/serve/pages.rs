//! Pages: what a person finds on them.

use crate::server::Server;
use crate::support::Test;

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
    assert_eq!(server.get("/?state=sideways").status, 400);
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
