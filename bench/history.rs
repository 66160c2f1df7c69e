//! History: how fast a store answers that has recorded a great deal.
//!
//! The store is filled past the program: one recorded run is copied, row by
//! row, under other ids. So the rows are real ones, and the filling takes
//! seconds. The copies have no directories; nothing here reads one.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::bench::{Bench, text};
use crate::measure::{Measured, in_turn};
use crate::report::{Section, Table, Verdict};
use crate::rows::size;
use crate::workload::{Graph, Workload};

const RUNS: i64 = 100_000;
const EVENTS: i64 = 5_000_000;

/// So many steps make a run of some fifty events.
const STEPS: usize = 16;

/// What opening the store and answering may take.
const AT_MOST_MS: f64 = 300.0;

pub fn history(bench: &Bench, mut section: Section) -> Section {
    let work = Workload::of_true(Graph::Layers, STEPS, 2);
    let run = bench.quintet("history", "run", &work);
    let model = in_turn(std::slice::from_ref(&run), 1);
    section.note_failures(&model);
    let state = run.order.dir.join("state");
    let database = state.join("quintet.db");
    let filled = match fill(&database) {
        Ok(filled) => filled,
        Err(why) => {
            section
                .notes
                .push(format!("The store was not filled: {why}"));
            return section;
        }
    };
    let state = text(&state);
    let calls = [
        ("status", &["status"][..]),
        ("status of an old run", &["status", &filled.old]),
        ("runs", &["runs"]),
        ("run", &["run", "plan.json"]),
    ];
    let contenders = calls.map(|(name, words)| {
        let words = [&["--state-dir", &state], words].concat();
        bench.contender(name, 1, &run.order.dir, bench.words(&words))
    });
    let all = in_turn(&contenders, bench.rounds);
    section
        .tables
        .push(Table::of("", &all.iter().collect::<Vec<_>>()));
    section.note_failures(&all);
    let took = |measured: &Measured| {
        let what = format!("`{}`", measured.name);
        Verdict::new(what, measured.wall() * 1_000.0, AT_MOST_MS, " ms")
    };
    section.verdicts.extend(all.iter().map(took));
    section.notes.push(format!(
        "{} runs with {} events in a file of {} MiB; `run` runs {STEPS} steps.",
        filled.runs,
        filled.events,
        size(&database) / 1024 / 1024
    ));
    section
}

struct Filled {
    runs: i64,
    events: i64,
    /// The id of a run in the middle.
    old: String,
}

/// Copies the last run until there are enough.
fn fill(database: &Path) -> rusqlite::Result<Filled> {
    let mut conn = Connection::open(database)?;
    conn.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    let tx = conn.transaction()?;
    let (model, events): (i64, i64) = tx.query_row(
        "SELECT run, count(*) FROM event WHERE run = (SELECT max(key) FROM run)",
        (),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let runs = RUNS.max(EVENTS / events + 1);
    {
        // A minute apart, the newest a minute before the model.
        let mut run = tx.prepare(
            "INSERT INTO run (key, run_id, plan, state, epoch, created_at, started_at, ended_at,
                exit_code, error_message, command_line)
             SELECT key + ?2,
                strftime('%Y%m%d-%H%M%S-', created_at / 1000 - 60 * (?3 - ?2), 'unixepoch') || 'aaaa',
                plan, state, epoch, created_at - 60000 * (?3 - ?2), started_at - 60000 * (?3 - ?2),
                ended_at - 60000 * (?3 - ?2), exit_code, error_message, command_line
             FROM run WHERE key = ?1",
        )?;
        let mut event = tx.prepare(
            "INSERT INTO event (run, seq, at, type, step, attempt, data)
             SELECT run + ?2, seq, at - 60000 * (?3 - ?2), type, step, attempt, data
             FROM event WHERE run = ?1",
        )?;
        for copy in 1..=runs {
            run.execute(params![model, copy, runs + 1])?;
            event.execute(params![model, copy, runs + 1])?;
        }
    }
    let old = tx.query_row(
        "SELECT run_id FROM run WHERE key = ?1",
        [model + runs / 2],
        |row| row.get(0),
    )?;
    tx.commit()?;
    conn.execute_batch("PRAGMA journal_mode = WAL")?;
    Ok(Filled {
        runs: runs + 1,
        events: events * (runs + 1),
        old,
    })
}
