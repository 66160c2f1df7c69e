//! Steps that do not want to end, and steps that leave things behind.

use std::time::Duration;

use quintet::exec::Stop;
use quintet::run::Exit;

use crate::rig::*;

const TIMEOUT: Duration = Duration::from_secs(2);

fn killed_by_timeout() -> Exit {
    Exit::TimedOut {
        after: TIMEOUT,
        signal: Some(9),
    }
}

/// XB01, P8.
#[test]
fn a_step_that_ignores_term_is_killed_after_its_grace() {
    let mut rig = Rig::new(1);
    let mut job = hostile(0, &["ignore-term"]);
    job.timeout = Some(TIMEOUT);
    job.grace = Duration::from_millis(300);
    let done = rig.run(job);
    assert_eq!(done.exit, killed_by_timeout());
    assert_eq!(done.error.as_deref(), Some("Timeout after 2s"));
    rig.assert_nothing_left();
}

/// P8: within its grace a step may clean up.
#[test]
fn a_step_that_needs_time_to_clean_up_gets_it() {
    let mut rig = Rig::new(1);
    let file = rig.path("file");
    let mut job = hostile(0, &["slow-term", file.to_str().expect("UTF-8")]);
    job.timeout = Some(TIMEOUT);
    let done = rig.run(job);
    let exit = Exit::TimedOut {
        after: TIMEOUT,
        signal: None,
    };
    assert_eq!(done.exit, exit);
    assert_eq!(rig.wait_for_file("file"), "cleaned\n");
}

#[test]
fn a_step_is_asked_to_end_only_once() {
    let mut rig = Rig::new(1);
    let file = rig.path("file");
    let attempt = rig.start(hostile(0, &["count-terms", file.to_str().expect("UTF-8")]));
    rig.wait_for_file("file");
    rig.stop(attempt, Stop::Grace);
    rig.stop(attempt, Stop::Grace);
    let done = rig.done(attempt);
    assert_eq!(done.exit, Exit::Canceled { signal: None });
    assert_eq!(rig.wait_for_file("file"), "1\n");
}

/// XB10: a supervisor blocks all signals and has files open; its steps do not.
#[test]
fn a_step_begins_with_a_clean_slate() {
    let mut rig = Rig::new(1);
    let done = rig.run(hostile(0, &["look-around"]));
    let seen = rig.read(&done.output.stdout);
    let expected = "fds 0 1 2\nblocked 0\nignored 0\nstdin 0\ntty 6\n";
    assert!(seen.starts_with(expected), "{seen}");
    assert!(seen.ends_with("leads True\n"), "{seen}");
}

/// XB02: the daemon keeps the output open, and nobody waits for it.
#[test]
fn a_daemon_that_keeps_the_streams_is_ended_and_told_of() {
    let mut rig = Rig::new(1);
    let done = rig.run(hostile(0, &["daemon"]));
    assert_eq!(done.exit, Exit::Exited { code: 0 });
    assert!(done.leaked);
    assert_eq!(rig.read(&done.output.stdout), "main is done\n");
    rig.assert_nothing_left();
}

/// XB03.
#[test]
fn what_hides_from_signals_and_streams_is_ended_too() {
    let mut rig = Rig::new(1);
    for (step, mode) in ["daemon-closed", "nohup"].into_iter().enumerate() {
        let done = rig.run(hostile(step, &[mode]));
        assert_eq!(done.exit, Exit::Exited { code: 0 }, "{mode}");
        assert!(done.leaked, "{mode}");
        rig.assert_nothing_left();
    }
}

#[test]
fn what_ends_by_itself_soon_after_is_no_leak() {
    let mut rig = Rig::new(1);
    let done = rig.run(sh(0, "sleep 0.02 & exit 3"));
    assert_eq!((done.exit, done.leaked), (Exit::Exited { code: 3 }, false));
}

/// XB04.
#[test]
fn a_timeout_ends_the_whole_tree() {
    let mut rig = Rig::new(2);
    let modes = ["setsid", "setsid-closed", "tree", "forkrace"];
    for (step, mode) in modes.into_iter().enumerate() {
        let file = rig.path(mode);
        let mut job = hostile(step, &[mode, file.to_str().expect("UTF-8")]);
        job.timeout = Some(TIMEOUT);
        job.grace = Duration::from_millis(100);
        rig.start(job);
    }
    for (step, mode) in modes.into_iter().enumerate() {
        let done = rig.done(attempt(step));
        let is_timeout = matches!(done.exit, Exit::TimedOut { after: TIMEOUT, .. });
        assert!(is_timeout, "{mode}: {:?}", done.exit);
        assert!(rig.path(mode).exists(), "{mode} was too slow to be a test");
    }
    rig.assert_nothing_left();
}

#[test]
fn nobody_forks_away_from_a_sweep() {
    let mut rig = Rig::new(1);
    let file = rig.path("file");
    let file = file.to_str().expect("UTF-8");
    let done = rig.run(hostile(0, &["forkrace-and-leave", file]));
    assert_eq!((done.exit, done.leaked), (Exit::Exited { code: 0 }, true));
    rig.assert_nothing_left();
}

/// XB06.
#[test]
fn a_stopped_step_is_killed_and_can_clean_up_before() {
    let mut rig = Rig::new(2);
    let mut stopped = hostile(0, &["stop"]);
    stopped.timeout = Some(TIMEOUT);
    stopped.grace = Duration::from_millis(300);
    let stopped = rig.start(stopped);
    let file = rig.path("file");
    let tidy = rig.start(hostile(
        1,
        &["stop-then-clean", file.to_str().expect("UTF-8")],
    ));
    let pid = wait_until("stopped step", || {
        rig.path("file").exists().then_some(())?;
        let pids = left(&rig.run_id);
        pids.iter().find_map(|(pid, command)| {
            let state = status(&pid.to_string(), "State")?;
            (command.contains("stop-then-clean") && state.starts_with('T')).then_some(*pid)
        })
    });
    rig.stop(tidy, Stop::Grace);
    let done = rig.done(tidy);
    assert_eq!(done.exit, Exit::Canceled { signal: None }, "pid {pid}");
    assert_eq!(rig.wait_for_file("file"), "cleaned\n");

    let done = rig.done(stopped);
    // TERM ends it as soon as it goes on.
    let exit = Exit::TimedOut {
        after: TIMEOUT,
        signal: Some(15),
    };
    assert_eq!(done.exit, exit);
    rig.assert_nothing_left();
}

/// XB07, XB08: a second, firmer request ends at once what the first one did not.
#[test]
fn a_second_request_does_not_wait_for_the_grace() {
    let mut rig = Rig::new(1);
    let file = rig.path("file");
    let attempt = rig.start(hostile(0, &["ignore-term", file.to_str().expect("UTF-8")]));
    rig.wait_for_file("file");
    rig.stop(attempt, Stop::Grace);
    rig.stop(attempt, Stop::Now);
    // Its grace is longer than any wait here.
    let done = rig.done(attempt);
    assert_eq!(done.exit, Exit::Canceled { signal: Some(9) });
    rig.assert_nothing_left();
}

/// XB13.
#[test]
fn a_step_that_closes_its_streams_is_waited_for() {
    let mut rig = Rig::new(1);
    let done = rig.run(hostile(0, &["closeout"]));
    assert_eq!(done.exit, Exit::Exited { code: 5 });
    assert_eq!(done.output, Default::default());
}

/// XB13: death by a signal is told as such, real-time signals included.
#[test]
fn death_by_a_signal_is_told_as_such() {
    let mut rig = Rig::new(1);
    for (step, signal) in [9, 15, 40].into_iter().enumerate() {
        let done = rig.run(hostile(step, &["die-of", &signal.to_string()]));
        let exit = Exit::Signaled {
            signal,
            core: false,
        };
        assert_eq!(done.exit, exit);
    }
    let cwd = rig.dir.path().to_str().expect("UTF-8").to_string();
    let mut dumps = sh(8, "ulimit -c unlimited 2>/dev/null; kill -SEGV $$");
    dumps.cwd = cwd.as_str().into();
    let done = rig.run(dumps);
    let is_segv = matches!(done.exit, Exit::Signaled { signal: 11, .. });
    assert!(is_segv, "{:?}", done.exit);
}

/// XC04: the log goes, the step and its exit stay.
#[test]
fn a_step_survives_the_loss_of_its_log() {
    let mut rig = Rig::new(1);
    let dir = rig.dir.path().display().to_string();
    let done = rig.run(sh(0, &format!("echo x; rm -rf {dir}/slots; exit 4")));
    assert_eq!(done.exit, Exit::Exited { code: 4 });
    assert_eq!(done.output.stdout, None);
    assert!(done.error.is_some_and(|e| e.contains("could not be kept")));
}
