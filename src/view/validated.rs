//! What is remembered of steps that need not run every time: how each ended last, and
//! for how long that counts.
//!
//! Files are not looked at: a step that counts here still runs where something that it
//! reads has changed. That is found out when its turn comes.

use std::collections::BTreeMap;

use crate::plan::{Action, Cache, StepIx};
use crate::run::{Event, Kind, Millis, Reason, RunState};
use crate::store::cache::{CacheRow, State};

/// A step of which it may be remembered that it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    pub step: StepIx,
    pub standing: Standing,
    /// Since its last end, if one is remembered; in milliseconds.
    pub age_ms: Option<Millis>,
    /// Why it was run the last time rather than taken for fresh, if it was.
    pub stale_because: Option<String>,
}

/// How a step stands by what is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its success counts: for so many milliseconds more, or as long as nothing changes.
    Valid { left_ms: Option<Millis> },
    /// Its success is too old.
    Expired { since_ms: Millis },
    /// It failed, with this exit.
    Failed { exit: String },
    /// It succeeded, or may have, and that does not count.
    Doubtful,
    /// Nothing is remembered of it.
    Unknown,
    /// It runs every time: how it stood in the last run.
    EveryTime { word: &'static str },
}

impl Standing {
    pub fn word(&self) -> &'static str {
        match self {
            Standing::Valid { .. } => "valid",
            Standing::Expired { .. } => "expired",
            Standing::Failed { .. } => "failed",
            Standing::Doubtful => "doubtful",
            Standing::Unknown => "unknown",
            Standing::EveryTime { word } => word,
        }
    }
}

/// All such steps of a run's plan, in its order, and where it is a run of checks those
/// too that run every time. `events` are the run's.
pub fn all(
    run: &RunState,
    rows: &[CacheRow],
    events: &[Event],
    every: bool,
    now: Millis,
) -> Vec<Validated> {
    let plan = run.plan();
    let known: BTreeMap<&str, &CacheRow> = rows
        .iter()
        .filter(|row| row.plan == *plan.id)
        .map(|row| (row.step.as_str(), row))
        .collect();
    let mut because = BTreeMap::new();
    for event in events {
        if let Kind::StepClaimed {
            attempt, reason, ..
        } = &event.kind
            && let Reason::Stale(stale) = reason
        {
            because.insert(attempt.step, stale.to_string());
        }
    }
    let steps = plan.indices().filter_map(|ix| {
        let Some(cache) = plan[ix].cache.as_deref() else {
            let record = run.step(ix);
            let is_check = every && !matches!(plan[ix].action, Action::Group);
            return is_check.then(|| Validated {
                step: ix,
                standing: Standing::EveryTime {
                    word: record.word(),
                },
                age_ms: (record.ended_at != 0).then(|| now.saturating_sub(record.ended_at)),
                stale_because: None,
            });
        };
        let row = known.get(&*plan[ix].id).copied();
        Some(Validated {
            step: ix,
            standing: standing(cache, row, now),
            age_ms: row.map(|row| now.saturating_sub(row.at)),
            stale_because: because.remove(&ix),
        })
    });
    steps.collect()
}

fn standing(cache: &Cache, row: Option<&CacheRow>, now: Millis) -> Standing {
    let Some(row) = row else {
        return Standing::Unknown;
    };
    let until = cache
        .ttl
        .map(|ttl| row.at.saturating_add(ttl.as_millis() as Millis));
    match (&row.state, until) {
        (State::Succeeded, Some(until)) if until <= now => Standing::Expired {
            since_ms: now - until,
        },
        (State::Succeeded, until) => Standing::Valid {
            left_ms: until.map(|until| until - now),
        },
        (State::Failed { exit }, _) => Standing::Failed {
            exit: exit.to_string(),
        },
        _ => Standing::Doubtful,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, NOON, Story};
    use std::time::Duration;

    #[test]
    fn a_success_counts_for_its_time_and_nothing_else_does() {
        let mut plan = testing::plan(&["a", "b", "c", "d", "e", "f"]);
        for id in ["a", "b", "c", "d", "e"] {
            let ttl = (id != "c").then_some(Duration::from_secs(60));
            testing::step(&mut plan, id).cache = Some(Box::new(Cache {
                ttl,
                ..Cache::default()
            }));
        }
        let row = |step: &str, state, ago| CacheRow {
            plan: plan.id.to_string(),
            step: step.into(),
            state,
            at: NOON - ago,
        };
        let failed = State::Failed {
            exit: "exit 1".into(),
        };
        let rows = [
            row("a", State::Succeeded, 59_000),
            row("b", State::Succeeded, 61_000),
            row("c", State::Succeeded, 9_999_000),
            row("d", failed, 1_000),
        ];
        let run = Story::begin(plan).run;
        let found = all(&run, &rows, &[], false, NOON);
        let every = all(&run, &rows, &[], true, NOON);
        assert_eq!(every[..5], found[..]);
        let pending = Standing::EveryTime { word: "pending" };
        assert_eq!((&every[5].standing, every[5].age_ms), (&pending, None));
        let told: Vec<_> = found.iter().map(|one| one.standing.clone()).collect();
        assert_eq!(
            told,
            [
                Standing::Valid {
                    left_ms: Some(1_000)
                },
                Standing::Expired { since_ms: 1_000 },
                Standing::Valid { left_ms: None },
                Standing::Failed {
                    exit: "exit 1".into()
                },
                Standing::Unknown,
            ]
        );
        assert_eq!(found[0].age_ms, Some(59_000));
    }
}
