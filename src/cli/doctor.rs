//! `quintet doctor`: whether runs can go well here, and what would mend what cannot.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::error::{Failure, Kind};
use super::global::Global;
use super::output::{self, Out};
use crate::engine::Signals;
use crate::exec::process::can_end_processes;
use crate::exec::slurm::Site;
use crate::exec::slurm::doctor::{Examination, Listener, examine};
use crate::paths::{StateDir, Unusable};
use crate::run::checkup::{Check, Grade};
use crate::store::{Durability, Store};
use crate::view;

/// Find out whether runs can go well here, and what would mend what cannot
///
/// Each line says what was looked at and whether it is `ok`, a `warning` or `bad`. With
/// `--executor slurm` a small job is submitted, and canceled should it not come to its
/// end; nothing of it is left. The exit code is 0 if nothing is bad.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ quintet doctor\n  $ quintet doctor --executor slurm\n  $ quintet doctor --executor slurm --all-nodes --json"
)]
pub struct Args {
    /// Look also at what this executor needs
    #[arg(long, value_name = "NAME")]
    executor: Option<Elsewhere>,

    /// Submit a job to each node that is up, rather than to any
    #[arg(long, requires = "executor")]
    all_nodes: bool,

    /// Wait so long for jobs, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "executor",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,

    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

/// Who may make steps besides this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Elsewhere {
    Slurm,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let signals = Signals::listen().map_err(|error| Failure::new(Kind::Run, error))?;
    let mut desk = Desk {
        checks: Vec::new(),
        out: output::results(),
        unwritten: None,
        json: args.json,
        signals,
        heard: None,
        global,
    };
    let state = state(global);
    here(state.as_ref(), &mut desk);
    if args.executor == Some(Elsewhere::Slurm) {
        let site = Site::here().map_err(|why| Failure::new(Kind::Usage, why))?;
        let root = site
            .dir
            .clone()
            .or_else(|| Some(state.ok()?.root().to_owned()));
        match root {
            Some(root) => {
                let examination = Examination {
                    site,
                    root,
                    all_nodes: args.all_nodes,
                    patience: Duration::from_secs(args.wait),
                    version: format!("quintet {}", env!("CARGO_PKG_VERSION")),
                };
                examine(&examination, &mut desk);
            }
            None => desk.hears(Check::bad(
                "directory",
                "nodes would share the state directory, which cannot be used",
                "set QUINTET_SLURM_DIR to a directory that all nodes share",
            )),
        }
    }
    desk.close()
}

/// The state directory, or what is to be said of it.
fn state(global: &Global) -> Result<StateDir, Check> {
    let name = "state";
    let path = global
        .state_path()
        .map_err(|failure| Check::bad(name, failure.message, "say where by --state-dir DIR"))?;
    let state = StateDir::create(&path).map_err(|why| match why {
        Unusable::Unsafe { path, why, fix } => {
            Check::bad(name, format!("{} {why}", path.display()), fix)
        }
        why => Check::bad(name, why.to_string(), "choose another by --state-dir DIR"),
    })?;
    match can_write(state.root()) {
        Ok(()) => Ok(state),
        Err(error) => {
            let found = format!("{} cannot be written: {error}", state.root().display());
            Err(Check::bad(name, found, "choose another by --state-dir DIR"))
        }
    }
}

fn can_write(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!("doctor-{}", std::process::id()));
    let written = std::fs::write(&path, "written");
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}

/// What local runs need of this machine.
fn here(state: Result<&StateDir, &Check>, desk: &mut Desk<'_>) {
    match state {
        Err(check) => desk.hears(check.clone()),
        Ok(state) => {
            let place = state.root().display();
            desk.hears(match state.in_memory() {
                Ok(Some(kind)) => Check::warning(
                    "state",
                    format!("{place} is kept in memory ({kind}): a reboot loses the record"),
                    "choose a disk by --state-dir DIR",
                ),
                _ => Check::ok("state", format!("{place} can be written")),
            });
            desk.hears(match Store::open(state, Durability::Full) {
                Ok(_) => Check::ok("store", "it can be opened"),
                Err(error) => Check::bad(
                    "store",
                    error.to_string(),
                    "move quintet.db away: a new one is made, without the record of old runs",
                ),
            });
        }
    }
    desk.hears(match can_end_processes() {
        Ok(()) => Check::ok("processes", "a step can be ended with all that it started"),
        Err(error) => Check::bad("processes", error.to_string(), "a newer kernel is needed"),
    });
}

/// Writes down what is found, as it is.
struct Desk<'g> {
    checks: Vec<Check>,
    out: Out,
    unwritten: Option<std::io::Error>,
    json: bool,
    signals: Signals,
    heard: Option<&'static str>,
    global: &'g Global,
}

impl Listener for Desk<'_> {
    fn hears(&mut self, check: Check) {
        if !self.json {
            let written = view::doctor::line(&check, &mut self.out);
            self.unwritten = written.and_then(|()| self.out.flush()).err();
        }
        self.checks.push(check);
    }

    fn waits(&mut self, what: &str) {
        output::note(self.global, what);
    }

    fn leaves(&mut self) -> bool {
        self.heard = self.heard.or_else(|| self.signals.heard());
        self.heard.is_some() || self.unwritten.is_some()
    }
}

impl Desk<'_> {
    fn close(mut self) -> Result<ExitCode, Failure> {
        self.leaves();
        if let Some(error) = self.unwritten {
            return Err(error.into());
        }
        match self.json {
            true => {
                serde_json::to_writer_pretty(&mut self.out, &self.checks)
                    .map_err(std::io::Error::from)?;
                writeln!(self.out)?;
            }
            false => view::doctor::summary(&self.checks, &mut self.out)?,
        }
        self.out.flush()?;
        match self.heard {
            Some("SIGTERM") => Err(Failure::told(Kind::Terminated)),
            Some(_) => Err(Failure::told(Kind::Interrupted)),
            None if self.checks.iter().any(|check| check.grade == Grade::Bad) => {
                Ok(ExitCode::from(1))
            }
            None => Ok(ExitCode::SUCCESS),
        }
    }
}
