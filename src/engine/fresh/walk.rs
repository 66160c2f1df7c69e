//! From patterns to the files that they name.
//!
//! A walk of our own, not a library's: what people declare is meant just so
//! (no file is left out because it is hidden or ignored elsewhere), one pattern
//! may take out what another named, and directories that no pattern can reach
//! are not entered.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use std::os::unix::fs::MetadataExt;

use crate::plan::pattern::{Pattern, Patterns};

/// More files than this were not meant to be one step's.
const MOST: usize = 1_000_000;

/// What becomes of symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// What they lead to counts.
    Followed,
    /// They are things of their own.
    Kept,
}

/// A file that was met, and what the system says of it.
pub(super) struct Met {
    pub path: PathBuf,
    pub meta: Metadata,
}

/// Everything but directories that the patterns name, in no order; what two
/// patterns name twice.
///
/// # Errors
/// In words: a directory cannot be read, or there is too much.
pub(super) fn walk(patterns: &Patterns, links: Links) -> Result<Vec<Met>, String> {
    let mut found = Vec::new();
    for (place, pattern) in patterns.taking_in() {
        let mut walk = Walk {
            patterns,
            pattern,
            place,
            links,
            above: Vec::new(),
            found,
        };
        walk.begin()?;
        found = walk.found;
    }
    Ok(found)
}

struct Walk<'p> {
    patterns: &'p Patterns,
    pattern: &'p Pattern,
    place: usize,
    links: Links,
    /// The directories that lead to where we are, so that no link leads back.
    above: Vec<(u64, u64)>,
    found: Vec<Met>,
}

impl Walk<'_> {
    fn begin(&mut self) -> Result<(), String> {
        let root = self.pattern.root();
        match look(root, self.links) {
            Ok(Some(meta)) => self.visit(root.into(), meta, 0, false),
            Ok(None) => Ok(()),
            Err(error) => Err(said(root, &error)),
        }
    }

    /// `inside` says that a directory above is the pattern's own.
    fn visit(
        &mut self,
        path: PathBuf,
        meta: Metadata,
        depth: usize,
        inside: bool,
    ) -> Result<(), String> {
        if self.patterns.is_out(self.place, &path) {
            return Ok(());
        }
        let inside = inside || self.pattern.is_own(&path);
        if meta.is_dir() {
            if inside || self.pattern.goes_below(&path, depth) {
                self.enter(&path, &meta, depth, inside)?;
            }
        } else if inside {
            if self.found.len() == MOST {
                return Err(format!("it names more than {MOST} files"));
            }
            self.found.push(Met { path, meta });
        }
        Ok(())
    }

    fn enter(
        &mut self,
        path: &Path,
        meta: &Metadata,
        depth: usize,
        inside: bool,
    ) -> Result<(), String> {
        let here = (meta.dev(), meta.ino());
        if self.above.contains(&here) {
            return Ok(());
        }
        self.above.push(here);
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            // It went while we looked.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return self.leave(),
            Err(e) => return Err(said(path, &e)),
        };
        for entry in entries {
            let below = entry.map_err(|e| said(path, &e))?.path();
            match look(&below, self.links) {
                Ok(Some(meta)) => self.visit(below, meta, depth + 1, inside)?,
                Ok(None) => {}
                Err(error) => return Err(said(&below, &error)),
            }
        }
        self.leave()
    }

    fn leave(&mut self) -> Result<(), String> {
        self.above.pop();
        Ok(())
    }
}

/// What the system says of a path, if anything is there. A link that leads
/// nowhere, or in a circle, is a link.
pub(super) fn look(path: &Path, links: Links) -> io::Result<Option<Metadata>> {
    let followed = match links {
        Links::Followed => fs::metadata(path),
        Links::Kept => fs::symlink_metadata(path),
    };
    match followed {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if is_nothing(&e) || e.raw_os_error() == Some(libc::ELOOP) => {
            match fs::symlink_metadata(path) {
                Ok(meta) => Ok(Some(meta)),
                Err(e) if is_nothing(&e) => Ok(None),
                Err(e) => Err(e),
            }
        }
        Err(e) => Err(e),
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR))
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
