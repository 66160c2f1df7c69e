//! Who waits for whom in a tree, by the rules of its levels.
//!
//! Children of a level run in groups, one after the other: a sequential level
//! has one child in each group, a parallel one all children of equal order.
//! A child whose failure counts is needed by the groups after it, one whose
//! failure is tolerated is only waited for. A phase stands at its own end: it
//! needs what its last group hands over, so that a failure within it is its
//! own. Whatever a phase would wait for, its first children wait for instead.
//!
//! This knows steps by their numbers, and nothing of what they do.

/// With more edges than this from one group, the next waits for a gate instead:
/// two groups of ten thousand would else have a hundred million.
pub const MOST_EDGES: usize = 64;

/// So many earlier modules at most are asked for what they hand on. Each hands
/// on what it was handed itself, so the last one would do if it always came to
/// its end.
const MOST_HANDED: usize = 16;

/// What whoever comes next waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub needs: Vec<usize>,
    pub after: Vec<usize>,
    /// Those that may have something to hand on, the latest last.
    pub handed: Vec<usize>,
}

/// A child that has been given its place.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub step: usize,
    pub tolerated: bool,
    /// It runs whatever became of what it waits for, and so vouches for nothing.
    pub always: bool,
    pub hands_on: bool,
}

impl Flow {
    /// What comes after a group of children that waited for this.
    pub fn then(&self, group: &[Member]) -> Flow {
        if group.is_empty() {
            return self.clone();
        }
        let steps = |wanted: &dyn Fn(&&Member) -> bool| {
            let steps = group.iter().filter(wanted).map(|member| member.step);
            steps.collect::<Vec<_>>()
        };
        let mut needs = steps(&|member| !member.tolerated);
        // Of those whose success says that what was before them succeeded too,
        // one is enough. Without any, that is still to be asked for.
        let vouched = |member: &Member| !member.tolerated && !member.always;
        if !group.iter().any(vouched) {
            needs.extend(&self.needs);
        }
        let mut handed = self.handed.clone();
        handed.extend(steps(&|member| member.hands_on));
        handed.drain(..handed.len().saturating_sub(MOST_HANDED));
        Flow {
            needs,
            after: steps(&|member| member.tolerated),
            handed,
        }
    }

    pub fn edges(&self) -> usize {
        self.needs.len() + self.after.len()
    }

    /// The same, where a gate has waited for all of it.
    pub fn behind(&self, gate: usize) -> Flow {
        Flow {
            needs: vec![gate],
            after: Vec::new(),
            handed: self.handed.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(step: usize) -> Member {
        Member {
            step,
            tolerated: false,
            always: false,
            hands_on: false,
        }
    }

    fn tolerated(step: usize) -> Member {
        Member {
            tolerated: true,
            ..member(step)
        }
    }

    fn edges(flow: &Flow) -> (&[usize], &[usize]) {
        (&flow.needs, &flow.after)
    }

    /// H15. H16.
    #[test]
    fn h16_a_failure_that_counts_reaches_past_those_that_do_not() {
        let first = Flow::default().then(&[member(0)]);
        let second = first.then(&[tolerated(1)]);
        let third = second.then(&[tolerated(2)]);
        assert_eq!(edges(&first), (&[0][..], &[][..]));
        assert_eq!(edges(&second), (&[0][..], &[1][..]));
        assert_eq!(edges(&third), (&[0][..], &[2][..]));
        assert_eq!(edges(&third.then(&[member(3)])), (&[3][..], &[][..]));
    }

    #[test]
    fn what_always_runs_does_not_hide_a_failure_before_it() {
        let always = Member {
            always: true,
            ..member(1)
        };
        let flow = Flow::default().then(&[member(0)]).then(&[always]);
        assert_eq!(edges(&flow), (&[1, 0][..], &[][..]));
    }

    /// H34.
    #[test]
    fn h34_a_group_is_waited_for_as_a_whole() {
        let flow = Flow::default().then(&[member(0), tolerated(1), member(2)]);
        assert_eq!(edges(&flow), (&[0, 2][..], &[1][..]));
        assert_eq!(edges(&flow.behind(9)), (&[9][..], &[][..]));
    }

    /// H29.
    #[test]
    fn h29_the_latest_that_hand_on_are_asked() {
        let mut flow = Flow::default();
        for step in 0..40 {
            flow = flow.then(&[Member {
                hands_on: step != 39,
                ..member(step)
            }]);
        }
        assert_eq!(flow.handed, (23..39).collect::<Vec<_>>());
    }
}
