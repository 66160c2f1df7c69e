//! What is remembered of a project, for people: listed, and forgotten.

use rusqlite::params;

use super::State;
use crate::run::Millis;
use crate::store::{Store, StoreError};

/// What is remembered of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRow {
    pub plan: String,
    pub step: String,
    pub state: State,
    pub at: Millis,
}

impl Store {
    /// Every step of a project of which something is remembered, by plan and step.
    /// Rows that cannot be ours are left out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn cache_rows(&self, project: &str) -> Result<Vec<CacheRow>, StoreError> {
        self.listed_rows(project).map_err(|e| self.sql(e))
    }

    fn listed_rows(&self, project: &str) -> rusqlite::Result<Vec<CacheRow>> {
        let mut all = Vec::new();
        if !self.conn.table_exists(None, "cache_step")? {
            return Ok(all);
        }
        let mut query = self.conn.prepare(
            "SELECT plan, step, state, at, detail FROM cache_step
             JOIN cache_scope ON key = scope WHERE project = ?1 ORDER BY plan, step",
        )?;
        let mut rows = query.query([project])?;
        while let Some(row) = rows.next()? {
            let text = |column| row.get::<_, String>(column).ok();
            let state = text(2).and_then(|word| State::from_columns(&word, text(4).as_deref()));
            let (Some(plan), Some(step), Some(state), Ok(at)) =
                (text(0), text(1), state, row.get(3))
            else {
                continue;
            };
            all.push(CacheRow {
                plan,
                step,
                state,
                at,
            });
        }
        Ok(all)
    }

    /// Forgets what is remembered of these steps of a project, or of all where
    /// none is named. Says of how many something was.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn cache_clear(&mut self, project: &str, steps: &[String]) -> Result<u64, StoreError> {
        let clear = || {
            let tx = self.conn.unchecked_transaction()?;
            let mut cleared = 0;
            for table in ["cache_past", "cache_step"] {
                let of_project = format!(
                    "DELETE FROM {table} WHERE scope IN (SELECT key FROM cache_scope WHERE project = ?1)"
                );
                cleared = match steps {
                    [] => tx.execute(&of_project, [project])?,
                    _ => {
                        let mut of_one = tx.prepare(&format!("{of_project} AND step = ?2"))?;
                        let each = steps
                            .iter()
                            .map(|step| of_one.execute(params![project, step]));
                        each.sum::<rusqlite::Result<usize>>()?
                    }
                };
            }
            tx.commit()?;
            Ok(cleared as u64)
        };
        clear().map_err(|e| self.sql(e))
    }
}
