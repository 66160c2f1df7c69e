//! Unfinished runs in which something has happened that may still matter.

use rusqlite::params;

use super::{Store, StoreError};

impl Store {
    /// The ids of unfinished runs with an event of this kind, as the record spells it,
    /// newest first, at most so many. What became of it, their other events tell.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn unfinished_with(&self, kind: &str, most: usize) -> Result<Vec<String>, StoreError> {
        let found = || {
            let mut ask = self.conn.prepare_cached(
                "SELECT r.run_id FROM run r
                 WHERE r.state IN ('pending', 'running')
                    AND EXISTS (SELECT 1 FROM event e WHERE e.run = r.key AND e.type = ?1)
                 ORDER BY r.key DESC LIMIT ?2",
            )?;
            let rows = ask.query_map(params![kind, most], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        };
        found().map_err(|e| self.sql(e))
    }
}
