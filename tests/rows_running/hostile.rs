//! Steps that do not want to end, and steps that leave processes behind: on
//! timeout, on cancel and on success, through the program itself.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Test, eventually, nightly};
use crate::{Record, exists, number, plan, running, text, written};

/// Misbehaves in a way of its choice: `MODE [FILE]`; see there.
const STEP: &str = include_str!("../executor/step.py");

/// Steps that live long, each in its own way, and say when they do.
const LASTING: [&str; 8] = [
    "ignore-term",
    "slow-term",
    "setsid",
    "setsid-closed",
    "tree",
    "forkrace",
    "stop-then-clean",
    "count-terms",
];

/// Steps whose program ends by itself, with the exit code that it has then.
const ENDING: [(&str, &str); 5] = [
    ("daemon", "0"),
    ("daemon-closed", "0"),
    ("nohup", "0"),
    ("forkrace-and-leave", "0"),
    ("closeout", "5"),
];

/// How much longer than allowed something may take. The table's second is for a
/// machine that does nothing else.
fn slack() -> Duration {
    Duration::from_secs(if nightly() { 1 } else { 10 })
}

/// A plan of these steps, all at once.
fn hostile(globals: &str, steps: &str) -> Test {
    let test = plan(&format!(
        "globals: {{max_concurrency: 32{globals}}}\nsteps:\n{steps}"
    ));
    test.file("step.py", STEP)
}

fn lasting(fields: &str) -> String {
    let step = |mode: &&str| {
        format!(
            "  - {{id: {mode}, command: python3, args: [step.py, {mode}, ready-{mode}], \
             on_failure: continue{fields}}}\n"
        )
    };
    LASTING.iter().map(step).collect()
}

/// Whether all of them do what they are there for.
fn all_ready(test: &Test) -> bool {
    LASTING
        .iter()
        .all(|mode| exists(test, &format!("ready-{mode}")))
}

/// Every process that any step of this test has begun, and its command line.
fn left(test: &Test) -> Vec<String> {
    let state = format!("QUINTET_STATE_DIR={}", test.path("state").display());
    let processes = std::fs::read_dir("/proc")
        .expect("there is /proc")
        .flatten();
    let ours = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let mut entries = environment.split(|&b| b == 0);
        let is_step = !name.starts_with("quintet") && entries.any(|e| e == state.as_bytes());
        is_step.then(|| format!("{pid} {}", name.trim()))
    };
    processes.filter_map(ours).collect()
}

#[track_caller]
fn nothing_left(test: &Test) {
    assert_eq!(left(test), Vec::<String>::new(), "processes are left");
}

/// How long the step's only attempt took, in all.
#[track_caller]
fn took(record: &Record, step: &str) -> Duration {
    let ends = record.of("step_finished", step);
    let time = |field| number(&ends[0][field]);
    Duration::from_millis(time("ended_at") - time("started_at"))
}

/// XB01, XB04, XB06: whatever a step does against it, its timeout ends it and
/// all that it has begun, on time.
#[test]
fn xb01_xb04_xb06_a_timeout_ends_every_kind_of_step() {
    let mut steps = lasting(", timeout_sec: 3, grace_sec: 1");
    steps.push_str(
        "  - {id: stop, command: python3, args: [step.py, stop], on_failure: continue, \
         timeout_sec: 3, grace_sec: 1}\n",
    );
    let test = hostile("", &steps);
    running(&test, &[]).run();
    nothing_left(&test);
    let record = Record::last(&test);
    for id in LASTING.iter().chain(&["stop"]) {
        let step = record.step(id);
        assert_eq!(step["end"], "timed_out", "{id}");
        assert_eq!(step["error"], "Timeout after 3s", "{id}");
        let took = took(&record, id);
        let most = Duration::from_secs(3 + 1) + slack();
        assert!(
            took >= Duration::from_secs(3) && took <= most,
            "{id} took {took:?}"
        );
    }
    assert_eq!(record.step("ignore-term")["signal"], 9);
    // Within its grace it cleans up, and exits by itself.
    assert_eq!(record.step("slow-term")["signal"], Value::Null);
    assert_eq!(written(&test, "ready-slow-term"), "cleaned\n");
    // TERM ends it as soon as it goes on.
    assert_eq!(record.step("stop")["signal"], 15);
}

/// XB07: TERM to the engine alone ends them all, and the engine with them.
#[test]
fn xb07_a_cancel_ends_every_kind_of_step() {
    for (how, code) in [(Some(Signal::SIGTERM), 143), (None, 130)] {
        let test = hostile(", default_grace_sec: 1", &lasting(""));
        let run = running(&test, &[]).status(code).start();
        eventually("all steps have begun", || all_ready(&test));
        let begun = Instant::now();
        match how {
            Some(signal) => run.signal(signal),
            None => drop(test.quintet(&["cancel", "last"]).run()),
        }
        run.finish();
        let most = Duration::from_secs(1 + 1) + slack();
        assert!(begun.elapsed() <= most, "it took {:?}", begun.elapsed());
        nothing_left(&test);
        let record = Record::last(&test);
        assert_eq!(record.state(), "canceled");
        for id in LASTING {
            assert_eq!(record.step(id)["end"], "canceled", "{id}");
        }
        assert_eq!(written(&test, "ready-slow-term"), "cleaned\n");
        assert_eq!(written(&test, "ready-stop-then-clean"), "cleaned\n");
        assert_eq!(written(&test, "ready-count-terms"), "1\n");
    }
}

/// XB08: who asks twice does not wait for the grace.
#[test]
fn xb08_a_second_interrupt_ends_every_kind_of_step_at_once() {
    let test = hostile(", default_grace_sec: 600", &lasting(""));
    let run = running(&test, &[]).status(130).start();
    eventually("all steps have begun", || all_ready(&test));
    run.signal(Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    run.signal(Signal::SIGINT);
    run.finish();
    assert!(begun.elapsed() <= slack(), "it took {:?}", begun.elapsed());
    nothing_left(&test);
    let record = Record::last(&test);
    assert_eq!(record.state(), "canceled");
    assert_eq!(record.step("ignore-term")["signal"], 9);
}

/// XB02, XB03: when a step is told to have ended, nothing of it is left, though
/// its program ended well and left somebody behind.
#[test]
fn xb02_xb03_a_success_leaves_nobody_behind() {
    // In the background, where they survive their shell.
    let behind = LASTING.iter().map(|mode| {
        let script = format!(
            "python3 step.py {mode} ready-{mode} & until [ -e ready-{mode} ]; do sleep 0.01; done"
        );
        (*mode, format!("shell: true, command: \"{script}\""))
    });
    let alone = ENDING.iter().map(|(mode, _)| {
        let words = format!("command: python3, args: [step.py, {mode}, ready-{mode}]");
        (*mode, words + ", exit_codes: {'5': success}")
    });
    // Right after each, and before the engine does anything else about it,
    // another step looks for what is left of it.
    let steps: String = behind
        .chain(alone)
        .map(|(id, action)| {
            format!(
                "  - {{id: {id}, {action}}}\n  - {{id: after-{id}, shell: true, after: [{id}], \
                 command: \"for e in /proc/[0-9]*/environ; do \
                 grep -qz '^QUINTET_STEP_ID={id}$' $e && grep -z ^QUINTET_MARK=$QUINTET_RUN_ID: $e; \
                 done > left-{id} 2>/dev/null; true\"}}\n"
            )
        })
        .collect();
    let test = hostile("", &steps);
    running(&test, &[]).run();
    nothing_left(&test);
    let record = Record::last(&test);
    let codes = ENDING.iter().copied();
    for (id, code) in codes.chain(LASTING.map(|mode| (mode, "0"))) {
        assert_eq!(written(&test, &format!("left-{id}")), "", "{id}");
        let end = record.of("step_finished", id)[0];
        assert_eq!(end["code"].to_string(), code, "{id}");
        assert_eq!(end["leaked"] == true, id != "closeout", "{id}");
        // XB13: it is waited for, and not for the end of its streams.
        let least = Duration::from_secs(u64::from(id == "closeout"));
        let took = took(&record, id);
        assert!(
            took >= least && took <= least + Duration::from_secs(2) + slack(),
            "{id}: {took:?}"
        );
    }
    test.quintet(&["why", "daemon"])
        .stdout_has("processes it left behind were ended")
        .run();
    test.quintet(&["logs", "last", "daemon"])
        .stdout("main is done\n")
        .run();
}

/// XB13: death by a signal is told as one.
#[test]
fn xb13_a_step_that_dies_of_a_signal_is_told_so() {
    let step = |signal: u8| {
        format!(
            "  - {{id: s{signal}, command: python3, args: [step.py, die-of, '{signal}'], \
             on_failure: continue}}\n"
        )
    };
    let dumps = "  - {id: dumps, shell: true, on_failure: continue, \
                 command: \"ulimit -c unlimited; kill -SEGV $$$$\"}\n";
    let steps = [9, 11, 40].map(step).concat() + dumps;
    let test = hostile("", &steps);
    running(&test, &[]).run();
    let record = Record::last(&test);
    for signal in [9, 11, 40] {
        let id = format!("s{signal}");
        let end = record.of("step_finished", &id)[0];
        assert_eq!(
            (&end["end"], &end["signal"]),
            (&"signaled".into(), &signal.into())
        );
        let step = record.step(&id);
        assert_eq!(
            (&step["end"], &step["signal"]),
            (&"failed".into(), &signal.into())
        );
        test.quintet(&["why", &id])
            .stdout_has(&format!("signal {signal}"))
            .run();
    }
    let dumped = record.of("step_finished", "dumps")[0];
    assert_eq!(dumped["signal"], 11);
    // Whether it does dump is the system's to say; where it did, it is told.
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let file = std::fs::read_dir(test.path("work"))
        .expect("it is there")
        .flatten();
    let is_core =
        |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("core");
    if file.into_iter().any(is_core) {
        assert_eq!(dumped["core"], true, "with the pattern {pattern}");
        test.quintet(&["why", "dumps"])
            .stdout_has("core dumped")
            .run();
    }
}

/// XB09: a hangup cancels, as an interrupt does; under nohup it does not.
#[test]
fn xb09_a_hangup_cancels_unless_it_is_to_be_ignored() {
    let steps = "  - {id: a, shell: true, command: \"touch begun; until [ -e go ]; do sleep 0.02; done\"}\n";
    let test = hostile("", steps);
    // Whoever runs the tests may have been told to ignore it.
    let mut env = std::process::Command::new("env");
    env.arg("--default-signal=HUP");
    let mut child = inherit(&mut env, &running(&test, &[]).command())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("env can be started");
    eventually("the step has begun", || exists(&test, "begun"));
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().expect("a process id"));
    nix::sys::signal::kill(pid, Signal::SIGHUP).expect("it is there");
    eventually("the run ends", || {
        child.try_wait().is_ok_and(|end| end.is_some())
    });
    assert_eq!(child.wait().expect("it is ours").code(), Some(130));
    nothing_left(&test);
    let record = Record::last(&test);
    assert_eq!(
        (record.state(), record.states().as_str()),
        ("canceled", "a canceled")
    );
    assert!(text(&record.status["run"]["reason"]).contains("SIGHUP"));

    std::fs::remove_file(test.path("work/begun")).expect("it is there");
    let mut nohup = std::process::Command::new("nohup");
    let mut child = inherit(&mut nohup, &running(&test, &[]).command())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("nohup can be started");
    eventually("the step has begun", || exists(&test, "begun"));
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().expect("a process id"));
    nix::sys::signal::kill(pid, Signal::SIGHUP).expect("it is there");
    // Whatever it does about it, it does before it sees that the step has ended.
    std::thread::sleep(Duration::from_millis(300));
    std::fs::write(test.path("work/go"), "").expect("it can be written");
    assert_eq!(child.wait().expect("it is ours").code(), Some(0));
    assert_eq!(Record::last(&test).state(), "succeeded");
}

/// Has another program start this command, in its place and environment.
pub fn inherit<'a>(
    launcher: &'a mut std::process::Command,
    command: &std::process::Command,
) -> &'a mut std::process::Command {
    launcher
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .current_dir(command.get_current_dir().expect("it has one"));
    for (name, value) in command.get_envs() {
        launcher.env(name, value.unwrap_or_default());
    }
    launcher
}

/// XB09: readers that go away, and streams that were never there, stop nothing.
#[test]
fn xb09_a_run_does_not_depend_on_who_listens() {
    let steps: String = (0..30)
        .map(|n| format!("  - {{id: s{n}, shell: true, command: \"echo {n}; echo {n} >&2\"}}\n"))
        .collect();
    for redirection in [
        "| head -1",
        "--json | head -1",
        "2>&1 | head -1",
        ">&-",
        "2>&-",
        "<&-",
        "<&- >&- 2>&-",
        "--json >/dev/full",
        "2>/dev/full",
    ] {
        let test = hostile("", &steps);
        let command = running(&test, &[]).command();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("\"$@\" {redirection}"), "sh"]);
        let done = inherit(&mut shell, &command)
            .output()
            .expect("sh can be started");
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(!stderr.contains("panicked"), "{redirection}: {stderr}");
        // Of a pipeline the reader's end is the first: the run's is in the record.
        eventually("the run is over", || {
            let status = test
                .quintet(&["status", "last", "--json"])
                .command()
                .output();
            let status = status.expect("it can be started").stdout;
            let status: Value = serde_json::from_slice(&status).unwrap_or_default();
            status["run"]["ended_at"].is_string()
        });
        let record = Record::last(&test);
        assert_eq!(record.state(), "succeeded", "{redirection}");
        assert_eq!(record.steps_of("step_finished").len(), 30, "{redirection}");
        let log = test.quintet(&["logs", "last", "s7", "--stderr"]);
        log.stdout("7\n").run();
        nothing_left(&test);
    }
}
