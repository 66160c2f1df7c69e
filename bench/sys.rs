//! The system calls that the standard library and `nix` do not offer in a safe
//! form. All `unsafe` of the benchmarks is here.

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::ptr;
use std::time::Duration;

/// A program and its arguments, ready to be started as often as one likes.
pub struct Program {
    _words: Vec<CString>,
    argv: Vec<*const c_char>,
    stack: Vec<u8>,
}

/// What the child has: it shares our memory until it becomes the program.
#[repr(C)]
struct Start {
    argv: *const *const c_char,
}

unsafe extern "C" {
    static environ: *const *const c_char;
}

extern "C" fn become_the_program(start: *mut c_void) -> c_int {
    // SAFETY: `start` lives in the parent's frame, which is suspended.
    unsafe {
        let start = &*start.cast::<Start>();
        libc::execve(*start.argv, start.argv, environ);
        libc::_exit(127)
    }
}

impl Program {
    /// The first word is the program's path.
    pub fn new(words: &[String]) -> Program {
        let words: Vec<CString> = words
            .iter()
            .map(|word| CString::new(word.as_bytes()).expect("no word holds a zero"))
            .collect();
        let mut argv: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
        argv.push(ptr::null());
        Program {
            _words: words,
            argv,
            stack: vec![0; 64 * 1024],
        }
    }

    /// Starts it as `vfork` and `exec` do, and nothing more.
    ///
    /// # Errors
    /// No room for another process.
    pub fn start(&mut self) -> io::Result<()> {
        let mut start = Start {
            argv: self.argv.as_ptr(),
        };
        let top = self.stack.len() & !15;
        // SAFETY: this process is suspended until the child has become the
        // program or has ended, so the stack and `start` outlive its use of
        // them. The child calls nothing that allocates or locks.
        let pid = unsafe {
            libc::clone(
                become_the_program,
                self.stack.as_mut_ptr().add(top).cast(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                ptr::from_mut(&mut start).cast(),
            )
        };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// Waits until some child has ended; gives its process id and its exit code.
/// One that a signal ended has 128 and the signal's number.
///
/// # Errors
/// There is no child.
pub fn wait_any() -> io::Result<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let pid = unsafe { libc::waitpid(-1, &mut status, 0) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let code = if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    };
    Ok((pid, code))
}

/// What all children used that have ended and were waited for, and theirs.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub user: Duration,
    pub system: Duration,
    /// The most memory that any one of them ever held, in KiB.
    pub peak_kib: u64,
    /// How often they let go of the processor of their own accord.
    pub switches: u64,
    /// How often they touched a page that was not theirs yet.
    pub faults: u64,
}

pub fn used_by_children() -> Used {
    // SAFETY: an all-zero value is a valid one, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs())
            + Duration::from_micros(t.tv_usec.unsigned_abs())
    };
    Used {
        user: time(usage.ru_utime),
        system: time(usage.ru_stime),
        peak_kib: usage.ru_maxrss.unsigned_abs(),
        switches: usage.ru_nvcsw.unsigned_abs(),
        faults: usage.ru_minflt.unsigned_abs(),
    }
}
