//! From a tree to a plan: every phase and every program is a step.
//!
//! A phase is a meeting point at its own end, called as its path is, so a tree
//! of 71 phases and programs is a plan of 71 steps, in the tree's order. Who
//! waits for whom says `flow`. A failure is the run's where nobody between the
//! program and the root tolerates it.
//!
//! What cannot be run is a step that fails and says why: whether that matters
//! is for its level to say, as with any other failure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use crate::load::{Request, runner};
use crate::plan::build::{Builder, Links};
use crate::plan::problem::{Problem, Span};
use crate::plan::{
    About, Absent, Action, Command, OnFailure, Part, Plan, Policy, Program, Source, Step, Text,
};

use super::Reading;
use super::config::{Config, LONGEST, MOST};
use super::header::header;
use super::place::{Placed, Planned, place};
use super::resolve::{self, Kind};
use super::shim;
use super::tree::{Node, Tree, What, text_of};

/// So many children of a parallel level at once.
const AT_ONCE: usize = 16;

/// Says what it is given to read, and fails. As an argument it would be told
/// twice to people: with the command, and as what that wrote.
const FAIL: &str = "cat >&2; exit 1";

/// The plan of a tree; nothing, where there is no root.
pub fn lower(tree: &Tree, request: &Request, reading: &mut Reading) -> Option<Plan> {
    let root = tree.levels.first()?;
    let header = header(tree, root, request, reading);
    let given = request.vars.iter();
    let given = given.map(|(name, value)| (name.clone(), value.as_str().into()));
    let placed = place(tree, Config::new(given.collect()));
    let lowering = Lowering {
        tree,
        request,
        reading,
        there: BTreeMap::new(),
        missing: BTreeSet::new(),
        passed: 0,
        modules: false,
    };
    lowering.build(header, placed)
}

struct Lowering<'l> {
    tree: &'l Tree,
    request: &'l Request,
    reading: &'l mut Reading,
    /// Whether a program is on PATH, for those that were asked for.
    there: BTreeMap<String, bool>,
    /// Those that are not, and of which that was said.
    missing: BTreeSet<String>,
    /// Bytes of configuration so far.
    passed: usize,
    modules: bool,
}

impl Lowering<'_> {
    fn build(mut self, header: Plan, placed: Placed) -> Option<Plan> {
        let Placed { steps: all, widest } = placed;
        let mut builder = Builder::with_capacity(all.len());
        let mut links = Links::default();
        for planned in &all {
            let (mut step, at) = self.step(planned, &all);
            step.policy = builder.policy(policy(planned));
            step.absent = planned.disabled.then_some(Absent::Disabled);
            links.clear();
            let lists = [
                (&planned.flow.needs, &mut links.needs),
                (&planned.flow.after, &mut links.after),
            ];
            for (steps, list) in lists {
                list.extend(steps.iter().map(|to| (builder.name(&all[*to].id), at)));
            }
            builder.add(step, at, &links);
        }
        if self.passed > MOST {
            let message = format!(
                "more than {} MiB of configuration is passed down",
                MOST >> 20
            );
            self.reading.report(Problem::error(message));
        }
        let mut plan = header;
        let at_once = u32::try_from(widest.min(AT_ONCE)).ok();
        plan.max_concurrency = at_once.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        if self.modules {
            plan.env.push((shim::VARIABLE.into(), shim::SHIM.into()));
        }
        let (plan, problems) = builder.finish(plan);
        self.reading.problems.extend(problems);
        plan
    }

    /// The step, but for its edges and policy, and where it is written.
    fn step(&mut self, planned: &Planned, all: &[Planned]) -> (Step, Span) {
        let Some(node) = planned.node.map(|at| &self.tree.nodes[at]) else {
            // A gate is written where the group is that it waits for.
            let group = planned.flow.needs.iter().chain(&planned.flow.after);
            let place = group.filter_map(|step| all[*step].node).next();
            let place = place.map(|at| self.tree.child(&self.tree.nodes[at]));
            let mut step = Step::new(planned.id.clone(), Action::Group);
            step.source = place.map_or(Source::default(), |child| child.source);
            return (step, place.map_or(Span::default(), |child| child.at));
        };
        let child = self.tree.child(node);
        let action = match &node.what {
            What::Phase(_) => Action::Group,
            What::Nothing(why) => fails(why, &self.tree.levels[node.level].dir),
            What::Program(program) => match self.argv(&program.path, &program.kind) {
                Ok(argv) => {
                    let mut command = command(Program::Argv(argv), self.directory(node, program));
                    command.env = self.environment(planned, all, child.at);
                    Action::Command(Box::new(command))
                }
                Err(missing) => self.cannot_run(node, program, &missing),
            },
        };
        let about = About {
            description: self.description(node).into(),
            notes: node.notes.clone().into(),
            ..About::default()
        };
        let step = Step {
            about: (about != About::default()).then(|| Box::new(about)),
            source: child.source,
            ..Step::new(planned.id.clone(), action)
        };
        (step, child.at)
    }

    /// A program whose interpreter is not there.
    fn cannot_run(&mut self, node: &Node, program: &resolve::Program, missing: &str) -> Action {
        let path = program.path.display();
        let message = format!("{missing:?}, which runs {path}, is not on PATH");
        if self.missing.insert(missing.to_owned()) {
            let problem = Problem::warning(message.as_str()).at(self.tree.child(node).at, "");
            let help = format!("install {missing}; without it whatever it runs fails");
            self.reading.report(problem.help(help));
        }
        fails(&message, &self.tree.levels[node.level].dir)
    }

    /// What the parent says of a child, else what that says of itself.
    fn description(&self, node: &Node) -> &str {
        let own = match node.what {
            What::Phase(Some(level)) => {
                let index = &self.tree.levels[level].index;
                index.description.as_deref().or(index.name.as_deref())
            }
            _ => None,
        };
        let said = self.tree.child(node).description.as_deref();
        said.or(own).unwrap_or_default()
    }

    /// A program runs where it lies.
    fn directory(&self, node: &Node, program: &resolve::Program) -> Arc<str> {
        let level = &self.tree.levels[node.level].dir;
        match program.path.parent() {
            Some(dir) if dir == Path::new(&**level) => Arc::clone(level),
            Some(dir) => text_of(dir).into(),
            None => Arc::clone(level),
        }
    }

    /// The command line, or the interpreter that is not there.
    fn argv(&mut self, path: &Path, kind: &Kind) -> Result<Box<[Text]>, String> {
        let words = match kind {
            Kind::Module | Kind::Orchestrator => {
                if !self.is_there(shim::PYTHON) {
                    return Err(shim::PYTHON.into());
                }
                self.modules = true;
                let root = &self.tree.levels[0].dir;
                return Ok(shim::argv(path, *kind == Kind::Orchestrator, root));
            }
            Kind::Command(words) => words,
        };
        // These systems' scripts are written for bash, and do not always say so.
        let bash = ["bash".to_owned()];
        let words = match words.as_slice() {
            [sh] if sh == "sh" && self.is_there("bash") => &bash[..],
            words => words,
        };
        match words.first().filter(|program| !self.is_there(program)) {
            Some(missing) => Err(missing.clone()),
            None => {
                let words = words.iter().map(|word| word.as_str().into());
                Ok(words.chain([text_of(path).into()]).collect())
            }
        }
    }

    fn is_there(&mut self, program: &str) -> bool {
        if let Some(known) = self.there.get(program) {
            return *known;
        }
        let found = runner::is_there(program, self.request.path());
        self.there.insert(program.to_owned(), found);
        found
    }

    /// What a program is told.
    fn environment(
        &mut self,
        planned: &Planned,
        all: &[Planned],
        at: Span,
    ) -> Box<[(Box<str>, Text)]> {
        let mut env = Vec::new();
        let config = planned.config.text();
        self.passed += config.len();
        if config.len() > LONGEST {
            let message = format!(
                "{} is passed {} bytes of configuration, of which {LONGEST} are the most",
                planned.id,
                config.len()
            );
            self.reading.report(Problem::error(message).at(at, ""));
        } else if !config.is_empty() && self.passed <= MOST {
            env.push(("QUINTET_CONFIG".into(), Text::from(config)));
        }
        if !planned.flow.handed.is_empty() {
            let handed = planned.flow.handed.iter().map(|from| &all[*from].id);
            env.push(("QUINTET_HANDED_ON".into(), list_of(handed)));
        }
        env.into()
    }
}

/// A JSON list of what these steps hand on; `{}` for one that hands on nothing.
fn list_of<'a>(steps: impl Iterator<Item = &'a Box<str>>) -> Text {
    let mut parts = Vec::new();
    for step in steps {
        let before = if parts.is_empty() { "[" } else { "," };
        parts.push(Part::Literal(before.into()));
        parts.push(Part::Output {
            step: step.clone(),
            key: shim::HANDED_ON.into(),
            default: Some("{}".into()),
        });
    }
    parts.push(Part::Literal("]".into()));
    Text::Parts(parts.into())
}

fn fails(why: &str, dir: &Arc<str>) -> Action {
    let program = Program::Shell {
        script: FAIL.into(),
        args: Box::default(),
    };
    let why = format!("{why}\n");
    Action::Command(Box::new(Command {
        stdin: Some(Box::new(why.into())),
        ..command(program, Arc::clone(dir))
    }))
}

fn command(program: Program, cwd: Arc<str>) -> Command {
    Command {
        program,
        cwd,
        env: Box::default(),
        stdin: None,
    }
}

fn policy(planned: &Planned) -> Policy {
    Policy {
        on_failure: OnFailure::SkipDependents,
        critical: !planned.tolerated,
        always: planned.always,
        ..Policy::default()
    }
}
