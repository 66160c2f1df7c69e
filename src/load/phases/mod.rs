//! Trees of phases: directories with an `index.json`, nested without limit.
//!
//! A directory's `index.json` (`index`) names its children; each is a directory
//! of its own kind or a program (`resolve`). `tree` reads them all into a flat
//! list, `place` tells each its place by the rules of `flow` and `config`, and
//! `lower` makes steps of them; `header` is what holds for the whole, `paths`
//! what paths mean, `shim` how a Python module is run. What lies about and is part of nothing (`strays`) is
//! looked at too, since a damaged file may be a phase that somebody misses;
//! `mend` says what would mend it.

mod config;
mod flow;
mod header;
mod index;
mod lower;
mod mend;
mod paths;
mod place;
mod resolve;
mod shim;
mod strays;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

use crate::plan::problem::{Problem, Problems, Sources, Span};

use super::{Loaded, Lowered, Refusal, Request};

/// The file that makes a directory a phase.
pub const INDEX: &str = "index.json";

/// A tree has at most so many phases and steps.
const MOST: usize = 100_000;

/// Whether this is a tree of phases: a directory that is one or holds one
/// somewhere, or its `index.json`.
pub fn is_tree(path: &Path) -> bool {
    if !path.is_dir() {
        return path.file_name().is_some_and(|name| name == INDEX) && speaks_of_phases(path);
    }
    let index = path.join(INDEX);
    match (index.exists(), super::scripts::is_folder(path)) {
        (true, true) => speaks_of_phases(&index),
        (true, false) => true,
        (false, scripts) => !scripts && strays::any(path),
    }
}

/// A file of this name may also be a plan, or anything.
fn speaks_of_phases(path: &Path) -> bool {
    let mut reading = Reading::default();
    let text = reading.text(path, INDEX);
    text.is_some_and(|text| index::speaks_of_phases(&text))
}

/// What was read, and what was wrong with it.
#[derive(Default)]
struct Reading {
    sources: Sources,
    problems: Problems,
}

impl Reading {
    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The text of a file, which is shown as `shown`; where it cannot be read,
    /// that is reported.
    fn text(&mut self, path: &Path, shown: &str) -> Option<String> {
        // Whoever opened a pipe would wait for somebody to write into it.
        if path.metadata().is_ok_and(|meta| !meta.is_file()) {
            self.report(Problem::error(format!("{shown:?} is no regular file")));
            return None;
        }
        let Refusal { problems, sources } = match super::read_file(path, shown) {
            Ok(text) => return Some(text),
            Err(refusal) => refusal,
        };
        // What the problem points into becomes a file like the others.
        let file = self.sources.add(shown, sources.text(0));
        for mut problem in problems {
            match &mut problem.at {
                Some((span, _)) => span.file = file,
                None => {
                    problem = problem.at(
                        Span {
                            file,
                            ..Span::default()
                        },
                        "",
                    )
                }
            }
            self.report(problem);
        }
        None
    }
}

/// Reads a tree of phases.
///
/// # Errors
/// Everything that is wrong with any of its files, and with every other file of
/// their name below the directory.
pub fn load(dir: &Path, request: &Request) -> Result<Loaded, Refusal> {
    let mut reading = Reading::default();
    let dir = match dir.is_dir() {
        true => dir,
        false => dir.parent().unwrap_or(dir),
    };
    let shown = match dir.display().to_string() {
        here if here.is_empty() => ".".to_owned(),
        other => other,
    };
    let root = Path::new(&request.cwd).join(dir);
    if root.to_str().is_none() {
        let message = format!("{shown:?} is not Unicode, and no plan can hold it");
        return Err(super::unreadable(message));
    }
    let tree = tree::read(&root, &shown, MOST, request, &mut reading);
    strays::look(&root, &shown, &tree, &mut reading);
    let lowered = lower::lower(&tree, request, &mut reading);
    let problems = reading.problems.into_vec();
    let lowered = lowered.map(|plan| Lowered {
        plan,
        secrets: BTreeMap::new(),
        unmet: Vec::new(),
    });
    super::conclude(lowered, problems, reading.sources, request)
}

#[cfg(test)]
mod tests;
