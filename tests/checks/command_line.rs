//! Flags, the environment, the file's settings, and a shell's profile.

use super::*;

const ONE: &str = r#"
[[phases]]
name = "One"
[[phases.checks]]
name = "A"
command = "echo a >>ran; test -e there"
remedy = "echo remedy >>ran; touch there"
ttl = "1h"
[[phases]]
name = "Two"
tags = ["tests"]
[[phases.checks]]
name = "B"
command = "echo b >>ran"
"#;

/// E5.
#[test]
fn e5_flags_combine_in_any_order_and_an_unknown_one_is_refused() {
    let test = project(ONE).file("there", "");
    checked(&test, &[], 0);
    for flags in [["--fast", "--skip-tests"], ["--skip-tests", "--fast"]] {
        let results = checked(&test, &flags, 0);
        assert_eq!(status(&results, "one/a"), "fresh", "{flags:?}");
        assert_eq!(status(&results, "two/b"), "left_out", "{flags:?}");
    }
    assert_eq!(ran(&test), "a b");
    test.quintet(&["check", "--fats"])
        .status(2)
        .stderr_has("--fats")
        .run();
    assert_eq!(ran(&test), "a b");
}

/// E12.
#[test]
fn e12_a_dry_run_tells_each_action_and_does_none() {
    let test = project(ONE);
    let expected = "\
One
  would run A: echo a >>ran; test -e there
    would remedy with echo remedy >>ran; touch there
Two
  would skip B: left out by --skip-tests
";
    test.quintet(&["check", "--dry-run", "--skip-tests"])
        .stdout(expected)
        .no_file("ran")
        .run();
    assert!(!test.path("state").exists(), "nothing is written");
    test.quintet(&["check", "--fast", "--no-remediate"])
        .env("DRY_RUN", "1")
        .env("PERSIST_CONFIG", "1")
        .stdout_has("would run A: echo a >>ran; test -e there\nTwo\n")
        .no_file("ran")
        .run();
    assert!(!test.path(".profile").exists(), "never in a dry run");
    let test = project(&format!("settings = {{ dry_run = true }}\n{ONE}"));
    test.quintet(&["check"])
        .stdout_has("would run A")
        .no_file("ran")
        .run();
    assert!(!test.path("state").exists(), "nothing is written");
}

/// E12: what is fresh would not run, and is not looked at by running it.
#[test]
fn e12_a_dry_run_knows_what_is_fresh() {
    let test = project(ONE).file("there", "");
    checked(&test, &[], 0);
    let state = std::fs::read(kept(&test).join("state.json")).unwrap();
    let logs_before = logs(&test);
    test.quintet(&["check", "--fast", "-n"])
        .stdout_has("would skip A: fresh, validated ")
        .stdout_has("would run B: echo b >>ran")
        .run();
    assert_eq!(ran(&test), "a b");
    assert_eq!(
        std::fs::read(kept(&test).join("state.json")).unwrap(),
        state
    );
    assert_eq!(logs(&test), logs_before);
}

/// E14.
#[test]
fn e14_a_flag_counts_before_the_environment_and_that_before_the_file() {
    let test = project(&format!("settings = {{ skip_tests = true }}\n{ONE}")).file("there", "");
    let left_out = |args: &[&str], env: Option<&str>| {
        let line = [&["check", "--json"], args].concat();
        let mut call = test.quintet(&line);
        if let Some(value) = env {
            call = call.env("SKIP_TESTS", value);
        }
        status(&results(&call.run().text()), "two/b") == "left_out"
    };
    assert!(left_out(&[], None));
    assert!(!left_out(&[], Some("no")));
    assert!(left_out(&["--skip-tests"], Some("false")));
    assert!(!left_out(&["--skip-tests=false"], Some("1")));
    test.quintet(&["check"])
        .env("FAST_MODE", "fast")
        .status(2)
        .stderr_has("FAST_MODE=\"fast\" is neither yes nor no")
        .run();
}

/// E15.
#[test]
fn e15_settings_are_added_to_the_profile_once_and_shown_first() {
    let test = project(ONE).file("there", "");
    let profile = test.path(".bashrc");
    std::fs::write(&profile, "alias x=y\n").unwrap();
    let call = || {
        test.quintet(&["check", "--skip-tests"])
            .env("SHELL", "/bin/bash")
            .env("PERSIST_CONFIG", "1")
            .env("FAST_MODE", "1")
    };
    call()
        .stderr_has("to be added to ")
        .stderr_has("  export FAST_MODE=1\n  export SKIP_TESTS=1\n")
        .run();
    let expected = "alias x=y\n\n# Added by quintet check --persist-config\nexport FAST_MODE=1\nexport SKIP_TESTS=1\n";
    assert_eq!(std::fs::read_to_string(&profile).unwrap(), expected);
    call().stderr_has("nothing is added to ").run();
    assert_eq!(std::fs::read_to_string(&profile).unwrap(), expected);
    let names = std::fs::read_dir(test.path("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kept: Vec<String> = names
        .filter(|name| name.starts_with(".bashrc.before-"))
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let kept = std::fs::read_to_string(test.path(&kept[0])).unwrap();
    assert_eq!(kept, "alias x=y\n");
}

/// E15: who is asked and cannot answer has not agreed.
#[test]
fn e15_with_interactive_a_profile_is_not_touched_without_a_word() {
    let test = project(ONE).file("there", "");
    test.quintet(&["check", "--persist-config", "--fast", "--interactive"])
        .run();
    assert!(!test.path(".profile").exists());
}

/// E25.
#[test]
fn e25_help_lists_flags_and_environment_variables() {
    let test = Test::new();
    let help = test.quintet(&["check", "--help"]).run().text();
    for word in [
        "--fast",
        "--skip-tests",
        "--dry-run",
        "--interactive",
        "--persist-config",
        "--no-remediate",
        "--no-log",
        "--parallel",
        "AUTO_REMEDIATE",
        "DRY_RUN",
        "INTERACTIVE",
        "PERSIST_CONFIG",
        "FAST_MODE",
        "SKIP_TESTS",
        "LOG_REMEDIATION",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
