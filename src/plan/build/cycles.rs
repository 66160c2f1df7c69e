//! Which steps wait for each other in a circle.
//!
//! One circle is shown for each knot of steps that reach one another, the
//! shortest through the knot's first step: in a knot of a thousand steps there
//! may be more circles than atoms, and mending one shows the next. Nothing
//! here recurses, so a circle of any length is found in little stack.

use crate::plan::graph::{Graph, waits};
use crate::plan::{Plan, StepIx};

/// Circles of the plan: each step waits for the next, and the last for the first.
pub(super) fn find(plan: &Plan) -> Vec<Vec<StepIx>> {
    let order = Graph::new(plan).topological(plan);
    if order.len() == plan.steps.len() {
        return Vec::new();
    }
    let mut tangled = vec![true; plan.steps.len()];
    for ix in order {
        tangled[ix.at()] = false;
    }
    let waits = Waits::new(plan, &tangled);
    let knots = Knots::find(&waits, &tangled);
    let mut shown = vec![false; knots.count as usize];
    let mut circles = Vec::new();
    let mut search = Search::new(plan.steps.len());
    for ix in plan.indices().filter(|ix| tangled[ix.at()]) {
        let knot = knots.of[ix.at()];
        if !std::mem::replace(&mut shown[knot as usize], true) {
            circles.extend(search.circle(&waits, &knots, ix));
        }
    }
    circles
}

/// What each tangled step waits for, flat, among tangled steps.
struct Waits {
    offsets: Vec<u32>,
    edges: Vec<StepIx>,
}

impl Waits {
    fn new(plan: &Plan, tangled: &[bool]) -> Self {
        let mut offsets = vec![0];
        let mut edges = Vec::new();
        for ix in plan.indices() {
            if tangled[ix.at()] {
                edges.extend(waits(plan, ix).filter(|to| tangled[to.at()]));
            }
            offsets.push(edges.len() as u32);
        }
        Waits { offsets, edges }
    }

    fn of(&self, ix: StepIx) -> &[StepIx] {
        &self.edges[self.offsets[ix.at()] as usize..self.offsets[ix.at() + 1] as usize]
    }
}

/// Which knot each step is in: Tarjan's strongly connected components, with a
/// stack of its own instead of recursion.
struct Knots {
    of: Vec<u32>,
    count: u32,
}

const UNSEEN: u32 = u32::MAX;

impl Knots {
    fn find(waits: &Waits, tangled: &[bool]) -> Self {
        let n = tangled.len();
        let mut knots = Knots {
            of: vec![UNSEEN; n],
            count: 0,
        };
        let mut number = vec![UNSEEN; n];
        let mut lowest = vec![0u32; n];
        let mut next_number = 0;
        let mut path: Vec<StepIx> = Vec::new();
        let mut calls: Vec<(StepIx, usize)> = Vec::new();
        for start in (0..n).filter(|i| tangled[*i]).map(StepIx::new) {
            if number[start.at()] != UNSEEN {
                continue;
            }
            calls.push((start, 0));
            while let Some(&mut (ix, ref mut edge)) = calls.last_mut() {
                let i = ix.at();
                if number[i] == UNSEEN {
                    number[i] = next_number;
                    lowest[i] = next_number;
                    next_number += 1;
                    path.push(ix);
                }
                if let Some(&to) = waits.of(ix).get(*edge) {
                    *edge += 1;
                    if number[to.at()] == UNSEEN {
                        calls.push((to, 0));
                    } else if knots.of[to.at()] == UNSEEN {
                        lowest[i] = lowest[i].min(number[to.at()]);
                    }
                    continue;
                }
                calls.pop();
                if let Some(&(caller, _)) = calls.last() {
                    lowest[caller.at()] = lowest[caller.at()].min(lowest[i]);
                }
                if lowest[i] == number[i] {
                    knots.close(ix, &mut path);
                }
            }
        }
        knots
    }

    /// All of the path from `first` on is one knot.
    fn close(&mut self, first: StepIx, path: &mut Vec<StepIx>) {
        while let Some(ix) = path.pop() {
            self.of[ix.at()] = self.count;
            if ix == first {
                break;
            }
        }
        self.count += 1;
    }
}

/// Breadth-first search for the way back, with buffers that all searches share.
struct Search {
    came_from: Vec<Option<StepIx>>,
}

impl Search {
    fn new(steps: usize) -> Self {
        Search {
            came_from: vec![None; steps],
        }
    }

    /// The shortest circle through `start`; none where its knot is itself alone.
    fn circle(&mut self, waits: &Waits, knots: &Knots, start: StepIx) -> Option<Vec<StepIx>> {
        let mut queue = vec![start];
        let mut done = 0;
        while let Some(&ix) = queue.get(done) {
            done += 1;
            for &to in waits.of(ix) {
                if to == start {
                    return Some(self.path(start, ix));
                }
                let same_knot = knots.of[to.at()] == knots.of[start.at()];
                if same_knot && self.came_from[to.at()].is_none() {
                    self.came_from[to.at()] = Some(ix);
                    queue.push(to);
                }
            }
        }
        None
    }

    fn path(&self, start: StepIx, end: StepIx) -> Vec<StepIx> {
        let mut path = vec![end];
        let mut at = end;
        while at != start {
            match self.came_from[at.at()] {
                Some(before) => at = before,
                None => break,
            }
            path.push(at);
        }
        path.reverse();
        path
    }
}
