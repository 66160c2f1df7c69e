//! The world around the engines: time and two clocks, what befalls a process,
//! the ledger of what really ran, and the people who ask.
//!
//! Several engines can live in it, one after another or one inside another's
//! frozen moment; each has a [`Side`] of what dies with it. What outlives them
//! is elsewhere: the store (`store`), the supervisors (`supervisors`), the
//! locks (`locks`).

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quintet::engine::{Clock, Denied, Held, Identity, LogError, Request, World};
use quintet::exec::{Done, Job, Report};
use quintet::plan::{Plan, StepIx};
use quintet::run::{
    Attempt, Event, Exit, Fresh, Freshness, Kind, Millis, Outcome, Output, Role, RunOutcome,
    RunState, Seq, Stale, Stopping,
};

use crate::locks::LockSpace;
use crate::plans;
use crate::rng::Rng;
use crate::store::{Item, Store};
use crate::supervisors::{Slot, Supervisors};
use crate::{life, store::SimLog};

/// What a killed engine unwinds with.
pub struct Crash;

/// An engine's process, by its place in [`Virtual::engines`].
pub type Who = usize;

/// What the world refuses, or keeps, and what the engine relies on. Each can be
/// taken away, and then the checker must notice: see `canaries`.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A run that is owned is given to nobody else.
    pub one_owner: bool,
    /// A commit by an engine that was replaced is refused.
    pub epoch_in_commits: bool,
    /// So is a slot that it wants made.
    pub epoch_in_slots: bool,
    /// Supervisors hold on to locks when the engine is gone.
    pub locks_outlive_engines: bool,
    /// What a supervisor wrote of an end is read by the next engine.
    pub exit_records_are_read: bool,
    /// A step's timeout counts real time.
    pub timeouts_do_not_jump: bool,
    /// A run is resumed by the plan that it began with.
    pub plan_is_kept: bool,
    /// What is acknowledged survives a power cut.
    pub acknowledged_is_durable: bool,
    /// What stands behind another begins only after its plain end.
    pub behind_only_if_well: bool,
}

impl Rules {
    pub const ALL: Rules = Rules {
        one_owner: true,
        epoch_in_commits: true,
        epoch_in_slots: true,
        locks_outlive_engines: true,
        exit_records_are_read: true,
        timeouts_do_not_jump: true,
        plan_is_kept: true,
        acknowledged_is_durable: true,
        behind_only_if_well: true,
    };
}

/// One thing that really happened to a process.
#[derive(Clone, Debug)]
pub struct Entry {
    pub attempt: Attempt,
    pub what: What,
    /// Real time.
    pub at: Millis,
    /// Its place among all that happened, other runs' holds included.
    pub order: u64,
    /// The durable log's length at that moment.
    pub durable: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Start,
    /// It ended by itself or was stopped, and its exit record was written.
    End(Exit),
    /// It died with its supervisor, and nobody knows.
    Lost,
}

/// What a supervisor has written of an attempt.
#[derive(Default)]
pub struct Record {
    pub started: bool,
    pub done: Option<Done>,
}

/// What befalls an engine at one of its calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Killed,
    /// It stands still while others try to take its run, or do.
    Frozen,
}

/// A story told word by word instead of by chance.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// How each step's attempts end, in turn; then they succeed. One that a crash
    /// takes is not counted. [`Exit::Interrupted`]: its supervisor dies with it.
    pub ends: Vec<Vec<Exit>>,
    /// The engine is killed at this commit, made or not.
    pub crash: Option<(u64, bool)>,
    pub commits: u64,
}

/// What is an engine's own and ends with it.
pub struct Side {
    pub epoch: u32,
    pub alive: bool,
    fate: Option<(u64, Fate)>,
    pub clock: Clock,
    /// The log as it believes it to be, and how far it knows it to be durable.
    pub mine: Vec<Event>,
    pub durable: Seq,
    pub pending: Vec<Item>,
    pub commit_at: Option<Millis>,
    pub failed: Option<LogError>,
    /// How far the log was before this engine.
    pub before: Seq,
    /// Its executor is to begin nothing.
    pub paused: bool,
    /// It has said that nothing begins, and from its next wait on nothing must.
    pub says_paused: bool,
    pub stands: bool,
    pub reports: Vec<Report>,
    pub queue: VecDeque<Job>,
    /// Jobs that stand behind others, and were not handed to their slots.
    pub line: Vec<Job>,
    pub held: bool,
    pub broken: Option<String>,
    /// Answers and free locks, which only this process hears of.
    pub inbox: Vec<(Millis, Request)>,
    /// The last request that it has read in the store, and those it was given last.
    pub asked: u64,
    pub given: Vec<u64>,
    /// Something happened that ends its next wait at once.
    pub rung: bool,
    pub waits: u32,
}

pub struct Virtual {
    /// What the run began with.
    pub plan: Arc<Plan>,
    /// What stands in the plan's file by now.
    pub plan_file: Arc<Plan>,
    pub rules: Rules,
    pub rng: Rng,
    /// Real time.
    pub now: Millis,
    base: (Instant, Millis),
    /// How far the wall clock is from real time.
    pub wall_ahead: i64,
    pub jumps: u32,
    pub boot: u32,
    /// Until then there is no room on the disk.
    pub full_until: Millis,
    /// No more bad luck: what is left must come to an end.
    pub quiet: bool,
    pub store: Store,
    pub epochs: Vec<u32>,
    pub slots: BTreeMap<usize, Slot>,
    pub records: BTreeMap<Attempt, Record>,
    pub engines: Vec<Side>,
    pub locks: LockSpace,
    pub ledger: Vec<Entry>,
    /// Attempts whose exit record a power cut has taken.
    pub forgotten: BTreeSet<Attempt>,
    /// What was refused or allowed against the house's rules.
    pub offences: Vec<String>,
    pub script: Option<Script>,
    /// Steps that somebody was told are fresh.
    pub fresh: BTreeSet<StepIx>,
    order: u64,
}

#[derive(Clone)]
pub struct Shared(pub Rc<RefCell<Virtual>>);

/// One engine's hold on the world.
#[derive(Clone)]
pub struct Hand {
    pub shared: Shared,
    pub who: Who,
}

impl Hand {
    /// Every call of an engine passes here; one of them may be its last.
    pub fn call(&self) -> RefMut<'_, Virtual> {
        let fate = self.shared.0.borrow_mut().tick(self.who);
        match fate {
            None => {}
            Some(Fate::Killed) => std::panic::panic_any(Crash),
            Some(Fate::Frozen) => life::while_frozen(&self.shared, self.who),
        }
        let mut world = self.shared.0.borrow_mut();
        world.frozen_ones_stir(self.who);
        world
    }
}

impl Shared {
    pub fn new(plan: Arc<Plan>, seed: u64, rules: Rules) -> Self {
        let rng = Rng::new(seed);
        let mut world = Virtual::still(plan, rules);
        world.wall_ahead = 1_700_000_000_000;
        world.rng = rng;
        world.somebody_cancels();
        Shared(Rc::new(RefCell::new(world)))
    }

    /// A world without chance.
    pub fn scripted(plan: Arc<Plan>, script: Script, rules: Rules) -> Self {
        let mut world = Virtual::still(plan, rules);
        world.script = Some(script);
        Shared(Rc::new(RefCell::new(world)))
    }

    pub fn hands(&self, who: Who) -> (Supervisors, SimLog, Outside) {
        let hand = Hand {
            shared: self.clone(),
            who,
        };
        (
            Supervisors(hand.clone()),
            SimLog(hand.clone()),
            Outside(hand),
        )
    }
}

fn stop(why: Stopping) -> Request {
    Request::Stop {
        why,
        by: "somebody".into(),
    }
}

impl Virtual {
    fn still(plan: Arc<Plan>, rules: Rules) -> Self {
        let now = 1_000_000;
        Virtual {
            locks: LockSpace::new(&plan),
            plan_file: plan.clone(),
            plan,
            rules,
            rng: Rng::still(),
            now,
            base: (Instant::now(), now),
            wall_ahead: 0,
            jumps: 0,
            boot: 1,
            full_until: 0,
            quiet: true,
            store: Store::default(),
            epochs: Vec::new(),
            slots: BTreeMap::new(),
            records: BTreeMap::new(),
            engines: Vec::new(),
            ledger: Vec::new(),
            forgotten: BTreeSet::new(),
            offences: Vec::new(),
            fresh: BTreeSet::new(),
            script: None,
            order: 0,
        }
    }

    /// Somebody may want the run to stop, and later at once.
    pub fn somebody_cancels(&mut self) {
        if !self.rng.chance(20) {
            return;
        }
        let at = self.now + self.rng.below(300);
        self.store.ask(at, stop(Stopping::Cancel));
        if self.rng.chance(30) {
            let later = at + self.rng.below(40);
            self.store.ask(later, stop(Stopping::Kill));
        }
    }

    fn tick(&mut self, who: Who) -> Option<Fate> {
        let (left, fate) = self.engines[who].fate.as_mut()?;
        *left -= 1;
        if *left > 0 {
            return None;
        }
        let fate = *fate;
        self.engines[who].fate = None;
        Some(fate)
    }

    /// A frozen engine may wake for a moment in the midst of its successor's
    /// work, and do what it has in hand.
    fn frozen_ones_stir(&mut self, awake: Who) {
        let others = self.engines.iter().enumerate();
        let mut others = others.filter(|(who, side)| *who != awake && side.alive);
        let Some((frozen, _)) = others.next() else {
            return;
        };
        if self.rng.chance(3) {
            self.commit(frozen);
            self.hand_out(frozen);
            self.engines[frozen].rung = true;
        }
    }

    /// A new process that wants to drive the run.
    pub fn enters(&mut self, fate: Option<(u64, Fate)>) -> Who {
        self.engines.push(Side {
            epoch: 0,
            alive: true,
            fate,
            clock: Clock::read(self.wall(), self.moment(), 0),
            mine: Vec::new(),
            durable: 0,
            pending: Vec::new(),
            commit_at: None,
            failed: None,
            before: 0,
            paused: false,
            says_paused: false,
            stands: false,
            reports: Vec::new(),
            queue: VecDeque::new(),
            line: Vec::new(),
            held: false,
            broken: None,
            inbox: Vec::new(),
            asked: 0,
            given: Vec::new(),
            rung: false,
            waits: 0,
        });
        self.engines.len() - 1
    }

    /// The engine goes on after these events, and never before their time.
    pub fn starts_clock(&mut self, who: Who, events: Vec<Event>) {
        let last = events.last().map_or(0, |event| event.at);
        let clock = Clock::read(self.wall(), self.moment(), last);
        let side = &mut self.engines[who];
        side.clock = clock;
        side.durable = events.len() as Seq;
        side.before = side.durable;
        side.mine = events;
    }

    /// The process is gone, and with it all that was only its own.
    pub fn leaves(&mut self, who: Who) {
        let side = &mut self.engines[who];
        side.alive = false;
        side.pending.clear();
        side.reports.clear();
        side.queue.clear();
        side.line.clear();
        side.inbox.clear();
        if self.store.owner == Some(who) {
            self.store.owner = None;
        }
        self.hang_up(who);
    }

    /// Real time as the operating system's clock that never jumps tells it.
    pub fn moment(&self) -> Instant {
        self.base.0 + Duration::from_millis(self.now - self.base.1)
    }

    /// What the wall clock says.
    pub fn wall(&self) -> Millis {
        (self.now as i64 + self.wall_ahead).max(0) as Millis
    }

    /// Somebody sets the wall clock: two hours on or back, to 1970, to 2040.
    pub fn wall_jumps(&mut self) {
        self.jumps += 1;
        let two_hours = 7_200_000;
        self.wall_ahead = match self.rng.below(5) {
            0 => self.wall_ahead + two_hours,
            1 => self.wall_ahead - two_hours,
            2 => -(self.now as i64),
            3 => 2_208_988_800_000 - self.now as i64,
            _ => 1_700_000_000_000,
        };
    }

    pub fn log(&self) -> &[Event] {
        &self.store.events
    }

    pub fn has_ended(&self) -> bool {
        self.outcome().is_some()
    }

    pub fn succeeded(&self) -> bool {
        self.outcome() == Some(RunOutcome::Succeeded)
    }

    /// How the run ended, if it has and was not reopened since.
    fn outcome(&self) -> Option<RunOutcome> {
        self.log().iter().rev().find_map(|event| match event.kind {
            Kind::RunFinished { outcome, .. } => Some(Some(outcome)),
            Kind::RunReopened { .. } => Some(None),
            _ => None,
        })?
    }

    pub fn digest(&self) -> blake3::Hash {
        let log = serde_json::to_string(self.log()).unwrap();
        blake3::hash(format!("{log}{:?}", self.ledger).as_bytes())
    }

    /// What happens while no engine lives: more deaths, other runs, other
    /// clocks, an editor, and time.
    pub fn meanwhile(&mut self) {
        match self.rng.below(4) {
            0 => self.supervisors_die(),
            1 => self.power_cut(),
            _ => {}
        }
        if self.rng.chance(30) {
            self.wall_jumps();
        }
        if self.rng.chance(30) {
            self.plan_file = Arc::new(plans::edited(&mut self.rng, &self.plan));
        }
        if self.rng.chance(70) {
            self.another_run_takes_what_is_free();
        }
        let until = self.now + self.rng.below(120);
        self.run_until(until);
        self.now = until;
    }

    /// The machine is restarted in an orderly way, while nothing runs.
    pub fn somebody_restarts(&mut self) {
        self.supervisors_die();
        self.boot += 1;
    }

    /// Supervisors die, and their records lose whatever no disk had yet.
    fn power_cut(&mut self) {
        self.supervisors_die();
        self.boot += 1;
        for (attempt, record) in &mut self.records {
            let (all, end) = (self.rng.chance(30), self.rng.chance(30));
            if all || end {
                self.forgotten.insert(*attempt);
                record.done = None;
                record.started &= !all;
            }
        }
        if !self.rules.acknowledged_is_durable {
            let lost = self.rng.below(3) as usize;
            let kept = self.store.events.len().saturating_sub(lost).max(1);
            self.store.events.truncate(kept);
        }
    }

    pub fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    pub fn note(&mut self, attempt: Attempt, what: What) {
        let order = self.next_order();
        self.ledger.push(Entry {
            attempt,
            what,
            at: self.now,
            order,
            durable: self.store.events.len(),
        });
    }

    /// The log as text, for whoever looks at a failing story.
    pub fn tell(&self) -> String {
        let log = self
            .log()
            .iter()
            .map(|event| format!("{} {} {:?}\n", event.seq, event.at, event.kind));
        let ledger = self.ledger.iter().map(|entry| format!("{entry:?}\n"));
        log.chain(ledger).collect()
    }
}

pub struct Outside(pub Hand);

impl Outside {
    fn who(&self) -> Who {
        self.0.who
    }
}

impl World for Outside {
    fn now(&mut self) -> Millis {
        let world = self.0.shared.0.borrow();
        world.engines[self.0.who].clock.at(world.moment())
    }

    fn requests(&mut self) -> Vec<Request> {
        let who = self.who();
        let mut world = self.0.call();
        let now = world.now;
        let side = &mut world.engines[who];
        // What was given last time has its events in the log by now.
        let given = std::mem::take(&mut side.given);
        if !given.is_empty() {
            side.commit_at.get_or_insert(now);
        }
        side.pending.extend(given.into_iter().map(Item::Handled));
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut side.inbox)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        side.inbox = later;
        let mut requests: Vec<_> = due.into_iter().map(|(_, request)| request).collect();
        let asked = side.asked;
        for (number, request) in world.store.asked(now, asked) {
            world.engines[who].asked = number;
            world.engines[who].given.push(number);
            requests.push(request);
        }
        requests
    }

    fn ask(&mut self, step: StepIx, _question: &str) {
        let who = self.who();
        let mut world = self.0.call();
        let approval = world.plan[step].policy.approval;
        let gives_up = approval.is_some_and(|approval| approval.within.is_some());
        if gives_up && world.rng.chance(40) {
            // Nobody comes along.
            return;
        }
        let at = world.now + world.rng.below(30);
        let answer = Request::Answer {
            step,
            yes: world.script.is_some() || world.rng.chance(70),
            by: "somebody".into(),
        };
        world.engines[who].inbox.push((at, answer));
    }

    fn probe(&mut self, step: StepIx, identity: Result<Identity, String>) {
        let who = self.who();
        let mut world = self.0.call();
        assert!(identity.is_ok(), "{step:?} runs something");
        let at = world.now + world.rng.below(20);
        let found = match world.rng.below(10) {
            0..4 => {
                world.fresh.insert(step);
                Freshness::Fresh(Fresh {
                    since: 1,
                    age: Duration::from_secs(1),
                    ttl: None,
                    restored: 0,
                    outputs: BTreeMap::new(),
                })
            }
            4 => {
                let exit = "exit 3".to_owned();
                Freshness::FailedBefore { at: 1, exit }
            }
            _ => Freshness::Stale(Stale::Unknown),
        };
        let told = Request::Probed { step, found };
        world.engines[who].inbox.push((at, told));
    }

    fn occupy(&mut self, step: StepIx) -> Result<Vec<Arc<File>>, Denied> {
        let who = self.who();
        let mut world = self.0.call();
        if !world.quiet && world.rng.chance(20) {
            world.another_run_takes_what_is_free();
        }
        let offence = world.locks.wants_its_own(who, step);
        world.offences.extend(offence);
        // Somebody in another run has waited for it longer.
        let waits_behind = !world.quiet && world.rng.chance(5);
        match world.locks.take(who, step).filter(|_| !waits_behind) {
            Some(token) => Ok(vec![token]),
            None => {
                world.locks.wait(who, step);
                Err(Denied::Held(Held {
                    on: "lock l".into(),
                    holder: None,
                }))
            }
        }
    }

    fn tail(&mut self, _output: &Output) -> Option<Box<str>> {
        None
    }

    fn acknowledged(&mut self, seq: Seq) {
        let mut world = self.0.shared.0.borrow_mut();
        if seq == 0 {
            return;
        }
        let at = seq as usize - 1;
        let mine = world.engines[self.0.who].mine.get(at).cloned();
        assert_eq!(
            world.store.events.get(at),
            mine.as_ref(),
            "{seq} is promised and is not what the store has"
        );
        world.store.promised = world.store.promised.max(at + 1);
    }

    fn show(&mut self, run: &RunState, event: &Event) {
        assert_eq!(run.seq(), event.seq);
        assert!(
            // It costs as much as everything else together.
            !event.seq.is_multiple_of(4) || run.queues_are_current(),
            "the queues differ from the states"
        );
        let mut world = self.0.call();
        match event.kind {
            Kind::RunPaused { .. } => world.engines[self.0.who].says_paused = true,
            Kind::RunContinued => world.engines[self.0.who].says_paused = false,
            _ => {}
        }
    }
}

/// What this much of the durable log says became of a step.
pub fn logged_success(log: &[Event], step: StepIx) -> bool {
    let mut succeeded = false;
    for event in log {
        match &event.kind {
            Kind::StepFinished { attempt, end }
                if attempt.step == step && attempt.role == Role::Main =>
            {
                succeeded = end.verdict != quintet::plan::Verdict::Failure;
            }
            Kind::StepSettled {
                step: settled,
                outcome,
                ..
            } if *settled == step => {
                succeeded = *outcome == Outcome::Succeeded;
            }
            Kind::StepUndone { step: undone, .. } if *undone == step => succeeded = false,
            _ => {}
        }
    }
    succeeded
}
