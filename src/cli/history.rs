//! `quintet history`: what was done with jobs and tasks, from their records.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::{Failure, Kind, warn};
use super::global::Global;
use super::output;
use super::records::{Entry, Records, check_name};
use crate::view::escape::clean;
use crate::view::time::took;

/// List what was done with jobs and tasks, newest first
///
/// It is read from the records in the state directory, and from those that an
/// older tool left (orchastration/state in $XDG_CACHE_HOME or ~/.cache), unless
/// --state-dir says where to look. A record that cannot be read is told of.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ quintet history
  $ quintet history sample --limit 5
  $ quintet history --json")]
pub struct Args {
    /// Only of the job or task of this name
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,

    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    if let Some(name) = &args.name {
        check_name(name)?;
    }
    let mut entries = Vec::new();
    let mut is_whole = true;
    for records in Records::readable(global)? {
        let (found, corrupt) = records.history(args.name.as_deref());
        entries.extend(found);
        for why in corrupt {
            is_whole = false;
            warn(&why);
        }
    }
    entries.sort_by(|a, b| b.start_time().cmp(a.start_time()));
    entries.truncate(args.limit);
    let mut out = output::results();
    if args.json {
        writeln!(out, "{:#}", entries.iter().map(json).collect::<Value>())?;
    } else if entries.is_empty() {
        output::note(global, "nothing is recorded that fits");
    } else {
        for entry in &entries {
            writeln!(out, "{}", line(entry))?;
        }
    }
    out.flush()?;
    match is_whole {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::told(Kind::Store)),
    }
}

fn json(entry: &Entry) -> Value {
    match entry {
        Entry::Job(record) => json!(record),
        Entry::Task(record) => json!(record),
    }
}

fn line(entry: &Entry) -> String {
    let (name, what, exit, ms) = match entry {
        Entry::Job(job) => (&job.job_name, "run", job.exit_code, job.duration_ms),
        Entry::Task(task) => {
            let action = task.action.as_str();
            (&task.task_name, action, task.exit_code, task.duration_ms)
        }
    };
    let exit = exit.map_or("none".into(), |code| code.to_string());
    let took = took(u64::try_from(ms).unwrap_or_default());
    let start = entry.start_time();
    format!(
        "{}  {} {}  exit={exit}  {took}",
        clean(start),
        clean(what),
        clean(name)
    )
}
