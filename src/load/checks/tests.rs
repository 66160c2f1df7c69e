//! What files of checks become, and what is refused.

use super::*;
use crate::plan::{Absent, Action, CacheUse, OnFailure, Program, Remediate, Step, StepIx};
use std::time::Duration;

fn loaded_with(text: &str, given: &Given) -> Result<(Loaded, Settings), Refusal> {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("checks.toml");
    std::fs::write(&path, text).expect("written");
    let request = Request {
        cwd: home.path().to_string_lossy().into_owned(),
        ..Request::default()
    };
    load_with(&path, given, &request)
}

fn plan(text: &str) -> Plan {
    match loaded_with(text, &Given::default()) {
        Ok((loaded, _)) => loaded.plan,
        Err(refusal) => panic!("{:?}", refusal.problems),
    }
}

fn messages(text: &str) -> Vec<String> {
    let refusal = loaded_with(text, &Given::default()).expect_err("it is refused");
    let problems = refusal.problems.into_iter();
    problems.map(|problem| problem.message).collect()
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    let found = plan.steps.iter().find(|step| *step.id == *id);
    found.unwrap_or_else(|| panic!("no step {id}"))
}

fn ids(plan: &Plan, of: &[StepIx]) -> Vec<String> {
    of.iter().map(|ix| plan[*ix].id.to_string()).collect()
}

const TWO: &str = r#"
[[phases]]
name = "Environment validation"
[[phases.checks]]
name = "Python version"
command = "python3 --version"
ttl = "1h"
[[phases.checks]]
name = "UV"
command = ["uv", "--version"]
severity = "warn"
[[phases]]
name = "Quality"
tags = ["quality"]
parallel = true
[[phases.checks]]
name = "Lint"
command = "ruff check"
inputs = ["src/**", "!src/gen/**"]
[[phases.checks]]
name = "Types"
command = "mypy ."
"#;

/// E1.
#[test]
fn e1_phases_come_one_after_another_and_a_phase_tells_all_that_is_wrong_in_it() {
    let plan = plan(TWO);
    let python = step(&plan, "environment-validation/python-version");
    assert_eq!(python.name.as_deref(), Some("Python version"));
    assert_eq!(ids(&plan, &python.needs), [DISK]);
    let uv = step(&plan, "environment-validation/uv");
    assert_eq!(ids(&plan, &uv.needs), [DISK]);
    assert_eq!(
        ids(&plan, &uv.after),
        ["environment-validation/python-version"]
    );
    let phase = step(&plan, "environment-validation");
    assert_eq!(phase.action, Action::Group);
    assert_eq!(
        ids(&plan, &phase.needs),
        ["environment-validation/python-version"]
    );
    assert_eq!(ids(&plan, &phase.after), ["environment-validation/uv"]);
    let types = step(&plan, "quality/types");
    assert_eq!(ids(&plan, &types.needs), [DISK, "environment-validation"]);
    assert!(
        types.after.is_empty(),
        "the checks of this phase run at once"
    );
    assert_eq!(plan.max_concurrency.get(), 2);
}

/// E31.
#[test]
fn e31_a_failure_counts_or_is_a_warning() {
    let plan = plan(TWO);
    let python = &step(&plan, "environment-validation/python-version").policy;
    assert!(python.critical && python.on_failure == OnFailure::SkipDependents);
    let uv = &step(&plan, "environment-validation/uv").policy;
    assert!(!uv.critical && uv.on_failure == OnFailure::Continue);
}

/// E6, E7, E23.
#[test]
fn e6_e7_freshness_and_tags_are_what_the_file_says() {
    let plan = plan(TWO);
    let python = step(&plan, "environment-validation/python-version");
    let cache = python.cache.as_deref().expect("a cache");
    assert_eq!(cache.ttl, Some(Duration::from_secs(3600)));
    let lint = step(&plan, "quality/lint");
    let inputs = &lint.cache.as_deref().expect("a cache").inputs;
    assert!(
        inputs[0].starts_with('/') && inputs[0].ends_with("/src/**"),
        "{inputs:?}"
    );
    assert!(inputs[1].starts_with("!/") && inputs[1].ends_with("/src/gen/**"));
    assert_eq!(*lint.tags, ["quality".into()]);
    assert_eq!(step(&plan, "quality").tags, lint.tags);
    assert!(step(&plan, "quality/types").cache.is_none());
}

#[test]
fn a_text_is_a_script_and_a_list_is_a_program() {
    let plan = plan(TWO);
    let program = |id: &str| match &step(&plan, id).action {
        Action::Command(command) => command.program.clone(),
        _ => panic!("{id} has no command"),
    };
    let python = program("environment-validation/python-version");
    assert!(matches!(python, Program::Shell { script, .. } if &*script == "python3 --version"));
    let uv = program("environment-validation/uv");
    assert!(matches!(uv, Program::Argv(words) if words.len() == 2));
}

/// E2, E10, E11, E13, E14: what is given counts before what the file says.
#[test]
fn e14_settings_of_the_file_count_after_what_is_given() {
    let text = format!("settings = {{ fast_mode = true, auto_remediate = false }}\n{TWO}");
    let load = |given: &Given| loaded_with(&text, given).expect("a plan");
    let (loaded, settings) = load(&Given::default());
    assert!(settings.fast && !settings.auto_remediate && settings.log);
    assert_eq!(loaded.plan.cache, CacheUse::Use);
    assert_eq!(loaded.plan.remediate, Remediate::No);
    let given = Given {
        fast: Some(false),
        auto_remediate: Some(true),
        interactive: Some(true),
        ..Given::default()
    };
    let (loaded, _) = load(&given);
    assert_eq!(loaded.plan.cache, CacheUse::Refresh);
    assert_eq!(loaded.plan.remediate, Remediate::Ask);
}

/// E10: a remedy in one word, and with all that can be said of one.
#[test]
fn e10_a_remedy_is_a_command_and_what_bounds_it() {
    let plan = plan(
        r#"
[[checks]]
name = "a"
command = "false"
timeout = 5
remedy = "touch x"
[[checks]]
name = "b"
command = "false"
remedy = { command = ["uv", "sync"], timeout = "2m", attempts = 3, cooldown = "1s", budget = { times = 5, window = "1h" }, confirm = "Sync?", undo = "git restore ." }
"#,
    );
    let a = step(&plan, "checks/a").remedy.clone().expect("a remedy");
    assert_eq!((a.attempts, a.timeout), (1, Some(Duration::from_secs(5))));
    let step = step(&plan, "checks/b");
    let b = step.remedy.as_deref().expect("a remedy");
    assert_eq!((b.attempts, b.cooldown), (3, Duration::from_secs(1)));
    assert_eq!(b.timeout, Some(Duration::from_secs(120)));
    assert_eq!(b.confirm.as_deref(), Some("Sync?"));
    assert_eq!(b.budget.map(|budget| budget.times), Some(5));
    assert!(step.undo.is_some());
}

/// E34.
#[test]
fn e34_a_check_is_not_fresher_than_those_it_names_and_comes_after_them() {
    let plan = plan(
        r#"
[[phases]]
name = "Dependencies"
[[phases.checks]]
name = "Dependency sync"
command = "uv sync"
ttl = "30m"
stale_with = ["Virtual environment", "lockfile"]
[[phases.checks]]
name = "Virtual environment"
command = "test -d .venv"
severity = "warn"
[[phases.checks]]
id = "lockfile"
name = "Lockfile sync"
command = "uv lock --check"
severity = "warn"
parallel = true
"#
        .replace("parallel = true\n", "")
        .replace("[[phases]]\n", "[[phases]]\nparallel = true\n")
        .as_str(),
    );
    let sync = step(&plan, "dependencies/dependency-sync");
    let cache = sync.cache.as_deref().expect("a cache");
    let before = ["dependencies/virtual-environment", "dependencies/lockfile"];
    assert_eq!(*cache.stale_with, before.map(Box::from));
    assert_eq!(ids(&plan, &sync.after), before);
}

/// E24.
#[test]
fn e24_a_platform_is_a_condition() {
    let plan = plan(
        "checks = [{ name = \"a\", command = \"true\", platform = [\"macos\", \"windows\"], when = \"env.X\" }]",
    );
    let when = step(&plan, "checks/a").when.as_ref().expect("a condition");
    assert_eq!(when.text(), "(IsMacOS or IsWindows) and (env.X)");
    assert!(plan.facts.contains_key("IsMacOS"));
}

/// E16, E22, E27: the lock and the room on the disk, with their defaults.
#[test]
fn e16_e22_lock_and_disk_are_there_without_being_asked_for() {
    let plan = plan(TWO);
    let lock = plan.lock.as_ref().expect("a lock");
    assert!(lock.name.starts_with("project-"), "{}", lock.name);
    assert_eq!(lock.wait, Duration::from_secs(30));
    assert!(plan.project.starts_with('/'));
    match &step(&plan, DISK).action {
        Action::Builtin(builtin) => assert!(
            matches!(builtin.question, crate::plan::builtin::Question::DiskSpace { at_least, .. } if at_least == 1 << 30)
        ),
        other => panic!("{other:?}"),
    }
    let off = super::tests::plan(&format!(
        "disk = {{ minimum = 0 }}\nlock = {{ wait = \"1s\" }}\n{TWO}"
    ));
    assert!(off.steps.iter().all(|step| *step.id != *DISK));
    assert_eq!(off.lock.map(|lock| lock.wait), Some(Duration::from_secs(1)));
}

#[test]
fn phases_may_run_at_once_and_need_each_other_by_name() {
    let text = format!("parallel = true\n{TWO}");
    let text = text.replace(
        "tags = [\"quality\"]",
        "needs = [\"Environment validation\"]",
    );
    let plan = plan(&text);
    let uv = step(&plan, "environment-validation/uv");
    assert!(uv.after.is_empty(), "checks run at once, too");
    let lint = step(&plan, "quality/lint");
    assert_eq!(ids(&plan, &lint.needs), [DISK, "environment-validation"]);
    assert_eq!(plan.max_concurrency.get(), 4);
}

#[test]
fn a_check_that_is_not_for_fast_mode_is_left_out_of_it() {
    let text = "checks = [{ name = \"a\", command = \"true\", fast = false }]";
    let given = Given {
        fast: Some(true),
        ..Given::default()
    };
    let (loaded, _) = loaded_with(text, &given).expect("a plan");
    let absent = step(&loaded.plan, "checks/a").absent;
    assert_eq!(absent, Some(Absent::NotSelected));
    assert_eq!(step(&plan(text), "checks/a").absent, None);
}

/// E23.
#[test]
fn e23_checks_with_the_tags_of_tests_are_left_out_with_their_phase() {
    let given = Given {
        skip_tests: Some(true),
        ..Given::default()
    };
    let (loaded, _) = loaded_with(TWO, &given).expect("a plan");
    let left_out = |id: &str| step(&loaded.plan, id).absent == Some(Absent::NotSelected);
    assert!(left_out("quality") && left_out("quality/lint") && left_out("quality/types"));
    assert!(!left_out("environment-validation/uv"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let found = messages(
        r#"
max_concurrency = 0
[lock]
wait = "soon"
[disk]
minimum = "much"
[[phases]]
name = "One"
needs = ["Tow"]
[[phases.checks]]
name = "a"
[[phases.checks]]
name = "b"
command = "true"
builtin = { git_clean = {} }
[[phases.checks]]
name = "c"
command = "true"
ttl = "1 fortnight"
needs = ["d"]
severity = "bad"
[[phases.checks]]
name = "!?"
command = []
remediation = "x"
[[phases.checks]]
name = "a"
command = "true"
"#,
    );
    for part in [
        "max_concurrency: 0 is too small",
        "lock.wait: expected a time",
        "disk.minimum: is no amount",
        "there is no phase \"Tow\"",
        "phases[0].checks[0]: this check has neither",
        "phases[0].checks[1].builtin: cannot stand beside",
        "phases[0].checks[2].ttl",
        "phases[0].checks[2].severity",
        "phases[0].checks[3]: no id can be made of this name",
        "phases[0].checks[3].command: names no program",
        "unknown field \"remediation\"",
    ] {
        assert!(
            found.iter().any(|message| message.contains(part)),
            "{part}: {found:#?}"
        );
    }
}

#[test]
fn a_name_that_several_phases_have_is_to_be_told_apart() {
    let text = r#"
[[phases]]
name = "One"
checks = [{ name = "a", command = "true" }]
[[phases]]
name = "Two"
checks = [{ name = "a", command = "true" }, { name = "b", command = "true", needs = ["a"] }]
[[phases]]
name = "Three"
checks = [{ name = "c", command = "true", needs = ["a"] }]
"#;
    let found = messages(text);
    assert_eq!(found, ["several phases have a check \"a\""]);
    let plan = plan(&text.replace(
        "\"c\", command = \"true\", needs = [\"a\"]",
        "\"c\", command = \"true\", needs = [\"one/a\"]",
    ));
    assert!(ids(&plan, &step(&plan, "two/b").needs).contains(&"two/a".to_owned()));
    assert!(ids(&plan, &step(&plan, "three/c").needs).contains(&"one/a".to_owned()));
}

#[test]
fn a_file_of_checks_is_told_from_others() {
    let home = tempfile::tempdir().expect("a folder");
    let is = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).expect("written");
        is_checks(&path)
    };
    assert!(is("a.toml", TWO));
    assert!(is("a.json", "{\"checks\": []}"));
    assert!(is("a.yaml", "phases:\n- name: x\n  checks: []\n"));
    assert!(is("checks.toml", "[[checks]\nname = 1"), "it was to be one");
    assert!(!is("b.json", "{\"steps\": [], \"checks\": []}"));
    assert!(!is("c.json", "{\"steps\": [{\"id\": \"checks\"}]}"));
    assert!(!is("d.json", "{\"phases\": {}, \"metadata\": \"checks\"}"));
    assert!(!is_checks(home.path()));
    assert!(!is_checks(&home.path().join("nowhere.toml")));
}
