//! Which files of a folder are numbered scripts.
//!
//! A script is a file whose name begins with four digits and `_`, and that
//! something can run. Other files beside them (`0001_notes.md`) are nobody's
//! business; a name that only looks like a script's is worth a word.

use std::path::Path;

use crate::plan::name::check_id;
use crate::plan::problem::Problem;

/// More scripts than this are not a folder of numbered scripts.
const MOST: usize = 100_000;

/// A file that may be a script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub number: u16,
    /// The file's name: `0207_Install-Git.ps1`.
    pub file: String,
}

impl Found {
    /// The name without its extension, which is the step's id.
    pub fn stem(&self) -> &str {
        match self.file.rfind('.') {
            Some(at) if at > 5 => &self.file[..at],
            _ => &self.file,
        }
    }

    /// In small letters, without the dot; empty where there is none.
    pub fn extension(&self) -> String {
        self.file[self.stem().len()..]
            .trim_start_matches('.')
            .to_ascii_lowercase()
    }
}

/// Whether the directory has any numbered script's file in it.
pub fn is_folder(dir: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return false;
    };
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.any(|name| number_of(&name).is_some())
}

/// The candidates of a folder, ascending by number and then by name.
///
/// # Errors
/// The folder cannot be read.
pub fn list(dir: &Path, problems: &mut Vec<Problem>) -> std::io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(file) = entry.file_name().into_string() else {
            let name = entry.file_name().to_string_lossy().into_owned();
            if number_of(&name).is_some() {
                let message = format!("{name:?} is not Unicode, and no name for a script");
                problems.push(Problem::warning(message));
            }
            continue;
        };
        let Some(number) = number_of(&file) else {
            problems.extend(looks_like_one(&file));
            continue;
        };
        // Followed, since a script may be a link to one.
        if !std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_file()) {
            continue;
        }
        let one = Found { number, file };
        match check_id(one.stem()) {
            Ok(()) => found.push(one),
            Err(why) => {
                let message = format!("{:?} is no name for a script: it {why}", one.file);
                problems.push(Problem::warning(message).help("rename the file"));
            }
        }
        if found.len() > MOST {
            let error = format!("it has more than {MOST} scripts");
            return Err(std::io::Error::other(error));
        }
    }
    found.sort();
    Ok(found)
}

/// The number that a script's name begins with.
fn number_of(file: &str) -> Option<u16> {
    let (digits, rest) = file.split_at_checked(4)?;
    let is_one = digits.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with('_');
    (is_one && rest.len() > 1).then(|| digits.parse().ok())?
}

/// Digits that are not 0 to 9 look the same to people.
fn looks_like_one(file: &str) -> Option<Problem> {
    let mut chars = file.chars();
    let digits = chars.by_ref().take(4).filter(|c| c.is_numeric()).count();
    let other = file.chars().take(4).any(|c| !c.is_ascii());
    (digits == 4 && other && chars.next() == Some('_')).then(|| {
        let message = format!("{file:?} has digits other than 0 to 9, and is no script");
        Problem::warning(message).help("write its number with the digits 0 to 9")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_told_by_their_names() {
        let number = |file| number_of(file);
        assert_eq!(number("0207_Install-Git.ps1"), Some(207));
        assert_eq!(number("9999_x"), Some(9999));
        for file in [
            "207_x.sh",
            "02071_x.sh",
            "0207-x.sh",
            "0207_",
            "０２０７_x.sh",
            "é207_x",
        ] {
            assert_eq!(number(file), None, "{file}");
        }
        assert!(looks_like_one("０２０７_x.sh").is_some());
        assert!(looks_like_one("0207-x.sh").is_none());
    }

    #[test]
    fn the_last_dot_begins_the_extension() {
        let found = |file: &str| Found {
            number: 0,
            file: file.into(),
        };
        let parts = |file| (found(file).stem().to_owned(), found(file).extension());
        assert_eq!(parts("0001_a.b.SH"), ("0001_a.b".into(), "sh".into()));
        assert_eq!(parts("0001_a"), ("0001_a".into(), String::new()));
        assert_eq!(parts("0001_.sh"), ("0001_.sh".into(), String::new()));
    }
}
