//! From a target on the command line to the plan that it means: loaded, with
//! the variables and the selection that were given.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use super::error::{Failure, Kind};
use super::global::Global;
use crate::load::{self, Request};
use crate::plan::Plan;
use crate::plan::graph::Graph;
use crate::plan::problem::{Problem, Sources};
use crate::plan::select::{self, Range, SelectError, Selection};
use crate::view::diagnostic;

/// What is to be run, and how much of it.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// A plan file: JSON, TOML or YAML
    pub target: PathBuf,

    /// Which steps: ids, globs, tag:T, stage:S, path:P, numbers and ranges, !x, +x, x+
    ///
    /// Several selections add up; `!x` leaves out wherever it stands. `+x` is x with
    /// all it needs, `x+` with all that needs it. Without any, every step.
    #[arg(value_name = "SELECTION")]
    pub selection: Vec<String>,

    /// Give a variable its value; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE")]
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
    pub sources: Sources,
}

impl Target {
    /// Loads the target and applies the selection. Warnings are written to
    /// stderr, unless `json` wants them as data.
    ///
    /// # Errors
    /// The definition is bad or nothing is selected; it has been said.
    pub fn ready(&self, global: &Global, json: bool) -> Result<Ready, Failure> {
        let request = self.request()?;
        let loaded = load::load(&self.target, &request).map_err(|refusal| {
            say(&refusal.problems, &refusal.sources, json);
            Failure::told(Kind::Usage)
        })?;
        if !global.quiet && !json {
            say(&loaded.warnings, &loaded.sources, false);
        }
        let mut plan = loaded.plan;
        self.select(&mut plan)?;
        Ok(Ready {
            plan,
            secrets: loaded.secrets,
            warnings: loaded.warnings,
            sources: loaded.sources,
        })
    }

    fn request(&self) -> Result<Request, Failure> {
        let cwd = std::env::current_dir()
            .map_err(|error| Failure::new(Kind::Usage, format!("no working directory: {error}")))?;
        let env = std::env::vars_os().filter_map(|(name, value)| {
            // What is not Unicode cannot be named in a plan.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Ok(Request {
            vars: variables(&self.vars)?,
            cwd: cwd.to_string_lossy().into_owned(),
            env: Some(env.collect()),
            strict: self.strict,
            allow_unresolved: self.allow_unresolved,
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
        let graph = Graph::new(plan);
        let selected = Selection::parse(&self.selection)
            .and_then(|selection| select::select(plan, &graph, &selection, &range));
        let set = selected.map_err(|errors| unselectable(&errors))?;
        select::restrict(plan, &set);
        Ok(())
    }
}

/// `NAME=VALUE` pairs, in the order given.
///
/// # Errors
/// One has no `=`.
pub fn variables(given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::new(
            Kind::Usage,
            format!("--var {text:?} is not NAME=VALUE"),
        )),
    };
    given.iter().map(pair).collect()
}

/// This program's command line as the record may have it: the values of these
/// variables are left out.
pub fn recorded_command_line<'a>(secrets: impl Iterator<Item = &'a String> + Clone) -> Vec<String> {
    let args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    without_secrets(args, secrets)
}

fn without_secrets<'a>(
    args: impl Iterator<Item = String>,
    secrets: impl Iterator<Item = &'a String> + Clone,
) -> Vec<String> {
    args.map(|arg| {
        let given = arg.strip_prefix("--var=").unwrap_or(&arg);
        let is_secret = |name: &&String| {
            given
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.starts_with('='))
        };
        match secrets.clone().find(is_secret) {
            Some(name) => format!("{}{name}=…", &arg[..arg.len() - given.len()]),
            None => arg,
        }
    })
    .collect()
}

fn unselectable(errors: &[SelectError]) -> Failure {
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

    #[test]
    fn secrets_are_left_out_of_the_recorded_command_line() {
        let args = [
            "quintet",
            "run",
            "--var",
            "TOKEN=abc",
            "--var=TOKEN=abc",
            "--var",
            "TOKENS=x",
        ];
        let secrets = ["TOKEN".to_owned()];
        let recorded = without_secrets(args.iter().map(|arg| arg.to_string()), secrets.iter());
        let expected = [
            "quintet",
            "run",
            "--var",
            "TOKEN=…",
            "--var=TOKEN=…",
            "--var",
            "TOKENS=x",
        ];
        assert_eq!(recorded, expected);
    }
}
