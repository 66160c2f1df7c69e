//! `/runs`: the runs that are recorded, and one of them as it stands.

use axum::Json;
use axum::extract::State;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::serve::address::{Path, Query};
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};
use crate::store::{RunFilter, StoredState};
use crate::view::runs::{self, RunListed};
use crate::view::standing::RunTold;
use crate::view::status;
use crate::view::time;
use crate::view::timeline::Timeline;

/// Which runs.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those in this state: pending, running, succeeded, failed, canceled,
    /// quarantined.
    pub state: Option<String>,
    /// Only those of the plan with this name or id.
    pub name: Option<String>,
    /// Only those of a plan with this among the `tags` of its metadata.
    pub tag: Option<String>,
    /// Only those made at this moment or later: RFC 3339, or a date, perhaps with a time, of
    /// the server's zone.
    pub since: Option<String>,
    /// Only those made before this moment, written likewise.
    pub until: Option<String>,
    /// At most so many; 50 where it is left out, 500 at most.
    pub limit: Option<u32>,
    /// Only those older than the one whose `key` this is: the last of the page before.
    pub before: Option<i64>,
}

impl Which {
    /// As the store takes it.
    ///
    /// # Errors
    /// There is no such state, or no such moment.
    pub fn filter(&self, zone: &TimeZone) -> Result<RunFilter, Trouble> {
        let state = |word: &String| {
            let states = StoredState::ALL.map(StoredState::word).join(", ");
            let unknown = || Trouble::bad(format!("there is no state {word:?}"));
            StoredState::from_word(word)
                .ok_or_else(|| unknown().hint(format!("there are {states}")))
        };
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let moment = |text: String| {
            let no = || Trouble::bad(format!("{text:?} is no moment"));
            time::moment(&text, zone).ok_or_else(|| no().hint("such as 2026-11-20T12:00"))
        };
        Ok(RunFilter {
            state: given(&self.state).as_ref().map(state).transpose()?,
            name: given(&self.name),
            tag: given(&self.tag),
            since: given(&self.since).map(moment).transpose()?,
            until: given(&self.until).map(moment).transpose()?,
            limit: Some(self.limit.unwrap_or(50).clamp(1, 500)),
            before: self.before,
        })
    }
}

/// Runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct Runs<'a> {
    runs: Vec<RunListed<'a>>,
    /// `before` of the next page, where there may be one.
    next: Option<i64>,
}

/// The runs that fit, newest first
#[utoipa::path(get, path = "/runs", operation_id = "list_runs", tag = "runs", params(Which), responses(
    (status = 200, description = "a page of them", body = Runs),
))]
pub async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Trouble> {
    let listed = app.world.read(move |reader| {
        let filter = which.filter(reader.zone())?;
        let listed = match reader.store_if_any() {
            Some(store) => runs::list(store, &filter)?,
            None => Vec::new(),
        };
        let next = runs::last_of_page(&listed, &filter).map(|run| run.row.key);
        let runs = runs::told(&listed, reader.now);
        Ok(json!(Runs { runs, next }))
    });
    Ok(Json(listed.await?))
}

/// A run as it stands
#[utoipa::path(get, path = "/runs/{run}", operation_id = "get_run", tag = "runs", params(
    ("run" = String, Path, description = "its id, the beginning or end of it, or `last`"),
), responses(
    (status = 200, description = "as `quintet status --json` gives it", body = RunTold),
    (status = 404, description = "there is no such run", body = ErrorBody),
))]
pub async fn one(State(app): State<App>, Path(run): Path<String>) -> Result<Json<Value>, Trouble> {
    let told = app.world.read(move |reader| {
        reader.recorded(&run, |recorded| {
            let subject = recorded.subject(reader.store()?, reader.now)?;
            Ok(status::json(
                subject,
                &Timeline::of(&recorded.events),
                json!([]),
            ))
        })
    });
    Ok(Json(told.await?))
}
