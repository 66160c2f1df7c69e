//! The programs that a step declares to use: which file each is.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The program of this name: one with a slash as a path seen from `cwd`, else
/// the first in the directories of `path` that anybody may execute.
pub(super) fn find(name: &str, path: Option<&OsStr>, cwd: &Path) -> Option<(PathBuf, Metadata)> {
    if name.contains('/') {
        return program(&cwd.join(name));
    }
    let directories = path?.as_bytes().split(|byte| *byte == b':');
    directories
        .map(|directory| cwd.join(OsStr::from_bytes(directory)).join(name))
        .find_map(|file| program(&file))
}

fn program(path: &Path) -> Option<(PathBuf, Metadata)> {
    let meta = std::fs::metadata(path).ok()?;
    let is_program = meta.is_file() && meta.mode() & 0o111 != 0;
    // Where it really is: what leads there may be led elsewhere.
    let path = path.canonicalize().ok()?;
    is_program.then_some((path, meta))
}
