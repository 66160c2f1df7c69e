//! What can be begun from here: what the configuration registers, and the checks that
//! are known from earlier runs.
//!
//! The server does not know configurations: who starts it says what there is, what a run
//! of it would do, and how the program is called for that. A token stands between the
//! two, so that nothing begins that nobody has seen.

use std::ffi::OsString;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::trouble::Trouble;

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Job,
    Task,
    Orchestration,
}

impl Kind {
    /// As messages spell it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Job => "job",
            Kind::Task => "task",
            Kind::Orchestration => "orchestration",
        }
    }
}

/// What is registered under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub kind: Kind,
    /// Its name in the configuration.
    pub name: String,
    /// Of an orchestration: what its agents are to bring about.
    #[serde(default)]
    pub goal: Option<String>,
    /// Of an orchestration: the task that its agents work on.
    #[serde(default)]
    pub task: Option<String>,
}

/// A check that ran before: where it is written, the record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The project's directory, as `/checks` names it.
    pub project: String,
    /// The plan's id.
    pub plan: String,
    /// The check's id.
    pub step: String,
}

/// What is to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Named(Named),
    Check(Check),
}

/// What a run would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The plan's content id.
    pub content_id: String,
    pub text: String,
    /// What begins it, once and not for long.
    pub token: String,
}

/// What may begin now.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The words with which the program is called.
    pub words: Vec<OsString>,
    /// Where it does not say itself which run it has begun: the plan's id, by which that
    /// is found.
    pub found_by: Option<String>,
}

/// Why not, in words.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// See the module.
pub trait Desk: Send + Sync {
    /// All that is registered, by kind: an object of lists.
    ///
    /// # Errors
    /// The configuration is wrong.
    fn registered(&self) -> Result<Value, Refusal>;

    /// What a run of it would do now, and a token that begins it.
    ///
    /// # Errors
    /// There is nothing of that name, or it could not run.
    fn preview(&self, subject: &Subject) -> Result<Preview, Refusal>;

    /// Takes the token of a preview of this.
    ///
    /// # Errors
    /// It was not previewed, or would not be the same any more.
    fn begin(&self, subject: &Subject, token: &str) -> Result<Begin, Refusal>;
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        let status = axum::http::StatusCode::CONFLICT;
        let trouble = Trouble::new(status, refusal.message);
        match refusal.hint {
            Some(hint) => trouble.hint(hint),
            None => trouble,
        }
    }
}
