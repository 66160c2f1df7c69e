//! `quintet build run`: a task's command, by the engine that runs everything else.

use std::process::ExitCode;

use super::begin::{self, Begun};
use super::error::{Failure, Kind};
use super::global::Global;
use super::{config, target, task};
use crate::exec::process::Zygote;

/// Build what tasks of the configuration describe
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  $ quintet build run port-parser
  $ quintet build run port-parser --json"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Run a task's command, and record how it went
    ///
    /// The task is `in_progress` meanwhile and `done` or `failed` afterwards. What the
    /// command writes is shown as it comes, and kept.
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Run {
    /// The task
    task: String,

    #[command(flatten)]
    begin: begin::Args,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let Verb::Run(run) = args.verb;
    // First of all, while this process is small and has one thread: what exists
    // now exists in every supervisor.
    let zygote = Zygote::fork().map_err(|error| Failure::new(Kind::Run, error))?;
    let subject = task::find(&run.task, global)?;
    let request = target::request()?;
    let loaded = config::quietly(global).task_plan(&run.task, &request);
    let loaded = loaded.expect("the task was found");
    let ready = target::loaded(Ok(loaded), |_| Ok(()), global, run.begin.json)?;
    subject.keep(&subject.now())?;
    let begun = Begun {
        zygote,
        plan: ready.plan,
        secrets: ready.secrets,
        strict: false,
    };
    begin::begin(begun, &run.begin, global)
}
