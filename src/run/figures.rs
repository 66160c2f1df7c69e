//! What monitoring counts of runs: a fold over a run's events, and sums of it.
//!
//! Everything is counted when a run ends, once: until then it may be told twice
//! or not at all, by engines that die. A run that goes on after its end ends
//! again, and counts again, with what has happened since; so what was tried
//! counts once however often a run was resumed, and no figure ever falls.
//!
//! This does not know where figures are kept, or how they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{
    Attempt, End, Event, Finish, Kind, Millis, Outcome, Reason, Role, RunOutcome, Seq,
};
use super::readiness::Readiness;
use crate::plan::{Plan, Verdict};

/// What has been counted. Sums of figures are figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Ends of runs.
    pub runs: BTreeMap<RunOutcome, u64>,
    /// From a run's beginning, or its going on after an end, to its end.
    pub run_duration: Histogram,
    /// When a run last succeeded.
    pub last_success_at: Option<Millis>,
    /// Ends of steps, those without a program and those that did not run included.
    pub steps: BTreeMap<Outcome, u64>,
    /// Steps that succeeded without running, since what they make is fresh.
    pub fresh: u64,
    /// Attempts at steps, by how they ended.
    pub attempts: BTreeMap<End, u64>,
    /// How long they took: those that ran, and whose end somebody saw.
    pub attempt_duration: Histogram,
    /// How long they waited for a free slot, for locks and for our own doing: see
    /// [`Readiness`](super::readiness::Readiness).
    pub queue_wait: Histogram,
    /// Attempts that were made because one before had failed.
    pub retries: u64,
    /// Attempts at remedies, by how they ended.
    pub remedies: BTreeMap<End, u64>,
}

impl Figures {
    /// Adds what others have counted.
    pub fn add(&mut self, other: &Figures) {
        add_each(&mut self.runs, &other.runs);
        self.run_duration.add(&other.run_duration);
        self.last_success_at = self.last_success_at.max(other.last_success_at);
        add_each(&mut self.steps, &other.steps);
        self.fresh = self.fresh.saturating_add(other.fresh);
        add_each(&mut self.attempts, &other.attempts);
        self.attempt_duration.add(&other.attempt_duration);
        self.queue_wait.add(&other.queue_wait);
        self.retries = self.retries.saturating_add(other.retries);
        add_each(&mut self.remedies, &other.remedies);
    }
}

fn add_each<K: Copy + Ord>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, n) in from {
        let sum = to.entry(*key).or_default();
        *sum = sum.saturating_add(*n);
    }
}

/// Durations, each counted in the smallest bucket that it fits into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Histogram {
    /// By the bucket's upper bound in milliseconds. It is kept with the count, so
    /// that what was counted stays true where bounds are changed.
    counts: BTreeMap<Millis, u64>,
    pub sum_ms: u64,
}

impl Histogram {
    /// The upper bounds of all buckets but the last, which has none.
    pub const BOUNDS: [Millis; 13] = [
        5, 25, 100, 500, 1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 14_400_000,
        86_400_000,
    ];

    fn observe(&mut self, ms: Millis) {
        let bound = Self::BOUNDS.iter().find(|bound| ms <= **bound);
        let bound = *bound.unwrap_or(&Millis::MAX);
        *self.counts.entry(bound).or_default() += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    fn add(&mut self, other: &Histogram) {
        add_each(&mut self.counts, &other.counts);
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.buckets()
            .iter()
            .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// How many are in each bucket: those of [`BOUNDS`](Self::BOUNDS), and the last.
    pub fn buckets(&self) -> [u64; Self::BOUNDS.len() + 1] {
        let mut buckets = [0_u64; Self::BOUNDS.len() + 1];
        for (bound, n) in &self.counts {
            let bucket = &mut buckets[Self::BOUNDS.partition_point(|known| known < bound)];
            *bucket = bucket.saturating_add(*n);
        }
        buckets
    }
}

/// Counts one run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    figures: Figures,
    seq: Seq,
    /// The run has ended. What comes next is counted anew.
    ended: bool,
    began: Millis,
    readiness: Readiness,
}

impl Tally {
    /// The last event that was counted.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// What has been counted since the run's beginning, or the end before.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Counts an event, if it is the one whose turn it is: one that is pushed
    /// twice counts once, and after a gap nothing does.
    pub fn push(&mut self, plan: &Plan, event: &Event) {
        if event.seq != self.seq + 1 {
            return;
        }
        self.seq = event.seq;
        if std::mem::take(&mut self.ended) {
            self.figures = Figures::default();
            self.began = event.at;
        }
        self.readiness.push(plan, event);
        match &event.kind {
            Kind::RunStarted { .. } => self.began = event.at,
            Kind::StepRetry { attempt, .. } => {
                self.figures.retries += u64::from(attempt.role == Role::Main);
            }
            Kind::StepFinished { attempt, end } => {
                self.finished(plan, *attempt, end);
                // The success of an attempt is that of its step: no event follows.
                if attempt.role == Role::Main && end.verdict != Verdict::Failure {
                    self.settled(Outcome::Succeeded);
                }
            }
            Kind::StepSettled {
                outcome, reason, ..
            } => {
                self.figures.fresh += u64::from(matches!(reason, Reason::Fresh(_)));
                self.settled(*outcome);
            }
            Kind::RunFinished { outcome, .. } => {
                *self.figures.runs.entry(*outcome).or_default() += 1;
                let took = event.at.saturating_sub(self.began);
                self.figures.run_duration.observe(took);
                if *outcome == RunOutcome::Succeeded {
                    self.figures.last_success_at = Some(event.at);
                }
                self.ended = true;
            }
            _ => {}
        }
    }

    fn settled(&mut self, outcome: Outcome) {
        *self.figures.steps.entry(outcome).or_default() += 1;
    }

    fn finished(&mut self, plan: &Plan, attempt: Attempt, end: &Finish) {
        match attempt.role {
            Role::Main => *self.figures.attempts.entry(end.end()).or_default() += 1,
            Role::Remedy => *self.figures.remedies.entry(end.end()).or_default() += 1,
            Role::Undo => {}
        }
        // What did not run took no time; of what nobody saw end, nobody knows.
        let ran = !matches!(end.end(), End::FailedToStart | End::Interrupted | End::Lost);
        if attempt.role == Role::Main && ran && attempt.step.at() < plan.steps.len() {
            let took = end.ended_at.saturating_sub(end.started_at);
            self.figures.attempt_duration.observe(took);
            let since = self.readiness.since(plan, attempt.step);
            let waited = end.started_at.saturating_sub(since);
            self.figures.queue_wait.observe(waited);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Absent, Action, Step, StepIx};
    use crate::run::{Exit, Output, Reason};

    /// A plan of steps that need each the one before.
    fn chain(ids: &[&str]) -> Plan {
        let step = |(at, id): (usize, &&str)| Step {
            needs: at.checked_sub(1).map(StepIx::new).into_iter().collect(),
            ..Step::new(*id, Action::Group)
        };
        Plan {
            steps: ids.iter().enumerate().map(step).collect(),
            ..Plan::new("CHAIN")
        }
    }

    fn attempt(step: usize, number: u32) -> Attempt {
        Attempt {
            step: StepIx::new(step),
            number,
            role: Role::Main,
        }
    }

    fn finished(attempt: Attempt, exit: Exit, started_at: Millis, ended_at: Millis) -> Kind {
        let verdict = match exit {
            Exit::Exited { code: 0 } => Verdict::Success,
            _ => Verdict::Failure,
        };
        Kind::StepFinished {
            attempt,
            end: Box::new(Finish {
                exit,
                verdict,
                started_at,
                ended_at,
                output: Output::default(),
                outputs: BTreeMap::new(),
                leaked: false,
                error: None,
                tail: None,
            }),
        }
    }

    fn settled(step: usize, outcome: Outcome) -> Kind {
        Kind::StepSettled {
            step: StepIx::new(step),
            outcome,
            reason: Reason::Ready,
        }
    }

    fn over(outcome: RunOutcome) -> Kind {
        let reason = Reason::AllDone { warnings: 0 };
        Kind::RunFinished { outcome, reason }
    }

    fn begun() -> Kind {
        Kind::RunStarted {
            plan: String::new(),
            seed: 1,
            traceparent: None,
            engine: engine(),
        }
    }

    fn engine() -> crate::run::Engine {
        crate::run::Engine {
            epoch: 1,
            pid: 42,
            host: String::new(),
            boot: String::new(),
            version: String::new(),
        }
    }

    fn ok() -> Exit {
        Exit::Exited { code: 0 }
    }

    /// Counts what happens, each at its moment.
    fn tell(tally: &mut Tally, plan: &Plan, story: Vec<(Millis, Kind)>) {
        for (at, kind) in story {
            let seq = tally.seq() + 1;
            tally.push(plan, &Event { seq, at, kind });
        }
    }

    fn told(plan: &Plan, story: Vec<(Millis, Kind)>) -> Figures {
        let mut tally = Tally::default();
        tell(&mut tally, plan, story);
        tally.figures().clone()
    }

    #[test]
    fn a_step_waits_from_the_end_of_what_it_waits_for() {
        let plan = chain(&["a", "b"]);
        let figures = told(
            &plan,
            vec![
                (1000, begun()),
                (1300, finished(attempt(0, 1), ok(), 1010, 1300)),
                (1900, finished(attempt(1, 1), ok(), 1340, 1900)),
                (2000, over(RunOutcome::Succeeded)),
            ],
        );
        assert_eq!(
            (figures.queue_wait.count(), figures.queue_wait.sum_ms),
            (2, 50)
        );
        assert_eq!(figures.attempt_duration.sum_ms, 290 + 560);
        assert_eq!(figures.run_duration.sum_ms, 1000);
        assert_eq!(figures.last_success_at, Some(2000));
        assert_eq!(figures.steps, BTreeMap::from([(Outcome::Succeeded, 2)]));
        assert_eq!(figures.attempts, BTreeMap::from([(End::Succeeded, 2)]));
    }

    #[test]
    fn an_absent_step_is_seen_through_however_many_there_are() {
        let ids: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut plan = chain(&ids);
        let last = ids.len() - 1;
        for step in &mut plan.steps[1..last] {
            step.absent = Some(Absent::NotSelected);
        }
        let figures = told(
            &plan,
            vec![
                (1000, begun()),
                (1500, finished(attempt(0, 1), ok(), 1000, 1500)),
                (1900, finished(attempt(last, 1), ok(), 1507, 1900)),
            ],
        );
        assert_eq!(figures.queue_wait.sum_ms, 7);
    }

    #[test]
    fn neither_a_pause_before_a_retry_nor_the_time_without_an_engine_is_a_wait() {
        let plan = chain(&["a"]);
        let retry = Kind::StepRetry {
            attempt: attempt(0, 2),
            not_before: 4000,
            reason: Reason::Interrupted,
        };
        let figures = told(
            &plan,
            vec![
                (1000, begun()),
                (
                    1100,
                    finished(attempt(0, 1), Exit::Exited { code: 1 }, 1000, 1100),
                ),
                (1100, retry.clone()),
                (4100, finished(attempt(0, 2), Exit::Interrupted, 4003, 4100)),
                (9000, Kind::RunResumed { engine: engine() }),
                (9100, finished(attempt(0, 3), ok(), 9020, 9100)),
            ],
        );
        assert_eq!(figures.queue_wait.sum_ms, 20);
        assert_eq!(figures.retries, 1);
        // Of the interrupted one nobody knows how long it took.
        assert_eq!(figures.attempt_duration.count(), 2);
        let ends = [(End::Succeeded, 1), (End::Failed, 1), (End::Interrupted, 1)];
        assert_eq!(figures.attempts, BTreeMap::from(ends));
    }

    #[test]
    fn what_goes_on_after_its_end_is_counted_from_there() {
        let plan = chain(&["a"]);
        let mut tally = Tally::default();
        let first = vec![
            (1000, begun()),
            (
                1400,
                finished(attempt(0, 1), Exit::Exited { code: 1 }, 1000, 1400),
            ),
            (1400, settled(0, Outcome::Failed)),
            (1500, over(RunOutcome::Failed)),
        ];
        tell(&mut tally, &plan, first);
        let mut sum = tally.figures().clone();
        assert_eq!(sum.last_success_at, None);
        let reason = Reason::Request { by: "me".into() };
        let second = vec![
            (7000, Kind::RunResumed { engine: engine() }),
            (7001, Kind::RunReopened { reason }),
            (7200, finished(attempt(0, 2), ok(), 7010, 7200)),
            (7300, over(RunOutcome::Succeeded)),
        ];
        tell(&mut tally, &plan, second);
        sum.add(tally.figures());
        let ends = [(RunOutcome::Succeeded, 1), (RunOutcome::Failed, 1)];
        assert_eq!(sum.runs, BTreeMap::from(ends));
        assert_eq!(sum.run_duration.sum_ms, 500 + 300);
        assert_eq!(sum.attempts.values().sum::<u64>(), 2);
        assert_eq!(sum.last_success_at, Some(7300));
    }

    #[test]
    fn an_event_counts_once_and_nothing_after_a_gap() {
        let plan = chain(&["a"]);
        let mut tally = Tally::default();
        let event = |seq, kind| Event { seq, at: 1, kind };
        tally.push(&plan, &event(1, begun()));
        for seq in [2, 2, 4] {
            tally.push(&plan, &event(seq, settled(0, Outcome::Skipped)));
        }
        assert_eq!(tally.figures().steps[&Outcome::Skipped], 1);
        assert_eq!(tally.seq(), 2);
    }

    #[test]
    fn remedies_are_counted_by_themselves_and_undoing_is_not_an_attempt_at_a_step() {
        let plan = chain(&["a"]);
        let of = |role| Attempt {
            role,
            ..attempt(0, 1)
        };
        let figures = told(
            &plan,
            vec![
                (1, begun()),
                (2, finished(of(Role::Remedy), ok(), 1, 2)),
                (3, finished(of(Role::Undo), ok(), 2, 3)),
            ],
        );
        assert_eq!(figures.remedies, BTreeMap::from([(End::Succeeded, 1)]));
        assert!(figures.attempts.is_empty());
        assert_eq!(figures.attempt_duration.count(), 0);
    }

    #[test]
    fn every_duration_is_in_one_bucket_also_where_bounds_have_changed() {
        let mut histogram = Histogram::default();
        for ms in [0, 5, 6, 86_400_000, 86_400_001, Millis::MAX] {
            histogram.observe(ms);
        }
        let buckets = histogram.buckets();
        assert_eq!((buckets[0], buckets[1]), (2, 1));
        assert_eq!((buckets[12], buckets[13]), (1, 2));
        assert_eq!(histogram.sum_ms, Millis::MAX, "it does not overflow");
        let text = serde_json::to_string(&histogram).unwrap();
        assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), histogram);

        let old: Histogram = serde_json::from_str(r#"{"counts": {"7": 3}, "sum_ms": 20}"#).unwrap();
        assert_eq!(old.buckets()[1], 3);
        assert_eq!(old.count(), 3);
    }
}
