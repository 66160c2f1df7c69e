//! A step's `cache`: when it need not run again.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use crate::load::document::{Kind, Node, Path};
use crate::plan::Cache;
use crate::plan::pattern::{Pattern, seen_from};

use super::fields::TEXTS;
use super::header::is;
use super::record::Record;
use super::table::{Field, MOST_SECONDS, Shape, field};
use super::walk::{Walk, seconds};

/// A time.
pub const TIME: Shape = Shape::Either(&[Shape::Seconds, Shape::Text]);

/// A step's `cache`.
pub static CACHE: [Field; 8] = [
    field(
        "ttl",
        TIME,
        "A success counts for so long: seconds, or a text such as 10m or 1h; for ever \
         where it is left out.",
    )
    .or(&["ttl_sec", "ttl_seconds"]),
    field(
        "failure_ttl",
        TIME,
        "A failure is told again for so long, without a new attempt, while nothing has \
         changed.",
    ),
    field(
        "inputs",
        TEXTS,
        "Files that it reads, by their content, seen from where it runs: paths, \
         directories and globs. One that begins with ! takes files out again.",
    )
    .not(&["sources", "files", "watch"]),
    field(
        "env",
        TEXTS,
        "Names of variables of the environment that it reads.",
    ),
    field(
        "tools",
        TEXTS,
        "Programs that it uses, as they are found on its PATH.",
    ),
    field(
        "outputs",
        TEXTS,
        "Files that it makes, written like inputs. It runs again where one is gone or \
         changed.",
    )
    .not(&["generates", "targets"]),
    field(
        "restore",
        Shape::Bool,
        "What it made is kept, and put back where it is gone or changed.",
    ),
    field(
        "stale_with",
        TEXTS,
        "Steps that must succeed at once for this one to stay fresh.",
    ),
];

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Request, load_str};
    use crate::plan::CacheUse;

    #[test]
    fn a_cache_is_read_and_its_files_are_seen_from_where_the_step_runs() {
        let text = r#"{"globals": {"cache": "refresh"}, "steps": [
            {"id": "a", "command": "true", "cwd": "[x]", "cache": {
                "ttl": "1h", "failure_ttl": 90, "inputs": ["./in/*.rs", "!in/b", "/abs"],
                "env": ["CC"], "tools": ["cc"], "outputs": ["${OUT}"], "restore": true,
                "stale_with": ["b"]}},
            {"id": "b", "command": "true", "cache": {}},
            {"id": "c", "command": "true"}],
            "variables": {"OUT": "o"}}"#;
        let request = Request {
            cwd: "/p".into(),
            ..Request::default()
        };
        let plan = load_str("plan.json", text, &request).expect("a plan").plan;
        assert_eq!(plan.cache, CacheUse::Refresh);
        assert_eq!(&*plan.project, "/p");
        let list = |all: &[&str]| all.iter().map(|one| Box::from(*one)).collect();
        let expected = Cache {
            ttl: Some(Duration::from_secs(3_600)),
            failure_ttl: Some(Duration::from_secs(90)),
            inputs: list(&[r"/p/\[x\]/in/*.rs", r"!/p/\[x\]/in/b", "/abs"]),
            env: list(&["CC"]),
            tools: list(&["cc"]),
            outputs: list(&[r"/p/\[x\]/o"]),
            restore: true,
            stale_with: list(&["b"]),
        };
        assert_eq!(plan.steps[0].cache.as_deref(), Some(&expected));
        assert_eq!(plan.steps[1].cache.as_deref(), Some(&Cache::default()));
        assert_eq!(plan.steps[2].cache, None);
    }
}
