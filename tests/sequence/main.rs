//! Numbered scripts and the sequence language, as a user of `quintet seq` has
//! them: rows A1 to A58. What a row means in detail is tested where it is done
//! (`src/load/scripts`, `src/load/playbook`); here is what the program shows.

#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod jobs;
mod metadata;
mod real;
mod running;
mod selecting;

use serde_json::Value;
use support::Test;

/// A folder of scripts, each of which notes in `ran` that it ran.
fn scripts(scripts: &[(&str, &str)]) -> Test {
    let mut test = Test::new();
    for (file, header) in scripts {
        let number = &file[..4];
        let text = format!("{header}\necho {number} >>ran\n");
        test = test.file(&format!("scripts/{file}"), text);
    }
    test
}

/// A folder of which every script says something of its own.
fn folder() -> Test {
    scripts(&[
        ("0000_Clean.sh", "# Stage: Prepare"),
        ("0001_Ensure.sh", "# Stage: Prepare\n# Tags: base"),
        ("0050_Folders.sh", "# Stage: Core\n# Tags: base, disk"),
        (
            "0201_Install-Node.sh",
            "# Stage: Development\n# Tags: database-tools",
        ),
        ("0207_Install-Git.sh", "# Stage: Development\n# Tags: git"),
        ("0208_Install-Docker.sh", "# Stage: Development"),
        (
            "0300_Deploy.sh",
            "# Stage: Infrastructure\n# Tags: database",
        ),
        ("0301_Check.sh", "# Stage: Infrastructure Checks"),
    ])
}

/// The steps that a dry run would run, in the order in which it tells them.
fn planned(test: &Test, args: &[&str]) -> Vec<Value> {
    let line = [&["seq", "--dry-run", "--json"], args].concat();
    let plan = test.quintet(&line).run().json();
    let steps = plan["steps"].as_array().expect("steps").clone();
    steps
        .into_iter()
        .filter(|step| step["would_run"] != "no")
        .collect()
}

/// The numbers of the scripts that are selected.
fn selected(test: &Test, args: &[&str]) -> String {
    let steps = planned(test, args);
    let numbers = steps
        .iter()
        .map(|step| step["step_id"].as_str().expect("an id")[..4].to_owned());
    numbers.collect::<Vec<_>>().join(" ")
}

/// What ran, in its order; empty where nothing did.
fn ran(test: &Test) -> String {
    let ran = std::fs::read_to_string(test.path("work/ran")).unwrap_or_default();
    ran.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The state of each step of the newest run, by number.
fn states(test: &Test) -> Vec<(String, String)> {
    let status = test.quintet(&["status", "--json"]).run().json();
    let steps = status["steps"].as_array().expect("steps");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = |step: &Value| (text(&step["step_id"])[..4].to_owned(), text(&step["state"]));
    steps.iter().map(state).collect()
}
