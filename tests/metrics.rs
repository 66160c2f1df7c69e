//! What monitoring is told: by `quintet metrics`, and in a file for a collector.

#![cfg(unix)]

#[path = "support/mod.rs"]
mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::Test;

const PLAN: &str = r#"
    plan_id: nightly
    steps:
      - {id: a, shell: true, command: "test $QUINTET_ATTEMPT = 2", retries: 1}
      - {id: b, command: "false", depends_on: [a], on_failure: continue}
      - {id: c, command: "true", depends_on: [b]}
"#;

fn test() -> Test {
    Test::new().file("plan.yaml", PLAN)
}

fn metrics(test: &Test) -> String {
    test.quintet(&["metrics"]).run().text()
}

/// The value of a series, named as it stands there; 0 where there is none.
fn value(text: &str, series: &str) -> f64 {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().expect("a value is a number"))
}

#[test]
fn figures_grow_with_each_run_and_stay_when_runs_are_forgotten() {
    let test = test();
    let nothing = metrics(&test);
    assert_eq!(value(&nothing, "quintet_runs_running"), 0.0);
    assert!(nothing.contains("# TYPE quintet_runs_total counter\n"));
    test.quintet(&["run", "plan.yaml"]).run();
    let once = metrics(&test);
    let expected = [
        (
            r#"quintet_runs_total{plan="nightly",outcome="succeeded"}"#,
            1.0,
        ),
        (r#"quintet_run_duration_seconds_count{plan="nightly"}"#, 1.0),
        (
            r#"quintet_steps_total{plan="nightly",outcome="succeeded"}"#,
            2.0,
        ),
        (
            r#"quintet_steps_total{plan="nightly",outcome="failed"}"#,
            1.0,
        ),
        (r#"quintet_step_attempts_total{end="succeeded"}"#, 2.0),
        (r#"quintet_step_attempts_total{end="failed"}"#, 2.0),
        ("quintet_step_retries_total", 1.0),
        ("quintet_step_duration_seconds_count", 4.0),
        ("quintet_step_queue_wait_seconds_count", 4.0),
        (r#"quintet_step_duration_seconds_bucket{le="+Inf"}"#, 4.0),
    ];
    for (series, n) in expected {
        assert_eq!(value(&once, series), n, "{series} in {once}");
    }
    let success = r#"quintet_run_last_success_timestamp_seconds{plan="nightly"}"#;
    assert!(value(&once, success) > 1.7e9, "{once}");

    test.quintet(&["prune", "--keep-runs", "0", "--older-than", "0s"])
        .run();
    let left = test.quintet(&["runs", "--json"]).run().json();
    assert_eq!(left, Value::Array(Vec::new()));
    assert_eq!(metrics(&test), once);
    test.quintet(&["run", "plan.yaml"]).run();
    let twice = metrics(&test);
    for (series, n) in expected {
        assert_eq!(value(&twice, series), 2.0 * n, "{series} in {twice}");
    }
    assert!(value(&twice, success) >= value(&once, success));

    let json = test.quintet(&["metrics", "--json"]).run().json();
    assert_eq!(json["plans"]["nightly"]["runs"]["succeeded"], 2);
    assert_eq!(json["plans"]["nightly"]["attempt_duration"]["count"], 8);
}

#[test]
fn a_run_whose_engine_was_killed_counts_once_it_has_ended_and_once() {
    let plan = "plan_id: P\nsteps: [{id: a, command: 'true'}, {id: b, shell: true, command: 'touch begun; while ! test -e go; do sleep 0.01; done', depends_on: [a]}]";
    let test = Test::new().file("plan.yaml", plan);
    let run = test.quintet(&["run", "plan.yaml"]).status(137).start();
    support::eventually("the step runs", || test.path("work/begun").exists());
    let going = metrics(&test);
    assert_eq!(value(&going, "quintet_runs_running"), 1.0);
    assert_eq!(value(&going, "quintet_runs_interrupted"), 0.0);
    run.signal(Signal::SIGKILL);
    run.finish();
    let killed = metrics(&test);
    assert_eq!(value(&killed, "quintet_runs_running"), 0.0);
    assert_eq!(value(&killed, "quintet_runs_interrupted"), 1.0);
    assert_eq!(value(&killed, "quintet_step_duration_seconds_count"), 0.0);
    std::fs::write(test.path("work/go"), "").unwrap();
    test.quintet(&["resume"]).run();
    let ended = metrics(&test);
    let runs = r#"quintet_runs_total{plan="P",outcome="succeeded"}"#;
    assert_eq!(value(&ended, runs), 1.0);
    assert_eq!(value(&ended, "quintet_runs_interrupted"), 0.0);
    let steps = r#"quintet_steps_total{plan="P",outcome="succeeded"}"#;
    assert_eq!(value(&ended, steps), 2.0, "{ended}");
    let attempts = r#"quintet_step_attempts_total{end="succeeded"}"#;
    assert_eq!(value(&ended, attempts), 2.0, "{ended}");
}

#[test]
fn the_file_for_a_collector_is_written_when_a_run_ends_and_everybody_may_read_it() {
    let test = test();
    let call = test.quintet(&["run", "plan.yaml", "--metrics-file", "q.prom"]);
    // However strict the umask is.
    let plain = call.command();
    let mut strict = Command::new("sh");
    strict.args(["-c", "umask 077; exec \"$@\"", "sh"]);
    strict.arg(plain.get_program()).args(plain.get_args());
    strict.env_clear().current_dir(test.path("work"));
    let envs = plain.get_envs();
    strict.envs(envs.filter_map(|(name, value)| Some((name, value?))));
    assert!(strict.output().unwrap().status.success());
    let file = test.path("work/q.prom");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), metrics(&test));
    let names = std::fs::read_dir(test.path("work")).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["plan.yaml", "q.prom"]);

    let failing = test.file(
        "bad.yaml",
        "plan_id: bad\nsteps: [{id: a, command: 'false'}]",
    );
    let call = failing.quintet(&["run", "bad.yaml"]).status(1);
    call.env("QUINTET_METRICS_FILE", "q.prom").run();
    let failed = r#"quintet_runs_total{plan="bad",outcome="failed"}"#;
    let text = || std::fs::read_to_string(&file).unwrap();
    assert_eq!(value(&text(), failed), 1.0);
    // A run that goes on after its end ends again.
    let call = failing.quintet(&["resume", "--metrics-file", "q.prom"]);
    call.status(1).run();
    assert_eq!(value(&text(), failed), 2.0);
}

#[test]
fn a_file_that_cannot_be_written_changes_nothing_about_the_run() {
    let test = test().file("bad.yaml", "steps: [{id: a, command: 'false'}]");
    for (plan, status) in [("plan.yaml", 0), ("bad.yaml", 1)] {
        test.quintet(&["run", plan, "--metrics-file", "no/such/q.prom"])
            .status(status)
            .stderr_has("warning: the metrics no/such/q.prom cannot be written: ")
            .run();
    }
}
