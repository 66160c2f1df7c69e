//! Plan files through the front door: bytes in, a plan or every problem out.

#[path = "../support/mod.rs"]
mod support;

mod builtins;
mod executors;
mod fields;
mod hostile;
mod messages;
mod notify;
mod refused;

use std::path::{Path, PathBuf};

use quintet::load::{Loaded, Refusal, Request, load, load_str};
use quintet::plan::problem::Problem;
use quintet::plan::{Action, Command, Plan, Program, Step};
use quintet::view::diagnostic::{Style, render};

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = std::fs::read_dir(root.join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn request() -> Request {
    Request {
        cwd: "/run/from".into(),
        ..Request::default()
    }
}

fn with_var(name: &str, value: &str) -> Request {
    Request {
        vars: vec![(name.into(), value.into())],
        ..request()
    }
}

fn loaded(text: &str) -> Loaded {
    loaded_with(text, &request())
}

#[track_caller]
fn loaded_with(text: &str, request: &Request) -> Loaded {
    match load_str("plan.json", text, request) {
        Ok(loaded) => loaded,
        Err(refusal) => panic!("{}", shown(&refusal)),
    }
}

fn plan(text: &str) -> Plan {
    let loaded = loaded(text);
    assert_eq!(loaded.warnings, []);
    loaded.plan
}

#[track_caller]
fn refused(text: &str) -> Refusal {
    refused_with(text, &request())
}

#[track_caller]
fn refused_with(text: &str, request: &Request) -> Refusal {
    match load_str("plan.json", text, request) {
        Ok(_) => panic!("accepted: {}", &text[..text.len().min(200)]),
        Err(refusal) => refusal,
    }
}

fn shown(refusal: &Refusal) -> String {
    render(&refusal.problems, &refusal.sources, Style::default())
}

fn messages(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|p| p.message.as_str()).collect()
}

fn command(step: &Step) -> &Command {
    match &step.action {
        Action::Command(command) => command,
        Action::Builtin(_) => panic!("step {} is a builtin", step.id),
        Action::Group => panic!("step {} is a group", step.id),
    }
}

fn argv(step: &Step) -> Vec<String> {
    match &command(step).program {
        Program::Argv(argv) => argv.iter().map(|text| text.shown().into_owned()).collect(),
        Program::Shell { .. } => panic!("step {} is a script", step.id),
    }
}

fn one_step(fields: &str) -> String {
    format!(r#"{{"plan_id": "p", "steps": [{{"id": "a", "command": "true", {fields}}}]}}"#)
}
