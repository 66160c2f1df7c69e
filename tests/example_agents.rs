//! The agents of `examples/agents`, on the repository that the example makes.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// The first round is rejected because the repository's own tests fail.
#[test]
fn the_work_is_approved_in_the_second_round() {
    let dir = tempfile::tempdir().expect("a directory");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/agents");
    let work = dir.path().join("work");
    fs::create_dir_all(work.join("agents")).expect("made");
    for name in ["config.toml", "repository.sh"] {
        fs::copy(example.join(name), work.join(name)).expect("copied");
    }
    for entry in fs::read_dir(example.join("agents")).expect("it is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("it has a name");
        fs::copy(&path, work.join("agents").join(name)).expect("copied");
    }
    let call = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(args)
            .current_dir(&work)
            .env("HOME", dir.path())
            .env("QUINTET_STATE_DIR", dir.path().join("state"))
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {args:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    call("sh", &["repository.sh"]);
    let goal = "Count words; Say so in a summary";
    let run = [
        "orchestration",
        "run",
        "improve",
        "--config",
        "config.toml",
        "--goal",
        goal,
    ];
    call(env!("CARGO_BIN_EXE_quintet"), &run);

    let records = fs::read_dir(dir.path().join("state/orchestrations/improve"));
    let record = records.expect("they are there").next().expect("one");
    let text = fs::read_to_string(record.expect("an entry").path()).expect("read");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    let verdict = |step: &str| {
        let agents = record["agents"].as_array().expect("a list");
        let agent = agents.iter().find(|agent| agent["step"] == step);
        agent.expect("it took part")["verdict"].clone()
    };
    assert_eq!(verdict("2/r1/Reviewer"), "rejected");
    assert_eq!(verdict("2/r2/Reviewer"), "approved");
    assert_eq!(verdict("2/r3/Reviewer"), Value::Null);
    let took_up = &record["context"]["build"]["took_up"];
    assert!(
        took_up[0]
            .as_str()
            .is_some_and(|found| found.contains("with spaces.txt")),
        "{took_up}"
    );
    assert_eq!(
        record["context"]["plan"]["tasks"],
        json!(["Count words", "Say so in a summary"])
    );
    let log = call("git", &["-C", "repository", "log", "--format=%s"]);
    assert!(log.starts_with(goal), "{log}");
    let summary = fs::read_to_string(work.join("repository/SUMMARY.md")).expect("written");
    assert!(summary.contains("Approved in round 2."), "{summary}");
}
