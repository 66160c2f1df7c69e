//! Tasks of the configuration, with what is recorded of them: what the verbs that
//! plan, build, document and publish a task have in common.

use std::io;

use super::config;
use super::error::{Failure, Kind};
use super::global::Global;
use super::records::{Records, check_name, newest};
use super::{journal, output};
use crate::load::jobs::Config;
use crate::load::jobs::config::{LogLevel, Task, TaskStatus};
use crate::paths::StateDir;
use crate::run::Millis;
use crate::view::job_record::{TaskRecord, TaskRunRecord, moment};

/// A task that something is to be done with.
pub struct Subject {
    pub name: String,
    pub task: Task,
    /// What is recorded of it; `None` before the first record.
    pub record: Option<TaskRecord>,
    state: StateDir,
    log_level: LogLevel,
}

/// Finds a task, and makes the state directory if need be.
///
/// # Errors
/// There is no such task, the configuration is wrong, or its record cannot be used.
pub fn find(name: &str, global: &Global) -> Result<Subject, Failure> {
    check_name(name)?;
    let config = config::read(global)?;
    let task = config::named(&config.tasks, "task", name)?.clone();
    let all = Records::readable(global)?;
    let record = recorded(&all, name);
    Ok(Subject {
        name: name.to_owned(),
        task,
        record,
        state: global.state()?,
        log_level: config.log_level,
    })
}

/// What is recorded of a task, wherever that is.
pub fn recorded(all: &[Records], name: &str) -> Option<TaskRecord> {
    newest(all, |records| records.task(name), |found| &found.last_run)
}

/// Where a task stands: as recorded, else as the configuration says.
pub fn status(config: &Config, record: Option<&TaskRecord>, name: &str) -> TaskStatus {
    let recorded = record.and_then(|record| TaskStatus::from_word(&record.status));
    let said = || config.tasks.get(name).map(|task| task.status);
    recorded.or_else(said).unwrap_or_default()
}

/// What was done with a task, to be recorded.
pub struct Deed<'d> {
    pub action: &'d str,
    pub started_at: Millis,
    /// Of the program that did it; 0 where none was needed.
    pub exit_code: Option<i32>,
    pub message: String,
}

impl Subject {
    pub fn status(&self) -> TaskStatus {
        let recorded = self.record.as_ref();
        let recorded = recorded.and_then(|record| TaskStatus::from_word(&record.status));
        recorded.unwrap_or(self.task.status)
    }

    /// The record as it would be written now.
    pub fn now(&self) -> TaskRecord {
        TaskRecord {
            name: self.name.clone(),
            description: self.task.description.clone(),
            repo: self.task.repo.word().into(),
            status: self.status().word().into(),
            last_run: moment(output::now()),
            outputs: self.task.outputs.clone(),
            documents: self.task.documents.clone(),
            ..self.record.clone().unwrap_or_default()
        }
    }

    /// Records where the task stands now.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn keep(&self, record: &TaskRecord) -> Result<(), Failure> {
        let written = Records::of(&self.state).write_task(record);
        written.map_err(|error| self.unwritten(&error))
    }

    /// Records what was done, and where the task stands now.
    ///
    /// # Errors
    /// The records cannot be written.
    pub fn done(&self, deed: Deed<'_>, record: &TaskRecord) -> Result<(), Failure> {
        self.keep(record)?;
        let ended_at = output::now().max(deed.started_at);
        let run = TaskRunRecord {
            task_name: self.name.clone(),
            action: deed.action.into(),
            start_time: moment(deed.started_at),
            end_time: moment(ended_at),
            duration_ms: (ended_at - deed.started_at) as i64,
            status: record.status.clone(),
            exit_code: deed.exit_code,
            message: deed.message,
            ..TaskRunRecord::default()
        };
        let stem = stem(&run.start_time, deed.action);
        let written = Records::of(&self.state).write_task_run(&stem, &run);
        written.map_err(|error| self.unwritten(&error))?;
        let level = match deed.exit_code {
            Some(0) => LogLevel::Info,
            _ => LogLevel::Error,
        };
        let fields = serde_json::json!({
            "name": self.name,
            "status": run.status,
            "exit_code": run.exit_code,
            "detail": run.message,
        });
        journal::write(&self.state, self.log_level, level, deed.action, fields);
        Ok(())
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        let message = format!(
            "the record of task {} cannot be written: {error}",
            self.name
        );
        Failure::new(Kind::Store, message)
    }
}

/// `20261120T120000Z-doc.generate`, of a moment as records have it.
fn stem(moment: &str, action: &str) -> String {
    let digits = moment
        .split('.')
        .next()
        .unwrap_or(moment)
        .replace(['-', ':'], "");
    format!("{digits}Z-{action}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_kept_under_the_moment_and_its_name() {
        let stem = stem("2026-11-20T12:00:00.123Z", "doc.generate");
        assert_eq!(stem, "20261120T120000Z-doc.generate");
    }
}
