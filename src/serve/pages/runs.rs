//! `/`: the runs.

use axum::extract::{Query, State};
use axum::response::Response;

use crate::serve::api::runs::Which;
use crate::serve::routes::App;
use crate::view::runs;
use crate::view::web::runs::{Asked, Model, page as view};

pub async fn page(State(app): State<App>, Query(which): Query<Which>) -> Response {
    super::answer(app, move |reader| {
        let filter = which.filter()?;
        let listed = match reader.store_if_any() {
            Some(store) => runs::list(store, &filter)?,
            None => Vec::new(),
        };
        let is_page = filter
            .limit
            .is_some_and(|limit| listed.len() == limit as usize);
        Ok(view(&Model {
            asked: Asked {
                state: filter.state.map(|state| state.word()),
                name: filter.name.as_deref().unwrap_or_default(),
            },
            next: listed.last().filter(|_| is_page).map(|run| run.row.key),
            runs: &listed,
            now: reader.now,
            zone: reader.zone(),
        }))
    })
    .await
}
