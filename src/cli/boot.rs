//! `--resume-on-boot`: a run that stopped for a restart goes on by itself after it.
//!
//! Only when a run has really stopped so is anything written: a unit of systemd
//! that resumes this one run, and the link that has it started at the next boot.
//! Both are files in places that systemd documents, so it need not be asked. They
//! go when the run has come to its end, whoever resumed it; while it waits for
//! yet another restart they stay.
//!
//! The unit holds no value of any variable, and of the environment only PATH and
//! HOME, without which steps would not find what they found before.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::warn;
use super::global::Global;
use super::output;
use crate::engine::Ended;

/// Where units go instead of systemd's own places.
const UNIT_DIR: &str = "QUINTET_UNIT_DIR";

/// What a verb that begins runs can be told about restarts.
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Stop where a step wants the machine restarted, and go on at the next boot
    ///
    /// As `on_restart: stop` in the plan, and when the run stops so, a systemd unit is
    /// written that resumes it: in /etc/systemd/system for root, else in
    /// $XDG_CONFIG_HOME/systemd/user; or in $QUINTET_UNIT_DIR where that is set. It is
    /// removed when the run has come to its end.
    #[arg(long)]
    pub resume_on_boot: bool,
}

/// Where a user's units are, and what starts them.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    dir: PathBuf,
    /// Who starts the unit at boot.
    target: &'static str,
    /// The user's own systemd, which runs while the user is logged in.
    of_user: bool,
}

impl Place {
    /// For this process.
    fn here() -> Option<Place> {
        let is_root = nix::unistd::Uid::effective().is_root();
        Place::of(is_root, |name| std::env::var_os(name))
    }

    fn of(is_root: bool, env: impl Fn(&str) -> Option<OsString>) -> Option<Place> {
        let set = |name: &str| {
            let path = env(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let usual = || match is_root {
            true => Some(PathBuf::from("/etc/systemd/system")),
            false => set("XDG_CONFIG_HOME")
                .or_else(|| Some(set("HOME")?.join(".config")))
                .map(|config| config.join("systemd/user")),
        };
        Some(Place {
            dir: set(UNIT_DIR).or_else(usual)?,
            target: match is_root {
                true => "multi-user.target",
                false => "default.target",
            },
            of_user: !is_root,
        })
    }

    fn unit(&self, run_id: &str) -> PathBuf {
        self.dir.join(name(run_id))
    }

    fn link(&self, run_id: &str) -> PathBuf {
        let wants = self.dir.join(format!("{}.wants", self.target));
        wants.join(name(run_id))
    }
}

fn name(run_id: &str) -> String {
    format!("quintet-resume-{run_id}.service")
}

/// How a run is to go on at the next boot.
#[derive(Debug, Default)]
pub struct Next {
    pub wanted: bool,
    /// For `resume`, beside the run.
    pub arguments: Vec<OsString>,
    /// The run has secrets, which no unit may hold.
    pub has_secrets: bool,
}

/// Sees to it that a run that stopped for a restart goes on after it; and that
/// nothing is left of this when a run is over. A unit that cannot be written is
/// told of, and changes no result.
pub fn settle(next: &Next, ended: &Ended, global: &Global) {
    let Some(place) = Place::here() else {
        if next.wanted {
            warn("no place for a systemd unit is known: HOME is not set");
        }
        return;
    };
    let run_id = &ended.run_id;
    match ended.state.stopped_in().is_some() {
        false => remove(&place, run_id, global),
        true if next.wanted => match write(&place, run_id, &next.arguments, global) {
            Ok(()) => tell(&place, run_id, next, global),
            Err(why) => warn(&format!(
                "run {run_id} will not go on at the next boot: {why}"
            )),
        },
        true => {}
    }
}

fn write(
    place: &Place,
    run_id: &str,
    arguments: &[OsString],
    global: &Global,
) -> Result<(), String> {
    let (unit, link) = (place.unit(run_id), place.link(run_id));
    let state = global.state_path().map_err(|failure| failure.message)?;
    let state = std::path::absolute(state).map_err(|error| error.to_string())?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut words = vec![program.into(), "--state-dir".into(), state.into()];
    words.extend(["resume".into(), run_id.into()]);
    words.extend_from_slice(arguments);
    let env = ["PATH", "HOME", UNIT_DIR].map(|name| Some((name, std::env::var_os(name)?)));
    let env: Vec<_> = env.into_iter().flatten().collect();
    let text = text(place, run_id, &words, &env)?;
    let at = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let wants = link.parent().unwrap_or(&place.dir);
    fs::create_dir_all(wants).map_err(|error| at(wants, error))?;
    output::write_whole(&unit, text.as_bytes()).map_err(|error| at(&unit, error))?;
    match std::os::unix::fs::symlink(&unit, &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(at(&link, error)),
        _ => Ok(()),
    }
}

fn tell(place: &Place, run_id: &str, next: &Next, global: &Global) {
    for path in [place.unit(run_id), place.link(run_id)] {
        output::note(global, &format!("written: {}", path.display()));
    }
    output::note(global, &format!("run {run_id} goes on at the next boot"));
    if place.of_user {
        let text = "it does so when you log in; for it to do so before: loginctl enable-linger";
        output::note(global, text);
    }
    if next.has_secrets {
        warn("it will ask for its secrets, which the unit does not hold: systemctl edit can");
    }
    if !Path::new("/run/systemd/system").exists() {
        warn("this machine does not run systemd, which would have to start it");
    }
}

fn remove(place: &Place, run_id: &str, global: &Global) {
    // The link first: without its unit it would be a complaint at every boot.
    for path in [place.link(run_id), place.unit(run_id)] {
        match fs::remove_file(&path) {
            Ok(()) => output::note(global, &format!("removed: {}", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn(&format!("{} is left: {error}", path.display())),
        }
    }
}

/// The unit's text.
fn text(
    place: &Place,
    run_id: &str,
    words: &[OsString],
    env: &[(&str, OsString)],
) -> Result<String, String> {
    let mut command = Vec::new();
    for (at, word) in words.iter().enumerate() {
        // In the program's own path nothing is replaced but the % of specifiers.
        let dollars = if at == 0 { "$" } else { "$$" };
        command.push(quoted(word)?.replace('$', dollars));
    }
    let mut variables = String::new();
    for (name, value) in env {
        let mut pair = OsString::from(format!("{name}="));
        pair.push(value);
        variables.push_str(&format!("Environment={}\n", quoted(&pair)?));
    }
    let network = match place.of_user {
        true => "",
        false => "Wants=network-online.target\nAfter=network-online.target\n",
    };
    let (command, target) = (command.join(" "), place.target);
    Ok(format!(
        "# Written by quintet, which removes it when the run has come to its end.\n\
         [Unit]\n\
         Description=Go on with quintet run {run_id} after a restart\n\
         {network}\n\
         [Service]\n\
         Type=oneshot\n\
         # A stop asks quintet alone, which stops its steps with grace.\n\
         KillMode=mixed\n\
         {variables}ExecStart={command}\n\
         \n\
         [Install]\n\
         WantedBy={target}\n"
    ))
}

/// A word as systemd reads it.
fn quoted(word: &OsString) -> Result<String, String> {
    let text = word
        .to_str()
        .ok_or_else(|| format!("{} is not text that a unit can hold", word.display()))?;
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            c if c.is_control() => {
                let bytes = c.to_string().into_bytes();
                quoted.extend(bytes.iter().map(|byte| format!("\\x{byte:02x}")));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(known: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            let found = known.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        }
    }

    /// A47.
    #[test]
    fn a47_units_go_where_systemd_looks_for_them() {
        let root = Place::of(true, env(&[("HOME", "/root")])).unwrap();
        assert_eq!(
            root.link("R"),
            Path::new("/etc/systemd/system/multi-user.target.wants/quintet-resume-R.service")
        );
        let user = Place::of(false, env(&[("HOME", "/home/u")])).unwrap();
        assert!(user.of_user);
        assert_eq!(
            user.unit("R"),
            Path::new("/home/u/.config/systemd/user/quintet-resume-R.service")
        );
        let vars = [("HOME", "/home/u"), ("XDG_CONFIG_HOME", "/c")];
        let user = Place::of(false, env(&vars)).unwrap();
        assert_eq!(
            user.link("R"),
            Path::new("/c/systemd/user/default.target.wants/quintet-resume-R.service")
        );
        let relative = [("XDG_CONFIG_HOME", "c"), ("HOME", "/h")];
        let user = Place::of(false, env(&relative)).unwrap();
        assert_eq!(user.dir, Path::new("/h/.config/systemd/user"));
        let elsewhere = Place::of(true, env(&[(UNIT_DIR, "/units")])).unwrap();
        assert_eq!(elsewhere.dir, Path::new("/units"));
        assert_eq!(Place::of(false, env(&[])), None);
    }

    #[test]
    fn words_are_what_they_are_whatever_systemd_would_make_of_them() {
        let place = Place::of(false, env(&[("HOME", "/h")])).unwrap();
        let words = ["/opt/$x/%i/quintet", "a b", "50%", "$HOME", "\"\\\n"].map(OsString::from);
        let text = text(&place, "R", &words, &[("PATH", "/bin:/$x %".into())]).unwrap();
        let line = r#"ExecStart="/opt/$x/%%i/quintet" "a b" "50%%" "$$HOME" "\"\\\x0a""#;
        assert!(text.contains(&format!("\n{line}\n")), "{text}");
        assert!(
            text.contains("\nEnvironment=\"PATH=/bin:/$x %%\"\n"),
            "{text}"
        );
    }
}
