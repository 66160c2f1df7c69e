//! `/definitions?plan=ID`: a plan over its last runs.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use crate::serve::address::Query;
use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::store::{Cell, Recent, Store, StoreError};
use crate::view::web::definition::{MOST_STEPS, Model, page as view};

/// So many runs are looked at, the newest.
pub const MOST_RUNS: usize = 30;

/// A run's events are read through for its column. So many steps in all of them
/// together keep that short, however large the plan is.
const MOST_READ: usize = 40_000;

/// Which plan, and from which of its steps on.
#[derive(Debug, Deserialize)]
pub struct Asked {
    plan: String,
    #[serde(default)]
    from: usize,
}

pub async fn page(State(app): State<App>, Query(asked): Query<Asked>) -> Response {
    super::answer(app, move |reader| {
        let store = reader.store()?;
        let runs = store.recent(&asked.plan, MOST_RUNS)?;
        let Some(newest) = runs.last() else {
            let message = format!("no run of a plan {:?} is recorded", asked.plan);
            return Err(Trouble::not_found(message));
        };
        let ids = store.step_ids(newest.version)?;
        let from = asked.from.min(ids.len().saturating_sub(1));
        let steps = &ids[from..ids.len().min(from + MOST_STEPS)];
        let columns = (MOST_READ / ids.len().max(1)).clamp(1, runs.len());
        let columns = &runs[runs.len() - columns..];
        let columns: Result<Vec<_>, StoreError> = columns
            .iter()
            .map(|run| column(store, run, newest.version, steps, from))
            .collect();
        Ok(view(&Model {
            plan_id: &asked.plan,
            runs: &runs,
            steps,
            from,
            all_steps: ids.len(),
            columns: &columns?,
            zone: reader.zone(),
        }))
    })
    .await
}

/// What became of these steps in a run. They stand at `from` in the newest version, and
/// anywhere in the run's own.
fn column<'a>(
    store: &Store,
    run: &Recent,
    newest: i64,
    steps: &'a [String],
    from: usize,
) -> Result<BTreeMap<&'a str, Cell>, StoreError> {
    if run.version == newest {
        let cells = store.cells(run, from..from + steps.len())?;
        let named = cells
            .into_iter()
            .map(|(ix, cell)| (steps[ix - from].as_str(), cell));
        return Ok(named.collect());
    }
    let own = store.step_ids(run.version)?;
    let cells = store.cells(run, 0..own.len())?;
    let known: BTreeMap<&str, usize> = own.iter().map(String::as_str).zip(0..).collect();
    let found = steps.iter().filter_map(|step| {
        let cell = cells.get(known.get(step.as_str())?)?;
        Some((step.as_str(), *cell))
    });
    Ok(found.collect())
}
