//! What engines write, and what other processes ask of them.

use std::fs;

use quintet::run::{Kind, Reason, RunOutcome};
use quintet::store::{Doorbell, Request, Store, StoredState, What};

use crate::{Home, a_mixed_run, begin, events, me, new_run, over, plan, query, record, started};

#[test]
fn what_was_acknowledged_is_there_in_order_for_whoever_opens_the_store() {
    let home = Home::new();
    let run_id = a_mixed_run(&home);
    let written = home.store().events(&run_id, 0, usize::MAX).unwrap();
    assert_eq!(written.len(), 19);
    assert!(written.iter().map(|event| event.seq).eq(1..=19));
    assert!(matches!(written[18].kind, Kind::RunFinished { .. }));
    assert_eq!(
        home.store().events(&run_id, 17, 1).unwrap(),
        written[17..18]
    );
    assert_eq!(
        home.store().plan(&run_id).unwrap(),
        plan(&["a", "b", "c", "d", "e", "f"])
    );
}

/// P24.
#[test]
fn p24_the_jsonl_file_holds_the_same_events_once_each_in_order() {
    let home = Home::new();
    let run_id = a_mixed_run(&home);
    let store = home.store();
    assert_eq!(home.lines(&run_id), home.spelled(&run_id));
    assert!(home.lines(&run_id).len() > 10);
    let mut exported = Vec::new();
    store.export_jsonl(&run_id, &mut exported).unwrap();
    let file = fs::read(home.state.run(&run_id).join("events.jsonl")).unwrap();
    assert_eq!(exported, file);
}

/// P25.
#[test]
fn p25_the_runs_row_follows_its_events_in_the_same_commit() {
    let home = Home::new();
    let store = home.store();
    let writer = begin(&home, new_run(&home, plan(&["a"]), 1000));
    let run_id = writer.run_id().to_string();
    let state = || {
        let run = store.find_run(&run_id).unwrap();
        (run.state, run.exit_code, run.ended_at.is_some())
    };
    let mut log = events(vec![started(), over(RunOutcome::Quarantined)]).into_iter();
    writer.append(log.next().unwrap());
    writer.flush().unwrap();
    assert_eq!(state(), (StoredState::Running, None, false));
    assert_eq!(store.owner(&run_id).unwrap(), Some(me()));
    writer.finish(log.next().unwrap(), 42);
    writer.close().unwrap();
    assert_eq!(state(), (StoredState::Quarantined, Some(42), true));
    assert_eq!(store.owner(&run_id).unwrap(), None);
}

#[test]
fn one_plan_is_kept_once_however_often_it_runs() {
    let home = Home::new();
    let first = record(&home, plan(&["a"]), vec![started()]);
    let second = record(&home, plan(&["a"]), vec![started()]);
    record(&home, plan(&["a", "b"]), vec![started()]);
    assert_ne!(first, second);
    let counts = "SELECT (SELECT count(*) FROM plan), (SELECT count(*) FROM step),
        (SELECT count(*) FROM run)";
    assert_eq!(query(&home.sql(), counts), [["2", "3", "3"]]);
}

/// P28.
#[test]
fn p28_a_request_rings_is_kept_until_handled_and_ends_with_the_run() {
    let home = Home::new();
    let store = home.store();
    let writer = begin(&home, new_run(&home, plan(&["a"]), 1000));
    let run_id = writer.run_id().to_string();
    let mut log = events(vec![
        started(),
        Kind::RollbackStarted {
            reason: Reason::Ready,
        },
        over(RunOutcome::Canceled),
    ])
    .into_iter();
    writer.append(log.next().unwrap());
    writer.flush().unwrap();
    let bell = Doorbell::hang_up(&home.state.run(&run_id)).unwrap();

    let other = Store::open_existing(&home.state).unwrap();
    let ask = |what| {
        let by = "somebody".to_string();
        other
            .request(&run_id, &Request { at: 5, what, by })
            .unwrap()
    };
    let answer = What::Answer {
        step: "a".into(),
        value: "yes".into(),
    };
    assert!(ask(What::Cancel) && ask(answer.clone()) && ask(What::Kill));
    // Blocks for ever, unless it rang.
    let mut fds = [nix::poll::PollFd::new(
        std::os::fd::AsFd::as_fd(&bell),
        nix::poll::PollFlags::POLLIN,
    )];
    nix::poll::poll(&mut fds, nix::poll::PollTimeout::NONE).unwrap();
    bell.drain().unwrap();

    let asked = store.requests(&run_id, 0).unwrap();
    let whats: Vec<&What> = asked.iter().map(|(_, request)| &request.what).collect();
    assert_eq!(whats, [&What::Cancel, &answer, &What::Kill]);
    assert_eq!(store.requests(&run_id, asked[1].0).unwrap(), asked[2..]);

    writer.append(log.next().unwrap());
    writer.handled(asked[0].0);
    writer.flush().unwrap();
    assert_eq!(store.requests(&run_id, 0).unwrap(), asked[1..]);
    writer.append(log.next().unwrap());
    writer.flush().unwrap();
    assert!(!ask(What::Cancel), "the run is over");
    assert_eq!(
        store.requests(&run_id, 0).unwrap(),
        [],
        "and what was asked is void"
    );
}
