//! How the configured jobs stand: the last run of each (O9).

use std::io::{self, Write};

use serde_json::{Value, json};

use super::config;
use super::error::Failure;
use super::global::Global;
use super::records::{Records, newest};
use super::runs;
use crate::load::jobs::JOB;
use crate::view::escape::clean;
use crate::view::job_record::{JobRecord, moment};

/// A job, and its last run.
pub struct JobStatus {
    name: String,
    last: Last,
}

enum Last {
    Never,
    /// Since when.
    Running(String),
    Ended(Box<JobRecord>),
}

/// All configured jobs, sorted by name. Where nobody asked for the configuration and
/// it is wrong, that is told and there are none: it must not hide how a run stands.
///
/// # Errors
/// The configuration is wrong, or the store cannot be read.
pub fn of_all(global: &Global) -> Result<Vec<JobStatus>, Failure> {
    let config = match config::read(global) {
        Err(failure) if global.config.is_some() => return Err(failure),
        read => read.unwrap_or_default(),
    };
    if config.jobs.is_empty() {
        return Ok(Vec::new());
    }
    let running = match global.store_if_any()? {
        Some(store) => runs::active(&store)?,
        None => Vec::new(),
    };
    let since = |name: &str| {
        let run = running.iter().find(|run| {
            let metadata: Value = serde_json::from_str(&run.row.metadata).unwrap_or_default();
            run.row.plan_id == name && metadata[JOB] == name
        });
        run.map(|run| moment(run.row.started_at.unwrap_or(run.row.created_at)))
    };
    let records = Records::readable(global)?;
    let status = |name: &String| {
        let last = || newest(&records, |r| r.last(name), |found| &found.start_time);
        let last = match since(name) {
            Some(since) => Last::Running(since),
            None => last().map_or(Last::Never, |found| Last::Ended(Box::new(found))),
        };
        JobStatus {
            name: name.clone(),
            last,
        }
    };
    Ok(config.jobs.keys().map(status).collect())
}

/// A line for each.
///
/// # Errors
/// The stream does not take it.
pub fn text(jobs: &[JobStatus], out: &mut impl Write) -> io::Result<()> {
    for JobStatus { name, last } in jobs {
        let name = clean(name);
        match last {
            Last::Never => writeln!(out, "{name} - no runs recorded")?,
            Last::Running(since) => writeln!(out, "{name} - running start={since}")?,
            Last::Ended(last) => {
                let exit = last
                    .exit_code
                    .map_or("none".into(), |code| code.to_string());
                let timed_out = if last.timed_out {
                    " timed_out=true"
                } else {
                    ""
                };
                writeln!(
                    out,
                    "{name} - exit={exit}{timed_out} duration_ms={} start={}",
                    last.duration_ms,
                    clean(&last.start_time)
                )?;
            }
        }
    }
    Ok(())
}

/// An array with an object for each.
pub fn json(jobs: &[JobStatus]) -> Value {
    let job = |job: &JobStatus| {
        let (state, last) = match &job.last {
            Last::Never => ("never_run", Value::Null),
            Last::Running(since) => ("running", json!({ "start_time": since })),
            Last::Ended(last) => ("ended", json!(last)),
        };
        json!({ "name": job.name, "state": state, "last": last })
    };
    jobs.iter().map(job).collect()
}
