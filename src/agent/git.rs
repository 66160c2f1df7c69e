//! Git, called so that a repository an agent has worked in cannot make it do more
//! than was asked: no hooks, no prompts, no signing, no shell, an argument for each
//! word. Which repository it is follows from the directory alone.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What holds for every call. The identity is that of commits which nobody else makes.
const SETTINGS: [&str; 8] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "rerere.enabled=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "user.name=quintet",
    "user.email=quintet@localhost",
];

/// Variables that would say which repository is meant; in hooks of git they are set.
const ELSEWHERE: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
];

/// Variables that would count before the settings.
const IDENTITY: [&str; 6] = [
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_DATE",
];

/// Of what git complains about, so many characters are told.
const MOST_SAID: usize = 600;

/// Takes from a program's environment what would lead its git to another repository.
pub fn here_only(command: &mut Command) {
    for name in ELSEWHERE {
        command.env_remove(name);
    }
}

/// What git prints, without the line's end.
///
/// # Errors
/// In git's words: why it failed.
pub fn git(dir: &Path, words: &[&str]) -> Result<String, String> {
    let output = call(dir, words)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()),
        false => Err(complaint(words, &output)),
    }
}

/// What git says to a question that it answers by its exit code: 0 is yes and 1 is no.
///
/// # Errors
/// In git's words: it has no answer.
pub fn asks(dir: &Path, words: &[&str]) -> Result<bool, String> {
    let output = call(dir, words)?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(complaint(words, &output)),
    }
}

/// A repository's worktrees are a directory that git lists without a lock: who lists it
/// while another is being made finds half of one and fails. So that is done alone, by
/// all who come through here, and everything else beside each other. Of a worktree
/// there is no list to be looked at.
fn turn(dir: &Path, words: &[&str]) -> io::Result<Option<File>> {
    let store = dir.join(".git");
    if !store.is_dir() {
        return Ok(None);
    }
    let store = File::open(store)?;
    match words.first() {
        Some(&"worktree") => store.lock()?,
        _ => store.lock_shared()?,
    }
    Ok(Some(store))
}

fn call(dir: &Path, words: &[&str]) -> Result<Output, String> {
    let _turn = turn(dir, words).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut command = Command::new("git");
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.arg("-C").arg(dir).args(words);
    here_only(&mut command);
    for name in IDENTITY {
        command.env_remove(name);
    }
    command.env("GIT_TERMINAL_PROMPT", "0");
    command.stdin(Stdio::null());
    command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => "git is not on PATH, and worktrees need it".to_owned(),
        _ => format!("git cannot be run: {error}"),
    })
}

/// Some of what it says goes to standard output: which files are in conflict.
fn complaint(words: &[&str], output: &Output) -> String {
    let verb = words.first().unwrap_or(&"");
    let said = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes));
    let lines = said.iter().flat_map(|said| said.lines().map(str::trim));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let said: String = lines.join("; ").chars().take(MOST_SAID).collect();
    format!("git {verb}: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn nobody_looks_at_a_repository_while_its_worktrees_change() {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "--quiet"]).unwrap();
        let store = File::open(dir.path().join(".git")).unwrap();
        for (words, waits_for_readers) in
            [(["worktree", "list"], true), (["branch", "--list"], false)]
        {
            for alone in [true, false] {
                match alone {
                    true => store.lock().unwrap(),
                    false => store.lock_shared().unwrap(),
                }
                std::thread::scope(|scope| {
                    let (done, heard) = channel();
                    let path = dir.path();
                    scope.spawn(move || done.send(git(path, &words)));
                    let early = heard.recv_timeout(Duration::from_millis(300));
                    if alone || waits_for_readers {
                        assert!(early.is_err(), "{words:?} did not wait");
                    }
                    store.unlock().unwrap();
                    let end = early.or_else(|_| heard.recv_timeout(Duration::from_secs(60)));
                    end.expect("it goes on").expect("it does well");
                });
            }
        }
    }
}
