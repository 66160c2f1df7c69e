//! `/locks`: who holds what now, and who waits for it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::run::record::rfc3339;
use crate::serve::pages::locks::names;
use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::view::web::locks::Name;

/// What is held or wanted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Locks {
    locks: Vec<LockTold>,
}

/// A lock, pool or resource.
#[derive(Debug, Serialize, ToSchema)]
pub struct LockTold {
    /// `lock deploy`, as records spell it.
    name: String,
    held: Vec<HolderTold>,
    /// How many stand in its queue: also those that are in no record yet.
    waiting: usize,
    /// Steps that the record says wait for it.
    steps: Vec<WaiterTold>,
}

/// Who holds how many units. One that has not said who it is has only these.
#[derive(Debug, Serialize, ToSchema)]
pub struct HolderTold {
    units: u64,
    run_id: Option<String>,
    step: Option<String>,
    pid: Option<u32>,
    /// RFC 3339.
    since: Option<String>,
}

/// A step that waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaiterTold {
    run_id: String,
    step: String,
}

/// Locks, pools and resources of which something is held or wanted
#[utoipa::path(get, path = "/locks", operation_id = "list_locks", tag = "state", responses(
    (status = 200, description = "each by its name", body = Locks),
))]
pub async fn list(State(app): State<App>) -> Result<Json<Locks>, Trouble> {
    let names = app.world.read(names).await?;
    Ok(Json(Locks {
        locks: names.into_iter().map(lock).collect(),
    }))
}

fn lock(name: Name) -> LockTold {
    let held = name.held.iter().map(|(units, holder)| {
        let holder = holder.as_ref();
        HolderTold {
            units: *units,
            run_id: holder.map(|holder| holder.run.to_string()),
            step: holder.map(|holder| holder.step.to_string()),
            pid: holder.map(|holder| holder.pid),
            since: holder.map(|holder| rfc3339(holder.since).to_string()),
        }
    });
    let steps = name.steps.iter().map(|of| WaiterTold {
        run_id: of.run_id.clone(),
        step: of.step.clone(),
    });
    LockTold {
        held: held.collect(),
        waiting: name.waiting,
        steps: steps.collect(),
        name: name.on,
    }
}
