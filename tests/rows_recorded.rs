//! What is selected, recorded and shown, and what values do on their way into
//! steps, with the program as its users have it.
//!
//! The store is read as its users read it: with SQL over the promised views,
//! from the file itself, and through the verbs' JSON.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use support::{Test, eventually};

fn plan(steps: Value) -> String {
    json!({"plan_id": "RECORDED", "globals": {"max_concurrency": 2, "default_timeout_sec": 50},
           "steps": steps})
    .to_string()
}

fn shell(id: &str, script: &str) -> Value {
    json!({"id": id, "shell": true, "command": script})
}

fn with(mut step: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().expect("fields are an object") {
        step[name] = value.clone();
    }
    step
}

fn status(test: &Test) -> Value {
    test.quintet(&["status", "last", "--json"]).run().json()
}

/// Each step's state, by the plan's order.
fn states(status: &Value) -> Vec<(&str, &str)> {
    let steps = status["steps"].as_array().expect("steps are a list");
    let of = |step| (text(step, "step_id"), text(step, "state"));
    steps.iter().map(of).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    let found = value[name].as_str();
    found.unwrap_or_else(|| panic!("no {name} in {value:#}"))
}

/// All that a query gives, each row as its values' text, `-` for NULL.
fn sql(test: &Test, query: &str) -> Vec<Vec<String>> {
    let path = test.path("state/quintet.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("the store can be opened by others");
    let mut statement = db.prepare(query).expect("the query fits the store");
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns)
            .map(|at| {
                Ok(match row.get_ref(at)? {
                    rusqlite::types::ValueRef::Null => "-".to_owned(),
                    rusqlite::types::ValueRef::Integer(n) => n.to_string(),
                    rusqlite::types::ValueRef::Real(x) => x.to_string(),
                    rusqlite::types::ValueRef::Text(bytes)
                    | rusqlite::types::ValueRef::Blob(bytes) => {
                        String::from_utf8_lossy(bytes).into_owned()
                    }
                })
            })
            .collect()
    });
    let rows = rows.expect("the query runs");
    rows.map(|row| row.expect("a row can be read")).collect()
}

fn previewed(test: &Test, args: &[&str]) -> Vec<String> {
    let args = [&["plan", "plan.json", "--json"], args].concat();
    let preview = test.quintet(&args).run().json();
    let steps = preview["steps"].as_array().expect("steps are a list");
    let yes = steps.iter().filter(|step| step["would_run"] == "yes");
    yes.map(|step| text(step, "step_id").to_owned()).collect()
}

/// P21.
#[test]
fn p21_tags_select_what_runs() {
    let tagged = |id: &str, tags: Value| with(shell(id, "true"), json!({ "tags": tags }));
    let steps = json!([
        tagged("a", json!(["db", "slow"])),
        tagged("b", json!(["db"])),
        tagged("c", json!(["web"]))
    ]);
    let test = Test::new().file("plan.json", plan(steps));
    assert_eq!(previewed(&test, &["--only-tag", "db"]), ["a", "b"]);
    assert_eq!(previewed(&test, &["--skip-tag", "slow"]), ["b", "c"]);
    let both = ["--only-tag", "db", "--skip-tag", "slow"];
    assert_eq!(previewed(&test, &both), ["b"]);
    let args = [&["run", "plan.json", "-q"], &both[..]].concat();
    test.quintet(&args).run();
    let ran = "SELECT step_id FROM step_attempts WHERE attempt > 0";
    assert_eq!(sql(&test, ran), [["b"]]);
    test.quintet(&["run", "plan.json", "--only-tag", "dbb"])
        .status(2)
        .stderr_has("did you mean")
        .run();
}

/// P21.
#[test]
fn p21_hints_order_the_monitor() {
    let hinted = |id: &str, group: &str, weight: i64| {
        let hints = json!({"ui_hints": {"group": group, "weight": weight}});
        with(shell(id, "true"), hints)
    };
    let steps = json!([
        hinted("late", "Two", 30),
        hinted("last", "Two", 40),
        hinted("early", "One", 10)
    ]);
    let test = Test::new().file("plan.json", plan(steps));
    test.quintet(&["run", "plan.json", "-q"]).run();
    let shown = test.quintet(&["status"]).run().text();
    let at = |what: &str| {
        shown
            .find(what)
            .unwrap_or_else(|| panic!("no {what}: {shown}"))
    };
    let order = ["One", "early", "Two", "late", "last"].map(at);
    assert!(order.is_sorted(), "{shown}");
}

/// Steps that end in each of the ways there are.
fn mixed() -> Test {
    let steps = json!([
        shell("good", "echo fine"),
        with(
            shell("again", "echo >> tries; [ $(wc -l < tries) -ge 2 ]"),
            json!({"retries": 2, "depends_on": ["good"]})
        ),
        with(
            shell("bad", "exit 3"),
            json!({"depends_on": ["again"], "on_failure": "skip_dependents"})
        ),
        with(shell("behind", "true"), json!({"depends_on": ["bad"]})),
        with(shell("fatal", "kill -9 $$$$"), json!({"after": ["behind"]})),
        with(shell("never", "true"), json!({"depends_on": ["fatal"]}))
    ]);
    let file = json!({"plan_id": "PLAN-SAFE-MERGE-001", "metadata": {"project": "PLAN-SAFE-MERGE"},
                      "steps": steps});
    let test = Test::new().file("plan.json", file.to_string());
    test.quintet(&["run", "plan.json", "-q"]).status(1).run();
    test
}

/// P22.
#[test]
fn p22_the_seeds_query_finds_the_run_and_the_tables_have_their_columns() {
    let test = mixed();
    let found = sql(
        &test,
        "SELECT run_id, state FROM runs WHERE metadata LIKE '%PLAN-SAFE-MERGE%'",
    );
    let id = text(&status(&test)["run"], "run_id").to_owned();
    assert_eq!(found, [[id, "failed".to_owned()]]);
    sql(
        &test,
        "SELECT run_id, project_id, phase_id, state, created_at, started_at, ended_at, \
                exit_code, error_message, metadata FROM runs",
    );
    sql(
        &test,
        "SELECT step_attempt_id, run_id, sequence, step_id, state, started_at, ended_at, \
                exit_code FROM step_attempts",
    );
    let events = sql(
        &test,
        "SELECT event_id, run_id, timestamp, event_type, data FROM run_events",
    );
    assert!(events.len() > 10, "{events:?}");
    for event in events {
        event[2].parse::<jiff::Timestamp>().expect("a valid time");
        serde_json::from_str::<Value>(&event[4]).expect("valid JSON");
    }
}

/// P23.
#[test]
fn p23_every_step_has_a_row_with_its_attempts_codes_and_times() {
    let test = mixed();
    let rows = sql(
        &test,
        "SELECT step_id, attempt, state, exit_code, signal, started_at, ended_at \
         FROM step_attempts ORDER BY sequence, attempt",
    );
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            // Whether a step that never ran was about to is another matter.
            let attempt = if row[5] == "-" { "-" } else { &row[1] };
            [&row[0], attempt, &row[2], &row[3], &row[4]].join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "good 1 succeeded 0 -",
            "again 1 failed 1 -",
            "again 2 succeeded 0 -",
            "bad 1 failed 3 -",
            "behind - skipped - -",
            "fatal 1 failed - 9",
            "never - canceled - -",
        ]
    );
    for row in rows {
        let ran = ["succeeded", "failed"].contains(&row[2].as_str());
        let time = |at: usize| row[at].parse::<jiff::Timestamp>();
        match ran {
            true => assert!(time(5).expect("RFC 3339") <= time(6).expect("RFC 3339")),
            false => assert_eq!((row[5].as_str(), row[6].as_str()), ("-", "-")),
        }
    }
}

/// P23.
#[test]
fn p23_a_step_that_never_ran_has_no_attempt() {
    let test = mixed();
    let query = "SELECT step_id, attempt FROM step_attempts WHERE started_at IS NULL";
    assert_eq!(sql(&test, query), [["behind", "0"], ["never", "0"]]);
}

/// XA06.
#[test]
fn xa06_a_run_whose_id_was_said_is_in_the_store() {
    for _ in 0..20 {
        let test = Test::new().file("plan.json", plan(json!([shell("a", "sleep 1")])));
        let mut run = test
            .quintet(&["run", "plan.json", "-q"])
            .status(137)
            .start();
        let id = run.line().replace("Run ID: ", "");
        run.signal(Signal::SIGKILL);
        run.finish();
        test.quintet(&["status", &id]).run();
    }
}

/// P24.
#[test]
fn p24_the_file_has_the_stores_events_in_order_once_each() {
    let test = mixed();
    let id = text(&status(&test)["run"], "run_id").to_owned();
    let file = test.path("state/runs").join(id).join("events.jsonl");
    let lines = fs::read_to_string(file).expect("the run has its file");
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is an object"))
        .collect();
    let seqs: Vec<u64> = events
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    let types: Vec<Vec<String>> = events
        .iter()
        .map(|event| vec![text(event, "type").to_owned()])
        .collect();
    let stored = sql(&test, "SELECT event_type FROM run_events ORDER BY seq");
    assert_eq!(types, stored);
}

/// P27, P28.
#[test]
fn p27_p28_progress_can_be_seen_from_another_process_while_the_run_goes_on() {
    let wait = "echo on its way; until [ -e go ]; do sleep 0.02; done";
    let steps = json!([
        shell("a", "true"),
        with(shell("b", wait), json!({"depends_on": ["a"]})),
        with(shell("c", "true"), json!({"depends_on": ["b"]})),
        with(shell("d", "true"), json!({"depends_on": ["c"]}))
    ]);
    let test = Test::new().file("plan.json", plan(steps));
    let mut run = test.quintet(&["run", "plan.json", "-q"]).start();
    let id = run.line().replace("Run ID: ", "");
    eventually("the run is recorded", || {
        let shown = test.quintet(&["status", &id]).command().output();
        shown.is_ok_and(|shown| shown.status.success())
    });
    eventually("b runs", || states(&status(&test))[1].1 == "running");
    let now = status(&test);
    assert_eq!(
        states(&now),
        [
            ("a", "succeeded"),
            ("b", "running"),
            ("c", "pending"),
            ("d", "pending")
        ]
    );
    assert_eq!(now["progress_pct"], 25.0, "{now:#}");
    let active = now["active_runs"].to_string();
    assert!(active.contains(&id), "{now:#}");
    test.quintet(&["list"])
        .stdout_has(&id)
        .stdout_has("running")
        .run();
    test.quintet(&["events", &id])
        .stdout_has("step_started")
        .run();
    eventually("b's output can be read", || {
        test.quintet(&["logs", &id, "b"]).run().stdout == b"on its way\n"
    });
    fs::write(test.path("work/go"), "").unwrap();
    run.finish();
    let now = status(&test);
    assert_eq!(now["progress_pct"], 100.0);
    assert_eq!(now["active_runs"], json!([]));
    assert_eq!(now["timeline"].as_array().map(Vec::len), Some(4), "{now:#}");
}

/// The plans that the seed came with, where they lie beside this package.
fn seeds() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/inputs/plans");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: there is no {}", folder.display());
        return Vec::new();
    };
    let mut plans: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    plans.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    plans.sort();
    assert!(!plans.is_empty(), "no plan in {}", folder.display());
    plans
}

/// P31.
#[test]
fn p31_the_seeds_plans_validate_and_dry_run_as_they_are() {
    for path in seeds() {
        let test = Test::new();
        let mut words = vec![path.to_str().expect("the path is text"), "--json"];
        // The other plan does not use it, and says so.
        if path.ends_with("safe_merge.json") {
            words.extend(["--var", "BRANCH=x"]);
        }
        let valid = [&["validate", "--strict"], &words[..]].concat();
        let valid = test.quintet(&valid).run().json();
        assert_eq!(valid["valid"], true);
        let preview = [&["run", "--dry-run"], &words[..]].concat();
        let preview = test.quintet(&preview).run().json();
        let steps = preview["steps"].as_array().expect("steps are a list");
        assert_eq!(json!(steps.len()), valid["steps"]);
        assert!(!test.path("state").exists(), "a preview has written");
    }
}

/// Puts programs of these names first into the path: each notes its words, and
/// fails where they hold `fails`.
fn stubs(test: &Test, fails: &str) -> String {
    let bin = test.path("bin");
    fs::create_dir_all(&bin).unwrap();
    for name in ["pwsh", "python", "git"] {
        let script = format!(
            "#!/bin/sh\necho \"{name} $*\" >> stubs\ncase \"$*\" in *'{fails}'*) exit 1;; esac\n"
        );
        fs::write(bin.join(name), script).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::var("PATH").expect("there is a PATH");
    format!("{}:{path}", bin.display())
}

/// P31.
#[test]
fn p31_the_conflict_path_of_the_safe_merge_goes_on_to_its_end() {
    let Some(path) = seeds()
        .into_iter()
        .find(|path| path.ends_with("safe_merge.json"))
    else {
        return;
    };
    let test = Test::new();
    let bin = stubs(&test, "merge --no-ff");
    let args = ["run", path.to_str().unwrap(), "-q", "--var", "BRANCH=x"];
    test.quintet(&args).env("PATH", &bin).run();
    let shown = status(&test);
    assert_eq!(shown["run"]["state"], "succeeded");
    let failed: Vec<_> = states(&shown)
        .into_iter()
        .filter(|step| step.1 != "succeeded")
        .collect();
    assert_eq!(failed, [("git_merge", "failed")]);
    let calls = fs::read_to_string(test.path("work/stubs")).unwrap();
    assert_eq!(calls.lines().count(), 11, "{calls}");

    // Where the resolver fails as well, nothing is pushed.
    stubs(&test, "merge_timestamp_resolver");
    test.quintet(&args).env("PATH", &bin).status(1).run();
    let shown = status(&test);
    let canceled = [
        ("ai_conflict_resolver", "canceled"),
        ("guarded_push", "canceled"),
        ("emit_success_event", "canceled"),
    ];
    assert_eq!(states(&shown)[8..], canceled);
}

/// P30.
#[test]
fn p30_the_seeds_test_plan_runs_and_needs_neither_version_nor_name() {
    for path in seeds()
        .iter()
        .filter(|path| path.ends_with("test_simple.json"))
    {
        let test = Test::new();
        let bin = stubs(&test, "nothing fails");
        test.quintet(&["run", path.to_str().unwrap(), "-q"])
            .env("PATH", &bin)
            .run();
        assert_eq!(status(&test)["progress_pct"], 100.0);
    }
    let bare =
        r#"{"plan_id": "TEST-001", "steps": [{"id": "s1", "command": "echo", "args": ["hi"]}]}"#;
    let test = Test::new().file("plan.json", bare);
    test.quintet(&["run", "plan.json", "-q"]).run();
    let row = sql(&test, "SELECT plan_id, name, state FROM runs");
    assert_eq!(row, [["TEST-001", "TEST-001", "succeeded"]]);
    test.quintet(&["status"])
        .stdout_has("TEST-001, version 1\n")
        .run();
}

/// P33.
#[test]
fn p33_validate_says_as_data_what_is_wrong_and_where() {
    let file = "{\"plan_id\": \"p\", \"steps\": [\n  {\"id\": \"a\", \"command\": \"x\", \"depends_on\": [\"b\"]}\n]}";
    let test = Test::new().file("plan.json", file);
    let problems = test
        .quintet(&["validate", "plan.json", "--json"])
        .status(2)
        .run()
        .json();
    let said = problems.to_string();
    assert!(said.contains("which does not exist"), "{problems:#}");
    assert!(said.contains("\"line\":2"), "{problems:#}");
    let test = Test::new().file("plan.json", plan(json!([shell("a", "true")])));
    let valid = test
        .quintet(&["validate", "plan.json", "--json"])
        .run()
        .json();
    assert_eq!(
        valid,
        json!({"valid": true, "plan_id": "RECORDED", "steps": 1, "problems": []})
    );
}

/// P34.
#[test]
fn p34_a_run_can_begin_and_end_in_the_middle() {
    let steps = json!([
        shell("a", "true"),
        with(shell("b", "true"), json!({"depends_on": ["a"]})),
        with(shell("c", "true"), json!({"depends_on": ["b"]})),
        shell("d", "true")
    ]);
    let test = Test::new().file("plan.json", plan(steps));
    assert_eq!(previewed_all(&test, &["--from", "b"]), ["b", "c"]);
    assert_eq!(previewed_all(&test, &["--to", "b"]), ["a", "b"]);
    assert_eq!(previewed_all(&test, &["--from", "b", "--to", "b"]), ["b"]);
    assert_eq!(previewed_all(&test, &["--only", "c,d"]), ["c", "d"]);
    test.quintet(&["run", "plan.json", "-q", "--from", "b"])
        .run();
    let ran = "SELECT step_id FROM step_attempts WHERE attempt > 0 ORDER BY sequence";
    assert_eq!(sql(&test, ran), [["b"], ["c"]]);
    test.quintet(&["run", "plan.json", "--from", "bb"])
        .status(2)
        .run();
}

/// What would run sooner or later under a selection.
fn previewed_all(test: &Test, args: &[&str]) -> Vec<String> {
    let mut steps = previewed(test, args);
    steps.sort();
    steps
}

/// P36.
#[test]
fn p36_unknown_fields_are_refused_where_they_look_misspelt_and_else_kept() {
    let field = |name: &str| plan(json!([with(shell("a", "touch ran"), json!({ name: 1 }))]));
    let test = Test::new().file("plan.json", field("retires"));
    test.quintet(&["run", "plan.json"])
        .status(2)
        .stderr_has("did you mean \"retries\"?")
        .no_file("ran")
        .run();
    let test = Test::new().file("plan.json", field("ticket"));
    test.quintet(&["run", "plan.json"])
        .stderr_has("ticket")
        .file_is("ran", "")
        .run();
    test.quintet(&["validate", "plan.json", "--strict"])
        .status(2)
        .stderr_has("ticket")
        .run();
    let test = Test::new().file("plan.json", field("x-ticket"));
    test.quintet(&["validate", "plan.json", "--strict"])
        .stderr("")
        .run();
}

/// P37.
#[test]
fn p37_comments_in_json_are_refused_with_their_line_and_a_bom_is_not() {
    let good = plan(json!([shell("a", "touch ran")]));
    let test = Test::new().file("plan.json", format!("// written by hand\n// twice\n{good}"));
    test.quintet(&["run", "plan.json"])
        .status(2)
        .stderr_has("JSON has no comments, and this file has 2")
        .stderr_has("plan.json:1:1")
        .no_file("ran")
        .run();
    let test = Test::new().file("plan.json", format!("\u{feff}{good}"));
    test.quintet(&["run", "plan.json", "-q"])
        .file_is("ran", "")
        .run();
}

/// Values that mean something to a shell, to a program or to a plan. None of
/// them may mean anything here.
fn hostile() -> Vec<String> {
    let mut all: Vec<String> = [
        "; touch X",
        "$(touch X)",
        "`touch X`",
        "&& touch X #",
        "a\"b'c\\d",
        "two\nlines\n",
        "-rf",
        "${OTHER}",
        "$${OTHER} $$ $HOME",
        "* ~ \t é",
        "",
    ]
    .map(str::to_owned)
    .into();
    all.push("x".repeat(100_000));
    all
}

/// XF09.
#[test]
fn xf09_any_value_reaches_argv_as_one_word_and_scripts_as_environment() {
    let file = json!({
        "plan_id": "HOSTILE",
        "variables": {"VALUE": "", "OTHER": "expanded"},
        "steps": [
            {"id": "argv", "command": "sh",
             "args": ["-c", "printf '%s|' \"$#\" \"$@\" > argv", "sh", "${VALUE}", "<${VALUE}>"]},
            {"id": "script", "shell": true,
             "command": "printf %s \"${VALUE}\" > script"},
            {"id": "bare", "shell": true, "command": "echo ${VALUE} > bare"}
        ]
    });
    for value in hostile() {
        let test = Test::new().file("plan.json", file.to_string());
        let var = format!("VALUE={value}");
        test.quintet(&["run", "plan.json", "-q", "--var", &var])
            .file_is("argv", format!("2|{value}|<{value}>|"))
            .file_is("script", &value)
            .no_file("X")
            .run();
    }
}

/// XF09.
#[test]
fn xf09_an_undefined_variable_is_refused_before_anything_runs() {
    let steps =
        json!([shell("first", "touch ran"), {"id": "a", "command": "echo", "args": ["${NOBODY}"]}]);
    let test = Test::new().file("plan.json", plan(steps));
    test.quintet(&["run", "plan.json"])
        .status(2)
        .stderr_has("NOBODY")
        .no_file("ran")
        .run();
}

/// P17.
#[test]
fn p17_the_end_of_what_an_attempt_wrote_is_in_the_database() {
    let lines = "for i in $(seq 1 30); do echo line $i; done; echo last words >&2; exit 1";
    let test = Test::new().file("plan.json", plan(json!([shell("a", lines)])));
    test.quintet(&["run", "plan.json"]).status(1).run();
    let tail = sql(&test, "SELECT tail FROM step_attempts")
        .concat()
        .concat();
    assert!(tail.ends_with("line 30\nlast words"), "{tail}");
    assert!(!tail.contains("line 1\n"), "{tail}");
}
