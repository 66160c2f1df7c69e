//! The interface for programs is what its description says it is.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};

use crate::described::{Described, Operation};
use crate::going::Going;
use crate::server::{Answer, Server};
use crate::support::{Test, eventually};

/// One step of each fate.
const PLAN: &str = r#"{"plan_id": "PLAN", "metadata": {"tags": ["x"]}, "steps": [
    {"id": "a/b", "command": "sh", "args": ["-c", "echo out; echo err >&2"], "tags": ["t"]},
    {"id": "tolerated", "command": "false", "continue_on_error": true},
    {"id": "tried", "command": "test", "args": ["-e", "tried"], "retry": {"count": 1}},
    {"id": "never", "command": "true", "depends_on": ["tried"]}
]}"#;

/// One that asks while another holds a lock, or waits for it.
const ASKS: &str = r#"{"plan_id": "ASKS", "steps": [
    {"id": "holds", "command": "sleep", "args": ["600"], "locks": ["deploy"]},
    {"id": "asks", "command": "true", "approval": {"question": "Well?", "timeout": "1h"}}
]}"#;

const CHECKS: &str = r#"
[[phases]]
name = "tools"

[[phases.checks]]
name = "there"
command = "true"
ttl = "1h"
remedy = "true"
"#;

fn described() -> Described {
    Described::by(&Server::start(&Test::new(), &[]))
}

#[test]
fn the_description_is_a_sound_openapi_document() {
    let document = described();
    let whole = &document.whole;
    assert!(
        whole["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1."))
    );
    assert_eq!(whole["info"]["title"], "quintet");
    assert_eq!(whole["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(whole["servers"], json!([{ "url": "/api/v1" }]));
    assert_eq!(whole["security"], json!([{ "token": [] }]));
    let scheme = &whole["components"]["securitySchemes"]["token"];
    assert_eq!(scheme["scheme"], "bearer");
    let mut ids = BTreeSet::new();
    for operation in document.operations() {
        let Operation { id, path, .. } = &operation;
        assert!(!id.is_empty(), "{path}");
        assert!(ids.insert(id.clone()), "{id} is there twice");
        names_fit(&operation);
        assert!(operation.content(200).is_some(), "{id}: no answer");
        for (status, response) in &operation.responses {
            assert!(response["description"].is_string(), "{id} {status}");
            let schema = &response.pointer("/content/application~1json/schema");
            if let Some(schema) = schema {
                says_something(&document, schema, &format!("{id} {status}"));
            }
        }
        for parameter in &operation.parameters {
            says_something(
                &document,
                &parameter.schema,
                &format!("{id} {}", parameter.name),
            );
        }
        if let Some(body) = &operation.body {
            says_something(&document, body, id);
            let more = &document.resolved(body)["additionalProperties"];
            assert_eq!(*more, false, "{id}: what else it may say is refused");
        }
    }
    refs_lead_somewhere(&document, whole);
}

/// Each name in the path is a parameter, and the other way round.
fn names_fit(operation: &Operation) {
    let name = Regex::new(r"\{(\w+)\}").expect("the pattern is written out here");
    let in_path: BTreeSet<_> = name
        .captures_iter(&operation.path)
        .map(|found| found[1].to_owned())
        .collect();
    let of_path = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.place == "path");
    let told: BTreeSet<_> = of_path
        .inspect(|parameter| assert!(parameter.required, "{}", operation.id))
        .map(|parameter| parameter.name.clone())
        .collect();
    assert_eq!(in_path, told, "{}", operation.id);
}

/// A schema that can be used, and does not let everything pass.
fn says_something(document: &Described, schema: &Value, of: &str) {
    document.validator(schema);
    let schema = document.resolved(schema);
    let says = ["type", "oneOf", "allOf", "anyOf", "enum"];
    assert!(
        says.iter().any(|word| schema.get(word).is_some()),
        "{of}: {schema}"
    );
}

fn refs_lead_somewhere(document: &Described, value: &Value) {
    match value {
        Value::Object(object) => {
            if object.contains_key("$ref") {
                document.resolved(value);
            }
            object
                .values()
                .for_each(|value| refs_lead_somewhere(document, value));
        }
        Value::Array(list) => list
            .iter()
            .for_each(|value| refs_lead_somewhere(document, value)),
        _ => {}
    }
}

/// Whoever writes a function that answers, and forgets to let it, hears of it here; and
/// so does who lets one answer that says nothing of itself.
#[test]
fn what_answers_is_described_and_what_is_described_answers() {
    let document = described();
    let told: BTreeSet<(String, String)> = document
        .operations()
        .into_iter()
        .map(|operation| (operation.method, operation.path))
        .collect();
    let attribute = Regex::new(r#"utoipa::path\(\s*(\w+),\s*path = "([^"]+)""#);
    let attribute = attribute.expect("the pattern is written out here");
    let (mut written, mut routes) = (BTreeSet::new(), 0);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/api");
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let source = std::fs::read_to_string(entry.expect("an entry").path());
        let source = source.expect("a source file");
        for found in attribute.captures_iter(&source) {
            written.insert((found[1].to_ascii_uppercase(), found[2].to_owned()));
        }
        routes += source.matches(".route(").count();
    }
    assert_eq!(told, written);
    assert_eq!(routes, 1, "only the description does not describe itself");
}

#[test]
fn every_route_answers_by_its_methods_and_by_no_other() {
    let (_test, server, run) = seen();
    let document = Described::by(&server);
    let operations = document.operations();
    for operation in &operations {
        let id = &operation.id;
        let path = format!("/api/v1{}", operation.path);
        let path = path.replace("{run}", &run).replace("{plan}", "PLAN");
        let other = match operation.method.as_str() {
            "GET" => "POST",
            _ => "GET",
        };
        let json = [("Content-Type", "application/json")];
        let ask = |method: &str| server.beginning(method, &path, &json, "");
        let answer = ask(&operation.method);
        assert_ne!(answer.status, 405, "{id}: {answer:?}");
        assert!(!answer.body.contains("there is nothing at"), "{id}");
        let has_other = operations
            .iter()
            .any(|known| known.path == operation.path && known.method == other);
        if !has_other {
            let refused = ask(other);
            assert_eq!(refused.status, 405, "{id}: {refused:?}");
            is_an_error(&document, &refused);
            let allowed = refused.header("allow").unwrap_or_default();
            assert!(allowed.contains(&operation.method), "{id}: {refused:?}");
        }
        if operation.method == "GET" {
            let head = ask("HEAD");
            assert_eq!(head.status, answer.status, "{id}: {head:?}");
            assert_eq!(head.header("content-type"), answer.header("content-type"));
            assert_eq!(head.body, "", "{id}");
        }
    }
}

fn is_an_error(document: &Described, answer: &Answer) {
    let schema = json!({ "$ref": "#/components/schemas/ErrorBody" });
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{answer:?}"
    );
    let told = answer.json();
    let valid = document
        .validator(&schema)
        .validate(&told)
        .map_err(|e| e.to_string());
    assert_eq!(valid, Ok(()), "{answer:?}");
    assert!(answer.status >= 400, "{answer:?}");
}

/// XG08: a part of a path that is no text names nothing.
#[test]
fn xg08_every_error_has_the_one_form() {
    let (_test, server, run) = seen();
    let document = Described::by(&server);
    for (status, code, path) in [
        (400, "bad_request", "/runs?limit=many"),
        (400, "bad_request", "/runs?limit=-1"),
        (400, "bad_request", "/runs?limit=1&limit=2"),
        (400, "bad_request", "/runs?nothing=known"),
        (400, "bad_request", "/runs?before=99999999999999999999"),
        (400, "bad_request", "/runs?state=odd"),
        (400, "bad_request", "/runs/last/step"),
        (400, "bad_request", "/runs/last/log?step=x&role=chief"),
        (400, "bad_request", "/runs/last/events?after=-1"),
        (404, "not_found", "/runs/last/step?step=nobody"),
        (404, "not_found", "/runs/%ff"),
        (404, "not_found", "/runs/%ff/events/stream"),
        (404, "not_found", "/runs/%2e%2e%2f%2e%2e"),
        (404, "not_found", "/runs/%00"),
        (404, "not_found", "/definitions/%c3%28"),
        (404, "not_found", "/nothing/here"),
        (404, "not_found", "/runs/a/b/c"),
    ] {
        let answer = server.get(&format!("/api/v1{path}"));
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        is_an_error(&document, &answer);
        assert_eq!(answer.json()["error"]["code"], code, "{path}");
    }
    let cancel = format!("/api/v1/runs/{run}/cancel");
    let text = [("Content-Type", "text/plain")];
    let json = [("Content-Type", "application/json")];
    for (status, answer) in [
        (403, server.ask("POST", &cancel, &json, "{}")),
        (
            404,
            server.ask("POST", "/api/v1/runs/%ff/cancel", &json, "{}"),
        ),
        (405, server.ask("DELETE", &cancel, &json, "")),
        (413, server.ask("POST", &cancel, &json, &" ".repeat(70_000))),
        (415, server.ask("POST", &cancel, &text, "{}")),
        (403, server.ask("GET", &cancel, &[("Origin", "null")], "")),
        (401, server.raw(unknown(&server).as_bytes())),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        is_an_error(&document, &answer);
    }
}

fn unknown(server: &Server) -> String {
    format!(
        "GET /api/v1/runs HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        server.host
    )
}

#[test]
fn answers_are_as_they_are_described() {
    let (test, server, run) = seen();
    let asks = || test.quintet(&["run", "asks.json"]).status(130).start();
    let _two = [Going::on(asks()), Going::on(asks())];
    eventually("they ask", || {
        let asked = server.get("/api/v1/approvals").json();
        asked["approvals"][1]["step"] == "asks"
    });
    eventually("a lock is waited for", || {
        let locks = server.get("/api/v1/locks").json();
        locks["locks"][0]["steps"][0]["step"] == "holds"
    });
    let document = Described::by(&server);
    let ofs = |rest: &str| format!("/runs/{run}{rest}");
    let mut left: BTreeSet<String> = document
        .operations()
        .into_iter()
        .filter(|operation| operation.method == "GET" && !operation.is_stream())
        .map(|operation| operation.id)
        .collect();
    for (id, path) in [
        ("list_runs", "/runs?limit=1".to_owned()),
        ("list_runs", "/runs?state=failed&tag=x".to_owned()),
        ("get_run", "/runs/last".to_owned()),
        ("get_run", ofs("")),
        ("get_step", "/runs/last/step?step=holds".to_owned()),
        ("get_step", ofs("/step?step=a%2Fb")),
        ("get_step", ofs("/step?step=tried")),
        ("get_plan", ofs("/plan")),
        ("get_log", ofs("/log?step=a%2Fb&stream=stderr")),
        ("list_events", ofs("/events")),
        ("list_events", ofs("/events?after=2&limit=2")),
        ("list_approvals", "/approvals".to_owned()),
        ("list_checks", "/checks".to_owned()),
        ("list_locks", "/locks".to_owned()),
        ("get_definition", "/definitions/PLAN".to_owned()),
        ("list_registered", "/registered".to_owned()),
    ] {
        let answer = server.get(&format!("/api/v1{path}"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let misfit = document.misfit(&document.operation(id), &answer);
        assert_eq!(misfit, None, "{path}: {answer:?}");
        left.remove(id);
    }
    assert_eq!(left, BTreeSet::new(), "not tried");
}

#[test]
fn a_stream_begins_after_any_number_and_says_so_when_a_run_is_over() {
    let (test, server, run) = seen();
    let asks = test.quintet(&["run", "asks.json"]).status(130).start();
    let _asks = Going::on(asks);
    eventually("it runs", || {
        server.get("/api/v1/runs/last").json()["counts"]["running"] == 1
    });
    let listen = |run: &str, after: u64, headers: &[(&str, &str)]| {
        let path = format!("/api/v1/runs/{run}/events/stream?after={after}");
        let answer = server.beginning("GET", &path, headers, "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let all = listen(&run, 0, &[]);
    assert!(all.contains("event: run_started"), "{all}");
    assert!(all.contains("event: over"), "{all}");
    let again = listen(&run, 0, &[("Last-Event-ID", "1")]);
    assert!(!again.contains("event: run_started"), "{again}");
    assert!(again.contains("event: step_claimed"), "{again}");
    for run in [&run, "last"] {
        let none = listen(run, u64::MAX, &[]);
        assert!(!none.contains("event: error"), "{none}");
    }
}

/// A server over a run that has failed, which is named, and a file of checks.
fn seen() -> (Test, Server, String) {
    let test = Test::new()
        .file("plan.json", PLAN)
        .file("asks.json", ASKS)
        .file("checks.toml", CHECKS);
    test.quintet(&["check"]).run();
    test.quintet(&["run", "plan.json"]).status(1).run();
    let server = Server::start(&test, &[]);
    let runs = server.get("/api/v1/runs?limit=1").json();
    let run = runs["runs"][0]["run_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    (test, server, run)
}
