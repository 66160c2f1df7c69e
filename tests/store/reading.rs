//! Finding runs, following them, and forgetting them.

use quintet::plan::{StepIx, Verdict};
use quintet::run::{Exit, RunOutcome, Usual};
use quintet::store::{
    Keep, NoSuchRun, NotOwned, RunFilter, Store, StoreError, StoredState, reserve_run,
};

use crate::{Home, a_mixed_run, finished, main_attempt, me, over, plan, query, record, started};

#[test]
fn runs_are_found_by_state_name_and_what_a_person_types() {
    let home = Home::new();
    let first = record(
        &home,
        plan(&["a"]),
        vec![started(), over(RunOutcome::Failed)],
    );
    let mut other = plan(&["a"]);
    other.name = "other".into();
    other
        .metadata
        .insert("tags".into(), serde_json::json!(["nightly"]));
    let second = record(&home, other, vec![started()]);
    let store = home.store();
    let ids = |filter: RunFilter| {
        let found = store.runs(&filter).unwrap();
        let ids: Vec<String> = found.into_iter().map(|run| run.run_id).collect();
        ids.join(" ")
    };
    let all = RunFilter::default;
    assert_eq!(ids(all()), format!("{second} {first}"));
    let newest = store
        .runs(&RunFilter {
            limit: Some(1),
            ..all()
        })
        .unwrap()
        .remove(0);
    assert_eq!(newest.run_id, second);
    assert_eq!(newest.command_line, ["quintet", "run", "plan.json"]);
    assert_eq!(
        ids(RunFilter {
            before: Some(newest.key),
            ..all()
        }),
        first
    );
    assert_eq!(
        ids(RunFilter {
            state: Some(StoredState::Failed),
            ..all()
        }),
        first
    );
    assert_eq!(
        ids(RunFilter {
            name: Some("other".into()),
            ..all()
        }),
        second
    );
    assert_eq!(
        ids(RunFilter {
            name: Some("PLAN-SAFE-MERGE-001".into()),
            ..all()
        }),
        ids(all())
    );
    let both = RunFilter {
        name: Some("other".into()),
        state: Some(StoredState::Failed),
        ..all()
    };
    assert!(ids(both).is_empty());

    let moment = newest.created_at;
    let since = |since| RunFilter {
        since: Some(since),
        ..all()
    };
    assert!(ids(since(moment)).starts_with(&second));
    assert!(ids(since(moment + 1)).is_empty());
    let until = RunFilter {
        until: Some(moment),
        ..all()
    };
    assert!(!ids(until).contains(&second));
    let tagged = |tag: &str| RunFilter {
        tag: Some(tag.into()),
        ..all()
    };
    assert_eq!(ids(tagged("nightly")), second);
    assert!(ids(tagged("night")).is_empty());

    let found = |text: &str| store.find_run(text).map(|run| run.run_id);
    assert_eq!(found("last"), Ok(second.clone()));
    assert_eq!(found(&first), Ok(first.clone()));
    assert_eq!(found(&first[first.len() - 4..]), Ok(first.clone()));
    assert!(
        matches!(found("2025"), Err(NoSuchRun::Ambiguous { matches, .. }) if matches.len() == 2)
    );
    let mistyped = format!("{}_", &first[..first.len() - 1]);
    let nearest = Some(first.clone());
    assert_eq!(
        found(&mistyped),
        Err(NoSuchRun::NotFound {
            text: mistyped,
            nearest
        })
    );
    for nothing in ["", "%", "zzz"] {
        assert!(matches!(
            found(nothing),
            Err(NoSuchRun::NotFound { nearest: None, .. })
        ));
    }
}

#[test]
fn usual_durations_are_medians_of_earlier_successes_whatever_the_order_of_steps() {
    let home = Home::new();
    let run = |ids: &[&str], took: &[u64]| {
        let ends = took.iter().enumerate().map(|(step, took)| {
            let exit = Exit::Exited { code: 0 };
            finished(
                main_attempt(step, 1),
                exit,
                Verdict::Success,
                (10, 10 + took),
            )
        });
        record(&home, plan(ids), ends.collect());
    };
    run(&["a", "b"], &[100, 7]);
    run(&["a", "b"], &[300, 7]);
    run(&["b", "a"], &[7, 200]);
    let failed = finished(
        main_attempt(0, 1),
        Exit::Exited { code: 1 },
        Verdict::Failure,
        (0, 9999),
    );
    record(&home, plan(&["a"]), vec![failed]);
    let asked = plan(&["new", "a", "b"]);
    let usual = home.store().usual(&asked).unwrap();
    let of = |at| usual.of(StepIx::new(at));
    assert_eq!((of(0), of(1), of(2)), (None, Some(200), Some(7)));
    let mut other = asked.clone();
    other.id = "PLAN-OTHER".into();
    assert_eq!(home.store().usual(&other).unwrap(), Usual::nothing());
}

#[test]
fn of_a_long_past_only_the_last_runs_count() {
    let home = Home::new();
    let run = |took: u64| {
        let exit = Exit::Exited { code: 0 };
        let end = finished(main_attempt(0, 1), exit, Verdict::Success, (0, took));
        record(&home, plan(&["a"]), vec![end]);
    };
    for took in [1_000; 15].into_iter().chain([40; 20]) {
        run(took);
    }
    let usual = home.store().usual(&plan(&["a"])).unwrap();
    assert_eq!(usual.of(StepIx::new(0)), Some(40));
}

#[test]
fn a_follower_notices_that_others_have_written() {
    let home = Home::new();
    let store = home.store();
    let before = store.data_version().unwrap();
    assert_eq!(store.data_version().unwrap(), before);
    a_mixed_run(&home);
    assert_ne!(store.data_version().unwrap(), before);
}

#[test]
fn where_nothing_was_stored_viewers_make_nothing() {
    let home = Home::new();
    assert!(matches!(
        Store::open_existing(&home.state),
        Err(StoreError::Missing { .. })
    ));
    assert!(matches!(
        Store::read_only(&home.state),
        Err(StoreError::Missing { .. })
    ));
    assert!(!home.state.database().exists());
}

#[test]
fn a_read_only_store_reads_and_writes_nothing() {
    let home = Home::new();
    let run_id = a_mixed_run(&home);
    let store = Store::read_only(&home.state).unwrap();
    assert_eq!(store.events(&run_id, 0, usize::MAX).unwrap().len(), 19);
    assert!(matches!(
        store.own(&run_id, &me()),
        Err(NotOwned::Store(StoreError::ReadOnly { .. }))
    ));
}

#[test]
fn old_runs_go_with_all_they_had_and_the_others_stay() {
    let home = Home::new();
    let ended = || vec![started(), over(RunOutcome::Failed)];
    let old: Vec<String> = (0..60)
        .map(|_| record(&home, plan(&["a"]), ended()))
        .collect();
    let waits = record(
        &home,
        plan(&["a"]),
        vec![started(), over(RunOutcome::Quarantined)],
    );
    let goes_on = record(&home, plan(&["a"]), vec![started()]);
    let store = home.store();
    let owned = store.own(&old[7], &me()).unwrap();
    let newest = record(&home, plan(&["a", "b"]), ended());
    let stray = reserve_run(&home.state, 1000).unwrap();
    let young = reserve_run(&home.state, 1_763_650_921_000).unwrap();

    let keep = |newest, ended_since| Keep {
        newest,
        ended_since,
    };
    let nothing = store.prune(keep(0, 1_763_650_921_002)).unwrap();
    assert_eq!((nothing.runs, nothing.directories), (0, 1));
    assert!(!stray.path.exists() && young.path.exists());

    let pruned = store.prune(keep(1, 1_763_650_921_003)).unwrap();
    assert_eq!((pruned.runs, pruned.events, pruned.plans), (59, 118, 0));
    let left: Vec<String> = store
        .runs(&RunFilter::default())
        .unwrap()
        .into_iter()
        .map(|run| run.run_id)
        .collect();
    assert_eq!(left, [newest, goes_on, waits, old[7].clone()]);
    assert!(!home.state.run(&old[0]).exists() && home.state.run(&old[7]).exists());

    drop(owned);
    let pruned = store.prune(keep(0, u64::MAX)).unwrap();
    assert_eq!((pruned.runs, pruned.plans), (2, 1));
    let counts = "SELECT (SELECT count(*) FROM run), (SELECT count(DISTINCT run) FROM event),
        (SELECT count(*) FROM plan), (SELECT count(DISTINCT plan) FROM step), (SELECT count(*) FROM doomed)";
    assert_eq!(query(&home.sql(), counts), [["2", "2", "1", "1", "0"]]);
}

/// A plan that goes loses its steps a few at a time, and nobody can begin a run of
/// what is left of it.
#[test]
fn a_large_plan_that_goes_halfway_is_not_found_any_more() {
    let home = Home::new();
    let ids: Vec<String> = (0..1000).map(|n| format!("s{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ended = vec![started(), over(RunOutcome::Succeeded)];
    record(&home, plan(&ids), ended.clone());
    // As a crash leaves it: the run has gone, and some steps.
    home.sql()
        .execute_batch(
            "DELETE FROM event; DELETE FROM run; DELETE FROM step WHERE ix < 500;
             UPDATE plan SET content_id = 'unused ' || key",
        )
        .unwrap();
    let again = record(&home, plan(&ids), ended);
    let store = home.store();
    let keep = Keep {
        newest: 1,
        ended_since: u64::MAX,
    };
    assert_eq!(store.prune(keep).unwrap().plans, 1);
    assert_eq!(store.plan(&again).unwrap().steps.len(), 1000);
    let counts = "SELECT (SELECT count(*) FROM plan), (SELECT count(*) FROM step)";
    let counts: (u32, u32) = home
        .sql()
        .query_row(counts, (), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(counts, (1, 1000));
}
