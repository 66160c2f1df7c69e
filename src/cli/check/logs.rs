//! The log files of a project: a new one for each run, and only so many of them.
//!
//! A log file is locked as long as its run is alive, so no other run takes it for
//! an old one, however few are to be kept. None of this keeps a run from going
//! on: what cannot be written is a warning.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::error::warn;
use crate::cli::global::Global;
use crate::cli::output;
use crate::load::checks::Settings;
use crate::paths::private_dir;
use crate::plan::Plan;
use crate::run::{Event, Millis, RunState};
use crate::view::checks::Told;
use crate::view::checks::log::{Level, Log};
use crate::view::checks::summary::Places;

const PREFIX: &str = "orchestrator-";
const SUFFIX: &str = ".log";

/// The log of a run, if it has one.
pub struct RunLog {
    log: Option<(PathBuf, Log<File>)>,
    keep: usize,
    quiet: bool,
}

/// Begins the log of a run.
pub fn begin(places: &Places, settings: &Settings, global: &Global) -> RunLog {
    let mut log = RunLog {
        log: None,
        keep: settings.keep as usize,
        quiet: global.quiet,
    };
    if !settings.log {
        return log;
    }
    let zone = TimeZone::system();
    let made = private_dir(&places.logs)
        .map_err(|error| error.to_string())
        .and_then(|()| create(&places.logs, output::now(), &zone).map_err(|e| e.to_string()));
    match made {
        Ok((path, file)) => {
            log.log = Some((path, Log::new(file, zone, super::left_out(settings))));
        }
        Err(error) => {
            let folder = places.logs.display();
            log.warn(&format!("there is no log file in {folder}: {error}"));
        }
    }
    log
}

impl RunLog {
    pub fn path(&self) -> Option<PathBuf> {
        self.log.as_ref().map(|(path, _)| path.clone())
    }

    /// Writes the block at the top, and lets old files go.
    pub fn open_with(&mut self, plan: &Plan, settings: &Settings, places: &Places) {
        let mode = match settings.fast {
            true => "fast",
            false => "full",
        };
        let pid = std::process::id().to_string();
        let state = places.state.to_string_lossy();
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let block = [
            ("Project", &*plan.project),
            ("Mode", mode),
            ("Remedies", yes(settings.auto_remediate)),
            ("Interactive", yes(settings.interactive)),
            ("Skip tests", yes(settings.skip_tests)),
            ("State", &*state),
            ("PID", &*pid),
        ];
        self.write(|log| log.header(output::now(), &format!("Checks: {}", plan.name), &block));
        self.rotate();
    }

    /// Adds a line.
    pub fn say(&mut self, level: Level, message: &str) {
        self.write(|log| log.say(output::now(), level, message));
    }

    /// Adds what an event is worth, given the state after it.
    pub fn event(&mut self, run: &RunState, event: &Event, told: &[Told]) {
        self.write(|log| log.event(run, event, told));
    }

    /// Lets the oldest files go, but for those of runs that are alive, so that no
    /// more are left than are kept.
    pub fn rotate(&mut self) {
        let Some((path, _)) = &self.log else {
            return;
        };
        let Some(folder) = path.parent() else {
            return;
        };
        match remove_old(folder, path, self.keep) {
            Ok(0) => {}
            Ok(removed) => {
                let files = if removed == 1 { "file" } else { "files" };
                let message = format!("{removed} old log {files} removed, {} kept", self.keep);
                self.say(Level::LogRotation, &message);
            }
            Err(error) => self.warn(&format!("old log files cannot be removed: {error}")),
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Log<File>) -> io::Result<()>) {
        let Some((_, log)) = &mut self.log else {
            return;
        };
        if let Err(error) = write(log) {
            self.log = None;
            self.warn(&format!("nothing more is added to the log file: {error}"));
        }
    }

    fn warn(&self, message: &str) {
        if !self.quiet {
            warn(message);
        }
    }
}

/// Makes a new file, called after the time, and locks it.
fn create(folder: &Path, now: Millis, zone: &TimeZone) -> io::Result<(PathBuf, File)> {
    let moment = i64::try_from(now).ok();
    let moment = moment.and_then(|now| Timestamp::from_millisecond(now).ok());
    let moment = moment.unwrap_or(Timestamp::MAX).to_zoned(zone.clone());
    let stem = format!("{PREFIX}{}", moment.strftime("%Y%m%d-%H%M%S"));
    for n in 1..=MOST_AT_ONCE {
        let name = match n {
            1 => format!("{stem}{SUFFIX}"),
            n => format!("{stem}-{n}{SUFFIX}"),
        };
        let path = folder.join(name);
        let made = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Ok(file) => {
                // Where files cannot be locked, this one is still the newest.
                let _ = file.try_lock();
                return Ok((path, file));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// So many runs of one project begin within one second at the most.
const MOST_AT_ONCE: u32 = 10_000;

/// Removes the oldest log files until so many are left. Says how many went.
fn remove_old(folder: &Path, own: &Path, keep: usize) -> io::Result<usize> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            let found = entry.metadata();
            let since = found.and_then(|found| found.modified());
            files.push((since.unwrap_or(SystemTime::UNIX_EPOCH), name));
        }
    }
    files.sort();
    let (mut left, mut removed) = (files.len(), 0);
    for (_, name) in files {
        let path = folder.join(name);
        if left <= keep {
            break;
        }
        if path == own || is_alive(&path) {
            continue;
        }
        match fs::remove_file(&path) {
            // Another run lets old files go as well.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(()) => removed += 1,
        }
        left -= 1;
    }
    Ok(removed)
}

/// Whether a run writes to this file.
fn is_alive(path: &Path) -> bool {
    let opened = OpenOptions::new()
        .read(true)
        // Whatever lies here is not waited for.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    opened.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_795_176_000_000;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// E20.
    #[test]
    fn e20_files_are_called_after_the_time_and_two_of_one_second_differ() {
        let home = tempfile::tempdir().unwrap();
        let _files: Vec<_> = (0..3)
            .map(|_| create(home.path(), NOW, &TimeZone::UTC).unwrap())
            .collect();
        assert_eq!(
            names(home.path()),
            [
                "orchestrator-20261120-120000-2.log",
                "orchestrator-20261120-120000-3.log",
                "orchestrator-20261120-120000.log"
            ]
        );
    }

    /// E20.
    #[test]
    fn e20_the_oldest_go_and_never_one_of_a_run_that_is_alive() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("notes.log"), "mine").unwrap();
        // The oldest of all is alive, as is our own.
        let (alive, _held) = create(home.path(), NOW, &TimeZone::UTC).unwrap();
        for n in 1..30 {
            let (path, file) = create(home.path(), NOW + n * 1_000, &TimeZone::UTC).unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(NOW + n * 1_000);
            file.set_modified(at).unwrap();
            drop(file);
            assert!(path.exists());
        }
        let at = SystemTime::UNIX_EPOCH;
        _held.set_modified(at).unwrap();
        let (own, _own) = create(home.path(), NOW + 60_000, &TimeZone::UTC).unwrap();
        let removed = remove_old(home.path(), &own, 20).unwrap();
        assert_eq!(removed, 11);
        let left = names(home.path());
        assert_eq!(left.len(), 21, "twenty of ours, and somebody's notes");
        assert!(alive.exists() && own.exists());
        assert!(
            !home
                .path()
                .join("orchestrator-20261120-120001.log")
                .exists()
        );
        assert!(
            home.path()
                .join("orchestrator-20261120-120029.log")
                .exists()
        );
    }
}
