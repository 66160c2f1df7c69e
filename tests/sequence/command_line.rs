//! The command lines of the sequence document, in both spellings.

use crate::{folder, planned, ran, selected};

const CONFIG: &str = r#"{
    "Automation": {"Profiles": {
        "Developer": {"Description": "for work", "Scripts": ["0000-0299", "!0208"]},
        "Production": {"Scripts": ["0000-0050"], "Variables": {"Environment": "Production"}}
    }},
    "Profiles": {"CustomProfile": {"Description": "My custom setup",
        "Scripts": ["0001", "0207", "stage:Development", "!0208"]}}
}"#;

/// A42.
#[test]
fn a42_profiles_expand_to_their_scripts() {
    let test = folder().file("config.json", CONFIG);
    assert_eq!(
        selected(&test, &["-Profile", "CustomProfile"]),
        "0001 0201 0207"
    );
    assert_eq!(
        selected(&test, &["--profile", "developer"]),
        "0000 0001 0050 0201 0207"
    );
    assert_eq!(
        selected(&test, &["0300", "--profile", "Production"]),
        "0300"
    );
    test.quintet(&["seq", "--profile", "Nobody"])
        .status(2)
        .stderr_has("there are CustomProfile, Developer, Production")
        .run();
    let named = crate::Test::new().file("tools/0001_A.sh", "").file(
        "config.json",
        r#"{"Automation": {"ScriptsPath": "./tools"}}"#,
    );
    assert_eq!(selected(&named, &["*"]), "0001");
    let elsewhere = folder().file("etc/setup.json", CONFIG);
    let line = [
        "Invoke-OrchestrationSequence",
        "-Profile",
        "Developer",
        "-Configuration",
        "./etc/setup.json",
        "-DryRun",
    ];
    elsewhere
        .quintet(&line)
        .stdout_has("0207_Install-Git")
        .run();
}

/// A29. A30.
#[test]
fn a29_a_sequence_is_saved_and_run_by_its_name() {
    let test = folder();
    let save = [
        "seq",
        "0001,0207,0201",
        "-SavePlaybook",
        "my-setup",
        "--var",
        "Environment=Lab",
    ];
    test.quintet(&save)
        .stdout_has("saved playbooks/my-setup.json")
        .run();
    assert_eq!(ran(&test), "", "saving runs nothing");
    let text = std::fs::read_to_string(test.path("work/playbooks/my-setup.json")).expect("a file");
    let book: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(book["Name"], "my-setup");
    assert_eq!(
        book["Sequence"],
        serde_json::json!(["0001", "0207", "0201"])
    );
    assert_eq!(book["Variables"]["Environment"], "Lab");
    test.quintet(&save)
        .status(2)
        .stderr_has("is there already")
        .run();
    test.quintet(&[&save[..], &["--force"]].concat()).run();
    test.quintet(&["seq", "-LoadPlaybook", "my-setup", "--sequential"])
        .run();
    // As it is declared, which a playbook's order is.
    assert_eq!(ran(&test), "0001 0207 0201");
    let near = ["seq", "--load-playbook", "my-setpu"];
    test.quintet(&near)
        .status(2)
        .stderr_has("did you mean \"my-setup\"?")
        .run();
    let below = test.file("playbooks/git/deep.json", r#"{"Sequence": ["0050"]}"#);
    below.quintet(&["seq", "--load-playbook", "deep"]).run();
    assert_eq!(ran(&below), "0001 0207 0201 0050");
    let nothing = ["seq", "0400", "--save-playbook", "none"];
    below
        .quintet(&nothing)
        .status(2)
        .no_file("playbooks/none.json")
        .run();
}

/// A47.
#[test]
fn a47_a_sequence_stops_for_a_restart_where_it_is_to_go_on_after_it() {
    let test = crate::scripts(&[
        ("0001_A.sh", "echo 0001 >>ran; exit 194"),
        ("0002_B.sh", "# Dependencies: 0001"),
    ]);
    let units = test.path("units").to_string_lossy().into_owned();
    let line = ["seq", "*", "--resume-on-boot"];
    let call = test
        .quintet(&line)
        .env("QUINTET_UNIT_DIR", &units)
        .status(3);
    call.stderr_has("0001_A").run();
    assert_eq!(ran(&test), "0001");
    let unit = std::fs::read_dir(&units).expect("a folder").count();
    assert!(unit > 0, "no unit was written");
    test.quintet(&["resume", "last"])
        .status(2)
        .stderr_has("has not been restarted")
        .run();
    test.quintet(&["resume", "last", "--no-restart"])
        .env("QUINTET_UNIT_DIR", &units)
        .run();
    assert_eq!(ran(&test), "0001 0002");
}

/// A44.
#[test]
fn a44_a_dry_run_tells_all_and_does_nothing() {
    let header = "# Stage: Core\n# Dependencies: 0001\n# Description: Puts it there\n# Condition: Environment -eq 'Lab'";
    let test = crate::scripts(&[("0001_A.sh", ""), ("0002_B.sh", header)]);
    for line in [
        &["seq", "*", "--dry-run"][..],
        &["seq", "*", "-DryRun"],
        &["seq", "*", "-WhatIf"],
        &["plan", "scripts"],
    ] {
        let call = test
            .quintet(line)
            .stdout_has("0002_B  waits for 0001_A")
            .stdout_has("Core: Puts it there");
        call.stdout_has("condition decided at run time: Environment -eq 'Lab'")
            .run();
    }
    assert_eq!(ran(&test), "");
    assert!(!test.path("state").exists(), "it has written something");
    let steps = planned(&test, &["0001-0002"]);
    assert_eq!(steps[1]["condition"], "Environment -eq 'Lab'");
}

/// A50.
#[test]
fn a50_what_is_selected_may_stand_in_the_environment() {
    for (sequence, profile) in [
        ("AITHERZERO_SEQUENCE", "AITHERZERO_PROFILE"),
        ("QUINTET_SEQUENCE", "QUINTET_PROFILE"),
    ] {
        let test = folder().file("config.json", CONFIG);
        let dry = ["seq", "--dry-run"];
        test.quintet(&dry)
            .env(sequence, "0207")
            .stdout_has("1 step,")
            .run();
        test.quintet(&dry)
            .env(profile, "Production")
            .stdout_has("3 steps,")
            .run();
        let call = test
            .quintet(&["seq", "0300", "--dry-run"])
            .env(sequence, "0207");
        call.stdout_has("0300_Deploy").stdout_has("1 step,").run();
    }
    let call = folder();
    call.quintet(&["seq"])
        .status(2)
        .stderr_has("which scripts?")
        .run();
}

/// A51.
#[test]
fn a51_the_result_is_an_object() {
    let test = crate::scripts(&[
        ("0001_A.sh", ""),
        ("0002_B.sh", "echo it broke >&2; exit 3"),
        ("0003_C.sh", "# Dependencies: 0002"),
    ]);
    for flag in ["-PassThru", "--pass-thru"] {
        let line = ["seq", "*", "-ContinueOnError", flag];
        let result = test.quintet(&line).run().json();
        assert_eq!(result["total"], 3);
        assert_eq!(result["completed"], 1);
        assert_eq!(result["failed"], 1);
        assert_eq!(result["skipped"], 1);
        assert!(result["duration_ms"].is_u64(), "{result:#}");
        let failed = &result["steps"][1];
        assert_eq!(failed["number"], "0002");
        assert_eq!(failed["exit_code"], 3);
        assert!(failed["duration_ms"].is_u64());
        assert!(
            failed["error"]
                .as_str()
                .is_some_and(|error| error.contains("exit 3")),
            "{failed:#}"
        );
        assert!(failed.to_string().contains("it broke"), "{failed:#}");
    }
}

/// A54.
#[test]
fn a54_results_in_the_forms_of_others() {
    let test = crate::scripts(&[("0001_A.sh", ""), ("0002_B.sh", "exit 3")]);
    let line = [
        "seq",
        "*",
        "--report",
        "junit=r.xml",
        "--report",
        "markdown=r.md",
        "--report",
        "json=r.json",
    ];
    test.quintet(&line).status(1).run();
    let read =
        |name: &str| std::fs::read_to_string(test.path("work").join(name)).expect("a report");
    assert!(read("r.xml").contains("<testsuite") && read("r.xml").contains("0002_B"));
    assert!(read("r.md").contains("| 0002\\_B"), "{}", read("r.md"));
    assert!(
        read("r.json").contains("\"failed\": 1"),
        "{}",
        read("r.json")
    );
    let call = test
        .quintet(&["seq", "*"])
        .env("GITHUB_ACTIONS", "true")
        .status(1);
    let summary = test.path("work/summary");
    let call = call.env("GITHUB_STEP_SUMMARY", &summary.to_string_lossy());
    let done = call.run();
    assert!(done.text().contains("::error "), "{}", done.text());
    assert!(read("summary").contains("0002\\_B"));
}

/// A56.
#[test]
fn a56_what_there_is_is_listed_without_running_it() {
    let test = folder();
    test.quintet(&["seq", "--list"])
        .stdout_has("0207_Install-Git")
        .run();
    test.quintet(&["list", "scripts", "0207"])
        .stdout_has("0207_Install-Git")
        .run();
    for line in [&["seq", "--show", "0050"][..], &["show", "scripts", "0050"]] {
        let call = test
            .quintet(line)
            .stdout_has("0050_Folders")
            .stdout_has("base, disk");
        call.stdout_has("scripts/0050_Folders.sh:1").run();
    }
    test.quintet(&["seq", "--stages"])
        .stdout_has("     3  Development\n")
        .run();
    let tags = test
        .quintet(&["list", "scripts", "--tags", "--json"])
        .run()
        .json();
    assert_eq!(tags[0], serde_json::json!({"tag": "base", "steps": 2}));
    test.quintet(&["show", "scripts", "0051"])
        .status(2)
        .stderr_has("there is no step \"0051\"")
        .run();
    assert_eq!(ran(&test), "");
}

/// Every command line of the document that does not need PowerShell itself, as
/// a shell hands it over.
#[test]
fn the_documents_command_lines_are_understood() {
    let test = folder()
        .file("scripts/0002_Setup.sh", "echo 0002 >>ran")
        .file("scripts/0008_Tofu.sh", "")
        .file("scripts/0105_HyperV.sh", "")
        .file("config.json", CONFIG);
    for (line, numbers) in [
        (&["0000-0099"][..], "0000 0001 0002 0008 0050"),
        (&["0201,0207"], "0201 0207"),
        (&["stage:Core"], "0050"),
        (&["0000-0002,0001,0207"], "0000 0001 0002 0207"),
        (
            &["stage:Prepare,stage:Core,02*"],
            "0000 0001 0050 0201 0207 0208",
        ),
        (
            &["0000-0099,0105,0008,0300"],
            "0000 0001 0002 0008 0050 0105 0300",
        ),
        (
            &["0000-0299,!0208"],
            "0000 0001 0002 0008 0050 0105 0201 0207",
        ),
        (
            &[
                "-Sequence",
                "0000-0002,stage:Infrastructure",
                "-Variables",
                "@{ Environment = \"Production\"; Features = @(\"HyperV\", \"Kubernetes\") }",
                "-MaxConcurrency",
                "8",
            ],
            "0000 0001 0002 0300",
        ),
        (
            &[
                "0000-0001",
                "-Variables",
                "@{ Environment = 'Development'; SkipTests = $false }",
                "-Conditions",
                "@{ Features = @('HyperV', 'Docker') }",
            ],
            "0000 0001",
        ),
        (
            &["0000-0099", "-Parallel", "$true", "-MaxConcurrency", "4"],
            "0000 0001 0002 0008 0050",
        ),
        (
            &["0000-0099", "-Parallel", "$false"],
            "0000 0001 0002 0008 0050",
        ),
        (&["0000-0001", "-ContinueOnError"], "0000 0001"),
        (
            &["0000-0050", "-Profile", "Production", "-NonInteractive"],
            "0000 0001 0002 0008 0050",
        ),
        (&["-Profile", "CustomProfile"], "0001 0201 0207"),
        (
            &["0000-0099", "0105", "0300"],
            "0000 0001 0002 0008 0050 0105 0300",
        ),
    ] {
        assert_eq!(selected(&test, line), numbers, "{line:?}");
    }
    let hash = ["seq", "0001", "-Variables", "System.Collections.Hashtable"];
    test.quintet(&hash)
        .status(2)
        .stderr_has("put it into quotes")
        .run();
}
