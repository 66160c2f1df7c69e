//! What a server may change, and how: by calls of the program itself, a few at a time,
//! each in a process of its own ([`crate::itself`]).
//!
//! A request says which run and which step, and never how the program is called: a verb's
//! words are made here and in [`super::api::control`], and what comes from the request stands
//! behind a `--`. Without `serve --control` nothing is called.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::desk::{Desk, Refusal};
use super::gate::MOST_BODY;
use super::routes::App;
use super::trouble::Trouble;
use crate::itself::{Call, Caller, Waited};

/// So many calls are under way at once; more are refused, not kept waiting.
const MOST_CALLS: usize = 4;

/// So long one is waited for. It goes on by itself after that.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request's body is there after so long, or nobody waits for it.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// Exit codes of the program by which it says that something is not to be done now: bad
/// usage, a person is needed, somebody else is at it.
const NOT_NOW: [i32; 3] = [2, 3, 75];

/// See the module.
pub struct Calls {
    caller: Caller,
    desk: Arc<dyn Desk>,
    places: Arc<Semaphore>,
}

/// How a call stands after it was waited for.
pub enum Came<T> {
    /// What was waited for has come.
    News(T),
    /// It has ended, by this code and with these words.
    Ended(i32, String),
    /// It goes on.
    GoesOn,
}

impl Calls {
    pub fn new(caller: Caller, desk: Arc<dyn Desk>) -> Self {
        Calls {
            caller,
            desk,
            places: Arc::new(Semaphore::new(MOST_CALLS)),
        }
    }

    /// Calls the program with these words, and waits for `news` of it or its end.
    /// `news` is told what it has said so far.
    ///
    /// # Errors
    /// It could not be called, or has ended without doing it: its own words.
    pub async fn call<T: Send + 'static>(
        &self,
        words: Vec<OsString>,
        news: impl Fn(&str) -> Option<T> + Send + 'static,
    ) -> Result<Came<T>, Trouble> {
        let caller = self.caller.clone();
        self.beside(move || waited_for(words, &caller, news)).await
    }

    /// Asks what can be begun, where files may be read for the answer.
    ///
    /// # Errors
    /// What the desk says.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Desk) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Trouble> {
        let desk = self.desk.clone();
        self.beside(move || Ok(work(desk.as_ref())?)).await
    }

    /// Does it on a thread that may wait, if there is a place.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let full = Trouble::new(status, "too much is being asked for at once");
            return Err(full.hint("try again"));
        };
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        let lost = |_| Trouble::internal("the call was lost: this is a fault");
        done.await.map_err(lost)?
    }
}

fn waited_for<T>(
    words: Vec<OsString>,
    caller: &Caller,
    news: impl Fn(&str) -> Option<T>,
) -> Result<Came<T>, Trouble> {
    let broken =
        |error: std::io::Error| Trouble::internal(format!("the program cannot be called: {error}"));
    let mut call = Call::begin(words, caller).map_err(broken)?;
    let waited = call.wait(PATIENCE, news).map_err(broken)?;
    let said = call.said().map_err(broken)?;
    call.let_go();
    match waited {
        Waited::Said(news) => Ok(Came::News(news)),
        Waited::InVain => Ok(Came::GoesOn),
        Waited::Ended(status) => match status.code() {
            Some(code) if NOT_NOW.contains(&code) || code == 74 => Err(refused(code, &said)),
            Some(code) => Ok(Came::Ended(code, said)),
            None => Err(Trouble::internal(format!("the program broke: {status}"))),
        },
    }
}

/// What the program said where it refused, as whoever asked is told it.
fn refused(code: i32, said: &str) -> Trouble {
    let status = match NOT_NOW.contains(&code) {
        true => StatusCode::CONFLICT,
        false => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let (message, hint) = match said.trim_end().rsplit_once("\nhint: ") {
        Some((message, hint)) => (message, Some(hint)),
        None => (said.trim_end(), None),
    };
    // Warnings may stand before it.
    let message = message.rsplit("error: ").next().unwrap_or(message);
    let trouble = Trouble::new(status, message.trim());
    match hint {
        Some(hint) => trouble.hint(hint),
        None => trouble,
    }
}

/// What a request asks to be changed, in JSON: there only where anything may be changed
/// at all. Who takes it as an argument need not ask.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Asked<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, app: &App) -> Result<Self, Trouble> {
        if !app.control {
            let status = StatusCode::FORBIDDEN;
            let refused = Trouble::new(status, "this server only shows, and changes nothing");
            return Err(
                refused.hint("who wants it otherwise starts it as `quintet serve --control`")
            );
        }
        let body = axum::body::to_bytes(request.into_body(), MOST_BODY);
        let too_late = |_| Trouble::new(StatusCode::REQUEST_TIMEOUT, "the request did not end");
        let too_much = |_| {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Trouble::new(status, format!("a request has {MOST_BODY} bytes at most"))
        };
        let body = tokio::time::timeout(BODY_PATIENCE, body).await;
        let body = body.map_err(too_late)?.map_err(too_much)?;
        let wrong =
            |why: String| Trouble::bad(format!("this is not what is asked for here: {why}"));
        // A list would pass for an object, its values for the fields in their order: `[]`
        // for one that need not say anything.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(wrong("it is no object".into()));
        }
        let asked = serde_json::from_slice(&body);
        asked.map(Asked).map_err(|error| wrong(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_programs_own_words() {
        let said = "warning: odd\nerror: run x is over already\nhint: look at it\n";
        let trouble = refused(2, said);
        assert_eq!(trouble.status, StatusCode::CONFLICT);
        assert_eq!(trouble.message, "run x is over already");
        assert_eq!(trouble.hint.as_deref(), Some("look at it"));
        let trouble = refused(74, "error: the disk is full\n");
        assert_eq!(trouble.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            (trouble.message.as_str(), trouble.hint),
            ("the disk is full", None)
        );
    }
}
