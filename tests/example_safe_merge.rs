//! The safe merge of `examples/safe-merge`, run as its users run it: the real
//! program, the real plan, real repositories in a directory of the test's own.
//!
//! What a run did is read from the repositories and the files it left, never
//! from what it says about itself.

#![cfg(unix)]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far more than any of these commands takes: only a hang reaches it.
const BOUND: Duration = Duration::from_secs(120);

/// How a command ended, and what it said.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    #[track_caller]
    fn with(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// A command that runs. Its output goes to files, so it never waits for a reader.
struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    #[track_caller]
    fn end(mut self) -> Ended {
        let give_up = Instant::now() + BOUND;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                break Some(status);
            }
            if Instant::now() > give_up {
                self.child.kill().expect("the child can be killed");
                self.child.wait().expect("the child can be waited for");
                break None;
            }
            thread::sleep(Duration::from_millis(10));
        };
        let ended = Ended {
            code: status.and_then(|status| status.code()),
            stdout: String::from_utf8_lossy(&fs::read(&self.stdout).unwrap()).into_owned(),
            stderr: String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned(),
        };
        assert!(
            status.is_some(),
            "still running after {BOUND:?}: {ended:#?}"
        );
        ended
    }
}

/// A directory with `remote.git`, the clones `alice` and `bob`, and a store of its own.
struct World {
    dir: TempDir,
}

impl World {
    /// Sets one of the example's cases up.
    #[track_caller]
    fn new(case: &str) -> World {
        let world = World {
            dir: TempDir::new().unwrap(),
        };
        let setup = format!(
            "{}/examples/safe-merge/setup.sh",
            env!("CARGO_MANIFEST_DIR")
        );
        let dir = world.dir.path().to_str().unwrap().to_owned();
        world.start("sh", &[&setup, &dir, case]).end().with(0);
        world
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Starts a program in the package's directory, with no settings of the user's.
    fn start(&self, program: &str, args: &[&str]) -> Running {
        let logs = TempDir::new_in(self.dir.path()).unwrap().keep();
        let (stdout, stderr) = (logs.join("stdout"), logs.join("stderr"));
        let child = Command::new(program)
            .args(args)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("QUINTET_STATE_DIR", self.path("state"))
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        Running {
            child,
            stdout,
            stderr,
        }
    }

    fn quintet(&self, args: &[&str]) -> Running {
        self.start(env!("CARGO_BIN_EXE_quintet"), args)
    }

    /// Starts the safe merge of `feature` in a clone.
    fn merge_in(&self, clone: &str) -> Running {
        let work = format!("WORK={}", self.path(clone).display());
        self.quintet(&["run", PLAN, "--var", "BRANCH=feature", "--var", &work])
    }

    #[track_caller]
    fn git(&self, repository: &str, args: &[&str]) -> String {
        let at = self.path(repository);
        let mut all = vec!["-C", at.to_str().unwrap()];
        all.extend(args);
        self.start("git", &all).end().with(0).stdout
    }

    /// The remote's refs.
    fn remote(&self) -> String {
        self.git("remote.git", &["for-each-ref"])
    }

    /// All that a rolled back run has to leave as it was in Alice's clone.
    fn alice(&self) -> String {
        let mut all = self.git("alice", &["rev-parse", "--symbolic-full-name", "HEAD"]);
        all += &self.git("alice", &["rev-parse", "HEAD"]);
        all += &self.git("alice", &["status", "--porcelain", "--untracked-files=all"]);
        all += &self.git("alice", &["for-each-ref", "refs/heads"]);
        for file in ["alice/.git/MERGE_HEAD", "alice/vendor/parser lib/.git"] {
            all += &format!("{file}: {}\n", self.path(file).exists());
        }
        all
    }

    fn events(&self) -> PathBuf {
        self.path("alice/.git/safe-merge/events.jsonl")
    }

    /// Writes a hook for Alice's clone. It starts at the top of the work tree.
    fn hook(&self, name: &str, script: &str) {
        let hooks = self.path("alice/.git/hooks");
        fs::create_dir_all(&hooks).unwrap();
        let free = "unset $(git rev-parse --local-env-vars)";
        write_program(&hooks.join(name), &format!("{free}\n{script}"));
    }
}

fn write_program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

const PLAN: &str = "examples/safe-merge/plan.json";

#[track_caller]
fn wait_for(path: &Path) {
    let give_up = Instant::now() + BOUND;
    while !path.exists() {
        assert!(Instant::now() < give_up, "{} never came", path.display());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_clean_case_is_merged_pushed_and_recorded() {
    let world = World::new("clean");
    let main = world.git("remote.git", &["rev-parse", "main"]);
    let feature = world.git("remote.git", &["rev-parse", "feature"]);

    world.merge_in("alice").end().with(0);

    let pushed = world.git("remote.git", &["rev-parse", "main"]);
    let parents = world.git("remote.git", &["log", "-1", "--format=%P", "main"]);
    assert_eq!(
        parents.trim(),
        format!("{} {}", main.trim(), feature.trim())
    );
    assert_eq!(world.git("alice", &["rev-parse", "HEAD"]), pushed);

    let events = fs::read_to_string(world.events()).unwrap();
    assert_eq!(events.lines().count(), 1);
    let event: serde_json::Value = serde_json::from_str(&events).unwrap();
    assert_eq!(event["branch"], "feature");
    assert_eq!(event["commit"], pushed.trim());

    // The stray repository is a plain directory now, and nothing of it is lost.
    assert!(!world.path("alice/vendor/parser lib/.git").exists());
    assert!(world.path("alice/vendor/parser lib/README").exists());
}

/// P13.
#[test]
fn p13_a_failed_merge_lets_the_resolver_run_and_the_later_timestamp_is_pushed() {
    let world = World::new("timestamp");

    world.merge_in("alice").end().with(0);

    let stamp = world.git("remote.git", &["show", "main:stamps/built at.stamp"]);
    assert_eq!(stamp, "2025-01-03\n");
    let message = world.git("remote.git", &["log", "-1", "--format=%B", "main"]);
    assert_eq!(message.trim(), "Merge branch 'feature' into main");
    assert!(world.events().exists());
}

/// P31.
#[test]
fn p31_the_conflict_case_fails_pushes_nothing_and_leaves_the_clone_as_it_was() {
    let world = World::new("conflict");
    let (remote, alice) = (world.remote(), world.alice());

    world.merge_in("alice").end().with(1);

    assert_eq!(world.remote(), remote);
    assert_eq!(world.alice(), alice);
    assert!(alice.contains("parser lib/.git: true"), "{alice}");
    assert!(!world.events().exists());
}

/// P31.
#[test]
fn p31_the_plan_is_valid_and_a_preview_starts_nothing() {
    let world = World::new("clean");
    let (remote, alice) = (world.remote(), world.alice());
    let work = format!("WORK={}", world.path("alice").display());
    let vars = ["--var", "BRANCH=feature", "--var", &work];

    for verb in [
        &["validate", PLAN][..],
        &["plan", PLAN],
        &["run", "--dry-run", PLAN],
    ] {
        world.quintet(&[verb, &vars].concat()).end().with(0);
    }

    assert_eq!(world.remote(), remote);
    assert_eq!(world.alice(), alice);
    let left = fs::read_dir(world.path("alice/.git/safe-merge")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["sync.log"]);
}

#[test]
fn without_a_branch_or_with_one_that_looks_like_an_option_nothing_runs() {
    let world = World::new("clean");
    let alice = world.alice();

    let ended = world.quintet(&["run", PLAN]).end().with(2);
    assert!(ended.stderr.contains("BRANCH"), "{ended:#?}");
    let ended = world
        .quintet(&["run", PLAN, "--var", "BRANCH=--force"])
        .end()
        .with(2);
    assert!(ended.stderr.contains("BRANCH"), "{ended:#?}");

    assert_eq!(world.alice(), alice);
}

#[test]
fn a_remote_that_answers_only_the_third_time_is_asked_three_times() {
    let world = World::new("clean");
    let (tries, flaky) = (world.path("tries"), world.path("flaky"));
    write_program(
        &flaky,
        &format!(
            "echo >>'{0}'; [ $(wc -l <'{0}') -ge 3 ] && exec git-upload-pack \"$@\"",
            tries.display()
        ),
    );
    let flaky = flaky.to_str().unwrap();
    world.git("alice", &["config", "remote.origin.uploadpack", flaky]);

    world.merge_in("alice").end().with(0);

    // Three for the fetch, and one for the look before the push.
    assert_eq!(fs::read_to_string(tries).unwrap().lines().count(), 4);
}

#[test]
fn a_remote_that_moves_after_the_merge_is_not_pushed_over() {
    let world = World::new("clean");
    let alice = world.alice();
    world.hook(
        "post-merge",
        "git -C ../bob commit -q --allow-empty -m quicker && git -C ../bob push -q origin main",
    );

    world.merge_in("alice").end().with(1);

    let last = world.git("remote.git", &["log", "-1", "--format=%s", "main"]);
    assert_eq!(last, "quicker\n");
    assert_eq!(world.alice(), alice);
    assert!(!world.events().exists());
}

#[test]
fn a_commit_of_somebody_else_is_not_undone_and_a_person_is_needed() {
    let world = World::new("clean");
    let remote = world.remote();
    world.hook(
        "pre-push",
        "git commit -q --allow-empty -m precious; exit 1",
    );

    world.merge_in("alice").end().with(3);

    assert_eq!(world.remote(), remote);
    let last = world.git("alice", &["log", "-1", "--format=%s"]);
    assert_eq!(last, "precious\n");
}

/// P35.
#[test]
fn p35_two_safe_merges_of_one_branch_do_not_overlap() {
    let world = World::new("clean");
    world.hook(
        "pre-push",
        "touch ../pushing; n=0; until [ -e ../go ] || [ $n -eq 600 ]; do sleep 0.1; n=$((n+1)); done",
    );
    let bob = world.git("bob", &["rev-parse", "HEAD"]);

    let first = world.merge_in("alice");
    wait_for(&world.path("pushing"));
    let refused = world.merge_in("bob").end();
    File::create(world.path("go")).unwrap();
    let first = first.end();

    refused.with(75);
    assert_eq!(world.git("bob", &["rev-parse", "HEAD"]), bob);
    first.with(0);
    // Nobody has to unlock anything.
    world.merge_in("bob").end().with(0);
}

#[test]
fn sync_errors_of_late_stop_the_merge_before_it_touches_anything() {
    let world = World::new("clean");
    let (remote, alice) = (world.remote(), world.alice());
    let now = world
        .start("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"])
        .end()
        .stdout;
    let mut log = File::options()
        .append(true)
        .open(world.path("alice/.git/safe-merge/sync.log"))
        .unwrap();
    for _ in 0..6 {
        writeln!(log, "{} ERROR the disk is full", now.trim()).unwrap();
    }

    world.merge_in("alice").end().with(1);

    assert_eq!(world.remote(), remote);
    assert_eq!(world.alice(), alice);
    assert!(world.path("alice/vendor/parser lib/.git").exists());
}

#[test]
fn names_with_spaces_quotes_globs_and_line_breaks_are_only_names() {
    const NAME: &str = "a*\nb \"c\".stamp";
    let world = World::new("timestamp");
    for (branch, text) in [("main", "early\n"), ("feature", "late\n")] {
        world.git("bob", &["checkout", "-q", branch]);
        fs::write(world.path("bob").join(NAME), text).unwrap();
        world.git("bob", &["add", "--all"]);
        world.git("bob", &["commit", "-q", "-m", text]);
        world.git("bob", &["push", "-q", "origin", branch]);
        // Commit times count in seconds; the later one must be later.
        thread::sleep(Duration::from_millis(1100));
    }
    world.git("bob", &["checkout", "-q", "main"]);
    let stray = world.path("alice").join("vendor/odd\nname\n");
    fs::create_dir_all(stray.join(".git")).unwrap();

    world.merge_in("alice").end().with(0);

    let merged = world.git("remote.git", &["show", &format!("main:{NAME}")]);
    assert_eq!(merged, "late\n");
    assert!(!stray.join(".git").exists());
}
