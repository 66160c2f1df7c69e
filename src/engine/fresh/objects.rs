//! What steps made, kept by its content.
//!
//! Each content is one file under `objects/` of the state directory, called by
//! its hash, however many steps made it. Nothing here is waited for to reach the
//! disk: what a power cut damages no longer has its hash, and is then thrown
//! away instead of being put back.

use std::fs::{self, File as Opened, OpenOptions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::paths::{StateDir, private_dir};
use crate::store::cache::{Digest, File, What};
use crate::store::files;

/// All contents together take no more bytes than this. The ones that were used
/// longest ago give way.
const MOST: u64 = 4 << 30;

/// The contents kept beside a store.
pub(super) struct Objects {
    root: PathBuf,
    /// For all contents together.
    most: u64,
    /// What they take now, once somebody has looked.
    taken: Option<u64>,
}

impl Objects {
    pub fn of(state: &StateDir) -> Objects {
        Objects::within(state, MOST)
    }

    fn within(state: &StateDir, most: u64) -> Objects {
        Objects {
            root: state.objects(),
            most,
            taken: None,
        }
    }

    /// Keeps what is in a file.
    ///
    /// # Errors
    /// In words: it is no longer what it was, is too much, or cannot be kept.
    pub fn keep(&mut self, file: &File) -> Result<(), String> {
        if file.what == What::Special {
            return Err(format!("{} is no file", file.path.display()));
        }
        let path = self.path(&file.hash);
        if files::exists(&path).map_err(|e| e.to_string())? {
            return used_now(&path).map_err(|e| said(&path, &e));
        }
        let (content, size) = open(file).map_err(|e| said(&file.path, &e))?;
        self.make_room(size)?;
        let folder = path.parent().unwrap_or(&self.root);
        private_dir(&self.root).map_err(|e| e.to_string())?;
        private_dir(folder).map_err(|e| e.to_string())?;
        let new = self.root.join(format!("new.{}", std::process::id()));
        let mut to = files::open(&new, true).map_err(|e| e.to_string())?;
        let copied = to.set_len(0).and_then(|()| copy(content, &mut to));
        let moved = copied.and_then(|hash| match hash == file.hash {
            true => fs::rename(&new, &path),
            false => Err(io::Error::other("it changed while it was kept")),
        });
        if moved.is_err() {
            // Whatever it is, it is no content.
            _ = fs::remove_file(&new);
        }
        self.taken = self.taken.map(|taken| taken + size);
        moved.map_err(|e| said(&file.path, &e))
    }

    /// Writes a content into a file, where it is whole. One that is damaged is
    /// thrown away.
    ///
    /// # Errors
    /// In words: it is not there, or not what it was.
    pub fn copy(&self, hash: &Digest, to: &mut impl Write) -> Result<(), String> {
        let path = self.path(hash);
        let content = files::open_to_read(&path).map_err(|e| e.to_string())?;
        let found = copy(content, to).map_err(|e| said(&path, &e))?;
        if found != *hash {
            // If it cannot be removed it is found damaged once more.
            _ = fs::remove_file(&path);
            return Err(format!("{} was damaged", path.display()));
        }
        Ok(())
    }

    /// Whether a content is there and whole.
    pub fn has(&self, hash: &Digest) -> bool {
        self.copy(hash, &mut io::sink()).is_ok()
    }

    fn path(&self, hash: &Digest) -> PathBuf {
        let name = blake3::Hash::from(*hash).to_hex();
        self.root.join(&name[..2]).join(&name[2..])
    }

    /// Removes what was used longest ago, until there is room for so much.
    fn make_room(&mut self, size: u64) -> Result<(), String> {
        if size > self.most / 4 {
            return Err(format!("{size} bytes are too many to be kept"));
        }
        let taken = match self.taken {
            Some(taken) => taken,
            None => self.all().iter().map(|(_, size, _)| size).sum(),
        };
        self.taken = Some(taken);
        if taken + size <= self.most {
            return Ok(());
        }
        let mut all = self.all();
        all.sort();
        let mut taken: u64 = all.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in all {
            // A quarter is made free at once, since each look at all costs time.
            if taken <= self.most / 4 * 3 {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                taken -= size;
            }
        }
        self.taken = Some(taken);
        Ok(())
    }

    /// Every content: when it was used, its size, and where it is.
    fn all(&self) -> Vec<(SystemTime, u64, PathBuf)> {
        let inside = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
        let folders = inside(&self.root).map(|entry| entry.path());
        let contents = folders.flat_map(|folder| inside(&folder));
        let of = |entry: fs::DirEntry| {
            let meta = entry.metadata().ok()?;
            Some((meta.modified().ok()?, meta.len(), entry.path()))
        };
        contents.filter_map(of).collect()
    }
}

/// What is in a file, or where a link points, and how much that is.
fn open(file: &File) -> io::Result<(Box<dyn Read>, u64)> {
    if file.what == What::Link {
        let target = fs::read_link(&file.path)?.as_os_str().as_bytes().to_vec();
        let size = target.len() as u64;
        return Ok((Box::new(Cursor::new(target)), size));
    }
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(&file.path)?;
    let meta = opened.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no file any more"));
    }
    Ok((Box::new(opened), meta.len()))
}

/// Copies, and says the hash of what was copied.
fn copy(mut from: impl Read, to: &mut impl Write) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(many) => {
                hasher.update(&buffer[..many]);
                to.write_all(&buffer[..many])?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Notes that a content was used: others give way before it.
fn used_now(path: &Path) -> io::Result<()> {
    let file = Opened::options().write(true).open(path)?;
    file.set_modified(SystemTime::now())
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::Home;

    fn file(path: &Path, text: &str) -> File {
        fs::write(path, text).unwrap();
        File {
            path: path.into(),
            what: What::File,
            mode: 0o644,
            hash: blake3::hash(text.as_bytes()).into(),
            stat: None,
        }
    }

    #[test]
    fn contents_give_way_when_there_is_too_much() {
        let home = Home::new();
        let mut objects = Objects::within(&home.state, 1_000);
        let path = home.state.root().join("made");
        let texts: Vec<String> = (0..10).map(|n| n.to_string().repeat(200)).collect();
        let mut kept = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            let file = file(&path, text);
            objects.keep(&file).unwrap();
            let at = SystemTime::now() - std::time::Duration::from_secs(100 - n as u64);
            let object = Opened::options().write(true).open(objects.path(&file.hash));
            object.unwrap().set_modified(at).unwrap();
            kept.push(file.hash);
            let all: u64 = objects.all().iter().map(|(_, size, _)| size).sum();
            assert!(all <= 1_000, "{all}");
        }
        assert!(objects.has(&kept[9]));
        assert!(!objects.has(&kept[0]));
        let large = file(&path, &"x".repeat(251));
        assert!(objects.keep(&large).is_err());
    }

    #[test]
    fn what_changed_meanwhile_is_not_kept() {
        let home = Home::new();
        let mut objects = Objects::of(&home.state);
        let path = home.state.root().join("made");
        let made = file(&path, "1");
        fs::write(&path, "2").unwrap();
        assert!(objects.keep(&made).is_err());
        assert!(!objects.has(&made.hash));
    }
}
