//! `quintet plan`: what would happen?

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use super::error::Failure;
use super::global::Global;
use super::target::Target;
use crate::plan::Plan;
use crate::run::Millis;
use crate::view::preview::Preview;

/// Show what a run would do, and why, without doing any of it
///
/// Nothing is started and nothing is written but the answer.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// Answer with JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let ready = args.target.ready(global, args.json)?;
    show(&ready.plan, global, args.json);
    Ok(ExitCode::SUCCESS)
}

/// Writes the preview of a plan to stdout.
pub fn show(plan: &Plan, global: &Global, json: bool) {
    let usual = usual_durations(plan, global);
    let preview = Preview::new(plan, &usual);
    let mut out = BufWriter::new(anstream::stdout());
    let written = match json {
        true => preview.json(&mut out),
        false => preview.text(&mut out),
    };
    // A reader that has gone has seen enough.
    let _ = written.and_then(|()| out.flush());
}

/// How long steps took in earlier runs. A preview needs no store: where there
/// is none, or it cannot be read, nothing is known.
pub fn usual_durations(plan: &Plan, global: &Global) -> BTreeMap<String, Millis> {
    let known = || global.store_if_any().ok()??.durations(&plan.id).ok();
    known().unwrap_or_default()
}
