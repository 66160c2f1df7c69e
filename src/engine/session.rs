//! A run on this machine, from its beginning to its end: everything that has to
//! be in place around the loop, put up in the one order that is safe.
//!
//! First the run's directory and the zygote's promise of supervisors, then the
//! store (no connection to it may be carried over a fork), then ownership, the
//! executor, the ears, and last the loop.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::ears::{Ears, Heard, Signals};
use super::fresh::Prober;
use super::lock::{Denied, Held, LockSpace, Want};
use super::outside::{Acknowledged, Answers, Audience, Outside, Shelf, StoreLog};
use super::{Engine, EngineError, JobContext, executors, job};
use crate::exec::process::{LocalConfig, Zygote, boot_id};
use crate::exec::slurm::Site;
use crate::exec::{Both, Executor, Waker};
use crate::paths::StateDir;
use crate::plan::{CacheUse, Plan, StepIx};
use crate::run::replan::{Unsuited, merged};
use crate::run::trace::{Trace, Tracing};
use crate::run::{
    Engine as EngineId, Holder, Millis, RunOutcome, RunPhase, RunState, Seq, Usual, exit_code,
    order_matters,
};
use crate::store::{
    Doorbell, Durability, NewRun, NotOwned, Owner, RunWriter, Store, StoreError, reserve_run,
};

/// Between two looks whether a run has ended whose lock file is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a run needs besides its plan.
pub struct Session<'a> {
    pub state: StateDir,
    pub durability: Durability,
    /// Made before any other thread, and before any store was opened.
    pub zygote: Zygote,
    /// Signals that ask the run to stop, if this process listens for them.
    pub signals: Option<Signals>,
    /// Values of secret variables.
    pub secrets: BTreeMap<String, String>,
    /// Whether a tolerated failure makes the exit code 1.
    pub strict: bool,
    /// For the record: the command that began or resumed the run.
    pub command_line: Vec<String>,
    /// Whether steps are told of a span of theirs, and of whose trace.
    pub tracing: Tracing,
    pub audience: &'a mut dyn Audience,
}

/// How to go on with a run.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// Steps that a person takes as done.
    pub done: Vec<StepIx>,
    /// Steps that a person lets run again although they say `idempotent: false`.
    pub rerun: Vec<StepIx>,
    /// Stop the run as soon as it is taken over, rather than go on with it.
    pub cancel: bool,
    /// Go on although the machine was not restarted, which the run stopped for.
    pub no_restart: bool,
    /// Go on by this plan, from this file, rather than by the run's own.
    pub plan: Option<(Plan, String)>,
    /// Who asks.
    pub by: String,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    pub run_id: String,
    pub outcome: RunOutcome,
    /// The exit code of a program that drove the run: see [`exit_code`].
    pub exit_code: i32,
    pub state: RunState,
}

/// Why a run was not driven to its end.
#[derive(Debug)]
pub enum Refused {
    /// Another run holds the lock of this plan; or another process drives this run.
    Busy(String),
    /// A signal asked to stop while the run waited for its lock. It has not begun.
    CalledOff(&'static str),
    /// An interrupted step must not simply be run again, and nobody has said
    /// what is to be done about it.
    NeedsWord {
        run_id: String,
        steps: Vec<String>,
    },
    /// Steps that are still to be done use these secrets, which no record holds.
    NeedsSecret {
        run_id: String,
        names: Vec<String>,
    },
    /// The run cannot go on by the plan that was given.
    Unsuited {
        run_id: String,
        why: Unsuited,
    },
    /// The run stopped for a restart, which has not been.
    NotRestarted {
        run_id: String,
    },
    /// How Slurm is used here is said in a way that cannot be understood.
    Site(String),
    /// There is nothing left to do.
    Succeeded {
        run_id: String,
    },
    Store(StoreError),
    /// The loop had to stop. Steps that run are left to their supervisors.
    Engine {
        run_id: String,
        error: EngineError,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Busy(by) => f.write_str(by),
            Refused::CalledOff(signal) => write!(f, "nothing was run: {signal}"),
            Refused::NeedsWord { run_id, steps } => write!(
                f,
                "run {run_id} needs a person's word: nobody saw how {} ended, and it must not simply be run again",
                steps.join(", ")
            ),
            Refused::NeedsSecret { run_id, names } => write!(
                f,
                "run {run_id} needs its secrets again, which no record holds: {}",
                names.join(", ")
            ),
            Refused::Unsuited { run_id, why } => {
                write!(f, "run {run_id} cannot go on by another plan: {why}")
            }
            Refused::NotRestarted { run_id } => write!(
                f,
                "run {run_id} waits for a restart, and the machine has not been restarted since"
            ),
            Refused::Succeeded { run_id } => {
                write!(f, "run {run_id} succeeded; there is nothing to resume")
            }
            Refused::Site(why) => f.write_str(why),
            Refused::Store(error) => error.fmt(f),
            Refused::Engine { error, .. } => error.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Refused::Store(error)
    }
}

impl From<NotOwned> for Refused {
    fn from(error: NotOwned) -> Self {
        match error {
            NotOwned::Busy { .. } => Refused::Busy(error.to_string()),
            NotOwned::Store(error) => Refused::Store(error),
        }
    }
}

/// What is in place before the loop is.
struct Stage {
    shelf: Shelf,
    /// Somebody may have asked something of the run before we could listen.
    known: bool,
    writer: Arc<RunWriter>,
    line: Line,
    clock: Clock,
    prober: Option<Prober>,
    /// How Slurm is used here, if any step asks for it.
    site: Option<Site>,
    /// The run's lock, held as long as this is.
    _lock: Vec<Arc<File>>,
}

impl Session<'_> {
    /// Runs a plan.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn begin(mut self, mut plan: Plan) -> Result<Ended, Refused> {
        let clock = Clock::start();
        let site = executors::site_for(&mut plan)?;
        // First of all: where the store is not ours to use, nothing is changed.
        let store = Store::open(&self.state, self.durability)?;
        let dir = reserve_run(&self.state, clock.now())?;
        let lock = match self.lock_run(&store, &plan, &dir.run_id, &clock) {
            Ok(lock) => lock,
            Err(refused) => {
                // Nothing of the run exists yet but its empty directory.
                let _ = std::fs::remove_dir(&dir.path);
                return Err(refused);
            }
        };
        let plan = Arc::new(plan);
        let line = Line::default();
        let prober = self.prober(&plan, &line);
        let content = plan.content();
        let content_id = content.id.clone();
        let usual = self.usual(&store, &plan);
        let past = store.past_remedies(&plan, clock.now())?;
        let run = NewRun {
            run_id: dir.run_id.clone(),
            plan: plan.clone(),
            content,
            created_at: clock.now(),
            command_line: self.command_line.clone(),
            owner: owner(clock.now()),
        };
        let writer = RunWriter::begin(store, self.durability, run, line.callback())?;
        let stage = Stage {
            shelf: Shelf::new(&self.state, self.durability),
            known: false,
            writer: Arc::new(writer),
            line,
            clock,
            prober,
            site,
            _lock: lock,
        };
        let engine = engine_id(stage.writer.epoch());
        let state = RunState::expecting(plan, &usual).remembering(past);
        let tracing = self.tracing;
        self.drive(stage, state, |engine_loop| {
            let seed = seed()?;
            engine_loop.context.trace = trace(&dir.run_id, seed, tracing);
            engine_loop.begin(content_id, seed, engine)
        })
    }

    /// Goes on with a run whose engine is gone, or that has ended otherwise
    /// than well.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn resume(mut self, run_id: &str, again: &Again) -> Result<Ended, Refused> {
        let store = Store::open(&self.state, self.durability)?;
        let ownership = store.own(run_id, &owner(Clock::start().now()))?;
        // Also for a run that is over: its engine may have died between the two.
        let repair = store.mend_own_jsonl(&ownership)?;
        if !repair.damaged.is_empty() {
            self.audience.damaged(run_id, &repair.damaged);
        }
        let plan = Arc::new(store.plan(run_id)?);
        let usual = self.usual(&store, &plan);
        let (mut state, recorded) = replay(&store, run_id, &plan, &usual)?;
        refuse_pointless(&state, run_id, again)?;
        let has_restarted = again.no_restart || may_have_restarted(&state, &boot_id());
        if let Some((new, _)) = &again.plan {
            let run_id = run_id.to_owned();
            let mut new = new.clone();
            executors::site_for(&mut new)?;
            let merged = merged(&state, new);
            let merged = merged.map_err(|why| Refused::Unsuited { run_id, why })?;
            state.will_follow(Arc::new(merged));
        }
        let plan = state.latest_plan().clone();
        let site = executors::site_of(&plan, &self.state.run(run_id))?;
        let clock = Clock::start_after(state.last_at());
        state = state.remembering(store.past_remedies(&plan, clock.now())?);
        refuse_secretless(&state, run_id, &self.secrets)?;
        let lock = self.lock_run(&store, &plan, run_id, &clock)?;
        let line = Line::default();
        line.acknowledged.take(Ok(state.seq()));
        let writer = RunWriter::resume(
            &self.state,
            self.durability,
            ownership,
            plan,
            line.callback(),
        )?;
        let stage = Stage {
            shelf: Shelf::opened(store, self.durability),
            known: true,
            writer: Arc::new(writer),
            line,
            clock,
            prober: None,
            site,
            _lock: lock,
        };
        let engine = engine_id(stage.writer.epoch());
        let tracing = self.tracing;
        self.drive(stage, state, |engine_loop| match engine_loop.run.phase() {
            RunPhase::Pending => {
                let content_id = engine_loop.run.plan().content_id();
                let seed = seed()?;
                engine_loop.context.trace = trace(run_id, seed, tracing);
                engine_loop.begin(content_id, seed, engine)
            }
            phase => {
                // In the trace that it began in, whatever this engine is told.
                engine_loop.context.trace =
                    recorded.filter(|trace| tracing.wanted || trace.parent().is_some());
                let ended = matches!(phase, RunPhase::Finished(_));
                let stopped = !ended && engine_loop.run.stopped_in().is_some();
                engine_loop.take_over(engine)?;
                if stopped && has_restarted {
                    engine_loop.reopen(&again.by)?;
                }
                match &again.plan {
                    Some((_, file)) => engine_loop.replace_plan(file, &again.by)?,
                    None if ended => engine_loop.reopen(&again.by)?,
                    None => {}
                }
                engine_loop.take_word(&again.done, &again.rerun, &again.by)?;
                match again.cancel {
                    true => engine_loop.cancel(&again.by),
                    false => Ok(()),
                }
            }
        })
    }

    /// How long the plan's steps usually take, where that makes a difference.
    /// Not to know it is no reason not to run.
    fn usual(&mut self, store: &Store, plan: &Plan) -> Usual {
        if !order_matters(plan) && !self.audience.asks_for_usual() {
            return Usual::nothing();
        }
        let usual = store.usual(plan).unwrap_or_default();
        self.audience.expects(&usual);
        usual
    }

    /// Whoever looks at steps' freshness, where any may be fresh: what is remembered
    /// is read while the rest is put up. Without one the loop starts its own, and
    /// says why it cannot.
    fn prober(&self, plan: &Arc<Plan>, line: &Line) -> Option<Prober> {
        let mut steps = plan.steps.iter();
        if plan.cache == CacheUse::Off || !steps.any(|step| step.cache.is_some()) {
            return None;
        }
        let answers = line.answers.clone();
        // Nobody asks before there is somebody to tell.
        let tell = move |all| _ = answers.get().map(|answers| answers.tell(all));
        let env = std::env::vars_os().collect();
        Prober::start(plan.clone(), self.state.clone(), env, tell).ok()
    }

    /// Takes the lock that the plan asks for, and waits for it as long as the
    /// plan says.
    fn lock_run(
        &mut self,
        store: &Store,
        plan: &Plan,
        run_id: &str,
        clock: &Clock,
    ) -> Result<Vec<Arc<File>>, Refused> {
        let Some(lock) = &plan.lock else {
            return Ok(Vec::new());
        };
        let who = Holder {
            run: run_id.to_owned(),
            step: String::new(),
            pid: std::process::id(),
            since: clock.now(),
        };
        let space = LockSpace::open(&self.state.locks());
        let wants = [Want::lock(&lock.name)];
        let deadline = Instant::now() + lock.wait;
        let audience = &mut self.audience;
        let signals = self.signals.as_ref();
        let on_wait = |held: &Held| audience.waits(held);
        let taken = space.acquire_within(&wants, &who, deadline, signals, on_wait);
        let taken = taken.and_then(|taken| {
            self.wait_for_recorded(store, &wants[0], run_id, deadline)?;
            Ok(taken)
        });
        taken.map_err(|denied| match denied {
            Denied::Store(error) => Refused::Store(error),
            Denied::CalledOff(signal) => Refused::CalledOff(signal),
            denied => Refused::Busy(denied.to_string()),
        })
    }

    /// Waits for a run that is at work under the lock although its file says
    /// nothing of it any more: somebody has deleted it. This happens so seldom
    /// that looking again and again is good enough.
    fn wait_for_recorded(
        &mut self,
        store: &Store,
        lock: &Want,
        run_id: &str,
        deadline: Instant,
    ) -> Result<(), Denied> {
        let mut told = false;
        while let Some((run, owner)) = store.at_work_under(&lock.name, run_id)? {
            let held = Held {
                on: format!("{lock}, whose file was deleted,"),
                holder: Some(Holder {
                    run,
                    step: String::new(),
                    pid: owner.pid,
                    since: owner.since,
                }),
            };
            if Instant::now() >= deadline {
                return Err(Denied::Held(held));
            }
            if !std::mem::replace(&mut told, true) {
                self.audience.waits(&held);
            }
            if let Some(signal) = self.signals.as_ref().and_then(Signals::heard) {
                return Err(Denied::CalledOff(signal));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Puts up what the loop needs, lets `open` begin or take over the run, and
    /// drives it.
    fn drive(
        self,
        stage: Stage,
        state: RunState,
        open: impl FnOnce(&mut Engine<Both, StoreLog, Outside>) -> Result<(), EngineError>,
    ) -> Result<Ended, Refused> {
        let run_id = stage.writer.run_id().to_owned();
        let plan = state.latest_plan().clone();
        let refused = |error| Refused::Engine {
            run_id: run_id.clone(),
            error,
        };
        let broken = |error: io::Error| refused(error.into());
        let secrets: Vec<String> = self.secrets.values().cloned().collect();
        let mut executor = executors::put_up(
            self.zygote,
            LocalConfig {
                run_dir: self.state.run(&run_id),
                run_id: run_id.clone(),
                epoch: stage.writer.epoch(),
                slots: plan.max_concurrency.get() as usize,
                env: std::env::vars_os().collect(),
                nonce: format!("{:016x}", random_number().map_err(refused)?),
            },
            &secrets,
            stage.site,
        )
        .map_err(broken)?;
        stage.line.connect(executor.waker());
        let (sender, inbox) = channel();
        let bell = Doorbell::hang_up(&self.state.run(&run_id))?;
        if stage.known {
            let _ = sender.send(Heard::Bell);
        }
        let _ears =
            Ears::open(self.signals, bell, sender.clone(), executor.waker()).map_err(broken)?;
        let mut log = StoreLog {
            writer: stage.writer.clone(),
            acknowledged: stage.line.acknowledged.clone(),
            strict: self.strict,
            before: state.seq(),
        };
        let answers = Answers::new(sender, executor.waker());
        // Only ever set once for a line.
        let _ = stage.line.answers.set(answers.clone());
        let mut world = Outside {
            clock: stage.clock,
            inbox,
            answers,
            locks: LockSpace::open(&self.state.locks()),
            waiting: BTreeMap::new(),
            prober: stage.prober,
            shelf: stage.shelf,
            writer: stage.writer.clone(),
            asked: 0,
            given: Vec::new(),
            plan,
            run_id: run_id.clone(),
            audience: self.audience,
            promised: 0,
        };
        let mut engine_loop = Engine {
            run: state,
            executor: &mut executor,
            log: &mut log,
            world: &mut world,
            context: JobContext {
                run_id: run_id.clone(),
                secrets: self.secrets,
                trace: None,
            },
        };
        let is_new = engine_loop.run.seq() == 0;
        let driven = open(&mut engine_loop).and_then(|()| engine_loop.drive());
        let state = engine_loop.run;
        // Whatever became of the run, what its steps came to counts.
        world.close();
        let outcome = driven.map_err(|error| match stage.line.acknowledged.read() {
            // The run is not in the store: there is nothing to resume.
            Err(never_began) if is_new && !log.has_begun() => Refused::Store(never_began),
            _ => refused(error),
        })?;
        let reason = state.ended_because();
        let exit_code = reason.map_or(1, |reason| exit_code(outcome, reason, self.strict));
        Ok(Ended {
            run_id,
            outcome,
            exit_code,
            state,
        })
    }
}

/// The line between threads that start first, the log's and the one that looks
/// at freshness, and the loop, which exists only later.
#[derive(Default)]
struct Line {
    acknowledged: Arc<Acknowledged>,
    waker: Arc<OnceLock<Waker>>,
    answers: Arc<OnceLock<Answers>>,
}

impl Line {
    fn callback(&self) -> impl FnMut(Result<Seq, StoreError>) + Send + 'static {
        let acknowledged = self.acknowledged.clone();
        let waker = self.waker.clone();
        move |said| {
            acknowledged.take(said);
            if let Some(waker) = waker.get() {
                waker.wake();
            }
        }
    }

    fn connect(&self, waker: Waker) {
        // Only ever called once for a line.
        let _ = self.waker.set(waker);
    }
}

fn replay(
    store: &Store,
    run_id: &str,
    plan: &Arc<Plan>,
    usual: &Usual,
) -> Result<(RunState, Option<Trace>), Refused> {
    let events = store.events(run_id, 0, usize::MAX)?;
    let run = RunState::expecting(plan.clone(), usual);
    let run = run.after(&events).map_err(|illegal| Refused::Engine {
        run_id: run_id.to_owned(),
        error: EngineError::Illegal(illegal),
    })?;
    let first = events.first();
    Ok((run, first.and_then(|first| Trace::recorded(run_id, first))))
}

/// The trace of a run that begins.
fn trace(run_id: &str, seed: u64, tracing: Tracing) -> Option<Trace> {
    let Tracing { wanted, parent } = tracing;
    (wanted || parent.is_some()).then(|| Trace::of(run_id, seed, parent))
}

fn refuse_pointless(state: &RunState, run_id: &str, again: &Again) -> Result<(), Refused> {
    let run_id = run_id.to_owned();
    if let RunPhase::Finished(RunOutcome::Succeeded) = state.phase() {
        return Err(Refused::Succeeded { run_id });
    }
    let is_over = matches!(state.phase(), RunPhase::Finished(_));
    if is_over && !again.no_restart && !may_have_restarted(state, &boot_id()) {
        return Err(Refused::NotRestarted { run_id });
    }
    let unsaid = |step: &StepIx| !again.done.contains(step) && !again.rerun.contains(step);
    let waiting = state.needs_word().into_iter().filter(unsaid);
    let steps: Vec<String> = waiting.map(|ix| state.plan()[ix].id.to_string()).collect();
    match steps.is_empty() {
        true => Ok(()),
        false => Err(Refused::NeedsWord { run_id, steps }),
    }
}

/// Whether a run that stopped for a restart may go on in this boot; any other may.
/// Where the system does not tell one boot from the next, whoever resumes knows.
pub fn may_have_restarted(state: &RunState, boot: &str) -> bool {
    let before = state.stopped_in();
    before.is_none_or(|before| before.is_empty() || before != boot)
}

/// A step that cannot have its secret would fail, and its dependents with it or
/// worse: without it.
fn refuse_secretless(
    state: &RunState,
    run_id: &str,
    given: &BTreeMap<String, String>,
) -> Result<(), Refused> {
    let names = job::missing_secrets(state, given);
    match names.is_empty() {
        true => Ok(()),
        false => Err(Refused::NeedsSecret {
            run_id: run_id.to_owned(),
            names,
        }),
    }
}

fn owner(since: Millis) -> Owner {
    Owner {
        pid: std::process::id(),
        host: host(),
        since,
    }
}

fn engine_id(epoch: u32) -> EngineId {
    EngineId {
        epoch,
        pid: std::process::id(),
        host: host(),
        boot: boot_id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn host() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Small enough to be a number in any reader of JSON.
fn seed() -> Result<u64, EngineError> {
    Ok(random_number()? >> 11)
}

fn random_number() -> Result<u64, EngineError> {
    getrandom::u64().map_err(|error| EngineError::Executor(io::Error::other(error.to_string())))
}
