//! `/runs/{run}/events`: what happened in a run, all at once or as it happens.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::run::{Seq, record};
use crate::serve::address::{Path, Query};
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
    #[param(value_type = Option<u64>)]
    pub after: Seq,
    /// At most so many; 1000 where it is left out, 10000 at most.
    pub limit: Option<usize>,
}

/// Events, in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Events {
    events: Vec<EventLine>,
    /// `after` of the next page, where there is one.
    next: Option<u64>,
}

/// An event: a line of `quintet events --json`, as it stands.
#[derive(Debug, Serialize)]
pub struct EventLine(Box<RawValue>);

impl ToSchema for EventLine {}

impl PartialSchema for EventLine {
    fn schema() -> RefOr<Schema> {
        let always = [
            ("seq", Type::Integer, "its number in the run, from 1"),
            ("at", Type::Integer, "milliseconds since 1970"),
            ("timestamp", Type::String, "the same as RFC 3339"),
            ("run_id", Type::String, "the run"),
            ("type", Type::String, "what happened"),
        ];
        let sometimes = [
            ("step_id", Type::String, "the step that it is about"),
            ("attempt", Type::Integer, "which attempt of the step"),
        ];
        let event = ObjectBuilder::new()
            .description(Some("what else it says depends on its type"))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        let event = always
            .iter()
            .fold(event, |event, (name, ..)| event.required(*name));
        let all = always.into_iter().chain(sometimes);
        let event = all.fold(event, |event, (name, of, what)| {
            let field = ObjectBuilder::new().schema_type(of).description(Some(what));
            event.property(name, field)
        });
        event.into()
    }
}

/// The events of a run, in order
#[utoipa::path(get, path = "/runs/{run}/events", operation_id = "list_events", tag = "events", params(
    ("run" = String, Path, description = "its id, the beginning or end of it, or `last`"),
    Which,
), responses(
    (status = 200, description = "a page of them", body = Events),
    (status = 404, description = "there is no such run", body = ErrorBody),
))]
pub async fn list(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Events>, Trouble> {
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
                let line = RawValue::from_string(line).map_err(Trouble::internal)?;
                lines.push(EventLine(line));
            }
            let next = page
                .last()
                .filter(|_| page.len() < rest.len())
                .map(|event| event.seq);
            Ok(Events {
                events: lines,
                next,
            })
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
#[utoipa::path(get, path = "/runs/{run}/events/stream", operation_id = "stream_events", tag = "events", params(
    ("run" = String, Path, description = "its id"),
    ("after" = Option<u64>, Query, description = "only those after this sequence number"),
    ("Last-Event-ID" = Option<u64>, Header, description = "the same, from who comes back"),
), responses(
    (status = 200, description = "what happens, as it does", content_type = "text/event-stream", body = String),
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
#[utoipa::path(get, path = "/changes", operation_id = "stream_changes", tag = "events", params(Whose), responses(
    (status = 200, description = "what happens, as it does", content_type = "text/event-stream", body = String),
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
