//! What is done against a step's failure, when, and how often.
//!
//! A step has failed when no retry is left. Then its remedy runs, if the run
//! wants that, a person does not object, and it has not run too often: in this
//! run, or, where it has a budget, in all runs lately. When it has ended well
//! the step is tried again as if for the first time. A remedy that ends well and
//! does not help is *ineffective*; a step that its remedy helps again and again
//! is *flapping*. The two are told apart, since they are mended differently.

use std::collections::BTreeMap;

use super::event::{Attempt, Exit, Millis, Outcome, Reason, Role};
use super::failure::again;
use super::schedule::Command;
use super::state::RunState;
use crate::plan::{Remediate, Remedy, StepIx};

/// Remedies of earlier runs, of steps that count them.
pub type Past = BTreeMap<StepIx, Vec<Used>>;

/// One use of a remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    pub at: Millis,
    /// The step succeeded after it.
    pub helped: bool,
}

/// The last allowed attempt of the step has failed: its remedy, or what is said
/// where there is none or it must not be used.
pub(super) fn instead_of_failing(
    run: &RunState,
    ix: StepIx,
    exit: String,
    attempts: u32,
    now: Millis,
) -> Command {
    let failed = |reason| Command::Settle {
        step: ix,
        outcome: Outcome::Failed,
        reason,
    };
    let wanted = run.plan.remediate != Remediate::No && run.stopped.is_none();
    let Some(remedy) = run.plan[ix].remedy.as_deref().filter(|_| wanted) else {
        return failed(match run.step(ix).remedies() {
            0 => Reason::Exhausted { exit, attempts },
            times => Reason::Ineffective { exit, times },
        });
    };
    let mending = run.step(ix).mending.as_deref();
    let times = mending.map_or(0, |mending| mending.times());
    if times >= remedy.attempts {
        return failed(Reason::Ineffective { exit, times });
    }
    if let Some(spent) = spent(run, ix, remedy, &exit, now) {
        return failed(spent);
    }
    if let Some(by) = mending.and_then(|mending| mending.declined.as_deref()) {
        let by = by.to_owned();
        return failed(Reason::RemedyDeclined { exit, by });
    }
    let agreed = mending.is_some_and(|mending| mending.agreed);
    let ask = run.plan.remediate == Remediate::Ask || remedy.confirm.is_some();
    if ask && !agreed {
        return Command::Ask {
            step: ix,
            question: question(run, ix),
        };
    }
    let before = Attempt {
        step: ix,
        number: mending.map_or(0, |mending| mending.attempts),
        role: Role::Remedy,
    };
    let wait = match times {
        0 => 0,
        _ => remedy.cooldown.as_millis() as Millis,
    };
    let (time, of) = (times + 1, remedy.attempts);
    again(before, now + wait, Reason::Remedy { exit, time, of })
}

/// What a person is asked before the step's remedy runs.
pub fn question(run: &RunState, ix: StepIx) -> String {
    let step = &run.plan[ix];
    let own = step.remedy.as_ref().and_then(|r| r.confirm.as_deref());
    own.map_or_else(|| format!("{} failed. Remedy it?", step.id), str::to_owned)
}

/// Whether the remedy has been used too often lately, in this run and in others.
fn spent(run: &RunState, ix: StepIx, remedy: &Remedy, exit: &str, now: Millis) -> Option<Reason> {
    let budget = remedy.budget?;
    let since = now.saturating_sub(budget.window.as_millis() as Millis);
    let past = run.past_remedies.get(&ix).into_iter().flatten();
    let lately: Vec<&Used> = past.filter(|used| used.at >= since).collect();
    let times = lately.len() as u32 + run.step(ix).remedies();
    (times >= budget.times).then(|| Reason::RemedySpent {
        exit: exit.to_owned(),
        times,
        helped: lately.iter().filter(|used| used.helped).count() as u32,
        window: budget.window,
    })
}

/// A remedy has ended: is the step tried again, or has it failed?
pub(super) fn ended(run: &RunState, ix: StepIx, now: Millis) -> Option<Command> {
    let record = run.step(ix);
    let (exit, well) = record.mending.as_ref()?.last.as_ref()?;
    let settle = |outcome, reason| {
        Some(Command::Settle {
            step: ix,
            outcome,
            reason,
        })
    };
    let last = Attempt {
        step: ix,
        number: record.attempts,
        role: Role::Main,
    };
    match (exit, &run.stopped) {
        _ if *well => Some(again(last, now, Reason::Remedied)),
        (Exit::Canceled { .. }, Some((why, _))) => {
            settle(Outcome::Canceled, Reason::Stopping(*why))
        }
        // Whether it has done what it was to do, the step itself will tell.
        (Exit::Canceled { .. } | Exit::Interrupted | Exit::Lost { .. }, _) => {
            Some(again(last, now, Reason::Interrupted))
        }
        _ => {
            let end = record.last.end();
            let failure = end.map(|end| end.error.clone().unwrap_or_else(|| end.exit.to_string()));
            settle(
                Outcome::Failed,
                Reason::RemedyFailed {
                    exit: failure.unwrap_or_default(),
                    remedy: exit.to_string(),
                },
            )
        }
    }
}
