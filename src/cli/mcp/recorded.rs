//! The runs that the store knows: which there are, how one stands, and why a step of
//! it has become what it is.

use rmcp::schemars;
use serde_json::{Value, json};

use super::answer::cut;
use crate::cli::error::{Failure, Kind};
use crate::cli::global::Global;
use crate::cli::{output, why};
use crate::store::{RunFilter, StoredState};
use crate::view::recorded::Recorded;
use crate::view::runs;
use crate::view::status;
use crate::view::timeline::Timeline;

/// So many runs are listed at once, at most.
const MOST_RUNS: u32 = 100;

/// So many steps of a run are told at once.
const STEPS: usize = 100;

/// Which runs.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// Only runs in this state: running, succeeded, failed, canceled and others
    #[serde(default)]
    pub state: Option<String>,
    /// Only runs of what has this name
    #[serde(default)]
    pub name: Option<String>,
    /// At most so many, from 1 to 100; 20 without
    #[serde(default)]
    pub limit: Option<u32>,
    /// Only runs older than this one: what the page before said is `next`
    #[serde(default)]
    pub before: Option<String>,
}

/// One run.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The run: its id, the beginning or end of it, or `last`
    pub run: String,
    /// The first step that is told, counted from 0: what the page before said is `next_step`
    #[serde(default)]
    pub from_step: usize,
}

/// A step of a run.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The run: its id, the beginning or end of it, or `last`
    pub run: String,
    /// The step's id; the one step of a job or a task is called as that is
    pub step: String,
}

/// Lists runs, newest first.
///
/// # Errors
/// There is no such state, no run `before`, or the store cannot be read.
pub fn list(asked: &Runs, global: &Global) -> Result<Value, Failure> {
    let state = asked.state.as_deref().map(stored_state).transpose()?;
    let Some(store) = global.store_if_any()? else {
        return Ok(json!({ "runs": [] }));
    };
    let before = asked.before.as_deref().map(|run| store.find_run(run));
    let limit = asked.limit.unwrap_or(20).clamp(1, MOST_RUNS);
    let filter = RunFilter {
        state,
        name: asked.name.clone(),
        limit: Some(limit),
        before: before.transpose()?.map(|run| run.key),
        ..RunFilter::default()
    };
    let listed = runs::list(&store, &filter)?;
    let next = runs::last_of_page(&listed, &filter);
    Ok(json!({
        "runs": runs::json(&listed, output::now()),
        "next": next.map(|run| &run.row.run_id),
    }))
}

fn stored_state(word: &str) -> Result<StoredState, Failure> {
    StoredState::from_word(word).ok_or_else(|| {
        let words = StoredState::ALL.map(StoredState::word).join(", ");
        Failure::new(Kind::Usage, format!("there is no state {word:?}"))
            .hint(format!("the states are {words}"))
    })
}

/// Tells how a run stands, a page of its steps at a time.
///
/// # Errors
/// There is no such run, or the store cannot be read.
pub fn status(asked: &Status, global: &Global) -> Result<Value, Failure> {
    let store = global.store()?;
    let recorded = Recorded::find(&store, &asked.run)?;
    let subject = recorded.subject(&store, output::now())?;
    let timeline = Timeline::of(&recorded.events);
    let mut answer = status::json(subject, &timeline, Value::Null);
    if let Some(answer) = answer.as_object_mut() {
        // Both grow without bound, and `watch` and `runs` tell them in pieces.
        answer.remove("timeline");
        answer.remove("active_runs");
    }
    if let Some(steps) = answer["steps"].as_array_mut() {
        let end = asked.from_step.saturating_add(STEPS);
        let more = steps.len() > end;
        steps.truncate(end);
        steps.drain(..asked.from_step.min(steps.len()));
        answer["next_step"] = json!(more.then_some(end));
    }
    Ok(answer)
}

/// Says what `quintet why` says.
///
/// # Errors
/// There is no such run or step, or the store cannot be read.
pub fn explain(asked: &Explain, global: &Global) -> Result<Value, Failure> {
    let store = global.store()?;
    let recorded = Recorded::find(&store, &asked.run)?;
    let mut why = Vec::new();
    why::explain(&store, &recorded, &asked.step, &mut why)?;
    Ok(json!({
        "run_id": recorded.run_id(),
        "step_id": asked.step,
        "why": cut(&String::from_utf8_lossy(&why)),
    }))
}
