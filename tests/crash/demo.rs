//! The demonstration that a doubter runs, with a few kills.

use std::path::Path;
use std::process::Command;

/// XA05.
#[test]
fn xa05_the_demonstration_shows_that_no_promise_is_broken() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/kill9/kill9");
    let done = Command::new(script)
        .arg("6")
        .env("QUINTET", env!("CARGO_BIN_EXE_quintet"))
        .output()
        .expect("it can be started");
    let said = String::from_utf8_lossy(&done.stdout);
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}{complaints}");
    let told = "80 steps, 80 starts, 80 ends, 0 broken promises";
    assert!(said.contains(told), "{said}{complaints}");
}

/// The judge is awake: what is broken is called so.
#[test]
fn the_judge_of_the_demonstration_names_what_is_broken() {
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/kill9/ledger.awk");
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = dir.path().join("ledger");
    for (lines, complaint) in [
        (
            "start a 1\nend a 1\nstart b 2\nend b 2\n",
            "0 broken promises",
        ),
        (
            "start a 1\nend a 1\nstart a 3\nend a 3\nstart b 2\nend b 2\n",
            "a ran again",
        ),
        (
            "start a 1\nstart a 3\nend a 3\nstart b 2\nend b 2\n",
            "a ran twice at once",
        ),
        (
            "start b 2\nend b 2\nstart a 1\nend a 1\n",
            "b began before a had ended",
        ),
        ("start a 1\nend a 1\nstart b 2\n", "b never ended"),
    ] {
        std::fs::write(&ledger, lines).expect("it can be written");
        let told = Command::new("awk")
            .args(["-v", "edges=b:a", "-v", "steps=a b", "-f"])
            .args([&judge, &ledger])
            .output()
            .expect("awk can be started");
        let said = String::from_utf8_lossy(&told.stdout);
        assert!(said.contains(complaint), "{complaint}: {said}");
        assert_eq!(told.status.success(), complaint.starts_with('0'));
    }
}
