//! How long steps are expected to take, going by earlier runs.
//!
//! What is known is the median of a step's earlier successes; a step without
//! any is taken to be like the others of its group, or else like the plan's
//! steps at large. An expectation can be wrong and nothing comes to harm: it
//! moves steps that may run anyway before or behind each other, and tells
//! people how long it will be.
//!
//! This does not know where the past is kept.

use super::event::Millis;
use crate::plan::{Action, Plan, StepIx};

/// How many milliseconds each step of a plan took in earlier runs, as far as
/// any is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usual(Vec<Option<u32>>);

impl Usual {
    /// Nothing is known of any step.
    pub fn nothing() -> Usual {
        Usual::default()
    }

    /// Takes note of a step's usual duration.
    pub fn note(&mut self, ix: StepIx, took: Millis) {
        if self.0.len() <= ix.at() {
            self.0.resize(ix.at() + 1, None);
        }
        self.0[ix.at()] = Some(u32::try_from(took).unwrap_or(u32::MAX));
    }

    pub fn of(&self, ix: StepIx) -> Option<Millis> {
        self.0.get(ix.at()).copied().flatten().map(Millis::from)
    }
}

/// How many milliseconds each step will take, as far as one can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    own: Vec<u64>,
    /// Steps that have a past of their own.
    pub known: usize,
    /// Steps that take part and do something.
    pub steps: usize,
}

impl Expected {
    /// `None` where nothing is known of any step that takes part.
    pub fn new(plan: &Plan, usual: &Usual) -> Option<Expected> {
        let works: Vec<StepIx> = plan.indices().filter(|ix| works(plan, *ix)).collect();
        let mut groups: Vec<(&str, u64)> = works
            .iter()
            .filter_map(|ix| Some((group(plan, *ix), usual.of(*ix)?)))
            .collect();
        let known = groups.len();
        let at_large = median(groups.iter().map(|(_, took)| *took).collect())?;
        groups.sort_unstable();
        let mut medians: Vec<(&str, u64)> = Vec::new();
        for alike in groups.chunk_by(|a, b| a.0 == b.0) {
            // Sorted by group and then by duration: the middle is the median.
            medians.push(alike[(alike.len() - 1) / 2]);
        }
        let of_group = |ix: StepIx| {
            let found = medians.binary_search_by_key(&group(plan, ix), |(group, _)| group);
            found.ok().map(|at| medians[at].1)
        };
        let mut own = vec![0; plan.steps.len()];
        for ix in &works {
            let took = usual.of(*ix).or_else(|| of_group(*ix)).unwrap_or(at_large);
            // What takes less than can be measured takes its turn all the same.
            own[ix.at()] = took.max(1);
        }
        Some(Expected {
            own,
            known,
            steps: works.len(),
        })
    }

    /// How long each step takes, in the plan's order.
    pub fn own(&self) -> &[u64] {
        &self.own
    }
}

/// Whether the step, if all goes well, will do something.
fn works(plan: &Plan, ix: StepIx) -> bool {
    let step = &plan[ix];
    step.absent.is_none() && step.action != Action::Group && step.fallback_of.is_none()
}

/// The parent of a step's id; those without one are a group too.
fn group(plan: &Plan, ix: StepIx) -> &str {
    plan[ix]
        .id
        .rsplit_once('/')
        .map_or("", |(parent, _)| parent)
}

/// The middle one; of two in the middle, the lower.
pub fn median(mut took: Vec<Millis>) -> Option<Millis> {
    let middle = took.len().checked_sub(1)? / 2;
    Some(*took.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing;

    fn expected(plan: &Plan, usual: &[(usize, Millis)]) -> Option<Expected> {
        let mut known = Usual::nothing();
        for (ix, took) in usual {
            known.note(StepIx::new(*ix), *took);
        }
        Expected::new(plan, &known)
    }

    #[test]
    fn what_is_unknown_is_like_its_group_or_else_like_the_plan() {
        let plan = testing::plan(&["net/a", "net/b", "net/c", "disk/a", "disk/b", "top"]);
        let known = [(0, 10), (1, 30), (3, 500)];
        let expected = expected(&plan, &known).expect("something is known");
        // `net` has 10 and 30, `disk` 500, and the plan at large 10, 30 and 500.
        assert_eq!(expected.own(), [10, 30, 10, 500, 500, 30]);
        assert_eq!((expected.known, expected.steps), (3, 6));
    }

    #[test]
    fn what_does_nothing_takes_no_time_and_the_rest_takes_some() {
        let mut plan = testing::plan(&["a", "b", "c", "d"]);
        testing::step(&mut plan, "b").action = Action::Group;
        testing::step(&mut plan, "c").fallback_of = Some(StepIx::new(0));
        let known = [(0, 0), (1, 77), (2, 77)];
        assert_eq!(expected(&plan, &known).unwrap().own(), [1, 0, 0, 1]);
        assert_eq!(expected(&plan, &[]), None);
        assert_eq!(expected(&plan, &[(1, 77)]), None);
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![9, 1, 5]), Some(5));
        assert_eq!(median(vec![9, 1, 5, 7]), Some(5));
        assert_eq!(median(vec![3]), Some(3));
        assert_eq!(median(Vec::new()), None);
    }
}
