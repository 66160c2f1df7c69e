//! The verbs that only read, on runs that the program itself has made.
//!
//! What the views say is tested beside them; here it is seen that each verb
//! finds its run from another process, that its options are wired, and that it
//! ends as it says it does.

mod support;

use serde_json::Value;
use support::{Test, eventually};

/// Three steps: one that says something on both streams, one that fails after
/// a second attempt, one that is skipped for it.
const PLAN: &str = r#"{
    "plan_id": "DEMO", "name": "Demo", "globals": {"max_concurrency": 1},
    "steps": [
        {"id": "fetch", "name": "Fetch it", "command": "sh",
         "args": ["-c", "printf 'o1\\no2\\n\\033[31mo3\\377\\n'; echo e1 >&2"]},
        {"id": "build", "depends_on": ["fetch"], "command": "sh",
         "args": ["-c", "echo >> tries; echo building $(wc -l < tries); exit 3"],
         "retries": 1, "on_failure": "skip_dependents", "provides": ["binary"]},
        {"id": "ship", "depends_on": ["build"], "command": "echo", "args": ["never"],
         "consumes": ["binary"]}
    ]
}"#;

const FETCHED: &[u8] = b"o1\no2\n\x1b[31mo3\xff\n";

/// A test whose plan has been run, and has failed.
fn after_a_run() -> Test {
    let test = Test::new().file("plan.json", PLAN);
    test.quintet(&["run", "plan.json", "-q"]).status(1).run();
    test
}

fn run_id(test: &Test) -> String {
    let runs = test.quintet(&["runs", "--json"]).run().json();
    runs[0]["run_id"]
        .as_str()
        .expect("a run has an id")
        .to_owned()
}

/// P28.
#[test]
fn p28_status_of_the_newest_run() {
    let test = after_a_run();
    let shown = test.quintet(&["status"]).stderr("").run().text();
    insta::assert_snapshot!(test.normal(&shown), @r###"
    run [RUN]: Demo (DEMO, version 1)
    state     failed because of build
    started   [MOMENT], took [TOOK]
    progress  3 of 3 steps (100.0%): 1 succeeded, 1 failed, 1 skipped

    STEP   STATE      ATTEMPTS  DURATION  NOTE
    fetch  succeeded  1 [TOOK]
    build  failed     2 of 2 [TOOK]  exit 3, after 2 attempts
    ship   skipped                        it depends on build, which failed
    "###);
}

/// P27, P23.
#[test]
fn p27_p23_status_as_json() {
    let test = after_a_run();
    let status = test.quintet(&["status", "last", "--json"]).run().json();
    assert_eq!(status["run"]["state"], "failed");
    assert_eq!(status["progress_pct"], 100.0);
    assert_eq!(status["active_runs"], Value::Array(Vec::new()));
    assert_eq!(status["timeline"].as_array().map(Vec::len), Some(3));
    let states: Vec<&str> = status["steps"]
        .as_array()
        .expect("steps are a list")
        .iter()
        .filter_map(|step| step["state"].as_str())
        .collect();
    assert_eq!(states, ["succeeded", "failed", "skipped"]);
    assert_eq!(status["steps"][1]["attempts"], 2);
}

/// P28.
#[test]
fn p28_runs_are_found_by_id_by_its_ends_and_by_name() {
    let test = after_a_run();
    let id = run_id(&test);
    for text in [id.as_str(), &id[..14], &id[id.len() - 4..], "last"] {
        test.quintet(&["status", text]).stdout_has(&id).run();
    }
    test.quintet(&["runs", "--name", "Demo", "--state", "failed"])
        .stdout_has(&id)
        .run();
    test.quintet(&["list"]).stdout_has(&id).run();
    test.quintet(&["runs", "--name", "other", "--json"])
        .stdout("[]\n")
        .run();
    test.quintet(&["runs", "--state", "lost"])
        .status(2)
        .stderr_has("the states are pending, running, succeeded")
        .run();
}

/// P24.
#[test]
fn p24_events_as_json_are_the_lines_of_the_file() {
    let test = after_a_run();
    let file = test
        .path("state/runs")
        .join(run_id(&test))
        .join("events.jsonl");
    let lines = std::fs::read(file).expect("the run has its file");
    test.quintet(&["events", "last", "--json"])
        .stdout(&lines)
        .run();
    let last = lines.split_inclusive(|byte| *byte == b'\n').next_back();
    let seq = lines.iter().filter(|byte| **byte == b'\n').count();
    test.quintet(&[
        "events",
        "last",
        "--json",
        "--after",
        &(seq - 1).to_string(),
    ])
    .stdout(last.expect("a run has events"))
    .run();
    test.quintet(&["events", "last"])
        .stdout_has("run_finished      failed because of build\n")
        .run();
}

/// XC03.
#[test]
fn xc03_logs_are_passed_on_byte_for_byte() {
    let test = after_a_run();
    let logs = |args: &[&str]| {
        let args = [&["logs", "last"], args].concat();
        test.quintet(&args).stderr("").run().stdout
    };
    assert_eq!(logs(&["fetch", "--stdout"]), FETCHED);
    assert_eq!(logs(&["fetch", "--stderr"]), b"e1\n");
    let both = [
        b"==> fetch: stdout <==\n",
        FETCHED,
        b"==> fetch: stderr <==\ne1\n",
    ]
    .concat();
    assert_eq!(logs(&["fetch"]), both);
    assert_eq!(
        logs(&["fetch", "--stdout", "--tail", "1"]),
        b"\x1b[31mo3\xff\n"
    );
    assert_eq!(logs(&["build"]), b"building 2\n");
    assert_eq!(logs(&["build", "--attempt", "1"]), b"building 1\n");
    assert_eq!(logs(&["ship"]), b"");
    let all = String::from_utf8_lossy(&logs(&[])).into_owned();
    assert!(
        all.contains("==> build: stdout, attempt 2 <==\nbuilding 2\n"),
        "{all}"
    );
}

/// XC03.
#[test]
fn xc03_logs_as_json_lose_nothing() {
    let test = after_a_run();
    let line = test
        .quintet(&["logs", "last", "fetch", "--stdout", "--json"])
        .run()
        .json();
    assert_eq!(line["base64"], "bzEKbzIKG1szMW1vM/8K");
    let line = test
        .quintet(&["logs", "last", "fetch", "--stderr", "--json"])
        .run()
        .json();
    assert_eq!(line["text"], "e1\n");
}

/// XC02.
#[test]
fn xc02_the_end_of_a_huge_line_is_a_megabyte_of_it() {
    let script = "head -c 20000000 /dev/zero | tr '\\\\0' x";
    let plan = format!(
        r#"{{"plan_id": "p", "steps": [{{"id": "a", "command": "sh", "args": ["-c", "{script}"]}}]}}"#
    );
    let test = Test::new().file("plan.json", plan);
    test.quintet(&["run", "plan.json", "-q"]).run();
    let tail = test
        .quintet(&["logs", "last", "a", "--tail", "1"])
        .stderr_has("the last 1 MiB")
        .run();
    assert_eq!(tail.stdout.len(), 1 << 20);
    assert_eq!(
        test.quintet(&["logs", "last", "a"]).run().stdout.len(),
        20_000_000
    );
}

#[test]
fn logs_and_events_are_followed_while_the_run_goes_on() {
    let script = "echo first; until [ -e go ]; do sleep 0.02; done; echo second; echo end >&2";
    let plan = format!(
        r#"{{"plan_id": "p", "steps": [{{"id": "a", "command": "sh", "args": ["-c", "{script}"]}}]}}"#
    );
    let test = Test::new().file("plan.json", plan);
    let mut run = test.quintet(&["run", "plan.json", "-q"]).start();
    // The run's id comes when the run is recorded.
    assert!(run.line().contains("Run ID: "));
    eventually("the step says its first word", || {
        let logs = test.quintet(&["logs", "last", "a"]).command().output();
        logs.is_ok_and(|logs| logs.stdout == b"first\n")
    });
    test.quintet(&["status"]).stdout_has("a     running").run();
    let mut logs = test.quintet(&["logs", "last", "a", "--follow"]).start();
    let mut events = test
        .quintet(&["events", "last", "--follow", "--json"])
        .start();
    let watch = test.quintet(&["status", "--watch"]).start();
    assert_eq!(logs.line(), "first");
    assert!(events.line().contains("run_started"));
    std::fs::write(test.path("work/go"), "").unwrap();
    assert_eq!(logs.line(), "second");
    assert_eq!(logs.finish().text(), "==> a: stderr <==\nend\n");
    assert!(events.finish().text().contains("run_finished"));
    assert!(watch.finish().text().contains("state     succeeded"));
    run.finish();
}

#[test]
fn why_finds_the_reason_and_the_nearest_name() {
    let test = after_a_run();
    test.quintet(&["why", "ship"])
        .stdout_has("ship was skipped: it depends on build, which failed\n  build failed: exit 3, after 2 attempts\n")
        .run();
    test.quintet(&["why", "last", "fetch"])
        .stdout_has("it ran because it needs nothing")
        .run();
    test.quintet(&["why", "buidl"])
        .status(2)
        .stdout("")
        .stderr_has("has no step \"buidl\"\nhint: did you mean build?\n")
        .run();
}

/// P33, P20.
#[test]
fn p33_p20_graphs_of_a_file_and_of_a_run() {
    let test = after_a_run();
    test.quintet(&["graph", "plan.json"])
        .stdout("fetch  Fetch it\n└─ build  provides binary\n   └─ ship  consumes binary\n")
        .run();
    test.quintet(&["graph", "last", "--format", "ascii"])
        .stdout_has("`- build  failed")
        .run();
    test.quintet(&["graph", "plan.json", "--format", "dot"])
        .stdout_has("s0 -> s1;")
        .run();
    test.quintet(&["graph", "last", "--format", "mermaid"])
        .stdout_has("s1[\"build\"]:::failed")
        .run();
    test.quintet(&["graph", "last", "--svg"])
        .stdout_has("<title>build, failed, on the critical path</title>")
        .run();
    let json = test.quintet(&["graph", "plan.json", "--json"]).run().json();
    assert_eq!(json["edges"][0]["from"], "fetch");
}

#[test]
fn list_shows_the_steps_of_a_target() {
    let test = Test::new().file("plan.json", PLAN);
    test.quintet(&["list", "plan.json"])
        .stdout("fetch  Fetch it\nbuild\nship\n")
        .run();
    let json = test.quintet(&["list", "plan.json", "--json"]).run().json();
    assert_eq!(json[2]["step_id"], "ship");
}

#[test]
fn where_nothing_was_run_lists_are_empty_and_questions_are_wrong() {
    let test = Test::new();
    test.quintet(&["runs"])
        .stdout("")
        .stderr_has("no run")
        .run();
    test.quintet(&["list", "--json"]).stdout("[]\n").run();
    for args in [
        &["status"][..],
        &["logs", "last"],
        &["events", "x"],
        &["why", "a"],
        &["graph", "last"],
    ] {
        test.quintet(args)
            .status(2)
            .stdout("")
            .stderr_has("error: nothing has been run here yet")
            .run();
    }
    assert!(
        !test.path("state").exists(),
        "reading made a state directory"
    );
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let test = after_a_run();
    for args in [
        &["events", "last"][..],
        &["status", "--json"],
        &["logs", "last"],
        &["completions", "zsh"],
        &["--help"],
    ] {
        test.quintet(args)
            .stderr("")
            .start()
            .stop_reading()
            .finish();
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let test = after_a_run();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = test
        .quintet(&["status"])
        .command()
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .starts_with("error: the output cannot be written: ")
    );
}

#[test]
fn colours_follow_the_option_then_the_environment_then_the_terminal() {
    let test = after_a_run();
    let coloured = |args: &[&str], env: &[(&str, &str)]| {
        let call = test.quintet(&[&["status"], args].concat());
        let call = env
            .iter()
            .fold(call, |call, (name, value)| call.env(name, value));
        call.run().stdout.contains(&0x1b)
    };
    assert!(!coloured(&[], &[]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(
        &[],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(!coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
}

/// P31.
#[test]
fn p31_a_file_by_itself_is_run() {
    let plan = r#"{"plan_id": "p", "steps": [{"id": "a", "command": "sh", "args": ["-c", "echo ${WHO} > done"]}]}"#;
    let test = Test::new().file("plans/p.json", plan);
    test.quintet(&["-q", "plans/p.json", "--var", "WHO=me"])
        .stdout_has("Run ID: ")
        .run();
    test.quintet(&["status"]).stdout_has("succeeded").run();
}

#[test]
fn a_follower_is_told_of_every_attempt() {
    let script = "echo >> tries; n=$(wc -l < tries); echo try $n; [ -e go$n ] || until [ -e go ]; do sleep 0.02; done; exit 1";
    let plan = format!(
        r#"{{"plan_id": "p", "steps": [{{"id": "a", "command": "sh", "args": ["-c", "{script}"], "retries": 2}}]}}"#
    );
    let test = Test::new()
        .file("plan.json", plan)
        .file("go2", "")
        .file("go3", "");
    let mut run = test.quintet(&["run", "plan.json", "-q"]).status(1).start();
    assert!(run.line().contains("Run ID: "));
    eventually("the step runs", || test.path("work/tries").exists());
    let mut logs = test
        .quintet(&["logs", "last", "a", "-f", "--tail", "5"])
        .start();
    assert_eq!(logs.line(), "try 1");
    std::fs::write(test.path("work/go"), "").unwrap();
    assert_eq!(logs.finish().text(), "try 2\ntry 3\n");
    run.finish();
}

#[test]
fn every_verb_has_help() {
    let test = Test::new();
    let all = test
        .quintet(&["--help"])
        .stderr("")
        .stdout_has("Exit codes:\n")
        .run()
        .text();
    for verb in [
        "runs",
        "status",
        "logs",
        "events",
        "why",
        "graph",
        "list",
        "prune",
        "doctor",
        "mcp",
        "serve",
        "top",
        "completions",
    ] {
        assert!(all.contains(&format!("\n  {verb} ")), "{verb}: {all}");
        test.quintet(&[verb, "--help"])
            .stdout_has(&format!("Usage: quintet {verb}"))
            .stdout_has(&format!("  $ quintet {verb}"))
            .run();
    }
}

#[test]
fn this_machine_is_looked_at_where_nothing_else_is_asked_for() {
    let test = Test::new().file("no-directory", "");
    let found = test.quintet(&["doctor", "--json"]).run().json();
    let checks = found.as_array().expect("it is a list");
    let names: Vec<_> = checks.iter().map(|check| &check["check"]).collect();
    assert_eq!(names, ["state", "store", "processes"]);
    let left: Vec<_> = std::fs::read_dir(test.path("state"))
        .expect("the state directory is there")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().starts_with("doctor"))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    test.quintet(&["doctor", "--state-dir", "no-directory"])
        .status(1)
        .stdout_has("bad      state          ")
        .stdout_has("mend: choose another by --state-dir DIR\n")
        .stdout_has("2 checks: 0 warnings, 1 bad\n")
        .run();
    test.quintet(&["doctor", "--all-nodes"]).status(2).run();
}

#[test]
fn every_shell_gets_its_completions() {
    let test = Test::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        test.quintet(&["completions", shell])
            .stdout_has("status")
            .stdout_has("quintet")
            .run();
    }
    test.quintet(&["completions", "dos"])
        .status(2)
        .stderr_has("possible values")
        .run();
}

/// H18. H19.
#[test]
fn h19_the_tree_of_a_run_in_the_terminal_and_as_a_document() {
    let plan = r#"{"steps": [
        {"id": "preflight/disk", "command": "true"},
        {"id": "config", "type": "group", "depends_on": ["config/hardware/bluetooth"]},
        {"id": "config/hardware/bluetooth", "command": "sh", "depends_on": ["preflight/disk"],
         "args": ["-c", "printf 'no %s' adapter >&2; exit 3"], "on_failure": "skip_dependents"},
        {"id": "first-run", "command": "true", "depends_on": ["config"]}
    ]}"#;
    let test = Test::new().file("plan.json", plan);
    let run = test.quintet(&["run", "plan.json"]).status(1).run();
    assert_eq!(
        run.stderr.matches("no adapter").count(),
        1,
        "{}",
        run.stderr
    );
    let shown = test.quintet(&["status", "--format", "tree"]).run().text();
    let (_, tree) = shown.split_once("\n\n").expect("a header comes first");
    insta::assert_snapshot!(test.normal(tree), @r#"
    preflight/  succeeded [TOOK]  1 step
    └─ disk  succeeded [TOOK]
    config/  failed [TOOK]  1 step
    └─ hardware/  failed [TOOK]  1 step
       └─ bluetooth  failed [TOOK]  exit 3
    first-run  skipped  it depends on config/hardware/bluetooth, which failed
    "#);

    let args = ["status", "--format", "tree", "--json"];
    let document = test.quintet(&args).stderr("").run().json();
    assert_eq!(document["status"], "failed");
    let config = &document["children"]["config"];
    assert_eq!(config["status"], "failed");
    let bluetooth = &config["children"]["hardware"]["children"]["bluetooth"];
    let error = "config/hardware/bluetooth: exit 3: no adapter";
    assert_eq!(bluetooth["errors"], serde_json::json!([error]));
    assert_eq!(document["children"]["first-run"]["status"], "skipped");

    let why = test.quintet(&["why", "last", "first-run"]).run().text();
    assert_eq!(why.matches("exit 3").count(), 1, "{why}");
    let because = "  config/hardware/bluetooth failed: exit 3\n";
    assert!(why.contains(because), "{why}");
}
