//! How steps end on a cluster: as they do here.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::support::{Test, eventually};

/// How the only attempt of a step ended.
fn end(cluster: &Cluster, step: &str) -> Value {
    let ends = cluster.of(step, "step_finished");
    assert_eq!(ends.len(), 1, "{ends:?}");
    ends[0].clone()
}

#[test]
fn exits_signals_timeouts_and_what_cannot_start_are_told_apart() {
    let Some(cluster) = Cluster::start("ends", Test::new()) else {
        return;
    };
    cluster.plan(&[
        json!({"id": "well", "command": "echo out; echo err >&2; echo K=v >>$QUINTET_OUTPUT"}),
        json!({"id": "after", "command": "test ${steps.well.outputs.K} = v", "depends_on": ["well"]}),
        json!({"id": "three", "command": "exit 3"}),
        json!({"id": "high", "command": "exit 200"}),
        json!({"id": "signal", "command": "kill -SEGV $$$$"}),
        json!({"id": "missing", "command": "no-such-program", "shell": false}),
        // Slurm itself would run it somewhere else, and call that a success.
        json!({"id": "nowhere", "command": "pwd", "cwd": "no/such/place"}),
        // Slurm counts in minutes.
        json!({"id": "late", "command": "sleep 60", "timeout_sec": 0.5}),
        json!({"id": "leaves", "command": "setsid sleep 60 & exit 0"}),
    ]);
    cluster.begin().finish_with(0);
    assert_eq!(end(&cluster, "well")["code"], 0);
    assert_eq!(end(&cluster, "after")["code"], 0);
    assert_eq!(end(&cluster, "three")["code"], 3);
    assert_eq!(end(&cluster, "high")["code"], 200);
    assert_eq!(end(&cluster, "signal")["signal"], 11);
    assert_eq!(end(&cluster, "missing")["end"], "failed_to_start");
    assert_eq!(end(&cluster, "nowhere")["end"], "failed_to_start");
    assert_eq!(end(&cluster, "late")["end"], "timed_out");
    assert_eq!(end(&cluster, "leaves")["leaked"], true);
    let logs = cluster.quintet(&["logs", "last", "well"]).run();
    assert!(logs.text().contains("out") && logs.text().contains("err"));
    eventually("Slurm sees the ends too", || {
        let rows = cluster.lab.squeue();
        rows.iter().all(|row| row.state != "RUNNING")
    });
}

#[test]
fn what_a_step_writes_is_seen_while_it_runs() {
    let Some(cluster) = Cluster::start("live", Test::new()) else {
        return;
    };
    let go = cluster.shared("go");
    let waits = format!(
        "echo begins; until [ -e '{}' ]; do sleep 0.05; done; echo ends",
        go.display()
    );
    cluster.plan(&[json!({"id": "talks", "command": waits})]);
    let run = cluster.begin();
    cluster.begun("talks", 1);
    let mut follows = cluster
        .quintet(&["logs", "last", "talks", "--follow"])
        .start();
    eventually("the line is there while the step runs", || {
        follows.line().contains("begins")
    });
    std::fs::write(go, "").expect("a file can be made");
    let rest = follows.finish();
    assert!(rest.text().contains("ends"), "{}", rest.text());
    run.finish_with(0);
}

#[test]
fn secrets_reach_the_step_and_nobody_else() {
    let Some(cluster) = Cluster::start("secrets", Test::new()) else {
        return;
    };
    let plan = json!({
        "plan_id": "secret",
        "variables": {"TOKEN": {"type": "string", "secret": true, "required": true}},
        "steps": [{
            "id": "shows",
            "shell": true,
            "env": {"TOKEN": "${TOKEN}"},
            "command": "echo \"it is $TOKEN\"; test $${#TOKEN} = 10",
        }],
    });
    let path = cluster.test.path("work").join("plan.json");
    std::fs::write(path, plan.to_string()).expect("a plan can be written");
    let args = [
        "run",
        "plan.json",
        "--executor",
        "slurm",
        "--var",
        "TOKEN=opensesame",
    ];
    cluster.quintet(&args).run();
    let logs = cluster.quintet(&["logs", "last", "shows"]).run();
    assert!(logs.text().contains("it is ") && !logs.text().contains("opensesame"));
    let kept = files_with(&cluster.test.path(""), b"opensesame");
    assert!(kept.is_empty(), "{kept:?}");
}

/// Files below a folder in which these bytes stand.
fn files_with(folder: &std::path::Path, bytes: &[u8]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            found.extend(files_with(&entry.path(), bytes));
        } else if std::fs::read(entry.path())
            .is_ok_and(|text| text.windows(bytes.len()).any(|part| part == bytes))
        {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn a_node_without_the_program_makes_do_with_a_shell() {
    let Some(cluster) = Cluster::start("shell", Test::new()) else {
        return;
    };
    cluster.plan(&[
        json!({"id": "well", "command": "echo \"it's $WORD\"; echo K=v >>$QUINTET_OUTPUT", "env": {"WORD": "a $(b) 'c'"}}),
        json!({"id": "after", "command": "test ${steps.well.outputs.K} = v", "depends_on": ["well"]}),
        json!({"id": "three", "command": "exit 3"}),
        json!({"id": "late", "command": "sleep 60", "timeout_sec": 0.5}),
        json!({"id": "reads", "command": "cat", "stdin": "given"}),
        json!({"id": "signal", "command": "kill -SEGV $$$$"}),
    ]);
    let args = ["run", "plan.json", "--executor", "slurm"];
    let call = cluster
        .quintet(&args)
        .env("QUINTET_SLURM_BINARY", "/no/such/quintet");
    call.run();
    assert_eq!(end(&cluster, "well")["code"], 0);
    assert_eq!(end(&cluster, "after")["code"], 0);
    assert_eq!(end(&cluster, "three")["code"], 3);
    assert_eq!(end(&cluster, "late")["end"], "timed_out");
    assert_eq!(end(&cluster, "signal")["signal"], 11);
    let said = |step| cluster.quintet(&["logs", "last", step]).run().text();
    assert!(said("well").contains("it's a $(b) 'c'"), "{}", said("well"));
    assert!(said("reads").contains("given"));
}
