//! Requests made at random of the interface's description: none breaks the server, each
//! is answered as it is described, and none that cannot be meant changes anything.
//!
//! `NIGHTLY` makes twenty thousand of them. A request that found something is named by
//! its number and made again by that alone.

use serde_json::{Value, json};

use crate::described::Described;
use crate::going::Going;
use crate::hostile::{Chance, Known, Request, request};
use crate::server::{Answer, Server};
use crate::support::{Test, eventually, nightly};

/// More than this is too much head for the server, which then says no more than that.
const MUCH_HEAD: usize = 30_000;

const FAILED: &str = r#"{"plan_id": "FAILED", "steps": [
    {"id": "a/b", "command": "sh", "args": ["-c", "echo out; echo err >&2"]},
    {"id": "second", "command": "false", "depends_on": ["a/b"]}
]}"#;

/// Goes on until it is ended.
const ASKS: &str = r#"{"plan_id": "ASKS", "steps": [
    {"id": "long", "command": "sleep", "args": ["600"], "locks": ["deploy"]},
    {"id": "asks", "command": "touch", "args": ["done"],
     "approval": {"question": "Well?", "timeout": "10h"}}
]}"#;

const CONFIG: &str = "[jobs.hello]\ncommand = [\"touch\", \"done\"]\n";

const CHECKS: &str = "[[phases]]\nname = \"tools\"\n[[phases.checks]]\nname = \"there\"\n\
    command = \"true\"\nttl = \"1h\"\nremedy = \"touch done\"\n";

struct Fixture {
    test: Test,
    known: Vec<(&'static str, Vec<String>)>,
}

#[test]
fn no_request_breaks_a_server_that_only_shows() {
    fuzz(false);
}

#[test]
fn no_request_that_cannot_be_meant_changes_anything() {
    fuzz(true);
}

fn fuzz(control: bool) {
    let Fixture { test, known } = Fixture::new();
    let asks = test.quintet(&["run", "asks.json"]).status(130).start();
    let _asks = Going::on(asks);
    let mut args = vec!["--config", "config.toml"];
    args.extend(control.then_some("--control"));
    let server = Server::start(&test, &args);
    eventually("it asks, and its other step runs", || {
        let counts = server.get("/api/v1/runs/last").json()["counts"].clone();
        let asked = server.get("/api/v1/approvals").json();
        asked["approvals"][0]["step"] == "asks" && counts["running"] == 1
    });
    let known = with_what_is_there(&server, known);
    let document = Described::by(&server);
    let operations = document.operations();
    let before = recorded(&server);
    let count = if nightly() { 10_000 } else { 150 };
    for number in 0..count {
        let mut chance = Chance::of(number);
        let operation = &operations[number as usize % operations.len()];
        let mut asked = request(&document, operation, &known, &mut chance);
        if control && asked.is_sound && asked.method == "POST" {
            asked = of_nobody(asked, &known);
        }
        let answer = sent(&server, &asked);
        let misfit = match is_too_much(&asked) {
            true => None,
            false => document.misfit(operation, &answer),
        };
        if let Some(wrong) = misfit.or(refused(&asked, &answer, control)) {
            let Request {
                method,
                path,
                headers,
                body,
                ..
            } = &asked;
            panic!("request {number}, {wrong}: {method} {path} {headers:?} {body}\n{answer:?}");
        }
    }
    assert_eq!(recorded(&server), before, "something was changed");
    assert!(!test.path("work/done").exists(), "something was begun");
    let said = std::fs::read_to_string(test.path("serve.stderr")).expect("a file");
    assert!(!said.contains("panicked"), "{said}");
}

/// What could be meant is asked of a run that is not there: it would be done.
fn of_nobody(mut asked: Request, known: &Known) -> Request {
    let runs = known.iter().find(|(name, _)| *name == "run");
    for run in runs.into_iter().flat_map(|(_, runs)| runs) {
        asked.path = asked.path.replace(run.as_str(), "nobody");
    }
    asked
}

fn sent(server: &Server, asked: &Request) -> Answer {
    let headers = asked.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    server.beginning(&asked.method, &asked.path, &headers, &asked.body)
}

fn is_too_much(asked: &Request) -> bool {
    asked.path.len() > MUCH_HEAD
}

/// What of this answer is never to be, whatever is described.
fn refused(asked: &Request, answer: &Answer, control: bool) -> Option<String> {
    let changes = asked.method == "POST";
    let wrong = match answer.status {
        0 => "no answer",
        503 => return None,
        500.. => "the server's own fault",
        200 if changes && !control => "it should change nothing",
        200 if changes && !asked.is_sound => "it cannot be meant",
        200 if answer.body.contains("event: error") => "the stream broke",
        _ => return None,
    };
    Some(wrong.to_owned())
}

/// All that can be changed: the runs, how they stand and what kinds of things happened.
fn recorded(server: &Server) -> Vec<Value> {
    let runs = server.get("/api/v1/runs").json();
    let runs = runs["runs"].as_array().expect("a list").iter();
    let told = runs.map(|run| {
        let id = run["run_id"].as_str().expect("an id");
        let events = server.get(&format!("/api/v1/runs/{id}/events")).json();
        let events = events["events"].as_array().expect("a list").iter();
        let kinds: Vec<_> = events.map(|event| event["type"].clone()).collect();
        json!([id, run["state"], kinds])
    });
    told.collect()
}

/// The names of what only the server knows.
fn with_what_is_there(
    server: &Server,
    mut known: Vec<(&'static str, Vec<String>)>,
) -> Vec<(&'static str, Vec<String>)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let runs = server.get("/api/v1/runs").json();
    let runs = runs["runs"].as_array().expect("a list").iter();
    known.push(("run", runs.map(|run| text(&run["run_id"])).collect()));
    let checks = server.get("/api/v1/checks").json();
    known.push(("project", vec![text(&checks["projects"][0]["project"])]));
    known
}

impl Fixture {
    fn new() -> Fixture {
        let test = Test::new()
            .file("failed.json", FAILED)
            .file("asks.json", ASKS)
            .file("config.toml", CONFIG)
            .file("checks.toml", CHECKS);
        test.quintet(&["run", "failed.json"]).status(1).run();
        test.quintet(&["check"]).run();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let known = vec![
            ("step", names(&["a/b", "second", "long", "asks", "there"])),
            ("plan", names(&["FAILED", "ASKS"])),
            ("name", names(&["hello", "FAILED"])),
            ("state", names(&["failed", "running"])),
            ("stream", names(&["stdout", "stderr"])),
            ("role", names(&["main", "remedy"])),
            ("since", names(&["2026-11-20", "2026-11-20T12:00:00Z"])),
            ("until", names(&["2100-01-01"])),
        ];
        Fixture { test, known }
    }
}
