//! `quintet cache`: what is remembered of steps that need not run again.

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use super::target::Target;
use crate::plan::Plan;
use crate::store::cache::{CacheRow, State, Whose, successes};
use crate::store::{Durability, Store};
use crate::view::escape::clean;
use crate::view::time::date_and_clock;

/// Show, forget or exchange what is remembered of steps
///
/// A step with a `cache` that succeeded need not run again while nothing that it
/// depends on has changed. What is remembered for that belongs to a project: the
/// folder that a target is, or lies in. All of it may be forgotten at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ quintet cache list
  $ quintet cache list plan.json --json
  $ quintet cache clear plan.json build test
  $ quintet cache export > state.json
  $ quintet cache import state.json plan.json")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List the steps of a project of which something is remembered
    List {
        /// A target, or a project's folder
        #[arg(default_value = ".")]
        target: PathBuf,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Forget what is remembered, so that steps run once more
    Clear {
        /// A target, or a project's folder
        #[arg(default_value = ".")]
        target: PathBuf,
        /// Only these steps, by their ids
        steps: Vec<String>,
    },
    /// Print what is remembered of a project as JSON
    Export {
        /// A target, or a project's folder
        #[arg(default_value = ".")]
        target: PathBuf,
    },
    /// Remember what a file says: one that was exported, or lines of NAME=SECONDS
    Import {
        /// The file; - is standard input
        file: PathBuf,
        /// A target, or a project's folder; for lines, the target whose steps they name
        #[arg(default_value = ".")]
        target: PathBuf,
    },
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    match args.what {
        What::List { target, json } => list(&project(&target)?, json, global)?,
        What::Clear { target, steps } => clear(&project(&target)?, &steps, global)?,
        What::Export { target } => export(&project(&target)?, global)?,
        What::Import { file, target } => import(&file, &target, global)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The project that a target belongs to.
fn project(target: &Path) -> Result<String, Failure> {
    let bad = |error| Failure::new(Kind::Usage, format!("{}: {error}", target.display()));
    let real = target.canonicalize().map_err(bad)?;
    let folder = match real.is_dir() {
        true => real.as_path(),
        false => real.parent().unwrap_or(&real),
    };
    Ok(folder.to_string_lossy().into())
}

fn list(project: &str, json: bool, global: &Global) -> Result<(), Failure> {
    let rows = match global.store_if_any()? {
        Some(store) => store.cache_rows(project)?,
        None => Vec::new(),
    };
    let mut out = output::results();
    if json {
        let rows: Vec<Value> = rows.iter().map(as_json).collect();
        writeln!(out, "{:#}", Value::from(rows))?;
    } else {
        let zone = output::zone();
        for row in &rows {
            let at = date_and_clock(row.at, &zone);
            let (plan, step) = (clean(&row.plan), clean(&row.step));
            writeln!(out, "{at}  {plan}  {step}  {}", clean(&words(&row.state)))?;
        }
        if rows.is_empty() {
            output::note(global, &format!("nothing is remembered of {project}"));
        }
    }
    Ok(out.flush()?)
}

fn as_json(row: &CacheRow) -> Value {
    let at = i64::try_from(row.at).ok();
    let at = at.and_then(|at| Timestamp::from_millisecond(at).ok());
    json!({
        "plan": row.plan,
        "step": row.step,
        "state": row.state.word(),
        "at": at.map(|at| format!("{at:.3}")),
        "detail": row.state.detail(),
    })
}

fn words(state: &State) -> String {
    match state {
        State::Succeeded => "succeeded".into(),
        State::ChangedMeanwhile { path } => format!("succeeded, but {path} changed meanwhile"),
        State::MadeNothing { pattern } => format!("succeeded, but made nothing of {pattern}"),
        State::Failed { exit } => format!("failed: {exit}"),
        State::Unseen => "was not seen through, or was taken back".into(),
    }
}

fn clear(project: &str, steps: &[String], global: &Global) -> Result<(), Failure> {
    let cleared = match global.store_if_any()? {
        Some(_) => open(global)?.cache_clear(project, steps)?,
        None => 0,
    };
    let s = if cleared == 1 { "" } else { "s" };
    output::note(global, &format!("forgot {cleared} step{s} of {project}"));
    Ok(())
}

fn export(project: &str, global: &Global) -> Result<(), Failure> {
    let store = match global.store_if_any()? {
        Some(store) => store,
        None => open(global)?,
    };
    let mut out = output::results();
    writeln!(out, "{}", store.cache_export(project)?)?;
    Ok(out.flush()?)
}

/// A file that says nothing sensible is a warning and no failure: what is not
/// remembered runs again, and that is all.
fn import(file: &Path, target: &Path, global: &Global) -> Result<(), Failure> {
    let text = read(file)?;
    let project = project(target)?;
    if text.trim_start().starts_with('{') {
        match open(global)?.cache_import(&project, &text) {
            Ok(imported) => {
                if imported.refused > 0 {
                    let refused = imported.refused;
                    output::note(
                        global,
                        &format!("{refused} steps make no sense, and are left out"),
                    );
                }
                tell(imported.steps, &project, global);
            }
            Err(why) => output::note(global, &format!("nothing is imported: {why}")),
        }
        return Ok(());
    }
    let plan: Plan = Target::whole(target.to_path_buf())
        .ready(global, false)?
        .plan;
    let (writes, ignored) = successes(&text, plan.steps.iter().map(|step| &*step.id));
    for why in ignored {
        output::note(global, &format!("{} is ignored", clean(&why)));
    }
    let whose = Whose {
        project: project.as_str().into(),
        plan: plan.id.into(),
    };
    open(global)?.remember(&whose, &writes)?;
    tell(writes.len() as u64, &project, global);
    Ok(())
}

fn tell(steps: u64, project: &str, global: &Global) {
    let s = if steps == 1 { "" } else { "s" };
    output::note(global, &format!("remembered {steps} step{s} of {project}"));
}

fn open(global: &Global) -> Result<Store, Failure> {
    Ok(Store::open(&global.state()?, Durability::Full)?)
}

/// More than this is no state file.
const MOST: u64 = 256 << 20;

fn read(file: &Path) -> Result<String, Failure> {
    let bad =
        |error: std::io::Error| Failure::new(Kind::Usage, format!("{}: {error}", file.display()));
    let mut bytes = Vec::new();
    match file == Path::new("-") {
        true => std::io::stdin().take(MOST).read_to_end(&mut bytes),
        false => std::fs::File::open(file).and_then(|f| f.take(MOST).read_to_end(&mut bytes)),
    }
    .map_err(bad)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
