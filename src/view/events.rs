//! Every event of a run as one line for people, nothing left out.
//!
//! ```text
//!     7  12:03:05  step_finished  build  attempt 1 ended: exit 3 after 1.2s
//! ```
//!
//! Programs read the JSON lines instead (`jsonl`), which hold all of it.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::escape::clean;
use super::style::FAINT;
use super::time::clock;
use super::words;
use crate::plan::{Plan, StepIx};
use crate::run::record::Encoded;
use crate::run::{Attempt, Event, Kind, Reason, Replacement, Role};

/// The longest name of an event.
const NAME: usize = 16;

/// Writes an event of a run of `plan`.
///
/// # Errors
/// The stream does not take it.
pub fn line(plan: &Plan, event: &Event, zone: &TimeZone, out: &mut impl Write) -> io::Result<()> {
    let encoded = Encoded::new(event);
    let (time, name) = (clock(event.at, zone), encoded.row().kind);
    write!(
        out,
        "{FAINT}{:>6}  {time}{FAINT:#}  {name:NAME$}",
        event.seq
    )?;
    if let Some(ix) = about(&event.kind) {
        write!(out, "  {}", clean(&plan[ix].id))?;
    }
    match detail(&event.kind, zone) {
        detail if detail.is_empty() => writeln!(out),
        detail => writeln!(out, "  {}", clean(&detail)),
    }
}

/// The step that an event is about.
pub fn about(kind: &Kind) -> Option<StepIx> {
    match kind {
        Kind::StepClaimed { attempt, .. }
        | Kind::StepStarted { attempt, .. }
        | Kind::StepStopping { attempt, .. }
        | Kind::StepTimeout { attempt }
        | Kind::StepFinished { attempt, .. }
        | Kind::StepRetry { attempt, .. }
        | Kind::StepBlocked { attempt, .. }
        | Kind::StepQueued { attempt, .. }
        | Kind::StepUnblocked { attempt } => Some(attempt.step),
        Kind::StepAsked { step, .. }
        | Kind::StepAnswered { step, .. }
        | Kind::StepSettled { step, .. }
        | Kind::StepUndone { step, .. } => Some(*step),
        Kind::RunStarted { .. }
        | Kind::RunResumed { .. }
        | Kind::RunReopened { .. }
        | Kind::RunPaused { .. }
        | Kind::RunContinued
        | Kind::PlanReplaced { .. }
        | Kind::RunStopping { .. }
        | Kind::RollbackStarted { .. }
        | Kind::CleanupStarted
        | Kind::RunFinished { .. } => None,
    }
}

/// Whether an event has to do with a step: it is about it, or the plan that it
/// puts in force has it otherwise than the one before.
pub fn concerns(event: &Event, ix: StepIx, plan: &Plan) -> bool {
    match &event.kind {
        Kind::PlanReplaced { by } => {
            let mut named = by.added.iter().chain(&by.removed).chain(&by.changed);
            named.any(|id| **id == *plan[ix].id)
        }
        kind => about(kind) == Some(ix),
    }
}

/// What an event says, in words.
pub fn detail(kind: &Kind, zone: &TimeZone) -> String {
    match kind {
        Kind::StepClaimed { attempt, reason } => match reason {
            Reason::Ready | Reason::Ahead => {
                format!("{} may start when its turn comes", named(*attempt))
            }
            reason => format!("{} may start: {reason}", named(*attempt)),
        },
        Kind::StepStarted {
            attempt,
            node: None,
        } => format!("{} started", named(*attempt)),
        Kind::StepStarted {
            attempt,
            node: Some(node),
        } => format!("{} started on {node}", named(*attempt)),
        Kind::StepQueued { attempt, why } => format!("{} waited: {why}", named(*attempt)),
        Kind::StepStopping {
            attempt, reason, ..
        } => format!("{} was told to stop: {reason}", named(*attempt)),
        Kind::StepTimeout { attempt } => format!("{} took longer than it may", named(*attempt)),
        Kind::StepFinished { attempt, end } => {
            format!("{} ended: {}", named(*attempt), words::ended(end))
        }
        Kind::StepRetry {
            attempt,
            not_before,
            reason,
        } => {
            format!(
                "{} was planned for {}: {reason}",
                named(*attempt),
                clock(*not_before, zone)
            )
        }
        Kind::StepBlocked { on, holder, .. } => match holder {
            Some(holder) => format!(
                "waited for {on}, held by {holder} since {}",
                clock(holder.since, zone)
            ),
            None => format!("waited for {on}"),
        },
        Kind::StepUnblocked { .. } => "what it waited for became free".into(),
        Kind::StepAsked { question, .. } => format!("a person was asked: {question}"),
        Kind::StepAnswered { yes, by, .. } => {
            format!("the answer was {} ({by})", if *yes { "yes" } else { "no" })
        }
        Kind::StepSettled {
            outcome, reason, ..
        } => format!("it {}: {reason}", outcome.past()),
        Kind::StepUndone {
            undone: true,
            reason,
            ..
        } => format!("it was taken back: {reason}"),
        Kind::StepUndone { reason, .. } => format!("it was not taken back: {reason}"),
        Kind::RunStarted { plan, engine, .. } => {
            format!(
                "plan {}, engine {} on {}",
                short(plan),
                engine.pid,
                engine.host
            )
        }
        Kind::RunResumed { engine } => {
            format!(
                "by engine {} on {}, the run's {}.",
                engine.pid, engine.host, engine.epoch
            )
        }
        Kind::PlanReplaced { by } => replaced(by),
        Kind::RunReopened { reason }
        | Kind::RunPaused { reason }
        | Kind::RunStopping { reason, .. }
        | Kind::RollbackStarted { reason } => reason.to_string(),
        Kind::CleanupStarted | Kind::RunContinued => String::new(),
        Kind::RunFinished { outcome, reason } => {
            format!("{}{}", outcome.word(), words::because(reason))
        }
    }
}

fn replaced(by: &Replacement) -> String {
    let (plan, before) = (short(&by.plan), short(&by.before));
    let mut said = format!("by {}: plan {plan} for {before}", by.file);
    for (what, steps) in [
        ("new", &by.added),
        ("gone", &by.removed),
        ("changed", &by.changed),
    ] {
        if !steps.is_empty() {
            said += &format!("; {what}: {}", steps.join(", "));
        }
    }
    said
}

fn named(attempt: Attempt) -> String {
    match attempt.role {
        Role::Main => format!("attempt {}", attempt.number),
        Role::Remedy => format!("remedy {}", attempt.number),
        Role::Undo => format!("undo {}", attempt.number),
    }
}

/// The beginning of a content id: enough to tell two plans apart.
fn short(plan: &str) -> &str {
    plan.get(..12).unwrap_or(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, Story, exited};

    #[test]
    fn every_event_has_its_line() {
        let mut plan = testing::plan(&["build", "test: build"]);
        testing::policy(&mut plan, "build", |policy| policy.retry.count = 1);
        let story = Story::of(plan, |_, attempt| (exited(i32::from(attempt == 1)), 1_200));
        let shown = testing::written(|out| {
            let mut events = story.events.iter();
            events.try_for_each(|event| line(story.run.plan(), event, &TimeZone::UTC, out))
        });
        assert_eq!(shown.lines().count(), story.events.len());
        insta::assert_snapshot!(shown, @r###"
         1  12:00:00  run_started       plan c0ffee, engine 42 on here
         2  12:00:00  step_claimed      build  attempt 1 may start when its turn comes
         3  12:00:00  step_started      build  attempt 1 started
         4  12:00:00  step_claimed      test  attempt 1 may start when its turn comes
         5  12:00:01  step_finished     build  attempt 1 ended: exit 1 after 1.2s
         6  12:00:01  step_retry        build  attempt 2 was planned for 12:00:01: exit 1; attempt 2 of 2 follows
         7  12:00:01  step_claimed      build  attempt 2 may start when its turn comes
         8  12:00:01  step_started      build  attempt 2 started
         9  12:00:02  step_finished     build  attempt 2 ended: exit 0 after 1.2s
        10  12:00:02  step_started      test  attempt 1 started
        11  12:00:03  step_finished     test  attempt 1 ended: exit 1 after 1.2s
        12  12:00:03  step_settled      test  it failed: exit 1
        13  12:00:03  run_stopping      test failed, and it is critical
        14  12:00:03  run_finished      failed because of test
        "###);
    }
}
