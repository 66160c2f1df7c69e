//! The log file that a plan asks for: which one it is this time.
//!
//! It is for people, and no run waits for it or ends for want of it: where the
//! plan's own path cannot be written, its fallbacks are tried, and at last a file
//! of that name in the state directory. Nothing is done to be allowed to write.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::warn;
use crate::plan::LogFile;

/// Opens the first of the plan's paths that can be written, else one in `folder`.
/// Says so where that is not the one the plan means, unless people want to hear
/// nothing.
pub fn open(wanted: &LogFile, folder: &Path, quiet: bool) -> Option<File> {
    let own = Path::new(&*wanted.path);
    let last = own.file_name().map(|name| folder.join(name));
    let paths = std::iter::once(&wanted.path).chain(&wanted.fallbacks);
    let paths = paths.map(|path| PathBuf::from(&**path)).chain(last);
    let mut refused = Vec::new();
    for path in paths {
        match append(&path) {
            Ok(file) => {
                if !refused.is_empty() && !quiet {
                    let path = path.display();
                    warn(&format!("{}; its lines go to {path}", refused.join("; ")));
                }
                return Some(file);
            }
            Err(error) => refused.push(format!("no log file {}: {error}", path.display())),
        }
    }
    if !quiet {
        warn(&refused.join("; "));
    }
    None
}

/// Opens a file to add to it, and makes it and its directory if need be. What
/// was put in its place to lead lines astray, or to keep a run waiting, is
/// refused.
fn append(path: &Path) -> io::Result<File> {
    let open = || {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o644)
            // Without O_NONBLOCK, a pipe could keep us waiting for its other end.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
    };
    let opened = open().or_else(|error| match path.parent() {
        Some(parent) if error.kind() == io::ErrorKind::NotFound => {
            let mut parents = DirBuilder::new();
            parents.recursive(true).mode(0o755).create(parent)?;
            open()
        }
        _ => Err(error),
    });
    let file = opened.map_err(|error| match error.raw_os_error() {
        // O_NOFOLLOW and O_NONBLOCK report these in ways that nobody understands.
        Some(libc::ELOOP) => io::Error::other("it is a link"),
        Some(libc::ENXIO) => io::Error::other("it is a pipe"),
        _ => error,
    })?;
    let found = file.metadata()?;
    match (found.is_file(), found.nlink()) {
        (false, _) => Err(io::Error::other("it is not a file")),
        (true, 2..) => Err(io::Error::other("it has a second name (a hard link)")),
        (true, _) => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn wants(paths: &[&Path]) -> LogFile {
        let mut paths = paths.iter().map(|path| path.to_string_lossy().into());
        LogFile {
            path: paths.next().expect("a log file has a path"),
            fallbacks: paths.collect(),
        }
    }

    /// H20.
    #[test]
    fn h20_the_first_path_that_can_be_written_is_added_to_and_its_folder_is_made() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::write(path("file"), "").unwrap();
        let wanted = wants(&[
            &path("file/below.log"),
            &path("a/b/run.log"),
            &path("other"),
        ]);
        for line in ["one\n", "two\n"] {
            let mut file = open(&wanted, &path("state"), true).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(
            fs::read_to_string(path("a/b/run.log")).unwrap(),
            "one\ntwo\n"
        );
        assert!(!path("other").exists() && !path("state").exists());
    }

    /// H20.
    #[test]
    fn h20_links_pipes_and_directories_are_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::write(path("victim"), "precious").unwrap();
        symlink(path("victim"), path("link")).unwrap();
        symlink(path("nothing"), path("dangling")).unwrap();
        fs::hard_link(path("victim"), path("hard")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::create_dir(path("folder")).unwrap();
        let traps = ["link", "dangling", "hard", "pipe", "folder"].map(path);
        let traps: Vec<&Path> = traps.iter().map(PathBuf::as_path).collect();
        let mut file = open(&wants(&traps), &path("state"), true).unwrap();
        file.write_all(b"line\n").unwrap();
        assert_eq!(fs::read_to_string(path("state/link")).unwrap(), "line\n");
        assert_eq!(fs::read_to_string(path("victim")).unwrap(), "precious");
        assert!(!path("nothing").exists());
    }

    /// H20.
    #[test]
    fn h20_without_any_place_there_is_no_log_file_and_no_error() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let nowhere = home.path().join("file/state");
        assert!(open(&wants(&[home.path()]), &nowhere, true).is_none());
    }
}
