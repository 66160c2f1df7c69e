//! One executor of two: a step says which of them makes its attempts.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::process::Local;
use super::slurm::Slurm;
use super::{Executor, Found, Job, Report, Stop, Waker};
use crate::run::Attempt;

/// This machine, and Slurm where a plan asks for it.
pub struct Both {
    local: Local,
    slurm: Option<Slurm>,
}

impl Both {
    pub fn new(local: Local) -> Both {
        Both { local, slurm: None }
    }

    /// The same with Slurm, which wakes the local one when it has something to report.
    #[must_use]
    pub fn with(self, slurm: Slurm) -> Both {
        Both {
            slurm: Some(slurm),
            ..self
        }
    }
}

impl Executor for Both {
    fn start(&mut self, job: Job) -> io::Result<()> {
        match (&job.slurm, &mut self.slurm) {
            (None, _) => self.local.start(job),
            (Some(_), Some(slurm)) => slurm.start(job),
            (Some(_), None) => Err(io::Error::other("nobody has made ready for Slurm")),
        }
    }

    fn expect(&mut self, attempts: usize) {
        if self.slurm.is_none() {
            self.local.expect(attempts);
        }
    }

    fn ahead(&self) -> usize {
        self.local.ahead()
    }

    fn queues_behind(&self) -> bool {
        // Steps of which one runs here and one elsewhere have no slot in common.
        self.slurm.is_none() && self.local.queues_behind()
    }

    fn pause(&mut self) {
        self.local.pause();
        self.slurm.iter_mut().for_each(Slurm::pause);
    }

    fn unpause(&mut self) {
        self.local.unpause();
        self.slurm.iter_mut().for_each(Slurm::unpause);
    }

    fn stop(&mut self, attempt: Attempt, how: Stop) {
        // Whoever has it, stops it.
        self.local.stop(attempt, how);
        if let Some(slurm) = &mut self.slurm {
            slurm.stop(attempt, how);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>, reports: &mut Vec<Report>) -> io::Result<()> {
        let Some(slurm) = &mut self.slurm else {
            return self.local.wait(timeout, reports);
        };
        slurm.wait(Some(Duration::ZERO), reports)?;
        let timeout = match reports.is_empty() {
            true => timeout,
            false => Some(Duration::ZERO),
        };
        self.local.wait(timeout, reports)?;
        slurm.wait(Some(Duration::ZERO), reports)
    }

    fn waker(&self) -> Waker {
        self.local.waker()
    }

    fn hold(&mut self, attempt: Attempt, locks: Vec<Arc<File>>) {
        if let Some(slurm) = &mut self.slurm {
            slurm.hold(attempt, locks);
        }
    }

    fn recover(&mut self, claimed: &[Attempt]) -> io::Result<Vec<(Attempt, Found)>> {
        let here = self.local.recover(claimed)?;
        let Some(slurm) = &mut self.slurm else {
            return Ok(here);
        };
        let there = slurm.recover(claimed)?;
        let found = here.into_iter().zip(there);
        // Nobody has both begun it.
        let found = found.map(|(here, there)| match there.1 {
            Found::NeverRan => here,
            _ => there,
        });
        Ok(found.collect())
    }
}
