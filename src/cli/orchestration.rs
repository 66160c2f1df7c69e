//! `quintet orchestration`: which orchestrations there are, and running one.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::Failure;
use super::global::Global;
use super::list::described;
use super::{config, orchestration_run, output};
use crate::load::jobs::Config;
use crate::load::jobs::config::Stage;

/// List what is made of agents, and run it
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  $ quintet orchestration list
  $ quintet orchestration list --json
  $ quintet orchestration run port --goal robust --task parser
  $ quintet orchestration run port --dry-run"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the configured orchestrations
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Run an orchestration's agents
    ///
    /// Each group of agents runs at once, after the one before it; a failure ends it
    /// after its group. The run is recorded as every other, and can be resumed; what
    /// the agents said is in orchestrations/NAME of the state directory as well.
    Run(Box<orchestration_run::Args>),
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let json = match args.verb {
        Verb::List { json } => json,
        Verb::Run(args) => return orchestration_run::run(&args, global),
    };
    let config = config::read(global)?;
    let mut out = output::results();
    if json {
        writeln!(out, "{:#}", list_json(&config))?;
    } else if config.orchestrations.is_empty() {
        writeln!(out, "no orchestrations configured")?;
    } else {
        for (name, orchestration) in &config.orchestrations {
            described(&mut out, name, &orchestration.description)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The orchestrations of a configuration, an object for each.
pub fn list_json(config: &Config) -> Value {
    let all = config.orchestrations.iter().map(|(name, orchestration)| {
        json!({
            "name": name,
            "description": orchestration.description,
            "groups": orchestration.groups().collect::<Vec<_>>(),
            "rounds": orchestration.stages.iter().find_map(|stage| match stage {
                Stage::Loop(rounds) => Some(rounds.max_rounds),
                Stage::Group(..) => None,
            }),
        })
    });
    all.collect()
}
