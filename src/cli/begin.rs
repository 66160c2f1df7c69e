//! Beginning a run: what every verb that does so can be told, and the doing.
//!
//! Where the plan comes from is the verb's to know; from there on all runs are
//! alike.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::process::ExitCode;

use super::audience::{Manner, Watcher};
use super::error::{Failure, Kind};
use super::global::Global;
use super::{after, boot, kept, otlp, target, worktrees};
use crate::engine::{Audience, Ended, Session, Signals};
use crate::exec::process::Zygote;
use crate::paths::StateDir;
use crate::plan::{OnRestart, Plan};
use crate::store::Durability;

/// How a run is to be driven.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// At most this many steps at once, instead of what the plan says
    #[arg(long, short = 'j', value_name = "N")]
    pub max_concurrency: Option<NonZeroU32>,

    /// Where steps run: `slurm` is for those of which the plan does not say it, `local` for all
    #[arg(long, value_name = "WHERE")]
    executor: Option<Where>,

    /// Answer yes to every question
    #[arg(long, short)]
    pub yes: bool,

    /// Write every event to stdout as JSON, a line each
    #[arg(long)]
    pub json: bool,

    /// Run only the plan with this content id: the one that was previewed
    #[arg(long, value_name = "ID", hide = true)]
    pub only_plan: Option<String>,

    #[command(flatten)]
    pub boot: boot::Args,

    #[command(flatten)]
    pub after: after::Args,

    /// How durable the record is: `full` survives a power cut, `normal` the death of every process
    #[arg(long, value_name = "HOW", default_value = "full")]
    durability: Durable,
}

/// What makes attempts happen.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Where {
    Slurm,
    Local,
}

/// See [`Durability`].
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Durable {
    Full,
    Normal,
}

/// A plan that is to be run.
pub struct Begun {
    /// Forked before anything else was done.
    pub zygote: Zygote,
    pub plan: Plan,
    pub secrets: BTreeMap<String, String>,
    /// Tolerated failures are failures.
    pub strict: bool,
}

impl Args {
    /// How a run is shown, where its own watcher shows it.
    pub fn manner(&self, global: &Global) -> Manner {
        Manner {
            json: self.json,
            result: self.after.pass_thru,
            yes: self.yes,
            quiet: global.quiet,
            shows: true,
            echo: false,
        }
    }
}

/// Runs a plan to its end, and tells of it.
///
/// # Errors
/// The run could not be begun, or not be driven to its end.
pub fn begin(begun: Begun, args: &Args, global: &Global) -> Result<ExitCode, Failure> {
    let state = global.state()?;
    let mut manner = args.manner(global);
    manner.echo = kept::is_build(&begun.plan) && !args.json && !args.after.pass_thru;
    let mut watcher = Watcher::new(manner, state.clone(), begun.secrets.clone());
    watched(begun, args, global, &state, &mut watcher, Watcher::sum_up)
}

/// As [`begin`], for an audience of the verb's own, which tells of the run's end
/// by `sum_up`.
///
/// # Errors
/// The run could not be begun, or not be driven to its end.
pub fn watched<A: Audience>(
    begun: Begun,
    args: &Args,
    global: &Global,
    state: &StateDir,
    audience: &mut A,
    sum_up: impl FnOnce(&mut A, &Ended),
) -> Result<ExitCode, Failure> {
    let mut plan = begun.plan;
    if args
        .only_plan
        .as_ref()
        .is_some_and(|only| plan.content_id() != *only)
    {
        let message = "what would run is no longer what was previewed";
        return Err(Failure::new(Kind::Usage, message));
    }
    if let Some(most) = args.max_concurrency {
        plan.max_concurrency = most;
    }
    match args.executor {
        Some(Where::Slurm) => plan.prefer_slurm(),
        Some(Where::Local) => plan.only_local(),
        None => {}
    }
    if args.boot.resume_on_boot {
        plan.on_restart = OnRestart::Stop;
    }
    let signals = Signals::listen().map_err(|error| Failure::new(Kind::Run, error))?;
    let next_boot = boot::Next {
        wanted: args.boot.resume_on_boot,
        arguments: arguments(begun.strict, args),
        has_secrets: !begun.secrets.is_empty(),
    };
    let otlp = otlp::Otlp::of_environment();
    let session = Session {
        state: state.clone(),
        durability: match args.durability {
            Durable::Full => Durability::Full,
            Durable::Normal => Durability::Normal,
        },
        zygote: begun.zygote,
        signals: Some(signals),
        strict: begun.strict,
        command_line: target::command_line(&begun.secrets),
        secrets: begun.secrets,
        tracing: otlp.tracing(),
        audience,
    };
    kept::begins(&plan, state, global);
    let ended = session.begin(plan)?;
    sum_up(audience, &ended);
    args.after.deliver(&ended, state, args.json);
    kept::ended(&ended, state, args.json || args.after.pass_thru, global);
    worktrees::ended(&ended, state);
    boot::settle(&next_boot, &ended, global);
    otlp.send_run(&ended, state);
    let code = ExitCode::from(ended.exit_code as u8);
    // The process ends, and need not take a large plan to pieces before that.
    std::mem::forget(ended);
    Ok(code)
}

/// What `resume` is told so that it does as this does.
fn arguments(strict: bool, args: &Args) -> Vec<OsString> {
    let said = [(args.yes, "--yes"), (strict, "--strict")];
    let said = said.into_iter().filter(|(said, _)| *said);
    let mut arguments: Vec<OsString> = said.map(|(_, flag)| flag.into()).collect();
    arguments.extend(args.after.arguments());
    arguments
}
