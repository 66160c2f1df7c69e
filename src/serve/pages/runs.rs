//! `/`: the runs.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;

use crate::serve::address::Query;
use crate::serve::api::runs::Which;
use crate::serve::routes::App;
use crate::store::{Recent, Store, StoreError};
use crate::view::runs::{self, Listed};
use crate::view::web::runs::{Asked, Model, page as view};
use crate::view::web::spark;

pub async fn page(State(app): State<App>, Query(which): Query<Which>) -> Response {
    super::answer(app, move |reader| {
        let filter = which.filter(reader.zone())?;
        let (listed, recent) = match reader.store_if_any() {
            Some(store) => {
                let listed = runs::list(store, &filter)?;
                let recent = recent(store, &listed)?;
                (listed, recent)
            }
            None => Default::default(),
        };
        Ok(view(&Model {
            asked: Asked {
                name: which.name.as_deref().unwrap_or_default(),
                state: which.state.as_deref().unwrap_or_default(),
                tag: which.tag.as_deref().unwrap_or_default(),
                since: which.since.as_deref().unwrap_or_default(),
                until: which.until.as_deref().unwrap_or_default(),
            },
            next: runs::last_of_page(&listed, &filter).map(|run| run.row.key),
            runs: &listed,
            recent: &recent,
            now: reader.now,
            zone: reader.zone(),
        }))
    })
    .await
}

/// The last runs of each of these plans.
fn recent(store: &Store, listed: &[Listed]) -> Result<BTreeMap<String, Vec<Recent>>, StoreError> {
    let mut recent = BTreeMap::new();
    for Listed { row, .. } in listed {
        if !recent.contains_key(&row.plan_id) {
            recent.insert(
                row.plan_id.clone(),
                store.recent(&row.plan_id, spark::MOST)?,
            );
        }
    }
    Ok(recent)
}
