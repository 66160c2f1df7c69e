//! The log file of a run of checks: a line for everything that matters, with the
//! time and a level that says what kind of thing it is.
//!
//! ```text
//! [2026-11-20 12:03:05] SUCCESS: Python version (120ms)
//! ```
//!
//! The levels are those of the log files that people search with `grep`. What
//! happens outside of the events (the lock, the project's state, old files that
//! went) is said by whoever does it. Which file this is is not known here.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::lines::{LEFT_OUT, left_out};
use super::{Status, Told, name};
use crate::run::{Event, Kind, Millis, RunState};
use crate::view::command::{of_action, of_command};
use crate::view::escape::clean;
use crate::view::time::date_and_clock;

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A phase, or the run as a whole.
    Header,
    /// A check begins.
    Section,
    /// Something is under way.
    Status,
    Success,
    Error,
    Warning,
    Info,
    /// A check does not run.
    Skip,
    LockAcquired,
    LockReleased,
    StateSaved,
    /// A check is fresh.
    CacheHit,
    /// Old log files went.
    LogRotation,
    /// A person agreed to a remedy, or did not.
    Confirmed,
    Skipped,
}

impl Level {
    pub fn word(self) -> &'static str {
        match self {
            Level::Header => "HEADER",
            Level::Section => "SECTION",
            Level::Status => "STATUS",
            Level::Success => "SUCCESS",
            Level::Error => "ERROR",
            Level::Warning => "WARNING",
            Level::Info => "INFO",
            Level::Skip => "SKIP",
            Level::LockAcquired => "LOCK_ACQUIRED",
            Level::LockReleased => "LOCK_RELEASED",
            Level::StateSaved => "STATE_SAVED",
            Level::CacheHit => "CACHE_HIT",
            Level::LogRotation => "LOG_ROTATION",
            Level::Confirmed => "CONFIRMED",
            Level::Skipped => "SKIPPED",
        }
    }
}

/// The view: where it writes.
pub struct Log<W> {
    out: W,
    zone: TimeZone,
    left_out: Vec<String>,
}

/// Between the header and what follows.
const RULE: &str = "============================================================";

impl<W: Write> Log<W> {
    /// Adds lines to `out`, with times as in `zone`; also of the checks that are
    /// left out for these tags.
    pub fn new(out: W, zone: TimeZone, left_out: &[&str]) -> Self {
        Log {
            out,
            zone,
            left_out: left_out.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    /// Begins the file: a block of names and what they are.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn header(&mut self, at: Millis, title: &str, block: &[(&str, &str)]) -> io::Result<()> {
        self.say(at, Level::Header, RULE)?;
        self.say(at, Level::Header, title)?;
        for (name, value) in block {
            self.say(at, Level::Header, &format!("{name}: {value}"))?;
        }
        self.say(at, Level::Header, RULE)
    }

    /// Adds a line. It is one write, so that whoever reads along sees whole lines.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn say(&mut self, at: Millis, level: Level, message: &str) -> io::Result<()> {
        let moment = date_and_clock(at, &self.zone);
        let line = format!("[{moment}] {}: {}\n", level.word(), clean(message));
        self.out.write_all(line.as_bytes())
    }

    /// Adds what an event is worth, given the state after it.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn event(&mut self, run: &RunState, event: &Event, told: &[Told]) -> io::Result<()> {
        match &event.kind {
            Kind::RunStarted { .. } => {
                let checks = super::checks(run.plan()).count();
                let message = format!("{}: {checks} checks", run.plan().name);
                self.say(event.at, Level::Info, &message)?;
                let left_out: Vec<_> = left_out(run.plan(), &self.left_out).collect();
                for ix in left_out {
                    let message = format!("{}: {LEFT_OUT}", name(run.plan(), ix));
                    self.say(event.at, Level::Skip, &message)?;
                }
            }
            Kind::RunPaused { reason } => {
                let message = format!("nothing new starts: {reason}");
                self.say(event.at, Level::Warning, &message)?;
            }
            _ => {}
        }
        for told in told {
            self.told(run, event.at, told)?;
        }
        Ok(())
    }

    fn told(&mut self, run: &RunState, at: Millis, told: &Told) -> io::Result<()> {
        let plan = run.plan();
        let of = |ix| name(plan, ix);
        let (level, message) = match told {
            Told::Phase { phase } => (Level::Header, format!("Phase: {}", of(*phase))),
            Told::Begun { check } => {
                self.say(at, Level::Section, of(*check))?;
                let command = of_action(&plan[*check].action);
                (Level::Status, format!("Checking {}: {command}", of(*check)))
            }
            Told::Again { check, attempt } => {
                let message = format!("Checking {} again, attempt {attempt}", of(*check));
                (Level::Status, message)
            }
            Told::FailedOnce { check, why } => (Level::Warning, format!("{}: {why}", of(*check))),
            Told::Mending { check } => {
                let remedy = plan[*check].remedy.as_deref();
                let command = remedy.map(|remedy| of_command(&remedy.command).to_string());
                let command = command.unwrap_or_default();
                (
                    Level::Status,
                    format!("Remedying {}: {command}", of(*check)),
                )
            }
            Told::Mended { check, well, how } => match well {
                true => (
                    Level::Info,
                    format!("The remedy of {} ended well ({how})", of(*check)),
                ),
                false => (
                    Level::Error,
                    format!("The remedy of {} failed ({how})", of(*check)),
                ),
            },
            Told::Undone { check, well, why } => match well {
                true => (
                    Level::Warning,
                    format!("The remedy of {} was undone: {why}", of(*check)),
                ),
                false => (
                    Level::Error,
                    format!("The remedy of {} cannot be undone: {why}", of(*check)),
                ),
            },
            Told::Asked { check, question } => {
                (Level::Status, format!("{}: asking: {question}", of(*check)))
            }
            Told::Answered { check, yes, by } => {
                let level = if *yes {
                    Level::Confirmed
                } else {
                    Level::Skipped
                };
                (level, format!("{} ({by})", of(*check)))
            }
            Told::Settled { check, status } => return self.settled(at, of(*check), status),
            Told::Stopping { why } => (Level::Warning, format!("Stopping: {why}")),
        };
        self.say(at, level, &message)
    }

    fn settled(&mut self, at: Millis, name: &str, status: &Status) -> io::Result<()> {
        let said = status.said();
        let (level, message) = match status {
            Status::Passed { .. } => (Level::Success, format!("{name} ({said})")),
            Status::Remediated { .. } => (Level::Success, format!("{name} remediated ({said})")),
            Status::Fresh(_) => {
                self.say(at, Level::CacheHit, &format!("{name} ({said})"))?;
                (Level::Skip, format!("{name}: recently validated"))
            }
            Status::Failed { .. } => (Level::Error, format!("{name}: {said}")),
            Status::Warned { .. } => (Level::Warning, format!("{name}: {said}")),
            Status::Skipped { .. } => (Level::Skip, format!("{name}: {said}")),
            Status::Undone { .. } => (Level::Warning, format!("{name} undone: {said}")),
            Status::Canceled { .. } => (Level::Warning, format!("{name} canceled: {said}")),
        };
        self.say(at, level, &message)
    }
}
