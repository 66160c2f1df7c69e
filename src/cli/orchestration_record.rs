//! The record of an orchestration's run, as a file in the state directory:
//! `orchestrations/NAME/MOMENT.json`.
//!
//! It is there before the first agent begins, and written anew whenever an agent's
//! step has come to something, so that whoever looks sees all of it as it was a
//! moment ago. The store is the truth: what cannot be written is a warning.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::error::warn;
use super::output;
use crate::load::jobs::{ORCHESTRATION, check_name};
use crate::paths::StateDir;
use crate::plan::Plan;
use crate::run::{Event, Kind, RunState};
use crate::view::job_record::file_stem;
use crate::view::orchestration::record;

/// The record of one run. Of a run that is of no orchestration there is none.
#[derive(Default)]
pub struct Record {
    /// It could not be written, and that was told.
    given_up: bool,
}

impl Record {
    /// An event has just been folded into the run.
    pub fn event(&mut self, state: &StateDir, run_id: &str, run: &RunState, event: &Event) {
        let Some(name) = of(run.plan()).filter(|_| !self.given_up) else {
            return;
        };
        let tells = matches!(
            event.kind,
            Kind::RunResumed { .. }
                | Kind::StepClaimed { .. }
                | Kind::StepStarted { .. }
                | Kind::StepFinished { .. }
                | Kind::StepSettled { .. }
                | Kind::RunFinished { .. }
        );
        // A run has its id as soon as it is in the store, before its first step begins.
        if !tells || run_id.is_empty() {
            return;
        }
        let folder = state.root().join("orchestrations").join(name);
        let path: PathBuf = folder.join(format!("{}.json", file_stem(run_id)));
        let text = format!("{:#}\n", record(name, run_id, run));
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        let written = made.and_then(|()| output::write_whole(&path, text.as_bytes()));
        if let Err(why) = written {
            self.given_up = true;
            warn(&format!("{} cannot be written: {why}", path.display()));
        }
    }
}

/// The orchestration that a plan is of. Metadata are free, so that a file's plan can
/// claim anything in them; but a file's plan has an origin.
fn of(plan: &Plan) -> Option<&str> {
    let name = plan.metadata.get(ORCHESTRATION)?.as_str()?;
    (plan.origins.is_empty() && check_name(name).is_ok()).then_some(name)
}
