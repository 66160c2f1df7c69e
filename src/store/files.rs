//! Opening files without being led astray.
//!
//! Inside the state directory every file is a regular one, ours, with one name
//! and rights for its owner only. Whatever else stands at such a path (a link
//! to somebody's document, a pipe that nobody reads) was put there by mistake
//! or malice, and is refused: never followed, never waited on, never changed.
//!
//! This file does not know what the files are for.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::StoreError;

/// Opens a file of ours for reading and writing; makes it, with mode 0600,
/// where `create` says so.
///
/// # Errors
/// The path holds something else than a regular file of ours with one name, or
/// the system refuses.
pub(crate) fn open(path: &Path, create: bool) -> Result<File, StoreError> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .mode(0o600)
        // Without O_NONBLOCK, a pipe could keep us waiting for its other end.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = opened.map_err(|e| unopened(path, &e))?;
    let found = file.metadata().map_err(|e| StoreError::io(path, &e))?;
    check(path, &found)?;
    if found.mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(|e| StoreError::io(path, &e))?;
    }
    Ok(file)
}

/// Opens a file of ours for reading, and changes nothing about it.
///
/// # Errors
/// As for [`open`].
pub(crate) fn open_to_read(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = opened.map_err(|e| unopened(path, &e))?;
    let found = file.metadata().map_err(|e| StoreError::io(path, &e))?;
    check(path, &found)?;
    Ok(file)
}

/// Why a file could not be opened.
fn unopened(path: &Path, error: &io::Error) -> StoreError {
    match error.raw_os_error() {
        // O_NOFOLLOW reports a link in a way that nobody understands.
        Some(libc::ELOOP) => trap(path, "is a link"),
        Some(libc::ENOENT) => StoreError::Missing { path: path.into() },
        _ => StoreError::io(path, error),
    }
}

/// Whether a file is there, looked at without opening it.
///
/// SQLite's files must be looked at this way: to close any descriptor of one
/// would drop every lock that SQLite holds on it in this process.
///
/// # Errors
/// As for [`open`].
pub(crate) fn exists(path: &Path) -> Result<bool, StoreError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) => check(path, &found).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(StoreError::io(path, &e)),
    }
}

/// Takes from everybody else what rights they have to a file that [`exists`].
pub(crate) fn make_private(path: &Path) -> Result<(), StoreError> {
    let io = |e| StoreError::io(path, &e);
    let mode = std::fs::symlink_metadata(path).map_err(io)?.mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io)
}

fn check(path: &Path, found: &Metadata) -> Result<(), StoreError> {
    let kind = found.file_type();
    if kind.is_symlink() {
        return Err(trap(path, "is a link"));
    }
    if kind.is_fifo() {
        return Err(trap(path, "is a pipe"));
    }
    if !kind.is_file() {
        return Err(trap(path, "is not a file"));
    }
    if found.nlink() > 1 {
        return Err(trap(path, "has a second name somewhere (a hard link)"));
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(trap(path, "belongs to another user"));
    }
    Ok(())
}

/// The refusal of a path that holds what does not belong there.
pub(super) fn trap(path: &Path, why: &str) -> StoreError {
    StoreError::Unsafe {
        path: path.to_path_buf(),
        why: why.into(),
        fix: "remove it, if nothing of yours depends on it".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[track_caller]
    fn refused(path: &Path, because: &str) {
        for outcome in [open(path, true).map(drop), exists(path).map(drop)] {
            match outcome {
                Err(StoreError::Unsafe { why, .. }) => assert!(why.contains(because), "{why}"),
                other => panic!("not refused: {other:?}"),
            }
        }
    }

    /// XH04.
    #[test]
    fn xh04_links_and_pipes_are_refused_and_their_victims_unchanged() {
        let tmp = tempfile::tempdir().unwrap();
        let at = |name: &str| tmp.path().join(name);
        let victim = at("victim");
        fs::write(&victim, "precious").unwrap();

        std::os::unix::fs::symlink(&victim, at("link")).unwrap();
        refused(&at("link"), "link");
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
        refused(&at("dangling"), "link");
        assert!(!at("nowhere").exists());
        fs::hard_link(&victim, at("hard")).unwrap();
        refused(&at("hard"), "second name");
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        refused(&at("pipe"), "pipe");

        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    /// XH03.
    #[test]
    fn xh03_files_are_for_their_owner_only() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("f");
        open(&path, true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        open(&path, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_missing_is_made_only_on_request() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("f");
        assert!(matches!(
            open(&path, false),
            Err(StoreError::Missing { .. })
        ));
        assert_eq!(exists(&path), Ok(false));
        open(&path, true).unwrap();
        assert_eq!(exists(&path), Ok(true));
    }
}
