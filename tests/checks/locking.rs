//! Two runs of one project at once, and runs that are ended.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::support::eventually;
use super::*;

/// A check that says that it runs, and goes on until it may end.
const LONG: &str = r#"
lock = { wait = "50s" }
[[checks]]
name = "Quick"
command = "true"
ttl = "1h"
[[checks]]
name = "Long"
command = "touch begun; while ! test -e end; do sleep 0.02; done"
"#;

fn begun(test: &Test) {
    let path = test.path("work/begun");
    eventually("the check runs", || path.exists());
    fs::remove_file(path).unwrap();
}

fn lock_file(test: &Test) -> PathBuf {
    let mut entries = fs::read_dir(test.path("state/locks")).unwrap();
    let project = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_string_lossy().into_owned();
        name.starts_with("lock-project-").then_some(path)
    };
    entries.find_map(project).expect("the project's lock")
}

/// E16.
#[test]
fn e16_a_second_run_names_the_holder_and_waits_or_gives_up_with_75() {
    let test = project(LONG);
    let first = test.quintet(&["check"]).start();
    begun(&test);
    let waits = format!(
        "Another orchestrator instance is running (PID {}), waiting...",
        first.pid()
    );
    let second = test.quintet(&["check", "Quick"]).stderr_has(&waits).start();
    eventually("the second waits", || {
        logs(&test).len() == 2 && log(&test).contains(&waits)
    });
    fs::write(test.path("work/end"), "").unwrap();
    first.finish();
    second.finish();
}

/// E16.
#[test]
fn e16_who_has_waited_long_enough_is_told_which_lock_and_whose() {
    let test = project(&LONG.replace("50s", "300ms"));
    let first = test.quintet(&["check"]).start();
    begun(&test);
    let pid = format!("pid {}", first.pid());
    test.quintet(&["check"])
        .status(75)
        .stderr_has("lock project-work-")
        .stderr_has(&pid)
        .run();
    assert!(says(&log(&test), "ERROR", &pid), "{}", log(&test));
    fs::write(test.path("work/end"), "").unwrap();
    first.finish();
}

/// E17.
#[test]
fn e17_of_many_simultaneous_starts_one_proceeds_at_a_time() {
    // Whoever finds the folder there is not alone.
    let test = project(
        "lock = { wait = \"100s\" }\nchecks = [{ name = \"Alone\", command = \"mkdir inside && echo in >>ran && sleep 0.05 && rmdir inside\" }]",
    );
    let all: Vec<_> = (0..6)
        .map(|_| {
            test.quintet(&["check"])
                .timeout(Duration::from_secs(120))
                .start()
        })
        .collect();
    for one in all {
        one.finish();
    }
    assert_eq!(ran(&test), "in in in in in in");
}

/// E18.
#[test]
fn e18_a_holder_that_was_killed_is_in_nobodys_way() {
    let test = project(LONG);
    let first = test.quintet(&["check"]).status(137).start();
    begun(&test);
    first.signal(Signal::SIGKILL);
    first.finish();
    test.quintet(&["check", "Quick"])
        .timeout(Duration::from_secs(30))
        .run();
    // What the dead run began is still there, and has its end.
    fs::write(test.path("work/end"), "").unwrap();
    eventually("nothing is left", || test.processes().is_empty());
}

/// E18.
#[test]
fn e18_a_lock_file_of_whatever_content_is_in_nobodys_way() {
    let test = project(LONG).file("end", "");
    checked(&test, &[], 0);
    for content in ["", "12345\n", "1\n", "\u{0}garbage", "{\"pid\": 1}"] {
        fs::write(lock_file(&test), content).unwrap();
        checked(&test, &[], 0);
    }
    fs::remove_file(lock_file(&test)).unwrap();
    checked(&test, &[], 0);
}

/// E17: a deleted lock file is nobody's leave.
#[test]
fn e17_a_lock_file_that_was_deleted_under_its_holder_is_held_all_the_same() {
    let test = project(LONG);
    let first = test.quintet(&["check"]).start();
    begun(&test);
    fs::remove_file(lock_file(&test)).unwrap();
    let waits = format!("(PID {}), waiting...", first.pid());
    let second = test.quintet(&["check"]).stderr_has(&waits).start();
    eventually("the second waits", || {
        logs(&test).len() == 2 && log(&test).contains(&waits)
    });
    assert!(!test.path("work/begun").exists());
    fs::write(test.path("work/end"), "").unwrap();
    first.finish();
    second.finish();
}

/// E19: also a run that only waits.
#[test]
fn e19_a_signal_ends_the_waiting_for_another_run() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let test = project(LONG);
        let first = test.quintet(&["check"]).start();
        begun(&test);
        let second = test.quintet(&["check"]).status(code).start();
        eventually("the second waits", || {
            logs(&test).len() == 2 && log(&test).contains("waiting...")
        });
        second.signal(signal);
        second.finish();
        fs::write(test.path("work/end"), "").unwrap();
        first.finish();
    }
}

/// E19, E9.
#[test]
fn e19_e9_a_signal_ends_the_children_frees_the_lock_and_keeps_the_state() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let test = project(LONG);
        let first = test.quintet(&["check"]).status(code).start();
        begun(&test);
        first.signal(signal);
        first.finish();
        eventually("no child is left", || test.processes().is_empty());
        let log = log(&test);
        assert!(says(&log, "LOCK_RELEASED", ""), "{log}");
        assert!(says(&log, "STATE_SAVED", ""), "{log}");
        assert!(kept(&test).join("state.json").exists());
        let results = checked(&test, &["--fast", "Quick"], 0);
        assert_eq!(status(&results, "checks/quick"), "fresh");
    }
}

/// E9: also a run that had no time to write the state's file again.
#[test]
fn e9_what_passed_before_a_run_was_killed_is_fresh() {
    let test = project(LONG);
    let first = test.quintet(&["check"]).status(137).start();
    begun(&test);
    eventually("it is remembered", || {
        let listed = test.quintet(&["cache", "list"]).run().text();
        listed.contains("checks/quick")
    });
    first.signal(Signal::SIGKILL);
    first.finish();
    fs::write(test.path("work/end"), "").unwrap();
    eventually("nothing is left", || test.processes().is_empty());
    let results = checked(&test, &["--fast", "Quick"], 0);
    assert_eq!(status(&results, "checks/quick"), "fresh");
}

/// E20: logs of runs that are alive stay, however few are kept.
#[test]
fn e20_the_log_of_another_live_run_is_never_removed() {
    let test = project(&format!("log = {{ keep = 1 }}{LONG}"));
    let first = test.quintet(&["check"]).start();
    begun(&test);
    let live = logs(&test)[0].clone();
    let second = test.quintet(&["check", "Quick"]).start();
    eventually("the second has begun its log", || logs(&test).len() == 2);
    assert!(live.exists());
    fs::write(test.path("work/end"), "").unwrap();
    first.finish();
    second.finish();
    assert_eq!(logs(&test).len(), 1);
}
