//! `quintet why`: the reason behind what became of a step.

use std::io::Write;
use std::process::ExitCode;

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use crate::store::Store;
use crate::view::recorded::Recorded;
use crate::view::why::{Question, write};

/// Explain why a step ran, was skipped, waits, failed, was tried again or canceled
///
/// Every reason was recorded when it was decided. With one argument it is the
/// step, and the run is the newest one.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "quintet why [OPTIONS] [RUN] STEP",
    after_help = "Examples:\n  $ quintet why build\n  $ quintet why x7k2 config/hardware/bluetooth"
)]
pub struct Args {
    /// The run, if it is not the newest, and the step
    #[arg(value_names = ["RUN", "STEP"], num_args = 1..=2, required = true)]
    words: Vec<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let (run, step) = match &args.words[..] {
        [step] => ("last", step),
        [run, step, ..] => (run.as_str(), step),
        [] => return Err(Failure::new(Kind::Usage, "which step?")),
    };
    let store = global.store()?;
    let recorded = Recorded::find(&store, run)?;
    let mut out = output::results();
    explain(&store, &recorded, step, &mut out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Writes why a step of a run has become what it is.
///
/// # Errors
/// The run has no such step, it cannot be read, or the stream does not take it.
pub fn explain(
    store: &Store,
    recorded: &Recorded,
    step: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let question = Question {
        run_id: recorded.run_id(),
        run: &recorded.state,
        events: &recorded.events,
        step: recorded.step(step)?,
        now: output::now(),
        interrupted: recorded.is_interrupted(store)?,
    };
    Ok(write(question, &output::zone(), out)?)
}
