//! Decisions about a run's end: bringing it to rest, taking completed steps
//! back, letting clean-up run, and what it all came to.
//!
//! The order is always the same: nothing new starts; what runs ends or is
//! stopped; completed steps are undone, newest first; steps that always run do;
//! the run is finished. Each stage is told from the state, so a run cut off in
//! any of them goes on where it was.

use super::event::{Attempt, Exit, Millis, Outcome, Reason, Role, RunOutcome, Stop, Stopping};
use super::failure::{MOST_LOST, again, failing, later};
use super::schedule::{BATCH, Command, halt, may_end};
use super::state::{RunPhase, RunState, StepState, UndoState};
use crate::plan::{OnAbort, Rollback, StepIx};

/// Brings the run to rest: what has not started never will, what runs is
/// stopped where that is wanted, and then the run is undone, cleaned up, ended.
pub(super) fn stop(run: &RunState, now: Millis, why: Stopping, commands: &mut Vec<Command>) {
    if why <= Stopping::Abort
        && let Some(halt @ Command::Halt { why: firmer, .. }) = halt(run, now)
        && firmer > why
    {
        commands.push(halt);
        return;
    }
    for &ix in run.places.unsettled.iter() {
        if commands.len() >= BATCH {
            return;
        }
        commands.extend(stop_step(run, ix, why, now));
    }
    if let Some(&ix) = run.undoable.last().filter(|_| run.rolled_back) {
        commands.extend(stop_undo(run, ix, why));
    }
    let at_rest = run.places.live.is_empty() && run.places.handed.is_empty();
    if commands.is_empty() && at_rest && may_end(run) {
        match why == Stopping::Restart && !run.places.unsettled.is_empty() {
            // Before a restart nothing is cleaned up: the run is not over.
            true => {
                let left = run.places.unsettled.iter().take(BATCH);
                commands.extend(left.map(|ix| canceled(*ix, why)));
            }
            false => commands.push(end(run)),
        }
    }
}

fn stop_step(run: &RunState, ix: StepIx, why: Stopping, now: Millis) -> Option<Command> {
    let record = run.step(ix);
    if run.plan[ix].policy.always && why != Stopping::Kill {
        return match record.state {
            // It ran when the stop came; its failure is recorded like any other.
            StepState::Failing { role, attempt } => failing(run, ix, role, attempt, now),
            // Its turn is after the restart, with all else that is left.
            StepState::Claimed { role, attempt, .. }
                if record.handed && why == Stopping::Restart =>
            {
                stop_attempt(run, ix, attempt, role, Stopping::Cancel)
            }
            _ => None,
        };
    }
    match &record.state {
        StepState::Running { role, attempt, .. } => stop_attempt(run, ix, *attempt, *role, why),
        StepState::Claimed { role, attempt, .. } if record.handed => {
            stop_attempt(run, ix, *attempt, *role, why.max(Stopping::Cancel))
        }
        StepState::Failing { role, attempt } => match failing(run, ix, *role, *attempt, now)? {
            // It is tried again after the restart.
            Command::Retry { .. } if why == Stopping::Restart => Some(canceled(ix, why)),
            // The run stops: what could have been tried again has failed.
            Command::Retry {
                reason: Reason::Remedied,
                ..
            } => Some(canceled(ix, why)),
            Command::Retry { reason, .. } => Some(gave_up(run, ix, reason)),
            settle => Some(settle),
        },
        _ => Some(canceled(ix, why)),
    }
}

fn canceled(step: StepIx, why: Stopping) -> Command {
    Command::Settle {
        step,
        outcome: Outcome::Canceled,
        reason: Reason::Stopping(why),
    }
}

/// A rollback is only ever cut short by a kill. What was begun and not ended
/// counts as not undone.
fn stop_undo(run: &RunState, step: StepIx, why: Stopping) -> Option<Command> {
    let record = run.step(step);
    match *record.undo() {
        UndoState::Running { attempt, .. } => stop_attempt(run, step, attempt, Role::Undo, why),
        UndoState::Claimed { attempt, .. } if record.handed => {
            stop_attempt(run, step, attempt, Role::Undo, why)
        }
        UndoState::Claimed { .. }
        | UndoState::Blocked { .. }
        | UndoState::Backoff { .. }
        | UndoState::Failing { .. } => Some(Command::Undone {
            step,
            undone: false,
            reason: Reason::Stopping(why),
        }),
        UndoState::Ending => Some(Command::Undone {
            step,
            undone: true,
            reason: Reason::Rollback,
        }),
        UndoState::None | UndoState::Undone | UndoState::Failed(_) => None,
    }
}

fn gave_up(run: &RunState, step: StepIx, retry: Reason) -> Command {
    let attempts = run.step(step).attempts - run.step(step).forgiven;
    match retry {
        Reason::Retry { exit, .. } => Command::Settle {
            step,
            outcome: Outcome::Failed,
            reason: Reason::Exhausted { exit, attempts },
        },
        // Interrupted: it may be made again, by whoever resumes the run.
        other => Command::Settle {
            step,
            outcome: Outcome::Canceled,
            reason: other,
        },
    }
}

/// Tells a live attempt to stop, unless it has been told as firmly before.
fn stop_attempt(
    run: &RunState,
    step: StepIx,
    number: u32,
    role: Role,
    why: Stopping,
) -> Option<Command> {
    let how = match why {
        Stopping::Restart => return None,
        // What runs may go on: that engines die is no fault of its.
        Stopping::Abort if run.plan.on_abort == OnAbort::Wait || engines_lost(run) => {
            return None;
        }
        Stopping::Kill => Stop::Now,
        _ => Stop::Grace,
    };
    if run.step(step).stopping >= Some(how) {
        return None;
    }
    Some(Command::Stop {
        attempt: Attempt { step, number, role },
        how,
        reason: Reason::Stopping(why),
    })
}

/// Takes the newest completed step back; then the one before.
pub(super) fn roll_back(run: &RunState, now: Millis, commands: &mut Vec<Command>) {
    let Some(&ix) = run.undoable.last().filter(|_| run.undo_failed.is_none()) else {
        // A resumed engine may have found one alive that runs whatever happens: it
        // was begun before the stop, and the record of that was lost.
        if may_end(run) && run.places.live.is_empty() {
            commands.push(end(run));
        }
        return;
    };
    let record = run.step(ix);
    let claim = |number| Command::Claim {
        attempt: undo_attempt(ix, number),
        reason: Reason::Rollback,
    };
    match record.undo() {
        UndoState::None => commands.push(claim(record.undo_attempts + 1)),
        UndoState::Claimed { attempt, claimed } => {
            if *claimed <= run.durable && !record.handed && !run.paused {
                commands.push(Command::Start {
                    attempt: undo_attempt(ix, *attempt),
                });
            }
        }
        UndoState::Running { .. } | UndoState::Blocked { .. } => {}
        UndoState::Failing { attempt, exit } => {
            commands.push(undo_failing(run, ix, *attempt, exit, now))
        }
        UndoState::Backoff {
            attempt,
            not_before,
        } => {
            if *not_before <= now {
                commands.push(claim(*attempt));
            }
        }
        UndoState::Ending | UndoState::Undone | UndoState::Failed(_) => {
            commands.push(Command::Undone {
                step: ix,
                undone: true,
                reason: Reason::Rollback,
            })
        }
    }
}

fn undo_attempt(step: StepIx, number: u32) -> Attempt {
    Attempt {
        step,
        number,
        role: Role::Undo,
    }
}

fn undo_failing(run: &RunState, step: StepIx, attempt: u32, exit: &Exit, now: Millis) -> Command {
    let retry = run.plan[step]
        .undo
        .as_ref()
        .map(|undo| undo.retry.clone())
        .unwrap_or_default();
    let never_began = matches!(exit, Exit::Lost { started: false, .. });
    let allowed = if never_began {
        retry.count + MOST_LOST
    } else {
        retry.count
    };
    if attempt > allowed {
        return Command::Undone {
            step,
            undone: false,
            reason: Reason::UndoFailed {
                exit: exit.to_string(),
            },
        };
    }
    let failed = undo_attempt(step, attempt);
    let reason = Reason::Retry {
        exit: exit.to_string(),
        attempt: attempt + 1,
        of: retry.count + 1,
    };
    again(failed, later(run, &retry, failed, attempt, now), reason)
}

/// Nothing runs and nothing is to be settled: what the end of the run takes.
pub(super) fn end(run: &RunState) -> Command {
    let why = run.stopped_by();
    if wants_rollback(run, why) {
        return Command::RollBack {
            reason: Reason::Rollback,
        };
    }
    if !run.places.unsettled.is_empty() && run.phase != RunPhase::Cleanup {
        return Command::CleanUp;
    }
    finish(run, why)
}

fn wants_rollback(run: &RunState, why: Option<Stopping>) -> bool {
    if run.rolled_back || run.undoable.is_empty() || !run.needs_word().is_empty() {
        return false;
    }
    if engines_lost(run) {
        return false;
    }
    match why {
        // Whoever kills a run wants it to be over.
        Some(Stopping::Kill | Stopping::Restart) => false,
        Some(Stopping::Cancel) => run.plan.rollback == Rollback::OnFailureOrCancel,
        Some(Stopping::Abort | Stopping::Deadline) => run.plan.rollback != Rollback::Never,
        None => run.plan.rollback != Rollback::Never && !run.counted_failures().is_empty(),
    }
}

/// The run stops because its engines die of it.
fn engines_lost(run: &RunState) -> bool {
    matches!(run.stopped, Some((_, Reason::EnginesLost { .. })))
}

fn finish(run: &RunState, why: Option<Stopping>) -> Command {
    let ids = |steps: &[StepIx]| {
        steps
            .iter()
            .map(|ix| run.plan[*ix].id.to_string())
            .collect()
    };
    let failures = run.counted_failures();
    let (cleanup, work): (Vec<_>, Vec<_>) =
        failures.iter().partition(|ix| run.plan[**ix].policy.always);
    let finish = |outcome, reason| Command::Finish { outcome, reason };
    if let Some(reason) = &run.undo_failed {
        return finish(RunOutcome::Quarantined, reason.clone());
    }
    if run.rolled_back && !run.undoable.is_empty() {
        let steps = ids(&run.undoable);
        return finish(RunOutcome::Quarantined, Reason::NotUndone { steps });
    }
    if !run.needs_word().is_empty() {
        return finish(RunOutcome::Quarantined, Reason::NotIdempotent);
    }
    if let (Some(Stopping::Restart), Some(boot)) = (why, run.stopped_in()) {
        let steps = ids(&run.want_restart);
        let boot = boot.to_owned();
        return finish(
            RunOutcome::Canceled,
            Reason::RestartRequired { steps, boot },
        );
    }
    if !cleanup.is_empty() && (why.is_some() || !work.is_empty()) {
        let steps = ids(&cleanup);
        return finish(RunOutcome::Quarantined, Reason::StepsFailed { steps });
    }
    match &run.stopped {
        Some((_, reason @ Reason::EnginesLost { .. })) => {
            return finish(RunOutcome::Quarantined, reason.clone());
        }
        Some((Stopping::Cancel | Stopping::Kill, reason)) => {
            return finish(RunOutcome::Canceled, reason.clone());
        }
        Some((Stopping::Deadline, reason)) => return finish(RunOutcome::Failed, reason.clone()),
        Some((Stopping::Abort, reason @ Reason::Stuck { .. })) => {
            return finish(RunOutcome::Failed, reason.clone());
        }
        Some((Stopping::Abort | Stopping::Restart, _)) | None => {}
    }
    if failures.is_empty() && why.is_none() {
        let succeeded = run.counts().succeeded;
        if let Some(wanted) = run.plan.min_succeeded.filter(|min| succeeded < *min) {
            let reason = Reason::TooFewSucceeded { succeeded, wanted };
            return finish(RunOutcome::Failed, reason);
        }
        let warnings = run.tolerated_failures().len() as u32;
        return finish(RunOutcome::Succeeded, Reason::AllDone { warnings });
    }
    let steps = ids(&failures);
    finish(RunOutcome::Failed, Reason::StepsFailed { steps })
}

/// The exit code of the program that drove a run to this end.
///
/// 0 succeeded, tolerated failures included unless `strict`; 1 failed; 3
/// quarantined, or waits for somebody to restart the machine; 124 its deadline
/// passed; 130 canceled, 143 where a TERM asked.
pub fn exit_code(outcome: RunOutcome, reason: &Reason, strict: bool) -> i32 {
    match (outcome, reason) {
        (RunOutcome::Succeeded, Reason::AllDone { warnings }) if strict && *warnings > 0 => 1,
        (RunOutcome::Succeeded, _) => 0,
        (RunOutcome::Failed, Reason::Deadline { .. }) => 124,
        (RunOutcome::Failed, _) => 1,
        (RunOutcome::Canceled, Reason::Request { by }) if by == "SIGTERM" => 143,
        (RunOutcome::Canceled, Reason::RestartRequired { .. }) => 3,
        (RunOutcome::Canceled, _) => 130,
        (RunOutcome::Quarantined, _) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::Kind;
    use crate::view::testing::{self, Story, exited};

    /// A41.
    #[test]
    fn a_run_of_which_too_little_succeeded_has_failed() {
        for (wanted, outcome) in [(2, RunOutcome::Succeeded), (3, RunOutcome::Failed)] {
            let mut plan = testing::plan(&["a", "b", "c"]);
            plan.min_succeeded = Some(wanted);
            testing::policy(&mut plan, "c", |policy| policy.critical = false);
            let story = Story::of(plan, |id, _| (exited(i32::from(id == "c")), 1));
            let last = story.events.last().map(|event| &event.kind);
            let Some(Kind::RunFinished {
                outcome: ended,
                reason,
            }) = last
            else {
                panic!("it has ended: {last:?}");
            };
            assert_eq!(*ended, outcome, "{reason}");
            if outcome == RunOutcome::Failed {
                let too_few = Reason::TooFewSucceeded {
                    succeeded: 2,
                    wanted: 3,
                };
                assert_eq!(*reason, too_few);
            }
        }
    }
}
