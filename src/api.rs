//! The product as a library: load a plan, select of it, run it, read what came of it.
//!
//! ```
//! use quintet::{Quintet, Outcome};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = tempfile::tempdir()?;
//! # let state = home.path().join("state");
//! let quintet = Quintet::open(&state)?;
//! let plan = quintet.load_str(
//!     "hello.json",
//!     r#"{"plan_id": "HELLO", "steps": [
//!         {"id": "greet", "command": "echo", "args": ["hello ${WHO}"]},
//!         {"id": "part", "command": "false", "depends_on": ["greet"]}
//!     ]}"#,
//!     &[("WHO", "world")],
//! )?;
//! let ended = quintet.run(plan)?;
//! assert_eq!(ended.exit_code, 1);
//!
//! let run = quintet.get(&ended.run_id)?;
//! assert_eq!(run.step("greet").and_then(|step| step.outcome()), Some(Outcome::Succeeded));
//! assert_eq!(run.step("part").and_then(|step| step.outcome()), Some(Outcome::Failed));
//! assert_eq!(quintet.output(&ended.run_id, "greet")?, "hello world\n");
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::engine::{Again, Answers, Audience, Ended, Held, Question, Refused, Session};
use crate::exec::process::Zygote;
use crate::load::{self, Refusal, Request};
use crate::paths::{StateDir, Unusable};
use crate::plan::Plan;
use crate::plan::graph::Graph;
use crate::plan::problem::Problem;
use crate::plan::select::{self, Range, SelectError, Selection};
use crate::run::trace::Tracing;
use crate::run::{Event, RunState, StepRecord};
use crate::store::{Counted, Durability, NoSuchRun, RunFilter, RunRow, Store, StoreError, logs};
use crate::view::metrics;
use crate::view::phases::document::{self, Tree};
use crate::view::result::{self, RunResult};
use crate::view::status::Subject;
use crate::view::summary::TAIL_LINES;

/// A place where runs are kept, and the way to run plans there.
///
/// Cheap to make; it holds no file open. Runs may be driven from several
/// threads and processes at once.
#[derive(Clone, Debug)]
pub struct Quintet {
    state: StateDir,
    durability: Durability,
}

/// A plan that is ready to run, with what no record may hold.
#[derive(Clone)]
pub struct Loaded {
    pub plan: Plan,
    /// What is worth knowing about the file.
    pub warnings: Vec<Problem>,
    secrets: BTreeMap<String, String>,
}

/// Why something could not be done.
#[derive(Debug)]
pub enum Error {
    /// The definition is bad; these are all its problems.
    Plan(Vec<Problem>),
    /// The selection is bad, or selects nothing.
    Selection(Vec<SelectError>),
    /// The run was not driven to its end.
    Refused(Refused),
    /// There is no such run, or no such step in it.
    NotFound(String),
    /// The store, or its directory, cannot be used.
    Store(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Plan(problems) => list(problems, f),
            Error::Selection(errors) => list(errors, f),
            Error::Refused(refused) => refused.fmt(f),
            Error::NotFound(what) | Error::Store(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

fn list(lines: &[impl fmt::Display], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (n, line) in lines.iter().enumerate() {
        if n > 0 {
            f.write_str("; ")?;
        }
        line.fmt(f)?;
    }
    Ok(())
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::Store(error.to_string())
    }
}

impl From<Unusable> for Error {
    fn from(error: Unusable) -> Self {
        Error::Store(error.to_string())
    }
}

impl From<NoSuchRun> for Error {
    fn from(error: NoSuchRun) -> Self {
        Error::NotFound(error.to_string())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Plan(refusal.problems)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Error::Refused(refused)
    }
}

impl Quintet {
    /// Keeps runs in this directory, which is made if need be.
    ///
    /// # Errors
    /// It cannot be made, or is not safe to use.
    pub fn open(state_dir: &Path) -> Result<Self, Error> {
        Ok(Quintet {
            state: StateDir::create(state_dir)?,
            durability: Durability::Full,
        })
    }

    /// Loads whatever is at a path: a plan file, a folder of numbered scripts, a
    /// tree of phases. Relative working directories are seen from the process's
    /// own.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, path: &Path, vars: &[(&str, &str)]) -> Result<Loaded, Error> {
        Ok(Loaded::from(load::load(path, &request(vars)?)?))
    }

    /// Loads a plan from text. The name's extension tells the format.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn load_str(&self, name: &str, text: &str, vars: &[(&str, &str)]) -> Result<Loaded, Error> {
        Ok(Loaded::from(load::load_str(name, text, &request(vars)?)?))
    }

    /// Runs a plan to its end. Questions are answered with no.
    ///
    /// Supervisors are forked here: call it before other threads exist, where
    /// that can be had.
    ///
    /// # Errors
    /// The run could not be driven to its end. A run that failed is no error.
    pub fn run(&self, loaded: Loaded) -> Result<Ended, Error> {
        let mut nobody = Nobody;
        let session = self.session(loaded.secrets, &mut nobody)?;
        Ok(session.begin(loaded.plan)?)
    }

    /// Loads a plan file and runs it, as the plan document's `execute_plan` does.
    ///
    /// # Errors
    /// As for [`load`](Quintet::load) and [`run`](Quintet::run).
    pub fn execute_plan(&self, path: &Path, vars: &[(&str, &str)]) -> Result<Ended, Error> {
        self.run(self.load(path, vars)?)
    }

    /// Goes on with a run that was interrupted, failed or canceled.
    ///
    /// # Errors
    /// There is nothing to do, or somebody else drives the run.
    pub fn resume(&self, run: &str) -> Result<Ended, Error> {
        let run_id = self.store()?.find_run(run)?.run_id;
        let mut nobody = Nobody;
        let session = self.session(BTreeMap::new(), &mut nobody)?;
        let by = "library".to_owned();
        Ok(session.resume(
            &run_id,
            &Again {
                by,
                ..Again::default()
            },
        )?)
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, Error> {
        Ok(self.store()?.runs(filter)?)
    }

    /// All that is known of a run: its id, the beginning or end of it, or `last`.
    ///
    /// # Errors
    /// There is no such run.
    pub fn get(&self, run: &str) -> Result<Run, Error> {
        let store = self.store()?;
        let row = store.find_run(run)?;
        let plan = std::sync::Arc::new(store.plan(&row.run_id)?);
        let events = store.events(&row.run_id, 0, usize::MAX)?;
        let state =
            RunState::replay(plan, &events).map_err(|illegal| Error::Store(illegal.to_string()))?;
        Ok(Run { row, state, events })
    }

    /// What a step's last attempt wrote to its standard output, all of it in
    /// memory; for large logs see [`logs::Log`].
    ///
    /// # Errors
    /// There is no such run or step, or its log is gone.
    pub fn output(&self, run: &str, step: &str) -> Result<String, Error> {
        let run = self.get(run)?;
        let record = run
            .step(step)
            .ok_or_else(|| Error::NotFound(format!("the run has no step {step:?}")))?;
        let last = record.last.end();
        let range = last.as_ref().and_then(|last| last.output.stdout.as_ref());
        let Some(range) = range else {
            return Ok(String::new());
        };
        let read = || {
            let log = logs::Log::open(&self.state, &run.row.run_id, range)?;
            let mut text = vec![0; usize::try_from(range.len).unwrap_or(usize::MAX)];
            let len = log.read(0, &mut text)?;
            text.truncate(len);
            Ok::<_, std::io::Error>(text)
        };
        let text = read().map_err(|error| Error::Store(error.to_string()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// What a run came to: its id, the beginning or end of it, or `last`.
    ///
    /// ```
    /// use quintet::{Outcome, RunOutcome};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let home = tempfile::tempdir()?;
    /// # let quintet = quintet::Quintet::open(&home.path().join("state"))?;
    /// let text = r#"{"steps": [
    ///     {"id": "0400_build", "command": "true"},
    ///     {"id": "0402_test", "command": "sh", "args": ["-c", "echo broken >&2; exit 3"]}
    /// ]}"#;
    /// let ended = quintet.run(quintet.load_str("plan.json", text, &[])?)?;
    ///
    /// let result = quintet.result(&ended.run_id)?;
    /// assert_eq!(result.outcome, Some(RunOutcome::Failed));
    /// assert_eq!((result.total, result.completed, result.failed), (2, 1, 1));
    /// let test = &result.steps[1];
    /// assert_eq!((test.outcome, test.exit_code), (Some(Outcome::Failed), Some(3)));
    /// assert_eq!(test.number.as_deref(), Some("0402"));
    /// assert_eq!(test.output.as_deref(), Some("broken\n"));
    /// println!("{}", serde_json::to_string_pretty(&result)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// There is no such run, or the store cannot be read.
    pub fn result(&self, run: &str) -> Result<RunResult, Error> {
        let Run { row, state, events } = self.get(run)?;
        let mut tail = |ix| logs::last_words(&self.state, &row.run_id, &state, ix, TAIL_LINES);
        Ok(result::of(&row.run_id, &state, &events, &mut tail))
    }

    /// What monitoring counts, as Prometheus reads it: the content of an endpoint
    /// or of a textfile, and what `quintet metrics` prints.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let home = tempfile::tempdir()?;
    /// # let quintet = quintet::Quintet::open(&home.path().join("state"))?;
    /// let text = r#"{"plan_id": "NIGHTLY", "steps": [{"id": "a", "command": "true"}]}"#;
    /// quintet.run(quintet.load_str("plan.json", text, &[])?)?;
    /// let metrics = quintet.metrics()?;
    /// assert!(metrics.contains(r#"quintet_runs_total{plan="NIGHTLY",outcome="succeeded"} 1"#));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn metrics(&self) -> Result<String, Error> {
        let counted = match Store::read_only(&self.state) {
            Err(StoreError::Missing { .. }) => Counted::default(),
            store => store?.counted()?,
        };
        Ok(metrics::text(&counted))
    }

    fn store(&self) -> Result<Store, Error> {
        Ok(Store::read_only(&self.state)?)
    }

    fn session<'a>(
        &self,
        secrets: BTreeMap<String, String>,
        audience: &'a mut Nobody,
    ) -> Result<Session<'a>, Error> {
        Ok(Session {
            state: self.state.clone(),
            durability: self.durability,
            zygote: Zygote::fork().map_err(|error| Error::Store(error.to_string()))?,
            signals: None,
            secrets,
            strict: false,
            command_line: Vec::new(),
            tracing: Tracing::default(),
            audience,
        })
    }
}

fn request(vars: &[(&str, &str)]) -> Result<Request, Error> {
    let cwd = std::env::current_dir().map_err(|error| Error::Store(error.to_string()))?;
    let env = std::env::vars_os().filter_map(|(name, value)| {
        // What is not Unicode cannot be named in a plan.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    });
    Ok(Request {
        vars: vars
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        cwd: cwd.to_string_lossy().into_owned(),
        env: Some(env.collect()),
        ..Request::default()
    })
}

impl From<load::Loaded> for Loaded {
    fn from(loaded: load::Loaded) -> Self {
        Loaded {
            plan: loaded.plan,
            warnings: loaded.warnings,
            secrets: loaded.secrets,
        }
    }
}

impl Loaded {
    /// Narrows the plan to a selection: ids, globs, `tag:T`, `stage:S`,
    /// `path:P`, numbers and ranges, `!x`, `+x`, `x+`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let home = tempfile::tempdir()?;
    /// # let quintet = quintet::Quintet::open(&home.path().join("state"))?;
    /// let text = r#"{"steps": [
    ///     {"id": "fetch", "command": "true"},
    ///     {"id": "build", "command": "true", "depends_on": ["fetch"]},
    ///     {"id": "publish", "command": "false", "depends_on": ["build"]}
    /// ]}"#;
    /// let loaded = quintet.load_str("plan.json", text, &[])?.select(&["+build"])?;
    /// assert_eq!(quintet.run(loaded)?.exit_code, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A term names nothing, or nothing is left.
    pub fn select(mut self, terms: &[&str]) -> Result<Self, Error> {
        let terms: Vec<String> = terms.iter().map(|term| term.to_string()).collect();
        let graph = Graph::new(&self.plan);
        let set = Selection::parse(&terms)
            .and_then(|selection| select::select(&self.plan, &graph, &selection, &Range::default()))
            .map_err(Error::Selection)?;
        select::restrict(&mut self.plan, &set);
        Ok(self)
    }
}

/// All that is known of a run.
#[derive(Clone, Debug)]
pub struct Run {
    pub row: RunRow,
    pub state: RunState,
    pub events: Vec<Event>,
}

impl Run {
    /// What is known of a step.
    pub fn step(&self, id: &str) -> Option<&StepRecord> {
        Some(self.state.step(self.state.find(id)?))
    }

    /// The run as the tree that its steps' ids spell: each phase with its state,
    /// its lines and its errors, as `quintet status --format tree --json` has them.
    /// A run that has not ended counts as one that goes on.
    ///
    /// ```
    /// use quintet::Status;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let home = tempfile::tempdir()?;
    /// # let quintet = quintet::Quintet::open(&home.path().join("state"))?;
    /// let text = r#"{"steps": [
    ///     {"id": "preflight/disk", "command": "true"},
    ///     {"id": "config/hardware/bluetooth", "depends_on": ["preflight/disk"],
    ///      "command": "sh", "args": ["-c", "echo no adapter >&2; exit 3"]}
    /// ]}"#;
    /// let ended = quintet.run(quintet.load_str("plan.json", text, &[])?)?;
    ///
    /// let tree = quintet.get(&ended.run_id)?.tree();
    /// let hardware = tree.find("config/hardware").expect("it is in the plan");
    /// assert_eq!(hardware.status, Status::Failed);
    /// let errors: Vec<&String> = tree.phases.iter().flat_map(|phase| &phase.errors).collect();
    /// assert_eq!(errors, ["config/hardware/bluetooth: exit 3: no adapter"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tree(&self) -> Tree {
        let subject = Subject {
            run_id: &self.row.run_id,
            run: &self.state,
            now: self.state.last_at(),
            interrupted: false,
        };
        document::of(subject, &self.events, &jiff::tz::TimeZone::system())
    }

    /// How much of the run is done, from 0 to 100.
    pub fn progress_percent(&self) -> u32 {
        let counts = self.state.counts();
        match counts.total {
            0 => 100,
            total => counts.settled() * 100 / total,
        }
    }
}

/// Nobody watches, and nobody can be asked.
struct Nobody;

impl Audience for Nobody {
    fn begins(&mut self, _run_id: &str) {}
    fn event(&mut self, _run: &RunState, _event: &Event) {}
    fn ask(&mut self, question: &Question<'_>, answers: &Answers) {
        if !question.is_patient {
            answers.give(question.step, false, "nobody to ask");
        }
    }
    fn waits(&mut self, _held: &Held) {}
}
