//! Stages whose agents work in worktrees: the steps before and after them.
//!
//! `n/worktree/base` finds the commit that all of a stage begin from, and
//! `n/worktree/merge` (or `discard`) is its fan-in, which the next stage needs; it
//! needs all agents of the group, or the gate of the loop, so that work which failed
//! or was not approved is never merged. One step at the very end, `worktrees/remove`,
//! runs however the run ends.
//!
//! In a loop all agents share one worktree, since who reviews must see what is
//! reviewed, and a round goes on from what the one before it left.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::config::{Agent, Group, Isolation as Written, Stage};
use super::lower::directory;
use super::orchestration::{Lower, Own, Turn, work};
use crate::plan::agent::Work;
use crate::plan::isolation::{Change, Isolation, Shared, Worktree};
use crate::plan::{Holds, Level, Moment, Notice, Source};

/// The worktrees of a stage.
#[derive(Clone)]
pub(super) struct Worktrees {
    stage: usize,
    /// What its worktrees have in common.
    repository: String,
    state: String,
    /// One for all; else one for each that is isolated.
    together: bool,
    isolated: Vec<String>,
    /// Whether it is a loop.
    rounds: bool,
    /// The step that says which commit they begin from.
    pub base: String,
}

impl Worktrees {
    /// Where an agent of one of the stage's groups works, if in a worktree.
    pub fn of(&self, agent: &str, group: &Group) -> Option<Isolation> {
        let at = self.isolated.iter().position(|name| name == agent)?;
        let shared = match (self.together, group.len()) {
            (false, _) => Shared::Not,
            (true, 1) => Shared::InTurn,
            (true, _) => Shared::AtOnce,
        };
        Some(Isolation {
            worktree: self.worktree(at),
            shared,
        })
    }

    /// All of them.
    fn worktrees(&self) -> Vec<Worktree> {
        let count = if self.together {
            1
        } else {
            self.isolated.len()
        };
        (0..count).map(|at| self.worktree(at)).collect()
    }

    fn worktree(&self, at: usize) -> Worktree {
        // The numbers tell apart what is alike without the letters that git's
        // branches may not have.
        let label = match self.together {
            true => format!("{}-together", self.stage),
            false => format!("{}-{}-{}", self.stage, at + 1, plain(&self.isolated[at])),
        };
        Worktree {
            repository: self.repository.clone(),
            state: self.state.clone(),
            label,
        }
    }

    /// What the fan-in merges, by the steps of the stage.
    fn changes(&self, steps: &[String]) -> Vec<Change> {
        let of = |agent: &str| {
            let ours = steps.iter().filter(|id| {
                let name = id.rsplit('/').next();
                name == Some(agent)
            });
            ours.cloned().collect()
        };
        let agents = self.isolated.iter().enumerate();
        match self.rounds {
            // Whoever came last has seen all of it.
            true => vec![Change {
                worktree: self.worktree(0),
                steps: steps.to_vec(),
            }],
            false => agents
                .map(|(at, agent)| Change {
                    worktree: self.worktree(at),
                    steps: of(agent),
                })
                .collect(),
        }
    }
}

impl Lower<'_> {
    /// The worktrees of a stage, if it has any, and the step that finds their base.
    ///
    /// # Errors
    /// In words: its agents do not work in one git repository.
    pub(super) fn worktrees(
        &mut self,
        stage: &Stage,
        n: usize,
    ) -> Result<Option<Worktrees>, String> {
        let rounds = matches!(stage, Stage::Loop(_));
        let all: Vec<&String> = stage.groups().iter().flatten().collect();
        let wanted = |name: &&String| self.agent(name).is_some_and(|agent| agent.isolated);
        let (together, isolated) = match stage.apart().isolation {
            Written::Nobody => return Ok(None),
            Written::Together => (true, all),
            Written::AsAgentsSay if rounds && all.iter().any(wanted) => (true, all),
            Written::AsAgentsSay => (false, all.into_iter().filter(wanted).collect()),
        };
        if isolated.is_empty() {
            return Ok(None);
        }
        let repository = self.repository(&isolated)?;
        let state = &self.asked.state;
        if fs::canonicalize(state).is_ok_and(|state| state.starts_with(&repository)) {
            return Err(format!(
                "worktrees are made in the state directory {state}, and that lies in the \
                 repository {repository} itself: say --state-dir DIR"
            ));
        }
        self.tell(&repository);
        let mut worktrees = Worktrees {
            stage: n,
            repository,
            state: self.asked.state.clone(),
            together,
            isolated: isolated.into_iter().cloned().collect(),
            rounds,
            base: String::new(),
        };
        let turn = Turn::new(format!("{n}/worktree"), self.before.clone());
        let own = Own::new(Work::Base(worktrees.worktree(0)), "base");
        worktrees.base = self.own(own, &turn);
        Ok(Some(worktrees))
    }

    /// What becomes of what was made in a stage's worktrees.
    pub(super) fn fan_in(&mut self, worktrees: Worktrees, discard: bool) {
        let turn = Turn::new(format!("{}/worktree", worktrees.stage), self.before.clone());
        let stage = format!("{}/", worktrees.stage);
        let steps = self.history.iter().filter(|id| id.starts_with(&stage));
        let steps: Vec<String> = steps.cloned().collect();
        let mut own = match discard {
            true => Own::new(Work::Discard(worktrees.worktrees()), "discard"),
            false => Own::new(Work::Merge(worktrees.changes(&steps)), "merge"),
        };
        own.base = Some(&worktrees.base);
        // Two runs do not merge into one repository at once.
        own.holds = Some(Box::new(Holds {
            locks: [format!("git {}", worktrees.repository).into()].into(),
            ..Holds::default()
        }));
        self.before = vec![self.own(own, &turn)];
        self.leftovers.extend(worktrees.worktrees());
    }

    /// The step that leaves no worktree behind, if there are any.
    pub(super) fn remove_worktrees(&mut self) {
        if self.leftovers.is_empty() {
            return;
        }
        let mut turn = Turn::new("worktrees".into(), Vec::new());
        turn.after = self.history.clone();
        let mut own = Own::new(Work::Remove(self.leftovers.clone()), "remove");
        own.policy.always = true;
        // Work that is good does not fail for a directory that stays.
        own.policy.critical = false;
        self.own(own, &turn);
    }

    fn tell(&mut self, repository: &str) {
        let message = format!(
            "isolated agents work from the last commit of {repository}: what is not committed \
             there they neither see nor change"
        );
        let notice = Notice {
            on: Moment::Start,
            level: Level::Info,
            message: message.into(),
        };
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    fn agent(&self, name: &str) -> Option<&Agent> {
        self.config.agents.get(name)
    }

    /// The one repository that all of these work in: its top directory.
    fn repository(&self, agents: &[&String]) -> Result<String, String> {
        let mut found: Option<(String, &str)> = None;
        for name in agents {
            let agent = self.agent(name);
            let top = top(&self.home(name)).map_err(|why| {
                let place = self.place_of(agent);
                format!("{place}{name} is to work in a worktree, and {why}")
            })?;
            match &found {
                Some((other, of)) if *other != top => {
                    let place = self.place_of(agent);
                    return Err(format!(
                        "{place}those of one stage that work in worktrees work in one \
                         repository: {of} in {other}, {name} in {top}"
                    ));
                }
                Some(_) => {}
                None => found = Some((top, name)),
            }
        }
        found
            .map(|(top, _)| top)
            .ok_or_else(|| "there is no agent".to_owned())
    }

    /// Where an agent would work without a worktree.
    fn home(&self, name: &str) -> Arc<str> {
        let agent = self.agent(name);
        let default = Agent::default();
        let runs = matches!(work(name, agent.unwrap_or(&default)), Work::Program(_));
        let own = agent.and_then(|agent| agent.program.working_dir.as_deref());
        let task = self.given.task.as_ref().map(|task| &*task.working_dir);
        // Those that are built in work where the task does.
        let dir = if runs { own.or(task) } else { task };
        directory(dir, &self.request.cwd)
    }

    /// `config.toml:4:1: `, where it is known.
    fn place_of(&self, agent: Option<&Agent>) -> String {
        let isolated = agent.filter(|agent| agent.isolated);
        let written = isolated.map_or(self.orchestration.source, |agent| agent.program.source);
        let Source { file, line, column } = written;
        let name = self.config.sources.name(file);
        format!("{name}:{line}:{column}: ")
    }
}

/// The top directory of the repository that a directory lies in.
fn top(dir: &str) -> Result<String, String> {
    let found = fs::canonicalize(dir).map_err(|error| format!("{dir} cannot be found: {error}"))?;
    let top = found.ancestors().find(|dir| dir.join(".git").exists());
    let top = top.ok_or_else(|| format!("{dir} lies in no git repository"))?;
    let text = top.to_str().map(str::to_owned);
    text.ok_or_else(|| format!("{} is no Unicode", Path::display(top)))
}

/// What can stand in the name of a branch.
fn plain(name: &str) -> String {
    let kept = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    name.chars().map(kept).collect()
}
