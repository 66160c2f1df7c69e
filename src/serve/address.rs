//! What a request's address says: axum's extractors, with our kind of error.
//!
//! Theirs answer in plain text what does not fit. Everybody here takes these instead, so
//! that a program is told everything in one form.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path as AxumPath, Query as AxumQuery};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::trouble::Trouble;

/// The parts of the path that stand for something.
pub struct Path<T>(pub T);

/// What stands behind the `?`.
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        let path = AxumPath::from_request_parts(parts, state).await;
        // A name that is no text names nothing, whatever it was meant to be.
        let nothing = |_: PathRejection| {
            Trouble::not_found(format!("there is nothing at {}", parts.uri.path()))
        };
        path.map(|AxumPath(path)| Path(path)).map_err(nothing)
    }
}

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        let query = AxumQuery::from_request_parts(parts, state).await;
        let wrong = |error: QueryRejection| Trouble::bad(error.body_text());
        query.map(|AxumQuery(query)| Query(query)).map_err(wrong)
    }
}
