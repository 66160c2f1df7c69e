//! The one thread that looks after all attempts that are with Slurm: it submits them,
//! looks for what nodes have written, asks Slurm where that leaves a question, and
//! reports.
//!
//! Reading the shared directory costs the cluster next to nothing and is done often;
//! the controller is asked as seldom as can be: only while something is open that
//! nodes have not told of, with one question for all of it, and ever less often while
//! the answer stays the same.

mod asking;
mod open;
mod reading;
mod settling;
mod stopping;
mod submitting;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use self::open::Open;
use self::reading::Folder;
use super::SlurmConfig;
use super::clerk::{Answer, Errand, hire};
use super::files::{Left, Shared};
use crate::exec::{Done, Job, Report, Stop};
use crate::run::Attempt;

/// Jobs that are handed over within this time are submitted together.
const GATHER: Duration = Duration::from_millis(20);

/// Where as many as this wait in Slurm's queue, for so long at most.
const PLENTY: usize = 250;
const MOST_GATHER: Duration = Duration::from_secs(2);

/// Slurm's usual limit of an array, one less.
const MOST_TOGETHER: usize = 1000;

/// Something for the desk.
pub enum Told {
    Start(Box<Job>),
    Stop(Attempt, Stop),
    /// Locks for one that is here.
    Hold(Attempt, Vec<Arc<File>>),
    Pause,
    Unpause,
    /// What an earlier engine has submitted.
    Known(Vec<Known>),
    Answer(Answer),
    /// The engine is gone. What Slurm has, it keeps.
    Leave,
}

/// An attempt that an earlier engine has submitted.
pub struct Known {
    pub attempt: Attempt,
    pub left: Left,
}

/// The desk, with everything on it.
pub struct Desk<T> {
    shared: Shared,
    config: SlurmConfig,
    told: Receiver<Told>,
    clerk: Sender<Errand>,
    report: T,
    gathered: Vec<Job>,
    gather_until: Option<Instant>,
    open: BTreeMap<Attempt, Open>,
    /// Those that are open, by their keys.
    keys: HashMap<String, Attempt>,
    paused: bool,
    batches: u32,
    together: usize,
    /// How often in a row Slurm has not taken what it was given.
    refusals: u32,
    looks: u64,
    look_at: Instant,
    /// When the question was put that is not answered yet.
    looking: Option<Instant>,
    /// How often the answer was the same.
    same: u32,
    /// Slurm did not answer the last question.
    unreachable: bool,
    folders: [Folder; 2],
    heard_at: Instant,
}

impl<T: Fn(Report) + Send + 'static> Desk<T> {
    /// Begins to look after what it is told of.
    ///
    /// # Errors
    /// There is no room for another thread.
    pub fn open(
        shared: Shared,
        config: SlurmConfig,
        told: Receiver<Told>,
        own: Sender<Told>,
        report: T,
    ) -> io::Result<()> {
        let clerk = hire(move |answer| {
            // Nobody is interested once the desk is left.
            let _ = own.send(Told::Answer(answer));
        })?;
        let now = Instant::now();
        let desk = Desk {
            shared,
            config,
            told,
            clerk,
            report,
            gathered: Vec::new(),
            gather_until: None,
            open: BTreeMap::new(),
            keys: HashMap::new(),
            paused: false,
            batches: 0,
            together: MOST_TOGETHER,
            refusals: 0,
            looks: 0,
            look_at: now,
            looking: None,
            same: 0,
            unreachable: false,
            folders: [Folder::new("claims"), Folder::new("results")],
            heard_at: now,
        };
        let thread = std::thread::Builder::new().name("slurm-desk".into());
        thread.spawn(move || desk.work())?;
        Ok(())
    }

    fn work(mut self) {
        loop {
            let told = match self.pause() {
                None => self.told.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(pause) => self.told.recv_timeout(pause),
            };
            match told {
                Ok(Told::Leave) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(told) => self.hear(told),
                Err(RecvTimeoutError::Timeout) => {}
            }
            while let Ok(told) = self.told.try_recv() {
                match told {
                    Told::Leave => return,
                    told => self.hear(told),
                }
            }
            let now = Instant::now();
            self.submit_gathered(now);
            self.read(now);
            self.see_to_stops(now);
            self.settle(now);
            self.ask(now);
        }
    }

    /// How long nothing is to be done; for ever, where nothing is open.
    fn pause(&self) -> Option<Duration> {
        let now = Instant::now();
        let gather = self.gather_until.filter(|_| !self.paused);
        let look = (!self.open.is_empty()).then(|| now + self.between_readings());
        let due = gather.into_iter().chain(look).min()?;
        Some(due.saturating_duration_since(now))
    }

    fn between_readings(&self) -> Duration {
        let usual = self.config.site.poll / 10;
        usual.clamp(Duration::from_millis(50), Duration::from_millis(500))
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Start(job) => {
                self.gathered.push(*job);
                if self.gather_until.is_none() {
                    self.gather_until = Some(Instant::now() + self.gathers_for());
                }
            }
            Told::Stop(attempt, how) => self.stop(attempt, how),
            Told::Hold(attempt, locks) => {
                if let Some(open) = self.open.get_mut(&attempt) {
                    open._locks = locks;
                }
            }
            Told::Pause => self.paused = true,
            Told::Unpause => {
                self.paused = false;
                if !self.gathered.is_empty() {
                    self.gather_until.get_or_insert_with(Instant::now);
                }
            }
            Told::Known(known) => {
                for Known { attempt, left } in known {
                    self.take_over(attempt, left);
                }
                self.look_soon();
            }
            Told::Answer(Answer::Submitted { batch, how }) => self.submitted(&batch, how),
            Told::Answer(Answer::Looked { number, rows }) => self.looked(number, rows),
            Told::Leave => {}
        }
    }

    /// Where so much waits in Slurm's queue that nothing more is begun any sooner, a call
    /// of sbatch can wait for company.
    fn gathers_for(&self) -> Duration {
        let waiting = self.open.values().filter(|open| open.claim.is_none());
        match waiting.take(PLENTY).count() {
            PLENTY => self.config.site.poll.min(MOST_GATHER),
            _ => GATHER,
        }
    }

    /// Takes charge of an attempt.
    fn keep(&mut self, attempt: Attempt, open: Open) {
        self.keys.insert(open.key.clone(), attempt);
        self.open.insert(attempt, open);
    }

    fn report(&self, report: Report) {
        (self.report)(report);
    }

    fn finish(&mut self, attempt: Attempt, done: Done) {
        if let Some(open) = self.open.remove(&attempt) {
            self.keys.remove(&open.key);
            if open.claim.is_none() {
                self.shared.take_back(&open.key);
            }
        }
        self.report(Report::Finished { attempt, done });
    }
}
