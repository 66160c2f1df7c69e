//! Making the database, and bringing an older one up to date.
//!
//! A new database is made under another name and renamed when it is whole, so
//! there is never an empty or half-made one to misunderstand: an empty file in
//! its place has lost its content, and is refused.

use std::fs::File;
use std::io;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::paths::StateDir;

use super::{Access, Durability, StoreError, connect, files, range_lock};

/// What leads from each version to the next, from an empty file on.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_cache.sql"),
    include_str!("schema_metrics.sql"),
];

/// Marks the file as ours ("qntt"), for `file` and for us.
const APPLICATION_ID: i32 = 0x716e_7474;

/// Makes the database, unless another process does so first.
pub(super) fn create(state: &StateDir) -> Result<(), StoreError> {
    let _alone = alone(state)?;
    let path = state.database();
    if files::exists(&path)? {
        return Ok(());
    }
    refuse_a_lost_one(state)?;

    let new = state.root().join("quintet.db.new");
    for leftover in ["", "-wal", "-shm", "-journal"] {
        remove_if_there(&state.root().join(format!("quintet.db.new{leftover}")))?;
    }
    files::open(&new, true)?;
    let sql = |e| StoreError::sqlite(&new, &e);
    let mut conn = connect(&new, Durability::Full, Access::Write)?;
    // Before the first table, or it would take rewriting the whole file: so that
    // what is pruned can be given back a few pages at a time.
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")
        .map_err(sql)?;
    migrate(&new, &mut conn, 0, MIGRATIONS)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(sql)?;
    // Last, so that everything before it went into the file itself.
    conn.pragma_update(None, "journal_mode", "WAL")
        .map_err(sql)?;
    conn.close().map_err(|(_, e)| sql(e))?;
    for leftover in ["-wal", "-shm"] {
        remove_if_there(&state.root().join(format!("quintet.db.new{leftover}")))?;
    }

    let io = |e| StoreError::io(&path, &e);
    File::open(&new).and_then(|f| f.sync_all()).map_err(io)?;
    std::fs::rename(&new, &path).map_err(io)?;
    File::open(state.root())
        .and_then(|dir| dir.sync_all())
        .map_err(io)
}

/// A directory of runs that were recorded, and no database: it was lost, and
/// to begin a new one in silence would hide it.
fn refuse_a_lost_one(state: &StateDir) -> Result<(), StoreError> {
    let runs = state.runs();
    let io = |e| StoreError::io(&runs, &e);
    for run in std::fs::read_dir(&runs).map_err(io)? {
        if run.map_err(io)?.path().join("events.jsonl").exists() {
            return Err(StoreError::Corrupt {
                path: state.database(),
                detail: format!(
                    "it is gone, and {} still holds runs; put it back, or move that away",
                    runs.display()
                ),
            });
        }
    }
    Ok(())
}

/// Checks the version of a database, and raises it where it is older.
pub(super) fn bring_up_to_date(state: &StateDir, conn: &Connection) -> Result<(), StoreError> {
    let path = state.database();
    if check(&path, conn)? as usize == MIGRATIONS.len() {
        return Ok(());
    }
    let _alone = alone(state)?;
    let mut own = connect(&path, Durability::Full, Access::Write)?;
    let found = check(&path, &own)?;
    migrate(&path, &mut own, found, MIGRATIONS)
}

/// The version of a database that is ours and not newer than we are.
pub(super) fn check(path: &Path, conn: &Connection) -> Result<u32, StoreError> {
    let sql = |e| StoreError::sqlite(path, &e);
    // As pragmas, not as the tables of the same names: for these, SQLite would
    // first read a schema that it may not understand.
    let pragma = |name: &str| {
        conn.pragma_query_value(None, name, |row| row.get(0))
            .map_err(sql)
    };
    let (found, application): (i32, i32) = (pragma("user_version")?, pragma("application_id")?);
    let found = u32::try_from(found).unwrap_or(0);
    let known = MIGRATIONS.len() as u32;
    if application != APPLICATION_ID || found == 0 {
        return Err(StoreError::Corrupt {
            path: path.into(),
            detail: "it is empty, or not a database of quintet's".into(),
        });
    }
    if found > known {
        return Err(StoreError::NewerSchema {
            path: path.into(),
            found,
            known,
        });
    }
    Ok(found)
}

fn migrate(
    path: &Path,
    conn: &mut Connection,
    found: u32,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let sql = |e| StoreError::sqlite(path, &e);
    let tx = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sql)?;
    for step in &migrations[found as usize..] {
        tx.execute_batch(step).map_err(sql)?;
    }
    tx.pragma_update(None, "user_version", migrations.len() as u32)
        .map_err(sql)?;
    tx.commit().map_err(sql)
}

/// Keeps other processes from making or changing the schema, while it lives.
fn alone(state: &StateDir) -> Result<File, StoreError> {
    let path = state.root().join("quintet.lock");
    let file = files::open(&path, true)?;
    range_lock::lock(&file, 0..1).map_err(|e| StoreError::io(&path, &e))?;
    Ok(file)
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io(path, &e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::testing::Home;

    #[test]
    fn an_older_schema_is_raised_step_by_step_and_keeps_its_rows() {
        let steps = [
            "CREATE TABLE a (x); INSERT INTO a VALUES (1);",
            "ALTER TABLE a ADD y; UPDATE a SET y = x + 1;",
        ];
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(Path::new("x"), &mut conn, 0, &steps[..1]).unwrap();
        migrate(Path::new("x"), &mut conn, 1, &steps).unwrap();
        let row: (u32, u32, u32) = conn
            .query_row(
                "SELECT x, y, user_version FROM a, pragma_user_version",
                (),
                |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
            )
            .unwrap();
        assert_eq!(row, (1, 2, 2));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_old_version() {
        let steps = ["CREATE TABLE a (x);", "CREATE TABLE b (y); nonsense"];
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(Path::new("x"), &mut conn, 0, &steps[..1]).unwrap();
        assert!(migrate(Path::new("x"), &mut conn, 1, &steps).is_err());
        let (version, tables): (u32, u32) = conn
            .query_row(
                "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version",
                (),
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .unwrap();
        assert_eq!((version, tables), (1, 1));
    }

    #[test]
    fn a_store_is_made_once_however_many_want_it() {
        let home = Home::new();
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    Store::open(&home.state, Durability::Full)
                        .map(drop)
                        .unwrap()
                });
            }
        });
        let mut names: Vec<_> = std::fs::read_dir(home.state.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect();
        names.sort();
        assert_eq!(names, ["locks", "quintet.db", "quintet.lock", "runs"]);
    }

    #[test]
    fn what_a_crash_left_of_the_making_is_made_anew() {
        let home = Home::new();
        std::fs::write(home.state.root().join("quintet.db.new"), "half").unwrap();
        std::fs::write(home.state.root().join("quintet.db.new-journal"), "half").unwrap();
        Store::open(&home.state, Durability::Full).unwrap();
        assert!(!home.state.root().join("quintet.db.new-journal").exists());
    }
}
