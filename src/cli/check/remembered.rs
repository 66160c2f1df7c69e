//! What is remembered of a project's checks, as a file that people can read and
//! delete: `state.json`.
//!
//! The store is where it is kept; the file is written after each run. Before a
//! run it is asked for three things only: a file that is gone or makes no sense
//! means that nothing is to be taken for fresh, and one of an older system, of
//! lines `last_python_check=1700000000`, is taken over. It is data, and never run.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::logs::RunLog;
use crate::cli::error::warn;
use crate::cli::global::Global;
use crate::cli::output;
use crate::paths::StateDir;
use crate::plan::Plan;
use crate::store::cache::{Whose, successes};
use crate::store::{Durability, Store, StoreError};
use crate::view::checks::log::Level;
use crate::view::checks::summary::Places;

/// More than this is no state file.
const MOST: u64 = 256 << 20;

/// What a state file turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Somebody has removed it, or there never was one.
    Gone,
    /// It is one of ours, and the store knows better.
    Ours,
    /// Lines of an older system.
    Legacy(String),
    Corrupt(String),
}

/// Looks at the file, before the run, and forgets or takes over what it says.
pub fn before(state: &StateDir, plan: &Plan, places: &Places, log: &mut RunLog, global: &Global) {
    let found = look(&places.state);
    let done = match &found {
        Found::Ours => Ok(()),
        Found::Gone => forget(state, plan),
        Found::Corrupt(why) => {
            let file = places.state.display();
            let message = format!("{file} is not used, and everything is validated: {why}");
            log.say(Level::Warning, &message);
            if !global.quiet {
                warn(&message);
            }
            forget(state, plan)
        }
        Found::Legacy(text) => {
            let taken = take_over(state, plan, text);
            taken.map(|(taken, ignored)| {
                let checks = if taken == 1 { "check" } else { "checks" };
                let message = format!("taken over from an older state file: {taken} {checks}");
                log.say(Level::Info, &message);
                output::note(global, &message);
                for why in ignored {
                    log.say(
                        Level::Warning,
                        &format!("state file: {why}, and is ignored"),
                    );
                }
            })
        }
    };
    match done {
        // From now on the file says that the store is to be believed, also where
        // this run does not live to write it again.
        Ok(()) if found != Found::Ours => after(state, plan, places, log),
        Ok(()) => {}
        Err(error) => {
            let message = format!("what is remembered of the checks cannot be changed: {error}");
            log.say(Level::Warning, &message);
            warn(&message);
        }
    }
}

/// Writes the file, as after a run.
pub fn after(state: &StateDir, plan: &Plan, places: &Places, log: &mut RunLog) {
    let text = Store::read_only(state).and_then(|store| store.cache_export(&plan.project));
    let written = text.map_err(|error| error.to_string()).and_then(|text| {
        let text = text + "\n";
        replace(&places.state, text.as_bytes()).map_err(|error| error.to_string())
    });
    match written {
        Ok(()) => log.say(Level::StateSaved, &places.state.display().to_string()),
        Err(error) => {
            let message = format!("{} is not written: {error}", places.state.display());
            log.say(Level::Warning, &message);
            warn(&message);
        }
    }
}

/// Puts the text there. What lies there is replaced, a link as well: whatever it
/// leads to is none of ours.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        fs::remove_file(path)?;
    }
    output::write_whole(path, text)
}

fn forget(state: &StateDir, plan: &Plan) -> Result<(), StoreError> {
    let mut store = Store::open(state, Durability::Normal)?;
    store.cache_clear(&plan.project, &[]).map(drop)
}

/// Says how many successes were taken over, and what is wrong with other lines.
fn take_over(
    state: &StateDir,
    plan: &Plan,
    text: &str,
) -> Result<(usize, Vec<String>), StoreError> {
    let ids = plan.steps.iter().filter(|step| step.cache.is_some());
    let ids: Vec<&str> = ids.map(|step| &*step.id).collect();
    let (writes, ignored) = successes(text, ids.iter().copied());
    let whose = Whose {
        project: plan.project.clone(),
        plan: plan.id.as_str().into(),
    };
    let mut store = Store::open(state, Durability::Normal)?;
    store.remember(&whose, &writes)?;
    Ok((writes.len(), ignored))
}

fn look(path: &Path) -> Found {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Gone,
        Err(error) => return Found::Corrupt(error.to_string()),
        // Whoever opened a pipe would wait for somebody to write into it.
        Ok(found) if !found.is_file() => return Found::Corrupt("it is no file".into()),
        Ok(found) if found.len() > MOST => return Found::Corrupt("it is too large".into()),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Found::Corrupt(error.to_string());
    }
    match String::from_utf8(bytes) {
        Ok(text) => understand(text),
        Err(_) => Found::Corrupt("it is no text".into()),
    }
}

fn understand(text: String) -> Found {
    #[derive(Deserialize)]
    struct Document {
        #[serde(rename = "version")]
        _version: u32,
        #[serde(rename = "steps")]
        _steps: Vec<IgnoredAny>,
    }
    if text.trim_start().starts_with('{') {
        return match serde_json::from_str::<Document>(&text) {
            Ok(_) => Found::Ours,
            Err(error) => Found::Corrupt(error.to_string()),
        };
    }
    let is_line = |line: &str| match line.split_once('=') {
        Some((name, value)) => {
            let name = name.trim();
            let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let quotes = ['"', '\''];
            let digits = value.trim().trim_matches(quotes);
            named && !name.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        }
        None => false,
    };
    match text.lines().map(str::trim).any(is_line) {
        true => Found::Legacy(text),
        false => Found::Corrupt("it is neither JSON nor lines of NAME=SECONDS".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E26.
    #[test]
    fn e26_a_state_file_is_ours_or_legacy_or_corrupt_and_never_more_than_data() {
        let found = |text: &str| understand(text.to_owned());
        assert_eq!(
            found("{\"version\": 1, \"project\": \"/p\", \"steps\": []}"),
            Found::Ours
        );
        for legacy in [
            "last_python_check=1700000000\n",
            "a='1'",
            "x=$(reboot)\nlast_uv=1\n",
        ] {
            assert_eq!(found(legacy), Found::Legacy(legacy.to_owned()));
        }
        for corrupt in [
            "",
            "{",
            "{}",
            "[]",
            "{\"version\": -1, \"steps\": []}",
            "$(touch x)",
            "a=b",
        ] {
            assert!(matches!(found(corrupt), Found::Corrupt(_)), "{corrupt}");
        }
    }

    /// E26.
    #[test]
    fn e26_what_lies_in_the_files_place_is_not_waited_for_or_followed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state.json");
        assert_eq!(look(&path), Found::Gone);
        let victim = home.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert!(matches!(look(&path), Found::Corrupt(_)));
        replace(&path, b"{}").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(look(&path), Found::Corrupt(_)));
        fs::remove_file(&path).unwrap();
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(look(&path), Found::Corrupt("it is no text".into()));
    }
}
