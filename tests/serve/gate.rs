//! Who may ask at all: refused before anything is looked up, on every route.

use serde_json::json;

use crate::server::{Answer, Server};
use crate::support::Test;

/// Pages, the interface, streams, what is not there, and the page that asks for the token.
const PATHS: &[&str] = &[
    "/",
    "/runs/last",
    "/definitions?plan=P",
    "/checks",
    "/agents",
    "/approvals",
    "/start",
    "/locks",
    "/figures",
    "/metrics",
    "/compare",
    "/login",
    "/api/v1/runs",
    "/api/v1/changes",
    "/api/v1/runs/last/events/stream",
    "/api/v1/openapi.json",
    "/nowhere",
];

/// A request whose head is just this.
fn raw(server: &Server, target: &str, headers: &[&str]) -> Answer {
    let mut request = format!("GET {target} HTTP/1.1\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    server.raw(request.as_bytes())
}

/// XG01.
#[test]
fn xg01_a_name_that_was_made_to_lead_here_leads_nowhere() {
    let test = Test::new();
    let server = Server::start(&test, &[]);
    let own = format!("Host: {}", server.host);
    let token = format!("Authorization: Bearer {}", server.token);
    for path in PATHS {
        let with = |headers: &[&str]| raw(&server, path, headers).status;
        let elsewhere = server.host.replace("127.0.0.1", "evil.example");
        assert_eq!(
            with(&[&format!("Host: {elsewhere}"), &token]),
            403,
            "{path}"
        );
        assert_eq!(
            with(&["Host: 127.0.0.1.evil.example", &token]),
            403,
            "{path}"
        );
        assert_eq!(with(&["Host: 127.0.0.1", &token]), 403, "{path}");
        assert_eq!(with(&[&token]), 400, "{path}");
        assert_eq!(with(&[&own, "Host: evil.example", &token]), 400, "{path}");
        let absolute = format!("http://evil.example{path}");
        let answer = raw(&server, &absolute, &[&own, &token]);
        assert_eq!(answer.status, 400, "{path}");
    }
    let local = server.host.replace("127.0.0.1", "localhost");
    let answer = raw(
        &server,
        "/api/v1/runs",
        &[&format!("Host: {local}"), &token],
    );
    assert_eq!(answer.status, 200);
}

/// XG02.
#[test]
fn xg02_a_page_from_elsewhere_asks_nothing_and_is_allowed_nothing() {
    let test = Test::new();
    let server = Server::start(&test, &["--control"]);
    let own = format!("http://{}", server.host);
    for path in PATHS {
        for header in [
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
            ("Origin", "https://127.0.0.1"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let json = ("Content-Type", "application/json");
            for (method, body) in [("GET", ""), ("POST", "{}")] {
                let answer = server.ask(method, path, &[header, json], body);
                assert_eq!(answer.status, 403, "{method} {path} {header:?}");
                let cors = |(name, _): &(String, String)| name.starts_with("access-control");
                assert!(!answer.headers.iter().any(cors), "{answer:?}");
            }
        }
        let preflight = [
            ("Origin", "http://evil.example"),
            ("Access-Control-Request-Method", "POST"),
        ];
        let answer = server.ask("OPTIONS", path, &preflight, "");
        assert_eq!(answer.status, 403, "{path}");
    }
    let headers = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(server.ask("GET", "/api/v1/runs", &headers, "").status, 200);
}

/// XG03.
#[test]
fn xg03_without_the_token_there_is_only_the_page_that_asks_for_it() {
    let test = Test::new();
    let server = Server::start(&test, &[]);
    let host = format!("Host: {}", server.host);
    let wrong = format!("Authorization: Bearer {}", "0".repeat(64));
    for path in PATHS.iter().filter(|path| **path != "/login") {
        for headers in [vec![], vec![wrong.as_str()], vec!["Accept: text/html"]] {
            let answer = raw(&server, path, &[vec![host.as_str()], headers].concat());
            assert_eq!(answer.status, 401, "{path}");
            assert!(!answer.body.contains(&server.token));
        }
        let in_query = format!("{path}?token={}", server.token);
        assert_eq!(raw(&server, &in_query, &[&host]).status, 401, "{path}");
    }
    assert_eq!(raw(&server, "/login", &[&host]).status, 200);
    // Nobody who lists processes sees it, and nobody else can read its file.
    let words = std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&words).contains(&server.token));
    // A stream has no end.
    for path in PATHS.iter().filter(|path| !path.ends_with("/changes")) {
        assert!(!server.get(path).body.contains(&server.token), "{path}");
    }
}

/// XG04.
#[test]
fn xg04_what_any_page_could_send_unasked_changes_nothing() {
    let test = Test::new();
    let server = Server::start(&test, &["--control"]);
    for kind in [
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/jsonp"),
        None,
    ] {
        let headers: Vec<_> = kind
            .map(|kind| ("Content-Type", kind))
            .into_iter()
            .collect();
        let answer = server.ask("POST", "/api/v1/runs", &headers, r#"{"target": "x"}"#);
        assert_eq!(answer.status, 415, "{kind:?}");
    }
    let answer = server.post("/api/v1/runs/last", &json!({}));
    assert_eq!(answer.status, 405, "{answer:?}");
}

/// XG09: the other half is in each page's own tests.
#[test]
fn xg09_no_answer_lets_anything_in_it_act() {
    let test = Test::new();
    let server = Server::start(&test, &[]);
    for path in ["/", "/login", "/nowhere", "/api/v1/runs"] {
        let answer = server.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(server.get("/api/v1/runs").json()["runs"], json!([]));
}
