//! What a plan says for people's sake only. None of it changes what happens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{is_default, str_is_empty};

/// What is known of a step for people's sake only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    #[serde(default, skip_serializing_if = "str_is_empty")]
    pub description: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Box<str>>,
    /// Names of what the step makes, for `consumes` of others.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub provides: Box<[Box<str>]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub consumes: Box<[Box<str>]>,
    /// What is worth knowing before it runs, a line each: what it depends on and
    /// nobody knows, which of several was meant.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub notes: Box<[Box<str>]>,
    /// The heading under which views list the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<str>>,
    /// Views list lighter steps first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub weight: i64,
    /// Fields of the author's own that mean nothing here, kept for whom they mean something.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<Box<str>, serde_json::Value>,
}

/// Something that people are told once in a run. It is printed, and has no
/// effect on anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub on: Moment,
    pub level: Level,
    /// One line or more; data, never a format.
    pub message: Box<str>,
}

/// When a [`Notice`] is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before the first step.
    Start,
    /// The run succeeded.
    Success,
    /// The run succeeded with something to look at: a warning, or a failure
    /// that it tolerates.
    Warning,
    /// The run did not succeed.
    Failure,
}

/// How a [`Notice`] is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Info,
    Success,
    Warning,
    Error,
}

/// A file that lines for people are added to while a run goes on. It is for
/// them alone: a run goes on where none of these can be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// Absolute.
    pub path: Box<str>,
    /// Taken where that one cannot be, in their order; absolute.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub fallbacks: Box<[Box<str>]>,
}
