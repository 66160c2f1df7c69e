//! Why a step is as it is, and what it wrote: pages, the interface, and what it must
//! never give.

use std::io::Write;

use crate::server::Server;
use crate::support::{Test, eventually};

const PLAN: &str = r#"{"plan_id": "DEMO", "steps": [
    {"id": "fetch", "command": "echo", "args": ["fetched"]},
    {"id": "a/b", "command": "sh", "depends_on": ["fetch"], "args": ["-c",
        "i=0; while [ $i -lt 1200 ]; do i=$((i+1)); echo \"line $i\"; done; printf '\\033[31m<script>alert(1)</script>\\033[0m no room\\n' >&2; exit 3"]},
    {"id": "ship", "command": "true", "depends_on": ["a/b"]}
]}"#;

/// The step's id, as an address has it.
const STEP: &str = "a%2Fb";

fn failed() -> (Test, Server) {
    let test = Test::new().file("plan.json", PLAN);
    test.quintet(&["run", "plan.json"]).status(1).run();
    let server = Server::start(&test, &[]);
    (test, server)
}

/// The addresses on a page that begin with this.
fn links(page: &str, beginning: &str) -> Vec<String> {
    let all = page.split("href=\"").skip(1);
    let all = all.filter_map(|rest| rest.split('"').next());
    let all = all.map(|address| address.replace("&amp;", "&"));
    all.filter(|address| address.starts_with(beginning))
        .collect()
}

#[test]
fn a_newcomer_finds_out_why_a_step_failed_in_two_clicks() {
    let (_test, server) = failed();
    let run = links(&server.get("/").body, "/runs/").remove(0);
    let page = server.get(&run).body;
    for part in [
        "1 step failed",
        "exit 3",
        "&lt;script&gt;alert(1)&lt;/script&gt; no room",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let step = links(&page, &format!("{run}/step?step={STEP}")).remove(0);
    let page = server.get(&step);
    assert_eq!(page.status, 200);
    for part in [
        "It failed with exit 3",
        "it ran because everything it needs was satisfied",
        "no room",
        "line 1200",
        "plan.json:3:",
    ] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    assert!(!page.body.contains("<script>"), "{page:?}");
    let ghost = server.get(&format!("{run}/step?step=ghost"));
    assert_eq!(ghost.status, 404);
}

#[test]
fn a_log_is_shown_in_windows_with_numbered_lines_and_searched_as_a_whole() {
    let (_test, server) = failed();
    let logs = format!("/runs/last?tab=logs&step={STEP}");
    let end = server.get(&logs).body;
    assert!(end.contains("id=\"L1200\"") && !end.contains("id=\"L700\""));
    assert!(
        end.contains("id=\"E1\"") && end.contains("front-1"),
        "{end}"
    );
    let begin = server.get(&format!("{logs}&stream=stdout&from=0")).body;
    assert!(begin.contains("id=\"L1\"") && !begin.contains("id=\"L501\""));
    let next = begin.split("rel=\"next\" href=\"").nth(1).unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    let next = server.get(&next).body;
    assert!(next.contains("id=\"L501\"") && !next.contains("id=\"L500\""));
    let found = server
        .get(&format!("{logs}&stream=stdout&q=LINE%20777"))
        .body;
    assert!(found.contains("<mark>line 777</mark>"), "{found}");
    assert!(!found.contains("Next match") && !found.contains("Previous match"));
    let several = server
        .get(&format!("{logs}&stream=stdout&q=line%20119"))
        .body;
    let further = links(&several, "/runs/")
        .into_iter()
        .find(|link| link.contains("hit="));
    let further = server.get(&further.expect("there is a next match")).body;
    assert!(
        further.contains("data-current><a href=\"#L1190\""),
        "{further}"
    );
    let none = server.get(&format!("{logs}&stream=stdout&q=nowhere")).body;
    assert!(none.contains("Not found from here on"), "{none}");
    let all = server.get("/runs/last?tab=logs").body;
    assert!(
        all.contains("fetched") && all.contains("line 1200"),
        "{all}"
    );
}

#[test]
fn output_comes_in_pieces_that_follow_each_other_and_as_a_file() {
    let (_test, server) = failed();
    let log = format!("/api/v1/runs/last/log?step={STEP}");
    let whole = server.get(&format!("{log}&download=1"));
    assert_eq!(
        whole.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        whole.header("content-disposition"),
        Some("attachment; filename=\"a_b-attempt-1-stdout.log\"")
    );
    assert_eq!(whole.body.lines().count(), 1200);
    let (mut from, mut body) = (0, String::new());
    loop {
        let piece = server.get(&format!("{log}&from={from}&limit=4000"));
        let next: usize = piece.header("x-next").unwrap().parse().unwrap();
        assert_eq!(next, from + piece.body.len());
        body.push_str(&piece.body);
        from = next;
        if piece.header("x-length") == piece.header("x-next") {
            break;
        }
        assert_eq!(piece.body.len(), 4000);
    }
    assert_eq!(body, whole.body);
    let beyond = server.get(&format!("{log}&from=99999999"));
    assert_eq!((beyond.status, beyond.body.as_str()), (200, ""));
    let stderr = server.get(&format!("{log}&stream=stderr"));
    assert!(stderr.body.contains("\u{1b}[31m<script>"), "{stderr:?}");
    for (asked, status) in [
        ("&attempt=2", 404),
        ("&attempt=0", 404),
        ("&role=undo", 404),
        ("&stream=both", 400),
        ("&attempt=x", 400),
    ] {
        assert_eq!(
            server.get(&format!("{log}{asked}")).status,
            status,
            "{asked}"
        );
    }
}

#[test]
fn what_a_step_writes_is_shown_while_it_runs() {
    let plan = r#"{"plan_id": "TALK", "steps": [{"id": "talk", "command": "sh", "args": ["-c",
        "echo so far; while ! test -e go; do sleep 0.05; done; echo the rest"]}]}"#;
    let test = Test::new().file("plan.json", plan);
    let run = test.quintet(&["run", "plan.json", "-q"]).start();
    eventually("the step's output is there", || {
        let logs = test.quintet(&["logs", "last", "talk"]).command().output();
        logs.is_ok_and(|logs| logs.stdout == b"so far\n")
    });
    let server = Server::start(&test, &[]);
    let log = "/api/v1/runs/last/log?step=talk";
    let piece = server.get(log);
    assert_eq!(piece.body, "so far\n");
    assert_eq!(piece.header("x-open"), Some("1"));
    let page = server.get("/runs/last?tab=logs&step=talk").body;
    assert!(
        page.contains("so far") && page.contains("data-every"),
        "{page}"
    );
    let step = server.get("/runs/last/step?step=talk").body;
    assert!(
        step.contains("It has been running") && step.contains("so far"),
        "{step}"
    );
    // What it writes now is none of a moment that has passed.
    let past = server.get("/runs/last?tab=logs&step=talk&at=3").body;
    assert!(past.contains("output has no times"), "{past}");
    std::fs::write(test.path("work/go"), "").unwrap();
    run.finish();
    let next = server.get(&format!("{log}&from=7"));
    assert_eq!(
        (next.body.as_str(), next.header("x-open")),
        ("the rest\n", Some("0"))
    );
    let page = server.get("/runs/last?tab=logs&step=talk").body;
    assert!(
        page.contains("the rest") && !page.contains("data-every"),
        "{page}"
    );
}

#[test]
fn a_step_and_a_plan_are_told_to_programs() {
    let (_test, server) = failed();
    let step = server
        .get(&format!("/api/v1/runs/last/step?step={STEP}"))
        .json();
    assert_eq!(step["step"]["state"], "failed");
    assert_eq!(step["attempts"][0]["exit_code"], 3);
    let first = step["why"]["sentences"][0].as_str().unwrap();
    assert!(first.starts_with("failed with exit 3"), "{step}");
    assert_eq!(step["why"]["neighbours"][1]["steps"][0]["step_id"], "ship");
    let plan = server.get("/api/v1/runs/last/plan").json();
    assert_eq!(plan["id"], "DEMO");
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(3));
    let described = server.get("/api/v1/openapi.json").json();
    for path in ["/runs/{run}/log", "/runs/{run}/step", "/runs/{run}/plan"] {
        assert!(described["paths"][path]["get"].is_object(), "{path}");
    }
}

#[test]
fn a_run_is_played_back_on_every_page() {
    let (_test, server) = failed();
    for tab in ["list", "logs", "events", "plan"] {
        let page = server.get(&format!("/runs/last?tab={tab}&at=2")).body;
        assert!(page.contains("0 of 3 steps (0.0%)"), "{tab}: {page}");
        assert!(
            page.contains("Back to now") && !page.contains("data-live"),
            "{tab}: {page}"
        );
    }
    let step = server
        .get(&format!("/runs/last/step?step={STEP}&at=2"))
        .body;
    assert!(step.contains("waits for fetch"), "{step}");
    let late = server.get("/runs/last?at=18446744073709551615").body;
    assert!(late.contains("1 step failed"), "{late}");
    assert_eq!(server.get("/runs/last?at=0").status, 200);
}

/// XG08.
#[test]
fn xg08_no_name_that_is_asked_for_leads_out_of_the_run() {
    let (test, server) = failed();
    let mut secret = std::fs::File::create(test.path("state/secret")).unwrap();
    secret.write_all(b"TOP SECRET").unwrap();
    let names = [
        "..",
        "../secret",
        "..%2Fsecret",
        "%2e%2e%2fsecret",
        "%252e%252e%252fsecret",
        "..%5c..%5csecret",
        "%2Fetc%2Fpasswd",
        "last%00",
        "%00",
        "slots%2F1-0.out",
        "%c0%ae%c0%ae%2fsecret",
        "....%2f%2fsecret",
    ];
    for name in names {
        let asked = [
            format!("/runs/{name}"),
            format!("/runs/{name}/step?step={STEP}"),
            format!("/runs/last/step?step={name}"),
            format!("/runs/last?tab=logs&step={name}"),
            format!("/api/v1/runs/{name}/log?step={STEP}"),
            format!("/api/v1/runs/{name}/plan"),
            format!("/api/v1/runs/last/log?step={name}"),
            format!("/api/v1/runs/last/log?step={name}&download=1"),
            format!("/api/v1/runs/last/log?step={STEP}&attempt={name}"),
            format!("/api/v1/runs/last/log?step={STEP}&stream={name}"),
            format!("/api/v1/runs/last/step?step={name}"),
        ];
        for path in asked {
            let answer = server.get(&path);
            assert!((400..=404).contains(&answer.status), "{path}: {answer:?}");
            assert!(!answer.body.contains("TOP SECRET"), "{path}: {answer:?}");
            assert!(!answer.body.contains("root:"), "{path}: {answer:?}");
        }
    }
}

/// XG08.
#[cfg(unix)]
#[test]
fn xg08_a_link_in_the_place_of_output_is_not_followed() {
    let (test, server) = failed();
    std::fs::write(test.path("state/secret"), "TOP SECRET").unwrap();
    let runs = std::fs::read_dir(test.path("state/runs")).unwrap();
    let mut replaced = 0;
    for run in runs {
        for file in std::fs::read_dir(run.unwrap().path().join("slots")).unwrap() {
            let path = file.unwrap().path();
            let kind = path.extension().and_then(|kind| kind.to_str());
            if matches!(kind, Some("out" | "err")) {
                std::fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink(test.path("state/secret"), &path).unwrap();
                replaced += 1;
            }
        }
    }
    assert!(replaced > 0);
    let log = format!("/api/v1/runs/last/log?step={STEP}");
    for path in [
        log.clone(),
        format!("{log}&stream=stderr"),
        format!("{log}&download=1"),
        format!("/runs/last?tab=logs&step={STEP}"),
        format!("/runs/last/step?step={STEP}"),
        "/runs/last?tab=logs".to_owned(),
        "/runs/last".to_owned(),
    ] {
        let answer = server.get(&path);
        assert!(!answer.body.contains("TOP SECRET"), "{path}: {answer:?}");
        let expected = if path.starts_with("/api") { 404 } else { 200 };
        assert_eq!(answer.status, expected, "{path}: {answer:?}");
    }
}
