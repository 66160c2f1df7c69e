//! What is kept of a run of a job, or of one that builds a task, beside the store:
//! its records, a line in the journal, and a line on stdout.
//!
//! Everything here follows from the run, so that it does not matter whether it was
//! begun or resumed; and nothing here changes how it ended: what cannot be written
//! is a warning.

use std::io::{self, Write};

use serde_json::json;

use super::error::warn;
use super::global::Global;
use super::records::Records;
use super::{config, journal, output};
use crate::engine::Ended;
use crate::load::jobs::config::{LogLevel, TaskStatus};
use crate::load::jobs::{JOB, TASK, check_name};
use crate::paths::StateDir;
use crate::plan::{Plan, StepIx};
use crate::run::{LogRange, Output};
use crate::view::job_record::{
    JobRecord, OneStep, TaskRecord, TaskRunRecord, file_stem, moment, of_one_step,
};

/// What a plan is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject<'p> {
    Job(&'p str),
    Task(&'p str),
}

impl<'p> Subject<'p> {
    /// Metadata are free, so that a file's plan can claim anything in them; but a
    /// file's plan has an origin.
    fn of(plan: &'p Plan) -> Option<Subject<'p>> {
        let [step] = &plan.steps[..] else { return None };
        let said = |key: &str| {
            let name = plan.metadata.get(key)?.as_str()?;
            let sound = plan.origins.is_empty() && *step.id == *name && check_name(name).is_ok();
            sound.then_some(name)
        };
        let job = said(JOB).map(Subject::Job);
        job.or_else(|| said(TASK).map(Subject::Task))
    }
}

/// Whether a run by this plan builds a task.
pub fn is_build(plan: &Plan) -> bool {
    matches!(Subject::of(plan), Some(Subject::Task(_)))
}

/// A run by this plan is about to begin.
pub fn begins(plan: &Plan, state: &StateDir, global: &Global) {
    let (message, name) = match Subject::of(plan) {
        None => return,
        Some(Subject::Job(job)) => ("job starting", job),
        Some(Subject::Task(task)) => {
            let records = Records::of(state);
            let updated = update(&records, task, |record| {
                record.status = TaskStatus::InProgress.word().into();
            });
            say_unwritten(updated);
            ("build starting", task)
        }
    };
    let fields = json!({ "name": name });
    let wanted = config::quietly(global).log_level;
    journal::write(state, wanted, LogLevel::Info, message, fields);
}

/// A run has ended. Where programs read stdout, no line for people goes there.
pub fn ended(ended: &Ended, state: &StateDir, programs: bool, global: &Global) {
    let Some(subject) = Subject::of(ended.state.plan()) else {
        return;
    };
    let step = of_one_step(&ended.state);
    let (message, name) = match subject {
        Subject::Job(job) => ("job ended", job),
        Subject::Task(task) => ("build ended", task),
    };
    let line = match subject {
        Subject::Job(job) => {
            say_unwritten(keep_job(job, ended, &step, state));
            let timed_out = if step.timed_out {
                " timed_out=true"
            } else {
                ""
            };
            let took = step.ended_at - step.started_at;
            format!(
                "job={job} exit={}{timed_out} duration_ms={took}",
                code(&step)
            )
        }
        Subject::Task(task) => {
            let status = status(&step).word();
            say_unwritten(keep_task(task, ended, &step, state));
            format!("task={task} exit={} status={status}", code(&step))
        }
    };
    let level = match step.succeeded {
        true => LogLevel::Info,
        false => LogLevel::Error,
    };
    let fields = json!({
        "name": name,
        "run_id": ended.run_id,
        "status": step.status,
        "exit_code": step.exit_code,
        "timed_out": step.timed_out,
        "duration_ms": step.ended_at - step.started_at,
        "error": step.error,
    });
    let wanted = config::quietly(global).log_level;
    journal::write(state, wanted, level, message, fields);
    if !programs {
        // Who does not read it does not want to know.
        let _ = writeln!(anstream::stdout(), "{line}");
    }
}

fn code(step: &OneStep) -> String {
    step.exit_code
        .map_or_else(|| "none".to_owned(), |code| code.to_string())
}

/// O13: a build that failed is failed, and one that was stopped is still to be done.
fn status(step: &OneStep) -> TaskStatus {
    match step.status.as_str() {
        _ if step.succeeded => TaskStatus::Done,
        "failed" => TaskStatus::Failed,
        _ => TaskStatus::InProgress,
    }
}

fn keep_job(job: &str, ended: &Ended, step: &OneStep, state: &StateDir) -> io::Result<()> {
    let records = Records::of(state);
    let stem = file_stem(&ended.run_id);
    let output = output_of(ended);
    let path = |stream: &str, range: Option<&LogRange>| -> io::Result<String> {
        let path = match file(state, &ended.run_id, range) {
            Some(path) => path,
            None => {
                let path = records.empty(job, &stem, stream)?;
                path.to_string_lossy().into_owned()
            }
        };
        Ok(path)
    };
    let record = JobRecord {
        job_name: job.to_owned(),
        start_time: moment(step.started_at),
        end_time: moment(step.ended_at),
        duration_ms: step.ended_at.saturating_sub(step.started_at) as i64,
        exit_code: step.exit_code,
        stdout_path: path("stdout", output.stdout.as_ref())?,
        stderr_path: path("stderr", output.stderr.as_ref())?,
        os: std::env::consts::OS.to_owned(),
        binary_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: ended.run_id.clone(),
        status: step.status.clone(),
        timed_out: step.timed_out,
        command: step.command.clone(),
        working_dir: step.working_dir.clone(),
        error: step.error.clone(),
    };
    records.write_job(&stem, &record)
}

fn keep_task(task: &str, ended: &Ended, step: &OneStep, state: &StateDir) -> io::Result<()> {
    let records = Records::of(state);
    let status = status(step).word();
    let failed = step.error.clone().filter(|_| !step.succeeded);
    update(&records, task, |record| {
        record.status = status.into();
        record.last_error = failed.clone();
        record.run_id = Some(ended.run_id.clone());
    })?;
    let output = output_of(ended);
    let record = TaskRunRecord {
        task_name: task.to_owned(),
        action: "build.run".into(),
        start_time: moment(step.started_at),
        end_time: moment(step.ended_at),
        duration_ms: step.ended_at.saturating_sub(step.started_at) as i64,
        status: status.into(),
        exit_code: step.exit_code,
        message: failed.unwrap_or_else(|| "completed".into()),
        run_id: Some(ended.run_id.clone()),
        stdout_path: file(state, &ended.run_id, output.stdout.as_ref()),
        stderr_path: file(state, &ended.run_id, output.stderr.as_ref()),
    };
    records.write_task_run(&file_stem(&ended.run_id), &record)
}

/// Changes what is recorded of a task.
fn update(records: &Records, task: &str, change: impl FnOnce(&mut TaskRecord)) -> io::Result<()> {
    // What cannot be read was told when the verb began, and is replaced.
    let mut record = records.task(task).unwrap_or_default().unwrap_or_default();
    record.name = task.to_owned();
    record.last_run = moment(output::now());
    change(&mut record);
    records.write_task(&record)
}

fn output_of(ended: &Ended) -> Output {
    let last = ended.state.step(StepIx::new(0)).last.end();
    last.map_or_else(Output::default, |end| end.output.clone())
}

/// The file of a stream. A run of one step has files of its own for it.
fn file(state: &StateDir, run_id: &str, range: Option<&LogRange>) -> Option<String> {
    let path = state.run(run_id).join(&*range?.file);
    Some(path.to_string_lossy().into_owned())
}

fn say_unwritten(written: io::Result<()>) {
    if let Err(error) = written {
        warn(&format!(
            "the record of this run cannot be written: {error}"
        ));
    }
}
