//! `/locks`: who holds what now, and who waits for it.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;

use crate::engine::lock::{Seen, seen};
use crate::run::StepState;
use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::serve::world::Reader;
use crate::view::recorded::Recorded;
use crate::view::web::locks::{Model, Name, Waiting, page as view};

/// So many runs in which something waited are looked at, the newest.
const MOST_RUNS: usize = 50;

/// So many names are shown.
const MOST_NAMES: usize = 300;

pub async fn page(State(app): State<App>) -> Response {
    super::answer(app, move |reader| {
        Ok(view(&Model {
            names: &names(reader)?,
            now: reader.now,
            zone: reader.zone(),
        }))
    })
    .await
}

/// Every name of which something is held or wanted.
///
/// # Errors
/// The locks or the record cannot be read.
pub fn names(reader: &Reader<'_>) -> Result<Vec<Name>, Trouble> {
    let seen = seen(&reader.state().locks()).map_err(Trouble::internal)?;
    let mut waiting = waiting(reader)?;
    let named = seen.into_iter().take(MOST_NAMES).map(|seen| {
        let Seen {
            kind,
            name,
            held,
            waiting: queue,
        } = seen;
        let on = format!("{} {name}", kind.word());
        Name {
            steps: waiting.remove(&on).unwrap_or_default(),
            held: held
                .into_iter()
                .map(|held| (held.units, held.holder))
                .collect(),
            waiting: queue,
            on,
        }
    });
    Ok(named.collect())
}

/// The steps that wait, by what they wait for.
fn waiting(reader: &Reader<'_>) -> Result<BTreeMap<String, Vec<Waiting>>, Trouble> {
    let mut waiting: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
    let Some(store) = reader.store_if_any() else {
        return Ok(waiting);
    };
    for run_id in store.unfinished_with("step_blocked", MOST_RUNS)? {
        reader.recorded(&run_id, |recorded| {
            // Nobody waits in a run that has no engine.
            if !recorded.is_interrupted(store)? {
                blocked(recorded, &mut waiting);
            }
            Ok(())
        })?;
    }
    Ok(waiting)
}

fn blocked(recorded: &Recorded, waiting: &mut BTreeMap<String, Vec<Waiting>>) {
    let plan = recorded.state.plan();
    for ix in plan.indices() {
        if let StepState::Blocked { by, .. } = &recorded.state.step(ix).state {
            waiting.entry(by.on.to_string()).or_default().push(Waiting {
                run_id: recorded.run_id().to_owned(),
                step: plan[ix].id.to_string(),
            });
        }
    }
}
