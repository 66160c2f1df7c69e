//! From a tree to a plan: every phase and every program is a step.
//!
//! A phase is a meeting point at its own end, called as its path is, so a tree
//! of 71 phases and programs is a plan of 71 steps, in the tree's order. Who
//! waits for whom says `flow`. A failure is the run's where nobody between the
//! program and the root tolerates it.
//!
//! What cannot be run is a step that fails and says why: whether that matters
//! is for its level to say, as with any other failure.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::load::{Request, runner};
use crate::plan::build::{Builder, Links};
use crate::plan::problem::{Problem, Span};
use crate::plan::{
    About, Absent, Action, Command, LogFile, OnFailure, Order, Part, Plan, Policy, Program, Source,
    Step, Text,
};

use super::config::{Config, LONGEST, MOST};
use super::flow::{Flow, MOST_EDGES, Member};
use super::resolve::Kind;
use super::shim;
use super::tree::{Level, Node, Tree, What, text_of};
use super::{Reading, paths};

/// So many children of a parallel level at once.
const AT_ONCE: usize = 16;

/// Prints its message and fails.
const FAIL: &str = "printf '%s\\n' \"$1\" >&2; exit 1";

/// The plan of a tree; nothing, where there is no root.
pub fn lower(tree: &Tree, request: &Request, reading: &mut Reading) -> Option<Plan> {
    let root = tree.levels.first()?;
    let header = header(tree, root, request, reading);
    let mut lowering = Lowering {
        tree,
        request,
        reading,
        planned: Vec::with_capacity(tree.nodes.len()),
        open: Vec::new(),
        there: BTreeMap::new(),
        passed: 0,
        widest: 1,
        modules: false,
    };
    lowering.place();
    lowering.build(header)
}

/// What holds for the whole tree.
fn header(tree: &Tree, root: &Level, request: &Request, reading: &mut Reading) -> Plan {
    let index = &root.index;
    let dir = std::fs::canonicalize(&*root.dir).ok();
    let name = dir.as_deref().and_then(Path::file_name);
    let name = name.map_or("phases".into(), |name| name.to_string_lossy());
    let mut plan = Plan::new(name);
    if let Some(name) = &index.name {
        plan.name = name.clone();
    }
    plan.description = index.description.clone().unwrap_or_default();
    plan.metadata = index.metadata.clone();
    plan.variables = request.vars.iter().cloned().collect();
    plan.origins = tree.origins.clone();
    plan.order = Order::Written;
    let paths = expanded(&index.paths, request, reading);
    plan.log_file = log_file(&paths, &root.dir, request);
    if !paths.is_empty() {
        let text = Value::Object(paths.clone()).to_string();
        plan.env.push(("QUINTET_PATHS".into(), text.into()));
        plan.metadata.insert("paths".into(), Value::Object(paths));
    }
    plan
}

/// The file that the root's `log_file` names; where that cannot be written, one
/// of its name that is the user's own.
fn log_file(paths: &Map<String, Value>, root: &str, request: &Request) -> Option<LogFile> {
    let path = paths
        .get("log_file")?
        .as_str()
        .filter(|path| !path.is_empty())?;
    let path = Path::new(root).join(path);
    let env = |name: &str| {
        let value = request.env.as_ref()?.get(name)?;
        (!value.is_empty()).then(|| Path::new(value))
    };
    let home = || Some(env("HOME")?.join(".local/state"));
    let state = env("XDG_STATE_HOME").map(Path::to_owned).or_else(home);
    let own = state
        .filter(|state| state.is_absolute())
        .zip(path.file_name());
    let own = own.map(|(state, name)| text_of(&state.join("quintet/logs").join(name)).into());
    Some(LogFile {
        path: text_of(&path).into(),
        fallbacks: own.into_iter().collect(),
    })
}

fn expanded(
    paths: &[(String, String, Span)],
    request: &Request,
    reading: &mut Reading,
) -> Map<String, Value> {
    let known = |name: &str| request.env.as_ref()?.get(name).map(String::as_str);
    let one = |(name, path, at): &(String, String, Span)| {
        let mut unknown = Vec::new();
        let path = paths::expand(path, known, &mut unknown);
        for variable in unknown {
            let message = format!("the environment has no {variable}");
            let help = format!("it stays as it is; ${{{variable}:-DEFAULT}} would stand in");
            reading.report(Problem::warning(message).at(*at, "").help(help));
        }
        (name.clone(), Value::from(path))
    };
    paths.iter().map(one).collect()
}

/// A step, but for what it does.
struct Planned {
    id: Box<str>,
    /// None for a gate.
    node: Option<usize>,
    flow: Flow,
    config: Config,
    tolerated: bool,
    always: bool,
    disabled: bool,
}

/// A level that is being placed.
struct Open {
    level: usize,
    /// The phase's own step; the root has none.
    step: Option<usize>,
    /// What the group being placed waits for.
    flow: Flow,
    group: Vec<Member>,
    order: f64,
    config: Config,
    /// A failure within it is tolerated here or further out.
    tolerated: bool,
    always: bool,
    disabled: bool,
}

struct Lowering<'l> {
    tree: &'l Tree,
    request: &'l Request,
    reading: &'l mut Reading,
    planned: Vec<Planned>,
    open: Vec<Open>,
    /// Whether a program is on PATH, for those that were asked for.
    there: BTreeMap<String, bool>,
    /// Bytes of configuration so far.
    passed: usize,
    widest: usize,
    modules: bool,
}

impl Lowering<'_> {
    /// Gives every node its place.
    fn place(&mut self) {
        let given = self.request.vars.iter();
        let given = given.map(|(name, value)| (name.clone(), value.as_str().into()));
        self.open.push(Open {
            level: 0,
            step: None,
            flow: Flow::default(),
            group: Vec::new(),
            order: f64::NAN,
            config: Config::new(given.collect()),
            tolerated: false,
            always: false,
            disabled: false,
        });
        for at in 0..self.tree.nodes.len() {
            while self.open.last().map(|open| open.level) != Some(self.tree.nodes[at].level) {
                self.close();
            }
            self.place_node(at);
        }
        while self.open.len() > 1 {
            self.close();
        }
    }

    fn place_node(&mut self, at: usize) {
        let node = &self.tree.nodes[at];
        let child = self.tree.child(node);
        self.begin_group(node, child.order);
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let own = self.tree.levels[node.level].index.config.get(&child.name);
        let planned = Planned {
            id: node.id.clone(),
            node: Some(at),
            flow: open.flow.clone(),
            config: open.config.with(own),
            tolerated: open.tolerated || child.tolerated,
            always: open.always || child.always,
            disabled: open.disabled || !child.enabled,
        };
        let step = self.planned.len();
        open.group.push(Member {
            step,
            tolerated: child.tolerated,
            always: planned.always,
            hands_on: is_module(node) && !planned.disabled,
        });
        self.widest = self.widest.max(open.group.len());
        if let What::Phase(Some(level)) = node.what {
            self.open.push(Open {
                level,
                step: Some(step),
                flow: planned.flow.clone(),
                group: Vec::new(),
                order: f64::NAN,
                config: planned.config.clone(),
                tolerated: planned.tolerated,
                always: planned.always,
                disabled: planned.disabled,
            });
        }
        self.planned.push(planned);
    }

    /// Ends the group before, unless this child runs together with it.
    fn begin_group(&mut self, node: &Node, order: f64) {
        let parallel = self.tree.levels[node.level].index.parallel;
        let gate = self.planned.len();
        let Some(open) = self.open.last_mut() else {
            return;
        };
        if parallel && open.order == order {
            return;
        }
        let before = std::mem::replace(&mut open.order, order);
        open.flow = open.flow.then(&std::mem::take(&mut open.group));
        if open.flow.edges() <= MOST_EDGES {
            return;
        }
        let parent = node.id.rfind('/').map_or("", |end| &node.id[..=end]);
        let flow = std::mem::take(&mut open.flow);
        open.flow = flow.behind(gate);
        self.planned.push(Planned {
            id: format!("{parent}after-order-{before}").into(),
            node: None,
            flow,
            config: Config::default(),
            tolerated: open.tolerated,
            always: open.always,
            disabled: open.disabled,
        });
    }

    /// A phase ends where its last group does.
    fn close(&mut self) {
        let Some(open) = self.open.pop() else {
            return;
        };
        if let Some(step) = open.step {
            self.planned[step].flow = open.flow.then(&open.group);
        }
    }

    fn build(mut self, header: Plan) -> Option<Plan> {
        let all = std::mem::take(&mut self.planned);
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
        let at_once = u32::try_from(self.widest.min(AT_ONCE)).ok();
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
        let mut notes = node.notes.clone();
        let action = match &node.what {
            What::Phase(_) => Action::Group,
            What::Nothing(why) => fails(why, &self.tree.levels[node.level].dir),
            What::Program(program) => match self.argv(&program.path, &program.kind) {
                Ok(argv) => {
                    let mut command = command(Program::Argv(argv), self.directory(node, program));
                    command.env = self.environment(planned, all, child.at);
                    Action::Command(Box::new(command))
                }
                Err(missing) => {
                    let message = format!(
                        "{missing:?}, which runs {}, is not on PATH",
                        program.path.display()
                    );
                    let problem = Problem::warning(message.as_str()).at(child.at, "");
                    let help = format!("install {missing}; without it this step fails");
                    self.reading.report(problem.help(help));
                    notes.push(message.as_str().into());
                    fails(&message, &self.tree.levels[node.level].dir)
                }
            },
        };
        let about = About {
            description: self.description(node).into(),
            notes: notes.into(),
            ..About::default()
        };
        let step = Step {
            about: (about != About::default()).then(|| Box::new(about)),
            source: child.source,
            ..Step::new(planned.id.clone(), action)
        };
        (step, child.at)
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
    fn directory(&self, node: &Node, program: &super::resolve::Program) -> Arc<str> {
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
        let path = self.request.env.as_ref().and_then(|env| env.get("PATH"));
        let found = runner::is_there(program, path.map(String::as_str));
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
        args: Box::new([why.into()]),
    };
    Action::Command(Box::new(command(program, Arc::clone(dir))))
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

fn is_module(node: &Node) -> bool {
    matches!(&node.what, What::Program(program) if program.kind == Kind::Module)
}
