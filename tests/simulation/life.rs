//! One engine's life, as `run` and `resume` lead it, and a run's whole story:
//! one life after another, with all that befalls them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use quintet::engine::{Engine, EngineError, JobContext, may_have_restarted};
use quintet::plan::{Plan, StepIx};
use quintet::run::{Engine as EngineId, RunOutcome, RunPhase, RunState, Usual};

use crate::rng::Rng;
use crate::store::SimLog;
use crate::supervisors::Supervisors;
use crate::world::{Crash, Fate, Outside, Rules, Shared, Who};
use crate::{TELL, check, plans};

/// What an engine knows of earlier runs: each knows something else, of some of
/// the steps, and the second knows nothing.
fn past(plan: &Plan, epoch: u32) -> Usual {
    let mut usual = Usual::nothing();
    for ix in plan.indices().filter(|_| epoch != 2) {
        let mixed = ix.at() as u64 * 7 + u64::from(epoch) * 13;
        if mixed % 5 > 2 {
            usual.note(ix, mixed % 31);
        }
    }
    usual
}

/// How an engine's life ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Life {
    /// It drove the run to its end.
    Ended,
    Killed,
    /// It had to give up: the log or the executor failed it.
    Stopped(String),
    /// Another engine has the run.
    Busy,
    /// The run has succeeded already.
    NothingToDo,
    /// The run waits for a restart, which has not been.
    NotRestarted,
    /// A person must say what becomes of an attempt whose end nobody saw.
    NeedsWord,
}

/// What somebody who resumes a run says with it.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// What to do about steps that need a person's word: take them as done
    /// (true), run them again (false), or nothing. Used up from the front.
    pub words: Vec<bool>,
    pub cancel: bool,
}

/// One engine's life.
pub fn lead(shared: &Shared, fate: Option<(u64, Fate)>, again: &Again) -> Life {
    let who = shared.0.borrow_mut().enters(fate);
    let outcome = catch_unwind(AssertUnwindSafe(|| drive(shared, who, again)));
    let mut world = shared.0.borrow_mut();
    let life = match outcome {
        Ok(life) => {
            world.close_log(who);
            life
        }
        Err(payload) if payload.is::<Crash>() => {
            world.tear_commit(who);
            Life::Killed
        }
        Err(payload) => {
            if TELL.get() {
                eprintln!("{:#?}\n{}", world.plan, world.tell());
            }
            std::panic::resume_unwind(payload)
        }
    };
    world.leaves(who);
    life
}

/// The order of things is that of the product's own session.
fn drive(shared: &Shared, who: Who, again: &Again) -> Life {
    let (mut executor, mut log, mut outside) = shared.hands(who);
    let Some(epoch) = outside.0.call().own(who) else {
        return Life::Busy;
    };
    let (plan, events) = outside.0.call().read();
    let past = past(&plan, epoch);
    let run = RunState::expecting(plan, &past).after(&events);
    let run = run.expect("the durable log replays");
    if *run.phase() == RunPhase::Finished(RunOutcome::Succeeded) {
        return Life::NothingToDo;
    }
    let boot = shared.0.borrow().boot.to_string();
    let has_restarted = may_have_restarted(&run, &boot);
    if matches!(run.phase(), RunPhase::Finished(_)) && !has_restarted {
        return Life::NotRestarted;
    }
    let asked = run.needs_word();
    if again.words.len() < asked.len() {
        return Life::NeedsWord;
    }
    outside.0.call().starts_clock(who, events);
    if let Err(why) = outside.0.call().open_epoch(epoch) {
        return Life::Stopped(why);
    }
    let engine = EngineId {
        epoch,
        pid: who as u32,
        host: "here".into(),
        boot,
        version: "0".into(),
    };
    let mut engine_loop = Engine {
        run,
        executor: &mut executor,
        log: &mut log,
        world: &mut outside,
        context: JobContext::default(),
    };
    let stopped = !matches!(engine_loop.run.phase(), RunPhase::Finished(_))
        && engine_loop.run.stopped_in().is_some();
    let goes_on = stopped && has_restarted;
    let opened = open(&mut engine_loop, engine, goes_on, &asked, again);
    match opened.and_then(|()| engine_loop.drive()) {
        Ok(_) => {
            let run = engine_loop.run;
            let world = shared.0.borrow();
            if world.store.epoch == epoch {
                check::state_is_the_log(&run, &world);
            }
            Life::Ended
        }
        Err(EngineError::Illegal(event)) => panic!("{event}"),
        Err(error) => Life::Stopped(error.to_string()),
    }
}

fn open(
    engine_loop: &mut Engine<Supervisors, SimLog, Outside>,
    engine: EngineId,
    goes_on: bool,
    asked: &[StepIx],
    again: &Again,
) -> Result<(), EngineError> {
    if *engine_loop.run.phase() == RunPhase::Pending {
        let content_id = engine_loop.run.plan().content_id();
        return engine_loop.begin(content_id, 7, engine);
    }
    let ended = matches!(engine_loop.run.phase(), RunPhase::Finished(_));
    let said = |wanted: bool| -> Vec<StepIx> {
        let both = asked.iter().zip(&again.words);
        both.filter(|(_, word)| **word == wanted)
            .map(|(step, _)| *step)
            .collect()
    };
    engine_loop.take_over(engine)?;
    if ended || goes_on {
        engine_loop.reopen("somebody")?;
    }
    engine_loop.take_word(&said(true), &said(false), "somebody")?;
    match again.cancel {
        true => engine_loop.cancel("somebody"),
        false => Ok(()),
    }
}

/// What happens while an engine stands still: others want its run. They are
/// refused, unless its lock was lost with it.
pub fn while_frozen(shared: &Shared, who: Who) {
    let (lives, owned) = {
        let mut world = shared.0.borrow_mut();
        let begun = !world.store.events.is_empty();
        if begun && world.rng.chance(50) {
            world.store.owner = None;
        }
        let owned = world.store.owner == Some(who);
        (1 + world.rng.below(2), owned)
    };
    for _ in 0..lives {
        let (fate, again) = {
            let mut world = shared.0.borrow_mut();
            let after = 1 + world.rng.below(200);
            let killed = world.rng.chance(80);
            let again = word(&mut world.rng);
            (killed.then_some((after, Fate::Killed)), again)
        };
        let life = lead(shared, fate, &again);
        let mut world = shared.0.borrow_mut();
        let refused = life == Life::Busy || life == Life::Killed;
        assert!(refused || !owned || !world.rules.one_owner, "{life:?}");
        if world.rng.chance(50) {
            world.wall_jumps();
        }
        let until = world.now + world.rng.below(60);
        world.run_until(until);
        world.now = until;
    }
}

/// What somebody says who resumes a run.
fn word(rng: &mut Rng) -> Again {
    let says = rng.chance(70);
    let words = (0..if says { 20 } else { 0 })
        .map(|_| rng.chance(50))
        .collect();
    let cancel = rng.chance(5);
    Again { words, cancel }
}

/// One run's whole story. Returns a digest of all that happened, so that the
/// same seed can be seen to tell the same story.
pub fn story(seed: u64, rules: Rules) -> blake3::Hash {
    let shared = told(seed, rules);
    let world = shared.0.borrow();
    world.digest()
}

/// The world at the end of a story.
pub fn told(seed: u64, rules: Rules) -> Shared {
    let mut rng = Rng::new(seed);
    let plan = Arc::new(plans::random(&mut rng));
    let shared = Shared::new(plan, rng.number(), rules);
    let mut troubles = rng.below(6);
    let mut reopens = rng.below(3);
    let mut lives = 0;
    loop {
        lives += 1;
        assert!(lives < 100, "the run does not end");
        let quiet = troubles == 0;
        shared.0.borrow_mut().quiet = quiet;
        let fate = match rng.below(10) {
            _ if quiet => None,
            0..=5 => Some((1 + rng.below(250), Fate::Killed)),
            6..=8 => Some((1 + rng.below(250), Fate::Frozen)),
            _ => None,
        };
        match lead(&shared, fate, &word(&mut rng)) {
            // While the one that ended it stood still, another reopened it and died.
            Life::Ended if !shared.0.borrow().has_ended() => {}
            Life::Ended | Life::NothingToDo => {
                if reopens == 0 || shared.0.borrow().succeeded() {
                    break;
                }
                reopens -= 1;
                shared.0.borrow_mut().somebody_cancels();
            }
            Life::NotRestarted => shared.0.borrow_mut().somebody_restarts(),
            Life::NeedsWord => {}
            life @ (Life::Killed | Life::Stopped(_)) => {
                assert!(!quiet, "nothing was in the way, and yet: {life:?}");
                troubles -= 1;
                shared.0.borrow_mut().meanwhile();
            }
            Life::Busy => panic!("nobody has the run, and yet it is busy"),
        }
    }
    if TELL.get() {
        eprintln!("{}", shared.0.borrow().tell());
    }
    check::story(&shared.0.borrow());
    shared
}
