//! Playbooks: which scripts run in which order and with what, written down.
//!
//! They come in five ways of writing, told apart by their keys in any case of
//! letters, and in every document format. All of them become one value
//! (`book`), and that, with the scripts of a folder, becomes a plan (`lower`).
//! Readers keep templates and conditions as they are written; what these mean
//! (`scope`, `template`, `condition`) is asked when it is known which profile
//! runs, and with which variables.

pub mod book;
mod condition;
mod fields;
mod head;
mod jobs;
mod scope;
mod stages;
mod template;

use crate::load::document::{Node, Path};
use crate::plan::problem::{Problem, Problems};

use book::Playbook;
use fields::Fields;

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
