//! State files of an older system: lines of `key=value`, which were once read by
//! a shell. Here they are text: what is not `NAME=SECONDS` is nothing.

use super::entry::Entry;
use super::{State, Write};
use crate::run::Millis;

/// Seconds after which no clock was: the year 9999.
const LAST: u64 = 253_402_300_799;

/// The successes that a state file names, for steps with these ids; and what
/// is wrong with its other lines, in words.
///
/// `last_python_check=1700000000` and `python=1700000000` are both a success of
/// the step `python`, or of a step `checks/python`, however its name joins
/// words. Nothing but its time is known, so it only counts for a step that
/// declares nothing but a time to live.
pub fn successes<'i>(
    text: &str,
    steps: impl IntoIterator<Item = &'i str> + Clone,
) -> (Vec<Write>, Vec<String>) {
    let (mut writes, mut ignored) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, at)) = success(line) else {
            ignored.push(format!("line {} is no NAME=SECONDS", number + 1));
            continue;
        };
        match steps.clone().into_iter().find(|id| is_called(id, &name)) {
            Some(step) => writes.push(Write::Ended {
                step: step.into(),
                entry: Entry {
                    state: State::Succeeded,
                    at,
                    known: None,
                },
                kept: false,
            }),
            None => ignored.push(format!("line {}: there is no step {name:?}", number + 1)),
        }
    }
    (writes, ignored)
}

fn success(line: &str) -> Option<(String, Millis)> {
    let (key, value) = line.split_once('=')?;
    let key = key.strip_prefix("export ").unwrap_or(key).trim();
    let is_word = |sign: char| sign.is_ascii_alphanumeric() || "_-./".contains(sign);
    if key.is_empty() || !key.chars().all(is_word) {
        return None;
    }
    let value = value.trim();
    let value = value
        .strip_prefix('"')
        .and_then(|v| v.strip_suffix('"'))
        .unwrap_or(value);
    let seconds = value
        .parse::<u64>()
        .ok()
        .filter(|seconds| *seconds <= LAST)?;
    let name = spelled(key);
    let name = name.strip_prefix("last_").unwrap_or(&name);
    let name = name.strip_suffix("_check").unwrap_or(name);
    Some((name.to_owned(), seconds * 1000))
}

fn is_called(id: &str, name: &str) -> bool {
    let last = id.rsplit('/').next().unwrap_or(id);
    [id, last].into_iter().any(|id| {
        let id = spelled(id);
        id == name || id.strip_suffix("_check") == Some(name)
    })
}

/// A name with its words joined in one way.
fn spelled(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '.', '/', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E26. A legacy state file is read, and never executed.
    #[test]
    fn e26_lines_are_times_or_nothing() {
        let text = "# state\nlast_python_check=1700000000\nDEPS_SYNC=\"1700000060\"\n\
            last_git_check=$(touch x)\nlast_git_check=99999999999999\nrm -rf /\nlast_none_check=1\n";
        let steps = ["env/python-check", "deps-sync", "git"];
        let (writes, ignored) = successes(text, steps);
        let found: Vec<_> = writes
            .iter()
            .map(|write| match write {
                Write::Ended { step, entry, .. } => (&**step, entry.at),
                Write::SeenAgain { .. } => unreachable!(),
            })
            .collect();
        assert_eq!(
            found,
            [
                ("env/python-check", 1_700_000_000_000),
                ("deps-sync", 1_700_000_060_000)
            ]
        );
        assert_eq!(
            ignored,
            [
                "line 4 is no NAME=SECONDS",
                "line 5 is no NAME=SECONDS",
                "line 6 is no NAME=SECONDS",
                "line 7: there is no step \"none\"",
            ]
        );
    }
}
