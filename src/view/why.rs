//! Why a step ran, was skipped, waits, failed, was tried again or canceled.
//!
//! Every reason was stored when it was decided; this only finds the ones that
//! matter for a step and puts them in order: the answer first, then what
//! happened to the step and when, then what it needs and what depends on it.
//! A terminal, a page and a program are told the same [`Answer`].

use std::collections::BTreeSet;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::escape::clean;
use super::events::{concerns, detail};
use super::style::{self, FAINT};
use super::time::{clock, so_far};
use super::words;
use crate::plan::{OnFailure, Plan, StepIx};
use crate::run::record::rfc3339;
use crate::run::{
    Event, Holder, Kind, Millis, Outcome, Reason, Role, RunPhase, RunState, Seq, StepState,
};

/// The step in question, and all that is known.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub run_id: &'a str,
    pub run: &'a RunState,
    pub events: &'a [Event],
    pub step: StepIx,
    pub now: Millis,
    /// The run has not ended, and no engine drives it any more.
    pub interrupted: bool,
}

/// The answer, for whoever shows it: a terminal, a page, a program.
pub struct Answer<'a> {
    /// In order of importance; the first follows the step's name.
    pub sentences: Vec<String>,
    /// What happened to the step.
    pub history: Vec<&'a Event>,
    /// Steps that it has to do with, by what they are to it. None is empty.
    pub neighbours: Vec<(&'static str, &'a [StepIx])>,
}

/// Answers.
pub fn answer<'a>(question: Question<'a>, zone: &TimeZone) -> Answer<'a> {
    let Question { run, step: ix, .. } = question;
    let step = &run.plan()[ix];
    let mine = |event: &&Event| concerns(event, ix, run.plan());
    let principal = step.fallback_of.as_ref();
    let neighbours = [
        ("it needs", &step.needs[..]),
        ("it comes after", &step.after[..]),
        (
            "it stands in for",
            principal.map_or(&[][..], std::slice::from_ref),
        ),
        ("what waits for it", run.graph().dependents(ix)),
    ];
    Answer {
        sentences: sentences(question, zone),
        history: question.events.iter().filter(mine).collect(),
        neighbours: neighbours
            .into_iter()
            .filter(|(_, steps)| !steps.is_empty())
            .collect(),
    }
}

/// The answer for programs. Steps are named by their ids.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhyTold<'a> {
    step_id: &'a str,
    /// `pending`, `running`, or how it was settled.
    state: &'static str,
    /// In order of importance; the first follows the step's name.
    sentences: Vec<String>,
    /// What happened to the step.
    history: Vec<HappenedTold>,
    /// Steps that it has to do with, by what they are to it.
    neighbours: Vec<NeighboursTold<'a>>,
}

/// An event in words.
#[derive(Debug, Serialize, ToSchema)]
pub struct HappenedTold {
    /// Its number.
    #[schema(value_type = u64)]
    seq: Seq,
    /// RFC 3339.
    at: String,
    what: String,
}

/// Steps of which the same is to be said.
#[derive(Debug, Serialize, ToSchema)]
pub struct NeighboursTold<'a> {
    /// Such as `it needs`.
    what: &'static str,
    /// How many there are; not all may be named.
    total: usize,
    steps: Vec<NeighbourTold<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NeighbourTold<'a> {
    step_id: &'a str,
    state: &'static str,
}

/// The answer for programs.
pub fn told<'a>(question: Question<'a>, zone: &TimeZone) -> WhyTold<'a> {
    let Question { run, step: ix, .. } = question;
    let answer = answer(question, zone);
    let neighbour = |ix: &StepIx| NeighbourTold {
        step_id: &run.plan()[*ix].id,
        state: run.step(*ix).word(),
    };
    let neighbours = answer
        .neighbours
        .iter()
        .map(|(what, steps)| NeighboursTold {
            what,
            total: steps.len(),
            steps: steps.iter().take(MOST_NEIGHBOURS).map(neighbour).collect(),
        });
    let history = answer.history.iter().map(|event| HappenedTold {
        seq: event.seq,
        at: rfc3339(event.at).to_string(),
        what: detail(&event.kind, zone),
    });
    WhyTold {
        step_id: &run.plan()[ix].id,
        state: run.step(ix).word(),
        neighbours: neighbours.collect(),
        history: history.collect(),
        sentences: answer.sentences,
    }
}

/// Writes the answer.
///
/// # Errors
/// The stream does not take it.
pub fn write(question: Question<'_>, zone: &TimeZone, out: &mut impl Write) -> io::Result<()> {
    let Question { run, step: ix, .. } = question;
    let answer = answer(question, zone);
    let style = style::of_state(run.step(ix).word());
    let id = clean(&run.plan()[ix].id);
    for (n, sentence) in answer.sentences.iter().enumerate() {
        match n {
            0 => writeln!(out, "{style}{id}{style:#} {}", clean(sentence))?,
            _ => writeln!(out, "  {}", clean(sentence))?,
        }
    }
    history(&answer.history, zone, out)?;
    for (title, steps) in &answer.neighbours {
        neighbours(run, title, steps, out)?;
    }
    if words::attempts_made(run.step(ix)) > 0 {
        writeln!(
            out,
            "\nits output: quintet logs {} {id}",
            clean(question.run_id)
        )?;
    }
    Ok(())
}

/// The answer in sentences, the first of which follows the step's name.
fn sentences(question: Question<'_>, zone: &TimeZone) -> Vec<String> {
    let Question {
        run, step: ix, now, ..
    } = question;
    let record = run.step(ix);
    let last = record.last.end();
    let last = last.as_deref();
    match &record.state {
        StepState::Absent => vec![format!(
            "takes no part in this run: {}",
            words::absent(run.plan(), ix)
        )],
        StepState::Pending => waits(question),
        StepState::Asked {
            role: Role::Remedy, ..
        } => {
            vec!["failed, and waits for a person to say whether its remedy may run".into()]
        }
        StepState::Asked { .. } => vec!["waits for a person to say whether it may run".into()],
        StepState::Claimed { .. } => match words::waits_for(run, ix).is_empty() {
            true => vec![queued(question)],
            false => waits(question),
        },
        StepState::Blocked { by, .. } => vec![blocked(&by.on, by.holder.as_ref(), now, zone)],
        StepState::Running {
            role,
            attempt,
            since,
        } => {
            let what = match role {
                Role::Remedy => "failed, and its remedy has",
                _ => "has",
            };
            let since_when = format!(
                "{what} been running for {}, since {}",
                so_far(now.saturating_sub(*since)),
                clock(*since, zone)
            );
            match attempt {
                1 => vec![since_when],
                n => vec![format!("{since_when}; this is attempt {n}")],
            }
        }
        StepState::Failing { .. } => vec![format!(
            "has just failed: {}",
            last.map_or_else(String::new, words::ended)
        )],
        StepState::Backoff {
            role,
            attempt,
            not_before,
        } => vec![
            format!(
                "waits until {} for {}, {} from now",
                clock(*not_before, zone),
                match role {
                    Role::Remedy => "its remedy".to_owned(),
                    _ => format!("attempt {attempt}"),
                },
                so_far(not_before.saturating_sub(now) + 999)
            ),
            format!(
                "the attempt before it ended with {}",
                last.map_or_else(String::new, words::ended)
            ),
        ],
        StepState::Settled { outcome, reason } => {
            let mut sentences = settled(question, *outcome, reason.as_deref());
            sentences.extend(
                last.into_iter()
                    .flat_map(|end| words::left_out(&end.output)),
            );
            sentences
        }
    }
}

/// What it waits for that it needs nothing more for: perhaps whoever is to run it
/// has said so.
fn queued(question: Question<'_>) -> String {
    let said = question
        .events
        .iter()
        .rev()
        .find_map(|event| match &event.kind {
            Kind::StepQueued { attempt, why } if attempt.step == question.step => Some(Some(why)),
            Kind::StepClaimed { attempt, .. } if attempt.step == question.step => Some(None),
            _ => None,
        });
    match said.flatten() {
        Some(why) => format!("is queued: {why}"),
        None => "is about to start: everything it needs is satisfied".into(),
    }
}

fn blocked(on: &str, holder: Option<&Holder>, now: Millis, zone: &TimeZone) -> String {
    match holder {
        None => format!("waits for {on}, which another run holds or asked for first"),
        Some(holder) => format!(
            "waits for {on}, which {holder} has held for {}, since {}",
            so_far(now.saturating_sub(holder.since)),
            clock(holder.since, zone)
        ),
    }
}

/// Why a step that nothing has been decided about does not run yet.
fn waits(question: Question<'_>) -> Vec<String> {
    let Question {
        run, step: ix, now, ..
    } = question;
    let mut sentences = Vec::new();
    let waits = words::waits_for(run, ix);
    if waits.is_empty() {
        let most = run.plan().max_concurrency;
        let running: Vec<StepIx> = run.running().collect();
        sentences.push(match running.is_empty() {
            true => "waits for its turn".to_owned(),
            false => format!(
                "waits for its turn: at most {most} run at once, and now {}",
                words::Ids(run.plan(), &running)
            ),
        });
    } else {
        sentences.push(format!("waits for {}", words::Ids(run.plan(), &waits)));
        for need in waits.iter().take(5) {
            let note = words::note(run, *need, now);
            let dash = if note.is_empty() { "" } else { ": " };
            sentences.push(format!(
                "{} is {}{dash}{note}",
                run.plan()[*need].id,
                run.step(*need).word()
            ));
        }
    }
    if question.interrupted {
        sentences.push(format!(
            "the run's engine is gone; quintet resume {}",
            question.run_id
        ));
    } else if matches!(run.phase(), RunPhase::Stopping(_)) {
        sentences.push("the run is stopping; it will be canceled".to_owned());
    }
    sentences
}

fn settled(question: Question<'_>, outcome: Outcome, reason: Option<&Reason>) -> Vec<String> {
    let Question { run, step: ix, .. } = question;
    let policy = &run.plan()[ix].policy;
    let last = run.step(ix).last.end();
    let last = last.as_deref();
    match (outcome, reason, last) {
        (Outcome::Succeeded, None, Some(end)) => {
            let mut sentences = vec![format!("succeeded with {}", words::ended(end))];
            sentences.push(ran_because(question));
            if run.step(ix).was_remedied() {
                sentences.push("it failed at first, and its remedy helped".into());
            }
            sentences.extend(words::remark(end));
            sentences
        }
        (Outcome::Succeeded, Some(Reason::Ready), _) => {
            vec!["is a meeting point, and all it waited for is done".into()]
        }
        (Outcome::Failed, Some(Reason::Exhausted { attempts, .. }), Some(end)) => {
            let mut sentences = vec![format!("failed with {}", words::ended(end))];
            sentences.push(ran_because(question));
            sentences.push(match (attempts, policy.retry.count) {
                (_, 0) => "it is not to be tried again (no retries)".to_owned(),
                (made, _) => format!("all {made} attempts that it has are used up"),
            });
            sentences.push(consequence(run, ix));
            sentences
        }
        (Outcome::Succeeded, Some(Reason::Fresh(fresh)), _) => {
            vec![format!("is fresh, and did not run: {fresh}")]
        }
        (Outcome::Failed, Some(reason), _) => {
            vec![format!("failed: {reason}"), consequence(run, ix)]
        }
        (_, Some(reason), _) => {
            let mut sentences = vec![format!("{}: {reason}", outcome.past())];
            sentences.extend(chain(run, reason));
            sentences
        }
        (_, None, _) => vec![outcome.past().to_owned()],
    }
}

/// What let the step run.
fn ran_because(question: Question<'_>) -> String {
    let Question {
        run,
        step: ix,
        events,
        ..
    } = question;
    let plan = run.plan();
    let step = &plan[ix];
    let mut because = match (
        step.fallback_of,
        step.needs.is_empty() && step.after.is_empty(),
    ) {
        (Some(principal), _) => format!("it ran because {} failed", plan[principal].id),
        (None, _) if step.policy.always => "it ran because it always runs".to_owned(),
        (None, true) => "it ran because it needs nothing".to_owned(),
        (None, false) => "it ran because everything it needs was satisfied".to_owned(),
    };
    if let Some(when) = &step.when {
        because.push_str(&format!(", and its condition held: {}", when.text()));
    }
    let stale = events.iter().rev().find_map(|event| match &event.kind {
        Kind::StepClaimed {
            attempt,
            reason: Reason::Stale(stale),
        } if attempt.step == ix => Some(stale),
        _ => None,
    });
    if let Some(stale) = stale {
        because.push_str(&format!(", and was not fresh: {stale}"));
    }
    because
}

/// What the step's failure means for the rest.
fn consequence(run: &RunState, ix: StepIx) -> String {
    let policy = &run.plan()[ix].policy;
    match policy.on_failure {
        _ if run.needs_word().contains(&ix) => "a person must say what becomes of it".into(),
        OnFailure::Continue => {
            "the rest goes on as if it had succeeded (on_failure: continue)".into()
        }
        OnFailure::Abort if policy.critical => {
            "it is critical, so nothing new starts (on_failure: abort)".into()
        }
        _ if policy.critical => "what depends on it is skipped, the rest goes on".into(),
        _ => "it is not critical: what depends on it is skipped, the rest goes on".into(),
    }
}

/// From a skipped step back to the failure that began it.
fn chain(run: &RunState, reason: &Reason) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut seen = BTreeSet::new();
    let mut reason = reason;
    while let Reason::Dependency { step, .. } | Reason::CriticalFailure { step } = reason
        && let Some(ix) = run.find(step)
        && seen.insert(ix)
        && let StepState::Settled {
            outcome,
            reason: Some(why),
        } = &run.step(ix).state
    {
        sentences.push(format!("{step} {}: {why}", outcome.past()));
        reason = why;
    }
    if let (Reason::Stopping(_), Some((_, why))) = (reason, run.stopped()) {
        sentences.push(format!("the run stopped: {why}"));
        if let Reason::CriticalFailure { .. } = why {
            sentences.extend(chain(run, why));
        }
    }
    sentences
}

/// The step's own events, a line each.
fn history(events: &[&Event], zone: &TimeZone, out: &mut impl Write) -> io::Result<()> {
    if !events.is_empty() {
        writeln!(out)?;
    }
    for event in events {
        let time = clock(event.at, zone);
        let detail = detail(&event.kind, zone);
        writeln!(out, "  {FAINT}{time}{FAINT:#}  {}", clean(&detail))?;
    }
    Ok(())
}

/// So many neighbours are told in full.
pub const MOST_NEIGHBOURS: usize = 20;

fn neighbours(
    run: &RunState,
    title: &str,
    steps: &[StepIx],
    out: &mut impl Write,
) -> io::Result<()> {
    let plan: &Plan = run.plan();
    writeln!(out, "\n{title}")?;
    for ix in steps.iter().take(MOST_NEIGHBOURS) {
        let word = run.step(*ix).word();
        let style = style::of_state(word);
        writeln!(out, "  {}  {style}{word}{style:#}", clean(&plan[*ix].id))?;
    }
    match steps.len().saturating_sub(MOST_NEIGHBOURS) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Attempt, Kind, Role};
    use crate::view::testing::{self, NOON, RUN, Story, exited};
    use std::time::Duration;

    fn why(story: &Story, id: &str) -> String {
        let question = Question {
            run_id: RUN,
            run: &story.run,
            events: &story.events,
            step: story.ix(id),
            now: story.now,
            interrupted: false,
        };
        testing::written(|out| write(question, &TimeZone::UTC, out))
    }

    fn chained() -> Story {
        let mut plan = testing::plan(&["build", "test: build", "ship: test", "docs"]);
        testing::policy(&mut plan, "build", |policy| {
            policy.retry.count = 1;
            policy.retry.delay = Duration::from_secs(5);
            policy.on_failure = OnFailure::SkipDependents;
        });
        Story::of(plan, |id, _| {
            (exited(if id == "build" { 3 } else { 0 }), 1_200)
        })
    }

    #[test]
    fn a_failure_is_told_with_its_attempts_and_what_depends_on_it() {
        insta::assert_snapshot!(why(&chained(), "build"), @r#"
        build failed with exit 3 after 1.2s
          it ran because it needs nothing
          all 2 attempts that it has are used up
          what depends on it is skipped, the rest goes on

          12:00:00  attempt 1 may start when its turn comes
          12:00:00  attempt 1 started
          12:00:01  attempt 1 ended: exit 3 after 1.2s
          12:00:01  attempt 2 was planned for 12:00:06: exit 3; attempt 2 of 2 follows
          12:00:06  attempt 2 may start when its turn comes
          12:00:06  attempt 2 started
          12:00:07  attempt 2 ended: exit 3 after 1.2s
          12:00:07  it failed: exit 3, after 2 attempts

        what waits for it
          test  skipped

        its output: quintet logs 20261120-120000-test build
        "#);
    }

    #[test]
    fn a_skip_is_followed_back_to_the_failure_that_began_it() {
        insta::assert_snapshot!(why(&chained(), "ship"), @r#"
        ship was skipped: it depends on test, which was skipped
          test was skipped: it depends on build, which failed
          build failed: exit 3, after 2 attempts

          12:00:00  attempt 1 may start when its turn comes
          12:00:07  it was skipped: it depends on test, which was skipped

        it needs
          test  skipped
        "#);
    }

    #[test]
    fn a_success_says_what_let_it_run() {
        insta::assert_snapshot!(why(&chained(), "docs"), @r#"
        docs succeeded with exit 0 after 1.2s
          it ran because it needs nothing

          12:00:00  attempt 1 may start when its turn comes
          12:00:00  attempt 1 started
          12:00:01  attempt 1 ended: exit 0 after 1.2s

        its output: quintet logs 20261120-120000-test docs
        "#);
    }

    #[test]
    fn a_waiting_step_says_for_what() {
        let plan = testing::plan(&["a", "b: a", "c: b"]);
        let mut story = Story::until(
            plan,
            |_, _| (exited(0), 9_000),
            |event| matches!(event.kind, Kind::StepStarted { .. }),
        );
        story.now += 3_000;
        insta::assert_snapshot!(why(&story, "c"), @r#"
        c waits for b
          b is pending: waits for a

        it needs
          b  pending
        "#);
    }

    #[test]
    fn a_held_lock_is_told_with_its_holder() {
        let mut story = Story::until(
            testing::plan(&["a"]),
            |_, _| (exited(0), 1),
            |event| matches!(event.kind, Kind::StepClaimed { .. }),
        );
        story.now += 65_000;
        story.happens(Kind::StepBlocked {
            attempt: Attempt {
                step: StepIx::new(0),
                number: 1,
                role: Role::Main,
            },
            on: "lock main".into(),
            holder: Some(Holder {
                run: "20261120-115000-abcd".into(),
                step: "merge".into(),
                pid: 7,
                since: NOON - 60_000,
            }),
        });
        insta::assert_snapshot!(why(&story, "a"), @r#"
        a waits for lock main, which step merge of run 20261120-115000-abcd (pid 7) has held for 2m05s, since 11:59:00

          12:00:00  attempt 1 may start when its turn comes
          12:01:05  waited for lock main, held by step merge of run 20261120-115000-abcd (pid 7) since 11:59:00
        "#);
    }

    #[test]
    fn a_canceled_step_names_the_failure_that_stopped_the_run() {
        let plan = testing::plan(&["a", "b", "c: b"]);
        let story = Story::of(plan, |id, _| match id {
            "a" => (exited(1), 100),
            _ => (exited(0), 500),
        });
        insta::assert_snapshot!(why(&story, "c"), @r#"
        c was canceled: the run was aborted
          the run stopped: a failed, and it is critical
          a failed: exit 1

          12:00:00  attempt 1 may start when its turn comes
          12:00:00  it was canceled: the run was aborted

        it needs
          b  succeeded
        "#);
    }
}
