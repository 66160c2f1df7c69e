//! Playbooks, from their text to the plan.

use super::*;
use crate::load::scripts::{self, Manner};
use crate::plan::problem::Severity;
use crate::plan::{Action, Level, Moment, OnFailure, Program, Step, StepIx, Verdict};
use serde_json::json;
use std::num::NonZeroU32;
use std::time::Duration;

/// A folder of scripts and playbooks that is gone at the end of the test.
pub(super) struct Folders {
    dir: tempfile::TempDir,
    request: Request,
}

impl Folders {
    pub(super) fn new() -> Folders {
        Folders::of(&[
            ("0001_One.sh", ""),
            ("0002_Two.sh", ""),
            ("0201_Install-Node.sh", "# Stage: Core\n"),
            ("0207_Git.sh", "# Stage: Core\n# Dependencies: 0201\n"),
            ("0208_Docker.sh", ""),
            ("0402_Test.py", ""),
        ])
    }

    pub(super) fn of(files: &[(&str, &str)]) -> Folders {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("books")).expect("a folder");
        for (file, text) in files {
            std::fs::write(dir.path().join(file), text).expect("written");
        }
        let env = [("PATH", "/usr/bin:/bin"), ("CI", "true")];
        let request = Request {
            cwd: dir.path().to_string_lossy().into_owned(),
            env: Some(env.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
            ..Request::default()
        };
        Folders { dir, request }
    }

    pub(super) fn write(&self, name: &str, book: &serde_json::Value) -> std::path::PathBuf {
        let path = self.dir.path().join("books").join(name);
        std::fs::write(&path, book.to_string()).expect("written");
        path
    }

    pub(super) fn load(
        &self,
        book: &serde_json::Value,
        options: &Options,
    ) -> Result<Loaded, Refusal> {
        let path = self.write("book.json", book);
        let folder = scripts::open(self.dir.path(), None, &self.request)?;
        load(
            folder,
            &path,
            &self.dir.path().join("books"),
            options,
            &self.request,
        )
    }

    pub(super) fn plan(&self, book: &serde_json::Value) -> Plan {
        self.plan_with(book, &Options::default())
    }

    pub(super) fn plan_with(&self, book: &serde_json::Value, options: &Options) -> Plan {
        match self.load(book, options) {
            Ok(loaded) => loaded.plan,
            Err(refusal) => panic!("{:#?}", refusal.problems),
        }
    }

    pub(super) fn warnings(&self, book: &serde_json::Value) -> Vec<String> {
        let loaded = self.load(book, &Options::default()).expect("a plan");
        loaded.warnings.into_iter().map(|p| p.message).collect()
    }

    pub(super) fn errors(&self, book: &serde_json::Value, options: &Options) -> Vec<Problem> {
        let refusal = self.load(book, options).expect_err("it is refused");
        let errors = refusal.problems.into_iter();
        errors.filter(|p| p.severity == Severity::Error).collect()
    }
}

fn plan(book: serde_json::Value) -> Plan {
    Folders::new().plan(&book)
}

pub(super) fn step<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    let mut steps = plan.steps.iter();
    let all = || plan.steps.iter().map(|s| &*s.id).collect::<Vec<_>>();
    steps
        .find(|step| *step.id == *id)
        .unwrap_or_else(|| panic!("{id} is none of {:?}", all()))
}

/// Each step as `id < what it goes after << what it needs`.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    let names = |ixs: &[StepIx]| {
        let names = ixs.iter().map(|ix| &*plan[*ix].id);
        names.collect::<Vec<_>>().join(" ")
    };
    plan.steps
        .iter()
        .map(|step| {
            let mut line = step.id.to_string();
            if !step.after.is_empty() {
                line.push_str(&format!(" < {}", names(&step.after)));
            }
            if !step.needs.is_empty() {
                line.push_str(&format!(" << {}", names(&step.needs)));
            }
            line
        })
        .collect()
}

pub(super) fn env(plan: &Plan, id: &str, name: &str) -> Option<String> {
    let Action::Command(command) = &step(plan, id).action else {
        panic!("{id} is a group");
    };
    let mut all = command.env.iter().rev().chain(plan.env.iter().rev());
    let (_, text) = all.find(|(known, _)| **known == *name)?;
    Some(text.shown().into_owned())
}

pub(super) fn when<'p>(plan: &'p Plan, id: &str) -> Option<&'p str> {
    step(plan, id).when.as_ref().map(|when| when.text())
}

/// A31, A5: a list runs like a selection by hand, in the order of its terms.
#[test]
fn a31_a_list_of_scripts_is_one_stage() {
    let plan = plan(json!({
        "Name": "dev", "Description": "d", "Version": "2.1",
        "Sequence": ["0402", "02*", "!0208", "0001-0002", "0207"],
    }));
    assert_eq!(
        lines(&plan),
        [
            "sequence/0402_Test",
            "sequence/0201_Install-Node",
            "sequence/0207_Git << sequence/0201_Install-Node",
            "sequence/0001_One",
            "sequence/0002_Two",
            "sequence < sequence/0402_Test sequence/0201_Install-Node sequence/0207_Git \
             sequence/0001_One sequence/0002_Two",
        ]
    );
    assert_eq!(
        (&*plan.name, &*plan.version, &*plan.description),
        ("dev", "2.1", "d")
    );
    assert_eq!(plan.max_concurrency, NonZeroU32::new(4).unwrap());
    assert_eq!(plan.order, crate::plan::Order::Written);
    assert_eq!(plan.origins.len(), 1);
}

/// A32: stages one after another, and in a stage one after another as written.
#[test]
fn a32_stages_run_in_order_and_scripts_as_declared() {
    let plan = plan(json!({"stages": [
        {"name": "Get Ready", "sequence": ["0402", "0001"]},
        {"name": "Nothing", "scripts": []},
        {"name": "Go!", "scripts": ["0002"]},
    ]}));
    assert_eq!(
        lines(&plan),
        [
            "get-ready/0402_Test",
            "get-ready/0001_One < get-ready/0402_Test",
            "get-ready < get-ready/0402_Test get-ready/0001_One",
            "go/0002_Two < get-ready",
            "go < go/0002_Two",
        ]
    );
}

/// A33: a script in two stages runs twice, with each stage's variables.
#[test]
fn a33_a_script_in_two_stages_runs_in_each_with_its_variables() {
    let plan = plan(json!({
        "Variables": {"Path": "root", "Deep": true},
        "Stages": [
            {"Name": "A", "Scripts": ["0001", "0001"], "Variables": {"Path": "{{Path}}/a"}},
            {"Name": "a", "Scripts": ["0001"], "Condition": "$Path -eq 'root'"},
        ],
    }));
    let ids: Vec<&str> = plan.steps.iter().map(|step| &*step.id).collect();
    assert_eq!(ids, ["a/0001_One", "a", "a-2/0001_One", "a-2"]);
    for (id, path) in [("a/0001_One", "root/a"), ("a-2/0001_One", "root")] {
        assert_eq!(
            env(&plan, id, "AITHERZERO_Path").as_deref(),
            Some(path),
            "{id}"
        );
        assert_eq!(
            env(&plan, id, "QUINTET_VAR_Path").as_deref(),
            Some(path),
            "{id}"
        );
        let scope = step(&plan, id).scope.as_ref().unwrap();
        assert_eq!(scope["Path"], path);
        assert_eq!(scope["Deep"], true);
    }
}

/// A35: command line, profile, playbook.
#[test]
fn a35_a39_profiles_and_the_command_line_change_variables() {
    let folders = Folders::new();
    let book = json!({
        "Variables": {"a": "book", "b": "book", "c": "book"},
        "Profiles": {"Quick": {"Variables": {"b": "quick", "c": "quick"}}},
        "Stages": [{"Name": "S", "Scripts": ["0001"], "Parameters": {"C": "item"}}],
    });
    let options = Options {
        profile: Some("quick".into()),
        variables: [("C".into(), json!("line"))].into(),
        ..Options::default()
    };
    let plan = folders.plan_with(&book, &options);
    let told = |name: &str| env(&plan, "s/0001_One", &format!("AITHERZERO_{name}"));
    assert_eq!(told("a").as_deref(), Some("book"));
    assert_eq!(told("b").as_deref(), Some("quick"));
    assert_eq!(told("C").as_deref(), Some("line"));
}

/// A39: what profiles may change, and the one that does not exist.
#[test]
fn a39_profiles_choose_stages_and_change_how_scripts_run() {
    let folders = Folders::new();
    let book = json!({
        "profiles": {
            "some": {"stages": ["B"], "overrides": {"maxConcurrency": 7, "Extra": 1}},
            "not": {"excludeStages": ["a"], "parallel": true, "parameters": {"Mode": "unit"}},
            "wrong": {"stages": ["C"]},
        },
        "stages": [
            {"name": "A", "sequence": ["0001"]},
            {"name": "B", "sequence": ["0001", "0002"]},
        ],
    });
    let with = |name: &str| Options {
        profile: Some(name.into()),
        ..Options::default()
    };
    let plan = folders.plan_with(&book, &with("some"));
    assert_eq!(lines(&plan)[1], "b/0002_Two < b/0001_One");
    assert_eq!(plan.max_concurrency.get(), 7);
    assert_eq!(plan.variables["Extra"], "1");
    let plan = folders.plan_with(&book, &with("not"));
    assert_eq!(lines(&plan)[1], "b/0002_Two");
    assert_eq!(
        env(&plan, "b/0002_Two", "QUINTET_VAR_Mode").as_deref(),
        Some("unit")
    );
    let problems = folders.errors(&book, &with("wrong"));
    assert_eq!(problems[0].message, "there is no stage \"C\"");
    let problems = folders.errors(&book, &with("som"));
    assert_eq!(problems[0].message, "the playbook has no profile \"som\"");
    let help = problems[0].help.as_deref().unwrap();
    assert!(
        help.contains("did you mean \"some\"?") && help.contains("wrong"),
        "{help}"
    );
}

/// A36: what a stage says of its scripts.
#[test]
fn a36_a_stage_says_how_its_scripts_run() {
    let plan = plan(json!({
        "variables": {"limit": 2, "go": "true"},
        "stages": [
            {"name": "P", "sequence": ["0001", "0002", "0402"], "parallel": true,
             "maxConcurrency": "{{limit}}"},
            {"name": "Q", "sequence": ["0001"], "timeout": 90, "retries": 2, "retryDelay": 3,
             "continueOnError": "{{go}}", "condition": "{{go}} -eq 'true'"},
            {"name": "R", "sequence": ["0001"]},
        ],
    }));
    assert_eq!(
        lines(&plan)[..4],
        [
            "p/0001_One",
            "p/0002_Two",
            "p/0402_Test < p/0001_One",
            "p < p/0001_One p/0002_Two p/0402_Test"
        ]
    );
    let policy = &step(&plan, "q/0001_One").policy;
    assert_eq!(policy.timeout, Some(Duration::from_secs(90)));
    assert_eq!(
        (policy.retry.count, policy.retry.delay),
        (2, Duration::from_secs(3))
    );
    assert_eq!(
        (policy.critical, policy.on_failure),
        (false, OnFailure::SkipDependents)
    );
    assert_eq!(when(&plan, "q/0001_One"), Some("$go -eq 'true'"));
    let policy = &step(&plan, "r/0001_One").policy;
    assert_eq!(
        (policy.critical, policy.on_failure),
        (true, OnFailure::Abort)
    );
    assert_eq!(
        lines(&plan)[6],
        "r/0001_One < q",
        "a failure of q does not skip r"
    );
}

/// A36, A45: the command line's own say.
#[test]
fn a45_the_command_line_may_go_on_and_go_one_by_one() {
    let folders = Folders::new();
    let book = json!({"stages": [{"name": "S", "sequence": ["0001", "0002"], "parallel": true}]});
    let manner = Manner {
        parallel: Some(false),
        continue_on_error: Some(true),
        ..Manner::default()
    };
    let options = Options {
        manner,
        ..Options::default()
    };
    let plan = folders.plan_with(&book, &options);
    assert_eq!(plan.max_concurrency.get(), 1);
    assert_eq!(lines(&plan)[1], "s/0002_Two < s/0001_One");
    assert!(!step(&plan, "s/0002_Two").policy.critical);
}

/// A31: the second generation, whose stages are parallel by default.
#[test]
fn a31_the_second_generation() {
    let plan = plan(json!({
        "metadata": {"name": "v2", "description": "d", "version": "2.0"},
        "orchestration": {
            "defaultVariables": {"Scope": "quick", "Out": "./r"},
            "profiles": {"full": {"variables": {"Scope": "all"}}},
            "stages": [
                {"name": "One", "description": "o", "sequences": ["0001,0002"]},
                {"name": "Two", "description": "t", "sequences": ["0402"], "parallel": false,
                 "condition": "$Scope -eq 'quick'"},
            ],
        },
        "reporting": {"enabled": true},
    }));
    assert_eq!(plan.name, "v2");
    assert_eq!(
        lines(&plan),
        [
            "one/0001_One",
            "one/0002_Two",
            "one < one/0001_One one/0002_Two",
            "two/0402_Test < one",
            "two < two/0402_Test"
        ]
    );
    assert_eq!(when(&plan, "two/0402_Test"), Some("$Scope -eq 'quick'"));
}

/// A37.
#[test]
fn a37_conditions_before_abort_and_conditions_after_warn() {
    let plan = plan(json!({
        "metadata": {"name": "v2"},
        "orchestration": {
            "defaultVariables": {"Out": "r"},
            "stages": [{"name": "One", "sequences": ["0001"]}],
        },
        "validation": {
            "preConditions": [
                {"name": "In CI", "condition": "$env:CI", "message": "only in {{Out}}"},
                {"name": "Git", "condition": "Get-Command git -ErrorAction SilentlyContinue"},
            ],
            "postConditions": [{"name": "Made", "condition": "Test-Path '{{Out}}/x'"}],
        },
    }));
    assert_eq!(
        lines(&plan),
        [
            "preconditions/in-ci",
            "preconditions/get-command",
            "preconditions/git < preconditions/get-command",
            "preconditions < preconditions/in-ci preconditions/git",
            "one/0001_One < preconditions",
            "one < one/0001_One",
            "postconditions/test-path < one",
            "postconditions/made < one postconditions/test-path",
        ]
    );
    assert_eq!(when(&plan, "preconditions/in-ci"), Some("not ($env:CI)"));
    assert_eq!(plan.facts["env.CI"], "true");
    let complaint = |id: &str| {
        let Action::Command(command) = &step(&plan, id).action else {
            panic!("{id}");
        };
        let Program::Shell { args, .. } = &command.program else {
            panic!("{id}");
        };
        args.iter()
            .map(|arg| arg.shown().into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(complaint("preconditions/in-ci"), ["only in r", "1"]);
    assert_eq!(
        complaint("postconditions/made"),
        ["Made does not hold", "2"]
    );
    let policy = |id: &str| &step(&plan, id).policy;
    assert_eq!(policy("preconditions/git").on_failure, OnFailure::Abort);
    assert!(policy("preconditions/git").critical);
    assert_eq!(
        policy("postconditions/made").exit_codes[&2],
        Verdict::Warning
    );
    let asked = &policy("preconditions/get-command").exit_codes;
    assert_eq!((asked[&0], asked[&1]), (Verdict::Success, Verdict::Success));
}

/// A37.
#[test]
fn a37_a_postcondition_that_is_code_is_a_warning_and_a_precondition_is_refused() {
    let book = |which: &str| {
        json!({
            "metadata": {"name": "v2"},
            "orchestration": {"stages": [{"name": "One", "sequences": ["0001"]}]},
            "validation": {which: [{"name": "Some", "condition": "(Get-ChildItem x).Count -gt 0"}]},
        })
    };
    let told = Folders::new().warnings(&book("postConditions"));
    assert!(
        told.iter().any(|text| text.contains("Get-ChildItem")),
        "{told:?}"
    );
    let refused = Folders::new().load(&book("preConditions"), &Options::default());
    assert!(refused.is_err());
}

/// A24: a question is answered after what came before, by a step of its own.
#[test]
fn a24_a_stage_that_asks_for_a_file_asks_after_the_stage_before() {
    let plan = plan(json!({"stages": [
        {"name": "A", "scripts": ["0001"]},
        {"name": "B", "scripts": ["0002"], "condition": "Test-Path './out/*.json'"},
    ]}));
    assert_eq!(
        lines(&plan)[2..4],
        ["b/test-path < a", "b/0002_Two < a b/test-path"]
    );
    assert_eq!(
        when(&plan, "b/0002_Two"),
        Some("steps['b/test-path'].exit_code == 0")
    );
}

/// A28, A26: file, place, whose condition, and which construct.
#[test]
fn a28_a_condition_that_is_code_is_refused() {
    let book = json!({"stages": [
        {"name": "A", "scripts": ["0001"], "condition": "(Get-ChildItem 'x').Count -gt 0"},
    ]});
    let [problem] = Folders::new()
        .errors(&book, &Options::default())
        .try_into()
        .unwrap();
    assert_eq!(
        problem.message,
        "the condition of the stage \"A\": the command \"Get-ChildItem\" is code, which is never \
         run here"
    );
    let (at, _) = problem.at.unwrap();
    let text = book.to_string();
    assert_eq!(&text[at.start as usize..at.end as usize], "Get-ChildItem");
}

/// A38.
#[test]
fn a38_notices_are_filled_and_unknown_channels_told_once() {
    let folders = Folders::new();
    let book = json!({
        "variables": {"who": "all"},
        "sequence": ["0001"],
        "notifications": {
            "onStart": {"message": "hello {{who}}", "level": "Information", "channels": ["console"]},
            "onSuccess": {"log": "done"},
            "onFailure": {"message": "no", "channels": ["slack", "log", "teams", "slack"]},
            "onWarning": "careful",
        },
        "OnFailure": {"Message": "twice", "Actions": []},
    });
    let plan = folders.plan(&book);
    let notices: Vec<_> = plan
        .notices
        .iter()
        .map(|notice| (notice.on, notice.level, &*notice.message))
        .collect();
    assert_eq!(
        notices,
        [
            (Moment::Start, Level::Info, "hello all"),
            (Moment::Success, Level::Success, "done"),
            (Moment::Warning, Level::Warning, "careful"),
            (Moment::Failure, Level::Error, "no"),
            (Moment::Failure, Level::Error, "twice"),
        ]
    );
    assert_eq!(folders.warnings(&book), ["nothing is sent to slack, teams"]);
}

/// A41: the fields of records.
#[test]
fn a41_records_of_steps() {
    let plan = plan(json!({
        "Sequence": [
            {"Script": "0402_Test.py", "Description": "d", "Timeout": 5, "ContinueOnError": true,
             "RetryCount": 2, "Parameters": {"Mode": "{{m}}"}, "Phase": "x"},
            {"Step": "0001", "Condition": "{{m}} -eq 'n'", "Variables": {"m": "n"}},
            "0002",
            "0201",
        ],
        "Variables": {"m": "all"},
        "Options": {"MaxConcurrency": 2, "StopOnError": false},
        "SuccessCriteria": {"MinimumSuccessCount": 3, "CriticalScripts": ["0402_Test.py"]},
    }));
    assert_eq!(
        lines(&plan)[..4],
        [
            "sequence/0402_Test",
            "sequence/0001_One < sequence/0402_Test",
            "sequence/0002_Two < sequence/0001_One",
            "sequence/0201_Install-Node < sequence/0002_Two",
        ]
    );
    let first = step(&plan, "sequence/0402_Test");
    assert_eq!(first.policy.timeout, Some(Duration::from_secs(5)));
    assert_eq!(first.policy.retry.count, 2);
    assert!(first.policy.critical, "it is a critical script");
    assert_eq!(first.policy.on_failure, OnFailure::Abort);
    assert_eq!(first.about.as_ref().unwrap().description, "d".into());
    assert_eq!(
        env(&plan, &first.id, "AITHERZERO_Mode").as_deref(),
        Some("all")
    );
    let second = step(&plan, "sequence/0001_One");
    assert!(!second.policy.critical, "StopOnError is false");
    assert_eq!(second.scope.as_ref().unwrap()["m"], "n");
    assert_eq!(plan.max_concurrency.get(), 2);
    assert_eq!(plan.min_succeeded, Some(3 + 1), "the group counts too");
}

/// A31: `sequences` with steps, as one real playbook has them.
#[test]
fn a31_sequences_of_steps() {
    let plan = plan(json!({
        "environment": {"variables": {"FAST": "true"}},
        "sequences": [{"name": "fast", "continueOnError": false, "steps": [
            {"name": "t", "script": "0402_Test.py", "parameters": {"Workers": 4},
             "timeout": 300, "retries": 0, "required": true},
        ]}],
        "profiles": {"two": {"sequences": ["fast"], "parameters": {"Workers": 2}}},
        "defaults": {"profile": "two", "timeout": 600, "retryCount": 1},
    }));
    let step = step(&plan, "fast/0402_Test");
    assert_eq!(step.name.as_deref(), Some("t"));
    assert_eq!(step.policy.timeout, Some(Duration::from_secs(300)));
    assert_eq!(
        env(&plan, &step.id, "AITHERZERO_Workers").as_deref(),
        Some("2")
    );
    assert_eq!(env(&plan, &step.id, "FAST").as_deref(), Some("true"));
}

/// A31, A34: code in a playbook is a command, and values are no part of it.
#[test]
fn a31_code_of_a_playbook_is_a_command() {
    let folders = Folders::new();
    let book = json!({
        "variables": {"out": "a'b"},
        "stages": [{
            "name": "S", "preScript": "Write-Host 'hi'", "scripts": ["0001"],
            "inline": [{"description": "Make It", "type": "shell", "script": "mkdir '{{out}}'"}],
            "command": "gh pr list", "timeout": 7,
        }],
    });
    let loaded = folders.load(&book, &Options::default()).expect("a plan");
    let plan = &loaded.plan;
    let ids: Vec<&str> = plan.steps.iter().map(|step| &*step.id).collect();
    assert_eq!(ids, ["s/code", "s/0001_One", "s/make-it", "s/code-2", "s"]);
    let argv = |id: &str| {
        let Action::Command(command) = &step(plan, id).action else {
            panic!("{id}");
        };
        let Program::Argv(argv) = &command.program else {
            panic!("{id}");
        };
        argv.iter()
            .map(|arg| arg.shown().into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        argv("s/code"),
        [
            "pwsh",
            "-NoProfile",
            "-NonInteractive",
            "-Command",
            "Write-Host 'hi'"
        ]
    );
    assert_eq!(
        argv("s/make-it"),
        ["sh", "-c", "mkdir ''\"${QUINTET_VAR_out}\"''"]
    );
    assert_eq!(
        env(plan, "s/make-it", "QUINTET_VAR_out").as_deref(),
        Some("a'b")
    );
    assert_eq!(
        step(plan, "s/code-2").policy.timeout,
        Some(Duration::from_secs(7))
    );
    let unmet: Vec<&str> = loaded.unmet.iter().map(|unmet| &*unmet.step).collect();
    let there = crate::load::scripts::is_there("pwsh", Some("/usr/bin:/bin"));
    assert_eq!(
        unmet.is_empty(),
        there,
        "a missing pwsh is found before anything runs"
    );
}

/// A40: a playbook may run another in its place.
#[test]
fn a40_a_playbook_runs_another() {
    let folders = Folders::new();
    let inner = json!({
        "parameters": {"Mode": {"required": true}},
        "stages": [{"name": "In", "sequence": ["0402"], "condition": "$Mode -eq 'x'"}],
    });
    folders.write("inner.json", &inner);
    let book = json!({"steps": [
        "0001",
        {"playbook": "inner", "name": "Sub", "parameters": {"Mode": "x"}, "condition": "-not $x"},
        "0002",
    ]});
    let plan = folders.plan(&book);
    assert_eq!(
        lines(&plan),
        [
            "sequence/0001_One",
            "sequence/sub/start < sequence/0001_One",
            "sequence/sub/in/0402_Test < sequence/sub/start",
            "sequence/sub/in < sequence/sub/in/0402_Test",
            "sequence/0002_Two < sequence/sub/in",
            "sequence < sequence/0001_One sequence/sub/in sequence/0002_Two",
        ]
    );
    assert_eq!(plan.origins.len(), 2);
    let scope = step(&plan, "sequence/sub/in/0402_Test")
        .scope
        .as_ref()
        .unwrap();
    assert_eq!(scope["Mode"], "x");
    // Its condition is judged where its names mean what they do there.
    assert_eq!(when(&plan, "sequence/sub/start"), Some("-not $x"));
    assert_eq!(
        when(&plan, "sequence/sub/in/0402_Test"),
        Some("(steps['sequence/sub/start'].status == 'succeeded') and ($Mode -eq 'x')")
    );
}

#[test]
fn a40_a_playbook_that_runs_itself_is_refused() {
    let folders = Folders::new();
    folders.write("a.json", &json!({"steps": [{"playbook": "b"}]}));
    folders.write("b.json", &json!({"steps": [{"playbook": "a"}]}));
    let book = json!({"steps": [{"playbook": "a"}, {"playbook": "nobody"}]});
    let problems = folders.errors(&book, &Options::default());
    let messages: Vec<&str> = problems.iter().map(|p| &*p.message).collect();
    assert!(
        messages.contains(&"playbooks run each other: \"a\" → \"b\" → \"a\""),
        "{messages:?}"
    );
    assert!(
        messages
            .iter()
            .any(|m| m.starts_with("there is no playbook \"nobody\""))
    );
}

/// A12, A3: what the tokens of a playbook may be.
#[test]
fn a03_scripts_that_do_not_exist_are_refused_where_they_are_written() {
    let book = json!({"stages": [
        {"name": "A", "scripts": ["0001", "0999", "!0300"]},
        {"name": "B", "steps": [{"script": "0998"}, {"name": "x"}]},
    ]});
    let problems = Folders::new().errors(&book, &Options::default());
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.at.is_some()));
    let text = book.to_string();
    let (at, _) = problems[0].at.as_ref().unwrap();
    let place = &text[at.start as usize..at.end as usize];
    assert!(["0999", "{"].contains(&place), "{place}");
}

/// A3, A7: a stage that no script is in selects nothing, which is told.
#[test]
fn a07_stages_that_no_script_is_in_select_nothing() {
    let folders = Folders::new();
    let book = json!({"Sequence": ["stage:core", "stage:Prepare", "0001", "!0207"]});
    let warnings = folders.warnings(&book);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("Prepare"), "{warnings:?}");
    let ids: Vec<_> = folders
        .plan(&book)
        .steps
        .into_iter()
        .map(|step| step.id)
        .collect();
    let expected = [
        "sequence/0201_Install-Node",
        "sequence/0001_One",
        "sequence",
    ];
    assert_eq!(ids, expected.map(Box::from));
    let missing = json!({"Sequence": ["0001", "0999"]});
    let options = Options {
        allow_missing: true,
        ..Options::default()
    };
    assert_eq!(folders.plan_with(&missing, &options).steps.len(), 2);
}

/// Fields without effect are told together; misspelt ones are refused.
#[test]
fn a31_unknown_fields_are_told_once_and_misspelt_ones_refused() {
    let folders = Folders::new();
    let book = json!({
        "Sequence": ["0001"], "Monitoring": {}, "AIAssistance": {}, "x-mine": 1, "Author": "me",
    });
    assert_eq!(
        folders.warnings(&book),
        ["these fields have no effect: AIAssistance, Monitoring"]
    );
    let book = json!({"Stages": [{"Name": "A", "Scripts": ["0001"], "Timout": 5}]});
    let [problem] = folders
        .errors(&book, &Options::default())
        .try_into()
        .unwrap();
    assert_eq!(problem.message, "stages[0]: unknown field \"Timout\"");
    assert_eq!(problem.help.as_deref(), Some("did you mean \"timeout\"?"));
}

/// A31: what is no playbook is told so.
#[test]
fn a31_what_is_no_playbook_is_refused() {
    for book in [
        json!({}),
        json!([]),
        json!({"name": "x"}),
        json!({"orchestration": {}}),
    ] {
        let problems = Folders::new().errors(&book, &Options::default());
        assert!(!problems.is_empty(), "{book}");
    }
}

/// A40: jobs run as soon as what they need has succeeded, and steps one by one.
#[test]
fn a40_jobs_need_one_another() {
    let plan = plan(
        json!({"name": "ci", "env": {"A": "top", "B": "top"}, "jobs": {
            "test": {"needs": ["build"], "env": {"B": "job"}, "steps": [
                {"run": "0402", "env": {"C": "{{env.B}}-{{env.A}}"}},
                {"run": "0001", "if": "failure()"},
            ]},
            "build": {"steps": [{"run": "0001-0002"}]},
            "lint": {"steps": [{"run": "0208"}], "continue-on-error": true},
            "tell": {"needs": ["build", "lint"], "if": "${{ always() }}", "steps": [{"run": "0002"}]},
        }}),
    );
    assert_eq!(
        lines(&plan),
        [
            "build/0001_One",
            "build/0002_Two << build/0001_One",
            "build << build/0001_One build/0002_Two",
            "lint/0208_Docker",
            "lint << lint/0208_Docker",
            "tell/0002_Two < build lint",
            "tell << tell/0002_Two",
            "test/0402_Test << build",
            "test/0001_One < test/0402_Test",
            "test << test/0402_Test test/0001_One",
        ]
    );
    let policy = |id: &str| {
        let policy = &step(&plan, id).policy;
        (policy.critical, policy.on_failure, policy.always)
    };
    let skips = OnFailure::SkipDependents;
    assert_eq!(policy("build/0001_One"), (true, skips, false));
    assert_eq!(policy("lint/0208_Docker"), (false, skips, false));
    assert_eq!(policy("test/0001_One"), (true, skips, true));
    assert_eq!(policy("tell/0002_Two"), (true, skips, true));
    let told = |name| env(&plan, "test/0402_Test", name);
    assert_eq!(told("A").as_deref(), Some("top"));
    assert_eq!(told("B").as_deref(), Some("job"));
    assert_eq!(told("C").as_deref(), Some("job-top"));
}

/// A40: what a step puts out reaches other jobs, and a matrix is a job for each
/// of its combinations.
#[test]
fn a40_outputs_and_matrix() {
    let plan = plan(json!({"jobs": {
        "get": {"outputs": {"version": "${{ steps.v.outputs.version }}"}, "steps": [
            {"id": "v", "run": "0001"},
        ]},
        "use": {"needs": "get", "strategy": {"matrix": {"os": ["a", "b"]}}, "steps": [
            {"run": "0002", "env": {"V": "v${{ needs.get.outputs.version }}-${{ matrix.os }}"},
             "if": "matrix.os == 'a' || needs.get.outputs.version == '2'"},
        ]},
        "end": {"needs": ["use"], "if": "needs.use.result == 'success'", "steps": [
            {"run": "0402"},
        ]},
    }}));
    let ids: Vec<&str> = plan.steps.iter().map(|step| &*step.id).collect();
    let [_, _, one, _, two, ..] = ids.as_slice() else {
        panic!("{ids:?}");
    };
    assert_eq!(
        env(&plan, one, "V").as_deref(),
        Some("v${steps.get/0001_One.outputs.version}-a")
    );
    assert_eq!(
        when(&plan, two),
        Some("'b' == 'a' || steps['get/0001_One'].outputs['version'] == '2'")
    );
    let end = step(&plan, "end/0402_Test");
    assert_eq!(end.after.len(), 2, "both combinations");
    assert!(end.when.as_ref().unwrap().text().contains("succeeded"));
}

/// A40: a circle of jobs, and a job that does not exist.
#[test]
fn a40_jobs_that_wait_for_themselves_are_refused() {
    let folders = Folders::new();
    let steps = json!([{"run": "0001"}]);
    let circle = json!({"jobs": {
        "a": {"needs": ["b"], "steps": steps}, "b": {"needs": ["a"], "steps": steps},
    }});
    assert!(!folders.errors(&circle, &Options::default()).is_empty());
    let nobody = json!({"jobs": {"build": {"needs": ["buidl"], "steps": steps}}});
    assert!(!folders.errors(&nobody, &Options::default()).is_empty());
}
