//! Order, parallelism, environment, conditions, and what steps pass on.

use crate::{Record, asked, exists, log, number, plan, ran, running, text, written};

/// P1.
#[test]
fn p1_a_plan_with_a_variable_runs_and_prints_the_runs_id() {
    let test = plan(
        r#"
        plan_id: GREET
        variables: {WHO: {required: true}}
        steps: [{id: greet, command: sh, args: ["-c", "printf %s \"$1\" > greeting", sh, "${WHO}"]}]
        "#,
    );
    let done = running(&test, &["--var", "WHO=you"]).run();
    let record = Record::last(&test);
    let id = text(&record.status["run"]["run_id"]).to_owned();
    assert_eq!(done.text(), format!("Run ID: {id}\n"));
    assert_eq!(written(&test, "greeting"), "you");
    assert_eq!(record.states(), "greet succeeded");
    assert_eq!(asked::<String>(&test, "SELECT run_id FROM runs"), id);
}

/// P2.
#[test]
fn p2_a_step_starts_after_all_it_depends_on_has_succeeded() {
    let test = plan(
        r#"
        globals: {max_concurrency: 4}
        steps:
          - {id: c, shell: true, command: "echo c >> log", depends_on: [b, a]}
          - {id: b, shell: true, command: "echo b >> log; sleep 0.1; echo b-end >> log", depends_on: [a]}
          - {id: a, shell: true, command: "echo a >> log; sleep 0.1; echo a-end >> log"}
        "#,
    );
    let record = ran(&test, 0);
    assert_eq!(log(&test), "a a-end b b-end c");
    for (before, after) in [("a", "b"), ("b", "c")] {
        let ended = text(&record.step(before)["ended_at"]);
        let started = text(&record.step(after)["started_at"]);
        // RFC 3339 in one time zone: the order of the texts is that of the times.
        assert!(
            ended <= started,
            "{before} ended {ended}, {after} began {started}"
        );
        assert!(
            record.seq("step_finished", Some(before)) < record.seq("step_started", Some(after))
        );
    }
}

/// Six steps that note how many of them are at work. The first two end only
/// when both have begun, if there is room for two.
fn crowd(globals: &str, meet: &str) -> String {
    let mut yaml = format!("{globals}\nsteps:\n");
    for id in ["a", "b", "c", "d", "e", "f"] {
        let wait = match id {
            "a" | "b" => meet,
            _ => "sleep 0.05",
        };
        yaml.push_str(&format!(
            "  - {{id: {id}, shell: true, command: 'touch on.{id} been.{id}; ls on.* | wc -l >> log; {wait}; rm on.{id}'}}\n"
        ));
    }
    yaml
}

/// P3.
#[test]
fn p3_independent_steps_run_in_parallel_and_never_more_than_may() {
    let meet = "until [ -e been.a ] && [ -e been.b ]; do sleep 0.02; done";
    let test = plan(&crowd("globals: {max_concurrency: 2}", meet));
    let record = ran(&test, 0);
    let (mut at_work, mut most) = (0, 0);
    for event in &record.events {
        match text(&event["type"]) {
            "step_started" => at_work += 1,
            "step_finished" => at_work -= 1,
            _ => {}
        }
        most = most.max(at_work);
    }
    assert_eq!(most, 2);
    let seen: Vec<usize> = log(&test).split(' ').map(|n| n.parse().unwrap()).collect();
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|n| *n <= 2), "{seen:?}");
}

/// P4.
#[test]
fn p4_without_max_concurrency_one_step_runs_at_a_time() {
    let test = plan(&crowd("plan_id: p", "sleep 0.05"));
    let record = ran(&test, 0);
    assert_eq!(log(&test), "1 1 1 1 1 1");
    assert_eq!(
        record.steps_of("step_started"),
        ["a", "b", "c", "d", "e", "f"]
    );
}

/// P4.
#[test]
fn p4_a_max_concurrency_that_is_no_positive_number_is_refused() {
    for wrong in ["0", "-1", "1.5", "two", "[]"] {
        let test = plan(&crowd(
            &format!("globals: {{max_concurrency: {wrong}}}"),
            "true",
        ));
        running(&test, &[])
            .status(2)
            .stdout("")
            .stderr_has("max_concurrency")
            .stderr_has("plan.yaml:1:")
            .no_file("log")
            .run();
        assert!(!test.path("state").exists(), "{wrong} was recorded");
    }
}

/// P16.
#[test]
fn p16_the_environment_is_the_process_then_the_globals_then_the_step() {
    let test = plan(
        r#"
        globals: {env: {B: globals, C: globals, D: globals}}
        steps:
          - {id: all, shell: true, command: 'echo "$A $B $C $D" > all; command -v sh > found', env: {C: step}}
          - {id: other, shell: true, command: 'echo "$A $B $C $D" > other'}
        "#,
    );
    running(&test, &[])
        .env("A", "process")
        .env("B", "process")
        .env("C", "process")
        .file_is("all", "process globals step globals\n")
        .file_is("other", "process globals globals globals\n")
        .run();
    assert!(written(&test, "found").ends_with("/sh\n"), "PATH is lost");
}

/// P17.
#[test]
fn p17_100_mb_on_both_streams_are_kept_whole_and_for_each_attempt() {
    let test = plan(
        r#"
        steps:
          - id: loud
            shell: true
            retries: 1
            command: |
              if [ -e again ]; then echo small; echo little >&2; exit 0; fi
              touch again
              head -c 60000000 /dev/zero | tr '\0' o &
              head -c 50000000 /dev/zero | tr '\0' e >&2
              wait
              exit 1
        "#,
    );
    let record = ran(&test, 0);
    let logs = |attempt: &str, stream: &str| {
        let args = ["logs", "last", "loud", "--attempt", attempt, stream];
        test.quintet(&args).run().stdout
    };
    for (stream, byte, len) in [
        ("--stdout", b'o', 60_000_000),
        ("--stderr", b'e', 50_000_000),
    ] {
        let output = logs("1", stream);
        assert_eq!(output.len(), len, "{stream}");
        assert!(output.iter().all(|b| *b == byte), "{stream} is mixed");
    }
    assert_eq!(logs("2", "--stdout"), b"small\n");
    assert_eq!(logs("2", "--stderr"), b"little\n");
    let first = record.of("step_finished", "loud")[0];
    assert_eq!(number(&first["output"]["stdout"]["len"]), 60_000_000);
}

/// P18.
#[test]
fn p18_conditions_decide_and_a_skip_has_its_reason() {
    let test = plan(
        r#"
        steps:
          - {id: a, command: "true"}
          - {id: bad, command: "false", on_failure: continue}
          - {id: yes1, command: "true", depends_on: [a], condition: "prev.a.status == 'success'"}
          - {id: yes2, command: "true", condition: "env.X == 'y' and env.X != 'z'"}
          - {id: yes3, command: "true", depends_on: [bad], condition: "not prev.bad.status == 'success'"}
          - {id: no1, command: "true", depends_on: [a], condition: "prev.a.status != 'success' or env.X == 'z'"}
          - {id: after_no1, command: "true", depends_on: [no1]}
        "#,
    );
    running(&test, &[]).env("X", "y").run();
    let record = Record::last(&test);
    assert_eq!(
        record.states(),
        "a succeeded, bad failed, yes1 succeeded, yes2 succeeded, yes3 succeeded, \
         no1 skipped, after_no1 succeeded"
    );
    let note = record.note("no1");
    assert!(
        note.contains("prev.a.status != 'success' or env.X == 'z'"),
        "{note}"
    );
    assert!(record.of("step_started", "no1").is_empty());
}

/// P18.
#[test]
fn p18_a_condition_that_cannot_be_read_is_a_validation_error() {
    for wrong in [
        "prev.a.status ==",
        "prev.a.status = 'success'",
        "(env.X == 'y'",
        "prev.nope.status == 'success'",
    ] {
        let test = plan(&format!(
            "steps:\n  - {{id: a, shell: true, command: 'touch ran'}}\n  \
             - {{id: b, command: 'true', depends_on: [a], condition: \"{wrong}\"}}\n"
        ));
        running(&test, &[])
            .status(2)
            .stdout("")
            .stderr_has("plan.yaml:3:")
            .no_file("ran")
            .run();
    }
}

#[test]
fn higher_priority_goes_first_among_the_ready() {
    let test = plan(
        r#"
        globals: {max_concurrency: 1}
        steps:
          - {id: low, shell: true, command: "echo low >> log", priority: -1}
          - {id: first, shell: true, command: "echo first >> log"}
          - {id: second, shell: true, command: "echo second >> log"}
          - {id: high, shell: true, command: "echo high >> log", priority: 5}
        "#,
    );
    ran(&test, 0);
    assert_eq!(log(&test), "high first second low");
}

/// An output that would do harm if it ever became part of a script.
const HARM: &str = r#"a 'b' "c" $(touch harm) `touch harm` ; touch harm"#;

#[test]
fn outputs_reach_arguments_scripts_and_conditions_unharmed() {
    let test = plan(
        r#"
        variables: {VALUE: x}
        steps:
          - id: make
            shell: true
            command: 'printf "K=%s\nN=7\n" "$1" >> "$QUINTET_OUTPUT"'
            args: ["${VALUE}"]
          - {id: argument, depends_on: [make], command: sh, args: ["-c", 'printf %s "$1" > argument', sh, "${steps.make.outputs.K}"]}
          - {id: script, depends_on: [make], shell: true, command: 'printf %s "${steps.make.outputs.K}" > script'}
          - {id: default, depends_on: [make], shell: true, command: 'printf %s "$1" > default', args: ["${steps.make.outputs.NONE:-other}"]}
          - {id: holds, depends_on: [make], command: "true", condition: "prev.make.outputs.N == '7'"}
          - {id: fails, depends_on: [make], command: "true", condition: "prev.make.outputs.N == '8'"}
        "#,
    );
    running(&test, &["--var", &format!("VALUE={HARM}")])
        .file_is("argument", HARM)
        .file_is("script", HARM)
        .file_is("default", "other")
        .no_file("harm")
        .run();
    let record = Record::last(&test);
    assert_eq!(text(&record.step("holds")["state"]), "succeeded");
    assert_eq!(text(&record.step("fails")["state"]), "skipped");
    assert_eq!(record.of("step_finished", "make")[0]["outputs"]["N"], "7");
}

#[test]
fn an_output_that_was_not_put_out_fails_the_step_that_asks() {
    let test = plan(
        r#"
        steps:
          - {id: make, command: "true"}
          - {id: use, depends_on: [make], shell: true, command: "touch used", args: ["${steps.make.outputs.K}"]}
        "#,
    );
    let record = ran(&test, 1);
    assert_eq!(record.states(), "make succeeded, use failed");
    assert_eq!(
        record.note("use"),
        "make put out no K, and the step asks for it"
    );
    assert!(!exists(&test, "used"));
}

const CONFIRMED: &str = r#"
    steps:
      - {id: drop, shell: true, command: "touch dropped", confirm: "Drop it?"}
      - {id: on, shell: true, command: "touch on"}
"#;

#[test]
fn a_question_with_nobody_to_answer_is_declined_and_the_step_skipped() {
    let test = plan(CONFIRMED);
    let record = ran(&test, 0);
    assert_eq!(record.states(), "drop skipped, on succeeded");
    assert_eq!(record.note("drop"), "declined (no terminal)");
    assert_eq!(record.of("step_asked", "drop")[0]["question"], "Drop it?");
    assert_eq!(record.of("step_answered", "drop")[0]["yes"], false);
    assert!(!exists(&test, "dropped"));
}

#[test]
fn yes_answers_every_question() {
    let test = plan(CONFIRMED);
    running(&test, &["--yes"]).file_is("dropped", "").run();
    let record = Record::last(&test);
    assert_eq!(record.states(), "drop succeeded, on succeeded");
    assert_eq!(record.of("step_answered", "drop")[0]["by"], "--yes");
    assert!(record.seq("step_answered", Some("drop")) < record.seq("step_started", Some("drop")));
}
