//! What becomes of a tree's run when parts of it fail.

use crate::Tree;

/// Three phases, of which the middle one has a program that fails.
fn failing(handling: &str) -> Tree {
    Tree::new()
        .level("t", "before middle later", handling)
        .level("t/middle", "a b c", "")
        .program("t/before.sh", "")
        .program("t/middle/a.sh", "")
        .program("t/middle/b.sh", "echo out of disk >&2; exit 3")
        .program("t/middle/c.sh", "")
        .program("t/later.sh", "")
}

/// H9. H15. H30. A failure stops its level, its phase has not succeeded, and so
/// on up to the run.
#[test]
fn h15_a_failure_stops_later_siblings_and_fails_the_run() {
    let tree = failing("");
    let run = tree.0.quintet(&["run", "t"]).status(1);
    run.stderr_has("middle/b").stderr_has("out of disk").run();
    assert_eq!(tree.ran(), "before middle/a middle/b");
    assert_eq!(tree.state("middle/b"), "failed");
    for later in ["middle/c", "middle", "later"] {
        assert_eq!(tree.state(later), "skipped", "{later}");
    }
}

/// H16. A failure within a tolerated phase stops that phase, and nothing else.
#[test]
fn h16_a_tolerated_failure_is_a_warning_and_strict_makes_it_a_failure() {
    let tolerant = r#", "execution": {"error_handling": {"middle": {"continue_on_error": true}}}"#;
    let tree = failing(tolerant);
    tree.0.quintet(&["run", "t"]).run();
    assert_eq!(tree.ran(), "before middle/a middle/b later");
    assert_eq!(tree.state("middle/b"), "failed");
    assert_eq!(tree.state("middle/c"), "skipped");
    assert_eq!(tree.state("later"), "succeeded");
    tree.0.quintet(&["run", "t", "--strict"]).status(1).run();
}

/// H17. H4.
#[test]
fn h17_a_levels_own_word_holds_for_all_its_children_but_those_that_say_otherwise() {
    let more = r#", "execution": {"continue_on_error": true,
        "error_handling": {"c": {"continue_on_error": false}}}"#;
    let tree = Tree::new()
        .level("t", "p z", "")
        .level("t/p", "a b c d", more)
        .program("t/p/a.sh", "exit 1")
        .program("t/p/b.sh", "")
        .program("t/p/c.sh", "exit 1")
        .program("t/p/d.sh", "")
        .program("t/z.sh", "");
    tree.0.quintet(&["run", "t"]).status(1).run();
    assert_eq!(tree.ran(), "p/a p/b p/c");
}

/// H5.
#[test]
fn h5_a_phase_that_is_switched_off_is_skipped_and_recorded() {
    let more = r#", "phases": {"p": {"enabled": false}}"#;
    let tree = Tree::new()
        .level("t", "p z", more)
        .level("t/p", "a", "")
        .program("t/p/a.sh", "")
        .program("t/z.sh", "");
    tree.0.quintet(&["run", "t"]).run();
    assert_eq!(tree.ran(), "z");
    for skipped in ["p", "p/a"] {
        assert_eq!(tree.state(skipped), "skipped", "{skipped}");
    }
}

/// H13. H14. What resolves to nothing fails like anything else, with all that
/// was tried.
#[test]
fn h13_a_child_that_is_nowhere_fails_and_says_what_was_tried() {
    let tree = Tree::new().level("t", "gone z", "").program("t/z.sh", "");
    tree.0.quintet(&["run", "t"]).status(1).run();
    assert_eq!(tree.ran(), "");
    let logs = tree.0.quintet(&["logs", "last", "gone", "--stderr"]);
    logs.stdout_has("t/gone/index.json MISSING")
        .stdout_has("t/gone.py MISSING")
        .run();
    let tolerant = r#", "execution": {"continue_on_error": true}"#;
    let tree = Tree::new()
        .level("t", "gone z", tolerant)
        .program("t/z.sh", "");
    tree.0.quintet(&["run", "t"]).run();
    assert_eq!(tree.ran(), "z");
}

/// H9. H8. A script runs where it lies, also one from the directory above.
#[test]
fn h9_a_script_runs_in_its_own_directory() {
    let tree = Tree::new()
        .level("t", "p", "")
        .level("t/p", "here above", "")
        .file("t/p/here.sh", "pwd >where\n")
        .file("t/above.sh", "[ -n \"$BASH_VERSION\" ] && pwd >where\n");
    tree.0.quintet(&["run", "t"]).run();
    for dir in ["t/p", "t"] {
        let said = std::fs::read_to_string(tree.0.path(&format!("work/{dir}/where")));
        assert!(said.expect("it ran").trim_end().ends_with(dir));
    }
}

/// H12.
#[test]
fn h12_twelve_levels_run_from_the_inside_out() {
    let mut tree = Tree::new();
    let mut dir = "t".to_owned();
    for _ in 0..12 {
        tree = tree
            .level(&dir, "d x", "")
            .program(&format!("{dir}/x.sh"), "");
        dir.push_str("/d");
    }
    let tree = tree
        .level(&dir, "x", "")
        .program(&format!("{dir}/x.sh"), "");
    tree.0.quintet(&["run", "t"]).run();
    let deep: Vec<String> = (0..=12)
        .rev()
        .map(|n| format!("{}x", "d/".repeat(n)))
        .collect();
    assert_eq!(tree.ran(), deep.join(" "));
}

/// H32.
#[test]
fn h32_resume_goes_on_at_the_first_that_was_not_completed() {
    let tree = failing("");
    tree.0.quintet(&["run", "t"]).status(1).run();
    let tree = tree.program("t/middle/b.sh", "");
    tree.0.quintet(&["resume"]).run();
    assert_eq!(
        tree.ran(),
        "before middle/a middle/b middle/b middle/c later"
    );
    assert_eq!(tree.state("middle"), "succeeded");
}

/// H34. Each waits for the other, so one after the other they would never end.
#[test]
fn h34_children_of_equal_order_run_at_the_same_time() {
    let more = r#", "execution": {"mode": "parallel"},
        "phases": {"a": {"order": 1}, "b": {"order": 1}, "c": {"order": 2}}"#;
    let meet = |own: &str, other: &str| {
        format!("touch {own}.here; while [ ! -e {other}.here ]; do sleep 0.01; done")
    };
    let tree = Tree::new()
        .level("t", "c a b", more)
        .program("t/a.sh", &meet("a", "b"))
        .program("t/b.sh", &meet("b", "a"))
        .program("t/c.sh", "[ -e a.here ] && [ -e b.here ]");
    tree.0.quintet(&["run", "t"]).run();
    assert!(tree.ran().ends_with(" c"), "{}", tree.ran());
}

/// H15. A phase that always runs does, and does not make good for the failure.
#[test]
fn a_phase_that_always_runs_comes_after_a_failure_too() {
    let more = r#", "phases": {"cleanup": {"order": 1000, "always": true}}"#;
    let tree = Tree::new()
        .level("t", "a b cleanup", more)
        .level("t/cleanup", "x y", "")
        .program("t/a.sh", "exit 1")
        .program("t/b.sh", "")
        .program("t/cleanup/x.sh", "")
        .program("t/cleanup/y.sh", "");
    tree.0.quintet(&["run", "t"]).status(1).run();
    assert_eq!(tree.ran(), "a cleanup/x cleanup/y");
}
