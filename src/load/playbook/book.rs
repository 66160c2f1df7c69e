//! A playbook as a value: what all the ways of writing one mean.
//!
//! There are five: a list of scripts, stages of two generations, jobs, and data
//! files with a record for each step. Each has a reader of its own that ends
//! here, so that what a playbook *does* is decided once, in `lower`.
//!
//! Everything is kept as it is written and with its place: a template is not
//! filled and a condition is not read, since both ask for variables whose values
//! a profile and the command line may still change. So whatever may be written
//! as a template (`"timeout": "{{limit}}"`) is a [`Value`] and not yet a number.

use serde_json::Value;

use crate::plan::Moment;
use crate::plan::problem::Span;

/// Something that is written in a file, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Said<T> {
    pub value: T,
    pub at: Span,
    /// It is written with escapes, so that its parts have no places of their own.
    pub escaped: bool,
}

/// A named value: a variable, a parameter, an environment variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub name: Said<String>,
    pub value: Said<Value>,
}

/// Named values in the order of the file. Of two for one name the later counts.
pub type Values = Vec<Named>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playbook {
    pub name: Option<Said<String>>,
    pub description: Option<Said<String>>,
    pub version: Option<Said<String>>,
    /// What it can be told from outside.
    pub inputs: Vec<Input>,
    pub variables: Values,
    /// Environment of everything in it.
    pub env: Values,
    pub profiles: Vec<Profile>,
    /// The profile it runs by where none is asked for. One that it does not
    /// declare is a name for people and changes nothing.
    pub profile: Option<Said<String>>,
    /// For every stage and item that says nothing itself.
    pub policy: Policy,
    /// At most so many scripts at once.
    pub max_concurrency: Option<Said<Value>>,
    /// In the order of the file.
    pub stages: Vec<Stage>,
    /// What must hold before anything runs.
    pub before: Vec<Check>,
    /// What should hold when all is done.
    pub after: Vec<Check>,
    pub notices: Vec<Notice>,
    pub success: Success,
    /// Keys that are written there and change nothing, as they are spelled.
    pub idle: Vec<Said<String>>,
}

/// A variable that is declared to come from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub name: Said<String>,
    pub default: Option<Said<Value>>,
    pub required: bool,
    /// The only values it may have; any, where this is empty.
    pub choices: Vec<Value>,
}

/// A named change of a playbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    pub name: Said<String>,
    pub description: Option<Said<String>>,
    pub variables: Values,
    /// For every script, over what its item says.
    pub parameters: Values,
    pub env: Values,
    /// Over what the playbook says, but under what a stage says for itself.
    pub policy: Policy,
    pub max_concurrency: Option<Said<Value>>,
    /// Whether all stages are parallel or none is, whatever they say.
    pub parallel: Option<Said<Value>>,
    /// Only these stages, by name; all without.
    pub only: Option<Vec<Said<String>>>,
    /// Not these stages.
    pub without: Vec<Said<String>>,
}

/// How scripts are run. What is left out comes from what is around: an item's
/// from its stage, a stage's from its playbook, a playbook's from the scripts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// True or false.
    pub continue_on_error: Option<Said<Value>>,
    /// Seconds for each attempt of each script.
    pub timeout: Option<Said<Value>>,
    /// Attempts after the first.
    pub retries: Option<Said<Value>>,
    /// Seconds before each further attempt.
    pub retry_delay: Option<Said<Value>>,
}

/// Items that belong together. A stage begins when what it waits for has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What others call it in `needs`. A job with a matrix is one stage for each
    /// of its combinations, and all of them have the job's name.
    pub key: Said<String>,
    /// For people, and what its steps' ids are made of.
    pub name: Said<String>,
    pub description: Option<Said<String>>,
    pub needs: Needs,
    /// As it is written, with templates.
    pub condition: Option<Said<String>>,
    /// Over those of the playbook.
    pub variables: Values,
    pub env: Values,
    pub policy: Policy,
    /// Whether its items may run at once: true or false. Readers put in what
    /// their way of writing takes for granted.
    pub parallel: Said<Value>,
    /// At most so many of its scripts at once.
    pub max_concurrency: Option<Said<Value>>,
    pub items: Vec<Item>,
    /// What the stage has to say to those that need it: a name, and a template
    /// that names an output of one of its items.
    pub outputs: Values,
    pub at: Span,
}

/// What a stage waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Needs {
    /// The stage before it, however that ended.
    Previous,
    /// The success of the stages with these keys; with none, nothing.
    Keys(Vec<Said<String>>),
}

/// One thing to do, or one selection of scripts.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub does: Does,
    /// What other items call it.
    pub id: Option<Said<String>>,
    pub name: Option<Said<String>>,
    pub description: Option<Said<String>>,
    /// What the scripts are given as arguments.
    pub parameters: Values,
    /// Over those of the stage.
    pub variables: Values,
    pub env: Values,
    pub condition: Option<Said<String>>,
    pub policy: Policy,
    pub at: Span,
}

/// What an item does.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// Runs what these tokens of the selection language select, in their order.
    Select(Vec<Said<String>>),
    /// Runs one script, given by number, by name or by file name.
    Script(Said<String>),
    /// Runs a text as a program.
    Code {
        language: Language,
        text: Said<String>,
    },
    /// Does what another playbook says, given by name.
    Playbook(Said<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    PowerShell,
    Shell,
    Python,
}

/// A condition that is looked at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub name: Said<String>,
    pub condition: Said<String>,
    /// What people are told where it does not hold.
    pub message: Option<Said<String>>,
}

/// What people are told of the whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub on: Moment,
    /// With templates.
    pub message: Said<String>,
    pub level: Option<Said<String>>,
    /// Where to; the console and the log where nothing is said.
    pub channels: Vec<Said<String>>,
}

/// What counts as the success of the whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Success {
    /// At least so many scripts succeed.
    pub at_least: Option<Said<Value>>,
    /// At most so many scripts fail.
    pub failures: Option<Said<Value>>,
    /// Whether every failure is the run's failure: true or false.
    pub all: Option<Said<Value>>,
    /// Scripts whose failure is the run's failure, whatever else they are told.
    pub critical: Vec<Said<String>>,
}

impl<T> Said<T> {
    pub fn new(value: T, at: Span) -> Self {
        Said {
            value,
            at,
            escaped: false,
        }
    }
}

impl Item {
    /// An item that says nothing but what it does.
    pub fn new(does: Does, at: Span) -> Self {
        Item {
            does,
            id: None,
            name: None,
            description: None,
            parameters: Values::new(),
            variables: Values::new(),
            env: Values::new(),
            condition: None,
            policy: Policy::default(),
            at,
        }
    }
}

impl Stage {
    /// A stage of nothing, behind the one before it.
    pub fn new(name: Said<String>, parallel: bool) -> Self {
        let at = name.at;
        Stage {
            key: name.clone(),
            name,
            description: None,
            needs: Needs::Previous,
            condition: None,
            variables: Values::new(),
            env: Values::new(),
            policy: Policy::default(),
            parallel: Said::new(Value::Bool(parallel), at),
            max_concurrency: None,
            items: Vec::new(),
            outputs: Values::new(),
            at,
        }
    }
}

impl Policy {
    /// This, and what it leaves out from `around`.
    pub fn within(&self, around: &Policy) -> Policy {
        let or = |own: &Option<Said<Value>>, other: &Option<Said<Value>>| {
            own.clone().or_else(|| other.clone())
        };
        Policy {
            continue_on_error: or(&self.continue_on_error, &around.continue_on_error),
            timeout: or(&self.timeout, &around.timeout),
            retries: or(&self.retries, &around.retries),
            retry_delay: or(&self.retry_delay, &around.retry_delay),
        }
    }
}
