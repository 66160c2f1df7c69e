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
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
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
            let path = path.into();
            return Ok(File {
                path,
                what,
                ..known.clone()
            });
        }
        let (hash, stat) = self.hash(path, now)?;
        let file = File {
            path: path.into(),
            what,
            mode: 0,
            hash,
            stat,
        };
        self.read.insert(path.into(), file.clone());
        Ok(file)
    }

    /// The hash of a file's content, and what the system says of it, if that can
    /// be relied on from now on.
    fn hash(&mut self, path: &Path, now: Millis) -> io::Result<(Digest, Option<Stat>)> {
        // A pipe that took the file's place must not keep us waiting.
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)?;
        let mut tries = 0;
        loop {
            let before = file.metadata()?;
            if !before.is_file() {
                return Err(io::Error::other("it is no file any more"));
            }
            let hash = self.digest(&mut file)?;
            let (before, after) = (stat(&before), stat(&file.metadata()?));
            if before == after {
                return Ok((hash, Some(after).filter(|stat| is_settled(stat, now))));
            }
            tries += 1;
            if tries == TRIES {
                return Ok((hash, None));
            }
            io::Seek::rewind(&mut file)?;
        }
    }

    fn digest(&mut self, file: &mut Opened) -> io::Result<Digest> {
        self.buffer.resize(1 << 16, 0);
        self.files_read += 1;
        let mut hasher = blake3::Hasher::new();
        loop {
            match file.read(&mut self.buffer) {
                Ok(0) => return Ok(hasher.finalize().into()),
                Ok(many) => {
                    self.bytes_read += many as u64;
                    hasher.update(&self.buffer[..many]);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
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
