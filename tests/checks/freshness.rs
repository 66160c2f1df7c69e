//! Which checks are skipped in fast mode, and which run all the same.

use super::*;

const WATCHED: &str = r#"
[[checks]]
name = "Lock"
command = "echo lock >>ran"
ttl = "1h"
inputs = ["uv.lock"]
"#;

/// E2.
#[test]
fn e2_in_full_mode_everything_runs_and_what_passes_is_fresh_afterwards() {
    let test = project(WATCHED).file("uv.lock", "1");
    checked(&test, &[], 0);
    checked(&test, &[], 0);
    assert_eq!(ran(&test), "lock lock");
    let results = checked(&test, &["--fast"], 0);
    assert_eq!(status(&results, "checks/lock"), "fresh");
}

/// E3.
#[test]
fn e3_a_fresh_check_is_skipped_with_its_age_and_its_ttl() {
    let test = project(WATCHED).file("uv.lock", "1");
    checked(&test, &[], 0);
    let done = test.quintet(&["check", "--fast"]).run();
    let said = test.normal(&done.stderr);
    assert!(said.contains("fresh       Lock (validated"), "{said}");
    assert!(said.contains("ago, ttl 1h)"), "{said}");
    assert_eq!(ran(&test), "lock");
    let log = log(&test);
    assert!(says(&log, "CACHE_HIT", "Lock (validated "), "{log}");
    assert!(says(&log, "SKIP", "Lock"), "{log}");
}

/// E4.
#[test]
fn e4_what_is_expired_or_unknown_runs_in_fast_mode() {
    let test = project(
        "checks = [{ name = \"A\", command = \"echo a >>ran\", ttl = \"1ms\" }, { name = \"B\", command = \"echo b >>ran\" }]",
    );
    checked(&test, &["--fast"], 0);
    // Longer than a millisecond, however fast the machine.
    std::thread::sleep(std::time::Duration::from_millis(20));
    checked(&test, &["--fast"], 0);
    assert_eq!(ran(&test), "a b a b");
}

/// E7.
#[test]
fn e7_a_watched_file_that_changed_ends_freshness_within_the_ttl() {
    let test = project(WATCHED).file("uv.lock", "1");
    checked(&test, &["--fast"], 0);
    assert_eq!(
        status(&checked(&test, &["--fast"], 0), "checks/lock"),
        "fresh"
    );
    let test = test.file("uv.lock", "2");
    assert_eq!(
        status(&checked(&test, &["--fast"], 0), "checks/lock"),
        "passed"
    );
    assert_eq!(ran(&test), "lock lock");
}

/// E8.
#[test]
fn e8_a_failed_check_is_never_fresh() {
    let test = project(
        "checks = [{ name = \"A\", command = \"echo a >>ran; test -e good\", ttl = \"1h\" }]",
    )
    .file("good", "");
    checked(&test, &[], 0);
    std::fs::remove_file(test.path("work/good")).unwrap();
    checked(&test, &[], 1);
    checked(&test, &["--fast"], 1);
    let test = test.file("good", "");
    assert_eq!(
        status(&checked(&test, &["--fast"], 0), "checks/a"),
        "passed"
    );
    assert_eq!(ran(&test), "a a a a");
}

/// E9.
#[test]
fn e9_what_passed_is_fresh_although_a_later_phase_failed() {
    let test = project(
        r#"
[[phases]]
name = "One"
checks = [{ name = "A", command = "true", ttl = "1h" }]
[[phases]]
name = "Two"
checks = [{ name = "B", command = "false", ttl = "1h" }]
"#,
    );
    checked(&test, &[], 1);
    let results = checked(&test, &["--fast"], 1);
    assert_eq!(status(&results, "one/a"), "fresh");
    assert_eq!(status(&results, "two/b"), "failed");
}

/// E34.
#[test]
fn e34_a_check_runs_although_fresh_where_one_it_depends_on_did_not_succeed_at_once() {
    let test = project(
        r#"
[[checks]]
name = "Virtual environment"
command = "test -e venv"
severity = "warn"
[[checks]]
name = "Dependency sync"
command = "echo sync >>ran"
ttl = "30m"
stale_with = ["Virtual environment"]
"#,
    )
    .file("venv", "");
    checked(&test, &[], 0);
    let results = checked(&test, &["--fast"], 0);
    assert_eq!(status(&results, "checks/dependency-sync"), "fresh");
    std::fs::remove_file(test.path("work/venv")).unwrap();
    let results = checked(&test, &["--fast"], 0);
    assert_eq!(status(&results, "checks/virtual-environment"), "warning");
    assert_eq!(status(&results, "checks/dependency-sync"), "passed");
    assert_eq!(ran(&test), "sync sync");
}

/// E28.
#[test]
fn e28_a_success_that_lies_in_the_future_is_none() {
    let test =
        project("checks = [{ name = \"Python\", command = \"echo python >>ran\", ttl = \"1h\" }]");
    checked(&test, &[], 0);
    // In the year 2100.
    std::fs::write(
        kept(&test).join("state.json"),
        "last_python_check=4102444800\n",
    )
    .unwrap();
    let results = checked(&test, &["--fast"], 0);
    assert_eq!(status(&results, "checks/python"), "passed");
    assert_eq!(ran(&test), "python python");
}

/// E32: what the other verb of freshness makes of a project of checks.
#[test]
fn e32_what_is_remembered_is_listed_and_forgotten() {
    let test = project(WATCHED).file("uv.lock", "1");
    checked(&test, &[], 0);
    test.quintet(&["cache", "list"])
        .stdout_has("checks/lock")
        .run();
    test.quintet(&["cache", "clear", ".", "checks/lock"]).run();
    let results = checked(&test, &["--fast"], 0);
    assert_eq!(status(&results, "checks/lock"), "passed");
}
