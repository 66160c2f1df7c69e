//! What monitoring counts, kept for each plan and longer than its runs.
//!
//! A plan has one row, whose figures a run's are added to in the transaction that
//! records its end: no crash loses or doubles them, no pruning takes them away, and
//! to read them costs the same however many runs there were. The table is bounded.
//! The first [`PLANS`] plans have rows of their own and keep them; all others share
//! one, so that no figure ever moves from one name to another.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::run::figures::Figures;

use super::{RunFilter, Store, StoreError, StoredState};

/// So many plans are counted by themselves.
const PLANS: u32 = 100;

/// What all other plans are counted under.
const OTHERS: &str = "other";

/// What a store knows for monitoring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Of runs that have ended since the store counts, by their plans' ids; those
    /// for which there was no room are together under `other`.
    pub plans: BTreeMap<String, Figures>,
    /// Runs that an engine drives now.
    pub running: u64,
    /// Runs that have not ended and have no engine: somebody must resume them.
    pub interrupted: u64,
}

impl Store {
    /// What has been counted until now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn counted(&self) -> Result<Counted, StoreError> {
        let plans = plans(&self.conn).map_err(|e| self.sql(e))?;
        let mut counted = Counted {
            plans,
            ..Counted::default()
        };
        for state in [StoredState::Pending, StoredState::Running] {
            let filter = RunFilter {
                state: Some(state),
                ..RunFilter::default()
            };
            for run in self.runs(&filter)? {
                match self.owner(&run.run_id)? {
                    Some(_) => counted.running += 1,
                    None => counted.interrupted += 1,
                }
            }
        }
        Ok(counted)
    }
}

fn plans(conn: &Connection) -> rusqlite::Result<BTreeMap<String, Figures>> {
    // A store that is only read may not have been brought up to date yet.
    let table = "SELECT 1 FROM sqlite_schema WHERE name = 'figures'";
    if conn.query_row(table, (), |_| Ok(())).optional()?.is_none() {
        return Ok(BTreeMap::new());
    }
    let mut query = conn.prepare("SELECT plan_id, counted FROM figures")?;
    let rows = query.query_map((), |row| {
        Ok((row.get(0)?, figures(row.get_ref(1)?.as_str()?)))
    })?;
    rows.collect()
}

/// What stands there in other words counts from nothing: that is no reason for
/// a run not to end, or for nobody to be told of anything.
fn figures(text: &str) -> Figures {
    serde_json::from_str(text).unwrap_or_default()
}

/// Adds what a run that ends has counted. To be called in the transaction that
/// records the end.
pub(super) fn add(tx: &Connection, plan_id: &str, counted: &Figures) -> rusqlite::Result<()> {
    let known = |id: &str| {
        let query = "SELECT counted FROM figures WHERE plan_id = ?1";
        let row = tx.query_row(query, [id], |row| Ok(figures(row.get_ref(0)?.as_str()?)));
        row.optional()
    };
    let (id, before) = match known(plan_id)? {
        Some(before) => (plan_id, before),
        None if has_room(tx)? => (plan_id, Figures::default()),
        None => (OTHERS, known(OTHERS)?.unwrap_or_default()),
    };
    let mut sum = before;
    sum.add(counted);
    let sum = serde_json::to_string(&sum)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    tx.execute(
        "INSERT OR REPLACE INTO figures (plan_id, counted) VALUES (?1, ?2)",
        params![id, sum],
    )?;
    Ok(())
}

fn has_room(tx: &Connection) -> rusqlite::Result<bool> {
    let query = "SELECT count(*) < ?2 FROM figures WHERE plan_id <> ?1";
    tx.query_row(query, params![OTHERS, PLANS], |row| row.get(0))
}
