//! `quintet plan`: what would happen? And the tasks that are planned.

use std::io::Write;
use std::process::ExitCode;

use super::error::Failure;
use super::global::Global;
use super::target::Target;
use super::{freshness, output, plan_task};
use crate::plan::Plan;
use crate::run::Usual;
use crate::view::preview::Preview;

/// Show what a run would do, and why, without doing any of it
///
/// Nothing is started and nothing is written but the answer.
///
/// `list`, `create` and `status` are about the tasks of the configuration instead; a
/// target that is called so is ./list.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  $ quintet plan release.json
  $ quintet plan list
  $ quintet plan create port-parser
  $ quintet plan status port-parser"
)]
pub struct Args {
    #[command(subcommand)]
    tasks: Option<plan_task::Verb>,

    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    anew: freshness::Args,

    /// Answer with JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    if let Some(verb) = args.tasks {
        return plan_task::run(verb, global);
    }
    let ready = args.target.ready(global, args.json)?;
    let mut ready = ready.for_looking(global, args.json);
    args.anew.apply(&mut ready.plan);
    show(&ready.plan, global, args.json);
    // The process is about to end, and its end frees a large plan at once.
    std::mem::forget(ready);
    Ok(ExitCode::SUCCESS)
}

/// Writes the preview of a plan to stdout.
pub fn show(plan: &Plan, global: &Global, json: bool) {
    let preview = preview(plan, global);
    let mut out = output::results();
    let written = match json {
        true => preview.json(&mut out),
        false => preview.text(&mut out),
    };
    // A reader that has gone has seen enough.
    let _ = written.and_then(|()| out.flush());
}

/// The preview of a plan, with what is known of earlier runs.
pub fn preview<'p>(plan: &'p Plan, global: &Global) -> Preview<'p> {
    // A preview needs no store: where there is none, or it cannot be read,
    // nothing is known.
    let known = || global.store_if_any().ok()??.usual(plan).ok();
    let usual: Usual = known().unwrap_or_default();
    Preview::new(plan, &usual).knowing(freshness::look(plan, global))
}
