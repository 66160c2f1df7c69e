//! Since when steps could have run: how long one had to wait, when it started.
//!
//! What a step's claim says is not it: claims are made ahead of a step's turn, or
//! only when slots come free. So it is the moment at which nothing was missing any
//! more but a slot, a lock or our own doing: all that the step waits for had been
//! settled, a person had answered, the pause before a retry was over, and there
//! was an engine.

use std::collections::BTreeMap;

use super::event::{Event, Kind, Millis, Role};
use crate::plan::graph::waits;
use crate::plan::{Plan, StepIx, Verdict};

/// A fold over a run's events.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// Since when there has been an engine that could start anything.
    driven: Millis,
    /// When each step was settled; of an absent one, when what it waits for was,
    /// once that was asked.
    settled: Vec<Option<Millis>>,
    /// Since when a step may run, where it is not its predecessors that say so: it
    /// is tried again, or a person was asked.
    released: BTreeMap<StepIx, Millis>,
}

impl Readiness {
    /// Folds one event in.
    pub fn push(&mut self, plan: &Plan, event: &Event) {
        match &event.kind {
            Kind::RunStarted { .. } | Kind::RunResumed { .. } => self.driven = event.at,
            Kind::RunReopened { .. } | Kind::PlanReplaced { .. } => self.forget_absent(plan),
            Kind::StepAnswered { step, .. } => {
                self.released.insert(*step, event.at);
            }
            Kind::StepRetry {
                attempt,
                not_before,
                ..
            } => {
                self.released.insert(attempt.step, *not_before);
            }
            // The success of an attempt is that of its step: no event follows.
            Kind::StepFinished { attempt, end }
                if attempt.role == Role::Main && end.verdict != Verdict::Failure =>
            {
                *self.when(attempt.step) = Some(event.at);
            }
            Kind::StepSettled { step, .. } => *self.when(*step) = Some(event.at),
            _ => {}
        }
    }

    /// Since when a step that is about to run could have.
    pub fn since(&mut self, plan: &Plan, step: StepIx) -> Millis {
        let released = self.released.get(&step).copied();
        let preceded = self.preceded(plan, step);
        released.max(preceded).unwrap_or(0).max(self.driven)
    }

    /// When the last of what a step waits for was settled. An absent step only
    /// passes order on, so it is seen through; once, and not by recursion, since
    /// whole chains may be absent.
    fn preceded(&mut self, plan: &Plan, step: StepIx) -> Option<Millis> {
        let mut open = vec![(step, false)];
        while let Some((at, seen)) = open.pop() {
            if seen {
                let last = waits(plan, at).filter_map(|wait| *self.when(wait)).max();
                if at == step {
                    return last;
                }
                // Also where it waits for nothing: else it would be looked at again.
                *self.when(at) = Some(last.unwrap_or(0));
            } else if at == step || self.when(at).is_none() {
                open.push((at, true));
                for wait in waits(plan, at) {
                    if plan[wait].absent.is_some() && self.when(wait).is_none() {
                        open.push((wait, false));
                    }
                }
            }
        }
        None
    }

    /// What absent steps wait for may be done again, or they wait for other steps.
    fn forget_absent(&mut self, plan: &Plan) {
        for ix in plan.indices() {
            if plan[ix].absent.is_some() {
                *self.when(ix) = None;
            }
        }
    }

    fn when(&mut self, step: StepIx) -> &mut Option<Millis> {
        if self.settled.len() <= step.at() {
            self.settled.resize(step.at() + 1, None);
        }
        &mut self.settled[step.at()]
    }
}
