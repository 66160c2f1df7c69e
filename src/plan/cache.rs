//! Freshness, as a plan asks for it: when a step that succeeded once need not
//! run again.
//!
//! A step is fresh when its last success is not too old and nothing that it
//! declares has changed since: what it runs, its inputs, its environment, its
//! tools, and what it made. Who looks (`engine::fresh`) and who decides
//! (`run::schedule`) are elsewhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{is_default, millis};

/// What a step's freshness depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// A success counts for so long; for ever, without.
    #[serde(with = "millis::opt", default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// A failure is told again for so long, without a new attempt, while nothing
    /// has changed. Without it a failed step always runs. A failure is never fresh.
    #[serde(with = "millis::opt", default, skip_serializing_if = "Option::is_none")]
    pub failure_ttl: Option<Duration>,
    /// Files it reads: absolute paths and globs, in the order of the file. One
    /// that begins with `!` takes files out again. A directory stands for all
    /// below it.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub inputs: Box<[Box<str>]>,
    /// Variables of the environment that it reads, by name.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub env: Box<[Box<str>]>,
    /// Programs that it uses, as they would be looked for on its PATH. Another
    /// program of that name, or another version of it, is a change.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub tools: Box<[Box<str>]>,
    /// Files it makes, written like `inputs`.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub outputs: Box<[Box<str>]>,
    /// What it made is kept, and put back where it is gone or changed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restore: bool,
    /// Ids of steps that this one is not fresher than: where one of them did not
    /// succeed at once in this run (it failed, or had to be remedied), this one runs.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub stale_with: Box<[Box<str>]>,
}

/// What a run makes of its steps' freshness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheUse {
    /// Fresh steps do not run.
    #[default]
    Use,
    /// Everything runs, and what succeeds is fresh afterwards.
    Refresh,
    /// Everything runs, and nothing is remembered.
    Off,
}
