//! What must be true of remedies and of steps that need not run.

use std::collections::{BTreeMap, BTreeSet};

use quintet::plan::{CacheUse, Plan, Remediate, StepIx, Verdict};
use quintet::run::{Exit, Kind, Millis, Outcome, Reason, Role};

use crate::world::{Virtual, What};

/// What the log has told of a step's remedies since the run went on last.
#[derive(Default)]
struct Told {
    /// Its last attempt has failed, and nothing was done about it yet.
    failed: bool,
    /// A remedy was claimed, and has not ended as it should.
    open: bool,
    agreed: bool,
    /// Remedies that count.
    times: u32,
}

/// A remedy follows a failure, as often as the plan allows, and only where the
/// run and the people want it; the step follows a remedy that ended well, or of
/// which nobody knows.
pub fn remedies_are_used_as_the_plan_says(plan: &Plan, world: &Virtual) {
    let mut told: BTreeMap<StepIx, Told> = BTreeMap::new();
    let mut stopping = false;
    for event in world.log() {
        match &event.kind {
            Kind::RunStopping { .. } => stopping = true,
            Kind::RunReopened { .. } => {
                stopping = false;
                for told in told.values_mut() {
                    // Under way, it goes on.
                    *told = Told {
                        failed: told.failed,
                        open: told.open,
                        ..Told::default()
                    };
                }
            }
            Kind::StepAnswered { step, yes, .. } => told.entry(*step).or_default().agreed = *yes,
            Kind::StepRetry { attempt, .. } if attempt.role == Role::Remedy => {
                let id = &plan[attempt.step].id;
                assert!(!stopping, "a run that stops wants {id} remedied");
            }
            Kind::StepClaimed { attempt, .. } => {
                let step = &plan[attempt.step];
                let told = told.entry(attempt.step).or_default();
                match attempt.role {
                    Role::Main => {
                        assert!(!told.open, "{} did not wait for its remedy", step.id);
                        told.failed = false;
                    }
                    Role::Remedy => {
                        let remedy = step.remedy.as_ref().expect("it has a remedy");
                        assert!(told.failed, "{} did not fail", step.id);
                        // One that always runs goes on with what was decided before.
                        let goes_on = !stopping || step.policy.always;
                        assert!(goes_on, "{} is remedied in a run that stops", step.id);
                        assert_ne!(plan.remediate, Remediate::No, "{}", step.id);
                        told.times += 1;
                        assert!(told.times <= remedy.attempts, "{} too often", step.id);
                        let budget = remedy.budget.map_or(u32::MAX, |budget| budget.times);
                        assert!(told.times <= budget, "{} has no budget", step.id);
                        if remedy.confirm.is_some() || plan.remediate == Remediate::Ask {
                            assert!(told.agreed, "{}: nobody agreed", step.id);
                        }
                        (told.failed, told.open, told.agreed) = (false, true, false);
                    }
                    Role::Undo => {}
                }
            }
            Kind::StepFinished { attempt, end } => {
                let told = told.entry(attempt.step).or_default();
                let failed = end.verdict == Verdict::Failure;
                match attempt.role {
                    Role::Main => told.failed = failed,
                    Role::Remedy => {
                        let unknown = matches!(end.exit, Exit::Interrupted | Exit::Canceled { .. });
                        told.open = failed && !unknown;
                        told.times -= u32::from(unknown && told.times > 0);
                    }
                    Role::Undo => {}
                }
            }
            // A remedy that failed is the end of it, until the run is opened again.
            Kind::StepSettled { step, .. } => *told.entry(*step).or_default() = Told::default(),
            _ => {}
        }
    }
}

/// Between one remedy of a step and the next lies its cooldown.
pub fn cooldowns_are_waited_for(plan: &Plan, world: &Virtual) {
    if world.jumps > 0 {
        return;
    }
    let mut ended: BTreeMap<StepIx, (Millis, usize)> = BTreeMap::new();
    let remedies = world
        .ledger
        .iter()
        .filter(|e| e.attempt.role == Role::Remedy);
    for entry in remedies {
        let step = entry.attempt.step;
        match &entry.what {
            What::End(Exit::Exited { code: 0 }) if !world.forgotten.contains(&entry.attempt) => {
                ended.insert(step, (entry.at, entry.durable));
            }
            What::End(_) | What::Lost => drop(ended.remove(&step)),
            What::Start => {
                let Some((at, from)) = ended.remove(&step) else {
                    continue;
                };
                let between = &world.log()[from..entry.durable.max(from)];
                let again = |kind: &Kind| matches!(kind, Kind::RunReopened { .. });
                let reopened = between.iter().any(|event| again(&event.kind));
                let cooldown = plan[step].remedy.as_ref().expect("a remedy").cooldown;
                assert!(
                    reopened || entry.at - at >= cooldown.as_millis() as Millis,
                    "{:?} did not wait for its cooldown",
                    entry.attempt
                );
            }
        }
    }
}

/// What is taken as done was told to be fresh, has not run in this run, and is
/// not fresher than what had to be mended.
pub fn only_the_fresh_are_taken_as_done(plan: &Plan, world: &Virtual) {
    let mut claimed: BTreeSet<StepIx> = BTreeSet::new();
    let mut late: BTreeSet<StepIx> = BTreeSet::new();
    for event in world.log() {
        match &event.kind {
            Kind::RunReopened { .. } => {
                claimed.clear();
                late.clear();
            }
            Kind::StepClaimed { attempt, .. } => {
                if attempt.role == Role::Remedy {
                    late.insert(attempt.step);
                }
                claimed.insert(attempt.step);
            }
            Kind::StepSettled {
                step,
                outcome: Outcome::Failed | Outcome::Canceled,
                ..
            } => drop(late.insert(*step)),
            Kind::StepSettled {
                step,
                reason: Reason::Fresh(_),
                ..
            } => {
                let id = &plan[*step].id;
                assert!(world.fresh.contains(step), "nobody said that {id} is fresh");
                assert!(!claimed.contains(step), "{id} has been claimed");
                assert_ne!(plan.cache, CacheUse::Off, "{id}");
                let cache = plan[*step].cache.as_ref().expect("it may be fresh");
                let is_late = |id: &str| late.iter().any(|ix| *plan[*ix].id == *id);
                let other = cache.stale_with.iter().find(|id| is_late(id));
                assert_eq!(other, None, "{id} is fresher than what was late");
            }
            _ => {}
        }
    }
}
