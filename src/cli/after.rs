//! What is done once a run has ended: reports are written, and a build server
//! that runs us and whoever monitors us hear of it.
//!
//! Nothing here changes how the run ended: what cannot be written is a warning.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::warn;
use super::report::Format;
use super::{metrics, output};
use crate::engine::Ended;
use crate::paths::StateDir;
use crate::run::Event;
use crate::store::{Store, StoreError, logs};
use crate::view::result::{self, RunResult};
use crate::view::{github, markdown, summary};

/// What a verb that drives runs can be told about their end.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Write a report once the run has ended, however it ends: `junit=report.xml`
    ///
    /// FORMAT is json, junit, markdown or github, as for `quintet report`. Several
    /// reports may be asked for.
    #[arg(long = "report", value_name = "FORMAT=FILE", value_parser = Wanted::parse)]
    reports: Vec<Wanted>,

    /// Print the result to stdout as one JSON object once the run has ended
    ///
    /// It is what `quintet report --format json` prints. The run's id goes to stderr.
    #[arg(long, conflicts_with = "json")]
    pub pass_thru: bool,

    /// Tell GitHub nothing
    ///
    /// Where GITHUB_ACTIONS is `true`, failures and warnings become annotations, and
    /// the file that GITHUB_STEP_SUMMARY names gets a summary.
    #[arg(long)]
    no_github: bool,

    /// Write what `quintet metrics` prints to this file once the run has ended
    ///
    /// For a textfile collector: the file is replaced as a whole, and everybody may
    /// read it. Else it is $QUINTET_METRICS_FILE, if that is set.
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
}

/// Where figures are written, unless the command line says otherwise.
const METRICS_FILE: &str = "QUINTET_METRICS_FILE";

/// A report, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    format: Format,
    file: PathBuf,
}

impl Wanted {
    fn parse(text: &str) -> Result<Wanted, String> {
        let (format, file) = text
            .split_once('=')
            .filter(|(_, file)| !file.is_empty())
            .ok_or("it must say FORMAT=FILE")?;
        let format = <Format as clap::ValueEnum>::from_str(format, false)
            .map_err(|_| format!("{format:?} is none of json, junit, markdown, github"))?;
        let file = file.into();
        Ok(Wanted { format, file })
    }
}

impl Args {
    /// Tells of the run's end whoever wants to know. Where `json` events or the
    /// result are on stdout, annotations go to stderr, which GitHub reads as well.
    pub fn deliver(&self, ended: &Ended, state: &StateDir, json: bool) {
        if let Some(file) = self.metrics_file()
            && let Err(error) = metrics::write(&file, state)
        {
            let file = file.display();
            warn(&format!("the metrics {file} cannot be written: {error}"));
        }
        let on_github = !self.no_github && is("GITHUB_ACTIONS", "true");
        if self.reports.is_empty() && !on_github && !self.pass_thru {
            return;
        }
        let result = result_of(ended, state);
        if self.pass_thru {
            // Who does not read it does not want to know.
            let _ = Format::Json
                .render(&result)
                .and_then(|text| io::stdout().write_all(text.as_bytes()));
        }
        for Wanted { format, file } in &self.reports {
            let written = format
                .render(&result)
                .and_then(|text| output::write_whole(file, text.as_bytes()));
            if let Err(error) = written {
                let file = file.display();
                warn(&format!("the report {file} cannot be written: {error}"));
            }
        }
        if on_github {
            annotate(&result, json || self.pass_thru);
            summarize(&result);
        }
    }

    /// The same wishes for another process of ours, wherever it is started.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        for Wanted { format, file } in &self.reports {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            let mut value = OsString::from(format!("{}=", format.word()));
            value.push(file);
            arguments.extend(["--report".into(), value]);
        }
        if let Some(file) = self.metrics_file() {
            let file = std::path::absolute(&file).unwrap_or(file);
            arguments.extend(["--metrics-file".into(), file.into()]);
        }
        arguments
    }

    fn metrics_file(&self) -> Option<PathBuf> {
        let set = || std::env::var_os(METRICS_FILE).filter(|file| !file.is_empty());
        self.metrics_file
            .clone()
            .or_else(|| set().map(PathBuf::from))
    }
}

fn is(name: &str, value: &str) -> bool {
    std::env::var_os(name).is_some_and(|found| found == value)
}

fn result_of(ended: &Ended, state: &StateDir) -> RunResult {
    let events = events(ended, state).unwrap_or_else(|error| {
        warn(&format!("earlier attempts are not in the reports: {error}"));
        Vec::new()
    });
    let mut tail =
        |ix| logs::last_words(state, &ended.run_id, &ended.state, ix, summary::TAIL_LINES);
    result::of(&ended.run_id, &ended.state, &events, &mut tail)
}

fn events(ended: &Ended, state: &StateDir) -> Result<Vec<Event>, StoreError> {
    Store::read_only(state)?.events(&ended.run_id, 0, usize::MAX)
}

fn annotate(result: &RunResult, json: bool) {
    let commands = github::commands(result);
    // Who does not read them does not want to know.
    let _ = match json {
        true => io::stderr().write_all(commands.as_bytes()),
        false => io::stdout().write_all(commands.as_bytes()),
    };
}

fn summarize(result: &RunResult) {
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) else {
        return;
    };
    let append = |text: &str| {
        let mut file = OpenOptions::new().create(true).append(true).open(&file)?;
        file.write_all(text.as_bytes())
    };
    if let Err(error) = append(&markdown::text(result)) {
        let file = Path::new(&file).display();
        warn(&format!("the summary {file} cannot be written: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_asked_for_by_its_format_and_its_file() {
        let wanted = Wanted::parse("junit=a=b.xml").unwrap();
        assert_eq!(wanted.format, Format::Junit);
        assert_eq!(wanted.file, Path::new("a=b.xml"));
        for wrong in ["junit", "junit=", "pdf=x", "=x", ""] {
            assert!(Wanted::parse(wrong).is_err(), "{wrong}");
        }
    }
}
