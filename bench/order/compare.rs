//! What an order is measured against, and what is known of the past.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use quintet::plan::StepIx;
use quintet::run::Usual;

use super::graphs::{Chance, Workflow};

/// No order is faster: the longest chain, or all work divided by the slots.
pub fn lower_bound(workflow: &Workflow, slots: u32) -> u64 {
    let mut longest = vec![0; workflow.steps.len()];
    for (at, work) in workflow.steps.iter().enumerate() {
        let before = work.needs.iter().map(|need| longest[*need]).max();
        longest[at] = work.ms + before.unwrap_or(0);
    }
    let work: u64 = workflow.steps.iter().map(|work| work.ms).sum();
    let chain = longest.into_iter().max().unwrap_or(0);
    chain.max(work.div_ceil(u64::from(slots)))
}

/// First come, first served, as schedulers do that know nothing: what became
/// ready first goes first. Nothing is recorded, and nothing waits for that.
pub fn first_come(workflow: &Workflow, slots: u32) -> u64 {
    let steps = &workflow.steps;
    let mut unmet: Vec<usize> = steps.iter().map(|work| work.needs.len()).collect();
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (at, work) in steps.iter().enumerate() {
        for need in &work.needs {
            behind[*need].push(at);
        }
    }
    // By the time at which they became ready, then as they are written.
    let mut ready: BTreeSet<(u64, usize)> = (0..steps.len())
        .filter(|at| unmet[*at] == 0)
        .map(|at| (0, at))
        .collect();
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut now = 0;
    loop {
        while running.len() < slots as usize
            && let Some((_, at)) = ready.pop_first()
        {
            running.push(Reverse((now + steps[at].ms, at)));
        }
        let Some(Reverse((ends, over))) = running.pop() else {
            return now;
        };
        now = ends;
        for to in &behind[over] {
            unmet[*to] -= 1;
            if unmet[*to] == 0 {
                ready.insert((now, *to));
            }
        }
    }
}

/// How well the past is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Not at all.
    Unknown,
    /// Each step takes as long as it did.
    Exact,
    /// Each took anything from half as long to once and a half as long.
    Noisy,
    /// Exactly, of half of the steps; nothing of the others.
    Half,
}

/// What is known of a workflow's steps then. Another seed knows otherwise.
pub fn usual(workflow: &Workflow, past: Past, seed: u64) -> Usual {
    let mut usual = Usual::nothing();
    let mut chance = Chance::new(seed);
    for (at, work) in workflow.steps.iter().enumerate() {
        let known = match past {
            Past::Unknown => None,
            Past::Exact => Some(work.ms),
            Past::Noisy => Some(chance.about(work.ms)),
            Past::Half => (chance.below(2) == 0).then_some(work.ms),
        };
        if let Some(ms) = known {
            usual.note(StepIx::new(at), ms);
        }
    }
    usual
}
