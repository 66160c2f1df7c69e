//! Where each step stands in the queues, so that asking what is next is cheap.
//!
//! Everything here follows from the steps' states and could be computed from
//! them afresh; [`RunState::rebuild_places`] does exactly that, on reopening a
//! run and in the test that holds the two equal. Kept up to date from event to
//! event, it makes the cost of a decision independent of the plan's size.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Exit, Millis, Outcome, Reason, Role};
use super::order::Turn;
use super::retry;
use super::state::{Capacities, Counts, Probe, Queue, RunState, StepState, UndoState};
use super::{facts, freshness};
use crate::plan::{Action, Executor, Holds, OnFailure, Plan, Step, StepIx, Verdict};

/// The one queue, if any, in which a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It waits for an event, or has settled.
    Nowhere,
    /// Something is to be decided about it now.
    Todo,
    /// It may be claimed, and started as soon as it is.
    Ready(u32),
    /// All it waits for is claimed or under way: it may be claimed ahead of time.
    Ahead,
    /// It is claimed, and may start.
    Startable(u32),
    /// It is claimed, and waits only for the end of one step that is under way:
    /// it may be handed over to begin behind it.
    Behind,
    /// It may be claimed at that time, or is to be answered for by then.
    Due(Millis),
}

/// Steps that are claimed alike: they occupy the same things, and are alike in
/// whether an attempt whose end nobody saw may simply be made again. Class 0
/// occupies nothing, and its attempts may be; it alone is claimed, and handed to
/// slots, far ahead of time. A claim costs other steps' chances where it
/// occupies something, and where it cannot be told from an attempt it costs a
/// person's time: after a power cut every claim may have been one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Class {
    /// Units of each thing, as positions in [`Places::used`].
    pub wants: Vec<(usize, u32)>,
    pub ready: Queue,
    pub startable: Queue,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Places {
    place: Vec<Place>,
    /// How many of the steps it waits for have not resolved.
    unmet: Vec<u32>,
    /// How many of them are not even claimed.
    unclaimed: Vec<u32>,
    /// The first failure that keeps the step from running.
    pub blocker: Vec<Option<StepIx>>,
    /// The step's dependents know how it ended.
    resolved: Vec<bool>,
    /// The step's dependents know that it is claimed.
    announced: Vec<bool>,
    class_of: Vec<u32>,
    pub classes: Vec<Class>,
    /// Capacity and present use of each pool, lock and resource.
    pub used: Vec<(u32, u32)>,
    fallbacks: BTreeMap<StepIx, StepIx>,
    pub todo: BTreeSet<StepIx>,
    pub ahead: Queue,
    pub behind: Queue,
    pub due: BTreeSet<(Millis, StepIx)>,
    /// Steps with a program running (an undo's included).
    pub live: BTreeSet<StepIx>,
    /// Steps whose claimed attempt the executor has and has not started.
    pub handed: BTreeSet<StepIx>,
    /// Steps with a claim that has not been handed over yet.
    pub claims: BTreeSet<StepIx>,
    pub unsettled: BTreeSet<StepIx>,
    pub failed: BTreeSet<StepIx>,
    /// The failure that ends the run.
    pub abort: Option<StepIx>,
    pub counts: Counts,
}

impl Places {
    pub fn empty(plan: &Plan) -> Self {
        let (class_of, classes, used) = classify(plan);
        let n = plan.steps.len();
        Places {
            place: vec![Place::Nowhere; n],
            unmet: vec![0; n],
            unclaimed: vec![0; n],
            blocker: vec![None; n],
            resolved: vec![false; n],
            announced: vec![false; n],
            class_of,
            classes,
            used,
            fallbacks: plan
                .indices()
                .filter(|ix| plan[*ix].absent.is_none())
                .filter_map(|ix| Some((plan[ix].fallback_of?, ix)))
                .collect(),
            todo: BTreeSet::new(),
            ahead: Queue::new(),
            behind: Queue::new(),
            due: BTreeSet::new(),
            live: BTreeSet::new(),
            handed: BTreeSet::new(),
            claims: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            failed: BTreeSet::new(),
            abort: None,
            counts: Counts::default(),
        }
    }

    /// The step that stands in for `ix` when it fails.
    pub fn fallback(&self, ix: StepIx) -> Option<StepIx> {
        self.fallbacks.get(&ix).copied()
    }

    /// Whether those who wait for `ix` know how it ended.
    pub fn is_resolved(&self, ix: StepIx) -> bool {
        self.resolved[ix.at()]
    }

    fn queue(&mut self, place: Place) -> Option<&mut Queue> {
        match place {
            Place::Ready(class) => Some(&mut self.classes[class as usize].ready),
            Place::Startable(class) => Some(&mut self.classes[class as usize].startable),
            Place::Ahead => Some(&mut self.ahead),
            Place::Behind => Some(&mut self.behind),
            _ => None,
        }
    }

    fn put(&mut self, ix: StepIx, turn: Turn, place: Place) {
        let before = std::mem::replace(&mut self.place[ix.at()], place);
        if before == place {
            return;
        }
        if let Some(queue) = self.queue(before) {
            queue.remove(&turn);
        }
        if let Some(queue) = self.queue(place) {
            queue.insert(turn);
        }
        match before {
            Place::Todo => drop(self.todo.remove(&ix)),
            Place::Due(at) => drop(self.due.remove(&(at, ix))),
            _ => {}
        }
        match place {
            Place::Todo => drop(self.todo.insert(ix)),
            Place::Due(at) => drop(self.due.insert((at, ix))),
            _ => {}
        }
    }
}

/// Groups the steps into classes. Absent names in the plan's tables are plain
/// locks: capacity one.
pub(super) fn classify(plan: &Plan) -> (Vec<u32>, Vec<Class>, Vec<(u32, u32)>) {
    let mut capacities = Capacities::new();
    let mut class_numbers: BTreeMap<(bool, Occupied), u32> = BTreeMap::new();
    class_numbers.insert((true, Vec::new()), 0);
    let mut class_of = vec![0; plan.steps.len()];
    for ix in plan.indices() {
        let (holds, idempotent) = (&plan[ix].holds, plan[ix].policy.idempotent);
        let place = place(plan, &plan[ix]);
        if holds.is_none() && idempotent && place.is_none() {
            continue;
        }
        let mut occupied = holds
            .as_ref()
            .map_or_else(Vec::new, |holds| wants(plan, holds, &mut capacities));
        if let Some((name, capacity)) = place {
            capacities.insert(name.into(), capacity);
            occupied.push((name.into(), 1));
            occupied.sort();
        }
        let next = class_numbers.len() as u32;
        class_of[ix.at()] = *class_numbers.entry((idempotent, occupied)).or_insert(next);
    }
    let position: BTreeMap<&str, usize> = capacities
        .keys()
        .enumerate()
        .map(|(at, name)| (name.as_ref(), at))
        .collect();
    let mut classes = vec![Class::default(); class_numbers.len()];
    for ((_, wants), number) in &class_numbers {
        classes[*number as usize].wants = wants
            .iter()
            .map(|(name, units)| (position[name.as_ref()], *units))
            .collect();
    }
    (
        class_of,
        classes,
        capacities.values().map(|capacity| (*capacity, 0)).collect(),
    )
}

/// Of what the step takes one unit wherever it runs, and how many there are. Where
/// all steps run on this machine nothing: its slots say the same, and more cheaply.
fn place(plan: &Plan, step: &Step) -> Option<(&'static str, u32)> {
    let jobs = plan.slurm_jobs?.get();
    Some(match step.executor {
        Executor::Unsaid | Executor::Local => ("this machine", plan.max_concurrency.get()),
        Executor::Slurm(_) => ("slurm", jobs),
    })
}

/// Names of things, and how many units of each.
type Occupied = Vec<(Box<str>, u32)>;

/// What a step occupies, each name marked with its kind so that a lock and a
/// pool of one name are two things.
fn wants(plan: &Plan, holds: &Holds, capacities: &mut Capacities) -> Vec<(Box<str>, u32)> {
    let mut wants = Vec::new();
    let mut want = |name: String, units: u32, capacity: u32| {
        let name: Box<str> = name.into();
        capacities.insert(name.clone(), capacity);
        wants.push((name, units));
    };
    for lock in &holds.locks {
        want(format!("lock {lock}"), 1, 1);
    }
    if let Some((pool, units)) = &holds.pool {
        let capacity = plan.pools.get(pool).copied().unwrap_or(*units);
        want(format!("pool {pool}"), *units, capacity);
    }
    for (resource, units) in &holds.resources {
        let capacity = plan.resources.get(resource).copied().unwrap_or(*units);
        want(format!("resource {resource}"), *units, capacity);
    }
    wants.sort();
    wants
}

impl RunState {
    /// Computes all places from the steps' states.
    pub(super) fn rebuild_places(&mut self) {
        let mut places = Places::empty(&self.plan);
        for ix in self.plan.indices() {
            let waits = crate::plan::graph::waits(&self.plan, ix).count() as u32;
            places.unmet[ix.at()] = waits;
            places.unclaimed[ix.at()] = waits;
            if self.steps[ix.at()].state != StepState::Absent {
                places.counts.total += 1;
                places.unsettled.insert(ix);
            }
        }
        self.places = places;
        for ix in self.plan.indices() {
            self.refresh(ix);
            self.pass_through(ix);
        }
        for ix in self.plan.indices() {
            match self.steps[ix.at()].state {
                StepState::Settled { outcome, .. } => self.settled(ix, outcome),
                StepState::Pending
                | StepState::Asked {
                    role: Role::Main, ..
                }
                | StepState::Absent => {}
                _ => self.soon(ix),
            }
        }
    }

    /// Whether the queues, kept up to date from event to event, are those that
    /// follow from the steps' states. For tests: it costs as much as the plan is large.
    pub fn queues_are_current(&self) -> bool {
        let mut afresh = self.clone();
        afresh.rebuild_places();
        // Which failure was the first is told by the order of events alone.
        let same = |a: &Option<StepIx>, b: &Option<StepIx>| a.is_some() == b.is_some();
        let blockers = self.places.blocker.iter().zip(&afresh.places.blocker);
        let same_blockers = blockers.into_iter().all(|(a, b)| same(a, b));
        let same_abort = same(&self.places.abort, &afresh.places.abort);
        afresh.places.blocker.clone_from(&self.places.blocker);
        afresh.places.abort = self.places.abort;
        same_blockers && same_abort && afresh.places == self.places
    }

    /// Puts a step where its state says it belongs.
    pub(super) fn refresh(&mut self, ix: StepIx) {
        let place = self.place_of(ix);
        self.places.put(ix, self.order.turn(ix), place);
        let record = &self.steps[ix.at()];
        let running = matches!(record.state, StepState::Running { .. })
            || matches!(record.undo(), UndoState::Running { .. });
        let claimed = matches!(record.state, StepState::Claimed { .. });
        let undo_claimed = matches!(record.undo(), UndoState::Claimed { .. });
        let handed = record.handed && (claimed || undo_claimed);
        let idle_claim = claimed && !record.handed;
        let was_under_way = self.is_under_way(ix);
        if was_under_way != (running || handed) {
            self.occupy(ix, !was_under_way);
        }
        set(&mut self.places.live, ix, running);
        set(&mut self.places.handed, ix, handed);
        set(&mut self.places.claims, ix, idle_claim);
        if was_under_way != self.is_under_way(ix) {
            self.refresh_next(ix);
        }
    }

    /// Whether an attempt of it runs, or may begin at any moment.
    fn is_under_way(&self, ix: StepIx) -> bool {
        self.places.live.contains(&ix) || self.places.handed.contains(&ix)
    }

    /// Those that wait for this step alone may, or may no more, be handed over
    /// to begin behind it.
    fn refresh_next(&mut self, ix: StepIx) {
        let graph = self.graph.clone();
        for &to in graph.dependents(ix) {
            if self.places.unmet[to.at()] == 1 {
                self.refresh(to);
            }
        }
    }

    /// Takes or gives back what a step occupies.
    fn occupy(&mut self, ix: StepIx, now: bool) {
        let class = &self.places.classes[self.places.class_of[ix.at()] as usize];
        for (name, units) in &class.wants {
            let used = &mut self.places.used[*name].1;
            *used = if now { *used + units } else { *used - units };
        }
    }

    fn place_of(&self, ix: StepIx) -> Place {
        let record = &self.steps[ix.at()];
        let step = &self.plan[ix];
        let class = self.places.class_of[ix.at()];
        let (waiting, claimed) = match record.state {
            StepState::Failing { .. } => return Place::Todo,
            StepState::Asked { since, .. } => {
                return match step.policy.approval.and_then(|approval| approval.within) {
                    Some(within) => Place::Due(since + within.as_millis() as Millis),
                    None => Place::Nowhere,
                };
            }
            StepState::Backoff { .. } if record.probe == Probe::Out => return Place::Nowhere,
            StepState::Backoff { not_before, .. } => return Place::Due(not_before),
            StepState::Pending => (true, false),
            StepState::Claimed { .. } if !record.handed => (true, true),
            _ => (false, false),
        };
        if !waiting {
            return Place::Nowhere;
        }
        if self.places.unmet[ix.at()] == 0 {
            // A step that cannot run any more still waits for all it waits for:
            // what comes after it comes after them too.
            let blocked = self.places.blocker[ix.at()].is_some() && !step.policy.always;
            if blocked || self.wants_decision(ix) {
                return Place::Todo;
            }
            return match claimed {
                true => Place::Startable(class),
                false if !self.is_cached(ix) => Place::Ready(class),
                false => match record.probe {
                    Probe::Out => Place::Nowhere,
                    _ if freshness::keeps_from_running(self, ix) => Place::Todo,
                    _ => Place::Ready(class),
                },
            };
        }
        let plain = class == 0
            && !self.is_cached(ix)
            && step.when.is_none()
            && step.confirm.is_none()
            && step.fallback_of.is_none()
            && !step.policy.always
            && step.action != Action::Group;
        match claimed {
            _ if !plain => Place::Nowhere,
            false if self.places.unclaimed[ix.at()] == 0 => Place::Ahead,
            true if self.goes_behind(ix).is_some() => Place::Behind,
            _ => Place::Nowhere,
        }
    }

    /// The one step that a claimed step still waits for, if that is under way
    /// and to exit with 0 is all that is asked of it.
    pub(super) fn goes_behind(&self, ix: StepIx) -> Option<StepIx> {
        if self.places.unmet[ix.at()] != 1 || self.places.blocker[ix.at()].is_some() {
            return None;
        }
        let mut waits = crate::plan::graph::waits(&self.plan, ix);
        let last = waits.find(|from| !self.places.is_resolved(*from))?;
        let succeeds = || {
            let plainly = Exit::Exited { code: 0 };
            retry::verdict(&self.plan[last].policy, &plainly) != Verdict::Failure
        };
        // A remedy's plain end is no success of its step.
        let runs = match self.steps[last.at()].state {
            StepState::Settled { .. } => false,
            StepState::Claimed { role, .. } | StepState::Running { role, .. } => role == Role::Main,
            _ => true,
        };
        let goes = self.is_under_way(last)
            && runs
            && self.places.fallback(last).is_none()
            && succeeds()
            && !facts::asks_for_outputs(self, ix);
        goes.then_some(last)
    }

    /// Whether a step that waits for nothing more is to be skipped, asked about
    /// or settled rather than run.
    fn wants_decision(&self, ix: StepIx) -> bool {
        let step = &self.plan[ix];
        let record = &self.steps[ix.at()];
        self.fallback_not_needed(ix)
            || record.declined.is_some()
            || (step.confirm.is_some() && !record.confirmed)
            || step.action == Action::Group
            || step
                .when
                .as_ref()
                .is_some_and(|when| !facts::holds(self, ix, when))
            || facts::missing_output(self, ix).is_some()
    }

    /// Whether `ix` stands in for a step that did not fail.
    pub(super) fn fallback_not_needed(&self, ix: StepIx) -> bool {
        self.plan[ix]
            .fallback_of
            .is_some_and(|principal| self.steps[principal.at()].outcome() != Some(Outcome::Failed))
    }

    /// Tells the dependents that `ix` is claimed or further.
    pub(super) fn soon(&mut self, ix: StepIx) {
        if std::mem::replace(&mut self.places.announced[ix.at()], true) {
            return;
        }
        let graph = self.graph.clone();
        for &to in graph.dependents(ix) {
            self.places.unclaimed[to.at()] -= 1;
            if self.places.unclaimed[to.at()] == 0 {
                self.refresh(to);
            }
        }
    }

    /// Takes note that a step has settled, and tells those who wait for it.
    pub(super) fn settled(&mut self, ix: StepIx, outcome: Outcome) {
        self.refresh(ix);
        self.places.unsettled.remove(&ix);
        let record = &self.steps[ix.at()];
        let counts = &mut self.places.counts;
        counts.fresh += u32::from(record.fresh().is_some());
        counts.remedied += u32::from(record.was_remedied());
        match outcome {
            Outcome::Succeeded => counts.succeeded += 1,
            Outcome::Failed => counts.failed += 1,
            Outcome::Skipped => counts.skipped += 1,
            Outcome::Canceled => counts.canceled += 1,
        }
        if outcome == Outcome::Failed {
            self.places.failed.insert(ix);
        }
        self.soon(ix);
        if self.waits_for_word(ix) && self.places.abort.is_none() {
            self.places.abort = Some(ix);
        }
        match self
            .places
            .fallback(ix)
            .filter(|_| outcome == Outcome::Failed)
        {
            None => {
                let satisfied = self.satisfies(ix, outcome);
                self.resolve(ix, satisfied.then_some(()).ok_or(ix));
                if outcome == Outcome::Failed {
                    self.note_abort(ix);
                }
            }
            Some(fallback) => {
                self.release(fallback, None);
                // It may have been canceled before its turn came.
                if let Some(outcome) = self.steps[fallback.at()].outcome() {
                    self.stood_in(ix, outcome);
                }
            }
        }
        if let Some(principal) = self.plan[ix].fallback_of
            && self.steps[principal.at()].outcome() == Some(Outcome::Failed)
        {
            self.stood_in(principal, outcome);
        }
    }

    /// The stand-in for a failed step has settled, and with it what that
    /// step's failure means.
    fn stood_in(&mut self, principal: StepIx, outcome: Outcome) {
        let saved = outcome == Outcome::Succeeded;
        let forgiven = self.plan[principal].policy.on_failure == OnFailure::Continue;
        self.resolve(
            principal,
            (saved || forgiven).then_some(()).ok_or(principal),
        );
        if !saved {
            self.note_abort(principal);
        }
    }

    fn note_abort(&mut self, ix: StepIx) {
        let policy = &self.plan[ix].policy;
        if policy.critical && policy.on_failure == OnFailure::Abort && self.places.abort.is_none() {
            self.places.abort = Some(ix);
        }
    }

    /// Whether dependents may run after `ix` has ended like this.
    fn satisfies(&self, ix: StepIx, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Succeeded => true,
            Outcome::Failed => self.plan[ix].policy.on_failure == OnFailure::Continue,
            Outcome::Canceled => false,
            // Skipped by its own condition satisfies; skipped for another's failure does not.
            Outcome::Skipped => match &self.steps[ix.at()].state {
                StepState::Settled {
                    reason: Some(reason),
                    ..
                } => matches!(
                    **reason,
                    Reason::Condition { .. } | Reason::FallbackNotNeeded { .. }
                ),
                _ => false,
            },
        }
    }

    /// Lets the dependents of `ix` know that it is over, and through absent
    /// ones theirs. `Err` names the failure that keeps them from running.
    fn resolve(&mut self, ix: StepIx, how: Result<(), StepIx>) {
        let mut work = vec![(ix, how)];
        let graph = self.graph.clone();
        while let Some((from, how)) = work.pop() {
            if std::mem::replace(&mut self.places.resolved[from.at()], true) {
                continue;
            }
            for &to in graph.dependents(from) {
                // The fallback hears of its principal's failure at once, not here.
                if self.places.fallback(from) == Some(to)
                    && self.steps[from.at()].outcome() == Some(Outcome::Failed)
                {
                    continue;
                }
                let blocker = how
                    .err()
                    .filter(|_| self.plan[to].needs.binary_search(&from).is_ok());
                self.release(to, blocker);
                if self.is_through(to) {
                    work.push((to, self.places.blocker[to.at()].map_or(Ok(()), Err)));
                }
            }
        }
    }

    /// One of the steps that `to` waits for is over.
    fn release(&mut self, to: StepIx, blocker: Option<StepIx>) {
        self.places.unmet[to.at()] -= 1;
        if self.places.blocker[to.at()].is_none() {
            self.places.blocker[to.at()] = blocker;
        }
        self.refresh(to);
    }

    /// An absent step is over when all it would have waited for is.
    fn is_through(&self, ix: StepIx) -> bool {
        self.steps[ix.at()].state == StepState::Absent && self.places.unmet[ix.at()] == 0
    }

    fn pass_through(&mut self, ix: StepIx) {
        if self.is_through(ix) && !self.places.resolved[ix.at()] {
            self.resolve(ix, Ok(()));
        }
    }
}

fn set(of: &mut BTreeSet<StepIx>, ix: StepIx, member: bool) {
    if member {
        of.insert(ix);
    } else {
        of.remove(&ix);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;

    use super::*;
    use crate::view::testing::{self, Story, exited};

    /// Steps that run elsewhere take no place on this machine, nor the other way round.
    #[test]
    fn what_runs_elsewhere_is_counted_by_itself() {
        let mut plan = testing::plan(&["a", "b", "c", "p", "q", "r", "s"]);
        plan.max_concurrency = NonZeroU32::new(2).expect("not 0");
        plan.slurm_jobs = NonZeroU32::new(3);
        for step in &mut plan.steps[3..] {
            step.executor = Executor::Slurm(Arc::default());
        }
        let story = Story::of(plan, |_, _| (exited(0), 5));
        let mut run = RunState::new(story.run.plan().clone());
        let mut most = (0, 0);
        for event in &story.events {
            run.apply(event).expect("a legal story");
            assert!(run.queues_are_current());
            let elsewhere = |ix: &StepIx| run.plan()[*ix].executor.slurm().is_some();
            let there = run.running().filter(elsewhere).count();
            let here = run.running().count() - there;
            most = (most.0.max(here), most.1.max(there));
        }
        assert_eq!(most, (2, 3));
    }
}
