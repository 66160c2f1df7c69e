//! Jobs become batches, and batches jobs of Slurm's.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use super::super::clerk::{Errand, Trouble};
use super::super::files::{Batch, Left, batch_name, ends_now, key};
use super::super::submit::{arguments, lay_out, sbatch};
use super::Desk;
use super::asking::rarer;
use super::open::{Open, Sent};
use crate::exec::{Job, Report, errno_of, may_pass};
use crate::run::{Attempt, Exit};

impl<T: Fn(Report) + Send + 'static> Desk<T> {
    pub(super) fn submit_gathered(&mut self, now: Instant) {
        if self.paused || self.gather_until.is_none_or(|until| now < until) {
            return;
        }
        self.gather_until = None;
        let mut alike: Vec<(Vec<String>, Vec<Job>)> = Vec::new();
        let mut places = BTreeMap::new();
        for job in std::mem::take(&mut self.gathered) {
            let arguments = arguments(&job);
            let place = *places.entry(arguments.clone()).or_insert(alike.len());
            if place == alike.len() {
                alike.push((arguments, Vec::new()));
            }
            alike[place].1.push(job);
        }
        for (arguments, mut jobs) in alike {
            while !jobs.is_empty() {
                let rest = jobs.split_off(jobs.len().min(self.together));
                self.submit(&arguments, jobs);
                jobs = rest;
            }
        }
    }

    /// Submits jobs that Slurm is told the same of.
    pub(super) fn submit(&mut self, arguments: &[String], jobs: Vec<Job>) {
        let laid_out = jobs
            .iter()
            .try_for_each(|job| lay_out(&self.shared, &self.config, job));
        let attempts: Vec<(Attempt, Duration)> =
            jobs.iter().map(|job| (job.attempt, job.grace)).collect();
        match laid_out.and_then(|()| self.intend(arguments, &attempts)) {
            Err(e) => self.unwritten(jobs, &e),
            Ok(batch) => {
                let alone = jobs.len() == 1;
                for (index, job) in jobs.into_iter().enumerate() {
                    let index = (!alone).then_some(index as u32);
                    let open = Open {
                        _locks: job.locks,
                        grace: job.grace,
                        arguments: arguments.to_vec(),
                        ..Open::new(job.attempt, batch.clone(), index, Sent::Asked)
                    };
                    self.keep(job.attempt, open);
                }
            }
        }
    }

    /// Writes down what is about to be submitted, and has it submitted.
    pub(super) fn intend(
        &mut self,
        arguments: &[String],
        all: &[(Attempt, Duration)],
    ) -> io::Result<String> {
        if let Some(bad) = arguments.iter().find(|word| word.contains(['\n', '\0'])) {
            let why = format!("Slurm cannot be asked for this: {bad:?}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        self.batches += 1;
        let name = batch_name(&self.config.run_id, self.config.epoch, self.batches);
        let batch = Batch {
            name: name.clone(),
            arguments: arguments.to_vec(),
            attempts: all
                .iter()
                .map(|(attempt, grace)| (key(*attempt), *grace))
                .collect(),
        };
        self.shared.intend(&batch)?;
        let mut words = arguments.to_vec();
        words.extend(sbatch(
            &self.shared,
            &self.config.site.program,
            &name,
            all.len(),
        ));
        self.send(Errand::Submit {
            batch: name.clone(),
            words,
        });
        Ok(name)
    }

    pub(super) fn send(&self, errand: Errand) {
        // A clerk that is gone shows by answers that do not come.
        let _ = self.clerk.send(errand);
    }

    /// That they are to be submitted could not be written down, so they are not.
    pub(super) fn unwritten(&mut self, jobs: Vec<Job>, e: &io::Error) {
        if may_pass(e) {
            self.gathered.extend(jobs);
            self.paused = true;
            self.report(Report::Unrecordable {
                error: e.to_string(),
            });
            return;
        }
        for job in jobs {
            let exit = Exit::FailedToStart {
                errno: format!("{:?}", errno_of(e)),
            };
            let done = ends_now(exit, Some(format!("it cannot be given to Slurm: {e}")));
            self.finish(job.attempt, done);
        }
    }

    pub(super) fn submitted(&mut self, batch: &str, how: Result<String, Trouble>) {
        match how {
            Ok(_) => {
                self.refusals = 0;
                let from = self.looks + 1;
                for attempt in self.asked_in(batch) {
                    self.is_sent(attempt, Sent::Yes { from });
                }
                self.look_in(self.config.site.poll);
            }
            Err(Trouble { refused: true, why }) => self.refused(batch, &why),
            Err(Trouble { why, .. }) => {
                for attempt in self.asked_in(batch) {
                    self.is_sent(attempt, Sent::Unsure);
                    self.say(attempt, format!("Slurm has not taken it yet: {why}").into());
                }
                self.refusals += 1;
                let pause = rarer(self.config.site.poll, self.refusals);
                self.look_in(pause);
            }
        }
    }

    /// Attempts of this batch that sbatch has been at until now.
    fn asked_in(&self, batch: &str) -> Vec<Attempt> {
        let open = self.open.iter();
        open.filter(|(_, open)| open.batch == batch && open.sent == Sent::Asked)
            .map(|(attempt, _)| *attempt)
            .collect()
    }

    fn is_sent(&mut self, attempt: Attempt, sent: Sent) {
        if let Some(open) = self.open.get_mut(&attempt) {
            open.sent = sent;
        }
    }

    pub(super) fn refused(&mut self, batch: &str, why: &str) {
        let its = self.asked_in(batch);
        if its.len() > 1 && why.contains("array") {
            // This site's limit of an array is lower.
            self.together = (its.len() / 2).max(1);
            return self.submit_again(&its);
        }
        for attempt in its {
            let exit = Exit::FailedToStart {
                errno: "EINVAL".into(),
            };
            let done = ends_now(exit, Some(format!("Slurm refuses it: {why}")));
            self.finish(attempt, done);
        }
    }

    /// Submits what may never have been submitted, or was in vain. That it may be with
    /// Slurm twice then does no harm: it begins once.
    pub(super) fn submit_again(&mut self, all: &[Attempt]) {
        let mut alike: BTreeMap<Vec<String>, Vec<(Attempt, Duration)>> = BTreeMap::new();
        for attempt in all {
            if let Some(open) = self.open.get(attempt) {
                let same = alike.entry(open.arguments.clone()).or_default();
                same.push((*attempt, open.grace));
            }
        }
        for (arguments, all) in alike {
            for some in all.chunks(self.together) {
                // Where it cannot be written down, it stays as it is, and is tried again.
                let Ok(batch) = self.intend(&arguments, some) else {
                    continue;
                };
                for (index, (attempt, _)) in some.iter().enumerate() {
                    if let Some(open) = self.open.get_mut(attempt) {
                        open.batch.clone_from(&batch);
                        open.index = (some.len() > 1).then_some(index as u32);
                        open.sent = Sent::Asked;
                        open.row = None;
                        open.unknown = false;
                    }
                }
            }
        }
    }

    pub(super) fn take_over(&mut self, attempt: Attempt, left: Left) {
        let index = (!left.alone).then_some(left.index);
        let open = Open {
            grace: left.grace,
            arguments: left.arguments,
            claim: left.claim.filter(|claim| !claim.fenced),
            ..Open::new(attempt, left.batch, index, Sent::Unsure)
        };
        self.keep(attempt, open);
    }
}
