//! Pages for people. One page, one file here: what it is asked, what is read for it.
//! How it looks is its view's ([`crate::view::web`]).

pub mod agents;
pub mod approvals;
pub mod checks;
pub mod compare;
pub mod definition;
pub mod locks;
pub mod metrics;
pub mod run;
pub mod runs;
pub mod start;
pub mod step;

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::routes::App;
use super::trouble::Trouble;
use super::world::Reader;
use crate::view::web::{self, Page, Site};

/// Answers with a page, made of what can be read.
///
/// What goes wrong is a page as well: whoever looks sees what it is and can go on.
pub async fn answer(
    app: App,
    make: impl FnOnce(&Reader<'_>) -> Result<Page, Trouble> + Send + 'static,
) -> Response {
    let made = app.world.read(make).await;
    show(&app, made)
}

/// Shows a page, or why there is none.
fn show(app: &App, made: Result<Page, Trouble>) -> Response {
    let site = Site {
        control: app.control,
    };
    let (status, page) = match made {
        Ok(page) => (None, page),
        Err(trouble) => {
            let hint = trouble.hint.as_deref();
            (
                Some(trouble.status),
                web::trouble::page(&trouble.message, hint),
            )
        }
    };
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let response = (
        [(CONTENT_TYPE, html)],
        web::render(&page, site).into_string(),
    );
    match status {
        Some(status) => (status, response).into_response(),
        None => response.into_response(),
    }
}
