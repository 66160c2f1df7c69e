//! The world as it really is: what the engine's loop needs of it, on this machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use super::clock::Clock;
use super::ears::Heard;
use super::fresh::{Identity, Prober};
use super::lock::{Asking, Denied, Held, LockSpace, Want};
use super::{Log, LogError, Request, World};
use crate::exec::Waker;
use crate::paths::StateDir;
use crate::plan::{Holds, Plan, StepIx, Verdict};
use crate::run::{
    Event, Freshness, Holder, Kind, Millis, Output, Reason, Role, RunState, Seq, Stale, Stopping,
    Usual, exit_code,
};
use crate::store::{Durability, RunWriter, Store, StoreError, What, logs};

/// How much of an attempt's output goes into the record.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: usize = 2048;

/// Who is told what happens, and who is asked.
pub trait Audience {
    /// The run is in the store, under this id.
    fn begins(&mut self, run_id: &str);

    /// Whether it wants to know how long steps usually take, also where that
    /// makes no difference to the run.
    fn asks_for_usual(&self) -> bool {
        false
    }

    /// How long steps usually take, if that was looked up.
    fn expects(&mut self, _usual: &Usual) {}

    /// An event has just been folded into the run.
    fn event(&mut self, run: &RunState, event: &Event);

    /// Everything up to and with this event is durable: what has been shown of
    /// it to programs will be there after a power cut, too.
    fn durable(&mut self, _seq: Seq) {}

    /// A person is to be asked. The answer comes through `answers`, now or later;
    /// where the question is a patient one, perhaps from elsewhere.
    fn ask(&mut self, question: &Question<'_>, answers: &Answers);

    /// A question has been answered.
    fn answered(&mut self) {}

    /// Something of what the steps came to is not remembered for later runs.
    fn forgets(&mut self, _why: &str) {}

    /// The whole run waits for a lock that another run holds.
    fn waits(&mut self, held: &Held);

    /// These lines of the run's `events.jsonl` do not say what the database
    /// says, and no crash can have done that.
    fn damaged(&mut self, _run_id: &str, _lines: &[u64]) {}
}

/// What a person is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub step: StepIx,
    /// The step's id.
    pub id: &'a str,
    pub text: &'a str,
    /// It waits for an answer from whoever comes along, so that nobody is there
    /// now is no answer.
    pub is_patient: bool,
}

/// Where answers go.
#[derive(Clone)]
pub struct Answers {
    inbox: Sender<Heard>,
    waker: Waker,
}

impl Answers {
    /// Answers the question of a step. `by` says who or what answered.
    pub fn give(&self, step: StepIx, yes: bool, by: &str) {
        let by = by.to_owned();
        // If the engine is gone, nobody waits for the answer.
        let _ = self
            .inbox
            .send(Heard::Said(Request::Answer { step, yes, by }));
        self.waker.wake();
    }
}

/// What the log's thread has said last.
#[derive(Default)]
pub(super) struct Acknowledged {
    durable: AtomicU64,
    failed: Mutex<Option<StoreError>>,
}

impl Acknowledged {
    /// To be called from the log's thread.
    pub fn take(&self, said: Result<Seq, StoreError>) {
        match said {
            Ok(seq) => self.durable.store(seq, Ordering::Release),
            Err(error) => *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
        }
    }

    /// Forgets the error: what is said next decides.
    fn forget_error(&self) {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    pub fn read(&self) -> Result<Seq, StoreError> {
        match &*self.failed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(self.durable.load(Ordering::Acquire)),
        }
    }
}

/// A run's log in the store.
pub(super) struct StoreLog {
    pub writer: Arc<RunWriter>,
    pub acknowledged: Arc<Acknowledged>,
    /// Whether a tolerated failure makes the exit code 1.
    pub strict: bool,
    /// What the log held before this engine.
    pub before: Seq,
}

impl StoreLog {
    /// Before its first event is durable the run has not begun, or not been taken
    /// over. Then nothing is lost, and nobody has to wait.
    pub fn has_begun(&self) -> bool {
        self.acknowledged.durable.load(Ordering::Acquire) > self.before
    }

    fn error(&self, error: &StoreError) -> LogError {
        LogError {
            why: error.to_string(),
            may_pass: error.may_pass() && self.has_begun(),
        }
    }
}

impl Log for StoreLog {
    fn append(&mut self, event: &Event) {
        match &event.kind {
            Kind::RunFinished { outcome, reason } => {
                let code = exit_code(*outcome, reason, self.strict);
                self.writer.finish(event.clone(), code);
            }
            _ => self.writer.append(event.clone()),
        }
    }

    fn durable(&mut self) -> Result<Seq, LogError> {
        self.acknowledged.read().map_err(|e| self.error(&e))
    }

    fn hurry(&mut self) {
        self.writer.hurry();
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.writer.flush().map_err(|e| self.error(&e))
    }

    fn retry(&mut self) -> Result<(), LogError> {
        // In this order: the next error is the log's, not the last one's.
        self.acknowledged.forget_error();
        self.writer.retry().map_err(|e| self.error(&e))
    }
}

/// The store, opened when it is first needed. Most short runs never ask it
/// anything: their log has a connection of its own.
pub(super) struct Shelf {
    state: StateDir,
    durability: Durability,
    open: Option<Store>,
}

impl Shelf {
    pub fn new(state: &StateDir, durability: Durability) -> Self {
        let state = state.clone();
        Shelf {
            state,
            durability,
            open: None,
        }
    }

    pub fn opened(store: Store, durability: Durability) -> Self {
        Shelf {
            state: store.state_dir().clone(),
            durability,
            open: Some(store),
        }
    }

    fn store(&mut self) -> Result<&Store, StoreError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Store::open(&self.state, self.durability)?,
        };
        Ok(self.open.insert(open))
    }
}

/// This machine.
pub(super) struct Outside<'a> {
    pub clock: Clock,
    pub inbox: Receiver<Heard>,
    pub answers: Answers,
    pub locks: LockSpace,
    /// Steps that wait for their turn to occupy something.
    pub waiting: BTreeMap<StepIx, Asking>,
    /// Looks at steps' freshness, once somebody has asked.
    pub prober: Option<Prober>,
    pub shelf: Shelf,
    pub writer: Arc<RunWriter>,
    /// The number of the last request taken from the store.
    pub asked: i64,
    /// Requests that the loop has been given; their events follow.
    pub given: Vec<i64>,
    pub plan: Arc<Plan>,
    pub run_id: String,
    pub audience: &'a mut dyn Audience,
    /// The last event that the audience knows to be durable.
    pub promised: Seq,
}

impl Answers {
    pub(super) fn new(inbox: Sender<Heard>, waker: Waker) -> Self {
        Answers { inbox, waker }
    }

    /// What looking at these steps came to.
    pub(super) fn tell(&self, found: impl IntoIterator<Item = (StepIx, Freshness)>) {
        for (step, found) in found {
            // If the engine is gone, nobody waits for the answer.
            let _ = self
                .inbox
                .send(Heard::Said(Request::Probed { step, found }));
        }
        self.waker.wake();
    }
}

impl Outside<'_> {
    /// Requests in the store that the loop has not seen. One that cannot be
    /// read now stays there, and the next ring tries again.
    fn stored_requests(&mut self) -> Vec<Request> {
        let asked = self.shelf.store();
        let stored = asked.and_then(|store| store.requests(&self.run_id, self.asked));
        let stored = stored.unwrap_or_default();
        let mut requests = Vec::new();
        for (number, request) in stored {
            self.asked = number;
            self.given.push(number);
            requests.extend(self.request(request.what, request.by));
        }
        requests
    }

    fn request(&self, what: What, by: String) -> Option<Request> {
        Some(match what {
            What::Cancel => Request::Stop {
                why: Stopping::Cancel,
                by,
            },
            What::Kill => Request::Stop {
                why: Stopping::Kill,
                by,
            },
            What::Answer { step, value } => {
                let mut indices = self.plan.indices();
                let step = indices.find(|ix| *self.plan[*ix].id == *step)?;
                Request::Answer {
                    step,
                    yes: value == "yes",
                    by,
                }
            }
        })
    }

    /// Whoever looks at steps' freshness, from the first question on.
    fn prober(&mut self) -> Result<&Prober, String> {
        let prober = match self.prober.take() {
            Some(prober) => prober,
            None => {
                let answers = self.answers.clone();
                let env = std::env::vars_os().collect();
                let state = self.shelf.state.clone();
                Prober::start(self.plan.clone(), state, env, move |all| answers.tell(all))
                    .map_err(|error| error.to_string())?
            }
        };
        Ok(self.prober.insert(prober))
    }

    /// Tells whoever looks what has become of steps.
    fn remember(&self, run: &RunState, event: &Event) {
        let Some(prober) = &self.prober else { return };
        match &event.kind {
            Kind::StepClaimed { attempt, .. } if attempt.role == Role::Undo => {
                prober.taken_back(attempt.step, event.at);
            }
            Kind::StepFinished { attempt, end } => {
                prober.something_ran();
                if attempt.role == Role::Main && end.verdict == Verdict::Success {
                    prober.succeeded(attempt.step, event.at, end.outputs.clone());
                }
            }
            Kind::StepSettled { step, reason, .. } => {
                let failed = matches!(
                    reason,
                    Reason::Exhausted { .. }
                        | Reason::Ineffective { .. }
                        | Reason::RemedyFailed { .. }
                        | Reason::RemedySpent { .. }
                        | Reason::RemedyDeclined { .. }
                );
                if failed && let Some(end) = run.step(*step).last.end() {
                    prober.failed(*step, event.at, end.exit.to_string());
                }
            }
            _ => {}
        }
    }

    /// Waits until it is remembered what became of steps, and says what of that
    /// could not be.
    pub fn close(&mut self) {
        for warning in self.prober.take().into_iter().flat_map(Prober::finish) {
            self.audience.forgets(&warning);
        }
    }

    fn holder(&self, step: StepIx) -> Holder {
        Holder {
            run: self.run_id.clone(),
            step: self.plan[step].id.to_string(),
            pid: std::process::id(),
            since: self.clock.now(),
        }
    }
}

impl World for Outside<'_> {
    fn now(&mut self) -> Millis {
        self.clock.now()
    }

    fn requests(&mut self) -> Vec<Request> {
        // What was given last time has its events in the log by now.
        for number in self.given.drain(..) {
            self.writer.handled(number);
        }
        let mut requests = Vec::new();
        let mut rung = false;
        while let Ok(heard) = self.inbox.try_recv() {
            match heard {
                Heard::Said(request) => requests.push(request),
                Heard::Bell => rung = true,
            }
        }
        if rung {
            requests.extend(self.stored_requests());
        }
        requests
    }

    fn ask(&mut self, step: StepIx, question: &str) {
        let about = &self.plan[step];
        let question = Question {
            step,
            id: &about.id,
            text: question,
            is_patient: about.policy.approval.is_some(),
        };
        self.audience.ask(&question, &self.answers);
    }

    fn probe(&mut self, step: StepIx, identity: Result<Identity, String>) {
        let now = self.clock.now();
        let asked = identity.and_then(|identity| {
            self.prober()?.probe(step, identity, now);
            Ok(())
        });
        if let Err(error) = asked {
            let found = Freshness::Stale(Stale::Unreadable { error });
            self.answers.tell([(step, found)]);
        }
    }

    fn occupy(&mut self, step: StepIx) -> Result<Vec<Arc<File>>, Denied> {
        let Some(holds) = &self.plan[step].holds else {
            return Ok(Vec::new());
        };
        let who = self.holder(step);
        let mut asking = match self.waiting.remove(&step) {
            Some(asking) => asking,
            None => {
                let answers = self.answers.clone();
                self.locks.ask(&wants(&self.plan, holds), move || {
                    // If the engine is gone, nobody waits any more.
                    let _ = answers.inbox.send(Heard::Said(Request::Unblocked { step }));
                    answers.waker.wake();
                })?
            }
        };
        let taken = asking.try_acquire(&who);
        if let Err(Denied::Held(_)) = taken {
            self.waiting.insert(step, asking);
        }
        taken
    }

    fn tail(&mut self, output: &Output) -> Option<Box<str>> {
        if output.is_empty() {
            return None;
        }
        let state = &self.shelf.state;
        let lines = logs::last_lines(state, &self.run_id, output, TAIL_LINES);
        let mut tail = lines.join("\n");
        if tail.len() > TAIL_BYTES {
            let cut = (tail.len() - TAIL_BYTES..).find(|at| tail.is_char_boundary(*at))?;
            tail.drain(..cut);
        }
        Some(tail.into())
    }

    fn acknowledged(&mut self, seq: Seq) {
        if seq == self.promised {
            return;
        }
        if self.promised == 0 {
            self.audience.begins(&self.run_id);
        }
        self.promised = seq;
        self.audience.durable(seq);
    }

    fn show(&mut self, run: &RunState, event: &Event) {
        self.remember(run, event);
        match event.kind {
            Kind::StepAnswered { .. } => self.audience.answered(),
            // It was waiting and is not to run any more: others go on.
            Kind::StepSettled { step, .. } | Kind::StepUndone { step, .. } => {
                self.waiting.remove(&step);
            }
            _ => {}
        }
        self.audience.event(run, event);
    }
}

/// What a step occupies, with the capacities that its plan gives.
fn wants(plan: &Plan, holds: &Holds) -> Vec<Want> {
    let mut wants: Vec<Want> = holds.locks.iter().map(|lock| Want::lock(lock)).collect();
    if let Some((pool, units)) = &holds.pool {
        let capacity = plan.pools.get(pool).copied().unwrap_or(*units);
        wants.push(Want::pool(pool, *units, capacity));
    }
    for (resource, units) in &holds.resources {
        let capacity = plan.resources.get(resource).copied().unwrap_or(*units);
        wants.push(Want::resource(resource, *units, capacity));
    }
    wants
}
