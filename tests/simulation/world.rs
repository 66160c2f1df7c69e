//! The world around the engine: an executor whose supervisors outlive it, a log
//! with a durable and a volatile part, a clock, locks, people. Time is a number
//! that moves when the engine waits.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use quintet::engine::{Denied, Held, Log, LogError, Request, World};
use quintet::exec::{Done, Executor, Found, Job, Report, Waker};
use quintet::plan::{Plan, StepIx};
use quintet::run::{
    Attempt, Event, Exit, Kind, Millis, Outcome, Output, Role, RunOutcome, RunState, Seq, Stop,
    Stopping,
};

use crate::Rng;

/// What a killed engine unwinds with.
pub struct Crash;

/// One thing that really happened to a process.
#[derive(Clone, Debug)]
pub struct Entry {
    pub attempt: Attempt,
    pub what: What,
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

/// A running process under its supervisor.
struct Live {
    started_at: Millis,
    ends_at: Millis,
    exit: Exit,
}

#[derive(Default)]
struct Record {
    started: bool,
    done: Option<Done>,
}

pub struct Virtual {
    plan: Arc<Plan>,
    pub rng: Rng,
    pub now: Millis,
    pub boot: u32,
    /// The engine dies at this many calls from now.
    pub crash_in: Option<u64>,
    /// No more bad luck: what is left must come to an end.
    pub quiet: bool,
    log: Vec<Event>,
    durable: usize,
    commit_at: Option<Millis>,
    queue: VecDeque<Attempt>,
    live: BTreeMap<Attempt, Live>,
    records: BTreeMap<Attempt, Record>,
    reports: Vec<Report>,
    pub ledger: Vec<Entry>,
    /// Attempts whose exit record a power cut has taken.
    pub forgotten: BTreeSet<Attempt>,
    requests: Vec<(Millis, Request)>,
    /// Log lengths at which the run was reopened.
    pub reopenings: Vec<usize>,
    pub canceled_at: Option<Millis>,
}

#[derive(Clone)]
pub struct Shared(pub Rc<RefCell<Virtual>>);

impl Shared {
    pub fn new(plan: Arc<Plan>, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut requests = Vec::new();
        if rng.chance(15) {
            let at = 1_000_000 + rng.below(300);
            requests.push((at, stop(Stopping::Cancel)));
            if rng.chance(30) {
                requests.push((at + rng.below(40), stop(Stopping::Kill)));
            }
        }
        Shared(Rc::new(RefCell::new(Virtual {
            plan,
            rng,
            now: 1_000_000,
            boot: 1,
            crash_in: None,
            quiet: false,
            log: Vec::new(),
            durable: 0,
            commit_at: None,
            queue: VecDeque::new(),
            live: BTreeMap::new(),
            records: BTreeMap::new(),
            reports: Vec::new(),
            ledger: Vec::new(),
            forgotten: BTreeSet::new(),
            requests,
            reopenings: Vec::new(),
            canceled_at: None,
        })))
    }

    pub fn handles(world: &Shared, _epoch: u32) -> (Supervisors, SimLog, Outside) {
        (
            Supervisors(world.clone()),
            SimLog(world.clone()),
            Outside(world.clone()),
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
    /// Every call of the engine passes here; one of them is its last.
    fn tick(&mut self) {
        if let Some(left) = &mut self.crash_in {
            *left -= 1;
            if *left == 0 {
                self.crash_in = None;
                std::panic::panic_any(Crash);
            }
        }
    }

    pub fn durable_events(&self) -> Vec<Event> {
        self.log[..self.durable].to_vec()
    }

    pub fn log(&self) -> &[Event] {
        &self.log[..self.durable]
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

    pub fn reopened(&mut self) {
        self.reopenings.push(self.durable);
        self.requests.clear();
    }

    pub fn digest(&self) -> blake3::Hash {
        blake3::hash(serde_json::to_string(&self.log()).unwrap().as_bytes())
    }

    /// The engine is gone. Its supervisors are not, unless the power is.
    pub fn engine_dies(&mut self, rng: &mut Rng) {
        // A commit may have reached the disk and its acknowledgement not the engine.
        let cut = self.durable + rng.below((self.log.len() - self.durable) as u64 + 1) as usize;
        self.log.truncate(cut);
        self.durable = cut;
        self.commit_at = None;
        self.queue.clear();
        self.reports.clear();
        self.requests
            .retain(|(_, request)| matches!(request, Request::Stop { .. }));
        match rng.below(4) {
            0 => self.supervisors_die(),
            1 => self.power_cut(rng),
            _ => {}
        }
        // Time passes while no engine lives.
        let until = self.now + rng.below(120);
        self.run_until(until);
        self.now = until;
        self.reports.clear();
    }

    fn supervisors_die(&mut self) {
        for attempt in self.live.keys().copied().collect::<Vec<_>>() {
            self.live.remove(&attempt);
            self.enter(attempt, What::Lost);
        }
    }

    /// Supervisors die, and their records lose whatever no disk had yet.
    fn power_cut(&mut self, rng: &mut Rng) {
        self.supervisors_die();
        self.boot += 1;
        for (attempt, record) in &mut self.records {
            let (all, end) = (rng.chance(30), rng.chance(30));
            if all || end {
                self.forgotten.insert(*attempt);
                record.done = None;
                record.started &= !all;
            }
        }
    }

    fn enter(&mut self, attempt: Attempt, what: What) {
        let durable = self.durable;
        self.ledger.push(Entry {
            attempt,
            what,
            durable,
        });
    }

    /// Lets processes begin and end up to and with this time.
    fn run_until(&mut self, until: Millis) {
        while let Some((at, attempt)) = self.next_end().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.end(attempt);
            self.fill_slots();
        }
    }

    fn next_end(&self) -> Option<(Millis, Attempt)> {
        self.live
            .iter()
            .map(|(attempt, live)| (live.ends_at, *attempt))
            .min()
    }

    fn end(&mut self, attempt: Attempt) {
        let Some(live) = self.live.remove(&attempt) else {
            return;
        };
        let done = done(live.exit.clone(), live.started_at, self.now);
        self.records.entry(attempt).or_default().done = Some(done.clone());
        self.enter(attempt, What::End(live.exit));
        self.reports.push(Report::Finished { attempt, done });
    }

    fn fill_slots(&mut self) {
        while self.live.len() < self.plan.max_concurrency.get() as usize {
            let Some(attempt) = self.queue.pop_front() else {
                return;
            };
            self.records.entry(attempt).or_default().started = true;
            let lasts = self.rng.below(60);
            let exit = self.fate(attempt);
            self.live.insert(
                attempt,
                Live {
                    started_at: self.now,
                    ends_at: self.now + lasts,
                    exit,
                },
            );
            self.enter(attempt, What::Start);
            self.reports.push(Report::Accepted { attempt });
        }
    }

    fn fate(&mut self, attempt: Attempt) -> Exit {
        let fails = if attempt.role == Role::Undo { 10 } else { 20 };
        match self.rng.chance(fails) {
            false => Exit::Exited { code: 0 },
            true if self.rng.chance(20) => Exit::TimedOut {
                after: Duration::from_secs(1),
                signal: Some(15),
            },
            true => Exit::Exited { code: 3 },
        }
    }

    fn commit(&mut self) {
        self.durable = self.log.len();
        self.commit_at = None;
    }
}

fn done(exit: Exit, started_at: Millis, ended_at: Millis) -> Done {
    Done {
        exit,
        started_at,
        ended_at,
        output: Default::default(),
        outputs: Default::default(),
        leaked: false,
        error: None,
    }
}

pub struct Supervisors(Shared);

impl Executor for Supervisors {
    fn start(&mut self, job: Job) -> io::Result<()> {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        world.queue.push_back(job.attempt);
        let most = 2 * world.plan.max_concurrency.get() as usize;
        let has = world.queue.len() + world.live.len();
        assert!(has <= most, "{has} attempts are handed over, {most} may be");
        world.fill_slots();
        Ok(())
    }

    fn stop(&mut self, attempt: Attempt, how: Stop) {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        let now = world.now;
        if let Some(at) = world.queue.iter().position(|queued| *queued == attempt) {
            world.queue.remove(at);
            let done = done(Exit::Canceled { signal: None }, now, now);
            world.reports.push(Report::Finished { attempt, done });
            return;
        }
        // A polite stop may come too late, or take its time.
        let late = how == Stop::Grace && world.rng.chance(20);
        let grace = if how == Stop::Grace {
            world.rng.below(10)
        } else {
            0
        };
        if let Some(live) = world.live.get_mut(&attempt)
            && !late
        {
            live.exit = Exit::Canceled { signal: Some(15) };
            live.ends_at = live.ends_at.min(now + grace);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>, reports: &mut Vec<Report>) -> io::Result<()> {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        if world.reports.is_empty() {
            let times = [
                world.next_end().map(|(at, _)| at),
                world.commit_at,
                world.requests.iter().map(|(at, _)| *at).min(),
                timeout.map(|timeout| world.now + timeout.as_millis() as Millis),
            ];
            let Some(at) = times.into_iter().flatten().min() else {
                panic!("the engine waits, and nothing will ever happen");
            };
            world.now = world.now.max(at);
            let now = world.now;
            if world.commit_at.is_some_and(|at| at <= now) {
                world.commit();
            }
            world.run_until(now);
        }
        let count = match world.quiet {
            true => world.reports.len(),
            false => {
                let n = world.reports.len() as u64;
                world.rng.below(n + 1) as usize
            }
        };
        let taken: Vec<_> = world.reports.drain(..count).collect();
        reports.extend(taken);
        Ok(())
    }

    fn waker(&self) -> Waker {
        Waker::new(|| {})
    }

    fn recover(&mut self, claimed: &[Attempt]) -> io::Result<Vec<(Attempt, Found)>> {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        let mut found = Vec::new();
        for &attempt in claimed {
            let alive = world.live.contains_key(&attempt);
            let record = world.records.entry(attempt).or_default();
            let what = match &record.done {
                Some(done) => Found::Finished(done.clone()),
                None if alive => Found::Alive,
                None if record.started => Found::Interrupted,
                None => Found::NeverRan,
            };
            found.push((attempt, what));
        }
        Ok(found)
    }
}

pub struct SimLog(Shared);

impl Log for SimLog {
    fn append(&mut self, event: &Event) {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        assert_eq!(
            event.seq as usize,
            world.log.len() + 1,
            "the log has no gap"
        );
        world.log.push(event.clone());
        if world.commit_at.is_none() {
            let soon = world.now + world.rng.below(6);
            world.commit_at = Some(soon);
        }
        if let Kind::RunStopping {
            why: Stopping::Cancel | Stopping::Kill,
            ..
        } = event.kind
        {
            world.canceled_at = Some(world.now);
        }
    }

    fn durable(&mut self) -> Result<Seq, LogError> {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        if world.commit_at.is_some_and(|at| at <= world.now) {
            world.commit();
        }
        Ok(world.durable as Seq)
    }

    fn hurry(&mut self) {
        let mut world = self.0.0.borrow_mut();
        world.commit_at = world.commit_at.map(|at| at.min(world.now + 1));
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        world.commit();
        Ok(())
    }
}

pub struct Outside(Shared);

impl World for Outside {
    fn now(&mut self) -> Millis {
        self.0.0.borrow().now
    }

    fn requests(&mut self) -> Vec<Request> {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        let now = world.now;
        let (due, later) = std::mem::take(&mut world.requests)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        world.requests = later;
        let due: Vec<(Millis, Request)> = due;
        due.into_iter().map(|(_, request)| request).collect()
    }

    fn ask(&mut self, step: StepIx, _question: &str) {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        let at = world.now + world.rng.below(30);
        let yes = world.rng.chance(70);
        world.requests.push((
            at,
            Request::Answer {
                step,
                yes,
                by: "somebody".into(),
            },
        ));
    }

    fn occupy(&mut self, step: StepIx) -> Result<Vec<Arc<File>>, Denied> {
        let mut world = self.0.0.borrow_mut();
        world.tick();
        if world.rng.chance(20) {
            let at = world.now + 1 + world.rng.below(40);
            world.requests.push((at, Request::Unblocked { step }));
            return Err(Denied::Held(Held {
                on: "lock l".into(),
                holder: None,
            }));
        }
        Ok(Vec::new())
    }

    fn tail(&mut self, _output: &Output) -> Option<Box<str>> {
        None
    }

    fn acknowledged(&mut self, seq: Seq) {
        let durable = self.0.0.borrow().durable as Seq;
        assert!(seq <= durable, "{seq} is promised, {durable} is durable");
    }

    fn show(&mut self, run: &RunState, event: &Event) {
        assert_eq!(run.seq(), event.seq);
        assert!(
            run.queues_are_current(),
            "the queues differ from the states"
        );
        self.0.0.borrow_mut().tick();
    }
}

/// What the durable log says became of a step, as of its length `durable`.
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

impl Virtual {
    /// The log as text, for whoever looks at a failing story.
    pub fn tell(&self) -> String {
        self.log
            .iter()
            .map(|event| format!("{} {} {:?}\n", event.seq, event.at, event.kind))
            .collect()
    }
}
