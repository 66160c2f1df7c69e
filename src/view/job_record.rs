//! Records of jobs and tasks, as the system that the configuration comes from lays
//! them out: one JSON file for each run of a job and for each thing done with a
//! task, and one that tells where a task stands.
//!
//! They are made of a run's state for people and other programs, and nothing of
//! ours believes them: the store is the truth. To read is more liberal than to
//! write, since that system's own records are read by the same types.

use serde::{Deserialize, Serialize};

use super::result::{self, StepResult};
use crate::plan::{Action, Program, StepIx};
use crate::run::record::rfc3339;
use crate::run::{Exit, Millis, RunState};

/// One run of a job. The first nine are documented; all times are RFC 3339.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobRecord {
    pub job_name: String,
    pub start_time: String,
    pub end_time: String,
    pub duration_ms: i64,
    /// As a shell would say it: 124 after a timeout, 127 where the program could not
    /// be started, 128 and the signal's number after a signal. Null where the run
    /// was stopped.
    pub exit_code: Option<i32>,
    pub stdout_path: String,
    pub stderr_path: String,
    pub os: String,
    pub binary_version: String,
    /// The run in the store; empty in records of the older tool.
    pub run_id: String,
    pub status: String,
    pub timed_out: bool,
    pub command: Vec<String>,
    pub working_dir: String,
    /// Why it did not succeed, in a line.
    pub error: Option<String>,
}

/// Where a task stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskRecord {
    pub name: String,
    pub description: String,
    pub repo: String,
    pub status: String,
    /// When something was last done with it.
    pub last_run: String,
    pub outputs: Vec<String>,
    pub documents: Vec<String>,
    /// Why the last build failed, if it did.
    pub last_error: Option<String>,
    /// The run that built it last.
    pub run_id: Option<String>,
    pub issue_url: Option<String>,
    pub branch: Option<String>,
    /// Where its page is.
    pub doc_path: Option<String>,
}

/// One thing that was done with a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskRunRecord {
    pub task_name: String,
    /// `plan.create`, `build.run`, `doc.generate`, `git.issue.create`, `git.branch.create`.
    pub action: String,
    pub start_time: String,
    pub end_time: String,
    pub duration_ms: i64,
    /// Where the task stood afterwards.
    pub status: String,
    pub exit_code: Option<i32>,
    pub message: String,
    /// The run in the store, where it was one.
    pub run_id: Option<String>,
    pub stdout_path: Option<String>,
    pub stderr_path: Option<String>,
}

/// What a run of one step came to: what records of jobs and of tasks are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct OneStep {
    pub started_at: Millis,
    pub ended_at: Millis,
    pub succeeded: bool,
    /// `succeeded`, `failed`, `canceled`.
    pub status: String,
    pub exit_code: Option<i32>,
    pub timed_out: bool,
    pub error: Option<String>,
    pub command: Vec<String>,
    pub working_dir: String,
}

/// What came of the first step of a run that has ended.
pub fn of_one_step(run: &RunState) -> OneStep {
    let ix = StepIx::new(0);
    let step: StepResult = result::step(run, ix, Vec::new(), &mut |_| Vec::new());
    let end = run.step(ix).last.end();
    let exit = end.as_deref().map(|end| &end.exit);
    let command = match &run.plan()[ix].action {
        Action::Command(command) => Some(command),
        _ => None,
    };
    let words = command.map(|command| match &command.program {
        Program::Argv(argv) => argv.iter().map(|word| word.shown().into_owned()).collect(),
        Program::Shell { script, .. } => vec![script.to_string()],
    });
    let started_at = end
        .as_deref()
        .map_or(run.started_at(), |end| end.started_at);
    let ended_at = end.as_deref().map_or(run.ended_at(), |end| end.ended_at);
    OneStep {
        started_at,
        ended_at: ended_at.max(started_at),
        succeeded: step.outcome == Some(crate::run::Outcome::Succeeded),
        status: step
            .outcome
            .map_or("pending", |outcome| outcome.word())
            .to_owned(),
        exit_code: match exit {
            Some(Exit::FailedToStart { .. }) => Some(127),
            _ => step.exit_code,
        },
        timed_out: matches!(exit, Some(Exit::TimedOut { .. })),
        error: step.error,
        command: words.unwrap_or_default(),
        working_dir: command.map_or(String::new(), |command| command.cwd.to_string()),
    }
}

/// A moment as records have it.
pub fn moment(at: Millis) -> String {
    rfc3339(at).to_string()
}

/// What files of a run are called, apart from their endings: the moment and the
/// letters of its id, so that two runs within one second have two names (O7).
pub fn file_stem(run_id: &str) -> String {
    match run_id.splitn(3, '-').collect::<Vec<_>>()[..] {
        [date, time, letters] => format!("{date}T{time}Z-{letters}"),
        _ => run_id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_by_the_moment_of_the_run_and_its_letters() {
        assert_eq!(file_stem("20261120-120000-k3x9"), "20261120T120000Z-k3x9");
    }

    /// O35.
    #[test]
    fn o35_records_are_read_whatever_they_lack_or_have_besides() {
        let old = r#"{"job_name":"a","exit_code":3,"duration_ms":7,"extra":[1]}"#;
        let record: JobRecord = serde_json::from_str(old).expect("read");
        assert_eq!((record.exit_code, record.duration_ms), (Some(3), 7));
        assert!(!record.timed_out && record.run_id.is_empty());
    }
}
