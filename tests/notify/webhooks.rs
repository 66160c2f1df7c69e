//! Messages to servers.

use serde_json::{Value, json};

use crate::receiver::{Answer, Receiver};
use crate::support::Test;

/// Long enough to be told apart.
const KEY: &str = "k3y-of-the-hook-9Zq";
const TOKEN: &str = "t0ken-of-the-hook-7Xp";

/// A plan that tells one receiver, and of which these steps are the steps.
fn plan(notify: Value, steps: Value) -> String {
    json!({
        "plan_id": "NIGHTLY",
        "name": "Nightly",
        "globals": { "max_concurrency": 4 },
        "notify": [notify],
        "steps": steps,
    })
    .to_string()
}

/// Soon enough for a test, and as often as it is to be tried.
fn quick(count: u32) -> Value {
    json!({ "count": count, "delay_sec": 0.01, "jitter": 0 })
}

fn failing(id: &str) -> Value {
    let words = format!("echo last words of {id} >&2; exit 3");
    json!({ "id": id, "command": "sh", "args": ["-c", words], "on_failure": "skip_dependents" })
}

#[test]
fn a_failed_run_is_told_of_once_it_is_on_record() {
    let receiver = Receiver::answering(&[Answer::Status(204)]);
    let notify = json!({ "on": ["run_failed", "run_succeeded"], "webhook": receiver.url() });
    let test = Test::new().file("plan.json", plan(notify, json!([failing("build")])));
    test.quintet(&["run", "plan.json"]).status(1).run();
    let posted = receiver.next();
    assert_eq!(posted.path, "/hook");
    assert_eq!(posted.header("content-type"), "application/json");
    assert!(posted.header("user-agent").starts_with("quintet/"));
    assert_eq!(posted.header("x-quintet-signature"), "");
    let told = posted.json();
    assert_eq!(told["event"], "run_failed");
    assert_eq!(told["title"], "Nightly failed");
    assert_eq!(told["plan"]["id"], "NIGHTLY");
    assert_eq!(told["outcome"], "failed");
    assert_eq!(told["counts"]["failed"], 1);
    assert_eq!(told["steps"][0]["id"], "build");
    assert_eq!(told["steps"][0]["exit_code"], 3);
    assert_eq!(told["steps"][0]["output"], "last words of build\n");
    assert!(receiver.rest().is_empty());
    let run_id = told["run_id"].as_str().expect("a run's id");
    test.quintet(&["status", run_id]).stdout_has("failed").run();
}

#[test]
fn the_signature_is_right_and_no_secret_is_kept_or_shown() {
    let receiver = Receiver::answering(&[Answer::Status(400)]);
    let text = json!({
        "variables": { "KEY": { "secret": true }, "TOKEN": { "secret": true } },
        "notify": [{
            "on": "run_failed",
            "name": "ops",
            "webhook": format!("{}/${{TOKEN}}", receiver.url()),
            "secret": "${KEY}",
            "headers": { "Authorization": "Bearer ${TOKEN}" },
        }],
        "steps": [{ "id": "a", "command": "sh",
            "args": ["-c", "echo it is $1 >&2; exit 3", "sh", "${TOKEN}"] }],
    });
    let test = Test::new().file("plan.json", text.to_string());
    let (key, token) = (format!("KEY={KEY}"), format!("TOKEN={TOKEN}"));
    let done = test
        .quintet(&["run", "plan.json", "--var", &key, "--var", &token])
        .status(1)
        .stderr_has("a message to ops could not be delivered: the server answered 400")
        .run();
    let posted = receiver.next();
    assert_eq!(posted.path, format!("/hook/{TOKEN}"));
    assert_eq!(posted.header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(posted.header("x-quintet-signature"), posted.signature(KEY));
    assert_ne!(
        posted.header("x-quintet-signature"),
        posted.signature("another")
    );
    assert_eq!(posted.json()["steps"][0]["output"], "it is ***\n");
    // What a 400 means another try does not change.
    assert!(receiver.rest().is_empty());
    for secret in [KEY, TOKEN] {
        assert!(!done.stderr.contains(secret) && !done.text().contains(secret));
        assert!(!String::from_utf8_lossy(&posted.body).contains(secret));
        assert_eq!(holding(&test.path("state"), secret), Vec::<String>::new());
    }
}

/// The files below a directory that hold a text.
fn holding(dir: &std::path::Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn what_may_pass_is_tried_again_as_the_same_delivery() {
    let busy = Answer::With(503, "Retry-After: 0\r\n");
    let receiver = Receiver::answering(&[Answer::Status(503), busy, Answer::Status(200)]);
    let notify = json!({
        "on": "run_succeeded", "webhook": receiver.url(), "secret_env": "HOOK", "retry": quick(3),
    });
    let steps = json!([{ "id": "a", "command": "true" }]);
    let test = Test::new().file("plan.json", plan(notify, steps));
    let done = test.quintet(&["run", "plan.json"]).env("HOOK", KEY).run();
    assert!(!done.stderr.contains("warning"), "{}", done.stderr);
    let tries: Vec<_> = (0..3).map(|_| receiver.next()).collect();
    let id = tries[0].header("x-quintet-delivery");
    assert_eq!(id.len(), 32);
    for posted in &tries {
        assert_eq!(posted.header("x-quintet-delivery"), id);
        assert_eq!(posted.body, tries[0].body);
        assert_eq!(posted.header("x-quintet-signature"), posted.signature(KEY));
    }
    test.quintet(&["run", "plan.json"]).env("HOOK", KEY).run();
    assert_ne!(receiver.next().header("x-quintet-delivery"), id);
}

#[test]
fn what_is_never_taken_is_a_warning_and_no_failure() {
    let receiver = Receiver::answering(&[Answer::Status(500)]);
    let notify = json!({
        "on": "run_succeeded", "name": "ops", "webhook": receiver.url(), "retry": quick(2),
    });
    let steps = json!([{ "id": "a", "command": "true" }]);
    let test = Test::new().file("plan.json", plan(notify, steps));
    test.quintet(&["run", "plan.json", "--quiet"])
        .status(0)
        .stderr_has("a message to ops could not be delivered: the server answered 500")
        .run();
    assert_eq!(receiver.rest().len(), 3);
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Receiver::answering(&[Answer::Status(200)]);
    let header: &'static str = format!("Location: {}\r\n", elsewhere.url()).leak();
    let receiver = Receiver::answering(&[Answer::With(307, header)]);
    let notify = json!({ "on": "run_succeeded", "webhook": receiver.url() });
    let steps = json!([{ "id": "a", "command": "true" }]);
    let test = Test::new().file("plan.json", plan(notify, steps));
    test.quintet(&["run", "plan.json"])
        .stderr_has("the server answered 307, and redirects are not followed")
        .run();
    receiver.next();
    assert!(receiver.rest().is_empty() && elsewhere.rest().is_empty());
}

/// The receiver holds the first message for ever. All that follows happens all the
/// same: steps run, the run ends and is on record, and the program ends as well.
#[test]
fn one_who_never_answers_keeps_nobody_from_anything() {
    let receiver = Receiver::answering(&[Answer::Never]);
    let notify = json!({
        "on": ["step_succeeded", "run_succeeded"], "name": "ops", "webhook": receiver.url(),
        "group_within_sec": 0, "timeout_sec": 3600,
    });
    let steps = json!([
        { "id": "a", "command": "true" },
        // It begins while the message about the first one is held.
        { "id": "b", "command": "sh", "args": ["-c", "until [ -e go ]; do sleep 0.05; done"],
          "depends_on": ["a"] },
    ]);
    let test = Test::new().file("plan.json", plan(notify, steps));
    let mut live = test
        .quintet(&["run", "plan.json", "--json"])
        .stderr_has("3 messages to ops could not be delivered: there was no answer in time")
        .start();
    assert_eq!(receiver.next().json()["event"], "step_succeeded");
    std::fs::write(test.path("work/go"), "").expect("a file can be written");
    // Only what is durable is written here, and the program has not ended yet.
    let mut line = live.line();
    while !line.contains("run_finished") {
        assert!(!line.is_empty(), "the run's end was to come");
        line = live.line();
    }
    let run = test.quintet(&["status", "last", "--json"]).run().json();
    assert_eq!(run["run"]["state"], "succeeded", "{run}");
    live.finish();
}

#[test]
fn what_happens_together_is_one_message() {
    let receiver = Receiver::answering(&[Answer::Status(200)]);
    let notify = json!({
        "on": "step_failed", "webhook": receiver.url(), "group_within_sec": 3600,
        "only": { "tags": ["watched"] },
    });
    let mut steps: Vec<Value> = ["a", "b", "c"].map(failing).into();
    for step in &mut steps {
        step["tags"] = json!(["watched"]);
    }
    steps.push(failing("not-watched"));
    let test = Test::new().file("plan.json", plan(notify, steps.into()));
    test.quintet(&["run", "plan.json"]).status(1).run();
    let told = receiver.next().json();
    assert_eq!(told["event"], "step_failed");
    assert_eq!(told["title"], "Nightly: 3 steps failed");
    let steps = told["steps"].as_array().expect("a list");
    let mut ids: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["id"].as_str())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "b", "c"]);
    for step in steps {
        let id = step["id"].as_str().expect("an id");
        assert_eq!(step["output"], format!("last words of {id}\n"));
    }
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_recovery_is_told_after_a_failure_and_not_after_that() {
    let receiver = Receiver::answering(&[Answer::Status(200)]);
    let notify = json!({ "on": ["run_recovered"], "webhook": receiver.url() });
    let steps = json!([{ "id": "a", "command": "test", "args": ["-e", "mended"] }]);
    let test = Test::new().file("plan.json", plan(notify, steps));
    test.quintet(&["run", "plan.json"]).status(1).run();
    test.quintet(&["run", "plan.json"]).status(1).run();
    assert!(receiver.rest().is_empty());
    std::fs::write(test.path("work/mended"), "").expect("a file can be written");
    test.quintet(&["run", "plan.json"]).run();
    assert_eq!(receiver.next().json()["title"], "Nightly succeeded again");
    test.quintet(&["run", "plan.json"]).run();
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_resumed_run_tells_of_its_end_and_that_it_recovered() {
    let receiver = Receiver::answering(&[Answer::Status(200)]);
    let notify = json!({
        "on": ["run_failed", "run_succeeded", "run_recovered"], "webhook": receiver.url(),
    });
    let steps = json!([{ "id": "a", "command": "test", "args": ["-e", "mended"] }]);
    let test = Test::new().file("plan.json", plan(notify, steps));
    test.quintet(&["run", "plan.json"]).status(1).run();
    let failed = receiver.next().json();
    std::fs::write(test.path("work/mended"), "").expect("a file can be written");
    test.quintet(&["resume"]).run();
    let recovered = receiver.next().json();
    assert_eq!(failed["event"], "run_failed");
    assert_eq!(recovered["event"], "run_recovered");
    assert_eq!(recovered["run_id"], failed["run_id"]);
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_preview_says_who_would_be_told_and_tells_nobody() {
    let receiver = Receiver::answering(&[Answer::Status(200)]);
    let notify = json!({
        "on": ["run_failed", "run_succeeded", "step_failed"], "name": "ops",
        "webhook": receiver.url(),
    });
    let steps = json!([{ "id": "a", "command": "true" }]);
    let test = Test::new().file("plan.json", plan(notify, steps));
    test.quintet(&["plan", "plan.json"])
        .stdout_has("would notify ops: run_succeeded, run_failed, step_failed\n")
        .run();
    test.quintet(&["run", "plan.json", "--dry-run"]).run();
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_secret_that_is_not_given_again_costs_the_message_and_not_the_run() {
    let receiver = Receiver::answering(&[Answer::Status(200)]);
    let text = json!({
        "variables": { "KEY": { "secret": true } },
        "notify": [{ "on": ["run_failed", "run_succeeded"], "name": "ops",
            "webhook": receiver.url(), "secret": "${KEY}" }],
        "steps": [{ "id": "a", "command": "test", "args": ["-e", "mended"] }],
    });
    let test = Test::new().file("plan.json", text.to_string());
    let key = format!("KEY={KEY}");
    test.quintet(&["run", "plan.json", "--var", &key])
        .status(1)
        .run();
    receiver.next();
    std::fs::write(test.path("work/mended"), "").expect("a file can be written");
    test.quintet(&["resume"])
        .stderr_has("nothing can be told to ops: the secret KEY was not given")
        .run();
    assert!(receiver.rest().is_empty());
}
