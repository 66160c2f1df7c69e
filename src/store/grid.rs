//! How some steps ended in a run, without the run being folded.
//!
//! For pictures of many runs at once, where thirty folds would be too much: of each run
//! only the events that begin and end attempts are looked at, and only those of the steps
//! that are shown are read. Where a run stands, the fold says and nobody else.

use std::collections::BTreeMap;
use std::ops::Range;

use rusqlite::{Connection, params};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::run::{Millis, Outcome};

use super::{Recent, Store, StoreError};

/// How a step stands in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Running,
    Settled(Outcome),
}

/// A step in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub standing: Standing,
    /// How long its last attempt took; in milliseconds.
    pub took_ms: Option<u64>,
}

/// The part of an event's data that is read.
#[derive(Default, Deserialize)]
struct Data<'a> {
    /// Named only where it is not the step itself.
    role: Option<IgnoredAny>,
    verdict: Option<&'a str>,
    outcome: Option<Outcome>,
    started_at: Option<Millis>,
    ended_at: Option<Millis>,
}

impl Store {
    /// The ids of the steps of a version of a plan ([`Recent::version`]), in its order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn step_ids(&self, version: i64) -> Result<Vec<String>, StoreError> {
        let found = || {
            let text = "SELECT id FROM step WHERE plan = ?1 ORDER BY ix";
            let mut ask = self.conn.prepare_cached(text)?;
            let ids = ask.query_map([version], |row| row.get(0))?;
            ids.collect::<rusqlite::Result<Vec<String>>>()
        };
        found().map_err(|e| self.sql(e))
    }

    /// The steps at these places of the run's version of the plan, as far as anything
    /// became of them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn cells(
        &self,
        run: &Recent,
        places: Range<usize>,
    ) -> Result<BTreeMap<usize, Cell>, StoreError> {
        cells(&self.conn, run.key, &places).map_err(|e| self.sql(e))
    }
}

fn cells(
    conn: &Connection,
    run: i64,
    places: &Range<usize>,
) -> rusqlite::Result<BTreeMap<usize, Cell>> {
    let mut ask = conn.prepare_cached(
        "SELECT type, step, data FROM event
         WHERE run = ?1 AND (step >= ?2 AND step < ?3 OR step IS NULL)
            AND type IN ('step_started', 'step_finished', 'step_settled', 'run_resumed')
         ORDER BY seq",
    )?;
    let mut rows = ask.query(params![run, places.start, places.end])?;
    let mut cells = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let kind = row.get_ref(0)?.as_str()?;
        let Some(step) = row.get::<_, Option<usize>>(1)? else {
            // What has succeeded stays so; all else is open again.
            let done = Standing::Settled(Outcome::Succeeded);
            cells.retain(|_, cell: &mut Cell| cell.standing == done);
            continue;
        };
        let data = row.get_ref(2)?.as_str_or_null()?.unwrap_or("{}");
        // A record in other words says nothing here; it is no reason to show nothing.
        let data: Data<'_> = serde_json::from_str(data).unwrap_or_default();
        if data.role.is_none() {
            note(&mut cells, kind, step, &data);
        }
    }
    Ok(cells)
}

fn note(cells: &mut BTreeMap<usize, Cell>, kind: &str, step: usize, data: &Data<'_>) {
    let before = cells.get(&step).and_then(|cell| cell.took_ms);
    let ran = || Some(data.ended_at?.saturating_sub(data.started_at?));
    let (standing, took_ms) = match kind {
        "step_started" => (Standing::Running, before),
        "step_finished" => match data.verdict {
            Some("failure") => (Standing::Settled(Outcome::Failed), ran()),
            _ => (Standing::Settled(Outcome::Succeeded), ran()),
        },
        _ => match data.outcome {
            Some(outcome) => (Standing::Settled(outcome), before),
            None => return,
        },
    };
    cells.insert(step, Cell { standing, took_ms });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_step_counts_until_the_run_goes_on() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE event (run, seq, at, type, step, attempt, data);
             INSERT INTO event VALUES
                (1, 1, 0, 'step_started', 0, 1, NULL),
                (1, 2, 0, 'step_finished', 0, 1, '{\"verdict\":\"success\",\"started_at\":5,\"ended_at\":9}'),
                (1, 3, 0, 'step_started', 1, 1, NULL),
                (1, 4, 0, 'step_finished', 1, 1, '{\"verdict\":\"failure\",\"started_at\":9,\"ended_at\":10}'),
                (1, 5, 0, 'step_finished', 1, 1, '{\"role\":\"remedy\",\"verdict\":\"success\"}'),
                (1, 6, 0, 'step_settled', 2, NULL, '{\"outcome\":\"skipped\"}'),
                (2, 1, 0, 'step_started', 0, 1, NULL);",
        )
        .unwrap();
        let told = |run| {
            let cells = cells(&conn, run, &(0..10)).unwrap();
            let told = cells
                .into_iter()
                .map(|(ix, cell)| (ix, cell.standing, cell.took_ms));
            told.collect::<Vec<_>>()
        };
        let settled = Standing::Settled;
        assert_eq!(
            told(1),
            [
                (0, settled(Outcome::Succeeded), Some(4)),
                (1, settled(Outcome::Failed), Some(1)),
                (2, settled(Outcome::Skipped), None),
            ]
        );
        assert_eq!(told(2), [(0, Standing::Running, None)]);
        let goes_on = "INSERT INTO event VALUES (1, 7, 0, 'run_resumed', NULL, NULL, '{}')";
        conn.execute(goes_on, ()).unwrap();
        assert_eq!(told(1), [(0, settled(Outcome::Succeeded), Some(4))]);
    }
}
