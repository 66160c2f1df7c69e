//! Finding a playbook by its name.
//!
//! A30: first in the folder of playbooks itself, then in the folders below it,
//! in the order of their names. What is the file of a path is taken as it is.

use std::path::{Path, PathBuf};

use crate::plan::build::quoted;
use crate::plan::name::{folded, nearest};
use crate::plan::problem::Problem;

/// What playbooks are written in, the first of several for one name first.
const EXTENSIONS: [&str; 5] = ["json", "psd1", "yaml", "yml", "toml"];

/// Folders are looked into so deep.
const MAX_DEPTH: usize = 8;

/// The file of the playbook `name`, which may be a path of its own, seen from `cwd`.
///
/// # Errors
/// There is none: the names that are near, or those that there are.
pub fn find(dir: &Path, name: &str, cwd: &Path) -> Result<PathBuf, Problem> {
    let all = all(dir);
    let exact = all.iter().find(|path| is_called(path, name, str::eq));
    let found = exact.or_else(|| {
        all.iter()
            .find(|path| is_called(path, name, |a, b| folded(a) == folded(b)))
    });
    if let Some(path) = found {
        return Ok(path.clone());
    }
    let itself = cwd.join(name);
    if itself.is_file() {
        return Ok(itself);
    }
    let names: Vec<String> = all.iter().map(|path| stem(path)).collect();
    let shown = dir.display().to_string();
    let problem = Problem::error(format!(
        "there is no playbook {} in {shown:?}",
        quoted(name)
    ));
    Err(problem.help(not_found(name, &names)))
}

fn not_found(name: &str, names: &[String]) -> String {
    const MOST: usize = 10;
    if names.is_empty() {
        return "there are no playbooks there at all".into();
    }
    if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
        return format!("did you mean {near:?}?");
    }
    let mut shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    if names.len() > MOST {
        shown.push("…");
    }
    format!("there are {}", shown.join(", "))
}

/// All playbooks of a folder and of those below it, in the order in which they
/// are looked for.
pub fn all(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(dir, 0, &mut found);
    found
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut folders = Vec::new();
    let mut files = Vec::new();
    for entry in entries {
        match entry.file_type() {
            // What a link leads to may lead back.
            Ok(kind) if kind.is_dir() => folders.push(entry.path()),
            Ok(_) if rank(&entry.path()).is_some() => files.push(entry.path()),
            _ => {}
        }
    }
    files.sort_by_key(|path| (stem(path), rank(path)));
    folders.sort();
    found.append(&mut files);
    if depth < MAX_DEPTH {
        for folder in folders {
            walk(&folder, depth + 1, found);
        }
    }
}

fn rank(path: &Path) -> Option<usize> {
    let extension = folded(path.extension()?.to_str()?);
    EXTENSIONS.iter().position(|known| *known == extension)
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn is_called(path: &Path, name: &str, same: fn(&str, &str) -> bool) -> bool {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    same(&stem(path), name) || same(&file, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for path in [
            "b/one.json",
            "a/one.json",
            "two.psd1",
            "two.json",
            "b/c/Three.yaml",
            "x.txt",
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        dir
    }

    /// A30: the folder itself, then those below it in order.
    #[test]
    fn a30_a_playbook_is_found_in_the_folder_and_below_it() {
        let dir = folder();
        let found = |name: &str| {
            let path = find(dir.path(), name, dir.path()).unwrap();
            path.strip_prefix(dir.path()).unwrap().display().to_string()
        };
        assert_eq!(found("one"), "a/one.json");
        assert_eq!(found("two"), "two.json");
        assert_eq!(found("two.psd1"), "two.psd1");
        assert_eq!(found("three"), "b/c/Three.yaml");
        assert_eq!(found("b/one.json"), "b/one.json");
    }

    /// A30: not found is an error that names what is near.
    #[test]
    fn a30_a_playbook_that_is_not_there_is_told_with_near_names() {
        let dir = folder();
        let help = |name: &str| {
            find(dir.path(), name, dir.path())
                .unwrap_err()
                .help
                .unwrap()
        };
        assert_eq!(help("thre"), "did you mean \"Three\"?");
        assert_eq!(help("zebra"), "there are two, two, one, one, Three");
        let empty = tempfile::tempdir().unwrap();
        let error = find(empty.path(), "one", empty.path()).unwrap_err();
        assert_eq!(error.help.unwrap(), "there are no playbooks there at all");
    }
}
