//! From a document to a [`Config`]: one walk by the tables of `fields`, which
//! reports everything that is wrong and goes on. What stages say is read in `stages`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::config::{
    Agent, Allowance, Apart, BUILT_IN, Config, Job, LogLevel, Orchestration, Program, Repo, Stage,
    Task, TaskStatus,
};
use super::fields::{
    AGENT, ALGORITHMS, BUDGET, CONFIG, HASH, ISOLATIONS, JOB, LEVELS, LOGGING, ORCHESTRATION,
    PRICE, PRINTS, REPOS, STATUSES, TASK,
};
use super::name;
use crate::load::document::{Entry, Kind, Node, Path};
use crate::load::plan_file::record::{self, NO_HINTS, Record};
use crate::load::plan_file::table::Field;
use crate::load::plan_file::walk::{count, limit, word};
use crate::plan::agent::{Budget, Price, Prints};
use crate::plan::build::quoted;
use crate::plan::problem::{Locator, Problem, Problems, Span};

/// Reads a configuration that lies in `folder`. What does not fit is reported and counts as left out.
pub fn read(
    root: Node<'_>,
    folder: &std::path::Path,
    locator: Locator<'_>,
    problems: &mut Problems,
) -> Config {
    let mut walk = Walk {
        problems,
        locator,
        folder,
    };
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

pub(super) struct Walk<'p, 't> {
    /// Where files that the configuration names are looked for.
    folder: &'p std::path::Path,
    pub(super) problems: &'p mut Problems,
    locator: Locator<'t>,
}

impl Walk<'_, '_> {
    /// Reads an object by its table; what no field is called is a warning (O3).
    pub(super) fn record<'d>(
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
        let owner = path.to_string();
        let prints = self.choice(&record, "prints", PRINTS, &owner);
        let isolation = self.choice(&record, "isolation", ISOLATIONS, &owner);
        let known = Prints::ALL
            .into_iter()
            .find(|(word, _)| Some(*word) == prints);
        let prints = known.map_or(Prints::default(), |(_, prints)| prints);
        let (allowance, price) = self.budget(&record, path);
        let unpriced = price.is_none() && !program.command.is_empty() && !prints.tells_cost();
        if let Some(node) = record.named("budget").filter(|_| unpriced)
            && allowance.rest.cost.is_some()
        {
            let path = Path::Field(path, "budget");
            let message = "there is a \"cost\", and nothing tells it: a \"price\" is missing";
            self.refuse(&path, message, node.span());
        }
        Some(Agent {
            description: text(&record, "description"),
            capabilities: texts(&record, "capabilities"),
            program,
            isolated: isolation == Some("worktree"),
            retries: record.named("retries").map_or(0, count),
            prints,
            schema: self.schema(&record, path),
            allowance,
            price,
        })
    }

    fn budget(&mut self, record: &Record<'_>, path: &Path<'_>) -> (Allowance, Option<Price>) {
        let Some(node) = record.named("budget") else {
            return (Allowance::default(), None);
        };
        let path = Path::Field(path, "budget");
        let budget = self.record(node, &BUDGET, &path);
        let amount = |name| budget.named(name).map(|node| record::number(node) as u64);
        let price = budget.named("price").map(|node| {
            let price = self.record(node, &PRICE, &Path::Field(&path, "price"));
            let money = |name| price.named(name).map_or(0.0, record::number);
            Price {
                input: money("input_per_million"),
                output: money("output_per_million"),
            }
        });
        let allowance = Allowance {
            wall: budget.named("wall_seconds").and_then(limit),
            rest: Budget {
                turns: amount("turns"),
                tokens: amount("tokens"),
                cost: budget.named("cost").map(record::number),
            },
        };
        (allowance, price)
    }

    /// The schema of an agent's result, from here or from a file of its own.
    fn schema(&mut self, record: &Record<'_>, path: &Path<'_>) -> Option<Value> {
        let (here, file) = (record.named("schema"), record.named("schema_file"));
        let node = here.or(file)?;
        if here.is_some() && file.is_some() {
            let message = "expected one of \"schema\" and \"schema_file\"";
            self.refuse(path, message, node.span());
        }
        let schema = match here {
            Some(here) => Ok(here.to_value()),
            None => {
                let name = word(node);
                let path = self.folder.join(&*name);
                let text = std::fs::read_to_string(path).map_err(|e| e.to_string());
                text.and_then(|text| serde_json::from_str(&text).map_err(|e| e.to_string()))
            }
        };
        let checked = schema.and_then(|schema| {
            let made = jsonschema::validator_for(&schema);
            made.map(|_| schema).map_err(|e| e.to_string())
        });
        checked
            .map_err(|why| {
                let message = format!("this schema cannot be used: {why}");
                self.refuse(path, message, node.span());
            })
            .ok()
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
        let mut stages: Vec<Stage> = one_by_one
            .map(|agent| Stage::Group(self.group(agent, path, agents), Apart::default()))
            .collect();
        for node in grouped.into_iter().flat_map(Node::items) {
            stages.push(match node.kind() {
                Kind::Object => self.stage(node, path, agents),
                _ => Stage::Group(self.group(node, path, agents), Apart::default()),
            });
        }
        let (allowance, price) = self.budget(&record, path);
        let orchestration = Orchestration {
            description: text(&record, "description"),
            stages,
            allowance,
            source: self.locator.locate(entry.key_span().start),
        };
        if orchestration.stages.is_empty() && (listed.is_some() || grouped.is_some()) {
            self.refuse(path, "there is no agent", entry.key_span());
        }
        if allowance.rest.cost.is_some() || price.is_some() {
            self.check_priced(&orchestration, path, agents, entry.key_span());
        }
        Some(orchestration)
    }

    /// What all agents together may cost is only known where each one's cost is.
    fn check_priced(
        &mut self,
        orchestration: &Orchestration,
        path: &Path<'_>,
        agents: &BTreeMap<String, Agent>,
        at: Span,
    ) {
        for name in orchestration.groups().flatten() {
            let Some(agent) = agents.get(name) else {
                continue;
            };
            let told = agent.price.is_some() || agent.prints.tells_cost();
            if !told && !agent.program.command.is_empty() {
                let message = format!("there is a \"cost\", and nothing tells that of {name}");
                self.refuse(path, message, at);
            }
        }
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
    pub(super) fn choice(
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

    pub(super) fn refuse(&mut self, path: &Path<'_>, message: impl std::fmt::Display, at: Span) {
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
