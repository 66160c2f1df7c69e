//! The style of the house as a test: which room may import which, what the pure
//! rooms must never name, and that every file says what it is.
//!
//! The table is the one in `ARCHITECTURE.md`. A line that breaks a rule is named
//! with its file and number.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may import; itself is understood.
const ROOMS: &[(&str, &[&str])] = &[
    ("plan", &[]),
    ("run", &["plan"]),
    ("load", &["plan"]),
    ("exec", &["plan", "run"]),
    ("store", &["plan", "run", "paths"]),
    ("view", &["plan", "run", "store"]),
    ("engine", &["plan", "run", "exec", "store", "paths"]),
    ("notify", &["plan", "run", "view"]),
    ("paths", &[]),
    ("agent", &["plan", "view"]),
    ("itself", &[]),
    (
        "serve",
        &[
            "plan", "run", "store", "view", "engine", "exec", "paths", "itself",
        ],
    ),
];

/// What a pure room must never name: it would make its answers depend on
/// something that is not an argument.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::process",
    "std::thread",
    "std::net",
    "std::env",
    "std::io",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "println!",
    "print!",
    "async ",
    "getrandom",
    "std::os",
    "rusqlite",
    "nix::",
    "libc::",
];

/// No file holds more lines than this: one that does holds more than one idea.
const LONGEST: usize = 700;

struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

impl Source {
    /// Lines that are code, with their numbers; unit tests left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let body = self
            .text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"));
        body.enumerate()
            .map(|(at, line)| (at + 1, line.trim_start()))
            .filter(|(_, line)| !line.starts_with("//"))
    }

    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a source folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("tests.rs") {
                // Unit tests in a file of their own are tests.
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let path = path.strip_prefix(root).expect("below the root").to_owned();
                let inside: Vec<_> = path.iter().skip(1).collect();
                let room = inside[0]
                    .to_string_lossy()
                    .trim_end_matches(".rs")
                    .to_owned();
                sources.push(Source { path, room, text });
            }
        }
    }
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

fn no_offenders(rule: &str, offenders: Vec<String>) {
    assert!(
        offenders.is_empty(),
        "{rule}:\n  {}",
        offenders.join("\n  ")
    );
}

/// The rooms that a line of code names, as in `crate::store::` or `use crate::{plan, run}`.
fn rooms_named(line: &str) -> Vec<String> {
    line.match_indices("crate::")
        .flat_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            let list = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or(list),
                None => rest
                    .split([':', ';', ')', '>', ',', ' ', '('])
                    .next()
                    .unwrap_or(rest),
            };
            let names = list.split(',');
            names
                .map(|name| name.trim().split("::").next().unwrap_or("").to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn a_room_imports_only_what_the_table_allows() {
    let mut offenders = Vec::new();
    for source in sources() {
        let Some((room, allowed)) = ROOMS.iter().find(|(room, _)| *room == source.room) else {
            continue;
        };
        for (number, line) in source.code() {
            for named in rooms_named(line) {
                let known = ROOMS.iter().any(|(room, _)| *room == named) || named == "cli";
                if known && named != *room && !allowed.contains(&named.as_str()) {
                    offenders.push(format!("{}: {room} names {named}", source.at(number)));
                }
            }
        }
    }
    no_offenders("imports against the table", offenders);
}

#[test]
fn pure_rooms_name_nothing_impure() {
    let mut offenders = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| ["plan", "run"].contains(&source.room.as_str()))
    {
        for (number, line) in source.code() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                offenders.push(format!("{}: {word}", source.at(number)));
            }
        }
    }
    no_offenders("the pure rooms depend on the world", offenders);
}

#[test]
fn every_file_opens_with_what_it_is() {
    let sources = sources();
    let silent = sources
        .iter()
        .filter(|source| !source.text.starts_with("//!"));
    no_offenders("no header", silent.map(|source| source.at(1)).collect());
}

#[test]
fn no_file_holds_more_than_one_idea() {
    let long = |source: &&Source| {
        let body = source
            .text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"));
        body.count() > LONGEST
    };
    let sources = sources();
    let offenders = sources
        .iter()
        .filter(long)
        .map(|source| source.at(LONGEST))
        .collect();
    no_offenders("too long", offenders);
}

#[test]
fn nothing_is_left_undone() {
    let mut offenders = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            let undone = ["todo!(", "unimplemented!(", "dbg!("]
                .iter()
                .any(|word| line.contains(word));
            if undone {
                offenders.push(source.at(number));
            }
        }
    }
    no_offenders("left undone", offenders);
}

/// Unsafe code is confined to the thin wrappers over system calls.
#[test]
fn unsafe_code_is_confined() {
    let mut offenders = Vec::new();
    for source in sources() {
        let wrapper = source.path.ends_with("sys.rs");
        for (number, line) in source.code() {
            if line.contains("unsafe ") && !wrapper {
                offenders.push(source.at(number));
            }
        }
    }
    no_offenders("unsafe outside the wrappers", offenders);
}

/// The async runtime is the server's, and that of the verb whose protocol's library
/// wants it: no other starts it, and nothing on a run's way comes to depend on it.
#[test]
fn the_async_runtime_is_confined() {
    let mut offenders = Vec::new();
    for source in sources() {
        if source.path.starts_with("src/cli/mcp") || source.path.starts_with("src/serve") {
            continue;
        }
        for (number, line) in source.code() {
            if ["tokio::", "rmcp::", "async fn", "async {"]
                .iter()
                .any(|word| line.contains(word))
            {
                offenders.push(source.at(number));
            }
        }
    }
    no_offenders(
        "an async runtime outside src/serve and src/cli/mcp",
        offenders,
    );
}

#[test]
fn the_import_reader_sees_all_forms() {
    assert_eq!(rooms_named("use crate::plan::StepIx;"), ["plan"]);
    assert_eq!(
        rooms_named("use crate::{plan, run::Event};"),
        ["plan", "run"]
    );
    assert_eq!(rooms_named("fn f(x: crate::store::Store) {"), ["store"]);
}
