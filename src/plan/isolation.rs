//! Where agents that do not work in the repository itself work: worktrees of git.
//!
//! Each of them begins from one commit, the *base*, which a step before its group
//! puts out. What a successful attempt leaves is a commit, kept by a branch of the
//! run until the group's fan-in merges it or throws it away.
//!
//! These are only the names of it all; git is called by the agent's step.

use serde::{Deserialize, Serialize};

/// The output that says from which commit a group begins.
pub const BASE: &str = "base";

/// A worktree of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// The top directory of the repository; absolute.
    pub repository: String,
    /// The state directory, in which a run's worktrees lie in a folder of the run;
    /// absolute.
    pub state: String,
    /// What the worktree is called within its run. Letters, digits, `_` and `-`.
    pub label: String,
}

impl Worktree {
    /// The directory of all worktrees of a run.
    pub fn folder(&self, run: &str) -> String {
        folder(&self.state, run)
    }

    /// Its own directory.
    pub fn path(&self, run: &str) -> String {
        format!("{}/{}", self.folder(run), self.label)
    }

    /// The branch that keeps what was made in it.
    pub fn branch(&self, run: &str) -> String {
        format!("quintet/{run}/{}", self.label)
    }
}

/// The directory, in a state directory, of all worktrees of a run.
pub fn folder(state: &str, run: &str) -> String {
    format!("{state}/runs/{run}/worktrees")
}

/// Who else works in a worktree, and so, what an attempt begins from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shared {
    /// Nobody: every attempt begins from the base.
    Not,
    /// Others before and after: an attempt begins from what the last one of them
    /// that succeeded has left.
    InTurn,
    /// Others at the same time: an attempt begins from what is there.
    AtOnce,
}

/// An agent works in a worktree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    pub worktree: Worktree,
    pub shared: Shared,
}

/// What is merged at a fan-in, as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub worktree: Worktree,
    /// The steps that made it. The last of them that has a commit says what it is.
    pub steps: Vec<String>,
}
