//! How an attempt ends.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::millis;

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum Exit {
    /// It exited by itself.
    Exited { code: i32 },
    /// A signal ended it that was not the engine's.
    Signaled {
        signal: i32,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        core: bool,
    },
    /// It took too long, and was ended: by which signal, if it did not exit by itself.
    TimedOut {
        #[serde(with = "millis")]
        after: Duration,
        signal: Option<i32>,
    },
    /// The run stopped it.
    Canceled { signal: Option<i32> },
    /// The program never ran. `errno` is the system's name for why: `ENOENT`.
    FailedToStart { errno: String },
    /// It ran, and nobody saw how it ended.
    Interrupted,
    /// Whoever was to run it elsewhere has lost it: nothing will be heard of it any
    /// more, or believed. Where it never started, it never will.
    Lost { why: Loss, started: bool },
}

/// Why an attempt that was to run elsewhere was lost. None of it says anything of
/// the step itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Its node died, or cannot be reached.
    NodeFailed,
    /// Something more important took its place.
    Preempted,
    /// Nobody there knows of it any more.
    Forgotten,
    /// It is said to have ended, and left no result.
    NoResult,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::NodeFailed => "its node failed",
            Loss::Preempted => "it was preempted",
            Loss::Forgotten => "it was forgotten",
            Loss::NoResult => "it left no result",
        })
    }
}

impl Exit {
    /// The code, where the process exited by itself.
    pub fn code(&self) -> Option<i32> {
        match self {
            Exit::Exited { code } => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Exited { code } => write!(f, "exit {code}"),
            Exit::Signaled { signal, core } => {
                write!(
                    f,
                    "signal {signal}{}",
                    if *core { ", core dumped" } else { "" }
                )
            }
            Exit::TimedOut { after, .. } => write!(f, "Timeout after {}s", after.as_secs_f64()),
            Exit::Canceled { .. } => f.write_str("canceled"),
            Exit::FailedToStart { errno } => write!(f, "could not start: {errno}"),
            Exit::Interrupted => f.write_str("interrupted: nobody saw how it ended"),
            Exit::Lost { why, started: true } => write!(f, "lost: {why}"),
            Exit::Lost { why, .. } => write!(f, "lost before it started: {why}"),
        }
    }
}

/// The word for an attempt's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Succeeded,
    Failed,
    TimedOut,
    Canceled,
    FailedToStart,
    Interrupted,
    Lost,
}
