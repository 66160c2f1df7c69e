//! Whether files are there.

use std::fs;
use std::io;

use nix::unistd::{AccessFlags, access};

use super::{Finding, words};
use crate::plan::builtin::FileKind;

/// All that is missing is told at once.
pub fn find(paths: &[Box<str>], kind: FileKind) -> Finding {
    let mut missing = Vec::new();
    for path in paths {
        match complaint(path, kind) {
            Ok(complaint) => missing.extend(complaint),
            Err(e) => {
                return Finding::Unknown(format!("{path} cannot be looked at: {}", words(&e)));
            }
        }
    }
    match (missing.is_empty(), paths) {
        (false, _) => Finding::Fails(missing.join("; ")),
        (true, [path]) => Finding::Holds(format!("{path} is there")),
        (true, _) => Finding::Holds(format!("all {} are there", paths.len())),
    }
}

/// What is wrong with what is there, if anything.
fn complaint(path: &str, kind: FileKind) -> io::Result<Option<String>> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Some(format!("{path} is not there")));
        }
        Err(e) => return Err(e),
    };
    let fits = match kind {
        FileKind::Any => true,
        FileKind::File => found.is_file(),
        FileKind::Directory => found.is_dir(),
        FileKind::Executable => found.is_file() && access(path, AccessFlags::X_OK).is_ok(),
    };
    let wrong = match kind {
        FileKind::Executable => format!("{path} is not executable"),
        kind => format!("{path} is not a {}", kind.noun()),
    };
    Ok((!fits).then_some(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str], kind: FileKind) -> Finding {
        let paths: Vec<Box<str>> = paths.iter().map(|path| (*path).into()).collect();
        find(&paths, kind)
    }

    #[test]
    fn what_is_there_is_of_the_kind_that_was_asked_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().to_str().expect("UTF-8");
        let file = format!("{dir}/file");
        fs::write(&file, "").expect("a file");
        let gone = format!("{dir}/gone");
        let below = format!("{file}/below");

        let holds = |path: &str| Finding::Holds(format!("{path} is there"));
        let fails = |words: String| Finding::Fails(words);
        assert_eq!(found(&[&file], FileKind::Any), holds(&file));
        assert_eq!(found(&[&file], FileKind::File), holds(&file));
        assert_eq!(found(&[dir], FileKind::Directory), holds(dir));
        assert_eq!(found(&["/bin/sh"], FileKind::Executable), holds("/bin/sh"));
        assert_eq!(
            found(&[dir], FileKind::File),
            fails(format!("{dir} is not a file"))
        );
        assert_eq!(
            found(&[&file], FileKind::Directory),
            fails(format!("{file} is not a directory"))
        );
        assert_eq!(
            found(&[&file], FileKind::Executable),
            fails(format!("{file} is not executable"))
        );
        assert_eq!(
            found(&[&gone, &file, &below], FileKind::Any),
            fails(format!("{gone} is not there; {below} is not there"))
        );
        assert_eq!(
            found(&[&file, dir], FileKind::Any),
            Finding::Holds("all 2 are there".into())
        );
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_said_to_be_missing() {
        let name = format!("/{}", "x".repeat(300));
        let Finding::Unknown(words) = found(&[&name], FileKind::Any) else {
            panic!("a name of 300 bytes was looked up");
        };
        assert!(
            words.ends_with("cannot be looked at: File name too long"),
            "{words}"
        );
    }
}
