//! A Slurm cluster of a test's own, which the script `lab` beside this starts and ends.
//!
//! ```ignore
//! let Some(lab) = Lab::start("what the test is called") else { return };
//! let id = lab.sbatch(&["--nodelist=n3"], "sleep 60", &[]);
//! lab.node_kill("n3");
//! lab.becomes(&id, "NODE_FAIL");
//! ```

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::support::{eventually, skip};

/// The nodes n1, n2 and n3; n1 has the feature `special` and a partition, `small`, of its own.
const NODES: u16 = 3;

/// Below those that the system hands out for connections.
const FIRST_PORT: u16 = 20_000;

/// A lab gets that many in a row, and as many thousand job ids.
const PORTS: u16 = 10;

/// Ends with this, or, should nobody get to that, with this process.
pub struct Lab {
    dir: tempfile::TempDir,
}

/// A job, or a task of an array, as squeue tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    /// `N/A` for what is no task of an array.
    pub index: String,
    pub state: String,
    pub reason: String,
    pub node: String,
    pub id: String,
}

impl Lab {
    /// Nothing, where there can be none; says why.
    pub fn start(test: &str) -> Option<Lab> {
        Lab::start_with(test, &[])
    }

    /// The same, with more for `lab up`.
    pub fn start_with(test: &str, args: &[&str]) -> Option<Lab> {
        if let Some(why) = missing() {
            skip(test, &why);
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let lab = Lab { dir };
        let (nodes, port) = (NODES.to_string(), free_ports().to_string());
        let watched = std::process::id().to_string();
        let mut up = vec!["up", "-n", &nodes, "-p", &port, "-w", &watched];
        up.extend(args);
        lab.does(&up);
        Some(lab)
    }

    /// A path in the lab's directory, which all nodes see.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What `SLURM_CONF` must be for Slurm's programs to find it.
    pub fn configuration(&self) -> String {
        self.path("slurm.conf").to_string_lossy().into_owned()
    }

    /// The node loses power.
    pub fn node_kill(&self, node: &str) {
        self.does(&["node-kill", node]);
    }

    /// It is switched on again, and serves.
    pub fn node_start(&self, node: &str) {
        self.does(&["node-start", node]);
    }

    /// Every process on it stands still.
    pub fn node_stop(&self, node: &str) {
        self.does(&["node-stop", node]);
    }

    /// They go on.
    pub fn node_cont(&self, node: &str) {
        self.does(&["node-cont", node]);
    }

    /// The controller cannot reach it, its jobs go on.
    pub fn node_freeze(&self, node: &str) {
        self.does(&["node-freeze", node]);
    }

    /// The controller can reach it again.
    pub fn node_thaw(&self, node: &str) {
        self.does(&["node-thaw", node]);
    }

    /// Only its daemon dies.
    pub fn slurmd_kill(&self, node: &str) {
        self.does(&["slurmd-kill", node]);
    }

    /// Its daemon starts again.
    pub fn slurmd_start(&self, node: &str) {
        self.does(&["slurmd-start", node]);
    }

    /// The controller crashes.
    pub fn ctld_kill(&self) {
        self.does(&["ctld-kill"]);
    }

    /// The controller ends in good order.
    pub fn ctld_stop(&self) {
        self.does(&["ctld-stop"]);
    }

    /// The controller does not answer any more.
    pub fn ctld_freeze(&self) {
        self.does(&["ctld-freeze"]);
    }

    /// It goes on, with what it was asked meanwhile.
    pub fn ctld_thaw(&self) {
        self.does(&["ctld-thaw"]);
    }

    /// The controller starts again, and answers.
    pub fn ctld_start(&self) {
        self.does(&["ctld-start"]);
    }

    #[track_caller]
    fn does(&self, args: &[&str]) {
        let done = script().args(args).env("LAB_DIR", self.dir.path()).output();
        let done = done.expect("the script can be started");
        assert!(done.status.success(), "lab {args:?}: {}", said(&done));
    }

    /// One of Slurm's programs, in the lab's directory.
    pub fn slurm(&self, program: &str, args: &[&str]) -> Output {
        Command::new(program)
            .args(args)
            .env("SLURM_CONF", self.configuration())
            .current_dir(self.dir.path())
            .output()
            .expect("the program can be started")
    }

    /// Submits a shell script, kept in a file, with its arguments. Gives the job's id; what
    /// it writes is to be had from [`Lab::output`].
    #[track_caller]
    pub fn sbatch(&self, options: &[&str], script: &str, args: &[&str]) -> String {
        let file = self.path("script");
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a file can be written");
        let mut all = vec!["--parsable", "--output=%A_%a.output"];
        all.extend(options);
        all.push("script");
        all.extend(args);
        let done = self.slurm("sbatch", &all);
        assert!(done.status.success(), "sbatch {all:?}: {}", said(&done));
        let id = String::from_utf8(done.stdout).expect("an id is text");
        id.trim().to_owned()
    }

    /// What a job wrote. Its id is that of sbatch, for a task with `_` and its index.
    pub fn output(&self, id: &str) -> String {
        // Slurm's number for a job that is no task of an array.
        let task = if id.contains('_') { "" } else { "_4294967294" };
        std::fs::read_to_string(self.path(&format!("{id}{task}.output"))).unwrap_or_default()
    }

    /// All that the controller remembers, the ended ones too.
    #[track_caller]
    pub fn squeue(&self) -> Vec<Row> {
        let args = ["-h", "-r", "-t", "all", "-o", "%j|%K|%T|%r|%N|%i"];
        let done = self.slurm("squeue", &args);
        assert!(done.status.success(), "squeue: {}", said(&done));
        let text = String::from_utf8(done.stdout).expect("squeue writes text");
        text.lines().map(row).collect()
    }

    /// That of a job or a task.
    pub fn row(&self, id: &str) -> Option<Row> {
        self.squeue().into_iter().find(|row| row.id == id)
    }

    /// Waits until it is in this state.
    ///
    /// # Panics
    /// It does not come to that.
    #[track_caller]
    pub fn becomes(&self, id: &str, state: &str) -> Row {
        let mut found = None;
        eventually(&format!("{id} is {state}"), || {
            found = self.row(id);
            found.as_ref().is_some_and(|row| row.state == state)
        });
        found.expect("it was found in that state")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = script()
            .arg("down")
            .env("LAB_DIR", self.dir.path())
            .output();
        // A second panic would hide what the first one said.
        if !down.is_ok_and(|done| done.status.success()) {
            eprintln!("the lab did not end: {}", self.dir.path().display());
        }
    }
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm/lab"))
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn row(line: &str) -> Row {
    // A name may hold the separator; what stands behind it does not.
    let mut fields: Vec<&str> = line.rsplitn(6, '|').collect();
    fields.reverse();
    let [name, index, state, reason, node, id] = fields[..] else {
        panic!("squeue writes six fields: {line}");
    };
    Row {
        name: name.to_owned(),
        index: index.to_owned(),
        state: state.to_owned(),
        reason: reason.to_owned(),
        node: node.to_owned(),
        id: id.to_owned(),
    }
}

/// Why there can be no lab here.
fn missing() -> Option<String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Some("needs root, to give each node namespaces of its own".into());
    }
    let programs = ["slurmctld", "slurmd", "sbatch", "munged", "unshare"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |program: &&str| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    let lacking = programs.iter().find(|program| !has(program));
    lacking.map(|program| format!("there is no {program}"))
}

/// The first of some in a row that nobody listens at. Tests beside each other begin to
/// look at different places.
fn free_ports() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 100).expect("below 100") * 10;
    for _ in 0..1000 {
        let place = (begin + TAKEN.fetch_add(1, Ordering::Relaxed)) % 1000;
        let first = FIRST_PORT + place * PORTS;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..=first + NODES).all(free) {
            return first;
        }
    }
    panic!("no ports are free");
}
