//! From a document to a [`Config`]: one walk by the tables of `fields`, which
//! reports everything that is wrong and goes on.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::config::{
    Agent, BUILT_IN, Config, Job, LogLevel, Orchestration, Program, Repo, Task, TaskStatus,
};
use super::fields::{
    AGENT, ALGORITHMS, CONFIG, HASH, JOB, LEVELS, LOGGING, ORCHESTRATION, REPOS, STATUSES, TASK,
};
use super::name;
use crate::load::document::{Entry, Node, Path};
use crate::load::plan_file::record::{self, NO_HINTS, Record};
use crate::load::plan_file::table::Field;
use crate::load::plan_file::walk::{limit, word};
use crate::plan::build::quoted;
use crate::plan::name::nearest;
use crate::plan::problem::{Locator, Problem, Problems, Span};

/// Reads a configuration. What does not fit is reported and counts as left out.
pub fn read(root: Node<'_>, locator: Locator<'_>, problems: &mut Problems) -> Config {
    let mut walk = Walk { problems, locator };
    let file = walk.record(root, &CONFIG, &Path::Root);
    let mut config = Config::default();
    if let Some(node) = file.named("logging") {
        let logging = walk.record(node, &LOGGING, &Path::Field(&Path::Root, "logging"));
        let level = walk.choice(&logging, "level", LEVELS, "logging");
        config.log_level = LogLevel::ALL
            .into_iter()
            .find(|known| Some(known.word()) == level)
            .unwrap_or_default();
    }
    if let Some(node) = file.named("hash") {
        let hash = walk.record(node, &HASH, &Path::Field(&Path::Root, "hash"));
        config.algorithm = walk.choice(&hash, "algorithm", ALGORITHMS, "hash");
    }
    config.jobs = walk.named(&file, "jobs", Walk::job);
    config.tasks = walk.named(&file, "tasks", Walk::task);
    config.agents = walk.named(&file, "agents", Walk::agent);
    let agents = &config.agents;
    config.orchestrations = walk.named(&file, "orchestrations", |walk, entry, path| {
        walk.orchestration(entry, path, agents)
    });
    config
}

struct Walk<'p, 't> {
    problems: &'p mut Problems,
    locator: Locator<'t>,
}

impl Walk<'_, '_> {
    /// Reads an object by its table; what no field is called is a warning (O3).
    fn record<'d>(
        &mut self,
        node: Node<'d>,
        table: &'static [Field],
        path: &Path<'_>,
    ) -> Record<'d> {
        let mut hints = NO_HINTS;
        let record = record::read(node, table, path, &mut hints, self.problems);
        for entry in record.unknown.iter().filter(|e| !record::is_free(&e.key)) {
            let message = path.says(format!(
                "the unknown key {} has no effect",
                quoted(&entry.key)
            ));
            let problem = Problem::warning(message).at(entry.key_span(), "");
            self.problems.push(match record::meant(table, &entry.key) {
                Some(meant) => problem.help(format!("did you mean \"{meant}\"?")),
                None => problem,
            });
        }
        record
    }

    /// The objects of a table of the author's names. A name that cannot be one is
    /// reported, and what it stands for is read all the same.
    fn named<T>(
        &mut self,
        file: &Record<'_>,
        table: &'static str,
        mut read: impl FnMut(&mut Self, &Entry<'_>, &Path<'_>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        let entries = file.named(table).into_iter().flat_map(Node::entries);
        for entry in entries {
            let owner = Path::Field(&Path::Root, table);
            if let Err(why) = name::check(&entry.key) {
                let message = format!("{table}: the name {} {why}", quoted(&entry.key));
                let problem = Problem::error(message).at(entry.key_span(), "");
                self.problems.push(
                    problem.help("it names files and steps: letters, digits, `_`, `-` and `.`"),
                );
            }
            if let Some(value) = read(self, &entry, &Path::Field(&owner, &entry.key)) {
                all.insert(entry.key.clone().into_owned(), value);
            }
        }
        all
    }

    fn job(&mut self, entry: &Entry<'_>, path: &Path<'_>) -> Option<Job> {
        let record = self.record(entry.value, &JOB, path);
        let program = self.program(&record, entry, path);
        self.need_command(&record, &program, path);
        Some(Job {
            description: text(&record, "description"),
            program,
        })
    }

    /// O11.
    fn task(&mut self, entry: &Entry<'_>, path: &Path<'_>) -> Option<Task> {
        let record = self.record(entry.value, &TASK, path);
        let program = self.program(&record, entry, path);
        self.need_command(&record, &program, path);
        if let Some(node) = record.named("working_dir") {
            let dir = word(node);
            if !std::path::Path::new(&*dir).is_absolute() {
                let path = Path::Field(path, "working_dir");
                let message = format!("{} is not absolute", quoted(&dir));
                self.refuse(&path, message, node.span());
            }
        }
        let owner = path.to_string();
        let repo = self.choice(&record, "repo", REPOS, &owner);
        let status = self.choice(&record, "status", STATUSES, &owner);
        Some(Task {
            description: text(&record, "description"),
            repo: match repo {
                Some("external") => Repo::External,
                _ => Repo::Own,
            },
            program,
            outputs: texts(&record, "outputs"),
            documents: texts(&record, "documents"),
            status: status.and_then(TaskStatus::from_word).unwrap_or_default(),
        })
    }

    fn agent(&mut self, entry: &Entry<'_>, path: &Path<'_>) -> Option<Agent> {
        let record = self.record(entry.value, &AGENT, path);
        let program = self.program(&record, entry, path);
        let built_in = BUILT_IN.iter().any(|(name, _)| *name == entry.key);
        self.need_command(&record, &program, path);
        if !built_in && record.named("command").is_none() {
            let message = "\"command\" is missing: only the built-in agents need none";
            self.refuse(path, message, entry.key_span());
        }
        Some(Agent {
            description: text(&record, "description"),
            capabilities: texts(&record, "capabilities"),
            program,
        })
    }

    fn orchestration(
        &mut self,
        entry: &Entry<'_>,
        path: &Path<'_>,
        agents: &BTreeMap<String, Agent>,
    ) -> Option<Orchestration> {
        let record = self.record(entry.value, &ORCHESTRATION, path);
        let (listed, grouped) = (record.named("agents"), record.named("steps"));
        if listed.is_some() == grouped.is_some() {
            let message = "expected one of \"agents\" and \"steps\"";
            self.refuse(path, message, entry.key_span());
        }
        let one_by_one = listed.into_iter().flat_map(Node::items);
        let mut groups: Vec<Vec<Node<'_>>> = one_by_one.map(|agent| vec![agent]).collect();
        let together = grouped.into_iter().flat_map(Node::items);
        groups.extend(together.map(|group| group.items().collect()));
        let given = listed.or(grouped);
        if groups.is_empty() || groups.iter().any(Vec::is_empty) {
            let at = given.map_or(entry.key_span(), Node::span);
            self.refuse(path, "there is no agent, or a group has none", at);
        }
        let known = |name: &str| {
            agents.contains_key(name) || BUILT_IN.iter().any(|(known, _)| *known == name)
        };
        for agent in groups.iter().flatten() {
            let name = word(*agent);
            if !known(&name) {
                let names = BUILT_IN.iter().map(|(name, _)| *name);
                let near = nearest(&name, names.chain(agents.keys().map(String::as_str)));
                let message = path.says(format!("there is no agent {}", quoted(&name)));
                let problem = Problem::error(message).at(agent.span(), "");
                self.problems.push(match near {
                    Some(near) => problem.help(format!("did you mean \"{near}\"?")),
                    None => problem.help("`quintet agent list` lists them"),
                });
            }
        }
        Some(Orchestration {
            description: text(&record, "description"),
            groups: groups
                .iter()
                .map(|group| {
                    group
                        .iter()
                        .map(|agent| word(*agent).into_owned())
                        .collect()
                })
                .collect(),
            source: self.locator.locate(entry.key_span().start),
        })
    }

    fn program(&mut self, record: &Record<'_>, entry: &Entry<'_>, path: &Path<'_>) -> Program {
        let env = record.named("env");
        let mut variables = Vec::new();
        for variable in env.into_iter().flat_map(Node::entries) {
            let owner = Path::Field(path, "env");
            let value = word(variable.value);
            if variable.key.is_empty() || variable.key.contains(['=', '\0']) {
                let message = "cannot be the name of an environment variable";
                let path = Path::Field(&owner, &variable.key);
                self.refuse(&path, message, variable.key_span());
            }
            self.refuse_nul(&value, &owner, variable.value.span());
            variables.push((variable.key.into_owned(), value.into_owned()));
        }
        for field in ["command", "working_dir"] {
            let node = record.named(field);
            let items = node.into_iter().flat_map(Node::items);
            for node in items.chain(node) {
                self.refuse_nul(&word(node), &Path::Field(path, field), node.span());
            }
        }
        Program {
            command: texts(record, "command"),
            working_dir: record
                .named("working_dir")
                .map(|dir| word(dir).into_owned())
                .filter(|dir| !dir.is_empty()),
            timeout: record.named("timeout_seconds").and_then(limit),
            env: variables,
            source: self.locator.locate(entry.key_span().start),
        }
    }

    /// A command that is there must name something to run.
    fn need_command(&mut self, record: &Record<'_>, program: &Program, path: &Path<'_>) {
        let Some(node) = record.named("command") else {
            return;
        };
        if program.command.first().is_none_or(String::is_empty) {
            let path = Path::Field(path, "command");
            self.refuse(&path, "names no program", node.span());
        }
    }

    /// The choice that a field makes.
    fn choice(
        &mut self,
        record: &Record<'_>,
        name: &'static str,
        choices: &'static [&'static str],
        owner: &str,
    ) -> Option<&'static str> {
        let node = record.named(name)?;
        let owner = Path::Field(&Path::Root, owner);
        let path = Path::Field(&owner, name);
        record::choice(&word(node), node.span(), choices, &path, self.problems)
    }

    fn refuse(&mut self, path: &Path<'_>, message: impl std::fmt::Display, at: Span) {
        self.problems
            .push(Problem::error(path.says(message)).at(at, ""));
    }

    fn refuse_nul(&mut self, text: &str, path: &Path<'_>, at: Span) {
        if text.contains('\0') {
            self.refuse(path, "holds a NUL, which no program can be given", at);
        }
    }
}

fn text(record: &Record<'_>, field: &str) -> String {
    record
        .named(field)
        .map_or(Cow::Borrowed(""), word)
        .into_owned()
}

fn texts(record: &Record<'_>, field: &str) -> Vec<String> {
    let items = record.named(field).into_iter().flat_map(Node::items);
    items.map(|item| word(item).into_owned()).collect()
}
