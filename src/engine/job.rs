//! From an attempt to a job: fills the last holes in its texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use crate::exec::Job;
use crate::plan::text::Missing;
use crate::plan::{Action, Builtin, Command, Part, Program, Text};
use crate::run::{Attempt, Outcome, Role, RunState};

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
        let work = match (undo, &step.action) {
            (Some(undo), _) => Work::Command(&undo.command),
            (None, Action::Command(command)) => Work::Command(command),
            (None, Action::Builtin(builtin)) => Work::Builtin(builtin),
            (None, Action::Group) => return Err("a group has no command".into()),
        };
        let timeout = undo.map_or(step.policy.timeout, |undo| undo.timeout);
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
        let (cwd, own) = work.surroundings();
        let mut env = Vec::with_capacity(plan.env.len() + own.len() + 3);
        for (key, value) in plan.env.iter().chain(own) {
            env.push((key.to_string(), fill(value)?));
        }
        env.push(("QUINTET_RUN_ID".into(), self.run_id.clone()));
        env.push(("QUINTET_STEP_ID".into(), step.id.to_string()));
        env.push(("QUINTET_ATTEMPT".into(), attempt.number.to_string()));
        let (argv, builtin, stdin) = match work {
            Work::Command(command) => {
                let stdin = command.stdin.as_deref().map(&fill).transpose()?;
                (argv(command, &fill)?, None, stdin)
            }
            Work::Builtin(builtin) => {
                let question = Box::new(builtin.question.clone());
                (Vec::new(), Some(question), None)
            }
        };
        Ok(Job {
            attempt,
            argv,
            builtin,
            cwd: Arc::clone(cwd),
            env,
            stdin,
            timeout,
            grace: step.policy.grace,
            own_log: step.policy.own_log,
            max_output: step.policy.max_output,
            locks,
            behind: None,
        })
    }
}

/// What an attempt is of.
enum Work<'p> {
    Command(&'p Command),
    Builtin(&'p Builtin),
}

impl<'p> Work<'p> {
    /// Its working directory and its own environment.
    fn surroundings(&self) -> (&'p Arc<str>, &'p [(Box<str>, Text)]) {
        match self {
            Work::Command(command) => (&command.cwd, &command.env),
            Work::Builtin(builtin) => (&builtin.cwd, &builtin.env),
        }
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

/// The secrets that steps which have not succeeded ask for, and that are not
/// given; each once.
pub(super) fn missing_secrets(run: &RunState, given: &BTreeMap<String, String>) -> Vec<String> {
    let plan = run.latest_plan();
    let mut missing = BTreeSet::new();
    let mut ask = |text: &Text| {
        let Text::Parts(parts) = text else { return };
        for part in parts {
            if let Part::Secret(name) = part
                && !given.contains_key(name.as_ref())
            {
                missing.insert(name.to_string());
            }
        }
    };
    for (_, text) in &plan.env {
        ask(text);
    }
    for ix in plan.indices() {
        let step = &plan[ix];
        let is_old = ix.at() < run.plan().steps.len();
        let is_done = is_old && run.step(ix).outcome() == Some(Outcome::Succeeded);
        if step.absent.is_some() || (is_done && step.undo.is_none()) {
            continue;
        }
        match &step.action {
            Action::Command(command) => texts(command).for_each(&mut ask),
            Action::Builtin(builtin) => builtin.env.iter().for_each(|(_, text)| ask(text)),
            Action::Group => {}
        }
        if let Some(undo) = &step.undo {
            texts(&undo.command).for_each(&mut ask);
        }
    }
    missing.into_iter().collect()
}

fn texts(command: &Command) -> impl Iterator<Item = &Text> {
    let args: &[Text] = match &command.program {
        Program::Argv(argv) => argv,
        Program::Shell { args, .. } => args,
    };
    let env = command.env.iter().map(|(_, text)| text);
    args.iter().chain(env).chain(command.stdin.as_deref())
}
