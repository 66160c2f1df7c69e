//! A store in which very much has been run: to look at it, and to begin another
//! run, must cost what it costs in a small one; to forget old runs must not be in
//! the way of those that go on.
//!
//! Time on a machine that others use says little, so in the ordinary tests the
//! pages that are read are counted; the long ones use the clock.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quintet::paths::StateDir;
use quintet::plan::StepIx;
use quintet::run::{Attempt, Event, Kind, Role};
use quintet::store::{Durability, Keep, NewRun, Owner, RunFilter, RunWriter, Store, reserve_run};
use rusqlite::{Connection, params};
use serde_json::json;

use super::support::{Test, nightly, skip};
use super::{Beside, as_text, has_tool, plan, under};

/// A test whose plan has this many steps.
fn with_steps(steps: usize) -> Test {
    let steps = (0..steps).map(|n| json!({"id": format!("s{n}"), "command": "true"}));
    Test::new().file("plan.json", plan(2, steps.collect()))
}

/// Runs the plan once, and enters that so often again, under other names, of
/// the plan's other versions too.
fn remember(test: &Test, runs: usize) -> Connection {
    test.quintet(&["run", "plan.json", "-q"]).run();
    let conn = Connection::open(test.path("state/quintet.db")).expect("it can be opened");
    conn.execute_batch("PRAGMA synchronous = OFF; BEGIN")
        .expect("it can be written");
    let letters: Vec<char> = "0123456789abcdefghjkmnpqrstvwxyz".chars().collect();
    for version in 0..20 {
        conn.execute(
            "INSERT INTO plan (content_id, plan_id, name, version, phase_id, metadata, json)
             SELECT content_id || ?1, plan_id, name, version, phase_id, metadata, json
             FROM plan WHERE key = 1",
            [version],
        )
        .expect("a plan is entered");
        let key = conn.last_insert_rowid();
        let steps = "INSERT INTO step SELECT ?1, ix, id, name FROM step WHERE plan = 1";
        conn.execute(steps, [key]).expect("its steps are entered");
    }
    {
        let mut enter = conn
            .prepare(
                "INSERT INTO run (run_id, plan, state, epoch, created_at, started_at, ended_at,
                    exit_code, command_line)
                 VALUES (?1, ?2, 'succeeded', 1, 1, 1, 2, 0, '[]')",
            )
            .expect("the table is as it was");
        for n in 1..runs {
            let end: String = (0..4).map(|at| letters[n >> (5 * at) & 31]).collect();
            let id = format!("20200101-{:06}-{end}", n % 240_000);
            enter
                .execute(params![id, 1 + n as i64 % 21])
                .expect("a run is entered");
        }
    }
    conn.execute_batch(
        "INSERT INTO event SELECT r.key, e.seq, e.at, e.type, e.step, e.attempt, e.data
         FROM run r CROSS JOIN event e WHERE e.run = 1 AND r.key > 1 ORDER BY r.key, e.seq;
         COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
    )
    .expect("their events are entered");
    // The newest run is a real one.
    test.quintet(&["run", "plan.json", "-q"]).run();
    conn
}

const LOOKS: [&[&str]; 7] = [
    &["status"],
    &["runs"],
    &["runs", "--state", "failed"],
    &["runs", "--name", "STORAGE"],
    &["why", "s1"],
    &["plan", "plan.json"],
    &["run", "plan.json", "-q"],
];

/// How many pieces of files the program reads.
fn reads(test: &Test, args: &[&str]) -> usize {
    let trace = test.path("trace");
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        as_text(&trace),
        "-e",
        "trace=pread64",
    ];
    Beside::start(test, "call", under(test, &wrapper, args)).ends(0);
    let trace = fs::read_to_string(trace).expect("strace has written it");
    trace
        .lines()
        .filter(|line| line.contains("pread64("))
        .count()
}

/// XD08.
#[test]
fn xd08_a_long_history_costs_a_run_and_a_look_at_it_no_more_than_a_short_one() {
    if !has_tool("strace") {
        return skip("xd08", "strace is not installed");
    }
    let (short, long) = (with_steps(3), with_steps(3));
    remember(&short, 30);
    remember(&long, 20_000);
    for args in LOOKS {
        let (few, many) = (reads(&short, args), reads(&long, args));
        eprintln!("xd08: {args:?} reads {few} pieces in 30 runs, {many} in 20,000");
        // Deeper trees, and rows that do not lie together.
        assert!(
            many < few + 50,
            "{args:?}: {few} pieces of 30 runs, {many} of 20,000"
        );
    }
}

/// XD08.
#[test]
fn xd08_five_million_events_are_looked_at_in_no_time_and_pruned_in_nobodys_way() {
    if !nightly() {
        return skip("xd08", "it belongs to the long tests");
    }
    let test = with_steps(16);
    let conn = remember(&test, 100_000);
    let events: i64 = conn
        .query_row("SELECT count(*) FROM event", (), |row| row.get(0))
        .expect("they can be counted");
    assert!(events >= 5_000_000, "{events}");
    for args in LOOKS {
        let took = |_| {
            let began = Instant::now();
            test.quintet(args).run();
            began.elapsed()
        };
        let least = (0..5).map(took).min().expect("it was tried");
        eprintln!("xd08: {args:?} took {least:?}");
        assert!(
            least < Duration::from_millis(300),
            "{args:?} took {least:?}"
        );
    }
    drop(conn);
    let state = StateDir::existing(&test.path("state")).expect("it is there");
    let (alone, _) = commits_while(&state, || std::thread::sleep(Duration::from_secs(3)));
    let (beside, pruned) = commits_while(&state, || {
        let store = Store::open_existing(&state).expect("it can be opened");
        let keep = Keep {
            newest: 90_000,
            ended_since: u64::MAX,
        };
        store.prune(keep).expect("old runs go")
    });
    assert!(
        pruned.runs >= 10_000 && pruned.events >= 500_000,
        "{pruned:?}"
    );
    let told = |took: &[Duration]| {
        let at = |share: usize| took[(took.len() - 1) * share / 1000];
        let slow = took
            .iter()
            .filter(|took| **took > Duration::from_millis(10));
        format!(
            "{} commits, half within {:?}, 99 % within {:?}, all within {:?}; {} took more than 10 ms",
            took.len(),
            at(500),
            at(990),
            at(1000),
            slow.count()
        )
    };
    eprintln!("xd08: alone: {}", told(&alone));
    eprintln!("xd08: beside {pruned:?}: {}", told(&beside));
    // The last few are the disk's, and the machine's other users'; so is what a
    // commit takes with nobody beside it, and for how long one who prunes is kept
    // from ending its transaction. More than that one nobody waits for.
    let bound = pruned.longest.max(Duration::from_millis(50));
    let usual = |took: &[Duration]| took[took.len() * 99 / 100];
    let (alone, beside) = (usual(&alone), usual(&beside));
    assert!(
        beside < alone + bound,
        "commits take {beside:?}, alone {alone:?}"
    );
}

/// How long a run's commits take, again and again while something else goes on;
/// shortest first.
fn commits_while<T: Send>(state: &StateDir, work: impl FnOnce() -> T + Send) -> (Vec<Duration>, T) {
    let store = Store::open_existing(state).expect("it can be opened");
    let newest = store.runs(&RunFilter::default()).expect("there are some");
    let plan = store.plan(&newest[0].run_id).expect("it has a plan");
    let run = NewRun {
        run_id: reserve_run(state, 1_763_650_921_000)
            .expect("there is room")
            .run_id,
        content: plan.content(),
        plan: Arc::new(plan),
        created_at: 1_763_650_921_000,
        command_line: Vec::new(),
        owner: Owner {
            pid: std::process::id(),
            host: "here".into(),
            since: 1,
        },
    };
    let writer = RunWriter::begin(store, Durability::Full, run, |_| {}).expect("a run begins");
    let over = AtomicBool::new(false);
    let mut took = Vec::new();
    let done = std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let done = work();
            over.store(true, Ordering::Release);
            done
        });
        for seq in 1.. {
            if over.load(Ordering::Acquire) {
                break;
            }
            let attempt = Attempt {
                step: StepIx::new(0),
                number: 1,
                role: Role::Main,
            };
            let kind = Kind::StepStarted {
                attempt,
                node: None,
            };
            writer.append(Event {
                seq,
                at: 1_763_650_921_000 + seq,
                kind,
            });
            let began = Instant::now();
            writer.flush().expect("it can be written");
            took.push(began.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
        working.join().expect("it does not panic")
    });
    writer.close().expect("it can be closed");
    assert!(took.len() > 20, "only {} commits", took.len());
    took.sort_unstable();
    (took, done)
}
