//! Rights, and things in the place of files that lead elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use quintet::paths::StateDir;
use quintet::store::{Doorbell, Durability, NotOwned, Request, Store, StoreError, What};

use crate::{Home, a_mixed_run, child, home_of_parent, me, plan, record, started};

#[test]
#[ignore = "a process that a test starts"]
fn process_that_records_a_run_with_no_umask() {
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let home = home_of_parent();
    let run_id = a_mixed_run(&home);
    // As it is while the run goes on.
    std::mem::forget(Doorbell::hang_up(&home.state.run(&run_id)).unwrap());
}

/// Everything below a directory, itself included.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_path_buf()];
    let mut at = 0;
    while let Some(path) = found.get(at) {
        if path.symlink_metadata().unwrap().is_dir() {
            let inside = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            found.extend(inside.collect::<Vec<_>>());
        }
        at += 1;
    }
    found
}

/// XH03.
#[test]
fn xh03_whatever_the_umask_nobody_else_may_read_anything() {
    let tmp = tempfile::tempdir().unwrap();
    let state = StateDir::create(&tmp.path().join("state")).unwrap();
    let mut recorder = child("traps::process_that_records_a_run_with_no_umask", &state);
    assert!(recorder.wait().unwrap().success());
    let found = tree(state.root());
    assert!(found.len() >= 10, "{found:?}");
    for path in found {
        let meta = path.symlink_metadata().unwrap();
        let expected = if meta.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(
            meta.permissions().mode() & 0o7777,
            expected,
            "{}",
            path.display()
        );
    }
}

/// What a process does with a store: open, read, take over, ask, copy.
fn use_everything(state: &StateDir, run_id: &str) -> Result<(), StoreError> {
    let store = Store::open(state, Durability::Full)?;
    store.request(
        run_id,
        &Request {
            at: 1,
            what: What::Cancel,
            by: "test".into(),
        },
    )?;
    Doorbell::hang_up(&state.run(run_id))?;
    store.repair_jsonl(run_id)?;
    match store.own(run_id, &me()) {
        Ok(_) => Ok(()),
        Err(NotOwned::Store(error)) => Err(error),
        Err(busy) => panic!("{busy}"),
    }
}

/// XH04.
#[test]
fn xh04_no_trap_in_the_place_of_a_file_is_followed_or_waited_on() {
    let victims = tempfile::tempdir().unwrap();
    let victim = victims.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let plant: [&dyn Fn(&Path); 4] = [
        &|at| std::os::unix::fs::symlink(&victim, at).unwrap(),
        &|at| std::os::unix::fs::symlink(victims.path().join("dangling"), at).unwrap(),
        &|at| fs::hard_link(&victim, at).unwrap(),
        &|at| nix::unistd::mkfifo(at, nix::sys::stat::Mode::S_IRWXU).unwrap(),
    ];
    let files = [
        "quintet.db",
        "quintet.db-wal",
        "quintet.db-shm",
        "runs/R/owner",
        "runs/R/bell",
        "runs/R/events.jsonl",
    ];
    for file in files {
        for (kind, plant) in plant.iter().enumerate() {
            let home = Home::new();
            let run_id = record(&home, plan(&["a"]), vec![started()]);
            use_everything(&home.state, &run_id).unwrap();
            let at = home.state.root().join(file.replace('R', &run_id));
            // The bell hangs only as long as somebody listens.
            if !file.ends_with("bell") {
                fs::remove_file(&at).unwrap();
            }
            plant(&at);
            let used = use_everything(&home.state, &run_id);
            let harmless = file.ends_with("bell") && kind == 3;
            assert_eq!(used.is_ok(), harmless, "{file}, trap {kind}: {used:?}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
            assert_eq!(fs::read_dir(victims.path()).unwrap().count(), 1);
        }
    }
}
