//! Random plans: small, and with every policy the core knows.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use quintet::plan::{
    Absent, Action, Approval, Budget, Cache, CacheUse, Command, Condition, Holds, OnAbort,
    OnFailure, OnRestart, Plan, Policy, Program, Remediate, Remedy, Retry, Rollback, Step, StepIx,
    Undo, Verdict,
};

use crate::rng::Rng;

pub fn random(rng: &mut Rng) -> Plan {
    let n = 1 + rng.below(12) as usize;
    let density = rng.below(60);
    let mut steps: Vec<Step> = Vec::new();
    for at in 0..n {
        let mut needs = Vec::new();
        let mut after = Vec::new();
        for from in 0..at {
            if rng.chance(density) {
                match rng.chance(85) {
                    true => needs.push(StepIx::new(from)),
                    false => after.push(StepIx::new(from)),
                }
            }
        }
        let asked = rng
            .chance(12)
            .then(|| rng.below(at as u64 + 1) as usize)
            .filter(|from| *from < at);
        if let Some(from) = asked.map(StepIx::new)
            && !needs.contains(&from)
            && !after.contains(&from)
        {
            after.push(from);
            after.sort();
        }
        let cached = rng.chance(20);
        let forces = rng.below(at as u64 + 1) as usize;
        if cached && forces < at {
            let forces = StepIx::new(forces);
            if !needs.contains(&forces) && !after.contains(&forces) {
                after.push(forces);
                after.sort();
            }
        }
        let mut step = step(rng, at, needs, after);
        step.cache = cached.then(|| cache(forces, at));
        step.remedy = rng.chance(20).then(|| remedy(rng));
        step.when = asked.map(|from| condition(rng, from));
        steps.push(step);
    }
    add_fallback(rng, &mut steps);
    let mut plan = empty(steps);
    plan.max_concurrency = NonZeroU32::new(1 + rng.below(4) as u32).unwrap();
    plan.on_abort = if rng.chance(50) {
        OnAbort::Wait
    } else {
        OnAbort::Terminate
    };
    plan.on_restart = if rng.chance(30) {
        OnRestart::Stop
    } else {
        OnRestart::Continue
    };
    plan.rollback = match rng.below(4) {
        0 => Rollback::Never,
        1 => Rollback::OnFailureOrCancel,
        _ => Rollback::OnFailure,
    };
    plan.deadline = rng
        .chance(10)
        .then(|| Duration::from_millis(50 + rng.below(600)));
    plan.cache = match rng.below(6) {
        0 => CacheUse::Refresh,
        1 => CacheUse::Off,
        _ => CacheUse::Use,
    };
    plan.remediate = match rng.below(6) {
        0 => Remediate::Ask,
        1 => Remediate::No,
        _ => Remediate::Yes,
    };
    plan.pools.insert("pool".into(), 1 + rng.below(2) as u32);
    plan.resources.insert("memory".into(), 4);
    plan
}

/// What an editor makes of a plan while its run is cut off.
pub fn edited(rng: &mut Rng, plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let at = rng.below(plan.steps.len() as u64) as usize;
    let step = &mut plan.steps[at];
    step.needs = [].into();
    step.policy = Arc::new(Policy {
        retry: Retry::default(),
        ..Policy::default()
    });
    plan
}

pub fn empty(steps: Vec<Step>) -> Plan {
    Plan {
        rollback: Rollback::Never,
        steps,
        ..Plan::new("sim")
    }
}

pub fn command() -> Command {
    Command {
        program: Program::Argv([quintet::plan::Text::from("true")].into()),
        cwd: "/".into(),
        env: [].into(),
        stdin: None,
    }
}

fn step(rng: &mut Rng, at: usize, needs: Vec<StepIx>, after: Vec<StepIx>) -> Step {
    let policy = Policy {
        retry: Retry {
            count: if rng.chance(40) {
                rng.below(3) as u32
            } else {
                0
            },
            delay: Duration::from_millis(rng.below(40)),
            factor_percent: 200,
            cap: None,
            jitter_percent: rng.below(30) as u32,
        },
        on_failure: match rng.below(4) {
            0 => OnFailure::Abort,
            1 => OnFailure::Continue,
            _ => OnFailure::SkipDependents,
        },
        critical: rng.chance(60),
        always: rng.chance(8),
        idempotent: !rng.chance(10),
        priority: rng.below(3) as i32 - 1,
        approval: rng.chance(50).then(|| Approval {
            within: rng.chance(70).then(|| Duration::from_millis(rng.below(40))),
            otherwise: rng.chance(50),
        }),
        timeout: rng
            .chance(25)
            .then(|| Duration::from_millis(5 + rng.below(60))),
        grace: Duration::from_millis(rng.below(8)),
        exit_codes: match rng.chance(15) {
            // Then what ends well is still what exits with 0.
            true => BTreeMap::from([(0, Verdict::RestartRequired)]),
            false => BTreeMap::new(),
        },
        ..Policy::default()
    };
    let action = match rng.chance(8) {
        true => Action::Group,
        false => Action::Command(Box::new(command())),
    };
    Step {
        needs: needs.into(),
        after: after.into(),
        absent: rng.chance(6).then_some(Absent::NotSelected),
        policy: Arc::new(policy),
        holds: rng.chance(25).then(|| holds(rng)),
        confirm: rng.chance(6).then(|| "sure?".into()),
        undo: rng.chance(25).then(|| {
            Box::new(Undo {
                command: command(),
                timeout: None,
                retry: Retry {
                    count: rng.below(2) as u32,
                    ..Retry::default()
                },
            })
        }),
        ..Step::new(format!("s{at}"), action)
    }
}

/// Not fresher than the step at `forces`, if that is an earlier one.
fn cache(forces: usize, at: usize) -> Box<Cache> {
    Box::new(Cache {
        stale_with: (forces < at)
            .then(|| format!("s{forces}").into())
            .into_iter()
            .collect(),
        ..Cache::default()
    })
}

fn remedy(rng: &mut Rng) -> Box<Remedy> {
    Box::new(Remedy {
        command: command(),
        timeout: None,
        attempts: 1 + rng.below(3) as u32,
        cooldown: Duration::from_millis(rng.below(2) * 30),
        budget: rng.chance(20).then(|| Budget {
            times: rng.below(3) as u32,
            window: Duration::from_secs(3600),
        }),
        confirm: rng.chance(20).then(|| "mend it?".into()),
    })
}

fn condition(rng: &mut Rng, from: usize) -> Box<Condition> {
    let word = ["success", "failed", "skipped"][rng.below(3) as usize];
    let text = format!("prev.s{from}.status == '{word}'");
    Box::new(Condition::parse(&text).expect("a condition"))
}

fn holds(rng: &mut Rng) -> Box<Holds> {
    let mut holds = Holds::default();
    match rng.below(3) {
        0 => holds.locks = ["l".into()].into(),
        1 => holds.pool = Some(("pool".into(), 1)),
        _ => holds.resources = [("memory".into(), 1 + rng.below(4) as u32)].into(),
    }
    Box::new(holds)
}

/// Lets some step stand in for an earlier one.
fn add_fallback(rng: &mut Rng, steps: &mut [Step]) {
    if steps.len() < 2 || !rng.chance(25) {
        return;
    }
    let at = 1 + rng.below(steps.len() as u64 - 1) as usize;
    let principal = rng.below(at as u64) as usize;
    let runs = |step: &Step| matches!(step.action, Action::Command(_)) && !step.policy.always;
    if !runs(&steps[at]) || !runs(&steps[principal]) {
        return;
    }
    let ix = StepIx::new(principal);
    // What waits for the principal waits for its stand-in too, so that one must
    // not wait for any of those.
    let other = |needs: &[StepIx]| needs.iter().copied().filter(|need| *need < ix).collect();
    steps[at].needs = other(&steps[at].needs);
    steps[at].after = other(&steps[at].after);
    steps[at].fallback_of = Some(ix);
    // Whom a condition asks about is always waited for: the builder sees to it.
    let waits = [&steps[at].needs, &steps[at].after];
    let waited_for = |id: &str| {
        waits
            .iter()
            .any(|all| all.iter().any(|ix| id == format!("s{}", ix.at())))
    };
    let asks = steps[at].when.as_ref().map(|when| when.steps());
    if !asks.into_iter().flatten().all(waited_for) {
        steps[at].when = None;
    }
    let not_fresher_than = steps[at].cache.iter().flat_map(|cache| &cache.stale_with);
    if !not_fresher_than.into_iter().all(|id| waited_for(id)) {
        steps[at].cache = None;
    }
}
