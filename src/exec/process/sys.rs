//! The system calls that neither the standard library nor `nix` offers in a
//! safe form. All `unsafe` of this room is here, and each wrapper does one thing.
//!
//! Nothing here knows attempts, slots or records.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::rc::Rc;

use nix::errno::Errno;
use nix::unistd::Pid;

/// Makes a copy of this process that runs `child` and nothing else.
///
/// The copy has one thread. `child` may allocate, but must not print, touch
/// the environment or take any lock that another thread of the original may
/// have held; a panic ends the copy instead of returning into the original's code.
///
/// # Errors
/// No room for another process.
pub fn fork(child: impl FnOnce() -> c_int) -> io::Result<Pid> {
    // SAFETY: the child runs only `child`, under the contract above, and never
    // returns from here.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            exit_now(code.unwrap_or(70))
        }
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Ends this process without running anything that was registered for its end.
pub fn exit_now(code: c_int) -> ! {
    // SAFETY: no preconditions.
    unsafe { libc::_exit(code) }
}

/// Closes every file descriptor above 2 but those kept, which are all above 2.
///
/// Only for a process just forked, before it has opened anything.
pub fn close_all_but(kept: &mut [RawFd]) {
    kept.sort_unstable();
    let before = kept.iter().map(|&kept| kept as libc::c_uint);
    let mut first = 3;
    for end in before.chain([libc::c_uint::MAX]) {
        let (from, last) = (first, end.saturating_sub(1));
        first = end.saturating_add(1);
        if from > last {
            continue;
        }
        // SAFETY: the only owners of these descriptors in this process are
        // values of the original's that the copy never touches or drops.
        if unsafe { libc::syscall(libc::SYS_close_range, from, last, 0) } != 0 {
            close_one_by_one(from, last);
        }
    }
}

/// For kernels before 5.9.
fn close_one_by_one(first: libc::c_uint, last: libc::c_uint) {
    let open: Vec<libc::c_uint> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| (first..=last).contains(fd)) {
        // SAFETY: as in `close_all_but`.
        unsafe { libc::close(fd as c_int) };
    }
}

/// Puts `file` in the place of descriptor `target`, to be inherited.
///
/// # Errors
/// The system's.
pub fn place(file: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    // SAFETY: used for the standard streams only, which nobody owns.
    match unsafe { libc::dup2(file.as_raw_fd(), target) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Gives every signal its default disposition, real-time signals included.
///
/// Past the C library, which keeps two of them for itself, and lets what it
/// starts ignore those.
pub fn default_signals() {
    const SET_BYTES: usize = 8;
    // All zero is the default handler, without flags, on every architecture.
    let default = [0u64; 8];
    for signal in 1..=64 {
        let none: *mut c_void = ptr::null_mut();
        // SAFETY: no handler is installed, and `default` is longer than the
        // kernel's structure. Signals that cannot be changed refuse, which is as well.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                none,
                SET_BYTES,
            )
        };
    }
}

/// What a child did, as the kernel tells its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Exited(i32),
    Signaled { signal: i32, core: bool },
}

/// What a parent learns when it asks without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// This child has ended and is now gone.
    Child(Pid, Ended),
    /// There are children, and none of them has ended.
    NoneYet,
    /// There is no child at all: the proof that nothing is left.
    NoChildren,
}

/// Takes the end of one child, if one has ended; never waits.
///
/// Not `nix::sys::wait`, which fails for a child that a real-time signal ended.
pub fn reap() -> Reaped {
    loop {
        // SAFETY: a zeroed siginfo is valid, and the call fills it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` outlives the call.
        let answer =
            unsafe { libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED | libc::WNOHANG) };
        if answer == -1 {
            match Errno::last() {
                Errno::EINTR => continue,
                _ => return Reaped::NoChildren,
            }
        }
        // SAFETY: for waitid these are the fields that are set (zero, if nothing has ended).
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if pid == 0 {
            return Reaped::NoneYet;
        }
        let ended = match info.si_code {
            libc::CLD_EXITED => Ended::Exited(status),
            code => Ended::Signaled {
                signal: status,
                core: code == libc::CLD_DUMPED,
            },
        };
        return Reaped::Child(Pid::from_raw(pid), ended);
    }
}

/// Waits for one child, and takes its exit code; zero where somebody else has
/// taken it, or the system was told to throw the ends of children away.
pub fn wait_for(pid: Pid) -> c_int {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    while unsafe { libc::waitpid(pid.as_raw(), &mut status, 0) } == -1 {
        if Errno::last() != Errno::EINTR {
            return 0;
        }
    }
    libc::WEXITSTATUS(status)
}

/// A handle on a process, which never comes to mean another one.
///
/// # Errors
/// `ESRCH`: there is none.
pub fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    match unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the descriptor is new and nobody else's.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }),
    }
}

/// # Errors
/// `ESRCH`: the process is gone. `EPERM`: it is not ours to signal.
pub fn pidfd_signal(process: &OwnedFd, signal: c_int) -> io::Result<()> {
    let no_info: *const c_void = ptr::null();
    // SAFETY: a null siginfo is allowed.
    match unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            no_info,
            0,
        )
    } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A program about to run. Everything is laid out beforehand, since between
/// the clone and the exec the child shares this process's memory.
pub struct Image {
    /// Tried in this order, as a search of PATH does.
    pub paths: Vec<CString>,
    pub argv: Vec<CString>,
    pub env: Vec<Rc<CStr>>,
    pub cwd: CString,
}

/// What failed, where a program did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Clone,
    WorkingDirectory,
    Streams,
    Exec,
}

/// The stack of the child between clone and exec. Reused; its pages stay few.
pub struct Stack(Box<[u64]>);

impl Stack {
    pub fn new() -> Self {
        // The child's deepest call is a plain execve.
        Stack(vec![0; 32 * 1024 / 8].into_boxed_slice())
    }
}

struct Child<'a> {
    image: &'a Image,
    argv: Vec<*const c_char>,
    env: Vec<*const c_char>,
    streams: [RawFd; 3],
    failed: Option<(Stage, Errno)>,
}

/// Starts a program in a process group of its own, with an empty signal mask.
///
/// The calling process must have one thread and no signal handler, and all its
/// own descriptors close-on-exec. Then a clone that borrows
/// its memory until the exec (what `posix_spawn` does) is exact and cheap: the
/// child says which step failed, and the search of the step's own PATH costs no
/// further process. glibc's own `posix_spawn` makes a system call for each of
/// the 64 signals and searches the caller's PATH.
///
/// # Errors
/// The program does not run: what failed, and how.
pub fn spawn(
    image: &Image,
    streams: [BorrowedFd<'_>; 3],
    stack: &mut Stack,
) -> Result<Pid, (Stage, Errno)> {
    let mut child = Child {
        image,
        argv: pointers(&image.argv),
        env: pointers(&image.env),
        streams: streams.map(|stream| stream.as_raw_fd()),
        failed: None,
    };
    let top = stack.0.as_mut_ptr_range().end.cast::<c_void>();
    // SAFETY: `top` is the 16-byte aligned end of a live buffer; CLONE_VFORK
    // keeps this process still until the child has left `become_image`, so all
    // that `child` borrows outlives its use there.
    let pid = unsafe {
        libc::clone(
            become_image,
            top.wrapping_sub(top.addr() % 16),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            (&raw mut child).cast(),
        )
    };
    if pid == -1 {
        return Err((Stage::Clone, Errno::last()));
    }
    let pid = Pid::from_raw(pid);
    // SAFETY: the child wrote behind the compiler's back, if it did, and is done.
    match unsafe { (&raw const child.failed).read_volatile() } {
        None => Ok(pid),
        Some(failed) => {
            wait_for(pid);
            Err(failed)
        }
    }
}

/// Where the texts are, and a null behind the last.
fn pointers(texts: &[impl AsRef<CStr>]) -> Vec<*const c_char> {
    let mut pointers = Vec::with_capacity(texts.len() + 1);
    pointers.extend(texts.iter().map(|text| text.as_ref().as_ptr()));
    pointers.push(ptr::null());
    pointers
}

/// The child's life between clone and exec: system calls, and nothing that
/// allocates, locks or unwinds.
extern "C" fn become_image(child: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes its `Child` and is suspended while this runs.
    let child = unsafe { &mut *child.cast::<Child<'_>>() };
    // SAFETY: all pointers are to null-terminated texts and arrays of `spawn`.
    unsafe {
        libc::setpgid(0, 0);
        child.failed = Some(if libc::chdir(child.image.cwd.as_ptr()) != 0 {
            (Stage::WorkingDirectory, Errno::last())
        } else if let Err(errno) = take_streams(&child.streams) {
            (Stage::Streams, errno)
        } else {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
            // Success does not return, and so leaves `failed` empty.
            (Stage::Exec, exec_first(child))
        });
        libc::_exit(127)
    }
}

/// Makes the three streams descriptors 0, 1 and 2, and inherited.
///
/// Only for a process that is about to be another's program, or in its place.
///
/// # Errors
/// The system's.
pub fn take_streams(streams: &[RawFd; 3]) -> Result<(), Errno> {
    for (target, &stream) in (0..).zip(streams) {
        // SAFETY: only descriptors of the child's own table change.
        let answer = unsafe {
            match stream == target {
                true => libc::fcntl(target, libc::F_SETFD, 0),
                false => libc::dup2(stream, target),
            }
        };
        if answer == -1 {
            return Err(Errno::last());
        }
    }
    Ok(())
}

/// Runs the first of the paths that can be run; answers only if none can,
/// with the error that `execvpe` would give.
fn exec_first(child: &Child<'_>) -> Errno {
    let mut answer = Errno::ENOENT;
    for path in &child.image.paths {
        // SAFETY: as in `become_image`.
        unsafe { libc::execve(path.as_ptr(), child.argv.as_ptr(), child.env.as_ptr()) };
        match Errno::last() {
            Errno::EACCES => answer = Errno::EACCES,
            Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE | Errno::ENODEV | Errno::ETIMEDOUT => {}
            stops => return stops,
        }
    }
    answer
}

/// Makes the answer the owner of a descriptor.
///
/// For one that came with a message, and for one whose owner is a value of the
/// original's, which in this copy of the process is never touched or dropped.
pub fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: by the caller's word nobody else uses or closes it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
