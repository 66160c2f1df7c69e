//! Following a run that another process drives.
//!
//! The store tells cheaply whether anybody has written since one last asked,
//! and that question is asked a few times a second; only if the answer is yes
//! is anything read. Whether the run's engine still lives is asked once a
//! second: a run whose engine is gone has no more news.

use std::time::{Duration, Instant};

use super::error::Failure;
use crate::store::Store;
use crate::view::recorded::Recorded;

/// How often the store is asked whether anybody has written.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is asked whether the engine lives.
const PULSE: Duration = Duration::from_secs(1);

/// A run and its reader.
pub struct Follower<'a> {
    store: &'a Store,
    pub recorded: Recorded,
    version: u64,
    pulse: Instant,
    interrupted: bool,
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Events happened; the new ones begin at this position.
    Events(usize),
    /// Nothing, for as long as was asked.
    Nothing,
    /// The run is over, or nobody drives it any more; all its events were told.
    Over,
}

impl<'a> Follower<'a> {
    /// Follows a run from where it was read.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(store: &'a Store, recorded: Recorded) -> Result<Self, Failure> {
        let interrupted = recorded.is_interrupted(store)?;
        Ok(Follower {
            store,
            recorded,
            // Whatever was written since the run was read is read on the first wait.
            version: u64::MAX,
            pulse: Instant::now(),
            interrupted,
        })
    }

    /// Waits for news, at most for so long.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn wait(&mut self, most: Duration) -> Result<News, Failure> {
        let until = Instant::now() + most;
        loop {
            let version = self.store.data_version()?;
            if version != self.version {
                self.version = version;
                let before = self.recorded.catch_up(self.store)?;
                if before < self.recorded.events.len() {
                    return Ok(News::Events(before));
                }
            }
            if self.recorded.is_over() || self.interrupted {
                return Ok(News::Over);
            }
            if self.pulse.elapsed() >= PULSE {
                self.pulse = Instant::now();
                self.interrupted = self.recorded.is_interrupted(self.store)?;
                if self.interrupted {
                    // Its last events may have come after we last looked.
                    self.version = u64::MAX;
                    continue;
                }
            }
            let now = Instant::now();
            if now >= until {
                return Ok(News::Nothing);
            }
            std::thread::sleep(LOOK.min(until - now));
        }
    }
}
