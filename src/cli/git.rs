//! `quintet git issue create` and `quintet git branch create`: a task among those
//! with whom one works.
//!
//! Both call the program that people use for it, with an argument for each word and
//! no shell, in the task's repository.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use super::task::{self, Deed, Subject};
use crate::load::jobs::config::Repo;
use crate::run::Millis;
use crate::view::escape::clean;
use crate::view::job_record::TaskRecord;

/// Publish tasks of the configuration: as an issue, as a branch
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  $ quintet git issue create port-parser
  $ quintet git branch create port-parser"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Issues on GitHub, by its program gh
    #[command(disable_help_subcommand = true)]
    Issue {
        #[command(subcommand)]
        verb: Create,
    },
    /// Branches of the task's repository
    #[command(disable_help_subcommand = true)]
    Branch {
        #[command(subcommand)]
        verb: Create,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Create {
    /// Create the one for a task, and record it
    Create {
        /// The task
        task: String,
    },
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    match args.verb {
        Verb::Issue {
            verb: Create::Create { task },
        } => issue(&task, global)?,
        Verb::Branch {
            verb: Create::Create { task },
        } => branch(&task, global)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// O16.
fn issue(name: &str, global: &Global) -> Result<(), Failure> {
    let started_at = output::now();
    let subject = task::find(name, global)?;
    let title = format!("Task: {name}");
    let body = match subject.task.description.as_str() {
        "" => "(no description provided)",
        said => said,
    };
    let made = call(
        &subject,
        "gh",
        &["issue", "create", "--title", &title, "--body", body],
    )?;
    let said = String::from_utf8_lossy(&made.stdout);
    let url = said
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| line.starts_with("http"));
    let mut record = subject.now();
    record.issue_url = url.map(str::to_owned).or(record.issue_url);
    let told = match url {
        Some(url) => url.to_owned(),
        None => said.trim().to_owned(),
    };
    finish(
        &subject,
        "git.issue.create",
        started_at,
        &made,
        &told,
        &record,
    )
}

/// O17.
fn branch(name: &str, global: &Global) -> Result<(), Failure> {
    let started_at = output::now();
    let subject = task::find(name, global)?;
    let branch = branch_name(name, subject.task.repo);
    let reference = format!("refs/heads/{branch}");
    let known = call(
        &subject,
        "git",
        &["show-ref", "--verify", "--quiet", &reference],
    )?;
    if known.status.success() {
        let dir = subject.task.working_dir();
        let message = format!("the branch {branch} exists in {dir}; it is left as it is");
        return Err(Failure::new(Kind::Run, message));
    }
    let made = call(&subject, "git", &["checkout", "-b", &branch])?;
    let mut record = subject.now();
    if made.status.success() {
        record.branch = Some(branch.clone());
    }
    finish(
        &subject,
        "git.branch.create",
        started_at,
        &made,
        &branch,
        &record,
    )
}

/// `task/port-parser`; of a repository that is not ours `task/external-port-parser`.
fn branch_name(name: &str, repo: Repo) -> String {
    let prefix = match repo {
        Repo::Own => "task/",
        Repo::External => "task/external-",
    };
    format!("{prefix}{}", slug(name))
}

/// Lower case; what is none of `a-z 0-9 . _ -` becomes one hyphen, and none stands
/// at either end. `task` where nothing is left.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' | '.' | '_' => slug.push(c),
            _ if slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    match slug.trim_matches('-') {
        "" => "task".into(),
        slug => slug.into(),
    }
}

/// Calls a program in the task's repository.
fn call(subject: &Subject, program: &str, args: &[&str]) -> Result<Output, Failure> {
    let dir = subject.task.working_dir();
    if !Path::new(dir).is_dir() {
        let message = format!("the task's working directory {dir} is not there");
        return Err(Failure::new(Kind::Usage, message));
    }
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).stdin(Stdio::null());
    command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let message = format!("{program:?} is not on PATH, and only it can do this");
            let failure = Failure::new(Kind::Usage, message);
            match program {
                "gh" => failure.hint("install GitHub's command line: https://cli.github.com"),
                _ => failure,
            }
        }
        _ => Failure::new(Kind::Run, format!("{program} cannot be started: {error}")),
    })
}

/// Records what the program did, and prints what came of it.
fn finish(
    subject: &Subject,
    action: &str,
    started_at: Millis,
    made: &Output,
    told: &str,
    record: &TaskRecord,
) -> Result<(), Failure> {
    let complaint = String::from_utf8_lossy(&made.stderr).trim().to_owned();
    let succeeded = made.status.success();
    let deed = Deed {
        action,
        started_at,
        exit_code: made.status.code(),
        message: if succeeded { told } else { &complaint }.to_owned(),
    };
    subject.done(deed, record)?;
    if !succeeded {
        let message = format!("{action} failed ({}): {}", made.status, clean(&complaint));
        return Err(Failure::new(Kind::Run, message));
    }
    let mut out = output::results();
    writeln!(out, "{}", clean(told))?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O17.
    #[test]
    fn o17_branches_are_called_by_the_task_in_letters_that_git_takes() {
        let own = |name| branch_name(name, Repo::Own);
        assert_eq!(own("sample_task"), "task/sample_task");
        assert_eq!(own("Port the Parser!"), "task/port-the-parser");
        assert_eq!(own("--Ü--"), "task/task");
        assert_eq!(own("v1.2-rc"), "task/v1.2-rc");
        assert_eq!(branch_name("Port", Repo::External), "task/external-port");
    }
}
