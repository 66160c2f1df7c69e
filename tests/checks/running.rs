//! Phases and checks, how they end, and what is said of them.

use super::*;

const TWO: &str = r#"
[[phases]]
name = "Environment validation"
[[phases.checks]]
name = "First"
command = "echo first >>ran"
[[phases.checks]]
name = "Second"
command = "echo second >>ran"
[[phases]]
name = "Quality"
tags = ["quality"]
[[phases.checks]]
name = "Third"
command = "echo third >>ran"
"#;

/// E1.
#[test]
fn e1_phases_run_in_order_and_each_check_has_its_status_under_its_phase() {
    let test = project(TWO);
    let done = test.quintet(&["check"]).run();
    assert_eq!(ran(&test), "first second third");
    let lines: Vec<String> = test
        .normal(&done.stderr)
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        lines[..8],
        [
            "Environment validation",
            "  begins      First",
            "  passed      First ( [TOOK])",
            "  begins      Second",
            "  passed      Second ( [TOOK])",
            "Quality",
            "  begins      Third",
            "  passed      Third ( [TOOK])",
        ],
        "{}",
        done.stderr
    );
}

/// E1: a file of checks is a target like any other.
#[test]
fn e1_every_verb_reads_files_of_checks() {
    let test = project(TWO);
    test.quintet(&["validate", "checks.toml"]).run();
    test.quintet(&["list", "checks.toml"])
        .stdout_has("environment-validation/first")
        .run();
    test.quintet(&["plan", "checks.toml"])
        .stdout_has("third")
        .run();
    test.quintet(&["run", "checks.toml", "quality/third"]).run();
    assert_eq!(ran(&test), "third");
}

/// E23.
#[test]
fn e23_skip_tests_leaves_the_tagged_phase_out_and_says_so() {
    let test = project(TWO);
    test.quintet(&["check", "--skip-tests"])
        .stderr_has("skipped     Third (left out by --skip-tests)")
        .stderr_has("2 passed, 0 failed, 1 skipped")
        .run();
    assert_eq!(ran(&test), "first second");
    assert!(says(&log(&test), "SKIP", "Third"), "{}", log(&test));
    test.quintet(&["check"]).env("SKIP_TESTS", "1").run();
    assert_eq!(ran(&test), "first second first second");
}

/// E24.
#[test]
fn e24_a_check_for_another_system_is_skipped_with_the_reason() {
    let other = if cfg!(target_os = "macos") {
        "linux"
    } else {
        "macos"
    };
    let named = if cfg!(target_os = "macos") {
        "Linux"
    } else {
        "macOS"
    };
    let test = project(&format!(
        "checks = [{{ name = \"There\", command = \"touch ran\", platform = \"{other}\" }}]"
    ));
    test.quintet(&["check"])
        .stderr_has(&format!("skipped     There (not on {named})"))
        .no_file("ran")
        .run();
    assert!(says(&log(&test), "SKIP", &format!("There: not on {named}")));
}

/// E31.
#[test]
fn e31_a_failure_of_a_required_check_fails_the_run_and_one_that_warns_does_not() {
    let test = project(
        r#"
[[phases]]
name = "One"
[[phases.checks]]
name = "Warns"
command = "echo no such thing >&2; exit 3"
severity = "warn"
[[phases.checks]]
name = "After"
command = "echo after >>ran"
"#,
    );
    test.quintet(&["check"])
        .stderr_has("warning     Warns: exit 3: no such thing")
        .stderr_has("passed with warnings")
        .run();
    test.quintet(&["check", "--strict"]).status(1).run();
    let test = project(
        r#"
[[phases]]
name = "One"
[[phases.checks]]
name = "Fails"
command = "echo no such thing >&2; exit 3"
[[phases.checks]]
name = "Beside"
command = "echo beside >>ran"
[[phases]]
name = "Two"
[[phases.checks]]
name = "Later"
command = "echo later >>ran"
"#,
    );
    let results = checked(&test, &[], 1);
    assert_eq!(status(&results, "one/fails"), "failed");
    assert_eq!(
        status(&results, "one/beside"),
        "passed",
        "all of a phase is told"
    );
    assert_eq!(status(&results, "two/later"), "skipped");
    assert_eq!(ran(&test), "beside");
    let log = log(&test);
    assert!(says(&log, "ERROR", "Fails: exit 3: no such thing"), "{log}");
    assert!(says(&log, "SKIP", "Later"), "{log}");
}

/// E22.
#[test]
fn e22_without_room_on_the_disk_nothing_is_checked() {
    let test = Test::new().file(
        "checks.toml",
        "disk = { minimum = \"900000TB\" }\nchecks = [{ name = \"A\", command = \"touch ran\" }]",
    );
    test.quintet(&["check"])
        .status(1)
        .stderr_has("Insufficient disk space: ")
        .stderr_has("(need at least 921600000GB)")
        .no_file("ran")
        .run();
    test.quintet(&["check", "A"]).status(1).no_file("ran").run();
}

/// E35.
#[test]
fn e35_a_check_never_takes_longer_than_its_timeout() {
    let test = project(
        "checks = [{ name = \"Hangs\", command = \"sleep 1000\", timeout = \"200ms\", severity = \"warn\" }]",
    );
    test.quintet(&["check"])
        .stderr_has("warning     Hangs: Timeout after 0.2s")
        .run();
}

/// E35: the usual questions before all else, none of which can hang.
#[test]
fn e35_builtins_ask_the_machine_and_fail_with_a_reason() {
    let test = project(
        r#"
[[phases]]
name = "Pre-flight"
[[phases.checks]]
name = "Room"
builtin = { disk_space = { at_least = 1 } }
[[phases.checks]]
name = "Network"
builtin = { port_reachable = { host = "127.0.0.1", port = 1 } }
severity = "warn"
[[phases.checks]]
name = "Shell"
builtin = { file_exists = { path = "/bin/sh" } }
[[phases.checks]]
name = "Clean tree"
builtin = { git_clean = { dir = "/" } }
severity = "warn"
timeout = "2s"
"#,
    );
    let results = checked(&test, &[], 0);
    assert_eq!(status(&results, "pre-flight/room"), "passed");
    assert_eq!(status(&results, "pre-flight/network"), "warning");
    assert_eq!(status(&results, "pre-flight/shell"), "passed");
    assert_eq!(status(&results, "pre-flight/clean-tree"), "warning");
}

/// Variables are those of plan files, and a secret is in no log.
#[test]
fn variables_are_given_and_secrets_are_masked() {
    let test = project(
        r#"
[variables]
WHAT = "nothing"
TOKEN = { secret = true, default = "none-given" }
[[checks]]
name = "A"
command = "echo ${WHAT} >>ran; echo token ${TOKEN} >&2; exit 1"
"#,
    );
    test.quintet(&["check", "--var", "WHAT=it", "--var", "TOKEN"])
        .env("TOKEN", "s3cr3t-value")
        .status(1)
        .stderr_has("failed      A: exit 1: token ")
        .run();
    assert_eq!(ran(&test), "it");
    assert!(!log(&test).contains("s3cr3t-value"), "{}", log(&test));
}

/// E29.
#[test]
fn e29_the_summary_has_the_time_the_counts_and_the_places() {
    let test = project(TWO);
    let done = test
        .quintet(&["check"])
        .stderr_has("3 passed, 0 failed, 0 skipped, 0 remediated")
        .run();
    let said = test.normal(&done.stderr);
    assert!(said.contains("passed in [TOOK]: "), "{said}");
    let state = kept(&test).join("state.json");
    let state = format!("state  {}", state.display());
    assert!(done.stderr.contains(&state), "{}", done.stderr);
    let log = format!("log    {}", logs(&test)[0].display());
    assert!(done.stderr.contains(&log), "{}", done.stderr);
    test.quintet(&["check", "--where"])
        .stdout_has(&kept(&test).join("state.json").display().to_string())
        .run();
}

/// E32.
#[test]
fn e32_one_check_is_named_by_its_name_or_its_id() {
    let test = project(TWO);
    for name in [
        "Second",
        "second",
        "environment-validation/second",
        "*second",
    ] {
        test.quintet(&["check", name]).run();
    }
    assert_eq!(ran(&test), "second second second second");
    let results = checked(&test, &["Environment validation"], 0);
    assert_eq!(status(&results, "quality/third"), "left_out");
    assert_eq!(status(&results, "environment-validation/first"), "passed");
    test.quintet(&["check", "Secnod"])
        .status(2)
        .stderr_has("Secnod")
        .run();
}

/// E33.
#[test]
fn e33_the_results_are_one_object_after_the_events() {
    let test = project(TWO);
    let done = test.quintet(&["check", "--json", "--skip-tests"]).run();
    let text = done.text();
    assert!(text.lines().count() > 5, "events are told as well");
    for line in text.lines() {
        serde_json::from_str::<Value>(line).expect("every line is JSON");
    }
    let results = results(&text);
    assert_eq!(results["outcome"], "succeeded");
    assert_eq!(results["exit_code"], 0);
    assert_eq!(results["counts"]["passed"], 2);
    assert_eq!(results["counts"]["skipped"], 1);
    let first = &results["checks"][0];
    assert_eq!(first["name"], "First");
    assert_eq!(first["phase"], "Environment validation");
    assert!(first["duration_ms"].is_u64(), "{first}");
    assert!(results["places"]["state"].is_string());
    assert_eq!(status(&results, "quality/third"), "left_out");
}

/// Phases at once: each of two checks waits for the other, which only ends well
/// where they run together.
#[test]
fn phases_run_at_once_where_that_is_asked_for() {
    let meet = |own: &str, other: &str| {
        format!(
            "[[phases]]\nname = \"{own}\"\n[[phases.checks]]\nname = \"{own} meets\"\n\
             command = \"touch {own}; for i in $(seq 300); do test -e {other} && exit 0; sleep 0.1; done; exit 1\"\n"
        )
    };
    let text = meet("one", "two") + &meet("two", "one");
    project(&text).quintet(&["check", "--parallel"]).run();
    let both = r#"
[[phases]]
name = "both"
parallel = true
[[phases.checks]]
name = "a"
command = "touch a; for i in $(seq 300); do test -e b && exit 0; sleep 0.1; done; exit 1"
[[phases.checks]]
name = "b"
command = "touch b; for i in $(seq 300); do test -e a && exit 0; sleep 0.1; done; exit 1"
"#;
    project(both).quintet(&["check"]).run();
}

#[test]
fn what_is_wrong_with_the_file_is_told_with_its_place_and_nothing_runs() {
    let test = project("checks = [{ name = \"A\", command = \"touch ran\", tll = \"1h\" }]");
    test.quintet(&["check"])
        .status(2)
        .stderr_has("unknown field \"tll\"")
        .stderr_has("checks.toml:2")
        .no_file("ran")
        .run();
    Test::new()
        .quintet(&["check"])
        .status(2)
        .stderr_has("there is no file of checks")
        .run();
}

/// What a check writes or is called cannot drive a terminal.
#[test]
fn hostile_names_and_output_are_written_out() {
    let test = project(
        "checks = [{ id = \"a\", name = \"A\\u001b[2J\", command = \"printf 'bad\\\\033[2J' >&2; exit 1\" }]",
    );
    let done = test.quintet(&["check"]).status(1).run();
    assert!(!done.stderr.contains('\u{1b}'), "{:?}", done.stderr);
    assert!(!log(&test).contains('\u{1b}'));
}
