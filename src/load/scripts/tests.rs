//! A folder of scripts, from its files to the plan.

use super::*;
use crate::plan::{Action, OnFailure, Program, StepIx, Verdict};

/// A folder of scripts that is gone at the end of the test.
struct Scripts {
    dir: tempfile::TempDir,
    request: Request,
}

impl Scripts {
    fn of(scripts: &[(&str, &str)]) -> Scripts {
        let dir = tempfile::tempdir().expect("a directory");
        for (file, text) in scripts {
            std::fs::write(dir.path().join(file), text).expect("written");
        }
        let env = [("PATH", "/usr/bin:/bin")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let request = Request {
            cwd: dir.path().to_string_lossy().into_owned(),
            env: Some(env.into()),
            ..Request::default()
        };
        Scripts { dir, request }
    }

    fn load(&self, options: &Options) -> Result<Loaded, Refusal> {
        load_with(self.dir.path(), options, &self.request)
    }

    fn plan(&self, terms: &[&str]) -> Plan {
        let options = Options {
            terms: terms.iter().map(|term| (*term).to_owned()).collect(),
            ..Options::default()
        };
        self.with(&options)
    }

    fn with(&self, options: &Options) -> Plan {
        match self.load(options) {
            Ok(loaded) => loaded.plan,
            Err(refusal) => panic!("{:?}", refusal.problems),
        }
    }

    fn refused(&self, options: &Options) -> Vec<String> {
        let refusal = self.load(options).expect_err("it is refused");
        refusal
            .problems
            .iter()
            .map(|problem| problem.message.clone())
            .collect()
    }
}

fn terms(terms: &[&str]) -> Options {
    Options {
        terms: terms.iter().map(|term| (*term).to_owned()).collect(),
        ..Options::default()
    }
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| &*step.id).collect()
}

fn needs(plan: &Plan, id: &str) -> Vec<String> {
    named(plan, id, |step| &step.needs)
}

fn after(plan: &Plan, id: &str) -> Vec<String> {
    named(plan, id, |step| &step.after)
}

fn named(plan: &Plan, id: &str, of: fn(&crate::plan::Step) -> &[StepIx]) -> Vec<String> {
    let step = plan
        .steps
        .iter()
        .find(|step| *step.id == *id)
        .expect("the step");
    of(step)
        .iter()
        .map(|ix| plan[*ix].id[..4].to_owned())
        .collect()
}

const FOLDER: [(&str, &str); 6] = [
    ("0001_Prepare.sh", "# Stage: Prepare\n# Tags: base\n"),
    (
        "0008_Install-Tofu.sh",
        "# Stage: Infrastructure\n# Dependencies: None\n",
    ),
    (
        "0009_Initialize-Tofu.sh",
        "# Stage: Infrastructure\n# Dependencies: Tofu\n",
    ),
    (
        "0200_Late.sh",
        "# Dependencies: 0300\n# Description: needs a later one\n",
    ),
    (
        "0300_Deploy.sh",
        "# Stage: Core\n# Dependencies: Tofu, sh, Nowhere\n",
    ),
    ("0301_notes.md", "# Stage: Core\n"),
];

/// A11. A19. A20.
#[test]
fn a_selection_runs_in_ascending_order_with_what_it_depends_on_first() {
    let plan = Scripts::of(&FOLDER).plan(&["0300,0001-0009", "0200", "0001"]);
    assert_eq!(
        ids(&plan),
        [
            "0001_Prepare",
            "0008_Install-Tofu",
            "0009_Initialize-Tofu",
            "0200_Late",
            "0300_Deploy"
        ]
    );
    assert_eq!(needs(&plan, "0009_Initialize-Tofu"), ["0008"]);
    assert_eq!(needs(&plan, "0200_Late"), ["0300"]);
    assert_eq!(needs(&plan, "0300_Deploy"), ["0008"]);
    assert_eq!(plan.max_concurrency.get(), 4);
    assert_eq!(plan.order, crate::plan::Order::Written);
    let about = plan.steps[4].about.as_ref().expect("it says something");
    let notes: Vec<&str> = about.notes.iter().map(|note| &**note).collect();
    assert_eq!(
        notes,
        [
            "\"Tofu\" could be 2 scripts; 0008_Install-Tofu is taken",
            "depends on \"Nowhere\", which is no script here and no program on PATH"
        ]
    );
}

/// A43.
#[test]
fn a43_one_after_another_is_ascending_but_for_what_is_depended_on() {
    let options = Options {
        manner: Manner {
            parallel: Some(false),
            ..Manner::default()
        },
        ..terms(&["*"])
    };
    let plan = Scripts::of(&FOLDER).with(&options);
    assert_eq!(plan.max_concurrency.get(), 1);
    assert_eq!(after(&plan, "0008_Install-Tofu"), ["0001"]);
    assert_eq!(after(&plan, "0300_Deploy"), ["0009"]);
    assert!(after(&plan, "0200_Late").is_empty(), "it needs 0300 anyway");
    let options = Options {
        manner: Manner {
            max_concurrency: NonZeroU32::new(8),
            ..Manner::default()
        },
        ..terms(&["*"])
    };
    assert_eq!(Scripts::of(&FOLDER).with(&options).max_concurrency.get(), 8);
}

/// A21.
#[test]
fn a21_a_script_that_depends_on_its_own_name_waits_for_nobody_and_a_circle_is_refused() {
    let plan = Scripts::of(&FOLDER).plan(&["0009"]);
    assert!(plan.steps[0].needs.is_empty());
    let circle = [
        ("0001_A.sh", "# Dependencies: 0002\n"),
        ("0002_B.sh", "# Dependencies: 0001\n"),
    ];
    let refused = Scripts::of(&circle).refused(&terms(&["*"]));
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].contains("0001_A") && refused[0].contains("0002_B"),
        "{refused:?}"
    );
}

/// A58.
#[test]
fn a58_a_dependency_that_is_not_selected_is_told_or_taken_along() {
    let scripts = Scripts::of(&FOLDER);
    let loaded = scripts.load(&terms(&["0200"])).expect("it loads");
    let warned: Vec<&str> = loaded.warnings.iter().map(|w| &*w.message).collect();
    assert_eq!(
        warned,
        ["0200_Late depends on 0300_Deploy, which is not selected"]
    );
    assert_eq!(
        loaded
            .sources
            .place(loaded.warnings[0].at.as_ref().expect("a place").0)
            .column,
        17
    );
    let options = Options {
        with_deps: true,
        ..terms(&["0200"])
    };
    assert_eq!(
        ids(&scripts.with(&options)),
        ["0008_Install-Tofu", "0200_Late", "0300_Deploy"]
    );
}

/// A14.
#[test]
fn a14_a_number_of_two_scripts_selects_neither() {
    let scripts = Scripts::of(&[("0106_A.sh", ""), ("0106_B.sh", ""), ("0106_B.py", "")]);
    assert_eq!(
        scripts.refused(&terms(&["0106"])),
        ["in \"0106\": 0106 is the number of 0106_A and 0106_B.py and 0106_B.sh"]
    );
    assert_eq!(ids(&scripts.plan(&["0106_A"])), ["0106_A"]);
    assert_eq!(scripts.plan(&["0100-0199"]).steps.len(), 3);
    assert_eq!(ids(&scripts.plan(&["*,!0106_B.py,!0106_B.sh"])), ["0106_A"]);
    let loaded = scripts.load(&terms(&["*"])).expect("it loads");
    assert_eq!(
        loaded.warnings[0].message,
        "0106 is the number of several scripts: 0106_A.sh, 0106_B.py, 0106_B.sh"
    );
}

/// A3. A13.
#[test]
fn a03_numbers_that_no_script_has_are_errors_unless_they_are_allowed() {
    let scripts = Scripts::of(&FOLDER);
    let refused = scripts.refused(&terms(&["0001,0005"]));
    assert_eq!(refused, ["in \"0001,0005\": no step has the number 0005"]);
    let options = Options {
        allow_missing: true,
        ..terms(&["0001,0005"])
    };
    assert_eq!(ids(&scripts.with(&options)), ["0001_Prepare"]);
    let options = Options {
        allow_missing: true,
        ..terms(&["0005"])
    };
    assert_eq!(scripts.refused(&options).len(), 1);
    assert_eq!(scripts.refused(&terms(&["0400-0499"])).len(), 1);
}

/// A28.
#[test]
fn a28_a_condition_that_cannot_be_read_is_an_error_where_its_script_is_selected() {
    let broken = [
        ("0001_A.sh", "# Stage: X\n# Condition: A -eq -eq\n"),
        ("0002_B.sh", ""),
    ];
    let scripts = Scripts::of(&broken);
    let refused = scripts.refused(&terms(&["*"]));
    assert!(refused[0].starts_with("Condition: "), "{refused:?}");
    assert_eq!(ids(&scripts.plan(&["0002"])), ["0002_B"]);
}

/// A55.
#[test]
fn a55_a_missing_interpreter_is_found_before_anything_runs() {
    let scripts = Scripts::of(&[
        ("0001_A.ps1", "# Stage: X\n"),
        ("0002_B.sh", ""),
        ("0003_C.ps1", "# Condition: IsWindows -eq $true\n"),
    ]);
    let mut scripts = scripts;
    scripts.request.env = Some([("PATH".to_owned(), "/nowhere".to_owned())].into());
    let loaded = scripts.load(&terms(&["*"])).expect("a preview");
    let unmet: Vec<(&str, &str)> = loaded
        .unmet
        .iter()
        .map(|unmet| (&*unmet.step, &*unmet.program))
        .collect();
    assert_eq!(unmet, [("0001_A", "pwsh"), ("0002_B", "sh")]);
}

const CONFIG: &str = r#"{
    "Core": {"Profile": "Standard"},
    "Automation": {
        "MaxConcurrency": 6, "DefaultTimeout": 3600, "MaxRetries": 2, "RetryDelay": 1.5,
        "Profiles": {
            "Minimal": {"Description": "little", "Scripts": ["0000-0099", "!0009"]},
            "Full": {"Scripts": ["*"], "Variables": {"Environment": "Lab"}}
        },
        "ScriptRangeDefaults": {
            "0000-0099": {"DefaultTimeout": 60, "ContinueOnError": true, "Stage": "Base",
                          "AllowParallel": false, "ExitCodes": {"2": "failure"}}
        }
    }
}"#;

fn configured() -> Scripts {
    let scripts = Scripts::of(&FOLDER);
    std::fs::write(scripts.dir.path().join("config.json"), CONFIG).expect("written");
    scripts
}

/// A42.
#[test]
fn a42_profiles_are_selections_with_a_name() {
    let profile = |name: &str| Options {
        profile: Some(name.into()),
        ..Options::default()
    };
    let scripts = configured();
    assert_eq!(
        ids(&scripts.with(&profile("minimal"))),
        ["0001_Prepare", "0008_Install-Tofu"]
    );
    let full = scripts.with(&profile("Full"));
    assert_eq!(full.steps.len(), 5);
    assert_eq!(full.variables["Environment"], "Lab");
    assert_eq!(full.max_concurrency.get(), 6);
    let refused = scripts.refused(&profile("Minmal"));
    assert_eq!(refused, ["there is no profile \"Minmal\""]);
}

/// A52. A53. A57.
#[test]
fn a57_what_holds_for_a_range_of_numbers() {
    let plan = configured().plan(&["*"]);
    let policy = |ix: usize| plan.steps[ix].policy.clone();
    assert_eq!(policy(0).timeout, Some(std::time::Duration::from_secs(60)));
    assert_eq!(policy(0).on_failure, OnFailure::SkipDependents);
    assert!(!policy(0).critical);
    assert_eq!(policy(0).exit_codes[&2], Verdict::Failure);
    assert_eq!(policy(0).retry.count, 2);
    assert_eq!(
        policy(0).retry.delay,
        std::time::Duration::from_millis(1500)
    );
    assert_eq!(
        policy(4).timeout,
        Some(std::time::Duration::from_secs(3600))
    );
    assert!(policy(4).critical);
    assert_eq!(policy(4).exit_codes[&2], Verdict::Warning);
    assert_eq!(policy(4).exit_codes[&194], Verdict::RestartRequired);
    let stage = |ix: usize| {
        plan.steps[ix]
            .about
            .as_ref()
            .and_then(|about| about.stage.clone())
    };
    assert_eq!(stage(0).as_deref(), Some("Prepare"), "its header says so");
    assert_eq!(stage(3).as_deref(), Some("Default"));
    // Those of the range run one after another, beside all others.
    assert_eq!(after(&plan, "0008_Install-Tofu"), ["0001"]);
    assert!(after(&plan, "0300_Deploy").is_empty());
}

/// A26.
#[test]
fn a26_conditions_are_told_of_variables_and_conditions_together() {
    let scripts = Scripts::of(&[(
        "0001_A.sh",
        "# Condition: Features -contains 'Docker' -and Lab\n",
    )]);
    let named = |value: serde_json::Value| serde_json::from_value(value).expect("an object");
    let options = Options {
        variables: named(serde_json::json!({"Lab": true})),
        conditions: named(serde_json::json!({"Features": ["HyperV", "Docker"]})),
        ..terms(&["*"])
    };
    let plan = scripts.with(&options);
    let scope = plan.steps[0].scope.as_ref().expect("it has names");
    assert_eq!(
        scope.keys().map(|name| &**name).collect::<Vec<_>>(),
        ["Features", "Lab"]
    );
    assert!(plan.env.iter().all(|(name, _)| !name.contains("Features")));
}

/// A48. A49.
#[test]
fn a48_variables_reach_scripts_as_environment_and_parameters() {
    let scripts = Scripts::of(&[
        (
            "0001_A.ps1",
            "param([string]$Name, [switch]$Force, [switch]$Quiet, $Gone, [string[]]$Many)\n",
        ),
        ("0002_B.sh", "# Condition: Features -contains 'Docker'\n"),
    ]);
    let variables = serde_json::json!({
        "name": "-x $(rm)", "Force": true, "Quiet": "false", "Features": ["Docker"], "Many": ["a", "b"],
    });
    let options = Options {
        variables: serde_json::from_value(variables).expect("an object"),
        manner: Manner {
            non_interactive: true,
            ..Manner::default()
        },
        ..terms(&["*"])
    };
    let plan = scripts.with(&options);
    let Action::Command(command) = &plan.steps[0].action else {
        panic!("a command")
    };
    let Program::Argv(argv) = &command.program else {
        panic!("no shell")
    };
    let words: Vec<String> = argv
        .iter()
        .skip(5)
        .map(|text| text.shown().into_owned())
        .collect();
    assert_eq!(words, ["-Force", "-Many:a,b", "-Name:-x $(rm)"]);
    let env: BTreeMap<String, String> = plan
        .env
        .iter()
        .map(|(name, text)| (name.to_string(), text.shown().into_owned()))
        .collect();
    assert_eq!(env["AITHERZERO_name"], "-x $(rm)");
    assert_eq!(env["QUINTET_VAR_Features"], "[\"Docker\"]");
    assert_eq!(env["AITHERZERO_NONINTERACTIVE"], "true");
    let scope = plan.steps[1].scope.as_ref().expect("it has names");
    assert_eq!(scope["Features"], serde_json::json!(["Docker"]));
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_at_its_place() {
    let scripts = Scripts::of(&FOLDER);
    let bad = r#"{"Automation": {"MaxConcurrency": 0, "DefaultTimeout": "long",
        "ScriptRangeDefaults": {"0099-0000": {}, "00-99": {}, "0000-0099": {"Odd": 1, "ExitCodes": {"x": "ok"}}},
        "Profiles": {"P": {"Scripts": "0001"}, "Q": 3}}}"#;
    std::fs::write(scripts.dir.path().join("config.json"), bad).expect("written");
    let refused = scripts.refused(&terms(&["0001"]));
    for told in [
        "MaxConcurrency: expected a whole number from 1",
        "DefaultTimeout: expected a number of seconds",
        "0099-0000: is no range of numbers such as 0000-0099",
        "00-99: is no range of numbers such as 0000-0099",
        "x: is no exit code",
        "Q: expected an object with Scripts",
        "ScriptRangeDefaults: \"Odd\" has no effect",
    ] {
        assert!(
            refused.iter().any(|message| message == told),
            "{told}: {refused:#?}"
        );
    }
}
