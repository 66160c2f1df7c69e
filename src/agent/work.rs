//! The state of the work that is reviewed, as one number: what a round that changed
//! nothing leaves as it was.
//!
//! It covers the task's declared outputs, and of a git repository everything that
//! differs from its last commit, and that commit.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::plan::agent::Task;

/// What is nested deeper, or is more, is not looked at: a loop ends also without.
const DEEPEST: usize = 64;

/// 64 hexadecimal digits; equal for equal work.
pub fn fingerprint(task: &Task) -> String {
    let dir = Path::new(&task.working_dir);
    let mut hasher = blake3::Hasher::new();
    for output in &task.outputs {
        add(&mut hasher, &dir.join(output), DEEPEST);
    }
    for words in [&["rev-parse", "HEAD"][..], &["diff", "HEAD", "--binary"]] {
        part(&mut hasher, &git(dir, words));
    }
    let untracked = git(dir, &["ls-files", "-z", "--others", "--exclude-standard"]);
    let names = untracked
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    for name in names {
        let name = String::from_utf8_lossy(name);
        add(&mut hasher, &dir.join(&*name), DEEPEST);
    }
    hasher.finalize().to_hex().to_string()
}

/// Adds a file, or all that is in a directory, with its name. Links are not followed.
fn add(hasher: &mut blake3::Hasher, path: &Path, depth: usize) {
    part(hasher, path.as_os_str().as_encoded_bytes());
    let Ok(found) = fs::symlink_metadata(path) else {
        return part(hasher, b"nothing");
    };
    if found.is_dir() && depth > 0 {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            add(hasher, &path, depth - 1);
        }
    } else if found.is_file() {
        let mut own = blake3::Hasher::new();
        // What cannot be read is as good as unchanged.
        let _ = File::open(path).and_then(|mut file| io::copy(&mut file, &mut own));
        part(hasher, own.finalize().as_bytes());
    }
}

/// The length before it keeps two parts from looking like two others.
fn part(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// What git says, or nothing where it is no repository or there is no git.
fn git(dir: &Path, words: &[&str]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(words);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() => output.stdout,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_is_the_same_has_the_same_number_and_other_work_another() {
        let dir = tempfile::tempdir().expect("a directory");
        let task = Task {
            working_dir: dir.path().to_string_lossy().into_owned(),
            outputs: vec!["out".into()],
            ..Task::default()
        };
        let none = fingerprint(&task);
        fs::create_dir(dir.path().join("out")).expect("made");
        fs::write(dir.path().join("out/a"), "1").expect("written");
        let one = fingerprint(&task);
        assert_ne!(none, one);
        assert_eq!(fingerprint(&task), one);
        fs::write(dir.path().join("out/a"), "2").expect("written");
        assert_ne!(fingerprint(&task), one);
    }
}
