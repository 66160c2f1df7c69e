//! From a script to the step that runs it.
//!
//! A script is told its variables twice, as its users know them
//! (`AITHERZERO_Name`) and by our own name (`QUINTET_VAR_Name`); PowerShell's
//! also by parameters, where it declares them. All of it is data: nothing that
//! a value holds is ever part of a command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::load::{Request, Unmet, facts};
use crate::plan::build::Builder;
use crate::plan::condition::{Facts, SyntaxError, Value as Judged};
use crate::plan::problem::Problem;
use crate::plan::{
    About, Action, Command, Condition, OnFailure, Policy, Program, Retry, Scope, Step, Text,
    Verdict, look_up,
};

use super::catalogue::Script;
use super::config::Defaults;

/// The prefixes of the environment variables that variables come in.
pub const PREFIXES: [&str; 2] = ["AITHERZERO_", "QUINTET_VAR_"];

/// What an exit code means to these systems, where nothing else is said.
const EXIT_CODES: [(i32, Verdict); 4] = [
    (2, Verdict::Warning),
    (3010, Verdict::RestartRequired),
    // What is left of 3010 where a code has eight bits.
    (194, Verdict::RestartRequired),
    (200, Verdict::NeedsHandling),
];

/// Between the polite signal and the last one.
const GRACE: Duration = Duration::from_secs(5);

/// How a script is used in a plan.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// The step's id.
    pub id: String,
    /// The variables that hold for it, by name.
    pub variables: Arc<Scope>,
    /// What its condition's names mean, where that is more than the variables.
    pub names: Option<Arc<Scope>>,
    /// Parameters of this use alone, over the variables.
    pub parameters: Scope,
    /// Environment of this use alone.
    pub env: Vec<(Box<str>, Text)>,
    /// When it runs, beside what its own header says.
    pub condition: Option<Condition>,
    /// The stage that it is in, instead of its own.
    pub stage: Option<String>,
    pub description: Option<String>,
    /// Over what holds for the script.
    pub defaults: Defaults,
}

impl Usage {
    fn names(&self) -> &Scope {
        self.names.as_ref().unwrap_or(&self.variables)
    }
}

/// Makes the steps of one plan.
pub struct Lowering<'r> {
    pub request: &'r Request,
    pub builder: Builder,
    pub facts: BTreeMap<String, String>,
    pub problems: Vec<Problem>,
    /// What a run would need and is not there.
    pub unmet: Vec<Unmet>,
}

impl<'r> Lowering<'r> {
    pub fn new(request: &'r Request) -> Self {
        Lowering {
            request,
            builder: Builder::default(),
            facts: BTreeMap::new(),
            problems: Vec::new(),
            unmet: Vec::new(),
        }
    }

    /// The step, but for its edges.
    pub fn step(&mut self, script: &Script, usage: Usage) -> Step {
        let when = self.condition(script, &usage);
        self.check_interpreter(script, when.as_ref(), &usage);
        let command = Command {
            program: Program::Argv(argv(script, &usage)),
            cwd: self.request.cwd.as_str().into(),
            env: environment(&usage).into(),
            stdin: None,
        };
        let about = About {
            description: usage
                .description
                .unwrap_or_else(|| script.description.clone())
                .into(),
            stage: Some(usage.stage.unwrap_or_else(|| script.stage.clone()).into()),
            ..About::default()
        };
        Step {
            when: when.map(Box::new),
            scope: Some(usage.names.unwrap_or(usage.variables)).filter(|names| !names.is_empty()),
            policy: self
                .builder
                .policy(policy(&usage.defaults.over(&script.defaults))),
            tags: script.tags.clone(),
            about: Some(Box::new(about)),
            source: script.source(),
            ..Step::new(usage.id, Action::Command(Box::new(command)))
        }
    }

    /// What the header says and what the use says must both hold.
    fn condition(&mut self, script: &Script, usage: &Usage) -> Option<Condition> {
        let own = match &script.condition {
            None => None,
            Some(Ok(condition)) => Some(condition.clone()),
            Some(Err(problem)) => {
                self.problems.push((**problem).clone());
                None
            }
        };
        let both = match (&usage.condition, &own) {
            (Some(a), Some(b)) => {
                let both = format!("({}) -and ({})", a.text(), b.text());
                // Each was read by itself; together they are longer, and perhaps too long.
                let refuse = |error: SyntaxError| {
                    let message = format!("Condition, with that of its stage: {}", error.message);
                    self.problems
                        .push(Problem::error(message).at(script.at, ""));
                };
                Condition::parse(&both).map_err(refuse).ok()
            }
            (one, other) => one.clone().or_else(|| other.clone()),
        }?;
        let known = |name: &str| look_up(usage.names(), name).is_some();
        let env = self.request.env.as_ref();
        facts::note(&both, known, env, &mut self.facts);
        Some(both)
    }

    /// A missing interpreter is found before anything runs, unless the script
    /// would be skipped anyway.
    fn check_interpreter(&mut self, script: &Script, when: Option<&Condition>, usage: &Usage) {
        let Some(program) = &script.missing else {
            return;
        };
        let world = World {
            variables: usage.names(),
            facts: &self.facts,
        };
        let skipped = when.is_some_and(|when| {
            when.steps().is_empty() && when.judge(&world).is_ok_and(|found| !found.holds)
        });
        if !skipped {
            self.unmet.push(Unmet {
                step: usage.id.clone(),
                program: program.clone(),
            });
        }
    }
}

/// What a condition can be told before the run.
struct World<'a> {
    variables: &'a Scope,
    facts: &'a BTreeMap<String, String>,
}

impl Facts for World<'_> {
    fn look_up(&self, path: &[&str]) -> Judged {
        let fact = |name: &str| Judged::of_fact(self.facts.get(name).map(String::as_str));
        match path {
            ["env", name] => fact(&format!("env.{name}")),
            ["vars", name] | [name] => match look_up(self.variables, name) {
                Some(value) => Judged::from(value),
                None => fact(name),
            },
            _ => Judged::Null,
        }
    }
}

fn policy(defaults: &Defaults) -> Policy {
    let mut exit_codes: BTreeMap<i32, Verdict> = EXIT_CODES.into();
    exit_codes.extend(&defaults.exit_codes);
    let goes_on = defaults.continue_on_error.unwrap_or(false);
    Policy {
        timeout: defaults.timeout.filter(|limit| !limit.is_zero()),
        grace: GRACE,
        retry: Retry {
            count: defaults.retries.unwrap_or(0),
            delay: defaults.retry_delay.unwrap_or_default(),
            ..Retry::default()
        },
        on_failure: match goes_on {
            true => OnFailure::SkipDependents,
            false => OnFailure::Abort,
        },
        critical: !goes_on,
        exit_codes,
        ..Policy::default()
    }
}

fn argv(script: &Script, usage: &Usage) -> Box<[Text]> {
    let mut argv: Vec<Text> = script
        .runner
        .command
        .iter()
        .map(|word| word.as_str().into())
        .collect();
    argv.push(script.path.as_str().into());
    for (name, parameter) in &script.parameters {
        let value = look_up(&usage.parameters, name).or_else(|| look_up(&usage.variables, name));
        match (value, parameter.switch) {
            (None | Some(Value::Null), _) => {}
            (Some(value), true) => {
                if is_true(value) {
                    argv.push(format!("-{}", parameter.name).as_str().into());
                }
            }
            // One word, so that a value that begins with `-` is a value.
            (Some(value), false) => {
                argv.push(
                    format!("-{}:{}", parameter.name, word(value))
                        .as_str()
                        .into(),
                );
            }
        }
    }
    argv.into()
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::String(text) => !["", "0", "false", "$false"].contains(&&*text.to_ascii_lowercase()),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Null => false,
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// A value as one word: PowerShell splits lists of texts at commas itself.
fn word(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(word).collect::<Vec<_>>().join(","),
        other => told(other),
    }
}

/// A value as the environment holds it: a text as it is, all else as JSON.
pub fn told(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn environment(usage: &Usage) -> Vec<(Box<str>, Text)> {
    let mut all = usage.env.clone();
    all.extend(as_environment(&usage.parameters));
    all
}

/// Named values as environment variables, under each of the [`PREFIXES`].
/// What no environment can hold is left out.
pub fn as_environment(values: &Scope) -> Vec<(Box<str>, Text)> {
    let fit = |name: &str, text: &str| !name.contains(['=', '\0']) && !text.contains('\0');
    let told = values.iter().map(|(name, value)| (name, told(value)));
    told.filter(|(name, text)| fit(name, text))
        .flat_map(|(name, text)| {
            PREFIXES.map(|prefix| (format!("{prefix}{name}").into(), text.as_str().into()))
        })
        .collect()
}
