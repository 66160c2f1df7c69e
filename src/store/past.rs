//! How long the steps of a plan took in its earlier runs.
//!
//! Read before a run begins, so it must cost next to nothing where there is no
//! past, and little beside a run of that size where there is: from a small plan
//! many runs are read, from a large one few, and neither the number of all runs
//! nor that of all plans matters.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::plan::{Plan, StepIx};
use crate::run::expect::median;
use crate::run::{Millis, Usual};

use super::{Store, StoreError};

/// From how many earlier runs durations are taken.
const PAST_RUNS: usize = 20;
/// To look at one step costs some microseconds, which is not nothing beside a
/// run of short ones. So about as many are looked at as the plan has, or so
/// many, in all runs together.
const FEW_STEPS: usize = 300;
/// A plan that was edited is still that plan. So many of its versions, the
/// newest, are looked at.
const VERSIONS: usize = 20;

/// What of an attempt's end is asked here.
#[derive(Deserialize)]
struct End<'a> {
    /// Named only where it is not the step itself.
    role: Option<IgnoredAny>,
    verdict: &'a str,
    started_at: Millis,
    ended_at: Millis,
}

impl Store {
    /// How long each step of a plan usually takes: the median of its successful
    /// attempts in the last runs of the plan with this id. Steps are the same
    /// if their ids are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn usual(&self, plan: &Plan) -> Result<Usual, StoreError> {
        let most = (most_steps(plan) / plan.steps.len().max(1)).min(PAST_RUNS);
        let runs = last_runs(&self.conn, &plan.id, most).map_err(|e| self.sql(e))?;
        let mut found = Found {
            plan,
            by_id: HashMap::new(),
            samples: Vec::new(),
        };
        // A version of the plan may be larger than this one: what counts is
        // what has been read.
        let mut left = most_steps(plan);
        let mut known: Option<(i64, Vec<Option<StepIx>>)> = None;
        for (run, version) in runs {
            let ours = match known.take() {
                Some((same, ours)) if same == version => ours,
                _ => found.steps(&self.conn, version).map_err(|e| self.sql(e))?,
            };
            let read = found.run(&self.conn, run, &ours, left);
            left = left.saturating_sub(read.map_err(|e| self.sql(e))?);
            known = Some((version, ours));
            if left == 0 {
                break;
            }
        }
        Ok(found.medians())
    }
}

/// How many steps to look at, in all runs together.
fn most_steps(plan: &Plan) -> usize {
    FEW_STEPS.max(plan.steps.len())
}

/// The keys of the last runs of the plan with this id, newest first, each with that of
/// its version.
pub(super) fn last_runs(
    conn: &Connection,
    plan_id: &str,
    most: usize,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut versions =
        conn.prepare_cached("SELECT key FROM plan WHERE plan_id = ?1 ORDER BY key DESC LIMIT ?2")?;
    let versions = versions.query_map(params![plan_id, VERSIONS], |row| row.get::<_, i64>(0))?;
    let mut runs = Vec::new();
    for version in versions {
        let version = version?;
        let mut of_it =
            conn.prepare_cached("SELECT key FROM run WHERE plan = ?1 ORDER BY key DESC LIMIT ?2")?;
        let of_it = of_it.query_map(params![version, most], |row| row.get(0))?;
        for run in of_it {
            runs.push((run?, version));
        }
    }
    runs.sort_unstable_by(|a, b| b.cmp(a));
    runs.truncate(most);
    Ok(runs)
}

/// What has been found so far.
struct Found<'a> {
    plan: &'a Plan,
    /// Filled when a version's steps stand in another order.
    by_id: HashMap<&'a str, StepIx>,
    samples: Vec<(StepIx, Millis)>,
}

impl Found<'_> {
    /// Which of our steps each step of a version is.
    fn steps(&mut self, conn: &Connection, version: i64) -> rusqlite::Result<Vec<Option<StepIx>>> {
        let mut query = conn.prepare_cached("SELECT id FROM step WHERE plan = ?1 ORDER BY ix")?;
        let mut rows = query.query([version])?;
        let mut ours = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str()?;
            ours.push(self.step(ours.len(), id));
        }
        Ok(ours)
    }

    /// Our step of that id; most often it stands where it stood.
    fn step(&mut self, at: usize, id: &str) -> Option<StepIx> {
        let plan = self.plan;
        if plan.steps.get(at).is_some_and(|step| *step.id == *id) {
            return Some(StepIx::new(at));
        }
        if self.by_id.is_empty() {
            let by_id = plan.indices().map(|ix| (plan[ix].id.as_ref(), ix));
            self.by_id = by_id.collect();
        }
        self.by_id.get(id).copied()
    }

    /// Takes at most so many ends of a run. Says how many it met.
    fn run(
        &mut self,
        conn: &Connection,
        run: i64,
        ours: &[Option<StepIx>],
        most: usize,
    ) -> rusqlite::Result<usize> {
        let mut query = conn.prepare_cached(
            "SELECT step, data FROM event WHERE run = ?1 AND type = 'step_finished' LIMIT ?2",
        )?;
        let mut rows = query.query(params![run, most])?;
        let mut met = 0;
        while let Some(row) = rows.next()? {
            met += 1;
            let step: usize = row.get(0)?;
            let data = row.get_ref(1)?.as_str()?;
            // A record in other words says nothing here; it is no reason not to run.
            let end = serde_json::from_str::<End>(data).ok();
            let end = end.filter(|end| end.role.is_none() && end.verdict != "failure");
            if let (Some(Some(ix)), Some(end)) = (ours.get(step), end) {
                let took = end.ended_at.saturating_sub(end.started_at);
                self.samples.push((*ix, took));
            }
        }
        Ok(met)
    }

    fn medians(mut self) -> Usual {
        let mut usual = Usual::nothing();
        self.samples.sort_unstable();
        for of_one in self.samples.chunk_by(|a, b| a.0 == b.0) {
            let took = of_one.iter().map(|(_, took)| *took).collect();
            if let Some(median) = median(took) {
                usual.note(of_one[0].0, median);
            }
        }
        usual
    }
}
