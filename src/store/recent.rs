//! The last runs of a plan: how each ended and how long it took.
//!
//! They are found by the plan's versions, so that neither the number of all runs nor that
//! of the plan's own matters.

use rusqlite::{OptionalExtension, Row};

use crate::run::Millis;

use super::past::last_runs;
use super::{Store, StoreError, StoredState};

/// A run among others of its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Its key, and that of its version of the plan.
    pub key: i64,
    pub version: i64,
    pub run_id: String,
    pub state: StoredState,
    pub created_at: Millis,
    pub started_at: Option<Millis>,
    pub ended_at: Option<Millis>,
}

impl Recent {
    /// How long it took, if it is over; in milliseconds.
    pub fn took_ms(&self) -> Option<u64> {
        Some(self.ended_at?.saturating_sub(self.started_at?))
    }
}

impl Store {
    /// The last runs of the plan with this id, oldest first, at most so many.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn recent(&self, plan_id: &str, most: usize) -> Result<Vec<Recent>, StoreError> {
        let found = || {
            let mut runs = Vec::new();
            let mut ask = self.conn.prepare_cached(
                "SELECT run_id, state, created_at, started_at, ended_at FROM run WHERE key = ?1",
            )?;
            for (key, version) in last_runs(&self.conn, plan_id, most)? {
                // It may have been deleted since.
                let run = ask.query_row([key], |row| recent(key, version, row));
                runs.extend(run.optional()?);
            }
            runs.reverse();
            Ok(runs)
        };
        found().map_err(|e: rusqlite::Error| self.sql(e))
    }
}

fn recent(key: i64, version: i64, row: &Row<'_>) -> rusqlite::Result<Recent> {
    let word: String = row.get(1)?;
    let unknown =
        || rusqlite::Error::InvalidColumnType(1, "state".into(), rusqlite::types::Type::Text);
    Ok(Recent {
        key,
        version,
        run_id: row.get(0)?,
        state: StoredState::from_word(&word).ok_or_else(unknown)?,
        created_at: row.get(2)?,
        started_at: row.get(3)?,
        ended_at: row.get(4)?,
    })
}
