//! `/checks`: checks, by what is remembered of them.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::run::record::rfc3339;
use crate::serve::pages::checks::projects;
use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::view::validated::{Standing, Validated};
use crate::view::web::checks::{Last, Project};

/// What is remembered of checks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    projects: Vec<ProjectTold>,
}

/// A plan in a project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectTold {
    /// An absolute directory.
    project: String,
    plan_id: String,
    /// When it was run last, in RFC 3339.
    at: String,
    /// Its last run, and how its checks stand: null where that is recorded no more.
    run_id: Option<String>,
    checks: Option<Vec<CheckTold>>,
}

/// How a check stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckTold {
    /// Its id.
    step: String,
    state: &'static str,
    /// Since its last end, if one is remembered.
    age_ms: Option<u64>,
    /// So long its success counts, where that ends by itself.
    left_ms: Option<u64>,
    /// Why it was run the last time rather than taken for fresh, if it was.
    stale_because: Option<String>,
    /// Whether something can be done about it.
    remedy: bool,
}

/// The plans whose checks were run last, and how each check stands
///
/// By what is remembered: files are not looked at.
#[utoipa::path(get, path = "/checks", operation_id = "list_checks", tag = "state", responses(
    (status = 200, description = "each plan with its checks", body = Checks),
))]
pub async fn list(State(app): State<App>) -> Result<Json<Checks>, Trouble> {
    let projects = app.world.read(projects).await?;
    Ok(Json(Checks {
        projects: projects.iter().map(project).collect(),
    }))
}

fn project(project: &Project) -> ProjectTold {
    let last = project.last.as_ref();
    let checks = |last: &Last| last.steps.iter().map(|one| check(last, one)).collect();
    ProjectTold {
        project: project.root.clone(),
        plan_id: project.plan_id.clone(),
        at: rfc3339(project.at).to_string(),
        run_id: last.map(|last| last.run_id.clone()),
        checks: last.map(checks),
    }
}

fn check(last: &Last, one: &Validated) -> CheckTold {
    let left = match one.standing {
        Standing::Valid { left_ms } => left_ms,
        _ => None,
    };
    CheckTold {
        step: last.plan[one.step].id.to_string(),
        state: one.standing.word(),
        age_ms: one.age_ms,
        left_ms: left,
        stale_because: one.stale_because.clone(),
        remedy: last.plan[one.step].remedy.is_some(),
    }
}
