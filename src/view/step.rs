//! One step, as its plan has it: all that is written of it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::command::of_action;
use super::escape::clean;
use super::executor::{self, ExecutorSaid};
use super::style::{FAINT, HEADING};
use super::words;
use crate::plan::{Absent, OnFailure, Plan, Step, StepIx};

/// For people.
///
/// # Errors
/// The stream does not take it.
pub fn text(plan: &Plan, ix: StepIx, out: &mut impl Write) -> io::Result<()> {
    let step = &plan[ix];
    writeln!(out, "{HEADING}{}{HEADING:#}", clean(&step.id))?;
    for (name, value) in rows(plan, ix) {
        writeln!(out, "  {FAINT}{name:<12}{FAINT:#}  {}", clean(&value))?;
    }
    Ok(())
}

/// What is said of the step, by what it is about.
pub fn rows(plan: &Plan, ix: StepIx) -> Vec<(&'static str, String)> {
    let step = &plan[ix];
    let mut rows: Vec<(&'static str, String)> = Vec::new();
    let mut row = |name, value: String| {
        if !value.is_empty() {
            rows.push((name, value));
        }
    };
    row("name", step.name.as_deref().unwrap_or_default().to_owned());
    if let Some(about) = &step.about {
        row("description", about.description.to_string());
        row(
            "stage",
            about.stage.as_deref().unwrap_or_default().to_owned(),
        );
    }
    row("tags", step.tags.join(", "));
    row("needs", ids(plan, &step.needs));
    row("after", ids(plan, &step.after));
    row(
        "condition",
        step.when
            .as_ref()
            .map_or(String::new(), |when| when.text().to_owned()),
    );
    row("runs", of_action(&step.action).to_string());
    row("on", executor::text(&step.executor).unwrap_or_default());
    let policy = &step.policy;
    row(
        "timeout",
        policy
            .timeout
            .map_or(String::new(), |limit| format!("{} s", limit.as_secs_f64())),
    );
    if policy.retry.count > 0 {
        let retry = &policy.retry;
        row(
            "retries",
            format!("{}, after {} s", retry.count, retry.delay.as_secs_f64()),
        );
    }
    row("on failure", on_failure(step).to_owned());
    if step.absent.is_some() {
        row("would run", format!("no: {}", words::absent(plan, ix)));
    }
    for note in step.about.iter().flat_map(|about| &about.notes) {
        row("note", note.to_string());
    }
    row("written in", place(plan, step));
    rows
}

fn ids(plan: &Plan, of: &[StepIx]) -> String {
    let ids: Vec<&str> = of.iter().map(|ix| &*plan[*ix].id).collect();
    ids.join(", ")
}

fn on_failure(step: &Step) -> &'static str {
    match (step.policy.on_failure, step.policy.critical) {
        (OnFailure::Abort, true) => "",
        (OnFailure::Abort | OnFailure::SkipDependents, _) => "the rest goes on",
        (OnFailure::Continue, _) => "everything goes on",
    }
}

fn place(plan: &Plan, step: &Step) -> String {
    match plan.files.get(step.source.file as usize) {
        Some(file) => format!("{file}:{}", step.source.line),
        None => String::new(),
    }
}

/// A step as its plan has it, for programs. Steps are named by their ids.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepPlanned<'a> {
    step_id: &'a str,
    name: &'a str,
    description: &'a str,
    stage: Option<&'a str>,
    #[schema(value_type = Vec<String>)]
    tags: &'a [Box<str>],
    needs: Vec<&'a str>,
    /// Those that only come before it.
    after: Vec<&'a str>,
    condition: Option<&'a str>,
    /// What it runs, as people are shown it.
    command: String,
    /// Where it runs, as far as anybody has said it.
    executor: Option<ExecutorSaid<'a>>,
    timeout_ms: Option<u64>,
    /// How often it is tried again.
    retries: u32,
    critical: bool,
    /// Why it does not run: `not_selected`, `disabled` or `removed`.
    #[schema(value_type = Option<String>)]
    absent: Option<Absent>,
    #[schema(value_type = Vec<String>)]
    notes: &'a [Box<str>],
    /// Where it is written.
    file: Option<&'a str>,
    line: u32,
}

/// For programs.
pub fn told(plan: &Plan, ix: StepIx) -> StepPlanned<'_> {
    let step = &plan[ix];
    let names = |of: &[StepIx]| of.iter().map(|ix| &*plan[*ix].id).collect();
    let about = step.about.as_deref();
    StepPlanned {
        step_id: &step.id,
        name: step.name.as_deref().unwrap_or(&step.id),
        description: about.map_or("", |about| &about.description),
        stage: about.and_then(|about| about.stage.as_deref()),
        tags: &step.tags,
        needs: names(&step.needs),
        after: names(&step.after),
        condition: step.when.as_ref().map(|when| when.text()),
        command: of_action(&step.action).to_string(),
        executor: executor::told(&step.executor),
        timeout_ms: step.policy.timeout.map(|limit| limit.as_millis() as u64),
        retries: step.policy.retry.count,
        critical: step.policy.critical,
        absent: step.absent,
        notes: about.map_or(&[][..], |about| &about.notes),
        file: plan
            .files
            .get(step.source.file as usize)
            .map(|file| &**file),
        line: step.source.line,
    }
}

/// The same as JSON.
pub fn json(plan: &Plan, ix: StepIx) -> Value {
    json!(told(plan, ix))
}
