//! Server-sent events: each once and in order, from wherever one comes back; and who is
//! too far behind is told so.

use std::io::{Read, Write};

use crate::server::Server;
use crate::support::{Test, eventually, nightly, skip};

const PLAN: &str = r#"{"plan_id": "DEMO", "steps": [
    {"id": "fetch", "command": "true"},
    {"id": "build", "command": "true", "depends_on": ["fetch"]}
]}"#;

/// The stream's lines that begin so, until it ends or `enough` of them have come.
fn told(
    server: &Server,
    path: &str,
    last: Option<u64>,
    prefix: &str,
    enough: usize,
) -> Vec<String> {
    let mut client = server.connect();
    let last = last.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{last}Connection: close\r\n\r\n",
        server.host, server.token
    );
    client.write_all(request.as_bytes()).expect("a request");
    let (mut came, mut piece) = (String::new(), [0; 4096]);
    let lines = |came: &str| -> Vec<String> {
        let fit = came.lines().filter_map(|line| line.strip_prefix(prefix));
        fit.map(|rest| rest.trim().to_owned()).collect()
    };
    while let Ok(n @ 1..) = client.read(&mut piece) {
        came.push_str(&String::from_utf8_lossy(&piece[..n]));
        if lines(&came).len() >= enough {
            break;
        }
    }
    lines(&came)
}

#[test]
fn who_comes_back_goes_on_from_where_it_was() {
    let test = Test::new().file("plan.json", PLAN);
    test.quintet(&["run", "plan.json"]).run();
    let server = Server::start(&test, &[]);
    let path = "/api/v1/runs/last/events/stream";
    let all = told(&server, path, None, "id: ", usize::MAX);
    let ids: Vec<String> = (1..=all.len()).map(|id| id.to_string()).collect();
    assert!(all.len() >= 8 && all == ids, "{all:?}");
    assert_eq!(told(&server, path, Some(5), "id: ", usize::MAX), ids[5..]);
    let after = format!("{path}?after=7");
    assert_eq!(told(&server, &after, None, "id: ", usize::MAX), ids[7..]);
    // Who has it all already is told that there is no more.
    let last = all.len() as u64;
    assert_eq!(
        told(&server, path, Some(last), "event: ", usize::MAX),
        ["over"]
    );
    let nonsense = [("Last-Event-ID", "x")];
    assert_eq!(server.ask("GET", path, &nonsense, "").status, 400);
    assert_eq!(server.get("/api/v1/runs/ghost/events/stream").status, 404);
}

#[test]
fn what_happens_comes_as_it_happens() {
    let plan = r#"{"plan_id": "LIVE", "steps": [
        {"id": "wait", "command": "sh", "args": ["-c", "until [ -e go ]; do sleep 0.05; done"]}]}"#;
    let test = Test::new().file("plan.json", plan);
    let server = Server::start(&test, &[]);
    let run = test.quintet(&["run", "plan.json"]).start();
    eventually("a run", || {
        server.get("/api/v1/runs").body.contains("running")
    });
    let path = "/api/v1/runs/last/events/stream";
    std::thread::scope(|scope| {
        let listener = scope.spawn(|| told(&server, path, None, "event: ", usize::MAX));
        // A moment later than the listener begins, or not: it is told all the same.
        std::fs::write(test.path("work/go"), "").expect("a file");
        let kinds = listener.join().expect("it is told");
        assert_eq!(kinds.first().map(String::as_str), Some("run_started"));
        assert!(
            kinds.ends_with(&["run_finished".to_owned(), "over".to_owned()]),
            "{kinds:?}"
        );
    });
    run.finish();
}

#[test]
fn who_is_far_behind_is_told_to_begin_anew() {
    if !nightly() {
        return skip("far_behind", "it takes a run of 7,000 steps");
    }
    let steps = (0..7_000).map(|n| format!(r#"{{"id": "s{n}", "command": "true"}}"#));
    let steps = steps.collect::<Vec<_>>().join(", ");
    let plan = format!(r#"{{"plan_id": "WIDE", "steps": [{steps}]}}"#);
    let test = Test::new().file("plan.json", plan);
    test.quintet(&["run", "plan.json", "--quiet"])
        .timeout(std::time::Duration::from_secs(300))
        .run();
    let server = Server::start(&test, &[]);
    let path = "/api/v1/runs/last/events/stream";
    let kinds = told(&server, path, None, "event: ", usize::MAX);
    assert_eq!(kinds, ["resynchronise", "over"]);
    // From nearer by, everything comes.
    let last: u64 = told(&server, path, None, "id: ", 1)[0]
        .parse()
        .expect("a number");
    let near = told(&server, path, Some(last - 1_500), "id: ", usize::MAX);
    assert_eq!(near.len(), 1_500);
}
