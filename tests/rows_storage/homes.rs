//! State directories that are not fit to be one: somebody else's, open to
//! others, or in memory.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::support::{Test, nightly, skip};
use super::{Mounted, as_text, chain, is_root, ledger, plan};

fn one_step() -> Test {
    Test::new().file("plan.json", plan(1, chain(1, "true")))
}

fn open_to(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("they can be set");
}

/// The run is refused with one line that names the place and says what to do,
/// and that is enough.
#[track_caller]
fn refused(test: &Test, home: &Path, fix: &str) {
    let done = test
        .quintet(&["run", "plan.json"])
        .env("QUINTET_STATE_DIR", as_text(home))
        .status(74)
        .stderr_has(as_text(home))
        .stderr_has(fix)
        .run();
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert_eq!(ledger(test), [""; 0], "something ran");
}

/// XD06.
#[test]
fn xd06_a_state_directory_that_others_may_write_to_is_refused_with_what_to_do() {
    if !nightly() {
        return skip("xd06", "it is long, and its parts have tests of their own");
    }
    let test = one_step();
    let home = test.path("open");
    fs::create_dir(&home).expect("it can be made");
    open_to(&home, 0o777);
    refused(&test, &home, &format!("chmod 700 {}", home.display()));
    assert_eq!(fs::read_dir(&home).expect("it is there").count(), 0);

    // The same for what lies in it.
    open_to(&home, 0o700);
    test.quintet(&["run", "plan.json", "-q"])
        .env("QUINTET_STATE_DIR", as_text(&home))
        .run();
    fs::remove_file(test.path("work/ledger")).expect("it is there");
    for inner in ["runs", "locks"] {
        let inner = home.join(inner);
        open_to(&inner, 0o777);
        refused(&test, &home, &format!("chmod 700 {}", inner.display()));
        open_to(&inner, 0o700);
    }

    let parent = test.path("parent");
    fs::create_dir(&parent).expect("it can be made");
    open_to(&parent, 0o777);
    let home = parent.join("state");
    refused(&test, &home, &format!("chmod o-w {}", parent.display()));

    if !is_root() {
        return skip("xd06", "only root gives directories to others");
    }
    let home = test.path("theirs");
    fs::create_dir(&home).expect("it can be made");
    std::os::unix::fs::chown(&home, Some(12_345), None).expect("root may");
    refused(&test, &home, "choose another with --state-dir");
}

/// XD07.
#[test]
fn xd07_state_in_memory_is_told_of_once() {
    if !nightly() {
        return skip("xd07", "it is long, and its parts have tests of their own");
    }
    if !is_root() {
        return skip("xd07", "only root mounts file systems");
    }
    let test = one_step();
    let _mounted = Mounted::over(test.path("state"), "size=8m");
    let words = "is kept in memory (tmpfs): a reboot loses the record";
    let first = test.quintet(&["run", "plan.json"]).stderr_has(words).run();
    assert_eq!(first.stderr.matches(words).count(), 1);
    let second = test.quintet(&["run", "plan.json"]).run();
    assert!(!second.stderr.contains(words), "{}", second.stderr);
}
