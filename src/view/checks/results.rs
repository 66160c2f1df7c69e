//! How a run of checks ended, as data: one object on one line.

use serde::Serialize;
use serde_json::{Value, json};

use super::summary::{Over, Tally};
use super::{Status, checks, name, phase};
use crate::plan::StepIx;
use crate::run::RunPhase;
use crate::view::words;

/// One check.
#[derive(Debug, Serialize)]
struct Result<'a> {
    id: &'a str,
    name: &'a str,
    phase: Option<&'a str>,
    /// `passed`, `remediated`, `undone`, `fresh`, `failed`, `warning`, `skipped`,
    /// `canceled`; `left_out` of one that takes no part.
    status: &'static str,
    reason: Option<String>,
    attempts: u32,
    duration_ms: Option<u64>,
    /// Of a fresh one, how long ago it succeeded, and how long that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
}

/// The object. `exit_code` is the one that the program ends with.
pub fn json(over: &Over<'_>, exit_code: i32) -> Value {
    let (run, plan) = (over.run, over.run.plan());
    let outcome = match run.phase() {
        RunPhase::Finished(outcome) => Some(outcome.word()),
        _ => None,
    };
    let results: Vec<Result<'_>> = checks(plan).map(|ix| one(over, ix)).collect();
    json!({
        "type": "check_results",
        "run_id": over.run_id,
        "name": plan.name,
        "project": plan.project,
        "outcome": outcome,
        "exit_code": exit_code,
        "duration_ms": run.ended_at().saturating_sub(run.started_at()),
        "counts": Tally::of(run, over.tale, over.left_out),
        "checks": results,
        "places": over.places,
    })
}

fn one<'a>(over: &Over<'a>, ix: StepIx) -> Result<'a> {
    let (run, plan) = (over.run, over.run.plan());
    let status = over.tale.status(run, ix);
    let record = run.step(ix);
    let fresh = match &status {
        Some(Status::Fresh(fresh)) => Some(fresh),
        _ => None,
    };
    let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let reason = match &status {
        Some(Status::Passed { .. } | Status::Remediated { .. }) | None => None,
        Some(status) => Some(status.said()),
    };
    Result {
        id: &plan[ix].id,
        name: name(plan, ix),
        phase: phase(plan, ix).map(|phase| name(plan, phase)),
        status: status.as_ref().map_or("left_out", Status::word),
        reason,
        attempts: words::attempts_made(record),
        duration_ms: record.last.end().map(|end| words::ran_ms(&end)),
        age_ms: fresh.map(|fresh| ms(fresh.age)),
        ttl_ms: fresh.and_then(|fresh| fresh.ttl).map(ms),
    }
}
