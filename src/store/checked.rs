//! Plans of whose steps it is remembered when they were validated last.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::run::Millis;

/// Only so many of a plan's versions are looked at, the newest.
const VERSIONS: usize = 20;

/// A plan in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// An absolute directory.
    pub project: String,
    pub plan_id: String,
    /// When anything was remembered of it last.
    pub at: Millis,
}

impl Store {
    /// The plans of which anything is remembered, those first that were run last; at most
    /// so many.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn checked(&self, most: usize) -> Result<Vec<Checked>, StoreError> {
        let found = || {
            if !self.conn.table_exists(None, "cache_step")? {
                return Ok(Vec::new());
            }
            let mut ask = self.conn.prepare_cached(
                "SELECT project, plan, max(at) FROM cache_scope JOIN cache_step ON scope = key
                 GROUP BY key ORDER BY max(at) DESC LIMIT ?1",
            )?;
            let rows = ask.query_map([most], |row| {
                Ok(Checked {
                    project: row.get(0)?,
                    plan_id: row.get(1)?,
                    at: row.get(2)?,
                })
            })?;
            rows.collect::<rusqlite::Result<_>>()
        };
        found().map_err(|e| self.sql(e))
    }

    /// The id of the last run of a plan in a project, if it is still recorded.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_run_in(&self, project: &str, plan_id: &str) -> Result<Option<String>, StoreError> {
        let found = || {
            let mut ask = self.conn.prepare_cached(
                "SELECT max(r.key), r.run_id FROM run r WHERE r.plan IN
                    (SELECT key FROM
                        (SELECT key, json FROM plan WHERE plan_id = ?1 ORDER BY key DESC LIMIT ?3)
                     WHERE coalesce(json_extract(CAST(json AS TEXT), '$.project'), '') = ?2)",
            )?;
            let asked = params![plan_id, project, VERSIONS];
            let run = ask.query_row(asked, |row| row.get::<_, Option<String>>(1));
            run.optional()
        };
        Ok(found().map_err(|e| self.sql(e))?.flatten())
    }
}
