//! What can be begun: what is registered, and checks that are known; first a preview,
//! then by its token.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::control::Done;
use crate::itself::run_id;
use crate::serve::control::{Asked, Came};
use crate::serve::desk::{Begin, Check, Kind, Named, Preview, Subject};
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};
use crate::store::Store;
use crate::view::escape::printable;

/// What begins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    kind: Kind,
    /// Its name in the configuration.
    name: String,
    /// From its preview. An orchestration's goal and task are those that were previewed.
    token: String,
}

/// Which check.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    project: String,
    plan: String,
    step: String,
    /// From its preview.
    token: String,
}

/// What a run would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Previewed {
    /// The plan's content id.
    pub plan: String,
    /// As `quintet plan` shows it.
    pub preview: String,
    /// What begins it: once, within ten minutes, and while it is still the same.
    pub token: String,
}

impl From<Preview> for Previewed {
    fn from(preview: Preview) -> Self {
        Previewed {
            plan: preview.content_id,
            preview: preview.text,
            token: preview.token,
        }
    }
}

/// What is registered: jobs, tasks, orchestrations and agents
#[utoipa::path(get, path = "/registered", operation_id = "list_registered", tag = "state", responses(
    (status = 200, description = "a list for each kind, and the path of the `configuration`", body = Object),
    (status = 409, description = "the configuration is wrong", body = ErrorBody),
))]
pub async fn registered(State(app): State<App>) -> Result<Json<Value>, Trouble> {
    Ok(Json(app.calls.ask(|desk| desk.registered()).await?))
}

/// Show what a run of something that is registered would do
#[utoipa::path(post, path = "/previews", operation_id = "preview", tag = "control", request_body = Named, responses(
    (status = 200, description = "what it would do, and what begins it", body = Previewed),
    (status = 403, description = "the server changes nothing", body = ErrorBody),
    (status = 409, description = "nothing of that name is registered, or it could not run", body = ErrorBody),
))]
pub async fn preview(
    State(app): State<App>,
    Asked(named): Asked<Named>,
) -> Result<Json<Previewed>, Trouble> {
    previewed(&app, Subject::Named(named)).await
}

/// Start what was previewed
#[utoipa::path(post, path = "/runs", operation_id = "start_run", tag = "control", request_body = Start, responses(
    (status = 200, description = "it has begun", body = Done),
    (status = 403, description = "the server changes nothing", body = ErrorBody),
    (status = 409, description = "it was not previewed, or has changed since", body = ErrorBody),
))]
pub async fn start(
    State(app): State<App>,
    Asked(asked): Asked<Start>,
) -> Result<Json<Done>, Trouble> {
    let subject = Subject::Named(Named {
        kind: asked.kind,
        name: asked.name,
        goal: None,
        task: None,
    });
    begin(&app, subject, asked.token).await
}

/// Show what would be done about a check
#[utoipa::path(post, path = "/checks/preview", operation_id = "preview_check", tag = "control", request_body = Check, responses(
    (status = 200, description = "what it would do, and what begins it", body = Previewed),
    (status = 403, description = "the server changes nothing", body = ErrorBody),
    (status = 409, description = "no such check is recorded", body = ErrorBody),
))]
pub async fn preview_check(
    State(app): State<App>,
    Asked(check): Asked<Check>,
) -> Result<Json<Previewed>, Trouble> {
    previewed(&app, Subject::Check(check)).await
}

/// Run a check that was previewed, and its remedy if it fails
#[utoipa::path(post, path = "/checks/remedy", operation_id = "remedy_check", tag = "control", request_body = Remedy, responses(
    (status = 200, description = "it has begun", body = Done),
    (status = 403, description = "the server changes nothing", body = ErrorBody),
    (status = 409, description = "it was not previewed, or has changed since", body = ErrorBody),
))]
pub async fn remedy(
    State(app): State<App>,
    Asked(asked): Asked<Remedy>,
) -> Result<Json<Done>, Trouble> {
    let subject = Subject::Check(Check {
        project: asked.project,
        plan: asked.plan,
        step: asked.step,
    });
    begin(&app, subject, asked.token).await
}

async fn previewed(app: &App, subject: Subject) -> Result<Json<Previewed>, Trouble> {
    let preview = app.calls.ask(move |desk| desk.preview(&subject)).await?;
    Ok(Json(preview.into()))
}

async fn begin(app: &App, subject: Subject, token: String) -> Result<Json<Done>, Trouble> {
    let taken = app.calls.ask(move |desk| desk.begin(&subject, &token));
    let Begin {
        words,
        found_by: plan_id,
    } = taken.await?;
    let state = app.world.state().clone();
    // A run of checks does not say which it is, and is found in the record.
    let newest = move || {
        let plan_id = plan_id.as_deref()?;
        let store = Store::read_only(&state).ok()?;
        let run = store.recent(plan_id, 1).ok()?.pop()?;
        Some((run.key, run.run_id))
    };
    let before = newest().map_or(0, |(key, _)| key);
    let begun = move |said: &str| {
        run_id(said).or_else(|| newest().filter(|(key, _)| *key > before).map(|(_, id)| id))
    };
    match app.calls.call(words, begun).await? {
        Came::News(run_id) => Ok(Json(Done::new(run_id, "it has begun").shown())),
        Came::Ended(code, said) => {
            let why = printable(said.trim_end());
            Err(Trouble::internal(format!(
                "it did not begin (exit {code}): {why}"
            )))
        }
        Came::GoesOn => Err(
            Trouble::internal("it has not begun yet, and is being tried")
                .hint("the list of runs shows whether it has begun"),
        ),
    }
}

/// What a page sends back with its token.
pub fn fields(subject: &Subject) -> Vec<(&'static str, String)> {
    let named = match subject {
        Subject::Named(named) => json!({ "kind": named.kind, "name": named.name }),
        Subject::Check(check) => json!(check),
    };
    let known = ["kind", "name", "project", "plan", "step"];
    let said = known
        .into_iter()
        .filter_map(|key| Some((key, named.get(key)?.as_str()?.to_owned())));
    said.collect()
}
