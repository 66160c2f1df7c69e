//! How it went the time before: whether a run that succeeded is a recovery.

use rusqlite::{OptionalExtension, params};

use super::read::StoredState;
use super::{Store, StoreError};

/// So many versions of a plan, the newest, are looked at.
const VERSIONS: usize = 20;

impl Store {
    /// How a run's plan had ended before the run's last end: the run itself, where
    /// it went on after an end (to wait for a restart is none); else the run before it of the plan's id, of those
    /// that are over. None where there was none.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no such run; the store cannot be read.
    pub fn ended_before(&self, run_id: &str) -> Result<Option<StoredState>, StoreError> {
        let key = self.key(run_id)?;
        let own = self.own_end_before(key).map_err(|e| self.sql(e))?;
        let word = match own {
            Some(word) => Some(word),
            None => self.end_of_run_before(key).map_err(|e| self.sql(e))?,
        };
        Ok(word.as_deref().and_then(StoredState::from_word))
    }

    fn own_end_before(&self, key: i64) -> rusqlite::Result<Option<String>> {
        let mut ends = self.conn.prepare_cached(
            "SELECT json_extract(data, '$.outcome') FROM event
             WHERE run = ?1 AND type = 'run_finished'
                AND json_type(data, '$.reason.restart_required') IS NULL
             ORDER BY seq DESC LIMIT 1 OFFSET 1",
        )?;
        ends.query_row([key], |row| row.get(0)).optional()
    }

    fn end_of_run_before(&self, key: i64) -> rusqlite::Result<Option<String>> {
        let mut versions = self.conn.prepare_cached(
            "SELECT key FROM plan
             WHERE plan_id = (SELECT p.plan_id FROM run r JOIN plan p ON p.key = r.plan
                              WHERE r.key = ?1)
             ORDER BY key DESC LIMIT ?2",
        )?;
        let versions = versions.query_map(params![key, VERSIONS], |row| row.get::<_, i64>(0))?;
        let mut newest: Option<(i64, String)> = None;
        for version in versions {
            let mut of_it = self.conn.prepare_cached(
                "SELECT key, state FROM run
                 WHERE plan = ?1 AND key < ?2 AND state NOT IN ('pending', 'running')
                 ORDER BY key DESC LIMIT 1",
            )?;
            let last =
                of_it.query_row(params![version?, key], |row| Ok((row.get(0)?, row.get(1)?)));
            newest = newest.max(last.optional()?);
        }
        Ok(newest.map(|(_, state)| state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::run::{Engine, Event, Kind, Reason, RunOutcome};
    use crate::store::testing::{Home, plan};
    use crate::store::{Durability, NewRun, RunWriter};
    use std::sync::Arc;

    /// Runs a plan that ends so, one end after another; gives the run's id.
    fn ran(home: &Home, plan: Plan, ends: &[(RunOutcome, Reason)]) -> String {
        let run = NewRun {
            content: plan.content(),
            plan: Arc::new(plan),
            ..home.new_run()
        };
        let run_id = run.run_id.clone();
        let engine = Engine {
            epoch: 1,
            pid: 42,
            host: "here".into(),
            boot: String::new(),
            version: "0".into(),
        };
        let mut kinds = vec![Kind::RunStarted {
            plan: run.content.id.clone(),
            traceparent: None,
            seed: 7,
            engine,
        }];
        for (n, (outcome, reason)) in ends.iter().enumerate() {
            let reason = reason.clone();
            if n > 0 {
                let reason = reason.clone();
                kinds.push(Kind::RunReopened { reason });
            }
            let outcome = *outcome;
            kinds.push(Kind::RunFinished { outcome, reason });
        }
        let writer = RunWriter::begin(home.store(), Durability::Full, run, |_| {}).unwrap();
        for (n, kind) in kinds.into_iter().enumerate() {
            let seq = n as u64 + 1;
            let event = Event {
                seq,
                at: 1000 + seq,
                kind,
            };
            match event.kind {
                Kind::RunFinished { .. } => writer.finish(event, 0),
                _ => writer.append(event),
            }
        }
        writer.close().unwrap();
        run_id
    }

    fn well() -> (RunOutcome, Reason) {
        (RunOutcome::Succeeded, Reason::Ready)
    }

    fn badly() -> (RunOutcome, Reason) {
        (RunOutcome::Failed, Reason::Ready)
    }

    #[test]
    fn the_run_before_is_the_last_of_the_plans_id_that_is_over() {
        let home = Home::new();
        let before = |run_id: &str| home.store().ended_before(run_id).unwrap();
        let other = || Plan {
            id: "OTHER".into(),
            ..plan(&["a"])
        };
        let first = ran(&home, plan(&["a"]), &[badly()]);
        assert_eq!(before(&first), None);
        ran(&home, other(), &[well()]);
        // The plan was edited, and is still that plan.
        let second = ran(&home, plan(&["a", "b"]), &[well()]);
        assert_eq!(before(&second), Some(StoredState::Failed));
        let running = ran(&home, plan(&["a"]), &[]);
        assert_eq!(before(&running), Some(StoredState::Succeeded));
        let third = ran(&home, plan(&["a"]), &[well()]);
        assert_eq!(before(&third), Some(StoredState::Succeeded));
        assert_eq!(before(&second), Some(StoredState::Failed));
    }

    #[test]
    fn a_run_that_went_on_after_its_end_is_the_run_before_itself() {
        let home = Home::new();
        let before = |run_id: &str| home.store().ended_before(run_id).unwrap();
        ran(&home, plan(&["a"]), &[well()]);
        let resumed = ran(&home, plan(&["a"]), &[badly(), well()]);
        assert_eq!(before(&resumed), Some(StoredState::Failed));
        let restart = Reason::RestartRequired {
            steps: vec!["a".into()],
            boot: "1".into(),
        };
        let restarted = [(RunOutcome::Canceled, restart), well()];
        let restarted = ran(&home, plan(&["a"]), &restarted);
        assert_eq!(before(&restarted), Some(StoredState::Succeeded));
    }
}
