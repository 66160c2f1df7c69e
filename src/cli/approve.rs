//! `quintet approve`: answer what a step asks, from anywhere.

use std::io::Write;
use std::process::ExitCode;

use super::error::{Failure, Kind};
use super::global::Global;
use crate::engine::Clock;
use crate::paths::StateDir;
use crate::run::StepState;
use crate::store::{Request, Store, What};
use crate::view::recorded::Recorded;

/// Answer what a step asks before it runs
///
/// The step may run, or with --no may not. A step that says `approval` waits for
/// this; what others ask is answered at the run's own terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ quintet approve last deploy
  $ quintet approve x7k2 deploy --no")]
pub struct Args {
    /// The run: its id, the beginning or end of it, or `last`
    run: String,

    /// The step that asks
    step: String,

    /// It may not run
    #[arg(long)]
    no: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let state = StateDir::existing(&global.state_path()?)?;
    let store = Store::open_existing(&state)?;
    let recorded = Recorded::find(&store, &args.run)?;
    let ix = recorded.step(&args.step)?;
    let run_id = recorded.run_id();
    if !matches!(recorded.state.step(ix).state, StepState::Asked { .. }) {
        return Err(Failure::new(
            Kind::Usage,
            format!("step {} of run {run_id} asks nothing now", args.step),
        )
        .hint(format!(
            "`quintet why {run_id} {}` says where it stands",
            args.step
        )));
    }
    let value = if args.no { "no" } else { "yes" };
    let request = Request {
        at: Clock::start().now(),
        what: What::Answer {
            step: args.step.clone(),
            value: value.into(),
        },
        by: global.signed("approve"),
    };
    if !store.request(run_id, &request)? {
        return Err(Failure::new(
            Kind::Usage,
            format!("run {run_id} is over already"),
        ));
    }
    let mut out = anstream::stdout();
    let _ = match store.owner(run_id)? {
        Some(_) => writeln!(out, "step {} of run {run_id}: {value}", args.step),
        None => writeln!(
            out,
            "step {} of run {run_id}: {value}, which counts when the run goes on: \
             quintet resume {run_id}",
            args.step
        ),
    };
    Ok(ExitCode::SUCCESS)
}
