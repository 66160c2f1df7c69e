//! Writing what is remembered: many steps in one transaction, by a connection
//! that never waits for the disk. What a power cut takes is only that a step is
//! known to be fresh: that it was let run was durable before, and says otherwise.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::entry::{Body, Entry, Known};
use super::files::Files;
use super::{Digest, State};
use crate::run::Millis;
use crate::store::{Store, StoreError};

/// Of so many earlier successes of a step the outputs are kept.
const PAST: u32 = 8;

/// Whose steps: a project, which is an absolute directory, and a plan of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    pub project: Box<str>,
    pub plan: Box<str>,
}

/// Something to remember about a step.
#[derive(Clone, Debug)]
pub enum Write {
    /// How its last attempt ended. `kept` says that the outputs of a success
    /// are in the store of contents.
    Ended {
        step: Box<str>,
        entry: Entry,
        kept: bool,
    },
    /// The same success with newer words of the system about its files: they
    /// were read again, and had not changed. Nothing happens if another attempt
    /// was made meanwhile.
    SeenAgain {
        step: Box<str>,
        at: Millis,
        known: Known,
    },
}

impl Store {
    /// Remembers all of this, or nothing.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn remember(&mut self, whose: &Whose, writes: &[Write]) -> Result<(), StoreError> {
        remember(&mut self.conn, whose, writes).map_err(|e| self.sql(e))
    }
}

fn remember(conn: &mut Connection, whose: &Whose, writes: &[Write]) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut into = Into::new(&tx, whose)?;
    for write in writes {
        match write {
            Write::Ended { step, entry, kept } => into.ended(step, entry, *kept)?,
            Write::SeenAgain { step, at, known } => into.seen_again(step, *at, known)?,
        }
    }
    tx.commit()
}

/// What is written in one transaction, for the steps of one plan.
pub(super) struct Into<'t> {
    tx: &'t Transaction<'t>,
    scope: i64,
    /// Lists that were written already: many steps may have the same long one.
    listed: HashSet<Digest>,
}

impl<'t> Into<'t> {
    pub fn new(tx: &'t Transaction<'t>, whose: &Whose) -> rusqlite::Result<Self> {
        Ok(Into {
            tx,
            scope: scope(tx, whose)?,
            listed: HashSet::new(),
        })
    }

    pub fn ended(&mut self, step: &str, entry: &Entry, kept: bool) -> rusqlite::Result<()> {
        let body = entry.known.as_ref().map(Known::to_body);
        let (inputs, outputs) = self.lists(body.as_ref())?;
        let bytes = body.as_ref().map(|body| &body.bytes);
        let (word, detail) = entry.state.to_columns();
        let (tx, scope) = (self.tx, self.scope);
        tx.prepare_cached(
            "INSERT OR REPLACE INTO cache_step
                (scope, step, state, at, detail, body, inputs, outputs)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            scope, step, word, entry.at, detail, bytes, inputs, outputs
        ])?;
        let Some(known) = &entry.known else {
            return Ok(());
        };
        let print = known.print.digest();
        if entry.state != State::Succeeded {
            // What failed, or was doubtful, is not to be had from the past either.
            tx.prepare_cached(
                "DELETE FROM cache_past WHERE scope = ?1 AND step = ?2 AND print = ?3",
            )?
            .execute(params![scope, step, print])?;
        } else if kept {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO cache_past (scope, step, print, at, body, inputs, outputs)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                scope, step, print, entry.at, bytes, inputs, outputs
            ])?;
            tx.prepare_cached(
                "DELETE FROM cache_past WHERE scope = ?1 AND step = ?2 AND print NOT IN
                    (SELECT print FROM cache_past WHERE scope = ?1 AND step = ?2
                     ORDER BY at DESC LIMIT ?3)",
            )?
            .execute(params![scope, step, PAST])?;
        }
        Ok(())
    }

    fn seen_again(&mut self, step: &str, at: Millis, known: &Known) -> rusqlite::Result<()> {
        let body = known.to_body();
        let (inputs, outputs) = self.lists(Some(&body))?;
        self.tx
            .prepare_cached(
                "UPDATE cache_step SET body = ?4, inputs = ?5, outputs = ?6
                 WHERE scope = ?1 AND step = ?2 AND at = ?3 AND state = 'succeeded'",
            )?
            .execute(params![self.scope, step, at, body.bytes, inputs, outputs])?;
        Ok(())
    }

    /// Writes the lists that are kept beside a body.
    fn lists(&mut self, body: Option<&Body>) -> rusqlite::Result<Listed> {
        let mut list = |files: Option<&Arc<Files>>| -> rusqlite::Result<Option<Digest>> {
            let Some(files) = files else { return Ok(None) };
            if self.listed.insert(*files.digest()) {
                self.tx
                    .prepare_cached(
                        "INSERT INTO cache_list (digest, files) VALUES (?1, ?2)
                         ON CONFLICT (digest) DO UPDATE SET files = excluded.files
                         WHERE files IS NOT excluded.files",
                    )?
                    .execute(params![files.digest(), files.to_bytes()])?;
            }
            Ok(Some(*files.digest()))
        };
        Ok((
            list(body.and_then(|body| body.inputs.as_ref()))?,
            list(body.and_then(|body| body.outputs.as_ref()))?,
        ))
    }
}

/// The digests of a step's long lists: of its inputs, of its outputs.
type Listed = (Option<Digest>, Option<Digest>);

fn scope(tx: &Transaction<'_>, whose: &Whose) -> rusqlite::Result<i64> {
    let whose = params![whose.project, whose.plan];
    tx.execute(
        "INSERT OR IGNORE INTO cache_scope (project, plan) VALUES (?1, ?2)",
        whose,
    )?;
    let find = "SELECT key FROM cache_scope WHERE project = ?1 AND plan = ?2";
    tx.query_row(find, whose, |row| row.get(0))
}

/// Notes that a step may run now: whatever was known of it counts no more,
/// until somebody has seen it through. For the transaction that lets it run.
///
/// # Errors
/// The store cannot be written.
pub fn unseen(
    conn: &Connection,
    project: &str,
    plan: &str,
    step: &str,
) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(
        "UPDATE cache_step SET state = 'unseen'
         WHERE scope = (SELECT key FROM cache_scope WHERE project = ?1 AND plan = ?2)
            AND step = ?3",
    )?
    .execute([project, plan, step])
    .map(drop)
}
