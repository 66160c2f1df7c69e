//! What a plan offers against a step's failure: a program that may mend what the
//! step found wrong, after which the step is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Command, is_default, millis};

/// What may mend a step's failure. It runs when the step has failed for good;
/// when it ends well, the step is tried again, with as many retries as before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    pub command: Command,
    #[serde(with = "millis::opt", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How often it may run in one run of the plan; at least once.
    pub attempts: u32,
    /// Between one time and the next.
    #[serde(with = "millis", default, skip_serializing_if = "is_default")]
    pub cooldown: Duration,
    /// How often it may run in all runs together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What a person is asked before it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Box<str>>,
}

/// So many times within so long, in all runs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    pub times: u32,
    #[serde(with = "millis")]
    pub window: Duration,
}

/// Whether a run's remedies are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remediate {
    #[default]
    Yes,
    /// Each only when a person agrees.
    Ask,
    No,
}
