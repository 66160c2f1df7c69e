//! Killed writers, rival owners, and files that are not what they were.

use std::fs;
use std::io::{BufRead, BufReader};
use std::sync::{Arc, Barrier};

use quintet::run::{Event, Kind, Seq};
use quintet::store::{Durability, NotOwned, Owner, RunWriter, Store, StoreError};
use rusqlite::Connection;

use crate::{
    Home, a_mixed_run, child, home_of_parent, main_attempt, me, new_run, plan, query, record,
    started,
};

/// Takes over the last run (or begins one) and appends for ever; says, a line
/// each, what has been acknowledged.
#[test]
#[ignore = "a process that a test starts and kills"]
fn process_that_writes_until_it_is_killed() {
    let home = home_of_parent();
    let store = home.store();
    let acknowledge = |durable: Result<Seq, StoreError>| println!("\nack {}", durable.unwrap());
    let (writer, mut seq) = match store.find_run("last") {
        Ok(run) => {
            let ownership = store.own(&run.run_id, &me()).unwrap();
            let seq = store.events(&run.run_id, 0, usize::MAX).unwrap().len() as Seq;
            let plan = Arc::new(store.plan(&run.run_id).unwrap());
            let writer =
                RunWriter::resume(&home.state, Durability::Full, ownership, plan, acknowledge);
            (writer.unwrap(), seq)
        }
        Err(_) => {
            let run = new_run(&home, plan(&["a", "b"]), 1000);
            let writer = RunWriter::begin(home.store(), Durability::Full, run, acknowledge);
            (writer.unwrap(), 0)
        }
    };
    loop {
        seq += 1;
        writer.append(Event {
            seq,
            at: seq,
            kind: Kind::StepStarted {
                attempt: main_attempt(1, seq as u32),
                node: None,
            },
        });
        match seq % 11 {
            0 => writer.flush().unwrap(),
            3 => writer.hurry(),
            _ => std::thread::yield_now(),
        }
    }
}

/// XA04, XA05 (their part of the store): whenever the engine is killed, what it
/// acknowledged is there, the run is free at once, and the copy is mended.
#[test]
fn xa04_nothing_acknowledged_is_lost_however_often_the_writer_is_killed() {
    let home = Home::new();
    let mut acknowledged = 0;
    for round in 0..15 {
        let mut writer = child(
            "crashes::process_that_writes_until_it_is_killed",
            &home.state,
        );
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // A prime step walks the kill over all phases of a commit.
        for line in lines.by_ref().take(3 + round * 7) {
            acknowledged = acknowledgement(&line.unwrap()).unwrap_or(acknowledged);
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            acknowledged = acknowledgement(&line).unwrap_or(acknowledged);
        }

        let store = home.store();
        let run = store.find_run("last").unwrap();
        assert_eq!(store.owner(&run.run_id), Ok(None));
        let events = store.events(&run.run_id, 0, usize::MAX).unwrap();
        assert!(
            events
                .iter()
                .map(|event| event.seq)
                .eq(1..=events.len() as Seq)
        );
        assert!(events.len() as Seq >= acknowledged, "round {round}");
        if round % 2 == 0 {
            assert!(store.repair_jsonl(&run.run_id).unwrap().damaged.is_empty());
            assert_eq!(home.lines(&run.run_id), home.spelled(&run.run_id));
        }
    }
    assert!(acknowledged > 100, "{acknowledged}");
    let whole = query(&home.sql(), "PRAGMA integrity_check");
    assert_eq!(whole, [["ok"]]);
}

fn acknowledgement(line: &str) -> Option<Seq> {
    line.strip_prefix("ack ")?.parse().ok()
}

/// XE01.
#[test]
fn xe01_of_two_that_take_a_run_exactly_one_has_it_and_the_other_is_told_who() {
    let home = Home::new();
    let run_id = record(&home, plan(&["a"]), vec![started()]);
    let (start, done) = (Barrier::new(2), Barrier::new(2));
    // Nothing is asserted in here: a panic would leave the other at a barrier.
    let engine = |pid: u32| -> Vec<Result<u32, NotOwned>> {
        let store = home.store();
        let owner = Owner { pid, ..me() };
        let compete = |_| {
            start.wait();
            let taken = store.own(&run_id, &owner);
            done.wait();
            taken.map(|ownership| ownership.epoch())
        };
        (0..200).map(compete).collect()
    };
    let (mine, theirs) = std::thread::scope(|s| {
        let theirs = s.spawn(|| engine(1));
        (engine(2), theirs.join().unwrap())
    });
    for (epoch, pair) in (2..).zip(mine.into_iter().zip(theirs)) {
        let (taken, refused, winner) = match pair {
            (Ok(taken), Err(refused)) => (taken, refused, 2),
            (Err(refused), Ok(taken)) => (taken, refused, 1),
            other => panic!("{other:?}"),
        };
        assert_eq!(taken, epoch);
        match refused {
            NotOwned::Busy { owner, .. } => {
                assert_eq!((owner.pid, owner.host.as_str()), (winner, "here"));
            }
            NotOwned::Store(error) => panic!("{error}"),
        }
    }
}

/// XA11.
#[test]
fn xa11_a_newer_schema_is_refused_and_nothing_is_changed() {
    let home = Home::new();
    record(&home, plan(&["a"]), vec![started()]);
    let newer = home.sql();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    // The newer one's last words are still in the log beside the file.
    let files =
        || ["quintet.db", "quintet.db-wal"].map(|f| fs::read(home.state.root().join(f)).unwrap());
    let before = files();
    for open in [
        Store::open(&home.state, Durability::Full),
        Store::open_existing(&home.state),
        Store::read_only(&home.state),
    ] {
        match open.map(drop) {
            Err(StoreError::NewerSchema { found: 99, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(before == files());
    drop(newer);
    let before = fs::read(home.state.database()).unwrap();
    assert!(Store::open(&home.state, Durability::Full).is_err());
    assert!(before == fs::read(home.state.database()).unwrap());
}

#[test]
fn what_is_not_a_store_is_called_damaged_and_left_alone() {
    let strange = Home::new();
    let conn = Connection::open(strange.state.database()).unwrap();
    conn.execute_batch("CREATE TABLE songs (title); PRAGMA user_version = 1")
        .unwrap();
    drop(conn);
    let garbage = Home::new();
    fs::write(garbage.state.database(), "not a database ".repeat(500)).unwrap();
    // XA06: an empty file is never taken as a new store.
    let empty = Home::new();
    fs::write(empty.state.database(), "").unwrap();
    for home in [strange, garbage, empty] {
        let before = fs::read(home.state.database()).unwrap();
        match Store::open(&home.state, Durability::Full).map(drop) {
            Err(StoreError::Corrupt { path, .. }) => assert_eq!(path, home.state.database()),
            other => panic!("{other:?}"),
        }
        assert!(fs::read(home.state.database()).unwrap() == before);
    }
}

#[test]
fn a_damaged_page_is_reported_and_not_believed() {
    let home = Home::new();
    let run_id = a_mixed_run(&home);
    home.sql()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let mut bytes = fs::read(home.state.database()).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(home.state.database(), bytes).unwrap();
    let found = Store::open(&home.state, Durability::Full)
        .and_then(|store| store.events(&run_id, 0, usize::MAX));
    assert!(
        matches!(found, Err(StoreError::Corrupt { .. })),
        "{found:?}"
    );
}

/// XA06.
#[test]
fn xa06_a_lost_database_is_not_replaced_in_silence() {
    let home = Home::new();
    a_mixed_run(&home);
    for file in ["quintet.db", "quintet.db-wal", "quintet.db-shm"] {
        fs::remove_file(home.state.root().join(file)).unwrap();
    }
    match Store::open(&home.state, Durability::Full).map(drop) {
        Err(StoreError::Corrupt { detail, .. }) => assert!(detail.contains("gone"), "{detail}"),
        other => panic!("{other:?}"),
    }
}
