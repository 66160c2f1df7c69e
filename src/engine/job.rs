//! From an attempt to a job: fills the last holes in its texts.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use crate::exec::Job;
use crate::plan::text::Missing;
use crate::plan::{Action, Command, Program, Text};
use crate::run::{Attempt, Role, RunState};

/// What every job of a run has in common.
#[derive(Clone, Debug, Default)]
pub struct JobContext {
    pub run_id: String,
    /// Values of the plan's secret variables. They are given anew to each
    /// engine, since no record holds them.
    pub secrets: BTreeMap<String, String>,
}

impl JobContext {
    /// The attempt as an executor takes it.
    ///
    /// # Errors
    /// In words: an output or a secret that the command asks for is not there.
    pub fn job(
        &self,
        run: &RunState,
        attempt: Attempt,
        locks: Vec<Arc<File>>,
    ) -> Result<Job, String> {
        let plan = run.plan();
        let step = &plan[attempt.step];
        let undo = step.undo.as_deref().filter(|_| attempt.role == Role::Undo);
        let (command, timeout) = match (undo, &step.action) {
            (Some(undo), _) => (&undo.command, undo.timeout),
            (None, Action::Command(command)) => (command.as_ref(), step.policy.timeout),
            (None, Action::Group) => return Err("a group has no command".into()),
        };
        let secret = |name: &str| self.secrets.get(name).map(String::as_str);
        let fill = |text: &Text| match text
            .fill(&|step, key| run.output(step, key), &|name| secret(name))
        {
            Ok(text) => Ok(text.into_owned()),
            Err(Missing::Output { step, key }) => Err(format!("{step} put out no {key}")),
            Err(Missing::Secret { name }) => Err(format!(
                "the secret {name} was not given; give it with --var {name}=…"
            )),
        };
        let mut env = Vec::with_capacity(plan.env.len() + command.env.len() + 3);
        for (key, value) in plan.env.iter().chain(&command.env) {
            env.push((key.to_string(), fill(value)?));
        }
        env.push(("QUINTET_RUN_ID".into(), self.run_id.clone()));
        env.push(("QUINTET_STEP_ID".into(), step.id.to_string()));
        env.push(("QUINTET_ATTEMPT".into(), attempt.number.to_string()));
        Ok(Job {
            attempt,
            argv: argv(command, &fill)?,
            cwd: command.cwd.clone(),
            env,
            stdin: command.stdin.as_ref().map(&fill).transpose()?,
            timeout,
            grace: step.policy.grace,
            own_log: step.policy.own_log,
            locks,
        })
    }
}

fn argv(
    command: &Command,
    fill: &impl Fn(&Text) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    match &command.program {
        Program::Argv(argv) => argv.iter().map(fill).collect(),
        Program::Shell { script, args } => {
            // The word after the script is its $0, which shells put before their errors.
            let fixed = ["/bin/sh", "-c", script, "sh"].map(|word| Ok(word.to_owned()));
            fixed.into_iter().chain(args.iter().map(fill)).collect()
        }
    }
}
