//! Engines, supervisors and zygotes that are killed, and what is found after.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quintet::exec::process::{Local, Zygote};
use quintet::exec::{Executor, Found, Job, Report, Stop};
use quintet::plan::builtin::Question;
use quintet::run::{Attempt, Exit};

use crate::rig::*;

const DIR: &str = "QUINTET_TEST_DIR";
const RUN: &str = "QUINTET_TEST_RUN";
const SLOTS: &str = "QUINTET_TEST_SLOTS";
const LOCK: &str = "QUINTET_TEST_LOCK";

/// An engine in a process of its own, which can be killed.
///
/// It runs one `sh` step for each line of the file `steps`, and exits when all
/// have ended. A line after `ask` is what a builtin runs.
#[test]
#[ignore = "the other tests here start it as a process"]
fn engine() {
    let zygote = Zygote::fork().expect("a zygote");
    let get = |key| std::env::var(key).expect("set by the test");
    let dir = get(DIR);
    let slots = get(SLOTS).parse().expect("a number");
    let config = config(Path::new(&dir), &get(RUN), 1, slots);
    let mut local = Local::new(zygote, config).expect("an executor");
    let steps = fs::read_to_string(format!("{dir}/steps")).expect("written by the test");
    let lock = std::env::var(LOCK).ok().map(|path| {
        let lock = fs::File::open(path).expect("made by the test");
        lock.try_lock().expect("free");
        Arc::new(lock)
    });
    for (step, script) in steps.lines().enumerate() {
        let mut job = match script.strip_prefix("ask ") {
            Some(script) => asks(step, script),
            None => sh(step, script),
        };
        job.locks.extend(lock.clone());
        if let Err(e) = local.start(job) {
            println!("broken: {e}");
            return;
        }
    }
    drop(lock);
    let mut left = steps.lines().count();
    while left > 0 {
        let mut reports = Vec::new();
        if let Err(e) = local.wait(None, &mut reports) {
            println!("broken: {e}");
            return;
        }
        for report in reports {
            if let Report::Finished { attempt, done } = report {
                println!("report {} {}", attempt.step.at(), done.exit);
                left -= 1;
            }
        }
    }
}

/// Asks for the version that a script says.
fn asks(step: usize, script: &str) -> Job {
    let question = Question::ToolVersion {
        program: "/bin/sh".into(),
        args: ["-c".into(), script.into()].into(),
        at_least: None,
        below: None,
    };
    Job {
        builtin: Some(Box::new(question)),
        ..job(step, &[])
    }
}

struct Crash {
    dir: tempfile::TempDir,
    run_id: String,
    engine: Child,
}

impl Crash {
    /// Starts an engine with these scripts as its steps; `DIR` in them is the directory.
    fn start(slots: usize, scripts: &[&str], prefix: &[&str], lock: bool) -> Crash {
        let dir = tempfile::tempdir().expect("a directory");
        let run_id = new_run_id();
        let place = dir.path().to_str().expect("UTF-8");
        let steps = scripts.join("\n").replace("DIR", place);
        fs::write(dir.path().join("steps"), steps + "\n").expect("written");
        let own = std::env::current_exe().expect("it is there");
        let own = own.to_str().expect("UTF-8");
        let role = [own, "--ignored", "--exact", "--nocapture", "crash::engine"];
        let argv = [prefix, &role].concat();
        let mut command = Command::new(argv[0]);
        command
            .args(&argv[1..])
            .env(DIR, place)
            .env(RUN, &run_id)
            .env(SLOTS, slots.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        if lock {
            let path = dir.path().join("lock");
            fs::write(&path, "").expect("written");
            command.env(LOCK, path);
        }
        let engine = command.spawn().expect("the test runs itself");
        Crash {
            dir,
            run_id,
            engine,
        }
    }

    fn file(&self, name: &str) -> String {
        wait_for_file(&self.dir.path().join(name))
    }

    fn kill_engine(&mut self) {
        self.engine.kill().expect("it is ours");
        self.engine.wait().expect("it is ours");
    }

    fn resume(self, slots: usize) -> Rig {
        let zygote = Zygote::fork().expect("a zygote");
        let config = config(self.dir.path(), &self.run_id, 2, slots);
        Rig {
            local: Local::new(zygote, config).expect("an executor"),
            dir: self.dir,
            run_id: self.run_id,
            reports: Vec::new(),
        }
    }

    /// The supervisors of this run: whoever has its record files open.
    fn supervisors(&self) -> Vec<i32> {
        holders(self.dir.path())
    }
}

fn holders(dir: &Path) -> Vec<i32> {
    let dir = dir.canonicalize().expect("it is there");
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
    let holds = |pid: &i32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten();
        open.flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|path| path.starts_with(&dir) && path.extension().is_some_and(|e| e == "rec"))
    };
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(holds)
        .collect()
}

fn kill(pid: i32) {
    let sent = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success(), "no process {pid}");
}

/// The zygote of a supervisor.
fn parent(pid: i32) -> i32 {
    let parent = status(&pid.to_string(), "PPid").expect("it lives");
    parent.parse().expect("a number")
}

fn found(rig: &mut Rig, claimed: &[Attempt]) -> Vec<Found> {
    let found = rig.local.recover(claimed).expect("the records can be read");
    let order: Vec<Attempt> = found.iter().map(|(attempt, _)| *attempt).collect();
    assert_eq!(order, claimed);
    found.into_iter().map(|(_, found)| found).collect()
}

/// A step that is alive until `DIR/go` is there, or the test is gone, and says so in `DIR/NAME`.
fn waits(name: &str, then: &str) -> String {
    format!(
        "echo $$ > DIR/{name}; while [ -d DIR ] && [ ! -e DIR/go ]; do sleep 0.02; done; {then}"
    )
}

/// XA01: what runs is not disturbed, the next engine gets its true end; what
/// was only handed ahead never runs.
#[test]
fn running_steps_outlive_the_engine_and_are_taken_over() {
    let (a, b) = (
        waits("a", "echo late; exit 7"),
        waits("b", "echo K=v > $QUINTET_OUTPUT"),
    );
    let never = "echo ran > DIR/c";
    let mut crash = Crash::start(2, &[&a, &b, never, never], &[], true);
    let pids = [crash.file("a"), crash.file("b")];
    crash.kill_engine();
    let mut rig = crash.resume(2);
    let lock = fs::File::open(rig.path("lock")).expect("it is there");
    assert!(lock.try_lock().is_err(), "a lock went free with the engine");

    let claimed = [attempt(0), attempt(1), attempt(2), attempt(3)];
    let all = found(&mut rig, &claimed);
    assert_eq!(
        all,
        [
            Found::Alive { node: None },
            Found::Alive { node: None },
            Found::NeverRan,
            Found::NeverRan
        ]
    );
    // What only waited has let go of it by now, what runs has not.
    assert!(lock.try_lock().is_err(), "a lock went free with the engine");
    // It works for the new engine now, and is one of its slots.
    let next = rig.start(sh(9, "echo $QUINTET_MARK"));
    fs::write(rig.path("go"), "").expect("written");
    let (a, b) = (rig.done(attempt(0)), rig.done(attempt(1)));
    assert_eq!(a.exit, Exit::Exited { code: 7 });
    assert_eq!(rig.read(&a.output.stdout), "late\n");
    assert_eq!((b.exit, b.outputs.len()), (Exit::Exited { code: 0 }, 1));
    let next = rig.done(next);
    let mark = format!("{}:9:main:1:nonce2\n", rig.run_id);
    assert_eq!(rig.read(&next.output.stdout), mark);

    assert_eq!([rig.wait_for_file("a"), rig.wait_for_file("b")], pids);
    assert!(
        !rig.path("c").exists(),
        "a job of the dead engine was started"
    );
    wait_until("free lock", || lock.try_lock().ok());
    rig.assert_nothing_left();
}

/// XA01: a copy of the supervisor goes on like a program.
#[test]
fn a_question_outlives_the_engine_and_is_taken_over() {
    let ask = format!("ask {}", waits("a", "echo 1.2.3"));
    let mut crash = Crash::start(1, &[&ask], &[], true);
    crash.file("a");
    crash.kill_engine();
    let mut rig = crash.resume(1);
    let lock = fs::File::open(rig.path("lock")).expect("it is there");
    assert!(lock.try_lock().is_err(), "a lock went free with the engine");
    assert_eq!(
        found(&mut rig, &[attempt(0)]),
        [Found::Alive { node: None }]
    );
    fs::write(rig.path("go"), "").expect("written");
    let done = rig.done(attempt(0));
    assert_eq!(done.exit, Exit::Exited { code: 0 });
    assert_eq!(rig.read(&done.output.stdout), "/bin/sh 1.2.3\n");
    wait_until("free lock", || lock.try_lock().ok());
    rig.assert_nothing_left();
}

/// XA02: the end is found, as it was and when it was.
#[test]
fn a_step_that_ends_while_no_engine_lives_is_found_with_its_end() {
    let script = waits("a", "echo whole log; exit 7");
    let mut crash = Crash::start(1, &[&script], &[], false);
    crash.file("a");
    crash.kill_engine();
    fs::write(crash.dir.path().join("go"), "").expect("written");
    wait_until("end of the supervisor", || {
        crash.supervisors().is_empty().then_some(())
    });
    let mut rig = crash.resume(1);
    let all = found(&mut rig, &[attempt(0)]);
    let Found::Finished(done) = &all[0] else {
        panic!("{all:?}");
    };
    assert_eq!(done.exit, Exit::Exited { code: 7 });
    assert_eq!(rig.read(&done.output.stdout), "whole log\n");
    // Asked again, it says the same: an engine may die while it recovers.
    assert_eq!(found(&mut rig, &[attempt(0)]), all);
    assert_eq!(rig.run(sh(1, "exit 1")).exit, Exit::Exited { code: 1 });
}

/// XA03: nobody saw the end; what is left is dead before the answer.
#[test]
fn with_the_supervisors_dead_too_attempts_are_interrupted_and_survivors_dead() {
    let script = "setsid sleep 120 & sleep 121 & echo x > DIR/a; sleep 122";
    let mut crash = Crash::start(1, &[script], &[], false);
    crash.file("a");
    let supervisors = crash.supervisors();
    let zygote = parent(supervisors[0]);
    crash.kill_engine();
    // Without the zygote nobody but the next engine can find what is left.
    kill(zygote);
    supervisors.into_iter().for_each(kill);
    wait_until("end of the supervisor", || {
        crash.supervisors().is_empty().then_some(())
    });
    assert!(left(&crash.run_id).len() >= 3);
    let mut rig = crash.resume(1);
    assert_eq!(found(&mut rig, &[attempt(0)]), [Found::Interrupted]);
    rig.assert_nothing_left();
    assert_eq!(rig.run(sh(1, "exit 1")).exit, Exit::Exited { code: 1 });
}

/// XA03, in part: the zygote does it without an engine.
#[test]
fn a_zygote_ends_what_a_dead_supervisor_leaves_even_without_an_engine() {
    let script = "setsid env -i sleep 120 & echo x > DIR/a; sleep 122";
    let mut crash = Crash::start(1, &[script], &[], false);
    crash.file("a");
    let supervisors = crash.supervisors();
    let zygote = parent(supervisors[0]);
    crash.kill_engine();
    supervisors.into_iter().for_each(kill);
    wait_until("end of the zygote", || {
        let name = status(&zygote.to_string(), "Name");
        (name.as_deref() != Some("quintet-zygote")).then_some(())
    });
    assert!(left(&crash.run_id).is_empty());
}

#[test]
fn a_supervisor_killed_under_a_living_engine_interrupts_its_attempt_only() {
    let mut rig = Rig::new(2);
    let dir = rig.dir.path().display().to_string();
    let script = format!("setsid env -i sleep 120 & echo $PPID > {dir}/a; sleep 121");
    let attempt_0 = rig.start(sh(0, &script));
    let other = rig.start(sh(
        1,
        &format!("while [ ! -e {dir}/go ]; do sleep 0.02; done"),
    ));
    let ahead = rig.start(sh(2, "exit 5"));
    let supervisor = rig.wait_for_file("a").trim().parse().expect("a number");
    kill(supervisor);
    rig.interrupted(attempt_0);
    assert_eq!(rig.done(ahead).exit, Exit::Exited { code: 5 });
    fs::write(rig.path("go"), "").expect("written");
    assert_eq!(rig.done(other).exit, Exit::Exited { code: 0 });
    rig.assert_nothing_left();
}

#[test]
fn without_its_zygote_an_engine_keeps_its_slots_and_says_what_it_cannot_do() {
    let mut rig = Rig::new(2);
    let done = rig.run(sh(0, "echo $PPID"));
    let supervisor: i32 = rig
        .read(&done.output.stdout)
        .trim()
        .parse()
        .expect("a number");
    kill(parent(supervisor));
    assert_eq!(rig.run(sh(1, "exit 3")).exit, Exit::Exited { code: 3 });
    let dir = rig.dir.path().display().to_string();
    let doomed = rig.start(sh(
        2,
        &format!("setsid sleep 120 & echo x > {dir}/a; sleep 121"),
    ));
    // After a failure nothing begins before the engine waits again.
    rig.accepted(doomed);
    rig.wait_for_file("a");
    kill(supervisor);
    rig.interrupted(doomed);
    rig.assert_nothing_left();
    let mut reports = Vec::new();
    let refused = rig
        .local
        .start(sh(3, "true"))
        .and_then(|()| rig.local.wait(Some(Duration::from_secs(1)), &mut reports));
    assert!(refused.is_err());
}

/// What runs without a claim in the log must not go on unowned.
#[test]
fn a_step_that_nobody_claims_is_ended_by_the_next_engine() {
    let script = waits("a", "exit 7");
    let mut crash = Crash::start(1, &[&script], &[], false);
    crash.file("a");
    crash.kill_engine();
    let mut rig = crash.resume(1);
    assert_eq!(found(&mut rig, &[attempt(5)]), [Found::NeverRan]);
    rig.assert_nothing_left();
    assert_eq!(rig.run(sh(6, "exit 6")).exit, Exit::Exited { code: 6 });
    assert_eq!(end_of(&rig.reports, attempt(0)), None);
}

/// XA01 twice over: each engine in turn takes over what the first one began.
#[test]
fn a_step_outlives_two_engines() {
    let script = waits("a", "exit 7");
    let mut crash = Crash::start(1, &[&script], &[], false);
    crash.file("a");
    crash.kill_engine();
    let mut second = crash.resume(1);
    assert_eq!(
        found(&mut second, &[attempt(0)]),
        [Found::Alive { node: None }]
    );
    let Rig {
        dir, run_id, local, ..
    } = second;
    drop(local);
    let zygote = Zygote::fork().expect("a zygote");
    let mut third = Rig {
        local: Local::new(zygote, config(dir.path(), &run_id, 3, 1)).expect("an executor"),
        dir,
        run_id,
        reports: Vec::new(),
    };
    assert_eq!(
        found(&mut third, &[attempt(0)]),
        [Found::Alive { node: None }]
    );
    third.stop(attempt(0), Stop::Grace);
    let exit = Exit::Canceled { signal: Some(15) };
    assert_eq!(third.done(attempt(0)).exit, exit);
    third.assert_nothing_left();
}

/// XA10: an engine that was frozen between opening the run and looking for what
/// runs, and that another has replaced since, neither takes over what runs nor
/// ends it.
#[test]
fn xa10_an_engine_that_was_replaced_while_it_was_frozen_touches_nothing_that_runs() {
    let mut crash = Crash::start(1, &[&waits("a", "exit 7")], &[], false);
    crash.file("a");
    crash.kill_engine();
    let frozen = crash.resume(1);
    let (dir, run_id) = (frozen.dir.path().to_owned(), frozen.run_id.clone());
    let engine = |epoch| {
        let zygote = Zygote::fork().expect("a zygote");
        Local::new(zygote, config(&dir, &run_id, epoch, 1))
    };
    let newer = engine(3).expect("an executor");
    let mut frozen = frozen;
    // Whether it knows of the attempt or not.
    for claimed in [&[attempt(0)][..], &[]] {
        let refused = frozen.local.recover(claimed).expect_err("it is too late");
        assert!(refused.to_string().contains("later engine"), "{refused}");
    }
    // Nor does it get a slot, or the run a second time.
    let job = sh(1, &format!("echo ran > {}", frozen.path("b").display()));
    let mut said = frozen.local.start(job);
    let mut reports = Vec::new();
    while said.is_ok() && end_of(&reports, attempt(1)).is_none() {
        said = frozen.local.wait(Some(BOUND), &mut reports);
    }
    let refused = said.expect_err("it is too late");
    assert!(refused.to_string().contains("later engine"), "{refused}");
    assert!(engine(2).is_err() && engine(3).is_err());
    frozen.local = newer;
    assert_eq!(
        found(&mut frozen, &[attempt(0)]),
        [Found::Alive { node: None }]
    );
    assert!(!frozen.path("b").exists());
    fs::write(frozen.path("go"), "").expect("written");
    let exit = Exit::Exited { code: 7 };
    assert_eq!(frozen.done(attempt(0)).exit, exit);
    frozen.assert_nothing_left();
}

/// XA10: nor does a supervisor answer an engine of before the one it had last,
/// should the list of epochs not show that one. Nightly, since the refused
/// engine asks for ten seconds.
#[test]
fn xa10_a_supervisor_answers_no_engine_of_an_earlier_epoch() {
    if std::env::var_os("NIGHTLY").is_none() {
        return;
    }
    let mut crash = Crash::start(1, &[&waits("a", "exit 7")], &[], false);
    crash.file("a");
    crash.kill_engine();
    let mut rig = crash.resume(1);
    let epochs = rig.path("slots/epochs");
    let before = fs::read(&epochs).expect("it is there");
    let engine = |rig: &Rig, epoch| {
        let zygote = Zygote::fork().expect("a zygote");
        let config = config(rig.dir.path(), &rig.run_id, epoch, 1);
        Local::new(zygote, config).expect("an executor")
    };
    let newer = engine(&rig, 3);
    let frozen = std::mem::replace(&mut rig.local, newer);
    assert_eq!(
        found(&mut rig, &[attempt(0)]),
        [Found::Alive { node: None }]
    );
    rig.local = frozen;
    fs::write(&epochs, before).expect("written");
    for claimed in [&[attempt(0)][..], &[]] {
        let refused = rig.local.recover(claimed).expect_err("it is too late");
        assert!(refused.to_string().contains("still answers"), "{refused}");
    }
    rig.local = engine(&rig, 4);
    assert_eq!(
        found(&mut rig, &[attempt(0)]),
        [Found::Alive { node: None }]
    );
    fs::write(rig.path("go"), "").expect("written");
    let exit = Exit::Exited { code: 7 };
    assert_eq!(rig.done(attempt(0)).exit, exit);
}

/// After a reboot silence proves nothing: the records may have been lost with it.
#[test]
fn an_attempt_without_a_record_from_before_a_reboot_counts_as_interrupted() {
    let dir = tempfile::tempdir().expect("a directory");
    let run_id = new_run_id();
    let engine = |epoch| {
        let zygote = Zygote::fork().expect("a zygote");
        Local::new(zygote, config(dir.path(), &run_id, epoch, 1)).expect("an executor")
    };
    drop(engine(1));
    let ask = |mut local: Local| local.recover(&[attempt(0)]).expect("readable").remove(0).1;
    assert_eq!(ask(engine(2)), Found::NeverRan);
    let epochs = dir.path().join("slots/epochs");
    fs::write(&epochs, b"\n1 some-other-boot\n2 t\xff\0rn").expect("written");
    assert_eq!(ask(engine(3)), Found::Interrupted);
}

/// XD02, XD04 in part: what cannot be written down is not started, and an end
/// that could not be written down is told to the next engine all the same.
#[test]
fn a_full_disk_starts_nothing_unrecorded_and_loses_no_end() {
    const STEPS: usize = 12;
    let launcher = "import os, resource, sys\n\
        n = int(sys.argv[1])\n\
        resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))\n\
        os.execv(sys.argv[2], sys.argv[2:])";
    let step = "mkdir DIR/ran-$(echo $QUINTET_MARK | cut -d: -f2)";
    for limit in [400, 440, 480, 520, 560] {
        let limit = limit.to_string();
        let prefix = ["python3", "-c", launcher, &limit];
        let mut crash = Crash::start(1, &[step; STEPS], &prefix, false);
        crash.engine.wait().expect("it is ours");
        let mut out = BufReader::new(crash.engine.stdout.take().expect("piped")).lines();
        assert!(out.any(|line| line.is_ok_and(|line| line.contains("broken: "))));

        let mut rig = crash.resume(1);
        let claimed: Vec<Attempt> = (0..STEPS).map(attempt).collect();
        let all = found(&mut rig, &claimed);
        let never = all.iter().filter(|f| **f == Found::NeverRan).count();
        assert!(0 < never && never < STEPS, "limit {limit}: {all:?}");
        for (&attempt, found) in claimed.iter().zip(&all) {
            let ran = rig.path(&format!("ran-{}", attempt.step.at())).exists();
            assert_eq!(ran, *found != Found::NeverRan, "limit {limit}: {all:?}");
            let done = match found {
                Found::Finished(done) => done.clone(),
                Found::Alive { .. } => rig.done(attempt),
                Found::NeverRan => continue,
                Found::Waits | Found::Interrupted => panic!("limit {limit}: {all:?}"),
            };
            assert_eq!(done.exit, Exit::Exited { code: 0 });
        }
        // With the run gone, nobody waits for room to write any more.
        let supervisors = holders(rig.dir.path());
        drop(rig);
        for pid in supervisors {
            wait_until("end of a supervisor", || {
                let name = status(&pid.to_string(), "Name");
                (name.as_deref() != Some("quintet-slot")).then_some(())
            });
        }
    }
}

/// XB10: whatever the engine was born with, steps see none of it.
#[test]
fn steps_see_nothing_of_the_engines_inheritance() {
    let launcher = "import os, signal, sys\n\
        for s in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM, 40):\n\
        \x20   signal.signal(s, signal.SIG_IGN)\n\
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\n\
        os.umask(0)\n\
        for n in range(200):\n\
        \x20   os.set_inheritable(os.open('/dev/null', os.O_RDONLY), True)\n\
        os.execv(sys.argv[1], sys.argv[1:])";
    let step =
        "python3 -c \"$(cat DIR/step.py)\" look-around > DIR/seen.new; mv DIR/seen.new DIR/seen";
    let script = format!("while [ ! -e DIR/step.py ]; do sleep 0.02; done; {step}; exit 9");
    let mut crash = Crash::start(1, &[&script], &["python3", "-c", launcher], false);
    fs::write(crash.dir.path().join("step.py"), STEP).expect("written");
    let seen = crash.file("seen");
    // Listing the directory takes a descriptor, which is gone when it is looked at.
    let expected = "fds 0 1 2\nblocked 0\nignored 0\nstdin 0\ntty 6\numask 000\nleads False\n";
    assert_eq!(seen, expected);
    // The exit code is right although the ends of children were to be ignored.
    let out = crash.engine.stdout.take().expect("piped");
    let line = BufReader::new(out)
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("report 0"));
    assert_eq!(line.as_deref(), Some("report 0 exit 9"));
    crash.engine.wait().expect("it is ours");
}
