//! Where quintet keeps things, and whether that place may be trusted.
//!
//! The place is found by a pure function over the arguments and the
//! environment; only [`StateDir`] touches the disk. A directory that somebody
//! else owns or may write to is refused, since whoever can replace the store
//! can make the next run believe anything.
//!
//! This file does not know what the store's files hold.

pub mod filesystem;
mod jobs;

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub use jobs::{config_files, older_state};

/// Whose conventions decide where state belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    Unix,
    Windows,
}

impl System {
    /// The system this program was built for.
    pub const HERE: System = if cfg!(windows) {
        System::Windows
    } else {
        System::Unix
    };
}

/// Where the state directory is: what `--state-dir` says, else
/// `QUINTET_STATE_DIR`, else `quintet` in `$XDG_STATE_HOME`, else
/// `~/.local/state/quintet`; on Windows, else `%LocalAppData%\quintet`.
///
/// Empty variables count as unset, and so does an `XDG_STATE_HOME` that is not
/// absolute, as its specification asks.
///
/// # Errors
/// None of these is set: the names of the variables that were looked for.
pub fn state_dir(
    argument: Option<&Path>,
    system: System,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, NoHome> {
    let set = |name: &str| env(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(dir) = argument {
        return Ok(dir.to_path_buf());
    }
    if let Some(dir) = set("QUINTET_STATE_DIR") {
        return Ok(dir);
    }
    match system {
        System::Unix => set("XDG_STATE_HOME")
            .filter(|dir| dir.is_absolute())
            .or_else(|| Some(set("HOME")?.join(".local/state")))
            .map(|dir| dir.join("quintet"))
            .ok_or(NoHome("HOME")),
        System::Windows => set("LocalAppData")
            .map(|dir| dir.join("quintet"))
            .ok_or(NoHome("LocalAppData")),
    }
}

/// Nothing says where state belongs. Holds the variable that usually does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHome(pub &'static str);

impl std::error::Error for NoHome {}

impl fmt::Display for NoHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not set; say --state-dir DIR", self.0)
    }
}

/// Why a path cannot be used.
#[derive(Debug)]
pub enum Unusable {
    Missing {
        path: PathBuf,
    },
    Unsafe {
        path: PathBuf,
        why: String,
        /// What to do about it, in one line.
        fix: String,
    },
    Io {
        path: PathBuf,
        error: io::Error,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Missing { path } => write!(f, "{} does not exist", path.display()),
            Unusable::Unsafe { path, why, fix } => {
                write!(f, "{} {why}; to mend it: {fix}", path.display())
            }
            Unusable::Io { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Unusable {}

impl Unusable {
    fn io(path: &Path, error: io::Error) -> Self {
        Unusable::Io {
            path: path.to_path_buf(),
            error,
        }
    }

    fn trap(path: &Path, why: &str, fix: String) -> Self {
        Unusable::Unsafe {
            path: path.to_path_buf(),
            why: why.into(),
            fix,
        }
    }
}

/// The state directory, found to be ours alone to write:
///
/// ```text
/// quintet.db      the store
/// runs/RUN-ID/    what belongs to one run: events.jsonl, output of its steps
/// runs/JOB/       records of a job's runs, for people and other programs
/// tasks/          records of tasks, likewise
/// locks/          named locks, pools and resources
/// cache.key       what values of variables are hashed with
/// objects/        what steps made, by content, where it is to be put back
/// logs/           quintet.log; log files that plans ask for at places that cannot be written
/// ```
///
/// A symbolic link may lead to it, but nothing inside it may be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// Makes the directory and what belongs into it where it is not there yet,
    /// readable for its owner only, whatever the umask says.
    ///
    /// # Errors
    /// It cannot be made, or it is not safe to use.
    pub fn create(path: &Path) -> Result<StateDir, Unusable> {
        let io = |e| Unusable::io(path, e);
        let absolute = std::path::absolute(path).map_err(io)?;
        if !absolute.is_dir() {
            // Where it must not be, nothing is made either.
            if let Some(nearest) = absolute.ancestors().find(|dir| dir.exists()) {
                check_file_system(nearest)?;
            }
            let mut parents = DirBuilder::new();
            parents
                .recursive(true)
                .mode(0o700)
                .create(&absolute)
                .map_err(io)?;
            fs::set_permissions(&absolute, Permissions::from_mode(0o700)).map_err(io)?;
        }
        let state = StateDir::existing(path)?;
        for dir in [state.runs(), state.locks()] {
            private_dir(&dir)?;
        }
        Ok(state)
    }

    /// The directory as it is; nothing is made.
    ///
    /// # Errors
    /// It is missing, or it is not safe to use.
    pub fn existing(path: &Path) -> Result<StateDir, Unusable> {
        let root = match fs::canonicalize(path) {
            Ok(root) => root,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Unusable::Missing {
                    path: path.to_path_buf(),
                });
            }
            Err(e) => return Err(Unusable::io(path, e)),
        };
        check_own_dir(&root, &lstat(&root)?)?;
        check_ancestors(&root)?;
        check_file_system(&root)?;
        Ok(StateDir { root })
    }

    /// The directory itself, absolute and without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The kind of memory that the directory is kept in, if it is: a reboot
    /// takes all of it.
    ///
    /// # Errors
    /// The directory cannot be looked at.
    pub fn in_memory(&self) -> Result<Option<&'static str>, Unusable> {
        match filesystem::of(&self.root) {
            Ok(filesystem::Keeps::UntilReboot(name)) => Ok(Some(name)),
            Ok(_) => Ok(None),
            Err(e) => Err(Unusable::io(&self.root, e)),
        }
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join("quintet.db")
    }

    /// The directory of all runs' directories.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The directory of one run. The id is one that quintet made.
    pub fn run(&self, run_id: &str) -> PathBuf {
        self.root.join("runs").join(run_id)
    }

    /// The directory of records of tasks. It is made when there is one.
    pub fn tasks(&self) -> PathBuf {
        self.root.join("tasks")
    }

    /// The directory of named locks, pools and resources.
    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// The directory of what steps made. It is made when there is something.
    pub fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    /// The directory of log files for people that have no better place. It is
    /// made when there is one.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

/// Makes a directory that only its owner may enter, or finds that it is one.
/// Its parent must be one already.
///
/// # Errors
/// It cannot be made, or what is there is not a directory of ours.
pub fn private_dir(path: &Path) -> Result<(), Unusable> {
    match DirBuilder::new().mode(0o700).create(path) {
        // The umask can only have taken rights away from us.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|e| Unusable::io(path, e)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => check_own_dir(path, &lstat(path)?),
        Err(e) => Err(Unusable::io(path, e)),
    }
}

/// Whether a path holds a directory that belongs to us and that only we may write to.
fn check_own_dir(path: &Path, found: &Metadata) -> Result<(), Unusable> {
    let quoted = path.display();
    if !found.is_dir() {
        let fix = format!("move {quoted} away");
        return Err(Unusable::trap(path, "is not a directory", fix));
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        let fix = "choose another with --state-dir, or run as its owner".to_string();
        let why = format!("belongs to user {}", found.uid());
        return Err(Unusable::trap(path, &why, fix));
    }
    if found.mode() & 0o022 != 0 {
        let fix = format!("chmod 700 {quoted}");
        return Err(Unusable::trap(path, "is writable by others", fix));
    }
    Ok(())
}

/// Whoever may write to a directory may replace what is in it, unless it is sticky.
///
/// Groups are let pass here: where everybody has a group of their own, a
/// home's directories are often writable by it.
fn check_ancestors(root: &Path) -> Result<(), Unusable> {
    for dir in root.ancestors().skip(1) {
        let mode = lstat(dir)?.mode();
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            let why = format!("lies in {}, which everybody may write to", dir.display());
            let fix = format!("chmod o-w {}", dir.display());
            return Err(Unusable::trap(root, &why, fix));
        }
    }
    Ok(())
}

/// One machine's locks and memory mean nothing to another's.
fn check_file_system(path: &Path) -> Result<(), Unusable> {
    let keeps = filesystem::of(path).map_err(|e| Unusable::io(path, e))?;
    let allowed = std::env::var(filesystem::ALLOW).ok();
    match filesystem::objection(keeps, allowed.as_deref()) {
        Some((why, fix)) => Err(Unusable::trap(path, &why, fix)),
        None => Ok(()),
    }
}

fn lstat(path: &Path) -> Result<Metadata, Unusable> {
    fs::symlink_metadata(path).map_err(|e| Unusable::io(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn found(argument: Option<&str>, system: System, vars: &[(&str, &str)]) -> Option<PathBuf> {
        let vars: BTreeMap<&str, &str> = vars.iter().copied().collect();
        let env = |name: &str| vars.get(name).map(OsString::from);
        state_dir(argument.map(Path::new), system, env).ok()
    }

    #[test]
    fn the_nearest_word_decides_where_state_is() {
        let all = [
            ("QUINTET_STATE_DIR", "/q"),
            ("XDG_STATE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        let unix = |argument, vars| found(argument, System::Unix, vars);
        assert_eq!(unix(Some("/a"), &all), Some("/a".into()));
        assert_eq!(unix(None, &all), Some("/q".into()));
        assert_eq!(unix(None, &all[1..]), Some("/x/quintet".into()));
        assert_eq!(
            unix(None, &all[2..]),
            Some("/h/.local/state/quintet".into())
        );
        assert_eq!(unix(None, &[]), None);
    }

    #[test]
    fn empty_and_relative_variables_do_not_count() {
        let vars = [
            ("QUINTET_STATE_DIR", ""),
            ("XDG_STATE_HOME", "x"),
            ("HOME", "/h"),
        ];
        assert_eq!(
            found(None, System::Unix, &vars),
            Some("/h/.local/state/quintet".into())
        );
    }

    #[test]
    fn windows_has_a_place_of_its_own() {
        let vars = [("LocalAppData", "/l"), ("HOME", "/h")];
        assert_eq!(
            found(None, System::Windows, &vars),
            Some("/l/quintet".into())
        );
        assert_eq!(found(None, System::Windows, &vars[1..]), None);
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    /// XH03.
    #[test]
    fn xh03_what_is_made_is_for_its_owner_only() {
        let tmp = tempfile::tempdir().unwrap();
        let state = StateDir::create(&tmp.path().join("a/b")).unwrap();
        for dir in [
            state.root(),
            &state.runs(),
            &state.locks(),
            &tmp.path().join("a"),
        ] {
            assert_eq!(mode(dir), 0o700, "{}", dir.display());
        }
        assert_eq!(StateDir::create(state.root()).unwrap(), state);
    }

    #[track_caller]
    fn refused(dir: &Path) -> String {
        match StateDir::create(dir) {
            Err(Unusable::Unsafe { why, fix, .. }) => format!("{why}; {fix}"),
            other => panic!("not refused: {other:?}"),
        }
    }

    /// XD06.
    #[test]
    fn xd06_a_directory_that_others_may_write_to_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("s");
        fs::create_dir(&dir).unwrap();
        for open in [0o777, 0o770, 0o702] {
            fs::set_permissions(&dir, Permissions::from_mode(open)).unwrap();
            let said = refused(&dir);
            assert!(said.contains("writable by others; chmod 700 "), "{said}");
        }
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        StateDir::create(&dir).unwrap();
    }

    /// XD06.
    #[test]
    fn xd06_a_parent_that_everybody_may_write_to_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let parent = tmp.path().join("p");
        fs::create_dir(&parent).unwrap();
        fs::set_permissions(&parent, Permissions::from_mode(0o777)).unwrap();
        let said = refused(&parent.join("s"));
        assert!(said.contains("which everybody may write to"), "{said}");
        fs::set_permissions(&parent, Permissions::from_mode(0o1777)).unwrap();
        StateDir::create(&parent.join("s")).unwrap();
    }

    /// XD06.
    #[test]
    fn xd06_a_directory_of_another_user_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            // `/` belongs to somebody else then, and needs no preparation.
            assert!(refused(Path::new("/")).contains("belongs to user 0"));
            return;
        }
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("s");
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::chown(&dir, Some(12345), None).unwrap();
        let said = refused(&dir);
        assert!(said.contains("belongs to user 12345"), "{said}");
    }

    /// XH04.
    #[test]
    fn xh04_links_and_files_in_the_place_of_directories_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("s");
        fs::create_dir(&dir).unwrap();
        let victim = tmp.path().join("victim");
        fs::create_dir(&victim).unwrap();
        std::os::unix::fs::symlink(&victim, dir.join("runs")).unwrap();
        assert!(refused(&dir).contains("is not a directory"));
        fs::remove_file(dir.join("runs")).unwrap();
        fs::write(dir.join("locks"), "").unwrap();
        assert!(refused(&dir).contains("is not a directory"));
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
    }

    #[test]
    fn a_link_to_the_directory_itself_is_followed_once_and_for_all() {
        let tmp = tempfile::tempdir().unwrap();
        let real = tmp.path().join("real");
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, tmp.path().join("link")).unwrap();
        let state = StateDir::create(&tmp.path().join("link")).unwrap();
        assert_eq!(state.root(), fs::canonicalize(&real).unwrap());
    }

    #[test]
    fn a_missing_directory_is_missing_and_stays_so() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("s");
        assert!(matches!(
            StateDir::existing(&dir),
            Err(Unusable::Missing { .. })
        ));
        assert!(!dir.exists());
    }
}
