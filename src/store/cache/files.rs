//! Lists of files, by path and content, as freshness remembers them.
//!
//! A list's digest says which files they are and what is in them. That each
//! file also carries what the system said of it when it was read (its `stat`)
//! is only for speed: a file that still says the same need not be read again.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::Digest;
use super::bytes::{Reader, Writer};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A regular file.
    File,
    /// A regular file that its owner may execute.
    Program,
    /// A symbolic link that is not followed, or leads nowhere. Its hash is
    /// that of where it points.
    Link,
    /// A pipe, a socket, a device. It is never opened.
    Special,
}

/// What the system says of a file, as far as a change of its content shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub size: u64,
    /// Seconds since 1970, and nanoseconds of a second.
    pub mtime: (i64, u32),
    pub ctime: (i64, u32),
    pub inode: u64,
    pub device: u64,
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: Box<Path>,
    pub what: What,
    /// Its permissions, where it is to be made again with them; else 0.
    pub mode: u32,
    pub hash: Digest,
    /// As it was when the content was read, where it can be relied on: where no
    /// later change can have left it the same.
    pub stat: Option<Stat>,
}

impl File {
    /// Whether both are the same to whoever reads them.
    pub fn is_like(&self, other: &File) -> bool {
        self.what == other.what && self.hash == other.hash
    }

    pub(super) fn write(&self, to: &mut Writer) {
        to.bytes(self.path.as_os_str().as_bytes());
        to.byte(match self.what {
            What::File => 0,
            What::Program => 1,
            What::Link => 2,
            What::Special => 3,
        });
        to.u32(self.mode);
        to.digest(&self.hash);
        let Some(stat) = self.stat else {
            return to.byte(0);
        };
        to.byte(1);
        to.u64(stat.size);
        for (sec, nsec) in [stat.mtime, stat.ctime] {
            to.u64(sec.cast_unsigned());
            to.u32(nsec);
        }
        to.u64(stat.inode);
        to.u64(stat.device);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<File> {
        let path = Path::new(OsStr::from_bytes(from.bytes()?)).into();
        let what = match from.byte()? {
            0 => What::File,
            1 => What::Program,
            2 => What::Link,
            3 => What::Special,
            _ => return None,
        };
        let (mode, hash) = (from.u32()?, from.digest()?);
        let stat = match from.byte()? {
            0 => None,
            1 => Some(Stat {
                size: from.u64()?,
                mtime: (from.u64()?.cast_signed(), from.u32()?),
                ctime: (from.u64()?.cast_signed(), from.u32()?),
                inode: from.u64()?,
                device: from.u64()?,
            }),
            _ => return None,
        };
        Some(File {
            path,
            what,
            mode,
            hash,
            stat,
        })
    }
}

/// Files in the order of their paths, each once.
#[derive(Clone, Debug, Default)]
pub struct Files {
    files: Box<[File]>,
    /// Found out when somebody asks: of most lists nobody does.
    digest: OnceLock<Digest>,
}

impl PartialEq for Files {
    fn eq(&self, other: &Files) -> bool {
        self.files == other.files
    }
}

impl Eq for Files {}

/// The bytes of the smallest file in a list.
const LEAST: usize = 4 + 1 + 4 + 32 + 1;

impl Files {
    pub fn new(mut files: Vec<File>) -> Files {
        if !files.is_sorted_by(|a, b| a.path < b.path) {
            files.sort_by(|a, b| a.path.cmp(&b.path));
            files.dedup_by(|a, b| a.path == b.path);
        }
        Files {
            files: files.into(),
            digest: OnceLock::new(),
        }
    }

    /// Which files they are, and what is in them.
    pub fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| {
            let mut hasher = blake3::Hasher::new();
            for file in &self.files {
                let path = file.path.as_os_str().as_bytes();
                hasher.update(&(path.len() as u64).to_le_bytes());
                hasher.update(path);
                hasher.update(&[file.what as u8]);
                hasher.update(&file.mode.to_le_bytes());
                hasher.update(&file.hash);
            }
            hasher.finalize().into()
        })
    }

    /// The list, or the one from before, where they are the same: there may be
    /// thousands of steps with the same long one.
    pub fn shared_with(self, before: Option<&Arc<Files>>) -> Arc<Files> {
        match before {
            Some(before) if **before == self => Arc::clone(before),
            _ => Arc::new(self),
        }
    }

    /// The file at a path.
    pub fn get(&self, path: &Path) -> Option<&File> {
        let at = self.files.binary_search_by(|file| (*file.path).cmp(path));
        Some(&self.files[at.ok()?])
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.u32(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        for file in &self.files {
            file.write(&mut to);
        }
        to.0
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Files> {
        let many = from.count(LEAST)?;
        let mut files = Vec::with_capacity(many);
        for _ in 0..many {
            files.push(File::read(from)?);
        }
        Some(Files::new(files))
    }
}

impl std::ops::Deref for Files {
    type Target = [File];
    fn deref(&self) -> &[File] {
        &self.files
    }
}
