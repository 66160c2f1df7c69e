//! `/agents`: what agents did in the runs of orchestrations.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use crate::serve::address::Query;
use crate::serve::routes::App;
use crate::view::orchestration;
use crate::view::web::agents::{Model, Shown, page as view};

/// So many runs are shown at once: each is folded.
const MOST: u32 = 8;

/// Which runs.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// Only those older than the one whose key this is.
    before: Option<i64>,
    /// Only this one, with its whole context.
    run: Option<String>,
}

pub async fn page(State(app): State<App>, Query(asked): Query<Asked>) -> Response {
    super::answer(app, move |reader| {
        let mut shown = Vec::new();
        let ids = match (&asked.run, reader.store_if_any()) {
            (Some(run), _) => vec![(0, run.clone())],
            (None, Some(store)) => store.orchestrated(asked.before, MOST)?,
            (None, None) => Vec::new(),
        };
        for (_, run_id) in &ids {
            shown.push(reader.recorded(run_id, |recorded| {
                let said = recorded.state.plan().metadata.get("orchestration");
                let name = said.and_then(|name| name.as_str()).unwrap_or_default();
                Ok(Shown {
                    run_id: recorded.run_id().to_owned(),
                    record: orchestration::record(name, recorded.run_id(), &recorded.state),
                    entries: orchestration::entries(&recorded.state),
                    interrupted: recorded.is_interrupted(reader.store()?)?,
                })
            })?);
        }
        let whole = ids.len() == MOST as usize;
        Ok(view(&Model {
            shown: &shown,
            alone: asked.run.is_some(),
            next: ids.last().filter(|_| whole).map(|(key, _)| *key),
        }))
    })
    .await
}
