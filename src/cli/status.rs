//! `quintet status`: one run as it stands, once or as long as it goes on.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use console::{Term, truncate_str};
use serde_json::{Value, json};

use super::error::Failure;
use super::follow::{Follower, News};
use super::global::Global;
use super::job_status::{self, JobStatus};
use super::output;
use super::runs;
use crate::store::{RunFilter, Store};
use crate::view::phases::{document, lines};
use crate::view::recorded::Recorded;
use crate::view::status::{self, Subject};
use crate::view::timeline::Timeline;

/// Show how a run stands: each step, its attempts, and what it waits for
///
/// Without RUN it is the newest run, followed by the other runs that go on now and,
/// where jobs are configured, by the last run of each. RUN is a run's id, the
/// beginning or end of one, or `last`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ quintet status\n  $ quintet status x7k2 --watch\n  $ quintet status last --format tree\n  $ quintet status last --format tree --json | jq '.. | .errors? // empty | .[]'\n  $ quintet status last --json | jq .progress_pct"
)]
pub struct Args {
    /// The run; the newest one without
    #[arg(value_name = "RUN")]
    run: Option<String>,

    /// Show it again whenever something happens, until the run is over
    #[arg(long, short)]
    watch: bool,

    /// A table, the tree that the steps' ids spell, or JSON
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// The same as --format json; with --format tree, that tree as a document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Tree,
    Json,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let jobs = match args.run.is_none() && !args.watch {
        true => job_status::of_all(global)?,
        false => Vec::new(),
    };
    if !jobs.is_empty() && nothing_was_run(global)? {
        let mut out = output::results();
        match args.is_json() {
            true => writeln!(out, "{:#}", json!({ "jobs": job_status::json(&jobs) }))?,
            false => job_status::text(&jobs, &mut out)?,
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let store = global.store()?;
    let recorded = Recorded::find(&store, args.run.as_deref().unwrap_or("last"))?;
    match args.watch {
        true => args.watch(&store, recorded)?,
        false => args.once(&store, &recorded, &jobs)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn nothing_was_run(global: &Global) -> Result<bool, Failure> {
    let newest = RunFilter {
        limit: Some(1),
        ..RunFilter::default()
    };
    Ok(match global.store_if_any()? {
        Some(store) => store.runs(&newest)?.is_empty(),
        None => true,
    })
}

impl Args {
    fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }

    fn once(&self, store: &Store, recorded: &Recorded, jobs: &[JobStatus]) -> Result<(), Failure> {
        let subject = recorded.subject(store, output::now())?;
        let mut out = output::results();
        if !jobs.is_empty() && self.is_json() && self.format != Format::Tree {
            let mut json = self.json(store, recorded, subject)?;
            json["jobs"] = job_status::json(jobs);
            writeln!(out, "{json:#}")?;
            return Ok(out.flush()?);
        }
        self.show(store, recorded, subject, &mut out)?;
        if self.run.is_none() && !self.is_json() {
            others(store, recorded.run_id(), &mut out)?;
        }
        if !jobs.is_empty() && !self.is_json() {
            writeln!(out, "\njobs")?;
            job_status::text(jobs, &mut out)?;
        }
        Ok(out.flush()?)
    }

    fn json(
        &self,
        store: &Store,
        recorded: &Recorded,
        subject: Subject<'_>,
    ) -> Result<Value, Failure> {
        let timeline = Timeline::of(&recorded.events);
        let active = crate::view::runs::json(&runs::active(store)?, subject.now);
        Ok(status::json(subject, &timeline, active))
    }

    fn show(
        &self,
        store: &Store,
        recorded: &Recorded,
        subject: Subject<'_>,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        if self.is_json() && self.format == Format::Tree {
            document::of(subject, &recorded.events, &output::zone()).write(self.watch, out)?;
        } else if self.is_json() {
            let json = self.json(store, recorded, subject)?;
            match self.watch {
                true => writeln!(out, "{json}")?,
                false => writeln!(out, "{json:#}")?,
            }
        } else if self.format == Format::Tree {
            lines::write(subject, &output::zone(), out)?;
        } else {
            status::text(subject, &output::zone(), out)?;
        }
        Ok(())
    }

    /// On a terminal the old lines are replaced; elsewhere each state follows the last.
    fn watch(&self, store: &Store, recorded: Recorded) -> Result<(), Failure> {
        let term = (output::is_terminal() && !self.is_json()).then(Term::stdout);
        let mut follower = Follower::new(store, recorded)?;
        let mut drawn = 0;
        loop {
            let news = follower.wait(Duration::from_secs(1))?;
            if news == News::Nothing && term.is_none() {
                continue;
            }
            let subject = follower.recorded.subject(store, output::now())?;
            let mut frame = Vec::new();
            self.show(store, &follower.recorded, subject, &mut frame)?;
            let over = news == News::Over;
            let mut out = output::results();
            match &term {
                None => out.write_all(&frame)?,
                Some(term) => {
                    term.clear_last_lines(drawn)?;
                    let (rows, columns) = term.size();
                    // What has scrolled away cannot be replaced; the last frame need not be.
                    let rows = if over { usize::MAX } else { usize::from(rows) };
                    let frame = fitted(&frame, rows, columns.into());
                    drawn = frame.len();
                    for line in frame {
                        writeln!(out, "{line}")?;
                    }
                }
            }
            out.flush()?;
            if over {
                return Ok(());
            }
        }
    }
}

/// The lines of the text that fit so many rows, each cut to one row.
fn fitted(text: &[u8], rows: usize, columns: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().take(rows.saturating_sub(1));
    lines
        .map(|line| truncate_str(line, columns, "…").into_owned())
        .collect()
}

/// The runs that go on beside the one that was shown.
fn others(store: &Store, shown: &str, out: &mut impl Write) -> Result<(), Failure> {
    let mut active = runs::active(store)?;
    active.retain(|run| run.row.run_id != shown);
    if !active.is_empty() {
        writeln!(out, "\nother runs that go on now")?;
        crate::view::runs::table(&active, output::now(), &output::zone(), out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn a_frame_is_cut_to_what_can_be_replaced() {
        let frame = b"a\nbbbb\nc\n";
        assert_eq!(fitted(frame, 9, 9), ["a", "bbbb", "c"]);
        assert_eq!(fitted(frame, 3, 3), ["a", "bb…"]);
        assert!(fitted(frame, 0, 0).is_empty());
    }
}
