//! What a step is born with, whatever the engine was born with; and programs
//! that cannot be started.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::hostile::inherit;
use crate::support::{Test, skip};
use crate::{Record, exists, number, plan, running, text};

const STEP: &str = include_str!("../executor/step.py");

/// Runs what follows with all that a launcher can get wrong.
const BAD_LAUNCHER: &str = r#"
import os, signal, sys
for s in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGQUIT, 40):
    signal.signal(s, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
os.umask(0)
for n in range(200):
    os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
if sys.argv[1] == "closed":
    os.closerange(0, 3)
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// XB10: steps see default signals, an empty mask and three descriptors, nothing
/// on stdin and no terminal, and their exit codes are right.
#[test]
fn xb10_what_the_engine_inherits_steps_do_not() {
    for streams in ["open", "closed"] {
        let test = plan(
            r#"
            steps:
              - {id: look, command: python3, args: [step.py, look-around]}
              - {id: code, shell: true, command: "exit 7", exit_codes: {"7": warning}}
              - {id: signal, shell: true, command: "kill -INT $$$$", on_failure: continue}
              - {id: ignored, shell: true, on_failure: continue,
                 command: "sh -c 'kill -HUP $$$$'; echo $?"}
            "#,
        )
        .file("step.py", STEP);
        let mut launcher = Command::new("python3");
        launcher.args(["-c", BAD_LAUNCHER, streams]);
        let command = running(&test, &[]).command();
        let launcher = inherit(&mut launcher, &command).stdin(Stdio::null());
        let done = launcher.output().expect("python3 can be started");
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{streams}: {stderr}");

        let record = Record::last(&test);
        let log = |id| test.quintet(&["logs", "last", id, "--stdout"]).run().text();
        let seen = log("look");
        let expected = "fds 0 1 2\nblocked 0\nignored 0\nstdin 0\ntty 6\n";
        assert!(seen.starts_with(expected), "{streams}: {seen}");
        assert!(seen.ends_with("leads True\n"), "{seen}");
        assert_eq!(record.step("code")["exit_code"], 7);
        assert_eq!(record.step("signal")["signal"], 2);
        assert_eq!(log("ignored"), "129\n");
        // XH03: nothing that is kept is anybody else's to read.
        let mut open = Vec::new();
        private(&test.path("state"), &mut open);
        assert_eq!(open, Vec::<String>::new());
    }
}

/// Collects what others than the owner may do anything with.
fn private(path: &std::path::Path, open: &mut Vec<String>) {
    let found = std::fs::symlink_metadata(path).expect("it is there");
    if found.permissions().mode() & 0o077 != 0 {
        open.push(path.display().to_string());
    }
    if found.is_dir() {
        for entry in std::fs::read_dir(path).expect("it can be read").flatten() {
            private(&entry.path(), open);
        }
    }
}

/// XB12: the program never ran, its failure has the system's name, it is made
/// again only as often as the plan says, and the slot is free for the next.
#[test]
fn xb12_what_cannot_start_fails_to_start() {
    let huge = "x".repeat(100_000);
    let args = vec![format!("\"{huge}\""); 40].join(", ");
    let long = "x".repeat(200_000);
    let cases = [
        (
            "missing",
            "command: no-such-program",
            "ENOENT",
            "no such program: no-such-program",
        ),
        (
            "path",
            "command: ./no/such",
            "ENOENT",
            "no such program: ./no/such",
        ),
        (
            "plain",
            "command: ./plain",
            "EACCES",
            "no permission to run: ./plain",
        ),
        (
            "folder",
            "command: ./",
            "EACCES",
            "no permission to run: ./",
        ),
        (
            "nonsense",
            "command: ./nonsense",
            "ENOEXEC",
            "not a program the system can run",
        ),
        (
            "orphan",
            "command: ./orphan",
            "ENOENT",
            "the interpreter that the first line of",
        ),
        (
            "cwd",
            "command: touch, args: [ran], cwd: no/such",
            "ENOENT",
            "working directory does not exist",
        ),
        (
            "file",
            "command: touch, args: [ran], cwd: plain",
            "ENOTDIR",
            "working directory is not a directory",
        ),
        (
            "many",
            &format!("command: touch, args: [ran, {args}]"),
            "E2BIG",
            "are too long",
        ),
        (
            "long",
            &format!("command: touch, args: [ran, {long}]"),
            "E2BIG",
            "are too long",
        ),
    ];
    let steps: String = cases
        .iter()
        .map(|(id, action, ..)| format!("  - {{id: {id}, {action}, on_failure: continue}}\n"))
        .collect();
    let more = "  - {id: again, command: ./no/such, retries: 2, critical: false,\n      on_failure: skip_dependents}\n  \
                - {id: never, command: touch, args: [never], depends_on: [again]}\n  \
                - {id: last, command: touch, args: [last]}\n";
    let test = plan(&format!(
        "globals: {{max_concurrency: 1}}\nsteps:\n{steps}{more}"
    ));
    let put = |name: &str, content: &str, mode| {
        let path = test.path("work").join(name);
        std::fs::write(&path, content).expect("it can be written");
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("it is ours");
    };
    put("plain", "echo no > ran", 0o644);
    put("nonsense", "echo no > ran", 0o755);
    put("orphan", "#!/no/such/interpreter\n", 0o755);
    running(&test, &[])
        .no_file("ran")
        .no_file("never")
        .file_is("last", "")
        .run();
    let record = Record::last(&test);
    for (id, _, errno, words) in cases {
        let end = record.of("step_finished", id)[0];
        assert_eq!(
            (&end["end"], &end["errno"]),
            (&"failed_to_start".into(), &errno.into()),
            "{id}"
        );
        assert!(text(&end["error"]).contains(words), "{id}: {end}");
        assert_eq!(record.of("step_finished", id).len(), 1, "{id}");
        assert_eq!(record.step(id)["end"], "failed_to_start", "{id}");
        test.quintet(&["why", id]).stdout_has(words).run();
    }
    assert_eq!(record.of("step_finished", "again").len(), 3);
    assert_eq!(number(&record.step("again")["attempts"]), 3);
}

/// Becomes somebody who may have only so many processes, and runs what follows.
const FEW_PROCESSES: &str = r#"
import os, resource, sys
n, user = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([]); os.setgid(user); os.setuid(user)
resource.setrlimit(resource.RLIMIT_NPROC, (n, n))
os.execv(sys.argv[3], sys.argv[3:])
"#;

/// A run by a user that has no other process, whoever else runs these tests
/// now, and may have so many. `None` where that cannot be.
fn few_processes(yaml: &str, most: u32, user: u32) -> Option<(Test, Option<i32>, String, String)> {
    let user = 100_000 + 2 * std::process::id() + user;
    if !nix::unistd::Uid::effective().is_root() {
        skip("xb12", "needs root, to become a user with a limit");
        return None;
    }
    let test = plan(yaml);
    for dir in [test.path(""), test.path("work")] {
        std::os::unix::fs::chown(dir, Some(user), Some(user)).expect("root may");
    }
    let command = running(&test, &[]).command();
    let mut bounded = Command::new("timeout");
    bounded.args(["30", "python3", "-c", FEW_PROCESSES]);
    bounded.args([most.to_string(), user.to_string()]);
    let done = inherit(&mut bounded, &command).output();
    let done = done.expect("timeout can be started");
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    if stderr.contains("PermissionError") {
        skip("xb12", "the program lies where nobody else may enter");
        return None;
    }
    assert!(!stderr.contains("panicked"), "{most}: {stderr}");
    // Root itself may not use a state that is somebody else's.
    let events = Command::new("sh")
        .args(["-c", "cat state/runs/*/events.jsonl"])
        .current_dir(test.path(""))
        .output()
        .expect("sh can be started");
    let events = String::from_utf8_lossy(&events.stdout).into_owned();
    Some((test, done.status.code(), stderr, events))
}

/// XB12: the system has no room for a step's process.
#[test]
fn xb12_without_room_for_its_process_a_step_fails_to_start() {
    // The first step takes its supervisor's right to any process away.
    let took = few_processes(
        r#"
        steps:
          - id: a
            command: python3
            args:
              - -c
              - |
                import os, resource as r
                r.prlimit(os.getppid(), r.RLIMIT_NPROC, (1, 1))
          - {id: b, command: touch, args: [ran], depends_on: [a], retries: 1, on_failure: continue}
          - {id: c, command: touch, args: [ran], depends_on: [b]}
        "#,
        1000,
        0,
    );
    let Some((test, code, stderr, events)) = took else {
        return;
    };
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(
        events.matches("\"errno\":\"EAGAIN\"").count(),
        3,
        "{events}"
    );
    assert!(events.contains("no room for another process"), "{events}");
    assert!(!exists(&test, "ran"));
}

/// XB12: the same for the program's own processes and threads, wherever it
/// becomes too much. Nothing hangs.
#[test]
fn xb12_without_room_for_its_own_processes_a_run_is_refused() {
    let mut went = 0;
    for most in (1..10).chain([500]) {
        let took = few_processes("steps: [{id: a, command: touch, args: [ran]}]", most, 1);
        let Some((_test, code, stderr, events)) = took else {
            return;
        };
        match code {
            Some(0) => went += 1,
            Some(1) if events.contains("\"errno\":\"EAGAIN\"") => {}
            Some(1) => assert!(
                stderr.contains("temporarily unavailable"),
                "{most}: {stderr}"
            ),
            code => panic!("{most}: {code:?}: {stderr}"),
        }
    }
    assert!(went > 0 && went < 10, "{went} of 10 went");
}
