//! The numbered scripts of `examples/scripts`: a development environment that
//! sets itself up, twice, is looked at, and is taken away again.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder for the environment, and a store.
struct World(TempDir);

impl World {
    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    /// Runs a sequence; its exit code, and its result where it has one.
    fn seq(&self, args: &[&str]) -> (Option<i32>, Value, String) {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts");
        let done = Command::new(env!("CARGO_BIN_EXE_quintet"))
            .arg("seq")
            .args(args)
            .args(["--pass-thru", "--var"])
            .arg(format!("Root={}", self.path("env").display()))
            .current_dir(example)
            .env("HOME", self.0.path())
            .env("QUINTET_STATE_DIR", self.path("state"))
            .env_remove("GITHUB_ACTIONS")
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let result = serde_json::from_slice(&done.stdout).unwrap_or_default();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.code(), result, told)
    }

    fn commits(&self) -> usize {
        let project = self.path("env/project");
        let git = Command::new("git")
            .args(["rev-list", "--count", "HEAD"])
            .current_dir(project)
            .output();
        let text = String::from_utf8(git.expect("git runs").stdout).expect("text");
        text.trim().parse().unwrap_or(0)
    }
}

fn world() -> World {
    World(TempDir::new().expect("a folder"))
}

fn outcome<'r>(result: &'r Value, id: &str) -> &'r str {
    let steps = result["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["id"] == id);
    step.and_then(|step| step["outcome"].as_str())
        .unwrap_or("not there")
}

#[test]
fn the_environment_sets_itself_up_and_a_second_time_changes_nothing() {
    let world = world();
    let (code, result, told) = world.seq(&["--profile", "Developer"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(result["failed"], 0);
    assert_eq!(result["completed"], 11);
    assert_eq!(world.commits(), 1);
    assert!(world.path("env/project/.git/hooks/pre-commit").is_file());
    let editor =
        fs::read_to_string(world.path("env/project/.editorconfig")).expect("it is written");
    assert!(
        editor.contains("indent_size = 2"),
        "the profile's variable: {editor}"
    );
    let (code, ..) = world.seq(&["--profile", "Developer"]);
    assert_eq!(code, Some(0));
    assert_eq!(world.commits(), 1, "the second run committed something");
    // It is not taken away by chance, and is where it is wanted.
    let (code, result, _) = world.seq(&["9000"]);
    assert_eq!(
        (code, outcome(&result, "9000_Remove-Environment")),
        (Some(0), "skipped")
    );
    let (code, ..) = world.seq(&["9000", "--variables", "@{ Really = $true }"]);
    assert_eq!(code, Some(0));
    assert!(!world.path("env").exists());
}

/// A32. A38. A39.
#[test]
fn the_playbook_sets_it_up_stage_by_stage_and_its_profiles_change_it() {
    let world = world();
    let (code, result, told) = world.seq(&["--load-playbook", "setup"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("Setting up: Set up by a playbook"), "{told}");
    assert!(told.contains("The environment is ready"), "{told}");
    assert_eq!(outcome(&result, "hooks/0220_Install-Hooks"), "skipped");
    assert_eq!(outcome(&result, "checks/0400_Run-Tests"), "succeeded");
    let (code, result, told) =
        world.seq(&["--load-playbook", "setup", "--playbook-profile", "full"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(outcome(&result, "hooks/0220_Install-Hooks"), "succeeded");
    let (code, result, _) = world.seq(&["--load-playbook", "setup", "--playbook-profile", "quick"]);
    assert_eq!(code, Some(0));
    assert_eq!(outcome(&result, "checks/0400_Run-Tests"), "not there");
}

/// A41.
#[test]
fn the_playbook_that_looks_finds_what_is_wrong() {
    let world = world();
    assert_eq!(world.seq(&["--load-playbook", "setup"]).0, Some(0));
    assert_eq!(world.seq(&["-LoadPlaybook", "verify"]).0, Some(0));
    let library = world.path("env/project/src/words.py");
    let text = fs::read_to_string(&library).expect("it is there");
    fs::write(&library, text.replace("+ 1", "+ 2")).expect("it is spoilt");
    let (code, result, told) = world.seq(&["-LoadPlaybook", "verify"]);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(outcome(&result, "sequence/0400_Run-Tests"), "failed");
}
