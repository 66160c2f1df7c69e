//! Standing still while what happens cannot be written down, and going on by
//! itself when it can be again.
//!
//! There may be no room for the log, or none for the executor's own records, or
//! the file system must not be changed for the moment. Then the run is paused:
//! nothing new starts, what runs goes on, and people can still stop it. Every
//! now and then, ever less often, the engine tries again. It never gives up by
//! itself: only a person, or the run's deadline, ends a run that stands still,
//! and then the program says that its end could not be recorded.
//!
//! That the run is paused is an event like any other. It is shown at once, and
//! stands in the log when the log can be written: so whether it stands there is
//! also the proof that there is room again.
//!
//! A run that has not begun is not paused, but refused; and a log that has
//! failed for a reason that does not pass ends the engine. Which is which is
//! for the log to say ([`LogError::may_pass`]).

use super::{Engine, EngineError, Executor, Log, LogError, Request, World};
use crate::run::{Kind, Millis, Reason, Seq};

/// Between the first pause and the first try; doubled from try to try.
const SOON: Millis = 100;
/// Never longer than this: whoever has made room should not have to wait.
const LATEST: Millis = 5_000;

/// What the engine knows of its log while it stands still. The run's state says
/// whether it does.
#[derive(Default)]
pub(super) struct Standstill {
    /// When to try again.
    probe_at: Option<Millis>,
    /// A try is under way: once the log has this, there is room.
    probing: Option<Seq>,
    /// How long to wait after the next failure.
    wait: Millis,
    /// Somebody wants the run to be over, whether it can be recorded or not.
    given_up: bool,
}

impl Standstill {
    pub fn wake_at(&self) -> Option<Millis> {
        self.probe_at
    }

    /// Takes note of what is asked of a run that may have ended unrecorded.
    pub fn hear(&mut self, request: &Request) {
        self.given_up |= matches!(request, Request::Stop { .. });
    }

    /// Not yet; another try follows.
    fn put_off(&mut self, now: Millis) {
        self.wait = (self.wait * 2).clamp(SOON, LATEST);
        self.probe_at = Some(now + self.wait);
        self.probing = None;
    }
}

impl<E: Executor, L: Log, W: World> Engine<'_, E, L, W> {
    /// Takes in how far the log is, and tries again where it is time to.
    pub(super) fn heed_log(&mut self, standstill: &mut Standstill) -> Result<(), EngineError> {
        if self.run.is_paused() {
            self.probe(standstill)?;
        }
        match self.log.durable() {
            Ok(durable) => {
                self.run.acknowledge(durable);
                self.world.acknowledged(durable);
                match standstill.probing {
                    Some(wanted) if durable >= wanted => self.go_on(standstill),
                    _ => Ok(()),
                }
            }
            Err(error) => self.cannot_record(error, standstill),
        }
    }

    /// Whether everything is durable, the run's end included. Waits for that,
    /// unless there is no room for it: then the loop comes back here.
    pub(super) fn is_recorded(&mut self, standstill: &mut Standstill) -> Result<bool, EngineError> {
        let gives_up = standstill.given_up || self.run.is_told_to_end();
        if gives_up {
            // The last try. Where nothing has failed it does nothing.
            self.log.retry()?;
        }
        match self.log.flush() {
            Ok(()) => {
                self.world.acknowledged(self.run.seq());
                Ok(true)
            }
            Err(error) if gives_up => Err(error.into()),
            Err(error) => self.cannot_record(error, standstill).map(|()| false),
        }
    }

    fn cannot_record(
        &mut self,
        error: LogError,
        standstill: &mut Standstill,
    ) -> Result<(), EngineError> {
        match error.may_pass {
            true => self.pause(standstill, error.why),
            false => Err(error.into()),
        }
    }

    /// Nothing new starts from now on.
    pub(super) fn pause(
        &mut self,
        standstill: &mut Standstill,
        error: String,
    ) -> Result<(), EngineError> {
        if !self.run.is_paused() {
            let reason = Reason::Unwritable { error };
            self.record(Kind::RunPaused { reason })?;
            self.executor.pause();
        } else if standstill.probing.is_none() {
            // What is known already, and the next try is planned.
            return Ok(());
        }
        let now = self.world.now();
        standstill.put_off(now);
        Ok(())
    }

    fn probe(&mut self, standstill: &mut Standstill) -> Result<(), EngineError> {
        let due = standstill.probe_at.is_some_and(|at| at <= self.world.now());
        if due {
            standstill.probe_at = None;
            standstill.probing = Some(self.run.seq());
            self.log.retry()?;
            self.log.hurry();
        }
        Ok(())
    }

    fn go_on(&mut self, standstill: &mut Standstill) -> Result<(), EngineError> {
        standstill.probing = None;
        self.record(Kind::RunContinued)?;
        self.executor.unpause();
        Ok(())
    }
}
