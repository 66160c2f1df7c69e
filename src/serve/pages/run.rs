//! `/runs/{run}`: one run, looked at in several ways, now or at an earlier moment.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use crate::run::{Event, Seq};
use crate::serve::address::{Path, Query};
use crate::serve::output::Run;
use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::serve::world::Reader;
use crate::view::forecast;
use crate::view::graph::critical;
use crate::view::recorded::{Recorded, Unread};
use crate::view::status::Subject;
use crate::view::web::Page;
use crate::view::web::run::{Asked, Model, Scope, Tab, page as view};

/// How a run is looked at.
#[derive(Debug, Default, Deserialize)]
pub struct Look {
    #[serde(default)]
    tab: Tab,
    /// As it stood just after this event; as it stands now, without.
    at: Option<Seq>,
}

/// All that a request says.
struct Ask {
    look: Look,
    asked: Asked,
    scope: Scope,
    control: bool,
}

pub async fn page(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(look): Query<Look>,
    Query(asked): Query<Asked>,
    Query(scope): Query<Scope>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let ask = Ask {
        look,
        asked,
        scope: scope.with_groups(pairs),
        control: app.control,
    };
    super::answer(app, move |reader| {
        reader.recorded(&run, |recorded| {
            seen(
                reader,
                recorded,
                ask.look.at,
                |subject, events, replayed| made(reader, &ask, subject, events, replayed),
            )
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
    ask: &Ask,
    subject: Subject<'_>,
    events: &[Event],
    replayed: Option<Seq>,
) -> Result<Page, Trouble> {
    let (tab, state) = (ask.look.tab, subject.run);
    let run = Run {
        run_id: subject.run_id,
        state,
        events,
        is_past: replayed.is_some(),
    };
    let logs = match tab {
        Tab::Logs => Some(run.logs(reader, &ask.asked)?),
        _ => None,
    };
    let expected_path = match tab {
        Tab::Graph if critical::path(state).is_empty() => {
            let usual = reader.store()?.usual(state.plan()).map_err(Unread::from)?;
            forecast::critical_path(state.plan(), &usual)
        }
        _ => Vec::new(),
    };
    Ok(view(&Model {
        subject,
        events,
        zone: reader.zone(),
        tab,
        // Nothing is asked of a run as it stood.
        control: ask.control && replayed.is_none(),
        asked: &ask.asked,
        scope: &ask.scope,
        expected_path,
        replayed,
        said: &run.last_words(reader)?,
        logs: logs.as_ref(),
    }))
}
