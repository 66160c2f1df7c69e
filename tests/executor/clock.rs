//! A wall clock that is set while a step runs: a second process is started with
//! a clock that this one moves. Needs libfaketime.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::rig::*;

const ROLE: &str = "QUINTET_TEST_TIMED";
const TIMEOUT: Duration = Duration::from_secs(2);

/// The process with the clock that is moved: one step that takes too long.
#[test]
fn timed_engine() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let mut rig = Rig::new(1);
    let mut job = sh(0, "sleep 60");
    job.timeout = Some(TIMEOUT);
    job.grace = Duration::from_millis(100);
    let attempt = rig.start(job);
    rig.accepted(attempt);
    println!("\nstarted");
    let began = Instant::now();
    let done = rig.done(attempt);
    let (took, exit) = (began.elapsed().as_millis(), done.exit);
    let told = done.ended_at as i64 - done.started_at as i64;
    println!("\nended {took} {told} {exit}");
}

fn library() -> Option<PathBuf> {
    let folders = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib",
    ];
    let file = |folder| Path::new(folder).join("faketime/libfaketimeMT.so.1");
    folders.into_iter().map(file).find(|file| file.exists())
}

/// XE04.
#[test]
fn xe04_a_timeout_counts_real_time_whatever_the_wall_clock_says() {
    let Some(library) = library() else {
        eprintln!("skipped: xe04: needs libfaketime");
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let clock = dir.path().join("clock");
    let set = |clock: &Path, to: &str| fs::write(clock, format!("{to}\n")).expect("written");
    set(&clock, "+0");
    let mut engine = Command::new(std::env::current_exe().expect("it is there"))
        .args(["--exact", "--nocapture", "clock::timed_engine"])
        .env(ROLE, "1")
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test runs itself");
    let mut lines = BufReader::new(engine.stdout.take().expect("piped")).lines();
    let mut line_with = |word: &str| {
        let found = lines.find_map(|line| Some(line.ok()?.strip_prefix(word)?.to_owned()));
        found.unwrap_or_else(|| panic!("it does not say {word}"))
    };
    line_with("started");
    for to in [
        "+7200",
        "-7200",
        "@1970-01-02 00:00:00",
        "@2040-01-01 00:00:00",
        "+0",
    ] {
        set(&clock, to);
        std::thread::sleep(Duration::from_millis(100));
    }
    let ended = line_with("ended ");
    let words: Vec<&str> = ended.splitn(3, ' ').collect();
    let (took, told): (i64, i64) = (words[0].parse().unwrap(), words[1].parse().unwrap());
    let least = TIMEOUT.as_millis() as i64;
    // The start was reported a moment after it was made.
    assert!((least - 1000..20_000).contains(&took), "{ended}");
    assert!((least..20_000).contains(&told), "{ended}");
    assert_eq!(words[2], "Timeout after 2s");
    assert!(engine.wait().expect("it is ours").success());
}
