//! Files and what is in them, read no more often than needed.
//!
//! A file that still says of itself what it said when it was read (size, times,
//! inode, device) need not be read again, unless it was so new then that it can
//! have changed once more within the same tick of the file system's clock: what
//! was read within two seconds of its last change is read again. Two seconds is
//! the coarsest clock that file systems have. A time in the future says nothing,
//! and such a file is always read.

use std::collections::HashMap;
use std::fs::{File as Opened, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::run::Millis;
use crate::store::cache::{Digest, File, Stat, What};

/// How long a file must have been left alone for its times to be believed.
const SETTLED: Millis = 2_000;

/// So often a file is read again that changes while it is read.
const TRIES: u32 = 3;

/// What was read so far.
#[derive(Default)]
pub(super) struct Contents {
    read: HashMap<Box<Path>, File>,
    /// How many files and bytes were read.
    pub files_read: u64,
    pub bytes_read: u64,
    buffer: Vec<u8>,
}

impl Contents {
    /// The file at a path, of which the system said `meta`, following links.
    /// `before` is the file as it was remembered; `now` is no later than this
    /// moment.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn file(
        &mut self,
        path: &Path,
        meta: &Metadata,
        before: Option<&File>,
        now: Millis,
    ) -> io::Result<File> {
        let kind = meta.file_type();
        if kind.is_symlink() {
            let target = std::fs::read_link(path)?;
            return Ok(unread(path, What::Link, target.as_os_str().as_bytes()));
        }
        if !kind.is_file() {
            let kind: &[u8] = match () {
                () if kind.is_fifo() => b"pipe",
                () if kind.is_socket() => b"socket",
                () if kind.is_block_device() => b"block device",
                () => b"character device",
            };
            return Ok(unread(path, What::Special, kind));
        }
        let what = what(meta);
        let stat = stat(meta);
        let known = |file: &&File| file.stat == Some(stat) && is_settled(&stat, now);
        let known = before
            .filter(known)
            .or_else(|| self.read.get(path).filter(known));
        if let Some(known) = known {
            return Ok(File {
                what,
                ..known.clone()
            });
        }
        let (hash, stat) = self.hash(path, stat, now)?;
        let file = File {
            path: path.into(),
            what,
            mode: 0,
            hash,
            stat,
        };
        if file.stat.is_some() {
            self.read.insert(path.into(), file.clone());
        }
        Ok(file)
    }

    /// The hash of a file's content, and what the system says of it, if that can
    /// be relied on from now on. `before` is what it said just now: a file of which
    /// it says the same when it has been read was not changed meanwhile.
    fn hash(
        &mut self,
        path: &Path,
        mut before: Stat,
        now: Millis,
    ) -> io::Result<(Digest, Option<Stat>)> {
        // A pipe that took the file's place must not keep us waiting.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)?;
        // One that says that it is empty may be no file any more, and endless.
        if before.size == 0 && !file.metadata()?.is_file() {
            return Err(is_no_file());
        }
        let mut tries = 0;
        loop {
            let hash = self.digest(&file, before.size)?;
            let after = file.metadata()?;
            if !after.is_file() {
                return Err(is_no_file());
            }
            let after = stat(&after);
            if before == after {
                return Ok((hash, Some(after).filter(|stat| is_settled(stat, now))));
            }
            tries += 1;
            if tries == TRIES {
                return Ok((hash, None));
            }
            before = after;
        }
    }

    /// The hash of as much as there should be in a file; of all that there is, where
    /// that is said to be nothing, as of files that the system makes up.
    fn digest(&mut self, file: &Opened, size: u64) -> io::Result<Digest> {
        self.buffer.resize(1 << 16, 0);
        self.files_read += 1;
        let mut hasher = blake3::Hasher::new();
        let mut at = 0;
        loop {
            let left = match size {
                0 => u64::MAX,
                _ if at == size => return Ok(hasher.finalize().into()),
                _ => size - at,
            };
            let most = self
                .buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            // Not from where the file stands: a pipe stands nowhere, and is refused.
            match file.read_at(&mut self.buffer[..most], at) {
                Ok(0) => return Ok(hasher.finalize().into()),
                Ok(many) => {
                    at += many as u64;
                    self.bytes_read += many as u64;
                    hasher.update(&self.buffer[..many]);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn is_no_file() -> io::Error {
    io::Error::other("it is no file any more")
}

fn unread(path: &Path, what: What, content: &[u8]) -> File {
    File {
        path: path.into(),
        what,
        mode: 0,
        hash: blake3::hash(content).into(),
        stat: None,
    }
}

fn what(meta: &Metadata) -> What {
    match meta.mode() & 0o100 {
        0 => What::File,
        _ => What::Program,
    }
}

fn stat(meta: &Metadata) -> Stat {
    let part = |nsec: i64| u32::try_from(nsec).unwrap_or(0);
    Stat {
        size: meta.size(),
        mtime: (meta.mtime(), part(meta.mtime_nsec())),
        ctime: (meta.ctime(), part(meta.ctime_nsec())),
        inode: meta.ino(),
        device: meta.dev(),
    }
}

/// Whether the file was left alone long enough before `now`.
fn is_settled(stat: &Stat, now: Millis) -> bool {
    let settled = |(sec, nsec): (i64, u32)| {
        let at = i128::from(sec) * 1000 + i128::from(nsec / 1_000_000);
        at + i128::from(SETTLED) < i128::from(now)
    };
    settled(stat.mtime) && settled(stat.ctime)
}
