//! `/checks`: checks, by what is remembered of them.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::run::record::rfc3339;
use crate::serve::pages::checks::projects;
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};
use crate::view::validated::{Standing, Validated};
use crate::view::web::checks::{Last, Project};

/// The plans whose checks were run last, and how each check stands
///
/// By what is remembered: files are not looked at.
#[utoipa::path(get, path = "/checks", tag = "state", responses(
    (status = 200, description = "`projects`, each with its `checks`", body = Value),
    (status = 500, body = ErrorBody),
))]
pub async fn list(State(app): State<App>) -> Result<Json<Value>, Trouble> {
    let projects = app.world.read(projects).await?;
    let told: Vec<Value> = projects.iter().map(project).collect();
    Ok(Json(json!({ "projects": told })))
}

fn project(project: &Project) -> Value {
    let last = project.last.as_ref();
    let checks = last.map(|last| {
        last.steps
            .iter()
            .map(|one| check(last, one))
            .collect::<Vec<_>>()
    });
    json!({
        "project": project.root,
        "plan_id": project.plan_id,
        "at": rfc3339(project.at).to_string(),
        "run_id": last.map(|last| &last.run_id),
        "checks": checks,
    })
}

fn check(last: &Last, one: &Validated) -> Value {
    let left = match one.standing {
        Standing::Valid { left_ms } => left_ms,
        _ => None,
    };
    json!({
        "step": last.plan[one.step].id,
        "state": one.standing.word(),
        "age_ms": one.age_ms,
        "left_ms": left,
        "stale_because": one.stale_because,
        "remedy": last.plan[one.step].remedy.is_some(),
    })
}
