//! The plan that a resumed run is to go on by: loaded as the run's own was,
//! with the values that the run has, from the same directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{Failure, Kind};
use super::target::say;
use crate::load::{self, Request};
use crate::plan::Plan;

/// A plan with the file it is from, and the values of its secret variables.
pub type New = ((Plan, String), Vec<(String, String)>);

/// Loads the plan from `file`, or from where the run's own was loaded.
///
/// # Errors
/// The definition is bad, which has been said, or nobody knows where it is.
pub fn load(file: Option<&Path>, own: &Plan, given: Vec<(String, String)>) -> Result<New, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::new(Kind::Usage, format!("no working directory: {error}")))?;
    let path = match (file, &own.origins[..]) {
        (Some(file), _) => here.join(file),
        (None, [origin]) => PathBuf::from(&origin.path),
        (None, _) => {
            let message = "the run's plan did not come from a file; say which one to go on by";
            return Err(Failure::new(Kind::Usage, message).hint("--use-new-plan=FILE"));
        }
    };
    let cwd = match own.origins.first() {
        Some(origin) => origin.cwd.clone(),
        None => here.to_string_lossy().into_owned(),
    };
    let kept = own.variables.clone().into_iter();
    let env = std::env::vars_os().filter_map(|(name, value)| {
        // What is not Unicode cannot be named in a plan.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    });
    let request = Request {
        vars: kept.chain(given.iter().cloned()).collect(),
        cwd,
        env: Some(env.collect()),
        strict: false,
        allow_unresolved: false,
    };
    let loaded = load::load(&path, &request).map_err(|refusal| {
        say(&refusal.problems, &refusal.sources, false);
        Failure::told(Kind::Usage)
    })?;
    // A secret of an older plan's may be given all the same, and does no harm.
    let mut secrets: BTreeMap<String, String> = given.into_iter().collect();
    secrets.extend(loaded.secrets);
    let file = path.to_string_lossy().into_owned();
    Ok(((loaded.plan, file), secrets.into_iter().collect()))
}
