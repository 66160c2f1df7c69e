//! Looking at steps' freshness where nothing is to run.

use std::sync::Arc;

use super::error::warn;
use super::global::Global;
use crate::engine::fresh::Looker;
use crate::engine::{Clock, identity};
use crate::paths::StateDir;
use crate::plan::{CacheUse, Plan};
use crate::run::{Freshness, RunState, Stale};
use crate::view::freshness::Looked;

/// What looking at the plan's steps comes to, of those that may be fresh. Where
/// nothing was ever run, nothing is.
pub fn look(plan: &Plan, global: &Global) -> Looked {
    let cached = |ix: &_| plan[*ix].cache.is_some() && plan[*ix].absent.is_none();
    if plan.cache == CacheUse::Off || !plan.indices().any(|ix| cached(&ix)) {
        return Looked::new();
    }
    let state = global.state_path().ok();
    let state = state.and_then(|path| StateDir::existing(&path).ok());
    let mut looker = state.map(|state| {
        let env = std::env::vars_os().collect();
        let (looker, warning) = Looker::new(plan, env, &state);
        if let Some(warning) = warning.filter(|_| !global.quiet) {
            warn(&warning);
        }
        looker
    });
    let now = Clock::start().now();
    let run = RunState::new(Arc::new(plan.clone()));
    let look = |ix| {
        let found = match (looker.as_mut(), identity(&run, ix)) {
            (Some(looker), Ok(identity)) => looker.look(plan, ix, identity, now),
            (Some(_), Err(error)) => Freshness::Stale(Stale::Unreadable { error }),
            (None, _) => Freshness::Stale(Stale::Unknown),
        };
        (ix, found)
    };
    plan.indices().filter(cached).map(look).collect()
}
