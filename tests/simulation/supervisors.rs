//! The executor: supervisors, one to a slot, that outlive the engine, write
//! down what became of their attempts, and answer to one engine at a time.

use std::io;
use std::time::Duration;

use quintet::engine::Request;
use quintet::exec::{Done, Executor, Found, Job, Report, Waker};
use quintet::run::{Attempt, Exit, Millis, Role, Stop, Stopping};

use crate::world::{Crash, Hand, Virtual, What, Who};

/// A supervisor.
#[derive(Default)]
pub struct Slot {
    /// The engine whose line is open; none when it is dead.
    engine: Option<Who>,
    live: Option<Live>,
    /// Handed over ahead of time.
    ahead: Option<Job>,
    /// Its last attempt did not end plainly, and the engine has not dealt with it.
    held: bool,
}

struct Live {
    job: Job,
    started_at: Millis,
    /// The wall clock then.
    wall: Millis,
    ends_at: Millis,
    exit: Exit,
}

impl Virtual {
    /// Puts a job behind another: in its slot, if it has begun there, else in line.
    fn stand_behind(&mut self, who: Who, job: Job, first: Attempt) {
        let own = self.own_slots(who);
        let runs = |id: &&usize| {
            let live = self.slots[id].live.as_ref();
            live.is_some_and(|live| live.job.attempt == first)
        };
        let waits = |job: &Job| job.attempt == first;
        let side = &self.engines[who];
        let is_here = side.queue.iter().chain(&side.line).any(waits)
            || own
                .iter()
                .any(|id| self.slots[id].ahead.as_ref().is_some_and(waits));
        match own.iter().find(runs).copied() {
            Some(id) if self.slots[&id].ahead.is_none() => {
                self.slots.get_mut(&id).expect("a slot").ahead = Some(job);
            }
            None if !is_here => self.give_up(who, job.attempt),
            _ => self.engines[who].line.push(job),
        }
    }

    /// An attempt is over: what stands in line behind it may begin, or never will.
    fn over(&mut self, who: Who, first: Attempt, plainly: bool) {
        let side = &mut self.engines[who];
        let stood = |job: &mut Job| job.behind == Some(first);
        let line: Vec<Job> = side.line.extract_if(.., stood).collect();
        for job in line.into_iter().rev() {
            if plainly || !self.rules.behind_only_if_well {
                let behind = None;
                self.engines[who].queue.push_front(Job { behind, ..job });
            } else {
                self.give_up(who, job.attempt);
            }
        }
    }

    fn give_up(&mut self, who: Who, attempt: Attempt) {
        let reports = &mut self.engines[who].reports;
        reports.push(Report::Returned { attempt });
        self.over(who, attempt, false);
    }

    fn own_slots(&self, who: Who) -> Vec<usize> {
        let own = self.slots.iter().filter(|(_, s)| s.engine == Some(who));
        own.map(|(id, _)| *id).collect()
    }

    /// The engine is gone: what runs goes on, what only waits never begins.
    pub fn hang_up(&mut self, who: Who) {
        for id in self.own_slots(who) {
            let slot = self.slots.get_mut(&id).expect("a slot");
            slot.engine = None;
            slot.ahead = None;
            if let Some(live) = &mut slot.live
                && !self.rules.locks_outlive_engines
            {
                live.job.locks.clear();
            }
        }
        self.slots
            .retain(|_, slot| slot.live.is_some() || slot.engine.is_some());
        self.locks_move();
    }

    pub fn supervisors_die(&mut self) {
        for id in self.slots.keys().copied().collect::<Vec<_>>() {
            self.supervisor_dies(id);
        }
    }

    /// With it dies what it runs, and nobody knows how that would have ended.
    fn supervisor_dies(&mut self, id: usize) {
        let slot = self.slots.remove(&id).expect("a slot");
        if let Some(live) = slot.live {
            let attempt = live.job.attempt;
            self.note(attempt, What::Lost);
            if let Some(who) = slot.engine {
                self.engines[who]
                    .reports
                    .push(Report::Interrupted { attempt });
                self.over(who, attempt, false);
            }
        }
        if let Some((who, job)) = slot.engine.zip(slot.ahead) {
            match job.behind {
                Some(_) => self.give_up(who, job.attempt),
                None => self.engines[who].queue.push_front(job),
            }
        }
        self.locks_move();
    }

    /// Lets processes end, and what waits behind them begin, up to this time.
    pub fn run_until(&mut self, until: Millis) {
        while let Some((at, id)) = self.next_end().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.end(id);
        }
    }

    fn next_end(&self) -> Option<(Millis, usize)> {
        let ends = |(id, slot): (&usize, &Slot)| Some((self.due(slot.live.as_ref()?), *id));
        self.slots.iter().filter_map(ends).min()
    }

    /// When it ends in real time.
    fn due(&self, live: &Live) -> Millis {
        match live.exit {
            Exit::TimedOut { .. } if !self.rules.timeouts_do_not_jump => {
                let lasts = (live.ends_at - live.started_at) as i64;
                let left = live.wall as i64 + lasts - self.wall() as i64;
                self.now + left.max(0) as Millis
            }
            _ => live.ends_at,
        }
    }

    fn end(&mut self, id: usize) {
        let slot = self.slots.get_mut(&id).expect("a slot");
        let Some(live) = slot.live.take() else {
            return;
        };
        if let Some(script) = &mut self.script
            && let Some(ends) = script.ends.get_mut(live.job.attempt.step.at())
            && !ends.is_empty()
        {
            ends.remove(0);
        }
        if live.exit == Exit::Interrupted {
            slot.live = Some(live);
            return self.supervisor_dies(id);
        }
        let attempt = live.job.attempt;
        let lasted = self.now - live.started_at;
        let done = done(live.exit.clone(), live.wall, live.wall + lasted);
        let engine = slot.engine;
        slot.held = !done.is_plain();
        let held = slot.held;
        self.records.entry(attempt).or_default().done = Some(done.clone());
        self.note(attempt, What::End(live.exit.clone()));
        // Its locks go free only now.
        drop(live);
        let Some(who) = engine else {
            self.slots.remove(&id);
            return self.locks_move();
        };
        self.engines[who].held |= held;
        let plainly = done.is_plain();
        self.engines[who]
            .reports
            .push(Report::Finished { attempt, done });
        let slot = self.slots.get_mut(&id).expect("a slot");
        let stood = |job: &mut Job| job.behind == Some(attempt);
        if !plainly
            && self.rules.behind_only_if_well
            && let Some(gone) = slot.ahead.take_if(stood)
        {
            self.give_up(who, gone.attempt);
        }
        self.over(who, attempt, plainly);
        self.begin_ahead(id);
        self.locks_move();
    }

    fn begin_ahead(&mut self, id: usize) {
        let slot = self.slots.get_mut(&id).expect("a slot");
        if !slot.held
            && slot.live.is_none()
            && let Some(mut job) = slot.ahead.take()
        {
            job.behind = None;
            self.begin(id, job);
        }
    }

    /// Hands out what waits: to free slots, then ahead to busy ones.
    pub fn hand_out(&mut self, who: Who) {
        let most = self.plan.max_concurrency.get() as usize;
        while !self.engines[who].held
            && !self.engines[who].paused
            && self.engines[who].broken.is_none()
            && !self.engines[who].queue.is_empty()
        {
            let own = self.own_slots(who);
            let is_free =
                |id: &&usize| self.slots[id].live.is_none() && self.slots[id].ahead.is_none();
            let is_roomy = |id: &&usize| self.slots[id].ahead.is_none();
            let id = match own.iter().find(is_free) {
                Some(id) => *id,
                None if own.len() < most => match self.open_slot(who) {
                    Some(id) => id,
                    None => return,
                },
                None => match own.iter().find(is_roomy) {
                    Some(id) => *id,
                    None => return,
                },
            };
            let job = self.engines[who].queue.pop_front().expect("a job");
            self.slots.get_mut(&id).expect("a slot").ahead = Some(job);
            self.begin_ahead(id);
        }
    }

    /// A job that waits behind another is asked back by a slot that is free.
    fn ask_back(&mut self, who: Who) {
        let own = self.own_slots(who);
        let free = own.iter().any(|id| {
            let slot = &self.slots[id];
            slot.live.is_none() && slot.ahead.is_none() && !slot.held
        });
        let waits = own.iter().find(|id| {
            let slot = &self.slots[id];
            let ahead = slot.ahead.as_ref();
            slot.live.is_some() && ahead.is_some_and(|job| job.behind.is_none())
        });
        if let Some(id) = waits.filter(|_| free && self.rng.chance(50)) {
            let job = self.slots.get_mut(id).and_then(|slot| slot.ahead.take());
            self.engines[who].queue.extend(job);
        }
    }

    fn open_slot(&mut self, who: Who) -> Option<usize> {
        let current = self.epochs.last().copied();
        if self.rules.epoch_in_slots && current != Some(self.engines[who].epoch) {
            let why = "a later engine has taken the run over".to_owned();
            self.engines[who].broken = Some(why);
            return None;
        }
        let id = self.slots.last_key_value().map_or(0, |(id, _)| id + 1);
        let slot = Slot {
            engine: Some(who),
            ..Slot::default()
        };
        self.slots.insert(id, slot);
        Some(id)
    }

    fn begin(&mut self, id: usize, job: Job) {
        let attempt = job.attempt;
        let engine = self.slots[&id].engine;
        if let Some(who) = engine
            && !self.quiet
            && self.rng.per_mille(3)
        {
            let why = "the start of an attempt cannot be recorded".to_owned();
            self.engines[who].broken = Some(why);
            return;
        }
        if let Some(who) = engine
            && self.is_full()
            && self.rng.chance(50)
        {
            // Its start cannot be written down, so it waits until it can.
            let error = "no space left".to_owned();
            let side = &mut self.engines[who];
            side.queue.push_front(job);
            side.paused = true;
            side.reports.push(Report::Unrecordable { error });
            return;
        }
        if let Some(who) = engine
            && self.engines[who].stands
        {
            self.offences
                .push(format!("{attempt:?} began in a run that is paused"));
        }
        self.records.entry(attempt).or_default().started = true;
        let (lasts, exit) = self.fate(&job);
        let live = Live {
            job,
            started_at: self.now,
            wall: self.wall(),
            ends_at: self.now + lasts,
            exit,
        };
        self.slots.get_mut(&id).expect("a slot").live = Some(live);
        self.note(attempt, What::Start);
        if let Some(who) = engine {
            self.engines[who].reports.push(Report::Accepted {
                attempt,
                node: None,
            });
            let mut line = self.engines[who].line.iter();
            if let Some(at) = line.position(|job| job.behind == Some(attempt)) {
                let next = self.engines[who].line.remove(at);
                self.slots.get_mut(&id).expect("a slot").ahead = Some(next);
            }
        }
    }

    /// How long the attempt takes, and how it ends.
    fn fate(&mut self, job: &Job) -> (Millis, Exit) {
        let Attempt { step, role, .. } = job.attempt;
        let well = Exit::Exited { code: 0 };
        if let Some(script) = &self.script {
            let ends = script.ends.get(step.at()).filter(|_| role == Role::Main);
            let end = ends.and_then(|ends| ends.first());
            return (10, end.cloned().unwrap_or(well));
        }
        let lasts = self.rng.below(60);
        if let Some(after) = job.timeout
            && lasts > after.as_millis() as Millis
        {
            let grace = self.rng.below(job.grace.as_millis() as Millis + 1);
            let signal = Some(15);
            return (
                after.as_millis() as Millis + grace,
                Exit::TimedOut { after, signal },
            );
        }
        let fails = if role == Role::Undo { 10 } else { 20 };
        let exit = match (self.rng.chance(fails), self.rng.below(6)) {
            (false, _) => well,
            (true, 0) => Exit::FailedToStart {
                errno: "EAGAIN".into(),
            },
            (true, 1) => Exit::Signaled {
                signal: 11,
                core: true,
            },
            (true, _) => Exit::Exited { code: 3 },
        };
        (lasts, exit)
    }

    /// Bad luck while an engine waits.
    fn mischief(&mut self) {
        if self.quiet {
            return;
        }
        if self.rng.per_mille(5) {
            let busy: Vec<usize> = self.slots.keys().copied().collect();
            if !busy.is_empty() {
                let at = self.rng.below(busy.len() as u64) as usize;
                self.supervisor_dies(busy[at]);
            }
        }
        if self.rng.per_mille(5) {
            self.wall_jumps();
        }
        if self.rng.per_mille(20) {
            self.another_run_takes_what_is_free();
        }
    }

    /// Now and then somebody stops the engine's process with a signal, which is
    /// written down nowhere: if it dies, nobody has ever asked.
    fn signal(&mut self, who: Who) {
        if !self.quiet && self.rng.per_mille(4) {
            let why = Stopping::Cancel;
            let by = "SIGINT".to_owned();
            let now = self.now;
            let stop = Request::Stop { why, by };
            self.engines[who].inbox.push((now, stop));
        }
    }

    /// Time passes for an engine that waits, until something happens.
    fn pass_time(&mut self, who: Who, timeout: Option<Duration>) {
        let side = &self.engines[who];
        let times = [
            self.next_end().map(|(at, _)| at),
            side.commit_at,
            side.inbox.iter().map(|(at, _)| *at).min(),
            self.store.next_request(side.asked),
            self.locks.next_release(),
            timeout.map(|timeout| self.now + timeout.as_millis() as Millis),
        ];
        let Some(at) = times.into_iter().flatten().min() else {
            let others = self.engines.iter().filter(|side| side.alive).count();
            if others > 1 {
                // It waits for what a frozen engine holds: until that wakes.
                std::panic::panic_any(Crash);
            }
            panic!("the engine waits, and nothing will ever happen");
        };
        self.now = self.now.max(at);
        self.commit_if_due(who);
        self.run_until(self.now);
        self.locks_move();
    }

    /// The epoch's engine opens the slots' directory.
    pub fn open_epoch(&mut self, epoch: u32) -> Result<(), String> {
        if self.epochs.last().is_some_and(|last| *last >= epoch) && self.rules.epoch_in_slots {
            return Err(format!("epoch {epoch} of this run was opened before"));
        }
        self.epochs.push(epoch);
        Ok(())
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

pub struct Supervisors(pub Hand);

impl Executor for Supervisors {
    fn start(&mut self, job: Job) -> io::Result<()> {
        let who = self.0.who;
        let mut world = self.0.call();
        if let Some(why) = world.engines[who].broken.take() {
            return Err(io::Error::other(why));
        }
        match job.behind {
            Some(first) => world.stand_behind(who, job, first),
            None => world.engines[who].queue.push_back(job),
        }
        let most = 2 * world.plan.max_concurrency.get() as usize;
        let own = world.own_slots(who).into_iter().map(|id| &world.slots[&id]);
        let has = own.map(|s| usize::from(s.live.is_some()) + usize::from(s.ahead.is_some()));
        let side = &world.engines[who];
        let has = has.sum::<usize>() + side.queue.len() + side.line.len();
        assert!(has <= most, "{has} attempts are handed over, {most} may be");
        world.hand_out(who);
        let broken = world.engines[who].broken.take();
        broken.map_or(Ok(()), |why| Err(io::Error::other(why)))
    }

    fn pause(&mut self) {
        let who = self.0.who;
        let mut world = self.0.call();
        world.engines[who].paused = true;
        for id in world.own_slots(who) {
            // What is as good as begun stays: its slot waits for the engine's word.
            let slot = world.slots.get_mut(&id).expect("a slot");
            let back = slot.ahead.take_if(|_| slot.live.is_some());
            let side = &mut world.engines[who];
            match back {
                // It still stands behind what runs there.
                Some(job) if job.behind.is_some() => side.line.push(job),
                back => side.queue.extend(back),
            }
        }
    }

    fn unpause(&mut self) {
        let who = self.0.who;
        let mut world = self.0.call();
        world.engines[who].paused = false;
        world.engines[who].stands = false;
        world.hand_out(who);
    }

    fn stop(&mut self, attempt: Attempt, how: Stop) {
        let who = self.0.who;
        let mut world = self.0.call();
        let now = world.now;
        let is_it = |job: &Job| job.attempt == attempt;
        let queued = world.engines[who].queue.iter().position(is_it);
        let in_line = world.engines[who].line.iter().position(is_it);
        let slots = world.own_slots(who);
        let waits = slots
            .iter()
            .find(|id| world.slots[id].ahead.as_ref().is_some_and(is_it));
        let called_off = match (queued, waits) {
            (Some(at), _) => world.engines[who].queue.remove(at),
            (_, Some(id)) => world.slots.get_mut(id).and_then(|slot| slot.ahead.take()),
            _ => in_line.map(|at| world.engines[who].line.remove(at)),
        };
        if called_off.is_some() {
            let wall = world.wall();
            let done = done(Exit::Canceled { signal: None }, wall, wall);
            let report = Report::Finished { attempt, done };
            world.engines[who].reports.push(report);
            return world.over(who, attempt, false);
        }
        // A polite stop may come too late, or take its time.
        let late = how == Stop::Grace && world.rng.chance(20);
        let grace = match how {
            Stop::Grace => world.rng.below(10),
            Stop::Now => 0,
        };
        let own = slots.iter().find(|id| {
            let live = world.slots[id].live.as_ref();
            live.is_some_and(|live| is_it(&live.job))
        });
        if let Some(live) = own.and_then(|id| world.slots.get_mut(id)?.live.as_mut())
            && !late
            && live.exit != Exit::Interrupted
        {
            live.exit = Exit::Canceled { signal: Some(15) };
            live.ends_at = live.ends_at.min(now + grace);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>, reports: &mut Vec<Report>) -> io::Result<()> {
        let who = self.0.who;
        let mut world = self.0.call();
        world.engines[who].waits += 1;
        world.engines[who].stands = world.engines[who].says_paused;
        assert!(world.engines[who].waits < 20_000, "the run does not end");
        // Whoever waits has dealt with all that was reported.
        if world.engines[who].reports.is_empty() && !world.engines[who].paused {
            world.engines[who].held = false;
            for id in world.own_slots(who) {
                world.slots.get_mut(&id).expect("a slot").held = false;
                world.begin_ahead(id);
            }
        }
        world.ask_back(who);
        world.hand_out(who);
        world.mischief();
        world.signal(who);
        let rung = std::mem::take(&mut world.engines[who].rung);
        let side = &world.engines[who];
        if !rung && side.reports.is_empty() && side.broken.is_none() {
            world.pass_time(who, timeout);
        }
        let n = world.engines[who].reports.len();
        let count = match world.quiet {
            true => n,
            false => world.rng.below(n as u64 + 1) as usize,
        };
        reports.extend(world.engines[who].reports.drain(..count));
        let broken = world.engines[who].broken.take();
        broken.map_or(Ok(()), |why| Err(io::Error::other(why)))
    }

    fn queues_behind(&self) -> bool {
        true
    }

    fn waker(&self) -> Waker {
        Waker::new(|| {})
    }

    fn recover(&mut self, claimed: &[Attempt]) -> io::Result<Vec<(Attempt, Found)>> {
        let who = self.0.who;
        let mut world = self.0.call();
        for id in world.slots.keys().copied().collect::<Vec<_>>() {
            let slot = &world.slots[&id];
            let later = world.epochs.last().copied() != Some(world.engines[who].epoch);
            if slot.engine.is_some() || (later && world.rules.epoch_in_slots) {
                let why = "a slot of this run still answers to another engine";
                return Err(io::Error::new(io::ErrorKind::WouldBlock, why));
            }
            let running = slot.live.as_ref().map(|live| live.job.attempt);
            assert!(
                running.is_some_and(|running| claimed.contains(&running)),
                "{running:?} runs and nobody claims it"
            );
            world.slots.get_mut(&id).expect("a slot").engine = Some(who);
        }
        let mut found = Vec::new();
        for &attempt in claimed {
            let mut lives = world.slots.values().filter_map(|slot| slot.live.as_ref());
            let alive = lives.any(|live| live.job.attempt == attempt);
            let read = world.rules.exit_records_are_read;
            let record = world.records.entry(attempt).or_default();
            let what = match &record.done {
                Some(done) if read => Found::Finished(done.clone()),
                _ if alive => Found::Alive { node: None },
                _ if record.started => Found::Interrupted,
                _ => Found::NeverRan,
            };
            found.push((attempt, what));
        }
        Ok(found)
    }
}
