//! Reading: which runs there are, and what happened in them.
//!
//! Readers never wait for writers, nor writers for readers. What a reader gets
//! is the state after some whole commit.

use std::fmt;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use crate::plan::Plan;
use crate::run::record::Row;
use crate::run::{Event, Millis, Seq};

use super::commit::moment;
use super::{Store, StoreError};

/// Where a run stands, as the store and JSON spell it.
///
/// `Running` with no [owner](Store::owner) means that its engine died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoredState {
    Pending,
    Running,
    Succeeded,
    Failed,
    Canceled,
    /// A person is needed.
    Quarantined,
}

impl StoredState {
    pub const ALL: [StoredState; 6] = [
        StoredState::Pending,
        StoredState::Running,
        StoredState::Succeeded,
        StoredState::Failed,
        StoredState::Canceled,
        StoredState::Quarantined,
    ];

    pub fn word(self) -> &'static str {
        match self {
            StoredState::Pending => "pending",
            StoredState::Running => "running",
            StoredState::Succeeded => "succeeded",
            StoredState::Failed => "failed",
            StoredState::Canceled => "canceled",
            StoredState::Quarantined => "quarantined",
        }
    }

    pub fn from_word(word: &str) -> Option<StoredState> {
        StoredState::ALL.into_iter().find(|s| s.word() == word)
    }

    /// Whether nothing more happens unless somebody resumes the run.
    pub fn is_over(self) -> bool {
        !matches!(self, StoredState::Pending | StoredState::Running)
    }
}

/// A run, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Grows from run to run; for [`RunFilter::before`].
    pub key: i64,
    pub run_id: String,
    /// What the author calls the plan, its name for people, its version.
    pub plan_id: String,
    pub name: String,
    pub version: String,
    /// The plan's content id.
    pub content_id: String,
    pub project_id: Option<String>,
    pub phase_id: String,
    pub state: StoredState,
    pub created_at: Millis,
    pub started_at: Option<Millis>,
    pub ended_at: Option<Millis>,
    pub exit_code: Option<i32>,
    pub error_message: Option<String>,
    /// The plan's metadata with `plan_id` and `plan_version`, as a JSON object.
    pub metadata: String,
    pub command_line: Vec<String>,
}

/// Which runs to list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    pub state: Option<StoredState>,
    /// A plan's name or id.
    pub name: Option<String>,
    /// A tag of the plan: its metadata have it in `tags`.
    pub tag: Option<String>,
    /// Only runs made at this moment or later.
    pub since: Option<Millis>,
    /// Only runs made before this moment.
    pub until: Option<Millis>,
    /// At most so many; all, without.
    pub limit: Option<u32>,
    /// Only runs older than the one with this key.
    pub before: Option<i64>,
}

/// Why a text does not name one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSuchRun {
    NotFound {
        text: String,
        /// The run that was perhaps meant.
        nearest: Option<String>,
    },
    /// Newest first; not necessarily all.
    Ambiguous {
        text: String,
        matches: Vec<String>,
    },
    Store(StoreError),
}

impl From<StoreError> for NoSuchRun {
    fn from(error: StoreError) -> Self {
        NoSuchRun::Store(error)
    }
}

impl std::error::Error for NoSuchRun {}

impl fmt::Display for NoSuchRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoSuchRun::NotFound { text, nearest } => {
                write!(f, "there is no run {text:?}")?;
                match nearest {
                    Some(id) => write!(f, "; did you mean {id}?"),
                    None => Ok(()),
                }
            }
            NoSuchRun::Ambiguous { text, matches } => {
                write!(f, "{text:?} fits several runs: {}", matches.join(", "))
            }
            NoSuchRun::Store(error) => error.fmt(f),
        }
    }
}

impl Store {
    /// Lists runs, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        // Only conditions that are asked for, so that each finds its index.
        let mut sql = String::from("WHERE 1");
        if filter.state.is_some() {
            sql.push_str(" AND r.state = ?1");
        }
        if filter.name.is_some() {
            sql.push_str(" AND r.plan IN (SELECT key FROM plan WHERE name = ?2 OR plan_id = ?2)");
        }
        if filter.before.is_some() {
            sql.push_str(" AND r.key < ?3");
        }
        if filter.tag.is_some() {
            sql.push_str(
                " AND r.plan IN (SELECT key FROM plan WHERE EXISTS
                    (SELECT 1 FROM json_each(metadata, '$.tags') WHERE value = ?4))",
            );
        }
        if filter.since.is_some() {
            sql.push_str(" AND r.created_at >= ?5");
        }
        if filter.until.is_some() {
            sql.push_str(" AND r.created_at < ?6");
        }
        sql.push_str(" ORDER BY r.key DESC LIMIT ?7");
        // A parameter that the text does not use may still be bound: ?7 is the highest.
        self.select(
            &sql,
            params![
                filter.state.map(StoredState::word),
                filter.name,
                filter.before,
                filter.tag,
                filter.since.map(moment),
                filter.until.map(moment),
                filter.limit.map_or(-1, i64::from)
            ],
        )
    }

    /// Finds the run that a person means: `last`, a run's id, or the beginning
    /// or end of one that no other id shares.
    ///
    /// # Errors
    /// None or several fit, or the store cannot be read.
    pub fn find_run(&self, text: &str) -> Result<RunRow, NoSuchRun> {
        let mut found = match text {
            "last" => self.select("ORDER BY r.key DESC LIMIT 1", ())?,
            _ => self.select("WHERE r.run_id = ?1", [text])?,
        };
        if found.is_empty() && !text.is_empty() {
            found = self.select(
                "WHERE substr(r.run_id, 1, length(?1)) = ?1
                    OR substr(r.run_id, -length(?1)) = ?1
                 ORDER BY r.key DESC LIMIT 5",
                [text],
            )?;
        }
        let text = text.to_string();
        match found.len() {
            0 => Err(NoSuchRun::NotFound {
                nearest: self.nearest(&text)?,
                text,
            }),
            1 => Ok(found.remove(0)),
            _ => Err(NoSuchRun::Ambiguous {
                text,
                matches: found.into_iter().map(|run| run.run_id).collect(),
            }),
        }
    }

    /// The plan of a run. One that a run went by before is in it, and what is
    /// recorded by that one reads right with this one.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no such run; the store cannot be read.
    pub fn plan(&self, run_id: &str) -> Result<Plan, StoreError> {
        let (json, content_id): (Vec<u8>, String) = self
            .conn
            .query_row(
                "SELECT p.json, p.content_id FROM plan p JOIN run r ON r.plan = p.key
                 WHERE r.run_id = ?1",
                [run_id],
                // Written in pieces, it is a blob; another program may make it a text.
                |row| Ok((row.get_ref(0)?.as_bytes()?.to_vec(), row.get(1)?)),
            )
            .optional()
            .map_err(|e| self.sql(e))?
            .ok_or_else(|| self.no_run(run_id))?;
        let corrupt = |detail: &dyn fmt::Display| StoreError::Corrupt {
            path: self.state.database(),
            detail: format!("the plan of run {run_id}: {detail}"),
        };
        // Nothing else checks again what was checked when the plan was loaded.
        let json = String::from_utf8(json).map_err(|e| corrupt(&e))?;
        if Plan::content_id_of(&json) != content_id {
            return Err(corrupt(&"it is not the one that was recorded"));
        }
        let plan: Plan = serde_json::from_str(&json).map_err(|e| corrupt(&e))?;
        match crate::plan::graph::is_within(&plan) {
            true => Ok(plan),
            false => Err(corrupt(&"a step waits for one that is not there")),
        }
    }

    /// A run's events after a sequence number (0 for all), in order, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no such run; the store cannot be read.
    pub fn events(&self, run_id: &str, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        let key = self.key(run_id)?;
        let database = self.state.database();
        let mut events = Vec::new();
        let upto = i64::try_from(limit).unwrap_or(i64::MAX);
        bounded_rows(&self.conn, &database, key, after, upto, |row| {
            let event = row.event().map_err(|e| StoreError::Corrupt {
                path: database.clone(),
                detail: format!("event {} of run {run_id}: {e}", row.seq),
            })?;
            events.push(event);
            Ok(())
        })?;
        Ok(events)
    }

    /// The key of a run that is in the store.
    pub(super) fn key(&self, run_id: &str) -> Result<i64, StoreError> {
        self.conn
            .prepare_cached("SELECT key FROM run WHERE run_id = ?1")
            .and_then(|mut key| key.query_row([run_id], |row| row.get(0)).optional())
            .map_err(|e| self.sql(e))?
            .ok_or_else(|| self.no_run(run_id))
    }

    fn no_run(&self, run_id: &str) -> StoreError {
        StoreError::Missing {
            path: self.state.run(run_id),
        }
    }

    /// The run whose id agrees with the text in most places, if in most of them.
    fn nearest(&self, text: &str) -> Result<Option<String>, StoreError> {
        let recent = self.select("ORDER BY r.key DESC LIMIT 1000", ())?;
        let likeness = |id: &str| {
            let same = |(a, b): &(u8, u8)| a == b;
            let forth = id.bytes().zip(text.bytes()).filter(same).count();
            let back = id
                .bytes()
                .rev()
                .zip(text.bytes().rev())
                .filter(same)
                .count();
            forth.max(back)
        };
        Ok(recent
            .into_iter()
            .map(|run| (likeness(&run.run_id), run.run_id))
            .filter(|(same, _)| same * 2 > text.len())
            // The newest of equals: `max_by_key` would take the last.
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, id)| id))
    }

    fn select(&self, rest: &str, params: impl rusqlite::Params) -> Result<Vec<RunRow>, StoreError> {
        let text = format!(
            "SELECT r.key, r.run_id, p.plan_id, p.name, p.version, p.content_id, p.project_id,
                p.phase_id, r.state, r.created_at, r.started_at, r.ended_at, r.exit_code,
                r.error_message, p.metadata, r.command_line
             FROM run r JOIN plan p ON p.key = r.plan {rest}"
        );
        let mut query = self.conn.prepare_cached(&text).map_err(|e| self.sql(e))?;
        let rows = query.query_map(params, run_row).map_err(|e| self.sql(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.sql(e))
    }
}

fn run_row(row: &SqlRow<'_>) -> rusqlite::Result<RunRow> {
    let state: String = row.get(8)?;
    let command_line: String = row.get(15)?;
    let wrong = |column, name: &str| {
        rusqlite::Error::InvalidColumnType(column, name.into(), rusqlite::types::Type::Text)
    };
    Ok(RunRow {
        key: row.get(0)?,
        run_id: row.get(1)?,
        plan_id: row.get(2)?,
        name: row.get(3)?,
        version: row.get(4)?,
        content_id: row.get(5)?,
        project_id: row.get(6)?,
        phase_id: row.get(7)?,
        state: StoredState::from_word(&state).ok_or_else(|| wrong(8, "state"))?,
        created_at: row.get(9)?,
        started_at: row.get(10)?,
        ended_at: row.get(11)?,
        exit_code: row.get(12)?,
        error_message: row.get(13)?,
        metadata: row.get(14)?,
        command_line: serde_json::from_str(&command_line).map_err(|_| wrong(15, "command_line"))?,
    })
}

/// All of a run's events after a sequence number, in order.
pub(super) fn rows(
    conn: &Connection,
    database: &Path,
    run: i64,
    after: Seq,
    each: impl FnMut(Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    bounded_rows(conn, database, run, after, i64::MAX, each)
}

fn bounded_rows(
    conn: &Connection,
    database: &Path,
    run: i64,
    after: Seq,
    limit: i64,
    mut each: impl FnMut(Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let sql = |e| StoreError::sqlite(database, &e);
    let mut query = conn
        .prepare_cached(
            "SELECT seq, at, type, step, attempt, data FROM event
             WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        )
        .map_err(sql)?;
    let mut rows = query
        .query(params![run, moment(after), limit])
        .map_err(sql)?;
    while let Some(row) = rows.next().map_err(sql)? {
        each(event_row(row).map_err(sql)?)?;
    }
    Ok(())
}

fn event_row<'a>(row: &'a SqlRow<'_>) -> rusqlite::Result<Row<'a>> {
    Ok(Row {
        seq: row.get(0)?,
        at: row.get(1)?,
        kind: row.get_ref(2)?.as_str()?,
        step: row.get(3)?,
        attempt: row.get(4)?,
        data: row.get_ref(5)?.as_str_or_null()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_word_of_its_own() {
        for state in StoredState::ALL {
            assert_eq!(StoredState::from_word(state.word()), Some(state));
        }
        assert_eq!(StoredState::from_word("interrupted"), None);
    }
}
