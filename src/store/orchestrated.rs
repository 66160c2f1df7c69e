//! Which runs are of orchestrations, by their plans' metadata.

use rusqlite::params;

use super::{Store, StoreError};

impl Store {
    /// The keys and ids of runs of orchestrations, newest first, at most so many; only
    /// those older than the one with the key `before`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn orchestrated(
        &self,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        let found = || {
            let mut ask = self.conn.prepare_cached(
                "SELECT key, run_id FROM run
                 WHERE key < ?1 AND plan IN
                    (SELECT key FROM plan WHERE json_type(metadata, '$.orchestration') = 'text')
                 ORDER BY key DESC LIMIT ?2",
            )?;
            let before = before.unwrap_or(i64::MAX);
            let rows =
                ask.query_map(params![before, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<_>>()
        };
        found().map_err(|e| self.sql(e))
    }
}
