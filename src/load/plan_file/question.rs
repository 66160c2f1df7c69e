//! What a person is asked before a step runs, and how long that waits.

use crate::load::document::{Kind, Path};
use crate::plan::Approval;

use super::cache::{TIME, span};
use super::fields::STEP;
use super::record::Record;
use super::step::Steps;
use super::table::{Field, Shape, at, field};

const CONFIRM: usize = at(&STEP, "confirm");
const APPROVAL: usize = at(&STEP, "approval");

/// A step's `approval`.
pub static APPROVAL_FIELDS: [Field; 3] = [
    field(
        "question",
        Shape::Text,
        "What is asked; in general words where it is left out.",
    ),
    field(
        "timeout",
        TIME,
        "How long the answer is waited for: seconds, or a text such as 10m or 1h; for \
         ever where it is left out.",
    )
    .or(&["timeout_sec", "timeout_seconds"]),
    field(
        "default",
        Shape::Choice(&["yes", "no"]),
        "What counts when nobody has answered by then; no where it is left out.",
    ),
];

impl Steps<'_, '_, '_> {
    /// The question: a confirmation's, which is answered at the terminal at once,
    /// or an approval's, which waits.
    pub(super) fn confirm(
        &mut self,
        record: &Record<'_>,
        id: &str,
        path: &Path<'_>,
    ) -> Option<Box<str>> {
        let general = || format!("Run step {id}?").into();
        if let Some(node) = record.get(APPROVAL) {
            if let Some(confirm) = record.get(CONFIRM) {
                let path = Path::Field(path, "confirm");
                let message = "says what \"approval\" says as well; leave one of them out";
                self.walk.report(&path, message, confirm.span());
            }
            // Its fields are checked where the answer's time is read.
            let mut said = node.entries().filter(|entry| *entry.key == *"question");
            let question = said.next().filter(|entry| entry.value.kind() == Kind::Text);
            let question = question.and_then(|entry| {
                let path = &Path::Field(path, "approval");
                self.walk.plain(entry.value, &Path::Field(path, "question"))
            });
            let question = question.map(Into::into);
            return Some(question.unwrap_or_else(general));
        }
        let node = record.get(CONFIRM)?;
        match node.bool() {
            Some(true) => Some(general()),
            Some(false) => None,
            None => self.boxed(record, CONFIRM, path),
        }
    }

    /// How long the question waits for its answer.
    pub(super) fn approval(&mut self, record: &Record<'_>, path: &Path<'_>) -> Option<Approval> {
        let node = record.get(APPROVAL)?;
        let path = &Path::Field(path, "approval");
        let approval = self.walk.record(node, &APPROVAL_FIELDS, path);
        Some(Approval {
            within: span(self.walk, &approval, "timeout", path),
            otherwise: self.walk.choice(&approval, "default", path) == Some("yes"),
        })
    }
}
