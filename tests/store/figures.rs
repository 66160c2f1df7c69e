//! What monitoring counts: once for each end of a run, whatever crashes, and for
//! ever, whatever is pruned.

use std::sync::Arc;

use quintet::plan::{Plan, Verdict};
use quintet::run::figures::Figures;
use quintet::run::{Event, Exit, Kind, Reason, RunOutcome};
use quintet::store::{Durability, Keep, RunWriter, Store};

use crate::{
    Home, begin, events, finished, main_attempt, me, new_run, over, plan, record, started,
};

fn named(id: &str) -> Plan {
    Plan {
        id: id.into(),
        ..plan(&["a"])
    }
}

/// One attempt, which takes so long, and the end of the run.
fn one_step(took: u64) -> Vec<Kind> {
    let exit = Exit::Exited { code: 0 };
    let end = finished(
        main_attempt(0, 1),
        exit,
        Verdict::Success,
        (1000, 1000 + took),
    );
    vec![started(), end, over(RunOutcome::Succeeded)]
}

fn of(store: &Store, plan: &str) -> Figures {
    let counted = store.counted().unwrap();
    counted.plans.get(plan).cloned().unwrap_or_default()
}

fn attempts(figures: &Figures) -> u64 {
    figures.attempts.values().sum()
}

#[test]
fn a_run_counts_when_it_has_ended() {
    let home = Home::new();
    let writer = begin(&home, new_run(&home, named("P"), 1000));
    let mut all = events(one_step(40));
    let end = all.pop().unwrap();
    for event in all {
        writer.append(event);
    }
    writer.flush().unwrap();
    let store = home.store();
    let counted = store.counted().unwrap();
    assert!(counted.plans.is_empty());
    assert_eq!((counted.running, counted.interrupted), (1, 0));
    writer.append(end);
    writer.close().unwrap();
    let counted = store.counted().unwrap();
    assert_eq!((counted.running, counted.interrupted), (0, 0));
    let figures = of(&store, "P");
    assert_eq!(figures.runs[&RunOutcome::Succeeded], 1);
    assert_eq!(figures.attempt_duration.sum_ms, 40);
}

#[test]
fn figures_grow_from_run_to_run_and_outlive_them() {
    let home = Home::new();
    for took in [10, 20, 30] {
        record(&home, named("P"), one_step(took));
    }
    let store = home.store();
    let before = of(&store, "P");
    assert_eq!(before.attempt_duration.sum_ms, 60);
    let keep = Keep {
        newest: 0,
        ended_since: u64::MAX,
    };
    assert_eq!(store.prune(keep).unwrap().runs, 3);
    assert_eq!(of(&store, "P"), before);
    record(&home, named("P"), one_step(5));
    assert_eq!(of(&store, "P").attempt_duration.sum_ms, 65);
    assert_eq!(of(&store, "P").runs[&RunOutcome::Succeeded], 4);
}

/// However little of a run its last engine has seen, all of it counts, and what
/// counted at an earlier end does not count again.
#[test]
fn a_run_of_several_engines_counts_once_and_from_one_end_to_the_next() {
    let home = Home::new();
    let writer = begin(&home, new_run(&home, named("P"), 1000));
    let run_id = writer.run_id().to_owned();
    let exit = |code| Exit::Exited { code };
    let failed = |number, took: u64| {
        let took = (1000, 1000 + took);
        finished(main_attempt(0, number), exit(1), Verdict::Failure, took)
    };
    let mut all = events(vec![
        started(),
        failed(1, 100),
        // Another engine, which sees the run's end.
        failed(2, 10),
        over(RunOutcome::Failed),
        // And a third, after it.
        Kind::RunReopened {
            reason: Reason::Request { by: "me".into() },
        },
        failed(3, 1),
        over(RunOutcome::Failed),
    ])
    .into_iter();
    let store = home.store();
    let append = |writer: RunWriter, events: Vec<Event>| {
        for event in events {
            writer.append(event);
        }
        writer.close().unwrap();
    };
    append(writer, all.by_ref().take(2).collect());
    assert_eq!(store.counted().unwrap().interrupted, 1);
    for (n, sum) in [(2, 110), (3, 111)] {
        let plan = Arc::new(store.plan(&run_id).unwrap());
        let ownership = store.own(&run_id, &me()).unwrap();
        let writer = RunWriter::resume(&home.state, Durability::Full, ownership, plan, |_| {});
        append(writer.unwrap(), all.by_ref().take(n).collect());
        assert_eq!(of(&store, "P").attempt_duration.sum_ms, sum);
    }
    let figures = of(&store, "P");
    assert_eq!(figures.runs[&RunOutcome::Failed], 2);
    assert_eq!(attempts(&figures), 3);
}

#[test]
fn the_first_hundred_plans_have_names_and_keep_them() {
    let home = Home::new();
    for n in 0..103 {
        record(&home, named(&format!("P{n}")), one_step(1));
    }
    record(&home, named("P0"), one_step(1));
    let plans = home.store().counted().unwrap().plans;
    assert_eq!(plans.len(), 101);
    assert_eq!(attempts(&plans["other"]), 3);
    assert_eq!(attempts(&plans["P0"]), 2);
    assert!(!plans.contains_key("P100"));
}

#[test]
fn a_store_that_has_never_counted_is_read_and_one_with_other_words_goes_on() {
    let home = Home::new();
    record(&home, named("P"), one_step(1));
    let sql = home.sql();
    sql.execute_batch("UPDATE figures SET counted = 'nonsense'")
        .unwrap();
    record(&home, named("P"), one_step(7));
    assert_eq!(of(&home.store(), "P").attempt_duration.sum_ms, 7);
    sql.execute_batch("DROP TABLE figures; PRAGMA user_version = 1")
        .unwrap();
    let old = Store::read_only(&home.state).unwrap();
    assert!(old.counted().unwrap().plans.is_empty());
}
