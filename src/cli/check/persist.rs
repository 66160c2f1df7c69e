//! Settings that a shell's profile keeps, for whoever asks for that.
//!
//! The profile is a person's own file. So it is only ever added to, and only what
//! is not there; the lines are shown first, and the file as it was is kept beside
//! it. A file that is another user's is left alone, also behind a link. Nothing
//! of this keeps the checks from running.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::environment::Said;
use crate::cli::error::warn;
use crate::cli::global::Global;
use crate::cli::output;

/// Says whose lines follow.
const COMMENT: &str = "# Added by quintet check --persist-config";

/// A file that a shell reads when it starts.
#[derive(Debug, PartialEq, Eq)]
struct Profile {
    path: PathBuf,
    /// It is written in the language of fish.
    fish: bool,
}

impl Profile {
    /// The profile of the shell that `env` names.
    fn of(env: impl Fn(&str) -> Option<String>) -> Option<Profile> {
        let set = |name: &str| {
            env(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let home = set("HOME")?;
        let shell = env("SHELL").unwrap_or_default();
        let shell = shell.rsplit('/').next().unwrap_or_default();
        let path = match shell {
            "bash" => home.join(".bashrc"),
            "zsh" => set("ZDOTDIR").unwrap_or(home).join(".zshrc"),
            "fish" => {
                let config = set("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
                config.join("fish/config.fish")
            }
            _ => home.join(".profile"),
        };
        Some(Profile {
            path,
            fish: shell == "fish",
        })
    }

    fn line(&self, name: &str, value: bool) -> String {
        let value = u8::from(value);
        match self.fish {
            true => format!("set -gx {name} {value}"),
            false => format!("export {name}={value}"),
        }
    }

    /// Whether a text sets the variable, to whatever value.
    fn sets(&self, text: &str, name: &str) -> bool {
        text.lines().map(str::trim_start).any(|line| {
            let rest = match self.fish {
                true => line
                    .strip_prefix("set -gx ")
                    .and_then(|r| r.strip_prefix(name)),
                false => line
                    .strip_prefix("export ")
                    .and_then(|r| r.strip_prefix(name)),
            };
            rest.is_some_and(|rest| rest.starts_with(['=', ' ']))
        })
    }

    /// The lines that the file lacks.
    fn missing(&self, text: &str, settings: &[(&str, bool)]) -> Vec<String> {
        let missing = settings.iter().filter(|(name, _)| !self.sets(text, name));
        missing
            .map(|(name, value)| self.line(name, *value))
            .collect()
    }
}

/// The settings that were given and are not the default.
fn settings(said: &Said) -> Vec<(&'static str, bool)> {
    let all = [
        ("AUTO_REMEDIATE", said.auto_remediate, true),
        ("INTERACTIVE", said.interactive, false),
        ("FAST_MODE", said.fast, false),
        ("SKIP_TESTS", said.skip_tests, false),
        ("LOG_REMEDIATION", said.log, true),
    ];
    let given = all.into_iter().filter_map(|(name, said, usual)| {
        let said = said.filter(|said| *said != usual)?;
        Some((name, said))
    });
    given.collect()
}

/// Adds the settings to the profile of the person's shell.
pub fn persist(said: &Said, ask: bool, global: &Global) {
    let Some(profile) = Profile::of(|name| std::env::var(name).ok()) else {
        warn("no settings are kept: HOME is not set");
        return;
    };
    let shown = profile.path.display().to_string();
    let kept = add(&profile, &settings(said), |lines| {
        output::note(global, &format!("to be added to {shown}:"));
        for line in lines {
            output::note(global, &format!("  {line}"));
        }
        !ask || agrees()
    });
    match kept {
        Ok(Some(backup)) => {
            let note = match backup {
                Some(backup) => format!("added; as it was, it is kept in {}", backup.display()),
                None => "added".to_owned(),
            };
            output::note(global, &note);
        }
        Ok(None) => output::note(global, &format!("nothing is added to {shown}")),
        Err(error) => warn(&format!("no settings are kept in {shown}: {error}")),
    }
}

fn agrees() -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    let mut err = anstream::stderr();
    let _ = write!(err, "Add these lines? [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Adds what is missing, once `agreed` to. Says whether anything was, and where
/// the file as it was is kept, if there was one.
///
/// # Errors
/// In words.
fn add(
    profile: &Profile,
    settings: &[(&str, bool)],
    agreed: impl FnOnce(&[String]) -> bool,
) -> Result<Option<Option<PathBuf>>, String> {
    let target = own_file(&profile.path)?;
    let text = match fs::read(&target) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    let missing = profile.missing(&String::from_utf8_lossy(&text), settings);
    if missing.is_empty() || !agreed(&missing) {
        return Ok(None);
    }
    let words = |error: io::Error| error.to_string();
    let backup = match target.exists() {
        true => Some(back_up(&target, &text).map_err(words)?),
        false => None,
    };
    let gap = match text.last() {
        None => "",
        Some(b'\n') => "\n",
        Some(_) => "\n\n",
    };
    let lines = format!("{gap}{COMMENT}\n{}\n", missing.join("\n"));
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(words)?;
    }
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).open(&target);
    file.and_then(|mut file| {
        file.write_all(lines.as_bytes())?;
        file.sync_all()
    })
    .map_err(words)?;
    Ok(Some(backup))
}

/// The file that is written, behind any link: our own, or none yet.
fn own_file(path: &Path) -> Result<PathBuf, String> {
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(_) if fs::symlink_metadata(path).is_ok() => {
            return Err("it is a link to nothing".into());
        }
        Err(_) => return Ok(path.to_owned()),
    };
    let found = fs::metadata(&target).map_err(|error| error.to_string())?;
    match found.uid() == nix::unistd::geteuid().as_raw() {
        _ if !found.is_file() => Err("it is no file".into()),
        true => Ok(target),
        false => Err(format!("it belongs to user {}", found.uid())),
    }
}

/// Keeps the file as it is beside itself.
fn back_up(target: &Path, text: &[u8]) -> io::Result<PathBuf> {
    let moment = Timestamp::from_millisecond(output::now() as i64).unwrap_or(Timestamp::MAX);
    let moment = moment.to_zoned(TimeZone::system());
    let mut name = target.as_os_str().to_owned();
    name.push(format!(
        ".before-quintet-{}",
        moment.strftime("%Y%m%d-%H%M%S")
    ));
    let backup = PathBuf::from(name);
    let mode = fs::metadata(target)?.mode() & 0o777;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&backup)?;
    file.write_all(text)?;
    file.sync_all()?;
    Ok(backup)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(shell: &str) -> Profile {
        let env = |name: &str| match name {
            "HOME" => Some("/home/me".to_owned()),
            "SHELL" => Some(shell.to_owned()),
            _ => None,
        };
        Profile::of(env).unwrap()
    }

    /// E15.
    #[test]
    fn e15_the_profile_is_that_of_the_shell() {
        let path = |shell| profile(shell).path;
        assert_eq!(path("/bin/bash"), Path::new("/home/me/.bashrc"));
        assert_eq!(path("/usr/bin/zsh"), Path::new("/home/me/.zshrc"));
        assert_eq!(path("/bin/sh"), Path::new("/home/me/.profile"));
        assert_eq!(path(""), Path::new("/home/me/.profile"));
        let fish = profile("/usr/bin/fish");
        assert_eq!(fish.path, Path::new("/home/me/.config/fish/config.fish"));
        assert_eq!(fish.line("FAST_MODE", true), "set -gx FAST_MODE 1");
        assert_eq!(Profile::of(|_| None), None);
    }

    /// E15.
    #[test]
    fn e15_only_what_was_given_and_is_not_the_default_is_kept() {
        let said = Said {
            auto_remediate: Some(true),
            fast: Some(true),
            log: Some(false),
            dry_run: Some(false),
            ..Said::default()
        };
        assert_eq!(
            settings(&said),
            [("FAST_MODE", true), ("LOG_REMEDIATION", false)]
        );
    }

    /// E15.
    #[test]
    fn e15_lines_are_added_once_and_what_was_there_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".bashrc");
        let real = home.path().join("dotfiles");
        fs::write(&real, "export SKIP_TESTS=0\nalias x=y").unwrap();
        std::os::unix::fs::symlink(&real, &path).unwrap();
        let profile = Profile {
            path: path.clone(),
            fish: false,
        };
        let wanted = [("FAST_MODE", true), ("SKIP_TESTS", true)];
        let mut shown = Vec::new();
        let backup = add(&profile, &wanted, |lines| {
            shown = lines.to_vec();
            true
        });
        assert_eq!(shown, ["export FAST_MODE=1"], "what is set stays as it is");
        let expected = format!("export SKIP_TESTS=0\nalias x=y\n\n{COMMENT}\nexport FAST_MODE=1\n");
        assert_eq!(fs::read_to_string(&real).unwrap(), expected);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        let backup = backup.unwrap().unwrap().unwrap();
        let kept = fs::read_to_string(backup).unwrap();
        assert_eq!(kept, "export SKIP_TESTS=0\nalias x=y");
        let again = add(&profile, &wanted, |_| panic!("nobody is asked"));
        assert_eq!(again, Ok(None));
        assert_eq!(fs::read_to_string(&real).unwrap(), expected);
    }

    /// E15.
    #[test]
    fn e15_nothing_is_added_without_agreement_or_to_what_is_no_file_of_ones_own() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| Profile {
            path: home.path().join(name),
            fish: false,
        };
        let wanted = [("FAST_MODE", true)];
        assert_eq!(add(&at("none"), &wanted, |_| false), Ok(None));
        assert!(!home.path().join("none").exists());
        fs::create_dir(home.path().join("folder")).unwrap();
        assert!(add(&at("folder"), &wanted, |_| true).is_err());
        std::os::unix::fs::symlink("nowhere", home.path().join("link")).unwrap();
        assert!(add(&at("link"), &wanted, |_| true).is_err());
        assert!(!home.path().join("nowhere").exists());
        assert_eq!(add(&at("new"), &wanted, |_| true), Ok(Some(None)));
        let expected = format!("{COMMENT}\nexport FAST_MODE=1\n");
        assert_eq!(
            fs::read_to_string(home.path().join("new")).unwrap(),
            expected
        );
    }
}
