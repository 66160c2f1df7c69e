//! Engines die around a submit, and disks are full.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::cluster::Cluster;
use crate::support::{Test, eventually, skip};

/// A program by the name of sbatch before the real one on the path.
fn with_sbatch(cluster: &Cluster, script: &str) -> String {
    let bin = cluster.test.path("bin");
    std::fs::create_dir_all(&bin).expect("a folder can be made");
    let file = bin.join("sbatch");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a file can be written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", bin.display())
}

fn real_sbatch() -> String {
    let found = Command::new("sh")
        .args(["-c", "command -v sbatch"])
        .output();
    String::from_utf8(found.expect("a shell").stdout)
        .expect("text")
        .trim()
        .to_owned()
}

/// The engine dies at each boundary of a submit, and the run is resumed to its end:
/// each step began once.
#[test]
fn an_engine_that_dies_around_sbatch_submits_nothing_twice_and_forgets_nothing() {
    let Some(cluster) = Cluster::start("engine crash", Test::new()) else {
        return;
    };
    let real = real_sbatch();
    let boundaries = [
        // Written down, and not submitted.
        "kill -9 $PPID; exit 1".to_owned(),
        // Submitted, and not heard of.
        format!("'{real}' \"$@\" >/dev/null; kill -9 $PPID; exit 0"),
        // On its way while the next engine looks.
        format!("kill -9 $PPID; sleep 1; '{real}' \"$@\""),
        // Submitted, and told that it was not.
        format!("'{real}' \"$@\" >/dev/null; kill -9 $PPID; echo 'Socket timed out' >&2; exit 1"),
    ];
    for (round, script) in boundaries.iter().enumerate() {
        let steps = [format!("x{round}"), format!("y{round}")];
        let step = |id: &String| json!({"id": id, "command": cluster.counted("sleep 0.2")});
        cluster.plan(&steps.iter().map(step).collect::<Vec<_>>());
        let path = with_sbatch(&cluster, script);
        let run = ["run", "plan.json", "--executor", "slurm"];
        cluster.quintet(&run).env("PATH", &path).status(137).run();
        cluster.quintet(&["resume", "last"]).run();
        // What came too late has nothing to begin.
        std::thread::sleep(Duration::from_millis(1200));
        eventually("nothing waits", || {
            cluster
                .lab
                .squeue()
                .iter()
                .all(|row| row.state != "PENDING" && row.state != "RUNNING")
        });
        for step in &steps {
            let began = cluster.ledger().iter().filter(|id| *id == step).count();
            assert_eq!(began, 1, "{script}: {:?}", cluster.events());
            assert_eq!(cluster.of(step, "step_finished").len(), 1, "{script}");
        }
    }
}

/// The same at the system calls that the executor makes of itself.
#[test]
fn an_engine_that_dies_at_any_write_of_a_submit_can_be_resumed() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("engine crash at writes", "needs strace");
    }
    let Some(cluster) = Cluster::start("engine crash at writes", Test::new()) else {
        return;
    };
    let quintet = cluster
        .quintet(&["run", "plan.json", "--executor", "slurm"])
        .command();
    let points = [
        "mkdir:1", "mkdir:3", "mkdir:5", "mkdir:6", "rename:1", "rename:2", "rename:3",
    ];
    for (round, point) in points.into_iter().enumerate() {
        let step = format!("s{round}");
        cluster.plan(&[json!({"id": step, "command": cluster.counted("true")})]);
        let (call, nth) = point.split_once(':').expect("a call and a number");
        let mut strace = Command::new("strace");
        let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
        strace.args(["-f", "-o", "/dev/null", "-e", &inject]);
        strace.arg(quintet.get_program()).args(quintet.get_args());
        strace.envs(quintet.get_envs().filter_map(|(k, v)| Some((k, v?))));
        strace.current_dir(cluster.test.path("work"));
        let ended = strace.output().expect("strace can be started");
        if !ended.status.success() && cluster.is_open() {
            cluster.quintet(&["resume", "last"]).run();
        }
        let began = cluster.ledger().iter().filter(|id| **id == step).count();
        // A run that had not begun yet is not there to be resumed.
        assert!(began <= 1, "{point}: {:?}", cluster.events());
        if cluster
            .events()
            .iter()
            .any(|event| event["type"] == "step_claimed")
        {
            assert_eq!(began, 1, "{point}: {:?}", cluster.events());
        }
    }
}

/// The engine dies while steps wait, run and end; resumed, it takes up all of them.
#[test]
fn a_resumed_engine_takes_up_what_waits_what_runs_and_what_has_ended() {
    let Some(cluster) = Cluster::start("resume", Test::new()) else {
        return;
    };
    let go = cluster.shared("go");
    let waits = format!("until [ -e '{}' ]; do sleep 0.05; done", go.display());
    cluster.plan(&[
        json!({"id": "ends", "command": cluster.counted("sleep 1")}),
        json!({"id": "runs", "command": cluster.counted(&waits)}),
        json!({"id": "waits", "command": cluster.counted("true"),
            "executor": {"kind": "slurm", "options": ["--hold"]}}),
    ]);
    let run = cluster.begin();
    cluster.begun("ends", 1);
    cluster.begun("runs", 1);
    run.kill();
    run.finish_with(137);
    eventually("one ends while nobody watches", || {
        cluster
            .lab
            .squeue()
            .iter()
            .any(|row| row.state == "COMPLETED")
    });
    let resumed = cluster.quintet(&["resume", "last"]).start();
    eventually("what had ended is seen", || {
        cluster.of("ends", "step_finished").len() == 1
    });
    let held = cluster
        .lab
        .squeue()
        .into_iter()
        .find(|row| row.state == "PENDING");
    let held = held.expect("one waits");
    cluster.lab.slurm("scontrol", &["release", &held.id]);
    std::fs::write(go, "").expect("a file can be made");
    resumed.finish_with(0);
    let mut began = cluster.ledger();
    began.sort();
    assert_eq!(began, ["ends", "runs", "waits"]);
}

/// What a step on a node occupies here, a resumed engine takes again.
#[test]
fn a_resumed_engine_holds_the_locks_of_what_goes_on() {
    let Some(cluster) = Cluster::start("locks", Test::new()) else {
        return;
    };
    let go = cluster.shared("go");
    let waits = format!("until [ -e '{}' ]; do sleep 0.05; done", go.display());
    cluster.plan(&[json!({"id": "runs", "command": cluster.counted(&waits), "locks": ["tree"]})]);
    let run = cluster.begin();
    cluster.begun("runs", 1);
    let first = cluster.events()[0]["run_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    run.kill();
    run.finish_with(137);
    let resumed = cluster.quintet(&["resume", &first]).start();
    eventually("it is resumed", || {
        cluster
            .events()
            .iter()
            .any(|event| event["type"] == "run_resumed")
    });
    // Whoever asks now waits, and is told for whom.
    std::thread::sleep(Duration::from_millis(500));
    cluster.plan(&[json!({"id": "other", "command": cluster.counted("true"), "locks": ["tree"]})]);
    let other = cluster.quintet(&["run", "plan.json"]).start();
    eventually("the other waits", || {
        !cluster.of("other", "step_blocked").is_empty()
    });
    std::fs::write(go, "").expect("a file can be made");
    resumed.finish_with(0);
    other.finish_with(0);
    assert_eq!(cluster.ledger(), ["runs", "other"]);
}

/// A full disk keeps steps from being submitted, and from ending; nothing is lost, and
/// once there is room all goes on by itself.
#[test]
fn a_full_disk_in_the_shared_directory_is_waited_for() {
    let test = Test::new();
    let small = test.path("small");
    std::fs::create_dir(&small).expect("a folder can be made");
    // Before the nodes are there: each sees what was mounted by then.
    let Some(_mount) = Mount::small(&small) else {
        return skip("full disk", "no file system of one's own is to be had");
    };
    let Some(cluster) = Cluster::start("full disk", test) else {
        return;
    };
    let fill = |full: bool| {
        let file = small.join("fill");
        match full {
            true => drop(
                Command::new("dd")
                    .arg("if=/dev/zero")
                    .arg(format!("of={}", file.display()))
                    .output(),
            ),
            false => std::fs::remove_file(file).expect("it is there"),
        }
    };
    let go = cluster.shared("go");
    let waits = format!("until [ -e '{}' ]; do sleep 0.05; done", go.display());
    cluster.plan(&[
        json!({"id": "first", "command": cluster.counted(&waits)}),
        json!({"id": "second", "command": cluster.counted("true"), "depends_on": ["first"]}),
    ]);
    let args = ["run", "plan.json", "--executor", "slurm"];
    let own = small.to_string_lossy().into_owned();
    let run = cluster
        .quintet(&args)
        .env("QUINTET_SLURM_DIR", &own)
        .start();
    cluster.begun("first", 1);
    eventually("what it was given is read and gone", || {
        cluster.ledger() == ["first"]
    });
    fill(true);
    std::fs::write(go, "").expect("a file can be made");
    std::thread::sleep(Duration::from_secs(3));
    let early = cluster.of("first", "step_finished");
    assert!(early.is_empty(), "{early:?}");
    fill(false);
    run.finish_with(0);
    assert_eq!(cluster.ledger(), ["first", "second"]);
    for step in ["first", "second"] {
        assert_eq!(cluster.of(step, "step_finished")[0]["code"], 0);
    }
}

/// A small file system, as long as this lives.
struct Mount(std::path::PathBuf);

impl Mount {
    fn small(at: &std::path::Path) -> Option<Mount> {
        let words = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let done = Command::new("mount").args(words).arg(at).output().ok()?;
        done.status.success().then(|| Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
