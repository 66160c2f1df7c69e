//! Engines that die, freeze or are replaced while steps run: the steps go on,
//! and the next engine takes them over or finds their true ends.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use quintet::Quintet;
use quintet::run::{Exit, Kind};
use serde_json::json;

use crate::support::{Live, Test, eventually, nightly};
use crate::witness::{
    count, diamond, ends, given, kill_all, kill_engine, ledger, lines, lives, nothing_is_left,
    recorded, run_of, started, step, touch, with, wrongs,
};

/// The diamond, whose b and c wait for files named after them.
fn waiting() -> Vec<serde_json::Value> {
    let mut steps = diamond("0");
    steps[1]["args"] = json!(["step.sh", "b", "/go-b"]);
    steps[2]["args"] = json!(["step.sh", "c", "/go-c"]);
    steps
}

fn begin(test: &Test) -> Live<'_> {
    let run = test.quintet(&["run", "plan.json", "-q"]);
    run.status(137).start()
}

fn pid(test: &Test, step: &str) -> i32 {
    let starts = lines(test, "start", step);
    starts.last().expect("it has started").number
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("it is after 1970").as_millis() as u64
}

/// Waits until an engine has taken the run over.
#[track_caller]
fn taken_over(test: &Test, epoch: u32) {
    eventually("the run is taken over", || {
        recorded(test).is_some_and(|run| {
            let engine = run.state.engine().cloned();
            engine.is_some_and(|engine| engine.epoch >= epoch)
        })
    });
}

/// The end in the record is the one that the step itself has noted, but for
/// the moment that exiting takes.
#[track_caller]
fn same_moment(recorded: u64, noted: Option<u64>) {
    let noted = noted.expect("an end has a time");
    let late = recorded as i64 - noted as i64;
    assert!((-50..3000).contains(&late), "recorded {late} ms later");
}

/// XA01.
#[test]
fn xa01_steps_that_run_are_not_disturbed_and_are_taken_over_as_they_are() {
    let test = given(2, &waiting());
    let run = begin(&test);
    started(&test, "b");
    started(&test, "c");
    let pids = [pid(&test, "b"), pid(&test, "c")];
    kill_engine(run);
    let resume = test.quintet(&["resume", "-q"]).start();
    taken_over(&test, 2);
    assert!(pids.iter().all(|pid| lives(*pid)), "{:?}", ledger(&test));
    touch(&test, "go-b");
    touch(&test, "go-c");
    resume.finish();

    assert_eq!(wrongs(&test), Vec::<String>::new());
    let run = run_of(&test);
    let quintet = Quintet::open(&test.path("state")).expect("it is there");
    for (step, pid) in ["b", "c"].into_iter().zip(pids) {
        let starts = lines(&test, "start", step);
        assert_eq!((starts.len(), starts[0].number), (1, pid), "{starts:?}");
        assert!(lines(&test, "signal", step).is_empty());
        let end = &ends(&run)[step][0];
        assert_eq!(end.exit, Exit::Exited { code: 0 });
        same_moment(end.ended_at, lines(&test, "end", step)[0].at);
        // What it wrote before, between and after the engines is all there.
        let log = quintet.output("last", step).expect("it has a log");
        let ticks = log.lines().count() - 1;
        let whole: String = (1..=ticks).map(|n| format!("tick {n}\n")).collect();
        assert_eq!(log, format!("{whole}log of {step}\n"));
    }
    nothing_is_left(&test);
}

/// XA02.
#[test]
fn xa02_an_end_that_no_engine_saw_is_recorded_as_it_was_and_retried_once() {
    let mut steps = waiting();
    let fields = json!({"args": ["step.sh", "b", "/go-b", "7"], "retries": 1,
                        "on_failure": "continue", "critical": false});
    steps[1] = with(steps[1].clone(), fields);
    let test = given(2, &steps);
    let run = begin(&test);
    started(&test, "b");
    started(&test, "c");
    kill_engine(run);
    touch(&test, "go-b");
    touch(&test, "go-c");
    nothing_is_left(&test);
    let before = now();
    test.quintet(&["resume", "-q"]).run();

    let run = run_of(&test);
    let all = ends(&run);
    let b = &all["b"];
    assert_eq!(b.len(), 2, "one attempt, and its retry");
    assert!(b.iter().all(|end| end.exit == Exit::Exited { code: 7 }));
    same_moment(b[0].ended_at, lines(&test, "end", "b")[0].at);
    assert!(b[0].ended_at <= before);
    let retries = count(&run, |kind| matches!(kind, Kind::StepRetry { .. }));
    assert_eq!((retries, lines(&test, "start", "b").len()), (1, 2));
    for step in ["a", "c", "d"] {
        assert_eq!(lines(&test, "start", step).len(), 1, "{:?}", ledger(&test));
    }
    let log = test
        .quintet(&["logs", "last", "b", "--attempt", "1"])
        .run()
        .text();
    assert!(
        log.contains("tick 1\n") && log.contains("log of b\n"),
        "{log}"
    );
    assert_eq!(run.row.exit_code, Some(0));
    nothing_is_left(&test);
}

/// Kills the engine and its supervisors while b and c run; gives b's and c's
/// processes, which nobody has ended but perhaps a zygote.
fn orphaned(test: &Test, zygote_too: bool) -> [i32; 2] {
    let run = begin(test);
    started(test, "b");
    started(test, "c");
    let pids = [pid(test, "b"), pid(test, "c")];
    kill_engine(run);
    kill_all(test, |pid, ours| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        ours && (zygote_too || name.trim_end() == "quintet-slot")
    });
    pids
}

/// XA03.
#[test]
fn xa03_what_nobody_saw_the_end_of_is_ended_and_then_made_once_more() {
    for zygote_too in [false, true] {
        let test = given(2, &waiting());
        let pids = orphaned(&test, zygote_too);
        let resume = test.quintet(&["resume", "-q"]).start();
        eventually("b and c start again", || {
            lines(&test, "start", "b").len() == 2 && lines(&test, "start", "c").len() == 2
        });
        assert!(!pids.iter().any(|pid| lives(*pid)), "{:?}", ledger(&test));
        touch(&test, "go-b");
        touch(&test, "go-c");
        resume.finish();
        // Among them: nothing overlaps, nothing is made again unrecorded.
        assert_eq!(wrongs(&test), Vec::<String>::new());
        for step in ["b", "c"] {
            let exits: Vec<Exit> = ends(&run_of(&test))
                .remove(step)
                .expect("it has ends")
                .into_iter()
                .map(|end| end.exit)
                .collect();
            assert_eq!(exits, [Exit::Interrupted, Exit::Exited { code: 0 }]);
        }
        nothing_is_left(&test);
    }
}

/// XA03.
#[test]
fn xa03_what_must_not_be_repeated_waits_for_a_persons_word() {
    for (word, c_starts) in [("--rerun", 2), ("--assume-done", 1)] {
        let mut steps = waiting();
        steps[2] = with(steps[2].clone(), json!({"idempotent": false}));
        let test = given(2, &steps);
        orphaned(&test, true);
        test.quintet(&["resume"])
            .status(3)
            .stderr_has("quarantined")
            .run();
        nothing_is_left(&test);
        test.quintet(&["resume"])
            .status(3)
            .stderr_has("nobody saw how c ended")
            .stderr_has("--rerun c")
            .stderr_has("--assume-done c")
            .run();
        assert_eq!(run_of(&test).row.state.word(), "quarantined");
        assert_eq!(lines(&test, "start", "c").len(), 1);
        touch(&test, "go-b");
        touch(&test, "go-c");
        test.quintet(&["resume", "-q", word, "c"]).run();
        assert_eq!(run_of(&test).row.state.word(), "succeeded");
        assert_eq!(lines(&test, "start", "c").len(), c_starts);
        assert_eq!(lines(&test, "end", "d").len(), 1);
        assert!(lines(&test, "overlap", "c").is_empty());
        nothing_is_left(&test);
    }
}

/// XA08.
#[test]
fn xa08_a_kill_during_the_back_off_keeps_the_attempt_and_the_rest_of_the_wait() {
    // Fails twice, then succeeds.
    let script = "echo \"start f $QUINTET_ATTEMPT $$$$\" >> ledger; [ $QUINTET_ATTEMPT -gt 2 ]";
    let delay = if nightly() { 5 } else { 4 };
    let flaky = json!({"id": "f", "shell": true, "command": script, "retries": 3,
                       "retry_delay_sec": delay});
    let test = given(1, &[flaky]);
    let run = begin(&test);
    eventually("the first back-off begins", || {
        recorded(&test)
            .is_some_and(|run| count(&run, |kind| matches!(kind, Kind::StepRetry { .. })) == 1)
    });
    std::thread::sleep(Duration::from_millis(500));
    kill_engine(run);
    std::thread::sleep(Duration::from_secs(delay - 2));
    let before = now();
    test.quintet(&["resume", "-q"]).run();

    let run = run_of(&test);
    let starts: Vec<u32> = lines(&test, "start", "f")
        .iter()
        .map(|line| line.attempt)
        .collect();
    assert_eq!(starts, [1, 2, 3]);
    assert_eq!(run.row.state.word(), "succeeded");
    let mut due = Vec::new();
    for event in &run.events {
        match &event.kind {
            Kind::StepRetry {
                attempt,
                not_before,
                ..
            } => due.push((attempt.number, *not_before)),
            Kind::StepStarted { attempt, .. } if attempt.number > 1 => {
                let (number, not_before) = due[attempt.number as usize - 2];
                assert_eq!(number, attempt.number);
                let late = event.at as i64 - not_before as i64;
                assert!(late >= 0, "{late} ms late");
                // Waited for from its beginning, it would be later by what had passed.
                let all = before + delay * 1000;
                assert!(attempt.number > 2 || event.at < all, "{late} ms late");
            }
            _ => {}
        }
    }
    assert_eq!(due.len(), 2);
}

/// XA10.
#[test]
fn xa10_a_frozen_engine_neither_delays_a_timeout_nor_gives_its_run_away() {
    let (timeout, frozen_for) = if nightly() { (5, 60) } else { (1, 6) };
    let slow = with(
        step("slow", "/never", &[]),
        json!({"timeout_sec": timeout, "on_failure": "continue", "critical": false}),
    );
    let steps = [
        slow,
        step("quick", "/go", &[]),
        step("last", "0", &["quick"]),
    ];
    let test = given(2, &steps);
    let run = test.quintet(&["run", "plan.json", "-q"]).start();
    started(&test, "slow");
    started(&test, "quick");
    let begun = Instant::now();
    run.signal(Signal::SIGSTOP);
    let frozen = format!("/proc/{}/stat", run.pid());
    let is_frozen = || fs::read_to_string(&frozen).is_ok_and(|stat| stat.contains(") T "));
    eventually("the engine is frozen", is_frozen);

    let slow = pid(&test, "slow");
    eventually("the timeout fires", || !lives(slow));
    touch(&test, "go");
    let quick = pid(&test, "quick");
    eventually("the other ends by itself", || !lives(quick));
    let host = nix::unistd::gethostname().expect("it has a name");
    test.quintet(&["resume", "last"])
        .status(75)
        .stderr_has(&run.pid().to_string())
        .stderr_has(&host.to_string_lossy())
        .run();
    std::thread::sleep(Duration::from_secs(frozen_for).saturating_sub(begun.elapsed()));
    assert!(is_frozen());
    run.signal(Signal::SIGCONT);
    run.finish();

    let recorded = run_of(&test);
    assert_eq!(recorded.row.state.word(), "succeeded");
    let all = ends(&recorded);
    for step in ["slow", "quick", "last"] {
        assert_eq!(lines(&test, "start", step).len(), 1, "{:?}", ledger(&test));
        assert_eq!(all[step].len(), 1);
    }
    let end = &all["slow"][0];
    assert!(matches!(end.exit, Exit::TimedOut { .. }), "{:?}", end.exit);
    let started = recorded.step("slow").expect("it is there").started_at;
    let took = end.ended_at.saturating_sub(started);
    // Had it waited for the engine, it would have taken as long as that was frozen.
    let most = timeout * 1000 + 4500;
    assert!(took < most, "the timeout took {took} ms");
    same_moment(all["quick"][0].ended_at, lines(&test, "end", "quick")[0].at);
    nothing_is_left(&test);
}

/// A call of a copy of the program, which is not the one that was built.
fn copy(test: &Test, program: &Path, args: &[&str]) -> Command {
    let plain = test.quintet(args).command();
    let mut command = Command::new(program);
    command.args(args).env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
        .current_dir(test.path("work"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// XA11.
#[test]
fn xa11_a_program_that_is_replaced_under_running_steps_takes_them_over() {
    let test = given(2, &waiting());
    let program = test.path("quintet");
    fs::copy(env!("CARGO_BIN_EXE_quintet"), &program).expect("it can be copied");
    let mut engine = copy(&test, &program, &["run", "plan.json", "-q"])
        .spawn()
        .expect("the copy can be started");
    started(&test, "b");
    started(&test, "c");
    let pids = [pid(&test, "b"), pid(&test, "c")];
    engine.kill().expect("it is ours");
    engine.wait().expect("it is ours");

    // Another file in its place, as an update leaves it.
    let newer = test.path("newer");
    fs::copy(env!("CARGO_BIN_EXE_quintet"), &newer).expect("it can be copied");
    let mut file = fs::File::options().append(true).open(&newer).unwrap();
    file.write_all(b"a later version").expect("it is ours");
    drop(file);
    fs::rename(&newer, &program).expect("it is ours");
    let mut resume = copy(&test, &program, &["resume", "-q"])
        .spawn()
        .expect("the copy can be started");
    taken_over(&test, 2);
    assert!(pids.iter().all(|pid| lives(*pid)));
    touch(&test, "go-b");
    touch(&test, "go-c");
    let ended = resume.wait().expect("it is ours");
    assert!(ended.success(), "{ended}");
    assert_eq!(wrongs(&test), Vec::<String>::new());
    let starts = ledger(&test).iter().filter(|l| l.what == "start").count();
    assert_eq!(starts, 4);
    nothing_is_left(&test);
}

/// XA11.
#[test]
fn xa11_a_supervisor_of_another_version_is_left_alone_and_told_of() {
    let test = given(1, &[step("a", "/go", &[])]);
    let run = begin(&test);
    started(&test, "a");
    kill_engine(run);
    kill_all(&test, |_, _| true);
    // In its place one that holds its lock and speaks another language.
    let run = run_of(&test);
    let slots = test.path("state/runs").join(&run.row.run_id).join("slots");
    let records = fs::File::open(slots.join("1-0.rec")).expect("it is there");
    records.lock().expect("its owner is dead");
    let socket = slots.join("1-0.sock");
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).expect("the place is free");
    let supervisor = std::thread::spawn(move || {
        let (mut engine, _) = listener.accept().expect("an engine comes");
        let hello = [&5u32.to_le_bytes()[..], &[1], &99u32.to_le_bytes()].concat();
        engine.write_all(&hello).expect("it listens");
    });
    test.quintet(&["resume"])
        .status(1)
        .stderr_has("another version of quintet")
        .stderr_has("resume with the version that began the run")
        .run();
    supervisor.join().expect("it has said its word");
    assert_eq!(lines(&test, "start", "a").len(), 1);
    // With that supervisor's end the run can go on.
    drop(records);
    touch(&test, "go");
    test.quintet(&["resume", "-q"]).run();
    assert_eq!(wrongs(&test), Vec::<String>::new());
}

/// A resume that kills its engine ten times over goes to quarantine.
#[test]
fn xa04_a_run_that_kills_its_engines_is_quarantined_after_ten() {
    // Kills the engine, and then its own supervisor, so that nobody sees its end.
    let script = "[ -e cured ] && exit 0
        echo \"start poison $QUINTET_ATTEMPT $$$$\" >> ledger
        kill -9 $(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' \"$QUINTET_STATE_DIR\"/runs/*/owner)
        kill -9 $PPID; sleep 40";
    let poison = json!({"id": "poison", "shell": true, "command": script});
    let steps = [
        step("long", "/go", &[]),
        poison,
        step("after", "0", &["poison"]),
    ];
    let test = given(2, &steps);
    test.quintet(&["run", "plan.json", "-q"]).status(137).run();
    for engines in 1..10 {
        let status = test.quintet(&["status"]).run().text();
        assert!(status.contains("interrupted"), "{engines}: {status}");
        test.quintet(&["resume", "-q"]).status(137).run();
    }
    assert_eq!(lines(&test, "start", "poison").len(), 10);
    let long = pid(&test, "long");
    let last = test
        .quintet(&["resume"])
        .status(3)
        .stderr_has("10 engines in a row died and brought the run no further")
        .stderr_has("quintet resume")
        .start();
    // The step that has outlived them all is not to blame, and may end in peace.
    eventually("the run is given up", || {
        let given_up = |kind: &Kind| matches!(kind, Kind::RunStopping { .. });
        count(&run_of(&test), given_up) == 1
    });
    assert!(lives(long));
    touch(&test, "go");
    last.finish();
    assert_eq!(run_of(&test).row.state.word(), "quarantined");
    assert_eq!(lines(&test, "start", "poison").len(), 10);
    assert_eq!(lines(&test, "end", "long").len(), 1);
    nothing_is_left(&test);
    // To resume it now is a person's word.
    touch(&test, "cured");
    test.quintet(&["resume", "-q"]).run();
    assert_eq!(lines(&test, "start", "long").len(), 1);
    assert_eq!(lines(&test, "end", "after").len(), 1);
    assert_eq!(run_of(&test).row.state.word(), "succeeded");
}
