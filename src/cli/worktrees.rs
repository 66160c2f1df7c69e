//! What a run that has ended still has of worktrees.
//!
//! Its last step removes them. But a run that is resumed has had its last step when
//! it failed, and one that is killed never comes to it.

use std::io::ErrorKind;
use std::path::Path;

use super::error::warn;
use crate::agent::sweep_worktrees;
use crate::engine::Ended;
use crate::paths::StateDir;
use crate::plan::isolation::folder;

/// Removes them. What cannot be removed is a warning.
pub fn ended(ended: &Ended, state: &StateDir) {
    let folder = folder(&state.root().to_string_lossy(), &ended.run_id);
    match sweep_worktrees(Path::new(&folder)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            warn(&format!("{folder} cannot be removed: {error}"));
        }
        _ => {}
    }
}
