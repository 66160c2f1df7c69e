//! `/runs/{run}/step`: one step of a run, and why it is as it is.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::run::seen;
use crate::run::Seq;
use crate::serve::address::{Path, Query};
use crate::serve::output::Run;
use crate::serve::routes::App;
use crate::view::web::step::{Model, page as view};
use crate::view::why::Question;

/// Which step. Its id may hold anything, so it is no part of the path.
#[derive(Debug, Deserialize)]
pub struct Which {
    step: String,
    /// Whose output is shown; the newest attempt's, without.
    attempt: Option<u32>,
    /// As it stood just after this event; as it stands now, without.
    at: Option<Seq>,
}

pub async fn page(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Response {
    super::answer(app, move |reader| {
        reader.recorded(&run, |recorded| {
            let step = recorded.step(&which.step)?;
            seen(reader, recorded, which.at, |subject, events, replayed| {
                let run = Run {
                    run_id: subject.run_id,
                    state: subject.run,
                    events,
                    is_past: replayed.is_some(),
                };
                Ok(view(&Model {
                    question: Question {
                        run_id: subject.run_id,
                        run: subject.run,
                        events,
                        step,
                        now: subject.now,
                        interrupted: subject.interrupted,
                    },
                    zone: reader.zone(),
                    replayed,
                    said: &run.ends(reader, step, which.attempt)?,
                }))
            })
        })
    })
    .await
}
