//! Why a request is not answered as it was meant: one kind of error for pages and
//! interface, and how each is told.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{NoSuchRun, StoreError};
use crate::view::recorded::Unread;

/// See the module.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub status: StatusCode,
    /// One line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// An error, as programs get it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// The kind of error, in a word that does not change: the status in snake case.
    pub code: String,
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Trouble {
    pub fn new(status: StatusCode, message: impl ToString) -> Self {
        Trouble {
            status,
            message: message.to_string(),
            hint: None,
        }
    }

    pub fn not_found(message: impl ToString) -> Self {
        Trouble::new(StatusCode::NOT_FOUND, message)
    }

    /// The request says something that cannot be meant.
    pub fn bad(message: impl ToString) -> Self {
        Trouble::new(StatusCode::BAD_REQUEST, message)
    }

    /// Our own fault, or the disk's.
    pub fn internal(message: impl ToString) -> Self {
        Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub fn hint(mut self, hint: impl ToString) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// `not_found`, as programs tell errors apart.
    pub fn code(&self) -> String {
        let reason = self.status.canonical_reason().unwrap_or("error");
        reason.to_ascii_lowercase().replace([' ', '-'], "_")
    }
}

/// For programs. It goes along with the answer, so that a page can be made of it where
/// a person asked.
impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: ErrorDetail {
                code: self.code(),
                message: self.message.clone(),
                hint: self.hint.clone(),
            },
        };
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing { .. } => Trouble::not_found("nothing has been run here yet"),
            error => Trouble::internal(error),
        }
    }
}

impl From<Unread> for Trouble {
    fn from(error: Unread) -> Self {
        match error {
            Unread::Run(NoSuchRun::Store(error)) | Unread::Store(error) => error.into(),
            Unread::Run(error) => Trouble::not_found(error),
            Unread::Contradiction { .. } => Trouble::internal(error),
            Unread::NoStep { ref nearest, .. } => {
                let trouble = Trouble::not_found(&error);
                match nearest {
                    Some(other) => trouble.hint(format!("did you mean {other}?")),
                    None => trouble,
                }
            }
        }
    }
}
