//! `/runs/{run}`: one run, looked at in several ways.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::serve::routes::App;
use crate::view::web::run::{Model, Tab, page as view};

/// How a run is looked at.
#[derive(Debug, Default, Deserialize)]
pub struct Look {
    #[serde(default)]
    tab: Tab,
}

pub async fn page(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(look): Query<Look>,
) -> Response {
    let control = app.control;
    super::answer(app, move |reader| {
        reader.recorded(&run, |recorded| {
            Ok(view(&Model {
                subject: recorded.subject(reader.store()?, reader.now)?,
                events: &recorded.events,
                zone: reader.zone(),
                tab: look.tab,
                control,
            }))
        })
    })
    .await
}
