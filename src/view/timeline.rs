//! When each attempt of a run ran: what a bar chart is drawn from.
//!
//! A fold over events, since a state only remembers each step's last attempt.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::plan::Plan;
use crate::run::record::rfc3339;
use crate::run::{Attempt, End, Event, Exit, Finish, Kind, Millis, Role};

/// Gathers the attempts of a run.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// In the order in which they began.
    pub bars: Vec<Bar>,
    open: BTreeMap<Attempt, usize>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    pub attempt: Attempt,
    pub started_at: Millis,
    /// How it ended; it still runs, without.
    pub end: Option<Box<Finish>>,
}

/// One attempt, for programs. Moments are RFC 3339.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptTold<'a> {
    step_id: &'a str,
    /// Which of the step's, from 1.
    attempt: u32,
    /// What it was for: `main`, `remedy` or `undo`.
    #[schema(value_type = String)]
    role: Role,
    started_at: String,
    /// Null while it runs, as is what follows.
    ended_at: Option<String>,
    /// `succeeded`, `failed`, `timed_out`, `canceled`, `failed_to_start` or `interrupted`.
    #[schema(value_type = Option<String>)]
    end: Option<End>,
    exit_code: Option<i32>,
    /// Which one ended it.
    signal: Option<i32>,
    /// In how many places of its output a secret was masked.
    masked: u64,
    /// How much of its output was not kept.
    dropped_bytes: u64,
}

impl Timeline {
    /// The attempts that these events tell of.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut timeline = Timeline::default();
        for event in events {
            timeline.push(event);
        }
        timeline
    }

    pub fn push(&mut self, event: &Event) {
        match &event.kind {
            Kind::StepStarted { attempt, .. } => {
                self.open.insert(*attempt, self.bars.len());
                self.bars.push(Bar {
                    attempt: *attempt,
                    started_at: event.at,
                    end: None,
                });
            }
            Kind::StepFinished { attempt, end } => {
                let at = self.open.remove(attempt).unwrap_or_else(|| {
                    // It never started: its program was not found, for example.
                    self.bars.push(Bar {
                        attempt: *attempt,
                        started_at: end.started_at,
                        end: None,
                    });
                    self.bars.len() - 1
                });
                let bar = &mut self.bars[at];
                bar.started_at = end.started_at;
                bar.end = Some(end.clone());
            }
            _ => {}
        }
    }

    /// The attempts for programs, in the order in which they began.
    pub fn told<'p>(&self, plan: &'p Plan) -> Vec<AttemptTold<'p>> {
        let bars = self.bars.iter().map(|bar| {
            let end = bar.end.as_deref();
            AttemptTold {
                step_id: &plan[bar.attempt.step].id,
                attempt: bar.attempt.number,
                role: bar.attempt.role,
                started_at: rfc3339(bar.started_at).to_string(),
                ended_at: end.map(|end| rfc3339(end.ended_at).to_string()),
                end: end.map(|end| end.end()),
                exit_code: end.and_then(|end| end.exit.code()),
                signal: end.and_then(|end| signal(&end.exit)),
                masked: end.map_or(0, |end| end.output.masked),
                dropped_bytes: end.map_or(0, |end| end.output.dropped),
            }
        });
        bars.collect()
    }

    /// The same as JSON.
    pub fn json(&self, plan: &Plan) -> Value {
        json!(self.told(plan))
    }

    /// The step's own attempts, without those at undoing it.
    pub fn attempts_at(&self, step: crate::plan::StepIx) -> impl Iterator<Item = &Bar> {
        self.bars
            .iter()
            .filter(move |bar| bar.attempt.step == step && bar.attempt.role != Role::Undo)
    }
}

/// The signal that ended the process, whoever sent it.
pub fn signal(exit: &Exit) -> Option<i32> {
    match exit {
        Exit::Signaled { signal, .. } => Some(*signal),
        Exit::TimedOut { signal, .. } | Exit::Canceled { signal } => *signal,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, NOON, Story, exited};

    /// P27.
    #[test]
    fn p27_every_attempt_is_a_bar_of_its_own() {
        let mut plan = testing::plan(&["a", "b: a"]);
        testing::policy(&mut plan, "a", |policy| policy.retry.count = 1);
        let story = Story::until(
            plan,
            |_, attempt| (exited(if attempt == 1 { 1 } else { 0 }), 500),
            |event| matches!(event.kind, Kind::StepStarted { attempt, .. } if attempt.step.at() == 1),
        );
        let timeline = Timeline::of(&story.events);
        let bars: Vec<_> = timeline
            .bars
            .iter()
            .map(|bar| {
                (
                    bar.attempt.step.at(),
                    bar.attempt.number,
                    bar.started_at - NOON,
                    bar.end.is_some(),
                )
            })
            .collect();
        assert_eq!(
            bars,
            [(0, 1, 0, true), (0, 2, 500, true), (1, 1, 1000, false)]
        );
        assert_eq!(timeline.attempts_at(story.ix("a")).count(), 2);
        let json = timeline.json(story.run.plan());
        assert_eq!(json[0]["end"], "failed");
        assert_eq!(json[2]["started_at"], "2026-11-20T12:00:01.000Z");
        assert_eq!(json[2]["ended_at"], Value::Null);
    }
}
