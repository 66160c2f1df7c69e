//! The one loop: asks the core what is next, records it, does it, and tells the
//! core what came of it.
//!
//! The loop decides nothing (that is `run`) and knows nothing of processes
//! (`exec`), files of plans (`load`) or screens (`view`). What it needs from
//! the world stands behind three small traits, so that the simulation in
//! `tests/simulation.rs` drives this very loop through crashes and bad luck:
//! [`Executor`] makes attempts happen, [`Log`] remembers, [`World`] is the
//! rest: time, other people's wishes, locks, and somebody to show events to.

mod clock;
mod ears;
mod executors;
pub mod fresh;
mod job;
pub mod lock;
mod outside;
mod session;
mod standstill;
pub mod written;

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::exec::{Done, Executor, Found, Job, Report, Unrecorded};
use crate::plan::StepIx;
use crate::run::{
    Attempt, Command, Engine as EngineId, Event, Exit, Finish, Freshness, IllegalEvent, Kind,
    Millis, Outcome, Output, Reason, Role, RunOutcome, RunPhase, RunState, Seq, StepState,
    Stopping, next, remedy, retry, waits_for_log, wake_at,
};

use crate::run::replan::{Unsuited, replacement};
use crate::run::trace::Trace;

pub use clock::Clock;
pub use ears::Signals;
pub use fresh::Identity;
pub use job::{JobContext, identity};
pub use lock::{Denied, Held};
pub use outside::{Answers, Audience, Question};
pub use session::{Again, Ended, Refused, Session, may_have_restarted};
use standstill::Standstill;

/// At most so many slots are made before the first steps may start: more would
/// only be made by the way, and may never be needed.
const EXPECTED: usize = 4;

/// What remembers events.
pub trait Log {
    /// Takes an event to be made durable soon. Does not wait for it.
    fn append(&mut self, event: &Event);

    /// The last event that is durable, together with all before it.
    ///
    /// # Errors
    /// The log cannot be written. Nothing more becomes durable, and nothing
    /// that was not durable before may be taken to be.
    fn durable(&mut self) -> Result<Seq, LogError>;

    /// Says that somebody waits for what was appended.
    fn hurry(&mut self);

    /// Tries again what could not be written; how that went, the other calls
    /// tell. Does nothing where nothing has failed.
    ///
    /// # Errors
    /// What has failed is not to be tried again.
    fn retry(&mut self) -> Result<(), LogError> {
        self.durable().map(drop)
    }

    /// Waits until everything appended is durable.
    ///
    /// # Errors
    /// As [`durable`](Log::durable).
    fn flush(&mut self) -> Result<(), LogError>;
}

/// Why the log cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogError {
    /// In words for people.
    pub why: String,
    /// The same may succeed later: there was no room. A log that has failed for
    /// any other reason is not to be believed again.
    pub may_pass: bool,
}

/// Somebody's wish, from outside the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Stop the run, this firmly.
    Stop { why: Stopping, by: String },
    /// May this step run?
    Answer { step: StepIx, yes: bool, by: String },
    /// What the step waited for may be free now.
    Unblocked { step: StepIx },
    /// What looking at the step's freshness came to.
    Probed { step: StepIx, found: Freshness },
}

/// The rest of the world, as far as the loop needs it.
pub trait World {
    /// The time, on a clock that never jumps.
    fn now(&mut self) -> Millis;

    /// Wishes that have arrived since the last call. Their arrival wakes the
    /// executor's wait.
    fn requests(&mut self) -> Vec<Request>;

    /// Asks a person; the answer comes as a request.
    fn ask(&mut self, step: StepIx, question: &str);

    /// Looks whether the step, which would run just this, need run at all; the
    /// answer comes as a request. Where it cannot be said what it would run, that
    /// is the identity's error, and the answer is that it must.
    fn probe(&mut self, step: StepIx, identity: Result<Identity, String>);

    /// Takes everything the step occupies, or nothing. If something is held by
    /// another run, a request follows when it may be free.
    ///
    /// # Errors
    /// What is held, and by whom; or the locks cannot be used at all.
    fn occupy(&mut self, step: StepIx) -> Result<Vec<Arc<File>>, Denied>;

    /// Shows an event that has just been folded in.
    fn show(&mut self, run: &RunState, event: &Event);

    /// The last lines of what an attempt wrote, for the record; `None` where it
    /// wrote nothing.
    fn tail(&mut self, output: &Output) -> Option<Box<str>>;

    /// Everything up to and with this event is durable: it may be promised.
    fn acknowledged(&mut self, seq: Seq);
}

/// Why the loop could not go on. Steps that run are left to their supervisors.
#[derive(Debug)]
pub enum EngineError {
    /// Nothing can be recorded, so nothing may start.
    Log(LogError),
    /// The executor is broken.
    Executor(io::Error),
    /// Locks cannot be taken at all.
    Lock(Denied),
    /// The record and the world contradict each other.
    Illegal(IllegalEvent),
    /// The run cannot go on by the plan that it was to.
    Plan(Unsuited),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::Log(error) => write!(f, "the run cannot be recorded: {}", error.why),
            EngineError::Executor(error) => write!(f, "steps cannot be run: {error}"),
            EngineError::Lock(denied) => write!(f, "locks cannot be taken: {denied}"),
            EngineError::Plan(why) => write!(f, "another plan cannot be followed: {why}"),
            EngineError::Illegal(event) => {
                write!(f, "the run's record contradicts itself: {event}")
            }
        }
    }
}

impl std::error::Error for EngineError {}

impl From<io::Error> for EngineError {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|e| e.downcast_ref::<Unrecorded>()) {
            Some(Unrecorded(why)) => EngineError::Log(LogError {
                why: why.clone(),
                may_pass: false,
            }),
            None => EngineError::Executor(error),
        }
    }
}

impl From<LogError> for EngineError {
    fn from(error: LogError) -> Self {
        EngineError::Log(error)
    }
}

/// A run with all that drives it.
pub struct Engine<'a, E, L, W> {
    pub run: RunState,
    pub executor: &'a mut E,
    pub log: &'a mut L,
    pub world: &'a mut W,
    pub context: JobContext,
}

impl<E: Executor, L: Log, W: World> Engine<'_, E, L, W> {
    /// Begins a run that has not begun.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn begin(&mut self, plan: String, seed: u64, engine: EngineId) -> Result<(), EngineError> {
        let parent = self.context.trace.as_ref().and_then(Trace::parent);
        self.record(Kind::RunStarted {
            plan,
            seed,
            traceparent: parent.map(|parent| parent.to_string().into()),
            engine,
        })?;
        // While the log is forced to the disk for the first time.
        self.executor.expect(self.run.ready().min(EXPECTED));
        Ok(())
    }

    /// Takes over a run that another engine began: asks the executor what has
    /// become of every attempt whose end is not recorded, and goes on from there.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn take_over(&mut self, engine: EngineId) -> Result<(), EngineError> {
        self.record(Kind::RunResumed { engine })?;
        for step in self.run.plan().indices() {
            self.unblock(step)?;
            if let StepState::Asked { role, .. } = self.run.step(step).state {
                self.ask_again(step, role);
            }
        }
        let open = self.run.open_attempts();
        let found = self
            .executor
            .recover(&open)
            .map_err(EngineError::Executor)?;
        for (attempt, found) in found {
            match found {
                Found::NeverRan if self.run.claimed_before_boot(attempt) => {
                    self.interrupted(attempt)?;
                }
                found => {
                    let goes_on = matches!(found, Found::Alive { .. } | Found::Waits);
                    self.found(attempt, found)?;
                    if goes_on {
                        self.hold_again(attempt);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes again what a step occupies that runs elsewhere: locks are this machine's,
    /// and were free from when the engine before this one died. Where another run has
    /// taken them since, both have to do with it.
    fn hold_again(&mut self, attempt: Attempt) {
        let step = &self.run.plan()[attempt.step];
        if step.executor.slurm().is_none() || step.holds.is_none() {
            return;
        }
        if let Ok(locks) = self.world.occupy(attempt.step) {
            self.executor.hold(attempt, locks);
        }
    }

    /// Lets an ended run go on: what has not succeeded is done again.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn reopen(&mut self, by: &str) -> Result<(), EngineError> {
        let reason = Reason::Request { by: by.to_owned() };
        self.record(Kind::RunReopened { reason })
    }

    /// Lets the run go on by the plan that [`RunState::will_follow`] was told of.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn replace_plan(&mut self, file: &str, by: &str) -> Result<(), EngineError> {
        self.run.can_change_plan().map_err(EngineError::Plan)?;
        let (before, after) = (self.run.plan(), self.run.latest_plan());
        let reason = Reason::Request { by: by.to_owned() };
        let by = Box::new(replacement(before, after, file, reason));
        self.record(Kind::PlanReplaced { by })
    }

    /// Takes a person's word about steps whose end nobody saw: these count as
    /// done, those are run again.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn take_word(
        &mut self,
        done: &[StepIx],
        rerun: &[StepIx],
        by: &str,
    ) -> Result<(), EngineError> {
        for &step in done {
            let record = self.run.step(step);
            if record.outcome().is_none() && !matches!(record.state, StepState::Running { .. }) {
                self.record(Kind::StepSettled {
                    step,
                    outcome: Outcome::Succeeded,
                    reason: Reason::Assumed { by: by.to_owned() },
                })?;
            }
        }
        for &step in rerun {
            if let StepState::Failing { attempt, .. } = self.run.step(step).state {
                let number = attempt + 1;
                let not_before = self.world.now();
                self.record(Kind::StepRetry {
                    attempt: Attempt {
                        step,
                        number,
                        role: Role::Main,
                    },
                    not_before,
                    reason: Reason::Interrupted,
                })?;
            }
        }
        Ok(())
    }

    /// Stops the run, politely.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn cancel(&mut self, by: &str) -> Result<(), EngineError> {
        let by = by.to_owned();
        self.take_request(Request::Stop {
            why: Stopping::Cancel,
            by,
        })
    }

    /// Drives the run to its end.
    ///
    /// While it is recorded that the run stops, the executor is held: what waits
    /// behind a running step begins of itself, and would do so after the record
    /// if the orders to stop were late, in an engine that is frozen, say.
    ///
    /// # Errors
    /// See [`EngineError`]. Steps that run are left to their supervisors.
    pub fn drive(&mut self) -> Result<RunOutcome, EngineError> {
        if self.executor.queues_behind() {
            self.run.may_queue_behind();
        }
        let mut reports = Vec::new();
        let mut standstill = Standstill::default();
        loop {
            self.heed_log(&mut standstill)?;
            let requests = self.world.requests();
            let mut held = requests
                .iter()
                .any(|request| matches!(request, Request::Stop { .. }));
            if held {
                self.executor.pause();
            }
            for request in requests {
                standstill.hear(&request);
                self.take_request(request)?;
            }
            // One round's commands can call for another's: a skipped step
            // lets its dependents be skipped.
            let mut now = self.world.now();
            loop {
                let commands = next(&self.run, now);
                if commands.is_empty() {
                    break;
                }
                for command in commands {
                    if matches!(command, Command::Halt { .. }) {
                        held = true;
                        self.executor.pause();
                    }
                    self.obey(command, &mut standstill)?;
                }
                now = self.world.now();
            }
            if held && !self.run.is_paused() {
                self.executor.unpause();
            }
            if let RunPhase::Finished(outcome) = *self.run.phase()
                && self.is_recorded(&mut standstill)?
            {
                return Ok(outcome);
            }
            let due = wake_at(&self.run, now)
                .into_iter()
                .chain(standstill.wake_at())
                .min();
            let timeout = due.map(|at| Duration::from_millis(at.saturating_sub(now)));
            if waits_for_log(&self.run) {
                self.log.hurry();
            }
            let waited = self.executor.wait(timeout, &mut reports);
            // What it has heard before it broke has happened all the same, and may
            // be written down nowhere else.
            for report in reports.drain(..) {
                self.take_report(report, &mut standstill)?;
            }
            waited?;
        }
    }

    /// Records the command, then does the deed.
    fn obey(&mut self, command: Command, standstill: &mut Standstill) -> Result<(), EngineError> {
        if let Some(kind) = command.event() {
            self.record(kind)?;
        }
        match command {
            // Decided before the run was paused; it is decided again when it goes on.
            Command::Start { .. } | Command::StartBehind { .. } if self.run.is_paused() => Ok(()),
            Command::Start { attempt } => self.start(attempt, None, standstill),
            Command::StartBehind { attempt, first } => self.start(attempt, Some(first), standstill),
            Command::Stop { attempt, how, .. } => {
                self.executor.stop(attempt, how);
                Ok(())
            }
            Command::Ask { step, question } => {
                self.world.ask(step, &question);
                Ok(())
            }
            Command::Probe { step } => {
                self.run.probing(step);
                let identity = identity(&self.run, step);
                self.world.probe(step, identity);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn start(
        &mut self,
        attempt: Attempt,
        behind: Option<Attempt>,
        standstill: &mut Standstill,
    ) -> Result<(), EngineError> {
        let step = attempt.step;
        let locks = match self.run.plan()[step].holds {
            None => Vec::new(),
            Some(_) => match self.world.occupy(step) {
                Ok(locks) => locks,
                Err(Denied::Held(Held { on, holder })) => {
                    return self.record(Kind::StepBlocked {
                        attempt,
                        on,
                        holder,
                    });
                }
                Err(Denied::Store(error)) if error.may_pass() => {
                    return self.pause(standstill, error.to_string());
                }
                Err(denied) => return Err(EngineError::Lock(denied)),
            },
        };
        match self.context.job(&self.run, attempt, locks) {
            Ok(job) => {
                self.run.hand_over(attempt);
                let job = Job { behind, ..job };
                Ok(self.executor.start(job)?)
            }
            Err(error) => {
                let at = self.world.now();
                let exit = Exit::FailedToStart {
                    errno: "EINVAL".into(),
                };
                let done = Done {
                    error: Some(error),
                    ..Done::without_output(exit, at, at)
                };
                self.finish(attempt, done)
            }
        }
    }

    fn take_request(&mut self, request: Request) -> Result<(), EngineError> {
        match request {
            Request::Stop { why, by } => {
                let firmer = match *self.run.phase() {
                    RunPhase::Running => true,
                    RunPhase::Stopping(before) => why > before,
                    RunPhase::RollingBack | RunPhase::Cleanup => why == Stopping::Kill,
                    RunPhase::Pending | RunPhase::Finished(_) => false,
                };
                if !firmer {
                    return Ok(());
                }
                let reason = Reason::Request { by };
                self.record(Kind::RunStopping { why, reason })
            }
            Request::Answer { step, yes, by } => match self.run.step(step).state {
                StepState::Asked { .. } => self.record(Kind::StepAnswered { step, yes, by }),
                _ => Ok(()),
            },
            Request::Unblocked { step } => self.unblock(step),
            Request::Probed { step, found } => {
                self.run.probed(step, found);
                Ok(())
            }
        }
    }

    fn unblock(&mut self, step: StepIx) -> Result<(), EngineError> {
        match self.run.blocked_attempt(step) {
            Some(attempt) => self.record(Kind::StepUnblocked { attempt }),
            None => Ok(()),
        }
    }

    fn take_report(
        &mut self,
        report: Report,
        standstill: &mut Standstill,
    ) -> Result<(), EngineError> {
        match report {
            Report::Accepted { attempt, node } => self.record(Kind::StepStarted { attempt, node }),
            Report::Queued { attempt, why } => self.record(Kind::StepQueued { attempt, why }),
            Report::Finished { attempt, done } => self.finish(attempt, done),
            Report::Interrupted { attempt } => self.interrupted(attempt),
            Report::Returned { attempt } => {
                self.run.take_back(attempt);
                Ok(())
            }
            Report::Unrecordable { error } => self.pause(standstill, error),
        }
    }

    fn found(&mut self, attempt: Attempt, found: Found) -> Result<(), EngineError> {
        let record = self.run.step(attempt.step);
        let running = matches!(record.state, StepState::Running { .. })
            || matches!(record.undo(), crate::run::UndoState::Running { .. });
        match found {
            Found::Finished(done) => self.finish(attempt, done),
            Found::Alive { .. } if running => Ok(()),
            Found::Alive { node } => self.record(Kind::StepStarted { attempt, node }),
            Found::Waits => {
                self.run.hand_over(attempt);
                Ok(())
            }
            Found::NeverRan if !running => Ok(()),
            Found::NeverRan | Found::Interrupted => self.interrupted(attempt),
        }
    }

    fn interrupted(&mut self, attempt: Attempt) -> Result<(), EngineError> {
        let at = self.world.now();
        let since = match self.run.step(attempt.step).state {
            StepState::Running { since, .. } => since,
            _ => at,
        };
        let done = Done::without_output(Exit::Interrupted, since, at);
        self.finish(attempt, done)
    }

    fn finish(&mut self, attempt: Attempt, done: Done) -> Result<(), EngineError> {
        if matches!(done.exit, Exit::TimedOut { .. }) {
            self.record(Kind::StepTimeout { attempt })?;
        }
        let policy = &self.run.plan()[attempt.step].policy;
        let verdict = match attempt.role {
            // What the step's exit codes mean says nothing of its remedy's.
            Role::Remedy => retry::plain_verdict(&done.exit),
            _ => retry::verdict(policy, &done.exit),
        };
        let tail = self.world.tail(&done.output);
        let end = Box::new(Finish {
            tail,
            verdict,
            error: done.error.or_else(|| match &done.exit {
                timeout @ Exit::TimedOut { .. } => Some(timeout.to_string()),
                _ => None,
            }),
            exit: done.exit,
            started_at: done.started_at,
            ended_at: done.ended_at,
            output: done.output,
            outputs: done.outputs,
            leaked: done.leaked,
        });
        self.record(Kind::StepFinished { attempt, end })
    }

    fn ask_again(&mut self, step: StepIx, role: Role) {
        let question = match role {
            Role::Remedy => Some(remedy::question(&self.run, step)),
            _ => self.run.plan()[step].confirm.as_deref().map(str::to_owned),
        };
        if let Some(question) = question {
            self.world.ask(step, &question);
        }
    }

    fn record(&mut self, kind: Kind) -> Result<(), EngineError> {
        let event = Event {
            seq: self.run.seq() + 1,
            at: self.world.now(),
            kind,
        };
        self.run.apply(&event).map_err(EngineError::Illegal)?;
        self.log.append(&event);
        self.world.show(&self.run, &event);
        Ok(())
    }
}
