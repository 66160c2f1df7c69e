//! What nodes have written, is read.

use std::time::{Duration, Instant, SystemTime};

use super::super::files::{Claim, Shared, WISH};
use super::Desk;
use super::open::Open;
use crate::exec::Report;
use crate::run::{Attempt, Exit};

/// A folder that is read only when something may have changed in it.
pub(super) struct Folder {
    name: &'static str,
    changed: Option<SystemTime>,
    pub(super) read_until: Instant,
}

/// A folder's time of change is no finer than the file system's clock, and may come
/// late over a network: it is read for so long after each change.
pub(super) const SETTLES: Duration = Duration::from_secs(3);

impl Folder {
    pub(super) fn new(name: &'static str) -> Folder {
        Folder {
            name,
            changed: None,
            read_until: Instant::now() + SETTLES,
        }
    }

    fn may_have_changed(&mut self, shared: &Shared, now: Instant) -> bool {
        let changed = std::fs::metadata(shared.at(self.name)).and_then(|it| it.modified());
        let changed = changed.ok();
        if changed != self.changed {
            self.changed = changed;
            self.read_until = now + SETTLES;
        }
        now < self.read_until
    }
}

impl<T: Fn(Report) + Send + 'static> Desk<T> {
    pub(super) fn read(&mut self, now: Instant) {
        if self.open.is_empty() {
            return;
        }
        let [claims, results] = &mut self.folders;
        let claims = claims.may_have_changed(&self.shared, now);
        let results = results.may_have_changed(&self.shared, now);
        if claims {
            self.read_claims(now);
        }
        if results {
            self.read_results();
        }
        if now.saturating_duration_since(self.heard_at) >= self.config.site.heartbeat / 2 {
            self.heard_at = now;
            for open in self.open.values_mut().filter(|open| open.claim.is_some()) {
                open.listen(&self.shared, now);
            }
        }
    }

    pub(super) fn read_claims(&mut self, now: Instant) {
        let mut begun = Vec::new();
        for attempt in self.named_in("claims") {
            let Some(open) = self.open.get_mut(&attempt) else {
                continue;
            };
            if open.claim.is_some() {
                continue;
            }
            let claim = self.shared.claimed(&open.key);
            let Some(claim) = claim.filter(|claim| !claim.fenced) else {
                continue;
            };
            let node = claim.node.clone();
            open.claim = Some(claim);
            open.listen(&self.shared, now);
            begun.push((attempt, node));
        }
        for (attempt, node) in begun {
            self.report(Report::Accepted { attempt, node });
        }
    }

    pub(super) fn read_results(&mut self) {
        for attempt in self.named_in("results") {
            let is_new = |open: &Open| open.cut.is_none();
            if self.open.get(&attempt).is_some_and(is_new) {
                self.take_result(attempt);
            }
        }
    }

    /// Attempts that are here and have a file in this folder. Most files there are of
    /// attempts that are over, so they are only passed by.
    fn named_in(&self, folder: &str) -> Vec<Attempt> {
        let mut named = Vec::new();
        // Where it cannot be read, nobody is in it for now.
        let _ = self.shared.each_name(folder, |name| {
            named.extend(self.keys.get(name).copied());
        });
        named.sort();
        named
    }

    pub(super) fn take_result(&mut self, attempt: Attempt) {
        let Some(ending) = self.shared.ended(attempt) else {
            return;
        };
        let Some(open) = self.open.get_mut(&attempt) else {
            return;
        };
        if open.claim.is_none() {
            let node = Some(ending.node.clone());
            open.claim = Some(Claim {
                node: node.clone(),
                ..Claim::default()
            });
            self.report(Report::Accepted { attempt, node });
        }
        let Some(open) = self.open.get_mut(&attempt) else {
            return;
        };
        let is_cut = matches!(ending.done.exit, Exit::Canceled { .. })
            && open.stop.is_none()
            // An engine before this one, perhaps.
            && !self.shared.job(&open.key).join(WISH).exists();
        if is_cut {
            // Why, only Slurm knows.
            open.cut = Some(Box::new(ending));
            // What it said so far was of an attempt that went on.
            (open.row, open.unknown) = (None, false);
            self.look_soon();
            return;
        }
        self.finish(attempt, ending.done);
    }
}
