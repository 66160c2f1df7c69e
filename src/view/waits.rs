//! When each step waited, and for what: what a bar chart shows between its bars.
//!
//! A fold over events, like the [`timeline`](super::timeline) of attempts.

use std::collections::BTreeMap;

use crate::plan::{StepIx, graph};
use crate::run::{Event, Kind, Millis, RunState, StepState};

/// A time in which a step waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    pub step: StepIx,
    pub on: On,
    pub from: Millis,
    /// It still waits, without.
    pub until: Option<Millis>,
}

/// What was waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// An attempt that was allowed to start: its turn, or the end of one before it.
    Turn,
    /// The next attempt, after one that failed.
    Retry,
    /// Something that another run holds.
    Lock(String),
    /// A person's answer.
    Answer,
    /// Its turn where it was to run, which is told in the words used there.
    Queue(Box<str>),
}

impl On {
    /// A word for programs and styles.
    pub fn word(&self) -> &'static str {
        match self {
            On::Turn => "turn",
            On::Retry => "retry",
            On::Lock(_) => "lock",
            On::Answer => "answer",
            On::Queue(_) => "queue",
        }
    }

    /// In words, after "waited".
    pub fn told(&self) -> String {
        match self {
            On::Turn => "for its turn".to_owned(),
            On::Retry => "before it was tried again".to_owned(),
            On::Lock(on) => format!("for {on}, which another run held"),
            On::Answer => "for a person's answer".to_owned(),
            On::Queue(why) => format!("in a queue: {why}"),
        }
    }
}

/// The waits of a run that these events tell of, in the order in which they ended;
/// those that go on come last. A wait that took no time is none.
pub fn waits(run: &RunState, events: &[Event]) -> Vec<Wait> {
    let mut waits = told(events);
    for wait in waits.iter_mut().filter(|wait| wait.on == On::Turn) {
        wait.from = wait.from.max(ready(run, wait.step));
    }
    waits.retain(|wait| wait.until.unwrap_or(Millis::MAX) > wait.from);
    waits
}

/// When all was over that the step waits for. It may be claimed long before, and
/// that it still depends on others is no waiting for its turn.
fn ready(run: &RunState, ix: StepIx) -> Millis {
    let over = graph::waits(run.plan(), ix).map(|from| {
        let record = run.step(from);
        match record.state {
            StepState::Absent => 0,
            StepState::Settled { .. } => record.ended_at,
            _ => Millis::MAX,
        }
    });
    over.max().unwrap_or(0)
}

fn told(events: &[Event]) -> Vec<Wait> {
    let mut open: BTreeMap<StepIx, (On, Millis)> = BTreeMap::new();
    let mut waits = Vec::new();
    for event in events {
        let Some((step, on)) = change(&event.kind) else {
            if matches!(event.kind, Kind::RunFinished { .. }) {
                for (step, (on, from)) in std::mem::take(&mut open) {
                    waits.push(ended(step, on, from, event.at));
                }
            }
            continue;
        };
        if let Some((before, from)) = open.remove(&step) {
            waits.push(ended(step, before, from, event.at));
        }
        if let Some(on) = on {
            open.insert(step, (on, event.at));
        }
    }
    waits.extend(open.into_iter().map(|(step, (on, from))| Wait {
        step,
        on,
        from,
        until: None,
    }));
    waits
}

fn ended(step: StepIx, on: On, from: Millis, until: Millis) -> Wait {
    Wait {
        step,
        on,
        from,
        until: Some(until),
    }
}

/// What the step waits for from this event on, if the event changes that.
fn change(kind: &Kind) -> Option<(StepIx, Option<On>)> {
    match kind {
        Kind::StepClaimed { attempt, .. } | Kind::StepUnblocked { attempt } => {
            Some((attempt.step, Some(On::Turn)))
        }
        Kind::StepBlocked { attempt, on, .. } => Some((attempt.step, Some(On::Lock(on.clone())))),
        Kind::StepQueued { attempt, why } => Some((attempt.step, Some(On::Queue(why.clone())))),
        Kind::StepRetry { attempt, .. } => Some((attempt.step, Some(On::Retry))),
        Kind::StepAsked { step, .. } => Some((*step, Some(On::Answer))),
        Kind::StepStarted { attempt, .. } | Kind::StepFinished { attempt, .. } => {
            Some((attempt.step, None))
        }
        Kind::StepAnswered { step, .. }
        | Kind::StepSettled { step, .. }
        | Kind::StepUndone { step, .. } => Some((*step, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, NOON, Story, exited};
    use std::time::Duration;

    #[test]
    fn what_a_step_waits_for_follows_from_its_events() {
        let mut plan = testing::plan(&["a", "b: a"]);
        testing::policy(&mut plan, "a", |policy| {
            policy.retry.count = 1;
            policy.retry.delay = Duration::from_millis(300);
        });
        let story = Story::of(plan, |_, attempt| (exited((attempt == 1).into()), 500));
        let waits = waits(&story.run, &story.events);
        let told: Vec<_> = waits
            .iter()
            .filter(|wait| wait.step == story.ix("a"))
            .map(|wait| {
                (
                    wait.on.word(),
                    wait.from - NOON,
                    wait.until.map(|at| at - NOON),
                )
            })
            .collect();
        assert_eq!(told, [("retry", 500, Some(800))]);
        // It was claimed ahead, and did not wait: its turn came with the end of a.
        assert!(waits.iter().all(|wait| wait.step == story.ix("a")));
    }

    #[test]
    fn one_that_is_not_over_goes_on() {
        let mut story = Story::begin(testing::plan(&["a"]));
        let step = story.ix("a");
        let attempt = crate::run::Attempt {
            step,
            number: 1,
            role: crate::run::Role::Main,
        };
        let at = |at, kind| Event { seq: 0, at, kind };
        let asked = Kind::StepAsked {
            step,
            question: "Sure?".into(),
        };
        let blocked = Kind::StepBlocked {
            attempt,
            on: "lock door".into(),
            holder: None,
        };
        story.events = vec![at(1, asked), at(5, blocked)];
        let waits = told(&story.events);
        assert_eq!((waits[0].on.word(), waits[0].until), ("answer", Some(5)));
        assert_eq!((waits[1].on.word(), waits[1].until), ("lock", None));
    }
}
