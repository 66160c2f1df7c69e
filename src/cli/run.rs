//! `quintet run`: the main job.

use std::num::NonZeroU32;
use std::process::ExitCode;

use super::audience::{Manner, Watcher};
use super::error::{Failure, Kind};
use super::global::Global;
use super::plan;
use super::target::{self, Target};
use crate::engine::{Session, Signals};
use crate::exec::process::Zygote;
use crate::store::Durability;

/// Run a target: a plan file
///
/// Prints the run's id on stdout and what happens on stderr. Ctrl-C stops the run
/// with grace, a second one at once; `quintet resume` goes on with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quintet run release.json --var VERSION=1.2
  quintet run nightly.yaml tag:db --skip-tag slow
  quintet run merge.json --from git_fetch --json")]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// Show what would happen and run nothing, as `quintet plan` does
    #[arg(long, short = 'n')]
    dry_run: bool,

    /// At most this many steps at once, instead of what the plan says
    #[arg(long, short = 'j', value_name = "N")]
    max_concurrency: Option<NonZeroU32>,

    /// Answer yes to every question
    #[arg(long, short)]
    yes: bool,

    /// Write every event to stdout as JSON, a line each
    #[arg(long)]
    json: bool,

    /// How durable the record is: `full` survives a power cut, `normal` the death of every process
    #[arg(long, value_name = "HOW", default_value = "full")]
    durability: Durable,
}

/// See [`Durability`].
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Durable {
    Full,
    Normal,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    if args.dry_run {
        let ready = args.target.ready(global, args.json)?;
        let ready = ready.for_looking(global, args.json);
        plan::show(&ready.plan, global, args.json);
        return Ok(ExitCode::SUCCESS);
    }
    // First of all, while this process is small and has one thread: what exists
    // now exists in every supervisor.
    let zygote = Zygote::fork().map_err(|error| Failure::new(Kind::Run, error))?;
    let ready = args.target.ready(global, false)?.for_running()?;
    let mut plan = ready.plan;
    if let Some(most) = args.max_concurrency {
        plan.max_concurrency = most;
    }
    let state = global.state()?;
    let signals = Signals::listen().map_err(|error| Failure::new(Kind::Run, error))?;
    let manner = Manner {
        json: args.json,
        yes: args.yes,
        quiet: global.quiet,
    };
    let mut watcher = Watcher::new(manner, state.clone());
    let session = Session {
        state,
        durability: match args.durability {
            Durable::Full => Durability::Full,
            Durable::Normal => Durability::Normal,
        },
        zygote,
        signals: Some(signals),
        strict: args.target.strict,
        command_line: target::command_line(&ready.secrets),
        secrets: ready.secrets,
        audience: &mut watcher,
    };
    let ended = session.begin(plan)?;
    watcher.sum_up(&ended);
    Ok(ExitCode::from(ended.exit_code as u8))
}
