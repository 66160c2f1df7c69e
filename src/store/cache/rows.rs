//! Reading what is remembered: one scan for all steps of a plan.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::bytes::Reader;
use super::entry::{Entry, Known};
use super::files::Files;
use super::{Digest, State, Whose};
use crate::store::{Store, StoreError};

/// What is remembered of a plan's steps.
///
/// Bodies are understood when they are asked for: most runs ask for few.
#[derive(Default)]
pub struct Remembered {
    last: HashMap<Box<str>, Raw>,
    /// By step, and by what it depended on.
    past: HashMap<(Box<str>, Digest), Raw>,
    lists: HashMap<Digest, Vec<u8>>,
    read: RefCell<HashMap<Digest, Arc<Files>>>,
    /// Rows that no quintet wrote.
    damaged: RefCell<u32>,
}

/// A row as it was found.
struct Raw {
    state: State,
    at: u64,
    body: Option<Vec<u8>>,
}

impl Remembered {
    /// What is known of a step's last attempt.
    pub fn last(&self, step: &str) -> Option<Entry> {
        self.entry(self.last.get(step)?)
    }

    /// A success of a step that depended on the same, kept because its outputs are.
    pub fn past(&self, step: &str, print: &Digest) -> Option<Entry> {
        if self.past.is_empty() {
            return None;
        }
        self.entry(self.past.get(&(step.into(), *print))?)
    }

    /// What is known of all successes whose outputs are kept.
    pub(super) fn each_past(&self) -> impl Iterator<Item = Known> {
        let entries = self.past.values().filter_map(|raw| self.entry(raw));
        entries.filter_map(|entry| entry.known)
    }

    /// Rows that were not believed so far, in words.
    pub fn damage(&self) -> Option<String> {
        match *self.damaged.borrow() {
            0 => None,
            1 => Some("one step's remembered freshness cannot be read, so it runs".into()),
            n => Some(format!(
                "the remembered freshness of {n} steps cannot be read, so they run"
            )),
        }
    }

    fn entry(&self, raw: &Raw) -> Option<Entry> {
        let known = match &raw.body {
            None => None,
            Some(body) => match Known::from_body(body, &mut |digest| self.list(digest)) {
                Some(known) => Some(known),
                None => {
                    *self.damaged.borrow_mut() += 1;
                    return None;
                }
            },
        };
        Some(Entry {
            state: raw.state.clone(),
            at: raw.at,
            known,
        })
    }

    fn list(&self, digest: &Digest) -> Option<Arc<Files>> {
        if let Some(files) = self.read.borrow().get(digest) {
            return Some(Arc::clone(files));
        }
        let mut from = Reader(self.lists.get(digest)?);
        let files = Files::read(&mut from).filter(|_| from.is_done())?;
        if files.digest() != digest {
            return None;
        }
        let files = Arc::new(files);
        self.read.borrow_mut().insert(*digest, Arc::clone(&files));
        Some(files)
    }
}

impl Store {
    /// Everything that is remembered of a plan's steps; with `past`, also their
    /// earlier successes whose outputs are kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn remembered(&self, whose: &Whose, past: bool) -> Result<Remembered, StoreError> {
        remembered(&self.conn, whose, past).map_err(|e| self.sql(e))
    }
}

fn remembered(conn: &Connection, whose: &Whose, past: bool) -> rusqlite::Result<Remembered> {
    let mut found = Remembered::default();
    // A store that an older quintet made remembers nothing, until it is raised.
    if !conn.table_exists(None, "cache_step")? {
        return Ok(found);
    }
    let scope = "SELECT key FROM cache_scope WHERE project = ?1 AND plan = ?2";
    let scope: Option<i64> = conn
        .query_row(scope, params![whose.project, whose.plan], |row| row.get(0))
        .optional()?;
    let Some(scope) = scope else {
        return Ok(found);
    };
    let mut wanted = Vec::new();
    let mut query = conn.prepare(
        "SELECT step, state, at, body, inputs, outputs, detail FROM cache_step WHERE scope = ?1",
    )?;
    let mut rows = query.query([scope])?;
    while let Some(row) = rows.next()? {
        match raw(row, &mut wanted) {
            Some((step, raw)) => _ = found.last.insert(step, raw),
            None => *found.damaged.get_mut() += 1,
        }
    }
    if past {
        let mut query = conn.prepare(
            "SELECT step, 'succeeded', at, body, inputs, outputs, print FROM cache_past
             WHERE scope = ?1",
        )?;
        let mut rows = query.query([scope])?;
        while let Some(row) = rows.next()? {
            let print = row.get_ref(6)?.as_blob().ok();
            let print = print.and_then(|print| Digest::try_from(print).ok());
            match (raw(row, &mut wanted), print) {
                (Some((step, raw)), Some(print)) => _ = found.past.insert((step, print), raw),
                _ => *found.damaged.get_mut() += 1,
            }
        }
    }
    let mut query = conn.prepare("SELECT files FROM cache_list WHERE digest = ?1")?;
    for digest in wanted {
        if !found.lists.contains_key(&digest) {
            let files = query.query_row([digest], |row| row.get(0)).optional();
            found.lists.extend(files?.map(|files| (digest, files)));
        }
    }
    Ok(found)
}

/// A row, and which lists it wants; `None` where it cannot have been ours.
fn raw(row: &Row<'_>, wanted: &mut Vec<Digest>) -> Option<(Box<str>, Raw)> {
    let text = |column| row.get_ref(column).ok()?.as_str().ok();
    let state = State::from_columns(text(1)?, text(6))?;
    let body = row.get_ref(3).ok()?.as_blob_or_null().ok()?;
    for column in [4, 5] {
        if let Some(digest) = row.get_ref(column).ok()?.as_blob_or_null().ok()? {
            wanted.push(digest.try_into().ok()?);
        }
    }
    let raw = Raw {
        state,
        at: row.get(2).ok()?,
        body: body.map(<[u8]>::to_vec),
    };
    Some((text(0)?.into(), raw))
}
