//! How each event changes the state: the only way in which a run changes.
//!
//! No event is judged here: `legal` has said that it can have happened, and
//! `schedule` will say what follows from it.

use std::sync::Arc;

use super::event::{
    Attempt, Engine, Event, Finish, Holder, Kind, Millis, Outcome, Reason, Role, Seq, Stopping,
};
use super::last::Last;
use super::order::Order;
use super::state::{
    IllegalEvent, Mending, Obstacle, Probe, RunPhase, RunState, StepRecord, StepState, UndoState,
    sorted_by_id,
};
use crate::plan::graph::Graph;
use crate::plan::{Step, StepIx, Verdict};

impl RunState {
    /// Folds one event in.
    ///
    /// # Errors
    /// The event cannot have happened in this state; nothing has changed.
    pub fn apply(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        self.check(event).map_err(|message| IllegalEvent {
            seq: event.seq,
            message,
        })?;
        self.seq = event.seq;
        self.last_at = event.at;
        self.advanced |= event.kind.advances();
        match &event.kind {
            Kind::RunStarted { seed, engine, .. } => {
                self.phase = RunPhase::Running;
                self.seed = *seed;
                self.started_at = event.at;
                self.engine = Some(engine.clone());
            }
            Kind::RunResumed { engine } => self.resumed(engine, event.seq),
            // An attempt under way is, where the run was still stopping for a restart.
            Kind::RunReopened { .. } => self.begin_again(event.at, |_, state| {
                matches!(state, StepState::Running { .. } | StepState::Failing { .. })
            }),
            Kind::RunPaused { .. } => self.paused = true,
            Kind::RunContinued => self.paused = false,
            Kind::PlanReplaced { .. } => self.plan_replaced(event.at),
            Kind::StepClaimed { attempt, .. } => self.claimed(*attempt, event.seq),
            Kind::StepStarted { attempt, .. } => self.started(*attempt, event.at),
            Kind::StepStopping { attempt, how, .. } => {
                self.steps[attempt.step.at()].stopping = Some(*how);
            }
            Kind::StepTimeout { .. } | Kind::StepQueued { .. } => {}
            Kind::StepFinished { attempt, end } => self.finished(*attempt, end, event.at),
            Kind::StepRetry {
                attempt,
                not_before,
                reason,
            } => self.retrying(*attempt, *not_before, reason),
            Kind::StepBlocked {
                attempt,
                on,
                holder,
            } => self.blocked(*attempt, on, holder.as_ref()),
            Kind::StepUnblocked { attempt } => self.unblocked(*attempt),
            Kind::StepAsked { step, .. } => {
                let record = &mut self.steps[step.at()];
                let role = match record.state {
                    StepState::Failing { .. } => Role::Remedy,
                    _ => Role::Main,
                };
                let since = event.at;
                record.state = StepState::Asked { role, since };
                self.refresh(*step);
            }
            Kind::StepAnswered { step, yes, by } => self.answered(*step, *yes, by),
            Kind::StepSettled {
                step,
                outcome,
                reason,
            } => self.settle(*step, *outcome, Some(Box::new(reason.clone())), event.at),
            Kind::RunStopping { why, reason } => {
                if let Reason::EnginesLost { .. } = reason {
                    // What is still to be done, cleaning up, is counted anew.
                    self.lost = 0;
                }
                let only_restarts = matches!(self.stopped, None | Some((Stopping::Restart, _)));
                if only_restarts || *why == Stopping::Kill {
                    self.stopped = Some((*why, reason.clone()));
                }
                self.phase = RunPhase::Stopping(*why);
            }
            Kind::RollbackStarted { .. } => {
                self.phase = RunPhase::RollingBack;
                self.rolled_back = true;
            }
            Kind::StepUndone {
                step,
                undone,
                reason,
            } => self.undone(*step, *undone, reason),
            Kind::CleanupStarted => {
                self.phase = RunPhase::Cleanup;
                self.cleanup = event.seq;
            }
            Kind::RunFinished { outcome, reason } => {
                self.phase = RunPhase::Finished(*outcome);
                self.ended_at = event.at;
                self.ended = Some(reason.clone());
            }
        }
        Ok(())
    }

    fn resumed(&mut self, engine: &Engine, seq: Seq) {
        if self
            .engine
            .as_ref()
            .is_none_or(|before| before.boot != engine.boot)
        {
            self.booted = seq;
            self.want_restart.clear();
            let open = self.open_attempts().into_iter();
            let main = open.filter(|attempt| attempt.role == Role::Main);
            self.cut_short = main.map(|attempt| attempt.step).collect();
        }
        self.lost = match self.advanced {
            true => 0,
            false => self.lost + 1,
        };
        self.advanced = false;
        self.engine = Some(engine.clone());
        // It could be written down that another engine is here.
        self.paused = false;
        // What an engine handed over, told to stop or looked at died with it: the
        // next one asks its executor anew, says again what must stop, and looks.
        for ix in self.plan.indices() {
            let record = &mut self.steps[ix.at()];
            if record.handed || record.stopping.is_some() || record.probe != Probe::None {
                record.handed = false;
                record.stopping = None;
                record.probe = Probe::None;
                self.refresh(ix);
            }
        }
    }

    fn plan_replaced(&mut self, at: Millis) {
        let Some(plan) = self.later.pop() else {
            return;
        };
        let old = std::mem::replace(&mut self.plan, plan);
        let plan = self.plan.clone();
        self.graph = Arc::new(Graph::new(&plan));
        self.by_id = sorted_by_id(&plan);
        self.order = Arc::new(Order::new(&plan, &self.graph, &self.usual));
        self.steps
            .resize_with(plan.steps.len(), || StepRecord::new(false));
        self.begin_again(at, |ix, state| {
            let step = &plan[ix];
            match state {
                StepState::Running { .. } => true,
                // What its end means is for the new plan to say.
                StepState::Failing { .. } => step.absent.is_none(),
                StepState::Asked { role, .. } => {
                    let question = |step: &Step| match role {
                        Role::Remedy => step.remedy.as_ref().and_then(|r| r.confirm.clone()),
                        _ => step.confirm.clone(),
                    };
                    step.absent.is_none() && question(step) == question(&old[ix])
                }
                _ => false,
            }
        });
    }

    /// What has succeeded stays, and what `keeps` says; all else is still to be done.
    fn begin_again(&mut self, at: Millis, keeps: impl Fn(StepIx, &StepState) -> bool) {
        self.phase = RunPhase::Running;
        self.lost = 0;
        self.stopped = None;
        self.ended = None;
        self.ended_at = 0;
        self.rolled_back = false;
        self.undo_failed = None;
        self.want_restart.clear();
        self.started_at = at;
        for ix in self.plan.indices() {
            let absent = self.plan[ix].absent.is_some();
            let record = &mut self.steps[ix.at()];
            let kept =
                record.outcome() == Some(Outcome::Succeeded) && *record.undo() == UndoState::None;
            if kept || keeps(ix, &record.state) {
                continue;
            }
            let mending = record.mending.take().map(|before| {
                let attempts = before.attempts;
                Box::new(Mending {
                    attempts,
                    forgiven: attempts,
                    before: attempts,
                    ..Mending::default()
                })
            });
            *record = StepRecord {
                attempts: record.attempts,
                forgiven: record.attempts,
                mending,
                undo_attempts: record.undo_attempts,
                started_at: record.started_at,
                last: std::mem::take(&mut record.last),
                ..StepRecord::new(absent)
            };
        }
        let steps = &self.steps;
        self.undoable
            .retain(|ix| steps[ix.at()].outcome() == Some(Outcome::Succeeded));
        self.rebuild_places();
    }

    fn claimed(&mut self, attempt: Attempt, claimed: Seq) {
        let record = &mut self.steps[attempt.step.at()];
        record.stopping = None;
        record.handed = false;
        match attempt.role {
            Role::Undo => {
                record.undo_attempts = attempt.number;
                record.undo = Some(Box::new(UndoState::Claimed {
                    attempt: attempt.number,
                    claimed,
                }));
            }
            role @ (Role::Main | Role::Remedy) => {
                match role {
                    Role::Remedy => {
                        let mending = record.mending.get_or_insert_default();
                        mending.attempts = attempt.number;
                        // Whoever agreed, agreed to this one.
                        mending.agreed = false;
                    }
                    _ => record.attempts = attempt.number,
                }
                record.state = StepState::Claimed {
                    role,
                    attempt: attempt.number,
                    claimed,
                };
                self.soon(attempt.step);
            }
        }
        self.refresh(attempt.step);
    }

    fn started(&mut self, attempt: Attempt, at: Millis) {
        let record = &mut self.steps[attempt.step.at()];
        match attempt.role {
            Role::Undo => {
                record.undo = Some(Box::new(UndoState::Running {
                    attempt: attempt.number,
                    since: at,
                }));
            }
            role @ (Role::Main | Role::Remedy) => {
                record.state = StepState::Running {
                    role,
                    attempt: attempt.number,
                    since: at,
                };
                if record.started_at == 0 {
                    record.started_at = at;
                }
            }
        }
        record.handed = false;
        self.refresh(attempt.step);
    }

    fn finished(&mut self, attempt: Attempt, end: &Finish, at: Millis) {
        let failed = end.verdict == Verdict::Failure;
        let record = &mut self.steps[attempt.step.at()];
        record.handed = false;
        record.stopping = None;
        if attempt.role == Role::Undo {
            record.undo = Some(Box::new(match failed {
                true => UndoState::Failing {
                    attempt: attempt.number,
                    exit: end.exit.clone(),
                },
                false => UndoState::Ending,
            }));
            self.refresh(attempt.step);
            return;
        }
        if attempt.role == Role::Remedy {
            record.mending.get_or_insert_default().last = Some((end.exit.clone(), !failed));
            record.state = StepState::Failing {
                role: Role::Remedy,
                attempt: attempt.number,
            };
            self.refresh(attempt.step);
            return;
        }
        if record.started_at == 0 {
            record.started_at = end.started_at;
        }
        record.last = Last::of(end);
        let before_boot = self.cut_short.remove(&attempt.step);
        if end.verdict == Verdict::RestartRequired && !before_boot {
            self.want_restart.push(attempt.step);
        }
        let record = &mut self.steps[attempt.step.at()];
        if failed {
            record.state = StepState::Failing {
                role: Role::Main,
                attempt: attempt.number,
            };
            self.refresh(attempt.step);
        } else {
            let step = &self.plan[attempt.step];
            if step.undo.is_some() && step.remedy.is_none() && !step.policy.always {
                self.undoable.push(attempt.step);
            }
            self.settle(attempt.step, Outcome::Succeeded, None, at);
        }
    }

    fn retrying(&mut self, attempt: Attempt, not_before: Millis, reason: &Reason) {
        let record = &mut self.steps[attempt.step.at()];
        match attempt.role {
            Role::Undo => {
                record.undo = Some(Box::new(UndoState::Backoff {
                    attempt: attempt.number,
                    not_before,
                }));
            }
            role @ (Role::Main | Role::Remedy) => {
                let remedy = matches!(
                    record.state,
                    StepState::Failing {
                        role: Role::Remedy,
                        ..
                    }
                );
                record.state = StepState::Backoff {
                    role,
                    attempt: attempt.number,
                    not_before,
                };
                let interrupted =
                    u32::from(matches!(reason, Reason::Interrupted | Reason::Lost { .. }));
                record.lost += u32::from(matches!(reason, Reason::Lost { .. }));
                if remedy {
                    record.mending.get_or_insert_default().forgiven += interrupted;
                    // What the remedy did may have changed what the step looks at.
                    record.probe = Probe::None;
                    // It is tried with as many retries as at first.
                    record.forgiven = record.attempts;
                } else {
                    record.forgiven += interrupted;
                }
            }
        }
        self.refresh(attempt.step);
    }

    fn blocked(&mut self, blocked: Attempt, on: &str, holder: Option<&Holder>) {
        let record = &mut self.steps[blocked.step.at()];
        let obstacle = |claimed| {
            Box::new(Obstacle {
                claimed,
                on: on.into(),
                holder: holder.cloned(),
            })
        };
        match (blocked.role, &record.state, record.undo()) {
            (Role::Undo, _, &UndoState::Claimed { attempt, claimed }) => {
                let by = obstacle(claimed);
                record.undo = Some(Box::new(UndoState::Blocked { attempt, by }));
            }
            (
                _,
                &StepState::Claimed {
                    role,
                    attempt,
                    claimed,
                },
                _,
            ) => {
                let by = obstacle(claimed);
                record.state = StepState::Blocked { role, attempt, by };
            }
            _ => {}
        }
        self.refresh(blocked.step);
    }

    fn unblocked(&mut self, unblocked: Attempt) {
        let record = &mut self.steps[unblocked.step.at()];
        match (unblocked.role, &record.state, record.undo()) {
            (Role::Undo, _, UndoState::Blocked { attempt, by }) => {
                let (attempt, claimed) = (*attempt, by.claimed);
                record.undo = Some(Box::new(UndoState::Claimed { attempt, claimed }));
            }
            (_, StepState::Blocked { role, attempt, by }, _) => {
                let (role, attempt, claimed) = (*role, *attempt, by.claimed);
                record.state = StepState::Claimed {
                    role,
                    attempt,
                    claimed,
                };
            }
            _ => {}
        }
        self.refresh(unblocked.step);
    }

    fn settle(&mut self, ix: StepIx, outcome: Outcome, reason: Option<Box<Reason>>, at: Millis) {
        let record = &mut self.steps[ix.at()];
        record.state = StepState::Settled { outcome, reason };
        record.handed = false;
        record.probe = Probe::None;
        record.ended_at = at;
        if self.is_mended(ix) {
            self.undoable.push(ix);
        }
        self.settled(ix, outcome);
    }

    /// Whether the step's remedy has run and what it did can be taken back,
    /// whatever became of the step.
    fn is_mended(&self, ix: StepIx) -> bool {
        let (step, record) = (&self.plan[ix], &self.steps[ix.at()]);
        let ran = record.mending.as_ref().is_some_and(|m| m.last.is_some());
        ran && step.remedy.is_some() && step.undo.is_some() && !step.policy.always
    }

    fn answered(&mut self, step: StepIx, yes: bool, by: &str) {
        let record = &mut self.steps[step.at()];
        let declined = (!yes).then(|| by.into());
        match record.state {
            StepState::Asked {
                role: Role::Remedy, ..
            } => {
                let mending = record.mending.get_or_insert_default();
                mending.agreed = yes;
                mending.declined = declined;
                record.state = StepState::Failing {
                    role: Role::Main,
                    attempt: record.attempts,
                };
            }
            _ => {
                record.state = StepState::Pending;
                record.confirmed = yes;
                record.declined = declined;
            }
        }
        self.refresh(step);
    }

    fn undone(&mut self, step: StepIx, undone: bool, reason: &Reason) {
        if undone {
            self.steps[step.at()].undo = Some(Box::new(UndoState::Undone));
        } else {
            let failed = UndoState::Failed(Box::new(reason.clone()));
            self.steps[step.at()].undo = Some(Box::new(failed));
            self.undo_failed = Some(reason.clone());
        }
        self.undoable.retain(|ix| *ix != step);
        self.refresh(step);
    }
}
