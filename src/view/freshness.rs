//! What people are told before a run of steps that may be fresh, and of those
//! that something may mend.

use std::collections::BTreeMap;

use super::command;
use super::escape::clean;
use super::style::{FAINT, GOOD, ODD};
use crate::plan::graph::waits;
use crate::plan::{Action, CacheUse, Plan, Remediate, StepIx};
use crate::run::Freshness;

/// What looking at a plan's steps came to.
pub type Looked = BTreeMap<StepIx, Freshness>;

/// Whether the step would not run: as far as one can tell now, or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// It would run.
    No,
    /// It would not, unless what comes before it changes that.
    SoFar,
    Yes,
}

/// For each step, whether it would be fresh. `order` is one in which they could run.
pub fn told(plan: &Plan, looked: &Looked, order: &[StepIx]) -> BTreeMap<StepIx, Fresh> {
    let mut told = BTreeMap::new();
    let mut runs = vec![false; plan.steps.len()];
    for &ix in order {
        let before = waits(plan, ix).any(|from| runs[from.at()]);
        let fresh = match looked.get(&ix) {
            Some(Freshness::Fresh(_)) if plan.cache == CacheUse::Use => match before {
                true => Fresh::SoFar,
                false => Fresh::Yes,
            },
            _ => Fresh::No,
        };
        // A meeting point passes on whether anything before it would run.
        runs[ix.at()] = match plan[ix].action {
            Action::Group => before,
            _ => fresh != Fresh::Yes,
        };
        if looked.contains_key(&ix) {
            told.insert(ix, fresh);
        }
    }
    told
}

/// The reason, in words.
pub fn why(found: &Freshness) -> String {
    match found {
        Freshness::Fresh(fresh) => fresh.to_string(),
        Freshness::FailedBefore { exit, .. } => {
            format!("it failed not long ago ({exit}), and nothing has changed since")
        }
        Freshness::Stale(stale) => stale.to_string(),
    }
}

/// Appends a line on whether the step is fresh, and one on what would mend it.
pub fn push(plan: &Plan, ix: StepIx, fresh: Option<(Fresh, &Freshness)>, to: &mut String) {
    if let Some((fresh, found)) = fresh {
        let why = clean(&why(found)).to_string();
        to.push_str(&match fresh {
            Fresh::Yes => format!("      {GOOD}fresh{GOOD:#}: {why}\n"),
            Fresh::SoFar => {
                format!("      {GOOD}fresh{GOOD:#}, unless what it waits for changes that: {why}\n")
            }
            Fresh::No => format!("      {ODD}stale{ODD:#}: {why}\n"),
        });
    }
    let Some(remedy) = plan[ix].remedy.as_deref() else {
        return;
    };
    let asks = plan.remediate == Remediate::Ask || remedy.confirm.is_some();
    let how = match (plan.remediate, asks) {
        (Remediate::No, _) => return,
        (_, true) => "if it fails, would ask, and remedy with",
        (_, false) => "if it fails, would remedy with",
    };
    to.push_str(&format!("      {FAINT}{how}{FAINT:#} "));
    command::of_command(&remedy.command).push(to);
    to.push('\n');
}
