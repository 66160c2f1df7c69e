//! Records of the older tool, where it left them.

use crate::{Jobs, write};

const CONFIG: &str = "[jobs.nightly]\ncommand = [\"true\"]\n\
    [tasks.port]\nrepo = \"external\"\nworking_dir = \"{}\"\ncommand = [\"true\"]\n";

fn with_older_records() -> Jobs {
    let jobs = Jobs::new(CONFIG);
    let place = |name: &str| jobs.0.path(".cache/orchastration/state").join(name);
    let record = |start: &str, exit: i32| {
        format!(
            "{{\"job_name\":\"nightly\",\"start_time\":\"{start}\",\"end_time\":\"{start}\",\
             \"duration_ms\":1500,\"exit_code\":{exit},\"stdout_path\":\"/gone\",\"odd\":{{}}}}"
        )
    };
    let (first, last) = ("2025-03-01T02:00:00Z", "2025-03-02T02:00:00Z");
    write(
        &place("runs/nightly/20250301T020000Z.json"),
        &record(first, 0),
    );
    write(
        &place("runs/nightly/20250302T020000Z.json"),
        &record(last, 5),
    );
    write(&place("runs/nightly/last.json"), &record(last, 5));
    write(
        &place("runs/port/20250303T020000Z.json"),
        "{\"task_name\":\"port\",\"action\":\"build.run\",\"start_time\":\"2025-03-03T02:00:00Z\"}",
    );
    write(
        &place("tasks/port.json"),
        "{\"name\":\"port\",\"status\":\"done\",\"last_run\":\"2025-03-03T02:00:00Z\"}",
    );
    jobs
}

/// O35.
#[test]
fn o35_status_and_history_read_the_older_tools_records() {
    let jobs = with_older_records();
    let expected = "nightly - exit=5 duration_ms=1500 start=2025-03-02T02:00:00Z\n";
    jobs.0.quintet(&["status"]).stdout(expected).run();
    jobs.0
        .quintet(&["plan", "status", "port"])
        .stdout("port status=done last_run=2025-03-03T02:00:00Z\n")
        .run();
    let history = jobs.0.quintet(&["history"]).run().text();
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines.len(), 3, "{history}");
    assert!(lines[0].starts_with("2025-03-03T02:00:00Z  build.run port"));
    assert_eq!(lines[1], "2025-03-02T02:00:00Z  run nightly  exit=5  1.5s");
    jobs.0.quintet(&["run", "nightly"]).run();
    jobs.0
        .quintet(&["status"])
        .stdout_has("nightly - exit=0")
        .run();
    let all = jobs
        .0
        .quintet(&["history", "nightly", "--json"])
        .run()
        .json();
    assert_eq!(all.as_array().expect("a list").len(), 3);
    // What was read was left alone.
    let older = jobs.0.path(".cache/orchastration/state/runs/nightly");
    assert_eq!(std::fs::read_dir(older).expect("it is there").count(), 3);
}

/// O35.
#[test]
fn o35_an_older_state_directory_can_be_named() {
    let jobs = with_older_records();
    let older = jobs.0.path(".cache/orchastration/state");
    let older = older.to_string_lossy();
    jobs.0
        .quintet(&["history", "port", "--state-dir", &older])
        .stdout_has("build.run port")
        .run();
}

/// O35.
#[test]
fn o35_a_record_that_cannot_be_read_is_told_of_and_hides_no_other() {
    let jobs = with_older_records();
    let runs = jobs.0.path(".cache/orchastration/state/runs/nightly");
    write(&runs.join("20250304T020000Z.json"), "{\"job_name\":");
    write(&runs.join("last.json"), "[]");
    jobs.0
        .quintet(&["history", "nightly"])
        .status(74)
        .stdout_has("2025-03-02T02:00:00Z  run nightly")
        .stderr_has("20250304T020000Z.json is no record")
        .run();
    jobs.0
        .quintet(&["status"])
        .stdout("nightly - no runs recorded\n")
        .stderr_has("last.json is no record")
        .run();
}
