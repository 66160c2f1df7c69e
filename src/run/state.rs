//! The fold: what is true of a run, given everything that happened to it.
//!
//! There is one way for a run to change, [`RunState::apply`], used alike by the
//! engine that drives the run, by the one that resumes it, and by whoever only
//! looks. It holds the legal transitions, written once; anything else is an
//! [`IllegalEvent`]. It has no opinions: whether a failed step is tried again
//! or given up is decided in `schedule` and arrives here as an event.
//!
//! Two things an engine knows are not events, since they are only about itself
//! and end with it: how far the log is durable ([`RunState::acknowledge`]) and
//! which claimed attempts it has handed to an executor ([`RunState::hand_over`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::event::{
    Attempt, Engine, Event, Exit, Finish, Holder, Kind, Millis, Outcome, Reason, Role, RunOutcome,
    Seq, Stop, Stopping,
};
use super::places::Places;
use crate::plan::graph::Graph;
use crate::plan::{OnFailure, Plan, StepIx, Verdict};

/// Where the run as a whole stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// Nothing has happened. Ends when an engine starts the run.
    Pending,
    /// Steps start as they become ready. Ends when all have settled, or the run must stop.
    Running,
    /// Nothing new starts. Ends when nothing runs any more.
    Stopping(Stopping),
    /// Completed steps are being undone, newest first. Ends when none is left or one cannot be.
    RollingBack,
    /// Rollback is over; steps that always run are. Ends when they have settled.
    Cleanup,
    /// The run is over. Only reopening it leads out.
    Finished(RunOutcome),
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepState {
    /// It is in the plan and takes no part in this run; it only passes order on.
    Absent,
    /// It waits: for other steps, or for its turn.
    Pending,
    /// A person was asked whether it may run. Ends with the answer.
    Asked,
    /// The log says that this attempt may start. Ends when it does, or is no longer wanted.
    Claimed { attempt: u32, claimed: Seq },
    /// A claimed attempt waits for something that another run holds.
    Blocked {
        attempt: u32,
        claimed: Seq,
        on: Box<str>,
        holder: Option<Box<Holder>>,
    },
    /// The attempt's program runs.
    Running { attempt: u32, since: Millis },
    /// The attempt failed, and nothing is decided yet.
    Failing { attempt: u32 },
    /// The attempt failed, and another follows at the given time.
    Backoff { attempt: u32, not_before: Millis },
    /// Over. The reason is absent where the attempt's own end says it all.
    Settled {
        outcome: Outcome,
        reason: Option<Box<Reason>>,
    },
}

/// Everything a run knows of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    pub state: StepState,
    /// Attempts claimed so far (for the step itself, not for undoing it).
    pub attempts: u32,
    /// How many of them do not count: made before the run was reopened, or interrupted.
    pub forgiven: u32,
    /// A person has agreed.
    pub confirmed: bool,
    /// A person has declined, and this is who.
    pub declined: Option<Box<str>>,
    /// The current attempt has been told to stop.
    pub stopping: Option<Stop>,
    /// The executor has the claimed attempt; it may start at any moment.
    pub handed: bool,
    /// When its first program started; 0 before.
    pub started_at: Millis,
    /// When it settled; 0 before.
    pub ended_at: Millis,
    /// How the last attempt ended.
    pub last: Option<Box<Finish>>,
    pub undo: UndoState,
    /// Attempts at undoing it so far.
    pub undo_attempts: u32,
}

/// How far taking a step back has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UndoState {
    #[default]
    None,
    Claimed {
        attempt: u32,
        claimed: Seq,
    },
    Running {
        attempt: u32,
        since: Millis,
    },
    Failing {
        attempt: u32,
        exit: Exit,
    },
    Backoff {
        attempt: u32,
        not_before: Millis,
    },
    /// The attempt ended well, which is still to be recorded of the step.
    Ending,
    Undone,
    Failed(Box<Reason>),
}

impl StepRecord {
    fn new(absent: bool) -> Self {
        StepRecord {
            state: if absent {
                StepState::Absent
            } else {
                StepState::Pending
            },
            attempts: 0,
            forgiven: 0,
            confirmed: false,
            declined: None,
            stopping: None,
            handed: false,
            started_at: 0,
            ended_at: 0,
            last: None,
            undo: UndoState::None,
            undo_attempts: 0,
        }
    }

    /// How the step ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            StepState::Settled { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// The word for the step's state in the store and in JSON.
    pub fn word(&self) -> &'static str {
        match &self.state {
            StepState::Absent => "skipped",
            StepState::Running { .. } => "running",
            StepState::Settled { outcome, .. } => outcome.word(),
            _ => "pending",
        }
    }
}

/// An event that cannot have happened in this state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IllegalEvent {
    pub seq: Seq,
    pub message: String,
}

impl fmt::Display for IllegalEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "event {} cannot have happened: {}",
            self.seq, self.message
        )
    }
}

impl std::error::Error for IllegalEvent {}

/// A run, as far as its events tell.
#[derive(Clone, Debug)]
pub struct RunState {
    pub(super) plan: Arc<Plan>,
    pub(super) graph: Arc<Graph>,
    /// Step ids in order, to look one up.
    by_id: Arc<[StepIx]>,
    pub(super) phase: RunPhase,
    pub(super) seq: Seq,
    pub(super) durable: Seq,
    engine: Option<Engine>,
    pub(super) seed: u64,
    pub(super) started_at: Millis,
    pub(super) ended_at: Millis,
    pub(super) steps: Vec<StepRecord>,
    /// Why the run stops, once it does; outlives the phase.
    pub(super) stopped: Option<(Stopping, Reason)>,
    pub(super) rolled_back: bool,
    /// Why taking a step back failed, if it did: nothing more is taken back then.
    pub(super) undo_failed: Option<Reason>,
    /// Steps that can be undone, in the order in which they succeeded.
    pub(super) undoable: Vec<StepIx>,
    ended: Option<Reason>,
    /// Where each step stands in the queues; follows from all of the above.
    pub(super) places: Places,
}

impl RunState {
    /// A run to which nothing has happened.
    pub fn new(plan: Arc<Plan>) -> Self {
        let graph = Arc::new(Graph::new(&plan));
        let mut by_id: Vec<StepIx> = plan.indices().collect();
        by_id.sort_by(|a, b| plan[*a].id.cmp(&plan[*b].id));
        let steps = plan
            .steps
            .iter()
            .map(|step| StepRecord::new(step.absent.is_some()))
            .collect();
        let mut run = RunState {
            places: Places::empty(&plan),
            plan,
            graph,
            by_id: by_id.into(),
            phase: RunPhase::Pending,
            seq: 0,
            durable: 0,
            engine: None,
            seed: 0,
            started_at: 0,
            ended_at: 0,
            steps,
            stopped: None,
            rolled_back: false,
            undo_failed: None,
            undoable: Vec::new(),
            ended: None,
        };
        run.rebuild_places();
        run
    }

    /// The run that these events tell of.
    ///
    /// # Errors
    /// The first event that cannot have happened.
    pub fn replay<'a>(
        plan: Arc<Plan>,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Self, IllegalEvent> {
        let mut run = RunState::new(plan);
        for event in events {
            run.apply(event)?;
        }
        run.acknowledge(run.seq);
        Ok(run)
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub fn phase(&self) -> &RunPhase {
        &self.phase
    }

    /// The last event's number.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The engine that drives the run, or drove it last.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    pub fn started_at(&self) -> Millis {
        self.started_at
    }

    /// When the run ended; 0 while it has not.
    pub fn ended_at(&self) -> Millis {
        self.ended_at
    }

    /// Why the run ended as it did.
    pub fn ended_because(&self) -> Option<&Reason> {
        self.ended.as_ref()
    }

    /// What stopped the run before its end, and why.
    pub fn stopped(&self) -> Option<&(Stopping, Reason)> {
        self.stopped.as_ref()
    }

    /// What is known of a step.
    pub fn step(&self, ix: StepIx) -> &StepRecord {
        &self.steps[ix.at()]
    }

    /// The step of that id.
    pub fn find(&self, id: &str) -> Option<StepIx> {
        let found = self
            .by_id
            .binary_search_by(|ix| self.plan[*ix].id.as_ref().cmp(id));
        found.ok().map(|at| self.by_id[at])
    }

    /// Steps whose program runs now.
    pub fn running(&self) -> impl Iterator<Item = StepIx> + '_ {
        self.places.live.iter().copied()
    }

    /// Steps that have not settled yet, in the plan's order.
    pub fn unsettled(&self) -> impl Iterator<Item = StepIx> + '_ {
        self.places.unsettled.iter().copied()
    }

    /// How many steps have settled in each way, absent ones left out.
    pub fn counts(&self) -> &Counts {
        &self.places.counts
    }

    /// What the step still waits for, of that which it must wait for.
    pub fn waiting_for(&self, ix: StepIx) -> Vec<StepIx> {
        crate::plan::graph::waits(&self.plan, ix)
            .filter(|from| !self.places.is_resolved(*from))
            .collect()
    }

    /// The step whose failure keeps `ix` from running, if there is one.
    pub fn blocker(&self, ix: StepIx) -> Option<StepIx> {
        self.places.blocker[ix.at()]
    }

    /// Failures that the run forgives: what `--strict` counts.
    pub fn tolerated_failures(&self) -> Vec<StepIx> {
        let failed = self.places.failed.iter().copied();
        failed.filter(|ix| !self.counts_as_failure(*ix)).collect()
    }

    /// Failures that fail the run.
    pub fn counted_failures(&self) -> Vec<StepIx> {
        let failed = self.places.failed.iter().copied();
        failed.filter(|ix| self.counts_as_failure(*ix)).collect()
    }

    /// Whether this step's failure is the run's: it is critical, the plan does
    /// not say to continue, and no fallback has made good for it.
    pub fn counts_as_failure(&self, ix: StepIx) -> bool {
        let policy = &self.plan[ix].policy;
        let saved = self.places.fallback(ix).is_some_and(|fallback| {
            self.steps[fallback.at()].outcome() == Some(Outcome::Succeeded)
        });
        policy.critical && policy.on_failure != OnFailure::Continue && !saved
    }

    /// Takes note that the log is durable up to and with `seq`.
    pub fn acknowledge(&mut self, seq: Seq) {
        self.durable = self.durable.max(seq.min(self.seq));
    }

    /// Takes note that the executor has this claimed attempt now.
    pub fn hand_over(&mut self, attempt: Attempt) {
        self.steps[attempt.step.at()].handed = true;
        self.refresh(attempt.step);
    }

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
        match &event.kind {
            Kind::RunStarted { seed, engine, .. } => {
                self.phase = RunPhase::Running;
                self.seed = *seed;
                self.started_at = event.at;
                self.engine = Some(engine.clone());
            }
            Kind::RunResumed { engine } => self.resumed(engine),
            Kind::RunReopened { .. } => self.reopened(event.at),
            Kind::StepClaimed { attempt, .. } => self.claimed(*attempt, event.seq),
            Kind::StepStarted { attempt } => self.started(*attempt, event.at),
            Kind::StepStopping { attempt, how, .. } => {
                self.steps[attempt.step.at()].stopping = Some(*how);
            }
            Kind::StepTimeout { .. } => {}
            Kind::StepFinished { attempt, end } => self.finished(*attempt, end, event.at),
            Kind::StepRetry {
                attempt,
                not_before,
                reason,
            } => self.retrying(*attempt, *not_before, reason),
            Kind::StepBlocked { step, on, holder } => self.blocked(*step, on, holder.as_ref()),
            Kind::StepUnblocked { step } => self.unblocked(*step),
            Kind::StepAsked { step, .. } => {
                self.steps[step.at()].state = StepState::Asked;
                self.refresh(*step);
            }
            Kind::StepAnswered { step, yes, by } => {
                let record = &mut self.steps[step.at()];
                record.state = StepState::Pending;
                record.confirmed = *yes;
                record.declined = (!*yes).then(|| by.as_str().into());
                self.refresh(*step);
            }
            Kind::StepSettled {
                step,
                outcome,
                reason,
            } => self.settle(*step, *outcome, Some(Box::new(reason.clone())), event.at),
            Kind::RunStopping { why, reason } => {
                if self.stopped.is_none() || *why == Stopping::Kill {
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
            Kind::CleanupStarted => self.phase = RunPhase::Cleanup,
            Kind::RunFinished { outcome, reason } => {
                self.phase = RunPhase::Finished(*outcome);
                self.ended_at = event.at;
                self.ended = Some(reason.clone());
            }
        }
        Ok(())
    }

    fn resumed(&mut self, engine: &Engine) {
        self.engine = Some(engine.clone());
        // What an engine handed over or told to stop died with it: the next
        // one asks its executor anew, and says again what must stop.
        for ix in self.plan.indices() {
            let record = &mut self.steps[ix.at()];
            if record.handed || record.stopping.is_some() {
                record.handed = false;
                record.stopping = None;
                self.refresh(ix);
            }
        }
    }

    fn reopened(&mut self, at: Millis) {
        self.phase = RunPhase::Running;
        self.stopped = None;
        self.ended = None;
        self.ended_at = 0;
        self.rolled_back = false;
        self.undo_failed = None;
        self.started_at = at;
        for record in &mut self.steps {
            let kept =
                record.outcome() == Some(Outcome::Succeeded) && record.undo == UndoState::None;
            if kept || record.state == StepState::Absent {
                continue;
            }
            *record = StepRecord {
                attempts: record.attempts,
                forgiven: record.attempts,
                undo_attempts: record.undo_attempts,
                started_at: record.started_at,
                last: record.last.take(),
                ..StepRecord::new(false)
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
                record.undo = UndoState::Claimed {
                    attempt: attempt.number,
                    claimed,
                };
            }
            Role::Main | Role::Remedy => {
                record.attempts = attempt.number;
                record.state = StepState::Claimed {
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
                record.undo = UndoState::Running {
                    attempt: attempt.number,
                    since: at,
                };
            }
            Role::Main | Role::Remedy => {
                record.state = StepState::Running {
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
            record.undo = match failed {
                true => UndoState::Failing {
                    attempt: attempt.number,
                    exit: end.exit.clone(),
                },
                false => UndoState::Ending,
            };
            self.refresh(attempt.step);
            return;
        }
        if record.started_at == 0 {
            record.started_at = end.started_at;
        }
        record.last = Some(Box::new(end.clone()));
        if failed {
            record.state = StepState::Failing {
                attempt: attempt.number,
            };
            self.refresh(attempt.step);
        } else {
            if self.plan[attempt.step].undo.is_some() && !self.plan[attempt.step].policy.always {
                self.undoable.push(attempt.step);
            }
            self.settle(attempt.step, Outcome::Succeeded, None, at);
        }
    }

    fn retrying(&mut self, attempt: Attempt, not_before: Millis, reason: &Reason) {
        let record = &mut self.steps[attempt.step.at()];
        match attempt.role {
            Role::Undo => {
                record.undo = UndoState::Backoff {
                    attempt: attempt.number,
                    not_before,
                };
            }
            Role::Main | Role::Remedy => {
                record.state = StepState::Backoff {
                    attempt: attempt.number,
                    not_before,
                };
                if *reason == Reason::Interrupted {
                    record.forgiven += 1;
                }
            }
        }
        self.refresh(attempt.step);
    }

    fn blocked(&mut self, step: StepIx, on: &str, holder: Option<&Holder>) {
        let record = &mut self.steps[step.at()];
        if let StepState::Claimed { attempt, claimed }
        | StepState::Blocked {
            attempt, claimed, ..
        } = record.state
        {
            record.state = StepState::Blocked {
                attempt,
                claimed,
                on: on.into(),
                holder: holder.map(|holder| Box::new(holder.clone())),
            };
        }
        self.refresh(step);
    }

    fn unblocked(&mut self, step: StepIx) {
        let record = &mut self.steps[step.at()];
        if let StepState::Blocked {
            attempt, claimed, ..
        } = record.state
        {
            record.state = StepState::Claimed { attempt, claimed };
        }
        self.refresh(step);
    }

    fn settle(&mut self, ix: StepIx, outcome: Outcome, reason: Option<Box<Reason>>, at: Millis) {
        let record = &mut self.steps[ix.at()];
        record.state = StepState::Settled { outcome, reason };
        record.handed = false;
        record.ended_at = at;
        self.settled(ix, outcome);
    }

    fn undone(&mut self, step: StepIx, undone: bool, reason: &Reason) {
        if undone {
            self.steps[step.at()].undo = UndoState::Undone;
        } else {
            self.steps[step.at()].undo = UndoState::Failed(Box::new(reason.clone()));
            self.undo_failed = Some(reason.clone());
        }
        self.undoable.retain(|ix| *ix != step);
        self.refresh(step);
    }

    /// The legal transitions, and no others.
    fn check(&self, event: &Event) -> Result<(), String> {
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
            Kind::RunReopened { .. } => phase_is(matches!(self.phase, RunPhase::Finished(_))),
            Kind::StepClaimed { attempt, .. } => {
                phase_is(live)?;
                self.check_attempt(*attempt, AttemptStage::New)
            }
            Kind::StepStarted { attempt } => {
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
            Kind::StepBlocked { step, .. } => self.check_step(*step, |state| {
                matches!(state, StepState::Claimed { .. } | StepState::Blocked { .. })
            }),
            Kind::StepUnblocked { step } => {
                self.check_step(*step, |state| matches!(state, StepState::Blocked { .. }))
            }
            Kind::StepAsked { step, .. } => {
                self.check_step(*step, |state| *state == StepState::Pending)
            }
            Kind::StepAnswered { step, .. } => {
                self.check_step(*step, |state| *state == StepState::Asked)
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
            (Role::Undo, stage) => stage.legal_for_undo(&record.undo, record.undo_attempts, n),
            (_, AttemptStage::New) => match record.state {
                StepState::Pending => n == record.attempts + 1,
                StepState::Backoff { attempt, .. } => n == attempt,
                _ => false,
            },
            (_, AttemptStage::Claimed) => {
                matches!(record.state, StepState::Claimed { attempt, .. } if n == attempt)
            }
            (_, AttemptStage::Open) => matches!(
                record.state,
                StepState::Claimed { attempt, .. } | StepState::Running { attempt, .. }
                    if n == attempt
            ),
            (_, AttemptStage::Failing) => {
                matches!(record.state, StepState::Failing { attempt } if n == attempt + 1)
            }
        };
        match legal {
            true => Ok(()),
            false => Err(format!(
                "attempt {n} of step {} cannot be {stage:?}: it is {:?}, undo {:?}",
                self.plan[attempt.step].id, record.state, record.undo
            )),
        }
    }

    fn check_undone(&self, step: StepIx, killed: bool) -> Result<(), String> {
        match self.record(step)?.undo {
            UndoState::Ending | UndoState::Failing { .. } => Ok(()),
            UndoState::Claimed { .. } | UndoState::Backoff { .. } if killed => Ok(()),
            ref undo => Err(format!("undoing step {} is {undo:?}", self.plan[step].id)),
        }
    }

    /// What the last attempt put out for later steps.
    pub fn output(&self, step: &str, key: &str) -> Option<&str> {
        let last = self.steps[self.find(step)?.at()].last.as_ref()?;
        last.outputs.get(key).map(AsRef::as_ref)
    }

    /// Attempts that the log claims and whose end it does not know: what a
    /// resumed engine must ask its executor about.
    pub fn open_attempts(&self) -> Vec<Attempt> {
        let mut open = Vec::new();
        for step in self.plan.indices() {
            let record = &self.steps[step.at()];
            if let StepState::Claimed {
                attempt: number, ..
            }
            | StepState::Blocked {
                attempt: number, ..
            }
            | StepState::Running {
                attempt: number, ..
            } = record.state
            {
                open.push(Attempt {
                    step,
                    number,
                    role: Role::Main,
                });
            }
            if let UndoState::Claimed {
                attempt: number, ..
            }
            | UndoState::Running {
                attempt: number, ..
            } = record.undo
            {
                open.push(Attempt {
                    step,
                    number,
                    role: Role::Undo,
                });
            }
        }
        open
    }

    /// Steps whose interrupted attempt waits for a person's word.
    pub fn needs_word(&self) -> Vec<StepIx> {
        let failed = self.places.failed.iter().copied();
        failed.filter(|ix| self.waits_for_word(*ix)).collect()
    }

    /// Nobody saw how its attempt ended, and it must not simply be run again.
    pub(super) fn waits_for_word(&self, ix: StepIx) -> bool {
        matches!(
            &self.steps[ix.at()].state,
            StepState::Settled { reason: Some(reason), .. } if **reason == Reason::NotIdempotent
        )
    }
}

/// How far an attempt must be for an event about it to be legal.
#[derive(Clone, Copy, Debug)]
enum AttemptStage {
    /// Not claimed yet, and next in number.
    New,
    /// Claimed, not started.
    Claimed,
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
            (AttemptStage::Open, UndoState::Running { attempt, .. }) => n == *attempt,
            (AttemptStage::Failing, UndoState::Failing { attempt, .. }) => n == attempt + 1,
            _ => false,
        }
    }
}

/// How many steps have settled in each way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps that take part in the run.
    pub total: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub skipped: u32,
    pub canceled: u32,
}

impl Counts {
    /// Steps that have settled.
    pub fn settled(&self) -> u32 {
        self.succeeded + self.failed + self.skipped + self.canceled
    }
}

/// Names of things that steps occupy, with their capacities.
pub(super) type Capacities = BTreeMap<Box<str>, u32>;
/// Steps in the order in which they go.
pub(super) type Queue = BTreeSet<(std::cmp::Reverse<i32>, StepIx)>;
