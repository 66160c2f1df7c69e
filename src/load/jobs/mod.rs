//! Jobs, tasks, agents and orchestrations: `config.toml`.
//!
//! One file names them all ([`Config`]); `fields` is what it may say and `read`
//! the walk over it. A job, and what builds a task, is a plan of one step
//! ([`Config::job_plan`], [`Config::task_plan`]), so that timeouts, records, `why`
//! and `resume` are the same for them as for everything else. Unlike a plan file
//! it knows no variables: its authors expect every text to be passed on as it is.

pub mod config;
mod fields;
mod isolation;
mod lower;
mod name;
mod orchestration;
mod read;
mod rounds;
mod stages;

use std::path::Path;

use super::Refusal;
use super::document::{self, Format};
use crate::plan::problem::{Locator, Problem, Problems, Severity, Sources};

pub use config::Config;
pub use fields::ALGORITHMS;
pub use lower::{JOB, TASK};
pub use name::check as check_name;
pub use orchestration::{Asked, ORCHESTRATION};

/// Reads a configuration, and gives the warnings with it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(path: &Path) -> Result<(Config, Vec<Problem>), Refusal> {
    let name = path.display().to_string();
    let text = super::read_file(path, &name)?;
    let folder = path.parent().unwrap_or(path);
    let (mut config, warnings) = read_text(&name, folder, text)?;
    config.path = Some(path.to_owned());
    Ok((config, warnings))
}

/// Files that it names are seen from `folder`.
fn read_text(name: &str, folder: &Path, text: String) -> Result<(Config, Vec<Problem>), Refusal> {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let mut found = Vec::new();
    let text = sources.text(file);
    // Whatever the file is called: that is how it is documented.
    let document = document::parse(text, Format::Toml, file, &mut found);
    let mut problems = Problems::default();
    problems.extend(found);
    let config = document.map(|document| {
        let locator = Locator::new(text, file);
        read::read(document.root(), folder, locator, &mut problems)
    });
    let mut problems = problems.into_vec();
    problems.sort_by_key(|problem| {
        let place = problem.at.as_ref().map(|(span, _)| (span.file, span.start));
        (problem.severity, place)
    });
    let sound = problems.iter().all(|p| p.severity == Severity::Warning);
    match config.filter(|_| sound) {
        Some(mut config) => {
            config.sources = sources;
            Ok((config, problems))
        }
        None => Err(Refusal { problems, sources }),
    }
}

#[cfg(test)]
mod tests;
