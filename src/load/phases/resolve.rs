//! Which file a child is.
//!
//! A directory of the child's name with an `index` in it goes first, then a
//! program of its name beside it, then one in the directory above. Of several
//! kinds the first in [`KINDS`] is taken; what is there and cannot be run is
//! passed over. Where nothing is found, every path that was tried is told.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::load::runner;

use super::INDEX;

/// What a program may end in, in the order in which they are looked for; a
/// program without any goes last.
const KINDS: [&str; 8] = ["py", "sh", "bash", "zsh", "ps1", "js", "rb", "pl"];

/// Of a directory with more entries the names are not kept.
const MOST_NAMES: usize = 100_000;

/// What a child was found to be.
#[derive(Clone, Debug)]
pub enum Found {
    /// A directory with an `index.json`.
    Phase(PathBuf),
    Program(Program),
    /// Nothing that could be run; what was looked for.
    Nothing(Vec<Tried>),
}

/// A program, and how it is begun.
#[derive(Clone, Debug)]
pub struct Program {
    pub path: PathBuf,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Python module with a `main`.
    Module,
    /// The `index.py` of a directory that has no `index.json`.
    Orchestrator,
    /// A program behind its interpreter, if it needs one.
    Command(Vec<String>),
}

/// A path that was looked at in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub path: PathBuf,
    /// Why what is there is not what was looked for; nothing is, without.
    pub why_not: Option<&'static str>,
}

/// A directory, with the names in it where they are known: to ask a set is
/// cheaper than to ask the disk ten times for each of ten thousand children.
#[derive(Clone, Debug)]
pub struct Directory {
    pub path: PathBuf,
    names: Option<BTreeSet<String>>,
}

impl Directory {
    /// Looks at a directory that will be asked for all children of a level.
    pub fn read(path: PathBuf) -> Self {
        let entries = std::fs::read_dir(&path).into_iter().flatten();
        let entries = entries.take(MOST_NAMES + 1);
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        // A name that is not Unicode is no child's, since children are named in JSON.
        let names: Result<Vec<_>, _> = names.collect();
        let names = names.ok().filter(|names| names.len() <= MOST_NAMES);
        let names = names.map(|names| {
            let unicode = names.into_iter().filter_map(|name| name.into_string().ok());
            unicode.collect()
        });
        Directory { path, names }
    }

    /// A directory that may be anybody's, and is only asked for single names.
    pub fn unread(path: PathBuf) -> Self {
        Directory { path, names: None }
    }

    pub fn has(&self, name: &str) -> bool {
        match &self.names {
            Some(names) => names.contains(name),
            None => self.path.join(name).symlink_metadata().is_ok(),
        }
    }
}

/// What the child of this name is, in its level's directory or the one above.
pub fn resolve(name: &str, here: &Directory, above: &Directory) -> Found {
    let mut search = Search::default();
    if here.has(name) && here.path.join(name).is_dir() {
        let inside = Directory::unread(here.path.join(name));
        if inside.has(INDEX) {
            return Found::Phase(inside.path);
        }
        search.missing(inside.path.join(INDEX));
        if let Some(mut program) = search.program("index", &inside) {
            if program.kind == Kind::Module {
                program.kind = Kind::Orchestrator;
            }
            return Found::Program(program);
        }
    } else {
        search.missing(here.path.join(name).join(INDEX));
    }
    let found = search.program(name, here);
    match found.or_else(|| search.program(name, above)) {
        Some(program) => Found::Program(program),
        None => Found::Nothing(search.tried),
    }
}

#[derive(Default)]
struct Search {
    tried: Vec<Tried>,
}

impl Search {
    fn missing(&mut self, path: PathBuf) {
        self.tried.push(Tried {
            path,
            why_not: None,
        });
    }

    fn program(&mut self, stem: &str, within: &Directory) -> Option<Program> {
        for kind in KINDS {
            let file = format!("{stem}.{kind}");
            let path = within.path.join(&file);
            match within.has(&file) {
                true => match runnable(&path, kind) {
                    Ok(kind) => return Some(Program { path, kind }),
                    Err(why_not) => self.in_vain(path, why_not),
                },
                false => self.missing(path),
            }
        }
        let path = within.path.join(stem);
        match within.has(stem) {
            true => match runnable(&path, "") {
                Ok(kind) => return Some(Program { path, kind }),
                Err(why_not) => self.in_vain(path, why_not),
            },
            false => self.missing(path),
        }
        None
    }

    fn in_vain(&mut self, path: PathBuf, why_not: &'static str) {
        self.tried.push(Tried {
            path,
            why_not: Some(why_not),
        });
    }
}

fn runnable(path: &Path, extension: &str) -> Result<Kind, &'static str> {
    let meta = std::fs::metadata(path).map_err(|_| "a link that leads nowhere")?;
    if meta.is_dir() {
        return Err("a directory without an index");
    }
    if !meta.is_file() {
        return Err("no regular file");
    }
    if extension == "py" {
        return Ok(Kind::Module);
    }
    let mut head = Vec::new();
    let file = File::open(path).map_err(|_| "it cannot be read")?;
    file.take(256)
        .read_to_end(&mut head)
        .map_err(|_| "it cannot be read")?;
    if let Some(runner) = runner::of(path, extension, &head) {
        return Ok(Kind::Command(runner.command));
    }
    match meta.permissions().mode() & 0o111 {
        0 => Err("nothing says what runs it: it is not executable, and has no #! line"),
        // As shells do with an executable text that names no interpreter.
        _ => Ok(Kind::Command(vec!["sh".into()])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn of(files: &[&str]) -> Folder {
            let dir = tempfile::tempdir().expect("a directory");
            for file in files {
                let path = dir.path().join(file);
                std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
                std::fs::write(path, "").expect("written");
            }
            Folder(dir)
        }

        /// What `name` is in `level`, as a path from the folder.
        fn resolved(&self, level: &str, name: &str) -> String {
            let here = Directory::read(self.0.path().join(level));
            let above = Directory::read(self.0.path().join(level).join(".."));
            let (what, path) = match resolve(name, &here, &above) {
                Found::Phase(path) => ("phase", path),
                Found::Program(Program { path, kind }) => match kind {
                    Kind::Module => ("module", path),
                    Kind::Orchestrator => ("orchestrator", path),
                    Kind::Command(_) => ("command", path),
                },
                Found::Nothing(_) => return "nothing".into(),
            };
            let path = path.strip_prefix(self.0.path()).expect("it is within");
            format!("{what} {}", path.display())
        }
    }

    /// H6. H7.
    #[test]
    fn h6_the_nested_directory_goes_before_the_file_beside_it() {
        let folder = Folder::of(&[
            "l/a/index.json",
            "l/a/index.py",
            "l/a/a.py",
            "l/a.py",
            "l/a.sh",
        ]);
        assert_eq!(folder.resolved("l", "a"), "phase l/a");
        let folder = Folder::of(&["l/a/index.py", "l/a/a.py", "l/a.py"]);
        assert_eq!(folder.resolved("l", "a"), "orchestrator l/a/index.py");
        let folder = Folder::of(&["l/a/index.sh", "l/a.py"]);
        assert_eq!(folder.resolved("l", "a"), "command l/a/index.sh");
    }

    /// H8.
    #[test]
    fn h8_a_file_beside_it_is_a_direct_step_and_one_above_stands_in() {
        let folder = Folder::of(&["l/a.sh", "a.py", "b.sh", "l/c/other", "c.py"]);
        assert_eq!(folder.resolved("l", "a"), "command l/a.sh");
        assert_eq!(folder.resolved("l", "b"), "command l/../b.sh");
        assert_eq!(folder.resolved("l", "c"), "module l/../c.py");
        let folder = Folder::of(&["l/a.sh", "l/a.py"]);
        assert_eq!(folder.resolved("l", "a"), "module l/a.py");
    }

    /// H11.
    #[test]
    fn h11_a_file_without_extension_is_told_by_its_mode_and_first_line() {
        let folder = Folder::of(&["l/plain", "l/program"]);
        let path = folder.0.path().join("l/program");
        std::fs::write(&path, "#!/bin/sh\n").expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("a mode");
        assert_eq!(folder.resolved("l", "plain"), "nothing");
        assert_eq!(folder.resolved("l", "program"), "command l/program");
    }

    /// H13.
    #[test]
    fn h13_every_path_that_was_tried_is_told_and_what_is_there() {
        let folder = Folder::of(&["l/a", "a/x"]);
        let here = Directory::read(folder.0.path().join("l"));
        let above = Directory::unread(folder.0.path().to_owned());
        let Found::Nothing(tried) = resolve("a", &here, &above) else {
            panic!("there is nothing");
        };
        let told = |path: &str| {
            let path = folder.0.path().join(path);
            let one = tried.iter().find(|one| one.path == path);
            one.unwrap_or_else(|| panic!("{path:?} was not tried"))
                .why_not
        };
        assert_eq!(tried.len(), 1 + 9 + 9);
        assert_eq!(told("l/a/index.json"), None);
        assert_eq!(told("l/a.py"), None);
        assert_eq!(told("a.sh"), None);
        assert!(told("l/a").is_some_and(|why| why.contains("not executable")));
        assert_eq!(told("a"), Some("a directory without an index"));
    }
}
