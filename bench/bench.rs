//! Where a measurement takes place, and how a workload becomes commands: the
//! floor's, quintet's, the peers'.
//!
//! Each row has its own directory and its own store, which is warm: it has
//! recorded a run before the first round.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::formats::{self, Writer};
use crate::measure::{self, Contender};
use crate::meter::{Order, Watch};
use crate::peers::{PEERS, Peer};
use crate::workload::{Graph, Workload};

/// Nothing that is measured takes longer, unless it hangs.
const LIMIT_SEC: u64 = 600;

/// Who needs minutes for a round takes part in one only.
const SLOW: &[&str] = &["parallel", "dagu", "luigi", "snakemake"];

pub struct Bench {
    /// It goes when this does.
    root: TempDir,
    pub rounds: usize,
    quintet: PathBuf,
}

impl Bench {
    /// # Panics
    /// There is no room to work in.
    pub fn new(rounds: usize) -> Bench {
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        Bench {
            root: root.expect("a temporary directory can be made"),
            rounds,
            quintet: env!("CARGO_BIN_EXE_quintet").into(),
        }
    }

    /// A directory, made if need be.
    pub fn dir(&self, name: &str) -> PathBuf {
        let dir = self.root.path().join(name);
        fs::create_dir_all(&dir).expect("a directory can be made");
        dir
    }

    pub fn program(&self) -> PathBuf {
        self.quintet.clone()
    }

    pub fn contender(&self, name: &str, steps: usize, dir: &Path, words: Vec<String>) -> Contender {
        Contender {
            name: name.into(),
            shown: measure::shown(&words),
            steps,
            order: Order {
                words,
                dir: dir.into(),
                stdin: None,
                said: dir.join("said"),
                // So that a module beside its caller is found.
                env: vec![("PYTHONPATH".into(), ".".into())],
                limit_sec: LIMIT_SEC,
                watch: Watch::Nothing,
            },
            rounds: usize::MAX,
            leftovers: Vec::new(),
            settle: false,
            before: None,
        }
    }

    /// The bare loop.
    pub fn floor(&self, place: &str, work: &Workload) -> Contender {
        let at_once = match work.graph {
            Graph::Chain => 1,
            _ => work.at_once,
        };
        let mut words = this(&["floor", &work.steps.to_string(), &at_once.to_string()]);
        words.extend(work.command.iter().cloned());
        let mut floor = self.contender("floor", work.steps, &self.dir(place), words);
        floor.shown = format!("vfork, exec, wait: {}, {at_once} at once", work.line());
        floor.order.said = self.dir(place).join("floor.said");
        floor
    }

    /// A verb of quintet's for a workload, in a store that is warm.
    pub fn quintet(&self, place: &str, verb: &str, work: &Workload) -> Contender {
        let dir = self.dir(&format!("{place}/quintet"));
        let plan = dir.join("plan.json");
        write(&plan, formats::plan, work);
        let state = dir.join("state");
        self.warm(&state);
        let words = ["--state-dir", &text(&state), verb, "plan.json"];
        self.contender(verb, work.steps, &dir, self.words(&words))
    }

    /// Makes a store by recording one run of one step, of a plan that no row
    /// measures: else a preview of 100,000 steps would forecast how long they
    /// take, going by the one that it knows.
    pub fn warm(&self, state: &Path) {
        let dir = self.dir("warm");
        let plan = dir.join("plan.json");
        let known = r#"{"plan_id":"WARM","steps":[{"id":"s0","command":"/bin/true"}]}"#;
        fs::write(&plan, known).expect("a file can be written");
        let words = self.words(&["--state-dir", &text(state), "run", &text(&plan)]);
        let warmed = measure::once(&self.contender("warm", 1, &dir, words));
        warmed.expect("quintet runs a plan of one step");
    }

    /// A call of quintet.
    pub fn words(&self, words: &[&str]) -> Vec<String> {
        let program = std::iter::once(text(&self.quintet));
        program
            .chain(words.iter().map(|word| (*word).to_owned()))
            .collect()
    }

    /// A tool that is installed and fit for the workload.
    pub fn peer(&self, place: &str, peer: &Peer, work: &Workload) -> Option<Contender> {
        peer.program()?;
        if !peer.can_run(work) || peer.most < work.steps {
            return None;
        }
        let dir = self.dir(&format!("{place}/{}", peer.name));
        let file = peer.file(&dir);
        write(&file, peer.write, work);
        let mut contender = self.contender(peer.name, work.steps, &dir, peer.command(work));
        if peer.from_stdin {
            contender.shown += &format!(" < {}", peer.file);
            contender.order.stdin = Some(file);
        }
        contender.leftovers = peer.leftovers.iter().map(|name| dir.join(name)).collect();
        if SLOW.contains(&peer.name) {
            contender.rounds = 1;
        }
        Some(contender)
    }

    /// The floor, quintet and every peer that can run it.
    pub fn all(&self, place: &str, work: &Workload) -> Vec<Contender> {
        let mut all = vec![self.floor(place, work), self.quintet(place, "run", work)];
        all.extend(PEERS.iter().filter_map(|peer| self.peer(place, peer, work)));
        all
    }
}

/// A call of the benchmark itself: of one of its parts.
pub fn this(words: &[&str]) -> Vec<String> {
    let program = std::iter::once(text(&measure::this_program()));
    program
        .chain(words.iter().map(|word| (*word).to_owned()))
        .collect()
}

pub fn text(path: &Path) -> String {
    path.to_str().expect("this path is text").to_owned()
}

fn write(path: &Path, writer: Writer, work: &Workload) {
    let file = File::create(path).expect("a file can be made");
    let mut out = BufWriter::new(file);
    let written = writer(work, &mut out).and_then(|()| out.flush());
    written.expect("a file can be written");
}
