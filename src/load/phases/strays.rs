//! Files called `index.json` that no phase names.
//!
//! A damaged one may be the phase that somebody misses, so it is reported like
//! any other. One that speaks of other things is worth a note, and one that is
//! a phase is nobody's business: it may be run by itself.

use std::path::{Path, PathBuf};

use crate::plan::problem::{Problem, Span};

use super::index::{self, Read};
use super::tree::{Tree, identity};
use super::{INDEX, Reading};

/// After so many entries of directories the search is given up.
const MOST: usize = 200_000;

/// Whether there is any file of the name in or below the directory.
pub fn any(dir: &Path) -> bool {
    Search::new(dir).next().is_some()
}

/// Looks at every file that is not part of the tree.
pub fn look(root: &Path, shown: &str, tree: &Tree, reading: &mut Reading) {
    let mut roots = Vec::new();
    let mut search = Search::new(root);
    for path in search.by_ref() {
        let Ok(meta) = path.metadata() else {
            continue;
        };
        if tree.files.contains(&identity(&meta)) {
            continue;
        }
        let below = path.strip_prefix(root).unwrap_or(&path);
        let name = format!("{}/{}", shown.trim_end_matches('/'), below.display());
        match one(&path, &name, reading) {
            Read::Foreign => {}
            _ => roots.push(name),
        }
    }
    if search.left == 0 {
        let message = format!("{shown:?} has more than {MOST} entries, not all of which were seen");
        reading.report(Problem::warning(message));
    }
    if tree.files.is_empty() {
        let problem = Problem::error(format!("there is no {INDEX} in {shown:?}"));
        let shortest = roots.iter().min_by_key(|name| name.matches('/').count());
        let dir = shortest.and_then(|name| name.strip_suffix(INDEX)?.strip_suffix('/'));
        reading.report(match dir {
            Some(dir) => problem.help(format!("a tree of phases begins in {dir:?}")),
            None => problem,
        });
    }
}

fn one(path: &Path, shown: &str, reading: &mut Reading) -> Read {
    let Some(text) = reading.text(path, shown) else {
        return Read::Bad;
    };
    let file = reading.sources.add(shown, text);
    let (read, problems) = index::read(reading.sources.text(file), file);
    match read {
        // What it says is checked when it is run.
        Read::Index(_) => {}
        Read::Foreign => {
            let at = Span {
                file,
                start: 0,
                end: 1,
            };
            let message = "this is no phase's index.json, and no phase names it";
            let problem = Problem::warning(message)
                .at(at, "it has neither \"metadata\" nor \"children\"")
                .help("it is left alone");
            reading.report(problem);
        }
        Read::Bad => reading.problems.extend(problems),
    }
    read
}

/// Every file of the name in or below a directory. Hidden directories are
/// somebody else's, and links may lead anywhere.
struct Search {
    dirs: Vec<PathBuf>,
    found: Vec<PathBuf>,
    left: usize,
}

impl Search {
    fn new(dir: &Path) -> Self {
        Search {
            dirs: vec![dir.to_owned()],
            found: Vec::new(),
            left: MOST,
        }
    }

    fn look_into(&mut self, dir: &Path) {
        let mut below = Vec::new();
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if name == INDEX && !kind.is_dir() {
                self.found.push(entry.path());
            }
            if kind.is_dir() && !name.as_encoded_bytes().starts_with(b".") {
                below.push(entry.path());
            }
        }
        // Directories list their entries in any order.
        below.sort_unstable_by(|a, b| b.cmp(a));
        self.dirs.append(&mut below);
    }
}

impl Iterator for Search {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        loop {
            if let Some(path) = self.found.pop() {
                return Some(path);
            }
            let dir = self.dirs.pop()?;
            self.look_into(&dir);
        }
    }
}
