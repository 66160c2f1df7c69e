//! Which events can happen in which state: the legal transitions, written once.
//!
//! The fold asks here before it changes anything, when an event is new and when
//! it is read back alike. So a record that contradicts itself is found where it
//! does, and a bug in a decision cannot write one.

use super::event::{Attempt, Event, Kind, Role, Stopping};
use super::state::{RunPhase, RunState, StepRecord, StepState, UndoState};
use crate::plan::StepIx;

impl RunState {
    /// The legal transitions, and no others.
    pub(super) fn check(&self, event: &Event) -> Result<(), String> {
        if event.seq != self.seq + 1 {
            return Err(format!("{} events happened before it", self.seq));
        }
        let phase_is = |legal: bool| {
            legal
                .then_some(())
                .ok_or_else(|| format!("the run is {:?}", self.phase))
        };
        let live = !matches!(self.phase, RunPhase::Pending | RunPhase::Finished(_));
        match &event.kind {
            Kind::RunStarted { .. } => phase_is(self.phase == RunPhase::Pending),
            Kind::RunResumed { engine } => {
                phase_is(self.phase != RunPhase::Pending)?;
                let before = self.engine.as_ref().map_or(0, |engine| engine.epoch);
                match engine.epoch > before {
                    true => Ok(()),
                    false => Err(format!("epoch {} follows {before}", engine.epoch)),
                }
            }
            Kind::RunReopened { .. } => phase_is(matches!(
                self.phase,
                RunPhase::Finished(_) | RunPhase::Stopping(Stopping::Restart)
            )),
            // Also of an ended run: its end is what could not be written down.
            Kind::RunPaused { .. } => phase_is(self.phase != RunPhase::Pending && !self.paused),
            Kind::RunContinued => phase_is(self.paused),
            Kind::PlanReplaced { .. } => {
                phase_is(matches!(
                    self.phase,
                    RunPhase::Running | RunPhase::Finished(_)
                ))?;
                if self.later.is_empty() {
                    return Err("there is no plan to follow".into());
                }
                self.can_change_plan().map_err(|why| why.to_string())
            }
            Kind::StepClaimed { attempt, .. } => {
                phase_is(live)?;
                self.check_attempt(*attempt, AttemptStage::New)
            }
            Kind::StepStarted { attempt, .. } => {
                phase_is(live)?;
                self.check_attempt(*attempt, AttemptStage::Claimed)
            }
            Kind::StepStopping { attempt, .. } | Kind::StepFinished { attempt, .. } => {
                phase_is(live)?;
                self.check_attempt(*attempt, AttemptStage::Open)
            }
            Kind::StepTimeout { attempt } => self.check_attempt(*attempt, AttemptStage::Open),
            Kind::StepRetry { attempt, .. } => {
                phase_is(live)?;
                self.check_attempt(*attempt, AttemptStage::Failing)
            }
            Kind::StepBlocked { attempt, .. } | Kind::StepQueued { attempt, .. } => {
                self.check_attempt(*attempt, AttemptStage::Claimed)
            }
            Kind::StepUnblocked { attempt } => self.check_attempt(*attempt, AttemptStage::Blocked),
            Kind::StepAsked { step, .. } => {
                let after_failure = |state: &StepState| {
                    matches!(
                        state,
                        StepState::Failing {
                            role: Role::Main,
                            ..
                        }
                    )
                };
                self.check_step(*step, |state| {
                    *state == StepState::Pending || after_failure(state)
                })
            }
            Kind::StepAnswered { step, .. } => {
                self.check_step(*step, |state| matches!(state, StepState::Asked { .. }))
            }
            Kind::StepSettled { step, .. } => {
                phase_is(live)?;
                self.check_step(*step, |state| {
                    !matches!(
                        state,
                        StepState::Absent | StepState::Running { .. } | StepState::Settled { .. }
                    )
                })
            }
            Kind::RunStopping { why, .. } => phase_is(match self.phase {
                RunPhase::Running => true,
                // A second request is firmer than the first, never softer.
                RunPhase::Stopping(before) => *why > before,
                RunPhase::RollingBack | RunPhase::Cleanup => *why == Stopping::Kill,
                _ => false,
            }),
            Kind::RollbackStarted { .. } => phase_is(
                matches!(self.phase, RunPhase::Running | RunPhase::Stopping(_))
                    && !self.rolled_back
                    && self.places.live.is_empty(),
            ),
            Kind::StepUndone { step, .. } => {
                let killed = RunPhase::Stopping(Stopping::Kill);
                phase_is(self.phase == RunPhase::RollingBack || self.phase == killed)?;
                self.check_undone(*step, self.phase == killed)
            }
            Kind::CleanupStarted => phase_is(
                matches!(self.phase, RunPhase::Stopping(_) | RunPhase::RollingBack)
                    && self.places.live.is_empty(),
            ),
            Kind::RunFinished { .. } => {
                phase_is(live)?;
                match self.places.live.is_empty() && self.places.unsettled.is_empty() {
                    true => Ok(()),
                    false => Err("steps have not settled".into()),
                }
            }
        }
    }

    fn record(&self, step: StepIx) -> Result<&StepRecord, String> {
        self.steps
            .get(step.at())
            .ok_or_else(|| format!("there is no step {step:?}"))
    }

    fn check_step(&self, step: StepIx, legal: impl Fn(&StepState) -> bool) -> Result<(), String> {
        let record = self.record(step)?;
        match legal(&record.state) {
            true => Ok(()),
            false => Err(format!("step {} is {:?}", self.plan[step].id, record.state)),
        }
    }

    fn check_attempt(&self, attempt: Attempt, stage: AttemptStage) -> Result<(), String> {
        let record = self.record(attempt.step)?;
        let n = attempt.number;
        let legal = match (attempt.role, stage) {
            (Role::Undo, stage) => stage.legal_for_undo(record.undo(), record.undo_attempts, n),
            (of, AttemptStage::New) => match record.state {
                StepState::Pending => of == Role::Main && n == record.attempts + 1,
                StepState::Backoff { role, attempt, .. } => (of, n) == (role, attempt),
                _ => false,
            },
            (of, AttemptStage::Claimed) => matches!(
                record.state,
                StepState::Claimed { role, attempt, .. } if (of, n) == (role, attempt)
            ),
            (of, AttemptStage::Blocked) => matches!(
                record.state,
                StepState::Blocked { role, attempt, .. } if (of, n) == (role, attempt)
            ),
            (of, AttemptStage::Open) => matches!(
                record.state,
                StepState::Claimed { role, attempt, .. } | StepState::Running { role, attempt, .. }
                    if (of, n) == (role, attempt)
            ),
            // A failure is followed by another attempt or by a remedy, and a remedy
            // by either as well.
            (of, AttemptStage::Failing) => {
                let made = match of {
                    Role::Remedy => record.mending.as_ref().map_or(0, |m| m.attempts),
                    _ => record.attempts,
                };
                matches!(record.state, StepState::Failing { .. }) && n == made + 1
            }
        };
        match legal {
            true => Ok(()),
            false => Err(format!(
                "attempt {n} of step {} cannot be {stage:?}: it is {:?}, undo {:?}",
                self.plan[attempt.step].id,
                record.state,
                record.undo()
            )),
        }
    }

    fn check_undone(&self, step: StepIx, killed: bool) -> Result<(), String> {
        match self.record(step)?.undo() {
            UndoState::Ending | UndoState::Failing { .. } => Ok(()),
            UndoState::Claimed { .. } | UndoState::Blocked { .. } | UndoState::Backoff { .. }
                if killed =>
            {
                Ok(())
            }
            undo => Err(format!("undoing step {} is {undo:?}", self.plan[step].id)),
        }
    }
}

/// How far an attempt must be for an event about it to be legal.
#[derive(Clone, Copy, Debug)]
enum AttemptStage {
    /// Not claimed yet, and next in number.
    New,
    /// Claimed, not started.
    Claimed,
    /// Claimed, and waiting for what another run holds.
    Blocked,
    /// Claimed or started, not ended.
    Open,
    /// The attempt before it ended, and failed.
    Failing,
}

impl AttemptStage {
    fn legal_for_undo(self, undo: &UndoState, made: u32, n: u32) -> bool {
        match (self, undo) {
            (AttemptStage::New, UndoState::None) => n == made + 1,
            (AttemptStage::New, UndoState::Backoff { attempt, .. }) => n == *attempt,
            (AttemptStage::Claimed | AttemptStage::Open, UndoState::Claimed { attempt, .. }) => {
                n == *attempt
            }
            (AttemptStage::Blocked, UndoState::Blocked { attempt, .. }) => n == *attempt,
            (AttemptStage::Open, UndoState::Running { attempt, .. }) => n == *attempt,
            (AttemptStage::Failing, UndoState::Failing { attempt, .. }) => n == attempt + 1,
            _ => false,
        }
    }
}
