//! Plan files: the DAG of steps as JSON, TOML, YAML or PowerShell data.
//!
//! Lowering is one walk over the document by the tables of `fields`, which
//! are all that such a file may say. Three things are decided here and nowhere
//! else. With `"shell": true` the `command` is a script for `/bin/sh` and `args`
//! are its positional parameters. A relative `cwd` is seen from the plan's `cwd`,
//! and that from where the run was started, since plans are written to be run
//! from the root of a repository, whatever folder they lie in. And a field that
//! is null is left out.
//!
//! `${NAME}` is replaced in every string but conditions, which name variables
//! themselves.

mod afterwards;
pub(in crate::load) mod builtin;
pub(in crate::load) mod cache;
mod executor;
pub(in crate::load) mod fields;
pub(in crate::load) mod header;
pub(in crate::load) mod notify;
mod question;
pub(in crate::load) mod record;
pub(in crate::load) mod schema;
mod step;
pub(in crate::load) mod table;
pub(in crate::load) mod walk;

use std::path::Path as FilePath;

use crate::plan::build::Builder;
use crate::plan::problem::{Locator, Problem, Sources};
use crate::plan::variables::Scope;

use super::document::{self, Document, Format, Node, Path};
use super::{Loaded, Lowered, Refusal, Request};
use step::Steps;
use walk::Walk;

pub use schema::schema;

/// Reads a plan file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &FilePath, request: &Request) -> Result<Loaded, Refusal> {
    let name = path.display().to_string();
    let text = super::read_file(path, &name)?;
    let origin = super::origin(path, &text, request);
    let mut loaded = load_str(&name, text, request)?;
    loaded.plan.origins = vec![origin];
    Ok(loaded)
}

/// Reads a plan from text that is in memory. The name is what problems call
/// it; its extension tells the format, and its stem stands in for a missing id.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_str(name: &str, text: impl Into<String>, request: &Request) -> Result<Loaded, Refusal> {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let mut problems = Vec::new();
    let path = FilePath::new(name);
    let text = sources.text(file);
    let format = Format::of(path, text);
    let document = document::parse(text, format, file, &mut problems);
    let stem = path
        .file_stem()
        .map_or("plan".into(), |s| s.to_string_lossy());
    let lowered = document.and_then(|doc| lower(doc, &stem, request, text, file, &mut problems));
    super::conclude(lowered, problems, sources, request)
}

fn lower(
    mut document: Document<'_>,
    stem: &str,
    request: &Request,
    text: &str,
    file: u32,
    problems: &mut Vec<Problem>,
) -> Option<Lowered> {
    let mut walk = Walk::new(request);
    let root = walk.record(document.root(), &fields::PLAN, &Path::Root);
    let declarations = header::declarations(&mut walk, &root);
    let (scope, found) = Scope::resolve(&declarations, &request.vars, request.allow_unresolved);
    walk.problems.extend(found);
    walk.scope = match &request.env {
        Some(env) => scope.with_env(env.clone()),
        None => scope,
    };
    let (mut plan, defaults) = header::lower(&mut walk, &root, stem);
    let receivers = root.named("notify");
    let runs_on = root.named("executor");
    let runs_on = runs_on.map(|node| executor::lower(&mut walk, node, &Path::Root));
    let (receivers, named) = notify::list(&mut walk, receivers, &defaults.cwd);
    plan.notify = receivers;
    let list = root.named("steps");
    let count = list.map_or(0, Node::item_count);
    if let Some(node) = list.filter(|_| count == 0) {
        let problem = Problem::warning("steps: there are none, so there is nothing to do");
        walk.problems.push(problem.at(node.span(), ""));
    }
    let place = list.map(Node::place);
    let builder = Builder::with_capacity(count);
    let mut steps = Steps::new(&mut walk, defaults, builder, Locator::new(text, file));
    if let Some(place) = place {
        document.consume(place, |index, node| steps.add(index, node));
    }
    // The plan is about to grow by its edges, and nothing is read any more.
    drop(document);
    let (builder, groups) = (steps.builder, steps.executors);
    plan.facts = std::mem::take(&mut walk.facts);
    let (mut plan, found) = builder.finish(plan);
    if let Some(plan) = &mut plan {
        executor::settle(plan, &runs_on.unwrap_or_default());
        executor::check(plan, &groups, &mut walk.problems);
        notify::check(plan, &named, &mut walk.problems);
    }
    walk.report_unknown();
    report_unused(&mut walk);
    problems.append(&mut walk.problems.into_vec());
    problems.extend(found);
    Some(Lowered {
        plan: plan?,
        secrets: walk.scope.secret_values(),
        unmet: Vec::new(),
    })
}

/// A value that was given and that nothing uses is probably misspelt.
fn report_unused(walk: &mut Walk<'_>) {
    let unused: Vec<String> = walk.scope.unused().map(str::to_owned).collect();
    for name in unused {
        let message = format!("the variable {name:?} was given, and the plan does not use it");
        walk.problems.push(Problem::warning(message));
    }
}
