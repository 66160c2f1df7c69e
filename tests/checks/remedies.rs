//! What is done about a check that fails.

use super::*;

const MENDED: &str = r#"
[[checks]]
name = "File"
command = "echo check >>ran; test -e there"
remedy = "echo remedy >>ran; touch there"
ttl = "1h"
"#;

/// E10.
#[test]
fn e10_a_failing_check_is_remedied_and_made_again() {
    let test = project(MENDED);
    let done = test
        .quintet(&["check"])
        .stderr_has("remedies    File with echo remedy >>ran; touch there")
        .stderr_has("1 passed, 0 failed, 0 skipped, 1 remediated")
        .run();
    assert!(
        done.stderr.contains("remediated  File ("),
        "{}",
        done.stderr
    );
    assert_eq!(ran(&test), "check remedy check");
    let log = log(&test);
    assert!(says(&log, "STATUS", "Remedying File"), "{log}");
    assert!(says(&log, "SUCCESS", "File remediated"), "{log}");
    let results = checked(&test, &[], 0);
    assert_eq!(status(&results, "checks/file"), "passed");
}

/// E11.
#[test]
fn e11_without_remedies_a_failing_check_is_an_error() {
    let test = project(MENDED);
    checked(&test, &["--no-remediate"], 1);
    test.quintet(&["check"])
        .env("AUTO_REMEDIATE", "0")
        .status(1)
        .run();
    assert_eq!(ran(&test), "check check");
    test.quintet(&["check"]).env("AUTO_REMEDIATE", "1").run();
    assert_eq!(ran(&test), "check check check remedy check");
}

/// E10: a remedy that fails or does not help leaves a failed check.
#[test]
fn e10_a_remedy_that_does_not_help_is_told_from_one_that_fails() {
    let check = |remedy: &str| {
        project(&format!(
            "checks = [{{ name = \"A\", command = \"false\", remedy = \"{remedy}\" }}]"
        ))
    };
    let test = check("true");
    test.quintet(&["check"])
        .status(1)
        .stderr_has("failed      A: exit 1; its remedy ran and did not help")
        .run();
    let test = check("exit 7");
    test.quintet(&["check"])
        .status(1)
        .stderr_has("its remedy failed: exit 7")
        .run();
    assert!(says(&log(&test), "ERROR", "The remedy of A failed (exit 7"));
    // Why is what a person needs to know.
    let test = check("echo no network >&2; exit 1");
    test.quintet(&["check"])
        .status(1)
        .stderr_has("failed      A: exit 1; its remedy failed: exit 1: no network")
        .run();
    assert!(says(&log(&test), "ERROR", "exit 1: no network"));
}

/// E13.
#[test]
fn e13_where_nobody_can_be_asked_the_remedy_is_declined_at_once() {
    let test = project(MENDED);
    test.quintet(&["check", "--interactive"])
        .status(1)
        .stderr_has("declined    File (no terminal)")
        .stdin("y\n")
        .run();
    assert_eq!(ran(&test), "check");
    assert!(
        says(&log(&test), "SKIPPED", "File (no terminal)"),
        "{}",
        log(&test)
    );
    // Whoever says yes to everything agrees to this, too.
    test.quintet(&["check", "--yes"])
        .env("INTERACTIVE", "1")
        .run();
    assert_eq!(ran(&test), "check check remedy check");
    assert!(
        says(&log(&test), "CONFIRMED", "File (--yes)"),
        "{}",
        log(&test)
    );
}

/// E13: a person at a terminal is asked, and no answer is no.
#[test]
fn e13_a_person_at_a_terminal_is_asked_and_the_default_is_no() {
    // `script` gives it a terminal of its own.
    let there = std::process::Command::new("script")
        .arg("--version")
        .output();
    if there.is_err() {
        support::skip("e13", "there is no script(1)");
        return;
    }
    for (answer, expected) in [
        ("y\n", "check remedy check"),
        ("\n", "check"),
        ("n\n", "check"),
    ] {
        let test = project(MENDED);
        let call = test.quintet(&["check", "--interactive"]).command();
        let words: Vec<String> = std::iter::once(call.get_program())
            .chain(call.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let mut terminal = std::process::Command::new("script");
        terminal
            .args(["-qec", &words.join(" "), "/dev/null"])
            .current_dir(test.path("work"))
            .env_clear()
            .envs(
                call.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("CI", "true")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut child = terminal.spawn().expect("a terminal");
        let mut stdin = child.stdin.take().expect("a pipe");
        let asked = test.path("work/ran");
        support::eventually("the check has failed", || asked.exists());
        std::io::Write::write_all(&mut stdin, answer.as_bytes()).expect("an answer");
        let done = child.wait_with_output().expect("it ends");
        drop(stdin);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            said.contains("checks/file failed. Remedy it? [y/N]"),
            "{said}"
        );
        assert_eq!(ran(&test), expected, "{answer:?}: {said}");
    }
}

/// What a remedy did is taken back where the run fails all the same.
#[test]
fn a_remedy_that_can_be_undone_is_when_the_run_fails() {
    let test = project(
        r#"
[[checks]]
name = "File"
command = "test -e there"
remedy = { command = "touch there", undo = "rm there; echo undone >>ran" }
ttl = "1h"
[[checks]]
name = "Other"
command = "false"
"#,
    );
    let done = test.quintet(&["check"]);
    let done = done
        .status(1)
        .stderr_has("undone      File: the run failed all the same")
        .stderr_has("0 passed, 1 failed, 0 skipped, 0 remediated, 1 undone")
        .no_file("there")
        .run();
    assert_eq!(ran(&test), "undone");
    let log = log(&test);
    assert!(
        says(&log, "WARNING", "The remedy of File was undone"),
        "{log}"
    );
    assert!(done.stderr.contains("remediated  File"), "{}", done.stderr);
    // It succeeded for a while, and that counts no more.
    let results = checked(&test, &["--fast"], 1);
    assert_eq!(status(&results, "checks/file"), "undone");
    assert_eq!(ran(&test), "undone undone");
    // What needed no remedy is not undone.
    let test = test.file("there", "");
    let results = checked(&test, &[], 1);
    assert_eq!(status(&results, "checks/file"), "passed");
    assert_eq!(ran(&test), "undone undone");
}
