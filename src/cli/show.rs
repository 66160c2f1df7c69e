//! `quintet show`: one step of a definition.

use std::process::ExitCode;

use super::error::Failure;
use super::global::Global;
use super::listing;
use super::target::Target;

/// Show all that a definition says of one step
///
/// What it runs, what it waits for, its condition, its policies, and where it is
/// written. Nothing is run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ quintet show plan.json build
  $ quintet show automation-scripts 0402 --json")]
pub struct Args {
    /// What has the step: a plan file, or a folder of numbered scripts
    target: std::path::PathBuf,

    /// The step: its id, its name, or its number
    step: String,

    /// Answer with JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let target = Target::whole(args.target);
    let plan = target.ready(global, true)?.plan;
    listing::one(&plan, &args.step, args.json)?;
    Ok(ExitCode::SUCCESS)
}
