//! Nodes and controllers die, and runs go on.

use serde_json::json;

use crate::cluster::Cluster;
use crate::support::{Test, eventually};

/// A step that waits for a file on its first attempt, and ends well on any other.
fn hangs_once(cluster: &Cluster) -> String {
    let go = cluster.shared("go");
    let rest = format!(
        "[ $QUINTET_ATTEMPT -gt 1 ] || until [ -e '{}' ]; do sleep 0.05; done; echo done >>'{}'",
        go.display(),
        cluster.shared("done").display()
    );
    cluster.counted(&rest)
}

#[test]
fn a_step_whose_node_loses_power_is_made_again_elsewhere_and_the_run_succeeds() {
    let Some(cluster) = Cluster::start("node death", Test::new()) else {
        return;
    };
    cluster.plan(&[
        json!({"id": "work", "command": hangs_once(&cluster)}),
        json!({"id": "after", "command": "true", "depends_on": ["work"]}),
    ]);
    let run = cluster.begin();
    let node = cluster.begun("work", 1);
    cluster.lab.node_kill(&node);
    run.finish_with(0);
    let ends = cluster.of("work", "step_finished");
    assert_eq!(
        (&ends[0]["end"], &ends[1]["code"]),
        (&json!("lost"), &json!(0)),
        "{ends:?}"
    );
    assert_eq!(ends[0]["started"], true);
    assert_ne!(cluster.begun("work", 2), node);
    // A loss is not the step's failure: it has no retries, and needs none.
    let again = cluster.of("work", "step_retry");
    assert_eq!(again[0]["reason"]["lost"]["time"], 1, "{again:?}");
    assert_eq!(cluster.ledger().len(), 2);
}

/// XA: what must not simply be repeated is left to a person.
#[test]
fn a_lost_step_that_is_not_idempotent_waits_for_a_person() {
    let Some(cluster) = Cluster::start("not idempotent", Test::new()) else {
        return;
    };
    cluster.plan(&[json!({"id": "work", "command": hangs_once(&cluster), "idempotent": false})]);
    let run = cluster.begin();
    let node = cluster.begun("work", 1);
    cluster.lab.node_kill(&node);
    run.finish_with(3);
    assert_eq!(cluster.ledger().len(), 1);
    cluster
        .quintet(&["resume", "last", "--rerun", "work"])
        .run();
    assert_eq!(cluster.ledger().len(), 2);
}

/// A whole machine that stands still and comes back later: what it then says of an
/// attempt that was given up is of no interest to anybody.
#[test]
fn the_late_result_of_a_given_up_attempt_is_not_believed() {
    let Some(cluster) = Cluster::start("late result", Test::new()) else {
        return;
    };
    let go = cluster.shared("go");
    let first = format!(
        "[ $QUINTET_ATTEMPT -gt 1 ] && sleep 3 && exit 0; until [ -e '{}' ]; do sleep 0.05; done; exit 5",
        go.display()
    );
    cluster.plan(&[json!({"id": "work", "command": cluster.counted(&first)})]);
    let run = cluster.begin();
    let node = cluster.begun("work", 1);
    cluster.lab.node_stop(&node);
    let other = cluster.begun("work", 2);
    assert_ne!(node, other);
    std::fs::write(go, "").expect("a file can be made");
    cluster.lab.node_cont(&node);
    run.finish_with(0);
    let ends = cluster.of("work", "step_finished");
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert_eq!(ends[0]["end"], "lost");
    assert_eq!(ends[1]["code"], 0, "{ends:?}");
}

/// A machine that stands still for less time than Slurm waits: what Slurm said of the
/// attempt while it waited to begin says nothing of its node now.
#[test]
fn a_node_that_stands_still_for_a_moment_is_waited_for() {
    let Some(cluster) = Cluster::start("a moment", Test::new()) else {
        return;
    };
    let go = cluster.shared("go");
    let waits = format!("until [ -e '{}' ]; do sleep 0.05; done", go.display());
    cluster.plan(&[json!({"id": "work", "command": cluster.counted(&waits)})]);
    let run = cluster.begin();
    let node = cluster.begun("work", 1);
    cluster.lab.node_stop(&node);
    // More than three heartbeats.
    std::thread::sleep(std::time::Duration::from_millis(4000));
    cluster.lab.node_cont(&node);
    std::fs::write(go, "").expect("a file can be made");
    run.finish_with(0);
    assert_eq!(cluster.of("work", "step_finished").len(), 1);
    assert_eq!(cluster.ledger(), ["work"]);
}

/// Slurm calls the node failed; the step on it goes on, its node says so, and it is
/// not made a second time.
#[test]
fn a_step_that_slurm_cannot_reach_is_waited_for_as_long_as_its_node_speaks() {
    let Some(cluster) = Cluster::start("partition", Test::new()) else {
        return;
    };
    let go = cluster.shared("go");
    let waits = format!("until [ -e '{}' ]; do sleep 0.05; done", go.display());
    cluster.plan(&[json!({"id": "work", "command": cluster.counted(&waits)})]);
    let run = cluster.begin();
    let node = cluster.begun("work", 1);
    let id = cluster.lab.squeue()[0].id.clone();
    cluster.lab.node_freeze(&node);
    cluster.lab.becomes(&id, "NODE_FAIL");
    // Several heartbeats, in which nothing may be given up.
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(cluster.of("work", "step_finished").is_empty());
    std::fs::write(go, "").expect("a file can be made");
    run.finish_with(0);
    cluster.lab.node_thaw(&node);
    assert_eq!(cluster.ledger().len(), 1);
}

/// Trap: a controller that crashes soon after a submit has forgotten the job, or that
/// it began it, and begins it a second time.
#[test]
fn a_controller_that_crashes_within_three_seconds_of_a_submit_runs_nothing_twice() {
    let Some(cluster) = Cluster::start("controller crash", Test::new()) else {
        return;
    };
    for (round, age) in [0, 500, 2500].into_iter().enumerate() {
        let rest = "sleep 2";
        cluster.plan(&[
            json!({"id": format!("a{round}"), "command": cluster.counted(rest)}),
            json!({"id": format!("b{round}"), "command": cluster.counted(rest)}),
        ]);
        let run = cluster.begin();
        eventually("it is submitted", || !cluster.lab.squeue().is_empty());
        std::thread::sleep(std::time::Duration::from_millis(age));
        cluster.lab.ctld_kill();
        std::thread::sleep(std::time::Duration::from_millis(300));
        cluster.lab.ctld_start();
        run.finish_with(0);
        for name in ["a", "b"] {
            let step = format!("{name}{round}");
            let began = cluster.ledger().iter().filter(|id| **id == step).count();
            let lost = cluster.of(&step, "step_finished");
            let lost = lost
                .iter()
                .filter(|end| end["end"] == "lost" && end["started"] == true);
            // Each beginning but the last one was lost, and that is on record.
            assert_eq!(began, 1 + lost.count(), "age {age}: {:?}", cluster.events());
        }
    }
}

/// Nobody can be asked: that is no loss, and costs nothing but time.
#[test]
fn while_the_controller_is_down_steps_end_and_nothing_is_given_up() {
    let Some(cluster) = Cluster::start("controller down", Test::new()) else {
        return;
    };
    let go = cluster.shared("go");
    let waits = format!("until [ -e '{}' ]; do sleep 0.05; done", go.display());
    cluster.plan(&[
        json!({"id": "held", "command": cluster.counted("true"),
            "executor": {"kind": "slurm", "options": ["--hold"]}}),
        json!({"id": "work", "command": cluster.counted(&waits)}),
        json!({"id": "after", "command": cluster.counted("true"), "depends_on": ["work"]}),
    ]);
    let run = cluster.begin();
    cluster.begun("work", 1);
    eventually("the other waits", || {
        !cluster.of("held", "step_queued").is_empty()
    });
    cluster.lab.ctld_stop();
    std::fs::write(go, "").expect("a file can be made");
    eventually("its end is seen all the same", || {
        cluster.of("work", "step_finished").len() == 1
    });
    eventually("why the next one waits is told", || {
        !cluster.of("after", "step_queued").is_empty()
    });
    cluster.lab.ctld_start();
    let held = cluster.lab.squeue().into_iter();
    let held = held
        .filter(|row| row.reason == "JobHeldUser")
        .map(|row| row.id);
    for id in held {
        cluster.lab.slurm("scontrol", &["release", &id]);
    }
    run.finish_with(0);
    for step in ["held", "work", "after"] {
        assert_eq!(cluster.of(step, "step_finished").len(), 1, "{step}");
    }
    let mut began = cluster.ledger();
    began.sort();
    assert_eq!(began, ["after", "held", "work"]);
}

/// Slurm's daemon on the node dies and comes back; the step does not notice.
#[test]
fn a_step_outlives_the_daemon_of_its_node() {
    let Some(cluster) = Cluster::start("slurmd", Test::new()) else {
        return;
    };
    cluster.plan(&[json!({"id": "work", "command": cluster.counted("sleep 3; exit 4")})]);
    let run = cluster.begin();
    let node = cluster.begun("work", 1);
    cluster.lab.slurmd_kill(&node);
    std::thread::sleep(std::time::Duration::from_millis(500));
    cluster.lab.slurmd_start(&node);
    run.finish_with(0);
    assert_eq!(cluster.of("work", "step_finished")[0]["code"], 4);
    assert_eq!(cluster.ledger().len(), 1);
}
