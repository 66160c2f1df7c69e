//! How runs end: the states and their exit codes, and the rollback before.

use crate::support::{Test, eventually};
use crate::{Record, asked, exists, log, plan, ran, running, text};

/// P25.
#[test]
fn p25_success_is_0_failure_is_1_and_a_bad_plan_is_2() {
    let good = plan("steps: [{id: a, command: 'true'}]");
    assert_eq!(ran(&good, 0).state(), "succeeded");
    assert_eq!(asked::<i64>(&good, "SELECT exit_code FROM runs"), 0);

    let bad = plan("steps: [{id: a, command: 'false'}]");
    assert_eq!(ran(&bad, 1).state(), "failed");
    assert_eq!(asked::<i64>(&bad, "SELECT exit_code FROM runs"), 1);

    let wrong = plan("steps: [{id: a, command: 'true', depends_on: [b]}]");
    running(&wrong, &[]).status(2).stdout("").run();
    assert!(
        !wrong.path("state").exists(),
        "a plan that cannot run was recorded"
    );
}

/// P25.
#[test]
fn p25_a_program_that_is_not_there_fails_its_step() {
    let test = plan("steps: [{id: a, command: no-such-program-anywhere}]");
    let record = ran(&test, 1);
    assert_eq!(record.state(), "failed");
    assert_eq!(text(&record.step("a")["end"]), "failed_to_start");
    assert_eq!(
        asked::<String>(&test, "SELECT state FROM step_attempts"),
        "failed"
    );
}

/// Two steps with an undo, then one that fails, which has one too; `GLOBALS`
/// and the undo of the second are filled in.
const UNDOABLE: &str = r#"
    globals: {max_concurrency: 1GLOBALS}
    steps:
      - id: first
        shell: true
        command: "echo first >> log"
        undo: {shell: true, command: "echo undo-first >> log"}
      - id: second
        shell: true
        depends_on: [first]
        command: "echo second >> log"
        undo: {shell: true, command: "echo undo-second >> log; UNDO"}
      - {id: plain, shell: true, command: "echo plain >> log", depends_on: [second]}
      - id: bad
        shell: true
        depends_on: [plain]
        command: "echo bad >> log; exit 1"
        undo: {shell: true, command: "echo undo-bad >> log"}
      - {id: tidy, shell: true, command: "echo tidy >> log", always: true, depends_on: [bad]}
"#;

fn undoable(globals: &str, undo: &str) -> Test {
    plan(&UNDOABLE.replace("GLOBALS", globals).replace("UNDO", undo))
}

#[test]
fn a_failed_run_takes_completed_steps_back_newest_first_and_then_cleans_up() {
    let test = undoable("", "true");
    let record = ran(&test, 1);
    assert_eq!(
        log(&test),
        "first second plain bad undo-second undo-first tidy"
    );
    assert_eq!(record.state(), "failed");
    assert_eq!(record.steps_of("step_undone"), ["second", "first"]);
    assert!(
        record
            .all("step_undone")
            .all(|event| event["undone"] == true)
    );
    let undos = "SELECT group_concat(step_id || ':' || state) FROM (SELECT * FROM step_attempts \
                 WHERE role = 'undo' ORDER BY started_at, sequence DESC)";
    assert_eq!(
        asked::<String>(&test, undos),
        "second:succeeded,first:succeeded"
    );
}

#[test]
fn a_plan_that_never_rolls_back_does_not() {
    let test = undoable(", rollback: never", "true");
    let record = ran(&test, 1);
    assert_eq!(log(&test), "first second plain bad tidy");
    assert!(record.all("rollback_started").next().is_none());
}

/// P25.
#[test]
fn p25_an_undo_that_fails_quarantines_the_run() {
    let test = undoable("", "exit 6");
    let record = ran(&test, 3);
    assert_eq!(record.state(), "quarantined");
    // What lies under a step that could not be taken back is left as it is.
    assert_eq!(log(&test), "first second plain bad undo-second tidy");
    let undone = record.of("step_undone", "second");
    assert_eq!(undone[0]["undone"], false);
    assert_eq!(
        text(&record.status["run"]["reason"]),
        "taking it back failed: exit 6"
    );
    assert_eq!(
        asked::<String>(&test, "SELECT state || ' ' || exit_code FROM runs"),
        "quarantined 3"
    );
}

#[test]
fn an_undo_is_tried_again_as_often_as_it_may_be() {
    let test = plan(
        r#"
        steps:
          - id: a
            command: "true"
            undo: {shell: true, command: "echo undo >> log; [ $(wc -l < log) -ge 3 ]", retries: 2}
          - {id: bad, command: "false", depends_on: [a]}
        "#,
    );
    let record = ran(&test, 1);
    assert_eq!(log(&test), "undo undo undo");
    assert_eq!(record.of("step_undone", "a")[0]["undone"], true);
}

#[test]
fn a_run_that_succeeds_takes_nothing_back() {
    let test = plan(
        r#"
        steps:
          - {id: a, command: "true", undo: {command: touch, args: [undone]}}
          - {id: warns, command: "false", critical: false, depends_on: [a]}
        "#,
    );
    assert_eq!(ran(&test, 0).state(), "succeeded");
    assert!(!exists(&test, "undone"));
}

#[test]
fn a_canceled_run_is_rolled_back_only_where_the_plan_says_so() {
    for (rollback, expected) in [
        ("on_failure", "a begun"),
        ("on_failure_or_cancel", "a begun undo"),
    ] {
        let test = plan(&format!(
            r#"
        globals: {{rollback: {rollback}}}
        steps:
          - {{id: a, shell: true, command: "echo a >> log", undo: {{shell: true, command: "echo undo >> log"}}}}
          - {{id: waits, shell: true, command: "echo begun >> log; touch begun; sleep 600", depends_on: [a]}}
        "#
        ));
        let run = running(&test, &[]).status(130).start();
        eventually("the step has begun", || exists(&test, "begun"));
        test.quintet(&["cancel", "last"]).run();
        run.finish();
        assert_eq!(log(&test), expected, "{rollback}");
        assert_eq!(Record::last(&test).state(), "canceled", "{rollback}");
    }
}

/// A38.
#[test]
fn a38_notices_are_told_at_the_beginning_and_at_the_end_and_when_quiet_only_errors() {
    let test = plan(
        r#"
        variables: {WHO: all}
        notices:
          - {on: start, message: "hello ${WHO}"}
          - {on: success, level: success, message: it is done}
          - {on: warning, level: warning, message: look at it}
          - {on: failure, level: error, message: it broke}
          - {on: failure, message: better luck next time}
        steps:
          - {id: a, shell: true, command: "test -e good"}
          - {id: b, command: "false", depends_on: [a], on_failure: continue}
        "#,
    );
    let notices = [
        "note: hello all\n",
        "success: it is done\n",
        "warning: look at it\n",
        "error: it broke\n",
        "note: better luck",
    ];
    let told = |stderr: &str| notices.map(|notice| stderr.matches(notice).count());
    let failed = running(&test, &[]).status(1).run();
    assert_eq!(told(&failed.stderr), [1, 0, 0, 1, 1], "{}", failed.stderr);
    assert!(failed.stderr.starts_with(notices[0]), "{}", failed.stderr);
    let quiet = running(&test, &["-q"]).status(1).run();
    assert_eq!(quiet.stderr, notices[3]);
    std::fs::write(test.path("work/good"), "").expect("a file can be written");
    let resumed = test.quintet(&["resume"]).run();
    assert_eq!(told(&resumed.stderr), [0, 1, 1, 0, 0], "{}", resumed.stderr);
    let quiet = running(&test, &["--quiet"]).run();
    assert_eq!(quiet.stderr, "");
    for line in running(&test, &["--json"]).run().text().lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("only events");
    }
}

/// H20.
#[test]
fn h20_a_runs_lines_go_to_the_log_file_also_where_it_is_resumed() {
    let test = plan(
        r#"
        log_file: logs/run.log
        variables: {TOKEN: {secret: true, default: s3cret-word}}
        steps:
          - {id: config/hardware/bluetooth, shell: true, command: "echo no ${TOKEN} >&2; test -e good"}
          - {id: first-run, command: "true", depends_on: [config/hardware/bluetooth]}
        "#,
    );
    let lines = || {
        let text = std::fs::read_to_string(test.path("work/logs/run.log"));
        let text = text.expect("the log file is there");
        // Times are whatever they are.
        let told = text.lines().map(|line| {
            let (time, rest) = line.split_at("[2026-11-20 12:00:00] ".len());
            assert!(time.starts_with("[20") && time.ends_with("] "), "{line}");
            let (rest, _) = rest.split_once(" after ").unwrap_or((rest, ""));
            rest.to_owned()
        });
        told.collect::<Vec<String>>()
    };
    running(&test, &["-q"]).status(1).run();
    let failed = [
        "[INFO] [root] started: plan, 2 steps, at most 1 at once",
        "[INFO] [config/hardware/bluetooth] started",
        "[ERROR] [config/hardware/bluetooth] failed (exit 1)",
        "[WARNING] [root] stops: config/hardware/bluetooth failed, and it is critical",
        "[WARNING] [first-run] canceled: the run was aborted",
        "[ERROR] [root] failed",
    ];
    assert_eq!(lines(), failed);
    let text = std::fs::read_to_string(test.path("work/logs/run.log")).expect("it is there");
    assert!(text.contains(": no ***"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");

    std::fs::write(test.path("work/good"), "").expect("a file can be written");
    test.quintet(&["resume", "--var", "TOKEN=s3cret-word"])
        .run();
    let resumed = lines();
    assert!(
        resumed.starts_with(&failed.map(str::to_owned)),
        "{resumed:?}"
    );
    let last = resumed.last().map(String::as_str);
    assert_eq!(last, Some("[INFO] [root] succeeded"));
}

/// H20.
#[test]
fn h20_where_the_log_file_cannot_be_written_another_is_and_people_are_told() {
    let test = plan(
        r#"
        log_file: [file/run.log, file]
        steps: [{id: a, command: "true"}]
        "#,
    );
    std::fs::create_dir(test.path("work/file")).expect("a folder can be made");
    std::fs::create_dir(test.path("work/file/run.log")).expect("a folder can be made");
    let run = running(&test, &[]).run();
    let state = std::fs::canonicalize(test.path("state")).expect("there is state");
    let taken = state.join("logs/run.log");
    let warned = format!("; its lines go to {}\n", taken.display());
    assert!(run.stderr.contains(&warned), "{}", run.stderr);
    assert!(
        run.stderr.contains("warning: no log file "),
        "{}",
        run.stderr
    );
    let text = std::fs::read_to_string(taken).expect("it is there");
    assert!(text.contains("[INFO] [a] succeeded after "), "{text}");
    assert_eq!(running(&test, &["-q"]).run().stderr, "");
}
