//! From a target on the command line to the plan that it means: loaded, with
//! the variables and the selection that were given.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use super::config;
use super::error::{Failure, Kind};
use super::global::Global;
use crate::load::jobs::{Config, check_name};
use crate::load::{self, Loaded, Refusal, Request, Unmet};
use crate::plan::Plan;
use crate::plan::graph::Graph;
use crate::plan::problem::{Problem, Severity, Sources};
use crate::plan::select::{self, Range, SelectError, Selection};
use crate::view::diagnostic;

/// What is to be run, and how much of it.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// A plan file or a file of checks (JSON, TOML, YAML or PowerShell data), a tree of
    /// phases, a folder of numbered scripts, or a job of the configuration
    #[arg(default_value = ".")]
    pub target: PathBuf,

    /// Which steps: ids, globs, tag:T, stage:S, path:P, numbers and ranges, !x, +x, x+
    ///
    /// Several selections add up; `!x` leaves out wherever it stands. `+x` is x with
    /// all it needs, `x+` with all that needs it. Without any, every step.
    #[arg(value_name = "SELECTION")]
    pub selection: Vec<String>,

    /// Give a variable its value; may be repeated
    ///
    /// Without a value it is taken from the environment, which is the way to give a
    /// secret: everybody on the machine can read a command line.
    #[arg(long = "var", value_name = "NAME[=VALUE]")]
    pub vars: Vec<String>,

    /// Only this step and everything that comes after it
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,

    /// Only this step and everything that comes before it
    #[arg(long, value_name = "STEP")]
    pub to: Option<String>,

    /// Only these steps
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub only: Vec<String>,

    /// Only this phase, and all that is in it
    ///
    /// The same as path:PHASE among the selections.
    #[arg(long, value_name = "PHASE")]
    pub phase: Vec<String>,

    /// Only steps with this tag
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub only_tag: Vec<String>,

    /// No step with this tag
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub skip_tag: Vec<String>,

    /// Treat warnings as errors, and tolerated failures as failures
    #[arg(long)]
    pub strict: bool,

    /// Leave ${NAME} as it is written where no such variable is given
    #[arg(long)]
    pub allow_unresolved: bool,
}

/// A plan, and what the record must not hold.
pub struct Ready {
    pub plan: Plan,
    pub secrets: BTreeMap<String, String>,
    pub warnings: Vec<Problem>,
    /// What the selected steps need and this machine has not.
    pub unmet: Vec<Problem>,
    pub sources: Sources,
}

impl Ready {
    /// Refuses to run where something is missing that the run would need.
    ///
    /// # Errors
    /// Something is; it has been said.
    pub fn for_running(self) -> Result<Self, Failure> {
        if self.unmet.is_empty() {
            return Ok(self);
        }
        say(&self.unmet, &self.sources, false);
        Err(Failure::told(Kind::Usage))
    }

    /// Says what a run would be refused for, where nothing runs.
    pub fn for_looking(self, global: &Global, json: bool) -> Self {
        if !global.quiet && !json {
            let mut unmet = self.unmet.clone();
            for problem in &mut unmet {
                problem.severity = Severity::Warning;
            }
            say(&unmet, &self.sources, false);
        }
        self
    }
}

impl Target {
    /// All of what is at a path. What it needs to run need not be given.
    pub fn whole(target: PathBuf) -> Target {
        Target {
            target,
            selection: Vec::new(),
            vars: Vec::new(),
            from: None,
            to: None,
            only: Vec::new(),
            phase: Vec::new(),
            only_tag: Vec::new(),
            skip_tag: Vec::new(),
            strict: false,
            allow_unresolved: true,
        }
    }

    /// Loads the target and applies the selection. Warnings are written to
    /// stderr, unless `json` wants them as data.
    ///
    /// # Errors
    /// The definition is bad or nothing is selected; it has been said.
    pub fn ready(&self, global: &Global, json: bool) -> Result<Ready, Failure> {
        let request = self.request()?;
        let select = |plan: &mut Plan| self.select(plan);
        let found = match self.job(global)? {
            Some((config, name)) => Ok(config.job_plan(&name, &request).expect("it has this job")),
            None => load::load(&self.target, &request),
        };
        loaded(found, select, global, json)
    }

    /// The configuration that has a job of the target's name. Whatever is at such a
    /// path comes first: what a command line means must not change with a file that
    /// is somewhere else.
    fn job(&self, global: &Global) -> Result<Option<(Config, String)>, Failure> {
        let name = match self.target.to_str() {
            Some(name) if check_name(name).is_ok() && !self.target.exists() => name,
            _ => return Ok(None),
        };
        let extension = self
            .target
            .extension()
            .and_then(|extension| extension.to_str());
        let asked = global.config.is_some();
        if !asked && matches!(extension, Some("json" | "toml" | "yaml" | "yml" | "psd1")) {
            // A plan file that is not there; the configuration may be as wrong as it likes.
            return Ok(None);
        }
        if config::file(global)?.is_none() {
            return Ok(None);
        }
        let config = config::read(global)?;
        config::named(&config.jobs, "file, folder or job", name)?;
        Ok(Some((config, name.to_owned())))
    }

    fn request(&self) -> Result<Request, Failure> {
        Ok(Request {
            vars: variables(&self.vars)?,
            strict: self.strict,
            allow_unresolved: self.allow_unresolved,
            ..request()?
        })
    }

    fn select(&self, plan: &mut Plan) -> Result<(), Failure> {
        let range = Range {
            from: self.from.clone(),
            to: self.to.clone(),
            only: self.only.clone(),
            only_tags: self.only_tag.clone(),
            skip_tags: self.skip_tag.clone(),
        };
        let mut terms = self.selection.clone();
        terms.extend(self.phase.iter().map(|phase| format!("path:{phase}")));
        if terms.is_empty() && range == Range::default() {
            return Ok(());
        }
        let graph = Graph::new(plan);
        let selected = Selection::parse(&terms)
            .and_then(|selection| select::select(plan, &graph, &selection, &range));
        let set = selected.map_err(|errors| unselectable(&errors))?;
        select::restrict(plan, &set);
        Ok(())
    }
}

/// What is loaded from here and now, with nothing said about it.
///
/// # Errors
/// There is no working directory.
pub fn request() -> Result<Request, Failure> {
    let cwd = std::env::current_dir()
        .map_err(|error| Failure::new(Kind::Usage, format!("no working directory: {error}")))?;
    let env = std::env::vars_os().filter_map(|(name, value)| {
        // What is not Unicode cannot be named in a plan.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    });
    Ok(Request {
        cwd: cwd.to_string_lossy().into_owned(),
        env: Some(env.collect()),
        ..Request::default()
    })
}

/// What was loaded, once it has been narrowed. Warnings are written to stderr,
/// unless `json` wants them as data.
///
/// # Errors
/// The definition is bad or nothing is selected; it has been said.
pub fn loaded(
    loaded: Result<Loaded, Refusal>,
    select: impl FnOnce(&mut Plan) -> Result<(), Failure>,
    global: &Global,
    json: bool,
) -> Result<Ready, Failure> {
    let loaded = loaded.map_err(|refusal| {
        say(&refusal.problems, &refusal.sources, json);
        Failure::told(Kind::Usage)
    })?;
    if !global.quiet && !json {
        say(&loaded.warnings, &loaded.sources, false);
    }
    let mut plan = loaded.plan;
    select(&mut plan)?;
    Ok(Ready {
        unmet: unmet(loaded.unmet, &plan),
        plan,
        secrets: loaded.secrets,
        warnings: loaded.warnings,
        sources: loaded.sources,
    })
}

/// What the steps that take part need: one problem for each program.
fn unmet(unmet: Vec<Unmet>, plan: &Plan) -> Vec<Problem> {
    if unmet.is_empty() {
        return Vec::new();
    }
    let takes_part = plan.steps.iter().filter(|step| step.absent.is_none());
    let present: BTreeSet<&str> = takes_part.map(|step| &*step.id).collect();
    let mut steps: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Unmet { step, program } in unmet {
        if present.contains(&*step) {
            steps.entry(program).or_default().push(step);
        }
    }
    steps
        .iter()
        .map(|(program, steps)| missing(program, steps))
        .collect()
}

fn missing(program: &str, steps: &[String]) -> Problem {
    const MOST: usize = 5;
    let mut named = steps
        .iter()
        .take(MOST)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if steps.len() > MOST {
        named.push_str(&format!(" and {} more", steps.len() - MOST));
    }
    let problem = Problem::error(format!("{program:?} is not on PATH; it runs {named}"));
    problem.help(format!("install {program}, or leave these out"))
}

/// `NAME=VALUE` pairs, in the order given; of a `NAME` alone the value is that
/// of the environment's variable.
///
/// # Errors
/// One has no name, or no value in the environment.
pub fn variables(given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let refuse = |why: String| Err(Failure::new(Kind::Usage, why));
    let pair = |text: &String| match text.split_once('=') {
        Some(("", _)) => refuse(format!("--var {text:?} is not NAME=VALUE")),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => match std::env::var_os(text).map(OsString::into_string) {
            Some(Ok(value)) => Ok((text.clone(), value)),
            Some(Err(_)) => refuse(format!(
                "--var {text}: what the environment variable {text} holds is not UTF-8"
            )),
            None => refuse(format!(
                "--var {text:?} is not NAME=VALUE, and there is no environment variable {text}"
            )),
        },
    };
    given.iter().map(pair).collect()
}

/// The command line for the record: the values of secret variables are left out,
/// and what is not Unicode is written as well as it can be.
pub fn command_line(secrets: &BTreeMap<String, String>) -> Vec<String> {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    words.map(|word| without_secret(word, secrets)).collect()
}

fn without_secret(word: String, secrets: &BTreeMap<String, String>) -> String {
    let (option, pair) = match word.strip_prefix("--var=") {
        Some(pair) => ("--var=", pair),
        None => ("", word.as_str()),
    };
    match pair.split_once('=') {
        Some((name, _)) if secrets.contains_key(name) => format!("{option}{name}=***"),
        _ => word,
    }
}

/// A selection that cannot be read, or selects nothing that exists, in words.
pub fn unselectable(errors: &[SelectError]) -> Failure {
    let lines: Vec<String> = errors
        .iter()
        .map(|error| match error.term.is_empty() {
            true => error.to_string(),
            false => format!("in {:?}: {error}", error.term),
        })
        .collect();
    let failure = Failure::new(Kind::Usage, lines.join("\n       "));
    match errors.iter().find_map(|error| error.help.as_ref()) {
        Some(help) => failure.hint(help),
        None => failure,
    }
}

/// Writes problems: for people to stderr, for programs to stdout.
pub fn say(problems: &[Problem], sources: &Sources, json: bool) {
    // Nobody can be told that nobody can be told.
    if json {
        let _ = writeln!(
            anstream::stdout(),
            "{}",
            diagnostic::to_json(problems, sources)
        );
    } else {
        let style = diagnostic::Style {
            color: true,
            ..diagnostic::Style::default()
        };
        let _ = write!(
            anstream::stderr(),
            "{}",
            diagnostic::render(problems, sources, style)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XH01.
    #[test]
    fn xh01_secrets_are_not_part_of_the_recorded_command_line() {
        let secrets = BTreeMap::from([("TOKEN".to_owned(), "t0p".to_owned())]);
        let shown = |word: &str| without_secret(word.to_owned(), &secrets);
        assert_eq!(shown("TOKEN=t0p"), "TOKEN=***");
        assert_eq!(shown("--var=TOKEN=t0p"), "--var=TOKEN=***");
        // The last one given counts, and none of them is anybody's business.
        assert_eq!(shown("TOKEN=an older=one"), "TOKEN=***");
        assert_eq!(shown("TOKENS=3"), "TOKENS=3");
        assert_eq!(shown("--only=TOKEN"), "--only=TOKEN");
    }
}
