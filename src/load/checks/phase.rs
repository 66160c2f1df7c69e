//! Phases, as the file writes them.

use std::sync::Arc;

use crate::load::document::{Node, Path};
use crate::load::plan_file::header::is;
use crate::load::plan_file::record::Record;
use crate::plan::{Absent, Step};

use super::Lowering;
use super::fields::PHASE;
use super::place::{Phase, meeting};

/// The phase of checks that the file puts into none.
const NO_PHASE: &str = "checks";

/// Whatever of a check depends on more than its own object.
pub(super) struct Around<'a> {
    /// The phase's id and tags, and whether the phase takes part.
    pub phase: &'a str,
    pub tags: &'a [Box<str>],
    pub enabled: bool,
    /// The project's folder.
    pub root: &'a Arc<str>,
}

impl Lowering<'_, '_, '_> {
    /// All phases, in the order in which they come.
    pub(super) fn phases(&mut self, root: &Record<'_>, folder: &Arc<str>) -> Vec<Phase> {
        let mut phases = Vec::new();
        if let Some(node) = root.named("checks") {
            let mut step = meeting(NO_PHASE, self.locator.locate(node.span().start));
            step.name = Some("Checks".into());
            let around = Around {
                phase: NO_PHASE,
                tags: &[],
                enabled: true,
                root: folder,
            };
            let path = Path::Field(&Path::Root, "checks");
            phases.push(Phase {
                id: NO_PHASE.into(),
                at: node.span(),
                step,
                checks: self.checks(node, &around, &path),
                parallel: None,
                needs: None,
            });
        }
        let path = Path::Field(&Path::Root, "phases");
        let given = root.named("phases").into_iter().flat_map(Node::items);
        for (i, node) in given.enumerate() {
            phases.extend(self.phase(node, folder, &Path::Item(&path, i)));
        }
        phases
    }

    fn phase(&mut self, node: Node<'_>, folder: &Arc<str>, path: &Path<'_>) -> Option<Phase> {
        let record = self.walk.record(node, &PHASE, path);
        let (id, name, at) = self.called(&record, path)?;
        let tags = self.texts(&record, "tags", path);
        let around = Around {
            phase: &id,
            tags: &tags,
            enabled: is(record.named("enabled"), true),
            root: folder,
        };
        let checks = match record.named("checks") {
            Some(node) => self.checks(node, &around, &Path::Field(path, "checks")),
            None => Vec::new(),
        };
        let mut step = meeting(&id, self.locator.locate(at.start));
        step.name = Some(name);
        step.about = self.about(&record, path);
        step.absent = match around.enabled {
            false => Some(Absent::Disabled),
            true => self.skips(&tags).then_some(Absent::NotSelected),
        };
        Some(Phase {
            parallel: record.named("parallel").and_then(Node::bool),
            needs: record
                .named("needs")
                .map(|node| self.names(node, &Path::Field(path, "needs"))),
            step: Step {
                tags: tags.clone(),
                ..step
            },
            at,
            checks,
            id,
        })
    }
}
