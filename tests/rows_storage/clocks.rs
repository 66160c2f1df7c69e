//! A wall clock that jumps while a run goes on. `faketime` stands before the
//! system's clock in the engine and its supervisors, and reads anew from a file
//! what to say; the clock that never jumps is left alone. Steps are started
//! without it, so they wait as long as they say.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::support::{Test, eventually, nightly, skip};
use super::{Beside, events, nothing_is_left, of_kind, plan, times};

fn library() -> Option<PathBuf> {
    let places = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
    let found = places.iter().flat_map(|place| {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let below = entries.map(|entry| entry.path());
        below.chain([PathBuf::from(place)])
    });
    found
        .map(|dir| dir.join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
}

/// One run of a step that is cut off after `timeout_sec`, and of one that fails
/// once and is made again `delay_sec` later, with a wall clock that comes to say
/// something else while both wait.
fn story(library: &PathBuf, jump: &str, timeout_sec: u64, delay_sec: u64) {
    let clean = "unset LD_PRELOAD;";
    let steps = json!([
        {"id": "long", "shell": true, "timeout_sec": timeout_sec, "on_failure": "continue",
         "critical": false, "command": format!("{clean} echo start long >> ledger; sleep 300")},
        {"id": "twice", "shell": true, "retries": 1, "retry_delay_sec": delay_sec,
         "command": format!("{clean} echo start twice >> ledger; [ -e failed ] || {{ touch failed; exit 1; }}")},
        {"id": "after", "depends_on": ["twice"], "shell": true, "command": format!("{clean} true")}
    ]);
    let test = Test::new().file("plan.json", plan(3, steps));
    let clock = test.path("clock");
    fs::write(&clock, "+0").expect("it can be written");
    let mut command = test.quintet(&["run", "plan.json", "-q"]).command();
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut run = Beside::start(&test, "run", command);
    let began = Instant::now();
    eventually("both have begun", || {
        times(&test, "start long") == 1 && test.path("work/failed").exists()
    });
    fs::write(test.path("clock.new"), jump).expect("it can be written");
    fs::rename(test.path("clock.new"), &clock).expect("it can be put there");
    eventually("it is made again", || times(&test, "start twice") == 2);
    let again = began.elapsed();
    run.ends(0);
    let over = began.elapsed();
    // Not before its time; after it, as late as a machine under load may be.
    let in_time = |took: Duration, wanted: u64| {
        let wanted = Duration::from_secs(wanted);
        wanted <= took && took < wanted + Duration::from_secs(8)
    };
    assert!(
        in_time(again, delay_sec),
        "{jump}: made again after {again:?}"
    );
    assert!(in_time(over, timeout_sec), "{jump}: cut off after {over:?}");

    let events = events(&test);
    for (number, event) in (1..).zip(&events) {
        assert_eq!(event["seq"], json!(number), "{jump}");
    }
    for end in of_kind(&events, "step_finished") {
        let at = |field: &str| end[field].as_i64().expect("a time");
        let took = at("ended_at") - at("started_at");
        let most = i64::try_from(over.as_millis()).expect("it was not long");
        assert!((0..=most).contains(&took), "{jump}: {end}");
        let cut_off = end["end"] == "timed_out";
        assert_eq!(cut_off, end["step_id"] == "long", "{jump}: {end}");
    }
    // The clock did jump: whoever started the second attempt has read it.
    let starts = of_kind(&events, "step_finished")
        .iter()
        .filter(|end| end["step_id"] == "twice")
        .filter_map(|end| end["started_at"].as_i64())
        .collect::<Vec<_>>();
    assert!(
        starts[0].abs_diff(starts[1]) > 3_600_000,
        "{jump}: no jump in {starts:?}"
    );
    // The engine's own clock never jumps, so neither do its events.
    let ats: Vec<i64> = events
        .iter()
        .filter_map(|event| event["at"].as_i64())
        .collect();
    assert!(ats.is_sorted(), "{jump}: {ats:?}");
    assert!(ats[ats.len() - 1] - ats[0] < 60_000 + 1000 * i64::try_from(timeout_sec).unwrap());
    nothing_is_left(&test);
}

/// XE04.
#[test]
fn xe04_a_wall_clock_that_jumps_changes_no_timeout_and_no_delay() {
    let Some(library) = library() else {
        return skip("xe04", "faketime is not installed");
    };
    // Two hours on and back, the year 1970, and one that 32 bits do not hold.
    let jumps = ["+2h", "-2h", "@1970-01-02 00:00:00", "@2040-01-01 00:00:00"];
    let (timeout_sec, delay_sec) = if nightly() { (60, 20) } else { (4, 2) };
    std::thread::scope(|scope| {
        for jump in jumps {
            let library = &library;
            scope.spawn(move || story(library, jump, timeout_sec, delay_sec));
        }
    });
}

/// XE04: a run is resumed by an engine whose wall clock says something else.
#[test]
fn xe04_a_back_off_outlives_its_engine_whatever_the_next_ones_clock_says() {
    let Some(library) = library() else {
        return skip("xe04", "faketime is not installed");
    };
    for jump in ["-2h", "+2h"] {
        let script = "unset LD_PRELOAD; echo start twice >> ledger; [ -e failed ] || { touch failed; exit 1; }";
        let steps = json!([{"id": "twice", "shell": true, "retries": 1, "retry_delay_sec": 3,
                            "command": script}]);
        let test = Test::new().file("plan.json", plan(1, steps));
        let command = test.quintet(&["run", "plan.json", "-q"]).command();
        let mut run = Beside::start(&test, "run", command);
        eventually("it has failed", || {
            let failed = || !of_kind(&events(&test), "step_retry").is_empty();
            test.path("work/failed").exists() && failed()
        });
        let _ = run.child.kill();
        let _ = run.child.wait();
        let clock = test.path("clock");
        fs::write(&clock, jump).expect("it can be written");
        let mut command = test.quintet(&["resume", "-q"]).command();
        command
            .env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let began = Instant::now();
        let mut resume = Beside::start(&test, "resume", command);
        resume.ends(0);
        let took = began.elapsed();
        // With a clock set back it waits no longer than the whole delay.
        assert!(took < Duration::from_secs(12), "{jump}: {took:?}");
        assert_eq!(times(&test, "start twice"), 2);
        for end in of_kind(&events(&test), "step_finished") {
            assert!(
                end["ended_at"].as_i64() >= end["started_at"].as_i64(),
                "{jump}: {end}"
            );
        }
    }
}
