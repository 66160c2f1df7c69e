//! Locks on ranges of bytes that belong to an open file, not to a process.
//!
//! These are Linux's *open file description* locks. The kernel frees one when
//! the last descriptor of that open file is closed, however that comes about:
//! so a lock dies with its holder, and yet can be handed to another process by
//! handing it the descriptor. Two openings of one file exclude each other even
//! within a process. Nothing needs to be at the locked bytes.
//!
//! A child that is forked without exec shares the open file and with it the
//! lock, until it closes its descriptor.
//!
//! This file does not know what is guarded.

use std::fs::File;
use std::io;
use std::ops::Range;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// Locks the bytes for this open file alone, if nobody else has any of them.
/// Bytes it has already stay locked either way.
///
/// # Errors
/// The file system knows no such locks, or the kernel has no room for one more.
pub(crate) fn try_lock(file: &File, bytes: Range<u64>) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&request(libc::F_WRLCK, &bytes))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Locks the bytes for this open file alone, however long that takes.
///
/// # Errors
/// As for [`try_lock`].
pub(crate) fn lock(file: &File, bytes: Range<u64>) -> io::Result<()> {
    wait(file, request(libc::F_WRLCK, &bytes))
}

/// Waits until nobody else holds any of the bytes, and takes none of them.
///
/// It is a shared lock that is waited for, so that any number of waiters go on
/// together; while they do, for an instant, a [`try_lock`] may fail.
///
/// # Errors
/// As for [`try_lock`].
pub(crate) fn wait_unlocked(file: &File, bytes: Range<u64>) -> io::Result<()> {
    wait(file, request(libc::F_RDLCK, &bytes))?;
    unlock(file, bytes)
}

/// Gives up the bytes of this open file.
///
/// # Errors
/// The kernel has no room to split a lock in two.
pub(crate) fn unlock(file: &File, bytes: Range<u64>) -> io::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&request(libc::F_UNLCK, &bytes)))?;
    Ok(())
}

/// Some lock of another open file that reaches into the bytes: all of that
/// lock's range. Which one, if there are several, is up to the kernel.
///
/// # Errors
/// The file system knows no such locks.
pub(crate) fn conflict(file: &File, bytes: Range<u64>) -> io::Result<Option<Range<u64>>> {
    let mut found = request(libc::F_WRLCK, &bytes);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut found))?;
    if i32::from(found.l_type) == libc::F_UNLCK {
        return Ok(None);
    }
    let start = found.l_start.cast_unsigned();
    let end = match found.l_len.cast_unsigned() {
        0 => u64::MAX, // to the end of the file, wherever that will be
        len => start + len,
    };
    Ok(Some(start..end))
}

fn wait(file: &File, what: libc::flock) -> io::Result<()> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&what)) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

fn request(kind: i32, bytes: &Range<u64>) -> libc::flock {
    debug_assert!(bytes.start < bytes.end, "a length of 0 would mean the rest");
    // The constants and the fields are of different widths from system to
    // system; the values fit all of them.
    libc::flock {
        l_type: kind as _,
        l_whence: libc::SEEK_SET as _,
        l_start: bytes.start.cast_signed(),
        l_len: (bytes.end - bytes.start).cast_signed(),
        l_pid: 0, // must be 0 for locks of this kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice() -> (tempfile::TempDir, File, File) {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("f");
        let open = || crate::store::files::open(&path, true).unwrap();
        let (a, b) = (open(), open());
        (tmp, a, b)
    }

    #[test]
    fn two_openings_exclude_each_other_where_they_overlap() {
        let (_tmp, a, b) = twice();
        assert!(try_lock(&a, 0..2).unwrap());
        assert!(!try_lock(&b, 1..3).unwrap());
        assert!(try_lock(&b, 2..3).unwrap());
        assert!(
            try_lock(&a, 0..2).unwrap(),
            "one's own locks are no hindrance"
        );
    }

    #[test]
    fn the_conflicting_range_is_told_in_full() {
        let (_tmp, a, b) = twice();
        assert!(try_lock(&a, 3..7).unwrap());
        assert_eq!(conflict(&b, 0..5).unwrap(), Some(3..7));
        assert_eq!(conflict(&b, 0..3).unwrap(), None);
        assert_eq!(conflict(&a, 0..5).unwrap(), None);
    }

    #[test]
    fn the_lock_ends_with_the_last_descriptor_of_the_opening() {
        let (_tmp, a, b) = twice();
        assert!(try_lock(&a, 0..1).unwrap());
        let copy = a.try_clone().unwrap();
        drop(a);
        assert!(!try_lock(&b, 0..1).unwrap());
        drop(copy);
        assert!(try_lock(&b, 0..1).unwrap());
    }

    #[test]
    fn waiting_ends_when_the_bytes_are_free_and_takes_nothing() {
        let (_tmp, a, b) = twice();
        assert!(try_lock(&a, 0..1).unwrap());
        std::thread::scope(|s| {
            let waiter = s.spawn(|| wait_unlocked(&b, 0..1));
            drop(a);
            waiter.join().unwrap().unwrap();
        });
        let (_, c) = (&b, b.try_clone().unwrap());
        assert_eq!(conflict(&c, 0..1).unwrap(), None);
    }
}
