//! Forgetting old runs, without being in anybody's way.
//!
//! A run goes in three steps, each of which may be the last before a crash: its
//! row goes (for everybody it is gone), then its directory, then its events, a
//! few at a time. What a crash leaves is listed in the table `doomed`, and goes
//! the next time.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::run::Millis;

use super::commit::moment;
use super::run_id::is_run_id;
use super::{Store, StoreError, time};

/// Runs and events that go in one transaction. So many take a few milliseconds.
const RUNS: u32 = 50;
const EVENTS: u64 = 1000;

/// Between two transactions, so that writers get their turn: SQLite has no
/// queue, and who waits looks only now and then.
const PAUSE: Duration = Duration::from_millis(5);

/// A directory without a run may belong to one that is about to begin.
const GRACE: Millis = 24 * 60 * 60 * 1000;

/// What to keep. A run goes only if neither rule keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The newest runs, ended or not.
    pub newest: u32,
    /// Runs that ended at this moment or later.
    pub ended_since: Millis,
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub runs: u64,
    pub events: u64,
    pub plans: u64,
    /// Directories of runs that never began.
    pub directories: u64,
}

impl Store {
    /// Deletes old runs that have ended. Runs that wait for a person
    /// (`quarantined`), that go on, or that somebody owns stay in any case.
    ///
    /// # Errors
    /// The store cannot be written, or a directory not be deleted. What has
    /// gone by then is gone; the rest goes the next time.
    pub fn prune(&self, keep: Keep) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        self.delete_doomed(&mut pruned)?;
        // Owned runs stay in the list; what comes after them is reached all the same.
        let mut after = 0;
        loop {
            let old = self.old_runs(keep, after)?;
            let Some((last, _)) = old.last() else { break };
            after = *last;
            let mut free = Vec::new();
            for (key, run_id) in old {
                if self.owner(&run_id)?.is_none() {
                    free.push(key);
                }
            }
            pruned.runs += self.doom(&free)?;
            self.delete_doomed(&mut pruned)?;
        }
        self.delete_plans(&mut pruned)?;
        self.delete_strays(keep.ended_since, &mut pruned)?;
        Ok(pruned)
    }

    /// Some runs that may go, oldest first.
    fn old_runs(&self, keep: Keep, after: i64) -> Result<Vec<(i64, String)>, StoreError> {
        let mut query = self
            .conn
            .prepare_cached(
                "SELECT key, run_id FROM run
                 WHERE key > ?1 AND ended_at < ?2
                    AND state IN ('succeeded', 'failed', 'canceled')
                    AND key NOT IN (SELECT key FROM run ORDER BY key DESC LIMIT ?3)
                 ORDER BY key LIMIT ?4",
            )
            .map_err(|e| self.sql(e))?;
        let rows = query
            .query_map(
                params![after, moment(keep.ended_since), keep.newest, RUNS],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .map_err(|e| self.sql(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.sql(e))
    }

    /// Takes runs away from everybody, except those that were resumed just now.
    fn doom(&self, runs: &[i64]) -> Result<u64, StoreError> {
        self.in_one(|conn| {
            let mut doomed = 0;
            for key in runs {
                let taken = conn
                    .prepare_cached(
                        "INSERT INTO doomed SELECT key, run_id FROM run
                         WHERE key = ?1 AND state IN ('succeeded', 'failed', 'canceled')",
                    )?
                    .execute([key])?;
                if taken > 0 {
                    conn.prepare_cached("DELETE FROM request WHERE run = ?1")?
                        .execute([key])?;
                    conn.prepare_cached("DELETE FROM run WHERE key = ?1")?
                        .execute([key])?;
                }
                doomed += taken as u64;
            }
            Ok(doomed)
        })
    }

    /// Deletes what is left of doomed runs.
    fn delete_doomed(&self, pruned: &mut Pruned) -> Result<(), StoreError> {
        let mut query = self
            .conn
            .prepare_cached("SELECT run, run_id FROM doomed")
            .map_err(|e| self.sql(e))?;
        let mut doomed: Vec<(i64, String)> = query
            .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(|e| self.sql(e))?;
        for (_, id) in doomed.iter().filter(|(_, id)| is_run_id(id)) {
            remove_dir(&self.state.run(id))?;
        }
        while !doomed.is_empty() {
            pruned.events += self.in_one(|conn| delete_some_events(conn, &mut doomed))?;
        }
        Ok(())
    }

    /// Deletes plans that no run has any more.
    fn delete_plans(&self, pruned: &mut Pruned) -> Result<(), StoreError> {
        loop {
            let gone = self.in_one(|conn| {
                let unused = "SELECT key FROM plan p
                    WHERE NOT EXISTS (SELECT 1 FROM run WHERE plan = p.key) LIMIT 1";
                conn.execute(&format!("DELETE FROM step WHERE plan IN ({unused})"), ())?;
                conn.execute(&format!("DELETE FROM plan WHERE key IN ({unused})"), ())
            })?;
            if gone == 0 {
                return Ok(());
            }
            pruned.plans += gone as u64;
        }
    }

    /// Deletes directories whose run never came to be.
    fn delete_strays(&self, since: Millis, pruned: &mut Pruned) -> Result<(), StoreError> {
        let runs = self.state.runs();
        let io = |e| StoreError::io(&runs, &e);
        let young = time::compact(since.saturating_sub(GRACE));
        for entry in std::fs::read_dir(&runs).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let Some(id) = name.to_str().filter(|id| is_run_id(id) && **id < *young) else {
                continue;
            };
            let unknown = matches!(self.key(id), Err(StoreError::Missing { .. }));
            if unknown && self.owner(id)?.is_none() {
                remove_dir(&self.state.run(id))?;
                pruned.directories += 1;
            }
        }
        Ok(())
    }

    /// One short transaction, and a pause after it.
    fn in_one<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        use rusqlite::{Transaction, TransactionBehavior::Immediate};
        let done = Transaction::new_unchecked(&self.conn, Immediate)
            .and_then(|tx| {
                let done = work(&tx)?;
                tx.commit()?;
                Ok(done)
            })
            .map_err(|e| self.sql(e));
        std::thread::sleep(PAUSE);
        done
    }
}

/// Deletes as many events as one transaction may, and takes from the list the
/// runs that have no more.
fn delete_some_events(conn: &Connection, doomed: &mut Vec<(i64, String)>) -> rusqlite::Result<u64> {
    let mut gone = 0;
    while let Some((run, _)) = doomed.last()
        && gone < EVENTS
    {
        let allowed = EVENTS - gone;
        let deleted = conn
            .prepare_cached(
                "DELETE FROM event WHERE run = ?1
                    AND seq < (SELECT min(seq) FROM event WHERE run = ?1) + ?2",
            )?
            .execute(params![run, allowed as i64])? as u64;
        if deleted < allowed {
            conn.execute("DELETE FROM doomed WHERE run = ?1", [run])?;
            doomed.pop();
        }
        gone += deleted;
    }
    Ok(gone)
}

fn remove_dir(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(path, &e)),
        _ => Ok(()),
    }
}
