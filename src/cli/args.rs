//! `quintet plan.json` means `quintet run plan.json`.
//!
//! Done before parsing, by putting the verb in, so that nothing behind it has
//! to know. A verb's name always wins over a file of that name; who has such a
//! file says `run`, or `./status`.

use std::ffi::{OsStr, OsString};

/// Options for all verbs that take their value from the next argument.
const WITH_VALUE: &[&str] = &["--state-dir", "--color", "--config"];

/// Puts `run` before the first argument that is neither an option nor a verb,
/// if it names something that `exists`.
pub fn with_default_verb(
    mut args: Vec<OsString>,
    is_verb: &dyn Fn(&str) -> bool,
    exists: &dyn Fn(&OsStr) -> bool,
) -> Vec<OsString> {
    if let Some(at) = first_word(&args) {
        let word = &args[at];
        if !word.to_str().is_some_and(is_verb) && exists(word) {
            args.insert(at, "run".into());
        }
    }
    args
}

/// The first argument that is no option: where it is.
pub fn first_word(args: &[OsString]) -> Option<usize> {
    let mut at = 1;
    loop {
        match args.get(at)?.to_str() {
            Some("--") => return None,
            Some(option) if WITH_VALUE.contains(&option) => at += 2,
            Some(option) if option.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> String {
        let args = line.split(' ').map(OsString::from).collect();
        let is_verb = |word: &str| ["run", "status"].contains(&word);
        let exists = |path: &OsStr| {
            ["plans/a.json", "status", "dir"]
                .iter()
                .any(|known| path == *known)
        };
        let args = with_default_verb(args, &is_verb, &exists);
        args.join(OsStr::new(" ")).into_string().unwrap()
    }

    /// P31.
    #[test]
    fn p31_a_file_or_directory_is_run() {
        assert_eq!(
            rewritten("q plans/a.json --var BRANCH=main"),
            "q run plans/a.json --var BRANCH=main"
        );
        assert_eq!(rewritten("q dir"), "q run dir");
        assert_eq!(
            rewritten("q --color never --state-dir dir -q dir"),
            "q --color never --state-dir dir -q run dir"
        );
    }

    #[test]
    fn verbs_and_what_is_nothing_stay_as_they_are() {
        for line in [
            "q",
            "q status",
            "q run dir",
            "q nowhere.json",
            "q --help",
            "q --state-dir dir",
            "q -- dir",
        ] {
            assert_eq!(rewritten(line), line);
        }
    }
}
