//! `quintet plan`: what would happen?

use std::io::Write;
use std::process::ExitCode;

use super::error::Failure;
use super::global::Global;
use super::target::Target;
use super::{freshness, output};
use crate::plan::Plan;
use crate::run::Usual;
use crate::view::preview::Preview;

/// Show what a run would do, and why, without doing any of it
///
/// Nothing is started and nothing is written but the answer.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    anew: freshness::Args,

    /// Answer with JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
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
    // A preview needs no store: where there is none, or it cannot be read,
    // nothing is known.
    let known = || global.store_if_any().ok()??.usual(plan).ok();
    let usual: Usual = known().unwrap_or_default();
    let preview = Preview::new(plan, &usual).knowing(freshness::look(plan, global));
    let mut out = output::results();
    let written = match json {
        true => preview.json(&mut out),
        false => preview.text(&mut out),
    };
    // A reader that has gone has seen enough.
    let _ = written.and_then(|()| out.flush());
}
