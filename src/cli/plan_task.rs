//! `quintet plan list|create|status`: which tasks there are, and where they stand.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::{Failure, Kind};
use super::global::Global;
use super::records::Records;
use super::task::{self, Deed};
use super::{config, output};
use crate::load::jobs::Config;
use crate::load::jobs::config::TaskStatus;
use crate::view::escape::clean;

/// What `quintet plan` does beside showing what a run would do.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List the configured tasks and where each of them stands
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Record a task as planned
    Create {
        /// The task
        task: String,

        /// Also where it is done, or being built
        #[arg(long)]
        reset: bool,
    },
    /// Show where a task stands
    Status {
        /// The task
        task: String,

        /// Print its record
        #[arg(long)]
        json: bool,
    },
}

pub fn run(verb: Verb, global: &Global) -> Result<ExitCode, Failure> {
    match verb {
        Verb::List { json } => list(global, json)?,
        Verb::Create { task, reset } => create(&task, reset, global)?,
        Verb::Status { task, json } => status(&task, json, global)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global, json: bool) -> Result<(), Failure> {
    let config = config::read(global)?;
    let records = Records::readable(global)?;
    let mut out = output::results();
    if json {
        writeln!(out, "{:#}", list_json(&config, &records))?;
        return Ok(out.flush()?);
    }
    if config.tasks.is_empty() {
        writeln!(out, "no tasks configured")?;
    }
    for (name, task) in &config.tasks {
        let status = stands(&config, &records, name);
        match task.description.as_str() {
            "" => writeln!(out, "{} [{status}]", clean(name))?,
            about => writeln!(out, "{} - {} [{status}]", clean(name), clean(about))?,
        }
    }
    Ok(out.flush()?)
}

/// The tasks of a configuration, an object for each.
pub fn list_json(config: &Config, records: &[Records]) -> Value {
    let tasks = config.tasks.iter().map(|(name, task)| {
        json!({
            "name": name,
            "description": task.description,
            "status": stands(config, records, name),
            "repo": task.repo.word(),
        })
    });
    tasks.collect()
}

fn stands(config: &Config, records: &[Records], name: &str) -> &'static str {
    let record = task::recorded(records, name);
    task::status(config, record.as_ref(), name).word()
}

/// O10: what has been done for a task is not forgotten by accident.
fn create(name: &str, reset: bool, global: &Global) -> Result<(), Failure> {
    let started_at = output::now();
    let subject = task::find(name, global)?;
    let stands = match &subject.record {
        Some(_) => subject.status(),
        None => TaskStatus::Planned,
    };
    if !reset && matches!(stands, TaskStatus::Done | TaskStatus::InProgress) {
        let message = format!("task {name} is {}; nothing was changed", stands.word());
        let hint = format!("quintet plan create {name} --reset");
        return Err(Failure::new(Kind::Usage, message).hint(hint));
    }
    let status = match subject.record.is_none() && !reset {
        // The author may have written down where it stands.
        true => subject.task.status,
        false => TaskStatus::Planned,
    };
    let mut record = subject.now();
    record.status = status.word().into();
    record.last_error = None;
    let deed = Deed {
        action: "plan.create",
        started_at,
        exit_code: Some(0),
        message: if reset { "reset" } else { "created" }.into(),
    };
    subject.done(deed, &record)?;
    let mut out = output::results();
    writeln!(out, "task={name} status={}", record.status)?;
    Ok(out.flush()?)
}

fn status(name: &str, json: bool, global: &Global) -> Result<(), Failure> {
    let config = config::read(global)?;
    config::named(&config.tasks, "task", name)?;
    let Some(record) = task::recorded(&Records::readable(global)?, name) else {
        let message = format!("nothing is recorded of task {name} yet");
        let hint = format!("quintet plan create {name}");
        return Err(Failure::new(Kind::Usage, message).hint(hint));
    };
    let mut out = output::results();
    if json {
        writeln!(out, "{:#}", json!(record))?;
        return Ok(out.flush()?);
    }
    let (status, last_run) = (clean(&record.status), clean(&record.last_run));
    writeln!(out, "{name} status={status} last_run={last_run}")?;
    let more = [
        ("last_error", &record.last_error),
        ("issue", &record.issue_url),
        ("branch", &record.branch),
        ("doc", &record.doc_path),
    ];
    for (what, said) in more {
        if let Some(said) = said {
            writeln!(out, "  {what}: {}", clean(said))?;
        }
    }
    Ok(out.flush()?)
}
