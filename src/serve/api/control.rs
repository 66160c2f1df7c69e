//! What can be asked of a run: that it stops, goes on, tries a step again, or takes an
//! answer.
//!
//! A run is named by its whole id: what `last` means may change between the looking and
//! the asking.

use std::ffi::OsString;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::run::{Outcome, Seq, StepState};
use crate::serve::address::Path;
use crate::serve::control::{Asked, Came};
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};
use crate::store::Store;
use crate::view::recorded::Recorded;

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    pub run_id: String,
    /// The page where one sees more of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goto: Option<String>,
    /// In words.
    pub message: String,
}

impl Done {
    pub fn new(run_id: String, message: impl Into<String>) -> Done {
        Done {
            run_id,
            goto: None,
            message: message.into(),
        }
    }

    /// With the run's page.
    pub fn shown(mut self) -> Done {
        self.goto = Some(format!("/runs/{}", self.run_id));
        self
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// End running steps at once, without grace.
    #[serde(default)]
    now: bool,
}

/// Nothing more needs to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The step's id.
    step: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The id of the step that asks.
    step: String,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Yes,
    No,
}

/// Stop a run
#[utoipa::path(post, path = "/runs/{run}/cancel", operation_id = "cancel_run", tag = "control", params(
    ("run" = String, Path, description = "its whole id"),
), request_body = Cancel, responses(
    (status = 200, description = "it is asked to stop", body = Done),
    (status = 403, description = "the server changes nothing", body = ErrorBody),
    (status = 409, description = "it is over", body = ErrorBody),
))]
pub async fn cancel(
    State(app): State<App>,
    Path(run): Path<String>,
    Asked(asked): Asked<Cancel>,
) -> Result<Json<Done>, Trouble> {
    let run = whole(&app, run, |_| Ok(())).await?.0;
    let now = asked.now.then_some("--now");
    let words = words(&["cancel"], now.into_iter(), &[&run]);
    // A run that nobody drove is taken over and ended by the verb itself.
    let message = match app.calls.call(words, |_| None::<()>).await? {
        Came::Ended(0, _) => "it is asked to stop",
        Came::Ended(..) => "it has been stopped",
        Came::News(()) | Came::GoesOn => "it is being stopped",
    };
    Ok(Json(Done::new(run, message)))
}

/// Go on with a run that was interrupted, failed or canceled
///
/// By the plan it has. What has succeeded is not done again.
#[utoipa::path(post, path = "/runs/{run}/resume", operation_id = "resume_run", tag = "control", params(
    ("run" = String, Path, description = "its whole id"),
), request_body = Nothing, responses(
    (status = 200, description = "it goes on", body = Done),
    (status = 403, description = "the server changes nothing", body = ErrorBody),
    (status = 409, description = "it cannot go on, or not without a person's word", body = ErrorBody),
))]
pub async fn resume(
    State(app): State<App>,
    Path(run): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Json<Done>, Trouble> {
    let (run, seq) = whole(&app, run, |run| Ok(run.state.seq())).await?;
    goes_on(&app, run, seq, None).await
}

/// Go on with a run, and try this step again
///
/// Also one whose end nobody saw and that says `idempotent: false`: this is the person's
/// word that it may. Whatever else has not succeeded is tried again as well, as always
/// when a run goes on.
#[utoipa::path(post, path = "/runs/{run}/retry", operation_id = "retry_step", tag = "control", params(
    ("run" = String, Path, description = "its whole id"),
), request_body = Retry, responses(
    (status = 200, description = "it goes on", body = Done),
    (status = 403, description = "the server changes nothing", body = ErrorBody),
    (status = 409, description = "the step has succeeded, or the run cannot go on", body = ErrorBody),
))]
pub async fn retry(
    State(app): State<App>,
    Path(run): Path<String>,
    Asked(Retry { step }): Asked<Retry>,
) -> Result<Json<Done>, Trouble> {
    let id = step.clone();
    let (run, seq) = whole(&app, run, move |run| {
        let ix = run.step(&id)?;
        match run.state.step(ix).outcome() {
            Some(Outcome::Succeeded) => Err(conflict(format!(
                "step {id} has succeeded, and a run does nothing again that has"
            ))
            .hint("a new run does all of it")),
            _ => Ok(run.state.seq()),
        }
    })
    .await?;
    goes_on(&app, run, seq, Some(&step)).await
}

/// Answer what a step asks before it runs
#[utoipa::path(post, path = "/runs/{run}/approve", operation_id = "approve_step", tag = "control", params(
    ("run" = String, Path, description = "its whole id"),
), request_body = Approve, responses(
    (status = 200, description = "the answer is recorded", body = Done),
    (status = 403, description = "the server changes nothing", body = ErrorBody),
    (status = 409, description = "the step asks nothing now", body = ErrorBody),
))]
pub async fn approve(
    State(app): State<App>,
    Path(run): Path<String>,
    Asked(Approve { step, answer }): Asked<Approve>,
) -> Result<Json<Done>, Trouble> {
    let id = step.clone();
    let (run, ()) = whole(&app, run, move |run| {
        let ix = run.step(&id)?;
        match run.state.step(ix).state {
            StepState::Asked { .. } => Ok(()),
            _ => Err(conflict(format!("step {id} asks nothing now"))),
        }
    })
    .await?;
    let no = (answer == Answer::No).then_some("--no");
    let words = words(&["approve"], no.into_iter(), &[&run, &step]);
    let said = match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
    };
    match app.calls.call(words, |_| None::<()>).await? {
        Came::Ended(0, _) => Ok(Json(Done::new(run, format!("step {step}: {said}")))),
        _ => Err(Trouble::internal("the answer could not be recorded")),
    }
}

/// Calls `resume`, and waits until the run has gone on.
async fn goes_on(
    app: &App,
    run: String,
    seq: Seq,
    rerun: Option<&str>,
) -> Result<Json<Done>, Trouble> {
    let option = rerun.map(|step| format!("--rerun={step}"));
    let words = words(&["resume"], option.as_deref().into_iter(), &[&run]);
    let (state, id) = (app.world.state().clone(), run.clone());
    let gone_on = move |_: &str| {
        let store = Store::read_only(&state).ok()?;
        let more = store.events(&id, seq, 1).ok()?;
        (!more.is_empty()).then_some(())
    };
    let message = match app.calls.call(words, gone_on).await? {
        Came::GoesOn => "it has not gone on yet, and is being tried",
        Came::News(()) | Came::Ended(..) => "it goes on",
    };
    Ok(Json(Done::new(run, message).shown()))
}

/// The run's id, if that is what was said, and what is to be known of it.
async fn whole<T: Send + 'static>(
    app: &App,
    run: String,
    look: impl FnOnce(&Recorded) -> Result<T, Trouble> + Send + 'static,
) -> Result<(String, T), Trouble> {
    let told = app.world.read(move |reader| {
        reader.recorded(&run, |recorded| {
            let id = recorded.run_id();
            if id != run {
                let refused = Trouble::bad(format!("this takes a run's whole id, not {run:?}"));
                return Err(refused.hint(format!("did you mean {id}?")));
            }
            Ok((id.to_owned(), look(recorded)?))
        })
    });
    told.await
}

fn conflict(message: String) -> Trouble {
    Trouble::new(axum::http::StatusCode::CONFLICT, message)
}

/// A command line: behind the `--` nothing is an option, whatever it looks like.
fn words<'a>(
    verb: &[&'a str],
    options: impl Iterator<Item = &'a str>,
    given: &[&'a str],
) -> Vec<OsString> {
    let words = verb.iter().copied().chain(options).chain(["--"]);
    words
        .chain(given.iter().copied())
        .map(OsString::from)
        .collect()
}
