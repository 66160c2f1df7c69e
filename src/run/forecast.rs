//! How long a run would take, if every step took as long as it is expected to.
//!
//! The run is played through with the order and the limits of a real one: so
//! many slots, the plan's pools, locks and resources, and among what is ready
//! the same step first. What nobody can foresee is left out: failures and their
//! retries, conditions that do not hold, questions, and what other runs hold.
//!
//! Two things bound any run from below, whatever its order: the longest chain
//! of steps that wait for each other, and all work divided by the slots.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::event::Millis;
use super::expect::{Expected, Usual};
use super::order::{Order, Turn};
use super::places::classify;
use crate::plan::graph::{Graph, waits};
use crate::plan::{Plan, StepIx};

/// What is expected of a whole run. Durations are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// From its beginning to its end.
    pub makespan: Millis,
    /// The longest chain of steps, first to last, without those that take no time.
    pub critical_path: Vec<StepIx>,
    pub critical_path_ms: Millis,
    /// All that is to be done, one after the other.
    pub work: Millis,
    /// No order of the steps would be faster than this.
    pub lower_bound: Millis,
    pub expected: Expected,
}

impl Forecast {
    /// `None` where nothing is known of the past.
    pub fn new(plan: &Plan, graph: &Graph, usual: &Usual) -> Option<Forecast> {
        let expected = Expected::new(plan, usual)?;
        let own = expected.own();
        let paths = graph.remaining_paths(plan, own);
        let critical_path_ms = paths.iter().copied().max().unwrap_or(0);
        let work: Millis = own.iter().sum();
        let slots = u64::from(plan.max_concurrency.get());
        Some(Forecast {
            makespan: Play::new(plan, graph, own, usual).play_out(),
            critical_path: critical_path(graph, own, &paths),
            critical_path_ms,
            work,
            lower_bound: critical_path_ms.max(work.div_ceil(slots)),
            expected,
        })
    }
}

/// Follows the longest remaining path from its beginning.
fn critical_path(graph: &Graph, own: &[u64], paths: &[u64]) -> Vec<StepIx> {
    let mut found = Vec::new();
    // The first of equals: `max_by_key` would take the last.
    let longest = |steps: &mut dyn Iterator<Item = StepIx>| {
        steps.reduce(|best, ix| {
            if paths[ix.at()] > paths[best.at()] {
                ix
            } else {
                best
            }
        })
    };
    let mut next = longest(&mut (0..paths.len()).map(StepIx::new));
    while let Some(ix) = next {
        if own[ix.at()] > 0 {
            found.push(ix);
        }
        next = longest(&mut graph.dependents(ix).iter().copied());
    }
    found
}

/// A run that is played through.
struct Play<'a> {
    plan: &'a Plan,
    graph: &'a Graph,
    own: &'a [u64],
    order: Order,
    /// How many of the steps it waits for are not over.
    unmet: Vec<u32>,
    /// What steps occupy: see `places`.
    class_of: Vec<u32>,
    wants: Vec<Vec<(usize, u32)>>,
    used: Vec<(u32, u32)>,
    /// By class, what is ready.
    ready: Vec<BTreeSet<Turn>>,
    running: BinaryHeap<Reverse<(Millis, Turn)>>,
}

impl<'a> Play<'a> {
    fn new(plan: &'a Plan, graph: &'a Graph, own: &'a [u64], usual: &Usual) -> Play<'a> {
        let (class_of, classes, used) = classify(plan);
        let unmet = plan.indices().map(|ix| waits(plan, ix).count() as u32);
        Play {
            plan,
            graph,
            own,
            order: Order::new(plan, graph, usual),
            unmet: unmet.collect(),
            class_of,
            ready: vec![BTreeSet::new(); classes.len()],
            wants: classes.into_iter().map(|class| class.wants).collect(),
            used,
            running: BinaryHeap::new(),
        }
    }

    fn play_out(mut self) -> Millis {
        let slots = self.plan.max_concurrency.get() as usize;
        for ix in self.plan.indices() {
            if waits(self.plan, ix).next().is_none() {
                self.set_free(ix);
            }
        }
        let mut now = 0;
        loop {
            while self.running.len() < slots
                && let Some((class, turn)) = self.first_that_fits()
            {
                self.ready[class].remove(&turn);
                self.occupy(class, true);
                let takes = self.own[self.order.step(turn).at()];
                self.running.push(Reverse((now + takes, turn)));
            }
            let Some(Reverse((ends, turn))) = self.running.pop() else {
                return now;
            };
            now = ends;
            let ix = self.order.step(turn);
            self.occupy(self.class_of[ix.at()] as usize, false);
            self.ended(ix);
        }
    }

    /// A step waits for nothing more: it is ready, or over at once if it takes
    /// no time.
    fn set_free(&mut self, ix: StepIx) {
        match self.own[ix.at()] {
            0 => self.ended(ix),
            _ => {
                let class = self.class_of[ix.at()] as usize;
                self.ready[class].insert(self.order.turn(ix));
            }
        }
    }

    fn ended(&mut self, ix: StepIx) {
        let graph = self.graph;
        let mut over = vec![ix];
        while let Some(from) = over.pop() {
            for &to in graph.dependents(from) {
                self.unmet[to.at()] -= 1;
                match (self.unmet[to.at()], self.own[to.at()]) {
                    (0, 0) => over.push(to),
                    (0, _) => self.set_free(to),
                    _ => {}
                }
            }
        }
    }

    fn first_that_fits(&self) -> Option<(usize, Turn)> {
        let heads = self.ready.iter().enumerate();
        let heads = heads.filter_map(|(class, ready)| Some((*ready.first()?, class)));
        let fitting = heads.filter(|(_, class)| {
            let mut wants = self.wants[*class].iter();
            wants.all(|(name, units)| self.used[*name].1 + units <= self.used[*name].0)
        });
        fitting.min().map(|(turn, class)| (class, turn))
    }

    fn occupy(&mut self, class: usize, now: bool) {
        for (name, units) in &self.wants[class] {
            let used = &mut self.used[*name].1;
            *used = if now { *used + units } else { *used - units };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Holds};
    use crate::view::testing;

    fn forecast(plan: &Plan, took: &[(&str, Millis)]) -> Option<Forecast> {
        Forecast::new(plan, &Graph::new(plan), &testing::usual(plan, took))
    }

    fn ids(plan: &Plan, steps: &[StepIx]) -> String {
        let ids: Vec<&str> = steps.iter().map(|ix| &*plan[*ix].id).collect();
        ids.join(" ")
    }

    #[test]
    fn the_longest_path_goes_first_and_the_rest_fills_the_slots() {
        let plan = testing::plan(&["a", "b", "c", "long", "end: long"]);
        let took = [("a", 40), ("b", 40), ("c", 40), ("long", 60), ("end", 60)];
        let forecast = forecast(&plan, &took).expect("there is a past");
        // In the plan's order it would be 160: a, c, and then long and end.
        assert_eq!(forecast.makespan, 120);
        assert_eq!(forecast.work, 240);
        assert_eq!(
            (forecast.critical_path_ms, forecast.lower_bound),
            (120, 120)
        );
        assert_eq!(ids(&plan, &forecast.critical_path), "long end");
    }

    #[test]
    fn what_is_held_keeps_steps_apart_and_groups_take_no_time() {
        let mut plan = testing::plan(&["a", "meet: a", "b: meet", "c: meet"]);
        testing::step(&mut plan, "meet").action = Action::Group;
        let took = [("a", 10), ("b", 30), ("c", 20)];
        assert_eq!(forecast(&plan, &took).unwrap().makespan, 40);
        for id in ["b", "c"] {
            testing::step(&mut plan, id).holds = Some(Box::new(Holds {
                locks: ["door".into()].into(),
                ..Holds::default()
            }));
        }
        let locked = forecast(&plan, &took).unwrap();
        assert_eq!((locked.makespan, locked.lower_bound), (60, 40));
        assert_eq!(ids(&plan, &locked.critical_path), "a b");
    }

    #[test]
    fn without_a_past_nothing_is_foretold() {
        assert_eq!(forecast(&testing::plan(&["a"]), &[]), None);
    }
}
