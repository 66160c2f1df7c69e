//! `quintet doc generate`: a task's page, and its section of the README, in the
//! task's own repository.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use super::task::{self, Deed, Subject};
use crate::agent::write_documents;
use crate::view::escape::clean;

/// Document what tasks of the configuration made
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  $ quintet doc generate port-parser"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write a task's page and its section of the README
    ///
    /// They go to docs/tasks/TASK.md and README.md in the task's working directory. The
    /// section stands between two comments, and is replaced where it is there already.
    /// Where the task stands does not change.
    Generate {
        /// The task
        task: String,
    },
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let Verb::Generate { task: name } = args.verb;
    let started_at = output::now();
    let subject = task::find(&name, global)?;
    let dir = Path::new(subject.task.working_dir());
    let page = write(dir, &subject)?;
    let mut record = subject.now();
    record.doc_path = Some(page.clone());
    let deed = Deed {
        action: "doc.generate",
        started_at,
        exit_code: Some(0),
        message: "documented".into(),
    };
    subject.done(deed, &record)?;
    let mut out = output::results();
    writeln!(
        out,
        "task={name} status={} doc={}",
        record.status,
        clean(&page)
    )?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Writes both, and gives the page's path.
fn write(dir: &Path, subject: &Subject) -> Result<String, Failure> {
    if !dir.is_dir() {
        let message = format!(
            "the task's working directory {} is not there",
            dir.display()
        );
        return Err(Failure::new(Kind::Usage, message));
    }
    let command = &subject.task.program.command;
    let written = write_documents(dir, &subject.name, command, &subject.now());
    let [page, _] = written.map_err(|why| Failure::new(Kind::Run, why))?;
    Ok(page)
}
