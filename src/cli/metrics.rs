//! `quintet metrics`: what monitoring counts, and the file it is read from.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::error::Failure;
use super::global::Global;
use super::output;
use crate::paths::StateDir;
use crate::store::{Counted, Store};
use crate::view::metrics;

/// Print what monitoring counts: runs, steps and attempts by how they ended, and how long they took
///
/// In the text format of Prometheus. A run is counted when it ends; what was counted
/// stays so when the run is pruned. The first hundred plans have a label each, all
/// others share `other`. Verbs that run things write the same to a file after each
/// run, for a textfile collector: see --metrics-file there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ quintet metrics\n  $ quintet metrics --json")]
pub struct Args {
    /// Print a JSON object, with the figures of each plan
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let counted = match global.store_if_any()? {
        Some(store) => store.counted()?,
        None => Counted::default(),
    };
    let mut out = output::bytes();
    match args.json {
        true => writeln!(out, "{:#}", metrics::json(&counted))?,
        false => out.write_all(metrics::text(&counted).as_bytes())?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the figures to a file that whoever collects them may read.
///
/// # Errors
/// The store cannot be read, or the file not be written.
pub fn write(file: &Path, state: &StateDir) -> io::Result<()> {
    let counted = Store::read_only(state).and_then(|store| store.counted());
    let text = metrics::text(&counted.map_err(io::Error::other)?);
    output::write_public(file, text.as_bytes())
}
