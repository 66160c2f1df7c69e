//! The plan without its steps: what the file says of itself, its variables and
//! its globals.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::load::document::{Entry, Kind, Node, Path};
use crate::plan::problem::Problem;
use crate::plan::variables::{self, Declaration};
use crate::plan::{
    CacheUse, Level, LogFile, Moment, Notice, OnAbort, OnRestart, Part, Plan, Rollback, RunLock,
    Text,
};

use super::fields::{GLOBALS, LOCK, NOTICE, VARIABLE};
use super::record::{self, Record};
use super::walk::{Env, Walk, count, limit, seconds, word};

/// A run of a plan that sets no timeouts still ends some day.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);
const DEFAULT_GRACE: Duration = Duration::from_secs(5);
const DEFAULT_LOCK_WAIT: Duration = Duration::from_secs(30);

/// What a step gets where it says nothing.
pub struct Defaults {
    pub timeout: Option<Duration>,
    pub grace: Duration,
    pub retries: u32,
    pub retry_delay: Duration,
    pub max_output: Option<u64>,
    pub cwd: Arc<str>,
}

/// The declared variables.
pub fn declarations(walk: &mut Walk<'_>, root: &Record<'_>) -> Vec<Declaration> {
    let Some(node) = root.named("variables") else {
        return Vec::new();
    };
    let owner = Path::Field(&Path::Root, "variables");
    node.entries()
        .map(|entry| {
            let path = Path::Field(&owner, &entry.key);
            declaration(walk, &entry, &path)
        })
        .collect()
}

fn declaration(walk: &mut Walk<'_>, entry: &Entry<'_>, path: &Path<'_>) -> Declaration {
    let node = entry.value;
    let mut made = Declaration::new(&*entry.key, variables::Kind::String, entry.key_span());
    if node.kind() != Kind::Object {
        made.default = Some(value(node));
        return made;
    }
    let record = walk.record(node, &VARIABLE, path);
    made.kind = match walk.choice(&record, "type", path) {
        Some("int") => variables::Kind::Int,
        Some("number") => variables::Kind::Number,
        Some("bool") => variables::Kind::Bool,
        Some("path") => variables::Kind::Path,
        Some("choice") => variables::Kind::Choice,
        _ => variables::Kind::String,
    };
    made.default = record.named("default").map(value);
    made.required = is(record.named("required"), false);
    made.secret = is(record.named("secret"), false);
    made.pattern = record.named("pattern").map(value);
    made.min = record.named("min").map(record::number);
    made.max = record.named("max").map(record::number);
    let choices = record.named("choices");
    made.choices = choices
        .into_iter()
        .flat_map(Node::items)
        .map(value)
        .collect();
    if let Some(node) = record.named("description") {
        made.description = value(node);
    }
    made
}

/// A variable's value as the text that it is from then on.
fn value(node: Node<'_>) -> String {
    match node.bool() {
        Some(value) => value.to_string(),
        None => word(node).into_owned(),
    }
}

/// A flag, or what it is where it is left out.
pub fn is(node: Option<Node<'_>>, otherwise: bool) -> bool {
    node.and_then(Node::bool).unwrap_or(otherwise)
}

/// A number of bytes; none is no limit.
pub fn bytes(node: Node<'_>) -> Option<u64> {
    Some(record::number(node) as u64).filter(|most| *most > 0)
}

/// The plan but for its steps, and what its steps get where they say nothing.
pub fn lower(walk: &mut Walk<'_>, root: &Record<'_>, stem: &str) -> (Plan, Defaults) {
    let id = root
        .named("plan_id")
        .or_else(|| root.named("id"))
        .and_then(|node| plan_id(walk, node))
        .unwrap_or_else(|| stem.to_owned());
    let mut plan = Plan {
        version: plain(walk, root.named("version"), "version").unwrap_or_else(|| "1".into()),
        description: plain(walk, root.named("description"), "description").unwrap_or_default(),
        metadata: metadata(walk, root),
        variables: walk.scope.values(),
        notices: notices(walk, root),
        log_file: log_file(walk, root),
        ..Plan::new(id)
    };
    if let Some(name) = plain(walk, root.named("name"), "name") {
        plan.name = name;
    }
    let mut defaults = Defaults {
        timeout: Some(DEFAULT_TIMEOUT),
        grace: DEFAULT_GRACE,
        retries: 0,
        retry_delay: Duration::ZERO,
        max_output: None,
        cwd: walk.request.cwd.as_str().into(),
    };
    if let Some(node) = root.named("globals") {
        globals(walk, node, &mut plan, &mut defaults);
    }
    (plan, defaults)
}

fn plan_id(walk: &mut Walk<'_>, node: Node<'_>) -> Option<String> {
    const MOST: usize = 200;
    let path = Path::Field(&Path::Root, "plan_id");
    let id = walk.plain(node, &path)?;
    if id.trim().is_empty() || id.len() > MOST || id.chars().any(char::is_control) {
        let message = format!("a plan's id is 1 to {MOST} bytes of printable text");
        walk.report(&path, &message, node.span());
    }
    Some(id.into_owned())
}

fn plain(walk: &mut Walk<'_>, node: Option<Node<'_>>, name: &str) -> Option<String> {
    let text = walk.plain(node?, &Path::Field(&Path::Root, name))?;
    Some(text.into_owned())
}

fn notices(walk: &mut Walk<'_>, root: &Record<'_>) -> Vec<Notice> {
    let path = Path::Field(&Path::Root, "notices");
    let given = root.named("notices").into_iter().flat_map(Node::items);
    let read = |(i, node)| {
        let path = &Path::Item(&path, i);
        let record = walk.record(node, &NOTICE, path);
        let on = match walk.choice(&record, "on", path)? {
            "start" => Moment::Start,
            "success" => Moment::Success,
            "warning" => Moment::Warning,
            _ => Moment::Failure,
        };
        let level = match walk.choice(&record, "level", path) {
            Some("success") => Level::Success,
            Some("warning") => Level::Warning,
            Some("error") => Level::Error,
            _ => Level::Info,
        };
        let message = walk.plain(record.named("message")?, &Path::Field(path, "message"))?;
        let message = message.into();
        Some(Notice { on, level, message })
    };
    given.enumerate().filter_map(read).collect()
}

fn log_file(walk: &mut Walk<'_>, root: &Record<'_>) -> Option<LogFile> {
    let node = root.named("log_file")?;
    let path = Path::Field(&Path::Root, "log_file");
    let base: Arc<str> = walk.request.cwd.as_str().into();
    let mut file = |node: Node<'_>, path: &Path<'_>| {
        let place = walk.place(node, &base, path)?;
        if place == base {
            walk.report(path, "names no file", node.span());
        }
        Some(place.as_ref().into())
    };
    let paths: Vec<Box<str>> = match node.kind() {
        Kind::Array => {
            let items = node.items().enumerate();
            let read = items.filter_map(|(i, item)| file(item, &Path::Item(&path, i)));
            read.collect()
        }
        _ => file(node, &path).into_iter().collect(),
    };
    let mut paths = paths.into_iter();
    Some(LogFile {
        path: paths.next()?,
        fallbacks: paths.collect(),
    })
}

/// The file's metadata, and its unknown fields, which are kept there.
fn metadata(walk: &mut Walk<'_>, root: &Record<'_>) -> BTreeMap<String, serde_json::Value> {
    let path = Path::Field(&Path::Root, "metadata");
    let given = root.named("metadata").into_iter().flat_map(Node::entries);
    let mut metadata: BTreeMap<_, _> = given
        .map(|entry| {
            let value = walk.value(entry.value, &Path::Field(&path, &entry.key));
            (entry.key.into_owned(), value)
        })
        .collect();
    for entry in &root.unknown {
        let value = walk.value(entry.value, &Path::Field(&Path::Root, &entry.key));
        metadata.entry(entry.key.to_string()).or_insert(value);
    }
    metadata
}

fn globals(walk: &mut Walk<'_>, node: Node<'_>, plan: &mut Plan, defaults: &mut Defaults) {
    let path = &Path::Field(&Path::Root, "globals");
    let record = walk.record(node, &GLOBALS, path);
    if let Some(node) = record.named("max_concurrency") {
        plan.max_concurrency = NonZeroU32::new(count(node)).unwrap_or(NonZeroU32::MIN);
    }
    plan.slurm_jobs = record
        .named("slurm_jobs")
        .and_then(|node| NonZeroU32::new(count(node)));
    if let Some(node) = record.named("default_timeout_sec") {
        defaults.timeout = limit(node);
    }
    if let Some(node) = record.named("default_retries") {
        defaults.retries = count(node);
    }
    if let Some(node) = record.named("default_retry_delay_sec") {
        defaults.retry_delay = seconds(node);
    }
    if let Some(node) = record.named("default_grace_sec") {
        defaults.grace = seconds(node);
    }
    defaults.max_output = record.named("default_max_output").and_then(bytes);
    if let Some(node) = record.named("cwd") {
        let base = Arc::clone(&defaults.cwd);
        let cwd = walk.place(node, &base, &Path::Field(path, "cwd"));
        defaults.cwd = cwd.unwrap_or(base);
    }
    if let Some(node) = record.named("env") {
        plan.env = env(walk, node, &Path::Field(path, "env"));
    }
    plan.deadline = record.named("deadline_sec").and_then(limit);
    plan.pools = amounts(record.named("pools"));
    plan.resources = amounts(record.named("resources"));
    plan.lock = record
        .named("lock")
        .and_then(|node| lock(walk, node, &Path::Field(path, "lock")));
    plan.on_abort = match walk.choice(&record, "on_abort", path) {
        Some("terminate") => OnAbort::Terminate,
        _ => OnAbort::Wait,
    };
    plan.on_restart = match walk.choice(&record, "on_restart", path) {
        Some("stop") => OnRestart::Stop,
        _ => OnRestart::Continue,
    };
    plan.cache = match walk.choice(&record, "cache", path) {
        Some("refresh") => CacheUse::Refresh,
        Some("off") => CacheUse::Off,
        _ => CacheUse::Use,
    };
    plan.rollback = match walk.choice(&record, "rollback", path) {
        Some("on_failure_or_cancel") => Rollback::OnFailureOrCancel,
        Some("never") => Rollback::Never,
        _ => Rollback::OnFailure,
    };
}

/// The environment of all steps, none of which has put anything out yet.
fn env(walk: &mut Walk<'_>, node: Node<'_>, path: &Path<'_>) -> Env {
    let env = walk.env(node, path);
    for (name, text) in &env {
        let Text::Parts(parts) = text else { continue };
        if parts.iter().any(|p| matches!(p, Part::Output { .. })) {
            let place = node.entries().find(|entry| *entry.key == **name);
            let place = place.map_or(node.span(), |entry| entry.value.span());
            let message = "the environment of all steps cannot hold an output of one";
            let problem = Problem::error(Path::Field(path, name).says(message));
            walk.problems.push(problem.at(place, ""));
        }
    }
    env
}

/// Names and amounts, which were checked to be numbers.
pub fn amounts(node: Option<Node<'_>>) -> BTreeMap<Box<str>, u32> {
    let entries = node.into_iter().flat_map(Node::entries);
    entries
        .map(|entry| (entry.key.into(), count(entry.value)))
        .collect()
}

fn lock(walk: &mut Walk<'_>, node: Node<'_>, path: &Path<'_>) -> Option<RunLock> {
    if node.kind() == Kind::Text {
        let name = walk.plain(node, path)?.into();
        return Some(RunLock {
            name,
            wait: DEFAULT_LOCK_WAIT,
        });
    }
    let record = walk.record(node, &LOCK, path);
    let name = record.named("name")?;
    let name = walk.plain(name, &Path::Field(path, "name"))?.into();
    let wait = record.named("wait_sec").map(seconds);
    Some(RunLock {
        name,
        wait: wait.unwrap_or(DEFAULT_LOCK_WAIT),
    })
}
