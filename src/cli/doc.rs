//! `quintet doc generate`: a task's page, and its section of the README, in the
//! task's own repository.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use super::task::{self, Deed, Subject};
use crate::view::escape::clean;
use crate::view::task_page;

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
    let (name, record) = (&subject.name, subject.now());
    let command = &subject.task.program.command;
    let pages = dir.join("docs/tasks");
    fs::create_dir_all(&pages).map_err(|error| refused(&pages, &error))?;
    let page = pages.join(format!("{name}.md"));
    put(&page, &task_page::page(name, command, &record))?;
    let readme = dir.join("README.md");
    let before = match fs::read_to_string(&readme) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(refused(&readme, &error)),
    };
    let section = task_page::section(name, command, &record);
    let after = task_page::with_section(&before, name, &section);
    if after != before {
        put(&readme, &after)?;
    }
    Ok(page.to_string_lossy().into_owned())
}

/// Writes a file of the repository, and leaves it to those to whom it was open.
fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let before = fs::metadata(path).map(|found| found.permissions()).ok();
    output::write_whole(path, text.as_bytes())
        .and_then(|()| match before {
            Some(permissions) => fs::set_permissions(path, permissions),
            None => Ok(()),
        })
        .map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let message = format!("{} cannot be read or written: {error}", path.display());
    Failure::new(Kind::Run, message)
}
