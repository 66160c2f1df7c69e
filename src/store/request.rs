//! What other processes ask of a run's engine: cancel, kill, an answer.
//!
//! A request is a row, so it is durable before anybody is told of it, and is
//! forgotten only when the engine's log says what came of it. The row is
//! followed by a ring at the engine's doorbell, a pipe in the run's directory,
//! so that nobody has to look for rows again and again. A ring that is lost
//! costs nothing but time: a resumed engine reads the rows.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use rusqlite::params;

use crate::run::Millis;

use super::commit::moment;
use super::{Store, StoreError, files};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Stop the run, with grace.
    Cancel,
    /// Stop the run now.
    Kill,
    /// An answer to the question that a step waits with.
    Answer { step: String, value: String },
}

/// Something that another process asks of a run's engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub at: Millis,
    pub what: What,
    /// Who asks, for the record: `cancel (user anna, pid 4711)`.
    pub by: String,
}

impl Store {
    /// Asks something of a run's engine, durably, and rings for it. `false` if
    /// the run is over: then there is nobody to ask, and nothing was stored.
    ///
    /// # Errors
    /// There is no such run, or the store cannot be written.
    pub fn request(&self, run_id: &str, request: &Request) -> Result<bool, StoreError> {
        let run = self.key(run_id)?;
        let (what, step, value) = match &request.what {
            What::Cancel => ("cancel", None, None),
            What::Kill => ("kill", None, None),
            What::Answer { step, value } => ("answer", Some(step), Some(value)),
        };
        let stored = self
            .conn
            .execute(
                "INSERT INTO request (run, at, what, step, value, by)
                 SELECT key, ?2, ?3, ?4, ?5, ?6 FROM run
                 WHERE key = ?1 AND state IN ('pending', 'running')",
                params![run, moment(request.at), what, step, value, request.by],
            )
            .map_err(|e| self.sql(e))?;
        if stored == 0 {
            return Ok(false);
        }
        Doorbell::ring(&self.state.run(run_id))?;
        Ok(true)
    }

    /// What is asked of a run, oldest first, each with its number, after the
    /// one with number `after` (0 for all). A request stays until its engine
    /// says that it is [handled](super::RunWriter::handled) or the run is over.
    ///
    /// # Errors
    /// There is no such run, or the store cannot be read.
    pub fn requests(&self, run_id: &str, after: i64) -> Result<Vec<(i64, Request)>, StoreError> {
        let run = self.key(run_id)?;
        let sql = |e| self.sql(e);
        let mut query = self
            .conn
            .prepare_cached(
                "SELECT key, at, what, step, value, by FROM request
                 WHERE run = ?1 AND key > ?2 ORDER BY key",
            )
            .map_err(sql)?;
        let rows = query.query_map([run, after], |row| {
            let what: String = row.get(2)?;
            let what = match what.as_str() {
                "cancel" => What::Cancel,
                "kill" => What::Kill,
                _ => What::Answer {
                    step: row.get(3)?,
                    value: row.get(4)?,
                },
            };
            let (at, by) = (row.get(1)?, row.get(5)?);
            Ok((row.get(0)?, Request { at, what, by }))
        });
        rows.map_err(sql)?.collect::<Result<_, _>>().map_err(sql)
    }
}

/// The owner's end of the pipe `bell` in a run's directory.
///
/// It becomes readable when somebody rings. It is never at its end: the owner
/// holds the other end as well.
#[derive(Debug)]
pub struct Doorbell {
    path: PathBuf,
    pipe: File,
}

impl Doorbell {
    /// Hangs up the doorbell of a run that this process owns, in its directory.
    ///
    /// # Errors
    /// The pipe cannot be made, or something else is in its place.
    pub fn hang_up(dir: &Path) -> Result<Doorbell, StoreError> {
        let path = dir.join("bell");
        match nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
            Err(e) => return Err(StoreError::io(&path, &e.into())),
        }
        match open_pipe(&path)? {
            Some(pipe) => Ok(Doorbell { path, pipe }),
            None => Err(StoreError::Missing { path }),
        }
    }

    /// Takes back all rings so far; look for requests after this, not before.
    ///
    /// # Errors
    /// The pipe cannot be read.
    pub fn drain(&self) -> Result<(), StoreError> {
        let mut rings = [0; 256];
        loop {
            match (&self.pipe).read(&mut rings) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(StoreError::io(&self.path, &e)),
            }
        }
    }

    /// Rings, if anybody has hung up a bell there. Never waits.
    fn ring(dir: &Path) -> Result<(), StoreError> {
        let path = dir.join("bell");
        let Some(mut pipe) = open_pipe(&path)? else {
            return Ok(());
        };
        match pipe.write(b"!") {
            // Full: it rings already.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(StoreError::io(&path, &e)),
            Ok(_) => Ok(()),
        }
    }
}

impl Drop for Doorbell {
    /// Takes the bell down, while the run still is its owner's: who reads all
    /// files of a directory (to copy, to search) would wait at a pipe for ever.
    fn drop(&mut self) {
        // Where it is gone with its directory, that is as well.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Opens the pipe if it is there, is one, and is ours.
///
/// For both directions: so nobody waits for the other end, the owner never
/// reads an end of file, and a ring after the owner's death is no broken pipe.
fn open_pipe(path: &Path) -> Result<Option<File>, StoreError> {
    let io = |e| StoreError::io(path, &e);
    let found = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(io)?,
    };
    if !found.file_type().is_fifo() {
        return Err(files::trap(path, "is not a pipe"));
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(files::trap(path, "belongs to another user"));
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
        .open(path)
        .map(Some)
        .map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn rings(bell: &Doorbell) -> bool {
        let mut fds = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn a_ring_is_heard_until_it_is_taken_back() {
        let tmp = tempfile::tempdir().unwrap();
        let bell = Doorbell::hang_up(tmp.path()).unwrap();
        assert!(!rings(&bell));
        Doorbell::ring(tmp.path()).unwrap();
        Doorbell::ring(tmp.path()).unwrap();
        assert!(rings(&bell));
        bell.drain().unwrap();
        assert!(!rings(&bell));
    }

    #[test]
    fn ringing_waits_for_nobody() {
        let tmp = tempfile::tempdir().unwrap();
        Doorbell::ring(tmp.path()).unwrap();
        let bell = Doorbell::hang_up(tmp.path()).unwrap();
        for _ in 0..100_000 {
            Doorbell::ring(tmp.path()).unwrap();
        }
        assert!(rings(&bell));
        drop(bell);
        Doorbell::ring(tmp.path()).unwrap();
        assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 0);
    }

    /// XH04.
    #[test]
    fn xh04_what_is_not_our_pipe_is_neither_rung_nor_hung_up() {
        let tmp = tempfile::tempdir().unwrap();
        let victim = tmp.path().join("victim");
        let trapped = |dir: &Path| {
            assert!(matches!(
                Doorbell::ring(dir),
                Err(StoreError::Unsafe { .. })
            ));
            assert!(matches!(
                Doorbell::hang_up(dir),
                Err(StoreError::Unsafe { .. })
            ));
        };
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, tmp.path().join("bell")).unwrap();
        trapped(tmp.path());
        std::fs::remove_file(tmp.path().join("bell")).unwrap();
        std::fs::hard_link(&victim, tmp.path().join("bell")).unwrap();
        trapped(tmp.path());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }
}
