//! The interface for programs: `/api/v1`. One resource, one file.
//!
//! What it offers is described by the code itself: each function that answers says what
//! it takes and gives, and `/api/v1/openapi.json` is made of that.

mod approvals;
pub mod begin;
mod checks;
mod control;
mod definitions;
mod description;
mod events;
mod locks;
mod log;
mod plan;
pub mod runs;
mod steps;

use axum::Json;
use axum::Router;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::routes::App;

pub fn router() -> Router<App> {
    let (router, description) = OpenApiRouter::with_openapi(description::begun())
        .routes(routes!(runs::list, begin::start))
        .routes(routes!(runs::one))
        .routes(routes!(steps::one))
        .routes(routes!(plan::one))
        .routes(routes!(log::log))
        .routes(routes!(events::list))
        .routes(routes!(events::stream))
        .routes(routes!(events::changes))
        .routes(routes!(approvals::list))
        .routes(routes!(checks::list))
        .routes(routes!(locks::list))
        .routes(routes!(definitions::one))
        .routes(routes!(begin::registered))
        .routes(routes!(begin::preview))
        .routes(routes!(begin::preview_check))
        .routes(routes!(begin::remedy))
        .routes(routes!(control::cancel))
        .routes(routes!(control::resume))
        .routes(routes!(control::retry))
        .routes(routes!(control::approve))
        .split_for_parts();
    let description = description::completed(description);
    router.route("/openapi.json", get(|| async move { Json(description) }))
}
