//! Tells those whom a run's plan wants told: takes what happens to couriers, and at
//! the end waits for them, though not for long.
//!
//! Nothing here changes how the run ends. What was not delivered is a warning, also
//! where people want to hear nothing else: somebody relies on the message.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::error::warn;
use crate::engine::Ended;
use crate::exec::process::Masker;
use crate::notify::{Address, Courier};
use crate::paths::StateDir;
use crate::plan::notify::Occasion;
use crate::plan::{Action, Notify, StepIx, Verdict};
use crate::run::{Event, Finish, Kind, Outcome, Role, RunOutcome, RunState, Seq};
use crate::store::{Store, StoreError, StoredState, logs};
use crate::view::escape::clean;
use crate::view::notification::{self, Message};
use crate::view::summary;

/// When a run has ended, messages that are under way get so much time. The fields'
/// documentation says so too.
const AT_THE_END: Duration = Duration::from_secs(10);

/// Those who are told of one run. Dropped, it waits for what is under way: the run
/// is told of in the same way however its engine came to an end.
pub struct Notifier {
    state: StateDir,
    secrets: BTreeMap<String, String>,
    receivers: Vec<Receiver>,
    /// Those of a plan that the run does not go by any more.
    former: Vec<Receiver>,
    /// Last words of steps whose failed attempt may turn out to be their end.
    tails: BTreeMap<StepIx, Vec<String>>,
}

struct Receiver {
    notify: Notify,
    courier: Courier,
}

impl Notifier {
    pub fn new(state: StateDir, secrets: BTreeMap<String, String>) -> Self {
        Notifier {
            state,
            secrets,
            receivers: Vec::new(),
            former: Vec::new(),
            tails: BTreeMap::new(),
        }
    }

    /// An event has just been folded into the run.
    pub fn event(&mut self, run: &RunState, event: &Event) {
        match &event.kind {
            Kind::RunStarted { .. } | Kind::RunResumed { .. } | Kind::PlanReplaced { .. } => {
                self.former.append(&mut self.receivers);
                self.receivers = self.receivers(&run.plan().notify);
            }
            // Most plans tell nobody, and these events are the most of all.
            _ if self.receivers.is_empty() => {}
            Kind::StepFinished { attempt, end } if attempt.role == Role::Main => {
                self.remember(attempt.step, end);
                self.settled(run, event, attempt.step);
            }
            Kind::StepSettled { step, .. } => self.settled(run, event, *step),
            _ => {}
        }
    }

    /// Keeps the last words of an attempt until it is known what comes of them.
    fn remember(&mut self, ix: StepIx, end: &Finish) {
        let tail = end.tail.as_deref();
        let tail = tail.filter(|_| end.verdict == Verdict::Failure);
        let lines = tail.map(|tail| tail.lines().map(str::to_owned).collect());
        match lines {
            Some(lines) => self.tails.insert(ix, lines),
            None => self.tails.remove(&ix),
        };
    }

    /// Tells of a step, if the event is what settled it.
    fn settled(&mut self, run: &RunState, event: &Event, ix: StepIx) {
        let Some(outcome) = run.step(ix).outcome() else {
            return;
        };
        let lines = self.tails.remove(&ix).unwrap_or_default();
        let (step, record) = (&run.plan()[ix], run.step(ix));
        let is_told = |receiver: &&mut Receiver| {
            let Notify { on, only, .. } = &receiver.notify;
            let remedied = record.was_remedied() && on.contains(&Occasion::StepRemedied);
            (remedied || on.contains(&of_step(outcome))) && only.has(step)
        };
        let mut told = self.receivers.iter_mut().filter(is_told).peekable();
        if step.action == Action::Group || told.peek().is_none() {
            return;
        }
        let brief = notification::brief(run, ix, &mut |_| lines.clone());
        for Receiver { courier, .. } in told {
            courier.step(run, (event.seq, event.at), &brief);
        }
    }

    /// Everything up to this event is durable.
    pub fn durable(&self, run_id: &str, seq: Seq) {
        for Receiver { courier, .. } in self.receivers.iter().chain(&self.former) {
            courier.durable(run_id, seq);
        }
    }

    /// Tells how the run ended. One that waits for a restart has not.
    pub fn ended(&mut self, ended: &Ended) {
        let Ended { run_id, state, .. } = ended;
        if state.stopped_in().is_some() {
            return;
        }
        let recovered = self.is_recovery(ended);
        let mut tail =
            |ix: StepIx| logs::last_words(&self.state, run_id, state, ix, summary::TAIL_LINES);
        let mut messages: BTreeMap<Occasion, Message> = BTreeMap::new();
        for Receiver { notify, courier } in &mut self.receivers {
            let ends = [
                recovered.then_some(Occasion::RunRecovered),
                Some(of_run(ended.outcome)),
            ];
            let mut ends = ends.into_iter().flatten();
            if let Some(occasion) = ends.find(|occasion| notify.on.contains(occasion)) {
                let message = messages
                    .entry(occasion)
                    .or_insert_with(|| notification::of_run(run_id, state, occasion, &mut tail));
                courier.end(message.clone());
            }
        }
    }

    /// Whether the run succeeded and the last one had not. It is looked up only
    /// where somebody wants to know.
    fn is_recovery(&self, ended: &Ended) -> bool {
        let is_asked_for =
            |receiver: &Receiver| receiver.notify.on.contains(&Occasion::RunRecovered);
        if ended.outcome != RunOutcome::Succeeded || !self.receivers.iter().any(is_asked_for) {
            return false;
        }
        match before(&self.state, &ended.run_id) {
            Ok(before) => before.is_some_and(|before| before != StoredState::Succeeded),
            Err(error) => {
                warn(&format!("how the run before ended is not known: {error}"));
                false
            }
        }
    }

    fn receivers(&self, wanted: &[Notify]) -> Vec<Receiver> {
        let env = |name: &str| std::env::var(name).ok();
        let mut receivers = Vec::new();
        for notify in wanted {
            match Address::of(&notify.to, &self.secrets, &env) {
                Ok(address) => receivers.push(Receiver {
                    courier: Courier::new(notify, address),
                    notify: notify.clone(),
                }),
                Err(why) => {
                    let name = clean(&notify.name);
                    warn(&format!("nothing can be told to {name}: {}", clean(&why)));
                }
            }
        }
        receivers
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let receivers = self.receivers.drain(..).chain(self.former.drain(..));
        let receivers: Vec<Receiver> = receivers.collect();
        if receivers.is_empty() {
            return;
        }
        let deadline = Instant::now() + AT_THE_END;
        for Receiver { courier, .. } in &receivers {
            courier.close(deadline);
        }
        let masker = Masker::new(self.secrets.values().map(String::as_str));
        for Receiver { notify, courier } in receivers {
            let Some(undelivered) = courier.undelivered() else {
                continue;
            };
            let error = match &masker {
                Some(masker) => masker.text(&undelivered.error).0,
                None => undelivered.error,
            };
            let what = match undelivered.messages {
                1 => "a message".to_owned(),
                n => format!("{n} messages"),
            };
            let name = clean(&notify.name);
            warn(&format!(
                "{what} to {name} could not be delivered: {}",
                clean(&error)
            ));
        }
    }
}

fn before(state: &StateDir, run_id: &str) -> Result<Option<StoredState>, StoreError> {
    Store::read_only(state)?.ended_before(run_id)
}

fn of_step(outcome: Outcome) -> Occasion {
    match outcome {
        Outcome::Succeeded => Occasion::StepSucceeded,
        Outcome::Failed => Occasion::StepFailed,
        Outcome::Skipped => Occasion::StepSkipped,
        Outcome::Canceled => Occasion::StepCanceled,
    }
}

fn of_run(outcome: RunOutcome) -> Occasion {
    match outcome {
        RunOutcome::Succeeded => Occasion::RunSucceeded,
        RunOutcome::Failed => Occasion::RunFailed,
        RunOutcome::Canceled => Occasion::RunCanceled,
        RunOutcome::Quarantined => Occasion::RunQuarantined,
    }
}
