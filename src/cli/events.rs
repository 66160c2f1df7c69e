//! `quintet events`: everything that happened to a run.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use super::error::Failure;
use super::follow::{Follower, News};
use super::global::Global;
use super::output;
use crate::run::{Event, Seq};
use crate::view::events::line;
use crate::view::jsonl::Jsonl;
use crate::view::recorded::Recorded;

/// Show everything that happened to a run, in order
///
/// With --json each event is one line, the same as in the run's events.jsonl.
/// RUN is a run's id, the beginning or end of one, or `last`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ quintet events last\n  $ quintet events x7k2 --json --follow\n  $ quintet events x7k2 --after 120"
)]
pub struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,

    /// Go on showing events as they happen, until the run is over
    #[arg(long, short)]
    follow: bool,

    /// Print each event as a line of JSON
    #[arg(long)]
    json: bool,

    /// Only events after the one with this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: Seq,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let store = global.store()?;
    let recorded = Recorded::find(&store, &args.run)?;
    args.show(&recorded, 0)?;
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    let mut follower = Follower::new(&store, recorded)?;
    loop {
        match follower.wait(Duration::from_secs(3600))? {
            News::Events(from) => args.show(&follower.recorded, from)?,
            News::Nothing => {}
            News::Over => return Ok(ExitCode::SUCCESS),
        }
    }
}

impl Args {
    fn show(&self, recorded: &Recorded, from: usize) -> Result<(), Failure> {
        let plan = recorded.state.plan();
        let (zone, mut out) = (output::zone(), output::results());
        let wanted = |event: &&Event| event.seq > self.after;
        let events = recorded.events[from..].iter().filter(wanted);
        if self.json {
            let mut jsonl = Jsonl::new(&mut out, recorded.run_id());
            for event in events {
                jsonl.event(plan, event)?;
            }
        } else {
            for event in events {
                line(plan, event, &zone, &mut out)?;
            }
        }
        Ok(out.flush()?)
    }
}
