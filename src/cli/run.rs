//! `quintet run`: the main job.

use std::process::ExitCode;

use super::begin::{self, Begun};
use super::error::{Failure, Kind};
use super::global::Global;
use super::target::Target;
use super::{freshness, plan};
use crate::exec::process::Zygote;

/// Run a target: a plan file, a tree of phases, a folder of numbered scripts, or a job
///
/// Prints the run's id on stdout and what happens on stderr. Ctrl-C stops the run
/// with grace, a second one at once; `quintet resume` goes on with it.
///
/// A job is a name in the configuration (`quintet list` lists them), unless there is
/// a file or folder of that name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quintet run release.json --var VERSION=1.2
  quintet run nightly.yaml tag:db --skip-tag slow
  quintet run install --phase config/hardware
  quintet run merge.json --from git_fetch --json
  quintet run nightly-backup
  quintet run tests.toml --report junit=report.xml")]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// Show what would happen and run nothing, as `quintet plan` does
    #[arg(long, short = 'n')]
    dry_run: bool,

    #[command(flatten)]
    anew: freshness::Args,

    #[command(flatten)]
    begin: begin::Args,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    if args.dry_run {
        let json = args.begin.json;
        let mut ready = args.target.ready(global, json)?.for_looking(global, json);
        args.anew.apply(&mut ready.plan);
        plan::show(&ready.plan, global, json);
        return Ok(ExitCode::SUCCESS);
    }
    // First of all, while this process is small and has one thread: what exists
    // now exists in every supervisor.
    let zygote = Zygote::fork().map_err(|error| Failure::new(Kind::Run, error))?;
    let mut ready = args.target.ready(global, false)?.for_running()?;
    args.anew.apply(&mut ready.plan);
    let begun = Begun {
        zygote,
        plan: ready.plan,
        secrets: ready.secrets,
        strict: args.target.strict,
    };
    begin::begin(begun, &args.begin, global)
}
