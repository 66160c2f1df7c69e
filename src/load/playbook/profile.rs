//! Profiles: named changes of a playbook.

use crate::plan::build::quoted;
use crate::plan::name::{folded, nearest};
use crate::plan::problem::{Problem, Problems, Severity};

use super::book::{Playbook, Profile, Said, Stage};

/// The profile that the playbook runs by: the one that is asked for, else its
/// own default, if it has one.
///
/// # Errors
/// A39: there is none of the name that is asked for: what there is.
pub fn choose<'b>(book: &'b Playbook, asked: Option<&str>) -> Result<Option<&'b Profile>, Problem> {
    let find = |name: &str| {
        let mut profiles = book.profiles.iter();
        profiles.find(|profile| folded(&profile.name.value) == folded(name))
    };
    let Some(name) = asked else {
        return Ok(book.profile.as_ref().and_then(|own| find(&own.value)));
    };
    if let Some(profile) = find(name) {
        return Ok(Some(profile));
    }
    let names: Vec<&str> = book.profiles.iter().map(|p| &*p.name.value).collect();
    let problem = Problem::error(format!("the playbook has no profile {}", quoted(name)));
    Err(
        match (nearest(name, names.iter().copied()), names.is_empty()) {
            (_, true) => problem.help("it has no profiles at all"),
            (Some(near), _) => problem.help(format!(
                "did you mean {near:?}? There are {}",
                names.join(", ")
            )),
            (None, _) => problem.help(format!("there are {}", names.join(", "))),
        },
    )
}

/// The playbook as the profile changes it.
pub fn apply(mut book: Playbook, profile: &Profile, problems: &mut Problems) -> Playbook {
    for name in profile.only.iter().flatten() {
        problems.extend(unknown(name, &book.stages));
    }
    for name in &profile.without {
        // What does not exist does not run, as was asked for.
        let unknown = unknown(name, &book.stages);
        problems.extend(unknown.map(|problem| Problem {
            severity: Severity::Warning,
            ..problem
        }));
    }
    book.stages.retain(|stage| {
        let named = |names: &[Said<String>]| names.iter().any(|name| is_called(stage, &name.value));
        profile.only.as_deref().is_none_or(named) && !named(&profile.without)
    });
    book.variables.extend(profile.variables.iter().cloned());
    book.env.extend(profile.env.iter().cloned());
    book.policy = profile.policy.within(&book.policy);
    let concurrency = profile.max_concurrency.clone();
    book.max_concurrency = concurrency.or(book.max_concurrency);
    for stage in &mut book.stages {
        if let Some(parallel) = &profile.parallel {
            stage.parallel = parallel.clone();
        }
        for item in &mut stage.items {
            item.parameters.extend(profile.parameters.iter().cloned());
        }
    }
    book
}

fn is_called(stage: &Stage, name: &str) -> bool {
    folded(&stage.name.value) == folded(name) || folded(&stage.key.value) == folded(name)
}

fn unknown(name: &Said<String>, stages: &[Stage]) -> Option<Problem> {
    if stages.iter().any(|stage| is_called(stage, &name.value)) {
        return None;
    }
    let problem = Problem::error(format!("there is no stage {}", quoted(&name.value)));
    let problem = problem.at(name.at, "");
    let names = stages.iter().map(|stage| &*stage.name.value);
    Some(match nearest(&name.value, names) {
        Some(near) => problem.help(format!("did you mean {near:?}?")),
        None => problem,
    })
}
