//! The check-in gate of `examples/checkin-gate`: a plan of another kind, which
//! runs with no change to the engine (P32).
//!
//! What a run did is read from its exit code and the files it left.

#![cfg(unix)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far more than the gate takes: only a hang reaches it.
const BOUND: Duration = Duration::from_secs(120);

const GATE: &str = "examples/checkin-gate/gate.yaml";

/// A copy of the sample tree to spoil, a place for the gate's files, and a store.
struct World {
    dir: TempDir,
}

impl World {
    fn new() -> World {
        let world = World {
            dir: TempDir::new().unwrap(),
        };
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/checkin-gate/sample");
        copy(&sample, &world.path("tree"));
        world
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Writes a file of the tree.
    fn spoil(&self, name: &str, text: &str) {
        fs::write(self.path("tree").join(name), text).unwrap();
    }

    /// Runs the gate over the tree; its exit code and what it said.
    fn gate(&self, verb: &str, more: &[&str]) -> (Option<i32>, String) {
        let said = self.path("said");
        let output = File::create(&said).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_quintet"))
            .args([verb, GATE])
            .args(["--var", &format!("TREE={}", self.path("tree").display())])
            .args(["--var", &format!("OUT={}", self.path("out").display())])
            .args(more)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("HOME", self.dir.path())
            .env("QUINTET_STATE_DIR", self.path("state"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let give_up = Instant::now() + BOUND;
        loop {
            let status = child.try_wait().unwrap();
            let said = String::from_utf8_lossy(&fs::read(&said).unwrap()).into_owned();
            if let Some(status) = status {
                return (status.code(), said);
            }
            if Instant::now() > give_up {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("still running after {BOUND:?}: {said}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    fn run(&self, code: i32, more: &[&str]) {
        let (ended, said) = self.gate("run", more);
        assert_eq!(ended, Some(code), "{said}");
    }

    fn report(&self) -> String {
        fs::read_to_string(self.path("out/report")).unwrap()
    }

    /// The sizes with which the tree was accepted, oldest first.
    fn accepted(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("out/accepted")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// P32.
#[test]
fn p32_the_sample_is_accepted_although_one_check_that_may_fail_has_failed() {
    let world = World::new();

    world.run(0, &[]);

    let report = world.report();
    assert!(
        report.starts_with("verdict: accepted\nfiles: 4\n"),
        "{report}"
    );
    assert!(report.contains("style:\n"), "{report}");
    assert_eq!(world.accepted(), ["lines=18"]);
}

#[test]
fn strict_makes_the_tolerated_failure_count() {
    let world = World::new();
    world.run(1, &["--strict"]);
}

#[test]
fn the_plan_is_valid_and_a_preview_writes_nothing() {
    let world = World::new();
    for verb in ["validate", "plan"] {
        let (code, said) = world.gate(verb, &[]);
        assert_eq!(code, Some(0), "{said}");
    }
    assert!(!world.path("out").exists());
}

#[test]
fn the_fallback_stands_in_only_until_something_was_accepted() {
    let world = World::new();
    world.run(0, &[]);
    world.run(0, &[]);
    assert_eq!(world.accepted(), ["lines=18", "lines=18"]);

    // Had the fallback stood in here, nothing would be known of an earlier size.
    fs::write(world.path("out/accepted"), "lines=5\n").unwrap();
    world.run(1, &[]);
    assert_eq!(world.accepted(), ["lines=5"]);
}

#[test]
fn every_check_has_its_say_and_the_report_is_written_when_the_tree_is_refused() {
    let world = World::new();
    world.spoil("key.txt", "AKIAABCDEFGHIJKLMNOP\n");
    world.spoil("docs/index.md", "See [there](nowhere.md).\n");

    world.run(1, &[]);

    let report = world.report();
    assert!(report.starts_with("verdict: refused\n"), "{report}");
    assert!(report.contains("key.txt\n"), "{report}");
    assert!(report.contains("there is no nowhere.md\n"), "{report}");
    assert!(!report.contains("AKIA"), "{report}");
    assert!(world.accepted().is_empty());
}

#[test]
fn what_depends_on_a_failed_check_is_skipped() {
    let world = World::new();
    world.spoil("greet.sh", "greet() {\n");

    world.run(1, &[]);

    assert!(!world.path("out/findings/tests").exists());
    assert!(world.path("out/findings/links").exists());
}

#[test]
fn a_check_whose_condition_does_not_hold_refuses_nothing() {
    let world = World::new();
    world.spoil("docs/index.md", "See [there](nowhere.md).\n");

    world.run(0, &["--var", "LINKS=skip"]);

    assert!(!world.path("out/findings/links").exists());
    assert_eq!(world.accepted().len(), 1);
}

#[test]
fn the_report_is_written_even_if_there_is_nothing_to_check() {
    let world = World::new();
    fs::remove_dir_all(world.path("tree")).unwrap();

    world.run(1, &[]);

    assert!(
        world
            .report()
            .starts_with("verdict: refused\nfiles: unknown\n")
    );
}
