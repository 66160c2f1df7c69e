//! The real store under simulated stories: the same batches by the same engines,
//! and then what it keeps, its tables and its copy in lines, must be what the
//! log tells when it is replayed.

use std::sync::Arc;

use quintet::paths::StateDir;
use quintet::plan::Plan;
use quintet::run::{Event, Outcome, RunPhase, RunState};
use quintet::store::{Durability, NewRun, Owner, RunWriter, Store, reserve_run};

use crate::life::told;
use crate::quiet_crashes;
use crate::rng::Rng;
use crate::world::Rules;

fn owner() -> Owner {
    Owner {
        pid: 1,
        host: "here".into(),
        since: 1,
    }
}

/// Enters the log, one writer for each engine that wrote of it. Gives the run's id.
fn enter(state: &StateDir, plan: &Arc<Plan>, lives: Vec<Vec<Event>>, rng: &mut Rng) -> String {
    let run = NewRun {
        run_id: reserve_run(state, 1).expect("a directory").run_id,
        plan: plan.clone(),
        content: plan.content(),
        created_at: 1,
        command_line: Vec::new(),
        owner: owner(),
    };
    let run_id = run.run_id.clone();
    let mut run = Some(run);
    for life in lives {
        let writer = match run.take() {
            Some(run) => {
                let store = Store::open(state, Durability::Normal).expect("a store");
                RunWriter::begin(store, Durability::Normal, run, |_| {})
            }
            None => {
                let store = Store::open_existing(state).expect("a store");
                let ownership = store.own(&run_id, &owner()).expect("it is free");
                let plan = Arc::new(store.plan(&run_id).expect("a plan"));
                let durability = Durability::Normal;
                RunWriter::resume(state, durability, ownership, plan, |_| {}).map_err(Into::into)
            }
        };
        let writer = writer.expect("a writer");
        for event in life {
            writer.append(event);
            if rng.chance(20) {
                writer.flush().expect("it is written");
            }
        }
        writer.close().expect("it is written");
    }
    run_id
}

/// XI02: replay equals the tables.
#[test]
fn xi02_the_tables_tell_what_the_log_tells() {
    quiet_crashes();
    let tmp = tempfile::tempdir().expect("a directory");
    let state = StateDir::create(&tmp.path().join("state")).expect("a directory");
    for seed in 0..30 {
        let shared = told(seed, Rules::ALL);
        let world = shared.0.borrow();
        let mut lives: Vec<Vec<Event>> = Vec::new();
        let mut last = None;
        for (event, (writer, _)) in world.log().iter().zip(&world.store.writers) {
            if last.replace(*writer) != Some(*writer) {
                lives.push(Vec::new());
            }
            lives.last_mut().expect("a life").push(event.clone());
        }
        let run_id = enter(&state, &world.plan, lives, &mut Rng::new(seed));
        let store = Store::open_existing(&state).expect("a store");
        let events = store.events(&run_id, 0, usize::MAX).expect("events");
        assert_eq!(events, world.log(), "seed {seed}");
        let mut lines = Vec::new();
        store.export_jsonl(&run_id, &mut lines).expect("lines");
        let copy = std::fs::read(state.run(&run_id).join("events.jsonl")).expect("a copy");
        assert!(copy == lines, "seed {seed}: the copy differs");
        let run = RunState::replay(world.plan.clone(), &events).expect("it replays");
        the_run_is_as(&store, &run_id, &run);
        the_steps_are_as(&state, &run_id, &run);
    }
}

fn the_run_is_as(store: &Store, run_id: &str, run: &RunState) {
    let row = store.find_run(run_id).expect("a row");
    let RunPhase::Finished(outcome) = run.phase() else {
        panic!("a story has an end");
    };
    assert_eq!(row.state.word(), outcome.word());
    assert_eq!(row.ended_at, Some(run.ended_at()));
    assert_eq!(
        row.exit_code == Some(0),
        *outcome == quintet::run::RunOutcome::Succeeded
    );
}

/// Of each step that has settled by an attempt of its own the view has that
/// attempt, ended as the fold has it.
fn the_steps_are_as(state: &StateDir, run_id: &str, run: &RunState) {
    let sql = rusqlite::Connection::open(state.database()).expect("a database");
    let mut ask = sql
        .prepare(
            "SELECT max(attempt), state FROM step_attempts
             WHERE run_id = ?1 AND step_id = ?2 AND role = 'main'",
        )
        .expect("a view");
    for step in run.plan().indices() {
        let id = &run.plan()[step].id;
        let (attempt, word): (u32, String) = ask
            .query_row((run_id, id), |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("each step has a row");
        let record = run.step(step);
        assert!(attempt <= record.attempts, "{id}");
        let settled_by_attempt = match record.outcome() {
            Some(Outcome::Succeeded | Outcome::Failed) => {
                !record.last.is_none() && attempt == record.attempts && attempt > 0
            }
            _ => false,
        };
        let by_itself = matches!(
            &record.state,
            quintet::run::StepState::Settled { reason: None, .. }
        );
        if settled_by_attempt && by_itself {
            assert_eq!(word, record.outcome().expect("settled").word(), "{id}");
        }
    }
}
