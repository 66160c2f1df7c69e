//! What steps occupy, shared with other runs, held as the kernel holds it: by
//! open files, until the last copy of one is closed.
//!
//! So whoever forgets to hand a lock on, or drops it too early, loses it here
//! as it would in truth, and the next to want it is another run.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Weak};

use quintet::engine::Request;
use quintet::plan::{Plan, StepIx};
use quintet::run::Millis;

use crate::world::{Virtual, Who};

/// What another run held, and from when to when in the order of all that happened.
#[derive(Clone, Debug)]
pub struct Foreign {
    pub name: String,
    pub units: u32,
    until: Millis,
    pub from: u64,
    pub to: Option<u64>,
}

pub struct LockSpace {
    capacities: BTreeMap<String, u32>,
    wants: Vec<Vec<(String, u32)>>,
    /// By which engine each was taken, for which step.
    held: Vec<(Who, StepIx, Weak<File>)>,
    pub foreign: Vec<Foreign>,
    waiting: Vec<(Who, StepIx)>,
    null: Arc<File>,
}

/// What the step occupies, by names that tell locks, pools and resources apart.
pub fn wants(plan: &Plan, step: StepIx) -> Vec<(String, u32)> {
    let Some(holds) = &plan[step].holds else {
        return Vec::new();
    };
    let locks = holds.locks.iter().map(|name| (format!("lock {name}"), 1));
    let pool = holds
        .pool
        .iter()
        .map(|(n, units)| (format!("pool {n}"), *units));
    let resources = holds.resources.iter();
    let resources = resources.map(|(n, units)| (format!("resource {n}"), *units));
    locks.chain(pool).chain(resources).collect()
}

pub fn capacities(plan: &Plan) -> BTreeMap<String, u32> {
    let pools = plan
        .pools
        .iter()
        .map(|(n, most)| (format!("pool {n}"), *most));
    let resources = plan.resources.iter();
    let resources = resources.map(|(n, most)| (format!("resource {n}"), *most));
    let mut all: BTreeMap<String, u32> = pools.chain(resources).collect();
    all.insert("lock l".into(), 1);
    all
}

impl LockSpace {
    pub fn new(plan: &Plan) -> Self {
        LockSpace {
            capacities: capacities(plan),
            wants: plan.indices().map(|ix| wants(plan, ix)).collect(),
            held: Vec::new(),
            foreign: Vec::new(),
            waiting: Vec::new(),
            null: Arc::new(File::open("/dev/null").expect("/dev/null")),
        }
    }

    /// What this run's steps hold of it, of those that these engines took it for.
    fn held_by(&self, name: &str, engine: impl Fn(Who) -> bool) -> u32 {
        let of = |step: StepIx| self.wants[step.at()].iter().filter(|(n, _)| n == name);
        let held = self.held.iter();
        let held = held.filter(|(who, _, token)| engine(*who) && token.strong_count() > 0);
        held.flat_map(|(_, step, _)| of(*step))
            .map(|(_, n)| n)
            .sum()
    }

    fn free(&self, name: &str) -> u32 {
        let own = self.held_by(name, |_| true);
        let foreign = self
            .foreign
            .iter()
            .filter(|f| f.to.is_none() && f.name == name);
        let foreign: u32 = foreign.map(|foreign| foreign.units).sum();
        self.capacities[name].saturating_sub(own + foreign)
    }

    fn is_free(&self, step: StepIx) -> bool {
        let mut wants = self.wants[step.at()].iter();
        wants.all(|(name, units)| self.free(name) >= *units)
    }

    /// What the step wants and this engine's own steps do not leave it: whatever
    /// an engine itself has given out it should not have to ask for.
    pub fn wants_its_own(&self, who: Who, step: StepIx) -> Option<String> {
        let mut wants = self.wants[step.at()].iter();
        let exceeds = |(name, units): &&(String, u32)| {
            self.held_by(name, |other| other == who) + units > self.capacities[name]
        };
        let (name, _) = wants.find(exceeds)?;
        Some(format!("{step:?} is to wait for its own run's {name}"))
    }

    /// All that the step occupies, or nothing.
    pub fn take(&mut self, who: Who, step: StepIx) -> Option<Arc<File>> {
        if !self.is_free(step) {
            return None;
        }
        let token = Arc::new(self.null.try_clone().expect("a copy"));
        self.held.retain(|(.., token)| token.strong_count() > 0);
        self.held.push((who, step, Arc::downgrade(&token)));
        Some(token)
    }

    pub fn wait(&mut self, who: Who, step: StepIx) {
        self.waiting.push((who, step));
    }

    pub fn next_release(&self) -> Option<Millis> {
        let held = self.foreign.iter().filter(|f| f.to.is_none());
        held.map(|foreign| foreign.until).min()
    }
}

impl Virtual {
    pub fn another_run_takes_what_is_free(&mut self) {
        let names: Vec<String> = self.locks.capacities.keys().cloned().collect();
        for name in names {
            let free = self.locks.free(&name);
            if free > 0 && self.rng.chance(60) {
                let foreign = Foreign {
                    units: 1 + self.rng.below(u64::from(free)) as u32,
                    until: self.now + 1 + self.rng.below(40),
                    name,
                    from: self.next_order(),
                    to: None,
                };
                self.locks.foreign.push(foreign);
            }
        }
    }

    /// Other runs give back what they have held long enough, and who waits for
    /// what is free now hears of it.
    pub fn locks_move(&mut self) {
        let (now, order) = (self.now, self.next_order());
        for foreign in &mut self.locks.foreign {
            if foreign.to.is_none() && foreign.until <= now {
                foreign.to = Some(order);
            }
        }
        for (who, step) in std::mem::take(&mut self.locks.waiting) {
            if self.locks.is_free(step) {
                let free = Request::Unblocked { step };
                self.engines[who].inbox.push((now, free));
            } else if self.engines[who].alive {
                self.locks.waiting.push((who, step));
            }
        }
    }
}
