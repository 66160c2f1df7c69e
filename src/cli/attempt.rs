//! `quintet attempt`: one attempt of a step on a node of a cluster, begun by Slurm.
//!
//! No person begins it, so help does not list it.

use std::path::PathBuf;
use std::process::ExitCode;

use super::error::{Failure, Kind};
use super::global::Global;
use crate::exec::process::Zygote;
use crate::exec::slurm::run_on_node;

/// Make one attempt of a step: Slurm begins this on a node
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub struct Args {
    /// The run's directory that all nodes share
    shared: PathBuf,

    /// What was submitted
    batch: String,
}

pub fn run(args: Args, _: &Global) -> Result<ExitCode, Failure> {
    let zygote = Zygote::fork().map_err(|error| Failure::new(Kind::Run, error))?;
    let code = run_on_node(zygote, &args.shared, &args.batch);
    let code = code.map_err(|error| Failure::new(Kind::Run, error))?;
    Ok(ExitCode::from(code))
}
