//! The checks of `examples/checks`: a Python project whose checks are broken in
//! every way there is and mended again, by the tools that such projects really use.
//!
//! uv and ruff come from the package index that pip is set up for, and stay where
//! cargo keeps what tests leave, so that only the first time takes long. Where they
//! cannot be had, these tests say so and do nothing.

#![cfg(unix)]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use quintet::load::Request;
use serde_json::Value;
use tempfile::TempDir;

/// In seconds: longer than the tools take to be installed over a slow line.
const TIMEOUT: &str = "600";

/// What the example says where no package index answers.
const NO_INDEX: &str = "pip cannot install uv and ruff: is the package index reachable?";

/// The version that the example asks for where it can.
const PYTHON: (u32, u32) = (3, 12);

/// The project as a fresh clone of it would be, with a memory of its own. There is
/// one folder for it, which belongs to one test at a time.
struct Project {
    root: PathBuf,
    home: TempDir,
    _alone: File,
}

/// What a run of checks came to.
struct Checked {
    code: Option<i32>,
    events: Vec<Value>,
    results: Value,
    told: String,
}

impl Project {
    /// Sets the project up; nothing, where its tools are not to be had here.
    fn new(test: &str) -> Option<Project> {
        let Some(python) = python() else {
            support::skip(test, "there is no python3 that makes environments");
            return None;
        };
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example-checks");
        fs::create_dir_all(&place).expect("a folder");
        let alone = File::create(place.join("lock")).expect("a file");
        alone.lock().expect("it is ours sooner or later");
        let project = Project {
            root: place.join("tally"),
            home: TempDir::new().expect("a folder"),
            _alone: alone,
        };
        project.begin_anew();
        let done = Command::new(example().join("setup.sh"))
            .arg(&project.root)
            .arg(python)
            .output();
        let done = done.expect("it runs");
        assert!(done.status.success(), "{done:?}");
        let tools = project.check(&["UV installation"]);
        if tools.status("UV installation") == "warning" {
            assert!(tools.told.contains(NO_INDEX), "{}", tools.told);
            support::skip(test, NO_INDEX);
            return None;
        }
        Some(project)
    }

    /// Takes away what the test before has left, but for the tools.
    fn begin_anew(&self) {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return;
        };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.ends_with("tools") || path.ends_with(".cache") {
                continue;
            }
            let removed = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            removed.expect("it is removed");
        }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).expect("it is there")
    }

    fn edit(&self, relative: &str, from: &str, to: &str) {
        let text = self.read(relative);
        assert!(text.contains(from), "{relative} lacks {from:?}: {text}");
        fs::write(self.path(relative), text.replace(from, to)).expect("it is edited");
    }

    /// Calls a program in the project's folder, and waits for it, but not for ever.
    fn call(&self, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        for settings in SETTINGS {
            command.env_remove(settings);
        }
        let done = command
            .arg(TIMEOUT)
            .arg(program)
            .args(args)
            .current_dir(&self.root)
            .env("QUINTET_STATE_DIR", self.home.path().join("state"))
            .stdin(Stdio::null())
            .output();
        done.expect("it runs")
    }

    /// What a developer types in.
    fn sh(&self, line: &str) {
        let done = self.call("sh", &["-c", line]);
        assert!(done.status.success(), "{line}: {done:?}");
    }

    /// `quintet check` with these arguments.
    fn check(&self, args: &[&str]) -> Checked {
        let line = [&["check", "--json"], args].concat();
        let done = self.call(env!("CARGO_BIN_EXE_quintet"), &line);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        let stdout = String::from_utf8(done.stdout).expect("text");
        let lines = stdout.lines().map(serde_json::from_str);
        let lines = lines.collect::<Result<Vec<Value>, _>>();
        let mut events = lines.unwrap_or_else(|error| panic!("{error}: {stdout}{told}"));
        Checked {
            code: done.status.code(),
            results: events.pop().unwrap_or_else(|| panic!("no results: {told}")),
            events,
            told,
        }
    }

    /// The line that the README has for this occasion.
    fn check_for(&self, occasion: &str) -> Checked {
        let readme = fs::read_to_string(example().join("README.md")).expect("a text");
        let row = format!("| {occasion} | `quintet check");
        let after = readme
            .split(&row)
            .nth(1)
            .and_then(|rest| rest.split('`').next());
        let line = after.unwrap_or_else(|| panic!("the README has no line for {occasion:?}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        self.check(&words)
    }

    /// All that is in the project's folder, with whatever would tell of a change.
    fn tree(&self) -> BTreeMap<PathBuf, (u64, u64, i64, i64)> {
        let mut tree = BTreeMap::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let meta = path.symlink_metadata().expect("it is there");
                let found = (meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec());
                if meta.is_dir() {
                    folders.push(path.clone());
                }
                tree.insert(path, found);
            }
        }
        tree
    }
}

/// What would change how checks are run, or which environment uv works on.
const SETTINGS: [&str; 9] = [
    "AUTO_REMEDIATE",
    "DRY_RUN",
    "INTERACTIVE",
    "PERSIST_CONFIG",
    "FAST_MODE",
    "SKIP_TESTS",
    "LOG_REMEDIATION",
    "GITHUB_ACTIONS",
    "VIRTUAL_ENV",
];

impl Checked {
    /// How the checks ended, in their order.
    fn statuses(&self) -> Vec<(&str, &str)> {
        let checks = self.results["checks"].as_array().expect("checks");
        let mut all = Vec::new();
        for check in checks {
            let text = |key: &str| check[key].as_str().expect("a text");
            all.push((text("name"), text("status")));
        }
        all
    }

    /// How the check of this name ended.
    #[track_caller]
    fn status(&self, name: &str) -> &str {
        let all = self.statuses();
        let found = all.iter().find(|(check, _)| *check == name);
        found
            .unwrap_or_else(|| panic!("no check {name}: {}", self.told))
            .1
    }

    /// The names of those that ended so.
    fn that_are(&self, status: &str) -> Vec<&str> {
        let all = self.statuses().into_iter();
        all.filter_map(|(name, is)| (is == status).then_some(name))
            .collect()
    }

    /// Ids of the steps that were begun.
    fn started(&self) -> Vec<&str> {
        let started = self.events.iter().filter(|e| e["type"] == "step_started");
        started
            .filter_map(|event| event["step_id"].as_str())
            .collect()
    }

    #[track_caller]
    fn ended_with(self, code: i32) -> Checked {
        assert_eq!(self.code, Some(code), "{}", self.told);
        self
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/checks")
}

/// The version to ask for: that of the example, or what this machine has, if that
/// is older; nothing, where its python3 makes no environments.
fn python() -> Option<String> {
    let script = "import ensurepip, sys; print(*sys.version_info[:2])";
    let done = Command::new("python3").args(["-c", script]).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    let (major, minor) = PYTHON.min((numbers.next()??, numbers.next()??));
    Some(format!("{major}.{minor}"))
}

/// E1. E2. E3. E5. E7. E23. E24: each line of the recommended workflows.
#[test]
fn the_recommended_workflows_do_what_they_are_for() {
    let Some(project) = Project::new("workflows") else {
        return;
    };
    let clone = project.check_for("First clone").ended_with(0);
    let mended = ["Lockfile sync", "Virtual environment", "Dependency sync"];
    assert_eq!(clone.that_are("remediated"), mended, "{}", clone.told);
    assert!(clone.told.contains("0 failed"), "{}", clone.told);
    assert!(clone.told.contains("3 remediated"), "{}", clone.told);
    assert_eq!(clone.status("Tests"), "passed");
    if !cfg!(target_os = "macos") {
        assert_eq!(clone.status("macOS setup"), "skipped");
        assert!(clone.told.contains("macOS setup (not on macOS)"));
    }

    let often = project.check_for("During development").ended_with(0);
    assert_eq!(often.that_are("left_out"), ["Quality checks", "Tests"]);
    assert_eq!(often.that_are("fresh").len(), 5, "{}", often.told);

    project.edit(
        "pyproject.toml",
        "    \"inflection",
        "    \"tabulate>=0.9\",\n    \"inflection",
    );
    let added = project.check_for("After adding a dependency").ended_with(0);
    let mended = ["Lockfile sync", "Dependency sync"];
    assert_eq!(added.that_are("remediated"), mended, "{}", added.told);
    assert_eq!(added.status("Virtual environment"), "fresh");
    project.sh(".venv/bin/python -c 'import tabulate'");

    let commit = project.check_for("Before commit").ended_with(0);
    assert_eq!(commit.that_are("fresh").len(), 6, "{}", commit.told);

    let request = project.check_for("Before pull request").ended_with(0);
    assert_eq!(request.that_are("passed").len(), 7, "{}", request.told);
}

/// E6.
#[test]
fn e6_a_success_counts_for_as_long_as_the_document_says() {
    let file = example().join("project/checks.toml");
    let request = Request {
        cwd: "/".into(),
        ..Request::default()
    };
    let loaded = quintet::load::checks::load(&file, &request);
    let plan = loaded
        .map_err(|refusal| refusal.problems)
        .expect("it is sound")
        .plan;
    let ttl = |name: &str| {
        let step = plan
            .steps
            .iter()
            .find(|step| step.name.as_deref() == Some(name));
        let cache = step.expect("a check").cache.as_ref();
        cache
            .and_then(|cache| cache.ttl)
            .map(|ttl| ttl.as_secs() / 60)
    };
    for (name, minutes) in [
        ("Python version", 60),
        ("UV installation", 60),
        ("Virtual environment", 10),
        ("Lockfile sync", 5),
        ("Dependency sync", 30),
        ("Quality checks", 10),
        ("macOS setup", 60),
    ] {
        assert_eq!(ttl(name), Some(minutes), "{name}");
    }
}

/// E3: what is fresh starts no process, and not one file is touched.
#[test]
fn a_second_fast_run_starts_nothing_and_touches_nothing() {
    let Some(project) = Project::new("a second fast run") else {
        return;
    };
    project.check(&["--fast"]).ended_with(0);
    let before = project.tree();
    assert!(before.len() > 100, "{before:?}");
    let again = project.check(&["--fast"]).ended_with(0);
    // That there is room on the disk is seen without a process.
    assert_eq!(again.started(), ["disk-space"], "{}", again.told);
    assert!(project.tree() == before, "something was touched");
}

/// E7. E10. E34: everything that can be mended is, and is told.
#[test]
fn what_is_broken_is_found_and_mended() {
    let Some(project) = Project::new("breaking and mending") else {
        return;
    };
    project.check(&[]).ended_with(0);
    let broken_by = |line: &str, mended: &[&str]| {
        project.sh(line);
        let checked = project.check(&["--fast"]).ended_with(0);
        assert_eq!(
            checked.that_are("remediated"),
            mended,
            "{line}: {}",
            checked.told
        );
        let said = format!("{} remediated", mended.len());
        assert!(checked.told.contains(&said), "{line}: {}", checked.told);
        let again = project.check(&["--fast"]).ended_with(0);
        assert_eq!(again.that_are("fresh").len(), 6, "{line}: {}", again.told);
    };
    // Nothing else depends on the environment's own file.
    broken_by("rm -r .venv", &["Virtual environment", "Dependency sync"]);
    broken_by(
        "bin/uv pip uninstall --quiet inflection",
        &["Dependency sync"],
    );
    broken_by(
        "sed -i.old s/inflection.=0.5/inflection\\>=0.5.1/ pyproject.toml && rm pyproject.toml.old",
        &["Lockfile sync", "Dependency sync"],
    );
    let formats = project.read("src/tally/formats.py");
    broken_by(
        "echo 'import os' >>src/tally/formats.py",
        &["Quality checks"],
    );
    assert_eq!(project.read("src/tally/formats.py"), formats);
    broken_by("rm tools/bin/uv", &["UV installation"]);
    project.check(&[]).ended_with(0);
}

/// E31: a mistake that no remedy mends is told, and so fails a strict run.
#[test]
fn what_cannot_be_mended_is_told() {
    let Some(project) = Project::new("what cannot be mended") else {
        return;
    };
    project.check(&[]).ended_with(0);
    project.sh("echo 'def later(): return nobody_knows_this' >>src/tally/formats.py");
    let checked = project.check(&["--fast"]).ended_with(0);
    assert_eq!(checked.status("Quality checks"), "warning");
    let told = &checked.told;
    assert!(
        told.contains("Quality checks: exit 1; its remedy failed"),
        "{told}"
    );
    assert!(told.contains("passed with warnings"), "{told}");
    let strict = project.check(&["--fast", "--strict"]).ended_with(1);
    assert_eq!(
        strict.status("Quality checks"),
        "warning",
        "it is not fresh"
    );
}

/// The linter takes away what it thinks nobody needs, and the tests fail without it.
#[test]
fn a_remedy_that_makes_things_worse_is_undone() {
    let Some(project) = Project::new("a remedy that makes things worse") else {
        return;
    };
    project.check(&[]).ended_with(0);
    let text = project.read("src/tally/command.py");
    let (before, rest) = text.split_once("  # noqa").expect("a remark");
    let (_, after) = rest.split_once('\n').expect("a line");
    let text = format!("{before}\n{after}");
    fs::write(project.path("src/tally/command.py"), &text).expect("it is edited");
    let checked = project.check(&[]).ended_with(1);
    assert_eq!(
        checked.status("Quality checks"),
        "undone",
        "{}",
        checked.told
    );
    assert_eq!(checked.status("Tests"), "failed", "{}", checked.told);
    assert!(checked.told.contains("1 undone"), "{}", checked.told);
    assert_eq!(project.read("src/tally/command.py"), text);
}

/// The index is the one that pip was told of; without it, it is said what is missing.
#[test]
fn without_a_package_index_it_is_said_what_is_missing() {
    let Some(project) = Project::new("without an index") else {
        return;
    };
    project.check(&[]).ended_with(0);
    let nobody = "PIP_INDEX_URL=http://127.0.0.1:1/simple";
    let away = |args: &[&str]| {
        let line = [
            &["-u", "UV_DEFAULT_INDEX", "-u", "UV_INDEX_URL", nobody],
            args,
        ]
        .concat();
        project.call("env", &line)
    };
    let locked = away(&["bin/uv", "lock", "--upgrade", "--refresh"]);
    assert!(
        !locked.status.success(),
        "uv asked another index: {locked:?}"
    );
    project.sh("rm tools/bin/uv");
    let done = away(&[env!("CARGO_BIN_EXE_quintet"), "check", "UV installation"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains(NO_INDEX), "{told}");
    assert_eq!(done.status.code(), Some(0), "{told}");
}

/// E13. E11. E12: nothing is done to the project that nobody agreed to.
#[test]
fn without_a_yes_nothing_is_mended() {
    let Some(project) = Project::new("without a yes") else {
        return;
    };
    let before = project.tree();
    let dry = project.call(env!("CARGO_BIN_EXE_quintet"), &["check", "--dry-run"]);
    let said = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(said.contains("would remedy with bin/uv lock"), "{said}");
    assert!(project.tree() == before, "a dry run has changed something");
    for manner in ["--interactive", "--no-remediate"] {
        let checked = project.check(&[manner]).ended_with(1);
        assert_eq!(checked.status("Virtual environment"), "warning");
        assert_eq!(checked.status("Dependency sync"), "failed");
        let declined = checked
            .told
            .contains("declined    Virtual environment (no terminal)");
        assert_eq!(declined, manner == "--interactive", "{}", checked.told);
        assert!(!project.path(".venv").exists() && !project.path("uv.lock").exists());
    }
}
