//! Where what is kept of a project's checks lies: in a folder of its own, called
//! after the project, below the state directory.

use std::path::Path;

use crate::cli::error::Failure;
use crate::load::checks::Project;
use crate::paths::{StateDir, private_dir};
use crate::plan::Plan;
use crate::view::checks::summary::Places;

/// The folders of all projects, in the state directory.
const PROJECTS: &str = "projects";

/// The places of the project that the plan belongs to; none of them need exist.
pub fn of(state: &Path, plan: &Plan) -> Places {
    let project = Project {
        root: (&*plan.project).into(),
    };
    let folder = state.join(PROJECTS).join(project.name());
    let lock = plan.lock.as_ref().map_or("", |lock| &*lock.name);
    Places {
        state: folder.join("state.json"),
        logs: folder.join("logs"),
        log: None,
        // The name has only characters that stand for themselves in a lock's file.
        lock: state.join("locks").join(format!("lock-{lock}")),
    }
}

/// Makes the project's folder, for its owner only.
///
/// # Errors
/// It cannot be made, or is not safe to use.
pub fn make(state: &StateDir, places: &Places) -> Result<(), Failure> {
    private_dir(&state.root().join(PROJECTS))?;
    if let Some(folder) = places.state.parent() {
        private_dir(folder)?;
    }
    Ok(())
}
