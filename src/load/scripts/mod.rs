//! Folders of numbered scripts: `NNNN_Name.*`.
//!
//! A folder is read into a [`Catalogue`] (`folder`, `header`, `parameters`), of which
//! a selection (`sequence`) or a playbook takes scripts; `lower` makes a step of
//! each, `needs` says what their dependencies mean, and `config` what holds for
//! all of them.

pub mod catalogue;
pub mod config;
mod folder;
mod header;
pub mod lower;
pub(super) mod needs;
mod parameters;
mod sequence;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use crate::plan::name::nearest;
use crate::plan::problem::{Problem, Sources};
use crate::plan::select::SelectError;
use crate::plan::{Plan, Scope, Text};

use super::document::{self, Format};
use super::{Loaded, Lowered, Refusal, Request};
use catalogue::{Catalogue, Script};
use config::{Config, Profile};
use lower::{Lowering, as_environment};

pub use super::runner::is_there;
pub use folder::is_folder;

/// Scripts at once, where nobody says anything else.
pub const AT_ONCE: NonZeroU32 = NonZeroU32::new(4).expect("four is not zero");

/// What a selection is run with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The configuration file; without it, `config.json` or `config.psd1` beside
    /// or above the folder, where there is one.
    pub config: Option<PathBuf>,
    /// Terms of the selection language; without any, the profile's, else all.
    pub terms: Vec<String>,
    pub profile: Option<String>,
    /// Over the profile's.
    pub variables: Scope,
    /// What conditions can ask for beside the variables; scripts are not told of it.
    pub conditions: Scope,
    pub manner: Manner,
    /// Take along what the selected scripts depend on.
    pub with_deps: bool,
    /// Accept numbers and names that no script has.
    pub allow_missing: bool,
}

/// How scripts are run, as far as a command line says it.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    pub max_concurrency: Option<NonZeroU32>,
    /// One after another, or several at once.
    pub parallel: Option<bool>,
    pub continue_on_error: Option<bool>,
    pub non_interactive: bool,
}

/// A folder with its configuration, and the files that were read for it.
pub struct Folder {
    pub dir: PathBuf,
    pub config: Config,
    pub catalogue: Catalogue,
    pub sources: Sources,
    pub problems: Vec<Problem>,
}

/// Reads a folder of scripts, all of them selected.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(dir: &Path, request: &Request) -> Result<Loaded, Refusal> {
    load_with(dir, &Options::default(), request)
}

/// Reads what is selected of a folder of scripts.
///
/// # Errors
/// Everything that is wrong with the selection, or with what it selects.
pub fn load_with(dir: &Path, options: &Options, request: &Request) -> Result<Loaded, Refusal> {
    let mut folder = open(dir, options.config.as_deref(), request)?;
    let refuse = |problem: Problem, folder: Folder| Refusal {
        problems: vec![problem],
        sources: folder.sources,
    };
    let profile = match options.profile.as_deref().map(|name| folder.profile(name)) {
        None => Profile::default(),
        Some(Ok(profile)) => profile.clone(),
        Some(Err(problem)) => return Err(refuse(problem, folder)),
    };
    let terms = match options.terms.is_empty() {
        true => &profile.scripts,
        false => &options.terms,
    };
    let mut selected = match folder.catalogue.select(terms, options.allow_missing) {
        Ok(selected) => selected,
        Err(errors) => {
            return Err(Refusal {
                problems: errors.into_iter().map(unselectable).collect(),
                sources: folder.sources,
            });
        }
    };
    if options.with_deps {
        selected = folder.with_dependencies(&selected);
    }
    let shared = folder.catalogue.duplicates(&selected);
    folder.problems.extend(shared.into_iter().map(several));
    let mut variables = profile.variables.clone();
    let given = request
        .vars
        .iter()
        .map(|(name, value)| (name.as_str().into(), value.as_str().into()));
    variables.extend(given);
    variables.extend(options.variables.clone());
    let manner = Manner {
        max_concurrency: options.manner.max_concurrency.or(profile.max_concurrency),
        parallel: options.manner.parallel.or(profile.parallel),
        continue_on_error: options
            .manner
            .continue_on_error
            .or(profile.continue_on_error),
        ..options.manner.clone()
    };
    let mut lowering = Lowering::new(request);
    let plan = folder.sequence(
        &selected,
        variables,
        &options.conditions,
        &manner,
        &mut lowering,
    );
    let mut problems = std::mem::take(&mut folder.problems);
    problems.append(&mut lowering.problems);
    let (plan, found) = lowering.builder.finish(Plan {
        facts: std::mem::take(&mut lowering.facts),
        ..plan
    });
    problems.extend(found);
    let lowered = plan.map(|plan| Lowered {
        plan,
        secrets: BTreeMap::new(),
        unmet: lowering.unmet,
    });
    super::conclude(lowered, problems, folder.sources, request)
}

/// Reads a folder of scripts and its configuration.
///
/// # Errors
/// One of them cannot be read.
pub fn open(dir: &Path, config: Option<&Path>, request: &Request) -> Result<Folder, Refusal> {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let found = match config {
        Some(path) => Some(path.to_owned()),
        None => beside(dir),
    };
    let config = match found {
        Some(path) => read_config(&path, &mut sources, &mut problems)?,
        None => Config::default(),
    };
    let dir = Path::new(&request.cwd).join(dir);
    let catalogue = Catalogue::read(&dir, &config, request, &mut sources, &mut problems);
    let catalogue = catalogue.map_err(|error| {
        super::unreadable(format!(
            "cannot read {:?}: {error}",
            dir.display().to_string()
        ))
    })?;
    Ok(Folder {
        dir,
        config,
        catalogue,
        sources,
        problems,
    })
}

/// Where a configuration says that the scripts are: the file of this path, or
/// the one in the working directory. What is wrong with it is told when it is
/// read for good.
pub fn configured(config: Option<&Path>) -> Option<PathBuf> {
    let here = || {
        CONFIGS
            .iter()
            .map(PathBuf::from)
            .find(|path| path.is_file())
    };
    let path = config.map(Path::to_owned).or_else(here)?;
    let config = read_config(&path, &mut Sources::default(), &mut Vec::new());
    config.ok()?.scripts.map(PathBuf::from)
}

/// What a configuration is called where nobody says it.
const CONFIGS: [&str; 2] = ["config.json", "config.psd1"];

/// The configuration that stands in the folder or beside it.
fn beside(dir: &Path) -> Option<PathBuf> {
    let above = dir.join("..");
    let places = [dir, &above];
    let mut names = places
        .iter()
        .flat_map(|place| CONFIGS.map(|name| place.join(name)));
    names.find(|path| path.is_file())
}

fn read_config(
    path: &Path,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) -> Result<Config, Refusal> {
    let name = path.display().to_string();
    let text = super::read_file(path, &name)?;
    let file = sources.add(name, text);
    let text = sources.text(file);
    let mut found = Vec::new();
    let document = document::parse(text, Format::of(path, text), file, &mut found);
    let config = document.map(|document| config::read(document.root(), &mut found));
    problems.append(&mut found);
    Ok(config.unwrap_or_default())
}

/// A14: two of the selected scripts have one number.
fn several((number, scripts): (u16, Vec<&Script>)) -> Problem {
    let names: Vec<&str> = scripts.iter().map(|script| &*script.file).collect();
    let message = format!(
        "{number:04} is the number of several scripts: {}",
        names.join(", ")
    );
    let help = "the number alone selects none of them; a range or their names do";
    Problem::warning(message).help(help)
}

/// A term that cannot be read or names nothing, as a problem.
fn unselectable(error: SelectError) -> Problem {
    let message = match error.term.is_empty() {
        true => error.message,
        false => format!("in {:?}: {}", error.term, error.message),
    };
    let problem = Problem::error(message);
    match error.help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

impl Folder {
    /// The profile of this name, in any case of letters. `*` and `Full` need no
    /// configuration: all scripts are always a profile.
    ///
    /// # Errors
    /// There is none: what there is.
    pub fn profile(&self, name: &str) -> Result<&Profile, Problem> {
        let profiles = &self.config.profiles;
        let same = |(known, _): &(&String, _)| known.eq_ignore_ascii_case(name);
        if let Some((_, profile)) = profiles.iter().find(same) {
            return Ok(profile);
        }
        let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
        let problem = Problem::error(format!("there is no profile {name:?}"));
        Err(
            match (nearest(name, names.iter().copied()), names.is_empty()) {
                (Some(near), _) => problem.help(format!("did you mean {near:?}?")),
                (None, true) => problem.help("the configuration has no profiles"),
                (None, false) => problem.help(format!("there are {}", names.join(", "))),
            },
        )
    }
}

/// The environment of all scripts of a plan.
pub fn environment(
    variables: &Scope,
    non_interactive: bool,
    request: &Request,
) -> Vec<(Box<str>, Text)> {
    let mut env = as_environment(variables);
    let said = |name: &str| {
        request
            .env
            .as_ref()
            .is_some_and(|env| env.contains_key(name))
    };
    if non_interactive && !said(NON_INTERACTIVE) {
        env.push((NON_INTERACTIVE.into(), "true".into()));
    }
    env
}

const NON_INTERACTIVE: &str = "AITHERZERO_NONINTERACTIVE";

#[cfg(test)]
mod tests;
