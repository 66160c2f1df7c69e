//! Builtins in plan files: what each of them becomes, and what is refused.

use std::time::Duration;

use quintet::plan::Builtin;
use quintet::plan::builtin::{FileKind, Question};

use super::*;

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures").join(name)
}

fn refused_fixture(name: &str) -> String {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    match load_str("plan.yaml", text, &request()) {
        Ok(_) => panic!("{name} is accepted"),
        Err(refusal) => shown(&refusal),
    }
}

#[test]
fn every_builtin_reaches_the_plan_with_nothing_left_to_apply() {
    let plan = load(&fixture("good/builtins.yaml"), &request())
        .unwrap()
        .plan;
    let builtins: Vec<&Builtin> = plan
        .steps
        .iter()
        .map(|step| match &step.action {
            Action::Builtin(builtin) => &**builtin,
            other => panic!("{other:?}"),
        })
        .collect();
    let version = |text: &str| Some(text.parse().unwrap());
    let questions = [
        Question::FileExists {
            paths: ["/run/from/work/uv.lock".into()].into(),
            kind: FileKind::Any,
        },
        Question::FileExists {
            paths: ["/usr/bin/env".into(), "/run/from/work/bin".into()].into(),
            kind: FileKind::Any,
        },
        Question::ToolVersion {
            program: "python3".into(),
            args: ["--version".into()].into(),
            at_least: version("3.12"),
            below: version("4"),
        },
        Question::ToolVersion {
            program: "java".into(),
            args: ["-version".into()].into(),
            at_least: None,
            below: None,
        },
        Question::DiskSpace {
            path: "/run/from/work".into(),
            at_least: 1 << 30,
        },
        Question::DiskSpace {
            path: "/run/from/work".into(),
            at_least: 1000,
        },
        Question::PortReachable {
            host: "localhost".into(),
            port: 5432,
            timeout: Duration::from_millis(500),
        },
        Question::PortReachable {
            host: "localhost".into(),
            port: 80,
            timeout: Duration::from_secs(2),
        },
        Question::GitClean {
            dir: "/run/from/work".into(),
        },
    ];
    let asked: Vec<&Question> = builtins.iter().map(|builtin| &builtin.question).collect();
    assert_eq!(asked, questions.iter().collect::<Vec<_>>());
    assert_eq!(&*builtins[2].cwd, "/run/from/work/sub");
    assert_eq!(*builtins[2].env, [("PATH".into(), "/opt/bin".into())]);
    let undo = plan.steps[8].undo.as_ref().unwrap();
    assert_eq!(&*undo.command.cwd, "/run/from/work");
    // What is kept with a run is the same plan.
    let kept: Plan = serde_json::from_str(&plan.to_json()).unwrap();
    assert_eq!(kept, plan);
}

#[test]
fn what_a_builtin_cannot_be_is_shown_at_its_place() {
    insta::assert_snapshot!(refused_fixture("bad_shape/builtins.yaml"), @r#"
    error: steps[0].builtin: needs exactly one of file_exists, tool_version, disk_space, port_reachable, git_clean
     --> plan.yaml:4:7
      |
    4 |       disk_space: {at_least: 1GB}
      |       ^

    error: steps[1].builtin: needs exactly one of file_exists, tool_version, disk_space, port_reachable, git_clean
     --> plan.yaml:7:14
      |
    7 |     builtin: {}
      |              ^

    error: steps[2].command: cannot stand beside "builtin"
     --> plan.yaml:9:15
      |
    9 |     command: "true"
      |               ^^^^

    error: steps[3].builtin.disk_space.at_least: -1 is too small; 0 is the least
      --> plan.yaml:12:38
       |
    12 |     builtin: {disk_space: {at_least: -1}}
       |                                      ^^

    error: steps[4].builtin: unknown field "disk_spaces"
      --> plan.yaml:14:15
       |
    14 |     builtin: {disk_spaces: {at_least: 1GB}}
       |               ^^^^^^^^^^^
       |
       = help: did you mean "disk_space"?
    "#);
}

#[test]
fn what_a_builtin_cannot_mean_is_shown_with_what_would_do() {
    insta::assert_snapshot!(refused_fixture("bad_meaning/builtins.yaml"), @r#"
    error: steps[0].builtin.disk_space: unknown field "at_lest"
     --> plan.yaml:3:28
      |
    3 |     builtin: {disk_space: {at_lest: 1GB, at_least: much}}
      |                            ^^^^^^^
      |
      = help: did you mean "at_least"?

    error: steps[0].builtin.disk_space.at_least: "much" will not do
     --> plan.yaml:3:52
      |
    3 |     builtin: {disk_space: {at_lest: 1GB, at_least: much}}
      |                                                    ^^^^
      |
      = help: an amount is a number of bytes, or a text such as 500MB or 1.5GB

    error: steps[1].builtin.tool_version.at_least: "v2" will not do
     --> plan.yaml:5:54
      |
    5 |     builtin: {tool_version: {program: git, at_least: v2}}
      |                                                      ^^
      |
      = help: a version is whole numbers between dots, such as 3.12

    error: steps[2].builtin.port_reachable.port: "70000" will not do
     --> plan.yaml:7:56
      |
    7 |     builtin: {port_reachable: {host: localhost, port: "70000"}}
      |                                                        ^^^^^
      |
      = help: a port is a number from 1 to 65535

    error: steps[3].stdin: cannot stand beside "builtin"
     --> plan.yaml:9:12
      |
    9 |     stdin: text
      |            ^^^^

    error: steps[3].builtin.file_exists.path: names no file
      --> plan.yaml:10:35
       |
    10 |     builtin: {file_exists: {path: []}}
       |                                   ^
    "#);
}

#[test]
fn a_group_asks_nothing_and_a_wrong_shape_is_told_once() {
    let group = r#"{"steps": [{"id": "g", "type": "group", "builtin": {"git_clean": {}}}]}"#;
    let refusal = refused(group);
    assert_eq!(
        messages(&refusal.problems),
        ["steps[0]: a group runs nothing, and has a builtin"]
    );
    let refusal = refused(r#"{"steps": [{"id": "a", "builtin": "git_clean"}]}"#);
    assert_eq!(refusal.problems.len(), 1, "{}", shown(&refusal));
    let refusal = refused(r#"{"steps": [{"id": "a", "builtin": {"git_clean": 3}}]}"#);
    assert_eq!(refusal.problems.len(), 1, "{}", shown(&refusal));
}

/// What other steps put out may stand in the environment, if there are such steps.
#[test]
fn a_builtins_environment_may_hold_outputs() {
    let plan = |from: &str| {
        format!(
            r#"{{"steps": [{{"id": "a", "command": "true"}},
                {{"id": "b", "needs": ["a"], "env": {{"V": "${{steps.{from}.outputs.V}}"}},
                  "builtin": {{"git_clean": {{}}}}}}]}}"#
        )
    };
    let loaded = loaded(&plan("a"));
    let Action::Builtin(builtin) = &loaded.plan.steps[1].action else {
        panic!("it is a builtin");
    };
    assert_eq!(builtin.env[0].1.shown(), "${steps.a.outputs.V}");
    let refusal = refused(&plan("nobody"));
    assert_eq!(refusal.problems.len(), 1, "{}", shown(&refusal));
}
