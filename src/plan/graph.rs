//! The plan's edges as flat arrays.
//!
//! A scheduler walks edges far more often than anything else; two arrays of
//! numbers walk faster, and weigh less, than a hundred thousand small vectors.

use super::{Plan, StepIx};

/// For every step, the steps that wait for it.
#[derive(Clone, Debug)]
pub struct Graph {
    /// `edges[offsets[i]..offsets[i + 1]]` are the dependents of step `i`.
    offsets: Vec<u32>,
    edges: Vec<StepIx>,
}

impl Graph {
    pub fn new(plan: &Plan) -> Self {
        let mut offsets = vec![0u32; plan.steps.len() + 1];
        for_each_edge(plan, |from, _| offsets[from.at() + 1] += 1);
        for i in 1..offsets.len() {
            offsets[i] += offsets[i - 1];
        }
        let mut next = offsets.clone();
        let mut edges = vec![StepIx::new(0); offsets[plan.steps.len()] as usize];
        for_each_edge(plan, |from, to| {
            edges[next[from.at()] as usize] = to;
            next[from.at()] += 1;
        });
        Graph { offsets, edges }
    }

    /// The steps that wait for `ix`, in the plan's order.
    pub fn dependents(&self, ix: StepIx) -> &[StepIx] {
        &self.edges[self.offsets[ix.at()] as usize..self.offsets[ix.at() + 1] as usize]
    }

    /// An order in which every step comes after all it waits for, or, where
    /// there is a cycle, what could be ordered before it was met.
    pub fn topological(&self, plan: &Plan) -> Vec<StepIx> {
        let mut unmet: Vec<u32> = plan
            .indices()
            .map(|ix| waits(plan, ix).count() as u32)
            .collect();
        let mut order: Vec<StepIx> = plan.indices().filter(|ix| unmet[ix.at()] == 0).collect();
        let mut done = 0;
        while done < order.len() {
            for &to in self.dependents(order[done]) {
                unmet[to.at()] -= 1;
                if unmet[to.at()] == 0 {
                    order.push(to);
                }
            }
            done += 1;
        }
        order
    }

    /// How long each step and the longest chain of steps behind it take, given
    /// how long each takes by itself. Empty, if that is.
    pub fn remaining_paths(&self, plan: &Plan, own: &[u64]) -> Vec<u64> {
        let mut paths = own.to_vec();
        if own.is_empty() {
            return paths;
        }
        for ix in self.topological(plan).into_iter().rev() {
            let behind = self.dependents(ix).iter().map(|to| paths[to.at()]).max();
            paths[ix.at()] = own[ix.at()].saturating_add(behind.unwrap_or(0));
        }
        paths
    }
}

/// Everything `ix` waits for before it may start: needs, mere order, and the
/// step it stands in for.
pub fn waits(plan: &Plan, ix: StepIx) -> impl Iterator<Item = StepIx> + '_ {
    let step = &plan[ix];
    step.needs
        .iter()
        .chain(step.after.iter())
        .copied()
        .chain(step.fallback_of)
}

/// Whether every edge of the plan leads from one of its steps. A plan that was built
/// has no other; one that was read may have been damaged.
pub fn is_within(plan: &Plan) -> bool {
    let mut within = true;
    for_each_edge(plan, |from, _| within &= from.at() < plan.steps.len());
    within
}

fn for_each_edge(plan: &Plan, mut f: impl FnMut(StepIx, StepIx)) {
    for to in plan.indices() {
        for from in waits(plan, to) {
            f(from, to);
        }
    }
}
