//! What is known of an attempt that is with Slurm.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::super::clerk::Row;
use super::super::files::{Claim, Ending, Shared, key};
use super::super::judge::{Over, Seen, over};
use crate::exec::Stop;
use crate::run::{Attempt, Loss};

/// An attempt that is with Slurm, as far as anybody knows.
pub(super) struct Open {
    pub(super) key: String,
    /// Held until the attempt is over, or this engine is.
    pub(super) _locks: Vec<Arc<std::fs::File>>,
    pub(super) grace: Duration,
    pub(super) arguments: Vec<String>,
    /// The job's name, and its place in the array if it is one of an array.
    pub(super) batch: String,
    pub(super) index: Option<u32>,
    pub(super) sent: Sent,
    pub(super) claim: Option<Claim>,
    /// When its node was heard of, on its clock and on ours.
    pub(super) beat: Option<(SystemTime, Instant)>,
    pub(super) row: Option<Row>,
    pub(super) unknown: bool,
    /// When Slurm was asked what these two are the answer to.
    pub(super) asked: Option<Instant>,
    pub(super) stop: Option<Stopping>,
    /// It has ended as only somebody who stops it can want, and nobody here did.
    pub(super) cut: Option<Box<Ending>>,
    pub(super) said: Option<Box<str>>,
}

/// Whether Slurm has the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// sbatch is at it.
    Asked,
    /// Nobody knows: it is submitted again unless Slurm shows it, or a node begins it.
    Unsure,
    /// It has said so. Questions from this number on were put after that.
    Yes { from: u64 },
}

/// How far an attempt's end is asked for.
pub(super) struct Stopping {
    pub(super) how: Stop,
    pub(super) since: Instant,
    pub(super) again: Instant,
}

impl Open {
    /// One that is submitted, or was, in this batch; at this place of its array, where
    /// it is one of many.
    pub(super) fn new(attempt: Attempt, batch: String, index: Option<u32>, sent: Sent) -> Open {
        Open {
            key: key(attempt),
            _locks: Vec::new(),
            grace: Duration::ZERO,
            arguments: Vec::new(),
            batch,
            index,
            sent,
            claim: None,
            beat: None,
            row: None,
            unknown: false,
            asked: None,
            stop: None,
            cut: None,
            said: None,
        }
    }

    /// Takes note when its node was heard of.
    pub(super) fn listen(&mut self, shared: &Shared, now: Instant) {
        let beat = shared.beat(&self.key);
        match (beat, &mut self.beat) {
            (Some(beat), Some((last, _))) if *last == beat => {}
            (Some(beat), heard) => *heard = Some((beat, now)),
            // The directory cannot be read: that is nobody's silence.
            (None, Some((_, at))) => *at = now,
            (None, None) => {}
        }
    }

    /// Who has ended it that was not the engine, as far as Slurm tells by now.
    pub(super) fn cut_by(&self) -> Option<Over> {
        let shown = self.row.as_ref().and_then(|row| match row.state.as_str() {
            // After a crash of its controller, Slurm has ended what it took for another.
            "PENDING" => Some(Over::Lost(Loss::Forgotten)),
            state => over(state),
        });
        shown.or_else(|| self.unknown.then_some(Over::Lost(Loss::Forgotten)))
    }

    pub(super) fn is_silent(&self, now: Instant, silence: Duration) -> bool {
        self.claim.is_some()
            && self
                .beat
                .is_some_and(|(_, at)| now.saturating_duration_since(at) >= silence)
    }

    pub(super) fn seen(&self, now: Instant, silence: Duration) -> Seen<'_> {
        let silent = self.is_silent(now, silence);
        // What Slurm said before is of the time when its node still spoke.
        let since = self.beat.filter(|_| silent).map(|(_, at)| at + silence);
        let counts = since.is_none_or(|since| self.asked.is_some_and(|asked| asked >= since));
        Seen {
            begun: self.claim.is_some(),
            silent,
            row: self.row.as_ref().filter(|_| counts),
            unknown: self.unknown && counts,
            stopped: self.stop.is_some(),
        }
    }

    /// What scancel is to be told besides the name: nothing of a job that is alone in
    /// its batch.
    pub(super) fn job(&self) -> Option<String> {
        match (self.index, &self.row) {
            (None, _) => Some(String::new()),
            (Some(_), Some(row)) => Some(row.id.clone()),
            (Some(_), None) => None,
        }
    }
}
