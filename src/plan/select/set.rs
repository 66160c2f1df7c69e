//! A set of steps of one plan, one bit each.

use crate::plan::{Plan, StepIx};

/// Steps of one plan. Sets of different plans must not be mixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSet {
    bits: Vec<u64>,
    /// How many steps the plan has; bits beyond are never set.
    steps: usize,
}

impl StepSet {
    /// None of the plan's steps.
    pub fn none(plan: &Plan) -> Self {
        let steps = plan.steps.len();
        StepSet {
            bits: vec![0; steps.div_ceil(64)],
            steps,
        }
    }

    /// All of the plan's steps.
    pub fn all(plan: &Plan) -> Self {
        let mut set = StepSet::none(plan);
        set.bits.fill(u64::MAX);
        if let Some(last) = set.bits.last_mut()
            && !set.steps.is_multiple_of(64)
        {
            *last = (1 << (set.steps % 64)) - 1;
        }
        set
    }

    /// Adds a step. Says whether it is new.
    ///
    /// # Panics
    /// When the step is none of this plan's.
    pub fn insert(&mut self, ix: StepIx) -> bool {
        assert!(ix.at() < self.steps, "a step of another plan");
        let word = &mut self.bits[ix.at() / 64];
        let bit = 1 << (ix.at() % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub fn contains(&self, ix: StepIx) -> bool {
        let word = self.bits.get(ix.at() / 64);
        word.is_some_and(|word| word >> (ix.at() % 64) & 1 == 1)
    }

    /// How many steps are in the set.
    pub fn len(&self) -> usize {
        self.bits
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|&word| word == 0)
    }

    /// The steps, in the plan's own order.
    pub fn iter(&self) -> impl Iterator<Item = StepIx> + '_ {
        self.bits.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.checked_sub(1)?;
                Some(StepIx::new(at * 64 + bit))
            })
        })
    }

    /// Adds every step of `other`.
    pub fn unite(&mut self, other: &StepSet) {
        self.combine(other, |a, b| a | b);
    }

    /// Keeps only the steps that are also in `other`.
    pub fn intersect(&mut self, other: &StepSet) {
        self.combine(other, |a, b| a & b);
    }

    /// Removes every step of `other`.
    pub fn subtract(&mut self, other: &StepSet) {
        self.combine(other, |a, b| a & !b);
    }

    fn combine(&mut self, other: &StepSet, f: impl Fn(u64, u64) -> u64) {
        assert_eq!(self.steps, other.steps, "sets of different plans");
        for (a, &b) in self.bits.iter_mut().zip(&other.bits) {
            *a = f(*a, b);
        }
    }
}
