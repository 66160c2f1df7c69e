//! A run has nothing of the server that began it, and goes on when that is gone.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getsid};
use serde_json::json;

use super::client::{Client, configured};
use super::support::Test;

#[test]
fn a_run_goes_on_when_the_server_ends() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "gate");
    assert_eq!(client.hang_up(), Some(0));
    goes_on(test, &run);
}

#[test]
fn a_run_goes_on_when_the_server_is_killed_with_its_group() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "gate");
    let group = i32::try_from(client.server.id()).expect("a process id");
    killpg(Pid::from_raw(group), Signal::SIGKILL).expect("it is there");
    assert_eq!(client.hang_up(), None);
    goes_on(test, &run);
}

/// The run waits at its gate, and ends well once that is open.
#[track_caller]
fn goes_on(test: Test, run: &str) {
    let mut client = Client::new(&test, &[]);
    let seen = client.done("watch", json!({ "run": run }));
    assert_eq!(
        (&seen["is_over"], &seen["interrupted"]),
        (&json!(false), &json!(false))
    );
    let _test = test.file("open", "");
    assert_eq!(client.ended(run)["state"], "succeeded");
}

#[test]
fn a_run_has_a_session_of_its_own_and_none_of_the_servers_streams() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let begun = client.begin("job", "gate");
    let pid = begun["pid"].as_i64().expect("a process id");
    let process = Pid::from_raw(i32::try_from(pid).expect("a process id"));
    assert_eq!(getsid(Some(process)), Ok(process));
    let stream = |n| std::fs::read_link(format!("/proc/{pid}/fd/{n}")).expect("it is open");
    assert_eq!(stream(0), Path::new("/dev/null"));
    assert_eq!(stream(1), Path::new("/dev/null"));
    assert!(
        stream(2).to_string_lossy().contains("memfd"),
        "{:?}",
        stream(2)
    );

    let test = test.file("open", "");
    client.ended(begun["run_id"].as_str().expect("an id"));
    // Nothing is left of it while the server lives, not even its exit code.
    let deadline = Instant::now() + Duration::from_secs(60);
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(Instant::now() < deadline, "nobody took note of its end");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(test);
}
