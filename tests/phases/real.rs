//! Real trees: the `index.json` files of three states of an installation system,
//! with stubs for all files beside them. They lie beside the checkout and are no
//! part of it; without them these tests say so and pass.
//!
//! Nothing of these runs here: the real ones say where to write logs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Tree;
use crate::support::skip;

/// The tree of a state, as stubs.
fn real(state: &str) -> Option<Tree> {
    let inputs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/inputs/homerchy");
    let from = inputs.join(state);
    let Ok(files) = fs::read_to_string(from.join("files.txt")) else {
        skip(
            "real trees of phases",
            "their index.json files are not here",
        );
        return None;
    };
    let mut tree = Tree::new();
    for file in files.lines().filter(|line| !line.is_empty()) {
        let text = fs::read_to_string(from.join(file)).unwrap_or_else(|_| stub(file).into());
        tree = tree.file(&format!("{state}/{file}"), &text);
    }
    Some(tree)
}

fn stub(file: &str) -> &'static str {
    match Path::new(file).extension().and_then(|e| e.to_str()) {
        Some("py") => "def main(config):\n    return {'success': True}\n",
        _ => "exit 0\n",
    }
}

/// H31. H3. H7.
#[test]
fn h31_the_full_tree_previews_to_its_71_nodes() {
    let Some(tree) = real("full") else { return };
    let plan = tree
        .0
        .quintet(&["plan", "full/install", "--json", "--quiet"])
        .run()
        .json();
    let steps = plan["steps"].as_array().expect("steps");
    let ids: Vec<&str> = steps
        .iter()
        .map(|step| step["step_id"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids.len(), 71);
    // One after the other, each phase after its last child.
    assert_eq!(plan["totals"]["layers"], 71);
    let phases: Vec<&str> = ids.iter().copied().filter(|id| !id.contains('/')).collect();
    assert_eq!(
        phases,
        [
            "preflight",
            "packaging",
            "config",
            "login",
            "post-install",
            "first-run"
        ]
    );
    let depths = |depth: usize| {
        ids.iter()
            .filter(|id| id.matches('/').count() == depth)
            .count()
    };
    assert_eq!([depths(0), depths(1), depths(2), depths(3)], [6, 50, 15, 0]);
    let at = |id: &str| {
        ids.iter()
            .position(|known| *known == id)
            .expect("it is there")
    };
    assert_eq!(at("preflight/guard"), 0);
    assert_eq!(at("first-run"), 70);
    assert_eq!(at("config/config"), at("packaging") + 1);
    assert_eq!(
        at("config/hardware/network"),
        at("config/sudoless-asdcontrol") + 1
    );
    assert_eq!(at("config/hardware"), at("config/hardware/intel") + 1);
    let said = tree.0.quintet(&["validate", "full/install"]);
    said.stderr_has("install/config/config.py is called like its own phase")
        .run();
}

/// H33.
#[test]
fn h33_a_real_file_of_packages_is_no_phase() {
    let Some(tree) = real("full") else { return };
    let said = tree.0.quintet(&["validate", "full"]).status(2);
    said.stderr_has("full/prebuild/index.json:1:1")
        .stderr_has("this is no phase's index.json, and no phase names it")
        .stderr_has("a tree of phases begins in \"full/install\"")
        .run();
    let said = tree.0.quintet(&["validate", "full/prebuild"]).status(2);
    said.stderr_has("the key \"metadata\" and \"children\" is missing")
        .run();
}

/// H5. A tree of which most is left out.
#[test]
fn the_partial_tree_is_sound() {
    let Some(tree) = real("partial") else { return };
    assert_eq!(
        tree.planned(&["partial/install"]),
        ["display-test/display-test", "display-test"]
    );
}

/// H24. All that is damaged, in one pass. Which files are, is found out by
/// another reader of JSON.
#[test]
fn h24_every_damaged_file_of_the_broken_tree_is_reported() {
    let Some(tree) = real("broken") else { return };
    let work = tree.0.path("work");
    let mut damaged = Vec::new();
    let mut dirs = vec![work.join("broken")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.ends_with("index.json") {
                let text = fs::read(&path).expect("a text");
                if serde_json::from_slice::<serde_json::Value>(&text).is_err() {
                    let below = path.strip_prefix(&work).expect("it is below");
                    damaged.push(below.display().to_string());
                }
            }
        }
    }
    damaged.sort();
    assert!(!damaged.is_empty());
    let said = tree
        .0
        .quintet(&["validate", "broken", "--json"])
        .status(2)
        .run()
        .json();
    let problems = said.as_array().expect("a list").iter();
    let mut told: Vec<&str> = problems
        .filter(|one| {
            one["message"]
                .as_str()
                .is_some_and(|m| m.starts_with("invalid JSON"))
        })
        .filter_map(|one| one["file"].as_str())
        .collect();
    told.sort_unstable();
    assert_eq!(told, damaged);
    // Shown to people too, every one with what would mend it.
    let shown = tree
        .0
        .quintet(&["validate", "broken"])
        .status(2)
        .run()
        .stderr;
    for file in &damaged {
        assert!(shown.contains(&format!("--> {file}:")), "{file}: {shown}");
    }
    assert_eq!(
        shown.matches("the file would be valid").count(),
        damaged.len()
    );
    tree.0
        .quintet(&["run", "broken/deployment/install"])
        .status(2)
        .run();
}
