//! `/runs/{run}/events`: what happened in a run, all at once or as it happens.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::run::{Seq, record};
use crate::serve::live::Subject;
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those after the one with this sequence number.
    #[serde(default)]
    pub after: Seq,
    /// At most so many; 1000 where it is left out, 10000 at most.
    pub limit: Option<usize>,
}

/// The events of a run, in order
#[utoipa::path(get, path = "/runs/{run}/events", tag = "events", params(
    ("run" = String, Path, description = "its id, the beginning or end of it, or `last`"),
    Which,
), responses(
    (status = 200, description = "`events`, each as a line of `quintet events --json`, and `next`: `after` of the next page", body = Value),
    (status = 404, body = ErrorBody),
))]
pub async fn list(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Trouble> {
    let limit = which.limit.unwrap_or(1000).clamp(1, 10_000);
    let told = app.world.read(move |reader| {
        reader.recorded(&run, |recorded| {
            let from = recorded
                .events
                .partition_point(|event| event.seq <= which.after);
            let rest = &recorded.events[from..];
            let page = &rest[..rest.len().min(limit)];
            let mut lines = Vec::with_capacity(page.len());
            for event in page {
                let mut line = String::new();
                record::push_line(recorded.state.plan(), recorded.run_id(), event, &mut line);
                lines.push(serde_json::from_str::<Value>(&line).map_err(Trouble::internal)?);
            }
            let next = page
                .last()
                .filter(|_| page.len() < rest.len())
                .map(|event| event.seq);
            Ok(json!({ "events": lines, "next": next }))
        })
    });
    Ok(Json(told.await?))
}

/// The events of a run as they happen
///
/// Server-sent events: `id` is the sequence number, `event` the kind, `data` the event
/// as `quintet events --json` gives it. Who comes back with `Last-Event-ID` goes on from
/// there. `resynchronise` says that so much has happened that it is better to begin
/// anew from `seq`; `over`, that there will be no more.
#[utoipa::path(get, path = "/runs/{run}/events/stream", tag = "events", params(
    ("run" = String, Path, description = "its id"),
    ("after" = Option<u64>, Query, description = "only those after this sequence number"),
    ("Last-Event-ID" = Option<u64>, Header, description = "the same, from who comes back"),
), responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = 503, description = "too many listen", body = ErrorBody),
))]
pub async fn stream(
    State(app): State<App>,
    Path(run_id): Path<String>,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let after = match last {
        Some(id) => id
            .parse()
            .map_err(|_| Trouble::bad("Last-Event-ID is no sequence number"))?,
        None => which.after,
    };
    listen(app, Some(run_id), move |run_id| Subject::Events {
        run_id: run_id.unwrap_or_default(),
        after,
    })
    .await
}

/// Whose changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// Only those of this run; of all where it is left out.
    pub run: Option<String>,
}

/// That something has changed, as it does
///
/// Server-sent events: `change` says that a run has got to `seq`, or that any has got
/// further; `over`, that the run will not.
#[utoipa::path(get, path = "/changes", tag = "events", params(Whose), responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = 503, description = "too many listen", body = ErrorBody),
))]
pub async fn changes(
    State(app): State<App>,
    Query(whose): Query<Whose>,
) -> Result<Response, Trouble> {
    listen(app, whose.run, |run_id| Subject::Changes { run_id }).await
}

async fn listen(
    app: App,
    run: Option<String>,
    subject: impl FnOnce(Option<String>) -> Subject,
) -> Result<Response, Trouble> {
    let run_id = match run {
        // What cannot be found is said at once, not in the stream.
        Some(run) => Some(
            app.world
                .read(move |reader| {
                    reader.recorded(&run, |recorded| Ok(recorded.run_id().to_owned()))
                })
                .await?,
        ),
        None => None,
    };
    Ok(app.live.listen(app.world.clone(), subject(run_id)))
}
