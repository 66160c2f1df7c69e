//! One owner per run.
//!
//! Who drives a run holds a lock on the file `owner` in the run's directory.
//! The kernel frees it when the holder dies, so a run is free at once after a
//! crash, and no process id has to be trusted to find that out. The file's text
//! says who the holder is; a second lock says that the text is the present
//! holder's, and not what a dead one left.
//!
//! A lock cannot help against an owner that is only frozen (stopped by a
//! signal, or on a machine that slept) if its lock was somehow lost. So each
//! owner gets a number, the epoch, that is one higher than the last; the
//! writer checks it in every transaction.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior};
use serde::{Deserialize, Serialize};

use crate::paths::private_dir;
use crate::run::Millis;
use crate::run::record::rfc3339;

use super::{Store, StoreError, files, range_lock};

/// Held by the owner, as long as it lives.
const OWNED: Range<u64> = 0..1;
/// Held by the owner once the file's text is its own.
const SIGNED: Range<u64> = 1..2;

/// A process that drives a run, as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// 0 where the owner has not come to say who it is.
    pub pid: u32,
    pub host: String,
    /// When it took the run.
    pub since: Millis,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            0 => f.write_str("a process that has not said who it is"),
            pid => write!(
                f,
                "process {pid} on {}, since {}",
                self.host,
                rfc3339(self.since)
            ),
        }
    }
}

/// Why a run could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOwned {
    /// Somebody else drives it.
    Busy {
        run_id: String,
        owner: Owner,
    },
    Store(StoreError),
}

impl From<StoreError> for NotOwned {
    fn from(error: StoreError) -> Self {
        NotOwned::Store(error)
    }
}

impl std::error::Error for NotOwned {}

impl fmt::Display for NotOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotOwned::Busy { run_id, owner } => write!(f, "run {run_id} is driven by {owner}"),
            NotOwned::Store(error) => error.fmt(f),
        }
    }
}

/// The right to drive a run. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct Ownership {
    run_id: String,
    epoch: u32,
    lock: File,
}

impl Drop for Ownership {
    fn drop(&mut self) {
        // Closing the file would do, but for copies of the descriptor: a child
        // that another thread is just starting has one until its exec.
        let _ = range_lock::unlock(&self.lock, OWNED.start..SIGNED.end);
    }
}

impl Ownership {
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// 1 for the first owner, and one more for each that follows.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Takes a run that is not in the store yet.
    pub(super) fn first(dir: &Path, run_id: &str, who: &Owner) -> Result<Ownership, NotOwned> {
        Ok(Ownership {
            run_id: run_id.into(),
            epoch: 1,
            lock: take(dir, run_id, who)?,
        })
    }
}

impl Store {
    /// Takes over a run, and counts up its epoch, durably.
    ///
    /// # Errors
    /// Another process drives it, there is no such run, or the store fails.
    pub fn own(&self, run_id: &str, who: &Owner) -> Result<Ownership, NotOwned> {
        let dir = self.state.run(run_id);
        let known = "SELECT 1 FROM run WHERE run_id = ?1";
        let known = self.conn.query_row(known, [run_id], |_| Ok(())).optional();
        if known.map_err(|e| self.sql(e))?.is_none() {
            return Err(StoreError::Missing { path: dir }.into());
        }
        // Somebody may have tidied it away; the store has all that matters.
        private_dir(&dir).map_err(StoreError::from)?;
        let mut ownership = Ownership {
            run_id: run_id.into(),
            epoch: 0,
            lock: take(&dir, run_id, who)?,
        };
        ownership.epoch = self.next_epoch(run_id).map_err(|e| self.sql(e))?;
        Ok(ownership)
    }

    fn next_epoch(&self, run_id: &str) -> rusqlite::Result<u32> {
        // Not one statement with RETURNING: whoever reads its row does not
        // learn whether the commit after it succeeded.
        let tx = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)?;
        tx.execute(
            "UPDATE run SET epoch = epoch + 1 WHERE run_id = ?1",
            [run_id],
        )?;
        let epoch = "SELECT epoch FROM run WHERE run_id = ?1";
        let epoch = tx.query_row(epoch, [run_id], |row| row.get(0))?;
        tx.commit()?;
        Ok(epoch)
    }

    /// Who drives a run now, if anybody does. A run that is `running` and has
    /// no owner was interrupted.
    ///
    /// # Errors
    /// The run's directory cannot be read.
    pub fn owner(&self, run_id: &str) -> Result<Option<Owner>, StoreError> {
        let path = self.state.run(run_id).join("owner");
        let file = match files::open(&path, false) {
            Err(StoreError::Missing { .. }) => return Ok(None),
            opened => opened?,
        };
        let io = |e| StoreError::io(&path, &e);
        match range_lock::conflict(&file, OWNED).map_err(io)? {
            Some(_) => Ok(Some(signature(&file))),
            None => Ok(None),
        }
    }
}

/// Locks the run's file and signs it.
fn take(dir: &Path, run_id: &str, who: &Owner) -> Result<File, NotOwned> {
    let path = dir.join("owner");
    let io = |e| StoreError::io(&path, &e);
    let file = files::open(&path, true)?;
    if !range_lock::try_lock(&file, OWNED).map_err(io)? {
        return Err(NotOwned::Busy {
            run_id: run_id.into(),
            owner: signature(&file),
        });
    }
    let text = serde_json::to_vec(who).expect("a plain struct is JSON");
    file.set_len(0).map_err(io)?;
    file.write_all_at(&text, 0).map_err(io)?;
    range_lock::try_lock(&file, SIGNED).map_err(io)?;
    Ok(file)
}

/// What the present owner says of itself.
///
/// Between taking the lock and signing, an owner is nameless for some
/// microseconds; these are waited for, but not for ever, since it may have
/// been stopped just there.
fn signature(file: &File) -> Owner {
    for _ in 0..200 {
        if let Ok(Some(_)) = range_lock::conflict(file, SIGNED) {
            let mut text = [0; 512];
            let len = file.read_at(&mut text, 0).unwrap_or(0);
            return serde_json::from_slice(&text[..len]).unwrap_or_default();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Owner::default()
}
