//! `quintet prune`: what goes, what stays whatever is asked, and that asking
//! what would go changes nothing.
//!
//! How it keeps out of others' way is seen in `rows_storage`, what a crash
//! leaves of it in `store`.

mod support;

use serde_json::Value;
use support::{Test, eventually};

const PLAN: &str = r#"{"plan_id": "P", "steps": [{"id": "a", "command": "echo", "args": ["hi"]}]}"#;

/// Waits in its step until it is let go on.
const WAITS: &str = r#"{"plan_id": "W", "steps": [
    {"id": "a", "shell": true, "command": "touch begun; until [ -e go ]; do sleep 0.02; done"}]}"#;

/// Everything but what is told otherwise.
const ALL: [&str; 5] = ["prune", "--keep-runs", "0", "--keep-days", "0"];

/// The ids of all runs, newest first.
fn runs(test: &Test) -> Vec<String> {
    let listed = test.quintet(&["runs", "--json"]).run().json();
    let listed = listed.as_array().expect("a list");
    let id = |run: &Value| run["run_id"].as_str().expect("an id").to_owned();
    listed.iter().map(id).collect()
}

/// A test whose plan has been run so often.
fn after_runs(times: usize) -> Test {
    let test = Test::new().file("plan.json", PLAN);
    for _ in 0..times {
        test.quintet(&["run", "plan.json", "-q"]).run();
    }
    test
}

#[test]
fn what_would_go_is_listed_and_goes_only_then() {
    let test = after_runs(4);
    let before = runs(&test);
    let keep_one = ["prune", "--keep-runs", "1", "--older-than", "0s"];
    test.quintet(&[&keep_one[..], &["--dry-run"]].concat())
        .stdout(format!("{}\n{}\n{}\n", before[3], before[2], before[1]))
        .stderr("3 runs would go\n")
        .run();
    let told = test
        .quintet(&[&keep_one[..], &["--dry-run", "--json"]].concat())
        .stderr("")
        .run()
        .json();
    assert_eq!(told["runs"], 3);
    assert_eq!(told["run_ids"][0], before[3].as_str());
    assert_eq!(runs(&test), before);

    let told = test
        .quintet(&[&keep_one[..], &["--json"]].concat())
        .stderr("")
        .run()
        .json();
    assert_eq!(
        (&told["runs"], &told["dry_run"]),
        (&3.into(), &false.into())
    );
    assert_eq!(told["events"], 15);
    assert_eq!(runs(&test), [before[0].clone()]);
    for gone in &before[1..] {
        assert!(!test.path("state/runs").join(gone).exists());
    }
    test.quintet(&["status", "last"])
        .stdout_has("succeeded")
        .run();
}

#[test]
fn unless_told_otherwise_what_is_new_stays() {
    let test = after_runs(2);
    let nothing = "deleted 0 runs with 0 events\n";
    test.quintet(&["prune"]).stdout(nothing).stderr("").run();
    // Each of the two rules keeps runs by itself.
    test.quintet(&["prune", "--keep-runs", "0"])
        .stdout(nothing)
        .run();
    test.quintet(&["prune", "--keep-days", "0"])
        .stdout(nothing)
        .run();
    assert_eq!(runs(&test).len(), 2);
    test.quintet(&ALL)
        .stdout("deleted 2 runs with 10 events\n1 × plan that no run has any more\n")
        .run();
    assert_eq!(runs(&test), [""; 0]);
    test.quintet(&["run", "plan.json", "-q"]).run();
}

#[test]
fn runs_that_go_on_or_can_be_resumed_stay() {
    let test = Test::new().file("plan.json", WAITS);
    let mut run = test.quintet(&["run", "plan.json", "-q"]).start();
    let told = run.line();
    let id = told.trim_start_matches("Run ID: ");
    eventually("the step runs", || test.path("work/begun").exists());
    let nothing = "deleted 0 runs with 0 events\n";
    test.quintet(&ALL).stdout(nothing).run();
    run.signal(nix::sys::signal::Signal::SIGKILL);
    eventually("its engine is gone", || {
        let listed = test.quintet(&["runs", "--json"]).run().json();
        listed[0]["interrupted"] == true
    });
    test.quintet(&ALL).stdout(nothing).run();
    std::fs::write(test.path("work/go"), "").expect("it can be written");
    test.quintet(&["resume", id, "-q"]).run();
    test.quintet(&ALL).stdout_has("deleted 1 run with ").run();
}

#[test]
fn where_nothing_was_recorded_nothing_goes_and_nothing_is_made() {
    let test = Test::new();
    test.quintet(&["prune"])
        .stdout("deleted 0 runs with 0 events\n")
        .run();
    test.quintet(&["prune", "--dry-run", "-q"])
        .stdout("")
        .stderr("")
        .run();
    assert!(!test.path("state").exists());
}

#[test]
fn an_age_that_is_none_is_bad_usage() {
    let test = after_runs(1);
    for (args, why) in [
        (&["prune", "--older-than", "30"][..], "invalid value '30'"),
        (
            &["prune", "--keep-days", "1", "--older-than", "1d"],
            "cannot be used with",
        ),
    ] {
        test.quintet(args)
            .status(2)
            .stdout("")
            .stderr_has(why)
            .run();
    }
}

/// The file shrinks with what it keeps.
#[test]
fn space_is_given_back() {
    let steps: Vec<Value> = (0..600)
        .map(|n| serde_json::json!({"id": format!("s{n}"), "command": "true"}))
        .collect();
    let plan =
        serde_json::json!({"plan_id": "L", "globals": {"max_concurrency": 2}, "steps": steps});
    let test = Test::new()
        .file("large.json", plan.to_string())
        .file("plan.json", PLAN);
    test.quintet(&["run", "large.json", "-q"]).run();
    test.quintet(&["run", "plan.json", "-q"]).run();
    let keep_one = ["prune", "--keep-runs", "1", "--keep-days", "0", "--json"];
    let told = test.quintet(&keep_one).run().json();
    assert_eq!((&told["runs"], &told["plans"]), (&1.into(), &1.into()));
    let freed = told["freed_bytes"].as_u64().expect("a number");
    assert!(freed > 100_000, "{told}");
    let db = rusqlite::Connection::open(test.path("state/quintet.db")).expect("it can be opened");
    let ask = |pragma| -> i64 {
        db.query_row(&format!("PRAGMA {pragma}"), (), |row| row.get(0))
            .expect("a number")
    };
    assert_eq!(ask("freelist_count"), 0);
    assert!(ask("page_count") < 60, "{} pages", ask("page_count"));
    test.quintet(&["status", "last"])
        .stdout_has("succeeded")
        .run();
}

/// What a run has in a directory that nodes share goes with it, and nothing else there.
#[test]
fn what_a_run_has_elsewhere_goes_with_it() {
    let test = after_runs(2);
    let runs = runs(&test);
    let shared = test.path("shared");
    for (run, own) in [(&runs[0], runs[0].as_str()), (&runs[1], "of somebody else")] {
        let own = shared.join(own);
        std::fs::create_dir_all(&own).expect("a folder can be made");
        std::fs::write(own.join("file"), "x").expect("a file can be made");
        let link = test.path("state/runs").join(run).join("slurm");
        std::os::unix::fs::symlink(own, link).expect("a link can be made");
    }
    test.quintet(&ALL).run();
    assert!(!shared.join(&runs[0]).exists());
    assert!(shared.join("of somebody else/file").exists());
}
