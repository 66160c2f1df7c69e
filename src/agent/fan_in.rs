//! What happens around agents that work in worktrees: which commit they begin from,
//! and what becomes of what they made.
//!
//! The merging is done in a worktree of its own. The repository's own only ever goes
//! forward to what came of it, in one step, so that it has all of a group's work or
//! nothing of it, and git itself refuses where something that is not committed is in
//! the way.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::git::{asks, git};
use super::worktree::{forget, make, remove, tip};
use crate::plan::agent::{Entry, Told};
use crate::plan::isolation::{BASE, Change, Worktree};

/// The worktree that is merged in. No other's name begins with a letter.
const SCRATCH: &str = "merge";

/// Finds the commit that worktrees begin from.
///
/// # Errors
/// In words: there is none.
pub fn base(worktree: &Worktree) -> Result<Value, String> {
    let repository = &worktree.repository;
    let dir = Path::new(repository);
    git(dir, &["rev-parse", "--git-dir"])
        .map_err(|why| format!("{repository} is no git repository: {why}"))?;
    let words = ["rev-parse", "--quiet", "--verify", "HEAD^{commit}"];
    let head = git(dir, &words)
        .map_err(|_| format!("{repository} has no commit yet that a worktree could begin from"))?;
    if !git(dir, &["status", "--porcelain"])?.is_empty() {
        println!("what is not committed in {repository} is not in the worktrees");
    }
    Ok(json!({"worktrees": {"repository": repository, BASE: head}}))
}

/// The base in such a result.
pub fn base_of(result: &Value) -> Option<&str> {
    result.get("worktrees")?.get(BASE)?.as_str()
}

/// What agents have made.
struct Made<'h> {
    agents: Vec<&'h str>,
    commit: &'h str,
}

/// Merges what the agents of a group made, in the group's order, and forgets it.
///
/// # Errors
/// In words: what is in conflict, or why git refuses. The repository is as it was.
pub fn merge(told: &Told, changes: &[Change], run: &str) -> Result<Value, String> {
    let Some(first) = changes.first() else {
        return Ok(json!({}));
    };
    let dir = Path::new(&first.worktree.repository);
    let made: Vec<Made<'_>> = changes
        .iter()
        .filter_map(|change| made(change, &told.history))
        .collect();
    let head = git(dir, &["rev-parse", "--verify", "HEAD^{commit}"])?;
    let scratch = scratch(&first.worktree);
    let merged = join(&scratch, run, &head, &made, &told.base);
    // What is left of it would only be in the way of the next.
    let _ = remove(&scratch, run);
    let merged = merged.map_err(|why| format!("{why}; {}", kept(changes, run)))?;
    if merged != head {
        let words = ["merge", "--quiet", "--ff-only", "--no-autostash", &merged];
        git(dir, &words).map_err(|why| {
            let dir = dir.display();
            let kept = kept(changes, run);
            format!("{dir} does not take it, and is left as it was: {why}; {kept}")
        })?;
    }
    for change in changes {
        forget(&change.worktree, run)?;
    }
    let into = git(dir, &["rev-parse", "--abbrev-ref", "HEAD"])?;
    let agents: Vec<&str> = made.iter().flat_map(|made| made.agents.clone()).collect();
    Ok(json!({"merge": {"into": into, "agents": agents, "from": head, "to": merged}}))
}

/// Merges in a worktree of its own. The commit that came of it.
fn join(
    scratch: &Worktree,
    run: &str,
    head: &str,
    made: &[Made<'_>],
    base: &str,
) -> Result<String, String> {
    let dir = make(scratch, run, head)?;
    for (n, one) in made.iter().enumerate() {
        let message = format!("Merge the work of {} (run {run})", one.agents.join(", "));
        let words = ["merge", "--quiet", "--ff", "-m", &message, one.commit];
        if let Err(why) = git(&dir, &words) {
            let unmerged = ["diff", "--name-only", "-z", "--diff-filter=U"];
            let unmerged = git(&dir, &unmerged)?;
            let files: Vec<&str> = unmerged.split('\0').filter(|f| !f.is_empty()).collect();
            if files.is_empty() {
                return Err(format!("the work of {}: {why}", one.agents.join(", ")));
            }
            return Err(conflict(&dir, &files, &made[..=n], base, head));
        }
    }
    git(&dir, &["rev-parse", "--verify", "HEAD^{commit}"])
}

/// Says which files are in conflict, and who changed each.
fn conflict(dir: &Path, files: &[&str], made: &[Made<'_>], base: &str, head: &str) -> String {
    let changed = |commit: &str, file: &str| {
        let file = format!(":(top,literal){file}");
        let words = ["diff", "--quiet", base, commit, "--", &file];
        asks(dir, &words) == Ok(false)
    };
    let told: Vec<String> = files
        .iter()
        .map(|file| {
            let touched = made.iter().filter(|made| changed(made.commit, file));
            let mut who: Vec<&str> = touched.flat_map(|made| made.agents.clone()).collect();
            if changed(head, file) {
                who.push("a commit made meanwhile");
            }
            format!("{file} (changed by {})", who.join(" and "))
        })
        .collect();
    let told = told.join(", ");
    format!("conflict in {told}; nothing is merged, and the repository is as it was")
}

/// What an agent made, by the last of its steps that left a commit.
fn made<'h>(change: &Change, history: &'h [Option<Entry>]) -> Option<Made<'h>> {
    let entries = history.iter().flatten();
    let ours = entries.filter(|entry| change.steps.contains(&entry.step));
    let ours: Vec<&Entry> = ours.filter(|entry| entry.commit.is_some()).collect();
    let mut agents: Vec<&str> = Vec::new();
    for entry in &ours {
        if !agents.contains(&&*entry.agent) {
            agents.push(&entry.agent);
        }
    }
    Some(Made {
        agents,
        commit: ours.last()?.commit.as_deref()?,
    })
}

/// Where the work of these can be found.
fn kept(changes: &[Change], run: &str) -> String {
    let branches = changes.iter().filter_map(|change| {
        let known = matches!(tip(&change.worktree, run), Ok(Some(_)));
        known.then(|| change.worktree.branch(run))
    });
    let mut branches: Vec<String> = branches.collect();
    branches.dedup();
    format!("the work is kept on {}", branches.join(", "))
}

/// Throws away what was made in worktrees.
///
/// # Errors
/// In words: some of it is still there.
pub fn discard(worktrees: &[Worktree], run: &str) -> Result<Value, String> {
    for worktree in worktrees {
        forget(worktree, run)?;
    }
    Ok(json!({}))
}

/// Removes the worktrees of a run, however it ended. What did not come to its fan-in
/// stays on its branch: the run may be resumed, and go on from it.
///
/// # Errors
/// In words: what could not be removed.
pub fn clear(worktrees: &[Worktree], run: &str) -> Result<Value, String> {
    let mut kept = Vec::new();
    let mut failed = Vec::new();
    for worktree in worktrees {
        let cleared = remove(&scratch(worktree), run).and_then(|()| {
            if !is_unmerged(worktree, run)? {
                return forget(worktree, run);
            }
            kept.push(worktree.branch(run));
            remove(worktree, run)
        });
        failed.extend(cleared.err());
    }
    if !kept.is_empty() {
        println!("work that was not merged is kept on {}", kept.join(", "));
    }
    if !failed.is_empty() {
        return Err(failed.join("; "));
    }
    if let Some(worktree) = worktrees.first() {
        // Nothing is left in it but the files by which agents took turns.
        let _ = fs::remove_dir_all(worktree.folder(run));
    }
    Ok(json!({"worktrees": {"kept": kept}}))
}

/// Whether a branch holds anything that the repository does not have.
fn is_unmerged(worktree: &Worktree, run: &str) -> Result<bool, String> {
    let Some(commit) = tip(worktree, run)? else {
        return Ok(false);
    };
    let dir = Path::new(&worktree.repository);
    let words = ["merge-base", "--is-ancestor", &commit, "HEAD"];
    Ok(!asks(dir, &words)?)
}

fn scratch(worktree: &Worktree) -> Worktree {
    Worktree {
        label: SCRATCH.into(),
        ..worktree.clone()
    }
}
