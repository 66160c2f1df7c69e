//! Runs on a cluster are canceled, and nothing of their steps goes on.

use serde_json::json;

use crate::cluster::Cluster;
use crate::support::{Test, eventually};

/// A step that does not end, and whose child has left it; both say where they are.
fn stubborn(cluster: &Cluster) -> String {
    let file = |name| cluster.shared(name).display().to_string();
    format!(
        "echo here >'{}'; setsid sh -c 'echo here >\"{}\"; while :; do sleep 1; done' & \
         trap 'echo told; exit 9' TERM; while :; do sleep 0.1; done",
        file("main"),
        file("child")
    )
}

/// Nothing whose command line names this test's directory is left.
fn nothing_is_left(cluster: &Cluster) {
    eventually("all of the step is gone", || {
        let own = cluster.shared("child").display().to_string();
        let all = std::fs::read_dir("/proc").expect("there is /proc");
        let mut lines =
            all.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
        !lines.any(|line| String::from_utf8_lossy(&line).contains(&own))
    });
}

fn canceled(lab: &[&str]) {
    let Some(lab) = crate::lab::Lab::start_with("cancel", lab) else {
        return;
    };
    let cluster = Cluster::on(lab, Test::new());
    cluster.plan(&[
        json!({"id": "runs", "command": stubborn(&cluster)}),
        json!({"id": "waits", "command": "true", "executor": {"kind": "slurm", "options": ["--hold"]}}),
    ]);
    let run = cluster.begin();
    cluster.begun("runs", 1);
    eventually("the child is there", || cluster.shared("child").exists());
    eventually("the other waits", || {
        !cluster.of("waits", "step_queued").is_empty()
    });
    let why = cluster.quintet(&["why", "last", "waits"]).run();
    assert!(why.text().contains("JobHeldUser"), "{}", why.text());
    cluster.quintet(&["cancel", "last"]).run();
    run.finish_with(130);
    let logs = cluster.quintet(&["logs", "last", "runs"]).run();
    assert!(logs.text().contains("told"), "{}", logs.text());
    for step in ["runs", "waits"] {
        assert_eq!(cluster.of(step, "step_finished")[0]["end"], "canceled");
    }
    nothing_is_left(&cluster);
    eventually("nothing waits in the queue", || {
        let over = |state: &str| state != "PENDING" && state != "RUNNING";
        cluster.lab.squeue().iter().all(|row| over(&row.state))
    });
}

#[test]
fn a_canceled_run_leaves_nothing_and_what_waits_never_begins() {
    canceled(&[]);
}

/// Where Slurm does not find what has left its parents, the supervisor does.
#[test]
fn the_whole_tree_ends_where_slurm_would_not_find_it() {
    canceled(&["-t", "linuxproc"]);
}

#[test]
fn a_run_is_canceled_also_while_nobody_reaches_the_controller() {
    let Some(cluster) = Cluster::start("cancel without a controller", Test::new()) else {
        return;
    };
    cluster.plan(&[json!({"id": "runs", "command": stubborn(&cluster)})]);
    let run = cluster.begin();
    cluster.begun("runs", 1);
    eventually("the child is there", || cluster.shared("child").exists());
    cluster.lab.ctld_kill();
    cluster.quintet(&["cancel", "last"]).run();
    run.finish_with(130);
    nothing_is_left(&cluster);
}

/// Whoever ends a step's job by Slurm's own means has ended the step.
#[test]
fn a_job_that_somebody_cancels_in_slurm_is_a_failure_that_says_so() {
    let Some(cluster) = Cluster::start("scancel", Test::new()) else {
        return;
    };
    cluster.plan(&[
        json!({"id": "runs", "command": "sleep 60"}),
        json!({"id": "waits", "command": "true", "executor": {"kind": "slurm", "options": ["--hold"]}}),
    ]);
    let run = cluster.begin();
    cluster.begun("runs", 1);
    eventually("both are with Slurm", || cluster.lab.squeue().len() == 2);
    let ids: Vec<String> = cluster.lab.squeue().into_iter().map(|row| row.id).collect();
    for id in &ids {
        cluster.lab.slurm("scancel", &[id]);
    }
    run.finish_with(0);
    for step in ["runs", "waits"] {
        let ends = cluster.of(step, "step_finished");
        assert_eq!(ends.len(), 1, "{ends:?}");
        let error = ends[0]["error"].as_str().unwrap_or_default();
        assert!(error.contains("canceled its job in Slurm"), "{ends:?}");
    }
}

/// The engine dies, the steps do not, and another engine ends them.
#[test]
fn a_run_whose_engine_is_gone_is_canceled_on_the_nodes() {
    let Some(cluster) = Cluster::start("cancel without an engine", Test::new()) else {
        return;
    };
    cluster.plan(&[json!({"id": "runs", "command": stubborn(&cluster)})]);
    let run = cluster.begin();
    cluster.begun("runs", 1);
    eventually("the child is there", || cluster.shared("child").exists());
    run.kill();
    run.finish_with(137);
    cluster.quintet(&["cancel", "last"]).status(130).run();
    nothing_is_left(&cluster);
}
