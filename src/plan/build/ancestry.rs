//! Whether a step comes after another anyway.
//!
//! Asked for the few steps that mention or consume something, answered by a
//! search towards the roots that looks at the nearest first. The effort for a
//! whole plan is bounded, since a plan may be built to make it quadratic; when
//! it is used up the answer is "not known", and both questions have a harmless
//! answer for that.

use crate::plan::graph::waits;
use crate::plan::{Plan, StepIx};

/// So many edges may be walked for one plan: a fraction of a second.
const EFFORT: usize = 20_000_000;

pub(super) struct Ancestry {
    /// The search in which a step was last seen.
    seen: Vec<u32>,
    search: u32,
    queue: Vec<StepIx>,
    effort: usize,
}

impl Ancestry {
    pub fn new(plan: &Plan) -> Self {
        Ancestry {
            seen: vec![0; plan.steps.len()],
            search: 0,
            queue: Vec::new(),
            effort: EFFORT,
        }
    }

    /// Whether something that `of` waits for, directly or not, satisfies `wanted`.
    /// None when the effort is used up.
    pub fn any(
        &mut self,
        plan: &Plan,
        of: StepIx,
        mut wanted: impl FnMut(StepIx) -> bool,
    ) -> Option<bool> {
        self.search += 1;
        self.queue.clear();
        self.queue.push(of);
        let mut done = 0;
        while let Some(&ix) = self.queue.get(done) {
            done += 1;
            for before in waits(plan, ix) {
                self.effort = self.effort.checked_sub(1)?;
                if std::mem::replace(&mut self.seen[before.at()], self.search) == self.search {
                    continue;
                }
                if wanted(before) {
                    return Some(true);
                }
                self.queue.push(before);
            }
        }
        Some(false)
    }
}
