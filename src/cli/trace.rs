//! `quintet trace`: a run as spans of OpenTelemetry.

use std::io::Write;
use std::process::ExitCode;

use super::error::{Failure, Kind};
use super::global::Global;
use super::otlp::Otlp;
use super::output;
use crate::view::recorded::Recorded;
use crate::view::trace::{self, Spans};

/// Print a run as spans of OpenTelemetry, or send them to a collector
///
/// There is a span for the run and one for each attempt that has ended. Where
/// OTEL_EXPORTER_OTLP_ENDPOINT is set they are sent by themselves when a run ends;
/// this is for runs that lost their engine, or whose collector was not there. The ids
/// are the same each time. RUN is a run's id, the beginning or end of one, or `last`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ quintet trace last\n  $ quintet trace x7k2 --send")]
pub struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,

    /// Send them to the collector that the environment names, rather than print them
    #[arg(long)]
    send: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let store = global.store()?;
    let recorded = Recorded::find(&store, &args.run)?;
    let plan = recorded.state.plan();
    let otlp = Otlp::of_environment();
    let Some(spans) = Spans::of(recorded.run_id(), plan, &recorded.events) else {
        return Err(Failure::new(Kind::Usage, "the run has not begun"));
    };
    if args.send {
        let sent = otlp.send(spans.all());
        return sent
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| Failure::new(Kind::Run, error));
    }
    let mut out = output::bytes();
    let document = trace::document(spans.all().collect(), otlp.resource());
    writeln!(out, "{document}")?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
