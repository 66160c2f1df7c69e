//! `/definitions/{plan}`: how long the last runs of a plan took, and which took longer
//! than was to be expected.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::run::record::rfc3339;
use crate::serve::address::Path;
use crate::serve::pages::definition::MOST_RUNS;
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};
use crate::store::{Recent, StoredState};
use crate::view::trend::{quantile, regressions};

/// How long a plan takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Definition {
    plan_id: String,
    /// The median of the runs that succeeded.
    p50_ms: Option<u64>,
    /// Their 95th percentile.
    p95_ms: Option<u64>,
    /// The last ones, oldest first.
    runs: Vec<DefinitionRun>,
}

/// A run among those of its plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct DefinitionRun {
    run_id: String,
    /// `pending`, `running`, `succeeded`, `failed`, `canceled` or `quarantined`.
    state: &'static str,
    /// RFC 3339.
    created_at: String,
    /// Null while it is not over.
    duration_ms: Option<u64>,
    /// It took longer than was to be expected.
    regression: bool,
}

/// The last runs of a plan
#[utoipa::path(get, path = "/definitions/{plan}", operation_id = "get_definition", tag = "state", params(
    ("plan" = String, Path, description = "the plan's id"),
), responses(
    (status = 200, description = "how long they took", body = Definition),
    (status = 404, description = "no run of such a plan is recorded", body = ErrorBody),
))]
pub async fn one(
    State(app): State<App>,
    Path(plan): Path<String>,
) -> Result<Json<Definition>, Trouble> {
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

fn definition(plan: &str, runs: &[Recent]) -> Definition {
    let success = |run: &Recent| {
        run.took_ms()
            .filter(|_| run.state == StoredState::Succeeded)
    };
    let successes: Vec<Option<u64>> = runs.iter().map(success).collect();
    let durations: Vec<u64> = successes.iter().flatten().copied().collect();
    let told = runs
        .iter()
        .zip(regressions(&successes))
        .map(|(run, slower)| DefinitionRun {
            run_id: run.run_id.clone(),
            state: run.state.word(),
            created_at: rfc3339(run.created_at).to_string(),
            duration_ms: run.took_ms(),
            regression: slower,
        });
    Definition {
        plan_id: plan.to_owned(),
        p50_ms: quantile(&durations, 50),
        p95_ms: quantile(&durations, 95),
        runs: told.collect(),
    }
}
