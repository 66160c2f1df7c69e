//! What holds between processes: runs that are canceled, killed, resumed and
//! locked from outside, with the program as its users have it.
//!
//! Steps write what they did into a file, `ledger`, and wait for files that
//! the test makes; so nothing here depends on how fast the machine is. What is
//! to be killed is killed by its process id, and every step has a timeout, so
//! that a test that fails leaves nothing behind for long.

#![cfg(target_os = "linux")] // The processes of a run are found in /proc.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::{Live, Test, eventually};

/// A plan in which up to four steps run at once.
fn plan(steps: Value) -> String {
    plan_with(json!({}), steps)
}

fn plan_with(globals: Value, steps: Value) -> String {
    let mut all = json!({"max_concurrency": 4, "default_timeout_sec": 50, "default_grace_sec": 1});
    for (name, value) in globals.as_object().expect("globals are an object") {
        all[name] = value.clone();
    }
    json!({"plan_id": "BETWEEN", "globals": all, "steps": steps}).to_string()
}

/// A script that notes its step's start with its process id, does what it does,
/// and notes its end if that went well.
fn noted(id: &str, script: &str) -> String {
    format!("echo start {id} $$$$ >> ledger; {script} && echo end {id} >> ledger")
}

/// A script that waits until there is such a file.
fn until(file: &str) -> String {
    format!("until [ -e {file} ]; do sleep 0.02; done")
}

/// A step that notes its start, waits for a file, and notes its end.
fn waits(id: &str, file: &str) -> Value {
    json!({"id": id, "shell": true, "command": noted(id, &until(file))})
}

fn with(mut step: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().expect("fields are an object") {
        step[name] = value.clone();
    }
    step
}

fn ledger(test: &Test) -> Vec<String> {
    let text = fs::read_to_string(test.path("work/ledger")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// How often the ledger has this word of the step.
fn times(test: &Test, what: &str, id: &str) -> usize {
    let is = |line: &&String| {
        let mut words = line.split(' ');
        words.next() == Some(what) && words.next() == Some(id)
    };
    ledger(test).iter().filter(is).count()
}

#[track_caller]
fn started(test: &Test, id: &str) {
    eventually(&format!("{id} starts"), || times(test, "start", id) > 0);
}

fn touch(test: &Test, name: &str) {
    fs::write(test.path("work").join(name), "").expect("a file can be written");
}

/// The processes that carry this test's directory in their environment, with
/// whether they are the program itself (an engine or a supervisor) or a step.
fn processes(test: &Test) -> Vec<(Pid, bool)> {
    let program = Path::new(env!("CARGO_BIN_EXE_quintet"));
    let found = test.processes().into_iter();
    found.map(|(pid, runs)| (pid, runs == program)).collect()
}

#[track_caller]
fn nothing_is_left(test: &Test) {
    eventually("no process is left", || processes(test).is_empty());
}

/// Whether a process still does anything. One that is dead and that nobody has
/// waited for is still listed, without its command line.
fn lives(pid: &str) -> bool {
    let path = Path::new("/proc").join(pid).join("cmdline");
    fs::read(path).is_ok_and(|words| !words.is_empty())
}

/// Kills the engine alone. Its supervisors and steps go on.
#[track_caller]
fn kill_engine(run: Live<'_>) {
    run.signal(Signal::SIGKILL);
    run.finish();
}

/// Kills the engine and all supervisors; steps are left to whoever finds them.
#[track_caller]
fn kill_engine_and_supervisors(test: &Test, run: Live<'_>) {
    run.signal(Signal::SIGKILL);
    run.finish();
    eventually("no supervisor is left", || {
        let supervisors: Vec<Pid> = processes(test)
            .into_iter()
            .filter_map(|(pid, ours)| ours.then_some(pid))
            .collect();
        for pid in &supervisors {
            let _ = kill(*pid, Signal::SIGKILL); // It may have ended by itself.
        }
        supervisors.is_empty()
    });
}

/// The newest run, as `status --json` tells it.
fn status(test: &Test) -> Value {
    test.quintet(&["status", "last", "--json"]).run().json()
}

fn state(test: &Test) -> String {
    text(&status(test)["run"]["state"])
}

fn step_of<'a>(status: &'a Value, id: &str) -> &'a Value {
    let steps = status["steps"].as_array().expect("steps are a list");
    let found = steps.iter().find(|step| step["step_id"] == id);
    found.unwrap_or_else(|| panic!("no step {id} in {status:#}"))
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

fn events(test: &Test, run: &str) -> Vec<Value> {
    let all = test.quintet(&["events", run, "--json"]).run().text();
    all.lines()
        .map(|line| serde_json::from_str(line).expect("an event is JSON"))
        .collect()
}

fn run_id(test: &Test) -> String {
    text(&status(test)["run"]["run_id"])
}

/// P28.
#[test]
fn p28_cancel_from_another_process_ends_the_running_step_and_the_run() {
    let steps = json!([
        waits("a", "never"),
        with(waits("b", "never"), json!({"depends_on": ["a"]})),
        {"id": "sweep", "depends_on": ["a"], "always": true, "shell": true,
         "command": noted("sweep", "true")}
    ]);
    let test = Test::new().file("plan.json", plan(steps));
    let run = test
        .quintet(&["run", "plan.json", "-q"])
        .status(130)
        .start();
    started(&test, "a");
    test.quintet(&["cancel", "last"])
        .stdout_has("is asked to stop")
        .run();
    run.finish();
    let status = status(&test);
    assert_eq!(status["run"]["state"], "canceled");
    assert_eq!(step_of(&status, "a")["state"], "canceled");
    assert_eq!(step_of(&status, "b")["state"], "canceled");
    assert_eq!(step_of(&status, "sweep")["state"], "succeeded");
    assert_eq!(times(&test, "start", "b"), 0);
    nothing_is_left(&test);
    test.quintet(&["cancel", "last"])
        .status(2)
        .stderr_has("is over already")
        .run();
}

/// P28.
#[test]
fn p28_cancel_of_a_run_whose_engine_was_killed() {
    let steps = json!([
        waits("a", "never"),
        with(waits("b", "never"), json!({"depends_on": ["a"]}))
    ]);
    let test = Test::new().file("plan.json", plan(steps));
    let run = test
        .quintet(&["run", "plan.json", "-q"])
        .status(137)
        .start();
    started(&test, "a");
    kill_engine(run);
    test.quintet(&["cancel", "last", "-q"]).status(130).run();
    let status = status(&test);
    assert_eq!(status["run"]["state"], "canceled");
    assert_eq!(step_of(&status, "a")["state"], "canceled");
    assert_eq!(step_of(&status, "b")["state"], "canceled");
    assert_eq!(times(&test, "start", "b"), 0);
    assert_eq!(times(&test, "end", "a"), 0);
    nothing_is_left(&test);
}

/// P29, XA01, XA02.
#[test]
fn p29_xa01_xa02_an_engine_killed_with_two_steps_live_is_resumed() {
    let steps = json!([
        {"id": "a", "shell": true, "command": noted("a", "true")},
        {"id": "b", "shell": true, "depends_on": ["a"], "on_failure": "continue",
         "critical": false, "command": noted("b", &format!("{}; exit 7", until("go-b")))},
        with(waits("c", "go-c"), json!({"depends_on": ["a"]})),
        {"id": "d", "shell": true, "depends_on": ["b", "c"], "command": noted("d", "true")}
    ]);
    let test = Test::new().file("plan.json", plan(steps));
    let run = test
        .quintet(&["run", "plan.json", "-q"])
        .status(137)
        .start();
    started(&test, "b");
    started(&test, "c");
    kill_engine(run);

    let id = run_id(&test);
    test.quintet(&["runs"]).stdout_has("interrupted").run();
    test.quintet(&["status"])
        .stdout_has("interrupted")
        .stdout_has(&format!("quintet resume {id}"))
        .run();

    // b ends while no engine lives; c goes on until the second one has come.
    touch(&test, "go-b");
    eventually("b is gone", || {
        let b = ledger(&test).iter().find_map(|line| {
            let pid = line.strip_prefix("start b ")?;
            Some(pid.to_owned())
        });
        !lives(&b.expect("b has started"))
    });
    let resume = test.quintet(&["resume", "-q"]).start();
    eventually("the run is taken over", || {
        events(&test, &id)
            .iter()
            .any(|event| event["type"] == "run_resumed")
    });
    touch(&test, "go-c");
    resume.finish();

    for step in ["a", "b", "c", "d"] {
        assert_eq!(times(&test, "start", step), 1, "{:?}", ledger(&test));
    }
    assert_eq!(ledger(&test).last().map(String::as_str), Some("end d"));
    let status = status(&test);
    assert_eq!(status["run"]["state"], "succeeded");
    let ends: Vec<(Value, Value)> = events(&test, &id)
        .iter()
        .filter(|event| event["type"] == "step_finished")
        .map(|event| (event["end"].clone(), event["code"].clone()))
        .collect();
    let exited = |code: i32| (json!("exited"), json!(code));
    let expected = [exited(0), exited(7), exited(0), exited(0)];
    assert_eq!(ends, expected);
    // A run that succeeded is not resumed: nothing of it could be done again.
    test.quintet(&["resume", &id])
        .status(2)
        .stderr_has("there is nothing to resume")
        .run();
}

/// P25.
#[test]
fn p25_sigint_stops_with_grace_and_steps_that_always_run_do() {
    let script = format!(
        "trap 'echo term a >> ledger; exit 1' TERM; {}",
        until("never")
    );
    let steps = json!([
        {"id": "a", "shell": true, "command": noted("a", &script)},
        with(waits("b", "never"), json!({"depends_on": ["a"]})),
        {"id": "sweep", "always": true, "depends_on": ["a"], "shell": true,
         "command": noted("sweep", "true")}
    ]);
    let globals = json!({"default_grace_sec": 40});
    let test = Test::new().file("plan.json", plan_with(globals, steps));
    let run = test
        .quintet(&["run", "plan.json", "-q"])
        .status(130)
        .start();
    started(&test, "a");
    run.signal(Signal::SIGINT);
    run.finish();
    assert_eq!(times(&test, "term", "a"), 1, "{:?}", ledger(&test));
    assert_eq!(times(&test, "end", "sweep"), 1);
    assert_eq!(times(&test, "start", "b"), 0);
    assert_eq!(state(&test), "canceled");
    nothing_is_left(&test);
}

/// XB08.
#[test]
fn xb08_a_second_sigint_kills_at_once() {
    // The grace is longer than the test waits for the end.
    let script = format!("trap '' TERM; {}", until("never"));
    let step = json!({"id": "a", "shell": true, "grace_sec": 300, "timeout_sec": 400,
                      "command": noted("a", &script)});
    let test = Test::new().file("plan.json", plan(json!([step])));
    let run = test
        .quintet(&["run", "plan.json", "-q"])
        .status(130)
        .start();
    started(&test, "a");
    let stopping = |how: &str| {
        events(&test, "last")
            .iter()
            .any(|event| event["type"] == "run_stopping" && event["why"] == how)
    };
    run.signal(Signal::SIGINT);
    eventually("the run is stopping", || stopping("cancel"));
    run.signal(Signal::SIGINT);
    run.finish();
    assert!(stopping("kill"));
    assert_eq!(state(&test), "canceled");
    nothing_is_left(&test);
}

/// XB07.
#[test]
fn xb07_sigterm_to_the_engine_ends_the_whole_tree() {
    let script = format!("(setsid sleep 40 &) ; {}", until("never"));
    let steps = json!([{"id": "a", "shell": true, "command": noted("a", &script)}]);
    let test = Test::new().file("plan.json", plan(steps));
    let run = test
        .quintet(&["run", "plan.json", "-q"])
        .status(143)
        .start();
    started(&test, "a");
    run.signal(Signal::SIGTERM);
    run.finish();
    assert_eq!(state(&test), "canceled");
    nothing_is_left(&test);
}

/// Starts a call whose output is not looked at while it goes on.
fn beside(test: &Test, args: &[&str], stderr: &str) -> Child {
    let file = fs::File::create(test.path(stderr)).expect("a file can be made");
    test.quintet(args)
        .command()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .expect("the program can be started")
}

fn ended(child: &mut Child) -> bool {
    child
        .try_wait()
        .expect("a child can be waited for")
        .is_some()
}

/// XE01.
#[test]
fn xe01_of_two_engines_that_resume_one_run_one_works_and_the_other_is_told_who() {
    for round in 0..if support::nightly() { 200 } else { 10 } {
        let test = Test::new().file("plan.json", plan(json!([waits("a", "go")])));
        let run = test
            .quintet(&["run", "plan.json", "-q"])
            .status(137)
            .start();
        started(&test, "a");
        kill_engine(run);
        let mut engines = [
            beside(&test, &["resume", "last", "-q"], "0"),
            beside(&test, &["resume", "last", "-q"], "1"),
        ];
        eventually("one is refused", || engines.iter_mut().any(ended));
        let loser = usize::from(!ended(&mut engines[0]));
        let winner = 1 - loser;
        let code = engines[loser].wait().expect("it has ended").code();
        let said = fs::read_to_string(test.path(&loser.to_string())).unwrap();
        assert_eq!(code, Some(75), "round {round}: {said}");
        let pid = engines[winner].id().to_string();
        assert!(said.contains(&pid), "round {round}, winner {pid}: {said}");
        let host = nix::unistd::gethostname().unwrap();
        assert!(said.contains(&*host.to_string_lossy()), "{said}");
        assert!(!ended(&mut engines[winner]));
        touch(&test, "go");
        eventually("the other ends", || ended(&mut engines[winner]));
        let code = engines[winner].wait().expect("it has ended").code();
        assert_eq!(code, Some(0), "round {round}");
        assert_eq!(times(&test, "start", "a"), 1, "{:?}", ledger(&test));
    }
}

/// P35, XE02.
#[test]
fn p35_xe02_two_runs_of_one_plan_and_key_never_overlap() {
    let globals = json!({"lock": {"name": "merge-${KEY}", "wait_sec": 0}});
    let steps = json!([waits("${KEY}", "go-${KEY}")]);
    let test = Test::new().file("plan.json", plan_with(globals, steps));
    let args = |key: &'static str| ["run", "plan.json", "-q", "--var", key];
    let first = test.quintet(&args("KEY=x")).status(137).start();
    started(&test, "x");
    let id = run_id(&test);
    test.quintet(&args("KEY=x"))
        .status(75)
        .stdout("")
        .stderr_has(&id)
        .stderr_has(&first.pid().to_string())
        .run();
    assert_eq!(times(&test, "start", "x"), 1);
    // Another key is another matter.
    touch(&test, "go-y");
    test.quintet(&args("KEY=y")).run();

    kill_engine(first);
    touch(&test, "go-x");
    test.quintet(&args("KEY=x")).run();
    assert_eq!(times(&test, "start", "x"), 2);
}

/// P35.
#[test]
fn p35_a_run_waits_for_the_one_before_it_as_long_as_the_plan_says() {
    let globals = json!({"lock": {"name": "merge", "wait_sec": 50}});
    let test = Test::new().file(
        "plan.json",
        plan_with(globals, json!([waits("${WHO}", "go-${WHO}")])),
    );
    touch(&test, "go-second");
    let first = test
        .quintet(&["run", "plan.json", "-q", "--var", "WHO=first"])
        .start();
    started(&test, "first");
    let second = test
        .quintet(&["run", "plan.json", "--var", "WHO=second"])
        .stderr_has(&run_id(&test))
        .start();
    // It is told to wait for: the holder's run is named before anything runs.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(times(&test, "start", "second"), 0);
    touch(&test, "go-first");
    first.finish();
    second.finish();
    let order: Vec<String> = ledger(&test)
        .iter()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        order,
        ["start first", "end first", "start second", "end second"]
    );
}

/// Two runs want the same for one step of theirs: the second waits, says for
/// whom, and goes on when it is free.
#[track_caller]
fn held_across_runs(globals: Value, holds: Value, on: &str) {
    let file = |id: &str, go: &str| {
        plan_with(globals.clone(), json!([with(waits(id, go), holds.clone())]))
    };
    let test = Test::new()
        .file("first.json", file("one", "go"))
        .file("second.json", file("two", "go"));
    let first = test.quintet(&["run", "first.json", "-q"]).start();
    started(&test, "one");
    let holder = run_id(&test);
    let second = test.quintet(&["run", "second.json", "-q"]).start();
    eventually("the second run is recorded", || run_id(&test) != holder);
    let waiter = run_id(&test);
    let blocked = || {
        events(&test, &waiter)
            .into_iter()
            .find(|event| event["type"] == "step_blocked")
    };
    eventually("the second run's step is blocked", || blocked().is_some());
    let blocked = blocked().expect("it was there");
    assert!(text(&blocked["on"]).contains(on), "{blocked}");
    assert_eq!(blocked["holder"]["run"], holder.as_str(), "{blocked}");
    assert_eq!(blocked["holder"]["step"], "one", "{blocked}");
    assert_eq!(times(&test, "start", "two"), 0);
    touch(&test, "go");
    first.finish();
    second.finish();
    let ledger = ledger(&test);
    assert_eq!(ledger[1], "end one", "{ledger:?}");
    assert!(ledger[2].starts_with("start two"), "{ledger:?}");
}

/// P35.
#[test]
fn p35_a_steps_lock_holds_between_runs_and_the_waiter_names_the_holder() {
    held_across_runs(json!({}), json!({"locks": ["db"]}), "db");
}

/// P35.
#[test]
fn p35_a_pool_holds_between_runs_and_the_waiter_names_the_holder() {
    held_across_runs(json!({"pools": {"gpu": 1}}), json!({"pool": "gpu"}), "gpu");
}

/// P29.
#[test]
fn p29_a_steps_lock_outlives_the_engine_as_long_as_the_step_does() {
    let file = |id: &str| plan(json!([with(waits(id, "go"), json!({"locks": "db"}))]));
    let test = Test::new()
        .file("first.json", file("one"))
        .file("second.json", file("two"));
    let first = test
        .quintet(&["run", "first.json", "-q"])
        .status(137)
        .start();
    started(&test, "one");
    let holder = run_id(&test);
    kill_engine(first);
    let second = test.quintet(&["run", "second.json", "-q"]).start();
    eventually("the second run is recorded", || run_id(&test) != holder);
    let waiter = run_id(&test);
    eventually("the second run's step is blocked", || {
        events(&test, &waiter)
            .iter()
            .any(|event| event["type"] == "step_blocked")
    });
    assert_eq!(times(&test, "start", "two"), 0);
    touch(&test, "go");
    second.finish();
    let ledger = ledger(&test);
    assert_eq!(ledger[1], "end one", "{ledger:?}");
    test.quintet(&["resume", &holder, "-q"]).run();
    assert_eq!(times(&test, "start", "one"), 1);
}

/// XA03.
#[test]
fn xa03_an_attempt_whose_end_nobody_saw_is_made_once_more() {
    let steps = json!([
        {"id": "a", "shell": true, "command": noted("a", "true")},
        with(waits("b", "go"), json!({"depends_on": ["a"]}))
    ]);
    let test = Test::new().file("plan.json", plan(steps));
    let run = test
        .quintet(&["run", "plan.json", "-q"])
        .status(137)
        .start();
    started(&test, "b");
    kill_engine_and_supervisors(&test, run);
    let first = ledger(&test)[2].replace("start b ", "");
    let resume = test.quintet(&["resume", "-q"]).start();
    eventually("b starts again", || times(&test, "start", "b") == 2);
    assert!(!lives(&first), "the first b lives beside the second");
    touch(&test, "go");
    resume.finish();
    assert_eq!(times(&test, "start", "a"), 1);
    assert_eq!(times(&test, "start", "b"), 2);
    assert_eq!(times(&test, "end", "b"), 1);
    let ends: Vec<Value> = events(&test, "last")
        .iter()
        .filter(|event| event["type"] == "step_finished")
        .map(|event| event["end"].clone())
        .collect();
    assert_eq!(ends, ["exited", "interrupted", "exited"]);
    nothing_is_left(&test);
}

/// A run that waits for a person's word about `once`, which must not simply be
/// run again.
fn quarantined() -> Test {
    let steps = json!([
        with(waits("once", "go"), json!({"idempotent": false})),
        {"id": "next", "depends_on": ["once"], "shell": true, "command": noted("next", "true")}
    ]);
    let test = Test::new().file("plan.json", plan(steps));
    let run = test
        .quintet(&["run", "plan.json", "-q"])
        .status(137)
        .start();
    started(&test, "once");
    kill_engine_and_supervisors(&test, run);
    test.quintet(&["resume", "-q"]).status(3).run();
    assert_eq!(state(&test), "quarantined");
    nothing_is_left(&test);
    test.quintet(&["resume", "-q"])
        .status(3)
        .stderr_has("--rerun once")
        .stderr_has("--assume-done once")
        .run();
    assert_eq!(state(&test), "quarantined");
    assert_eq!(times(&test, "start", "once"), 1);
    assert_eq!(times(&test, "start", "next"), 0);
    touch(&test, "go");
    test
}

/// XA03.
#[test]
fn xa03_a_quarantined_step_is_run_again_on_a_persons_word() {
    let test = quarantined();
    test.quintet(&["resume", "-q", "--rerun", "once"]).run();
    assert_eq!(times(&test, "start", "once"), 2);
    assert_eq!(times(&test, "end", "next"), 1);
    assert_eq!(state(&test), "succeeded");
}

/// XA03.
#[test]
fn xa03_a_quarantined_step_is_taken_as_done_on_a_persons_word() {
    let test = quarantined();
    test.quintet(&["resume", "-q", "--assume-done", "once"])
        .run();
    assert_eq!(times(&test, "start", "once"), 1);
    assert_eq!(times(&test, "end", "next"), 1);
    assert_eq!(state(&test), "succeeded");
}

/// P29, XA12.
#[test]
fn p29_xa12_a_failed_run_is_resumed_by_its_own_plan_without_what_succeeded() {
    let b = |what: &str| {
        plan(json!([
            {"id": "a", "shell": true, "command": noted("a", "true")},
            {"id": "b", "depends_on": ["a"], "shell": true, "command": noted("b", what)},
            {"id": "c", "depends_on": ["b"], "shell": true, "command": noted("c", "true")}
        ]))
    };
    let test = Test::new().file("plan.json", b("[ -e fixed ]"));
    test.quintet(&["run", "plan.json", "-q"]).status(1).run();
    assert_eq!(times(&test, "start", "c"), 0);
    let test = test.file("plan.json", b("touch edited")).file("fixed", "");
    test.quintet(&["resume", "-q"]).no_file("edited").run();
    assert_eq!(times(&test, "start", "a"), 1);
    assert_eq!(times(&test, "start", "b"), 2);
    assert_eq!(times(&test, "end", "c"), 1);
    assert_eq!(state(&test), "succeeded");
}

/// The files below a directory that hold this text.
fn holding(dir: &Path, what: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            found.extend(holding(&path, what));
        } else if path.is_file() {
            let bytes = fs::read(&path).expect("a file can be read");
            if bytes
                .windows(what.len())
                .any(|part| part == what.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// XH01.
#[test]
fn xh01_a_secret_is_in_no_file_of_the_store_and_resume_needs_it_again() {
    let secret = "hunter2-x7Qz9";
    let file = json!({
        "plan_id": "SECRET",
        "variables": {"TOKEN": {"secret": true, "required": true}, "USER": "me"},
        "steps": [
            {"id": "arg", "command": "sh",
             "args": ["-c", "printf %s \"$1\" > got-arg; [ -e fixed ]", "sh", "${TOKEN}"]},
            {"id": "env", "depends_on": ["arg"], "shell": true, "env": {"T": "${USER}:${TOKEN}"},
             "command": "printf %s \"$T\" > got-env"}
        ]
    });
    let test = Test::new().file("plan.json", file.to_string());
    let var = format!("TOKEN={secret}");
    let clean = || assert_eq!(holding(&test.path("state"), secret), Vec::<String>::new());
    test.quintet(&["run", "plan.json", "--var", &var])
        .status(1)
        .file_is("got-arg", secret)
        .run();
    clean();
    fs::remove_file(test.path("work/got-arg")).unwrap();
    touch(&test, "fixed");
    // Without the secret nothing is started or recorded, and the run can still be resumed.
    test.quintet(&["resume"])
        .status(2)
        .stderr_has("needs its secrets again, which no record holds: TOKEN")
        .no_file("got-arg")
        .run();
    assert_eq!(state(&test), "failed");
    test.quintet(&["resume", "--var", &var])
        .file_is("got-arg", secret)
        .file_is("got-env", format!("me:{secret}"))
        .run();
    clean();
}
