//! Who answers what: the table of pages, and that of the interface, which is also its
//! description.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use super::control::Calls;
use super::live::Live;
use super::trouble::Trouble;
use super::world::World;
use super::{api, pages};

/// What every answer may need.
#[derive(Clone)]
pub struct App {
    pub world: Arc<World>,
    pub live: Arc<Live>,
    /// Whether anything may be changed.
    pub control: bool,
    pub calls: Arc<Calls>,
}

pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(pages::runs::page))
        .route("/runs/{run}", get(pages::run::page))
        .route("/runs/{run}/step", get(pages::step::page))
        .route("/definitions", get(pages::definition::page))
        .route("/locks", get(pages::locks::page))
        .route("/figures", get(pages::metrics::page))
        .route("/metrics", get(pages::metrics::text))
        .route("/compare", get(pages::compare::page))
        .route("/agents", get(pages::agents::page))
        .route("/checks", get(pages::checks::page))
        .route("/start", get(pages::start::page))
        .route("/start/preview", get(pages::start::preview))
        .route("/start/check", get(pages::start::check))
        .route("/approvals", get(pages::approvals::page))
        .nest("/api/v1", api::router())
        .fallback(nothing_here)
        .method_not_allowed_fallback(another_method)
        .layer(from_fn_with_state(app.clone(), pages::instead))
        .with_state(app)
}

async fn nothing_here(request: Request) -> Trouble {
    Trouble::not_found(format!("there is nothing at {}", request.uri().path()))
}

async fn another_method() -> Trouble {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Trouble::new(status, "this is not to be had by that method")
}
