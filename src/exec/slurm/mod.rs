//! The executor that has attempts made by Slurm, on the nodes of a cluster.
//!
//! ```text
//! engine ─ Slurm ─ desk ──┬── shared directory: jobs, claims, results, logs ──┐
//!                         └── clerk ─ sbatch, squeue, scancel ─ controller    │
//!                                                                 │           │
//!                                                  node: attempt.sh ─ node.rs ┘
//! ```
//!
//! A job of Slurm's is one attempt, found by the attempt's own key; ids of jobs are
//! used again after a crash of the controller, and are hints here. What the nodes
//! write into the [shared directory](files) is the truth, and what Slurm says of a
//! job is believed only where nothing is written and nothing more can be:
//!
//! - That an attempt is to be submitted is written down before it is. Whoever is not
//!   sure whether it was, submits it again.
//! - Whoever begins an attempt first makes its *claim*, a file that can be made only
//!   once. So it begins once, however often it was submitted, or started again by a
//!   controller that had forgotten it; and who makes the claim and does not begin it
//!   has seen to it that nobody ever will.
//! - What became of it is its *result*. While it runs, its node touches the claim.
//!
//! [`judge`] decides what is true of an attempt by all of this. The [`desk`] is the
//! one thread that looks, the [`clerk`](clerk) another one that talks to Slurm, since
//! a controller that is down keeps whoever asks it waiting.

mod clerk;
mod desk;
pub mod doctor;
mod files;
mod judge;
mod node;
mod site;
mod submit;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

pub use self::files::FOLDER;
pub use self::node::run as run_on_node;
pub use self::site::Site;

use self::desk::{Desk, Known, Told};
use self::files::Shared;
use super::{Executor, Found, Job, Report, Stop, Waker};
use crate::run::Attempt;

/// What the executor must know of the run.
#[derive(Clone, Debug)]
pub struct SlurmConfig {
    /// The run's own directory: absolute, there already, private to the user.
    pub run_dir: PathBuf,
    pub run_id: String,
    /// Never used before for this run, and higher than all that were.
    pub epoch: u32,
    /// Hard to guess.
    pub nonce: String,
    /// What no output may show.
    pub secrets: Vec<String>,
    pub site: Site,
}

/// Has attempts made by Slurm.
pub struct Slurm {
    shared: Shared,
    desk: Sender<Told>,
    reports: Receiver<Option<Report>>,
    bell: Sender<Option<Report>>,
}

impl Slurm {
    /// Opens the run's shared directory, and begins to look after it. `elsewhere` is
    /// woken as well when there is something to report.
    ///
    /// # Errors
    /// The directory cannot be used, or there is no room for another thread.
    pub fn new(config: SlurmConfig, elsewhere: Waker) -> io::Result<Slurm> {
        let shared = Shared::make(&config)?;
        let (desk, told) = channel();
        let (bell, reports) = channel();
        let tell = {
            let bell = bell.clone();
            move |report| {
                // Nobody listens any more once the engine has gone.
                let _ = bell.send(Some(report));
                elsewhere.wake();
            }
        };
        Desk::open(shared.clone(), config, told, desk.clone(), tell)?;
        Ok(Slurm {
            shared,
            desk,
            reports,
            bell,
        })
    }

    fn tell(&self, told: Told) -> io::Result<()> {
        let gone = |_| io::Error::other("the thread that looks after Slurm is gone");
        self.desk.send(told).map_err(gone)
    }
}

impl Executor for Slurm {
    fn start(&mut self, job: Job) -> io::Result<()> {
        self.tell(Told::Start(Box::new(job)))
    }

    /// What waits in Slurm's own queue may begin all the same: only Slurm could keep
    /// it from that, and might not be reached.
    fn pause(&mut self) {
        let _ = self.tell(Told::Pause);
    }

    fn unpause(&mut self) {
        let _ = self.tell(Told::Unpause);
    }

    fn stop(&mut self, attempt: Attempt, how: Stop) {
        let _ = self.tell(Told::Stop(attempt, how));
    }

    fn wait(&mut self, timeout: Option<Duration>, reports: &mut Vec<Report>) -> io::Result<()> {
        let gone = || io::Error::other("the thread that looks after Slurm is gone");
        let first = match timeout {
            None => self.reports.recv().map_err(|_| gone())?,
            Some(timeout) => match self.reports.recv_timeout(timeout) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            },
        };
        reports.extend(first);
        reports.extend(self.reports.try_iter().flatten());
        Ok(())
    }

    fn waker(&self) -> Waker {
        let bell = self.bell.clone();
        Waker::new(move || {
            // Nobody is to be woken who is gone.
            let _ = bell.send(None);
        })
    }

    fn hold(&mut self, attempt: Attempt, locks: Vec<Arc<std::fs::File>>) {
        let _ = self.tell(Told::Hold(attempt, locks));
    }

    fn recover(&mut self, claimed: &[Attempt]) -> io::Result<Vec<(Attempt, Found)>> {
        let found = self.shared.recover(claimed)?;
        let mut all = Vec::with_capacity(claimed.len());
        let mut known = Vec::new();
        for (attempt, left) in claimed.iter().zip(found) {
            let Some(left) = left else {
                all.push((*attempt, Found::NeverRan));
                continue;
            };
            all.push((*attempt, left.found()));
            known.push(Known {
                attempt: *attempt,
                left,
            });
        }
        self.tell(Told::Known(known))?;
        Ok(all)
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        let _ = self.tell(Told::Leave);
    }
}

/// Where an attempt that runs on a node writes, if it does.
pub fn live_output(run_dir: &Path, attempt: Attempt) -> Option<super::process::LiveOutput> {
    let shared = Shared::of(run_dir)?;
    let own = shared.job(&files::key(attempt));
    super::process::live_output(&own, attempt).or_else(|| shared.shell_output(attempt))
}
