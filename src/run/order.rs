//! Which of several ready steps goes first.
//!
//! What the plan says itself comes first: `priority`. Then the step whose
//! remaining path is the longest: it and the chain of steps behind it, each
//! with the time that it is expected to take. What holds up the most is begun
//! first, so that the run is not left, at its end, with one long chain and idle
//! slots. Where nothing is known of the past, or the plan's own order means
//! something (`plan::Order`), it is that.
//!
//! The order is part of the run's state and never changes while an engine
//! drives the run. A resumed engine may know more of the past and have another
//! one: order among steps that are ready alike is a matter of time, never of
//! what is promised.
//!
//! It is one number for each step, worked out once: the queues hold nothing
//! else, and compare nothing else.

use std::cmp::Reverse;

use super::expect::{Expected, Usual};
use crate::plan::graph::{Graph, waits};
use crate::plan::{self, Plan, StepIx};

/// Handing a slot its next step before it asks saves it a tenth of a
/// millisecond or less. To a step longer than this that is nothing.
const BRIEF_MS: u64 = 10;

/// Whether it can make any difference which ready step goes first: not where
/// all may run at once, nor where only one ever may.
pub fn order_matters(plan: &Plan) -> bool {
    let present = |ix: &StepIx| plan[*ix].absent.is_none();
    let steps = plan.indices().filter(present).count();
    let share = |ix: StepIx| plan[ix].holds.is_some();
    let fits = steps <= plan.max_concurrency.get() as usize && !plan.indices().any(share);
    !fits && !is_chain(plan)
}

/// One step begins, and at most one waits for each.
fn is_chain(plan: &Plan) -> bool {
    let mut first = None;
    let mut waited_for = vec![false; plan.steps.len()];
    plan.indices().all(|ix| {
        let mut waits = waits(plan, ix).peekable();
        let alone = waits.peek().is_some() || first.replace(ix).is_none();
        alone && waits.all(|from| !std::mem::replace(&mut waited_for[from.at()], true))
    })
}

/// A step's place in the order: the lower goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u32);

/// The order of a plan's steps among those that are ready.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Order {
    /// The turn of each step; empty if that is the plan's own order.
    turns: Box<[Turn]>,
    /// The step of each turn; empty with `turns`.
    steps: Box<[StepIx]>,
    /// Steps that are expected to take long; empty where nothing is expected.
    lasting: Box<[bool]>,
}

impl Order {
    pub fn new(plan: &Plan, graph: &Graph, usual: &Usual) -> Order {
        let expected = Expected::new(plan, usual);
        let own = expected.as_ref().map_or(&[][..], Expected::own);
        let any_priority = || plan.steps.iter().any(|step| step.policy.priority != 0);
        if own.is_empty() && !any_priority() {
            return Order::default();
        }
        let path = match plan.order {
            plan::Order::LongestFirst => graph.remaining_paths(plan, own),
            plan::Order::Written => Vec::new(),
        };
        let mut keys: Vec<(Reverse<i32>, Reverse<u64>, StepIx)> = plan
            .indices()
            .map(|ix| {
                let path = path.get(ix.at()).copied().unwrap_or(0);
                (Reverse(plan[ix].policy.priority), Reverse(path), ix)
            })
            .collect();
        keys.sort_unstable();
        let mut turns = vec![Turn(0); keys.len()];
        for (turn, (.., ix)) in keys.iter().enumerate() {
            turns[ix.at()] = Turn(turn as u32);
        }
        Order {
            turns: turns.into(),
            steps: keys.into_iter().map(|(.., ix)| ix).collect(),
            lasting: own.iter().map(|ms| *ms > BRIEF_MS).collect(),
        }
    }

    pub fn turn(&self, ix: StepIx) -> Turn {
        match self.turns.is_empty() {
            true => Turn(ix.at() as u32),
            false => self.turns[ix.at()],
        }
    }

    pub fn step(&self, turn: Turn) -> StepIx {
        match self.steps.is_empty() {
            true => StepIx::new(turn.0 as usize),
            false => self.steps[turn.0 as usize],
        }
    }

    /// Whether the step will occupy its slot for a good while. What is handed
    /// to a slot ahead of time goes before all that becomes ready meanwhile, so
    /// that is for short steps only.
    pub fn lasts(&self, ix: StepIx) -> bool {
        self.lasting.get(ix.at()).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::run::event::{Attempt, Engine, Event, Exit, Finish, Kind};
    use crate::run::{Command, Output, RunPhase, RunState, StepState, next, retry};
    use crate::view::testing;

    /// The same number sequence for the same seed.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (self.0 >> 33) % n
        }
    }

    /// A plan of wide and narrow places, with what is known of its past.
    fn random(chance: &mut Chance) -> (Plan, Usual) {
        let n = 1 + chance.below(300) as usize;
        let reach = 1 + chance.below(n as u64);
        let most = chance.below(4);
        let mut steps: Vec<String> = Vec::new();
        for at in 0..n as u64 {
            let mut step = format!("g{}/s{at}:", chance.below(4));
            let mut needs: Vec<u64> = (0..chance.below(most + 1))
                .filter(|_| at > 0)
                .map(|_| at - 1 - chance.below(reach.min(at)))
                .collect();
            needs.sort_unstable();
            needs.dedup();
            for need in needs {
                let id = steps[need as usize].split(':').next();
                step += &format!(" {}", id.unwrap_or_default());
            }
            steps.push(step);
        }
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let mut plan = testing::plan(&steps);
        plan.max_concurrency = (1 + chance.below(5) as u32).try_into().expect("not zero");
        let prioritised = chance.below(2) == 0;
        for step in plan.steps.iter_mut().filter(|_| prioritised) {
            Arc::make_mut(&mut step.policy).priority = chance.below(3) as i32 - 1;
        }
        let mut usual = Usual::nothing();
        let known = chance.below(4);
        for ix in plan.indices() {
            if chance.below(3) < known {
                usual.note(ix, chance.below(30));
            }
        }
        (plan, usual)
    }

    /// The remaining path as the word says: the step, and the longest of the
    /// remaining paths of those that wait for it.
    fn path(plan: &Plan, own: &[u64], known: &mut [Option<u64>], ix: StepIx) -> u64 {
        if let Some(path) = known[ix.at()] {
            return path;
        }
        let mut longest = 0;
        for to in plan.indices() {
            if plan[to].needs.contains(&ix) {
                longest = longest.max(path(plan, own, known, to));
            }
        }
        let path = own[ix.at()] + longest;
        known[ix.at()] = Some(path);
        path
    }

    /// A step as the order sees it; the lesser goes first.
    type Key = (Reverse<i32>, Reverse<u64>, StepIx);

    /// The order, and who lasts, without any of the speed.
    fn naive(plan: &Plan, usual: &Usual) -> (Vec<Key>, Vec<bool>) {
        let none = vec![0; plan.steps.len()];
        let expected = Expected::new(plan, usual);
        let own = expected.as_ref().map_or(&none[..], Expected::own);
        let mut known = vec![None; plan.steps.len()];
        let keys = plan.indices().map(|ix| {
            let path = path(plan, own, &mut known, ix);
            (Reverse(plan[ix].policy.priority), Reverse(path), ix)
        });
        (keys.collect(), own.iter().map(|ms| *ms > 10).collect())
    }

    /// A run that is checked whenever it is asked what is next.
    struct Watched {
        run: RunState,
        keys: Vec<Key>,
        lasts: Vec<bool>,
        now: u64,
        handed: Vec<StepIx>,
    }

    impl Watched {
        fn new(plan: Plan, usual: &Usual) -> Watched {
            let (keys, lasts) = naive(&plan, usual);
            Watched {
                run: RunState::expecting(Arc::new(plan), usual),
                keys,
                lasts,
                now: 0,
                handed: Vec::new(),
            }
        }

        fn happens(&mut self, kind: Kind) {
            let event = Event {
                seq: self.run.seq() + 1,
                at: self.now,
                kind,
            };
            self.run.apply(&event).expect("a legal event");
        }

        fn sorted(&self, those: impl Fn(&RunState, StepIx) -> bool) -> Vec<StepIx> {
            let plan = self.run.plan().clone();
            let found = plan.indices().filter(|ix| those(&self.run, *ix));
            let mut found: Vec<StepIx> = found.collect();
            found.sort_by_key(|ix| self.keys[ix.at()]);
            found
        }

        /// What is to be handed out now: the first that may start, in order.
        fn handed_out(&self) -> Vec<StepIx> {
            let slots = self.run.plan().max_concurrency.get() as usize;
            let mut starts = self.sorted(|run, ix| is_claimed(run, ix) && is_clear(run, ix));
            let free = slots.saturating_sub(self.handed.len());
            let ahead = starts.iter().skip(free);
            let ahead = ahead.take_while(|ix| !self.lasts[ix.at()]).count();
            starts.truncate((2 * slots - self.handed.len()).min(free + ahead));
            starts
        }

        /// Nothing more happens by itself: then nothing that may be claimed
        /// goes before all that may start.
        fn nothing_is_passed_over(&self) {
            let waiting = self.sorted(|run, ix| is_claimed(run, ix) && is_clear(run, ix));
            let ready = self.sorted(|run, ix| {
                run.step(ix).state == StepState::Pending && run.waiting_for(ix).is_empty()
            });
            if let Some(ready) = ready.first() {
                let next = waiting.first().expect("what is ready is claimed first");
                assert!(self.keys[next.at()] < self.keys[ready.at()]);
            }
        }

        fn go_on(&mut self) {
            loop {
                self.run.acknowledge(self.run.seq());
                let commands = next(&self.run, self.now);
                let starts = commands.iter().filter_map(|command| match command {
                    Command::Start { attempt } => Some(attempt.step),
                    _ => None,
                });
                let starts: Vec<StepIx> = starts.collect();
                if *self.run.phase() == RunPhase::Running {
                    assert_eq!(starts, self.handed_out());
                }
                if commands.is_empty() {
                    break;
                }
                for command in commands {
                    if let Some(kind) = command.event() {
                        self.happens(kind);
                    }
                    if let Command::Start { attempt } = command {
                        self.run.hand_over(attempt);
                        self.handed.push(attempt.step);
                    }
                }
            }
            if self.now.is_multiple_of(8) {
                assert!(self.run.queues_are_current());
            }
        }

        /// One of the first that were handed out, as many as there are slots, ends.
        fn one_ends(&mut self, chance: &mut Chance) {
            let slots = self.run.plan().max_concurrency.get() as usize;
            let one = chance.below(self.handed.len().min(slots) as u64) as usize;
            let step = self.handed.remove(one);
            let attempt = Attempt {
                step,
                number: 1,
                role: crate::run::Role::Main,
            };
            self.now += 1;
            self.happens(Kind::StepStarted {
                attempt,
                node: None,
            });
            let exit = Exit::Exited { code: 0 };
            let end = Finish {
                verdict: retry::verdict(&self.run.plan()[step].policy, &exit),
                exit,
                started_at: self.now,
                ended_at: self.now,
                output: Output::default(),
                outputs: Default::default(),
                leaked: false,
                error: None,
                tail: None,
            };
            let end = Box::new(end);
            self.happens(Kind::StepFinished { attempt, end });
        }
    }

    fn is_claimed(run: &RunState, ix: StepIx) -> bool {
        matches!(run.step(ix).state, StepState::Claimed { .. }) && !run.step(ix).handed
    }

    fn is_clear(run: &RunState, ix: StepIx) -> bool {
        run.waiting_for(ix).is_empty()
    }

    /// Whatever the plan, its priorities and its past: what is handed out is
    /// what a naive look at all steps finds, and no claim comes too late for it.
    #[test]
    fn the_fast_order_is_the_naive_one() {
        for seed in 0..60 {
            let mut chance = Chance(seed);
            let (plan, usual) = random(&mut chance);
            let mut watched = Watched::new(plan, &usual);
            watched.happens(Kind::RunStarted {
                plan: String::new(),
                seed: 1,
                traceparent: None,
                engine: Engine {
                    epoch: 1,
                    pid: 42,
                    host: String::new(),
                    boot: String::new(),
                    version: String::new(),
                },
            });
            watched.go_on();
            while !watched.handed.is_empty() {
                watched.nothing_is_passed_over();
                watched.one_ends(&mut chance);
                watched.go_on();
            }
            let outcome = crate::run::RunOutcome::Succeeded;
            assert_eq!(*watched.run.phase(), RunPhase::Finished(outcome));
        }
    }

    #[test]
    fn without_priorities_and_a_past_the_order_costs_nothing() {
        let plan = testing::plan(&["a", "b: a"]);
        let order = Order::new(&plan, &Graph::new(&plan), &Usual::nothing());
        assert_eq!(order, Order::default());
    }

    #[test]
    fn a_chain_and_what_fits_at_once_need_no_order() {
        let matters = |steps: &[&str]| order_matters(&testing::plan(steps));
        // Two at once.
        assert!(!matters(&["a", "b"]));
        assert!(matters(&["a", "b", "c"]));
        assert!(!matters(&["a", "c: b", "b: a", "d: c"]));
        assert!(matters(&["a", "b: a", "c: a"]));
        let mut plan = testing::plan(&["a", "b"]);
        testing::step(&mut plan, "b").holds = Some(Box::default());
        assert!(order_matters(&plan));
    }

    #[test]
    fn priority_goes_before_the_path_and_the_path_before_the_plan() {
        let mut plan = testing::plan(&["a", "b", "long", "behind: b", "urgent"]);
        testing::policy(&mut plan, "urgent", |policy| policy.priority = 1);
        let mut usual = Usual::nothing();
        for (ix, took) in [(0, 50), (1, 10), (2, 60), (3, 55), (4, 1)] {
            usual.note(StepIx::new(ix), took);
        }
        let order = Order::new(&plan, &Graph::new(&plan), &usual);
        let steps: Vec<&str> = order.steps.iter().map(|ix| &*plan[*ix].id).collect();
        assert_eq!(steps, ["urgent", "b", "long", "behind", "a"]);
    }

    /// A11.
    #[test]
    fn where_the_plans_order_means_something_the_past_does_not_change_it() {
        let mut plan = testing::plan(&["a", "b", "long", "urgent"]);
        testing::policy(&mut plan, "urgent", |policy| policy.priority = 1);
        plan.order = plan::Order::Written;
        let mut usual = Usual::nothing();
        usual.note(StepIx::new(2), 60_000);
        let order = Order::new(&plan, &Graph::new(&plan), &usual);
        let turns = [3, 0, 1, 2].map(StepIx::new);
        let found = [0, 1, 2, 3].map(|turn| order.step(Turn(turn)));
        assert_eq!(found, turns);
        assert!(order.lasts(StepIx::new(2)));
    }
}
