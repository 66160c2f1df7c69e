//! Playbooks: which scripts run in which order and with what, written down.
//!
//! They come in five ways of writing, told apart by their keys in any case of
//! letters, and in every document format. All of them become one value
//! (`book`), and that, with the scripts of a folder, becomes a plan (`lower`).
//! Readers keep templates and conditions as they are written; what these mean
//! (`scope`, `template`, `condition`) is asked when it is known which profile
//! runs, and with which variables.

pub mod book;
mod code;
mod condition;
mod fields;
pub mod find;
mod head;
mod jobs;
mod lower;
mod profile;
pub mod save;
mod scope;
mod setting;
mod stages;
mod template;

use std::path::Path as FilePath;

use crate::load::document::{self, Format, Node, Path};
use crate::load::scripts::Folder;
use crate::load::scripts::lower::Lowering;
use crate::load::{Loaded, Lowered, Refusal, Request};
use crate::plan::name::folded;
use crate::plan::problem::{Problem, Problems, Sources};
use crate::plan::{Origin, Plan};

use book::{Does, Playbook, Said};
use fields::Fields;
use lower::Library;
use scope::Findings;

pub use lower::Options;

/// Other playbooks may run others so deep.
const MAX_DEPTH: usize = 16;

/// Reads the playbook at `path` and makes a plan of it and the folder's scripts.
/// Other playbooks that it runs are found by name in `playbooks`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(
    mut folder: Folder,
    path: &FilePath,
    playbooks: &FilePath,
    options: &Options,
    request: &Request,
) -> Result<Loaded, Refusal> {
    let mut reading = Reading {
        sources: std::mem::take(&mut folder.sources),
        problems: Problems::default(),
        origins: Vec::new(),
        library: Library::new(),
        playbooks,
        request,
    };
    reading
        .problems
        .extend(std::mem::take(&mut folder.problems));
    let book = reading.file(path)?;
    if let Some(book) = &book {
        reading.others(book, 0)?;
    }
    let mut findings = Findings::after(reading.problems);
    let lowered = book.and_then(|mut book| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        book.name
            .get_or_insert_with(|| Said::new(stem.into(), Default::default()));
        let mut lowering = Lowering::new(request);
        let library = &reading.library;
        let plan = lower::lower(
            book,
            library,
            &folder,
            options,
            &mut lowering,
            &mut findings,
        );
        findings.problems.extend(lowering.problems);
        let (plan, found) = lowering.builder.finish(Plan {
            facts: lowering.facts,
            origins: reading.origins,
            ..plan
        });
        findings.problems.extend(found);
        Some(Lowered {
            plan: plan?,
            secrets: Default::default(),
            unmet: lowering.unmet,
        })
    });
    let problems = findings.problems.into_vec();
    super::conclude(lowered, problems, reading.sources, request)
}

/// Reads a playbook. None where it is none of the kinds that are known, which
/// has been reported then.
pub fn read(root: Node<'_>, problems: &mut Problems) -> Option<Playbook> {
    let mut book = Playbook::default();
    let mut fields = Fields::of(root, &Path::Root, problems);
    if !stages::read(&mut fields, &mut book, problems) {
        let message = "this is no playbook that is known: nothing says what it runs";
        let problem = Problem::error(message).at(root.span(), "");
        problems.push(problem.help(
            "a playbook has one of \"Sequence\", \"Stages\", \"sequences\", \
             \"orchestration\" or \"jobs\"",
        ));
        return None;
    }
    head::read(&mut book, fields, problems);
    Some(book)
}

/// The files of one playbook while they are read.
struct Reading<'r> {
    sources: Sources,
    problems: Problems,
    origins: Vec<Origin>,
    library: Library,
    playbooks: &'r FilePath,
    request: &'r Request,
}

impl Reading<'_> {
    fn file(&mut self, path: &FilePath) -> Result<Option<Playbook>, Refusal> {
        let name = path.display().to_string();
        let text = super::read_file(path, &name)?;
        self.origins.push(super::origin(path, &text, self.request));
        let file = self.sources.add(name, text);
        let text = self.sources.text(file);
        let mut found = Vec::new();
        let document = document::parse(text, Format::of(path, text), file, &mut found);
        self.problems.extend(found);
        Ok(document.and_then(|document| read(document.root(), &mut self.problems)))
    }

    /// Reads the playbooks that a playbook runs, and those that they run.
    fn others(&mut self, book: &Playbook, depth: usize) -> Result<(), Refusal> {
        let items = book.stages.iter().flat_map(|stage| &stage.items);
        for item in items {
            let Does::Playbook(name) = &item.does else {
                continue;
            };
            if self.library.contains_key(&folded(&name.value)) {
                continue;
            }
            if depth == MAX_DEPTH {
                let message = format!("playbooks run others more than {MAX_DEPTH} deep");
                let problem = Problem::error(message).at(name.at, "this is one too many");
                self.problems.push(problem);
                continue;
            }
            let cwd = FilePath::new(&self.request.cwd);
            match find::find(self.playbooks, &name.value, cwd) {
                Ok(path) => {
                    if let Some(other) = self.file(&path)? {
                        self.library.insert(folded(&name.value), other.clone());
                        self.others(&other, depth + 1)?;
                    }
                }
                Err(problem) => self.problems.push(problem.at(name.at, "")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
