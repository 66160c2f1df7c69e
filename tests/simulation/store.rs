//! The store: what is durable in it, and one engine's way of adding to it.
//!
//! A commit can be quick, slow, fail, or be made and yet report a failure. Each
//! is refused if another engine has taken the run since (its epoch is higher),
//! or if its events do not follow the last that is there.

use std::sync::Arc;

use quintet::engine::{Log, LogError, Request};
use quintet::plan::Plan;
use quintet::run::{Event, Kind, Millis, Seq};

use crate::world::{Crash, Hand, Virtual, Who};

/// Something that an engine wants committed.
#[derive(Clone, Debug)]
pub enum Item {
    Event(Event),
    /// The request of that number has been acted on.
    Handled(u64),
}

/// What survives everything.
#[derive(Default)]
pub struct Store {
    pub events: Vec<Event>,
    /// For each event, the epoch of its writer and the run's at that moment.
    pub writers: Vec<(u32, u32)>,
    pub plan: Option<Arc<Plan>>,
    pub epoch: u32,
    pub owner: Option<Who>,
    /// Wishes of people, from when on they are there; by number.
    requests: Vec<(u64, Millis, Request)>,
    last_request: u64,
    /// How much of the log somebody was told of.
    pub promised: usize,
}

impl Store {
    pub fn ask(&mut self, at: Millis, request: Request) {
        self.last_request += 1;
        self.requests.push((self.last_request, at, request));
    }

    /// Requests that are there by now, after that number.
    pub fn asked(&self, now: Millis, after: u64) -> Vec<(u64, Request)> {
        let due = |(number, at, _): &&(u64, Millis, Request)| *number > after && *at <= now;
        let due = self.requests.iter().filter(due);
        due.map(|(number, _, request)| (*number, request.clone()))
            .collect()
    }

    /// When somebody will ask something next.
    pub fn next_request(&self, after: u64) -> Option<Millis> {
        let later = self.requests.iter().filter(|(n, ..)| *n > after);
        later.map(|(_, at, _)| *at).min()
    }
}

impl Virtual {
    /// Takes the run, as its next owner; `None` if somebody has it.
    pub fn own(&mut self, who: Who) -> Option<u32> {
        assert!(
            self.store.events.len() >= self.store.promised,
            "what was acknowledged is gone"
        );
        let owner = self.store.owner;
        if owner.is_some() && self.rules.one_owner {
            return None;
        }
        if let Some(owner) = owner {
            self.offences
                .push(format!("{who} has the run that {owner} has"));
        }
        if self.store.events.is_empty() {
            // Nothing of it is in the store, so it is a new run.
            self.epochs.clear();
            self.store.epoch = 0;
        }
        self.store.owner = Some(who);
        self.store.epoch += 1;
        self.engines[who].epoch = self.store.epoch;
        Some(self.store.epoch)
    }

    /// The plan and the log, as the owner reads them.
    pub fn read(&self) -> (Arc<Plan>, Vec<Event>) {
        let kept = self.store.plan.as_ref().filter(|_| self.rules.plan_is_kept);
        let plan = match kept {
            Some(plan) => plan,
            None if self.store.plan.is_some() => &self.plan_file,
            None => &self.plan,
        };
        (plan.clone(), self.store.events.clone())
    }

    /// One transaction: all of the batch or nothing.
    pub fn insert(&mut self, who: Who, batch: &[Item]) -> Result<(), String> {
        let epoch = self.engines[who].epoch;
        if self.rules.epoch_in_commits && epoch != self.store.epoch {
            let current = self.store.epoch;
            return Err(format!("epoch {epoch} was replaced by {current}"));
        }
        let mut last = self.store.events.len() as Seq;
        for item in batch {
            if let Item::Event(event) = item {
                if event.seq != last + 1 {
                    return Err(format!("event {} after {last}", event.seq));
                }
                last += 1;
            }
        }
        self.store.plan.get_or_insert_with(|| self.plan.clone());
        for item in batch {
            match item {
                Item::Event(event) => {
                    self.store.events.push(event.clone());
                    self.store.writers.push((epoch, self.store.epoch));
                    if let Kind::RunFinished { .. } = event.kind {
                        let now = self.now;
                        self.store.requests.retain(|(_, at, _)| *at > now);
                    }
                }
                Item::Handled(number) => self.store.requests.retain(|(n, ..)| n != number),
            }
        }
        Ok(())
    }

    pub fn commit_if_due(&mut self, who: Who) {
        let due = self.engines[who].commit_at.is_some_and(|at| at <= self.now);
        if due {
            self.commit(who);
        }
    }

    /// Commits all that has gathered, with the luck that commits have.
    pub fn commit(&mut self, who: Who) {
        let side = &mut self.engines[who];
        side.commit_at = None;
        if side.failed.is_some() || side.pending.is_empty() {
            return;
        }
        if self.is_full() {
            self.engines[who].failed = Some(LogError {
                why: "no space left".into(),
                may_pass: true,
            });
            return;
        }
        let batch = std::mem::take(&mut self.engines[who].pending);
        let scripted_crash = self.script.as_mut().and_then(|script| {
            script.commits += 1;
            script.crash.filter(|(at, _)| *at == script.commits)
        });
        if let Some((_, made)) = scripted_crash {
            if made {
                self.insert(who, &batch).expect("a scripted commit");
            }
            std::panic::panic_any(Crash);
        }
        let (fails, made) = match self.quiet {
            true => (false, true),
            false => (self.rng.per_mille(8), self.rng.chance(50)),
        };
        let mut inserted = Ok(());
        if made || !fails {
            inserted = self.insert(who, &batch);
        }
        if fails {
            inserted = Err("input/output error".into());
        }
        let side = &mut self.engines[who];
        match inserted {
            Ok(()) => {
                let last = batch.iter().rev().find_map(|item| match item {
                    Item::Event(event) => Some(event.seq),
                    Item::Handled(_) => None,
                });
                side.durable = last.unwrap_or(side.durable);
            }
            Err(why) => {
                let may_pass = false;
                side.failed = Some(LogError { why, may_pass });
            }
        }
    }

    /// Whether there is no room on the disk; now and then there comes to be none.
    pub fn is_full(&mut self) -> bool {
        if self.quiet {
            return false;
        }
        if self.rng.per_mille(5) {
            self.full_until = self.now + self.rng.below(3_000);
        }
        self.now < self.full_until
    }

    /// What an engine hears of its log.
    fn heard(&self, who: Who) -> Result<Seq, LogError> {
        let side = &self.engines[who];
        match &side.failed {
            None => Ok(side.durable),
            // As the product's own log: what has not begun does not wait.
            Some(error) => Err(LogError {
                why: error.why.clone(),
                may_pass: error.may_pass && side.durable > side.before,
            }),
        }
    }

    /// The engine was killed: what it had under way reached the disk or not.
    pub fn tear_commit(&mut self, who: Who) {
        let pending = std::mem::take(&mut self.engines[who].pending);
        let cut = self.rng.below(pending.len() as u64 + 1) as usize;
        if self.engines[who].failed.is_none() && self.script.is_none() {
            // Refused if it is not this engine's run any more.
            let _ = self.insert(who, &pending[..cut]);
        }
    }

    /// The engine stops in order: its writer commits what is left, if it can.
    pub fn close_log(&mut self, who: Who) {
        let pending = std::mem::take(&mut self.engines[who].pending);
        if self.engines[who].failed.is_none() {
            let _ = self.insert(who, &pending);
        }
    }
}

pub struct SimLog(pub Hand);

impl Log for SimLog {
    fn append(&mut self, event: &Event) {
        let mut world = self.0.call();
        let (slow, quick) = (world.rng.below(80), world.rng.below(6));
        let delay = match !world.quiet && world.rng.chance(5) {
            true => slow,
            false => quick,
        };
        let soon = world.now + delay;
        let side = &mut world.engines[self.0.who];
        assert_eq!(
            event.seq as usize,
            side.mine.len() + 1,
            "the log has no gap"
        );
        side.mine.push(event.clone());
        side.pending.push(Item::Event(event.clone()));
        side.commit_at.get_or_insert(soon);
    }

    fn durable(&mut self) -> Result<Seq, LogError> {
        let mut world = self.0.call();
        world.commit_if_due(self.0.who);
        world.heard(self.0.who)
    }

    fn retry(&mut self) -> Result<(), LogError> {
        let mut world = self.0.call();
        let now = world.now;
        let side = &mut world.engines[self.0.who];
        match &side.failed {
            Some(error) if !error.may_pass => return Err(error.clone()),
            Some(_) => {
                side.failed = None;
                side.commit_at = Some(now);
            }
            None => {}
        }
        Ok(())
    }

    fn hurry(&mut self) {
        let mut world = self.0.shared.0.borrow_mut();
        let soon = world.now + 1;
        let side = &mut world.engines[self.0.who];
        side.commit_at = side.commit_at.map(|at| at.min(soon));
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let mut world = self.0.call();
        world.commit(self.0.who);
        world.heard(self.0.who).map(drop)
    }
}
