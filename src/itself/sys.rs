//! What a run needs of the system before it begins, and the standard library does
//! not do.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The program leads a session of its own: no terminal and no signal to this
/// process's group reaches it.
pub(super) fn leads_a_session(command: &mut Command) {
    let lead = || nix::unistd::setsid().map(drop).map_err(io::Error::from);
    // SAFETY: between fork and exec it makes one system call and touches no memory
    // that another thread may have been changing.
    unsafe {
        command.pre_exec(lead);
    }
}
