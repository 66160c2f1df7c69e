//! O20 to O27: the four built-in agents, groups, failures, and the record.

use std::time::Duration;

use serde_json::json;

use super::{Agents, ended};
use crate::support::eventually;

const FOUR: &str = r#"
[tasks.port]
description = "Ports it"
repo = "external"
working_dir = "{work}"
command = ["sh", "-c", "echo building; echo made > out.txt"]
outputs = ["out.txt"]

[tasks.lacking]
repo = "external"
working_dir = "{work}"
command = ["true"]
outputs = ["there.txt", "missing.txt"]

[tasks.broken]
repo = "external"
working_dir = "{work}"
command = ["sh", "-c", "exit 7"]

[orchestrations.all]
agents = ["PlannerAgent", "BuilderAgent", "ReviewerAgent", "DocAgent"]
description = "Plan, build, review, document"
"#;

/// O20, O21, O26.
#[test]
fn o21_the_four_work_one_after_the_other_on_one_context_and_are_recorded() {
    let agents = Agents::new(FOUR);
    agents
        .run("all", &["--goal", "parse; write", "--task", "port"])
        .run();
    let record = agents.record("all");
    let all = [
        ("1/PlannerAgent", "succeeded"),
        ("2/BuilderAgent", "succeeded"),
        ("3/ReviewerAgent", "succeeded"),
        ("4/DocAgent", "succeeded"),
    ];
    assert_eq!(ended(&record), all);
    assert_eq!(record["status"], "succeeded");
    assert_eq!(
        (&record["goal"], &record["task"]),
        (&json!("parse; write"), &json!("port"))
    );
    let context = &record["context"];
    assert_eq!(context["plan"]["tasks"], json!(["port"]));
    assert_eq!(context["plan"]["steps"], json!(["parse", "write"]));
    assert_eq!(context["build"]["outputs"], json!(["out.txt"]));
    assert_eq!(context["review"]["status"], "passed");
    let paths = context["doc"]["paths"].as_array().expect("a list");
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(agents.exists("docs/tasks/port.md") && agents.exists("README.md"));
    let history = record["history"].as_array().expect("a list");
    assert_eq!(history[1]["agent"], "BuilderAgent");
    assert_eq!(history[1]["attempt"], 1);
    assert!(history[1]["started_at"].as_str() <= history[1]["ended_at"].as_str());
}

/// O20: whatever the order of the flags; the original lost those behind the name.
#[test]
fn o20_flags_count_wherever_they_stand() {
    let agents = Agents::new(FOUR);
    let orders = [
        &[
            "orchestration",
            "run",
            "all",
            "--goal",
            "G",
            "--task",
            "port",
        ][..],
        &[
            "orchestration",
            "run",
            "--task",
            "port",
            "all",
            "--goal",
            "G",
        ],
        &[
            "orchestration",
            "run",
            "--goal",
            "G",
            "--task",
            "port",
            "all",
        ],
    ];
    for order in orders {
        agents.call(order).run();
    }
    let records = agents.records("all");
    assert_eq!(records.len(), orders.len());
    for record in records {
        assert_eq!(
            (&record["goal"], &record["task"]),
            (&json!("G"), &json!("port"))
        );
    }
}

/// O14: through the orchestration too, twice is once.
#[test]
fn o14_documents_written_twice_are_written_once() {
    let agents = Agents::new(FOUR);
    let readme = || {
        agents.run("all", &["--task", "port"]).run();
        std::fs::read_to_string(agents.0.path("work/README.md")).expect("written")
    };
    assert_eq!(readme(), readme());
}

/// O25.
#[test]
fn o25_a_missing_output_fails_the_review_and_is_named() {
    let agents = Agents::new(FOUR).script("there.txt", "x");
    agents
        .run("all", &["--task", "lacking"])
        .status(1)
        .stderr_has("missing.txt")
        .run();
    let record = agents.record("all");
    let review = &record["context"]["review"];
    assert_eq!(review["status"], "failed");
    assert_eq!(review["report"], "missing: missing.txt");
    assert_eq!(
        ended(&record)[2..],
        [("3/ReviewerAgent", "failed"), ("4/DocAgent", "skipped")]
    );
    assert_eq!(record["status"], "failed");
}

/// O23: and the exit of the task's command is told.
#[test]
fn o23_the_first_failure_stops_the_rest() {
    let agents = Agents::new(FOUR);
    agents
        .run("all", &["--task", "broken"])
        .status(1)
        .stderr_has("exit 7")
        .run();
    let record = agents.record("all");
    assert_eq!(
        ended(&record)[1..3],
        [("2/BuilderAgent", "failed"), ("3/ReviewerAgent", "skipped")]
    );
    assert_eq!(record["context"]["build"]["exit_code"], 7);
    assert!(!agents.exists("docs"));
}

const GROUPS: &str = r#"
[agents.Left]
command = ["sh", "meet.sh", "left", "right"]
[agents.Right]
command = ["sh", "meet.sh", "right", "left"]
[agents.Bad]
command = ["sh", "-c", "exit 3"]
[agents.Slow]
command = ["sh", "-c", "while [ ! -e bad.seen ]; do sleep 0.05; done; echo '{\"slow\": true}'"]
[agents.Sees]
command = ["sh", "-c", "cat >seen.json; echo '{}'"]
[orchestrations.meeting]
steps = [["Left", "Right"], ["Sees"]]
[orchestrations.failing]
steps = [["Bad", "Slow"], ["Sees"]]
"#;

/// O22: each waits for the other, so that one after the other they would never end.
#[test]
fn o22_those_of_a_group_run_at_once_and_the_next_group_sees_both() {
    let agents = Agents::new(GROUPS).script(
        "meet.sh",
        "touch $1.here\nwhile [ ! -e $2.here ]; do sleep 0.05; done\necho \"{\\\"$1\\\": [1]}\"\n",
    );
    agents.run("meeting", &[]).run();
    let seen = super::read_json(&agents.0.path("work/seen.json"));
    assert_eq!(seen["context"], json!({"left": [1], "right": [1]}));
    assert_eq!(seen["history"].as_array().map(Vec::len), Some(2));
}

/// O23.
#[test]
fn o23_all_members_of_a_failing_group_are_recorded_and_the_next_does_not_run() {
    let agents = Agents::new(GROUPS);
    let live = agents.run("failing", &[]).status(1).start();
    eventually("the failure is recorded", || {
        let records = agents.records("failing");
        records
            .iter()
            .any(|r| ended(r).contains(&("1/Bad", "failed")))
    });
    // Only now may the other member of the group come to its end.
    std::fs::write(agents.0.path("work/bad.seen"), "").expect("written");
    live.finish();
    let record = agents.record("failing");
    let all = [
        ("1/Bad", "failed"),
        ("1/Slow", "succeeded"),
        ("2/Sees", "skipped"),
    ];
    assert_eq!(ended(&record), all);
    assert_eq!(record["agents"][0]["error"], "it ended with exit 3");
    assert_eq!(record["context"]["slow"], true);
    assert!(!agents.exists("seen.json"));
}

/// O24: before anything runs, and all of it at once.
#[test]
fn o24_unknown_agents_and_empty_groups_are_refused_before_anything_runs() {
    let agents = Agents::new(
        "[agents.Mine]\ncommand = [\"touch\", \"ran\"]\n[orchestrations.x]\n\
         steps = [[\"Mine\"], [\"BilderAgent\"], [], [\"Mine\", \"Mine\"]]\n",
    );
    agents
        .run("x", &[])
        .status(2)
        .stderr_has("there is no agent \"BilderAgent\"")
        .stderr_has("did you mean \"BuilderAgent\"?")
        .stderr_has("a group has no agent")
        .stderr_has("twice in one group")
        .stderr_has("config.toml:4:")
        .run();
    assert!(!agents.exists("ran") && agents.records("x").is_empty());
}

/// O24: a task that is needed and not there is told as early.
#[test]
fn o24_who_works_on_a_task_needs_one() {
    let agents = Agents::new(FOUR);
    agents.run("all", &[]).status(2).stderr_has("--task").run();
    let unknown = agents.run("all", &["--task", "prot"]).status(2);
    unknown.stderr_has("did you mean \"port\"?").run();
    agents
        .run("alls", &[])
        .status(2)
        .stderr_has("did you mean \"all\"?")
        .run();
}

#[test]
fn a_dry_run_shows_the_steps_and_runs_none() {
    let agents = Agents::new(FOUR);
    agents
        .run("all", &["--task", "port", "--dry-run"])
        .stdout_has("2/BuilderAgent")
        .run();
    assert!(!agents.exists("out.txt") && agents.records("all").is_empty());
}

const ENDLESS: &str = r#"
[agents.Endless]
command = ["sh", "-c", "touch begun; while [ ! -e go ]; do sleep 0.05; done; echo '{\"ok\": 1}'"]
[agents.Last]
command = ["sh", "-c", "cat >last.json; echo '{}'"]
[orchestrations.x]
agents = ["Endless", "Last"]
"#;

/// O27: the record is there while the run goes on, and what a killed run leaves is
/// gone on with: what was said before is still known.
#[test]
fn o27_a_killed_run_has_its_record_and_resumes_with_its_context() {
    let agents = Agents::new(ENDLESS);
    let live = agents.run("x", &["--goal", "G"]).start();
    eventually("the agent has begun", || agents.exists("begun"));
    eventually("that is recorded", || !agents.records("x").is_empty());
    let record = agents.record("x");
    assert_eq!(
        (&record["status"], &record["goal"]),
        (&json!("running"), &json!("G"))
    );
    live.signal(nix::sys::signal::Signal::SIGKILL);
    drop(live);
    std::fs::write(agents.0.path("work/go"), "").expect("written");
    agents
        .call(&["resume"])
        .timeout(Duration::from_secs(60))
        .run();
    let record = agents.record("x");
    assert_eq!(
        ended(&record),
        [("1/Endless", "succeeded"), ("2/Last", "succeeded")]
    );
    let last = super::read_json(&agents.0.path("work/last.json"));
    assert_eq!(last["context"], json!({"ok": 1}));
}

/// O27: nobody reads stdout, and the record is whole all the same.
#[test]
fn o27_the_record_does_not_need_a_reader_of_stdout() {
    let agents = Agents::new(FOUR);
    let live = agents.run("all", &["--task", "port", "--json"]).start();
    let done = live.stop_reading().finish();
    drop(done);
    eventually("the record is whole", || {
        agents
            .records("all")
            .iter()
            .any(|r| r["status"] != "running")
    });
}
