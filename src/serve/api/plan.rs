//! `/runs/{run}/plan`: the plan as it was run.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::serve::address::Path;
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};

/// The plan of a run, as it was run
#[utoipa::path(get, path = "/runs/{run}/plan", operation_id = "get_plan", tag = "runs", params(
    ("run" = String, Path, description = "its id, the beginning or end of it, or `last`"),
), responses(
    (status = 200, description = "the plan with every step; secrets are holes in it", body = Object),
    (status = 404, description = "there is no such run", body = ErrorBody),
))]
pub async fn one(State(app): State<App>, Path(run): Path<String>) -> Result<Response, Trouble> {
    let told = app.world.read(move |reader| {
        reader.recorded(&run, |recorded| {
            serde_json::to_vec(recorded.state.plan()).map_err(Trouble::internal)
        })
    });
    let json = HeaderValue::from_static("application/json");
    Ok(([(CONTENT_TYPE, json)], told.await?).into_response())
}
