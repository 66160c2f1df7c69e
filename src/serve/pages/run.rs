//! `/runs/{run}`: one run, looked at in several ways, now or at an earlier moment.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::run::{Event, Seq};
use crate::serve::output::Run;
use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::serve::world::Reader;
use crate::view::recorded::Recorded;
use crate::view::status::Subject;
use crate::view::web::Page;
use crate::view::web::run::{Asked, Model, Tab, page as view};

/// How a run is looked at.
#[derive(Debug, Default, Deserialize)]
pub struct Look {
    #[serde(default)]
    tab: Tab,
    /// As it stood just after this event; as it stands now, without.
    at: Option<Seq>,
}

pub async fn page(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(look): Query<Look>,
    Query(asked): Query<Asked>,
) -> Response {
    let control = app.control;
    super::answer(app, move |reader| {
        reader.recorded(&run, |recorded| {
            seen(reader, recorded, look.at, |subject, events, replayed| {
                made(reader, &look, &asked, subject, events, replayed, control)
            })
        })
    })
    .await
}

/// The run as it stands, or as it stood just after an event; then with the number of
/// the newest.
pub fn seen<T>(
    reader: &Reader<'_>,
    recorded: &Recorded,
    at: Option<Seq>,
    see: impl FnOnce(Subject<'_>, &[Event], Option<Seq>) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    match at {
        None => {
            let subject = recorded.subject(reader.store()?, reader.now)?;
            see(subject, &recorded.events, None)
        }
        Some(seq) => {
            let moment = recorded.at(seq)?;
            see(moment.subject(), moment.events, Some(recorded.state.seq()))
        }
    }
}

fn made(
    reader: &Reader<'_>,
    look: &Look,
    asked: &Asked,
    subject: Subject<'_>,
    events: &[Event],
    replayed: Option<Seq>,
    control: bool,
) -> Result<Page, Trouble> {
    let run = Run {
        run_id: subject.run_id,
        state: subject.run,
        events,
        is_past: replayed.is_some(),
    };
    let logs = match look.tab {
        Tab::Logs => Some(run.logs(reader, asked)?),
        _ => None,
    };
    Ok(view(&Model {
        subject,
        events,
        zone: reader.zone(),
        tab: look.tab,
        // Nothing is asked of a run as it stood.
        control: control && replayed.is_none(),
        asked,
        replayed,
        said: &run.last_words(reader)?,
        logs: logs.as_ref(),
    }))
}
