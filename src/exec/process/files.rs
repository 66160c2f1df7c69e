//! The files of the slots, all in one directory of the run.
//!
//! `slots/` in the run's directory is private (0700) and holds, for the slot
//! `N` that was made under epoch `E`:
//!
//! | name | what |
//! |---|---|
//! | `epochs` | the epochs of the run, and the boot of the host each lived in |
//! | `E-N.rec` | the slot's records, and the lock that says its supervisor lives |
//! | `E-N.out`, `E-N.err` | the output of its attempts, one range each |
//! | `E-N.out.now`, `E-N.err.now` | the output of the attempt that runs |
//! | `E-N-S.out`, `E-N-S.err` | output that got a file of its own |
//! | `E-N.set` | what the attempt that runs puts out for later steps |
//! | `E-N.sock` | where an engine reaches a supervisor that has lost its own |
//!
//! An epoch is never used twice, so neither is a name; every file is made with
//! `O_EXCL` and `O_NOFOLLOW`, so that nothing planted there is ever written to.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, UnlinkatFlags, unlinkat};

use super::wire::{Foreign, Record};
use crate::run::Attempt;

/// The name of the directory in the run's own.
pub const DIRECTORY: &str = "slots";
const EPOCHS: &str = "epochs";
/// What an engine is told that comes too late.
pub const TAKEN_OVER: &str = "a later engine has taken the run over";

/// A slot's name: the epoch it was made under, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotName {
    pub epoch: u32,
    pub number: u32,
}

impl SlotName {
    pub fn records(self) -> String {
        format!("{self}.rec")
    }

    /// Where an attempt's `QUINTET_OUTPUT` points. The serial number is there
    /// for the case that a step leaves something that cannot be removed.
    pub fn outputs(self, serial: u32) -> String {
        match serial {
            0 => format!("{self}.set"),
            n => format!("{self}-{n}.set"),
        }
    }

    pub fn socket(self) -> String {
        format!("{self}.sock")
    }

    /// `1-0.rec` is the record file of slot 0 of epoch 1.
    fn of_records(file: &str) -> Option<SlotName> {
        let (epoch, number) = file.strip_suffix(".rec")?.split_once('-')?;
        Some(SlotName {
            epoch: epoch.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

impl std::fmt::Display for SlotName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

/// The open `slots/` directory.
pub struct Directory {
    fd: File,
    path: PathBuf,
}

impl Directory {
    /// Opens the directory of a run, and makes it first where it is missing.
    ///
    /// # Errors
    /// It is not a directory, or others may write to it.
    pub fn make(run_dir: &Path) -> io::Result<Directory> {
        let path = run_dir.join(DIRECTORY);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(at(&path, e)),
            _ => {}
        }
        let directory = Directory::open(run_dir)?;
        let found = directory.fd.metadata().map_err(|e| at(&path, e))?;
        if found.uid() != Uid::effective().as_raw() || found.mode() & 0o022 != 0 {
            let why = format!(
                "{} is not private: make it yours with mode 0700",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(directory)
    }

    /// # Errors
    /// There is none, or it is not a directory.
    pub fn open(run_dir: &Path) -> io::Result<Directory> {
        let path = run_dir.join(DIRECTORY);
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(&path, flags, Mode::empty()).map_err(|e| at(&path, e.into()))?;
        Ok(Directory {
            fd: fd.into(),
            path,
        })
    }

    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A path to a socket in here that fits its 108 bytes however deep the run's directory lies.
    pub fn short_path_of(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.fd.as_raw_fd()))
    }

    /// Makes a file that was not there, mode 0600 under any umask, for reading
    /// and appending.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_RDWR
            | OFlag::O_APPEND
            | OFlag::O_CREAT
            | OFlag::O_EXCL
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let made = openat(&self.fd, name, flags, mode).map_err(|e| self.at(name, e.into()))?;
        Ok(made.into())
    }

    /// Opens a file that is there, without following a link or waiting for a pipe.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        let missing = || self.at(name, io::ErrorKind::NotFound.into());
        self.open_if_there(name)?.ok_or_else(missing)
    }

    /// The same for one that need not be there.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn open_if_there(&self, name: &str) -> io::Result<Option<File>> {
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(opened) => Ok(Some(opened.into())),
            Err(nix::errno::Errno::ENOENT) => Ok(None),
            Err(e) => Err(self.at(name, e.into())),
        }
    }

    /// As [`open_file`](Self::open_file), and nobody else has put it there: it is
    /// a file, ours, and has no second name by which it is somebody's document.
    ///
    /// # Errors
    /// It is something else; or the system's, with the path.
    pub fn open_ours(&self, name: &str) -> io::Result<File> {
        let file = self.open_file(name)?;
        let found = file.metadata().map_err(|e| self.at(name, e))?;
        let ours = found.is_file() && found.uid() == Uid::effective().as_raw();
        if ours && found.nlink() == 1 {
            return Ok(file);
        }
        let why = "is not a file of ours alone; remove it, if nothing of yours depends on it";
        let why = io::Error::new(io::ErrorKind::PermissionDenied, why);
        Err(self.at(name, why))
    }

    /// # Errors
    /// The system's, with the path.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        nix::fcntl::renameat(&self.fd, from, &self.fd, to).map_err(|e| self.at(from, e.into()))
    }

    /// # Errors
    /// The system's, with the path. A file that is not there is as well.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir) {
            Err(nix::errno::Errno::ENOENT) | Ok(()) => Ok(()),
            Err(e) => Err(self.at(name, e.into())),
        }
    }

    /// Removes what a step of a slot that is dead has put out. Nobody will ever
    /// take it, and it may hold a secret.
    pub fn forget_outputs(&self, slot: SlotName) {
        // Later serials are there only if a step has left something that cannot
        // be removed.
        let _ = self.remove(&slot.outputs(0));
    }

    /// The slots that were ever made here, oldest first.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn slots(&self) -> io::Result<Vec<SlotName>> {
        let mut slots: Vec<SlotName> = self
            .names()?
            .iter()
            .filter_map(|name| SlotName::of_records(name))
            .collect();
        slots.sort_unstable();
        Ok(slots)
    }

    /// The epochs that were ever opened here, with the boot each lived in, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn epochs(&self) -> io::Result<Vec<(u32, String)>> {
        let mut bytes = Vec::new();
        match self.open_ours(EPOCHS) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?.read_to_end(&mut bytes)?,
        };
        // A power cut may leave anything where a line was being written.
        let text = String::from_utf8_lossy(&bytes);
        let whole_lines = text.split_inclusive('\n');
        let epochs = whole_lines.filter_map(|line| {
            let (epoch, boot) = line.strip_suffix('\n')?.split_once(' ')?;
            Some((epoch.parse().ok()?, boot.to_string()))
        });
        Ok(epochs.collect())
    }

    /// Writes down that this epoch's engine lives in this boot. From then on no
    /// supervisor of an earlier epoch that is only now being made will work.
    ///
    /// # Errors
    /// `AlreadyExists`: this epoch or a later one was opened before.
    pub fn open_epoch(&self, epoch: u32) -> io::Result<()> {
        if self
            .epochs()?
            .last()
            .is_some_and(|(last, _)| *last >= epoch)
        {
            let why = format!("epoch {epoch} of this run was opened before");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        let mut file = match self.create(EPOCHS) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.open_ours(EPOCHS)?,
            made => made?,
        };
        file.seek(SeekFrom::End(0))?;
        // Begins a line of its own, whatever a full disk has left of the last.
        file.write_all(format!("\n{epoch} {}\n", boot_id()).as_bytes())
    }

    /// Whether the run still is this epoch's.
    ///
    /// # Errors
    /// A later engine has opened the directory since.
    pub fn still_belongs_to(&self, epoch: u32) -> io::Result<()> {
        match self.epochs()?.last() {
            Some((last, _)) if *last > epoch => Err(io::Error::other(TAKEN_OVER)),
            _ => Ok(()),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path).map_err(|e| at(&self.path, e))?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
        names.collect()
    }

    /// The error with the path of the file it is about.
    pub fn at(&self, name: &str, e: io::Error) -> io::Error {
        at(&self.path_of(name), e)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Says where, and keeps the kind and so the exit code that follows from it.
fn at(path: &Path, e: io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{}: {e}", path.display()))
}

/// Tells one boot of this host from another; empty where the system does not say.
pub fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim_end().to_string()
}

/// A slot's records, as its supervisor holds them: open, and locked until it dies.
pub struct RecordFile {
    file: File,
    len: u64,
}

impl RecordFile {
    /// # Errors
    /// The file cannot be made.
    pub fn create(directory: &Directory, slot: SlotName) -> io::Result<RecordFile> {
        let file = directory.create(&slot.records())?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.try_lock()?;
        Ok(RecordFile { file, len: 0 })
    }

    /// Whether nobody will ever read this: the run was removed.
    pub fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.nlink() == 0)
    }

    /// Appends a record with one write. It then survives everything but the
    /// end of the host; only the engine's own log has to survive that.
    ///
    /// Only what a file system took in part is written on: so it must say why.
    ///
    /// # Errors
    /// It could not be written whole. Then nothing of it is left in the file,
    /// so that later records can be read.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let bytes = record.to_bytes();
        if let Err(e) = self.file.write_all(&bytes) {
            self.file.set_len(self.len)?;
            return Err(e);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }
}

/// A slot's records, as somebody else reads them.
pub struct Records {
    file: File,
    records: Vec<Record>,
}

impl Records {
    /// # Errors
    /// The file cannot be read.
    pub fn read(directory: &Directory, slot: SlotName) -> io::Result<Records> {
        let mut file = directory.open_ours(&slot.records())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let records = Record::read_all(&bytes).map_err(|Foreign| {
            let path = directory.path_of(&slot.records());
            let why = format!(
                "{} was written by another version of quintet",
                path.display()
            );
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        Ok(Records { file, records })
    }

    /// Whether the slot's supervisor lives: the kernel frees its lock when it does not.
    ///
    /// # Errors
    /// The file system knows no locks.
    pub fn supervisor_lives(&self) -> io::Result<bool> {
        match self.file.try_lock_shared() {
            Ok(()) => self.file.unlock().map(|()| false),
            Err(fs::TryLockError::WouldBlock) => Ok(true),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }

    /// What the slot wrote about an attempt: its end, else its start.
    pub fn of(&self, wanted: Attempt) -> Option<&Record> {
        let mut last = None;
        for record in &self.records {
            match record {
                Record::Ended { attempt, .. } if *attempt == wanted => return Some(record),
                Record::Started { attempt, .. } if *attempt == wanted => last = Some(record),
                _ => {}
            }
        }
        last
    }

    /// The attempt that runs, or ran when its supervisor died.
    pub fn unfinished(&self) -> Option<Attempt> {
        match self.records.last()? {
            Record::Started { attempt, .. } => Some(*attempt),
            Record::Ended { .. } => None,
        }
    }
}
