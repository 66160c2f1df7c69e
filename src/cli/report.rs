//! `quintet report`: what a run came to, for programs, build servers and people.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use crate::paths::StateDir;
use crate::store::logs;
use crate::view::recorded::Recorded;
use crate::view::result::{self, RunResult};
use crate::view::{github, junit, markdown, summary};

/// Report what a run came to: counts, and each step with its end
///
/// Of a failed step the last lines that it wrote are part of the report. RUN is a
/// run's id, the beginning or end of one, or `last`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ quintet report last\n  $ quintet report last --format junit --output report.xml\n  $ quintet report x7k2 --format markdown"
)]
pub struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,

    /// The result as JSON, JUnit XML, a Markdown table, or annotations for GitHub
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    format: Format,

    /// Write it to this file rather than to stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Json,
    Junit,
    Markdown,
    Github,
}

impl Format {
    /// As it is asked for.
    pub fn word(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Junit => "junit",
            Format::Markdown => "markdown",
            Format::Github => "github",
        }
    }

    /// The result, with a newline at its end.
    ///
    /// # Errors
    /// The format cannot hold it.
    pub fn render(self, result: &RunResult) -> io::Result<String> {
        match self {
            Format::Json => Ok(serde_json::to_string_pretty(result)? + "\n"),
            Format::Junit => junit::xml(result).map_err(io::Error::other),
            Format::Markdown => Ok(markdown::text(result)),
            Format::Github => Ok(github::commands(result)),
        }
    }
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let state = StateDir::existing(&global.state_path()?)?;
    let store = global.store()?;
    let recorded = Recorded::find(&store, &args.run)?;
    let mut tail = |ix| {
        logs::last_words(
            &state,
            recorded.run_id(),
            &recorded.state,
            ix,
            summary::TAIL_LINES,
        )
    };
    let (run_id, state) = (recorded.run_id(), &recorded.state);
    let result = result::of(run_id, state, &recorded.events, &mut tail);
    let text = args.format.render(&result)?;
    match &args.output {
        None => {
            let mut out = output::bytes();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
        Some(file) => output::write_whole(file, text.as_bytes()).map_err(|error| {
            let file = file.display();
            Failure::new(Kind::Store, format!("{file} cannot be written: {error}"))
        })?,
    }
    Ok(ExitCode::SUCCESS)
}
