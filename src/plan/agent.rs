//! What the step of an agent is told, and what it puts out: the values that an
//! orchestration's context is made of.
//!
//! An agent's step is a program as any other. On its standard input it gets one
//! JSON object: its [`Assignment`], what the orchestration is about ([`Given`]), and
//! the [`Entry`] of each step before it. Its own entry is its output `entry`. So the
//! context lives in the run's record, and a resumed run has it too.
//!
//! What an agent has said is always a JSON value in another: it is never joined to a
//! command line, and never read as anything else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::isolation::{Change, Isolation, Worktree};

/// The output under which a step puts its [`Entry`].
pub const ENTRY: &str = "entry";
/// The output under which a reviewing step puts its [`Verdict`].
pub const VERDICT: &str = "verdict";
/// The output that says why another round would be of no use.
pub const STUCK: &str = "stuck";

/// What one agent's step is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Who.
    pub agent: String,
    pub work: Work,
    /// How what it prints is to be read.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub prints: Prints,
    /// JSON Schema that its result must fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// What it may use.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub budget: Budget,
    /// What all agents of the orchestration may use together.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub together: Budget,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The steps whose verdicts end the rounds before this one, oldest first: it
    /// decides itself whether there is a further round, and to reject is no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<Vec<String>>,
    /// Where it works, if not in the repository itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A program, with its arguments.
    Program(Vec<String>),
    Planner,
    Builder,
    Reviewer,
    Doc,
    /// A person has approved of the work: that the step runs at all says so.
    Approval,
    /// Says whether a loop of rounds came to a good end.
    Gate,
    /// Finds the commit that worktrees begin from.
    Base(Worktree),
    /// Brings what was made in worktrees into the repository: all of it or nothing.
    Merge(Vec<Change>),
    /// Throws away what was made in worktrees.
    Discard(Vec<Worktree>),
    /// Removes worktrees, however the run ended. What was made in them stays.
    Remove(Vec<Worktree>),
}

/// How what an agent's program prints is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prints {
    /// Its result, as JSON.
    #[default]
    Json,
    /// What `claude -p --output-format json` prints: one object about the session.
    Claude,
    /// What `codex exec --json` prints: events, a line each.
    Codex,
}

impl Prints {
    pub const ALL: [(&str, Prints); 3] = [
        ("json", Prints::Json),
        ("claude", Prints::Claude),
        ("codex", Prints::Codex),
    ];

    /// Whether it tells what the session has cost.
    pub fn tells_cost(self) -> bool {
        self == Prints::Claude
    }
}

/// The most that may be used; without a number, any amount. Time is not in here:
/// it is the step's timeout and the plan's deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// Read and written together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// In whatever money the prices are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// What a million tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    pub input: f64,
    pub output: f64,
}

/// What was used, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    #[serde(default)]
    pub turns: u64,
    #[serde(default)]
    pub input_tokens: u64,
    #[serde(default)]
    pub output_tokens: u64,
    /// `None` is unpriced, which is not the same as free.
    #[serde(default)]
    pub cost: Option<f64>,
}

impl Usage {
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// Both together. What is unpriced stays so.
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            turns: self.turns.saturating_add(other.turns),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost: self.cost.zip(other.cost).map(|(a, b)| a + b),
        }
    }
}

/// What an orchestration is about. Every agent gets it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Given {
    pub orchestration: String,
    pub goal: String,
    /// The task that the built-in agents work on, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Which round it is, where there are rounds; from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
}

/// A task, as agents see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub name: String,
    pub description: String,
    pub repo: String,
    /// Absolute.
    pub working_dir: String,
    pub command: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Relative to the working directory.
    pub outputs: Vec<String>,
    pub documents: Vec<String>,
}

/// What an agent says of another's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Approved,
    Rejected,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Approved => "approved",
            Verdict::Rejected => "rejected",
        }
    }
}

/// What came of one agent's step, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub agent: String,
    /// The step's id.
    pub step: String,
    /// Which attempt of the step, from 1.
    pub attempt: u32,
    /// RFC 3339.
    pub started_at: String,
    pub ended_at: String,
    /// An object, or null where there is none that could be believed.
    pub result: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why the attempt failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The state of the work that was reviewed: 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<String>,
    /// The commit that holds what is in its worktree, where it worked in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// All that a step is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub assignment: Assignment,
    pub given: Given,
    /// The commit that its worktree begins from; empty where it works in none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base: String,
    /// One for each step before it, in the plan's order; null where a step put out none.
    pub history: Vec<Option<Entry>>,
}

/// The results of all entries as one object: objects are joined key by key, and of
/// two other values for one key the later counts.
pub fn merged<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Map<String, Value> {
    let mut all = Map::new();
    for entry in entries {
        if let Value::Object(result) = &entry.result {
            join(&mut all, result);
        }
    }
    all
}

fn join(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => join(old, new),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(result: Value) -> Entry {
        Entry {
            agent: "A".into(),
            step: "1/A".into(),
            attempt: 1,
            started_at: String::new(),
            ended_at: String::new(),
            result,
            verdict: None,
            error: None,
            usage: None,
            work: None,
            commit: None,
        }
    }

    /// O34.
    #[test]
    fn o34_results_are_joined_key_by_key_and_the_later_counts() {
        let entries = [
            entry(json!({"plan": {"tasks": ["a"], "by": 1}, "x": [1]})),
            entry(Value::Null),
            entry(json!({"plan": {"by": 2}, "x": {"y": 1}})),
        ];
        let merged = Value::Object(merged(&entries));
        assert_eq!(
            merged,
            json!({"plan": {"tasks": ["a"], "by": 2}, "x": {"y": 1}})
        );
    }

    #[test]
    fn what_is_unpriced_stays_so() {
        let known = Usage {
            turns: 1,
            cost: Some(0.5),
            ..Usage::default()
        };
        assert_eq!(known.plus(known).cost, Some(1.0));
        assert_eq!(known.plus(Usage::default()).cost, None);
        assert_eq!(known.plus(Usage::default()).turns, 1);
    }
}
