//! What looking at a step's freshness comes to, in words that a record can hold.
//!
//! Who looks is `engine::fresh`; what follows from it is decided in `schedule`.
//! Values of variables are named here by their names alone, since any of them
//! may be somebody's secret.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Millis, Outcome, Reason};
use super::state::{Probe, RunState};
use super::took::{Took, took};
use crate::plan::{StepIx, millis};

/// What looking came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It succeeded before, and nothing has changed since.
    Fresh(Fresh),
    /// It failed not long ago, and nothing has changed since: it would fail again.
    FailedBefore { at: Millis, exit: String },
    /// It is to be run.
    Stale(Stale),
}

/// A success that still counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fresh {
    /// When the step succeeded.
    pub since: Millis,
    /// How long ago that is.
    #[serde(with = "millis")]
    pub age: Duration,
    /// How long a success counts; for ever, without.
    #[serde(with = "millis::opt", default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// So many of the files that it made were gone or changed, and were put back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restored: u32,
    /// What it put out for later steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<Box<str>, Box<str>>,
}

fn of(span: Duration) -> Took {
    took(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Why a step is not fresh: the first thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Stale {
    /// No success of it is remembered.
    Unknown,
    /// Its last attempt failed.
    Failed { at: Millis },
    /// Nobody saw its last attempt through, or what that did was taken back.
    Unseen,
    /// Its success is too old.
    Expired {
        #[serde(with = "millis")]
        age: Duration,
        #[serde(with = "millis")]
        ttl: Duration,
    },
    /// Its success lies in the future, as this machine's clock has it.
    Future { at: Millis },
    /// It does not run what it ran then.
    Command,
    /// A file that it reads.
    Input {
        path: Box<str>,
        #[serde(flatten)]
        change: Change,
    },
    /// A variable of its environment.
    Env { name: Box<str> },
    /// A program that it uses.
    Tool {
        name: Box<str>,
        #[serde(flatten)]
        change: Change,
    },
    /// A file that it made.
    Output {
        path: Box<str>,
        #[serde(flatten)]
        change: Change,
    },
    /// What it declares is not what it declared then: its patterns, or the rules.
    Declaration,
    /// A file that it reads changed while it ran.
    ChangedMeanwhile { path: Box<str> },
    /// It cannot be told.
    Unreadable { error: String },
    /// A step that it is not fresher than did not succeed at once.
    With { step: String },
    /// The run wants everything done anew.
    Asked,
}

/// What became of a file. Contents are told by the beginnings of their hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It was not there then.
    Added,
    /// It is there no more.
    Removed,
    Changed {
        before: String,
        after: String,
    },
}

/// Whether a step whose turn it is, and that may be fresh, does not simply run:
/// nobody has looked yet, or it need not.
pub(super) fn keeps_from_running(run: &RunState, ix: StepIx) -> bool {
    match &run.step(ix).probe {
        Probe::None => true,
        Probe::Out => false,
        Probe::Told(_) => settles(run, ix).is_some(),
    }
}

/// How the step is settled without running, where it need not run.
pub(super) fn settles(run: &RunState, ix: StepIx) -> Option<(Outcome, Reason)> {
    let Probe::Told(found) = &run.step(ix).probe else {
        return None;
    };
    if fresher_than(run, ix).is_some() {
        return None;
    }
    match &**found {
        Freshness::Fresh(fresh) => Some((Outcome::Succeeded, Reason::Fresh(fresh.clone()))),
        Freshness::FailedBefore { at, exit } => {
            let (at, exit) = (*at, exit.clone());
            Some((Outcome::Failed, Reason::FailedBefore { at, exit }))
        }
        Freshness::Stale(_) => None,
    }
}

/// Why the step runs, where that is more than that its turn has come.
pub(super) fn stale(run: &RunState, ix: StepIx) -> Option<Stale> {
    let Probe::Told(found) = &run.step(ix).probe else {
        return None;
    };
    match &**found {
        Freshness::Stale(stale) => Some(stale.clone()),
        _ => fresher_than(run, ix).map(|step| Stale::With { step }),
    }
}

/// The first step that `ix` is not fresher than and that did not succeed at once.
fn fresher_than(run: &RunState, ix: StepIx) -> Option<String> {
    let cache = run.plan()[ix].cache.as_deref()?;
    let at_once = |id: &str| {
        let record = run.find(id).map(|ix| run.step(ix));
        record.is_none_or(|record| match record.outcome() {
            Some(Outcome::Failed | Outcome::Canceled) => false,
            _ => !record.may_be_mended(),
        })
    };
    let late = cache.stale_with.iter().find(|id| !at_once(id));
    late.map(|id| id.to_string())
}

impl fmt::Display for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it succeeded {} ago", of(self.age))?;
        match self.ttl {
            Some(ttl) => write!(f, ", which counts for {}", of(ttl))?,
            None => f.write_str(", and nothing has changed since")?,
        }
        match self.restored {
            0 => Ok(()),
            1 => f.write_str("; one file that it made was put back"),
            n => write!(f, "; {n} files that it made were put back"),
        }
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stale::Unknown => f.write_str("no success of it is remembered"),
            Stale::Failed { .. } => f.write_str("it failed last time"),
            Stale::Unseen => {
                f.write_str("its last attempt was not seen through, or was taken back")
            }
            Stale::Expired { age, ttl } => write!(
                f,
                "its success is {} old, and counts for {}",
                of(*age),
                of(*ttl)
            ),
            Stale::Future { .. } => f.write_str("its success lies in the future"),
            Stale::Command => f.write_str("it does not run what it ran then"),
            Stale::Input { path, change } => write!(f, "its input {path} {change}"),
            Stale::Env { name } => write!(f, "the variable {name} has changed"),
            Stale::Tool { name, change } => write!(f, "the program {name} {change}"),
            Stale::Output { path, change } => write!(f, "its output {path} {change}"),
            Stale::Declaration => f.write_str("what it declares has changed"),
            Stale::ChangedMeanwhile { path } => {
                write!(f, "its input {path} changed while it ran last")
            }
            Stale::Unreadable { error } => write!(f, "its freshness cannot be told: {error}"),
            Stale::With { step } => write!(f, "{step} did not succeed at once"),
            Stale::Asked => f.write_str("the run wants everything done anew"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Added => f.write_str("is new"),
            Change::Removed => f.write_str("is gone"),
            Change::Changed { before, after } => write!(f, "has changed ({before} to {after})"),
        }
    }
}
