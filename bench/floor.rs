//! What the machine can do at all: the floors that every tool stands on.
//!
//! Each is a process of its own that does one thing, so that nothing else is
//! in its measure: programs started in a bare loop, and bytes written to a
//! file. The printing step is here too, since it must write as fast as the floor.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use crate::sys::{self, Program};

/// Bytes that are written with one call.
const BLOCK: usize = 64 * 1024;

/// Runs a command so often, so many at once: vfork, exec, wait, and nothing else.
///
/// # Errors
/// A child cannot be started, or fails.
pub fn spawn(times: usize, at_once: usize, command: &[String]) -> io::Result<()> {
    let mut program = Program::new(command);
    let (mut started, mut ended) = (0, 0);
    while ended < times {
        while started < times && started - ended < at_once {
            program.start()?;
            started += 1;
        }
        let (_, code) = sys::wait_any()?;
        if code != 0 {
            return Err(io::Error::other(format!("a child ended with {code}")));
        }
        ended += 1;
    }
    Ok(())
}

/// Writes lines of text, so many MiB.
///
/// # Errors
/// The system's.
pub fn print(mib: usize, mut to: impl Write) -> io::Result<()> {
    let block: Vec<u8> = (0..BLOCK)
        .map(|at| {
            if at % 80 == 79 {
                b'\n'
            } else {
                b'a' + (at % 26) as u8
            }
        })
        .collect();
    (0..mib * (1024 * 1024 / BLOCK)).try_for_each(|_| to.write_all(&block))
}

/// Writes them into a new file.
///
/// # Errors
/// The system's.
pub fn write(path: &Path, mib: usize) -> io::Result<()> {
    print(mib, File::create(path)?)
}

/// The standard output, past the buffer that would copy every block.
pub fn stdout() -> File {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    File::from(stdout.expect("the standard output is open"))
}
