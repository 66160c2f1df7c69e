//! What becomes of a run when a step fails: timeouts, retries, fallbacks, and
//! what each `on_failure` means for the rest.

use std::path::Path;

use crate::{Record, asked, exists, log, number, plan, ran, running, text, written};

/// The process of which a step wrote the id is gone, not even a zombie.
#[track_caller]
fn is_gone(test: &crate::support::Test, file: &str) {
    let pid = written(test, file);
    let process = Path::new("/proc").join(pid.trim());
    assert!(!process.exists(), "process {pid} ({file}) still lives");
}

/// P8.
#[test]
fn p8_a_step_that_takes_too_long_is_ended_with_all_its_processes() {
    let test = plan(
        r#"
        steps:
          - id: slow
            shell: true
            timeout_sec: 1
            command: |
              trap 'touch polite; exit 0' TERM
              sleep 600 & echo $! > child
              setsid sleep 600 & echo $! > stranger
              wait
        "#,
    );
    let record = ran(&test, 1);
    let slow = record.step("slow");
    assert_eq!(text(&slow["state"]), "failed");
    assert_eq!(text(&slow["end"]), "timed_out");
    assert_eq!(text(&slow["error"]), "Timeout after 1s");
    assert!(exists(&test, "polite"), "TERM does not come first");
    is_gone(&test, "child");
    is_gone(&test, "stranger");
    assert!(record.seq("step_timeout", Some("slow")) < record.seq("step_finished", Some("slow")));
    let columns = "SELECT state || ' ' || \"end\" || ' ' || error FROM step_attempts";
    assert_eq!(
        asked::<String>(&test, columns),
        "failed timed_out Timeout after 1s"
    );
}

/// P8.
#[test]
fn p8_whoever_ignores_term_is_killed_after_the_grace() {
    let test = plan(
        r#"
        globals: {default_timeout_sec: 0.5}
        steps:
          - id: stubborn
            shell: true
            grace_sec: 0.2
            command: "trap '' TERM; echo $$$$ > self; while :; do sleep 0.05; done"
        "#,
    );
    let record = ran(&test, 1);
    let stubborn = record.step("stubborn");
    assert_eq!(text(&stubborn["end"]), "timed_out");
    assert_eq!(number(&stubborn["signal"]), 9);
    assert_eq!(text(&stubborn["error"]), "Timeout after 0.5s");
    is_gone(&test, "self");
}

/// P8.
#[test]
fn p8_without_a_timeout_it_is_half_an_hour() {
    let test = plan("steps: [{id: a, command: 'true'}, {id: b, command: 'true', timeout_sec: 7}]");
    ran(&test, 0);
    let timeout = |step: u32| {
        let path = format!("SELECT json_extract(json, '$.steps[{step}].policy.timeout') FROM plan");
        asked::<i64>(&test, &path)
    };
    assert_eq!((timeout(0), timeout(1)), (1_800_000, 7_000));
}

/// P9.
#[test]
fn p9_retries_come_after_the_delay_and_hold_up_nobody() {
    let test = plan(
        r#"
        globals: {max_concurrency: 1}
        steps:
          - {id: flaky, shell: true, command: "echo flaky >> log; exit 4", retries: 2, retry_delay_sec: 1}
          - {id: other, shell: true, command: "echo other >> log"}
        "#,
    );
    let record = ran(&test, 1);
    assert_eq!(log(&test), "flaky other flaky flaky");
    assert_eq!(record.step("flaky")["attempts"], 3);
    assert_eq!(text(&record.step("other")["state"]), "succeeded");
    let retries = record.of("step_retry", "flaky");
    let numbers: Vec<u64> = retries
        .iter()
        .map(|event| number(&event["attempt"]))
        .collect();
    assert_eq!(numbers, [2, 3]);
    let finished = record.of("step_finished", "flaky");
    let started = record.of("step_started", "flaky");
    for (n, retry) in retries.iter().enumerate() {
        let not_before = number(&retry["not_before"]);
        assert!(not_before >= number(&finished[n]["at"]) + 1000, "{retry}");
        assert!(number(&started[n + 1]["at"]) >= not_before, "{retry}");
    }
    let rows = "SELECT group_concat(attempt || ':' || state || ':' || exit_code) FROM \
                (SELECT * FROM step_attempts WHERE step_id = 'flaky' ORDER BY attempt)";
    assert_eq!(
        asked::<String>(&test, rows),
        "1:failed:4,2:failed:4,3:failed:4"
    );
}

/// P9.
#[test]
fn p9_the_first_success_ends_the_attempts() {
    let test = plan(
        r#"
        steps:
          - {id: flaky, shell: true, command: "echo try >> log; [ $(wc -l < log) -ge 2 ]", retries: 5}
          - {id: next, command: "true", depends_on: [flaky]}
        "#,
    );
    let record = ran(&test, 0);
    assert_eq!(log(&test), "try try");
    assert_eq!(record.states(), "flaky succeeded, next succeeded");
}

#[test]
fn each_retry_waits_longer_by_the_factor_and_never_longer_than_the_cap() {
    let test = plan(
        r#"
        steps:
          - id: flaky
            command: "false"
            retry: {count: 4, delay_sec: 0.1, factor: 2, cap_sec: 0.3}
        "#,
    );
    let record = ran(&test, 1);
    let retries = record.of("step_retry", "flaky");
    let ends = record.of("step_finished", "flaky");
    assert_eq!(retries.len(), 4);
    for (n, delay) in [100, 200, 300, 300].into_iter().enumerate() {
        // The delay counts from the decision, which lies between the event of the
        // end and its own.
        let not_before = number(&retries[n]["not_before"]);
        assert!(
            not_before >= number(&ends[n]["at"]) + delay,
            "{}",
            retries[n]
        );
        assert!(
            not_before <= number(&retries[n]["at"]) + delay,
            "{}",
            retries[n]
        );
    }
}

/// P10.
#[test]
fn p10_retries_0_overrides_the_default_and_no_retries_inherit_it() {
    let test = plan(
        r#"
        globals: {default_retries: 2}
        steps:
          - {id: none, command: "false", retries: 0, on_failure: skip_dependents}
          - {id: inherits, command: "false", on_failure: skip_dependents}
          - {id: one, command: "false", retries: 1, on_failure: skip_dependents}
        "#,
    );
    let record = ran(&test, 1);
    let attempts = ["none", "inherits", "one"].map(|id| number(&record.step(id)["attempts"]));
    assert_eq!(attempts, [1, 3, 2]);
}

/// P12.
#[test]
fn p12_dependents_are_skipped_however_far_and_the_rest_goes_on() {
    let test = plan(
        r#"
        globals: {max_concurrency: 1}
        steps:
          - {id: bad, command: "false", on_failure: skip_dependents}
          - {id: child, command: touch, args: [child], depends_on: [bad]}
          - {id: grandchild, command: touch, args: [grandchild], depends_on: [child, free]}
          - {id: free, command: "true"}
          - {id: more, command: "true", depends_on: [free]}
        "#,
    );
    let record = ran(&test, 1);
    assert_eq!(record.state(), "failed");
    assert_eq!(
        record.states(),
        "bad failed, child skipped, grandchild skipped, free succeeded, more succeeded"
    );
    assert_eq!(record.note("child"), "it depends on bad, which failed");
    assert_eq!(
        record.note("grandchild"),
        "it depends on child, which was skipped"
    );
    assert!(!exists(&test, "child") && !exists(&test, "grandchild"));
}

/// P13.
#[test]
fn p13_after_continue_dependents_run_as_if_satisfied() {
    let test = plan(
        r#"
        steps:
          - {id: git_merge, shell: true, command: "exit 1", on_failure: continue}
          - {id: timestamp_resolver, shell: true, command: "echo resolved > log", depends_on: [git_merge]}
          - {id: push, shell: true, command: "echo pushed >> log", depends_on: [timestamp_resolver]}
        "#,
    );
    let record = ran(&test, 0);
    assert_eq!(log(&test), "resolved pushed");
    assert_eq!(
        record.states(),
        "git_merge failed, timestamp_resolver succeeded, push succeeded"
    );
    assert_eq!(record.state(), "succeeded");
}

/// P14.
#[test]
fn p14_abort_of_a_step_that_is_not_critical_skips_its_dependents() {
    let test = plan(
        r#"
        globals: {max_concurrency: 1}
        steps:
          - {id: bad, command: "false", on_failure: abort, critical: false}
          - {id: child, command: touch, args: [child], depends_on: [bad]}
          - {id: free, command: "true"}
        "#,
    );
    let record = ran(&test, 0);
    assert_eq!(record.states(), "bad failed, child skipped, free succeeded");
    assert!(record.all("run_stopping").next().is_none());
}

/// P15.
#[test]
fn p15_whatever_the_policies_every_step_is_settled_and_the_run_ends() {
    // Every policy, on a step that fails, with a dependent that a condition asks
    // about, a fallback of what is skipped, and steps that run whatever happens.
    for (policy, code) in [
        ("on_failure: abort, critical: true", 1),
        ("on_failure: abort, critical: false", 0),
        ("on_failure: skip_dependents", 1),
        ("on_failure: skip_dependents, critical: false", 0),
        ("on_failure: continue", 0),
        ("on_failure: fallback_step, fallback_step: other", 1),
        ("fallback_step: other, critical: false", 0),
    ] {
        for concurrency in [1, 3] {
            let test = plan(&format!(
                r#"
        globals: {{max_concurrency: {concurrency}}}
        steps:
          - {{id: bad, command: "false", {policy}}}
          - {{id: other, command: "false", critical: false}}
          - {{id: child, command: "true", depends_on: [bad], fallback_step: spare}}
          - {{id: spare, command: "true"}}
          - {{id: asks, command: "true", after: [child], condition: "prev.child.status == 'skipped'"}}
          - {{id: last, command: "true", depends_on: [asks, child], always: true}}
        "#
            ));
            let record = ran(&test, code);
            let states = record.states();
            assert!(
                !states.contains("pending") && !states.contains("running"),
                "{policy}: {states}"
            );
            assert_eq!(
                record.events.last().map(|event| text(&event["type"])),
                Some("run_finished")
            );
            assert_eq!(
                text(&record.step("last")["state"]),
                "succeeded",
                "{policy}: {states}"
            );
        }
    }
}

const WITH_FALLBACK: &str = r#"
    steps:
      - {id: first, shell: true, command: "echo first >> log; [ -z \"$BAD\" ]", on_failure: fallback_step, fallback_step: second}
      - {id: second, shell: true, command: "echo second >> log; [ \"$BAD\" != both ]"}
      - {id: next, shell: true, command: "echo next >> log", depends_on: [first]}
"#;

/// P19.
#[test]
fn p19_a_fallback_runs_on_failure_and_its_success_satisfies_dependents() {
    let test = plan(WITH_FALLBACK);
    running(&test, &[]).env("BAD", "first").run();
    let record = Record::last(&test);
    assert_eq!(log(&test), "first second next");
    assert_eq!(
        record.states(),
        "first failed, second succeeded, next succeeded"
    );
    assert_eq!(record.state(), "succeeded");
}

/// P19.
#[test]
fn p19_a_fallback_that_is_not_needed_is_skipped() {
    let test = plan(WITH_FALLBACK);
    let record = ran(&test, 0);
    assert_eq!(log(&test), "first next");
    assert_eq!(
        record.note("second"),
        "it stands in for first, which did not fail"
    );
}

/// P19.
#[test]
fn p19_where_the_fallback_fails_too_dependents_do_not_run() {
    let test = plan(WITH_FALLBACK);
    running(&test, &[]).env("BAD", "both").status(1).run();
    let record = Record::last(&test);
    assert_eq!(log(&test), "first second");
    assert_eq!(record.state(), "failed");
    assert_ne!(text(&record.step("next")["state"]), "succeeded");
}

/// P26.
#[test]
fn p26_failures_that_may_be_are_warnings_and_are_listed() {
    let test = plan(
        r#"
        steps:
          - {id: lint, command: "false", on_failure: continue}
          - {id: notify, command: "false", critical: false}
          - {id: work, command: "true"}
        "#,
    );
    running(&test, &[])
        .stderr_has("lint")
        .stderr_has("notify")
        .run();
    let record = Record::last(&test);
    assert_eq!(record.state(), "succeeded");
    assert_eq!(
        record.status["warnings"],
        serde_json::json!(["lint", "notify"])
    );
    assert_eq!(
        text(&record.status["run"]["reason"]),
        "every step ended well but 2 that may fail"
    );
    running(&test, &["--strict"]).status(1).run();
}

#[test]
fn exit_codes_mean_what_the_plan_says_they_mean() {
    let test = plan(
        r#"
        globals: {max_concurrency: 1}
        steps:
          - {id: warns, shell: true, command: "exit 3", exit_codes: {"3": warning, "0": failure}}
          - {id: restart, shell: true, command: "exit 100", depends_on: [warns], exit_codes: {"100": restart_required}}
          - {id: fine, shell: true, command: "exit 5", depends_on: [restart], exit_codes: {"5": success}}
          - {id: strange, command: "true", depends_on: [fine], exit_codes: {"0": failure}}
        "#,
    );
    let record = ran(&test, 1);
    assert_eq!(
        record.states(),
        "warns succeeded, restart succeeded, fine succeeded, strange failed"
    );
    let verdicts: Vec<&str> = record
        .all("step_finished")
        .map(|event| text(&event["verdict"]))
        .collect();
    assert_eq!(
        verdicts,
        ["warning", "restart_required", "success", "failure"]
    );
    // The view and the store agree on what that makes of each attempt.
    let ends = ["warns", "restart", "fine", "strange"].map(|id| text(&record.step(id)["end"]));
    assert_eq!(ends, ["succeeded", "succeeded", "succeeded", "failed"]);
    let stored =
        "SELECT group_concat(\"end\") FROM (SELECT * FROM step_attempts ORDER BY sequence)";
    assert_eq!(asked::<String>(&test, stored), ends.join(","));
    assert_eq!(record.step("warns")["exit_code"], 3);
    assert_eq!(record.step("warns")["attempts"], 1);
}

/// A47: the exit codes of numbered scripts, as a plan spells them.
#[test]
fn a47_a_step_that_needs_handling_or_a_restart_is_done_and_is_named() {
    let test = plan(
        r#"
        steps:
          - {id: kernel, shell: true, command: "exit 194", exit_codes: &codes {"2": warning, "3010": restart_required, "194": restart_required, "200": needs_handling}}
          - {id: firmware, shell: true, command: "exit 200", exit_codes: *codes, depends_on: [kernel]}
          - {id: driver, shell: true, command: "exit 194", exit_codes: *codes, depends_on: [firmware]}
          - {id: last, shell: true, command: "exit 0", exit_codes: *codes, depends_on: [driver]}
        "#,
    );
    let done = running(&test, &["--strict"])
        .stderr_has("\na restart is required: kernel, driver\n")
        .stderr_has("\nneeds handling: firmware\n")
        .stderr_has("firmware  succeeded after ")
        .stderr_has(", needs handling (200)\n")
        .run();
    assert!(!done.stderr.contains("warning"), "{}", done.stderr);
    let record = Record::last(&test);
    assert_eq!(record.state(), "succeeded");
    assert_eq!(
        record.status["restart_required"],
        serde_json::json!(["kernel", "driver"])
    );
    assert_eq!(
        record.status["needs_handling"],
        serde_json::json!(["firmware"])
    );
    assert_eq!(record.step("firmware")["verdict"], "needs_handling");
    assert_eq!(record.note("firmware"), "needs handling (200)");
    assert_eq!(record.step("last")["verdict"], "success");
    test.quintet(&["why", "last", "firmware"])
        .stdout_has("\n  needs handling (200)\n")
        .run();
    test.quintet(&["status", "last"])
        .stdout_has("needs handling (200)")
        .run();
}
