//! What is decided beforehand: how attempts are made and judged, and what a
//! failure, a stop or a restart means for the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{is_default, is_true, millis, yes};

/// What many steps have in common. Steps with equal policies share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// The attempt is ended after this long; never, without.
    #[serde(with = "millis::opt", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Between the polite signal and the last one.
    #[serde(with = "millis")]
    pub grace: Duration,
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_failure: OnFailure,
    /// Whether the step's failure is the run's failure.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub critical: bool,
    /// Runs also after an abort or a cancel, and whatever became of its needs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub always: bool,
    /// Whether an attempt whose end nobody saw may simply be made again.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub idempotent: bool,
    /// Higher goes first among the steps that are ready.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// What exit codes mean where it is not the usual: 0 success, else failure.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exit_codes: BTreeMap<i32, Verdict>,
    /// Give the step output files of its own instead of a range of the slot's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub own_log: bool,
    /// How long a question whether it may run waits for its answer. Without this,
    /// whoever is at the terminal answers, or nobody, which is a no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// At most so many bytes of each of its streams are kept, from the beginning
    /// and the end; all of them, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            timeout: None,
            grace: Duration::from_secs(5),
            retry: Retry::default(),
            on_failure: OnFailure::default(),
            critical: true,
            always: false,
            idempotent: true,
            priority: 0,
            exit_codes: BTreeMap::new(),
            own_log: false,
            approval: None,
            max_output: None,
        }
    }
}

/// A question that waits for a person who need not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Approval {
    /// So long; for ever, without.
    #[serde(with = "millis::opt", default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// What counts when nobody has answered by then.
    pub otherwise: bool,
}

/// How often and how soon a failed attempt is made again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts after the first.
    pub count: u32,
    /// Before the second attempt.
    #[serde(with = "millis")]
    pub delay: Duration,
    /// Each further delay is this many hundredths of the one before; 100 keeps it.
    pub factor_percent: u32,
    /// No delay is longer than this.
    #[serde(with = "millis::opt", default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Duration>,
    /// Each delay is varied by up to this many hundredths either way.
    pub jitter_percent: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            count: 0,
            delay: Duration::ZERO,
            factor_percent: 100,
            cap: None,
            jitter_percent: 0,
        }
    }
}

/// What a step's failure means for the rest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// A critical step ends the run: nothing new starts. Another is as `SkipDependents`.
    #[default]
    Abort,
    /// What depends on the step is skipped, the rest goes on.
    SkipDependents,
    /// What depends on the step runs as if it had succeeded.
    Continue,
}

/// What an exit means for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Success,
    /// Succeeded, with something to look at.
    Warning,
    /// Succeeded, and the machine wants a restart.
    RestartRequired,
    /// Succeeded, and something about it has to be handled specially: by whom
    /// and how, the program that exits so knows.
    NeedsHandling,
    Failure,
}

/// What an abort does to steps that are running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnAbort {
    /// They are left to finish.
    #[default]
    Wait,
    /// They are stopped, with grace.
    Terminate,
}

/// What the run does when a step wants the machine restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRestart {
    /// It goes on, and says so at its end.
    #[default]
    Continue,
    /// What runs is left to finish, and the rest is done after the restart, by
    /// whoever resumes the run.
    Stop,
}

/// When the run takes its completed steps back (those with an [`Undo`]), newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rollback {
    /// When the run failed.
    #[default]
    OnFailure,
    /// When the run failed or was canceled.
    OnFailureOrCancel,
    Never,
}

/// Which of several ready steps of one priority goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The one with the longest remaining path, as far as the past tells.
    #[default]
    LongestFirst,
    /// The one that the plan has first: its order means something to its author.
    Written,
}
