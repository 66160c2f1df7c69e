//! What must be true of every story, told from the ledger and the durable log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quintet::plan::{Action, OnFailure, Plan, StepIx, Verdict};
use quintet::run::{
    Attempt, Exit, Finish, Kind, Millis, Outcome, Reason, Role, RunState, Stopping,
};

use crate::locks::{capacities, wants};
use crate::mending;
use crate::world::{Entry, Virtual, What, logged_success};

/// The state that grew event by event is the one that the log tells.
pub fn state_is_the_log(run: &RunState, world: &Virtual) {
    let plan = run.plan();
    let replayed = RunState::replay(plan.clone(), world.log()).expect("the log replays");
    for ix in plan.indices() {
        assert_eq!(run.step(ix), replayed.step(ix), "step {ix:?}");
    }
    assert_eq!(run.phase(), replayed.phase());
    assert_eq!(run.counts(), replayed.counts());
}

pub fn story(world: &Virtual) {
    let plan = &world.plan;
    assert!(world.has_ended(), "the run has an end");
    assert_eq!(world.offences, [""; 0]);
    let executions = executions(&world.ledger);
    only_the_owner_wrote(world);
    events_are_in_order(world);
    what_was_promised_is_there(world);
    claimed_before_started(world);
    never_again_after_success(plan, world);
    one_at_a_time(plan, &executions);
    nothing_is_held_twice(world, &executions);
    needs_came_first(plan, world);
    no_more_attempts_than_allowed(plan, world);
    nothing_starts_after_cancel(plan, world);
    nothing_starts_before_the_restart(world);
    each_restart_is_asked_for_once(world);
    every_step_has_settled(plan, world);
    nothing_is_canceled_but_by_a_stop(plan, world);
    what_ended_well_is_not_repeated(plan, world);
    nothing_was_stuck(world);
    what_nobody_saw_is_not_repeated_unasked(plan, world);
    second_start_of_an_attempt_never(&executions);
    recorded_ends_are_true(world);
    timeouts_take_real_time(plan, &executions);
    back_offs_are_waited_for(plan, world);
    mending::remedies_are_used_as_the_plan_says(plan, world);
    mending::cooldowns_are_waited_for(plan, world);
    mending::only_the_fresh_are_taken_as_done(plan, world);
}

/// An engine that was replaced while it was frozen has written nothing since.
fn only_the_owner_wrote(world: &Virtual) {
    for ((writer, current), event) in world.store.writers.iter().zip(world.log()) {
        assert_eq!(
            writer, current,
            "event {} is a replaced engine's",
            event.seq
        );
    }
}

/// Numbers have no gap, and time never goes back, whatever the wall clock does.
fn events_are_in_order(world: &Virtual) {
    let mut last = 0;
    for (at, event) in world.log().iter().enumerate() {
        assert_eq!(event.seq as usize, at + 1, "the sequence has a gap");
        assert!(event.at >= last, "event {} is before the last", event.seq);
        last = event.at;
        if let Kind::StepFinished { end, .. } = &event.kind {
            assert!(end.ended_at >= end.started_at, "it took less than no time");
        }
    }
}

fn what_was_promised_is_there(world: &Virtual) {
    let (has, promised) = (world.log().len(), world.store.promised);
    assert!(
        has >= promised,
        "{promised} events are promised, {has} kept"
    );
}

/// The log tells how each attempt really ended, and says that nobody knows
/// only where nobody can.
fn recorded_ends_are_true(world: &Virtual) {
    for (attempt, end) in finishes(world) {
        let mut entries = world.ledger.iter().filter(|e| e.attempt == attempt);
        let really = entries.find_map(|entry| match &entry.what {
            What::End(exit) => Some(exit),
            _ => None,
        });
        match (&end.exit, really) {
            (Exit::Interrupted, Some(really)) => assert!(
                world.forgotten.contains(&attempt),
                "{attempt:?} ended with {really}, and the log says that nobody knows"
            ),
            (exit, Some(really)) => assert_eq!(exit, really, "{attempt:?}"),
            (Exit::Interrupted | Exit::Canceled { .. }, None) => {}
            (exit, None) => panic!("{attempt:?} never ended, and the log says {exit}"),
        }
    }
}

fn finishes(world: &Virtual) -> impl Iterator<Item = (Attempt, &Finish)> {
    world.log().iter().filter_map(|event| match &event.kind {
        Kind::StepFinished { attempt, end } => Some((*attempt, end.as_ref())),
        _ => None,
    })
}

/// A timeout ends a step in time, and not before.
fn timeouts_take_real_time(plan: &Plan, executions: &[Execution]) {
    let main = executions.iter().filter(|e| e.attempt.role == Role::Main);
    for execution in main {
        let policy = &plan[execution.attempt.step].policy;
        let Some(limit) = policy.timeout else {
            continue;
        };
        let attempt = execution.attempt;
        let most = (limit + policy.grace).as_millis() as Millis;
        assert!(execution.lasted <= most, "{attempt:?} outlived its timeout");
        if let Some(Exit::TimedOut { .. }) = execution.exit {
            let least = limit.as_millis() as Millis;
            assert!(execution.lasted >= least, "{attempt:?} timed out early");
        }
    }
}

/// A retry does not begin before its delay is over. Where the wall clock was
/// set forward between two engines that cannot be known.
fn back_offs_are_waited_for(plan: &Plan, world: &Virtual) {
    if world.jumps > 0 {
        return;
    }
    // After a remedy a step is tried at once, and also after one that may have been
    // and of which nobody knows.
    let goes_on = |step: StepIx, from: usize, to: usize| {
        let mut between = world.log()[from..to].iter();
        between.any(|event| match &event.kind {
            Kind::RunReopened { .. } => true,
            Kind::StepFinished { attempt, .. } => {
                attempt.step == step && attempt.role == Role::Remedy
            }
            _ => false,
        })
    };
    let mut ended: BTreeMap<StepIx, &Entry> = BTreeMap::new();
    for entry in world.ledger.iter().filter(|e| e.attempt.role == Role::Main) {
        let step = entry.attempt.step;
        match &entry.what {
            What::End(Exit::Exited { .. } | Exit::Signaled { .. } | Exit::TimedOut { .. }) => {
                ended.insert(step, entry);
            }
            What::End(_) | What::Lost => drop(ended.remove(&step)),
            What::Start => {
                let Some(last) = ended.remove(&step) else {
                    continue;
                };
                let retry = &plan[step].policy.retry;
                let shortest = retry.delay.as_millis() as u64;
                let shortest = shortest * u64::from(100 - retry.jitter_percent) / 100;
                let waited = entry.at - last.at;
                assert!(
                    waited >= shortest
                        || world.forgotten.contains(&last.attempt)
                        || goes_on(step, last.durable, entry.durable),
                    "{:?} began {waited} ms after a failure, not {shortest}",
                    entry.attempt
                );
            }
        }
    }
}

/// No lock, pool or resource is over-used, other runs counted, and processes
/// of dead engines too.
fn nothing_is_held_twice(world: &Virtual, executions: &[Execution]) {
    let own = executions.iter().flat_map(|e| {
        let wants = wants(&world.plan, e.attempt.step).into_iter();
        wants.map(|(name, units)| (name, units, e.began, e.over))
    });
    let foreign = world.locks.foreign.iter();
    let foreign = foreign.map(|f| (f.name.clone(), f.units, f.from, f.to.unwrap_or(u64::MAX)));
    let holds: Vec<(String, u32, u64, u64)> = own.chain(foreign).collect();
    let capacities = capacities(&world.plan);
    for (name, _, moment, _) in &holds {
        let now = holds
            .iter()
            .filter(|(n, _, from, to)| n == name && from <= moment && moment < to);
        let used: u32 = now.map(|(_, units, ..)| units).sum();
        let most = capacities[name];
        assert!(used <= most, "{used} of {most} are used of {name}");
    }
}

struct Execution {
    attempt: Attempt,
    /// Its places in the ledger.
    from: usize,
    to: usize,
    /// Its places in the order of all that happened.
    began: u64,
    over: u64,
    lasted: Millis,
    /// How it ended, as far as its supervisor saw.
    exit: Option<Exit>,
}

/// Executions as ranges of the ledger.
fn executions(ledger: &[Entry]) -> Vec<Execution> {
    let mut open: BTreeMap<Attempt, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for (at, entry) in ledger.iter().enumerate() {
        match &entry.what {
            What::Start => {
                let twice = open.insert(entry.attempt, at);
                assert!(twice.is_none(), "{:?} runs twice at once", entry.attempt);
            }
            What::End(_) | What::Lost => {
                let from = open.remove(&entry.attempt).expect("what ends has begun");
                all.push(Execution {
                    attempt: entry.attempt,
                    from,
                    to: at,
                    began: ledger[from].order,
                    over: entry.order,
                    lasted: entry.at - ledger[from].at,
                    exit: match &entry.what {
                        What::End(exit) => Some(exit.clone()),
                        _ => None,
                    },
                });
            }
        }
    }
    assert!(open.is_empty(), "processes are left: {open:?}");
    all
}

/// Every execution has an earlier durable intent.
fn claimed_before_started(world: &Virtual) {
    for entry in world
        .ledger
        .iter()
        .filter(|entry| entry.what == What::Start)
    {
        let claimed = world.log()[..entry.durable].iter().any(|event| {
            matches!(&event.kind, Kind::StepClaimed { attempt, .. } if *attempt == entry.attempt)
        });
        assert!(
            claimed,
            "{:?} started before its claim was durable",
            entry.attempt
        );
    }
}

/// No start after a durable success, unless it was undone.
fn never_again_after_success(plan: &Plan, world: &Virtual) {
    for entry in world
        .ledger
        .iter()
        .filter(|entry| entry.what == What::Start)
    {
        if entry.attempt.role == Role::Main {
            let done = logged_success(&world.log()[..entry.durable], entry.attempt.step);
            let id = &plan[entry.attempt.step].id;
            assert!(
                !done,
                "{id} was done and started again as {:?}",
                entry.attempt
            );
        }
    }
}

/// An attempt number is used once, in all engines' lives together.
fn second_start_of_an_attempt_never(executions: &[Execution]) {
    let mut seen = BTreeSet::new();
    for execution in executions {
        assert!(
            seen.insert(execution.attempt),
            "{:?} started twice",
            execution.attempt
        );
    }
}

/// One execution of a step at a time; never more than there are slots,
/// whichever engine started them.
fn one_at_a_time(plan: &Plan, executions: &[Execution]) {
    for at in executions {
        let now: Vec<&Execution> = executions
            .iter()
            .filter(|other| other.from <= at.from && at.from < other.to)
            .collect();
        assert!(
            now.len() <= plan.max_concurrency.get() as usize,
            "too many at once"
        );
        let steps: BTreeSet<StepIx> = now.iter().map(|execution| execution.attempt.step).collect();
        assert_eq!(steps.len(), now.len(), "a step overlaps itself");
    }
}

/// A step starts only after what it needs has really ended well, or ended in
/// a way that its policy lets pass.
fn needs_came_first(plan: &Plan, world: &Virtual) {
    for (at, entry) in world.ledger.iter().enumerate() {
        if entry.what != What::Start || entry.attempt.role == Role::Undo {
            continue;
        }
        let step = &plan[entry.attempt.step];
        if let Some(principal) = step.fallback_of {
            let failed = really_failed(world, at, principal);
            assert!(
                failed,
                "{} ran although {principal:?} did not fail",
                step.id
            );
        }
        if step.policy.always {
            continue;
        }
        for &need in &step.needs {
            assert!(
                may_pass(plan, world, at, need),
                "{} started before {} was satisfied",
                step.id,
                plan[need].id
            );
        }
    }
}

fn really_failed(world: &Virtual, at: usize, step: StepIx) -> bool {
    ended_by(world, at, step).any(|exit| *exit != Exit::Exited { code: 0 })
        || logged_as(world, step, Outcome::Failed)
}

fn ended_by(world: &Virtual, at: usize, step: StepIx) -> impl Iterator<Item = &Exit> {
    world.ledger[..at]
        .iter()
        .filter(move |entry| entry.attempt.step == step && entry.attempt.role == Role::Main)
        .filter_map(|entry| match &entry.what {
            What::End(exit) => Some(exit),
            _ => None,
        })
}

fn logged_as(world: &Virtual, step: StepIx, wanted: Outcome) -> bool {
    world.log().iter().any(|event| {
        matches!(&event.kind, Kind::StepSettled { step: settled, outcome, .. }
            if *settled == step && *outcome == wanted)
    })
}

fn may_pass(plan: &Plan, world: &Virtual, at: usize, need: StepIx) -> bool {
    let step = &plan[need];
    if step.absent.is_some() {
        return step
            .needs
            .iter()
            .all(|need| may_pass(plan, world, at, *need));
    }
    if step.action == Action::Group {
        return step.policy.always
            || step
                .needs
                .iter()
                .all(|need| may_pass(plan, world, at, *need));
    }
    let well = ended_by(world, at, need).any(|exit| *exit == Exit::Exited { code: 0 });
    let forgiven = step.policy.on_failure == OnFailure::Continue && really_failed(world, at, need);
    let passed = world.log().iter().any(|event| {
        matches!(&event.kind, Kind::StepSettled {
                step,
                reason: Reason::FallbackNotNeeded { .. }
                    | Reason::Condition { .. },
                ..
            } if *step == need)
    });
    let saved = plan
        .indices()
        .filter(|ix| plan[*ix].fallback_of == Some(need))
        .any(|fallback| {
            assumed(world, fallback)
                || is_fresh(world, fallback)
                || ended_by(world, at, fallback).any(|exit| *exit == Exit::Exited { code: 0 })
        });
    let passed = passed || assumed(world, need) || is_fresh(world, need);
    well || forgiven || passed || saved
}

/// The step did not need to run.
fn is_fresh(world: &Virtual, step: StepIx) -> bool {
    world.log().iter().any(|event| {
        matches!(&event.kind, Kind::StepSettled { step: settled, reason: Reason::Fresh(_), .. }
            if *settled == step)
    })
}

/// A person has said that the step counts as done.
fn assumed(world: &Virtual, step: StepIx) -> bool {
    world.log().iter().any(|event| {
        matches!(&event.kind, Kind::StepSettled { step: settled, reason: Reason::Assumed { .. }, .. }
            if *settled == step)
    })
}

/// Between two reopenings, failures that count never exceed the policy.
fn no_more_attempts_than_allowed(plan: &Plan, world: &Virtual) {
    let mut failures: BTreeMap<StepIx, u32> = BTreeMap::new();
    // What it means that these failed is still to be decided.
    let mut open = BTreeSet::new();
    let mut stopping = false;
    for event in world.log() {
        match &event.kind {
            Kind::StepFinished { attempt, end }
                if attempt.role == Role::Main && end.verdict == Verdict::Failure =>
            {
                open.insert(attempt.step);
            }
            Kind::StepRetry { attempt, .. } => drop(open.remove(&attempt.step)),
            Kind::StepSettled { step, .. } => drop(open.remove(step)),
            _ => {}
        }
        match &event.kind {
            // After a remedy all its attempts are allowed again.
            Kind::StepFinished { attempt, .. } if attempt.role == Role::Remedy => {
                failures.remove(&attempt.step);
            }
            Kind::RunStopping { .. } => stopping = true,
            Kind::RunReopened { .. } => {
                failures.retain(|step, _| open.contains(step));
                stopping = false;
            }
            Kind::StepFinished { attempt, end }
                if attempt.role == Role::Main
                    && end.verdict == Verdict::Failure
                    && !matches!(
                        end.exit,
                        Exit::Interrupted | Exit::Canceled { .. } | Exit::Lost { .. }
                    ) =>
            {
                let failed = failures.entry(attempt.step).or_default();
                *failed += 1;
                let allowed = plan[attempt.step].policy.retry.count + 1;
                assert!(
                    *failed <= allowed,
                    "{} failed {failed} times",
                    plan[attempt.step].id
                );
            }
            // Given up: then all that the policy allows was tried, unless the run stops.
            Kind::StepSettled {
                step,
                reason:
                    Reason::Exhausted { .. }
                    | Reason::Ineffective { .. }
                    | Reason::RemedySpent { .. }
                    | Reason::RemedyDeclined { .. },
                ..
            } if !stopping => {
                let allowed = plan[*step].policy.retry.count + 1;
                let failed = failures.get(step).copied().unwrap_or_default();
                assert_eq!(failed, allowed, "{} was given up early", plan[*step].id);
            }
            _ => {}
        }
    }
}

/// After an acknowledged cancel only what always runs, and undoing, starts.
fn nothing_starts_after_cancel(plan: &Plan, world: &Virtual) {
    let mut canceled: Option<usize> = None;
    let mut cancels: Vec<(usize, usize)> = Vec::new();
    for (at, event) in world.log().iter().enumerate() {
        match event.kind {
            Kind::RunStopping { .. } => canceled = canceled.or(Some(at + 1)),
            Kind::RunReopened { .. } => {
                cancels.extend(canceled.take().map(|from| (from, at)));
            }
            _ => {}
        }
    }
    cancels.extend(canceled.map(|from| (from, usize::MAX)));
    for entry in world
        .ledger
        .iter()
        .filter(|entry| entry.what == What::Start)
    {
        let stopped = cancels
            .iter()
            .any(|(from, to)| (*from..*to).contains(&entry.durable));
        let allowed = entry.attempt.role == Role::Undo || plan[entry.attempt.step].policy.always;
        assert!(
            !stopped || allowed,
            "{:?} started after the run was stopped",
            entry.attempt
        );
    }
}

/// Once the log says that the run waits for a restart, nothing at all starts: no
/// clean-up, and nothing is taken back. Another reason to stop may come first; or
/// nothing was left to be done after it, and the run ends as it would have.
fn nothing_starts_before_the_restart(world: &Virtual) {
    let (mut waits, mut left) = (false, false);
    let mut since = Vec::new();
    for event in world.log() {
        match &event.kind {
            Kind::RunStopping { why, .. } => {
                (waits, left) = (*why == Stopping::Restart, false);
            }
            Kind::StepSettled {
                outcome: Outcome::Canceled,
                ..
            } => left = true,
            Kind::RollbackStarted { .. } => waits &= left,
            Kind::RunReopened { .. } => waits = false,
            _ => {}
        }
        since.push(waits);
    }
    for entry in world.ledger.iter().filter(|e| e.what == What::Start) {
        let waits = entry.durable.checked_sub(1).is_some_and(|at| since[at]);
        assert!(!waits, "{:?} started before the restart", entry.attempt);
    }
}

/// A run stops once for what its steps ask for, not again after that restart.
fn each_restart_is_asked_for_once(world: &Virtual) {
    let mut asked: BTreeSet<Attempt> = BTreeSet::new();
    for event in world.log() {
        match &event.kind {
            Kind::StepFinished { attempt, end } if end.verdict == Verdict::RestartRequired => {
                asked.insert(*attempt);
            }
            Kind::RunStopping {
                why: Stopping::Restart,
                ..
            } => assert!(
                !std::mem::take(&mut asked).is_empty(),
                "nobody asked for a restart"
            ),
            _ => {}
        }
    }
}

/// A step whose program ended well is not run again, whoever noticed it and
/// when, unless the log says that it may have been taken back, or a power cut
/// has taken the only record.
fn what_ended_well_is_not_repeated(plan: &Plan, world: &Virtual) {
    let mut well = BTreeSet::new();
    for entry in &world.ledger {
        let step = entry.attempt.step;
        match (&entry.what, entry.attempt.role) {
            (What::Start, Role::Main) => {
                let undo = world.log()[..entry.durable].iter().any(|event| {
                    matches!(&event.kind, Kind::StepClaimed { attempt, .. }
                        if attempt.step == step && attempt.role == Role::Undo)
                });
                let id = &plan[step].id;
                assert!(
                    undo || !well.contains(&step),
                    "{id} ended well and ran again"
                );
            }
            (What::End(Exit::Exited { code: 0 }), Role::Main)
                if !world.forgotten.contains(&entry.attempt) =>
            {
                well.insert(step);
            }
            _ => {}
        }
    }
}

/// A sound plan always has something that can happen.
fn nothing_was_stuck(world: &Virtual) {
    for event in world.log() {
        if let Kind::RunStopping {
            reason: reason @ Reason::Stuck { .. },
            ..
        } = &event.kind
        {
            panic!("{reason}");
        }
    }
}

/// A step that is not idempotent is not made again after an attempt whose end
/// nobody saw, until a person reopens the run.
fn what_nobody_saw_is_not_repeated_unasked(plan: &Plan, world: &Virtual) {
    let mut unseen = BTreeSet::new();
    for event in world.log() {
        match &event.kind {
            Kind::RunReopened { .. } => unseen.clear(),
            Kind::StepFinished { attempt, end }
                if end.exit == Exit::Interrupted
                    && attempt.role == Role::Main
                    && !plan[attempt.step].policy.idempotent =>
            {
                unseen.insert(attempt.step);
            }
            Kind::StepClaimed { attempt, .. } if attempt.role == Role::Main => {
                let id = &plan[attempt.step].id;
                assert!(!unseen.contains(&attempt.step), "{id} is repeated unasked");
            }
            _ => {}
        }
    }
}

fn every_step_has_settled(plan: &Plan, world: &Virtual) {
    let run = RunState::replay(Arc::new(plan.clone()), world.log()).expect("replays");
    for ix in plan.indices().filter(|ix| plan[*ix].absent.is_none()) {
        assert!(
            run.step(ix).outcome().is_some(),
            "{} has no outcome",
            plan[ix].id
        );
    }
}

/// Steps are only canceled where the run was: one that an engine stopped, whose
/// reason died with it, is not left undone in a run that goes on.
fn nothing_is_canceled_but_by_a_stop(plan: &Plan, world: &Virtual) {
    let run = RunState::replay(Arc::new(plan.clone()), world.log()).expect("replays");
    let stopped = run.stopped().is_some();
    for ix in plan.indices().filter(|_| !stopped) {
        let outcome = run.step(ix).outcome();
        assert_ne!(outcome, Some(Outcome::Canceled), "{}", plan[ix].id);
    }
}
