//! Runs that stop before their work is done: by an abort, by a cancel, by a
//! signal or by their deadline; and the steps that run all the same.

use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::{Test, eventually};
use crate::{Record, TOLD, asked, exists, log, plan, ran, running, text, written};

/// P11.
#[test]
fn p11_after_a_critical_failure_what_has_not_begun_is_canceled() {
    let test = plan(
        r#"
        globals: {max_concurrency: 1}
        steps:
          - {id: done, shell: true, command: "echo done >> log"}
          - {id: bad, shell: true, command: "echo bad >> log; exit 9", depends_on: [done], on_failure: abort, critical: true}
          - {id: child, shell: true, command: "echo child >> log", depends_on: [bad]}
          - {id: other, shell: true, command: "echo other >> log", depends_on: [done]}
        "#,
    );
    let record = ran(&test, 1);
    assert_eq!(log(&test), "done bad");
    assert_eq!(
        record.states(),
        "done succeeded, bad failed, child canceled, other canceled"
    );
    assert_eq!(record.state(), "failed");
    assert_eq!(
        text(&record.all("run_stopping").next().unwrap()["why"]),
        "abort"
    );
    let rows = "SELECT group_concat(step_id || ':' || state) FROM \
                (SELECT * FROM step_attempts ORDER BY sequence)";
    assert_eq!(
        asked::<String>(&test, rows),
        "done:succeeded,bad:failed,child:canceled,other:canceled"
    );
}

/// A step that fails once another runs, which sees the abort and then goes on.
fn aborted(globals: &str) -> Test {
    let told = TOLD.replace('\n', "\n              ");
    plan(&format!(
        r#"
        globals: {{max_concurrency: 2{globals}}}
        steps:
          - id: bad
            shell: true
            command: "until [ -e begun ]; do sleep 0.02; done; exit 1"
          - id: runs
            shell: true
            command: |
              {told}
              trap 'touch polite; exit 1' TERM
              touch begun
              until_told run_stopping
              for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done
              touch finished
          - {{id: never, command: touch, args: [never], depends_on: [runs]}}
        "#
    ))
}

/// P11.
#[test]
fn p11_steps_that_run_at_an_abort_are_left_to_finish() {
    for globals in ["", ", on_abort: wait"] {
        let test = aborted(globals);
        let record = ran(&test, 1);
        assert_eq!(
            record.states(),
            "bad failed, runs succeeded, never canceled"
        );
        assert!(exists(&test, "finished") && !exists(&test, "polite"));
        assert!(!exists(&test, "never"));
    }
}

/// P11.
#[test]
fn p11_steps_that_run_at_an_abort_are_stopped_where_the_plan_says_terminate() {
    let test = aborted(", on_abort: terminate");
    let record = ran(&test, 1);
    assert_eq!(record.states(), "bad failed, runs canceled, never canceled");
    assert!(exists(&test, "polite"), "TERM does not come first");
    assert!(!exists(&test, "finished"));
    assert_eq!(text(&record.step("runs")["end"]), "canceled");
    assert_eq!(record.state(), "failed");
}

#[test]
fn always_steps_run_after_an_abort_in_their_order() {
    let test = plan(
        r#"
        globals: {max_concurrency: 1}
        steps:
          - {id: bad, command: "false"}
          - {id: never, shell: true, command: "echo never >> log", depends_on: [bad]}
          - {id: tidy, shell: true, command: "echo tidy >> log", depends_on: [never], always: true}
          - {id: report, shell: true, command: "echo report >> log", depends_on: [tidy], always: true}
        "#,
    );
    let record = ran(&test, 1);
    assert_eq!(log(&test), "tidy report");
    assert_eq!(
        record.states(),
        "bad failed, never canceled, tidy succeeded, report succeeded"
    );
    assert!(record.seq("run_stopping", None) < record.seq("step_started", Some("tidy")));
}

/// P25.
#[test]
fn p25_a_cleanup_that_fails_after_an_abort_needs_a_person() {
    let test = plan(
        r#"
        steps:
          - {id: bad, command: "false"}
          - {id: tidy, command: "false", always: true, depends_on: [bad]}
        "#,
    );
    let record = ran(&test, 3);
    assert_eq!(record.state(), "quarantined");
    assert_eq!(record.states(), "bad failed, tidy failed");
}

/// A step that runs until it is stopped, one that waits for it, and a cleanup.
const ENDLESS: &str = r#"
    globals: {GLOBALS}
    steps:
      - id: endless
        shell: true
        command: |
          trap 'echo stopped >> log; exit 0' TERM
          sleep 600 & echo $! > child
          echo begun >> log
          wait
      - {id: never, shell: true, command: "echo never >> log", depends_on: [endless]}
      - {id: tidy, shell: true, command: "echo tidy >> log", always: true, depends_on: [never]}
"#;

fn endless(globals: &str) -> Test {
    plan(&ENDLESS.replace("GLOBALS", globals))
}

/// The run was stopped with grace, and its cleanup has run.
#[track_caller]
fn was_stopped(test: &Test, record: &Record) {
    assert_eq!(log(test), "begun stopped tidy");
    assert_eq!(
        record.states(),
        "endless canceled, never canceled, tidy succeeded"
    );
    let child = Path::new("/proc").join(written(test, "child").trim());
    assert!(!child.exists(), "a process of the step still lives");
    assert_eq!(text(&record.events.last().unwrap()["type"]), "run_finished");
}

/// P25.
#[test]
fn p25_a_canceled_run_stops_with_grace_and_cleans_up() {
    let test = endless("");
    let run = running(&test, &[]).status(130).start();
    eventually("the step has begun", || exists(&test, "log"));
    test.quintet(&["cancel", "last"])
        .stdout_has("is asked to stop")
        .run();
    run.finish();
    let record = Record::last(&test);
    was_stopped(&test, &record);
    assert_eq!(record.state(), "canceled");
    assert_eq!(asked::<i64>(&test, "SELECT exit_code FROM runs"), 130);
    test.quintet(&["cancel", "last"])
        .status(2)
        .stderr_has("is over already")
        .run();
}

/// P25.
#[test]
fn p25_signals_cancel_like_anybody_else() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let test = endless("");
        let run = running(&test, &[]).status(code).start();
        eventually("the step has begun", || exists(&test, "log"));
        run.signal(signal);
        run.finish();
        let record = Record::last(&test);
        was_stopped(&test, &record);
        assert_eq!(record.state(), "canceled", "{signal}");
    }
}

#[test]
fn a_run_past_its_deadline_is_stopped_and_has_failed() {
    let test = endless("deadline_sec: 1");
    let record = ran(&test, 124);
    was_stopped(&test, &record);
    assert_eq!(record.state(), "failed");
    assert_eq!(
        text(&record.all("run_stopping").next().unwrap()["why"]),
        "deadline"
    );
    assert_eq!(
        text(&record.status["run"]["reason"]),
        "the run's deadline of 1s passed"
    );
}

#[test]
fn a_deadline_that_is_kept_changes_nothing() {
    let test = plan("globals: {deadline_sec: 600}\nsteps: [{id: a, command: 'true'}]");
    assert_eq!(ran(&test, 0).state(), "succeeded");
}
