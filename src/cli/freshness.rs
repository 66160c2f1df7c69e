//! Steps that may be fresh, and failures that may be remedied: what the command
//! line says of them, and looking at them where nothing is to run.

use std::sync::Arc;

use super::error::warn;
use super::global::Global;
use crate::engine::fresh::Looker;
use crate::engine::{Clock, identity};
use crate::paths::StateDir;
use crate::plan::{CacheUse, Plan, Remediate};
use crate::run::{Freshness, RunState, Stale};
use crate::view::freshness::Looked;

/// What a run makes of freshness and remedies, where it is not what its plan says.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Run also what is fresh, and remember what comes of it
    #[arg(long)]
    refresh: bool,

    /// Run also what is fresh, and remember nothing
    #[arg(long, conflicts_with = "refresh")]
    no_cache: bool,

    /// Use no remedies: what fails has failed
    #[arg(long)]
    no_remediate: bool,

    /// Use a remedy only where a person agrees
    #[arg(long, conflicts_with = "no_remediate")]
    ask_remedies: bool,
}

impl Args {
    /// Lets the plan say what is said here.
    pub fn apply(self, plan: &mut Plan) {
        match (self.refresh, self.no_cache) {
            (true, _) => plan.cache = CacheUse::Refresh,
            (_, true) => plan.cache = CacheUse::Off,
            _ => {}
        }
        match (self.no_remediate, self.ask_remedies) {
            (true, _) => plan.remediate = Remediate::No,
            (_, true) => plan.remediate = Remediate::Ask,
            _ => {}
        }
    }
}

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
