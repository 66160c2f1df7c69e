//! Many steps at once, some of them here.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::support::{Test, nightly};

fn many(cluster: &Cluster, n: usize) {
    let mut steps: Vec<Value> = (0..n)
        .map(|n| json!({"id": format!("s{n}"), "command": cluster.counted("hostname")}))
        .collect();
    let all: Vec<String> = (0..n).map(|n| format!("s{n}")).collect();
    steps.push(json!({"id": "end", "command": "true", "depends_on": all}));
    cluster.plan(&steps);
    let run = cluster.quintet(&["run", "plan.json", "--executor", "slurm", "-q"]);
    run.timeout(Duration::from_secs(900)).run();
    let mut began = cluster.ledger();
    began.sort();
    began.dedup();
    assert_eq!(began.len(), n);
    assert_eq!(cluster.ledger().len(), n);
}

/// Sixty steps over three nodes, as one array.
#[test]
fn a_wide_layer_runs_on_all_nodes_and_is_submitted_at_once() {
    let Some(cluster) = Cluster::start("wide", Test::new()) else {
        return;
    };
    many(&cluster, 60);
    let started = cluster
        .events()
        .into_iter()
        .filter(|event| event["type"] == "step_started");
    let nodes: BTreeSet<String> = started
        .map(|event| event["node"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(nodes.len() == 3, "{nodes:?}");
    let names: BTreeSet<String> = cluster
        .lab
        .squeue()
        .into_iter()
        .map(|row| row.name)
        .collect();
    assert!(names.len() <= 4, "{names:?}");
}

/// XE: five thousand, at night.
#[test]
fn five_thousand_steps_run_once_each() {
    if !nightly() {
        return;
    }
    let Some(cluster) = Cluster::start("five thousand", Test::new()) else {
        return;
    };
    many(&cluster, 5000);
}

#[test]
fn some_steps_run_here_and_some_there_and_files_go_between_them() {
    let Some(cluster) = Cluster::start("mixed", Test::new()) else {
        return;
    };
    let file = cluster.shared("file").display().to_string();
    let plan = json!({
        "plan_id": "mixed",
        "globals": {"max_concurrency": 2},
        "steps": [
            {"id": "here", "shell": true, "command": format!("hostname >'{file}'; echo from=here >>$QUINTET_OUTPUT")},
            {"id": "there", "shell": true, "command": format!("hostname >>'{file}'; test ${{steps.here.outputs.from}} = here"),
             "depends_on": ["here"], "executor": {"kind": "slurm", "cpus": 2, "partition": "main", "labels": {"team": "x"}}},
            {"id": "back", "shell": true, "command": format!("wc -l <'{file}'"), "depends_on": ["there"]},
        ],
    });
    let path = cluster.test.path("work").join("plan.json");
    std::fs::write(path, plan.to_string()).expect("a plan can be written");
    cluster.quintet(&["run", "plan.json"]).run();
    let text = std::fs::read_to_string(cluster.shared("file")).expect("it was written");
    let hosts: Vec<&str> = text.lines().collect();
    assert_eq!(hosts.len(), 2);
    assert!(
        hosts[1].starts_with('n') && hosts[0] != hosts[1],
        "{hosts:?}"
    );
    assert!(cluster.of("here", "step_started")[0].get("node").is_none());
    let job = cluster.lab.squeue()[0].id.clone();
    let shown = cluster.lab.slurm("scontrol", &["show", "job", &job]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for part in ["Partition=main", "NumCPUs=2", "Comment=team=x"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

/// What Slurm refuses is told in its words, and nothing else of the run is harmed.
#[test]
fn what_slurm_refuses_is_a_failure_that_says_why() {
    let Some(cluster) = Cluster::start("refused", Test::new()) else {
        return;
    };
    cluster.plan(&[
        json!({"id": "bad", "command": "true", "executor": {"kind": "slurm", "partition": "no-such"}}),
        json!({"id": "good", "command": "true"}),
    ]);
    cluster.begin().finish_with(0);
    let error = cluster.of("bad", "step_finished")[0]["error"].clone();
    assert!(
        error
            .as_str()
            .is_some_and(|e| e.contains("invalid partition") || e.contains("Invalid partition")),
        "{error}"
    );
    assert_eq!(cluster.of("good", "step_finished")[0]["code"], 0);
}

/// An event without what says where and when it was.
fn timeless(event: &Value, run_id: &str) -> Value {
    fn strip(value: &mut Value) {
        if let Some(object) = value.as_object_mut() {
            for name in [
                "at",
                "timestamp",
                "ts",
                "time",
                "run",
                "run_id",
                "node",
                "seq",
                "engine",
                "started_at",
                "ended_at",
                "seed",
                "plan",
                "output",
                "not_before",
                "traceparent",
                // Where the example makes a temporary file, this has its name.
                "tail",
            ] {
                object.remove(name);
            }
            object.values_mut().for_each(strip);
        }
    }
    let mut event = event.clone();
    if event["type"] == "step_claimed" {
        // Ready, or ahead of its turn: a matter of when.
        event["reason"] = Value::Null;
    }
    strip(&mut event);
    // What git calls a commit depends on when it was made.
    let text = event.to_string().replace(run_id, "RUN");
    let mut words: Vec<String> = Vec::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let hex = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        let is_hash = hex.len() >= 7 && hex.bytes().any(|b| b.is_ascii_digit());
        words.push(if is_hash {
            word.replace(hex, "HASH")
        } else {
            word.to_owned()
        });
    }
    serde_json::from_str(&words.concat()).expect("it is still JSON")
}

/// The same plan, here and there: each step has the same events in the same order,
/// apart from where, when, and in which queue it waited.
fn same(cluster: &Cluster, run: &[&str], prepare: &dyn Fn()) {
    let told = |more: &[&str]| {
        prepare();
        let mut args = run.to_vec();
        args.extend(more);
        cluster.quintet(&args).run();
        let mut of: std::collections::BTreeMap<String, Vec<Value>> = Default::default();
        for event in cluster.events() {
            let run_id = event["run_id"].as_str().unwrap_or_default().to_owned();
            if event["type"] != "step_queued" {
                of.entry(event["step_id"].to_string())
                    .or_default()
                    .push(timeless(&event, &run_id));
            }
        }
        of
    };
    let here = told(&[]);
    let there = told(&["--executor", "slurm"]);
    assert_eq!(here, there);
}

#[test]
fn a_plan_has_the_same_events_here_and_on_the_cluster() {
    let Some(cluster) = Cluster::start("same events", Test::new()) else {
        return;
    };
    let mut steps = vec![json!({"id": "first", "command": "echo K=v >>$QUINTET_OUTPUT"})];
    for n in 0..12 {
        steps.push(json!({"id": format!("w{n}"), "command": "test ${steps.first.outputs.K} = v", "depends_on": ["first"]}));
    }
    steps.push(json!({"id": "fails", "command": "exit 7", "retries": 1, "depends_on": ["first"], "on_failure": "continue"}));
    cluster.plan(&steps);
    same(&cluster, &["run", "plan.json"], &|| {});
}

/// The example of the README, unchanged.
#[test]
fn a_safe_merge_has_the_same_events_here_and_on_the_cluster() {
    let Some(cluster) = Cluster::start("safe merge", Test::new()) else {
        return;
    };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let world = cluster.shared("world").display().to_string();
    let set_up = || {
        let _ = std::fs::remove_dir_all(&world);
        let done = std::process::Command::new(root.join("examples/safe-merge/setup.sh"))
            .args([world.as_str(), "clean"])
            .output();
        assert!(done.expect("a shell").status.success());
    };
    let example = root.join("examples/safe-merge");
    let plan = example.join("plan.json").display().to_string();
    let var = |name: &str, value: String| format!("{name}={value}");
    let vars = [
        var("BRANCH", "feature".into()),
        var("WORK", format!("{world}/alice")),
        var("STEPS", example.join("steps").display().to_string()),
        var("POLICY", example.join("merge-policy").display().to_string()),
    ];
    let mut args = vec!["run", plan.as_str()];
    for var in &vars {
        args.extend(["--var", var]);
    }
    same(&cluster, &args, &set_up);
}
