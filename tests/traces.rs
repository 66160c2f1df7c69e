//! What a collector of traces is told, and what steps are: that a run has spans
//! which begin and end when it is recorded, and that each attempt knows its own.

#![cfg(unix)]

#[path = "support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Call, Test};

/// `a` fails once, `b` fails, and each attempt says what it was told.
const PLAN: &str = r#"
    plan_id: traced
    steps:
      - {id: a, shell: true, retries: 1, command: "echo $QUINTET_STEP_ID $QUINTET_ATTEMPT $TRACEPARENT $TRACESTATE >> told; test $QUINTET_ATTEMPT = 2"}
      - {id: b, shell: true, depends_on: [a], command: "echo $QUINTET_STEP_ID $QUINTET_ATTEMPT $TRACEPARENT $TRACESTATE >> told; test -e go || exit 3"}
"#;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector on this machine, which takes what it is sent.
struct Collector {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone)]
struct Request {
    head: String,
    body: Value,
}

impl Collector {
    /// One that answers with this status; or never, without.
    fn answering(status: Option<&'static str>) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let taken = requests.clone();
        std::thread::spawn(move || {
            // Kept open: a connection that is closed has been answered.
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let stream = stream.expect("a connection can be taken");
                let request = read(&stream);
                taken.lock().unwrap().extend(request);
                if let Some(status) = status {
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
                    );
                    let _ = (&stream).write_all(answer.as_bytes());
                } else {
                    open.push(stream);
                }
            }
        });
        Collector { url, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// All spans that were sent, and from now on only new ones.
    fn spans(&self) -> Vec<Value> {
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        requests
            .iter()
            .flat_map(|request| spans(&request.body))
            .collect()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse::<usize>().ok())?
    });
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).expect("the body is JSON");
    Some(Request { head, body })
}

fn spans(document: &Value) -> Vec<Value> {
    let spans = &document["resourceSpans"][0]["scopeSpans"][0]["spans"];
    spans.as_array().expect("spans are a list").clone()
}

fn attribute(span: &Value, key: &str) -> Value {
    let all = span["attributes"]
        .as_array()
        .expect("attributes are a list");
    let found = all.iter().find(|attribute| attribute["key"] == key);
    found.map_or(Value::Null, |attribute| attribute["value"].clone())
}

fn test() -> Test {
    Test::new().file("plan.yaml", PLAN)
}

fn traced<'a>(test: &'a Test, args: &[&str], collector: &Collector) -> Call<'a> {
    let call = test.quintet(args);
    call.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
}

/// What the attempts said since the last time: step, number, and the words after.
fn told(test: &Test) -> Vec<Vec<String>> {
    let file = test.path("work/told");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let _ = std::fs::remove_file(file);
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    text.lines().map(words).collect()
}

/// Each attempt's span is the one that the attempt was told.
#[track_caller]
fn agree(told: &[Vec<String>], spans: &[Value]) {
    assert_eq!(told.len(), spans.len(), "{told:?} {spans:?}");
    for (told, span) in told.iter().zip(spans) {
        assert_eq!(attribute(span, "quintet.step.id")["stringValue"], told[0]);
        assert_eq!(attribute(span, "quintet.attempt")["intValue"], told[1]);
        let word = |key: &str| span[key].as_str().expect("ids are texts").to_owned();
        let traceparent = format!("00-{}-{}-01", word("traceId"), word("spanId"));
        assert_eq!(told[2], traceparent);
    }
}

/// What the protocol asks of each span.
#[track_caller]
fn check(spans: &[Value]) {
    for span in spans {
        let is_hex = |key: &str, len: usize| {
            let id = span[key].as_str().expect("ids are texts");
            let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(id.len() == len && id.chars().all(digit), "{key} {id}");
        };
        is_hex("traceId", 32);
        is_hex("spanId", 16);
        if span.get("parentSpanId").is_some() {
            is_hex("parentSpanId", 16);
        }
        let time = |key: &str| -> u64 {
            let time = span[key].as_str().expect("times are texts");
            time.parse().expect("times are numbers")
        };
        assert!(
            time("startTimeUnixNano") <= time("endTimeUnixNano"),
            "{span}"
        );
        let first = &spans[0];
        assert!(first["startTimeUnixNano"].as_str() <= span["startTimeUnixNano"].as_str());
        assert!(span["endTimeUnixNano"].as_str() <= first["endTimeUnixNano"].as_str());
    }
}

#[test]
fn a_run_is_a_span_with_a_child_for_each_attempt_which_knows_its_own() {
    let (test, collector) = (test(), Collector::answering(Some("200 OK")));
    traced(&test, &["run", "plan.yaml"], &collector)
        .env("OTEL_SERVICE_NAME", "night")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s%3Dcret")
        .status(1)
        .run();
    let requests = collector.requests();
    assert_eq!(requests.len(), 1);
    let head = requests[0].head.to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/json\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nx-key: s=cret\r\n"), "{head}");
    let resource = &requests[0].body["resourceSpans"][0]["resource"];
    assert_eq!(attribute(resource, "service.name")["stringValue"], "night");

    let spans = collector.spans();
    check(&spans);
    let (run, attempts) = spans.split_first().unwrap();
    assert_eq!(run["name"], "run traced");
    assert_eq!(run.get("parentSpanId"), None);
    assert_eq!(run["status"]["code"], 2);
    assert!(
        attempts
            .iter()
            .all(|span| span["parentSpanId"] == run["spanId"])
    );
    agree(&told(&test), attempts);
    let failed = attempts.last().unwrap();
    assert_eq!(attribute(failed, "process.exit.code")["intValue"], "3");
    assert_eq!(failed["status"]["code"], 2);
    assert_eq!(failed["status"]["message"], "exit 3");

    // Whoever asks later is told the same.
    let printed = test.quintet(&["trace", "last"]).run().json();
    assert_eq!(self::spans(&printed), spans);
    traced(&test, &["trace", "last", "--send"], &collector).run();
    assert_eq!(collector.spans(), spans);
}

#[test]
fn a_run_in_someone_elses_trace_stays_in_it_also_when_it_goes_on() {
    let (test, collector) = (test(), Collector::answering(Some("200 OK")));
    traced(&test, &["run", "plan.yaml"], &collector)
        .env("TRACEPARENT", PARENT)
        .env("TRACESTATE", "vendor=1")
        .status(1)
        .run();
    let spans = collector.spans();
    check(&spans);
    assert_eq!(spans[0]["parentSpanId"], "00f067aa0ba902b7");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert!(spans.iter().all(|span| span["traceId"] == trace));
    let said = told(&test);
    assert!(said.iter().all(|words| words[3] == "vendor=1"), "{said:?}");
    agree(&said, &spans[1..]);

    std::fs::write(test.path("work/go"), "").unwrap();
    traced(&test, &["resume"], &collector).run();
    let again = collector.spans();
    check(&again);
    assert!(again.iter().all(|span| span["traceId"] == trace));
    assert_ne!(again[0]["spanId"], spans[0]["spanId"]);
    assert_eq!(again[0]["parentSpanId"], "00f067aa0ba902b7");
    agree(&told(&test), &again[1..]);
}

#[test]
fn steps_are_told_of_a_trace_where_there_is_one_and_only_there() {
    let test = test();
    test.quintet(&["run", "plan.yaml"]).status(1).run();
    assert!(
        told(&test)
            .iter()
            .all(|words| words.get(2).is_none_or(String::is_empty))
    );
    // Nobody is sent anything, but what steps tell of is in the trace.
    let call = test.quintet(&["run", "plan.yaml"]).status(1);
    call.env("TRACEPARENT", PARENT).run();
    let said = told(&test);
    let trace = &PARENT[..36];
    assert!(
        said.iter()
            .all(|words| words[2].starts_with(trace) && words[2] != PARENT)
    );
    test.quintet(&["resume"]).status(1).run();
    assert!(told(&test).iter().all(|words| words[2].starts_with(trace)));
    let printed = test.quintet(&["trace", "last"]).run().json();
    assert_eq!(spans(&printed)[0]["traceId"], PARENT[3..35]);
    // Switched off, what was in the environment is in it.
    let call = test.quintet(&["run", "plan.yaml"]).status(1);
    let call = call.env("OTEL_SDK_DISABLED", "true");
    call.env("TRACEPARENT", PARENT).run();
    assert!(told(&test).iter().all(|words| words[2] == PARENT));
}

#[test]
fn a_trace_that_its_owner_does_not_want_is_not_sent() {
    let (test, collector) = (test(), Collector::answering(Some("200 OK")));
    let call = traced(&test, &["run", "plan.yaml"], &collector).status(1);
    let unsampled = format!("{}00", &PARENT[..53]);
    call.env("TRACEPARENT", &unsampled).run();
    assert!(collector.requests().is_empty());
    assert!(told(&test).iter().all(|words| words[2].ends_with("-00")));
}

#[test]
fn a_collector_that_fails_or_is_not_there_is_one_warning() {
    let test = Test::new().file("plan.yaml", "steps: [{id: a, command: 'true'}]");
    let failing = Collector::answering(Some("503 Service Unavailable"));
    let silent = Collector::answering(None);
    // Nobody listens there: a free port of our own might soon be another test's.
    let gone = "http://127.0.0.1:1".to_owned();
    for url in [failing.url, silent.url, gone, "nonsense".into()] {
        let done = test
            .quintet(&["run", "plan.yaml"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &url)
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
            .stderr_has(&format!(
                "warning: the trace cannot be sent to {url}/v1/traces: "
            ))
            .run();
        let warnings = done.stderr.matches("warning").count();
        assert_eq!(warnings, 1, "{}", done.stderr);
    }
    test.quintet(&["trace", "last", "--send"])
        .status(1)
        .stderr_has("set OTEL_EXPORTER_OTLP_ENDPOINT")
        .run();
}

#[test]
fn many_spans_are_sent_in_several_documents() {
    let steps: Vec<String> = (0..600)
        .map(|n| format!("{{id: s{n}, command: 'true'}}"))
        .collect();
    let plan = format!("steps: [{}]", steps.join(", "));
    let (test, collector) = (
        Test::new().file("plan.yaml", plan),
        Collector::answering(Some("200 OK")),
    );
    traced(&test, &["run", "plan.yaml"], &collector).run();
    assert_eq!(collector.requests().len(), 2);
    let spans = collector.spans();
    check(&spans);
    assert_eq!(spans.len(), 601);
}

#[test]
fn a_run_that_lost_its_engine_is_told_of_when_it_has_ended() {
    let plan = "steps: [{id: a, command: 'true'}, {id: b, shell: true, command: 'echo $QUINTET_STEP_ID $QUINTET_ATTEMPT $TRACEPARENT >> told; while ! test -e go; do sleep 0.01; done', depends_on: [a]}]";
    let (test, collector) = (
        Test::new().file("plan.yaml", plan),
        Collector::answering(Some("200 OK")),
    );
    let run = traced(&test, &["run", "plan.yaml"], &collector)
        .status(137)
        .start();
    support::eventually("the step runs", || test.path("work/told").exists());
    run.signal(Signal::SIGKILL);
    run.finish();
    assert!(collector.requests().is_empty());
    let cut_short = spans(&test.quintet(&["trace", "last"]).run().json());
    assert_eq!(cut_short[0]["status"], serde_json::json!({}));
    std::fs::write(test.path("work/go"), "").unwrap();
    traced(&test, &["resume"], &collector).run();
    let all = collector.spans();
    check(&all);
    assert_eq!(all.len(), 3);
    assert_eq!(all[0]["spanId"], cut_short[0]["spanId"]);
    agree(&told(&test), &all[2..]);
}
