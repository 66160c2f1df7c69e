//! What running a sequence does.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Test, eventually};
use crate::{folder, ran, scripts, states};

/// Scripts that note how many of them run at once.
fn counting(many: usize) -> Test {
    let body = "mkdir -p at; : >at/$$; ls at | wc -l >>most; sleep 0.3; rm at/$$";
    let mut test = Test::new();
    for n in 0..many {
        test = test.file(&format!("scripts/{n:04}_Step.sh"), body);
    }
    test
}

fn most(test: &Test) -> usize {
    let most = std::fs::read_to_string(test.path("work/most")).expect("they ran");
    most.split_whitespace()
        .filter_map(|n| n.parse().ok())
        .max()
        .expect("a number")
}

/// A43.
#[test]
fn a43_four_run_at_once_or_as_many_as_are_allowed() {
    for (line, bound) in [
        (&["seq", "*"][..], 4),
        (&["seq", "*", "--max-concurrency", "2"], 2),
        (&["seq", "*", "-MaxConcurrency", "6"], 6),
        (&["seq", "*", "--sequential"], 1),
        (&["seq", "*", "-Parallel", "$false"], 1),
    ] {
        let test = counting(8);
        test.quintet(line).run();
        let most = most(&test);
        assert!(most <= bound, "{line:?}: {most} at once");
        assert!(bound == 1 || most > 1, "{line:?}: one after another");
    }
}

/// A11. A43.
#[test]
fn a43_one_after_another_is_ascending_whatever_the_past_says() {
    let test = folder();
    for _ in 0..2 {
        std::fs::remove_file(test.path("work/ran")).ok();
        test.quintet(&["seq", "0300,0000-0001,0207", "--sequential"])
            .run();
        assert_eq!(ran(&test), "0000 0001 0207 0300");
    }
}

/// A45.
#[test]
fn a45_without_continue_on_error_the_first_failure_stops_new_starts() {
    for mode in [&["--sequential"][..], &["--max-concurrency", "2"]] {
        let test = scripts(&[
            ("0001_A.sh", "sleep 0.5"),
            ("0002_B.sh", "sleep 0.1; exit 7"),
            ("0003_C.sh", "sleep 0.2"),
            ("0004_D.sh", ""),
            ("0005_E.sh", ""),
        ]);
        let line = [&["seq", "*"], mode].concat();
        test.quintet(&line).status(1).stderr_has("0002_B").run();
        assert!(!ran(&test).contains("0005"), "{mode:?}: {}", ran(&test));
        assert!(ran(&test).contains("0001"), "what runs is waited for");
    }
}

/// A46.
#[test]
fn a46_with_continue_on_error_all_others_run_and_the_summary_lists_the_failures() {
    let test = scripts(&[
        ("0001_A.sh", "exit 7"),
        ("0002_B.sh", ""),
        ("0003_C.sh", "exit 1"),
    ]);
    let line = ["seq", "*", "--continue-on-error"];
    let call = test
        .quintet(&line)
        .stderr_has("0001_A")
        .stderr_has("exit 7");
    call.stderr_has("0003_C").run();
    assert_eq!(ran(&test), "0002");
    let strict = [&line[..], &["--strict"]].concat();
    test.quintet(&strict).status(1).run();
}

/// A47.
#[test]
fn a47_exit_codes_mean_what_the_document_says() {
    let test = scripts(&[
        ("0000_Fine.sh", "exit 0"),
        ("0001_Partly.sh", "exit 2"),
        ("0002_Restart.sh", "exit 194"),
        ("0003_Special.sh", "exit 200"),
    ]);
    test.quintet(&["seq", "*"])
        .stderr_has("0001_Partly succeeded: with a warning (exit 2)")
        .stderr_has("restart is required: 0002_Restart")
        .stderr_has("needs handling: 0003_Special")
        .run();
    let config = r#"{"ScriptRangeDefaults": {"0001-0001": {"ExitCodes": {"2": "failure"}}}}"#;
    let test = test.file("config.json", config);
    test.quintet(&["seq", "*"])
        .status(1)
        .stderr_has("0001_Partly")
        .run();
    let states = states(&test);
    assert_eq!(states[1], ("0001".into(), "failed".into()));
}

/// A48. A49.
#[test]
fn a48_scripts_are_told_their_variables_and_are_never_asked() {
    let test = Test::new()
        .file("scripts/0001_Say.sh", "echo \"$AITHERZERO_Environment,$QUINTET_VAR_Features,$AITHERZERO_NONINTERACTIVE\" >said; cat >>said")
        .file("scripts/0002_Say.py", "import os\nopen('python', 'w').write(os.environ['AITHERZERO_Odd'])\n");
    let odd = "$(touch evaluated) `x` \"' ;|";
    let variables =
        serde_json::json!({"Environment": "Lab", "Features": ["A", "B"], "Odd": odd}).to_string();
    test.quintet(&["seq", "*", "--variables", &variables, "-NonInteractive"])
        .stdin("never read")
        .file_is("said", "Lab,[\"A\",\"B\"],true\n")
        .file_is("python", odd)
        .no_file("evaluated")
        .run();
}

/// A52.
#[test]
fn a52_a_script_is_tried_again_as_the_configuration_says() {
    let test = scripts(&[("0001_A.sh", "[ -e tried ] || { touch tried; exit 1; }")]);
    let test = test.file(
        "config.json",
        r#"{"Automation": {"MaxRetries": 2, "RetryDelay": 0.1}}"#,
    );
    test.quintet(&["seq", "0001"]).run();
    let result = test
        .quintet(&["report", "last", "--format", "json"])
        .run()
        .json();
    assert_eq!(result["steps"][0]["attempts"], 2);
}

/// A53.
#[test]
fn a53_a_script_that_takes_too_long_is_killed_and_has_failed_with_124() {
    let test = scripts(&[("0001_A.sh", "sleep 600")]);
    let test = test.file("config.json", r#"{"Automation": {"DefaultTimeout": 0.3}}"#);
    let done = test
        .quintet(&["seq", "0001", "--pass-thru"])
        .status(1)
        .run();
    let result = done.json();
    assert_eq!(result["failed"], 1);
    assert_eq!(result["steps"][0]["exit_code"], 124);
    // Its supervisor ends a moment after the engine.
    eventually("nothing is left", || test.processes().is_empty());
}

/// A55.
#[test]
fn a55_scripts_of_every_kind_run_and_a_missing_interpreter_is_found_beforehand() {
    let test = Test::new()
        .file("scripts/0001_Shell.sh", "echo 1 >>ran")
        .file("scripts/0002_Python.py", "open('ran', 'a').write('2\\n')\n")
        .file("scripts/0003_Own", "#!/bin/sh\necho 3 >>ran")
        .file("scripts/0004_Named", "#!/usr/bin/env sh\necho 4 >>ran")
        .file("scripts/0005_notes.md", "# Stage: Core\n");
    let own = test.path("work/scripts/0003_Own");
    std::fs::set_permissions(own, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    test.quintet(&["seq", "*", "--sequential"]).run();
    assert_eq!(ran(&test), "1 2 3 4");
    let test = test.file("scripts/0006_Power.ps1", "Write-Host hello");
    let path = test.path("work/bin");
    std::fs::create_dir(&path).expect("a directory");
    for tool in ["sh", "python3", "env"] {
        let found = ["/usr/bin", "/bin", "/usr/local/bin"].map(|dir| format!("{dir}/{tool}"));
        let found = found
            .iter()
            .find(|path| std::path::Path::new(path).exists());
        if let Some(found) = found {
            std::os::unix::fs::symlink(found, path.join(tool)).expect("a link");
        }
    }
    let call = test
        .quintet(&["seq", "*"])
        .env("PATH", &path.to_string_lossy())
        .status(2);
    call.stderr_has("\"pwsh\" is not on PATH; it runs 0006_Power")
        .run();
    assert_eq!(ran(&test), "1 2 3 4", "nothing ran");
    let call = test
        .quintet(&["seq", "*", "--dry-run"])
        .env("PATH", &path.to_string_lossy());
    call.stderr_has("is not on PATH").run();
}

/// A57.
#[test]
fn a57_what_a_range_may_not_do_beside_itself_it_does_not() {
    let test = counting(6);
    let test = test.file(
        "config.json",
        r#"{"ScriptRangeDefaults": {"0000-0009": {"AllowParallel": false}}}"#,
    );
    test.quintet(&["seq", "*"]).run();
    assert_eq!(most(&test), 1);
}
