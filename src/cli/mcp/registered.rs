//! What is registered: the names of the configuration, and the plans that they mean.
//!
//! A client says a kind and a name, and of an orchestration the goal and the task,
//! which the agents read as JSON. Nothing else of a message reaches a plan.

use std::ffi::OsString;
use std::path::Path;

use rmcp::schemars;
use serde_json::{Map, Value, json};

use super::answer::LONGEST_TEXT;
use crate::cli::error::{self, Failure};
use crate::cli::global::Global;
use crate::cli::records::Records;
use crate::cli::{agent, config, list, orchestration, orchestration_run, plan_task, target};
use crate::load::jobs::Config;
use crate::plan::Plan;

pub use crate::serve::desk::Kind;

/// Of each kind so many are listed at once.
const MOST_LISTED: usize = 200;

/// What can be previewed and started.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub kind: Kind,
    /// Its name in the configuration, as `list` has it
    pub name: String,
    /// Of an orchestration: what its agents are to bring about
    #[serde(default)]
    pub goal: Option<String>,
    /// Of an orchestration: the task that its agents work on
    #[serde(default)]
    pub task: Option<String>,
}

impl Target {
    /// The plan that a run of it would have now.
    ///
    /// # Errors
    /// Nothing of that name is registered, or the configuration is wrong.
    pub fn plan(&self, global: &Global) -> Result<Plan, Failure> {
        self.check()?;
        let config = config::silently(global)?;
        let request = target::request()?;
        let loaded = match self.kind {
            Kind::Job => {
                config::named(&config.jobs, "job", &self.name)?;
                self.not_hidden()?;
                config.job_plan(&self.name, &request)
            }
            Kind::Task => {
                config::named(&config.tasks, "task", &self.name)?;
                config.task_plan(&self.name, &request)
            }
            Kind::Orchestration => {
                let goal = self.goal.as_deref().unwrap_or("");
                let task = self.task.as_deref();
                let (name, vars) = (&self.name, Vec::new());
                let loaded = orchestration_run::load(&config, name, goal, task, vars, global);
                Some(loaded?)
            }
        };
        Ok(loaded.expect("it was found").plan)
    }

    /// The command line that runs it, behind the program's name.
    pub fn words(&self, only_plan: &str) -> Vec<OsString> {
        let verb: &[&str] = match self.kind {
            Kind::Job => &["run"],
            Kind::Task => &["build", "run"],
            Kind::Orchestration => &["orchestration", "run"],
        };
        let mut words: Vec<OsString> = verb.iter().map(OsString::from).collect();
        words.push(format!("--only-plan={only_plan}").into());
        // The result goes to stdout, which nobody reads, and the run's id to stderr.
        words.push("--pass-thru".into());
        words.extend(self.goal.iter().map(|goal| format!("--goal={goal}").into()));
        words.extend(self.task.iter().map(|task| format!("--task={task}").into()));
        // Whatever the name looks like, it is no option.
        words.extend(["--".into(), self.name.as_str().into()]);
        words
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse = |why: &str| Err(Failure::new(error::Kind::Usage, why));
        let told = self.goal.is_some() || self.task.is_some();
        if told && self.kind != Kind::Orchestration {
            return refuse("only an orchestration has a goal and a task");
        }
        match &self.goal {
            Some(goal) if goal.len() > LONGEST_TEXT => refuse("the goal is too long"),
            Some(goal) if goal.contains('\0') => refuse("the goal holds a NUL byte"),
            _ => Ok(()),
        }
    }

    /// Whatever is at a path comes before a job of that name, and a path is not what
    /// was asked for.
    fn not_hidden(&self) -> Result<(), Failure> {
        if !Path::new(&self.name).exists() {
            return Ok(());
        }
        let here = "in the directory that the server was started in";
        let message = format!("a file or folder {:?} {here} hides the job", self.name);
        Err(Failure::new(error::Kind::Usage, message))
    }
}

/// Which of what is registered is listed.
#[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Only what has this in its name
    #[serde(default)]
    pub contains: Option<String>,
}

/// All that is registered, by kind.
///
/// # Errors
/// The configuration is wrong.
pub fn listed(wanted: &Wanted, global: &Global) -> Result<Value, Failure> {
    let config = config::silently(global)?;
    let mut answer = Map::new();
    for (kind, all) in kinds(&config, global)? {
        let (shown, left_out) = narrowed(all, wanted.contains.as_deref().unwrap_or(""));
        answer.insert(kind.into(), shown);
        if left_out > 0 {
            answer.insert(format!("{kind}_left_out"), json!(left_out));
        }
    }
    answer.insert("configuration".into(), json!(config.path));
    Ok(Value::Object(answer))
}

fn kinds(config: &Config, global: &Global) -> Result<[(&'static str, Value); 4], Failure> {
    let records = Records::readable(global)?;
    Ok([
        ("jobs", list::jobs_json(config)),
        ("tasks", plan_task::list_json(config, &records)),
        ("orchestrations", orchestration::list_json(config)),
        ("agents", agent::list_json(config)),
    ])
}

/// Those with that in their name, and how many more there are.
fn narrowed(all: Value, part: &str) -> (Value, usize) {
    let Value::Array(mut all) = all else {
        return (all, 0);
    };
    all.retain(|one| one["name"].as_str().is_some_and(|name| name.contains(part)));
    let left_out = all.len().saturating_sub(MOST_LISTED);
    all.truncate(MOST_LISTED);
    (Value::Array(all), left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: Kind, name: &str) -> Target {
        Target {
            kind,
            name: name.into(),
            goal: None,
            task: None,
        }
    }

    #[test]
    fn a_name_is_never_an_option_and_a_goal_is_one_word() {
        let mut release = target(Kind::Orchestration, "--yes");
        release.goal = Some("--now; rm *".into());
        let words = release.words("c0ffee");
        assert_eq!(
            words,
            [
                "orchestration",
                "run",
                "--only-plan=c0ffee",
                "--pass-thru",
                "--goal=--now; rm *",
                "--",
                "--yes"
            ]
        );
    }

    #[test]
    fn a_goal_is_for_agents_and_bounded() {
        let mut job = target(Kind::Job, "backup");
        assert!(job.check().is_ok());
        job.goal = Some("more".into());
        assert!(job.check().is_err());
        let mut release = target(Kind::Orchestration, "release");
        for (goal, fits) in [
            ("x".repeat(10), true),
            ("x".repeat(LONGEST_TEXT + 1), false),
            ("\0".into(), false),
        ] {
            release.goal = Some(goal);
            assert_eq!(release.check().is_ok(), fits);
        }
    }

    #[test]
    fn lists_are_narrowed_by_name_and_bounded() {
        let all: Value = (0..MOST_LISTED + 20)
            .map(|n| json!({ "name": format!("job{n}") }))
            .collect();
        let (shown, left_out) = narrowed(all.clone(), "");
        assert_eq!(
            (shown.as_array().map(Vec::len), left_out),
            (Some(MOST_LISTED), 20)
        );
        let (shown, left_out) = narrowed(all, "job21");
        assert_eq!((shown.as_array().map(Vec::len), left_out), (Some(11), 0));
    }
}
