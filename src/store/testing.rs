//! What this room's tests share: a state directory, a plan, a run of it.

use std::sync::Arc;

use crate::paths::StateDir;
use crate::plan::{Action, Plan, Step, StepIx};
use crate::run::{Attempt, Event, Kind, Role, Seq};

use super::{Durability, NewRun, Owner, Store, reserve_run};

/// A state directory that goes when this does.
pub(crate) struct Home {
    pub state: StateDir,
    _tmp: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Home {
        let tmp = tempfile::tempdir().unwrap();
        let state = StateDir::create(&tmp.path().join("state")).unwrap();
        Home { state, _tmp: tmp }
    }

    pub fn store(&self) -> Store {
        Store::open(&self.state, Durability::Full).unwrap()
    }

    /// A run of a plan with one step, about to begin.
    pub fn new_run(&self) -> NewRun {
        let plan = plan(&["a"]);
        NewRun {
            run_id: reserve_run(&self.state, 1000).unwrap().run_id,
            content: plan.content(),
            plan: Arc::new(plan),
            created_at: 1000,
            command_line: vec!["quintet".into(), "run".into()],
            owner: Owner {
                pid: 42,
                host: "here".into(),
                since: 1000,
            },
        }
    }
}

/// An event like any other.
pub(crate) fn event(seq: Seq) -> Event {
    let attempt = Attempt {
        step: StepIx::new(0),
        number: u32::try_from(seq).unwrap(),
        role: Role::Main,
    };
    Event {
        seq,
        at: 1000 + seq,
        kind: Kind::StepStarted {
            attempt,
            node: None,
        },
    }
}

/// A plan with steps of these ids, which do nothing.
pub(crate) fn plan(ids: &[&str]) -> Plan {
    let mut plan: Plan = serde_json::from_value(serde_json::json!({
        "id": "PLAN-1", "name": "One", "version": "1", "max_concurrency": 1, "steps": [],
    }))
    .unwrap();
    plan.steps = ids.iter().map(|id| Step::new(*id, Action::Group)).collect();
    plan
}
