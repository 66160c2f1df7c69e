//! How long the rest will take, judged by earlier runs.
//!
//! Two things bound a run from below: the longest chain of steps that wait for
//! each other, and all work divided by what runs at once. The larger of the two
//! is the estimate; it is wrong where steps are unlike their past, and it says
//! nothing where there is too little past to go by.

use std::collections::BTreeMap;

use crate::plan::graph::Graph;
use crate::plan::{Plan, StepIx};
use crate::run::Usual;
use crate::run::expect::Expected;

/// How long steps take, and what of it is still ahead.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// How long each step takes.
    own: Vec<u64>,
    /// How long each step and the longest chain behind it take.
    chain: Vec<u64>,
    /// Steps with the longest chains first.
    longest_first: Vec<StepIx>,
    /// Those before this one have settled.
    settled_until: usize,
    /// All the work of steps that have not settled.
    work: u64,
    settled: Vec<bool>,
    at_once: u64,
}

impl Estimate {
    /// Judges by the steps' usual durations. `None` where fewer than half of the
    /// steps have one.
    pub fn new(plan: &Plan, graph: &Graph, usual: &Usual) -> Option<Self> {
        let expected = Expected::new(plan, usual)?;
        if expected.known * 2 < expected.steps {
            return None;
        }
        let own = expected.own().to_vec();
        let chain = graph.remaining_paths(plan, &own);
        let mut longest_first: Vec<StepIx> = plan.indices().collect();
        longest_first.sort_by_key(|ix| std::cmp::Reverse(chain[ix.at()]));
        Some(Estimate {
            work: own.iter().sum(),
            settled: vec![false; own.len()],
            own,
            chain,
            longest_first,
            settled_until: 0,
            at_once: u64::from(plan.max_concurrency.get()),
        })
    }

    /// Takes note that a step has settled.
    pub fn settled(&mut self, ix: StepIx) {
        if !std::mem::replace(&mut self.settled[ix.at()], true) {
            self.work -= self.own[ix.at()];
        }
    }

    /// How many milliseconds are left, given how long the running steps have run.
    pub fn left_ms(&mut self, running: impl IntoIterator<Item = (StepIx, u64)>) -> u64 {
        let done: BTreeMap<StepIx, u64> = running
            .into_iter()
            .map(|(ix, ms)| (ix, ms.min(self.own[ix.at()])))
            .collect();
        let work = self.work.saturating_sub(done.values().sum());
        while let Some(ix) = self.longest_first.get(self.settled_until)
            && self.settled[ix.at()]
        {
            self.settled_until += 1;
        }
        let waiting = self.longest_first[self.settled_until..]
            .iter()
            .find(|ix| !self.settled[ix.at()] && !done.contains_key(ix))
            .map_or(0, |ix| self.chain[ix.at()]);
        let running = done.iter().map(|(ix, ms)| self.chain[ix.at()] - ms).max();
        (work / self.at_once).max(waiting).max(running.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing;

    fn estimate(plan: &Plan, usual: &[(&str, u64)]) -> Option<Estimate> {
        Estimate::new(plan, &Graph::new(plan), &testing::usual(plan, usual))
    }

    #[test]
    fn the_longest_chain_or_all_work_decides() {
        let plan = testing::plan(&["a", "b: a", "c", "d"]);
        let mut chain = estimate(&plan, &[("a", 500), ("b", 700), ("c", 100), ("d", 100)]).unwrap();
        assert_eq!(chain.left_ms([]), 1200);
        let mut work = estimate(&plan, &[("a", 100), ("b", 100), ("c", 1000), ("d", 900)]).unwrap();
        assert_eq!(work.left_ms([]), 1050);
    }

    #[test]
    fn what_has_settled_and_what_has_run_counts_no_more() {
        let plan = testing::plan(&["a", "b: a", "c"]);
        let ix: Vec<StepIx> = plan.indices().collect();
        let mut estimate = estimate(&plan, &[("a", 500), ("b", 700), ("c", 100)]).unwrap();
        assert_eq!(estimate.left_ms([(ix[0], 200)]), 1000);
        // Longer than usual is not less than nothing.
        assert_eq!(estimate.left_ms([(ix[0], 900)]), 700);
        estimate.settled(ix[0]);
        estimate.settled(ix[0]);
        assert_eq!(estimate.left_ms([(ix[1], 300)]), 400);
        estimate.settled(ix[1]);
        estimate.settled(ix[2]);
        assert_eq!(estimate.left_ms([]), 0);
    }

    #[test]
    fn too_little_past_says_nothing_and_a_gap_is_filled() {
        let plan = testing::plan(&["a", "b", "c: a b"]);
        assert!(estimate(&plan, &[]).is_none());
        assert!(estimate(&plan, &[("a", 500)]).is_none());
        let mut gap = estimate(&plan, &[("a", 100), ("b", 300)]).unwrap();
        assert_eq!(gap.left_ms([]), 400);
    }
}
