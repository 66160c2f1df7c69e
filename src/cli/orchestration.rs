//! `quintet orchestration list`: which orchestrations there are.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::Failure;
use super::global::Global;
use super::list::described;
use super::{config, output};

/// Show what is made of agents
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  $ quintet orchestration list
  $ quintet orchestration list --json"
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
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let Verb::List { json } = args.verb;
    let config = config::read(global)?;
    let mut out = output::results();
    if json {
        let all = config.orchestrations.iter().map(|(name, orchestration)| {
            json!({
                "name": name,
                "description": orchestration.description,
                "groups": orchestration.groups,
            })
        });
        writeln!(out, "{:#}", all.collect::<Value>())?;
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
