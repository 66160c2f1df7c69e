//! Putting back what a step made.
//!
//! Only what the step declares as its outputs is ever written. From its project
//! on no link is followed, since anybody may have put one in the way; a file
//! takes its place whole or not at all.

use std::ffi::OsStr;
use std::fs::{File as Opened, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use super::objects::Objects;
use crate::plan::pattern::Patterns;
use crate::store::cache::{File, What};

/// Puts a file back as it was made.
///
/// # Errors
/// In words: it is none of the step's outputs, its content is lost, or
/// something is in the way.
pub(super) fn put_back(
    file: &File,
    outputs: &Patterns,
    project: &Path,
    objects: &Objects,
) -> Result<(), String> {
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if !file.path.components().all(plain) || !outputs.names(&file.path) {
        return Err(format!("{} is none of its outputs", file.path.display()));
    }
    let (Some(folder), Some(name)) = (file.path.parent(), file.path.file_name()) else {
        return Err(format!("{} is no file", file.path.display()));
    };
    let said = |e: io::Error| format!("{}: {e}", file.path.display());
    let folder = enter(folder, project).map_err(|e| said(e.into()))?;
    let new = format!(".quintet.{}.new", std::process::id());
    let new = OsStr::new(&new);
    // What a killed run may have left.
    _ = unlinkat(&folder, new, UnlinkatFlags::NoRemoveDir);
    let made = match file.what {
        What::Link => link(file, &folder, new, objects),
        What::Special => Err(format!("{} is no file", file.path.display())),
        What::File | What::Program => content(file, &folder, new, objects),
    };
    let moved =
        made.and_then(|()| renameat(&folder, new, &folder, name).map_err(|e| said(e.into())));
    if moved.is_err() {
        _ = unlinkat(&folder, new, UnlinkatFlags::NoRemoveDir);
    }
    moved
}

const FOLDER: OFlag = OFlag::O_DIRECTORY
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Opens a directory, made where it is not there, through no link below the
/// project, or below the root where it is not the project's.
fn enter(folder: &Path, project: &Path) -> nix::Result<OwnedFd> {
    let (base, below) = match folder.strip_prefix(project) {
        Ok(below) if project.is_absolute() => (project, below),
        _ => (Path::new("/"), folder),
    };
    let mut at = open(base, FOLDER, Mode::empty())?;
    for part in below.components() {
        let Component::Normal(name) = part else {
            continue;
        };
        at = match openat(&at, name, FOLDER, Mode::empty()) {
            Err(Errno::ENOENT) => {
                mkdirat(&at, name, Mode::from_bits_truncate(0o777))?;
                openat(&at, name, FOLDER, Mode::empty())?
            }
            other => other?,
        };
    }
    Ok(at)
}

fn content(file: &File, folder: &OwnedFd, new: &OsStr, objects: &Objects) -> Result<(), String> {
    let said = |e: io::Error| format!("{}: {e}", file.path.display());
    let flags =
        OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o600);
    let opened = openat(folder, new, flags, mode).map_err(|e| said(e.into()))?;
    let mut opened = Opened::from(opened);
    objects.copy(&file.hash, &mut opened)?;
    // No program gets another's rights by being put back.
    let mode = Permissions::from_mode(file.mode & 0o777);
    opened.set_permissions(mode).map_err(said)
}

fn link(file: &File, folder: &OwnedFd, new: &OsStr, objects: &Objects) -> Result<(), String> {
    let mut target = Vec::new();
    objects.copy(&file.hash, &mut target)?;
    let made = symlinkat(OsStr::from_bytes(&target), folder, new);
    made.map_err(|e| format!("{}: {}", file.path.display(), io::Error::from(e)))
}
