//! One attempt that runs, as its supervisor sees it: from the program's start
//! to the proof that nothing of it is left.
//!
//! It does not know records, output or the engine; it is told the time, that a
//! child has ended, and that it shall stop.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::unistd::Pid;

use super::sys::{self, Ended, Reaped};
use super::tree;
use crate::exec::{Job, Stop};
use crate::run::{Attempt, Exit, Millis};

/// What a program leaves behind may end by itself within this time of the
/// program's own end, without being called a leak.
const LEFTOVERS: Duration = Duration::from_millis(200);

/// Between two rounds of killing, at first and at most. One round is enough
/// unless a process hangs in the kernel.
const SOON: Duration = Duration::from_millis(5);
const LATER: Duration = Duration::from_millis(200);

/// An attempt whose program was started.
pub struct Running {
    pub attempt: Attempt,
    /// Held until nothing is left; dropping this lets go of them.
    _locks: Vec<Arc<File>>,
    pub own_log: bool,
    timeout: Option<Duration>,
    grace: Duration,
    /// The program itself; also the id of its process group.
    main: Pid,
    clock: Clock,
    /// How the program ended.
    ended: Option<Ended>,
    /// Why it did not end in its own time.
    cut: Option<Cut>,
    phase: Phase,
    leaked: bool,
}

/// What ended an attempt early.
#[derive(Clone, Copy)]
enum Cut {
    Timeout(Duration),
    Stopped,
}

/// How far an attempt is from its end.
#[derive(Clone, Copy)]
enum Phase {
    /// The program runs; its timeout, if it has one, ends this.
    Runs,
    /// All of it was asked to end, and is killed at this time.
    Grace(Instant),
    /// The program has ended by itself; what it left is killed at this time.
    Leftovers(Instant),
    /// All of it was killed; whoever is seen at this time is killed again.
    Killed { again: Instant, pause: Duration },
}

/// When something began, on both clocks: the wall's for people, and one that
/// never jumps for everything that is measured.
#[derive(Clone, Copy)]
pub struct Clock {
    pub started_at: Millis,
    began: Instant,
}

impl Clock {
    pub fn start() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Clock {
            started_at: wall.map_or(0, |since| since.as_millis() as Millis),
            began: Instant::now(),
        }
    }

    /// The wall clock's beginning, moved on by the time that has passed.
    pub fn now(&self) -> Millis {
        self.started_at + self.began.elapsed().as_millis() as Millis
    }
}

impl Running {
    pub fn new(job: Job, main: Pid, clock: Clock) -> Running {
        Running {
            attempt: job.attempt,
            _locks: job.locks,
            own_log: job.own_log,
            timeout: job.timeout,
            grace: job.grace,
            main,
            clock,
            ended: None,
            cut: None,
            phase: Phase::Runs,
            leaked: false,
        }
    }

    /// When [`on_time`](Self::on_time) has something to do; never, without.
    pub fn wake_at(&self) -> Option<Instant> {
        match self.phase {
            // A timeout beyond the clock's range is none.
            Phase::Runs => self.timeout.and_then(|t| self.clock.began.checked_add(t)),
            Phase::Grace(until) | Phase::Leftovers(until) => Some(until),
            Phase::Killed { again, .. } => Some(again),
        }
    }

    /// Does what is due.
    pub fn on_time(&mut self, now: Instant) {
        if self.wake_at().is_none_or(|due| now < due) {
            return;
        }
        match (self.phase, self.timeout) {
            (Phase::Runs, None) => {}
            (Phase::Runs, Some(timeout)) => self.ask_to_end(Cut::Timeout(timeout), now),
            (Phase::Grace(_) | Phase::Leftovers(_), _) => self.kill(now, SOON),
            (Phase::Killed { pause, .. }, _) => self.kill(now, (pause * 2).min(LATER)),
        }
    }

    /// Ends the attempt early, as firmly as was asked.
    pub fn stop(&mut self, how: Stop, now: Instant) {
        match (how, self.phase) {
            (Stop::Grace, Phase::Runs) => self.ask_to_end(Cut::Stopped, now),
            (Stop::Grace, _) | (Stop::Now, Phase::Killed { .. }) => {}
            (Stop::Now, _) => {
                // A program that has ended by itself keeps the exit it had.
                if self.ended.is_none() {
                    self.cut.get_or_insert(Cut::Stopped);
                }
                self.kill(now, SOON);
            }
        }
    }

    fn ask_to_end(&mut self, cut: Cut, now: Instant) {
        self.cut = Some(cut);
        if self.grace.is_zero() {
            return self.kill(now, SOON);
        }
        tree::terminate_below_self(Some(self.main));
        let year = Duration::from_secs(365 * 24 * 3600);
        self.phase = Phase::Grace(now + self.grace.min(year));
    }

    fn kill(&mut self, now: Instant, pause: Duration) {
        self.leaked |= self.ended.is_some();
        tree::kill_below_self(&Default::default());
        self.phase = Phase::Killed {
            again: now + pause,
            pause,
        };
    }

    /// Takes the ends of all children that have ended, the program's own and
    /// those of processes that have lost their parents.
    ///
    /// True is the kernel's word that nothing of the attempt is left.
    pub fn reap(&mut self) -> bool {
        loop {
            match sys::reap() {
                Reaped::NoChildren => return true,
                Reaped::NoneYet => return false,
                Reaped::Child(pid, ended) if pid == self.main && self.ended.is_none() => {
                    self.ended = Some(ended);
                    if let Phase::Runs = self.phase {
                        self.phase = Phase::Leftovers(Instant::now() + LEFTOVERS);
                    }
                }
                Reaped::Child(..) => {}
            }
        }
    }

    /// How the attempt ended, when nothing of it is left.
    pub fn exit(&self) -> Exit {
        let signal = match self.ended {
            Some(Ended::Signaled { signal, .. }) => Some(signal),
            _ => None,
        };
        match (self.cut, self.ended) {
            (Some(Cut::Timeout(after)), _) => Exit::TimedOut { after, signal },
            (Some(Cut::Stopped), _) => Exit::Canceled { signal },
            (None, Some(Ended::Exited(code))) => Exit::Exited { code },
            (None, Some(Ended::Signaled { signal, core })) => Exit::Signaled { signal, core },
            // Somebody else took its end: a debugger that reaps for us.
            (None, None) => Exit::Interrupted,
        }
    }

    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether something outlived the program and had to be killed.
    pub fn leaked(&self) -> bool {
        self.leaked
    }
}
