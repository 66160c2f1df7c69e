//! Which run holds a plan's lock, by the record.
//!
//! The lock itself is the kernel's, on a file (`engine::lock`). Somebody may
//! delete that file while it is held, and whoever comes next locks another of
//! the same name; the record still knows who is at work.

use rusqlite::params;

use super::{Owner, Store, StoreError};

impl Store {
    /// A run that is alive, is not `own`, and has a plan with this lock.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn at_work_under(
        &self,
        lock: &str,
        own: &str,
    ) -> Result<Option<(String, Owner)>, StoreError> {
        let found = || {
            let mut ask = self.conn.prepare_cached(
                "SELECT r.run_id FROM run r JOIN plan p ON p.key = r.plan
                 WHERE r.state IN ('pending', 'running') AND r.run_id <> ?2
                    AND json_extract(CAST(p.json AS TEXT), '$.lock.name') = ?1",
            )?;
            let rows = ask.query_map(params![lock, own], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        };
        for run in found().map_err(|e| self.sql(e))? {
            if let Some(owner) = self.owner(&run)? {
                return Ok(Some((run, owner)));
            }
        }
        Ok(None)
    }
}
