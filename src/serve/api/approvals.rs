//! `/approvals`: what steps ask of people now.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::run::record::rfc3339;
use crate::serve::pages::approvals::asked;
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};

/// The questions that nobody has answered, over all runs
#[utoipa::path(get, path = "/approvals", tag = "control", responses(
    (status = 200, description = "`approvals`, those that wait longest first, and whether there may be `more`", body = Value),
    (status = 500, body = ErrorBody),
))]
pub async fn list(State(app): State<App>) -> Result<Json<Value>, Trouble> {
    let (asked, more) = app.world.read(asked).await?;
    let told = asked.iter().map(|asked| {
        json!({
            "run_id": asked.run_id,
            "name": asked.plan,
            "step": asked.step,
            "of_remedy": asked.asking.remedy,
            "question": asked.asking.question,
            "since": rfc3339(asked.asking.since).to_string(),
            "until": asked.asking.until.map(|(at, _)| rfc3339(at).to_string()),
            "otherwise": asked.asking.until.map(|(_, yes)| if yes { "yes" } else { "no" }),
            "interrupted": asked.interrupted,
        })
    });
    Ok(Json(
        json!({ "approvals": told.collect::<Vec<_>>(), "more": more }),
    ))
}
