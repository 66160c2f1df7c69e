//! `quintet validate`: is the definition sound?

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::error::{Failure, Kind};
use super::global::Global;
use super::target::Target;
use crate::plan::problem::Severity;
use crate::view::diagnostic;
use crate::view::words::counted;

/// Check a definition and report everything that is wrong with it
///
/// Nothing is run. The exit code is 0 for a sound definition, warnings included
/// unless --strict is given, and 2 for any other.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// Answer with JSON on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let ready = match args.target.ready(global, args.json) {
        Ok(ready) => ready,
        Err(failure) if failure.message.is_empty() => return Err(Failure::told(Kind::Usage)),
        Err(failure) => return Err(failure),
    };
    let (plan, warnings) = (&ready.plan, &ready.warnings);
    let mut out = anstream::stdout();
    let written = if args.json {
        let problems = diagnostic::to_json(warnings, &ready.sources);
        let steps = plan.steps.len();
        writeln!(
            out,
            "{}",
            json!({ "valid": true, "plan_id": plan.id, "steps": steps, "problems": problems })
        )
    } else {
        let warned = warnings
            .iter()
            .filter(|problem| problem.severity == Severity::Warning)
            .count();
        let remark = if warned == 0 {
            String::new()
        } else {
            format!(", {}", counted(warned, "warning"))
        };
        let count = counted(plan.steps.len(), "step");
        writeln!(
            out,
            "{} is sound: {count}{remark}",
            args.target.target.display()
        )
    };
    // A reader that has gone has seen enough.
    let _ = written;
    // The process is about to end, and its end frees a large plan at once.
    std::mem::forget(ready);
    Ok(ExitCode::SUCCESS)
}
