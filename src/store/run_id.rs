//! Names of runs: `20251120-150201-x7k2`.
//!
//! The time (UTC) makes them sort, the rest makes them differ; the letters are
//! Crockford's, without `i`, `l`, `o` and `u`, so that an id read aloud is an
//! id typed right. A new run's directory is made together with its id: the
//! file system decides who was first.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::paths::StateDir;
use crate::run::Millis;

use super::{StoreError, time};

const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM: usize = 4;

/// A run that has a name and a place, and is not in the store yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    pub run_id: String,
    /// The run's own directory, made with mode 0700.
    pub path: PathBuf,
}

/// Finds an unused id and makes the run's directory.
///
/// This opens no database, so it may come before the supervisors are forked
/// that will write into the directory.
///
/// # Errors
/// The directory cannot be made.
pub fn reserve_run(state: &StateDir, now: Millis) -> Result<RunDir, StoreError> {
    loop {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).map_err(|e| StoreError::Io {
            path: "the system's source of randomness".into(),
            detail: e.to_string(),
        })?;
        let run_id = spell(now, random);
        let path = state.run(&run_id);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(RunDir { run_id, path }),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(StoreError::io(&path, &e)),
        }
    }
}

fn spell(now: Millis, random: [u8; RANDOM]) -> String {
    let mut id = time::compact(now);
    id.push('-');
    id.extend(random.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])));
    id
}

/// Whether a name in the directory of runs is one of ours, and so may be deleted.
pub(super) fn is_run_id(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let digits = |part: &str, n| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    match parts[..] {
        [date, time, random] => {
            digits(date, 8)
                && digits(time, 6)
                && random.len() == RANDOM
                && random.bytes().all(|b| LETTERS.contains(&b))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_time_and_four_letters() {
        assert_eq!(
            spell(1_763_650_921_999, [0, 31, 32, 255]),
            "20251120-150201-0z0z"
        );
        assert!(is_run_id("20251120-150201-0z0z"));
    }

    #[test]
    fn other_names_are_not_ids() {
        for name in [
            "",
            "..",
            "20251120-150201",
            "20251120-150201-0z0",
            "20251120-150201-0z0l",
            "20251120-150201-0z/z",
            "2025112x-150201-0z0z",
            "20251120-150201-0z0z-1",
        ] {
            assert!(!is_run_id(name), "{name}");
        }
    }

    #[test]
    fn ids_sort_by_time_and_never_repeat() {
        let tmp = tempfile::tempdir().unwrap();
        let state = StateDir::create(&tmp.path().join("s")).unwrap();
        let reserve = |now| reserve_run(&state, now).unwrap().run_id;
        let same: std::collections::BTreeSet<String> = (0..200).map(|_| reserve(1000)).collect();
        assert_eq!(same.len(), 200);
        assert!(same.iter().all(|id| *id < reserve(2000)));
    }
}
