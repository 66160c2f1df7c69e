//! Named locks between processes: what the kernel does when holders die, and
//! who is told what.
//!
//! Tests marked `ignore` are not tests but other processes: the tests start
//! them from this same program.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use quintet::engine::lock::{Denied, Held, LockSpace, Want};
use quintet::run::event::Holder;

/// Longer than any test takes that goes well.
const LONG: Duration = Duration::from_secs(60);

fn who(step: &str) -> Holder {
    Holder {
        run: "20251120-150201-x7k2".into(),
        step: step.into(),
        pid: std::process::id(),
        since: 7,
    }
}

#[track_caller]
fn held<T: std::fmt::Debug>(denied: Result<T, Denied>) -> Held {
    match denied {
        Err(Denied::Held(held)) => held,
        other => panic!("not held: {other:?}"),
    }
}

/// Another process, and what it says, a line at a time.
struct Other {
    child: Child,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
    _stdin: ChildStdin,
}

impl Other {
    /// Starts one of this file's ignored tests.
    fn start(name: &str, dir: &Path) -> Other {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture", "--quiet"])
            .env("LOCK_TEST_DIR", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let _stdin = child.stdin.take().unwrap();
        Other {
            child,
            said,
            _stdin,
        }
    }

    fn waits_for(&mut self, word: &str) {
        let found = self.said.by_ref().any(|line| line.unwrap() == word);
        assert!(found, "the other process never said {word}");
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says a word to the test that started this process, on a line of its own.
fn say(word: &str) {
    println!("\n{word}");
}

fn wait_to_be_killed() {
    let _ = std::io::stdin().lines().count();
}

fn dir_of_parent() -> PathBuf {
    std::env::var_os("LOCK_TEST_DIR")
        .expect("started by a test")
        .into()
}

#[test]
#[ignore = "a process that a test starts and kills"]
fn process_that_holds_a_lock() {
    let space = LockSpace::open(&dir_of_parent());
    let _held = space
        .try_acquire(&[Want::lock("deploy")], &who("theirs"))
        .unwrap();
    say("held");
    wait_to_be_killed();
}

/// P35.
#[test]
fn p35_two_runs_under_one_lock_do_not_overlap_and_the_second_is_told_who_runs() {
    let tmp = tempfile::tempdir().unwrap();
    let mut first = Other::start("process_that_holds_a_lock", tmp.path());
    first.waits_for("held");
    let space = LockSpace::open(tmp.path());
    let want = [Want::lock("deploy")];
    let refusal = held(space.try_acquire(&want, &who("mine")));
    let holder = refusal.holder.unwrap();
    assert_eq!(
        (holder.pid, holder.step.as_str()),
        (first.child.id(), "theirs")
    );
    let other_key = [Want::lock("deploy:other")];
    space.try_acquire(&other_key, &who("mine")).unwrap();
}

/// XE02.
#[test]
fn xe02_a_lock_is_free_the_moment_its_holder_is_killed() {
    let tmp = tempfile::tempdir().unwrap();
    let mut first = Other::start("process_that_holds_a_lock", tmp.path());
    first.waits_for("held");
    let space = LockSpace::open(tmp.path());
    first.kill();
    space
        .try_acquire(&[Want::lock("deploy")], &who("mine"))
        .unwrap();
}

/// XE02.
#[test]
fn xe02_who_waits_is_told_for_whom_and_goes_on_when_that_one_is_killed() {
    let tmp = tempfile::tempdir().unwrap();
    let mut first = Other::start("process_that_holds_a_lock", tmp.path());
    first.waits_for("held");
    let space = LockSpace::open(tmp.path());
    let mut told = Vec::new();
    let deadline = Instant::now() + LONG;
    let pid = first.child.id();
    space
        .acquire_within(
            &[Want::lock("deploy")],
            &who("mine"),
            deadline,
            None,
            |held| {
                told.push(held.to_string());
                first.kill();
            },
        )
        .unwrap();
    let expected =
        format!("lock deploy is held by step theirs of run 20251120-150201-x7k2 (pid {pid})");
    assert_eq!(told, [expected]);
}

#[test]
fn a_lock_that_was_handed_on_outlives_the_one_who_took_it() {
    let tmp = tempfile::tempdir().unwrap();
    let space = LockSpace::open(tmp.path());
    let want = [Want::lock("x")];
    let mut files = space.try_acquire(&want, &who("mine")).unwrap();
    // A supervisor gets a descriptor of the same open file; here, as stdin.
    let copy = files[0].try_clone().unwrap();
    let mut supervisor = Command::new("sleep")
        .arg("1000")
        .stdin(copy)
        .spawn()
        .unwrap();
    files.clear();
    let refusal = held(space.try_acquire(&want, &who("late")));
    assert_eq!(refusal.holder, Some(who("mine")));
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    // Another test may be starting a process just now, with copies of all files.
    let deadline = Instant::now() + LONG;
    space
        .acquire_within(&want, &who("late"), deadline, None, |_| {})
        .unwrap();
}

#[test]
#[ignore = "a process that a test starts"]
fn process_that_takes_turns() {
    let dir = dir_of_parent();
    let space = LockSpace::open(&dir);
    let mut places: Vec<File> = (0..3)
        .map(|n| open(&dir.join(format!("place-{n}"))))
        .collect();
    for _ in 0..40 {
        let deadline = Instant::now() + LONG;
        let taken = space
            .acquire_within(
                &[Want::pool("p", 1, 3)],
                &who("turn"),
                deadline,
                None,
                |_| {},
            )
            .unwrap();
        // Whoever is in the pool finds one of three places free, at once.
        let place = places.iter_mut().find(|place| place.try_lock().is_ok());
        let place = place.expect("more in the pool than it has places");
        place.write_all(b".").unwrap();
        place.unlock().unwrap();
        drop(taken);
    }
    say("done");
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap()
}

#[test]
fn a_pool_never_has_more_holders_than_places_and_everybody_gets_a_turn() {
    let tmp = tempfile::tempdir().unwrap();
    let mut others: Vec<Other> = (0..6)
        .map(|_| Other::start("process_that_takes_turns", tmp.path()))
        .collect();
    for other in &mut others {
        other.waits_for("done");
    }
    let turns: usize = (0..3)
        .filter_map(|n| fs::read(tmp.path().join(format!("place-{n}"))).ok())
        .map(|turns| turns.len())
        .sum();
    assert_eq!(turns, 6 * 40);
}

/// Takes what is wanted, 500 times, waiting for it as an engine does.
fn take_turns(space: &LockSpace, wants: &[Want], inside: &AtomicU32) {
    for _ in 0..500 {
        let deadline = Instant::now() + LONG;
        let taken = space
            .acquire_within(wants, &who("turn"), deadline, None, |_| {})
            .unwrap();
        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two are inside");
        inside.fetch_sub(1, SeqCst);
        drop(taken);
    }
}

/// Takes what is wanted, so many times, waiting for it as an engine does. Says
/// how many others took something at most between a refusal and its turn.
fn longest_wait(space: &LockSpace, wants: &[Want], times: u32, taken_in_all: &AtomicU32) -> u32 {
    let mut longest = 0;
    for _ in 0..times {
        let (turn, turns) = mpsc::channel();
        let call = move || turn.send(()).expect("the test waits for it");
        let mut asking = space.ask(wants, call).unwrap();
        let mut refused_at = None;
        let taken = loop {
            match asking.try_acquire(&who("turn")) {
                Err(Denied::Held(_)) => {}
                taken => break taken.unwrap(),
            }
            refused_at.get_or_insert_with(|| taken_in_all.load(SeqCst));
            turns.recv_timeout(LONG).expect("a turn comes");
        };
        let at = taken_in_all.fetch_add(1, SeqCst);
        longest = longest.max(refused_at.map_or(0, |before| at - before));
        // Time for the other to ask, also on a single processor.
        std::thread::yield_now();
        drop(taken);
    }
    longest
}

/// XE08.
#[test]
fn xe08_opposite_orders_do_not_deadlock_and_take_turns() {
    let tmp = tempfile::tempdir().unwrap();
    let (x, y) = (Want::lock("x"), Want::lock("y"));
    let taken = AtomicU32::new(0);
    let longest = std::thread::scope(|s| {
        let waits = [[x.clone(), y.clone()], [y, x]].map(|wants| {
            let space = LockSpace::open(tmp.path());
            let taken = &taken;
            s.spawn(move || longest_wait(&space, &wants, 500, taken))
        });
        waits.map(|wait| wait.join().unwrap())
    });
    assert!(longest.iter().all(|others| *others < 2), "{longest:?}");
}

/// XE08: three who want two of three names each, in a ring.
#[test]
fn xe08_a_ring_of_wants_does_not_deadlock() {
    let tmp = tempfile::tempdir().unwrap();
    let taken = AtomicU32::new(0);
    std::thread::scope(|s| {
        for pair in [["x", "y"], ["y", "z"], ["z", "x"]] {
            let space = LockSpace::open(tmp.path());
            let (wants, taken) = (pair.map(Want::lock), &taken);
            s.spawn(move || longest_wait(&space, &wants, 200, taken));
        }
    });
    assert_eq!(taken.into_inner(), 600);
}

#[test]
#[ignore = "a process that a test starts and kills"]
fn process_that_waits_for_a_lock() {
    let space = LockSpace::open(&dir_of_parent());
    let mut asking = space.ask(&[Want::lock("deploy")], || {}).unwrap();
    held(asking.try_acquire(&who("waits")));
    say("waits");
    wait_to_be_killed();
}

/// XE02, XE08.
#[test]
fn xe08_a_place_in_the_queue_is_gone_with_its_process() {
    let tmp = tempfile::tempdir().unwrap();
    let space = LockSpace::open(tmp.path());
    let want = [Want::lock("deploy")];
    let mine = space.try_acquire(&want, &who("mine")).unwrap();
    let mut other = Other::start("process_that_waits_for_a_lock", tmp.path());
    other.waits_for("waits");
    drop(mine);
    held(space.try_acquire(&want, &who("mine")));
    other.kill();
    space.try_acquire(&want, &who("mine")).unwrap();
}

#[test]
fn weights_that_do_not_fit_together_take_turns() {
    let tmp = tempfile::tempdir().unwrap();
    let inside = AtomicU32::new(0);
    std::thread::scope(|s| {
        for units in [3, 4, 5] {
            let space = LockSpace::open(tmp.path());
            let inside = &inside;
            s.spawn(move || take_turns(&space, &[Want::resource("mem", units, 5)], inside));
        }
    });
}

/// XH03.
#[test]
fn xh03_lock_files_are_for_their_owner_only() {
    let tmp = tempfile::tempdir().unwrap();
    let space = LockSpace::open(tmp.path());
    space
        .try_acquire(&[Want::lock("a/b")], &who("mine"))
        .unwrap();
    let mode = fs::metadata(tmp.path().join("lock-a%2Fb"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
