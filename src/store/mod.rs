//! The memory: every event of every run, durable.
//!
//! One SQLite file in WAL mode is the truth. Beside it each run has a directory
//! with `events.jsonl`, a copy of its events for people and other programs, and
//! with what its executors write there. Engines write through a [`RunWriter`];
//! everybody else reads, and asks things of an engine with a [`Request`].
//! There is no daemon: other processes' runs are read, followed and canceled
//! through the same file.
//!
//! Three things hold, and each has its test:
//!
//! - What was acknowledged is on the disk: it survives a power cut, with
//!   [`Durability::Full`].
//! - One engine owns a run, by a lock of the kernel's that dies with it. One
//!   that was only frozen, and was replaced meanwhile, can write no more.
//! - After an error nothing more is acknowledged until a new connection has
//!   seen what is really there.
//!
//! **Forking.** SQLite must not be carried over a fork: a child that has a copy
//! of a connection can break the file by closing it. So no store may be open
//! when supervisors are forked, and a child that is forked later without exec
//! must close every descriptor that it did not ask for: it would otherwise also
//! keep the run's ownership and its doorbell alive. It must close, not drop: to
//! drop an [`Ownership`] gives the run up for all who share it. [`reserve_run`]
//! exists for what must come before the fork, and opens nothing.
//!
//! This room does not know what events mean, except which of them begin and
//! end a run. It never looks at a clock: times are arguments.

mod before;
pub mod cache;
mod checked;
mod commit;
mod error;
mod figures;
pub(crate) mod files;
mod grid;
mod jsonl;
mod locked;
pub mod logs;
mod orchestrated;
mod own;
mod past;
mod prune;
pub(crate) mod range_lock;
mod read;
mod recent;
mod remedies;
mod request;
mod run_id;
mod schema;
mod time;
mod unfinished;
mod writer;

#[cfg(test)]
pub(crate) mod testing;

pub use checked::Checked;
pub use error::StoreError;
pub use figures::Counted;
pub use grid::{Cell, Standing};
pub use jsonl::Repair;
pub use own::{NotOwned, Owner, Ownership};
pub use prune::{Keep, Pruned};
pub use read::{NoSuchRun, RunFilter, RunRow, StoredState};
pub use recent::Recent;
pub use request::{Doorbell, Request, What};
pub use run_id::{RunDir, reserve_run};
pub use writer::{NewRun, RunWriter};

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::paths::StateDir;

/// How long a connection waits for another process that writes. Writers hold
/// the file for milliseconds; who waits this long has met a stopped one. Our
/// own tests meet one on purpose.
const BUSY: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 10_000 });

/// Until then a waiting connection looks every millisecond, later every ten.
const SOON: Duration = Duration::from_millis(100);

/// The log beside the database is folded into it whenever it has grown by so
/// many pages (1 MiB). Whoever opens the store first reads the log from its
/// beginning, so a long one would be paid for by each short run.
const CHECKPOINT_PAGES: u32 = 256;

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on the disk: what was acknowledged survives a power cut.
    #[default]
    Full,
    /// When the system has it: survives the death of every process, but the
    /// last seconds before a power cut may be lost.
    Normal,
}

/// An open store.
///
/// Meant for one thread. To open one costs about as much as a commit; a store
/// that is open in the same process twice does no harm.
pub struct Store {
    state: StateDir,
    conn: Connection,
}

impl Store {
    /// Opens the store for writing; makes it, or brings it up to date, first.
    ///
    /// # Errors
    /// It cannot be made or opened, or a newer quintet wrote it.
    pub fn open(state: &StateDir, durability: Durability) -> Result<Store, StoreError> {
        let path = state.database();
        if !files::exists(&path)? {
            schema::create(state)?;
        }
        Store::connected(state, durability, Access::Write)
    }

    /// Opens a store that somebody has made, for reading and for requests.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none; else as for [`Store::open`].
    pub fn open_existing(state: &StateDir) -> Result<Store, StoreError> {
        Store::connected(state, Durability::Full, Access::Write)
    }

    /// Opens a store that somebody has made, for reading only. It works on a
    /// file system that cannot be written, too.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none; it cannot be read, or a newer
    /// quintet wrote it.
    pub fn read_only(state: &StateDir) -> Result<Store, StoreError> {
        Store::connected(state, Durability::Full, Access::Read)
    }

    fn connected(
        state: &StateDir,
        durability: Durability,
        access: Access,
    ) -> Result<Store, StoreError> {
        let conn = connect(&state.database(), durability, access)?;
        match access {
            Access::Write => schema::bring_up_to_date(state, &conn)?,
            Access::Read => schema::check(&state.database(), &conn).map(drop)?,
        }
        Ok(Store {
            state: state.clone(),
            conn,
        })
    }

    /// The directory that this store is in.
    pub fn state_dir(&self) -> &StateDir {
        &self.state
    }

    /// A number that changes whenever another connection has written, in this
    /// process or another. Asking is cheap: nothing is read from the disk.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn data_version(&self) -> Result<u64, StoreError> {
        self.conn
            .query_row("PRAGMA data_version", (), |row| row.get(0))
            .map_err(|e| self.sql(e))
    }

    fn sql(&self, error: rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.state.database(), &error)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Write,
    Read,
}

/// Waits before another look at a file that somebody else is writing, or gives up.
///
/// SQLite has no queue, and its own way of waiting sleeps ever longer: somebody
/// who writes again and again is then hardly ever met in a pause. So who waits
/// looks often, as long as it can be a matter of another's transaction.
fn look_again(times: i32) -> bool {
    let times = Duration::from_millis(times.unsigned_abs().into());
    let (pause, waited) = match times.checked_sub(SOON) {
        None => (Duration::from_millis(1), times),
        Some(more) => (Duration::from_millis(10), SOON + 10 * more),
    };
    std::thread::sleep(pause);
    waited < BUSY
}

/// Opens a connection to a database that exists.
fn connect(path: &Path, durability: Durability, access: Access) -> Result<Connection, StoreError> {
    if !files::exists(path)? {
        return Err(StoreError::Missing { path: path.into() });
    }
    let sql = |e| StoreError::sqlite(path, &e);
    for companion in ["-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(companion);
        files::exists(Path::new(&name))?;
    }
    let flags = match access {
        Access::Write => {
            files::make_private(path)?;
            OpenFlags::SQLITE_OPEN_READ_WRITE
        }
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut conn = Connection::open_with_flags(path, flags).map_err(sql)?;
    // Whoever closes last would else fold the log into the file, also into one
    // that turns out to be newer than we are, and also after a failed write.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(sql)?;
    conn.busy_handler(Some(look_again)).map_err(sql)?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
        .map_err(sql)?;
    // Else what a query cannot hold goes to a file in /var/tmp.
    conn.pragma_update(None, "temp_store", "MEMORY")
        .map_err(sql)?;
    conn.pragma_update(
        None,
        "synchronous",
        match durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        },
    )
    .map_err(sql)?;
    Ok(conn)
}
