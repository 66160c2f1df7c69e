//! `quintet runs`: which runs there are.

use std::io::Write;
use std::process::ExitCode;

use super::error::Failure;
use super::global::Global;
use super::output;
use crate::run::Millis;
use crate::store::{RunFilter, Store, StoredState};
use crate::view::runs::{self, Listed};
use crate::view::time;

/// List the runs that were recorded, newest first
///
/// A run that is running and has lost its engine is shown as interrupted;
/// `quintet resume` lets it go on.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ quintet runs --state failed --limit 5\n  $ quintet runs --name safe_merge --json"
)]
pub struct Args {
    /// Only runs in this state
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<StoredState>,

    /// Only runs of the plan with this name or id
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Only runs of plans with this among the `tags` of their metadata
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    /// Only runs made at this moment or later: 2026-11-20, 2026-11-20T12:00, or RFC 3339
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    since: Option<Millis>,

    /// Only runs made before this moment
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    until: Option<Millis>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,

    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

fn state(word: &str) -> Result<StoredState, String> {
    StoredState::from_word(word).ok_or_else(|| {
        let words = StoredState::ALL.map(StoredState::word);
        format!("the states are {}", words.join(", "))
    })
}

fn moment(text: &str) -> Result<Millis, String> {
    let at = time::moment(text, &output::zone());
    at.ok_or_else(|| "a moment is written as 2026-11-20, 2026-11-20T12:00 or RFC 3339".into())
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let filter = RunFilter {
        state: args.state,
        name: args.name,
        tag: args.tag,
        since: args.since,
        until: args.until,
        limit: Some(args.limit),
        before: None,
    };
    let listed = match global.store_if_any()? {
        Some(store) => runs::list(&store, &filter)?,
        None => Vec::new(),
    };
    show(global, &listed, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a list of runs as a result.
///
/// # Errors
/// The output cannot be written.
pub fn show(global: &Global, listed: &[Listed], json: bool) -> Result<(), Failure> {
    let mut out = output::results();
    if json {
        writeln!(out, "{:#}", runs::json(listed, output::now()))?;
    } else if listed.is_empty() {
        output::note(global, "no run has been recorded that fits");
    } else {
        runs::table(listed, output::now(), &output::zone(), &mut out)?;
    }
    Ok(out.flush()?)
}

/// The runs that some engine drives now, newest first.
///
/// # Errors
/// The store cannot be read.
pub fn active(store: &Store) -> Result<Vec<Listed>, Failure> {
    let mut active = Vec::new();
    for state in [StoredState::Running, StoredState::Pending] {
        let filter = RunFilter {
            state: Some(state),
            ..RunFilter::default()
        };
        active.extend(
            runs::list(store, &filter)?
                .into_iter()
                .filter(|run| !run.interrupted),
        );
    }
    active.sort_by_key(|run| std::cmp::Reverse(run.row.key));
    Ok(active)
}
