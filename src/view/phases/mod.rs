//! A run as the tree that its steps' ids spell, each branch with what came of
//! all below it. `lines` is for people, `document` for programs.
//!
//! A *phase* is a place with others under it; a step of its own id that does
//! nothing is the meeting point at its end. How a phase stands follows from
//! what is below it: it has failed where a failure below counts for it. Who
//! tolerates what, the plan's edges say, and so its meeting point knows: it came
//! about in spite of the failure, or it did not.

pub mod document;
pub mod lines;

use super::status::Subject;
use super::tree::{Node, nodes};
use super::words;
use crate::plan::{Action, StepIx};
use crate::run::{Millis, Outcome, RunPhase, RunState};

/// A place in the tree, and how it stands.
struct Place<'a> {
    node: Node<'a>,
    /// It and all below it.
    below: Tally,
    /// The word for its state, as for a step's.
    word: &'static str,
}

impl Place<'_> {
    fn is_phase(&self) -> bool {
        self.below.places > 1
    }

    /// Its step, unless that is only a phase's meeting point.
    fn step(&self, run: &RunState) -> Option<StepIx> {
        let does = |ix: &StepIx| !self.is_phase() || run.plan()[*ix].action != Action::Group;
        self.node.step.filter(does)
    }
}

/// How the steps of a branch stand. Meeting points of phases are no steps here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    places: usize,
    succeeded: usize,
    /// Of these, so many have something to be looked at.
    remarkable: usize,
    failed: usize,
    /// Of these, so many are failures of the run.
    counted: usize,
    skipped: usize,
    /// They take no part in the run.
    absent: usize,
    canceled: usize,
    running: usize,
    pending: usize,
    /// When the first of them started, and the last one ended; 0 before.
    started_at: Millis,
    ended_at: Millis,
    /// The first that runs.
    current: Option<StepIx>,
}

impl Tally {
    /// A place without a step, or with one that is only a phase's meeting point.
    fn nothing() -> Self {
        Tally {
            places: 1,
            ..Tally::default()
        }
    }

    fn of(run: &RunState, ix: StepIx) -> Self {
        let record = run.step(ix);
        let mut tally = Tally {
            started_at: record.started_at,
            ended_at: if record.started_at == 0 {
                0
            } else {
                record.ended_at
            },
            ..Tally::nothing()
        };
        match record.outcome() {
            Some(Outcome::Succeeded) => {
                tally.succeeded = 1;
                let remark = record.last.end().and_then(|end| words::remark(&end));
                tally.remarkable = remark.is_some().into();
            }
            Some(Outcome::Failed) => {
                tally.failed = 1;
                tally.counted = run.counts_as_failure(ix).into();
            }
            Some(Outcome::Skipped) => tally.skipped = 1,
            Some(Outcome::Canceled) => tally.canceled = 1,
            None if record.word() == "running" => {
                tally.running = 1;
                tally.current = Some(ix);
            }
            None if run.plan()[ix].absent.is_some() => tally.absent = 1,
            None => tally.pending = 1,
        }
        tally
    }

    /// Takes in a branch that stands before what is in already.
    fn add(&mut self, before: &Tally) {
        self.places += before.places;
        self.succeeded += before.succeeded;
        self.remarkable += before.remarkable;
        self.failed += before.failed;
        self.counted += before.counted;
        self.skipped += before.skipped;
        self.absent += before.absent;
        self.canceled += before.canceled;
        self.running += before.running;
        self.pending += before.pending;
        self.started_at = match (self.started_at, before.started_at) {
            (0, at) | (at, 0) => at,
            (one, other) => one.min(other),
        };
        self.ended_at = self.ended_at.max(before.ended_at);
        self.current = before.current.or(self.current);
    }

    /// The numbers with their words, those of absent steps left out.
    fn parts(&self) -> [(usize, &'static str); 6] {
        [
            (self.succeeded, "succeeded"),
            (self.failed, "failed"),
            (self.skipped, "skipped"),
            (self.canceled, "canceled"),
            (self.running, "running"),
            (self.pending, "pending"),
        ]
    }

    /// Nothing in it need be looked at: all of it stands alike, and nothing has
    /// failed, runs, or has something to say.
    fn is_quiet(&self) -> bool {
        let parts = self.parts();
        let kinds = parts.iter().filter(|(n, _)| *n > 0).count() + usize::from(self.absent > 0);
        kinds <= 1 && self.failed + self.running + self.remarkable == 0
    }

    /// How long it has taken, if anything of it has started.
    fn took(&self, now: Millis) -> Option<u64> {
        let until = match self.running {
            0 => self.ended_at,
            _ => now,
        };
        (self.started_at != 0).then(|| until.saturating_sub(self.started_at))
    }
}

/// How several steps stand together: those of a group, or any others.
pub(super) struct Together {
    /// As for a step.
    pub word: &'static str,
    /// How many stand how, those left out that are none.
    pub parts: Vec<(usize, &'static str)>,
    /// From the beginning of the first to the end of the last, in milliseconds.
    pub took: Option<u64>,
}

/// How these steps stand together. The meeting point of a phase, whose id is `group`,
/// says how the phase stands and is none of its steps.
pub(super) fn together(subject: Subject<'_>, group: &str, steps: &[StepIx]) -> Together {
    let run = subject.run;
    let is_meeting = |ix: &StepIx| {
        let step = &run.plan()[*ix];
        step.action == Action::Group && *step.id == *group
    };
    let mut below = Tally::default();
    for ix in steps.iter().rev().filter(|ix| !is_meeting(ix)) {
        below.add(&Tally::of(run, *ix));
    }
    let meeting = run.find(group).filter(is_meeting);
    // Absent steps are said to be skipped, as each of them is by itself.
    let mut parts = below.parts();
    parts[2].0 += below.absent;
    Together {
        word: word(subject, meeting, &below),
        parts: parts.into_iter().filter(|(n, _)| *n > 0).collect(),
        took: below.took(subject.now),
    }
}

/// All places, parents before their children, each with what is below it.
fn places<'a>(subject: Subject<'a>) -> Vec<Place<'a>> {
    let run = subject.run;
    // What is known of the children of the open node at each depth. Looked at
    // from the last node, children come before their parents.
    let mut open: Vec<Tally> = Vec::new();
    let mut tallies = Vec::new();
    let nodes = nodes(run.plan());
    for node in nodes.iter().rev() {
        open.resize(open.len().max(node.depth + 2), Tally::default());
        let mut all = std::mem::take(&mut open[node.depth + 1]);
        all.add(&own(run, node, all.places > 0));
        open[node.depth].add(&all);
        tallies.push(all);
    }
    let both = nodes.into_iter().zip(tallies.into_iter().rev());
    both.map(|(node, below)| {
        let word = match node.step {
            Some(ix) if below.places == 1 => run.step(ix).word(),
            step => word(subject, step, &below),
        };
        Place { node, below, word }
    })
    .collect()
}

fn own(run: &RunState, node: &Node<'_>, is_phase: bool) -> Tally {
    match node.step {
        Some(ix) if !is_phase || run.plan()[ix].action != Action::Group => Tally::of(run, ix),
        _ => Tally::nothing(),
    }
}

/// The word for a phase, whose meeting point `step` is, if it has one.
fn word(subject: Subject<'_>, step: Option<StepIx>, below: &Tally) -> &'static str {
    let run = subject.run;
    let over = matches!(run.phase(), RunPhase::Finished(_)) || subject.interrupted;
    let settled = below.succeeded + below.failed + below.skipped + below.canceled;
    // What always runs says nothing about what it waited for.
    let meeting = step.filter(|ix| !run.plan()[*ix].policy.always);
    let meeting = meeting.and_then(|ix| run.step(ix).outcome());
    let has_failed = match meeting {
        Some(Outcome::Succeeded) => false,
        Some(_) => below.failed > 0,
        None => below.counted > 0,
    };
    match meeting {
        _ if below.running > 0 => "running",
        _ if has_failed => "failed",
        Some(outcome) => outcome.word(),
        None if below.pending > 0 => match !over && settled > 0 {
            true => "running",
            false => "pending",
        },
        None if below.canceled > 0 => "canceled",
        None if below.succeeded > 0 || below.failed > 0 => "succeeded",
        None => "skipped",
    }
}

#[cfg(test)]
mod tests;
