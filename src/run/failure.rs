//! What becomes of a step whose attempt has failed.

use super::event::{Attempt, Exit, Millis, Outcome, Reason, Role};
use super::schedule::Command;
use super::state::RunState;
use super::{remedy, retry};
use crate::plan::{Policy, Retry, StepIx};

/// A failed attempt: is it made again, is its remedy used, or has the step failed?
pub(super) fn failing(
    run: &RunState,
    ix: StepIx,
    role: Role,
    attempt: u32,
    now: Millis,
) -> Option<Command> {
    if role == Role::Remedy {
        return remedy::ended(run, ix, now);
    }
    let policy: &Policy = &run.plan[ix].policy;
    let record = run.step(ix);
    let last = record.last.end()?;
    let failed = Attempt {
        step: ix,
        number: attempt,
        role: Role::Main,
    };
    let settle = |outcome, reason| {
        Some(Command::Settle {
            step: ix,
            outcome,
            reason,
        })
    };
    let exit = last.error.clone().unwrap_or_else(|| last.exit.to_string());
    match (&last.exit, &run.stopped) {
        (Exit::Canceled { .. }, Some((why, _))) => {
            return settle(Outcome::Canceled, Reason::Stopping(*why));
        }
        // An engine stopped it, and died before it could be recorded why: nobody
        // wants the run to end any more, and the attempt was only cut short.
        (Exit::Canceled { .. } | Exit::Interrupted, _) => {
            return match policy.idempotent {
                true => Some(again(failed, now, Reason::Interrupted)),
                false => settle(Outcome::Failed, Reason::NotIdempotent),
            };
        }
        _ => {}
    }
    let counted = attempt.saturating_sub(record.forgiven);
    if counted > policy.retry.count {
        return Some(remedy::instead_of_failing(run, ix, exit, counted, now));
    }
    let reason = Reason::Retry {
        exit,
        attempt: counted + 1,
        of: policy.retry.count + 1,
    };
    Some(again(
        failed,
        later(run, &policy.retry, failed, counted, now),
        reason,
    ))
}

pub(super) fn later(
    run: &RunState,
    retry: &Retry,
    failed: Attempt,
    nth: u32,
    now: Millis,
) -> Millis {
    now + retry::delay(retry, run.seed, failed, nth).as_millis() as Millis
}

pub(super) fn again(failed: Attempt, not_before: Millis, reason: Reason) -> Command {
    Command::Retry {
        attempt: Attempt {
            number: failed.number + 1,
            ..failed
        },
        not_before,
        reason,
    }
}
