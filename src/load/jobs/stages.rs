//! What the stages of an orchestration say: groups of agents, and loops of them.

use std::collections::BTreeMap;

use super::config::{Agent, Apart, BUILT_IN, Group, Isolation, Loop, Stage};
use super::fields::{ISOLATIONS, MERGES, STAGE};
use super::read::Walk;
use crate::load::document::{Kind, Node, Path};
use crate::load::plan_file::record::Record;
use crate::load::plan_file::table::at;
use crate::load::plan_file::walk::{count, limit, word};
use crate::plan::Approval;
use crate::plan::build::quoted;
use crate::plan::name::nearest;
use crate::plan::problem::{Problem, Span};

impl Walk<'_, '_> {
    /// A stage that is written as a table: a group or a loop.
    pub(super) fn stage(
        &mut self,
        node: Node<'_>,
        path: &Path<'_>,
        agents: &BTreeMap<String, Agent>,
    ) -> Stage {
        let path = Path::Field(path, "steps");
        let record = self.record(node, &STAGE, &path);
        let is_there = |field| !record.is_missing(at(&STAGE, field));
        if is_there("group") == is_there("loop") {
            let message = "expected one of \"group\" and \"loop\"";
            self.refuse(&path, message, node.span());
        }
        let stage = match (record.named("group"), record.named("loop")) {
            (None, None) => Stage::Group(Group::new(), Apart::default()),
            (Some(members), _) => {
                for field in ["max_rounds", "ask_seconds"] {
                    if let Some(node) = record.named(field) {
                        let message = "only a loop has rounds";
                        self.refuse(&Path::Field(&path, field), message, node.span());
                    }
                }
                let group = self.group(members, &path, agents);
                Stage::Group(group, self.apart(&record, &path))
            }
            (None, Some(_)) => Stage::Loop(self.rounds(node, &record, &path, agents)),
        };
        self.check_apart(&record, &stage, &path, agents);
        stage
    }

    fn apart(&mut self, record: &Record<'_>, path: &Path<'_>) -> Apart {
        let owner = path.to_string();
        let isolation = self.choice(record, "isolation", ISOLATIONS, &owner);
        let merge = self.choice(record, "merge", MERGES, &owner);
        Apart {
            isolation: match isolation {
                Some("worktree") => Isolation::Together,
                Some(_) => Isolation::Nobody,
                None => Isolation::AsAgentsSay,
            },
            discard: merge == Some("discard"),
        }
    }

    /// Who says what becomes of work in worktrees has meant that there are some.
    fn check_apart(
        &mut self,
        record: &Record<'_>,
        stage: &Stage,
        path: &Path<'_>,
        agents: &BTreeMap<String, Agent>,
    ) {
        let Some(node) = record.named("merge") else {
            return;
        };
        let is_isolated = |name: &String| agents.get(name).is_some_and(|agent| agent.isolated);
        let anybody = match stage.apart().isolation {
            Isolation::Together => true,
            Isolation::Nobody => false,
            Isolation::AsAgentsSay => stage.groups().iter().flatten().any(is_isolated),
        };
        if !anybody {
            let path = Path::Field(path, "merge");
            let message = "none of these agents works in a worktree: \"isolation\" is missing";
            self.refuse(&path, message, node.span());
        }
    }

    fn rounds(
        &mut self,
        node: Node<'_>,
        record: &Record<'_>,
        path: &Path<'_>,
        agents: &BTreeMap<String, Agent>,
    ) -> Loop {
        if record.is_missing(at(&STAGE, "max_rounds")) {
            self.refuse(path, "\"max_rounds\" is missing", node.span());
        }
        let items = record.named("loop").into_iter().flat_map(Node::items);
        let groups: Vec<Group> = items.map(|item| self.group(item, path, agents)).collect();
        let all: Vec<&String> = groups.iter().flatten().collect();
        let twice = all
            .iter()
            .enumerate()
            .find(|(n, name)| all[..*n].contains(name));
        if let Some((_, name)) = twice {
            let message = format!("{} is twice in one round", quoted(name));
            self.refuse(path, message, node.span());
        }
        if groups.last().is_none_or(|last| last.len() != 1) {
            let message = "a loop ends with the one agent that reviews its rounds";
            self.refuse(path, message, node.span());
        }
        let ask = record.named("ask_seconds").map(|node| Approval {
            within: limit(node),
            otherwise: false,
        });
        Loop {
            groups,
            max_rounds: record.named("max_rounds").map_or(1, count),
            ask,
            apart: self.apart(record, path),
        }
    }

    /// Agents that run at once: a list of them, or one.
    pub(super) fn group(
        &mut self,
        node: Node<'_>,
        path: &Path<'_>,
        agents: &BTreeMap<String, Agent>,
    ) -> Group {
        let members: Vec<Node<'_>> = match node.kind() {
            Kind::Array => node.items().collect(),
            _ => vec![node],
        };
        if members.is_empty() {
            self.refuse(path, "a group has no agent", node.span());
        }
        let mut group = Group::new();
        for member in members {
            let name = word(member);
            self.known_agent(&name, path, agents, member.span());
            if group.iter().any(|other| *other == name) {
                let message = format!("{} is twice in one group", quoted(&name));
                self.refuse(path, message, member.span());
            }
            group.push(name.into_owned());
        }
        group
    }

    /// O24.
    fn known_agent(
        &mut self,
        name: &str,
        path: &Path<'_>,
        agents: &BTreeMap<String, Agent>,
        at: Span,
    ) {
        let mut built_in = BUILT_IN.iter().map(|(known, _)| *known);
        if agents.contains_key(name) || built_in.clone().any(|known| known == name) {
            return;
        }
        let near = nearest(
            name,
            built_in.by_ref().chain(agents.keys().map(String::as_str)),
        );
        let message = path.says(format!("there is no agent {}", quoted(name)));
        let problem = Problem::error(message).at(at, "");
        self.problems.push(match near {
            Some(near) => problem.help(format!("did you mean \"{near}\"?")),
            None => problem.help("`quintet agent list` lists them"),
        });
    }
}
