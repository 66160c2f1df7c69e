//! A step's `cache`: when it need not run again.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use crate::load::document::{Kind, Node, Path};
use crate::plan::Cache;
use crate::plan::pattern::{Pattern, seen_from};

use super::fields::CACHE;
use super::header::is;
use super::record::Record;
use super::table::MOST_SECONDS;
use super::walk::{Walk, seconds};

/// Reads a `cache`. Its files are seen from `cwd`, where the step runs.
pub fn lower(walk: &mut Walk<'_>, node: Node<'_>, cwd: &str, path: &Path<'_>) -> Cache {
    let record = walk.record(node, &CACHE, path);
    Cache {
        ttl: span(walk, &record, "ttl", path),
        failure_ttl: span(walk, &record, "failure_ttl", path),
        inputs: patterns(walk, &record, "inputs", cwd, path),
        env: texts(walk, &record, "env", path),
        tools: texts(walk, &record, "tools", path),
        outputs: patterns(walk, &record, "outputs", cwd, path),
        restore: is(record.named("restore"), false),
        stale_with: texts(walk, &record, "stale_with", path),
    }
}

pub fn texts(
    walk: &mut Walk<'_>,
    record: &Record<'_>,
    name: &str,
    path: &Path<'_>,
) -> Box<[Box<str>]> {
    match record.named(name) {
        Some(node) => walk.list(node, &Path::Field(path, name)),
        None => Box::default(),
    }
}

/// A time: seconds, or a text with units.
pub fn span(
    walk: &mut Walk<'_>,
    record: &Record<'_>,
    name: &str,
    path: &Path<'_>,
) -> Option<Duration> {
    let node = record.named(name)?;
    let path = &Path::Field(path, name);
    if node.kind() == Kind::Number {
        return Some(seconds(node));
    }
    let text = walk.plain(node, path)?;
    let span = text.parse::<Span>().ok();
    let span = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let span = span.and_then(|span| Duration::try_from(span).ok());
    let span = span.filter(|span| span.as_secs_f64() <= MOST_SECONDS);
    if span.is_none() {
        let message = format!("expected a time such as 90s, 10m or 1h, found {text:?}");
        walk.report(path, &message, node.span());
    }
    span
}

/// Patterns of files, absolute.
pub fn patterns(
    walk: &mut Walk<'_>,
    record: &Record<'_>,
    name: &str,
    cwd: &str,
    path: &Path<'_>,
) -> Box<[Box<str>]> {
    let list = Path::Field(path, name);
    let mut patterns = Vec::new();
    for (i, node) in record
        .named(name)
        .into_iter()
        .flat_map(Node::items)
        .enumerate()
    {
        let path = Path::Item(&list, i);
        let Some(written) = walk.plain(node, &path) else {
            continue;
        };
        if let Some(problem) = objection(&written) {
            walk.report(&path, &problem, node.span());
            continue;
        }
        patterns.push(seen_from(cwd, &written));
    }
    patterns.into()
}

/// What is wrong with a pattern.
fn objection(written: &str) -> Option<String> {
    if written.trim_start_matches('!').is_empty() {
        return Some("names no file".into());
    }
    if written.contains('\0') {
        return Some("holds a NUL, which no path can".into());
    }
    Pattern::parse(written).err()
}
