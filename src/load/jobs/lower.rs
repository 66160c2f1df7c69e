//! From a job, or a task that is to be built, to a plan of one step.

use std::path::Path;
use std::sync::Arc;

use super::config::{Config, Program};
use crate::load::{Loaded, Request};
use crate::plan::{About, Action, Command, Plan, Policy, Program as Called, Step, Text};

/// The plan's metadata that says which job a run was of.
pub const JOB: &str = "job";
/// The plan's metadata that says which task a run built.
pub const TASK: &str = "task";

impl Config {
    /// The plan that runs a job; `None` where there is no such job.
    pub fn job_plan(&self, name: &str, request: &Request) -> Option<Loaded> {
        let job = self.jobs.get(name)?;
        Some(self.loaded(plan(JOB, name, &job.description, &job.program, request)))
    }

    /// The plan that builds a task; `None` where there is no such task.
    pub fn task_plan(&self, name: &str, request: &Request) -> Option<Loaded> {
        let task = self.tasks.get(name)?;
        Some(self.loaded(plan(TASK, name, &task.description, &task.program, request)))
    }

    /// Warnings about the file have been given when it was read.
    pub(super) fn loaded(&self, mut plan: Plan) -> Loaded {
        plan.files = self.sources.names();
        Loaded {
            plan,
            secrets: Default::default(),
            warnings: Vec::new(),
            unmet: Vec::new(),
            sources: self.sources.clone(),
        }
    }
}

fn plan(kind: &str, name: &str, description: &str, program: &Program, request: &Request) -> Plan {
    let argv = program.command.iter().map(|word| Text::from(word.as_str()));
    let env = program.env.iter();
    let command = Command {
        program: Called::Argv(argv.collect()),
        cwd: directory(program.working_dir.as_deref(), &request.cwd),
        env: env
            .map(|(name, value)| (name.as_str().into(), Text::from(value.as_str())))
            .collect(),
        stdin: None,
    };
    let about = About {
        description: description.into(),
        ..About::default()
    };
    let step = Step {
        policy: Arc::new(Policy {
            timeout: program.timeout,
            // Its record names the files.
            own_log: true,
            ..Policy::default()
        }),
        about: Some(Box::new(about)),
        source: program.source,
        ..Step::new(name, Action::Command(Box::new(command)))
    };
    Plan {
        description: description.to_owned(),
        metadata: [(kind.to_owned(), name.into())].into(),
        steps: vec![step],
        ..Plan::new(name)
    }
}

/// Absolute, as the system will read it.
pub(super) fn directory(written: Option<&str>, cwd: &str) -> Arc<str> {
    match written.map(|dir| dir.trim_start_matches("./")) {
        None | Some("" | ".") => cwd.into(),
        Some(dir) => Path::new(cwd).join(dir).to_string_lossy().into(),
    }
}
