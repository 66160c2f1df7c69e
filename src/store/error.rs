//! What can go wrong with the store, told apart as far as it matters to
//! whoever has to mend it.
//!
//! Every one of these ends the program with [`StoreError::EXIT_CODE`]. The path
//! is always that of the file or directory to look at.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::paths::Unusable;
use crate::run::Seq;

/// Why the store could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// No space is left, or a quota is used up. Passes when space is made.
    Full { path: PathBuf },
    /// The file system is mounted read-only, or the file's rights forbid writing.
    ReadOnly { path: PathBuf },
    /// It is not what was once written there.
    Corrupt { path: PathBuf, detail: String },
    /// A newer quintet wrote it. Nothing was changed.
    NewerSchema {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    /// Another process has been writing for longer than we wait.
    Busy { path: PathBuf },
    /// Nothing was ever stored here.
    Missing { path: PathBuf },
    /// The path is not a thing that a careful program uses: a link, a pipe,
    /// somebody else's, writable by others.
    Unsafe {
        path: PathBuf,
        why: String,
        /// What to do about it, in one line.
        fix: String,
    },
    /// Another engine has taken the run over since; what this one says no longer counts.
    Stale {
        run_id: String,
        epoch: u32,
        current: u32,
    },
    /// An event was appended out of turn: the engine's fault, not the disk's.
    OutOfOrder {
        run_id: String,
        expected: Seq,
        got: Seq,
    },
    /// Anything else that the system reports: a device error, too many open files.
    Io { path: PathBuf, detail: String },
}

impl StoreError {
    /// The program's exit code for all of these.
    pub const EXIT_CODE: u8 = 74;

    /// Whether the same attempt may succeed later without anybody losing what
    /// was acknowledged. A failed device is not among these: after a failed
    /// fsync the system may drop what it could not write and report success
    /// the next time.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            StoreError::Full { .. } | StoreError::ReadOnly { .. } | StoreError::Busy { .. }
        )
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path },
            io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path },
            _ => StoreError::Io {
                path,
                detail: error.to_string(),
            },
        }
    }

    /// Sorts what SQLite reports. `path` is the database file.
    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::*;
        use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
        let path = path.to_path_buf();
        let detail = error.to_string();
        if error.sqlite_extended_error_code() == Some(SQLITE_IOERR_SHMSIZE) {
            // The index of the write-ahead log could not grow. SQLite has no
            // other word for a full disk there.
            return StoreError::Full { path };
        }
        match error.sqlite_error_code() {
            Some(DiskFull) => StoreError::Full { path },
            Some(ReadOnly) => StoreError::ReadOnly { path },
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Corrupt { path, detail },
            Some(DatabaseBusy | DatabaseLocked) => StoreError::Busy { path },
            Some(_) => StoreError::Io { path, detail },
            // Not SQLite's but the binding's: a column does not hold what every
            // version of us writes there.
            None => StoreError::Corrupt { path, detail },
        }
    }
}

impl From<Unusable> for StoreError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Io { path, error } => StoreError::io(&path, &error),
            Unusable::Unsafe { path, why, fix } => StoreError::Unsafe { path, why, fix },
            Unusable::Missing { path } => StoreError::Missing { path },
        }
    }
}

impl std::error::Error for StoreError {}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full { path } => write!(f, "no space left for {}", path.display()),
            StoreError::ReadOnly { path } => write!(f, "{} cannot be written", path.display()),
            StoreError::Corrupt { path, detail } => {
                write!(f, "{} is damaged: {detail}", path.display())
            }
            StoreError::NewerSchema { path, found, known } => write!(
                f,
                "{} was written by a newer quintet (its version is {found}, this one knows {known})",
                path.display()
            ),
            StoreError::Busy { path } => {
                write!(f, "another process keeps {} busy", path.display())
            }
            StoreError::Missing { path } => write!(f, "there is no {}", path.display()),
            StoreError::Unsafe { path, why, fix } => {
                write!(f, "{} {why}; {fix}", path.display())
            }
            StoreError::Stale {
                run_id,
                epoch,
                current,
            } => write!(
                f,
                "run {run_id} has been taken over by another engine (epoch {current}, ours is {epoch})"
            ),
            StoreError::OutOfOrder {
                run_id,
                expected,
                got,
            } => write!(f, "run {run_id}: event {got} came where {expected} was due"),
            StoreError::Io { path, detail } => write!(f, "{}: {detail}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let path = Path::new("x");
        let full = StoreError::io(path, &io::Error::from_raw_os_error(libc::ENOSPC));
        assert!(matches!(full, StoreError::Full { .. }) && full.may_pass());
        let quota = StoreError::io(path, &io::Error::from_raw_os_error(libc::EDQUOT));
        assert!(matches!(quota, StoreError::Full { .. }));
        let frozen = StoreError::io(path, &io::Error::from_raw_os_error(libc::EROFS));
        assert!(matches!(frozen, StoreError::ReadOnly { .. }));
        let broken = StoreError::io(path, &io::Error::from_raw_os_error(libc::EIO));
        assert!(matches!(broken, StoreError::Io { .. }) && !broken.may_pass());
    }

    #[test]
    fn a_failed_fsync_of_the_database_never_passes() {
        use rusqlite::ffi;
        let fsync = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None);
        assert!(!StoreError::sqlite(Path::new("x"), &fsync).may_pass());
        let full = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None);
        assert!(StoreError::sqlite(Path::new("x"), &full).may_pass());
    }
}
