//! Playbooks from text, for tests.

use super::*;

/// A playbook in JSON, which is sound.
pub fn book(text: &str) -> Playbook {
    let (book, problems) = try_book(text);
    assert_eq!(problems, [], "{text}");
    book.expect("a playbook")
}

/// A playbook in JSON, and what is wrong with it.
pub fn try_book(text: &str) -> (Option<Playbook>, Vec<Problem>) {
    let mut found = Vec::new();
    let document = document::parse(text, Format::Json, 0, &mut found).expect("a document");
    let mut problems = Problems::default();
    problems.extend(found);
    let book = read(document.root(), &mut problems);
    (book, problems.into_vec())
}
