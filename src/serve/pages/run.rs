//! `/runs/{run}`: one run, looked at in several ways.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::serve::routes::App;
use crate::view::forecast;
use crate::view::graph::critical;
use crate::view::recorded::Unread;
use crate::view::web::run::{Model, Scope, Tab, page as view};

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
    Query(scope): Query<Scope>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let scope = scope.with_groups(pairs);
    super::answer(app, move |reader| {
        reader.recorded(&run, |recorded| {
            let run = &recorded.state;
            let expected_path = match look.tab {
                Tab::Graph if critical::path(run).is_empty() => {
                    let usual = reader.store()?.usual(run.plan()).map_err(Unread::from)?;
                    forecast::critical_path(run.plan(), &usual)
                }
                _ => Vec::new(),
            };
            Ok(view(&Model {
                expected_path,
                subject: recorded.subject(reader.store()?, reader.now)?,
                events: &recorded.events,
                zone: reader.zone(),
                tab: look.tab,
                scope: &scope,
            }))
        })
    })
    .await
}
