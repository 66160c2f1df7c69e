//! `/start`: what can be begun; and previews of it, from which it begins.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::serve::address::Query;
use crate::serve::api::begin::fields;
use crate::serve::desk::{Check, Named, Subject};
use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::view::web::start::{Listed, Previewed, page as view, preview as view_of_preview};

pub async fn page(State(app): State<App>) -> Response {
    let registered = app.calls.ask(|desk| desk.registered()).await;
    let page = registered.map(|registered| {
        view(&Listed {
            registered: &registered,
            control: app.control,
        })
    });
    super::show(&app, page)
}

pub async fn preview(State(app): State<App>, Query(mut named): Query<Named>) -> Response {
    // What a form leaves empty is not said.
    named.goal = named.goal.filter(|goal| !goal.is_empty());
    named.task = named.task.filter(|task| !task.is_empty());
    let title = format!("{} {}", named.kind.word(), named.name);
    previewed(app, title, "/api/v1/runs", Subject::Named(named)).await
}

pub async fn check(State(app): State<App>, Query(check): Query<Check>) -> Response {
    let title = format!("check {}", check.step);
    previewed(app, title, "/api/v1/checks/remedy", Subject::Check(check)).await
}

async fn previewed(app: App, title: String, post: &str, subject: Subject) -> Response {
    if !app.control {
        let refused = Trouble::new(StatusCode::FORBIDDEN, "nothing is begun from this server");
        let hint = "who wants it otherwise starts it as `quintet serve --control`";
        return super::show(&app, Err(refused.hint(hint)));
    }
    let fields = fields(&subject);
    let preview = app.calls.ask(move |desk| desk.preview(&subject)).await;
    let page = preview.map(|preview| {
        view_of_preview(&Previewed {
            title: &title,
            post,
            fields: &fields,
            text: &preview.text,
            token: &preview.token,
        })
    });
    super::show(&app, page)
}
