//! Slurm is asked what nodes have not told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::clerk::{Errand, Row, Trouble};
use super::super::judge::over;
use super::super::words::waits;
use super::Desk;
use super::open::Sent;
use crate::exec::Report;
use crate::run::Attempt;

/// How often questions become rarer, at most: each time by half.
const RAREST: u32 = 5;

/// The pause before a question that has had the same answer so often.
pub(super) fn rarer(pause: Duration, same: u32) -> Duration {
    (0..same.min(RAREST)).fold(pause, |pause, _| pause * 3 / 2)
}

impl<T: Fn(Report) + Send + 'static> Desk<T> {
    pub(super) fn look_soon(&mut self) {
        self.look_in(Duration::ZERO);
    }

    pub(super) fn look_in(&mut self, pause: Duration) {
        self.same = 0;
        self.look_at = self.look_at.min(Instant::now() + pause);
    }

    /// Whether anything is open that nodes do not tell of.
    pub(super) fn is_in_doubt(&self, now: Instant) -> bool {
        let silence = self.silence();
        let mut open = self.open.values();
        open.any(|open| open.claim.is_none() || open.cut.is_some() || open.is_silent(now, silence))
    }

    /// So long a node may say nothing.
    pub(super) fn silence(&self) -> Duration {
        self.config.site.heartbeat * 3
    }

    pub(super) fn ask(&mut self, now: Instant) {
        if self.looking.is_some() || now < self.look_at || !self.is_in_doubt(now) {
            return;
        }
        self.looks += 1;
        self.looking = Some(now);
        let mut names: Vec<String> = self.open.values().map(|open| open.batch.clone()).collect();
        names.sort();
        names.dedup();
        self.send(Errand::Look {
            number: self.looks,
            names,
        });
    }

    pub(super) fn looked(&mut self, number: u64, rows: Result<Vec<Row>, Trouble>) {
        let asked = self.looking.take();
        let rows = match rows {
            Err(trouble) => return self.not_reached(&trouble.why),
            Ok(rows) => rows,
        };
        let was_unreachable = std::mem::take(&mut self.unreachable);
        let mut shown: BTreeMap<(String, Option<u32>), Row> = BTreeMap::new();
        for row in rows {
            let place = (row.name.clone(), row.index);
            // An id that is used again shows a job twice: one that is not over counts.
            if over(&row.state).is_none() || !shown.contains_key(&place) {
                shown.insert(place, row);
            }
        }
        let mut changed = was_unreachable;
        let mut say = Vec::new();
        let mut again = Vec::new();
        for (attempt, open) in &mut self.open {
            let own = shown.remove(&(open.batch.clone(), open.index));
            // What is canceled of an array before it ran is shown as a whole.
            let whole = || shown.get(&(open.batch.clone(), None)).cloned();
            let row = own.or_else(|| whole().filter(|row| over(&row.state).is_some()));
            let is_new = match open.sent {
                Sent::Asked => continue,
                Sent::Unsure => true,
                Sent::Yes { from } => number >= from,
            };
            if !is_new && row.is_none() {
                continue;
            }
            let state = |row: &Option<Row>| {
                row.as_ref()
                    .map(|row| (row.state.clone(), row.reason.clone()))
            };
            changed |= state(&row) != state(&open.row);
            open.unknown = row.is_none();
            open.asked = asked;
            match (&row, open.sent, &open.claim) {
                (Some(_), Sent::Unsure, _) => open.sent = Sent::Yes { from: number },
                (None, Sent::Unsure, None) => again.push(*attempt),
                _ => {}
            }
            open.row = row;
            if let Some(row) = open.row.as_ref().filter(|row| row.state == "PENDING")
                && open.claim.is_none()
            {
                say.extend(waits(&row.reason).map(|why| (*attempt, why)));
            }
        }
        for (attempt, why) in say {
            self.say(attempt, why);
        }
        self.submit_again(&again);
        self.same = if changed { 0 } else { self.same + 1 };
        self.look_at = Instant::now() + rarer(self.config.site.poll, self.same);
    }

    pub(super) fn not_reached(&mut self, why: &str) {
        self.unreachable = true;
        self.same += 1;
        self.look_at = Instant::now() + rarer(self.config.site.poll, self.same);
        let waiting = self.open.iter().filter(|(_, open)| open.claim.is_none());
        let waiting: Vec<Attempt> = waiting.map(|(attempt, _)| *attempt).collect();
        for attempt in waiting {
            self.say(attempt, format!("Slurm cannot be asked: {why}").into());
        }
    }

    /// Reports why an attempt waits, unless that was said before.
    pub(super) fn say(&mut self, attempt: Attempt, why: Box<str>) {
        if let Some(open) = self.open.get_mut(&attempt)
            && open.claim.is_none()
            && open.said.as_ref() != Some(&why)
        {
            open.said = Some(why.clone());
            self.report(Report::Queued { attempt, why });
        }
    }
}
