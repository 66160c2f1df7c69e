//! One check, as the file writes it.

use std::sync::Arc;
use std::time::Duration;

use crate::load::document::{Kind, Node, Path};
use crate::load::plan_file::header::is;
use crate::load::plan_file::record::{Hints, NO_HINTS, Record};
use crate::load::plan_file::walk::{Env, count};
use crate::load::plan_file::{builtin, cache};
use crate::plan::builtin::Builtin;
use crate::plan::name::check_id;
use crate::plan::problem::{Problem, Span};
use crate::plan::{
    About, Absent, Action, Cache, Command, Holds, OnFailure, Policy, Program, Retry, Step, Text,
};

use super::fields::CHECK;
use super::phase::Around;
use super::place::Check;
use super::{Lowering, TESTS};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);

impl Lowering<'_, '_, '_> {
    pub(super) fn checks(
        &mut self,
        list: Node<'_>,
        around: &Around<'_>,
        path: &Path<'_>,
    ) -> Vec<Check> {
        let mut hints = NO_HINTS;
        let items = list.items().enumerate();
        let checks = items.filter_map(|(i, node)| {
            let path = Path::Item(path, i);
            self.check(node, &mut hints, around, &path)
        });
        checks.collect()
    }

    fn check(
        &mut self,
        node: Node<'_>,
        hints: &mut Hints,
        around: &Around<'_>,
        path: &Path<'_>,
    ) -> Option<Check> {
        let record = self.walk.record_like(node, &CHECK, path, hints);
        if node.kind() != Kind::Object {
            return None;
        }
        let called = self.called(&record, path);
        let cwd = record.named("cwd").and_then(|node| {
            let path = Path::Field(path, "cwd");
            self.walk.place(node, around.root, &path)
        });
        let cwd = cwd.unwrap_or_else(|| Arc::clone(around.root));
        let env = match record.named("env") {
            Some(node) => self.walk.env(node, &Path::Field(path, "env")),
            None => Env::new(),
        };
        let action = self.action(&record, &cwd, &env, path);
        let policy = self.policy(&record, path);
        let (remedy, undo) = self.remedy(&record, &cwd, &env, &policy, path);
        let mut tags = around.tags.to_vec();
        tags.extend(self.texts(&record, "tags", path));
        tags.dedup();
        let left_out = !around.enabled || !is(record.named("enabled"), true);
        let slow = self.settings.fast && !is(record.named("fast"), true);
        let cache = self.cache(&record, around.root, path);
        let when = self.condition(&record, path);
        let stale_with = self.names_of(&record, "stale_with", path);
        if let Some(node) = record.named("stale_with").filter(|_| cache.is_none()) {
            let message = "has no effect on a check that always runs, as one without a ttl does";
            let path = Path::Field(path, "stale_with");
            let problem = Problem::warning(path.says(message)).at(node.span(), "");
            self.walk.problems.push(problem);
        }
        let needs = self.names_of(&record, "needs", path);
        let holds = self.holds(&record, path);
        let about = self.about(&record, path);
        let (id, name, at) = called?;
        let absent = match left_out {
            true => Some(Absent::Disabled),
            false => (slow || self.skips(&tags)).then_some(Absent::NotSelected),
        };
        let step = Step {
            name: Some(name),
            absent,
            when,
            tags: tags.into(),
            holds,
            cache,
            remedy,
            undo: undo.map(Box::new),
            about,
            source: self.locator.locate(at.start),
            ..Step::new(format!("{}/{id}", around.phase), action?)
        };
        Some(Check {
            step,
            policy,
            at,
            needs,
            stale_with,
        })
    }

    /// Whether what has these tags is left out.
    pub(super) fn skips(&self, tags: &[Box<str>]) -> bool {
        self.settings.skip_tests && tags.iter().any(|tag| TESTS.contains(&&**tag))
    }

    /// The id, the name, and where it is written.
    pub(super) fn called(
        &mut self,
        record: &Record<'_>,
        path: &Path<'_>,
    ) -> Option<(String, Box<str>, Span)> {
        let node = record.named("name")?;
        let name = self.walk.plain(node, &Path::Field(path, "name"))?;
        let (id, at) = match record.named("id") {
            Some(node) => {
                let path = Path::Field(path, "id");
                (self.walk.plain(node, &path)?.into_owned(), node.span())
            }
            None => (slug(&name), node.span()),
        };
        let why = match check_id(&id) {
            Ok(()) if id.contains('/') => "holds `/`, which parts a phase from its checks".into(),
            Ok(()) => return Some((id, name.into(), at)),
            Err(why) => why,
        };
        let message = match record.named("id") {
            Some(_) => format!("the id {id:?} {why}"),
            None => "no id can be made of this name; give it one with \"id\"".into(),
        };
        self.walk.report(path, &message, at);
        None
    }

    pub(super) fn about(&mut self, record: &Record<'_>, path: &Path<'_>) -> Option<Box<About>> {
        let node = record.named("description")?;
        let text = self.walk.plain(node, &Path::Field(path, "description"))?;
        Some(Box::new(About {
            description: text.into(),
            ..About::default()
        }))
    }

    fn action(
        &mut self,
        record: &Record<'_>,
        cwd: &Arc<str>,
        env: &Env,
        path: &Path<'_>,
    ) -> Option<Action> {
        match (record.named("command"), record.named("builtin")) {
            (Some(node), None) => {
                let command = self.command(node, cwd, env, &Path::Field(path, "command"))?;
                Some(Action::Command(Box::new(command)))
            }
            (None, Some(node)) => {
                let path = Path::Field(path, "builtin");
                let question = builtin::lower(&mut self.walk, node, cwd, &path)?;
                Some(Action::Builtin(Box::new(Builtin {
                    question,
                    cwd: Arc::clone(cwd),
                    env: env.clone().into(),
                })))
            }
            (Some(_), Some(node)) => {
                let path = Path::Field(path, "builtin");
                let message = "cannot stand beside \"command\"";
                self.walk.report(&path, message, node.span());
                None
            }
            (None, None) => {
                let fields = ["command", "builtin"];
                let given = |name: &&str| CHECK.iter().position(|field| field.name == *name);
                // What was refused for its shape has been reported.
                if fields
                    .iter()
                    .filter_map(given)
                    .all(|at| record.is_missing(at))
                {
                    let message = "this check has neither a command nor a builtin";
                    self.walk.report(path, message, record.span());
                }
                None
            }
        }
    }

    /// A script, or a program with its arguments.
    pub(super) fn command(
        &mut self,
        node: Node<'_>,
        cwd: &Arc<str>,
        env: &Env,
        path: &Path<'_>,
    ) -> Option<Command> {
        let mut env = env.clone();
        let program = if node.kind() == Kind::Text {
            let (script, given) = self.walk.script(node, path)?;
            if script.trim().is_empty() {
                self.walk.report(path, "is empty", node.span());
            }
            let set = |name: &str, env: &Env| env.iter().any(|(set, _)| **set == *name);
            let more = given.into_iter().filter(|(name, _)| !set(name, &env));
            let more: Env = more.collect();
            env.extend(more);
            Program::Shell {
                script,
                args: Box::default(),
            }
        } else {
            let items = node.items().enumerate();
            let words: Option<Box<[Text]>> = items
                .map(|(i, item)| self.walk.argument(item, &Path::Item(path, i)))
                .collect();
            let words = words?;
            if words
                .first()
                .is_none_or(|word| *word == Text::Plain("".into()))
            {
                self.walk.report(path, "names no program", node.span());
            }
            Program::Argv(words)
        };
        Some(Command {
            program,
            cwd: Arc::clone(cwd),
            env: env.into(),
            stdin: None,
        })
    }

    fn policy(&mut self, record: &Record<'_>, path: &Path<'_>) -> Policy {
        let warns = record.named("severity").is_some()
            && self.walk.choice(record, "severity", path) == Some("warn");
        let timeout = self.span(record, "timeout", path);
        Policy {
            timeout: Some(timeout.unwrap_or(DEFAULT_TIMEOUT)).filter(|limit| !limit.is_zero()),
            retry: Retry {
                count: record.named("retries").map_or(0, count),
                delay: self.span(record, "retry_delay", path).unwrap_or_default(),
                ..Retry::default()
            },
            on_failure: match warns {
                true => OnFailure::Continue,
                false => OnFailure::SkipDependents,
            },
            critical: !warns,
            ..Policy::default()
        }
    }

    fn cache(
        &mut self,
        record: &Record<'_>,
        root: &Arc<str>,
        path: &Path<'_>,
    ) -> Option<Box<Cache>> {
        let said = ["ttl", "inputs", "outputs", "tools", "env_inputs"];
        if !said.iter().any(|name| record.named(name).is_some()) {
            return None;
        }
        Some(Box::new(Cache {
            ttl: self.span(record, "ttl", path),
            inputs: cache::patterns(&mut self.walk, record, "inputs", root, path),
            outputs: cache::patterns(&mut self.walk, record, "outputs", root, path),
            env: self.texts(record, "env_inputs", path),
            tools: self.texts(record, "tools", path),
            ..Cache::default()
        }))
    }

    fn holds(&mut self, record: &Record<'_>, path: &Path<'_>) -> Option<Box<Holds>> {
        let node = record.named("locks")?;
        let path = Path::Field(path, "locks");
        let mut locks = match node.kind() {
            Kind::Text => self
                .walk
                .plain(node, &path)
                .map(Box::from)
                .into_iter()
                .collect(),
            _ => self.walk.list(node, &path).into_vec(),
        };
        locks.sort_unstable();
        locks.dedup();
        Some(Box::new(Holds {
            locks: locks.into(),
            ..Holds::default()
        }))
    }

    pub(super) fn texts(
        &mut self,
        record: &Record<'_>,
        name: &str,
        path: &Path<'_>,
    ) -> Box<[Box<str>]> {
        cache::texts(&mut self.walk, record, name, path)
    }

    /// A span of time.
    pub(super) fn span(
        &mut self,
        record: &Record<'_>,
        name: &str,
        path: &Path<'_>,
    ) -> Option<Duration> {
        cache::span(&mut self.walk, record, name, path)
    }

    fn names_of(
        &mut self,
        record: &Record<'_>,
        name: &str,
        path: &Path<'_>,
    ) -> Vec<(String, Span)> {
        match record.named(name) {
            Some(node) => self.names(node, &Path::Field(path, name)),
            None => Vec::new(),
        }
    }

    /// Names of others, each with its place.
    pub(super) fn names(&mut self, list: Node<'_>, path: &Path<'_>) -> Vec<(String, Span)> {
        let items = list.items().enumerate();
        let names = items.filter_map(|(i, item)| {
            let name = self.walk.plain(item, &Path::Item(path, i))?;
            Some((name.into_owned(), item.span()))
        });
        names.collect()
    }
}

/// The id that a name makes: its letters and digits, in small, with `-` between.
pub fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '_' | '.' => slug.push(c),
            c if c.is_alphanumeric() => slug.extend(c.to_lowercase()),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let end = slug.trim_end_matches(['-', '.']).len();
    slug.truncate(end);
    slug
}
