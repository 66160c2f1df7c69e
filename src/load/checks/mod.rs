//! Files of checks: phases, in each of them checks, each perhaps with a remedy.
//!
//! ```toml
//! [[phases]]
//! name = "Environment validation"
//! [[phases.checks]]
//! name = "Python version"
//! command = "python3 -c 'import sys; sys.exit(sys.version_info < (3, 12))'"
//! ttl = "1h"
//! ```
//!
//! A check is a step that is fresh for a while after it succeeded; a phase is a
//! meeting point at its own end, as in a tree of phases. The tables of `fields`
//! are all that such a file may say; they are read by the same walk as plan
//! files, so variables, builtins and freshness are written alike in both. `header`
//! is what the file says of itself, `settings` how it wants to be run, `phase` a
//! phase, `check` one check with its `condition` and its `remedy`, and `place` who
//! waits for whom.

mod check;
mod condition;
mod fields;
mod header;
mod phase;
mod place;
mod project;
mod remedy;
mod settings;

use std::path::Path;

use crate::plan::Plan;
use crate::plan::build::Builder;
use crate::plan::problem::{Locator, Problem, Sources};
use crate::plan::variables::Scope;

use super::document::{self, Document, Format, Kind, Path as At};
use super::plan_file::header::declarations;
use super::plan_file::notify;
use super::plan_file::schema::schema_of;
use super::plan_file::walk::Walk;
use super::{Loaded, Lowered, Refusal, Request};

pub use project::{Project, find};
pub use settings::{Given, Settings};

/// Larger files are plans: nobody writes so many checks, and to find out what a
/// file is must not cost as much as to read it.
const MOST_BYTES: u64 = 4 << 20;

/// The step that looks whether there is room on the disk, before all checks.
pub const DISK: &str = "disk-space";

/// Tags of checks that `--skip-tests` leaves out.
pub const TESTS: [&str; 2] = ["tests", "quality"];

/// Whether this is a file of checks: it has phases or checks, and no steps.
pub fn is_checks(path: &Path) -> bool {
    // Whoever opened a pipe would take from it what is to be read later.
    let small = |meta: std::fs::Metadata| meta.is_file() && meta.len() <= MOST_BYTES;
    if !path.metadata().is_ok_and(small) {
        return false;
    }
    super::read_file(path, "").is_ok_and(|text| speaks_of_checks(path, &text))
}

fn speaks_of_checks(path: &Path, text: &str) -> bool {
    if !text.contains("checks") {
        return false;
    }
    let format = Format::of(path, text);
    let Some(document) = document::parse(text, format, 0, &mut Vec::new()) else {
        // Where nothing of it can be read, its name says what it was to be.
        return path.file_stem().is_some_and(|stem| stem == "checks");
    };
    let root = document.root();
    let has = |key: &str| {
        let mut entries = root.entries();
        entries.any(|entry| entry.key == key && entry.value.kind() == Kind::Array)
    };
    !has("steps") && (has("checks") || has("phases"))
}

/// Reads a file of checks, run as it says itself.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, request: &Request) -> Result<Loaded, Refusal> {
    load_with(path, &Given::default(), request).map(|(loaded, _)| loaded)
}

/// Reads a file of checks. What is `given` counts before what the file says.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_with(
    path: &Path,
    given: &Given,
    request: &Request,
) -> Result<(Loaded, Settings), Refusal> {
    let name = path.display().to_string();
    let text = super::read_file(path, &name)?;
    let origin = super::origin(path, &text, request);
    let mut sources = Sources::default();
    let file = sources.add(&name, text);
    let text = sources.text(file);
    let mut problems = Vec::new();
    let document = document::parse(text, Format::of(path, text), file, &mut problems);
    let absolute = Path::new(&request.cwd).join(path);
    let lowered = document.map(|document| {
        let mut lowering = Lowering {
            walk: Walk::new(request),
            locator: Locator::new(text, file),
            given,
            file: &absolute,
            settings: Settings::default(),
        };
        let (plan, settings) = lowering.lower(&document);
        let walk = lowering.walk;
        problems.extend(walk.problems.into_vec());
        let lowered = plan.map(|plan| Lowered {
            plan: Plan {
                origins: vec![origin],
                ..plan
            },
            secrets: walk.scope.secret_values(),
            unmet: Vec::new(),
        });
        (lowered, settings)
    });
    let (lowered, settings) = lowered.unwrap_or_default();
    let loaded = super::conclude(lowered, problems, sources, request)?;
    Ok((loaded, settings))
}

/// One file, while it becomes a plan.
struct Lowering<'l, 'r, 't> {
    walk: Walk<'r>,
    locator: Locator<'t>,
    given: &'l Given,
    /// Absolute.
    file: &'l Path,
    settings: Settings,
}

impl Lowering<'_, '_, '_> {
    fn lower(&mut self, document: &Document<'_>) -> (Option<Plan>, Settings) {
        let request = self.walk.request;
        let root = self.walk.record(document.root(), &fields::FILE, &At::Root);
        let declared = declarations(&mut self.walk, &root);
        let (scope, found) = Scope::resolve(&declared, &request.vars, request.allow_unresolved);
        self.walk.problems.extend(found);
        self.walk.scope = match &request.env {
            Some(env) => scope.with_env(env.clone()),
            None => scope,
        };
        let settings = self.settings(&root);
        self.settings = settings;
        let header = self.header(&root, &settings);
        let phases = self.phases(&root, &header.root);
        if phases.iter().all(|phase| phase.checks.is_empty()) {
            let problem = Problem::warning("there are no checks, so there is nothing to do");
            self.walk.problems.push(problem.at(root.span(), ""));
        }
        let mut builder = Builder::with_capacity(phases.len());
        let mut plan = header.plan;
        let receivers = root.named("notify");
        let (receivers, named) = notify::list(&mut self.walk, receivers, &header.root);
        plan.notify = receivers;
        plan.max_concurrency = place::place(phases, header.disk, &settings, &mut builder);
        plan.facts = std::mem::take(&mut self.walk.facts);
        self.walk.report_unknown();
        let (plan, found) = builder.finish(plan);
        if let Some(plan) = &plan {
            notify::check(plan, &named, &mut self.walk.problems);
        }
        self.walk.problems.extend(found);
        (plan, settings)
    }
}

/// The JSON Schema of files of checks, as it is published in
/// `schema/checks.schema.json`.
pub fn schema() -> serde_json::Value {
    schema_of("A quintet file of checks", &fields::FILE)
}

#[cfg(test)]
mod tests;
