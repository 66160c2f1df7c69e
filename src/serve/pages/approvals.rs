//! `/approvals`: what steps ask of people now, over all runs.

use axum::extract::State;
use axum::response::Response;

use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::serve::world::Reader;
use crate::view::asking;
use crate::view::recorded::Recorded;
use crate::view::web::approvals::{Asked, Model, page as view};

/// So many runs that ask are looked at, the newest.
const MOST_RUNS: usize = 50;

pub async fn page(State(app): State<App>) -> Response {
    let control = app.control;
    super::answer(app, move |reader| {
        let (asked, more) = asked(reader)?;
        Ok(view(&Model {
            asked: &asked,
            more,
            now: reader.now,
            zone: reader.zone(),
            control,
        }))
    })
    .await
}

/// What is asked, those first that wait longest; and whether there may be more.
///
/// # Errors
/// The record cannot be read.
pub fn asked(reader: &Reader<'_>) -> Result<(Vec<Asked>, bool), Trouble> {
    let Some(store) = reader.store_if_any() else {
        return Ok((Vec::new(), false));
    };
    let runs = store.unfinished_with("step_asked", MOST_RUNS)?;
    let mut found = Vec::new();
    for run_id in &runs {
        found.extend(reader.recorded(run_id, |recorded| {
            Ok(of(recorded, recorded.is_interrupted(store)?))
        })?);
    }
    found.sort_by_key(|asked| asked.asking.since);
    Ok((found, runs.len() == MOST_RUNS))
}

fn of(recorded: &Recorded, interrupted: bool) -> Vec<Asked> {
    let plan = recorded.state.plan();
    let asking = asking::all(&recorded.state, &recorded.events).into_iter();
    let asked = asking.map(|asking| Asked {
        run_id: recorded.run_id().to_owned(),
        plan: plan.name.to_string(),
        step: plan[asking.step].id.to_string(),
        asking,
        interrupted,
    });
    asked.collect()
}
