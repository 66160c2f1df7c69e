//! The engine's clock: wall time that never jumps.
//!
//! The wall clock is read once; from then on a clock that only goes forward
//! counts. So events are in order, delays last as long as they say, and
//! somebody who sets the machine's clock changes nothing in a live run.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::run::Millis;

/// See the module's description.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Millis,
    since: Instant,
}

impl Clock {
    /// Reads the wall clock, for the only time.
    pub fn start() -> Self {
        Clock::start_after(0)
    }

    /// As [`start`](Clock::start), but never before `at`: a resumed run goes on
    /// after its last event, whatever the wall clock has done since.
    pub fn start_after(at: Millis) -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Clock::read(wall.as_millis() as Millis, Instant::now(), at)
    }

    /// As [`start_after`](Clock::start_after), where both clocks have been read:
    /// the simulation reads clocks of its own.
    pub fn read(wall: Millis, since: Instant, after: Millis) -> Self {
        Clock {
            start: wall.max(after),
            since,
        }
    }

    pub fn now(&self) -> Millis {
        self.at(Instant::now())
    }

    /// The time at that moment.
    pub fn at(&self, moment: Instant) -> Millis {
        self.start + moment.saturating_duration_since(self.since).as_millis() as Millis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XE04: a wall clock that was set back does not take a run with it.
    #[test]
    fn xe04_a_resumed_run_never_goes_back_in_time() {
        let future = Clock::start().now() + 7_200_000;
        assert!(Clock::start_after(future).now() >= future);
    }
}
