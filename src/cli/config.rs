//! The configuration of jobs, tasks, agents and orchestrations: which file it is,
//! and what is said where it is wrong or has not what was asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{Failure, Kind};
use super::global::Global;
use super::target::say;
use crate::load::Refusal;
use crate::load::jobs::{self, Config};
use crate::paths::{System, config_files};
use crate::plan::name::nearest;
use crate::view::diagnostic;

/// The file that counts; `None` where there is none.
///
/// # Errors
/// The one that was asked for is missing (O1).
pub fn file(global: &Global) -> Result<Option<PathBuf>, Failure> {
    if let Some(path) = &global.config {
        return match path.is_file() {
            true => Ok(Some(path.clone())),
            false => {
                let path = path.display();
                let message = format!("there is no configuration {path}");
                Err(Failure::new(Kind::Usage, message))
            }
        };
    }
    let candidates = config_files(System::HERE, |name| std::env::var_os(name));
    Ok(candidates.into_iter().find(|path| path.is_file()))
}

/// The configuration; where there is no file, nothing is configured. Warnings are
/// written to stderr.
///
/// # Errors
/// It is missing or wrong, which has been said.
pub fn read(global: &Global) -> Result<Config, Failure> {
    let Some(path) = file(global)? else {
        return Ok(Config::default());
    };
    match jobs::read(&path) {
        Ok((config, warnings)) => {
            if !global.quiet {
                say(&warnings, &config.sources, false);
            }
            Ok(config)
        }
        Err(refusal) => {
            say(&refusal.problems, &refusal.sources, false);
            Err(Failure::told(Kind::Usage))
        }
    }
}

/// The same, for who speaks to nobody on stderr: nothing is said, and what is wrong
/// is in the failure's words.
///
/// # Errors
/// It is missing or wrong.
pub fn silently(global: &Global) -> Result<Config, Failure> {
    let Some(path) = file(global)? else {
        return Ok(Config::default());
    };
    let wrong = |refusal: Refusal| {
        let style = diagnostic::Style::default();
        let said = diagnostic::render(&refusal.problems, &refusal.sources, style);
        Failure::new(Kind::Usage, format!("the configuration is wrong:\n{said}"))
    };
    jobs::read(&path).map(|(config, _)| config).map_err(wrong)
}

/// The same, for what goes on whatever is wrong with it: nothing is said, and what
/// cannot be read is as if it were not there.
pub fn quietly(global: &Global) -> Config {
    let path = file(global).ok().flatten();
    let read = path.and_then(|path| jobs::read(&path).ok());
    read.map_or_else(Config::default, |(config, _)| config)
}

/// What has this name in one of the configuration's tables.
///
/// # Errors
/// Nothing has: names the nearest.
pub fn named<'c, T>(
    all: &'c BTreeMap<String, T>,
    what: &str,
    name: &str,
) -> Result<&'c T, Failure> {
    all.get(name).ok_or_else(|| {
        let failure = Failure::new(Kind::Usage, format!("there is no {what} {name:?}"));
        match nearest(name, all.keys().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean {near:?}?")),
            None if all.is_empty() => failure.hint(format!("no {what}s are configured")),
            None => failure,
        }
    })
}
