//! What nothing that is remembered needs any more: lists of files, and contents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use super::entry::Known;
use super::{Digest, Whose};
use crate::store::{Store, StoreError};

/// What was used this short a time ago may belong to a step that is about to be
/// remembered.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// Deletes a list, if no step has it now.
pub(in crate::store) fn delete_list(conn: &Connection, key: i64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "DELETE FROM cache_list WHERE key = ?1
            AND NOT EXISTS (SELECT 1 FROM cache_step WHERE digest IN (inputs, outputs))
            AND NOT EXISTS (SELECT 1 FROM cache_past WHERE digest IN (inputs, outputs))",
    )?
    .execute([key])
    .map(drop)
}

impl Store {
    /// The keys of lists that no step has.
    pub(in crate::store) fn unused_lists(&self) -> Result<Vec<i64>, StoreError> {
        let query = "
            SELECT key FROM cache_list WHERE digest NOT IN (
                SELECT inputs FROM cache_step WHERE inputs NOTNULL
                UNION SELECT outputs FROM cache_step WHERE outputs NOTNULL
                UNION SELECT inputs FROM cache_past WHERE inputs NOTNULL
                UNION SELECT outputs FROM cache_past WHERE outputs NOTNULL)";
        self.list(query, |row| row.get(0))
    }

    /// Deletes contents that no remembered success has made. Says how many.
    ///
    /// # Errors
    /// The store cannot be read. A content that cannot be deleted stays.
    pub(in crate::store) fn prune_objects(&self, now: SystemTime) -> Result<u64, StoreError> {
        let objects = self.state.objects();
        if !objects.is_dir() {
            return Ok(0);
        }
        let wanted = self.wanted_objects()?;
        let mut gone = 0;
        for path in contents(&objects) {
            let is_wanted = digest(&path).is_some_and(|digest| wanted.contains(&digest));
            if !is_wanted && is_old(&path, now) && fs::remove_file(&path).is_ok() {
                gone += 1;
            }
        }
        Ok(gone)
    }

    fn wanted_objects(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let scopes = self.list("SELECT project, plan FROM cache_scope", |row| {
            let (project, plan): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(Whose {
                project: project.into(),
                plan: plan.into(),
            })
        })?;
        let mut wanted = BTreeSet::new();
        for whose in scopes {
            let remembered = self.remembered(&whose, true)?;
            let add = |known: Known| wanted.extend(known.outputs.iter().map(|file| file.hash));
            remembered.each_past().for_each(add);
        }
        Ok(wanted)
    }
}

fn contents(root: &Path) -> impl Iterator<Item = PathBuf> {
    let inside = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let folders = inside(root).map(|entry| entry.path());
    folders.flat_map(move |folder| match folder.is_dir() {
        true => inside(&folder).map(|entry| entry.path()).collect(),
        // One that was being written when its run was killed.
        false => vec![folder],
    })
}

fn digest(path: &Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent()?.file_name()?.to_str()?;
    let hash = blake3::Hash::from_hex(format!("{folder}{name}")).ok()?;
    Some(hash.into())
}

fn is_old(path: &Path, now: SystemTime) -> bool {
    let used = fs::symlink_metadata(path).and_then(|meta| meta.modified());
    let age = used.ok().and_then(|used| now.duration_since(used).ok());
    age.is_some_and(|age| age > YOUNG)
}
