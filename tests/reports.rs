//! What a run came to, told to programs, build servers and people: by
//! `quintet report`, and when a run ends.

#![cfg(unix)]

#[path = "support/mod.rs"]
mod support;

use serde_json::{Value, json};
use support::Test;

/// Something of everything. `TOKEN` is a secret.
const PLAN: &str = r#"
    plan_id: nightly
    name: Nightly | checks
    globals: {max_concurrency: 1}
    variables:
      TOKEN: {secret: true, required: true}
    steps:
      - {id: core/0001_Prepare, shell: true, command: "exit 194", stage: Core, exit_codes: {"194": restart_required}}
      - {id: core/0002_Check, shell: true, command: "exit 2", stage: Core, depends_on: [core/0001_Prepare], exit_codes: {"2": warning}}
      - id: 0402_Tests
        name: All tests
        shell: true
        stage: Testing
        depends_on: [core/0002_Check]
        command: "echo out; echo \"::error::no 100% of $SECRET\" >&2; printf '\\033[31mred\\033[0m\\n' >&2; exit 3"
        env: {SECRET: "${TOKEN}"}
        retries: 1
        on_failure: skip_dependents
      - {id: lint, command: "false", depends_on: [core/0002_Check], on_failure: continue}
      - {id: ship, command: "true", depends_on: [0402_Tests]}
      - {id: never, command: "true", depends_on: [core/0002_Check], condition: "prev.lint.status == 'success'"}
"#;

const SECRET: &str = "tr0ub4dor&3";

fn test() -> Test {
    Test::new().file("plan.yaml", PLAN)
}

fn running<'a>(test: &'a Test, more: &[&str]) -> support::Call<'a> {
    let args = [&["run", "plan.yaml", "--var", "TOKEN"], more].concat();
    test.quintet(&args).env("TOKEN", SECRET).status(1)
}

fn step<'a>(result: &'a Value, id: &str) -> &'a Value {
    let steps = result["steps"].as_array().expect("steps are a list");
    let found = steps.iter().find(|step| step["id"] == id);
    found.expect("the step is in the result")
}

/// What a file in the working directory holds.
#[track_caller]
fn written(test: &Test, name: &str) -> String {
    let path = test.path("work").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A51, A52.
#[test]
fn a51_a52_the_result_is_an_object_with_counts_and_every_step() {
    let test = test();
    running(&test, &[]).run();
    let done = test.quintet(&["report", "last"]).run();
    let result = done.json();
    let counts = ["total", "completed", "failed", "skipped", "canceled"];
    assert_eq!(
        counts.map(|name| result[name].clone()),
        [6, 2, 2, 2, 0].map(Value::from)
    );
    assert_eq!(result["outcome"], "failed");
    assert_eq!(result["plan_id"], "nightly");
    assert_eq!(result["restart_required"], json!(["core/0001_Prepare"]));
    assert_eq!(result["warnings"], json!(["core/0002_Check", "lint"]));
    assert!(result["duration_ms"].is_u64());
    let tests = step(&result, "0402_Tests");
    assert_eq!(tests["number"], "0402");
    assert_eq!(tests["group"], "Testing");
    assert_eq!(tests["exit_code"], 3);
    assert_eq!(tests["attempts"], 2);
    assert_eq!(tests["error"], "exit 3, after 2 attempts");
    assert_eq!(tests["retries"][0]["error"], "exit 3");
    let output = tests["output"].as_str().expect("it wrote something");
    assert!(
        output.contains("out\n::error::no 100% of ***\n"),
        "{output}"
    );
    assert!(
        tests["started_at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );
    assert!(step(&result, "lint")["tolerated"] == true);
    let skipped = "it depends on 0402_Tests, which failed";
    assert_eq!(step(&result, "ship")["skipped_because"], skipped);
    let text = done.text();
    assert!(!text.contains(SECRET));
    let order = [
        "\"run_id\"",
        "\"outcome\"",
        "\"total\"",
        "\"restart_required\"",
        "\"steps\"",
    ];
    let places = order.map(|name| text.find(name).expect("the field is there"));
    assert!(places.is_sorted(), "{text}");
}

/// A54.
#[test]
fn a54_reports_are_written_when_the_run_ends_and_are_those_that_the_verb_gives() {
    let test = test();
    let formats = ["json", "junit", "markdown", "github"];
    let asked: Vec<String> = formats
        .iter()
        .flat_map(|format| ["--report".to_owned(), format!("{format}=out.{format}")])
        .collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    running(&test, &asked).run();
    for format in formats {
        let file = format!("out.{format}");
        let args = ["report", "last", "--format", format];
        let done = test.quintet(&args).run();
        assert_eq!(written(&test, &file), done.text(), "{format}");
        assert!(!done.text().contains(SECRET));
        test.quintet(&[&args[..], &["-o", "again"]].concat())
            .file_is("again", &done.stdout)
            .run();
    }
    let left = std::fs::read_dir(test.path("work")).unwrap();
    let left = left.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".tmp")
    });
    assert_eq!(left.count(), 0);
}

/// A54.
#[test]
fn a54_junit_has_a_suite_for_each_stage() {
    let test = test();
    running(&test, &["--report", "junit=r.xml"]).run();
    let text = written(&test, "r.xml");
    let report = quick_junit::Report::deserialize_from_str(&text).expect("it is JUnit");
    let suites: Vec<_> = report
        .test_suites
        .iter()
        .map(|suite| {
            (
                suite.name.as_str(),
                suite.tests,
                suite.failures,
                suite.skipped,
            )
        })
        .collect();
    assert_eq!(
        suites,
        [
            ("Core", 2, 0, 0),
            ("Testing", 1, 1, 0),
            ("Nightly | checks", 3, 1, 2)
        ]
    );
    assert!(text.contains("<rerunFailure "), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

/// A54.
#[test]
fn a54_on_a_runner_of_github_failures_are_annotations_and_there_is_a_summary() {
    let test = test().file("summary.md", "# Before\n");
    let summary = test.path("work/summary.md").to_string_lossy().into_owned();
    let on_github = |args: &[&str]| {
        let call = running(&test, args).env("GITHUB_ACTIONS", "true");
        call.env("GITHUB_STEP_SUMMARY", &summary)
    };
    let done = on_github(&[]).run();
    let annotations: Vec<String> = done
        .text()
        .lines()
        .filter(|line| line.starts_with("::"))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        annotations,
        [
            "::error title=0402_Tests::exit 3, after 2 attempts%0Aout%0A::error::no 100%25 of ***%0Ared",
            "::warning title=core/0001_Prepare::a restart is required (194)",
            "::warning title=core/0002_Check::succeeded with a warning (2)",
            "::warning title=lint::exit 1%0A(the plan tolerates it)",
        ]
    );
    let text = written(&test, "summary.md");
    assert!(
        text.starts_with("# Before\n## ❌ Nightly \\| checks\n"),
        "{text}"
    );
    assert!(
        text.contains("| ❌ | All tests (0402\\_Tests) | failed | 3 | 2 | "),
        "{text}"
    );

    // Where events are on stdout, they alone are.
    let done = on_github(&["--json"])
        .stderr_has("::error title=0402_Tests::")
        .run();
    for line in done.text().lines() {
        serde_json::from_str::<Value>(line).expect("only events");
    }
    std::fs::write(test.path("work/summary.md"), "").unwrap();
    let done = on_github(&["--no-github"]).file_is("summary.md", "").run();
    assert!(!done.text().contains("::"));
    let done = running(&test, &[]).run();
    assert!(!done.text().contains("::"), "elsewhere nobody is told");
}

/// A54.
#[test]
fn a54_a_report_that_cannot_be_written_changes_nothing_about_the_run() {
    let test = Test::new().file("plan.yaml", "steps: [{id: a, command: 'true'}]");
    test.quintet(&[
        "run",
        "plan.yaml",
        "--report",
        "json=no/such/dir/r.json",
        "--report",
        "junit=r.xml",
    ])
    .stderr_has("the report no/such/dir/r.json cannot be written: ")
    .run();
    assert!(written(&test, "r.xml").starts_with("<?xml"));
    test.quintet(&["report", "last", "-o", "no/such/dir/r.json"])
        .status(74)
        .run();
    test.quintet(&["run", "plan.yaml", "--report", "pdf=r.pdf"])
        .status(2)
        .stderr_has("none of json, junit, markdown, github")
        .run();
    // A link stays one, and what is no file is written to as it is.
    std::os::unix::fs::symlink("target.json", test.path("work/link.json")).unwrap();
    std::fs::write(test.path("work/target.json"), "old").unwrap();
    test.quintet(&[
        "run",
        "plan.yaml",
        "--report",
        "json=link.json",
        "--report",
        "markdown=/dev/stderr",
    ])
    .stderr_has("## ✅ plan\n")
    .run();
    assert!(written(&test, "target.json").contains("\"succeeded\""));
    assert!(test.path("work/link.json").is_symlink());
}

/// A54, A46.
#[test]
fn a54_a_run_that_is_stopped_or_resumed_is_reported_as_any_other() {
    let plan = "steps: [{id: a, shell: true, command: 'test -e go || exit 1'}, {id: b, command: 'true', depends_on: [a]}]";
    let test = Test::new().file("plan.yaml", plan);
    test.quintet(&["run", "plan.yaml", "--report", "json=r.json"])
        .status(1)
        .run();
    let result: Value = serde_json::from_str(&written(&test, "r.json")).unwrap();
    assert_eq!(step(&result, "b")["outcome"], "canceled");
    assert_eq!(step(&result, "b")["error"], "the run was aborted");
    std::fs::write(test.path("work/go"), "").unwrap();
    test.quintet(&["resume", "--report", "json=r.json"]).run();
    let result: Value = serde_json::from_str(&written(&test, "r.json")).unwrap();
    assert_eq!(
        (&result["outcome"], &result["completed"]),
        (&json!("succeeded"), &json!(2))
    );
    assert_eq!(step(&result, "a")["retries"][0]["error"], "exit 1");
}

/// A54.
#[test]
fn a54_a_canceled_run_is_reported_too() {
    let plan = "steps: [{id: a, shell: true, command: 'touch begun; sleep 60', grace_sec: 1}, {id: b, command: 'true', depends_on: [a]}]";
    let test = Test::new().file("plan.yaml", plan);
    let run = test
        .quintet(&["run", "plan.yaml", "--report", "json=r.json"])
        .status(130)
        .start();
    support::eventually("the step runs", || test.path("work/begun").exists());
    let going = test.quintet(&["report", "last"]).run().json();
    assert_eq!(
        (&going["outcome"], &going["ended_at"]),
        (&Value::Null, &Value::Null)
    );
    run.signal(nix::sys::signal::Signal::SIGINT);
    run.finish();
    let result: Value = serde_json::from_str(&written(&test, "r.json")).unwrap();
    assert_eq!(
        (&result["outcome"], &result["canceled"]),
        (&json!("canceled"), &json!(2))
    );
}
