//! What a file of checks says of itself: its name, its project, its lock, and
//! how much room there must be.

use std::sync::Arc;
use std::time::Duration;

use crate::load::document::Path;
use crate::load::plan_file::builtin::size;
use crate::load::plan_file::record::Record;
use crate::load::plan_file::walk::word;
use crate::plan::builtin::{Builtin, Question};
use crate::plan::{Action, CacheUse, Order, Part, Plan, Policy, Remediate, RunLock, Step, Text};

use super::fields::{DISK as DISK_FIELDS, LOCK};
use super::project::Project;
use super::settings::Settings;
use super::{DISK, Lowering};

/// Room that there must be where nobody says how much.
const MINIMUM: u64 = 1 << 30;

const LOCK_WAIT: Duration = Duration::from_secs(30);

/// The plan but for its steps, and what they need of it.
pub struct Header {
    pub plan: Plan,
    /// The project's folder, absolute.
    pub root: Arc<str>,
    /// What looks for room on the disk, if anything does.
    pub disk: Option<Step>,
}

impl Lowering<'_, '_, '_> {
    pub(super) fn header(&mut self, record: &Record<'_>, settings: &Settings) -> Header {
        let text = |walk: &mut super::Walk<'_>, name: &str| {
            let path = Path::Field(&Path::Root, name);
            record.named(name).and_then(|node| walk.plain(node, &path))
        };
        let said = text(&mut self.walk, "root");
        let project = Project::of(self.file, said.as_deref());
        let root: Arc<str> = match project.root.to_str() {
            Some(root) => root.into(),
            None => {
                let message = "the project's folder is not Unicode, and no plan can hold it";
                self.walk.report(&Path::Root, message, record.span());
                "/".into()
            }
        };
        if let Some(node) = record.named("root").filter(|_| !project.root.is_dir()) {
            let message = format!("there is no folder {root:?}");
            let path = Path::Field(&Path::Root, "root");
            self.walk.report(&path, &message, node.span());
        }
        let stem = project.root.file_name().unwrap_or_default();
        let mut plan = Plan::new(stem.to_string_lossy());
        if let Some(name) = text(&mut self.walk, "name") {
            plan.name = name.into_owned();
        }
        plan.description = text(&mut self.walk, "description")
            .unwrap_or_default()
            .into();
        plan.version = text(&mut self.walk, "version").map_or("1".into(), Into::into);
        plan.variables = self.walk.scope.values();
        plan.order = Order::Written;
        plan.project = (*root).into();
        plan.cache = match settings.fast {
            true => CacheUse::Use,
            false => CacheUse::Refresh,
        };
        plan.remediate = match (settings.auto_remediate, settings.interactive) {
            (false, _) => Remediate::No,
            (true, true) => Remediate::Ask,
            (true, false) => Remediate::Yes,
        };
        plan.lock = Some(RunLock {
            name: format!("project-{}", project.name()).into(),
            wait: self.lock_wait(record),
        });
        plan.env = self.environment(record);
        Header {
            disk: self.disk(record, &root),
            plan,
            root,
        }
    }

    fn lock_wait(&mut self, record: &Record<'_>) -> Duration {
        let Some(node) = record.named("lock") else {
            return LOCK_WAIT;
        };
        let path = Path::Field(&Path::Root, "lock");
        let lock = self.walk.record(node, &LOCK, &path);
        self.span(&lock, "wait", &path).unwrap_or(LOCK_WAIT)
    }

    fn environment(&mut self, record: &Record<'_>) -> Vec<(Box<str>, Text)> {
        let Some(node) = record.named("env") else {
            return Vec::new();
        };
        let path = Path::Field(&Path::Root, "env");
        let env = self.walk.env(node, &path);
        let asks = |text: &Text| match text {
            Text::Parts(parts) => parts.iter().any(|part| matches!(part, Part::Output { .. })),
            Text::Plain(_) => false,
        };
        if env.iter().any(|(_, text)| asks(text)) {
            let message = "the environment of all checks cannot hold an output of one";
            self.walk.report(&path, message, node.span());
        }
        env
    }

    /// E22: what must hold before any check runs.
    fn disk(&mut self, record: &Record<'_>, root: &Arc<str>) -> Option<Step> {
        let (mut minimum, mut place) = (MINIMUM, Arc::clone(root));
        let node = record.named("disk");
        if let Some(node) = node {
            let path = Path::Field(&Path::Root, "disk");
            let disk = self.walk.record(node, &DISK_FIELDS, &path);
            if let Some(node) = disk.named("path") {
                let path = Path::Field(&path, "path");
                place = self.walk.place(node, root, &path).unwrap_or(place);
            }
            if let Some(node) = disk.named("minimum") {
                match size(&word(node)) {
                    Some(bytes) => minimum = bytes,
                    None => {
                        let message =
                            "is no amount; one is a number of bytes, or as 500MB or 1.5GB";
                        let path = Path::Field(&path, "minimum");
                        self.walk.report(&path, message, node.span());
                    }
                }
            }
        }
        let builtin = Builtin {
            question: Question::DiskSpace {
                path: (*place).into(),
                at_least: minimum,
            },
            cwd: Arc::clone(root),
            env: Box::default(),
        };
        let span = node.map_or(record.span(), |node| node.span());
        (minimum > 0).then(|| Step {
            name: Some("Disk space".into()),
            policy: Arc::new(Policy {
                timeout: Some(Duration::from_secs(30)),
                on_failure: crate::plan::OnFailure::SkipDependents,
                ..Policy::default()
            }),
            source: self.locator.locate(span.start),
            ..Step::new(DISK, Action::Builtin(Box::new(builtin)))
        })
    }
}
