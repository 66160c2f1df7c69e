//! What an engine hears while it drives a run: signals, and the doorbell that
//! other processes ring.
//!
//! One thread sleeps in the kernel until something is to be heard, so listening
//! costs nothing while nothing is said. What it hears it puts into the engine's
//! inbox, and wakes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::Request;
use crate::exec::Waker;
use crate::run::Stopping;
use crate::store::Doorbell;

/// Something for the engine's inbox.
#[derive(Debug)]
pub(super) enum Heard {
    Said(Request),
    /// Somebody has put a request into the store.
    Bell,
}

/// Signals that ask a run to stop. They are blocked in every thread, so that
/// none of them ever interrupts anything, and read like messages.
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals and listens for them. To be called before any other
    /// thread exists, and after supervisors are forked: they have their own.
    ///
    /// # Errors
    /// The system has no room for another descriptor.
    pub fn listen() -> io::Result<Signals> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        // Whoever has us ignore it (`nohup`) wants the run to outlive the terminal.
        // Blocked, it would be heard all the same.
        if !is_ignored(Signal::SIGHUP) {
            set.add(Signal::SIGHUP);
        }
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Signals(SignalFd::with_flags(&set, flags)?))
    }

    /// The name of a signal that has come and that nobody has heard yet.
    pub fn heard(&self) -> Option<&'static str> {
        let signal = self.0.read_signal().ok()??;
        Some(name(signal.ssi_signo as i32))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn name(signal: i32) -> &'static str {
    Signal::try_from(signal).map_or("a signal", Signal::as_str)
}

/// Whether this process was born ignoring a signal. Where the system does not
/// say, it was not.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal as i32 - 1) & 1 == 1)
}

/// The listening thread. It ends when this is dropped.
pub(super) struct Ears {
    /// Closing it is heard by the thread.
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<Option<Signals>>>,
}

impl Ears {
    /// Starts listening.
    ///
    /// # Errors
    /// There is no room for a thread.
    pub fn open(
        signals: Option<Signals>,
        bell: Doorbell,
        inbox: Sender<Heard>,
        waker: Waker,
    ) -> io::Result<Ears> {
        let (stopped, stop) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let thread = std::thread::Builder::new()
            .name("ears".into())
            .spawn(move || {
                let tell = |heard| {
                    // The engine may have gone meanwhile; then there is nobody to tell.
                    let _ = inbox.send(heard);
                    waker.wake();
                };
                listen(signals.as_ref(), &bell, &stopped, tell);
                signals
            })?;
        Ok(Ears {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // Its panic, if any, has been reported where it happened.
            let _ = thread.join();
        }
    }
}

fn listen(signals: Option<&Signals>, bell: &Doorbell, stopped: &OwnedFd, tell: impl Fn(Heard)) {
    let mut asked = 0;
    loop {
        let mut fds = vec![
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
            PollFd::new(bell.as_fd(), PollFlags::POLLIN),
        ];
        if let Some(Signals(signals)) = signals {
            fds.push(PollFd::new(signals.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            // Deaf, but the run goes on.
            Err(_) => return,
        }
        let rings = |at: usize| fds[at].revents().is_some_and(|events| !events.is_empty());
        if rings(0) {
            return;
        }
        if rings(1) {
            if bell.drain().is_err() {
                return;
            }
            tell(Heard::Bell);
        }
        if let Some(Signals(signals)) = signals {
            while let Ok(Some(signal)) = signals.read_signal() {
                asked += 1;
                tell(Heard::Said(stop_by(signal.ssi_signo as i32, asked)));
            }
        }
    }
}

/// The first signal asks politely, the second does not.
fn stop_by(signal: i32, asked: u32) -> Request {
    Request::Stop {
        why: if asked > 1 {
            Stopping::Kill
        } else {
            Stopping::Cancel
        },
        by: name(signal).to_owned(),
    }
}
