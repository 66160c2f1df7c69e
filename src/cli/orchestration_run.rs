//! `quintet orchestration run`: agents, in their order, on one goal.

use std::process::ExitCode;

use super::begin::{self, Begun};
use super::error::{Failure, Kind};
use super::global::Global;
use super::{config, plan, target};
use crate::exec::process::Zygote;
use crate::load::Loaded;
use crate::load::jobs::{Asked, Config};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The orchestration
    name: String,

    /// What the agents are to bring about
    #[arg(long, value_name = "TEXT", default_value = "")]
    goal: String,

    /// The task that the built-in agents work on
    ///
    /// Left out, the one that is called as the orchestration is, if there is one.
    #[arg(long, value_name = "TASK")]
    task: Option<String>,

    /// Tell the agents a value of this name; may be repeated
    #[arg(long = "var", value_name = "NAME[=VALUE]")]
    vars: Vec<String>,

    /// Only show which agents would run, and in what order
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    begin: begin::Args,
}

pub fn run(args: &Args, global: &Global) -> Result<ExitCode, Failure> {
    // First of all, while this process is small and has one thread: what exists
    // now exists in every supervisor.
    let zygote = match args.dry_run {
        true => None,
        false => Some(Zygote::fork().map_err(|error| Failure::new(Kind::Run, error))?),
    };
    let config = config::read(global)?;
    let vars = target::variables(&args.vars)?;
    let task = args.task.as_deref();
    let loaded = load(&config, &args.name, &args.goal, task, vars, global)?;
    let ready = target::loaded(Ok(loaded), |_| Ok(()), global, args.begin.json)?;
    let Some(zygote) = zygote else {
        plan::show(&ready.plan, global, args.begin.json);
        return Ok(ExitCode::SUCCESS);
    };
    let begun = Begun {
        zygote,
        plan: ready.plan,
        secrets: ready.secrets,
        strict: false,
    };
    begin::begin(begun, &args.begin, global)
}

/// What an orchestration comes to with a goal, and a task if one is named.
///
/// # Errors
/// There is no such orchestration or task, or they do not go together.
pub fn load(
    config: &Config,
    name: &str,
    goal: &str,
    task: Option<&str>,
    vars: Vec<(String, String)>,
    global: &Global,
) -> Result<Loaded, Failure> {
    config::named(&config.orchestrations, "orchestration", name)?;
    if let Some(task) = task {
        config::named(&config.tasks, "task", task)?;
    }
    let program = std::env::current_exe().map_err(|error| {
        let message = format!("where this program is cannot be told: {error}");
        Failure::new(Kind::Run, message)
    })?;
    let state = std::path::absolute(global.state_path()?)?;
    let asked = Asked {
        goal: goal.to_owned(),
        task: task.map(str::to_owned),
        vars: vars.into_iter().collect(),
        program: program.to_string_lossy().into_owned(),
        state: state.to_string_lossy().into_owned(),
    };
    let lowered = config.orchestration_plan(name, &asked, &target::request()?);
    let lowered = lowered.expect("the orchestration was found");
    lowered.map_err(|why| Failure::new(Kind::Usage, why))
}
