//! `/figures`: what monitoring counts, for people; and `/metrics`, the same as Prometheus
//! reads it.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::serve::world::Reader;
use crate::store::Counted;
use crate::view::metrics;
use crate::view::web::metrics::{Model, page as view};

pub async fn page(State(app): State<App>) -> Response {
    super::answer(app, |reader| {
        Ok(view(&Model {
            counted: &counted(reader)?,
            zone: reader.zone(),
        }))
    })
    .await
}

pub async fn text(State(app): State<App>) -> Result<Response, Trouble> {
    let counted = app.world.read(counted).await?;
    let kind = [(CONTENT_TYPE, metrics::CONTENT_TYPE)];
    Ok((kind, metrics::text(&counted)).into_response())
}

fn counted(reader: &Reader<'_>) -> Result<Counted, Trouble> {
    match reader.store_if_any() {
        Some(store) => Ok(store.counted()?),
        None => Ok(Counted::default()),
    }
}
