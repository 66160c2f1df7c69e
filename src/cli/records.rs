//! Records of jobs and tasks in the state directory, as files:
//!
//! ```text
//! runs/JOB/MOMENT.json      a run of a job; last.json is the one that ended last
//! tasks/TASK.json           where a task stands
//! tasks/TASK.runs/*.json    what was done with it
//! ```
//!
//! Those of runs are written anew from the store whenever a run ends, whoever drove
//! it, so that a run that was resumed is in its record too. The older tool kept its
//! own in the same way, but for tasks' runs, which lay among those of jobs; they can
//! be read where they are.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use crate::paths::{StateDir, System, older_state};
use crate::view::job_record::{JobRecord, TaskRecord, TaskRunRecord};

/// The record of a job's run that ended last.
const LAST: &str = "last.json";

/// A folder that records are in; it need not exist.
pub struct Records {
    root: PathBuf,
}

/// Something that was recorded: see [`Records::history`].
pub enum Entry {
    Job(JobRecord),
    Task(TaskRunRecord),
}

impl Entry {
    pub fn start_time(&self) -> &str {
        match self {
            Entry::Job(record) => &record.start_time,
            Entry::Task(record) => &record.start_time,
        }
    }
}

impl Records {
    /// Those of a state directory that exists.
    pub fn of(state: &StateDir) -> Records {
        Records {
            root: state.root().to_owned(),
        }
    }

    /// All that there may be: our own, and the older tool's, unless a state directory
    /// was named, which then is all that is meant.
    ///
    /// # Errors
    /// No place is known for our own.
    pub fn readable(global: &Global) -> Result<Vec<Records>, Failure> {
        let own = global.state_path()?;
        let older = older_state(System::HERE, |name| std::env::var_os(name));
        let older = older.filter(|_| global.state_dir.is_none());
        let roots = std::iter::once(own).chain(older);
        Ok(roots.map(|root| Records { root }).collect())
    }

    fn runs(&self, job: &str) -> PathBuf {
        self.root.join("runs").join(job)
    }

    fn task_file(&self, task: &str) -> PathBuf {
        self.root.join("tasks").join(format!("{task}.json"))
    }

    fn task_runs(&self, task: &str) -> PathBuf {
        self.root.join("tasks").join(format!("{task}.runs"))
    }

    /// The path of a stream's file where a run wrote nothing to it: an empty one.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn empty(&self, entry: &str, stem: &str, stream: &str) -> io::Result<PathBuf> {
        let dir = made(self.runs(entry))?;
        let path = dir.join(format!("{stem}.{stream}.log"));
        output::write_whole(&path, b"")?;
        Ok(path)
    }

    /// Writes the record of a job's run.
    ///
    /// # Errors
    /// The system's.
    pub fn write_job(&self, stem: &str, record: &JobRecord) -> io::Result<()> {
        let dir = made(self.runs(&record.job_name))?;
        write(&dir.join(format!("{stem}.json")), record)?;
        write(&dir.join(LAST), record)
    }

    /// Writes where a task stands.
    ///
    /// # Errors
    /// The system's.
    pub fn write_task(&self, record: &TaskRecord) -> io::Result<()> {
        made(self.root.join("tasks"))?;
        write(&self.task_file(&record.name), record)
    }

    /// Writes what was done with a task. Where a file of this name is another's, the
    /// name gets a number.
    ///
    /// # Errors
    /// The system's.
    pub fn write_task_run(&self, stem: &str, record: &TaskRunRecord) -> io::Result<()> {
        let dir = made(self.task_runs(&record.task_name))?;
        let mut path = dir.join(format!("{stem}.json"));
        if record.run_id.is_none() {
            // To make it first keeps two processes from taking one name.
            let mut n = 1;
            while let Err(error) = fs::File::create_new(&path) {
                if error.kind() != io::ErrorKind::AlreadyExists {
                    return Err(error);
                }
                n += 1;
                path = dir.join(format!("{stem}-{n}.json"));
            }
        }
        write(&path, record)
    }

    /// Where a task stands, if that is recorded.
    ///
    /// # Errors
    /// The file cannot be read as such a record: its path and why.
    pub fn task(&self, task: &str) -> Result<Option<TaskRecord>, String> {
        read(&self.task_file(task))
    }

    /// The run of a job that ended last, if one is recorded.
    ///
    /// # Errors
    /// The file cannot be read as such a record: its path and why.
    pub fn last(&self, job: &str) -> Result<Option<JobRecord>, String> {
        read(&self.runs(job).join(LAST))
    }

    /// Everything that is recorded of jobs and tasks, of one or of all, in no order;
    /// and what cannot be read, with its path and why.
    pub fn history(&self, name: Option<&str>) -> (Vec<Entry>, Vec<String>) {
        let mut entries = Vec::new();
        let mut corrupt = Vec::new();
        let runs = folders(&self.root.join("runs"));
        let tasks = folders(&self.root.join("tasks"));
        let wanted = |dir: &PathBuf| {
            let found = dir.file_name().unwrap_or_default().to_string_lossy();
            let found = found.strip_suffix(".runs").unwrap_or(&found).to_owned();
            name.is_none_or(|name| name == found)
        };
        for dir in runs.into_iter().chain(tasks).filter(wanted) {
            // A run of ours has a directory there too, and none of its files is a record.
            for path in records_in(&dir) {
                match entry(&path) {
                    Ok(Some(entry)) => entries.push(entry),
                    Ok(None) => {}
                    Err(why) => corrupt.push(why),
                }
            }
        }
        (entries, corrupt)
    }
}

/// What is newest of what each of these folders may have. What cannot be read is
/// told and counts as not there.
pub fn newest<T>(
    all: &[Records],
    find: impl Fn(&Records) -> Result<Option<T>, String>,
    at: impl Fn(&T) -> &str,
) -> Option<T> {
    let mut best: Option<T> = None;
    for records in all {
        match find(records) {
            Ok(Some(found)) => {
                if best.as_ref().is_none_or(|best| at(&found) > at(best)) {
                    best = Some(found);
                }
            }
            Ok(None) => {}
            Err(why) => super::error::warn(&why),
        }
    }
    best
}

/// Whether a word on the command line can be the name of a file of records.
///
/// # Errors
/// It would lead elsewhere (O31).
pub fn check_name(name: &str) -> Result<(), Failure> {
    let mut parts = Path::new(name).components();
    let one = matches!(parts.next(), Some(Component::Normal(part)) if part == name);
    if !one || parts.next().is_some() || name.chars().any(char::is_control) {
        let message = format!("{name:?} is no name of a job or task");
        return Err(Failure::new(Kind::Usage, message));
    }
    Ok(())
}

fn entry(path: &Path) -> Result<Option<Entry>, String> {
    let Some(value) = read::<Value>(path)? else {
        return Ok(None);
    };
    let is_task = value.get("task_name").is_some();
    let entry = match is_task {
        true => serde_json::from_value(value).map(Entry::Task),
        false => serde_json::from_value(value).map(Entry::Job),
    };
    entry.map(Some).map_err(|error| corrupt(path, &error))
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.is_dir()).collect()
}

fn records_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_record = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "json")
            && !path.ends_with(LAST)
    };
    paths.filter(is_record).collect()
}

/// A record is an object; the types would take a list of their values as well.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice::<Map<String, Value>>(&bytes)
            .and_then(|object| serde_json::from_value(object.into()))
            .map(Some)
            .map_err(|error| corrupt(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

fn corrupt(path: &Path, error: &serde_json::Error) -> String {
    format!("{} is no record: {error}", path.display())
}

fn write(path: &Path, record: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(record)?;
    bytes.push(b'\n');
    output::write_whole(path, &bytes)
}

/// The directory, made for its owner only where it is not there.
fn made(dir: PathBuf) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    Ok(dir)
}
