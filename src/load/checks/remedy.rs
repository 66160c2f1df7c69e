//! A check's remedy: what may mend its failure, and what takes that back.

use std::sync::Arc;

use crate::load::document::{Kind, Node, Path};
use crate::load::plan_file::record::Record;
use crate::load::plan_file::walk::{Env, count};
use crate::plan::{Budget, Policy, Remedy, Retry, Undo};

use super::Lowering;
use super::fields::{BUDGET, REMEDY};

impl Lowering<'_, '_, '_> {
    /// The remedy of a check that runs in `cwd`, and its undo.
    pub(super) fn remedy(
        &mut self,
        check: &Record<'_>,
        cwd: &Arc<str>,
        env: &Env,
        policy: &Policy,
        path: &Path<'_>,
    ) -> (Option<Box<Remedy>>, Option<Undo>) {
        let Some(node) = check.named("remedy") else {
            return (None, None);
        };
        let path = &Path::Field(path, "remedy");
        if node.kind() == Kind::Text {
            let command = self.command(node, cwd, env, path);
            let remedy = command.map(|command| Remedy {
                command,
                timeout: policy.timeout,
                attempts: 1,
                cooldown: Default::default(),
                budget: None,
                confirm: None,
            });
            return (remedy.map(Box::new), None);
        }
        let record = self.walk.record(node, &REMEDY, path);
        let timeout = self.span(&record, "timeout", path);
        let timeout = timeout.or(policy.timeout).filter(|limit| !limit.is_zero());
        let cooldown = self.span(&record, "cooldown", path).unwrap_or_default();
        let budget = record.named("budget").and_then(|node| {
            let path = &Path::Field(path, "budget");
            let record = self.walk.record(node, &BUDGET, path);
            Some(Budget {
                times: count(record.named("times")?),
                window: self.span(&record, "window", path)?,
            })
        });
        let confirm = record.named("confirm").and_then(|node| match node.bool() {
            Some(true) => Some("Use the remedy?".into()),
            Some(false) => None,
            None => {
                let text = self.walk.plain(node, &Path::Field(path, "confirm"))?;
                Some(text.into())
            }
        });
        let undo = record.named("undo").and_then(|node: Node<'_>| {
            let command = self.command(node, cwd, env, &Path::Field(path, "undo"))?;
            Some(Undo {
                command,
                timeout,
                retry: Retry::default(),
            })
        });
        let remedy = record.named("command").and_then(|node| {
            let command = self.command(node, cwd, env, &Path::Field(path, "command"))?;
            Some(Box::new(Remedy {
                command,
                timeout,
                attempts: record.named("attempts").map_or(1, count),
                cooldown,
                budget,
                confirm,
            }))
        });
        (remedy, undo)
    }
}
