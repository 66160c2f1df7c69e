//! What becomes of a step whose attempt has failed.

use super::event::{Attempt, Exit, Millis, Outcome, Reason, Role};
use super::schedule::Command;
use super::state::RunState;
use super::{remedy, retry};
use crate::plan::{Policy, Retry, StepIx};

/// So many attempts of a step may be lost and made again, at once and whatever its
/// retries are. More, and it may be the step that brings its nodes down.
pub(super) const MOST_LOST: u32 = 5;

/// How long to wait before an attempt is made again that was lost for the `time`-th
/// time: the first is made at once, since it says nothing of the next.
fn pause(time: u32) -> Millis {
    match time {
        0 | 1 => 0,
        more => 1_000 << (more - 1).min(5),
    }
}

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
        (Exit::Lost { why, started }, _) => {
            let (why, time) = (*why, record.lost + 1);
            return match policy.idempotent || !started {
                true if time > MOST_LOST => {
                    settle(Outcome::Failed, Reason::LostTooOften { why, times: time })
                }
                true => Some(again(failed, now + pause(time), Reason::Lost { why, time })),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Kind, Loss, RunOutcome, RunPhase};
    use crate::view::testing::{self, Story, exited};

    const NODE: Loss = Loss::NodeFailed;

    fn lost(started: bool) -> Exit {
        Exit::Lost { why: NODE, started }
    }

    fn reasons(story: &Story) -> Vec<Reason> {
        let of = |event: &crate::run::Event| match &event.kind {
            Kind::StepRetry { reason, .. } | Kind::StepSettled { reason, .. } => {
                Some(reason.clone())
            }
            _ => None,
        };
        story.events.iter().filter_map(of).collect()
    }

    #[test]
    fn what_was_lost_is_made_again_and_costs_no_retry() {
        let mut plan = testing::plan(&["a"]);
        testing::policy(&mut plan, "a", |policy| policy.retry.count = 1);
        let story = Story::of(plan, |_, attempt| match attempt {
            1 | 3 => (lost(attempt == 3), 5),
            2 => (exited(1), 5),
            _ => (exited(0), 5),
        });
        assert_eq!(
            *story.run.phase(),
            RunPhase::Finished(RunOutcome::Succeeded)
        );
        let retry = Reason::Retry {
            exit: "exit 1".into(),
            attempt: 2,
            of: 2,
        };
        let again = |time| Reason::Lost { why: NODE, time };
        assert_eq!(reasons(&story), [again(1), retry, again(2)]);
    }

    #[test]
    fn a_step_that_is_lost_again_and_again_is_given_up() {
        let story = Story::of(testing::plan(&["a"]), |_, _| (lost(true), 5));
        let (why, times) = (NODE, MOST_LOST + 1);
        let last = reasons(&story).pop();
        assert_eq!(last, Some(Reason::LostTooOften { why, times }));
        assert_eq!(*story.run.phase(), RunPhase::Finished(RunOutcome::Failed));
    }

    #[test]
    fn only_what_never_started_is_made_again_whatever_the_step_says() {
        let story = |started| {
            let mut plan = testing::plan(&["a"]);
            testing::policy(&mut plan, "a", |policy| policy.idempotent = false);
            Story::of(plan, move |_, attempt| match attempt {
                1 => (lost(started), 5),
                _ => (exited(0), 5),
            })
        };
        assert_eq!(reasons(&story(true)), [Reason::NotIdempotent]);
        assert_eq!(
            reasons(&story(false)),
            [Reason::Lost { why: NODE, time: 1 }]
        );
    }
}
