//! What the executor leans on, asked of the lab itself: should Slurm come to behave in
//! another way, these say so first.

use crate::cluster::Cluster;
use crate::lab::{Lab, Row};
use crate::support::{Test, eventually};

/// Ends a second after a TERM and says so, as a supervisor does; its child lives on for a
/// while if it is not told as well.
const ORDERLY: &str = r#"exec sh -c '
    trap "sleep 1; echo orderly; exit 7" TERM
    sh -c "trap \"echo child was told\" TERM; echo ready; while sleep 0.1; do :; done" &
    while :; do wait; done' sh "$@""#;

fn row(name: &str, index: &str, state: &str, reason: &str, node: &str, id: &str) -> Row {
    Row {
        name: name.into(),
        index: index.into(),
        state: state.into(),
        reason: reason.into(),
        node: node.into(),
        id: id.into(),
    }
}

#[test]
fn squeue_tells_of_jobs_and_of_tasks_in_the_same_words() {
    let Some(lab) = Lab::start("squeue") else {
        return;
    };
    let job = lab.sbatch(&["-J", "one", "-w", "n2"], "exit 3", &[]);
    let ended = lab.becomes(&job, "FAILED");
    assert_eq!(
        ended,
        row("one", "N/A", "FAILED", "NonZeroExitCode", "n2", &job)
    );

    let tasks = lab.sbatch(
        &["-J", "many", "-w", "n1", "--array=0-1"],
        "echo $SLURM_ARRAY_TASK_ID",
        &[],
    );
    for index in ["0", "1"] {
        let id = format!("{tasks}_{index}");
        let ended = lab.becomes(&id, "COMPLETED");
        assert_eq!(ended, row("many", index, "COMPLETED", "None", "n1", &id));
        eventually("its output is there", || {
            lab.output(&id) == format!("{index}\n")
        });
    }
}

#[test]
fn a_script_gets_its_arguments_as_they_are() {
    let Some(lab) = Lab::start("arguments") else {
        return;
    };
    let job = lab.sbatch(
        &[],
        r#"printf '<%s>' "$@"; hostname"#,
        &["two words", "$HOME", "a\"b"],
    );
    let node = lab.becomes(&job, "COMPLETED").node;
    eventually("its output is there", || {
        lab.output(&job) == format!("<two words><$HOME><a\"b>{node}\n")
    });
}

#[test]
fn a_signal_to_the_batch_script_reaches_what_it_became_and_nothing_else() {
    let Some(lab) = Lab::start("scancel --batch") else {
        return;
    };
    let job = lab.sbatch(&["-J", "term"], ORDERLY, &[]);
    eventually("it is ready", || lab.output(&job).contains("ready"));
    let told = lab.slurm(
        "scancel",
        &["--name=term", "--batch", "--signal=TERM", &job],
    );
    assert!(told.status.success());
    let ended = lab.becomes(&job, "FAILED");
    assert_eq!(ended.reason, "NonZeroExitCode");
    let output = lab.output(&job);
    assert!(output.contains("orderly"), "{output}");
    assert!(!output.contains("child was told"), "{output}");
}

#[test]
fn a_name_and_an_id_must_both_be_right_to_cancel() {
    let Some(lab) = Lab::start("scancel --name") else {
        return;
    };
    let held = lab.sbatch(&["-J", "held", "--hold"], "true", &[]);
    let other = lab.sbatch(&["-J", "other"], "exec sleep 60", &[]);
    lab.becomes(&other, "RUNNING");

    let refused = lab.slurm("scancel", &["--name=held", &other]);
    assert!(refused.status.success(), "it says nothing of it");
    let canceled = lab.slurm("scancel", &["--name=held", &held, &other]);
    assert!(canceled.status.success());
    lab.becomes(&held, "CANCELLED");
    assert_eq!(
        lab.row(&other).map(|row| row.state).as_deref(),
        Some("RUNNING")
    );
}

/// The name makes scancel take the whole rest of an array for the one task.
#[test]
fn of_an_array_a_waiting_task_is_canceled_alone_only_without_its_name() {
    let Some(lab) = Lab::start("scancel of a task") else {
        return;
    };
    let options = ["-J", "many", "--array=0-3", "--hold"];
    let waiting = |id: &str| {
        let rows = lab.squeue().into_iter();
        rows.filter(|row| row.id.starts_with(id) && row.state == "PENDING")
            .map(|row| row.index)
            .collect::<Vec<_>>()
    };

    let named = lab.sbatch(&options, "true", &[]);
    lab.slurm("scancel", &["--name=many", &format!("{named}_3")]);
    eventually("none waits", || waiting(&named).is_empty());

    let bare = lab.sbatch(&options, "true", &[]);
    lab.slurm("scancel", &[&format!("{bare}_3")]);
    eventually("the others wait", || waiting(&bare) == ["0", "1", "2"]);
}

#[test]
fn a_node_that_loses_power_fails_its_job_and_one_that_stood_still_does_not() {
    let Some(lab) = Lab::start("nodes") else {
        return;
    };
    let beat = "while sleep 0.1; do echo beat; done";
    let hung = lab.sbatch(&["-w", "n2"], beat, &[]);
    let dead = lab.sbatch(&["-w", "n3"], beat, &[]);
    for job in [&hung, &dead] {
        eventually("it writes", || lab.output(job).contains("beat"));
    }

    lab.node_kill("n3");
    lab.node_stop("n2");
    let silent = lab.output(&hung);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(lab.output(&hung), silent, "n2 stands still");
    lab.node_cont("n2");
    eventually("it goes on", || lab.output(&hung).len() > silent.len());

    let failed = lab.becomes(&dead, "NODE_FAIL");
    assert_eq!((&*failed.reason, &*failed.node), ("NodeDown", "n3"));
    assert_eq!(
        lab.row(&hung).map(|row| row.state).as_deref(),
        Some("RUNNING")
    );
    lab.node_start("n3");
    let again = lab.sbatch(&["-w", "n3"], "true", &[]);
    lab.becomes(&again, "COMPLETED");
}

#[test]
fn one_that_cannot_be_reached_goes_on_working_until_it_can() {
    let Some(lab) = Lab::start("a node that cannot be reached") else {
        return;
    };
    let job = lab.sbatch(&["-w", "n3"], "while sleep 0.1; do echo beat; done", &[]);
    eventually("it writes", || lab.output(&job).contains("beat"));
    lab.node_freeze("n3");
    lab.becomes(&job, "NODE_FAIL");
    let lost = lab.output(&job).len();
    eventually("the lost one writes on", || lab.output(&job).len() > lost);
    lab.node_thaw("n3");
    eventually("it is ended", || {
        lab.output(&job).contains("DUE TO NODE FAILURE")
    });
}

#[test]
fn a_job_outlives_its_daemon_and_a_controller_that_ends_in_good_order() {
    let Some(lab) = Lab::start("daemons") else {
        return;
    };
    let job = lab.sbatch(
        &["-w", "n1"],
        "while ! [ -e go ]; do sleep 0.1; done; exit 4",
        &[],
    );
    lab.becomes(&job, "RUNNING");
    lab.slurmd_kill("n1");
    lab.ctld_stop();
    assert!(!lab.slurm("squeue", &[]).status.success());
    lab.slurmd_start("n1");
    lab.ctld_start();
    std::fs::write(lab.path("go"), "").expect("a file can be written");
    let ended = lab.becomes(&job, "FAILED");
    assert_eq!(ended.reason, "NonZeroExitCode");
}

#[test]
fn a_controller_that_does_not_answer_is_told_apart_from_one_that_refuses() {
    let Some(lab) = Lab::start("a controller that crashed") else {
        return;
    };
    let silent = "Unable to contact slurm controller";
    lab.ctld_kill();
    for (program, args) in [
        ("sbatch", &["--wrap=true"][..]),
        ("squeue", &["-t", "all"]),
        ("scancel", &["1"]),
    ] {
        let done = lab.slurm(program, args);
        let text = String::from_utf8_lossy(&done.stderr);
        assert!(
            !done.status.success() && text.contains(silent),
            "{program}: {text}"
        );
    }
    lab.ctld_start();
    let refused = lab.slurm("sbatch", &["-pnone", "--wrap=true"]);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("Invalid partition name"), "{text}");
}

#[test]
fn a_job_may_be_there_although_its_submission_failed() {
    let Some(lab) = Lab::start("a submission without an answer") else {
        return;
    };
    lab.ctld_freeze();
    let done = lab.slurm("sbatch", &["-J", "unsure", "--wrap=true"]);
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(text.contains("timed out"), "{text}");
    lab.ctld_thaw();
    eventually("it ran all the same", || {
        let found = lab.squeue().into_iter().find(|row| row.name == "unsure");
        found.is_some_and(|row| row.state == "COMPLETED")
    });
}

#[test]
fn what_can_never_run_is_refused_or_waits_with_a_reason() {
    let Some(lab) = Lab::start("options") else {
        return;
    };
    for wrong in ["-pnone", "-Cnone", "--gres=gpu:9", "-Lnone", "--mem=99G"] {
        let done = lab.slurm("sbatch", &[wrong, "--wrap=true"]);
        assert!(!done.status.success(), "{wrong} was accepted");
    }
    let job = lab.sbatch(&["-psmall", "-t20"], "true", &[]);
    eventually("it waits for a longer limit", || {
        lab.row(&job)
            .is_some_and(|row| row.state == "PENDING" && row.reason == "PartitionTimeLimit")
    });
    let job = lab.sbatch(
        &[
            "-psmall",
            "-t5",
            "-Cspecial",
            "--gpus=2",
            "-c4",
            "--mem=100",
        ],
        "echo $SLURM_GPUS_ON_NODE",
        &[],
    );
    assert_eq!(lab.becomes(&job, "COMPLETED").node, "n1");
    eventually("it has got both", || lab.output(&job) == "2\n");
}

#[test]
fn the_program_is_run_beside_a_lab() {
    let Some(cluster) = Cluster::start("the program beside a lab", Test::new()) else {
        return;
    };
    cluster.quintet(&["--version"]).stdout_has("quintet").run();
    assert!(cluster.lab.squeue().is_empty());
}
