//! The plan: what is to be done, as a value.
//!
//! Five kinds of input are lowered to this one type, and everything after
//! loading (selection, the scheduler, the executors, every view) knows only
//! this. A plan has no default left to apply, no variable left to replace and
//! no path left to resolve; two equal plans have equal [content ids](Plan::content_id).
//!
//! This room is pure. It does not know files, processes, threads, clocks,
//! the environment or chance, and a test (`tests/tidy.rs`) keeps it so.

pub mod agent;
pub mod build;
pub mod builtin;
mod cache;
pub mod condition;
mod content;
mod executor;
pub mod graph;
pub mod isolation;
pub(crate) mod millis;
pub mod name;
pub mod notify;
pub mod pattern;
mod policy;
pub mod problem;
mod remedy;
pub mod select;
pub mod text;
mod told;
pub mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use builtin::Builtin;
pub use cache::{Cache, CacheUse};
pub use condition::Condition;
pub use content::Content;
pub use executor::{Executor, Slurm};
pub use notify::Notify;
pub use policy::{
    Approval, OnAbort, OnFailure, OnRestart, Order, Policy, Retry, Rollback, Verdict,
};
pub use remedy::{Budget, Remediate, Remedy};
pub use text::{Part, Text};
pub use told::{About, Level, LogFile, Moment, Notice};
pub use variables::{LONGEST_SECRET, SHORTEST_SECRET};

/// A step's place in [`Plan::steps`].
///
/// Ids are for people and files; indices are for code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIx(u32);

impl StepIx {
    /// The index of the `n`-th step, counted from zero.
    ///
    /// # Panics
    /// When `n` does not fit 32 bits: a plan that large does not fit memory.
    pub fn new(n: usize) -> Self {
        StepIx(u32::try_from(n).expect("a plan has fewer than 2^32 steps"))
    }

    /// The index as a position in a slice that runs parallel to the steps.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for StepIx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Everything there is to do, with every question of how already answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the author calls this plan (`plan_id` in a plan file).
    pub id: String,
    /// A name for people; the id where none was given.
    pub name: String,
    /// The author's version of the plan; "1" where none was given.
    pub version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Free data of the author's, kept with the run and searchable in the store.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// The variables' values as they were given to this plan. Secret ones are absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Environment of every step, over the engine's own and under the step's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(Box<str>, Text)>,
    /// At most this many steps run at once.
    pub max_concurrency: NonZeroU32,
    /// At most this many steps that run through Slurm are under way at once, those
    /// included that wait there. They do not count as running on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm_jobs: Option<NonZeroU32>,
    /// The whole run may take this long.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "millis::opt")]
    pub deadline: Option<Duration>,
    /// What becomes of running steps when a critical step's failure aborts the run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_abort: OnAbort,
    /// What a step that succeeded and wants the machine restarted means for the run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_restart: OnRestart,
    /// When completed steps are undone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rollback: Rollback,
    /// Whether steps that are fresh run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cache: CacheUse,
    /// Whose freshness it is: what is remembered of a step is found by this and
    /// the step's id. An absolute path, of the project that the plan belongs to.
    #[serde(default, skip_serializing_if = "str_is_empty")]
    pub project: Box<str>,
    /// Whether failed steps that have a remedy are remedied.
    #[serde(default, skip_serializing_if = "is_default")]
    pub remediate: Remediate,
    /// A lock that the whole run holds, so that two runs with one key never overlap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<RunLock>,
    /// Capacity of each pool, by name. A step takes one place or more of its pool while it runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<Box<str>, u32>,
    /// Capacity of each weighted resource, by name, in whatever unit the author counts it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<Box<str>, u32>,
    /// What conditions may ask of the outside world (`env.HOME`, `IsLinux`),
    /// as it was when the plan was made, so that a resumed run judges alike.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The files this plan was loaded from; [`Source::file`] points in here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Those of these files that lie on a disk, as they were then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
    /// Which of several ready steps goes first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub order: Order,
    /// The run fails if fewer of its steps succeed, however they were to be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_succeeded: Option<u32>,
    /// What people are told of the run as a whole, in the order of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// Where each run of the plan adds lines for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_file: Option<LogFile>,
    /// Who is told of it elsewhere, in the order of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Notify>,
    /// The plan that a run went by before it went on by this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Arc<Plan>>,
    pub steps: Vec<Step>,
}

impl Plan {
    /// A plan without steps that says nothing but its id: one step at a time,
    /// and the default for all else.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Plan {
            name: id.clone(),
            id,
            version: "1".into(),
            description: String::new(),
            metadata: BTreeMap::new(),
            variables: BTreeMap::new(),
            env: Vec::new(),
            max_concurrency: NonZeroU32::MIN,
            slurm_jobs: None,
            deadline: None,
            on_abort: OnAbort::default(),
            on_restart: OnRestart::default(),
            rollback: Rollback::default(),
            cache: CacheUse::default(),
            project: Box::default(),
            remediate: Remediate::default(),
            lock: None,
            pools: BTreeMap::new(),
            resources: BTreeMap::new(),
            facts: BTreeMap::new(),
            files: Vec::new(),
            origins: Vec::new(),
            order: Order::default(),
            min_succeeded: None,
            notices: Vec::new(),
            log_file: None,
            notify: Vec::new(),
            before: None,
            steps: Vec::new(),
        }
    }

    /// How many steps may be under way at once, here and elsewhere.
    pub fn slots(&self) -> usize {
        let elsewhere = self.slurm_jobs.map_or(0, NonZeroU32::get);
        self.max_concurrency.get() as usize + elsewhere as usize
    }

    /// All step indices, in the plan's own order.
    pub fn indices(&self) -> impl DoubleEndedIterator<Item = StepIx> + ExactSizeIterator + use<> {
        (0..self.steps.len() as u32).map(StepIx)
    }
}

impl Index<StepIx> for Plan {
    type Output = Step;
    fn index(&self, ix: StepIx) -> &Step {
        &self.steps[ix.at()]
    }
}

impl IndexMut<StepIx> for Plan {
    fn index_mut(&mut self, ix: StepIx) -> &mut Step {
        &mut self.steps[ix.at()]
    }
}

/// A file that a plan was loaded from: to tell whether it has changed since,
/// and to load it again as it was loaded then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Absolute.
    pub path: String,
    /// The file's content id: 64 hexadecimal digits (BLAKE3 of its text).
    pub content: String,
    /// The directory that relative working directories were seen from; absolute.
    pub cwd: String,
}

/// Values by name, of any kind that a file can write down. Who looks a name up
/// finds it in any case of letters.
pub type Scope = BTreeMap<Box<str>, serde_json::Value>;

/// The value of a name: the one written just so, else the first that differs
/// only in the case of letters.
pub fn look_up<'s>(scope: &'s Scope, name: &str) -> Option<&'s serde_json::Value> {
    scope.get(name).or_else(|| {
        let mut all = scope.iter();
        all.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    })
}

/// One thing to do.
///
/// Kept lean on purpose: a plan may have 100,000 of these, so what few steps
/// have is boxed, and what many share (the policy) is shared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// A path such as `config/hardware/bluetooth`; its group is its parent.
    pub id: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    pub action: Action,
    /// Steps whose success this one waits for; ascending, each once.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub needs: Box<[StepIx]>,
    /// Steps that this one only waits for, however they end; ascending, none of them in `needs`.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub after: Box<[StepIx]>,
    /// The step this one stands in for: it runs only when that one has failed,
    /// and its success satisfies that one's dependents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_of: Option<StepIx>,
    /// Why the step is in the plan and yet will not run, if so. An absent step
    /// only passes order on: its dependents wait for what it would have waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<Absent>,
    /// Runs only if this holds; skipped otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Box<Condition>>,
    /// What the condition's names mean for this step, where that is not the same
    /// for the whole plan or is more than a text. It stands before the plan's
    /// variables. Shared by all steps of a stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Arc<Scope>>,
    pub policy: Arc<Policy>,
    /// Where its attempts are made, those of its remedy and its undo included.
    #[serde(default, skip_serializing_if = "is_default")]
    pub executor: Executor,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub tags: Box<[Box<str>]>,
    /// What the step occupies while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Box<Holds>>,
    /// A question a person answers before the step starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Box<str>>,
    /// When it need not run again; always runs, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Box<Cache>>,
    /// What may mend its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Box<Remedy>>,
    /// What takes the step's effect back, when the run rolls back. Of a step with
    /// a remedy, what takes that one's effect back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<Undo>>,
    /// What is only for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Box<About>>,
    /// Where the step is written.
    pub source: Source,
}

/// The policy of steps that say nothing of it, shared by all of them.
static USUAL: LazyLock<Arc<Policy>> = LazyLock::new(Arc::default);

impl Step {
    /// A step that says only what it does. It waits for nothing, and is written
    /// nowhere.
    pub fn new(id: impl Into<Box<str>>, action: Action) -> Self {
        Step {
            id: id.into(),
            name: None,
            action,
            needs: Box::default(),
            after: Box::default(),
            fallback_of: None,
            absent: None,
            when: None,
            scope: None,
            policy: Arc::clone(&USUAL),
            executor: Executor::default(),
            tags: Box::default(),
            holds: None,
            confirm: None,
            cache: None,
            remedy: None,
            undo: None,
            about: None,
            source: Source::default(),
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Runs a program.
    Command(Box<Command>),
    /// Asks something of the machine.
    Builtin(Box<Builtin>),
    /// Nothing: a meeting point for edges.
    Group,
}

impl Action {
    /// The step's own environment.
    pub fn env(&self) -> &[(Box<str>, Text)] {
        match self {
            Action::Command(command) => &command.env,
            Action::Builtin(builtin) => &builtin.env,
            Action::Group => &[],
        }
    }

    /// All its texts.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        let (command, own) = match self {
            Action::Command(command) => (Some(command.texts()), None),
            _ => (None, Some(self.env().iter().map(|(_, text)| text))),
        };
        command
            .into_iter()
            .flatten()
            .chain(own.into_iter().flatten())
    }

    /// Where it happens; absolute. A meeting point happens nowhere.
    pub fn cwd(&self) -> Option<&Arc<str>> {
        match self {
            Action::Command(command) => Some(&command.cwd),
            Action::Builtin(builtin) => Some(&builtin.cwd),
            Action::Group => None,
        }
    }
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    pub program: Program,
    /// Working directory, absolute. Shared, since most steps have the same.
    pub cwd: Arc<str>,
    /// Environment of this step alone, over the plan's.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub env: Box<[(Box<str>, Text)]>,
    /// Text for standard input; without it the step reads end of file at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Box<Text>>,
}

impl Command {
    /// All its texts: arguments, environment, standard input.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        let args: &[Text] = match &self.program {
            Program::Argv(argv) => argv,
            Program::Shell { args, .. } => args,
        };
        let env = self.env.iter().map(|(_, text)| text);
        args.iter().chain(env).chain(self.stdin.as_deref())
    }
}

/// How the program is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A program and its arguments, each passed on byte for byte.
    Argv(Box<[Text]>),
    /// A script for `/bin/sh -c`. Values never become part of the script:
    /// the variables it names stand in the step's environment. `args` are the
    /// script's positional parameters, `$1` and on.
    Shell { script: Box<str>, args: Box<[Text]> },
}

/// What takes a step back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    pub command: Command,
    #[serde(with = "millis::opt", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    #[serde(default)]
    pub retry: Retry,
}

/// A lock held by a whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLock {
    pub name: Box<str>,
    /// How long to wait for another holder before the run is refused; zero refuses at once.
    #[serde(with = "millis")]
    pub wait: Duration,
}

/// What a step occupies while it runs, across all runs of this user's store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// A pool, and how many of its places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<(Box<str>, u32)>,
    /// Exclusive locks, sorted by name.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub locks: Box<[Box<str>]>,
    /// Units of weighted resources, sorted by name.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub resources: Box<[(Box<str>, u32)]>,
}

/// Why a step of the plan does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// The selection left it out.
    NotSelected,
    /// The file itself switches it off.
    Disabled,
    /// The run went on by another plan, which has it no more.
    Removed,
}

/// Where something is written. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Position in [`Plan::files`].
    pub file: u32,
    pub line: u32,
    pub column: u32,
}

fn is_default<T: Default + PartialEq>(v: &T) -> bool {
    *v == T::default()
}
fn is_true(v: &bool) -> bool {
    *v
}
fn yes() -> bool {
    true
}
fn str_is_empty(v: &str) -> bool {
    v.is_empty()
}
