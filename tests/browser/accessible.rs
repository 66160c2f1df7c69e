//! That everybody can use it: axe-core looks at every page, at the widths of a desktop
//! and of a phone, light and dark, over real runs of the examples. Each page's picture
//! is kept.
//!
//! axe-core is what `./test` puts into `target/axe`; without it the pages are only
//! looked at.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::World;
use crate::browser::{DESKTOP, PHONE};
use crate::support::{Test, skip};

fn example(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("its kind").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// Runs of the examples, one of each kind of input, as they come.
fn examples() -> Test {
    let test = Test::new()
        .file("failing.json", FAILING)
        .file("checks.toml", CHECKS);
    for name in ["safe-merge", "phases", "scripts", "agents"] {
        copy(&example(name), &test.path("work/examples").join(name));
    }
    let work = test.path("work");
    let run = |dir: &str, args: &[&str]| {
        // Whether it ended well is the example's affair; that it ran, is ours.
        let mut command = test.quintet(args).command();
        command
            .current_dir(work.join(dir))
            .env("PREFIX", test.path("prefix"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(
            command.status().expect("it runs").code().is_some(),
            "{args:?}"
        );
    };
    run("", &["run", "failing.json"]);
    run("", &["run", "examples/phases"]);
    let root = format!("Root={}", test.path("env").display());
    run("examples/scripts", &["seq", "0000-0299", "--var", &root]);
    run("", &["check"]);
    let set_up = |dir: &str, words: &[&str]| {
        let mut command = Command::new("sh");
        command.args(words).current_dir(work.join(dir));
        command.env("HOME", &work).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(
            command.status().is_ok_and(|made| made.success()),
            "{words:?}"
        );
    };
    let world = test.path("world");
    set_up(
        "examples/safe-merge",
        &["setup.sh", &world.to_string_lossy()],
    );
    let alice = format!("WORK={}", world.join("alice").display());
    run(
        "",
        &[
            "run",
            "examples/safe-merge/plan.json",
            "--var",
            "BRANCH=feature",
            "--var",
            &alice,
        ],
    );
    set_up("examples/agents", &["repository.sh"]);
    let goal = "Count words; Say so in a summary";
    run(
        "examples/agents",
        &[
            "orchestration",
            "run",
            "improve",
            "--config",
            "config.toml",
            "--goal",
            goal,
        ],
    );
    run("", &["run", "failing.json"]);
    test
}

const FAILING: &str = r#"{"plan_id": "RELEASE", "name": "Release", "steps": [
    {"id": "fetch", "command": "echo", "args": ["fetched"]},
    {"id": "lint", "command": "sh", "args": ["-c", "printf '\\033[32mclean\\033[0m\\n'"], "depends_on": ["fetch"]},
    {"id": "compile", "command": "sh", "depends_on": ["fetch"], "retries": 1,
     "args": ["-c", "echo compiling; printf '\\033[31mmain.c:7: missing semicolon\\033[0m\\n' >&2; exit 3"],
     "on_failure": "skip_dependents"},
    {"id": "publish", "command": "true", "depends_on": ["compile", "lint"]},
    {"id": "notes", "command": "true"}
]}"#;

const CHECKS: &str = r#"
name = "tally"

[[phases]]
name = "Before work"

[[phases.checks]]
name = "Formatted"
command = "true"
ttl = "1h"

[[phases.checks]]
name = "Tested"
command = "echo two tests failed; false"
severity = "warn"
remedy = { command = "true" }
"#;

/// Every page, as an address and a name.
const PAGES: &[(&str, &str)] = &[
    ("/", "runs"),
    ("/runs/last", "run-list"),
    ("/runs/last?tab=graph", "run-graph"),
    ("/runs/last?tab=timeline", "run-timeline"),
    ("/runs/last?tab=logs", "run-logs"),
    ("/runs/last?tab=logs&step=compile&stream=stderr", "run-log"),
    ("/runs/last?tab=events", "run-events"),
    ("/runs/last?tab=plan", "run-plan"),
    ("/runs/last?tab=list&at=9", "run-replayed"),
    ("/runs/last/step?step=compile", "step"),
    ("/definitions?plan=RELEASE", "definition"),
    ("/checks", "checks"),
    ("/agents", "agents"),
    ("/approvals", "approvals"),
    ("/locks", "locks"),
    ("/start", "start"),
    ("/figures", "metrics"),
    ("/nowhere", "nothing"),
];

#[test]
fn every_page_can_be_used_by_everybody_at_every_width() {
    let Some(world) = World::open("accessible", examples(), &["--control"]) else {
        return;
    };
    let browser = &world.browser;
    let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/axe.min.js");
    let axe = fs::read_to_string(axe).ok();
    if axe.is_none() {
        skip(
            "accessible",
            "axe-core is not in target/axe: pages are only looked at",
        );
    }
    let runs = world.server.get("/api/v1/runs").json()["runs"].clone();
    let runs = runs.as_array().expect("a list");
    let named = |name: &str| -> Vec<&str> {
        let fit = runs.iter().filter(|run| run["name"] == name);
        fit.map(|run| run["run_id"].as_str().expect("an id"))
            .collect()
    };
    let agents = format!("/runs/{}?tab=graph", named("improve")[0]);
    let (newer, older) = (named("Release")[0], named("Release")[1]);
    let compare = format!("/compare?a={older}&b={newer}");
    let succeeded = |name: &str| {
        let mut fit = runs.iter().filter(|run| run["name"] == name);
        fit.all(|run| run["state"] == "succeeded")
    };
    for name in [
        "Safe merge",
        "Greeter",
        "automation-scripts",
        "improve",
        "tally",
    ] {
        assert!(succeeded(name), "{name}: {runs:#?}");
    }
    let merged = format!("/runs/{}?tab=timeline", named("Safe merge")[0]);
    let tree = format!("/runs/{}", named("Greeter")[0]);
    let more = [
        (agents.as_str(), "agents-graph"),
        (compare.as_str(), "compare"),
        (merged.as_str(), "plan-timeline"),
        (tree.as_str(), "tree"),
    ];
    let pages = PAGES.iter().copied();
    let mut found = Vec::new();
    for (path, name) in pages.chain(more) {
        for (width, size) in [("desktop", DESKTOP), ("phone", PHONE)] {
            for dark in [false, true] {
                browser.size(size);
                browser.dark(dark);
                world.look(path);
                browser.until(path, || {
                    browser.script("return !!document.querySelector('#main h1')", &[])
                        == json!(true)
                });
                let shade = if dark { "dark" } else { "light" };
                browser.picture(&format!("{name}-{width}-{shade}"));
                let wide = "return document.documentElement.scrollWidth > innerWidth";
                if browser.script(wide, &[]) == json!(true) {
                    found.push(format!("{path} at {width}: wider than the screen"));
                }
                if let Some(axe) = &axe {
                    found.extend(
                        violations(&world, axe)
                            .map(|what| format!("{path} {width} {shade}: {what}")),
                    );
                }
            }
        }
    }
    assert!(found.is_empty(), "{:#?}", found);
    let complaints = browser.complaints();
    // What is not there is answered so, and the browser says it.
    let complaints: Vec<_> = complaints
        .iter()
        .filter(|said| !said.contains("404"))
        .collect();
    assert_eq!(complaints, [""; 0]);
}

/// What axe-core finds wrong with the page as it is.
fn violations(world: &World, axe: &str) -> impl Iterator<Item = String> {
    // Through the driver, which the page's own policy does not bind.
    world.browser.script(axe, &[]);
    let begin = "window.axed = null; \
        axe.run(document, {resultTypes: ['violations']}).then((r) => window.axed = r.violations)";
    world.browser.script(begin, &[]);
    let mut found = Value::Null;
    world.browser.until("axe-core's answer", || {
        found = world.browser.script("return window.axed", &[]);
        !found.is_null()
    });
    let found = found.as_array().cloned().unwrap_or_default();
    found.into_iter().map(|rule| {
        let nodes = rule["nodes"].as_array().cloned().unwrap_or_default();
        let first = nodes.first().cloned().unwrap_or_default();
        format!(
            "{} ({} times), first {}: {}",
            rule["id"].as_str().unwrap_or("?"),
            nodes.len(),
            first["html"]
                .as_str()
                .unwrap_or("?")
                .chars()
                .take(200)
                .collect::<String>(),
            first["failureSummary"]
                .as_str()
                .unwrap_or("")
                .replace('\n', " ")
        )
    })
}
