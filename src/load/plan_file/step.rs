//! One step of the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::load::document::{Kind, Node, Path};
use crate::plan::build::{Builder, Links};
use crate::plan::condition::Condition;
use crate::plan::problem::{Locator, Problem, Span};
use crate::plan::{
    About, Absent, Action, Builtin, Cache, Command, Executor, Holds, OnFailure, Part, Policy,
    Program, Retry, Step, Text, Verdict,
};

use super::builtin;
use super::cache;
use super::executor;
use super::fields::{POOL, RETRY, STEP, UI_HINTS, VERDICTS};
use super::header::{Defaults, amounts, bytes, is};
use super::record::{self, Fields, Hints, NO_HINTS, Record};
use super::table::at;
use super::walk::{Env, Walk, count, limit, seconds};

const ID: usize = at(&STEP, "id");
const NAME: usize = at(&STEP, "name");
const DESCRIPTION: usize = at(&STEP, "description");
const TYPE: usize = at(&STEP, "type");
const COMMAND: usize = at(&STEP, "command");
const BUILTIN: usize = at(&STEP, "builtin");
const ARGS: usize = at(&STEP, "args");
const CWD: usize = at(&STEP, "cwd");
const SHELL: usize = at(&STEP, "shell");
const ENV: usize = at(&STEP, "env");
const STDIN: usize = at(&STEP, "stdin");
const NEEDS: usize = at(&STEP, "depends_on");
const AFTER: usize = at(&STEP, "after");
const TIMEOUT: usize = at(&STEP, "timeout_sec");
const GRACE: usize = at(&STEP, "grace_sec");
const RETRIES: usize = at(&STEP, "retries");
const RETRY_DELAY: usize = at(&STEP, "retry_delay_sec");
const RETRY_: usize = at(&STEP, "retry");
const CRITICAL: usize = at(&STEP, "critical");
const CONDITION: usize = at(&STEP, "condition");
const ON_FAILURE: usize = at(&STEP, "on_failure");
const CONTINUE_ON_ERROR: usize = at(&STEP, "continue_on_error");
const FALLBACK: usize = at(&STEP, "fallback_step");
const PROVIDES: usize = at(&STEP, "provides");
const CONSUMES: usize = at(&STEP, "consumes");
const TAGS: usize = at(&STEP, "tags");
const STAGE: usize = at(&STEP, "stage");
const UI_HINTS_: usize = at(&STEP, "ui_hints");
const ALWAYS: usize = at(&STEP, "always");
const APPROVAL: usize = at(&STEP, "approval");
const POOL_: usize = at(&STEP, "pool");
const LOCKS: usize = at(&STEP, "locks");
const RESOURCES: usize = at(&STEP, "resources");
const CACHE: usize = at(&STEP, "cache");
const PRIORITY: usize = at(&STEP, "priority");
const IDEMPOTENT: usize = at(&STEP, "idempotent");
const EXIT_CODES: usize = at(&STEP, "exit_codes");
const LOG: usize = at(&STEP, "log");
const EXECUTOR: usize = at(&STEP, "executor");
const MAX_OUTPUT: usize = at(&STEP, "max_output");
const ENABLED: usize = at(&STEP, "enabled");

/// What a step's policy is made of, besides the plan's defaults.
const POLICY: Fields = Fields::of(&[
    TIMEOUT,
    GRACE,
    RETRIES,
    RETRY_DELAY,
    RETRY_,
    ON_FAILURE,
    CONTINUE_ON_ERROR,
    CRITICAL,
    ALWAYS,
    IDEMPOTENT,
    PRIORITY,
    EXIT_CODES,
    APPROVAL,
    LOG,
    MAX_OUTPUT,
]);

/// What it occupies.
const HELD: Fields = Fields::of(&[POOL_, LOCKS, RESOURCES]);

/// What is said of it to people.
const SAID: Fields = Fields::of(&[DESCRIPTION, STAGE, PROVIDES, CONSUMES, UI_HINTS_]);

/// Lowers steps, one after the other, into a builder.
pub struct Steps<'w, 'r, 't> {
    pub walk: &'w mut Walk<'r>,
    pub defaults: Defaults,
    pub builder: Builder,
    /// The groups that say where steps run.
    pub executors: Vec<executor::Said>,
    locator: Locator<'t>,
    hints: Hints,
    links: Links,
    /// The policy of a step that says nothing of it, once there was one.
    usual_policy: Option<Arc<Policy>>,
}

impl<'w, 'r, 't> Steps<'w, 'r, 't> {
    pub fn new(
        walk: &'w mut Walk<'r>,
        defaults: Defaults,
        builder: Builder,
        locator: Locator<'t>,
    ) -> Self {
        Steps {
            walk,
            defaults,
            builder,
            executors: Vec::new(),
            locator,
            hints: NO_HINTS,
            links: Links::default(),
            usual_policy: None,
        }
    }

    /// Adds the step at `index` of the file's list.
    pub fn add(&mut self, index: usize, node: Node<'_>) {
        let path = Path::Step(index, "");
        let record = self.walk.record_like(node, &STEP, &path, &mut self.hints);
        if node.kind() != Kind::Object {
            return;
        }
        let given = record.get(ID);
        let id = given.and_then(|id| self.walk.plain(id, &Path::Field(&path, "id")));
        let place = given.unwrap_or(node).span();
        self.links.clear();
        let name = id.as_deref().unwrap_or("");
        let step = self.lower(&record, name, place, &Path::Step(index, name));
        if id.is_some() {
            self.builder.add(step, place, &self.links);
        }
    }

    fn lower(&mut self, record: &Record<'_>, id: &str, place: Span, path: &Path<'_>) -> Step {
        self.references(record, path);
        let action = self.action(record, path);
        Step {
            name: self.boxed(record, NAME, path),
            absent: (!is(record.get(ENABLED), true)).then_some(Absent::Disabled),
            when: self.condition(record, path),
            policy: self.policy(record, path),
            executor: self.executor(record, id, &action, path),
            tags: self.texts(record, TAGS, path),
            holds: self.holds(record, path),
            confirm: self.confirm(record, id, path),
            remedy: self.remedy(record, &action, path),
            cache: self.cache(record, &action, path),
            undo: self.undo(record, &action, path),
            about: self.about(record, path),
            source: self.locator.locate(place.start),
            ..Step::new(id, action)
        }
    }

    /// A text field.
    pub(super) fn boxed(
        &mut self,
        record: &Record<'_>,
        field: usize,
        path: &Path<'_>,
    ) -> Option<Box<str>> {
        let path = Path::Field(path, STEP[field].name);
        let text = self.walk.plain(record.get(field)?, &path)?;
        Some(text.into())
    }

    /// A field that is a list of texts.
    fn texts(&mut self, record: &Record<'_>, field: usize, path: &Path<'_>) -> Box<[Box<str>]> {
        match record.get(field) {
            Some(node) => self.walk.list(node, &Path::Field(path, STEP[field].name)),
            None => Box::default(),
        }
    }

    /// The other steps that this one names.
    fn references(&mut self, record: &Record<'_>, path: &Path<'_>) {
        for field in [NEEDS, AFTER] {
            let Some(list) = record.get(field) else {
                continue;
            };
            let path = Path::Field(path, STEP[field].name);
            for (i, node) in list.items().enumerate() {
                let Some(name) = self.walk.plain(node, &Path::Item(&path, i)) else {
                    continue;
                };
                let link = (self.builder.name(&name), node.span());
                if field == NEEDS {
                    self.links.needs.push(link);
                } else {
                    self.links.after.push(link);
                }
            }
        }
        if let Some(node) = record.get(FALLBACK) {
            let path = Path::Field(path, "fallback_step");
            if let Some(name) = self.walk.plain(node, &path) {
                self.links.fallback = Some((self.builder.name(&name), node.span()));
            }
        }
    }

    /// Remembers where a name of the step is written.
    fn place(&mut self, name: &str, at: Span) {
        let name = self.builder.name(name);
        self.links.places.push((name, at));
    }

    fn action(&mut self, record: &Record<'_>, path: &Path<'_>) -> Action {
        let group =
            record.get(TYPE).is_some() && self.walk.choice(record, "type", path) == Some("group");
        match (group, record.get(COMMAND), record.get(BUILTIN)) {
            (true, None, None) => Action::Group,
            (true, Some(node), _) => {
                let at = node.span();
                self.walk
                    .report(path, "a group runs nothing, and has a command", at);
                Action::Group
            }
            (true, None, Some(node)) => {
                let at = node.span();
                self.walk
                    .report(path, "a group runs nothing, and has a builtin", at);
                Action::Group
            }
            (false, _, Some(node)) => self.builtin(record, node, path),
            (false, Some(_), None) => {
                let cwd = Arc::clone(&self.defaults.cwd);
                let fields = [COMMAND, ARGS, SHELL, CWD, ENV].map(|field| record.get(field));
                let mut command = self.command(fields, &cwd, path);
                if let Some(node) = record.get(STDIN) {
                    let stdin = self.walk.text(node, &Path::Field(path, "stdin"));
                    self.outputs(stdin.as_slice(), node.span());
                    command.stdin = stdin.map(Box::new);
                }
                Action::Command(Box::new(command))
            }
            (false, None, None) => {
                // What was refused for its shape has been reported.
                if record.is_missing(COMMAND) && record.is_missing(BUILTIN) {
                    let at = record.span();
                    let problem = Problem::error(path.says("this step has no command")).at(at, "");
                    let help = "a meeting point for other steps has \"type\": \"group\"";
                    self.walk.problems.push(problem.help(help));
                }
                Action::Group
            }
        }
    }

    /// Something to ask of the machine. Of the fields of a command it has only
    /// those that say where its tools run.
    fn builtin(&mut self, record: &Record<'_>, node: Node<'_>, path: &Path<'_>) -> Action {
        for field in [COMMAND, ARGS, SHELL, STDIN] {
            if let Some(node) = record.get(field) {
                let path = Path::Field(path, STEP[field].name);
                self.walk
                    .report(&path, "cannot stand beside \"builtin\"", node.span());
            }
        }
        let base = Arc::clone(&self.defaults.cwd);
        let cwd = record.get(CWD);
        let cwd = cwd.and_then(|n| self.walk.place(n, &base, &Path::Field(path, "cwd")));
        let cwd = cwd.unwrap_or(base);
        let mut env = Env::new();
        if let Some(node) = record.get(ENV) {
            env = self.env(node, path);
        }
        let question = builtin::lower(self.walk, node, &cwd, &Path::Field(path, "builtin"));
        let Some(question) = question else {
            return Action::Group;
        };
        Action::Builtin(Box::new(Builtin {
            question,
            cwd,
            env: env.into(),
        }))
    }

    fn env(&mut self, node: Node<'_>, path: &Path<'_>) -> Env {
        let env = self.walk.env(node, &Path::Field(path, "env"));
        for (_, text) in &env {
            self.outputs(std::slice::from_ref(text), node.span());
        }
        env
    }

    /// A program to run, of the fields command, args, shell, cwd and env.
    pub(super) fn command(
        &mut self,
        [program, args, shell, cwd, env]: [Option<Node<'_>>; 5],
        base: &Arc<str>,
        path: &Path<'_>,
    ) -> Command {
        let cwd = cwd.and_then(|n| self.walk.place(n, base, &Path::Field(path, "cwd")));
        let mut made = Command {
            program: Program::Argv(Box::default()),
            cwd: cwd.unwrap_or_else(|| Arc::clone(base)),
            env: Box::default(),
            stdin: None,
        };
        let mut variables = Vec::new();
        if let Some(node) = env {
            variables = self.env(node, path);
        }
        let Some(program) = program else { return made };
        let arguments = self.arguments(args, path);
        let place = Path::Field(path, "command");
        if is(shell, false) {
            let Some((script, given)) = self.walk.script(program, &place) else {
                return made;
            };
            for (_, text) in &given {
                self.outputs(std::slice::from_ref(text), program.span());
            }
            self.add_given(&mut variables, given, env.unwrap_or(program), path);
            made.program = Program::Shell {
                script,
                args: arguments.into(),
            };
        } else if let Some(name) = self.walk.argument(program, &place) {
            self.outputs(std::slice::from_ref(&name), program.span());
            if matches!(&name, Text::Plain(name) if name.is_empty()) {
                self.walk.report(&place, "is empty", program.span());
            }
            made.program = Program::Argv([name].into_iter().chain(arguments).collect());
        }
        made.env = variables.into();
        made
    }

    fn arguments(&mut self, args: Option<Node<'_>>, path: &Path<'_>) -> Vec<Text> {
        let path = Path::Field(path, "args");
        let items = args.into_iter().flat_map(Node::items).enumerate();
        let mut arguments = Vec::new();
        for (i, node) in items {
            if let Some(text) = self.walk.argument(node, &Path::Item(&path, i)) {
                self.outputs(std::slice::from_ref(&text), node.span());
                arguments.push(text);
            }
        }
        arguments
    }

    /// Adds the values that a script's variables come in. A step that sets one
    /// of them itself would leave open which of the two the script means.
    fn add_given(&mut self, env: &mut Env, given: Env, node: Node<'_>, path: &Path<'_>) {
        for (name, text) in given {
            match env.iter().find(|(set, _)| *set == name) {
                Some((_, set)) if *set != text => {
                    let message = "is also a variable of the plan that the script uses";
                    let place = node.entries().find(|e| *e.key == *name);
                    let at = place.map_or(node.span(), |e| e.key_span());
                    let env = Path::Field(path, "env");
                    self.walk.report(&Path::Field(&env, &name), message, at);
                }
                Some(_) => {}
                None => env.push((name, text)),
            }
        }
    }

    /// Remembers where the outputs of steps that these texts ask for are written.
    fn outputs(&mut self, texts: &[Text], at: Span) {
        for text in texts {
            let Text::Parts(parts) = text else { continue };
            for part in parts {
                if let Part::Output { step, .. } = part {
                    self.place(step, at);
                }
            }
        }
    }

    fn condition(&mut self, record: &Record<'_>, path: &Path<'_>) -> Option<Box<Condition>> {
        let node = record.get(CONDITION)?;
        // Not expanded: a condition names variables itself, and a value that was
        // put into its text could change what it says.
        let text = node.text()?;
        match Condition::parse(&text) {
            Ok(condition) => {
                for id in condition.steps() {
                    self.place(id, node.span());
                }
                self.walk.facts(&condition);
                Some(Box::new(condition))
            }
            Err(error) => {
                let path = Path::Field(path, "condition");
                let mut problem =
                    Problem::error(path.says(error.message)).at(node.part(error.at), "");
                problem.help = error.help;
                self.walk.problems.push(problem);
                None
            }
        }
    }

    fn policy(&mut self, record: &Record<'_>, path: &Path<'_>) -> Arc<Policy> {
        if record.has_any(POLICY) {
            return self.own_policy(record, path);
        }
        if let Some(usual) = &self.usual_policy {
            return Arc::clone(usual);
        }
        let usual = self.own_policy(record, path);
        self.usual_policy = Some(Arc::clone(&usual));
        usual
    }

    fn own_policy(&mut self, record: &Record<'_>, path: &Path<'_>) -> Arc<Policy> {
        let policy = Policy {
            timeout: match record.get(TIMEOUT) {
                Some(node) => limit(node),
                None => self.defaults.timeout,
            },
            grace: record.get(GRACE).map_or(self.defaults.grace, seconds),
            retry: self.retry(record, path),
            on_failure: self.on_failure(record, path),
            critical: is(record.get(CRITICAL), true),
            always: is(record.get(ALWAYS), false),
            idempotent: is(record.get(IDEMPOTENT), true),
            priority: record
                .get(PRIORITY)
                .map_or(0, |node| record::number(node) as i32),
            exit_codes: self.exit_codes(record, path),
            approval: self.approval(record, path),
            own_log: record.get(LOG).is_some()
                && self.walk.choice(record, "log", path) == Some("own"),
            max_output: match record.get(MAX_OUTPUT) {
                Some(node) => bytes(node),
                None => self.defaults.max_output,
            },
        };
        self.builder.policy(policy)
    }

    fn retry(&mut self, record: &Record<'_>, path: &Path<'_>) -> Retry {
        let mut retry = Retry {
            count: record.get(RETRIES).map_or(self.defaults.retries, count),
            delay: record
                .get(RETRY_DELAY)
                .map_or(self.defaults.retry_delay, seconds),
            ..Retry::default()
        };
        let Some(node) = record.get(RETRY_) else {
            return retry;
        };
        let path = &Path::Field(path, "retry");
        let more = self.walk.record(node, &RETRY, path);
        for (field, name) in [(RETRIES, "count"), (RETRY_DELAY, "delay_sec")] {
            if let (Some(_), Some(node)) = (record.get(field), more.named(name)) {
                let message = format!("says again what \"{}\" says", STEP[field].name);
                self.walk
                    .report(&Path::Field(path, name), &message, node.span());
            }
        }
        retry.count = more.named("count").map_or(retry.count, count);
        retry.delay = more.named("delay_sec").map_or(retry.delay, seconds);
        retry.cap = more.named("cap_sec").map(seconds);
        let percent = |node: Node<'_>| (record::number(node) * 100.0).round() as u32;
        retry.factor_percent = more.named("factor").map_or(100, percent);
        retry.jitter_percent = more.named("jitter").map_or(0, percent);
        retry
    }

    fn on_failure(&mut self, record: &Record<'_>, path: &Path<'_>) -> OnFailure {
        let said = match record.get(ON_FAILURE) {
            Some(_) => self.walk.choice(record, "on_failure", path),
            None => None,
        };
        let at = record.get(ON_FAILURE).map(Node::span);
        let tolerated = record
            .get(CONTINUE_ON_ERROR)
            .filter(|node| is(Some(*node), false));
        if let (Some(node), Some("abort" | "skip_dependents")) = (tolerated, said) {
            let message = "contradicts \"on_failure\"";
            let path = Path::Field(path, "continue_on_error");
            let mut problem = Problem::error(path.says(message)).at(node.span(), "says continue");
            problem = match at {
                Some(at) => problem.also(at, "says otherwise"),
                None => problem,
            };
            self.walk.problems.push(problem);
        }
        if said == Some("fallback_step") && record.is_missing(FALLBACK) {
            let message = "\"on_failure\" asks for a \"fallback_step\", which is missing";
            self.walk.report(path, message, at.unwrap_or(record.span()));
        }
        match said {
            Some("skip_dependents") => OnFailure::SkipDependents,
            Some("continue") => OnFailure::Continue,
            _ if tolerated.is_some() => OnFailure::Continue,
            _ => OnFailure::Abort,
        }
    }

    fn exit_codes(&mut self, record: &Record<'_>, path: &Path<'_>) -> BTreeMap<i32, Verdict> {
        let mut codes = BTreeMap::new();
        let Some(node) = record.get(EXIT_CODES) else {
            return codes;
        };
        let owner = Path::Field(path, "exit_codes");
        for entry in node.entries() {
            let path = Path::Field(&owner, &entry.key);
            let Ok(code) = entry.key.parse() else {
                let message = "an exit code is a whole number";
                self.walk.report(&path, message, entry.key_span());
                continue;
            };
            let Some(text) = self.walk.plain(entry.value, &path) else {
                continue;
            };
            let at = entry.value.span();
            let verdict = record::choice(&text, at, VERDICTS, &path, &mut self.walk.problems);
            let verdict = match verdict {
                Some("success") => Verdict::Success,
                Some("warning") => Verdict::Warning,
                Some("restart_required") => Verdict::RestartRequired,
                Some("needs_handling") => Verdict::NeedsHandling,
                Some(_) => Verdict::Failure,
                None => continue,
            };
            codes.insert(code, verdict);
        }
        codes
    }

    /// What the step says itself of where it runs, or the group of those under it.
    fn executor(
        &mut self,
        record: &Record<'_>,
        id: &str,
        action: &Action,
        path: &Path<'_>,
    ) -> Executor {
        let Some(node) = record.get(EXECUTOR) else {
            return Executor::Unsaid;
        };
        if *action == Action::Group {
            self.executors.push(executor::Said {
                group: id.into(),
                at: node.span(),
                path: Path::Field(path, "executor").to_string(),
            });
        }
        executor::lower(self.walk, node, path)
    }

    fn holds(&mut self, record: &Record<'_>, path: &Path<'_>) -> Option<Box<Holds>> {
        if !record.has_any(HELD) {
            return None;
        }
        let mut holds = Holds::default();
        if let Some(node) = record.get(POOL_) {
            holds.pool = self.pool(node, &Path::Field(path, "pool"));
        }
        if let Some(node) = record.get(LOCKS) {
            let path = &Path::Field(path, "locks");
            let mut locks = match node.kind() {
                Kind::Text => self
                    .walk
                    .plain(node, path)
                    .map(Box::from)
                    .into_iter()
                    .collect(),
                _ => self.walk.list(node, path).into_vec(),
            };
            locks.sort_unstable();
            locks.dedup();
            holds.locks = locks.into();
        }
        if let Some(node) = record.get(RESOURCES) {
            for entry in node.entries() {
                self.place(&entry.key, entry.key_span());
            }
            // Sorted by name, as the map is.
            holds.resources = amounts(Some(node)).into_iter().collect();
        }
        (holds != Holds::default()).then(|| Box::new(holds))
    }

    fn pool(&mut self, node: Node<'_>, path: &Path<'_>) -> Option<(Box<str>, u32)> {
        let (node, slots) = if node.kind() == Kind::Text {
            (node, 1)
        } else {
            let record = self.walk.record(node, &POOL, path);
            (
                record.named("name")?,
                record.named("slots").map_or(1, count),
            )
        };
        let name = self.walk.plain(node, path)?;
        self.place(&name, node.span());
        Some((name.into(), slots))
    }

    fn cache(
        &mut self,
        record: &Record<'_>,
        action: &Action,
        path: &Path<'_>,
    ) -> Option<Box<Cache>> {
        let node = record.get(CACHE)?;
        let path = &Path::Field(path, "cache");
        let cwd = action.cwd().unwrap_or(&self.defaults.cwd);
        let cache = cache::lower(self.walk, node, cwd, path);
        for id in &cache.stale_with {
            self.place(id, node.span());
        }
        Some(Box::new(cache))
    }

    fn about(&mut self, record: &Record<'_>, path: &Path<'_>) -> Option<Box<About>> {
        if !record.has_any(SAID) && record.unknown.is_empty() {
            return None;
        }
        let mut about = About {
            description: self.boxed(record, DESCRIPTION, path).unwrap_or_default(),
            stage: self.boxed(record, STAGE, path),
            provides: self.texts(record, PROVIDES, path),
            consumes: self.texts(record, CONSUMES, path),
            ..About::default()
        };
        if !about.consumes.is_empty() {
            let items = record.get(CONSUMES).into_iter().flat_map(Node::items);
            for (name, node) in about.consumes.iter().zip(items) {
                self.place(name, node.span());
            }
        }
        if let Some(node) = record.get(UI_HINTS_) {
            let path = &Path::Field(path, "ui_hints");
            let hints = self.walk.record(node, &UI_HINTS, path);
            about.group = hints.named("group").and_then(|node| {
                let text = self.walk.plain(node, &Path::Field(path, "group"));
                text.map(Into::into)
            });
            about.weight = hints
                .named("weight")
                .map_or(0, |node| record::number(node) as i64);
        }
        for entry in &record.unknown {
            let value = self.walk.value(entry.value, &Path::Field(path, &entry.key));
            about.extra.insert(entry.key.as_ref().into(), value);
        }
        (about != About::default()).then(|| Box::new(about))
    }
}
