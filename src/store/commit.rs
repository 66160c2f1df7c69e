//! One batch of a run's log: into the database, then into `events.jsonl`.
//!
//! Every transaction begins by comparing the run's epoch with ours, so an
//! engine that was replaced while it was frozen can do no harm when it wakes.
//! The run's own row changes in the same transaction as the events that change
//! it.
//!
//! After an error the connection is thrown away. The next attempt opens a new
//! one and asks it how far the log goes: whether the failed commit was made or
//! not, each event is there once.
//!
//! This file does not know threads or who waits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, MAIN_DB, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::Value;

use crate::paths::StateDir;
use crate::plan::Plan;
use crate::run::figures::Tally;
use crate::run::record::Encoded;
use crate::run::{Event, Kind, Millis, Role, RunOutcome, Seq};

use super::jsonl::Jsonl;
use super::writer::{Item, NewRun};
use super::{Durability, Ownership, Store, StoreError, cache, figures, jsonl, read};

/// The phase of runs whose plan names none.
const PHASE: &str = "ORCHESTRATED";

/// Where one run's events go.
pub(super) struct Log {
    state: StateDir,
    database: PathBuf,
    jsonl_path: PathBuf,
    durability: Durability,
    run_id: String,
    epoch: u32,
    plan: Arc<Plan>,
    /// The run, while it is not known to be in the database.
    birth: Option<NewRun>,
    /// The batch at hand failed before; in part or in whole, it may be there.
    again: bool,
    /// What is counted of the run, for when it ends.
    tally: Tally,
    /// A connection that was open before there was anything to write.
    conn: Option<Connection>,
    open: Option<Open>,
}

/// What is open after the first batch, and until an error.
struct Open {
    conn: Connection,
    jsonl: Jsonl,
    /// The run's key; none while it is not in the database.
    key: Option<i64>,
    /// The last event that the database has.
    last: Seq,
    /// Lines of the batch at hand; kept for its memory.
    lines: String,
}

impl Log {
    pub fn of_a_new_run(store: Store, durability: Durability, run: NewRun) -> Log {
        let state = &store.state;
        Log {
            state: state.clone(),
            database: state.database(),
            jsonl_path: jsonl::path(state, &run.run_id),
            durability,
            run_id: run.run_id.clone(),
            epoch: 1,
            plan: Arc::clone(&run.plan),
            birth: Some(run),
            again: false,
            tally: Tally::default(),
            conn: Some(store.conn),
            open: None,
        }
    }

    pub fn of_a_known_run(
        state: &StateDir,
        durability: Durability,
        ownership: &Ownership,
        plan: Arc<Plan>,
    ) -> Log {
        Log {
            state: state.clone(),
            database: state.database(),
            jsonl_path: jsonl::path(state, ownership.run_id()),
            durability,
            run_id: ownership.run_id().into(),
            epoch: ownership.epoch(),
            plan,
            birth: None,
            again: false,
            tally: Tally::default(),
            conn: None,
            open: None,
        }
    }

    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Makes the batch durable; gives the last sequence number that now is.
    ///
    /// # Errors
    /// Nothing of the batch may be taken as durable. The same batch may be
    /// given again, if the error is one that passes.
    pub fn commit(&mut self, batch: &[Item]) -> Result<Seq, StoreError> {
        let open = match self.open.take() {
            Some(open) => Ok(open),
            None => self.connect(),
        };
        let written = open.and_then(|mut open| {
            self.count(&open, batch)?;
            open.last = self.write(&mut open, batch)?;
            open.jsonl.append(&open.lines)?;
            Ok(open)
        });
        self.again = written.is_err();
        let open = written?;
        self.birth = None;
        Ok(self.open.insert(open).last)
    }

    fn sql(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<'_> {
        |e| StoreError::sqlite(&self.database, &e)
    }

    /// Opens both files and finds how far they go.
    fn connect(&mut self) -> Result<Open, StoreError> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => Store::open(&self.state, self.durability)?.conn,
        };
        let known: Option<(i64, Seq)> = conn
            .query_row(
                "SELECT key, (SELECT coalesce(max(seq), 0) FROM event WHERE run = key)
                 FROM run WHERE run_id = ?1",
                [&self.run_id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(self.sql())?;
        let (jsonl, _) = Jsonl::mended(
            &self.jsonl_path,
            &self.plan,
            &self.run_id,
            &conn,
            &self.database,
            known.map(|(key, _)| key),
        )?;
        Ok(Open {
            conn,
            jsonl,
            key: known.map(|(key, _)| key),
            last: known.map_or(0, |(_, last)| last),
            lines: String::new(),
        })
    }

    /// Counts the batch. Of a run that began under another engine nothing is counted
    /// until it ends, and then all of it is read: before the transaction, which
    /// keeps others waiting.
    fn count(&mut self, open: &Open, batch: &[Item]) -> Result<(), StoreError> {
        let events = batch.iter().filter_map(|item| match item {
            Item::Event(event, _) => Some(event),
            Item::Handled(_) => None,
        });
        let ends = |event: &Event| matches!(event.kind, Kind::RunFinished { .. });
        let after = self.tally.seq();
        if let Some(key) = open.key
            && after < open.last
            && events.clone().any(ends)
        {
            read::rows(&open.conn, &self.database, key, after, |row| {
                let event = row.event().map_err(|e| StoreError::Corrupt {
                    path: self.database.clone(),
                    detail: format!("event {} of run {}: {e}", row.seq, self.run_id),
                })?;
                self.tally.push(&self.plan, &event);
                Ok(())
            })?;
        }
        for event in events {
            self.tally.push(&self.plan, event);
        }
        Ok(())
    }

    /// One transaction. Leaves the lines of what it wrote in `open.lines`.
    fn write(&self, open: &mut Open, batch: &[Item]) -> Result<Seq, StoreError> {
        let Open {
            conn, key, lines, ..
        } = open;
        let tx = conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(self.sql())?;
        let run = match *key {
            Some(run) => run,
            None => self.enter(&tx)?,
        };
        self.check_epoch(&tx, run)?;
        lines.clear();
        let mut last = open.last;
        for item in batch {
            match item {
                Item::Event(event, _) if self.again && event.seq <= open.last => {}
                Item::Event(event, exit_code) => {
                    if event.seq != last + 1 {
                        return Err(StoreError::OutOfOrder {
                            run_id: self.run_id.clone(),
                            expected: last + 1,
                            got: event.seq,
                        });
                    }
                    self.insert(&tx, run, event, lines)
                        .and_then(|()| self.follow_plan(&tx, run, event))
                        .and_then(|()| self.doubt_freshness(&tx, event))
                        .and_then(|()| summarize(&tx, run, event, *exit_code))
                        .and_then(|()| self.sum_up(&tx, event))
                        .map_err(self.sql())?;
                    last = event.seq;
                }
                Item::Handled(request) => {
                    tx.prepare_cached("DELETE FROM request WHERE key = ?1 AND run = ?2")
                        .and_then(|mut delete| delete.execute(params![request, run]))
                        .map_err(self.sql())?;
                }
            }
        }
        tx.commit().map_err(self.sql())?;
        *key = Some(run);
        Ok(last)
    }

    fn check_epoch(&self, tx: &Transaction<'_>, run: i64) -> Result<(), StoreError> {
        let current: u32 = tx
            .prepare_cached("SELECT epoch FROM run WHERE key = ?1")
            .and_then(|mut epoch| epoch.query_row([run], |row| row.get(0)))
            .map_err(self.sql())?;
        if current == self.epoch {
            return Ok(());
        }
        Err(StoreError::Stale {
            run_id: self.run_id.clone(),
            epoch: self.epoch,
            current,
        })
    }

    fn insert(
        &self,
        tx: &Transaction<'_>,
        run: i64,
        event: &Event,
        lines: &mut String,
    ) -> rusqlite::Result<()> {
        let encoded = Encoded::new(event);
        let row = encoded.row();
        tx.prepare_cached(
            "INSERT INTO event (run, seq, at, type, step, attempt, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            run,
            row.seq,
            moment(row.at),
            row.kind,
            row.step,
            row.attempt,
            row.data
        ])?;
        row.push_line(&self.plan, &self.run_id, lines);
        Ok(())
    }

    /// A step that may have begun is not fresh, until somebody has seen how it
    /// ended; nor is one any more that is taken back. This is durable as soon as
    /// the claim is.
    fn doubt_freshness(&self, tx: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
        match &event.kind {
            Kind::StepClaimed { attempt, .. } if attempt.role != Role::Remedy => {
                let step = &self.plan[attempt.step];
                match step.cache {
                    Some(_) => cache::unseen(tx, &self.plan.project, &self.plan.id, &step.id),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Where the event puts another plan in force, lets the run be one of it.
    /// That plan is the one we were given: it reads the run's older events, too.
    fn follow_plan(&self, tx: &Transaction<'_>, run: i64, event: &Event) -> rusqlite::Result<()> {
        let Kind::PlanReplaced { by } = &event.kind else {
            return Ok(());
        };
        let key = enter_plan(tx, &self.plan, &by.plan, || self.plan.content().len)?;
        tx.execute("UPDATE run SET plan = ?2 WHERE key = ?1", [run, key])?;
        Ok(())
    }

    /// Adds what was counted of the run, where the event ends it.
    fn sum_up(&self, tx: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
        match event.kind {
            Kind::RunFinished { .. } => figures::add(tx, &self.plan.id, self.tally.figures()),
            _ => Ok(()),
        }
    }

    /// Enters the run, and its plan if this is the first run of it.
    fn enter(&self, tx: &Transaction<'_>) -> Result<i64, StoreError> {
        let Some(run) = &self.birth else {
            return Err(StoreError::Missing {
                path: self.jsonl_path.clone(),
            });
        };
        let plan =
            enter_plan(tx, &run.plan, &run.content.id, || run.content.len).map_err(self.sql())?;
        let command_line = Value::from(run.command_line.clone()).to_string();
        tx.execute(
            "INSERT INTO run (run_id, plan, state, epoch, created_at, command_line)
             VALUES (?1, ?2, 'pending', ?3, ?4, ?5)",
            params![
                run.run_id,
                plan,
                self.epoch,
                moment(run.created_at),
                command_line
            ],
        )
        .map_err(self.sql())?;
        Ok(tx.last_insert_rowid())
    }
}

fn enter_plan(
    tx: &Transaction<'_>,
    plan: &Plan,
    content_id: &str,
    len: impl FnOnce() -> u64,
) -> rusqlite::Result<i64> {
    let known = "SELECT key FROM plan WHERE content_id = ?1";
    if let Some(key) = tx
        .query_row(known, [content_id], |row| row.get(0))
        .optional()?
    {
        return Ok(key);
    }
    let mut metadata: serde_json::Map<String, Value> = plan.metadata.clone().into_iter().collect();
    metadata.insert("plan_id".into(), plan.id.clone().into());
    metadata.insert("plan_version".into(), plan.version.clone().into());
    let word = |name: &str| plan.metadata.get(name).map(as_text);
    tx.execute(
        "INSERT INTO plan (content_id, plan_id, name, version, project_id, phase_id, metadata, json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, zeroblob(?8))",
        params![
            content_id,
            plan.id,
            plan.name,
            plan.version,
            word("project"),
            word("phase_id").unwrap_or_else(|| PHASE.into()),
            Value::from(metadata).to_string(),
            len()
        ],
    )?;
    let key = tx.last_insert_rowid();
    write_text(tx, key, plan)?;
    let mut insert = tx.prepare("INSERT INTO step (plan, ix, id, name) VALUES (?1, ?2, ?3, ?4)")?;
    for (ix, step) in plan.steps.iter().enumerate() {
        let name = step.name.as_ref().unwrap_or(&step.id);
        insert.execute(params![key, ix as i64, step.id, name])?;
    }
    Ok(key)
}

/// Writes the plan's text where room was made for it. As a parameter of the
/// statement all of it would be in memory, and that three times.
fn write_text(tx: &Transaction<'_>, key: i64, plan: &Plan) -> rusqlite::Result<()> {
    let mut room = tx.blob_open(MAIN_DB, "plan", "json", key, false)?;
    let mut at = 0;
    plan.try_each_piece(|piece| {
        room.write_at(piece, at)?;
        at += piece.len();
        Ok(())
    })
}

/// A string as it is, anything else as JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What an event changes of the run's own row, if it does.
fn summarize(
    tx: &Transaction<'_>,
    run: i64,
    event: &Event,
    exit_code: Option<i32>,
) -> rusqlite::Result<()> {
    match &event.kind {
        Kind::RunStarted { .. } => tx.execute(
            "UPDATE run SET state = 'running', started_at = ?2 WHERE key = ?1",
            params![run, moment(event.at)],
        )?,
        Kind::RunResumed { .. } => tx.execute(
            "UPDATE run SET state = 'running', ended_at = NULL, exit_code = NULL,
                 error_message = NULL WHERE key = ?1",
            [run],
        )?,
        Kind::RunFinished { outcome, reason } => {
            // A run that is resumed later must not meet a cancel of long ago.
            tx.execute("DELETE FROM request WHERE run = ?1", [run])?;
            tx.execute(
                "UPDATE run SET state = ?2, ended_at = ?3, exit_code = ?4, error_message = ?5
             WHERE key = ?1",
                params![
                    run,
                    outcome.word(),
                    moment(event.at),
                    exit_code.unwrap_or_else(|| crate::run::exit_code(*outcome, reason, false)),
                    (*outcome != RunOutcome::Succeeded).then(|| reason.to_string())
                ],
            )?
        }
        _ => 0,
    };
    Ok(())
}

/// A moment as SQLite keeps it, whatever a clock may claim.
pub(super) fn moment(at: Millis) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Home, event};
    use crate::store::{NotOwned, Owner, files};

    fn batch(seqs: std::ops::RangeInclusive<Seq>) -> Vec<Item> {
        seqs.map(|seq| Item::Event(event(seq), None)).collect()
    }

    fn new_log(home: &Home) -> (Store, Log, String) {
        let (store, run) = (home.store(), home.new_run());
        let run_id = run.run_id.clone();
        let log = Log::of_a_new_run(home.store(), Durability::Full, run);
        (store, log, run_id)
    }

    fn seqs(store: &Store, run_id: &str) -> Vec<Seq> {
        let events = store.events(run_id, 0, usize::MAX).unwrap();
        events.iter().map(|event| event.seq).collect()
    }

    fn lines(home: &Home, run_id: &str) -> Vec<Seq> {
        std::fs::read_to_string(jsonl::path(&home.state, run_id))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| line["seq"].as_u64().unwrap())
            .collect()
    }

    #[test]
    fn a_commit_that_was_made_and_yet_failed_is_not_made_twice() {
        let home = Home::new();
        let (store, mut log, run_id) = new_log(&home);
        log.commit(&batch(1..=2)).unwrap();
        // The database will take the next batch, and the copy of it will fail.
        let path = jsonl::path(&home.state, &run_id);
        log.open.as_mut().unwrap().jsonl = Jsonl::unwritable(&path);
        assert!(log.commit(&batch(3..=4)).is_err());
        assert_eq!(seqs(&store, &run_id), [1, 2, 3, 4]);
        assert_eq!(lines(&home, &run_id), [1, 2]);

        assert_eq!(log.commit(&batch(3..=4)), Ok(4));
        assert_eq!(log.commit(&batch(5..=5)), Ok(5));
        assert_eq!(seqs(&store, &run_id), [1, 2, 3, 4, 5]);
        assert_eq!(lines(&home, &run_id), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_end_that_was_recorded_in_a_failed_commit_counts_once() {
        use crate::run::Reason;
        let home = Home::new();
        let (store, mut log, run_id) = new_log(&home);
        log.commit(&batch(1..=2)).unwrap();
        let end = Event {
            kind: Kind::RunFinished {
                outcome: RunOutcome::Succeeded,
                reason: Reason::AllDone { warnings: 0 },
            },
            ..event(3)
        };
        let end = [Item::Event(end, None)];
        let counted = || {
            let plans = store.counted().unwrap().plans;
            plans.get("PLAN-1").map(|figures| figures.runs.clone())
        };
        let path = jsonl::path(&home.state, &run_id);
        // First nothing of it is written, then all of it in the database.
        store
            .conn
            .execute_batch(
                "CREATE TRIGGER no BEFORE UPDATE ON run BEGIN SELECT raise(ABORT, 'no'); END",
            )
            .unwrap();
        assert!(log.commit(&end).is_err());
        assert_eq!(counted(), None);
        store.conn.execute_batch("DROP TRIGGER no").unwrap();
        let mut open = log.connect().unwrap();
        open.jsonl = Jsonl::unwritable(&path);
        log.open = Some(open);
        assert!(log.commit(&end).is_err());
        let once = Some([(RunOutcome::Succeeded, 1)].into());
        assert_eq!(counted(), once);
        assert_eq!(log.commit(&end), Ok(3));
        assert_eq!(counted(), once);
    }

    #[test]
    fn a_run_that_was_entered_in_a_failed_batch_is_entered_once() {
        let home = Home::new();
        let (store, mut log, run_id) = new_log(&home);
        let path = jsonl::path(&home.state, &run_id);
        let mut open = log.connect().unwrap();
        open.jsonl = Jsonl::unwritable(&path);
        log.open = Some(open);
        assert!(log.commit(&batch(1..=1)).is_err());
        assert_eq!(log.commit(&batch(1..=1)), Ok(1));
        assert_eq!(seqs(&store, &run_id), [1]);
        assert_eq!(store.runs(&Default::default()).unwrap().len(), 1);
    }

    #[test]
    fn an_event_out_of_turn_is_refused_with_its_whole_batch() {
        let home = Home::new();
        let (store, mut log, run_id) = new_log(&home);
        log.commit(&batch(1..=2)).unwrap();
        for wrong in [2, 3, 5] {
            let mut items = batch(3..=3);
            items.extend(batch(wrong..=wrong));
            let refused = log.commit(&items);
            assert!(
                matches!(refused, Err(StoreError::OutOfOrder { expected: 4, got, .. }) if got == wrong),
                "{refused:?}"
            );
            log.again = false;
        }
        assert_eq!(seqs(&store, &run_id), [1, 2]);
    }

    /// XA10.
    #[test]
    fn xa10_an_owner_that_was_replaced_while_it_was_frozen_writes_nothing() {
        let home = Home::new();
        let (store, mut frozen, run_id) = new_log(&home);
        frozen.commit(&batch(1..=1)).unwrap();
        // No lock is held here, as if it had been lost with the file system.
        let owner = Owner::default();
        let ownership = store.own(&run_id, &owner).unwrap();
        assert_eq!(ownership.epoch(), 2);
        assert!(matches!(
            store.own(&run_id, &owner),
            Err(NotOwned::Busy { .. })
        ));
        let plan = Arc::new(store.plan(&run_id).unwrap());
        let mut next = Log::of_a_known_run(&home.state, Durability::Full, &ownership, plan);

        let late = frozen.commit(&batch(2..=2));
        assert!(
            matches!(
                late,
                Err(StoreError::Stale {
                    epoch: 1,
                    current: 2,
                    ..
                })
            ),
            "{late:?}"
        );
        assert_eq!(next.commit(&batch(2..=3)), Ok(3));
        assert!(frozen.commit(&batch(2..=2)).is_err());
        assert_eq!(seqs(&store, &run_id), [1, 2, 3]);
        assert_eq!(lines(&home, &run_id), [1, 2, 3]);
    }

    /// XH04.
    #[test]
    fn xh04_a_trap_in_the_place_of_the_copy_stops_the_log() {
        let home = Home::new();
        let (store, mut log, run_id) = new_log(&home);
        let victim = home.state.root().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::fs::hard_link(&victim, jsonl::path(&home.state, &run_id)).unwrap();
        assert!(matches!(
            log.commit(&batch(1..=1)),
            Err(StoreError::Unsafe { .. })
        ));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(store.runs(&Default::default()).unwrap().is_empty());
        assert!(files::exists(&victim).is_err());
    }
}
