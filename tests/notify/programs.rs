//! Messages to programs.

use serde_json::{Value, json};

use crate::support::{Test, eventually};

fn plan(notify: Value) -> String {
    json!({
        "plan_id": "NIGHTLY",
        "name": "Nightly; touch hacked; $(touch hacked)",
        "notify": [notify],
        "steps": [{ "id": "a", "command": "true" }],
    })
    .to_string()
}

#[test]
fn a_program_gets_the_text_the_json_and_its_arguments_as_they_are() {
    let notify = json!({
        "on": "run_succeeded", "command": "sh",
        "args": ["-c", "cat >text; printf %s \"$QUINTET_NOTIFICATION\" >json; \
            printf '%s|' \"$QUINTET_TITLE\" \"$MORE\" \"$@\" >args", "sh", "one; two", "$(three)"],
        "env": { "MORE": "and `more`" },
    });
    let test = Test::new().file("plan.json", plan(notify));
    test.quintet(&["run", "plan.json"]).no_file("hacked").run();
    let read = |name: &str| {
        let path = test.path("work").join(name);
        std::fs::read_to_string(path).expect("the program wrote it")
    };
    let document: Value = serde_json::from_str(&read("json")).expect("it is JSON");
    let title = "Nightly; touch hacked; $(touch hacked) succeeded";
    assert_eq!(document["title"], title);
    assert_eq!(document["text"], read("text"));
    assert!(read("text").starts_with(&format!("{title}\n")));
    assert_eq!(
        read("args"),
        format!("{title}|and `more`|one; two|$(three)|")
    );
}

#[test]
fn a_script_is_one_only_where_the_file_says_so() {
    let notify = json!({
        "on": "run_succeeded", "shell": true, "command": "printf %s \"$QUINTET_TITLE\" > title",
    });
    let test = Test::new().file("plan.json", plan(notify));
    test.quintet(&["run", "plan.json"])
        .no_file("hacked")
        .file_is("title", "Nightly; touch hacked; $(touch hacked) succeeded")
        .run();
}

#[test]
fn a_program_that_fails_is_a_warning_with_its_last_line_but_its_secrets() {
    let notify = json!({
        "on": "run_succeeded", "name": "mail", "command": "sh", "retry": { "count": 0 },
        "args": ["-c", "echo first; echo no server at ${HOST} >&2; exit 7"],
    });
    let mut text: Value = serde_json::from_str(&plan(notify)).expect("it is JSON");
    text["variables"] = json!({ "HOST": { "secret": true } });
    let test = Test::new().file("plan.json", text.to_string());
    test.quintet(&["run", "plan.json", "--var", "HOST=s3cret.example"])
        .status(0)
        .stderr_has("a message to mail could not be delivered: exit status: 7: no server at ***\n")
        .run();
}

#[test]
fn a_program_that_is_not_there_is_a_warning() {
    let notify = json!({ "on": "run_succeeded", "name": "mail", "command": "no-such-program" });
    let test = Test::new().file("plan.json", plan(notify));
    test.quintet(&["run", "plan.json"])
        .stderr_has("a message to mail could not be delivered: no-such-program: No such file")
        .run();
}

/// The program ignores what it can, and so does what it started; both are ended.
fn hanging(notify: Value, said: &str) {
    let test = Test::new().file("plan.json", plan(notify));
    test.quintet(&["run", "plan.json"])
        .status(0)
        .stderr_has(said)
        .run();
    assert!(test.path("work/began").exists());
    let sleeps = || {
        let processes = test.processes().into_iter();
        processes
            .filter(|(_, program)| !program.ends_with("quintet"))
            .count()
    };
    eventually("nothing of it is left", || sleeps() == 0);
}

const HANGS: &str = "trap '' TERM; echo >began; sleep 3600 & echo stuck; sleep 3600; wait";

#[test]
fn a_program_that_hangs_is_ended_with_all_of_its_group() {
    let notify = json!({
        "on": "run_succeeded", "name": "mail", "command": "sh", "args": ["-c", HANGS],
        "timeout_sec": 2, "retry": { "count": 0 },
    });
    hanging(
        notify,
        "a message to mail could not be delivered: it took longer than 2.0s: stuck",
    );
}

#[test]
fn a_program_that_hangs_is_not_waited_for_longer_than_the_end_allows() {
    let notify = json!({
        "on": "run_succeeded", "name": "mail", "command": "sh", "args": ["-c", HANGS],
        "timeout_sec": 3600,
    });
    hanging(
        notify,
        "a message to mail could not be delivered: it was not done in time: stuck",
    );
}

/// This process has signals blocked for itself, which its children must not inherit.
#[test]
fn a_program_hears_signals() {
    let notify = json!({
        "on": "run_succeeded", "command": "sh",
        "args": ["-c", "grep SigBlk: /proc/self/status | tr -d '\\t' >blocked"],
    });
    let test = Test::new().file("plan.json", plan(notify));
    test.quintet(&["run", "plan.json"])
        .file_is("blocked", "SigBlk:0000000000000000\n")
        .run();
}
