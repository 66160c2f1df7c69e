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

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::routes::App;
use super::trouble::Trouble;
use super::world::Reader;
use crate::view::web::{self, Page, Site};

/// Answers with a page, made of what can be read.
async fn answer(
    app: App,
    make: impl FnOnce(&Reader<'_>) -> Result<Page, Trouble> + Send + 'static,
) -> Response {
    let made = app.world.read(make).await;
    show(&app, made)
}

/// Shows a page, or says why there is none.
fn show(app: &App, made: Result<Page, Trouble>) -> Response {
    let site = Site {
        control: app.control,
    };
    match made {
        Ok(page) => Html(web::render(&page, site).into_string()).into_response(),
        Err(trouble) => trouble.into_response(),
    }
}

/// Makes a page of what went wrong, wherever that was found out: whoever looks sees what
/// it is and can go on. Programs get it as it is.
pub async fn instead(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_page = !path.starts_with("/api/") && path != "/metrics";
    let response = next.run(request).await;
    let Some(trouble) = response.extensions().get::<Trouble>().filter(|_| is_page) else {
        return response;
    };
    let page = web::trouble::page(&trouble.message, trouble.hint.as_deref());
    let mut shown = show(&app, Ok(page));
    *shown.status_mut() = trouble.status;
    shown
}
