//! `quintet doctor --executor slurm`: what is well and what is not, with jobs of its own.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::support::{Test, eventually};

const DOCTOR: &[&str] = &["doctor", "--executor", "slurm", "--json"];

impl Cluster {
    /// Nothing of the doctor's is left in the directory, and none of its jobs goes on.
    #[track_caller]
    fn is_left_as_it_was(&self) {
        let shared = std::fs::read_dir(self.test.path("shared")).expect("it is there");
        assert_eq!(shared.count(), 0, "something is left");
        eventually("its jobs are over", || {
            self.lab.squeue().iter().all(|row| {
                !row.name.starts_with("quintet-doctor-")
                    || ["COMPLETED", "FAILED", "CANCELLED"].contains(&&*row.state)
            })
        });
    }
}

/// The results of the checks of this name, each with what was found.
fn of<'a>(found: &'a Value, name: &str) -> Vec<(&'a str, &'a str)> {
    let checks = found.as_array().expect("it is a list").iter();
    let text = |value: &'a Value| value.as_str().expect("it is text");
    checks
        .filter(|check| check["check"] == name)
        .map(|check| (text(&check["result"]), text(&check["found"])))
        .collect()
}

#[test]
fn all_is_well() {
    let Some(cluster) = Cluster::start("a doctor where all is well", Test::new()) else {
        return;
    };
    let found = cluster.quintet(DOCTOR).run().json();
    for name in [
        "client",
        "controller",
        "memory",
        "settings",
        "partitions",
        "sharing",
        "clock",
        "program",
        "shell",
    ] {
        let checks = of(&found, name);
        assert!(matches!(checks[..], [("ok", _)]), "{name}: {found:#}");
    }
    assert!(of(&found, "partitions")[0].1.starts_with("3 of 3 nodes"));
    let version = format!("quintet {} runs on n", env!("CARGO_PKG_VERSION"));
    assert!(of(&found, "program")[0].1.starts_with(&version));
    let jobs = cluster.lab.squeue();
    assert_eq!(jobs.len(), 1, "one job: {jobs:?}");
    cluster.is_left_as_it_was();
    cluster.lab.becomes(&jobs[0].id, "COMPLETED");
}

#[test]
fn each_node_that_serves_is_asked() {
    let Some(cluster) = Cluster::start("a doctor for all nodes", Test::new()) else {
        return;
    };
    // The default serves nowhere; so n1 alone, by its other partition.
    let update = |state| ["update", "partitionname=main", state];
    assert!(
        cluster
            .lab
            .slurm("scontrol", &update("state=down"))
            .status
            .success()
    );
    let found = cluster.quintet(DOCTOR).run().json();
    assert_eq!(of(&found, "partitions")[0].0, "warning");
    assert!(
        of(&found, "sharing")[0].1.starts_with("what n1 writes"),
        "{found:#}"
    );
    assert!(
        cluster
            .lab
            .slurm("scontrol", &update("state=up"))
            .status
            .success()
    );

    let drain = ["update", "nodename=n2", "state=drain", "reason=test"];
    assert!(cluster.lab.slurm("scontrol", &drain).status.success());
    let args = [DOCTOR, &["--all-nodes"]].concat();
    let found = cluster.quintet(&args).run().json();
    let checks = found.as_array().expect("it is a list").iter();
    let nodes: Vec<_> = checks.filter(|check| check["check"] == "node").collect();
    let names: Vec<_> = nodes.iter().map(|check| &check["node"]).collect();
    assert_eq!(names, ["n1", "n3"]);
    for (at, node) in ["n1", "n3"].iter().enumerate() {
        let (result, said) = of(&found, "node")[at];
        assert!(
            result == "ok" && said.contains(&format!("what {node} writes")),
            "{found:#}"
        );
    }
    cluster.is_left_as_it_was();
}

#[test]
fn a_controller_that_is_dead_is_to_be_started() {
    let Some(cluster) = Cluster::start("a doctor without a controller", Test::new()) else {
        return;
    };
    cluster.lab.ctld_kill();
    let host = nix::unistd::gethostname().expect("this machine has a name");
    let host = host.to_string_lossy();
    let mend = format!(
        "mend: on {}: systemctl start slurmctld",
        host.split('.').next().unwrap_or(&host)
    );
    cluster
        .quintet(&["doctor", "--executor", "slurm"])
        .status(1)
        .stdout_has("bad      controller     it cannot be asked: ")
        .stdout_has(&mend)
        .stdout_has("ok       directory")
        .run();
    cluster.lab.ctld_start();
    cluster.is_left_as_it_was();
    assert!(cluster.lab.squeue().is_empty());
}

#[test]
fn munge_that_does_not_run_is_to_be_started() {
    let Some(cluster) = Cluster::start("a doctor without munge", Test::new()) else {
        return;
    };
    let pid = std::fs::read_to_string(cluster.lab.path("munged.pid")).expect("munge runs");
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().expect("a number"));
    nix::sys::signal::kill(pid, Signal::SIGTERM).expect("it is there");
    eventually("it has ended", || {
        !cluster.lab.path("munged.socket").exists()
    });
    cluster
        .quintet(&["doctor", "--executor", "slurm"])
        .status(1)
        .stdout_has("bad      munge          munge does not run on this machine")
        .stdout_has("mend: systemctl start munge\n")
        .run();
}

#[test]
fn without_a_configuration_the_controller_is_not_asked() {
    let Some(cluster) = Cluster::start("a doctor without a configuration", Test::new()) else {
        return;
    };
    let none = cluster.lab.path("none.conf");
    let call = cluster
        .quintet(DOCTOR)
        .env("SLURM_CONF", &none.to_string_lossy());
    let found = call.status(1).run().json();
    let (result, said) = of(&found, "configuration")[0];
    // Not what Slurm says of it, after a minute.
    assert!(
        result == "bad" && said.contains("SLURM_CONF names"),
        "{found:#}"
    );
    assert!(of(&found, "controller").is_empty());
}

#[test]
fn a_directory_that_cannot_be_made_is_bad_and_no_job_is_submitted() {
    let test = Test::new().file("file", "");
    let Some(cluster) = Cluster::start("a doctor without a directory", test) else {
        return;
    };
    let path = cluster.test.path("work/file/below");
    let call = cluster
        .quintet(DOCTOR)
        .env("QUINTET_SLURM_DIR", &path.to_string_lossy());
    let found = call.status(1).run().json();
    assert_eq!(of(&found, "directory")[0].0, "bad");
    assert!(cluster.lab.squeue().is_empty());
}

/// The nodes see what lies below a mount that only the doctor has.
#[test]
fn a_directory_that_nodes_do_not_share_is_bad() {
    let Some(cluster) = Cluster::start("a doctor with a directory of its own", Test::new()) else {
        return;
    };
    let call = cluster.quintet(DOCTOR).command();
    let script = "mount -t tmpfs none \"$1\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.arg(cluster.test.path("shared"));
    command.arg(call.get_program()).args(call.get_args());
    command.env_clear();
    command.envs(
        call.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let done = command.output().expect("the program can be started");
    let found: Value = serde_json::from_slice(&done.stdout).expect("it is JSON");
    assert_eq!(done.status.code(), Some(1), "{found:#}");
    let (result, said) = of(&found, "sharing")[0];
    assert!(
        result == "bad" && said.contains("is not there on n"),
        "{found:#}"
    );
    cluster.is_left_as_it_was();
}

#[test]
fn where_the_program_is_not_a_shell_takes_its_place() {
    let Some(cluster) = Cluster::start("a doctor without the program", Test::new()) else {
        return;
    };
    let call = cluster
        .quintet(DOCTOR)
        .env("QUINTET_SLURM_BINARY", "/nowhere/quintet");
    let found = call.run().json();
    let (result, said) = of(&found, "program")[0];
    assert!(
        result == "warning" && said.starts_with("/nowhere/quintet does not run on n"),
        "{found:#}"
    );
    assert_eq!(of(&found, "shell")[0].0, "ok");
}

#[test]
fn another_version_on_the_nodes_is_bad() {
    let Some(cluster) = Cluster::start("a doctor with another version", Test::new()) else {
        return;
    };
    let program = cluster.test.path("quintet");
    std::fs::write(&program, "#!/bin/sh\necho quintet 0.0.1\n").expect("a file can be written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("it is ours");
    let call = cluster
        .quintet(DOCTOR)
        .env("QUINTET_SLURM_BINARY", &program.to_string_lossy());
    let found = call.status(1).run().json();
    let (result, said) = of(&found, "program")[0];
    assert!(
        result == "bad" && said.contains("is \"quintet 0.0.1\""),
        "{found:#}"
    );
}

#[test]
fn a_job_that_waits_is_canceled_when_the_doctor_gives_up_or_is_interrupted() {
    let Some(cluster) = Cluster::start("a doctor that waits", Test::new()) else {
        return;
    };
    let all = cluster
        .lab
        .sbatch(&["-N3", "--exclusive"], "exec sleep 300", &[]);
    cluster.lab.becomes(&all, "RUNNING");

    let args = [DOCTOR, &["--wait", "2"]].concat();
    let found = cluster.quintet(&args).run().json();
    let (result, said) = of(&found, "job")[0];
    assert!(
        result == "warning" && said.contains("in Slurm's queue"),
        "{found:#}"
    );
    cluster.is_left_as_it_was();

    let doctors = || {
        let rows = cluster.lab.squeue().into_iter();
        rows.filter(|row| row.name.starts_with("quintet-doctor-") && row.state == "PENDING")
            .count()
    };
    assert_eq!(doctors(), 0);
    let live = cluster.quintet(DOCTOR).status(130).start();
    eventually("it has submitted its job", || doctors() == 1);
    live.signal(Signal::SIGINT);
    live.finish();
    cluster.is_left_as_it_was();
}

/// Needs no cluster.
#[test]
fn without_the_client_nothing_is_asked() {
    let test = Test::new();
    test.quintet(&["doctor", "--executor", "slurm"])
        .env("PATH", "/nowhere")
        .status(1)
        .stdout_has("bad      client         not on PATH: sbatch, squeue, scancel\n")
        .stdout_has("mend: apt-get install slurm-client")
        .run();
}
