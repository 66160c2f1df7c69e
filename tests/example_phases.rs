//! The tree of phases of `examples/phases`, as it is and with parts of it broken.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Call, Test};

/// A test with a copy of the tree to break, and a folder to install into.
fn world() -> Test {
    let test = Test::new();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/phases");
    copy(&tree, &test.path("work/tree"));
    test
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

fn prefix(test: &Test) -> PathBuf {
    test.path("prefix")
}

fn call<'t>(test: &'t Test, args: &[&str]) -> Call<'t> {
    let prefix = prefix(test);
    test.quintet(args).env("PREFIX", &prefix.to_string_lossy())
}

/// Puts something in the place of what a file of the tree has.
fn change(test: &Test, file: &str, what: &str, by: &str) {
    let path = test.path("work/tree").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(what), "{file} has no {what}");
    fs::write(&path, text.replace(what, by)).unwrap();
}

/// The newest run as the document of its tree.
fn tree(test: &Test) -> Value {
    let args = ["status", "--format", "tree", "--json"];
    test.quintet(&args).run().json()
}

/// The phase or step of that path in it.
fn at<'v>(tree: &'v Value, path: &str) -> &'v Value {
    let parts = path.split('/');
    parts.fold(tree, |phase, name| &phase["children"][name])
}

/// All errors in it.
fn errors(tree: &Value) -> Vec<String> {
    let (mut phases, mut errors) = (vec![tree], Vec::new());
    while let Some(phase) = phases.pop() {
        let own = phase["errors"].as_array().unwrap();
        errors.extend(own.iter().map(|error| error.as_str().unwrap().to_owned()));
        phases.extend(phase["children"].as_object().unwrap().values());
    }
    errors
}

/// H1. H9. H10. H11. H12. H16. H19. H20.
#[test]
fn h16_it_installs_a_greeter_and_tolerates_one_failure() {
    let test = world();
    let run = call(&test, &["run", "tree"]).run();
    let units = prefix(&test).join("lib/systemd/user");
    let said = format!(
        "there is no {}: greeter.service is not installed",
        units.display()
    );
    assert_eq!(run.stderr.matches(&said).count(), 1, "{}", run.stderr);
    let greet = prefix(&test).join("bin/greet");
    let greeted = std::process::Command::new(&greet)
        .arg("evening")
        .output()
        .unwrap();
    assert_eq!(greeted.stdout, b"Good evening\n");
    assert_ne!(
        fs::metadata(&greet).unwrap().permissions().mode() & 0o111,
        0
    );
    assert!(!prefix(&test).join(".scratch").exists());

    let tree = tree(&test);
    assert_eq!(tree["status"], "completed");
    assert_eq!(at(&tree, "config/service")["status"], "failed");
    assert_eq!(errors(&tree), [format!("config/service: exit 1: {said}")]);
    for phase in [
        "preflight",
        "packaging",
        "packaging/library/texts",
        "config",
        "cleanup",
    ] {
        assert_eq!(at(&tree, phase)["status"], "completed", "{phase}");
    }
    call(&test, &["run", "tree", "--strict"]).status(1).run();

    let log = fs::read_to_string(prefix(&test).join("var/log/install.log")).unwrap();
    let line = "] [WARNING] [config/service] failed (exit 1) after ";
    assert_eq!(log.matches(line).count(), 2, "{log}");
    assert_eq!(log.matches(&said).count(), 2, "{log}");
}

/// H28. H29.
#[test]
fn h29_what_is_passed_down_and_handed_on_is_what_gets_installed() {
    let test = world();
    change(
        &test,
        "index.json",
        r#""evening": "Good evening""#,
        r#""noon": "Hello""#,
    );
    change(
        &test,
        "first-run/welcome.sh",
        "greet\" evening",
        "greet\" noon",
    );
    call(&test, &["run", "tree"]).run();
    let texts = prefix(&test).join("share/greeter");
    assert_eq!(fs::read_to_string(texts.join("noon")).unwrap(), "Hello\n");
    assert!(!texts.join("evening").exists());
    let tree = tree(&test);
    let passed = &at(&tree, "packaging/library/manifest")["config"];
    assert_eq!(passed["greetings"]["noon"], "Hello");
}

/// H31.
#[test]
fn h31_a_preview_and_a_check_write_nothing() {
    let test = world();
    call(&test, &["validate", "tree"]).run();
    call(&test, &["plan", "tree"])
        .stdout_has("packaging/library/texts/verify")
        .run();
    call(&test, &["run", "tree", "--dry-run"]).run();
    assert!(!prefix(&test).exists());
}

/// H15. H18. H32.
#[test]
fn h18_a_failure_three_levels_down_is_seen_above_it_and_resume_goes_on_there() {
    let test = world();
    let module = "packaging/library/manifest.py";
    change(&test, module, "if not greetings", "if greetings");
    let run = call(&test, &["run", "tree"]).status(1).run();
    let said = "there is no greeting to install";
    assert_eq!(run.stderr.matches(said).count(), 1, "{}", run.stderr);
    let tree_then = tree(&test);
    let error = format!("packaging/library/manifest: exit 1: {said}");
    assert_eq!(errors(&tree_then), [error]);
    assert_eq!(tree_then["status"], "failed");
    for phase in [
        "packaging",
        "packaging/library",
        "packaging/library/manifest",
    ] {
        assert_eq!(at(&tree_then, phase)["status"], "failed", "{phase}");
    }
    for phase in [
        "packaging/library/texts",
        "packaging/command",
        "config",
        "first-run",
    ] {
        assert_eq!(at(&tree_then, phase)["status"], "skipped", "{phase}");
    }
    for phase in ["preflight", "packaging/layout", "cleanup"] {
        assert_eq!(at(&tree_then, phase)["status"], "completed", "{phase}");
    }

    change(&test, module, "if greetings", "if not greetings");
    call(&test, &["resume"]).run();
    let tree_now = tree(&test);
    assert_eq!(tree_now["status"], "completed");
    let begun = |tree: &Value| at(tree, "packaging/layout")["start_time"].clone();
    assert_ne!(begun(&tree_now), json!(null));
    assert_eq!(begun(&tree_now), begun(&tree_then), "it was not run again");
    assert!(prefix(&test).join("bin/greet").exists());
}

/// H15.
#[test]
fn h15_nothing_is_installed_where_a_check_fails() {
    let test = world();
    fs::write(prefix(&test), "precious").unwrap();
    call(&test, &["run", "tree"])
        .status(1)
        .stderr_has("warning: no log file ")
        .stderr_has("is there and is no folder; PREFIX names another")
        .run();
    assert_eq!(fs::read_to_string(prefix(&test)).unwrap(), "precious");
    let tree = tree(&test);
    assert_eq!(at(&tree, "preflight")["status"], "failed");
    assert_eq!(at(&tree, "packaging/layout")["status"], "skipped");
    assert_eq!(at(&tree, "cleanup/scratch")["status"], "completed");
}

/// H13. H24. H26. H27.
#[test]
fn h24_what_is_broken_is_said_with_its_place_and_nothing_has_run() {
    let index = |folder: &str| format!("{folder}/index.json");
    let texts = r#""children": ["manifest", "texts"]"#;
    let cases = [
        // A comma too many.
        (
            "config",
            r#"{ "order": 2 }"#,
            r#"{ "order": 2 },"#,
            "config/index.json:8:31",
            "so written, the file would be valid",
        ),
        // An order that is none.
        (
            "packaging",
            r#"{ "order": 1 }"#,
            r#"{ "order": "first" }"#,
            "packaging/index.json:4:27",
            "phases.layout.order must be a number",
        ),
        // A child that leads back.
        (
            "packaging/library",
            texts,
            r#""children": ["manifest", "texts", "again"]"#,
            "library/index.json:7:38",
            "leads back to where it is in",
        ),
        // The same by its name.
        (
            "first-run",
            r#"["welcome"]"#,
            r#"["welcome", ".."]"#,
            "first-run/index.json:3:28",
            "which leads elsewhere",
        ),
    ];
    for (folder, what, by, place, said) in cases {
        let test = world();
        std::os::unix::fs::symlink("../..", test.path("work/tree/packaging/library/again"))
            .unwrap();
        change(&test, &index(folder), what, by);
        for verb in ["run", "validate"] {
            let call = call(&test, &[verb, "tree"]).status(2);
            call.stderr_has(place).stderr_has(said).run();
        }
        assert!(!prefix(&test).exists());
    }
    // A child that is nowhere is a failure like any other, with all that was tried.
    let test = world();
    fs::remove_file(test.path("work/tree/packaging/library/manifest.py")).unwrap();
    let run = call(&test, &["run", "tree"]).status(1).run();
    let tried = "packaging/library/manifest.py MISSING";
    assert_eq!(run.stderr.matches(tried).count(), 1, "{}", run.stderr);
    let tree = tree(&test);
    assert_eq!(at(&tree, "packaging/library")["status"], "failed");
}
