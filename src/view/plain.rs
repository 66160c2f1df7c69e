//! A line for each event that matters, for logs and for terminals that cannot draw.
//!
//! ```text
//! 12:03:04  build        started
//! 12:03:05  build        failed (exit 3) after 1.2s, attempt 1 of 3, retry in 5s
//! ```
//!
//! A failed attempt gets its line when it is decided what becomes of it, so
//! that one line says both. Each event costs one write at most, whatever the
//! size of the plan.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::Style;
use jiff::tz::TimeZone;

use super::escape::clean;
use super::style::{self, FAINT};
use super::time::{clock, took};
use super::words;
use crate::plan::{Action, Plan, StepIx};
use crate::run::{Attempt, Event, Exit, Finish, Kind, Outcome, Reason, Role, RunState};

/// Names longer than this are not lined up.
const WIDEST: usize = 32;

/// The view: where it writes, and how.
pub struct Plain<W> {
    out: W,
    lines: Lines,
    buffer: String,
}

impl<W: Write> Plain<W> {
    /// A view of a run of `plan`, with times as in `zone`.
    pub fn new(out: W, plan: &Plan, zone: TimeZone) -> Self {
        Plain {
            out,
            lines: Lines::new(plan, zone),
            buffer: String::new(),
        }
    }

    /// Shows an event, given the state after it.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn event(&mut self, run: &RunState, event: &Event) -> io::Result<()> {
        self.buffer.clear();
        self.lines.push(run, event, &mut self.buffer);
        match self.buffer.is_empty() {
            true => Ok(()),
            false => self.out.write_all(self.buffer.as_bytes()),
        }
    }

    /// The stream, for whoever has more to say on it.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// The lines by themselves, for views that put them somewhere.
pub struct Lines {
    zone: TimeZone,
    /// Of the column that says which step it is.
    width: usize,
}

impl Lines {
    pub fn new(plan: &Plan, zone: TimeZone) -> Self {
        let widths = plan.steps.iter().map(|step| step.id.chars().count());
        Lines {
            zone,
            width: widths.max().unwrap_or(0).clamp(3, WIDEST),
        }
    }

    /// Appends the event's line, its newline included, if it has one.
    pub fn push(&self, run: &RunState, event: &Event, lines: &mut String) {
        let Some(told) = tell(run, event) else {
            return;
        };
        let time = clock(event.at, &self.zone);
        let who = told.step.map_or("run", |ix| &run.plan()[ix].id);
        let (width, style) = (self.width, told.style);
        // Writing to a string cannot fail.
        let _ = writeln!(
            lines,
            "{FAINT}{time}{FAINT:#}  {:<width$}  {style}{}{style:#}{}",
            clean(who),
            told.verb,
            clean(&told.rest),
        );
    }
}

/// What there is to say of an event.
pub(super) struct Told {
    /// The step it is about; else it is about the run.
    pub step: Option<StepIx>,
    pub style: Style,
    pub verb: &'static str,
    /// What follows the verb, with the space or comma before it.
    pub rest: String,
}

/// What there is to say of the event, given the state after it.
pub(super) fn tell(run: &RunState, event: &Event) -> Option<Told> {
    let told = |step, style, verb, rest| {
        Some(Told {
            step,
            style,
            verb,
            rest,
        })
    };
    match &event.kind {
        Kind::RunStarted { .. } => told(None, style::BUSY, "started", begun(run)),
        Kind::RunResumed { .. } => told(None, style::BUSY, "resumed", String::new()),
        Kind::RunReopened { reason } => told(None, style::BUSY, "goes on", format!(": {reason}")),
        Kind::RunPaused { reason } => told(None, style::BAD, "starts nothing new", paused(reason)),
        Kind::RunContinued => told(
            None,
            style::BUSY,
            "goes on",
            ": it can be recorded again".into(),
        ),
        Kind::PlanReplaced { by } => {
            let rest = format!(" by the plan that {} now holds", by.file);
            told(None, style::BUSY, "goes on", rest)
        }
        Kind::StepStarted { attempt, .. } => started(run, *attempt),
        Kind::StepStopping {
            attempt, reason, ..
        } => told(
            Some(attempt.step),
            style::ODD,
            "is being stopped",
            format!(": {reason}"),
        ),
        Kind::StepFinished { attempt, end } => finished(run, *attempt, end),
        Kind::StepRetry {
            attempt,
            not_before,
            reason,
        } => {
            let wait = not_before.saturating_sub(event.at);
            retried(run, *attempt, wait, reason)
        }
        Kind::StepBlocked {
            attempt,
            on,
            holder,
        } => {
            let by = holder.as_ref().map(|holder| format!(", held by {holder}"));
            told(
                Some(attempt.step),
                style::ODD,
                "waits for ",
                on.clone() + &by.unwrap_or_default(),
            )
        }
        Kind::StepUnblocked { attempt } => told(
            Some(attempt.step),
            Style::new(),
            "waits no longer",
            String::new(),
        ),
        Kind::StepAsked { step, question } => {
            told(Some(*step), style::ODD, "asks", format!(": {question}"))
        }
        Kind::StepAnswered { step, yes, by } => {
            let verb = if *yes { "may run" } else { "may not run" };
            told(Some(*step), Style::new(), verb, format!(" ({by})"))
        }
        Kind::StepSettled {
            step,
            outcome,
            reason,
        } => settled(run, *step, *outcome, reason),
        Kind::RunStopping { reason, .. } => told(None, style::ODD, "stops", format!(": {reason}")),
        Kind::RollbackStarted { .. } => told(
            None,
            style::ODD,
            "takes completed steps back",
            String::new(),
        ),
        Kind::StepUndone {
            step, undone: true, ..
        } => told(Some(*step), style::ODD, "was taken back", String::new()),
        Kind::StepUndone { step, reason, .. } => told(
            Some(*step),
            style::BAD,
            "was not taken back",
            format!(": {reason}"),
        ),
        Kind::RunFinished { outcome, reason } => {
            let took = took(event.at.saturating_sub(run.started_at()));
            let style = style::of_state(outcome.word());
            told(
                None,
                style,
                outcome.word(),
                format!(" after {took}{}", words::because(reason)),
            )
        }
        Kind::CleanupStarted => told(
            None,
            Style::new(),
            "runs the steps that always run",
            String::new(),
        ),
        Kind::StepClaimed { .. } | Kind::StepQueued { .. } | Kind::StepTimeout { .. } => None,
    }
}

fn begun(run: &RunState) -> String {
    let plan = run.plan();
    let steps = words::counted(run.counts().total as usize, "step");
    let elsewhere = plan.slurm_jobs.filter(|_| plan.asks_slurm());
    let elsewhere = elsewhere.map(|jobs| format!(", and {jobs} with Slurm"));
    format!(
        ": {}, {steps}, at most {} at once{}",
        plan.name,
        plan.max_concurrency,
        elsewhere.unwrap_or_default()
    )
}

/// Whoever reads this wonders what to do: nothing but make room.
fn paused(reason: &Reason) -> String {
    format!(": {reason}; it goes on by itself when that is over")
}

fn started(run: &RunState, attempt: Attempt) -> Option<Told> {
    if attempt.role == Role::Remedy {
        return Some(Told {
            step: Some(attempt.step),
            style: style::BUSY,
            verb: "is being remedied",
            rest: String::new(),
        });
    }
    let record = run.step(attempt.step);
    let rest = match (attempt.role, attempt.number) {
        (Role::Undo, _) => " to be taken back".to_owned(),
        (_, 1) => String::new(),
        (_, n) if n == record.forgiven + 1 && record.remedies() > 0 => {
            " again after its remedy".to_owned()
        }
        (_, n) => format!(", {}", attempt_of(run, attempt.step, n)),
    };
    Some(Told {
        step: Some(attempt.step),
        style: style::BUSY,
        verb: "started",
        rest,
    })
}

/// Only a step's good end is told at once; what a bad one means is decided next.
fn finished(run: &RunState, attempt: Attempt, end: &Finish) -> Option<Told> {
    use crate::plan::Verdict;
    if end.verdict == Verdict::Failure || attempt.role != Role::Main {
        return None;
    }
    let remedied = run.step(attempt.step).was_remedied();
    let remedied = remedied.then(|| "remedied".to_owned());
    let remarks = remedied.into_iter().chain(words::remark(end));
    let remark = remarks
        .map(|remark| format!(", {remark}"))
        .reduce(|a, b| a + &b);
    let took = took(words::ran_ms(end));
    Some(Told {
        step: Some(attempt.step),
        style: if remark.is_some() {
            style::ODD
        } else {
            style::GOOD
        },
        verb: "succeeded",
        rest: format!(" after {took}{}", remark.unwrap_or_default()),
    })
}

/// `again` is the attempt that will follow.
fn retried(run: &RunState, again: Attempt, wait: u64, reason: &Reason) -> Option<Told> {
    let step = Some(again.step);
    let when = match wait {
        0 => "retry at once".to_owned(),
        wait => format!("retry in {}", took(wait).to_string().replace(".0s", "s")),
    };
    // Its start will tell.
    if *reason == Reason::Remedied {
        return None;
    }
    if again.role == Role::Undo {
        return Some(Told {
            step,
            style: style::BAD,
            verb: "was not taken back",
            rest: format!(": {reason}, {when}"),
        });
    }
    let last = run.step(again.step).last.end();
    let rest = match (reason, last.as_deref()) {
        (Reason::Remedy { time, of, .. }, Some(end)) => {
            let time = match of {
                1 => String::new(),
                of => format!(", time {time} of {of}"),
            };
            let when = when.replace("retry", "remedy");
            format!("{}, {when}{time}", how(end))
        }
        (Reason::Lost { why, time: 1 }, _) => format!(": {why}; it is made again"),
        (Reason::Interrupted | Reason::Lost { .. }, _) | (_, None) => format!(": {reason}"),
        (_, Some(end)) => {
            let made = attempt_of(run, again.step, again.number - 1);
            format!("{}, {made}, {when}", how(end))
        }
    };
    Some(Told {
        step,
        style: style::ODD,
        verb: match reason {
            Reason::Interrupted => "was interrupted",
            Reason::Lost { .. } => "was lost",
            _ => "failed",
        },
        rest,
    })
}

/// ` (exit 3) after 1.2s`
fn how(end: &Finish) -> String {
    match end.exit {
        Exit::Exited { .. } | Exit::Signaled { .. } => {
            format!(" ({}) after {}", words::exit(end), took(words::ran_ms(end)))
        }
        _ => format!(" ({})", words::ended(end)),
    }
}

/// `attempt 2 of 3`; attempts that do not count are left out.
fn attempt_of(run: &RunState, ix: StepIx, n: u32) -> String {
    let forgiven = run.step(ix).forgiven.min(n.saturating_sub(1));
    let of = run.plan()[ix].policy.retry.count + 1;
    format!("attempt {} of {}", n - forgiven, of)
}

fn settled(run: &RunState, ix: StepIx, outcome: Outcome, reason: &Reason) -> Option<Told> {
    let record = run.step(ix);
    if let Reason::Fresh(fresh) = reason {
        return Some(Told {
            step: Some(ix),
            style: style::GOOD,
            verb: "is fresh",
            rest: format!(": {fresh}"),
        });
    }
    let verb = match outcome {
        // A meeting point: nobody waits to hear that nothing was done, and of what
        // kept it from coming about those who failed have told.
        Outcome::Failed => "failed",
        _ if run.plan()[ix].action == Action::Group => return None,
        Outcome::Succeeded => "succeeded",
        Outcome::Skipped => "skipped",
        Outcome::Canceled => "canceled",
    };
    let rest = match (reason, record.last.end().as_deref()) {
        (Reason::Exhausted { attempts, .. }, Some(end)) => match attempts {
            1 => how(end),
            n => format!("{}, after {n} attempts", how(end)),
        },
        _ => format!(": {}", words::past_meetings(run, reason)),
    };
    let style = match outcome {
        Outcome::Failed if !run.counts_as_failure(ix) => style::ODD,
        _ => style::of_state(outcome.word()),
    };
    Some(Told {
        step: Some(ix),
        style,
        verb,
        rest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, Story, exited, timed_out};
    use std::time::Duration;

    fn told(story: &Story) -> String {
        testing::written(|out| {
            let mut plain = Plain::new(out, story.run.plan(), TimeZone::UTC);
            let mut result = Ok(());
            story.tell(|run, event| {
                let shown = plain.event(run, event);
                result = std::mem::replace(&mut result, Ok(())).and(shown);
            });
            result
        })
    }

    /// E10: and a step that did not simply fail says what was done about it.
    #[test]
    fn e10_a_remedy_is_told_with_what_came_of_it() {
        let mut plan = testing::plan(&["venv", "lock"]);
        testing::remedy(&mut plan, "venv", 1);
        testing::remedy(&mut plan, "lock", 2);
        let story = Story::of(plan, |id, attempt| match (id, attempt) {
            ("lock", _) | ("venv", 1) => (exited(1), 400),
            _ => (exited(0), 200),
        });
        insta::assert_snapshot!(told(&story), @r#"
        12:00:00  run   started: A test, 2 steps, at most 2 at once
        12:00:00  venv  started
        12:00:00  lock  started
        12:00:00  venv  failed (exit 1) after 400ms, remedy at once
        12:00:00  venv  is being remedied
        12:00:00  lock  failed (exit 1) after 400ms, remedy at once, time 1 of 2
        12:00:00  lock  is being remedied
        12:00:00  venv  started again after its remedy
        12:00:00  lock  started again after its remedy
        12:00:00  venv  succeeded after 200ms, remedied
        12:00:00  lock  failed (exit 1) after 400ms, remedy at once, time 2 of 2
        12:00:00  lock  is being remedied
        12:00:01  lock  started again after its remedy
        12:00:01  lock  failed: exit 1; its remedy ran 2 times and did not help
        12:00:01  run   stops: lock failed, and it is critical
        12:00:01  run   failed after 1.4s because of lock
        "#);
    }

    /// P9.
    #[test]
    fn p9_a_failed_attempt_is_one_line_that_says_what_becomes_of_it() {
        let mut plan = testing::plan(&["build", "test: build", "ship: test", "docs"]);
        testing::policy(&mut plan, "build", |policy| {
            policy.retry.count = 2;
            policy.retry.delay = Duration::from_secs(5);
        });
        let story = Story::of(plan, |id, attempt| match (id, attempt) {
            ("build", 1) => (exited(3), 1_200),
            ("test", _) => (timed_out(3_000), 3_000),
            _ => (exited(0), 400),
        });
        insta::assert_snapshot!(told(&story), @r#"
        12:00:00  run    started: A test, 4 steps, at most 2 at once
        12:00:00  build  started
        12:00:00  docs   started
        12:00:00  docs   succeeded after 400ms
        12:00:01  build  failed (exit 3) after 1.2s, attempt 1 of 3, retry in 5s
        12:00:06  build  started, attempt 2 of 3
        12:00:06  build  succeeded after 400ms
        12:00:06  test   started
        12:00:09  test   failed (Timeout after 3s)
        12:00:09  run    stops: test failed, and it is critical
        12:00:09  ship   canceled: the run was aborted
        12:00:09  run    failed after 9.6s because of test
        "#);
    }

    #[test]
    fn hostile_names_and_messages_are_written_out() {
        let mut plan = testing::plan(&["a"]);
        plan.steps[0].id = "a\u{1b}[2J".into();
        let mut story = Story::begin(plan);
        story.happens(Kind::StepAsked {
            step: StepIx::new(0),
            question: "sure?\u{7}\n12:00:00  a  succeeded".into(),
        });
        insta::assert_snapshot!(told(&story), @r#"
        12:00:00  run    started: A test, 1 step, at most 2 at once
        12:00:00  a\u{1b}[2J  asks: sure?\u{7}\n12:00:00  a  succeeded
        "#);
    }

    #[test]
    fn canceled_and_skipped_steps_say_why() {
        let mut plan = testing::plan(&["a", "b: a", "c"]);
        testing::policy(&mut plan, "a", |policy| {
            policy.on_failure = crate::plan::OnFailure::SkipDependents;
        });
        let story = Story::of(plan, |id, _| match id {
            "a" => (exited(1), 100),
            _ => (exited(0), 200),
        });
        insta::assert_snapshot!(told(&story), @r#"
        12:00:00  run  started: A test, 3 steps, at most 2 at once
        12:00:00  a    started
        12:00:00  c    started
        12:00:00  a    failed (exit 1) after 100ms
        12:00:00  b    skipped: it depends on a, which failed
        12:00:00  c    succeeded after 200ms
        12:00:00  run  failed after 200ms because of a
        "#);
    }
}
