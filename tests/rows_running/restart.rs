//! A run that stops until the machine has been restarted, and goes on after it.

use crate::support::Test;
use crate::{Record, asked, log, plan, ran, running, text};

/// `first` wants a restart while `beside` still runs; the rest is for after it.
const STOPPING: &str = r#"
    globals: {on_restart: stop, max_concurrency: 2, rollback: on_failure_or_cancel}
    steps:
      - {id: beside, shell: true, command: "echo beside >> log; until test -e first; do sleep 0.02; done; sleep 0.3; echo beside-ends >> log", undo: {shell: true, command: "echo undone >> log"}}
      - {id: first, shell: true, command: "until test -s log; do sleep 0.02; done; echo first >> log; touch first; exit 194", exit_codes: {"194": restart_required}}
      - {id: second, shell: true, command: "echo second >> log", depends_on: [first], after: [beside]}
      - {id: third, shell: true, command: "echo third >> log", depends_on: [second, beside]}
      - {id: tidy, shell: true, command: "echo tidy >> log", always: true, depends_on: [third]}
"#;

fn stopped() -> Test {
    let test = plan(STOPPING);
    let run_id = || text(&Record::last(&test).status["run"]["run_id"]).to_owned();
    let done = running(&test, &[])
        .status(3)
        .stderr_has("run     stops: a restart is required by first\n")
        .stderr_has("\na restart is required: first\n")
        .stderr_has("canceled: second, third, tidy: it waits for a restart\n")
        .run();
    let last = format!(
        "to go on once the machine has been restarted: quintet resume {}\n",
        run_id()
    );
    assert!(done.stderr.ends_with(&last), "{}", done.stderr);
    test
}

/// A47.
#[test]
fn a47_a_run_stops_for_a_restart_and_goes_on_after_it_without_repeating() {
    let test = stopped();
    assert_eq!(log(&test), "beside first beside-ends");
    let record = Record::last(&test);
    assert_eq!(record.state(), "canceled");
    assert_eq!(asked::<i64>(&test, "SELECT exit_code FROM runs"), 3);
    let stopping: Vec<_> = record.all("run_stopping").collect();
    assert_eq!(stopping.len(), 1, "one decision, one event");
    let reason = &stopping[0]["reason"]["restart_required"];
    assert_eq!(reason["steps"], serde_json::json!(["first"]));
    let engine = &record.all("run_started").next().expect("it began")["engine"];
    assert_eq!(reason["boot"], engine["boot"]);
    test.quintet(&["why", "last", "second"])
        .stdout_has("the run stopped: a restart is required by first\n")
        .run();

    // In the same boot nothing is done.
    test.quintet(&["resume", "last"])
        .status(2)
        .stderr_has("the machine has not been restarted since\n")
        .stderr_has("--no-restart\n")
        .run();
    test.quintet(&["resume"]).status(2).run();
    assert_eq!(log(&test), "beside first beside-ends");

    if !test.can_restart("a47") {
        return;
    }
    test.quintet(&["resume", "last"]).after_restarts(1).run();
    assert_eq!(
        log(&test),
        "beside first beside-ends second third tidy",
        "what had succeeded is not done again"
    );
    let record = Record::last(&test);
    assert_eq!(record.state(), "succeeded");
    assert_eq!(
        record.status["restart_required"],
        serde_json::json!(["first"])
    );
}

/// A47.
#[test]
fn a47_who_knows_better_goes_on_without_the_restart() {
    let test = stopped();
    test.quintet(&["resume", "--no-restart"]).run();
    assert_eq!(log(&test), "beside first beside-ends second third tidy");
}

/// A47.
#[test]
fn a47_a_second_restart_is_waited_for_in_its_turn() {
    let test = plan(
        r#"
        globals: {on_restart: stop, max_concurrency: 1}
        steps:
          - {id: a, shell: true, command: "echo a >> log; exit 9", exit_codes: &codes {"9": restart_required}}
          - {id: b, shell: true, command: "echo b >> log; exit 9", exit_codes: *codes, depends_on: [a]}
          - {id: c, shell: true, command: "echo c >> log; exit 9", exit_codes: *codes, depends_on: [b]}
        "#,
    );
    running(&test, &[]).status(3).run();
    if !test.can_restart("a47") {
        return;
    }
    let resume = |restarts| test.quintet(&["resume"]).after_restarts(restarts);
    resume(1).status(3).run();
    resume(1)
        .status(2)
        .stderr_has("has not been restarted")
        .run();
    assert_eq!(log(&test), "a b");
    // Nothing is left for after the last one, so the run is over with it.
    resume(2)
        .stderr_has("waited for a restart, which has been\n")
        .stderr_has("\na restart is required: a, b, c\n")
        .run();
    assert_eq!(log(&test), "a b c");
    assert_eq!(Record::last(&test).state(), "succeeded");
}

/// A47.
#[test]
fn a47_the_run_that_the_restart_was_for_is_found_and_several_are_listed() {
    let test = stopped().file("other.yaml", "steps: [{id: a, command: 'true'}]");
    if !test.can_restart("a47") {
        return;
    }
    test.quintet(&["run", "other.yaml"]).run();
    // In this boot the newest run is meant, which has ended well.
    test.quintet(&["resume"])
        .status(2)
        .stderr_has("succeeded; there is nothing to resume\n")
        .stderr_has("(plan, canceled)\n")
        .run();
    running(&test, &[]).status(3).run();
    test.quintet(&["resume"])
        .after_restarts(1)
        .status(2)
        .stderr_has("several runs waited for a restart")
        .stderr_has("(plan, canceled)\n")
        .run();
    test.quintet(&["resume", "last"]).after_restarts(1).run();
    // Now it is one, though not the newest.
    test.quintet(&["resume"])
        .after_restarts(1)
        .stderr_has("waited for a restart, which has been\n")
        .run();
    test.quintet(&["resume"]).after_restarts(1).status(2).run();
}

/// A47.
#[test]
fn a47_a_failure_or_a_cancel_while_what_runs_ends_is_firmer_than_the_restart() {
    let yaml = STOPPING.replace("echo beside-ends >> log", "exit 1");
    let test = plan(&yaml);
    assert_eq!(ran(&test, 1).state(), "failed");
    assert_eq!(log(&test), "beside first tidy");
}

/// A47: an engine that dies while what runs ends, and the machine with it.
#[test]
fn a47_a_restart_before_the_run_had_stopped_is_the_restart_all_the_same() {
    let yaml = STOPPING.replace("sleep 0.3", "until test -e free; do sleep 0.02; done");
    let test = plan(&yaml);
    if !test.can_restart("a47") {
        return;
    }
    let engine = running(&test, &[]).status(137).start();
    let told = || {
        let runs = std::fs::read_dir(test.path("state/runs")).ok()?;
        let file = runs.last()?.ok()?.path().join("events.jsonl");
        let text = std::fs::read_to_string(file).ok()?;
        text.contains("\"run_stopping\"").then_some(())
    };
    crate::support::eventually("the run stops", || told().is_some());
    for (pid, _) in test.processes() {
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    engine.finish();
    std::fs::write(test.path("work/free"), "").expect("a file can be written");
    test.quintet(&["resume"]).after_restarts(1).run();
    assert_eq!(
        log(&test),
        "beside first beside beside-ends second third tidy",
        "what nobody saw the end of is done again, and what had succeeded is not"
    );
}

/// The files in the directory of units and below it.
fn units(test: &Test) -> Vec<String> {
    let mut found = Vec::new();
    for dir in [
        "units",
        "units/multi-user.target.wants",
        "units/default.target.wants",
    ] {
        let Ok(entries) = std::fs::read_dir(test.path(dir)) else {
            continue;
        };
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        let files = paths.filter(|path| !path.is_dir());
        found.extend(files.map(|path| path.to_string_lossy().into_owned()));
    }
    found
}

/// A47.
#[test]
fn a47_a_run_that_stopped_goes_on_at_the_next_boot_by_itself() {
    let yaml = STOPPING.replace("on_restart: stop, ", "");
    let test = plan(&yaml);
    let dir = test.path("units").to_string_lossy().into_owned();
    let done = running(
        &test,
        &["--resume-on-boot", "--yes", "--report", "json=r.json"],
    )
    .env("QUINTET_UNIT_DIR", &dir)
    .env("TOKEN", "shall-not-be-written")
    .status(3)
    .stderr_has("goes on at the next boot\n")
    .run();
    let [unit, link] = units(&test).try_into().expect("a unit and its link");
    for path in [&unit, &link] {
        assert!(
            done.stderr.contains(&format!("written: {path}\n")),
            "{}",
            done.stderr
        );
    }
    assert_eq!(std::fs::read_link(&link).unwrap().to_string_lossy(), unit);
    if !std::path::Path::new("/run/systemd/system").exists() {
        assert!(
            done.stderr.contains("does not run systemd"),
            "{}",
            done.stderr
        );
    }
    let run_id = text(&Record::last(&test).status["run"]["run_id"]).to_owned();
    let content = std::fs::read_to_string(&unit).unwrap();
    let command = format!(
        "\nExecStart=\"{}\" \"--state-dir\" \"{}\" \"resume\" \"{run_id}\" \"--yes\" \"--report\" \"json={}\"\n",
        env!("CARGO_BIN_EXE_quintet"),
        test.path("state").display(),
        test.path("work")
            .canonicalize()
            .unwrap()
            .join("r.json")
            .display(),
    );
    assert!(content.contains(&command), "{content}");
    assert!(!content.contains("shall-not-be-written"), "{content}");
    assert!(content.contains("\nEnvironment=\"PATH="), "{content}");

    if !test.can_restart("a47") {
        return;
    }
    let resume = |args: &[&str]| {
        let args = [&["resume", run_id.as_str()], args].concat();
        test.quintet(&args).env("QUINTET_UNIT_DIR", &dir)
    };
    resume(&[]).status(2).run();
    assert_eq!(units(&test).len(), 2, "a refused resume changes nothing");
    let done = resume(&["--report", "json=r.json"]).after_restarts(1).run();
    for path in [&unit, &link] {
        assert!(
            done.stderr.contains(&format!("removed: {path}\n")),
            "{}",
            done.stderr
        );
    }
    assert_eq!(units(&test), [""; 0]);
}

/// A47.
#[test]
fn a47_while_a_run_waits_for_another_restart_its_unit_stays() {
    let test = plan(
        r#"
        steps:
          - {id: a, shell: true, command: "exit 9", exit_codes: &codes {"9": restart_required}}
          - {id: b, shell: true, command: "exit 9", exit_codes: *codes, depends_on: [a]}
          - {id: c, command: "false", depends_on: [b]}
        "#,
    );
    let dir = test.path("units").to_string_lossy().into_owned();
    running(&test, &["--resume-on-boot"])
        .env("QUINTET_UNIT_DIR", &dir)
        .status(3)
        .run();
    assert_eq!(units(&test).len(), 2);
    if !test.can_restart("a47") {
        return;
    }
    let resume = |restarts| {
        let call = test.quintet(&["resume"]).env("QUINTET_UNIT_DIR", &dir);
        call.after_restarts(restarts)
    };
    resume(1).status(3).run();
    assert_eq!(units(&test).len(), 2);
    // It has come to its end, though not to a good one.
    resume(2).status(1).run();
    assert_eq!(units(&test), [""; 0]);
}

/// A47.
#[test]
fn a47_where_nothing_wants_a_restart_no_unit_is_written_and_where_none_can_be_it_is_told() {
    let test = plan("steps: [{id: a, command: 'true'}]");
    let dir = test.path("units").to_string_lossy().into_owned();
    running(&test, &["--resume-on-boot"])
        .env("QUINTET_UNIT_DIR", &dir)
        .run();
    assert!(!test.path("units").exists());

    let test = plan(STOPPING);
    let not_a_dir = test.path("work/plan.yaml").to_string_lossy().into_owned();
    running(&test, &["--resume-on-boot"])
        .env("QUINTET_UNIT_DIR", &not_a_dir)
        .status(3)
        .stderr_has("will not go on at the next boot: ")
        .run();
}
