//! `quintet agent list`: who can take part in orchestrations.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::Failure;
use super::global::Global;
use super::{agent_step, config, output};
use crate::load::jobs::Config;
use crate::load::jobs::config::BUILT_IN;
use crate::view::escape::clean;

/// Show the agents that orchestrations are made of
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  $ quintet agent list
  $ quintet agent list --json"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the four agents that are built in and those that are configured
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Make one attempt of an agent's step
    #[command(hide = true)]
    Step(agent_step::Args),
}

/// An agent, as the list has it.
struct Listed {
    capabilities: Vec<String>,
    /// What is run in its place; empty for one that does its own work.
    command: Vec<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let json = match args.verb {
        Verb::List { json } => json,
        Verb::Step(args) => return agent_step::run(&args),
    };
    let config = config::read(global)?;
    let mut out = output::results();
    if json {
        writeln!(out, "{:#}", list_json(&config))?;
    } else {
        writeln!(out, "available agents:")?;
        for (name, agent) in &listed(&config) {
            let mut said = agent.capabilities.join("; ");
            if said.is_empty() {
                said = "(no capabilities listed)".into();
            }
            let by = match agent.command.first() {
                Some(program) => format!(" (by {program})"),
                None => String::new(),
            };
            writeln!(out, "- {}: {}{}", clean(name), clean(&said), clean(&by))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// All agents, an object for each.
pub fn list_json(config: &Config) -> Value {
    let agents = listed(config).into_iter().map(|(name, agent)| {
        json!({
            "name": name,
            "capabilities": agent.capabilities,
            "command": agent.command,
        })
    });
    agents.collect()
}

/// O18: the four, with what the configuration says of them, and its own.
fn listed(config: &Config) -> BTreeMap<&str, Listed> {
    let mut all: BTreeMap<&str, Listed> = BTreeMap::new();
    for (name, capabilities) in BUILT_IN {
        let capabilities = capabilities.iter().map(|word| (*word).to_owned()).collect();
        let command = Vec::new();
        let listed = Listed {
            capabilities,
            command,
        };
        all.insert(name, listed);
    }
    for (name, agent) in &config.agents {
        let listed = all.entry(name).or_insert_with(|| Listed {
            capabilities: Vec::new(),
            command: Vec::new(),
        });
        listed.command.clone_from(&agent.program.command);
        if !agent.capabilities.is_empty() {
            listed.capabilities.clone_from(&agent.capabilities);
        } else if listed.capabilities.is_empty() && !agent.description.is_empty() {
            listed.capabilities.push(agent.description.clone());
        }
    }
    all
}
