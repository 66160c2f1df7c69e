//! Forgetting old runs, without being in anybody's way.
//!
//! A run goes in three steps, each of which may be the last before a crash: its
//! row goes (for everybody it is gone), then its directory, then its events, a
//! few at a time. What a crash leaves is listed in the table `doomed`, and goes
//! the next time. A plan that no run has any more goes in the same way.
//!
//! Who writes waits for us no longer than one transaction takes, so each ends
//! after a few milliseconds, wherever it is. Only those that take runs away are
//! forced to the disk, because directories go after them: all others may be
//! lost in a power cut, and nobody is kept waiting for the disk. They are folded
//! into the database by us, a few pages at a time, and not by whom the log has
//! grown too long for.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::run::Millis;

use super::cache;
use super::commit::moment;
use super::run_id::is_run_id;
use super::{Access, Durability, Store, StoreError, connect, time};

/// A transaction takes nothing more on when it has lasted so long.
const SLICE: Duration = Duration::from_millis(4);

/// Runs that are looked for, and events or steps that are deleted, at once. So
/// many take about a millisecond.
const RUNS: u32 = 50;
const ROWS: i64 = 200;
/// Pages that are given back at once.
const PAGES: u32 = 16;

/// Between two transactions, so that writers get their turn: SQLite has no
/// queue, and who waits looks every millisecond.
const PAUSE: Duration = Duration::from_millis(5);

/// We fold the log into the database when it has grown by so many pages: long
/// before a writer would have to.
const CHECKPOINT_PAGES: u32 = 64;

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
    /// What steps made and nobody remembers any more.
    pub contents: u64,
    /// What the database file is to shrink by.
    pub freed_bytes: u64,
    /// Transactions that it took, and how long the longest kept writers waiting.
    pub transactions: u64,
    pub longest: Duration,
}

impl Store {
    /// Deletes old runs that have ended. Runs that wait for a person
    /// (`quarantined`), that go on, or that somebody owns stay in any case.
    ///
    /// # Errors
    /// The store cannot be written, or a directory not be deleted. What has
    /// gone by then is gone; the rest goes the next time.
    pub fn prune(&self, keep: Keep) -> Result<Pruned, StoreError> {
        let mut prune = Prune::of(self)?;
        prune.delete_doomed()?;
        // Owned runs stay in the list; what comes after them is reached all the same.
        let mut after = 0;
        let before = self.first_kept(keep)?;
        loop {
            let old = self.old_runs(keep, after..before)?;
            let Some((last, _)) = old.last() else { break };
            after = *last;
            prune.doom(self.unowned(old)?)?;
            prune.delete_doomed()?;
        }
        prune.delete_plans()?;
        prune.delete_lists()?;
        prune.pruned.contents = self.prune_objects(SystemTime::now())?;
        prune.delete_strays(keep.ended_since)?;
        prune.shrink()?;
        Ok(prune.pruned)
    }

    /// The ids of the runs that [`Store::prune`] would delete now, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn prunable(&self, keep: Keep) -> Result<Vec<String>, StoreError> {
        let mut after = 0;
        let before = self.first_kept(keep)?;
        let mut all = Vec::new();
        loop {
            let old = self.old_runs(keep, after..before)?;
            let Some((last, _)) = old.last() else { break };
            after = *last;
            all.extend(self.unowned(old)?.into_iter().map(|(_, id)| id));
        }
        Ok(all)
    }

    /// The oldest of the newest runs.
    fn first_kept(&self, keep: Keep) -> Result<i64, StoreError> {
        let Some(newer) = keep.newest.checked_sub(1) else {
            return Ok(i64::MAX);
        };
        let query = "SELECT key FROM run ORDER BY key DESC LIMIT 1 OFFSET ?1";
        let found = self.conn.query_row(query, [newer], |row| row.get(0));
        Ok(found.optional().map_err(|e| self.sql(e))?.unwrap_or(0))
    }

    /// Some runs that may go, oldest first.
    fn old_runs(&self, keep: Keep, keys: Range<i64>) -> Result<Vec<(i64, String)>, StoreError> {
        let mut query = self
            .conn
            .prepare_cached(
                "SELECT key, run_id FROM run
                 WHERE key > ?1 AND key < ?2 AND ended_at < ?3
                    AND state IN ('succeeded', 'failed', 'canceled')
                 ORDER BY key LIMIT ?4",
            )
            .map_err(|e| self.sql(e))?;
        let rows = query
            .query_map(
                params![keys.start, keys.end, moment(keep.ended_since), RUNS],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .map_err(|e| self.sql(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.sql(e))
    }

    pub(super) fn list<T>(
        &self,
        query: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut query = self.conn.prepare_cached(query).map_err(|e| self.sql(e))?;
        let rows = query.query_map((), read).and_then(Iterator::collect);
        rows.map_err(|e| self.sql(e))
    }

    fn unowned(&self, runs: Vec<(i64, String)>) -> Result<Vec<(i64, String)>, StoreError> {
        let mut free = Vec::new();
        for (key, run_id) in runs {
            if self.owner(&run_id)?.is_none() {
                free.push((key, run_id));
            }
        }
        Ok(free)
    }
}

/// A store's pruning, while it goes on.
struct Prune<'a> {
    store: &'a Store,
    /// For what need not be on the disk before anything else is done.
    lax: Connection,
    pruned: Pruned,
}

impl<'a> Prune<'a> {
    fn of(store: &'a Store) -> Result<Self, StoreError> {
        let lax = connect(&store.state.database(), Durability::Normal, Access::Write)?;
        lax.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
            .map_err(|e| store.sql(e))?;
        Ok(Prune {
            store,
            lax,
            pruned: Pruned::default(),
        })
    }

    /// Takes runs away from everybody, except those that were resumed just now.
    fn doom(&mut self, mut runs: Vec<(i64, String)>) -> Result<(), StoreError> {
        in_slices(
            self.store,
            &self.store.conn,
            &mut self.pruned,
            |conn, pruned| {
                let Some((key, _)) = runs.pop() else {
                    return Ok(false);
                };
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
                pruned.runs += taken as u64;
                Ok(true)
            },
        )
    }

    /// Deletes what is left of doomed runs.
    fn delete_doomed(&mut self) -> Result<(), StoreError> {
        let mut doomed: Vec<(i64, String)> =
            self.store.list("SELECT run, run_id FROM doomed", |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        for (_, id) in doomed.iter().filter(|(_, id)| is_run_id(id)) {
            remove_dir(&self.store.state.run(id))?;
        }
        in_slices(self.store, &self.lax, &mut self.pruned, |conn, pruned| {
            let Some((run, _)) = doomed.last() else {
                return Ok(false);
            };
            let deleted = conn
                .prepare_cached(
                    "DELETE FROM event WHERE run = ?1
                        AND seq < (SELECT min(seq) FROM event WHERE run = ?1) + ?2",
                )?
                .execute(params![run, ROWS])?;
            pruned.events += deleted as u64;
            if (deleted as i64) < ROWS {
                conn.prepare_cached("DELETE FROM doomed WHERE run = ?1")?
                    .execute([run])?;
                doomed.pop();
            }
            Ok(true)
        })
    }

    /// Deletes plans that no run has any more.
    fn delete_plans(&mut self) -> Result<(), StoreError> {
        let unused =
            "SELECT key FROM plan p WHERE NOT EXISTS (SELECT 1 FROM run WHERE plan = p.key)";
        let mut plans: Vec<i64> = self.store.list(unused, |row| row.get(0))?;
        in_slices(self.store, &self.lax, &mut self.pruned, |conn, pruned| {
            let Some(plan) = plans.last() else {
                return Ok(false);
            };
            // Nobody finds it by its content any more, and it can lose its steps
            // one after another. It keeps its key until they are gone.
            conn.prepare_cached(
                "UPDATE plan SET content_id = 'unused ' || key WHERE key = ?1
                    AND NOT EXISTS (SELECT 1 FROM run WHERE plan = ?1)",
            )?
            .execute([plan])?;
            let steps = conn
                .prepare_cached(
                    "DELETE FROM step WHERE plan = ?1
                        AND ix < (SELECT min(ix) FROM step WHERE plan = ?1) + ?2
                        AND NOT EXISTS (SELECT 1 FROM run WHERE plan = ?1)",
                )?
                .execute(params![plan, ROWS])?;
            if (steps as i64) < ROWS {
                pruned.plans += conn
                    .prepare_cached(
                        "DELETE FROM plan WHERE key = ?1
                            AND NOT EXISTS (SELECT 1 FROM run WHERE plan = ?1)",
                    )?
                    .execute([plan])? as u64;
                plans.pop();
            }
            Ok(true)
        })
    }

    /// Deletes lists of files that no step's freshness depends on any more.
    fn delete_lists(&mut self) -> Result<(), StoreError> {
        let mut lists = self.store.unused_lists()?;
        in_slices(self.store, &self.lax, &mut self.pruned, |conn, _| {
            let Some(list) = lists.pop() else {
                return Ok(false);
            };
            cache::delete_list(conn, list).map(|()| true)
        })
    }

    /// Gives the pages that are free now back to the file system. A database that
    /// was made without `auto_vacuum` keeps them, for what comes.
    fn shrink(&mut self) -> Result<(), StoreError> {
        let ask = |conn: &Connection, pragma: &str| -> rusqlite::Result<u64> {
            conn.pragma_query_value(None, pragma, |row| row.get(0))
        };
        let page = ask(&self.lax, "page_size").map_err(|e| self.store.sql(e))?;
        in_slices(self.store, &self.lax, &mut self.pruned, |conn, pruned| {
            let before = ask(conn, "freelist_count")?;
            // One row for each page.
            let mut vacuum = conn.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            let mut pages = vacuum.query(())?;
            while pages.next()?.is_some() {}
            let after = ask(conn, "freelist_count")?;
            pruned.freed_bytes += page * before.saturating_sub(after);
            Ok(after < before && after > 0)
        })
    }

    /// Deletes directories whose run never came to be.
    fn delete_strays(&mut self, since: Millis) -> Result<(), StoreError> {
        let store = self.store;
        let runs = store.state.runs();
        let io = |e| StoreError::io(&runs, &e);
        let young = time::compact(since.saturating_sub(GRACE));
        for entry in std::fs::read_dir(&runs).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let Some(id) = name.to_str().filter(|id| is_run_id(id) && **id < *young) else {
                continue;
            };
            let unknown = matches!(store.key(id), Err(StoreError::Missing { .. }));
            if unknown && store.owner(id)?.is_none() {
                remove_dir(&store.state.run(id))?;
                self.pruned.directories += 1;
            }
        }
        Ok(())
    }
}

/// Does one piece after another, until one says that there is nothing more, in
/// short transactions with pauses after them.
fn in_slices(
    store: &Store,
    conn: &Connection,
    pruned: &mut Pruned,
    mut piece: impl FnMut(&Connection, &mut Pruned) -> rusqlite::Result<bool>,
) -> Result<(), StoreError> {
    use rusqlite::{Transaction, TransactionBehavior::Immediate};
    let mut more = true;
    while more {
        let mut slice = || {
            let tx = Transaction::new_unchecked(conn, Immediate)?;
            let began = Instant::now();
            while more && began.elapsed() < SLICE {
                more = piece(&tx, pruned)?;
            }
            tx.commit()?;
            Ok(began.elapsed())
        };
        let took = slice().map_err(|e| store.sql(e))?;
        pruned.transactions += 1;
        pruned.longest = pruned.longest.max(took);
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Where a run has its part of a directory that nodes share, a link leads there.
const SHARED: &str = "slurm";

/// Removes a run's directory, and what is its own elsewhere.
fn remove_dir(path: &Path) -> Result<(), StoreError> {
    if let Ok(elsewhere) = std::fs::read_link(path.join(SHARED))
        // Nobody else's folder has the name of a run.
        && elsewhere.file_name() == path.file_name()
    {
        remove_tree(&elsewhere)?;
    }
    remove_tree(path)
}

fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(path, &e)),
        _ => Ok(()),
    }
}
