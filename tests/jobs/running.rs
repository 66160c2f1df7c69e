//! Running jobs, and what is kept of it.

use std::time::Duration;

use crate::Jobs;
use crate::support::eventually;

const CONFIG: &str = r#"
[jobs.speak]
description = "Says what it was given"
command = ["sh", "-c", "printf '%s|%s|%s' \"$1\" \"$GREETING\" \"$PWD\"; echo oops >&2", "sh", "$HOME;`x`"]
working_dir = "sub"
env = { GREETING = "hello" }

[jobs.fail]
command = ["sh", "-c", "exit 7"]

[jobs.slow]
command = ["sh", "-c", "setsid sleep 600 & echo $! >pid; sleep 600"]
timeout_seconds = 0.5

[jobs.ghost]
command = ["no-such-program-anywhere"]

[jobs.never]
command = ["true"]
"#;

/// O5. O7.
#[test]
fn o5_a_job_is_run_without_a_shell_in_its_place_with_its_environment() {
    let jobs = Jobs::new(CONFIG);
    std::fs::create_dir(jobs.0.path("work/sub")).expect("a directory");
    jobs.0
        .quintet(&["run", "speak"])
        .stdout_has("job=speak exit=0 duration_ms=")
        .run();
    let record = jobs.record("runs/speak/last.json");
    let read = |key: &str| {
        let path = record[key].as_str().expect("a path");
        std::fs::read_to_string(path).expect("the file is there")
    };
    let sub = jobs.0.path("work/sub").canonicalize().expect("it is there");
    let expected = format!("$HOME;`x`|hello|{}", sub.display());
    assert_eq!(read("stdout_path"), expected);
    assert_eq!(read("stderr_path"), "oops\n");
}

/// O7.
#[test]
fn o7_every_run_has_a_record_of_its_own_with_all_nine_fields() {
    let jobs = Jobs::new(CONFIG);
    for _ in 0..3 {
        jobs.0.quintet(&["run", "never"]).run();
    }
    let records = jobs.records("runs/never");
    assert_eq!(records.len(), 3, "{records:?}");
    for record in &records {
        assert_eq!(record["job_name"], "never");
        assert_eq!(record["exit_code"], 0);
        assert_eq!(record["os"], std::env::consts::OS);
        assert_eq!(record["binary_version"], env!("CARGO_PKG_VERSION"));
        assert!(record["duration_ms"].is_u64());
        assert!(record["start_time"].as_str() <= record["end_time"].as_str());
        for stream in ["stdout_path", "stderr_path"] {
            let path = record[stream].as_str().expect("a path");
            assert_eq!(std::fs::read(path).expect("it is there"), b"", "{path}");
        }
    }
    assert_eq!(jobs.record("runs/never/last.json"), records[2]);
    // The store knows the same run.
    let id = records[2]["run_id"].as_str().expect("an id");
    jobs.0.quintet(&["why", id, "never"]).run();
}

/// O6.
#[test]
fn o6_a_job_that_takes_too_long_is_ended_with_all_its_processes() {
    let jobs = Jobs::new(CONFIG);
    jobs.0
        .quintet(&["run", "slow"])
        .status(1)
        .stdout_has("job=slow exit=124 timed_out=true")
        .run();
    let record = jobs.record("runs/slow/last.json");
    assert_eq!(record["timed_out"], true);
    assert_eq!(record["status"], "failed");
    let pid = std::fs::read_to_string(jobs.0.path("work/pid")).expect("it began");
    assert!(!std::path::Path::new("/proc").join(pid.trim()).exists());
}

/// O8.
#[test]
fn o8_a_failing_jobs_code_is_told_and_kept() {
    let jobs = Jobs::new(CONFIG);
    jobs.0
        .quintet(&["run", "fail"])
        .status(1)
        .stdout_has("job=fail exit=7 ")
        .run();
    assert_eq!(jobs.record("runs/fail/last.json")["exit_code"], 7);
    jobs.0
        .quintet(&["run", "ghost"])
        .status(1)
        .stdout_has("job=ghost exit=127 ")
        .run();
}

/// O9.
#[test]
fn o9_status_has_every_job_whether_it_has_run_or_not() {
    let jobs = Jobs::new(CONFIG);
    let text = jobs.0.quintet(&["status"]).run().text();
    let never: Vec<String> = ["fail", "ghost", "never", "slow", "speak"]
        .map(|name| format!("{name} - no runs recorded"))
        .into();
    assert_eq!(text.lines().collect::<Vec<_>>(), never);
    jobs.0.quintet(&["run", "fail"]).status(1).run();
    let text = jobs.0.quintet(&["status"]).run().text();
    assert!(
        text.contains("\njobs\nfail - exit=7 duration_ms="),
        "{text}"
    );
    assert!(text.contains("\nnever - no runs recorded\n"), "{text}");
    let json = jobs.0.quintet(&["status", "--json"]).run().json();
    assert_eq!(json["run"]["state"], "failed");
    assert_eq!(json["jobs"][0]["last"]["exit_code"], 7);
    assert_eq!(json["jobs"][2]["state"], "never_run");
}

/// A name that is a file, or is configured nowhere.
#[test]
fn what_is_there_comes_before_a_job_of_that_name_and_near_names_are_suggested() {
    let jobs = Jobs::new(CONFIG);
    jobs.0
        .quintet(&["run", "speek"])
        .status(2)
        .stderr_has("there is no file, folder or job \"speek\"")
        .stderr_has("did you mean \"speak\"?")
        .run();
    let plan = r#"{"steps": [{"id": "mine", "command": "true"}]}"#;
    std::fs::write(jobs.0.path("work/fail"), plan).expect("written");
    jobs.0.quintet(&["run", "fail"]).run();
    assert!(!jobs.state("runs/fail").exists());
    jobs.0.quintet(&["plan", "never"]).stdout_has("never").run();
    assert!(!jobs.state("runs/never").exists());
}

/// A plan file cannot pass itself off as a job.
#[test]
fn o31_metadata_of_a_plan_file_make_no_record() {
    let jobs = Jobs::new(CONFIG);
    let plan = r#"{"metadata": {"job": "never"}, "steps": [{"id": "never", "command": "true"}]}"#;
    std::fs::write(jobs.0.path("work/p.json"), plan).expect("written");
    jobs.0.quintet(&["run", "p.json"]).run();
    assert!(!jobs.state("runs/never").exists());
}

/// O7: the record follows the run, whoever brings it to its end.
#[test]
fn o7_a_resumed_job_has_one_record() {
    let jobs = Jobs::new(
        "[jobs.wait]\ncommand = [\"sh\", \"-c\", \"touch began; while ! test -e go; do sleep 0.05; done\"]\n",
    );
    let live = jobs.0.quintet(&["run", "wait"]).status(137).start();
    eventually("it began", || jobs.0.path("work/began").exists());
    live.signal(nix::sys::signal::Signal::SIGKILL);
    live.finish();
    assert!(jobs.records("runs/wait").is_empty());
    std::fs::write(jobs.0.path("work/go"), "").expect("written");
    jobs.0
        .quintet(&["resume"])
        .timeout(Duration::from_secs(60))
        .stdout_has("job=wait exit=0 ")
        .run();
    let records = jobs.records("runs/wait");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["status"], "succeeded");
}

/// O29.
#[test]
fn o29_the_log_is_lines_of_json_and_stdout_has_results_only() {
    let jobs = Jobs::new(CONFIG);
    jobs.0.quintet(&["run", "fail"]).status(1).run();
    let lines = || {
        let log = std::fs::read_to_string(jobs.state("logs/quintet.log")).expect("a log");
        let parse = |line| serde_json::from_str(line).expect("a line of JSON");
        log.lines().map(parse).collect::<Vec<serde_json::Value>>()
    };
    let [began, ended] = &lines()[..] else {
        panic!("two lines: {:?}", lines())
    };
    assert_eq!(
        (&began["level"], &began["name"]),
        (&"INFO".into(), &"fail".into())
    );
    assert_eq!(
        (&ended["level"], &ended["exit_code"]),
        (&"ERROR".into(), &7.into())
    );
    let quiet = format!("[logging]\nlevel = \"error\"\n{CONFIG}");
    let config = jobs.0.path(".config/quintet/config.toml");
    std::fs::write(config, quiet).expect("written");
    jobs.0.quintet(&["run", "never"]).run();
    assert_eq!(lines().len(), 2);
    // With --json, every line on stdout is an event.
    let events = jobs.0.quintet(&["run", "never", "--json"]).run().text();
    for line in events.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }
}
