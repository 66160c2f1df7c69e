//! The store through its public face: what it promises to engines, to other
//! processes, and to people with an SQL prompt.
//!
//! Tests marked `ignore` are not tests but other processes: the tests start
//! them from this same program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use quintet::paths::StateDir;
use quintet::plan::{Action, Plan, Step, StepIx, Verdict};
use quintet::run::event::{Engine, Finish};
use quintet::run::{Attempt, Event, Exit, Kind, Outcome, Output, Reason, Role, RunOutcome};
use quintet::store::{Durability, NewRun, Owner, RunWriter, Store, reserve_run};
use rusqlite::Connection;

mod crashes;
mod figures;
mod log;
mod reading;
mod sql;
mod traps;

/// A state directory that goes when this does.
struct Home {
    state: StateDir,
    _tmp: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let tmp = tempfile::tempdir().unwrap();
        let state = StateDir::create(&tmp.path().join("state")).unwrap();
        Home { state, _tmp: tmp }
    }

    fn store(&self) -> Store {
        Store::open(&self.state, Durability::Full).unwrap()
    }

    fn sql(&self) -> Connection {
        Connection::open(self.state.database()).unwrap()
    }

    /// The run's `events.jsonl`, line by line.
    fn lines(&self, run_id: &str) -> Vec<String> {
        let file = fs::read_to_string(self.state.run(run_id).join("events.jsonl")).unwrap();
        file.lines().map(str::to_owned).collect()
    }

    /// How the record spells what the database holds of the run.
    fn spelled(&self, run_id: &str) -> Vec<String> {
        let store = self.store();
        let plan = store.plan(run_id).unwrap();
        let events = store.events(run_id, 0, usize::MAX).unwrap();
        let spell = |event: &Event| {
            let mut line = String::new();
            quintet::run::record::push_line(&plan, run_id, event, &mut line);
            line.trim_end().to_owned()
        };
        events.iter().map(spell).collect()
    }
}

fn plan(ids: &[&str]) -> Plan {
    let mut plan: Plan = serde_json::from_value(serde_json::json!({
        "id": "PLAN-SAFE-MERGE-001",
        "name": "safe merge",
        "version": "1.0",
        "metadata": {"project": "pipeline", "tags": ["git"]},
        "max_concurrency": 1,
        "steps": [],
    }))
    .unwrap();
    plan.steps = ids
        .iter()
        .map(|id| Step {
            name: Some(format!("Step {id}").into()),
            ..Step::new(*id, Action::Group)
        })
        .collect();
    plan
}

fn me() -> Owner {
    Owner {
        pid: std::process::id(),
        host: "here".into(),
        since: 1_763_650_921_999,
    }
}

fn new_run(home: &Home, plan: Plan, at: u64) -> NewRun {
    NewRun {
        run_id: reserve_run(&home.state, at).unwrap().run_id,
        content: plan.content(),
        plan: Arc::new(plan),
        created_at: at,
        command_line: vec!["quintet".into(), "run".into(), "plan.json".into()],
        owner: me(),
    }
}

fn begin(home: &Home, run: NewRun) -> RunWriter {
    RunWriter::begin(home.store(), Durability::Full, run, |_| {}).unwrap()
}

fn main_attempt(step: usize, number: u32) -> Attempt {
    Attempt {
        step: StepIx::new(step),
        number,
        role: Role::Main,
    }
}

fn finished(attempt: Attempt, exit: Exit, verdict: Verdict, took: (u64, u64)) -> Kind {
    Kind::StepFinished {
        attempt,
        end: Box::new(Finish {
            tail: None,
            exit,
            verdict,
            started_at: took.0,
            ended_at: took.1,
            output: Output::default(),
            outputs: BTreeMap::new(),
            leaked: false,
            error: None,
        }),
    }
}

fn started() -> Kind {
    Kind::RunStarted {
        seed: 1,
        traceparent: None,
        plan: "c0ffee".into(),
        engine: Engine {
            epoch: 1,
            pid: 1,
            host: "here".into(),
            boot: String::new(),
            version: "0".into(),
        },
    }
}

fn over(outcome: RunOutcome) -> Kind {
    Kind::RunFinished {
        outcome,
        reason: Reason::StepsFailed {
            steps: vec!["b".into()],
        },
    }
}

fn events(kinds: Vec<Kind>) -> Vec<Event> {
    (1..)
        .zip(kinds)
        .map(|(seq, kind)| Event {
            seq,
            at: 1_763_650_921_000 + seq,
            kind,
        })
        .collect()
}

/// A whole run; gives its id.
fn record(home: &Home, plan: Plan, kinds: Vec<Kind>) -> String {
    let writer = begin(home, new_run(home, plan, 1_763_650_921_000));
    for event in events(kinds) {
        writer.append(event);
    }
    let run_id = writer.run_id().to_string();
    writer.close().unwrap();
    run_id
}

/// A run with a step of every fate.
fn a_mixed_run(home: &Home) -> String {
    let skipped = Reason::Dependency {
        step: "b".into(),
        outcome: Outcome::Failed,
    };
    let settled = |step, outcome, reason| Kind::StepSettled {
        step: StepIx::new(step),
        outcome,
        reason,
    };
    let claimed = |attempt| Kind::StepClaimed {
        attempt,
        reason: Reason::Ready,
    };
    let undo = Attempt {
        role: Role::Undo,
        ..main_attempt(0, 1)
    };
    let failed = Exit::Exited { code: 7 };
    record(
        home,
        plan(&["a", "b", "c", "d", "e", "f"]),
        vec![
            started(),
            claimed(main_attempt(0, 1)),
            Kind::StepStarted {
                attempt: main_attempt(0, 1),
                node: None,
            },
            finished(
                main_attempt(0, 1),
                Exit::Exited { code: 0 },
                Verdict::Success,
                (5, 1005),
            ),
            settled(0, Outcome::Succeeded, Reason::Exit("exit 0".into())),
            claimed(main_attempt(1, 1)),
            finished(main_attempt(1, 1), failed, Verdict::Failure, (5, 6)),
            Kind::StepRetry {
                attempt: main_attempt(1, 1),
                not_before: 9,
                reason: Reason::Interrupted,
            },
            claimed(main_attempt(1, 2)),
            finished(
                main_attempt(1, 2),
                Exit::TimedOut {
                    after: std::time::Duration::from_secs(3),
                    signal: Some(9),
                },
                Verdict::Failure,
                (6, 3006),
            ),
            settled(1, Outcome::Failed, Reason::Exit("Timeout after 3s".into())),
            settled(2, Outcome::Skipped, skipped),
            claimed(main_attempt(3, 1)),
            settled(3, Outcome::Canceled, Reason::Ready),
            claimed(main_attempt(4, 1)),
            Kind::StepStarted {
                attempt: main_attempt(4, 1),
                node: None,
            },
            claimed(undo),
            finished(undo, Exit::Exited { code: 0 }, Verdict::Success, (8, 9)),
            over(RunOutcome::Failed),
        ],
    )
}

/// All rows of a query, each value as text.
fn query(conn: &Connection, sql: &str) -> Vec<Vec<String>> {
    use rusqlite::types::ValueRef::*;
    let mut query = conn.prepare(sql).unwrap();
    let columns = query.column_count();
    let rows = query.query_map((), |row| {
        (0..columns)
            .map(|column| {
                Ok(match row.get_ref(column)? {
                    Null => "-".to_string(),
                    Integer(n) => n.to_string(),
                    Real(x) => x.to_string(),
                    Text(t) | Blob(t) => String::from_utf8_lossy(t).into_owned(),
                })
            })
            .collect()
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Starts one of this program's ignored tests as another process.
fn child(name: &str, state: &StateDir) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--quiet"])
        .env("STORE_TEST_STATE", state.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn home_of_parent() -> Home {
    let state = std::env::var_os("STORE_TEST_STATE").expect("started by a test");
    Home {
        state: StateDir::create(Path::new(&state)).unwrap(),
        _tmp: tempfile::tempdir().unwrap(),
    }
}
