//! `/definitions/{plan}`: how long the last runs of a plan took, and which took longer
//! than was to be expected.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::run::record::rfc3339;
use crate::serve::pages::definition::MOST_RUNS;
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};
use crate::store::{Recent, StoredState};
use crate::view::trend::{quantile, regressions};

/// The last runs of a plan
#[utoipa::path(get, path = "/definitions/{plan}", tag = "state", params(
    ("plan" = String, Path, description = "the plan's id"),
), responses(
    (status = 200, description = "`runs`, oldest first, and of those that succeeded the median (`p50_ms`) and the 95th percentile (`p95_ms`)", body = Value),
    (status = 404, body = ErrorBody),
))]
pub async fn one(State(app): State<App>, Path(plan): Path<String>) -> Result<Json<Value>, Trouble> {
    let told = app.world.read(move |reader| {
        let runs = reader.store()?.recent(&plan, MOST_RUNS)?;
        match runs.is_empty() {
            true => Err(Trouble::not_found(format!(
                "no run of a plan {plan:?} is recorded"
            ))),
            false => Ok(definition(&plan, &runs)),
        }
    });
    Ok(Json(told.await?))
}

fn definition(plan: &str, runs: &[Recent]) -> Value {
    let success = |run: &Recent| {
        run.took_ms()
            .filter(|_| run.state == StoredState::Succeeded)
    };
    let successes: Vec<Option<u64>> = runs.iter().map(success).collect();
    let durations: Vec<u64> = successes.iter().flatten().copied().collect();
    let told = runs
        .iter()
        .zip(regressions(&successes))
        .map(|(run, slower)| {
            json!({
                "run_id": run.run_id,
                "state": run.state.word(),
                "created_at": rfc3339(run.created_at).to_string(),
                "duration_ms": run.took_ms(),
                "regression": slower,
            })
        });
    json!({
        "plan_id": plan,
        "p50_ms": quantile(&durations, 50),
        "p95_ms": quantile(&durations, 95),
        "runs": told.collect::<Vec<_>>(),
    })
}
