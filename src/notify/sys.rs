//! What a program needs of the system before it begins, and the standard library
//! does not do.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// The program hears all signals. This process may have blocked some for itself,
/// and what is blocked is inherited.
pub(super) fn hears_signals(command: &mut Command) {
    let unblock = || {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(io::Error::from)
    };
    // SAFETY: between fork and exec it makes one system call and touches no memory
    // that another thread may have been changing.
    unsafe {
        command.pre_exec(unblock);
    }
}
