//! What is kept of a project: its state as a file, and its log files.

use std::fs;

use super::*;

const ONE: &str = "checks = [{ name = \"Python\", command = \"echo python >>ran\", ttl = \"1h\" }]";

/// E20, E21.
#[test]
fn e20_e21_a_log_has_its_header_and_a_line_of_each_level_with_its_time() {
    let test = project(ONE);
    checked(&test, &[], 0);
    checked(&test, &["--fast"], 0);
    let name = logs(&test)[0]
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let called = regex::Regex::new(r"^orchestrator-\d{8}-\d{6}(-\d+)?\.log$").unwrap();
    assert!(called.is_match(&name), "{name}");
    let all: String = logs(&test)
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let line = regex::Regex::new(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] [A-Z_]+: ").unwrap();
    for text in all.lines() {
        assert!(line.is_match(text), "{text}");
    }
    for (level, part) in [
        ("HEADER", "Project: "),
        ("HEADER", "Phase: Checks"),
        ("SECTION", "Python"),
        ("STATUS", "Checking Python: echo python >>ran"),
        ("SUCCESS", "Python ("),
        ("INFO", "Run: "),
        ("SKIP", "Python: recently validated"),
        ("CACHE_HIT", "Python (validated "),
        ("LOCK_ACQUIRED", "lock-project-"),
        ("LOCK_RELEASED", "lock-project-"),
        ("STATE_SAVED", "state.json"),
    ] {
        assert!(says(&all, level, part), "{level} {part}: {all}");
    }
}

/// E20, E21.
#[test]
fn e20_e21_only_so_many_logs_are_kept_and_what_goes_is_said() {
    let test = project(&format!("log = {{ keep = 3 }}\n{ONE}"));
    for _ in 0..5 {
        checked(&test, &["--fast"], 0);
        assert!(logs(&test).len() <= 3);
    }
    assert_eq!(logs(&test).len(), 3);
    assert!(
        says(&log(&test), "LOG_ROTATION", "1 old log file removed"),
        "{}",
        log(&test)
    );
}

/// E20: twenty, where nobody says how many.
#[test]
fn e20_twenty_logs_are_left_after_any_run() {
    let test = project(ONE);
    checked(&test, &["--fast"], 0);
    for n in 0..30 {
        let path = kept(&test).join(format!("logs/orchestrator-20200101-0000{n:02}.log"));
        let file = fs::File::create(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(n))
            .unwrap();
    }
    checked(&test, &["--fast"], 0);
    assert_eq!(logs(&test).len(), 20);
    assert!(log(&test).contains("HEADER"), "the newest is the live one");
}

/// E30.
#[test]
fn e30_without_a_log_all_else_is_as_ever() {
    let test = project(ONE);
    let done = test.quintet(&["check"]).env("LOG_REMEDIATION", "0").run();
    assert!(!done.stderr.contains("log    "), "{}", done.stderr);
    assert!(!kept(&test).join("logs").exists());
    checked(&test, &["--no-log", "--fast"], 0);
    assert!(logs(&test).is_empty());
    assert_eq!(ran(&test), "python");
}

/// E20: a log folder that cannot be written is a warning.
#[test]
fn e20_where_no_log_can_be_written_the_run_goes_on() {
    let test = project(ONE);
    checked(&test, &["--no-log"], 0);
    fs::write(kept(&test).join("logs"), "in the way").unwrap();
    test.quintet(&["check"])
        .stderr_has("there is no log file in ")
        .run();
    assert_eq!(ran(&test), "python python");
}

/// E26.
#[test]
fn e26_the_state_is_json_that_can_be_deleted_to_have_everything_validated() {
    let test = project(ONE);
    checked(&test, &[], 0);
    let state = kept(&test).join("state.json");
    let value: Value = serde_json::from_str(&fs::read_to_string(&state).unwrap()).unwrap();
    assert_eq!(value["steps"][0]["step"], "checks/python");
    assert_eq!(
        status(&checked(&test, &["--fast"], 0), "checks/python"),
        "fresh"
    );
    fs::remove_file(&state).unwrap();
    assert_eq!(
        status(&checked(&test, &["--fast"], 0), "checks/python"),
        "passed"
    );
    assert!(state.exists());
}

/// E26.
#[test]
fn e26_a_corrupt_state_is_a_warning_and_never_run() {
    let test = project(ONE);
    let hostile = [
        "{",
        "",
        "$(touch hacked)\n",
        "`touch hacked`=1",
        "\u{0}\u{1}",
        "{\"version\": 7}",
    ];
    for text in hostile {
        checked(&test, &[], 0);
        fs::write(kept(&test).join("state.json"), text).unwrap();
        test.quintet(&["check", "--fast"])
            .stderr_has("is not used, and everything is validated")
            .no_file("hacked")
            .run();
        assert!(says(&log(&test), "WARNING", "is not used"));
    }
    assert_eq!(ran(&test).split(' ').count(), 2 * hostile.len());
}

/// E26.
#[test]
fn e26_an_older_state_file_is_taken_over() {
    let test = project(ONE);
    checked(&test, &[], 0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let text = format!(
        "last_python_check={}\nnonsense=$(touch hacked)\n",
        now.as_secs() - 60
    );
    fs::write(kept(&test).join("state.json"), text).unwrap();
    test.quintet(&["check", "--fast"])
        .stderr_has("fresh       Python (validated 1m")
        .no_file("hacked")
        .run();
    assert_eq!(ran(&test), "python");
}

/// E27.
#[test]
fn e27_two_projects_know_nothing_of_each_other() {
    let test = Test::new()
        .file("a/app/checks.toml", ONE)
        .file("b/app/checks.toml", ONE)
        .file("b/app/deep/down/file", "");
    checked(&test, &["--file", "a/app/checks.toml"], 0);
    let results = checked(&test, &["--fast", "-f", "b/app/checks.toml"], 0);
    assert_eq!(status(&results, "checks/python"), "passed");
    let projects = fs::read_dir(test.path("state/projects")).unwrap();
    assert_eq!(projects.count(), 2);
    let mut command = test.quintet(&["check", "--fast"]).command();
    let done = command
        .current_dir(test.path("work/b/app/deep/down"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        said.contains("fresh       Python"),
        "found from below: {said}"
    );
}
