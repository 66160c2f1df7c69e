//! From an orchestration to the one plan.
//!
//! The agents of the n-th stage are the steps `n/Agent`; each group needs the one
//! before it. A loop is unrolled into its rounds (`rounds`).
//!
//! Where agents work in worktrees, steps of `n/worktree` stand before and after them
//! (`isolation`).
//!
//! Every step runs this same program, which is told on its standard input what to do
//! ([`crate::plan::agent`]). What earlier steps have put out are holes in that text;
//! each is filled with JSON, or with `null` where a step put out nothing.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::config::{Agent, Config, Group, Orchestration, Stage};
use super::isolation::Worktrees;
use super::lower::{TASK, directory};
use crate::load::{Loaded, Request};
use crate::plan::agent::{Assignment, ENTRY, Given, Prints, Task, Work};
use crate::plan::build::{Builder, Links};
use crate::plan::isolation::{BASE, Worktree};
use crate::plan::problem::Span;
use crate::plan::{
    About, Action, Command, Condition, Holds, Notice, OnFailure, Part, Plan, Policy, Program,
    Retry, Step, Text,
};

/// The plan's metadata that says which orchestration a run was of.
pub const ORCHESTRATION: &str = "orchestration";

/// Of what an agent writes for people, so much is kept.
const MOST_OUTPUT: u64 = 4 << 20;

/// What is asked of an orchestration.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub goal: String,
    /// The task that the built-in agents work on; left out, the one that is called as
    /// the orchestration is, if there is one.
    pub task: Option<String>,
    pub vars: BTreeMap<String, String>,
    /// This program's own path; absolute.
    pub program: String,
    /// The state directory, where worktrees are; absolute.
    pub state: String,
}

impl Config {
    /// The plan that runs an orchestration; `None` where there is no such one.
    ///
    /// # Errors
    /// In words: what is asked for cannot be done.
    pub fn orchestration_plan(
        &self,
        name: &str,
        asked: &Asked,
        request: &Request,
    ) -> Option<Result<Loaded, String>> {
        let orchestration = self.orchestrations.get(name)?;
        let lowered = self.task_of(name, orchestration, asked).and_then(|task| {
            let lower = Lower {
                config: self,
                orchestration,
                given: Given {
                    orchestration: name.to_owned(),
                    goal: asked.goal.clone(),
                    task,
                    vars: asked.vars.clone(),
                    round: None,
                },
                asked,
                request,
                builder: Builder::default(),
                history: Vec::new(),
                before: Vec::new(),
                leftovers: Vec::new(),
                notices: Vec::new(),
            };
            lower.plan(name)
        });
        Some(lowered.map(|plan| self.loaded(plan)))
    }

    /// The task, as agents see it.
    fn task_of(
        &self,
        name: &str,
        orchestration: &Orchestration,
        asked: &Asked,
    ) -> Result<Option<Task>, String> {
        let called = asked.task.as_deref().unwrap_or(name);
        let Some(task) = self.tasks.get(called) else {
            let mut agents = orchestration.groups().flatten();
            let needs = agents.find(|agent| self.command(agent).is_empty());
            return match (needs, &asked.task) {
                (_, Some(task)) => Err(format!("there is no task {task:?}")),
                (Some(agent), None) => {
                    Err(format!("{agent} works on a task: say which with --task"))
                }
                (None, None) => Ok(None),
            };
        };
        Ok(Some(Task {
            name: called.to_owned(),
            description: task.description.clone(),
            repo: task.repo.word().to_owned(),
            working_dir: task.working_dir().to_owned(),
            command: task.program.command.clone(),
            env: task.program.env.clone(),
            outputs: task.outputs.clone(),
            documents: task.documents.clone(),
        }))
    }

    /// What is run in an agent's place; empty for one that does its own work.
    fn command(&self, agent: &str) -> &[String] {
        let agent = self.agents.get(agent);
        agent.map_or(&[], |agent| &agent.program.command)
    }
}

pub(super) struct Lower<'c> {
    pub(super) config: &'c Config,
    pub(super) orchestration: &'c Orchestration,
    pub(super) given: Given,
    pub(super) asked: &'c Asked,
    pub(super) request: &'c Request,
    builder: Builder,
    /// The steps so far, whose entries those that come are told.
    pub(super) history: Vec<String>,
    /// The steps that the next stage needs.
    pub(super) before: Vec<String>,
    /// The worktrees so far.
    pub(super) leftovers: Vec<Worktree>,
    pub(super) notices: Vec<Notice>,
}

/// What is said of all the steps of a group.
#[derive(Clone, Default)]
pub(super) struct Turn {
    /// What their ids begin with.
    pub prefix: String,
    pub needs: Vec<String>,
    pub after: Vec<String>,
    pub when: Option<Condition>,
    pub round: Option<u32>,
    /// Of the one that reviews a round: who reviewed those before.
    pub reviews: Option<Vec<String>>,
    /// Their failure is not the run's.
    pub tolerated: bool,
    /// Where they work, if not all of them in the repository itself.
    pub worktrees: Option<Worktrees>,
}

impl Turn {
    pub fn new(prefix: String, needs: Vec<String>) -> Turn {
        Turn {
            prefix,
            needs,
            ..Turn::default()
        }
    }
}

/// A step that is no agent's.
pub(super) struct Own<'o> {
    pub work: Work,
    pub name: &'o str,
    /// See [`Assignment::rounds`].
    pub rounds: Option<&'o [String]>,
    /// The step that puts out which commit worktrees begin from.
    pub base: Option<&'o str>,
    pub question: Option<Box<str>>,
    pub holds: Option<Box<Holds>>,
    pub policy: Policy,
}

impl<'o> Own<'o> {
    pub fn new(work: Work, name: &'o str) -> Own<'o> {
        Own {
            work,
            name,
            rounds: None,
            base: None,
            question: None,
            holds: None,
            policy: Policy {
                on_failure: OnFailure::SkipDependents,
                ..Policy::default()
            },
        }
    }
}

impl Lower<'_> {
    fn plan(mut self, name: &str) -> Result<Plan, String> {
        let mut widest = 1;
        for (stage, n) in self.orchestration.stages.iter().zip(1..) {
            let worktrees = self.worktrees(stage, n)?;
            match stage {
                Stage::Group(group, _) => {
                    let mut turn = Turn::new(format!("{n}"), self.before.clone());
                    turn.worktrees = worktrees.clone();
                    self.before = self.group(group, &turn)?;
                }
                Stage::Loop(rounds) => self.rounds(rounds, n, worktrees.as_ref())?,
            }
            if let Some(worktrees) = worktrees {
                self.fan_in(worktrees, stage.apart().discard);
            }
        }
        self.remove_worktrees();
        for group in self.orchestration.groups() {
            widest = widest.max(group.len());
        }
        let header = Plan {
            description: self.orchestration.description.clone(),
            metadata: self.metadata(name),
            deadline: self.orchestration.allowance.wall,
            // Those of one group run at once, however few processors there are.
            max_concurrency: u32::try_from(widest)
                .ok()
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MIN),
            notices: std::mem::take(&mut self.notices),
            ..Plan::new(name)
        };
        let (plan, problems) = self.builder.finish(header);
        let wrong: Vec<String> = problems.into_iter().map(|p| p.message).collect();
        plan.ok_or_else(|| wrong.join("; "))
    }

    /// For views and records.
    fn metadata(&self, name: &str) -> BTreeMap<String, Value> {
        let task = self.given.task.as_ref().map(|task| &task.name);
        let said = [
            (ORCHESTRATION, Some(name.into())),
            ("goal", Some(self.given.goal.as_str().into())),
            (TASK, task.map(|task| task.as_str().into())),
        ];
        let said = said.into_iter();
        said.filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }

    /// The steps of a group, whose ids it gives.
    pub(super) fn group(&mut self, group: &Group, turn: &Turn) -> Result<Vec<String>, String> {
        let mut ids = Vec::new();
        let worktrees = turn.worktrees.as_ref();
        for name in group {
            let id = format!("{}/{name}", turn.prefix);
            let default = Agent::default();
            let agent = self.config.agents.get(name).unwrap_or(&default);
            let assignment = Assignment {
                agent: name.clone(),
                work: work(name, agent),
                prints: agent.prints,
                schema: agent.schema.clone(),
                budget: agent.allowance.rest,
                together: self.orchestration.allowance.rest,
                price: agent.price,
                rounds: turn.reviews.clone(),
                isolation: worktrees.and_then(|worktrees| worktrees.of(name, group)),
            };
            let base = worktrees.filter(|_| assignment.isolation.is_some());
            let base = base.map(|worktrees| &*worktrees.base);
            let step = Step {
                when: turn.when.clone().map(Box::new),
                policy: self.builder.policy(self.policy(name, agent, turn)),
                about: about(&agent.description),
                source: self.orchestration.source,
                ..Step::new(
                    id.as_str(),
                    self.action(&assignment, Some(agent), turn.round, base),
                )
            };
            let mut turn = turn.clone();
            turn.needs.extend(base.map(str::to_owned));
            self.add(step, &turn);
            ids.push(id);
        }
        self.history.extend(ids.iter().cloned());
        Ok(ids)
    }

    fn policy(&self, name: &str, agent: &Agent, turn: &Turn) -> Policy {
        // A built-in builder runs the task's command, whose time is then the step's.
        let runs_task = work(name, agent) == Work::Builder;
        let task = self.given.task.as_ref().filter(|_| runs_task);
        let task = task.and_then(|task| self.config.tasks.get(&task.name)?.program.timeout);
        let limits = [agent.program.timeout, agent.allowance.wall, task];
        Policy {
            timeout: limits.into_iter().flatten().min(),
            retry: Retry {
                count: agent.retries,
                delay: Duration::from_secs(1),
                factor_percent: 200,
                cap: Some(Duration::from_secs(60)),
                jitter_percent: 10,
            },
            // The others of its group are let run (O23).
            on_failure: OnFailure::SkipDependents,
            critical: !turn.tolerated,
            max_output: Some(MOST_OUTPUT),
            ..Policy::default()
        }
    }

    fn action(
        &self,
        told: &Assignment,
        agent: Option<&Agent>,
        round: Option<u32>,
        base: Option<&str>,
    ) -> Action {
        let given = Given {
            round,
            ..self.given.clone()
        };
        let (told_json, given) = (json!(told), json!(given));
        let begin = format!("{{\"assignment\":{told_json},\"given\":{given},\"base\":\"");
        let mut parts = vec![Part::Literal(begin.into())];
        // A commit's id, or nothing.
        parts.extend(base.map(|step| Part::Output {
            step: step.into(),
            key: BASE.into(),
            default: Some("".into()),
        }));
        parts.push(Part::Literal("\",\"history\":[".into()));
        for (n, id) in self.history.iter().enumerate() {
            if n > 0 {
                parts.push(Part::Literal(",".into()));
            }
            parts.push(Part::Output {
                step: id.as_str().into(),
                key: ENTRY.into(),
                default: Some("null".into()),
            });
        }
        parts.push(Part::Literal("]}".into()));
        let argv = [&*self.asked.program, "agent", "step", &*told.agent];
        let env = agent.map_or(&[][..], |agent| &agent.program.env);
        Action::Command(Box::new(Command {
            program: Program::Argv(argv.into_iter().map(Text::from).collect()),
            cwd: self.place(told, agent),
            env: env
                .iter()
                .map(|(name, value)| (name.as_str().into(), Text::from(value.as_str())))
                .collect(),
            stdin: Some(Box::new(Text::Parts(parts.into()))),
        }))
    }

    /// Where an agent works: where it says, else where the task does. One that is built
    /// in goes there by itself, and can say what is wrong with it.
    fn place(&self, told: &Assignment, agent: Option<&Agent>) -> Arc<str> {
        let own = agent.and_then(|agent| agent.program.working_dir.as_deref());
        let task = self.given.task.as_ref().map(|task| &*task.working_dir);
        let task = task.filter(|_| matches!(told.work, Work::Program(_)));
        directory(own.or(task), &self.request.cwd)
    }

    /// Adds a step that is no agent's, and whose entry those that come are told. It
    /// gives its id.
    pub(super) fn own(&mut self, own: Own<'_>, turn: &Turn) -> String {
        let id = format!("{}/{}", turn.prefix, own.name);
        let assignment = Assignment {
            agent: own.name.to_owned(),
            work: own.work,
            prints: Prints::Json,
            schema: None,
            budget: Default::default(),
            together: Default::default(),
            price: None,
            rounds: own.rounds.map(<[String]>::to_vec),
            isolation: None,
        };
        let step = Step {
            when: turn.when.clone().map(Box::new),
            confirm: own.question,
            holds: own.holds,
            policy: self.builder.policy(own.policy),
            source: self.orchestration.source,
            ..Step::new(id.as_str(), self.action(&assignment, None, None, own.base))
        };
        self.add(step, turn);
        self.history.push(id.clone());
        id
    }

    fn add(&mut self, step: Step, turn: &Turn) {
        let at = Span::default();
        let mut links = Links::default();
        for need in &turn.needs {
            links.needs.push((self.builder.name(need), at));
        }
        for after in &turn.after {
            links.after.push((self.builder.name(after), at));
        }
        self.builder.add(step, at, &links);
    }
}

pub(super) fn work(name: &str, agent: &Agent) -> Work {
    match name {
        _ if !agent.program.command.is_empty() => Work::Program(agent.program.command.clone()),
        "PlannerAgent" => Work::Planner,
        "BuilderAgent" => Work::Builder,
        "ReviewerAgent" => Work::Reviewer,
        _ => Work::Doc,
    }
}

fn about(description: &str) -> Option<Box<About>> {
    (!description.is_empty()).then(|| {
        Box::new(About {
            description: description.into(),
            ..About::default()
        })
    })
}
