//! The record of an orchestration's run: who took part, how each one ended, and the
//! context that they shared.
//!
//! It follows from the run's state alone, whether the run is going on or over.

use serde_json::{Map, Value, json};

use super::job_record::moment;
use super::result;
use crate::plan::agent::{ENTRY, Entry, Usage, Verdict, merged};
use crate::plan::{Plan, StepIx};
use crate::run::{Millis, RunState};

/// The record, as a JSON object.
pub fn record(name: &str, run_id: &str, run: &RunState) -> Value {
    let plan = run.plan();
    let result = result::of(run_id, run, &[], &mut |_| Vec::new());
    let entries: Vec<Option<Entry>> = plan.indices().map(|ix| entry(run, ix)).collect();
    let known = || entries.iter().flatten();
    let agents: Vec<Value> = result
        .steps
        .iter()
        .map(|step| agent(step, known().find(|entry| entry.step == step.id)))
        .collect();
    let used = known().filter_map(|entry| entry.usage).reduce(Usage::plus);
    let mut context = merged(known());
    for key in ["goal", TASK] {
        context.entry(key).or_insert_with(|| said(plan, key));
    }
    let failed = known().filter_map(|entry| entry.error.as_ref().map(|why| (entry, why)));
    let failed = failed.map(|(entry, why)| format!("{}: {why}", entry.step));
    let failed: Vec<String> = failed.collect();
    json!({
        "orchestration": name,
        "run_id": run_id,
        "status": result.outcome.map_or("running", |outcome| outcome.word()),
        "reason": result.reason,
        "errors": failed,
        "goal": said(plan, "goal"),
        "task": said(plan, TASK),
        "start_time": moment(run.started_at()),
        "end_time": result.outcome.map(|_| moment(run.ended_at())),
        "duration_ms": result.duration_ms,
        "agents": agents,
        "usage": used.map(usage),
        "context": Value::Object(context),
        "history": known().collect::<Vec<_>>(),
    })
}

/// What the agents have put out so far, in the plan's order.
pub fn entries(run: &RunState) -> Vec<Entry> {
    run.plan()
        .indices()
        .filter_map(|ix| entry(run, ix))
        .collect()
}

const TASK: &str = "task";

/// What the plan's metadata say.
fn said(plan: &Plan, key: &str) -> Value {
    plan.metadata.get(key).cloned().unwrap_or(Value::Null)
}

/// What a step put out, if it is an agent's.
fn entry(run: &RunState, ix: StepIx) -> Option<Entry> {
    let line = run.output(&run.plan()[ix].id, ENTRY)?;
    serde_json::from_str(line).ok()
}

fn agent(step: &result::StepResult, entry: Option<&Entry>) -> Value {
    // `2/r1/ReviewerAgent`
    let parts: Vec<&str> = step.id.split('/').collect();
    let (group, name) = (parts.first(), parts.last());
    let time = |at: Option<Millis>| at.map(moment);
    let error = entry.and_then(|entry| entry.error.clone());
    json!({
        "name": name,
        "step": step.id,
        "group": group.and_then(|group| group.parse::<u32>().ok()),
        "status": step.outcome.map_or("pending", |outcome| outcome.word()),
        "attempts": step.attempts,
        "exit_code": step.exit_code,
        "start_time": time(step.started_at),
        "end_time": time(step.ended_at),
        "duration_ms": step.duration_ms,
        "error": error.or_else(|| step.error.clone()),
        "skipped_because": step.skipped_because,
        "verdict": entry.and_then(|entry| entry.verdict).map(Verdict::word),
        "usage": entry.and_then(|entry| entry.usage).map(usage),
    })
}

/// What is unpriced is never nothing.
fn usage(used: Usage) -> Value {
    let mut shown = Map::new();
    shown.insert("turns".into(), used.turns.into());
    shown.insert("input_tokens".into(), used.input_tokens.into());
    shown.insert("output_tokens".into(), used.output_tokens.into());
    let cost = used.cost.map_or_else(|| "unpriced".into(), Value::from);
    shown.insert("cost".into(), cost);
    Value::Object(shown)
}
