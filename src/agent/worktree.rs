//! A worktree that an agent works in: how an attempt finds it, and what stays of it.
//!
//! What is checked out in it is a commit and no branch. Only what a successful
//! attempt leaves is given to the run's branch, so that a failed one, whatever it has
//! done, changes nothing that the next begins from.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::git::{asks, git, here_only};
use crate::plan::isolation::{Isolation, Shared, Worktree};

/// A worktree in which an attempt is made.
pub struct Entered<'a> {
    isolation: &'a Isolation,
    run: &'a str,
    base: &'a str,
    path: PathBuf,
}

/// Makes a worktree ready for an attempt.
///
/// # Errors
/// In words: it cannot be made.
pub fn enter<'a>(
    isolation: &'a Isolation,
    run: &'a str,
    base: &'a str,
) -> Result<Entered<'a>, String> {
    if base.is_empty() {
        return Err("nobody has said which commit its worktree begins from".into());
    }
    let worktree = &isolation.worktree;
    let path = PathBuf::from(worktree.path(run));
    let entered = Entered {
        isolation,
        run,
        base,
        path,
    };
    let _one_at_a_time = entered.lock()?;
    let kept = tip(worktree, run)?.filter(|_| isolation.shared != Shared::Not);
    let start = kept.as_deref().unwrap_or(base);
    let is_ready = entered.is_ours()
        && match isolation.shared {
            Shared::Not => false,
            Shared::InTurn => entered.take_back(start).is_ok(),
            Shared::AtOnce => true,
        };
    if !is_ready {
        make(worktree, run, start)?;
    }
    Ok(entered)
}

impl Entered<'_> {
    /// The place in the worktree that is what this one is in the repository. It is
    /// there, also where no commit has it. What lies elsewhere stays where it is.
    ///
    /// # Errors
    /// In words: it cannot be made.
    pub fn inside(&self, place: &Path) -> Result<PathBuf, String> {
        let found = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let Ok(rest) = found.strip_prefix(&self.isolation.worktree.repository) else {
            return Ok(place.to_owned());
        };
        let inside = self.path.join(rest);
        let made = fs::create_dir_all(&inside);
        made.map_err(|error| format!("{}: {error}", inside.display()))?;
        Ok(inside)
    }

    /// Lets a program run where this one does, but in the worktree, and know of it.
    ///
    /// # Errors
    /// In words: it has no such place.
    pub fn go(&self, command: &mut Command) -> Result<(), String> {
        let here = env::current_dir().map_err(|error| format!("no working directory: {error}"))?;
        command.current_dir(self.inside(&here)?);
        self.tell(command);
        Ok(())
    }

    /// Lets a program know of it.
    pub fn tell(&self, command: &mut Command) {
        here_only(command);
        command.env("QUINTET_WORKTREE", &self.path);
        command.env("QUINTET_BASE", self.base);
    }

    /// Makes what is there a commit, and keeps it by the run's branch. Its id.
    ///
    /// # Errors
    /// In words: it is no worktree of the repository any more, or git fails.
    pub fn keep(&self, agent: &str, step: &str) -> Result<String, String> {
        let _one_at_a_time = self.lock()?;
        if !self.is_ours() {
            return Err("what it leaves is no worktree of its repository any more".into());
        }
        git(&self.path, &["add", "--all"])?;
        if !asks(&self.path, &["diff", "--cached", "--quiet"])? {
            let message = format!("{agent}: step {step} of run {}", self.run);
            let words = ["commit", "--quiet", "--no-verify", "-m", &message];
            git(&self.path, &words)?;
        }
        let made = git(&self.path, &["rev-parse", "--verify", "HEAD^{commit}"])?;
        if made != self.base {
            let worktree = &self.isolation.worktree;
            let repository = Path::new(&worktree.repository);
            let branch = reference(worktree, self.run);
            git(repository, &["update-ref", &branch, &made])?;
        }
        Ok(made)
    }

    /// The attempt is over. A worktree that nobody else works in goes at once; what
    /// cannot go now is removed at the run's end.
    pub fn leave(self) {
        if self.isolation.shared == Shared::Not {
            let _ = remove(&self.isolation.worktree, self.run);
        }
    }

    /// Those who share it find and leave it one at a time.
    fn lock(&self) -> Result<File, String> {
        let path = self.path.with_extension("lock");
        let locked = make_parent(&path).and_then(|()| {
            let file = File::create(&path)?;
            file.lock()?;
            Ok(file)
        });
        locked.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Whether git, in there, means our repository: an agent may have put another in
    /// its place.
    fn is_ours(&self) -> bool {
        let common = |dir: &Path| {
            let words = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
            git(dir, &words).ok()
        };
        let top = git(&self.path, &["rev-parse", "--show-toplevel"]).ok();
        let here = fs::canonicalize(&self.path).ok();
        let repository = Path::new(&self.isolation.worktree.repository);
        here.is_some() && top.map(PathBuf::from) == here && common(&self.path) == common(repository)
    }

    /// Takes back what a failed attempt has left. What git ignores stays: those who
    /// worked here before may have built it for those who come after.
    fn take_back(&self, start: &str) -> Result<(), String> {
        let words = ["checkout", "--quiet", "--force", "--detach", start];
        git(&self.path, &words)?;
        git(&self.path, &["clean", "--quiet", "-ffd"]).map(drop)
    }
}

/// Makes a worktree anew, with this commit checked out.
///
/// # Errors
/// In words: what was there cannot be removed, or git fails.
pub fn make(worktree: &Worktree, run: &str, commit: &str) -> Result<PathBuf, String> {
    remove(worktree, run)?;
    let path = PathBuf::from(worktree.path(run));
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    make_parent(&path).map_err(failed)?;
    let words = ["worktree", "add", "--quiet", "--force", "--detach", "--"];
    let place = [&*path.to_string_lossy(), commit].map(str::to_owned);
    let words: Vec<&str> = words
        .into_iter()
        .chain(place.iter().map(String::as_str))
        .collect();
    git(Path::new(&worktree.repository), &words)?;
    Ok(path)
}

/// Removes a worktree, if there is one. Its branch stays.
///
/// # Errors
/// In words: it is still there.
pub fn remove(worktree: &Worktree, run: &str) -> Result<(), String> {
    let path = worktree.path(run);
    let words = ["worktree", "remove", "--force", "--force", "--", &path];
    // It may be there without git's knowing of it, and the other way round.
    let _ = git(Path::new(&worktree.repository), &words);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{path}: {error}")),
        _ => Ok(()),
    }
}

/// Removes all worktrees in a run's folder, and the folder, whatever they are of.
///
/// # Errors
/// The folder is still there.
pub fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let path = entry.path();
        let common = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
        if let (Ok(repository), Some(path)) = (git(&path, &common), path.to_str()) {
            let words = ["worktree", "remove", "--force", "--force", "--", path];
            // What git does not let go goes with the folder.
            let _ = git(Path::new(&repository), &words);
        }
    }
    fs::remove_dir_all(folder)
}

/// Removes a worktree and what was made in it.
///
/// # Errors
/// In words: some of it is still there.
pub fn forget(worktree: &Worktree, run: &str) -> Result<(), String> {
    remove(worktree, run)?;
    let repository = Path::new(&worktree.repository);
    let branch = reference(worktree, run);
    match tip(worktree, run)? {
        Some(_) => git(repository, &["update-ref", "-d", &branch]).map(drop),
        None => Ok(()),
    }
}

/// The commit that the run's branch keeps, if there is one.
///
/// # Errors
/// In git's words.
pub fn tip(worktree: &Worktree, run: &str) -> Result<Option<String>, String> {
    let repository = Path::new(&worktree.repository);
    let branch = reference(worktree, run);
    let known = asks(repository, &["show-ref", "--verify", "--quiet", &branch])?;
    let commit = || git(repository, &["rev-parse", "--verify", &branch]);
    known.then(commit).transpose()
}

fn reference(worktree: &Worktree, run: &str) -> String {
    format!("refs/heads/{}", worktree.branch(run))
}

/// For its owner only.
fn make_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(parent)
}
