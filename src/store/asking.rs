//! Which runs may be waiting for a person.

use super::{Store, StoreError};

impl Store {
    /// The ids of unfinished runs in which anything was asked, newest first, at most so
    /// many. Whether it still is, their events tell.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn runs_that_asked(&self, most: usize) -> Result<Vec<String>, StoreError> {
        let found = || {
            let mut ask = self.conn.prepare_cached(
                "SELECT r.run_id FROM run r
                 WHERE r.state IN ('pending', 'running')
                    AND EXISTS (SELECT 1 FROM event e WHERE e.run = r.key AND e.type = 'step_asked')
                 ORDER BY r.key DESC LIMIT ?1",
            )?;
            let rows = ask.query_map([most], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        };
        found().map_err(|e| self.sql(e))
    }
}
