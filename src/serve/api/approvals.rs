//! `/approvals`: what steps ask of people now.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::run::record::rfc3339;
use crate::serve::pages::approvals::asked;
use crate::serve::routes::App;
use crate::serve::trouble::Trouble;

/// What is asked, that which waits longest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Approvals {
    approvals: Vec<Approval>,
    /// Whether there may be more of them.
    more: bool,
}

/// A question that nobody has answered. Moments are RFC 3339.
#[derive(Debug, Serialize, ToSchema)]
pub struct Approval {
    run_id: String,
    /// The plan's.
    name: String,
    /// The id of the step that asks.
    step: String,
    /// It is about the step's remedy, and not the step.
    of_remedy: bool,
    question: String,
    since: String,
    /// When it answers itself, if it does, and how: `yes` or `no`.
    until: Option<String>,
    otherwise: Option<&'static str>,
    /// No engine drives the run: the answer counts once it goes on.
    interrupted: bool,
}

/// The questions that nobody has answered, over all runs
#[utoipa::path(get, path = "/approvals", operation_id = "list_approvals", tag = "control", responses(
    (status = 200, description = "the questions", body = Approvals),
))]
pub async fn list(State(app): State<App>) -> Result<Json<Approvals>, Trouble> {
    let (asked, more) = app.world.read(asked).await?;
    let told = asked.into_iter().map(|asked| {
        let asking = asked.asking;
        let until = asking.until;
        Approval {
            run_id: asked.run_id,
            name: asked.plan,
            step: asked.step,
            of_remedy: asking.remedy,
            question: asking.question,
            since: rfc3339(asking.since).to_string(),
            until: until.map(|(at, _)| rfc3339(at).to_string()),
            otherwise: until.map(|(_, yes)| if yes { "yes" } else { "no" }),
            interrupted: asked.interrupted,
        }
    });
    Ok(Json(Approvals {
        approvals: told.collect(),
        more,
    }))
}
