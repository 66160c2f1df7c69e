//! Which part of a tree runs, and what is said of a tree that cannot.

use crate::Tree;

fn nested() -> Tree {
    Tree::new()
        .level("t", "first config", "")
        .level("t/config", "theme hardware", "")
        .level("t/config/hardware", "usb", "")
        .program("t/first.sh", "")
        .program("t/config/theme.sh", "")
        .program("t/config/hardware/usb.sh", "")
}

/// H22.
#[test]
fn h22_one_phase_alone() {
    let tree = nested();
    let only = |args: &[&str]| tree.planned(&[&["t"], args].concat());
    let config = [
        "config/theme",
        "config/hardware/usb",
        "config/hardware",
        "config",
    ];
    assert_eq!(only(&["--phase", "config"]), config);
    assert_eq!(only(&["path:config"]), config);
    assert_eq!(only(&["--phase", "config/hardware"]), config[1..3]);
    tree.0
        .quintet(&["run", "t", "--phase", "config/hardware"])
        .run();
    assert_eq!(tree.ran(), "config/hardware/usb");
    let wrong = tree.0.quintet(&["run", "t", "--phase", "confg"]).status(2);
    wrong.stderr_has("config").run();
}

/// H2. H23. A nested directory is a root of its own, and the directory where one
/// is needs no name.
#[test]
fn h23_a_nested_directory_runs_by_itself() {
    let tree = nested();
    tree.0.quintet(&["run", "t/config"]).run();
    assert_eq!(tree.ran(), "theme hardware/usb");
    let mut here = tree.0.quintet(&["run"]).command();
    let done = here
        .current_dir(tree.0.path("work/t/config/hardware"))
        .output();
    assert!(done.expect("it ran").status.success());
    assert_eq!(tree.ran(), "theme hardware/usb usb");
    assert_eq!(
        tree.planned(&["t/config/index.json"]),
        ["theme", "hardware/usb", "hardware"]
    );
}

/// H24. H30. Every damaged file in one pass, and nothing runs.
#[test]
fn h24_validate_names_every_damaged_file_and_what_would_mend_it() {
    let tree = Tree::new()
        .level("t", "first p q", "")
        .program("t/first.sh", "")
        .file(
            "t/p/index.json",
            "{\n  \"metadata\": {\n    \"name: of p\n  },\n  \"children\": []\n}\n",
        )
        .file(
            "t/q/index.json",
            "{\n  \"metadata\": {},\n  \"children\": [],\n}\n",
        );
    for verb in ["validate", "run", "plan"] {
        let call = tree.0.quintet(&[verb, "t"]).status(2);
        call.stderr_has("t/p/index.json:3:5")
            .stderr_has("write \"name\": \"of p\"")
            .stderr_has("t/q/index.json:3:17")
            .stderr_has("write \"children\": []")
            .run();
    }
    assert_eq!(tree.ran(), "");
    let said = tree
        .0
        .quintet(&["validate", "t", "--json"])
        .status(2)
        .run()
        .json();
    let files: Vec<&str> = said
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["file"].as_str())
        .collect();
    assert_eq!(files, ["t/p/index.json", "t/q/index.json"]);
}

/// H31.
#[test]
fn h31_a_preview_shows_the_tree_and_runs_nothing() {
    let tree = nested();
    let all = [
        "first",
        "config/theme",
        "config/hardware/usb",
        "config/hardware",
        "config",
    ];
    assert_eq!(tree.planned(&["t"]), all);
    tree.0
        .quintet(&["run", "t", "--dry-run"])
        .stdout_has("config/hardware/usb")
        .run();
    assert_eq!(tree.ran(), "");
}
