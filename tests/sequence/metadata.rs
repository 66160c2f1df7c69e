//! What scripts say of themselves, and what becomes of it.

use crate::{planned, ran, scripts, selected, states};

/// A15. A16. A17. A18.
#[test]
fn headers_of_every_form_are_shown() {
    let test = scripts(&[
        (
            "0001_A.sh",
            "\u{feff}# Stage: One\r\n# Tags: a, b\r\n# Description: the first",
        ),
        (
            "0002_B.sh",
            ": '\n'\n<#\n .NOTES\n    Stage: Two\n    Tags: c\n#>\n",
        ),
        (
            "0003_C.sh",
            "# Stage: Three, Order: 0003, Dependencies: 0001",
        ),
        ("0004_D.sh", ""),
    ]);
    let steps = planned(&test, &["*"]);
    let stages: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["stage"].as_str())
        .collect();
    // The order is that of running: 0003 waits for 0001.
    assert_eq!(stages, ["One", "Two", "Default", "Three"]);
    assert_eq!(steps[0]["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(steps[0]["description"], "the first");
    assert_eq!(steps[3]["needs"], serde_json::json!(["0001_A"]));
}

/// A19. A22.
#[test]
fn a22_what_depends_on_a_failure_is_skipped_and_the_run_ends() {
    for mode in ["--parallel", "--sequential"] {
        let test = scripts(&[
            ("0001_A.sh", "exit 1"),
            ("0002_B.sh", "# Dependencies: 0001"),
            ("0003_C.sh", "# Dependencies: B"),
            ("0004_D.sh", ""),
            ("0005_E.sh", "# Dependencies: 0006"),
            ("0006_F.sh", "sleep 0.2"),
        ]);
        let call = test.quintet(&["seq", "*", "--continue-on-error", mode]);
        call.stderr_has("skipped: 0002_B, 0003_C: it depends on 0001_A, which failed")
            .run();
        let states = states(&test);
        let state = |number: &str| &states.iter().find(|(n, _)| n == number).expect("a step").1;
        assert_eq!(state("0001"), "failed");
        assert_eq!(state("0002"), "skipped");
        assert_eq!(state("0003"), "skipped");
        let ran = ran(&test);
        assert!(ran.find("0006") < ran.find("0005"), "{mode}: {ran}");
        assert!(ran.contains("0004"));
    }
}

/// A20. A21.
#[test]
fn a20_a_dependency_may_be_a_script_a_tool_or_a_note() {
    let test = scripts(&[
        ("0009_Initialize-Tofu.sh", "# Dependencies: Tofu"),
        ("0207_Install-Git.sh", ""),
        ("0300_Use.sh", "# Dependencies: git, sh, Unheard-Of, All"),
    ]);
    let steps = planned(&test, &["*"]);
    assert_eq!(steps[2]["needs"], serde_json::json!(["0207_Install-Git"]));
    assert_eq!(
        steps[2]["notes"],
        serde_json::json!([
            "depends on \"Unheard-Of\", which is no script here and no program on PATH",
            "depends on \"All\"",
        ])
    );
    test.quintet(&["seq", "0009"]).run();
    assert_eq!(ran(&test), "0009");
    let circle = scripts(&[
        ("0001_A.sh", "# Dependencies: 0002"),
        ("0002_B.sh", "# Dependencies: 0001"),
    ]);
    circle
        .quintet(&["seq", "*"])
        .status(2)
        .stderr_has("0001_A.sh:1:17")
        .run();
    assert_eq!(ran(&circle), "");
}

/// A24. A25. A26. A27.
#[test]
fn a24_a_script_whose_condition_does_not_hold_is_skipped_with_the_reason() {
    let test = scripts(&[
        ("0001_A.sh", "# Condition: Environment -eq 'Production'"),
        (
            "0002_B.sh",
            "# Condition: $Environment -ne 'production' -and -not ($Skip -eq $true)",
        ),
        ("0003_C.sh", "# Condition: Features -contains 'docker'"),
        ("0004_D.sh", "# Condition: IsLinux -eq $true -or IsMacOS"),
        (
            "0005_E.sh",
            "# Condition: $env:COLOUR -like 'gr*' -and Unknown -eq $null",
        ),
        (
            "0006_F.sh",
            "# Condition: Size -ge 4 -and Size -lt 10 -and Name -match '^b.d$'",
        ),
        (
            "0007_G.sh",
            "# Condition: Environment -in @('Lab', 'Production')",
        ),
    ]);
    let variables = r#"{"Environment": "Development", "Skip": false, "Size": 4, "Name": "bed"}"#;
    let line = [
        "seq",
        "*",
        "--sequential",
        "--variables",
        variables,
        "--conditions",
        "@{ Features = 'HyperV', 'Docker' }",
    ];
    let call = test.quintet(&line).env("COLOUR", "green");
    call.stderr_has("0001_A: its condition does not hold: Environment -eq 'Production' (Environment is \"Development\")").run();
    assert_eq!(ran(&test), "0002 0003 0004 0005 0006");
    let alone = ["seq", "0003", "--conditions", r#"{"Features": ["Docker"]}"#];
    test.quintet(&alone).run();
    assert_eq!(ran(&test), "0002 0003 0004 0005 0006 0003");
}

/// A26. A28.
#[test]
fn a28_a_condition_that_is_none_is_refused_and_nothing_is_evaluated() {
    for condition in [
        "Environment -eq",
        "$(touch evaluated) -eq 1",
        "& { touch evaluated }",
        "Test -foo 3",
    ] {
        let header = format!("# Condition: {condition}");
        let test = scripts(&[("0001_A.sh", header.as_str()), ("0002_B.sh", "")]);
        test.quintet(&["seq", "*"])
            .status(2)
            .stderr_has("0001_A.sh:1")
            .no_file("evaluated")
            .run();
        assert_eq!(ran(&test), "");
        test.quintet(&["seq", "0002"]).run();
    }
}

/// A58.
#[test]
fn a58_a_dependency_that_is_not_selected_is_told_or_taken_along() {
    let test = scripts(&[
        ("0001_A.sh", ""),
        ("0002_B.sh", "# Dependencies: 0001"),
        ("0003_C.sh", "# Dependencies: 0002"),
    ]);
    test.quintet(&["seq", "0003"])
        .stderr_has("0003_C depends on 0002_B, which is not selected")
        .run();
    assert_eq!(ran(&test), "0003");
    assert_eq!(selected(&test, &["0003", "--with-deps"]), "0001 0002 0003");
}
