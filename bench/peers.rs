//! The tools that quintet is compared with: a line of a table for each.
//!
//! This file does not know what is measured, nor how.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::formats::{self, Writer};
use crate::workload::{Graph, Workload};

/// A tool that runs steps.
pub struct Peer {
    pub name: &'static str,
    /// What asks it for its version; the program is the first word.
    version: &'static [&'static str],
    /// The file that it reads, and who writes it.
    pub file: &'static str,
    pub write: Writer,
    /// The words that run everything; `K` stands for how many at once, and
    /// `LINE` for the words of a step.
    run: &'static str,
    /// It reads the file from its standard input.
    pub from_stdin: bool,
    /// It knows edges. A tool that does not can still run a chain, one at a time.
    edges: bool,
    /// More steps than this take it minutes.
    pub most: usize,
    /// What a round must not find from the one before.
    pub leftovers: &'static [&'static str],
}

const ANY: usize = usize::MAX;

pub const PEERS: &[Peer] = &[
    Peer {
        name: "make",
        version: &["make", "--version"],
        file: "Makefile",
        write: formats::makefile,
        run: "make -jK",
        from_stdin: false,
        edges: true,
        most: ANY,
        leftovers: &[],
    },
    Peer {
        name: "ninja",
        version: &["ninja", "--version"],
        file: "build.ninja",
        write: formats::ninja,
        run: "ninja -jK",
        from_stdin: false,
        edges: true,
        most: ANY,
        leftovers: &[".ninja_log", ".ninja_deps"],
    },
    Peer {
        name: "n2",
        version: &["n2", "--version"],
        file: "build.ninja",
        write: formats::ninja,
        run: "n2 -j K",
        from_stdin: false,
        edges: true,
        most: ANY,
        leftovers: &[".n2_db"],
    },
    // With `-n1` in place of `-I{}` each step would get a word that it did not
    // ask for; `true` looks at it, and takes a third longer.
    Peer {
        name: "xargs",
        version: &["xargs", "--version"],
        file: "lines",
        write: formats::lines,
        run: "xargs -PK -I{} LINE",
        from_stdin: true,
        edges: false,
        most: ANY,
        leftovers: &[],
    },
    Peer {
        name: "parallel",
        version: &["parallel", "--version"],
        file: "lines",
        write: formats::lines,
        run: "parallel -jK -n0 LINE",
        from_stdin: true,
        edges: false,
        most: 1_000,
        leftovers: &[],
    },
    Peer {
        name: "go-task",
        version: &["task", "--version"],
        file: "Taskfile.yml",
        write: formats::taskfile,
        run: "task -C K",
        from_stdin: false,
        edges: true,
        most: 10_000,
        leftovers: &[".task"],
    },
    Peer {
        name: "dagu",
        version: &["dagu", "version"],
        file: "dag.yaml",
        write: formats::dagu,
        run: "dagu start dag.yaml",
        from_stdin: false,
        edges: true,
        most: 1_000,
        leftovers: &[],
    },
    Peer {
        name: "luigi",
        version: &["luigi", "--version"],
        file: "steps.py",
        write: formats::luigi,
        run: "luigi --module steps All --local-scheduler --log-level ERROR --workers K",
        from_stdin: false,
        edges: true,
        most: 1_000,
        leftovers: &["done"],
    },
    Peer {
        name: "snakemake",
        version: &["snakemake", "--version"],
        file: "Snakefile",
        write: formats::snakefile,
        run: "snakemake --quiet all --cores K",
        from_stdin: false,
        edges: true,
        most: 1_000,
        leftovers: &["done", ".snakemake"],
    },
];

impl Peer {
    pub fn named(name: &str) -> &'static Peer {
        let found = PEERS.iter().find(|peer| peer.name == name);
        found.expect("rows name peers of the table")
    }

    /// Where the tool is, if it is installed.
    pub fn program(&self) -> Option<PathBuf> {
        on_path(self.version[0])
    }

    /// What it says its version is: the last word with a digit on its first
    /// line with one. One of them is silent about it.
    pub fn said_version(&self) -> String {
        let asked = Command::new(self.version[0])
            .args(&self.version[1..])
            .stdin(Stdio::null())
            .output();
        let said = asked.map_or_else(|_| Vec::new(), |asked| asked.stdout);
        let said = String::from_utf8_lossy(&said).into_owned();
        let numbers = |line: &str| {
            let mut words = line.split_whitespace().rev();
            let word = words.find(|word| word.contains(|c: char| c.is_ascii_digit()))?;
            Some(word.trim_matches(['(', ')', ',']).to_owned())
        };
        said.lines().find_map(numbers).unwrap_or_default()
    }

    pub fn can_run(&self, work: &Workload) -> bool {
        self.edges || work.graph != Graph::Layers
    }

    pub fn command(&self, work: &Workload) -> Vec<String> {
        let at_once = match work.graph {
            Graph::Chain if !self.edges => 1,
            _ => work.at_once,
        };
        let words = self.run.split(' ').flat_map(|word| match word {
            "LINE" => work.command.clone(),
            word => vec![word.replace('K', &at_once.to_string())],
        });
        words.collect()
    }

    pub fn file(&self, dir: &Path) -> PathBuf {
        dir.join(self.file)
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}
