//! `quintet prune`: forget old runs.

use std::io::Write;
use std::process::ExitCode;

use jiff::{Span, SpanRelativeTo};
use serde_json::json;

use super::error::Failure;
use super::global::Global;
use super::output;
use crate::paths::{StateDir, Unusable};
use crate::run::Millis;
use crate::store::{Keep, Pruned, Store, StoreError};

const DAY: Millis = 24 * 60 * 60 * 1000;

/// Delete old runs, with their events and logs
///
/// A run goes if it has ended, is none of the newest, and ended long enough ago:
/// each of the options keeps runs by itself. Runs that go on, that were
/// interrupted or that wait for a person always stay. Nothing is ever deleted but
/// by this verb, and other runs may go on meanwhile.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ quintet prune --dry-run\n  $ quintet prune --keep-runs 20 --older-than 2w\n  $ quintet prune --keep-runs 0 --keep-days 7 --json"
)]
pub struct Args {
    /// Keep the newest runs, so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    keep_runs: u32,

    /// Keep what has ended since: 30d, 2w, 12h
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "30d")]
    older_than: Millis,

    /// The same in days
    #[arg(long, value_name = "N", conflicts_with = "older_than")]
    keep_days: Option<u32>,

    /// Delete nothing, and list the runs that would go, oldest first
    #[arg(long)]
    dry_run: bool,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// A day has 24 hours here, whatever clocks are set to.
fn age(text: &str) -> Result<Millis, String> {
    let span: Span = text.parse().map_err(|error| format!("{error}"))?;
    let age = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let age = age.map_err(|error| format!("{error}"))?;
    Millis::try_from(age.as_millis()).map_err(|_| "an age is not negative".into())
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let age = match args.keep_days {
        Some(days) => Millis::from(days) * DAY,
        None => args.older_than,
    };
    let keep = Keep {
        newest: args.keep_runs,
        ended_since: output::now().saturating_sub(age),
    };
    match args.dry_run {
        true => list(keep, global, args.json)?,
        false => tell(delete(keep, global)?, args.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(keep: Keep, global: &Global, json: bool) -> Result<(), Failure> {
    let runs = match global.store_if_any()? {
        Some(store) => store.prunable(keep)?,
        None => Vec::new(),
    };
    let mut out = output::results();
    if json {
        let told = json!({"dry_run": true, "runs": runs.len(), "run_ids": runs});
        writeln!(out, "{told:#}")?;
    } else {
        for run in &runs {
            writeln!(out, "{run}")?;
        }
        output::note(
            global,
            &format!("{} would go", count(runs.len() as u64, "run")),
        );
    }
    Ok(out.flush()?)
}

fn delete(keep: Keep, global: &Global) -> Result<Pruned, Failure> {
    let state = match StateDir::existing(&global.state_path()?) {
        Err(Unusable::Missing { .. }) => return Ok(Pruned::default()),
        state => state?,
    };
    match Store::open_existing(&state) {
        Err(StoreError::Missing { .. }) => Ok(Pruned::default()),
        store => Ok(store?.prune(keep)?),
    }
}

fn tell(pruned: Pruned, json: bool) -> Result<(), Failure> {
    let mut out = output::results();
    if json {
        let told = json!({
            "dry_run": false,
            "runs": pruned.runs,
            "events": pruned.events,
            "plans": pruned.plans,
            "directories": pruned.directories,
            "contents": pruned.contents,
            "freed_bytes": pruned.freed_bytes,
        });
        writeln!(out, "{told:#}")?;
    } else {
        let (runs, events) = (count(pruned.runs, "run"), count(pruned.events, "event"));
        writeln!(out, "deleted {runs} with {events}")?;
        for (n, what) in [
            (pruned.plans, "plan that no run has any more"),
            (pruned.directories, "directory of a run that never began"),
            (pruned.contents, "content that no remembered step made"),
        ] {
            if n > 0 {
                writeln!(out, "{n} × {what}")?;
            }
        }
    }
    Ok(out.flush()?)
}

/// `1 run`, `2 runs`
fn count(n: u64, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {what}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_a_unit() {
        assert_eq!(age("30d"), Ok(30 * DAY));
        assert_eq!(age("2w"), Ok(14 * DAY));
        assert_eq!(age("1d12h"), Ok(36 * 60 * 60 * 1000));
        assert_eq!(age("0s"), Ok(0));
        for bad in ["30", "", "d", "-3d", "3 moons", "1mo"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
