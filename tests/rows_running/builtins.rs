//! Steps that ask something of the machine, in a plan and on the program itself.

use std::net::TcpListener;

use crate::support::Test;
use crate::{number, plan, ran};

/// A step that asks `question`, and whose failure is nobody else's.
fn asking(id: &str, question: &str) -> String {
    format!("  - {{id: {id}, on_failure: continue, builtin: {{{question}}}}}\n")
}

fn plan_of(steps: &[String]) -> Test {
    plan(&format!("plan_id: asks\nsteps:\n{}", steps.concat()))
}

#[test]
fn a_step_that_asks_succeeds_where_it_holds_and_fails_where_it_does_not() {
    let test = plan_of(&[
        asking("there", "file_exists: {path: plan.yaml, kind: file}"),
        asking("gone", "file_exists: {path: [plan.yaml, gone.txt]}"),
        asking("space", "disk_space: {at_least: 1}"),
        asking(
            "shell",
            "tool_version: {program: sh, args: [-c, echo 1.10], at_least: 1.9}",
        ),
        asking("no-git", "git_clean: {dir: /proc}"),
    ]);
    let record = ran(&test, 0);
    assert_eq!(
        record.states(),
        "there succeeded, gone failed, space succeeded, shell succeeded, no-git failed"
    );
    let code = |id: &str| number(&record.step(id)["exit_code"]);
    assert_eq!((code("there"), code("gone"), code("no-git")), (0, 1, 2));
    let gone = test.path("work/gone.txt");
    let logs = test.quintet(&["logs", "last", "gone"]).run().text();
    assert!(
        logs.contains(&format!("{} is not there", gone.display())),
        "{logs}"
    );
}

/// E22.
#[test]
fn e22_too_little_disk_space_fails_the_run_with_the_words_for_it() {
    let test = plan(
        r#"
        steps:
          - {id: disk, builtin: {disk_space: {at_least: 1048576TB}}}
          - {id: never, command: "true", needs: [disk]}
        "#,
    );
    let record = ran(&test, 1);
    assert_eq!(record.steps_of("step_started"), ["disk"]);
    let logs = test.quintet(&["logs", "last", "disk"]).run().text();
    assert!(logs.contains("Insufficient disk space: "), "{logs}");
    assert!(
        logs.contains("GB available (need at least 1073741824GB)"),
        "{logs}"
    );
}

/// E35.
#[test]
fn e35_none_of_the_questions_before_a_run_outlasts_its_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it has one").port();
    let hang = "tool_version: {program: sh, args: [-c, 'sleep 300 & sleep 300']}";
    let test = plan_of(&[
        asking(
            "network",
            &format!("port_reachable: {{host: localhost, port: {port}}}"),
        ),
        asking("hang", hang).replace("on_failure", "timeout_sec: 0.3, grace_sec: 0.1, on_failure"),
        asking("disk", "disk_space: {path: /, at_least: 1KB}"),
    ]);
    let record = ran(&test, 0);
    assert_eq!(
        record.states(),
        "network succeeded, hang failed, disk succeeded"
    );
    assert!(record.seq("step_timeout", Some("hang")) > 0);
    assert_eq!(test.processes(), []);
}

#[test]
fn views_say_what_a_step_asks() {
    let test = plan_of(&[asking("disk", "disk_space: {path: /srv, at_least: 1GB}")]);
    let words = "disk space at least 1 GB at /srv";
    test.quintet(&["plan", "plan.yaml"]).stdout_has(words).run();
    let graph = test.quintet(&["graph", "plan.yaml", "--json"]).run().json();
    assert_eq!(graph["nodes"][0]["kind"], "builtin");
}
