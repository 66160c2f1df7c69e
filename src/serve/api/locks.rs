//! `/locks`: who holds what now, and who waits for it.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::run::record::rfc3339;
use crate::serve::pages::locks::names;
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};

/// Locks, pools and resources of which something is held or wanted
#[utoipa::path(get, path = "/locks", tag = "state", responses(
    (status = 200, description = "`locks`: for each name who holds how many units since when, how many wait, and which steps of recorded runs those are", body = Value),
    (status = 500, body = ErrorBody),
))]
pub async fn list(State(app): State<App>) -> Result<Json<Value>, Trouble> {
    let names = app.world.read(names).await?;
    let told = names.iter().map(|name| {
        let held = name.held.iter().map(|(units, holder)| {
            json!({
                "units": units,
                "run_id": holder.as_ref().map(|holder| &holder.run),
                "step": holder.as_ref().map(|holder| &holder.step),
                "pid": holder.as_ref().map(|holder| holder.pid),
                "since": holder.as_ref().map(|holder| rfc3339(holder.since).to_string()),
            })
        });
        let steps = name.steps.iter();
        json!({
            "name": name.on,
            "held": held.collect::<Vec<_>>(),
            "waiting": name.waiting,
            "steps": steps.map(|of| json!({ "run_id": of.run_id, "step": of.step })).collect::<Vec<_>>(),
        })
    });
    Ok(Json(json!({ "locks": told.collect::<Vec<_>>() })))
}
