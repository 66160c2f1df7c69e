//! How often remedies were used lately, in all runs of a plan.
//!
//! Nothing is kept for this beside the record. Only steps with a budget are
//! looked for, and only in runs that may have used it since it began.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::plan::{Plan, StepIx};
use crate::run::Millis;
use crate::run::remedy::{Past, Used};

use super::{Store, StoreError};

impl Store {
    /// When the remedies of the plan's steps were used in other runs of it, as
    /// far as a budget counts them, and whether the step succeeded after that.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn past_remedies(&self, plan: &Plan, now: Millis) -> Result<Past, StoreError> {
        let windows = plan.indices().filter_map(|ix| {
            let budget = plan[ix].remedy.as_ref()?.budget?;
            Some((ix, budget.window.as_millis() as Millis))
        });
        let windows: BTreeMap<StepIx, Millis> = windows.collect();
        let Some(longest) = windows.values().max() else {
            return Ok(Past::new());
        };
        let since = now.saturating_sub(*longest);
        let used = used(&self.conn, plan, since).map_err(|e| self.sql(e))?;
        let mut past = Past::new();
        for (ix, window) in windows {
            let own = used.get(&*plan[ix].id).into_iter().flatten();
            let own = own.filter(|used| used.at >= now.saturating_sub(window));
            past.insert(ix, own.copied().collect());
        }
        Ok(past)
    }
}

/// Remedies that ended since then, by the ids of their steps.
fn used(
    conn: &Connection,
    plan: &Plan,
    since: Millis,
) -> rusqlite::Result<BTreeMap<String, Vec<Used>>> {
    let mut ask = conn.prepare_cached(
        "SELECT s.id, e.at,
            coalesce((SELECT json_extract(m.data, '$.verdict') <> 'failure' FROM event m
                WHERE m.run = e.run AND m.seq > e.seq AND m.step = e.step
                    AND m.type = 'step_finished'
                    AND json_extract(m.data, '$.role') IS NULL
                ORDER BY m.seq LIMIT 1), 0)
         FROM plan p
         JOIN run r ON r.plan = p.key
         JOIN event e ON e.run = r.key
         JOIN step s ON s.plan = p.key AND s.ix = e.step
         WHERE p.plan_id = ?1
            AND coalesce(json_extract(CAST(p.json AS TEXT), '$.project'), '') = ?2
            AND (r.ended_at IS NULL OR r.ended_at >= ?3)
            AND e.type = 'step_finished' AND e.at >= ?3
            AND json_extract(e.data, '$.role') = 'remedy'
            AND json_extract(e.data, '$.end') NOT IN ('interrupted', 'canceled')",
    )?;
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    let mut rows = ask.query(params![plan.id, &*plan.project, since])?;
    let mut used: BTreeMap<String, Vec<Used>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let at = Millis::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        let helped = row.get(2)?;
        used.entry(row.get(0)?)
            .or_default()
            .push(Used { at, helped });
    }
    Ok(used)
}
