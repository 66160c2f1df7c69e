//! The fold: what is true of a run, given everything that happened to it.
//!
//! There is one way for a run to change, [`RunState::apply`] (`fold`), used alike
//! by the engine that drives the run, by the one that resumes it, and by whoever
//! only looks. The legal transitions are written once (`legal`); anything else
//! is an [`IllegalEvent`]. The fold has no opinions: whether a failed step is tried again
//! or given up is decided in `schedule` and arrives here as an event.
//!
//! Some things an engine knows are not events, since they are only about itself
//! and end with it: how far the log is durable ([`RunState::acknowledge`]),
//! which claimed attempts it has handed to an executor ([`RunState::hand_over`],
//! [`RunState::take_back`]), and what that executor can do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::event::{
    Attempt, Engine, Event, Millis, Outcome, Reason, Role, RunOutcome, Seq, Stopping,
};
use super::expect::Usual;
use super::freshness::Freshness;
use super::order::{Order, Turn};
use super::places::Places;
use super::remedy::Past;
pub use super::step::{Mending, Obstacle, Probe, StepRecord, StepState, UndoState};
use crate::plan::graph::Graph;
use crate::plan::{CacheUse, OnFailure, Plan, StepIx, Verdict};

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
    /// Plans that events still to come will put in force, the last one first.
    pub(super) later: Vec<Arc<Plan>>,
    pub(super) graph: Arc<Graph>,
    /// Step ids in order, to look one up.
    pub(super) by_id: Arc<[StepIx]>,
    pub(super) phase: RunPhase,
    pub(super) seq: Seq,
    pub(super) durable: Seq,
    /// The event by which clean-up began, last; 0 before.
    pub(super) cleanup: Seq,
    pub(super) engine: Option<Engine>,
    /// Engines in a row that died and had brought the run no further.
    pub(super) lost: u32,
    /// The engine that drives the run has brought it further.
    pub(super) advanced: bool,
    /// The event with which the machine's present boot entered the run.
    pub(super) booted: Seq,
    pub(super) seed: u64,
    /// Nothing new starts, since what happens cannot be written down.
    pub(super) paused: bool,
    /// When the last event was.
    pub(super) last_at: Millis,
    pub(super) started_at: Millis,
    pub(super) ended_at: Millis,
    pub(super) steps: Vec<StepRecord>,
    /// Why the run stops, once it does; outlives the phase.
    pub(super) stopped: Option<(Stopping, Reason)>,
    /// Steps that have succeeded since the run went on last, or since the present
    /// boot, and want the machine restarted.
    pub(super) want_restart: Vec<StepIx>,
    /// Steps of which an attempt was under way when the present boot entered the
    /// run: the restart that such a one may want has been.
    pub(super) cut_short: BTreeSet<StepIx>,
    pub(super) rolled_back: bool,
    /// Why taking a step back failed, if it did: nothing more is taken back then.
    pub(super) undo_failed: Option<Reason>,
    /// Steps that can be undone, in the order in which they succeeded.
    pub(super) undoable: Vec<StepIx>,
    pub(super) ended: Option<Reason>,
    /// The executor takes attempts that are to begin behind others.
    pub(super) queues_behind: bool,
    /// How long steps are expected to take; the places of steps do not change
    /// with the plan.
    pub(super) usual: Arc<Usual>,
    /// How often remedies were used in earlier runs.
    pub(super) past_remedies: Arc<Past>,
    /// Which of several ready steps goes first.
    pub(super) order: Arc<Order>,
    /// Where each step stands in the queues; follows from all of the above.
    pub(super) places: Places,
}

impl RunState {
    /// A run to which nothing has happened. It begins by the first of the plans
    /// that this one holds.
    pub fn new(plan: Arc<Plan>) -> Self {
        RunState::expecting(plan, &Usual::nothing())
    }

    /// The same, of a plan whose steps usually take so long: those that hold up
    /// the most go first.
    pub fn expecting(mut plan: Arc<Plan>, usual: &Usual) -> Self {
        let mut later = Vec::new();
        while let Some(before) = plan.before.clone() {
            later.push(std::mem::replace(&mut plan, before));
        }
        let graph = Arc::new(Graph::new(&plan));
        let by_id = sorted_by_id(&plan);
        let steps = plan
            .steps
            .iter()
            .map(|step| StepRecord::new(step.absent.is_some()))
            .collect();
        let mut run = RunState {
            places: Places::empty(&plan),
            usual: Arc::new(usual.clone()),
            past_remedies: Arc::default(),
            order: Arc::new(Order::new(&plan, &graph, usual)),
            plan,
            later,
            graph,
            by_id,
            phase: RunPhase::Pending,
            seq: 0,
            durable: 0,
            cleanup: 0,
            engine: None,
            lost: 0,
            advanced: false,
            booted: 0,
            seed: 0,
            paused: false,
            last_at: 0,
            started_at: 0,
            ended_at: 0,
            steps,
            stopped: None,
            want_restart: Vec::new(),
            cut_short: BTreeSet::new(),
            rolled_back: false,
            undo_failed: None,
            undoable: Vec::new(),
            ended: None,
            queues_behind: false,
        };
        run.rebuild_places();
        run
    }

    /// The same, knowing how often remedies were used in earlier runs.
    pub fn remembering(self, past: Past) -> Self {
        RunState {
            past_remedies: Arc::new(past),
            ..self
        }
    }

    /// The run that these events tell of.
    ///
    /// # Errors
    /// The first event that cannot have happened.
    pub fn replay<'a>(
        plan: Arc<Plan>,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Self, IllegalEvent> {
        RunState::new(plan).after(events)
    }

    /// This run, after these events, all of which are durable.
    ///
    /// # Errors
    /// The first event that cannot have happened.
    pub fn after<'a>(
        mut self,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Self, IllegalEvent> {
        for event in events {
            self.apply(event)?;
        }
        self.acknowledge(self.seq);
        Ok(self)
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

    /// Whether nothing new starts, since what happens cannot be written down.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The last event's number.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The engine that drives the run, or drove it last.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// How many engines in a row died and had brought the run no further.
    pub fn engines_lost(&self) -> u32 {
        self.lost
    }

    pub fn started_at(&self) -> Millis {
        self.started_at
    }

    /// When the last event was; 0 before the first.
    pub fn last_at(&self) -> Millis {
        self.last_at
    }

    /// When the run ended; 0 while it has not.
    pub fn ended_at(&self) -> Millis {
        self.ended_at
    }

    /// Why the run ended as it did.
    pub fn ended_because(&self) -> Option<&Reason> {
        self.ended.as_ref()
    }

    /// Whether somebody, or its deadline, has stopped the run.
    pub fn is_told_to_end(&self) -> bool {
        let why = self.stopped.as_ref().map(|(why, _)| *why);
        why.is_some_and(|why| why > Stopping::Abort)
    }

    /// What the run's end goes by. That it stopped for a restart says nothing
    /// where nothing is left to be done after it.
    pub(super) fn stopped_by(&self) -> Option<Stopping> {
        let why = self.stopped.as_ref().map(|(why, _)| *why);
        why.filter(|why| *why != Stopping::Restart || self.places.counts.canceled > 0)
    }

    /// The boot in which the run stopped for a restart, if it did: [`Engine::boot`].
    /// It goes on in any other.
    pub fn stopped_in(&self) -> Option<&str> {
        let ended = match self.phase {
            RunPhase::Finished(_) => self.ended.as_ref(),
            RunPhase::Stopping(_) => self.stopped.as_ref().map(|(_, reason)| reason),
            _ => None,
        };
        match ended {
            Some(Reason::RestartRequired { boot, .. }) => Some(boot),
            _ => None,
        }
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

    /// How many steps wait for nothing but to be claimed.
    pub fn ready(&self) -> usize {
        let classes = self.places.classes.iter();
        classes.map(|class| class.ready.len()).sum()
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

    /// Steps that succeeded, and whose last exit means this.
    pub fn succeeded_with(&self, verdict: Verdict) -> Vec<StepIx> {
        let means = |ix: &StepIx| {
            let record = self.step(*ix);
            let end = record.last.end().filter(|_| record.succeeded());
            end.is_some_and(|end| end.verdict == verdict)
        };
        self.plan.indices().filter(means).collect()
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

    /// Whether an attempt that was claimed by this event may begin, as far as the
    /// log goes. What runs whatever happens may have been claimed long before: that
    /// its turn has come must be known too, or a run that is resumed without that
    /// knowledge would find it done before its time.
    pub(super) fn is_allowed(&self, claimed: Seq) -> bool {
        claimed.max(self.cleanup) <= self.durable
    }

    /// Takes note that the executor has this claimed attempt now.
    pub fn hand_over(&mut self, attempt: Attempt) {
        self.steps[attempt.step.at()].handed = true;
        self.refresh(attempt.step);
    }

    /// Takes note that the executor has given this attempt back: it never began.
    pub fn take_back(&mut self, attempt: Attempt) {
        let record = &mut self.steps[attempt.step.at()];
        let claimed = match (attempt.role, &record.state, record.undo()) {
            (Role::Undo, _, UndoState::Claimed { attempt, .. })
            | (Role::Main | Role::Remedy, StepState::Claimed { attempt, .. }, _) => Some(*attempt),
            _ => None,
        };
        if claimed == Some(attempt.number) {
            record.handed = false;
            self.refresh(attempt.step);
        }
    }

    /// Takes note that the executor takes attempts that are to begin behind others.
    pub fn may_queue_behind(&mut self) {
        self.queues_behind = true;
    }

    /// What the last attempt put out for later steps; of a fresh step, that by
    /// which it is fresh.
    pub fn output(&self, step: &str, key: &str) -> Option<&str> {
        let record = &self.steps[self.find(step)?.at()];
        match record.fresh() {
            Some(fresh) => fresh.outputs.get(key).map(AsRef::as_ref),
            None => record.last.output(key),
        }
    }

    /// Whether it is to be looked whether the step is fresh, before it runs.
    pub(super) fn is_cached(&self, ix: StepIx) -> bool {
        self.plan.cache != CacheUse::Off && self.plan[ix].cache.is_some()
    }

    /// Takes note that somebody looks whether the step is fresh.
    pub fn probing(&mut self, step: StepIx) {
        self.steps[step.at()].probe = Probe::Out;
        self.refresh(step);
    }

    /// Takes note of what looking came to.
    pub fn probed(&mut self, step: StepIx, found: Freshness) {
        let record = &mut self.steps[step.at()];
        if record.probe == Probe::Out {
            record.probe = Probe::Told(Box::new(found));
            self.refresh(step);
        }
    }

    /// Attempts that the log claims and whose end it does not know: what a
    /// resumed engine must ask its executor about.
    pub fn open_attempts(&self) -> Vec<Attempt> {
        let mut open = Vec::new();
        for step in self.plan.indices() {
            let record = &self.steps[step.at()];
            if let StepState::Claimed {
                role,
                attempt: number,
                ..
            }
            | StepState::Blocked {
                role,
                attempt: number,
                ..
            }
            | StepState::Running {
                role,
                attempt: number,
                ..
            } = record.state
            {
                open.push(Attempt { step, number, role });
            }
            if let UndoState::Claimed {
                attempt: number, ..
            }
            | UndoState::Blocked {
                attempt: number, ..
            }
            | UndoState::Running {
                attempt: number, ..
            } = *record.undo()
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

    /// Whether the attempt was claimed before the machine was last restarted.
    /// An executor's own records may have lost their tail then, so their
    /// silence no longer proves that the attempt never ran.
    pub fn claimed_before_boot(&self, attempt: Attempt) -> bool {
        let record = &self.steps[attempt.step.at()];
        let claimed = match (attempt.role, &record.state, record.undo()) {
            (Role::Undo, _, UndoState::Claimed { claimed, .. })
            | (_, StepState::Claimed { claimed, .. }, _) => *claimed,
            (Role::Undo, _, UndoState::Blocked { by, .. })
            | (_, StepState::Blocked { by, .. }, _) => by.claimed,
            _ => return true,
        };
        claimed < self.booted
    }

    /// The step's attempt that waits for something another run holds.
    pub fn blocked_attempt(&self, step: StepIx) -> Option<Attempt> {
        let record = &self.steps[step.at()];
        let of = |number, role| Some(Attempt { step, number, role });
        match (&record.state, record.undo()) {
            (StepState::Blocked { role, attempt, .. }, _) => of(*attempt, *role),
            (_, UndoState::Blocked { attempt, .. }) => of(*attempt, Role::Undo),
            _ => None,
        }
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

pub(super) fn sorted_by_id(plan: &Plan) -> Arc<[StepIx]> {
    let mut by_id: Vec<StepIx> = plan.indices().collect();
    by_id.sort_by(|a, b| plan[*a].id.cmp(&plan[*b].id));
    by_id.into()
}

/// How many steps have settled in each way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps that take part in the run.
    pub total: u32,
    pub succeeded: u32,
    /// Of those that succeeded: need not run.
    pub fresh: u32,
    /// Of those that succeeded: had to be remedied first.
    pub remedied: u32,
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
/// Steps, by their turns, in the order in which they go.
pub(super) type Queue = BTreeSet<Turn>;
