//! Executors: what makes an attempt happen in the world.
//!
//! An executor is told to start and to stop attempts and answers with reports.
//! It decides nothing: what a failed attempt means, whether it is made again,
//! what comes next is the core's business. It does not know the store, and it
//! never learns what else is in the plan.

#[cfg(target_os = "linux")]
mod builtin;
pub mod process;
pub mod slurm;

mod both;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use self::both::Both;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::plan::Slurm;
use crate::plan::builtin::Question;
pub use crate::run::Stop;
use crate::run::{Attempt, Exit, Millis, Output};

/// What an executor gets: one attempt, with nothing left to look up.
#[derive(Clone, Debug)]
pub struct Job {
    pub attempt: Attempt,
    /// Program and arguments; a shell script comes as `/bin/sh -c SCRIPT`.
    pub argv: Vec<String>,
    /// What to find out instead of running a program; then `argv` means nothing.
    pub builtin: Option<Box<Question>>,
    /// Absolute.
    pub cwd: Arc<str>,
    /// Over the environment that the executor was made with.
    pub env: Vec<(String, String)>,
    pub stdin: Option<String>,
    pub timeout: Option<Duration>,
    pub grace: Duration,
    /// Output files of its own instead of a range of the slot's.
    pub own_log: bool,
    /// At most so many bytes of each stream are kept; without, all.
    pub max_output: Option<u64>,
    /// What is asked of Slurm, if the attempt is to be made there.
    pub slurm: Option<Arc<Slurm>>,
    /// Locks the attempt runs under. They are held until the last of its
    /// processes is gone, even if the engine dies first.
    pub locks: Vec<Arc<std::fs::File>>,
    /// Begins only when this attempt, which the executor has, has ended
    /// [plainly](Done::is_plain); after any other end it is [returned](Report::Returned).
    /// Only for executors that [queue behind](Executor::queues_behind).
    pub behind: Option<Attempt>,
}

/// The only ways in which an executor answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The program is about to run, or was found running by a resumed engine; on
    /// that node, if not on this machine.
    Accepted {
        attempt: Attempt,
        node: Option<Box<str>>,
    },
    /// The attempt waits where it is to run, for this reason. Comes again when the
    /// reason changes.
    Queued { attempt: Attempt, why: Box<str> },
    /// The attempt ended, and nothing of it is left.
    Finished { attempt: Attempt, done: Done },
    /// The attempt ran and will never report: its supervisor is gone.
    /// Nothing of it is left.
    Interrupted { attempt: Attempt },
    /// The attempt was to begin behind another, which did not end plainly. It
    /// never began, and is the engine's again. Comes after the other's report.
    Returned { attempt: Attempt },
    /// That an attempt starts could not be written down, so it did not, for a
    /// reason that may pass (a full disk). It waits here, and the executor is
    /// [paused](Executor::pause).
    Unrecordable { error: String },
}

/// An executor's own records cannot be kept, for a reason that does not pass:
/// the error within the `io::Error` of the call that met it.
#[derive(Debug)]
pub struct Unrecorded(pub String);

impl std::error::Error for Unrecorded {}

impl fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether what could not be written may be written later: there is no room, or the
/// file system must not be changed now. A failed device is not such a thing: what it
/// does next is not to be believed.
fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem
    )
}

/// The system's name of what failed.
fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))
}

/// What is known of an attempt when it has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    #[serde(flatten)]
    pub exit: Exit,
    /// Wall clock, as read by whoever started the program.
    pub started_at: Millis,
    /// `started_at` plus the time that passed on a clock that never jumps.
    pub ended_at: Millis,
    #[serde(default, skip_serializing_if = "Output::is_empty")]
    pub output: Output,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<Box<str>, Box<str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Done {
    /// An end that left nothing but this.
    pub fn without_output(exit: Exit, started_at: Millis, ended_at: Millis) -> Done {
        Done {
            exit,
            started_at,
            ended_at,
            output: Output::default(),
            outputs: BTreeMap::new(),
            leaked: false,
            error: None,
        }
    }

    /// It exited with 0. What any other end means is for the engine to say.
    pub fn is_plain(&self) -> bool {
        self.exit == Exit::Exited { code: 0 }
    }
}

/// What a resumed engine finds of an attempt that an earlier one claimed.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// It ended while nobody watched.
    Finished(Done),
    /// It goes on under its supervisor, which now answers to this executor; on that
    /// node, if not on this machine.
    Alive { node: Option<Box<str>> },
    /// It was handed over where it is to run, waits there, and is this executor's.
    Waits,
    /// It was allowed to start and never did.
    NeverRan,
    /// It ran, its supervisor is gone, and so is every process of it.
    Interrupted,
}

/// One way of making attempts happen.
pub trait Executor {
    /// Starts an attempt. Asynchronous: what becomes of it comes as a report,
    /// a program that cannot be started included.
    ///
    /// # Errors
    /// The executor itself is broken; the attempt was not started.
    fn start(&mut self, job: Job) -> io::Result<()>;

    /// Says that so many attempts will soon be started, so that whatever can be
    /// put in place for them without starting anything may be put in place now.
    fn expect(&mut self, _attempts: usize) {}

    /// How many attempts beyond those that run may be handed over to wait here.
    /// One that waits starts as soon as another has ended well, without a word to
    /// the engine in between, and until then can be stopped without having run; it
    /// holds its locks while it waits. After [any other end](Done::is_plain) nothing
    /// that waits behind it, or for a place, starts before the next
    /// [`wait`](Executor::wait): the failure may mean that nothing shall. Never do more attempts run than the
    /// executor was made for.
    fn ahead(&self) -> usize {
        0
    }

    /// Whether jobs may say that they begin [behind](Job::behind) another.
    fn queues_behind(&self) -> bool {
        false
    }

    /// Starts nothing that has not begun, until [`unpause`](Executor::unpause).
    /// What runs goes on, and what waits can be stopped.
    fn pause(&mut self) {}

    /// Starts again what waits.
    fn unpause(&mut self) {}

    /// Ends an attempt early. A report still follows. Unknown attempts are ignored.
    fn stop(&mut self, attempt: Attempt, how: Stop);

    /// Waits until a report arrives, somebody calls the [`Waker`], or the
    /// timeout passes (`None` waits for ever), and appends what has arrived.
    ///
    /// # Errors
    /// The executor itself is broken.
    fn wait(&mut self, timeout: Option<Duration>, reports: &mut Vec<Report>) -> io::Result<()>;

    /// Wakes a [`wait`](Executor::wait) from any thread.
    fn waker(&self) -> Waker;

    /// Holds these as long as the attempt goes on, which it [has found](Found) and
    /// which runs where no lock of this machine's does.
    fn hold(&mut self, _attempt: Attempt, _locks: Vec<Arc<std::fs::File>>) {}

    /// For a resumed run: what became of attempts that the log claims and has
    /// no end of. Asked once, before anything is started.
    ///
    /// # Errors
    /// The records cannot be read.
    fn recover(&mut self, claimed: &[Attempt]) -> io::Result<Vec<(Attempt, Found)>>;
}

/// Ends an executor's wait early. Cheap to clone, and harmless when nobody waits.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Waker(Arc::new(wake))
    }

    pub fn wake(&self) {
        (self.0)();
    }
}
