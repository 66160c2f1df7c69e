//! From an attempt to a job: fills the last holes in its texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use super::Identity;
use crate::exec::Job;
use crate::plan::text::Missing;
use crate::plan::{Action, Builtin, Command, Part, Program, Step, StepIx, Text};
use crate::run::trace::Trace;
use crate::run::{Attempt, Outcome, Role, RunState};

/// What every job of a run has in common.
#[derive(Clone, Debug, Default)]
pub struct JobContext {
    pub run_id: String,
    /// Values of the plan's secret variables. They are given anew to each
    /// engine, since no record holds them.
    pub secrets: BTreeMap<String, String>,
    /// The trace of which each attempt is told its span, if there is one.
    pub trace: Option<Trace>,
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
        let (work, timeout) = work(step, attempt.role)?;
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
        let mut env = Vec::with_capacity(plan.env.len() + own.len() + 4);
        for (key, value) in plan.env.iter().chain(own) {
            env.push((key.to_string(), fill(value)?));
        }
        env.push(("QUINTET_RUN_ID".into(), self.run_id.clone()));
        env.push(("QUINTET_STEP_ID".into(), step.id.to_string()));
        env.push(("QUINTET_ATTEMPT".into(), attempt.number.to_string()));
        if let Some(trace) = &self.trace {
            env.push(("TRACEPARENT".into(), trace.traceparent(&step.id, attempt)));
        }
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
            slurm: step.executor.slurm().cloned(),
            locks,
            behind: None,
        })
    }
}

/// What the step would run now: as the job's, with secrets by their names alone.
///
/// # Errors
/// In words: it runs nothing, or asks for an output that is not there.
pub fn identity(run: &RunState, step: StepIx) -> Result<Identity, String> {
    let plan = run.plan();
    let (work, _) = work(&plan[step], Role::Main)?;
    let written = |text: &Text| named(run, text);
    let (cwd, own) = work.surroundings();
    let (argv, stdin) = match work {
        Work::Command(command) => {
            let stdin = command.stdin.as_deref().map(written).transpose()?;
            (argv(command, &written)?, stdin)
        }
        Work::Builtin(builtin) => (vec![builtin.question.to_string()], None),
    };
    let env = plan.env.iter().chain(own);
    let env = env.map(|(name, text)| Ok((&**name, written(text)?)));
    let env = env.collect::<Result<Vec<_>, String>>()?;
    Ok(Identity::of(
        argv.iter().map(String::as_str),
        cwd,
        env.iter().map(|(name, value)| (*name, value.as_str())),
        stdin.as_deref(),
    ))
}

/// The text with what other steps put out in its place. No text that a program
/// can be given holds a NUL, so none looks like a secret's name.
fn named(run: &RunState, text: &Text) -> Result<String, String> {
    let parts = match text {
        Text::Plain(text) => return Ok(text.to_string()),
        Text::Parts(parts) => parts,
    };
    let mut written = String::new();
    for part in parts {
        match part {
            Part::Literal(text) => written.push_str(text),
            Part::Output { step, key, default } => {
                let value = run.output(step, key).or(default.as_deref());
                written.push_str(value.ok_or_else(|| format!("{step} put out no {key}"))?);
            }
            Part::Secret(name) => written.extend(["\0", name, "\0"]),
        }
    }
    Ok(written)
}

/// What an attempt in this role does, and how long that may take.
fn work(step: &Step, role: Role) -> Result<(Work<'_>, Option<Duration>), String> {
    match (role, &step.action) {
        (Role::Main, Action::Command(command)) => Ok((Work::Command(command), step.policy.timeout)),
        (Role::Main, Action::Builtin(builtin)) => Ok((Work::Builtin(builtin), step.policy.timeout)),
        (Role::Main, Action::Group) => Err("a group has no command".into()),
        (Role::Remedy, _) => match &step.remedy {
            Some(remedy) => Ok((Work::Command(&remedy.command), remedy.timeout)),
            None => Err("the step has no remedy".into()),
        },
        (Role::Undo, _) => match &step.undo {
            Some(undo) => Ok((Work::Command(&undo.command), undo.timeout)),
            None => Err("nothing takes the step back".into()),
        },
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
        step.action.texts().for_each(&mut ask);
        if let Some(remedy) = &step.remedy {
            remedy.command.texts().for_each(&mut ask);
        }
        if let Some(undo) = &step.undo {
            undo.command.texts().for_each(&mut ask);
        }
    }
    missing.into_iter().collect()
}
