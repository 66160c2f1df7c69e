//! Ending attempts early.

use std::time::{Duration, Instant};

use super::super::clerk::Errand;
use super::super::files::{WISH, ends_now};
use super::Desk;
use super::open::{Open, Stopping};
use crate::exec::{Report, Stop};
use crate::run::{Attempt, Exit};

/// An attempt that was asked to end gets so much longer than its grace before Slurm
/// is asked to end it.
const OVERTIME: Duration = Duration::from_secs(15);

impl<T: Fn(Report) + Send + 'static> Desk<T> {
    pub(super) fn stop(&mut self, attempt: Attempt, how: Stop) {
        if let Some(at) = self.gathered.iter().position(|job| job.attempt == attempt) {
            self.gathered.remove(at);
            let done = ends_now(Exit::Canceled { signal: None }, None);
            return self.finish(attempt, done);
        }
        let now = Instant::now();
        let Some(open) = self.open.get_mut(&attempt) else {
            return;
        };
        let since = open.stop.as_ref().map_or(now, |stop| stop.since);
        open.stop = Some(Stopping {
            how,
            since,
            again: now,
        });
    }

    pub(super) fn see_to_stops(&mut self, now: Instant) {
        let due = |(attempt, open): (&Attempt, &Open)| {
            let stop = open.stop.as_ref()?;
            (stop.again <= now).then_some(*attempt)
        };
        let due: Vec<Attempt> = self.open.iter().filter_map(due).collect();
        for attempt in due {
            self.see_to_stop(attempt, now);
        }
    }

    pub(super) fn see_to_stop(&mut self, attempt: Attempt, now: Instant) {
        let pause = self.config.site.poll.max(Duration::from_secs(1));
        let Some(open) = self.open.get_mut(&attempt) else {
            return;
        };
        let Some(stop) = &mut open.stop else {
            return;
        };
        stop.again = now + pause;
        let (how, overdue) = (stop.how, now >= stop.since + open.grace + OVERTIME);
        if open.claim.is_none() && matches!(self.shared.fence(&open.key), Ok(true)) {
            let batch = open.batch.clone();
            let done = ends_now(Exit::Canceled { signal: None }, None);
            self.finish(attempt, done);
            return self.clear(batch);
        }
        let wish: &[u8] = if how == Stop::Now { b"now" } else { b"grace" };
        let own = self.shared.job(&open.key);
        // For a node that Slurm does not reach, or a controller that nobody does.
        let _ = std::fs::write(own.join(WISH), wish);
        let signal: &[&str] = match (overdue, how) {
            (true, _) => &[RUNNING],
            (_, Stop::Grace) => &[RUNNING, "--batch", "--signal=TERM"],
            (_, Stop::Now) => &[RUNNING, "--batch", "--signal=INT"],
        };
        let words = open.job().map(|job| scancel(&open.batch, &job, signal));
        if words.is_none() {
            // Whose job it is is not known yet.
            self.look_soon();
        }
        self.end_jobs(words);
    }

    /// Ends what waits in Slurm's queue of a batch of which nothing is wanted any more:
    /// it would do nothing, but in its turn. One that waits cannot be ended by itself.
    /// Slurm takes a name together with the id of one that waits for all of its array.
    pub(super) fn clear(&mut self, batch: String) {
        if self.open.values().all(|open| open.batch != batch) {
            self.end_jobs(Some(scancel(&batch, "", &[])));
        }
    }

    pub(super) fn end_jobs(&self, words: Option<Vec<String>>) {
        if let Some(words) = words {
            self.send(Errand::Cancel { words });
        }
    }
}

/// Of what waits, another task of the array would be meant as well.
const RUNNING: &str = "--state=RUNNING";

/// The words of a call of scancel. The name goes with the id, which may be another
/// job's by now.
fn scancel(batch: &str, id: &str, signal: &[&str]) -> Vec<String> {
    let mut words = vec!["--me".to_owned(), format!("--name={batch}")];
    words.extend(signal.iter().map(|word| (*word).to_owned()));
    if !id.is_empty() {
        words.push(id.to_owned());
    }
    words
}
