//! Files of checks, as a user of `quintet check` has them: rows E1 to E35. What a
//! file means in detail is tested where it is read (`src/load/checks`); here is
//! what the program does and shows.

#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod freshness;
mod keeping;
mod locking;
mod remedies;
mod running;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use support::Test;

/// A project with these checks, wherever the tests run: how much room there is on
/// that disk is of no account.
fn project(checks: &str) -> Test {
    Test::new().file("checks.toml", format!("disk = {{ minimum = 0 }}\n{checks}"))
}

/// Runs the checks, which must end with this exit code; the results as data.
fn checked(test: &Test, args: &[&str], status: i32) -> Value {
    let line = [&["check", "--json"], args].concat();
    let done = test.quintet(&line).status(status).run();
    results(&done.text())
}

/// The results at the end of what was said to programs.
fn results(stdout: &str) -> Value {
    let last = stdout.lines().last().expect("a line");
    let results: Value = serde_json::from_str(last).expect("a line of JSON");
    assert_eq!(results["type"], "check_results", "{results}");
    results
}

/// The status of each check, by its id.
fn statuses(results: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = results["checks"].as_array().expect("checks").iter();
    checks
        .map(|check| (text(&check["id"]), text(&check["status"])))
        .collect()
}

/// The status of one of them.
fn status(results: &Value, id: &str) -> String {
    let all = statuses(results);
    let found = all.get(id);
    found
        .unwrap_or_else(|| panic!("no check {id}: {all:?}"))
        .clone()
}

/// What a check noted that it ran, in its order.
fn ran(test: &Test) -> String {
    let ran = std::fs::read_to_string(test.path("work/ran")).unwrap_or_default();
    ran.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The folder in which what is kept of the only project lies.
fn kept(test: &Test) -> PathBuf {
    let folders = std::fs::read_dir(test.path("state/projects")).expect("a folder of projects");
    let folders: Vec<_> = folders
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].clone()
}

/// The log files, oldest first.
fn logs(test: &Test) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(kept(test).join("logs")) else {
        return Vec::new();
    };
    let with_time = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let time = path.metadata().and_then(|meta| meta.modified());
        (time.expect("a time"), path)
    };
    let mut logs: Vec<_> = entries.map(with_time).collect();
    logs.sort();
    logs.into_iter().map(|(_, path)| path).collect()
}

/// The newest log.
fn log(test: &Test) -> String {
    let path = logs(test).pop().expect("a log file");
    std::fs::read_to_string(path).expect("a log")
}

/// Whether a log has a line of this level that holds this.
fn says(log: &str, level: &str, part: &str) -> bool {
    let level = format!("] {level}: ");
    log.lines()
        .any(|line| line.contains(&level) && line.contains(part))
}
