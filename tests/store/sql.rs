//! What is promised to people with an SQL prompt: names, columns, spelling.

use std::fs;

use quintet::run::Event;

use crate::{Home, a_mixed_run, begin, new_run, plan, query, started};

/// P22.
#[test]
fn p22_the_documented_tables_and_columns_answer_the_documented_query() {
    let home = Home::new();
    let run_id = a_mixed_run(&home);
    let conn = home.sql();
    let rows = query(
        &conn,
        "SELECT run_id, project_id, phase_id, plan_id, name, state, created_at, started_at,
            ended_at, exit_code, error_message,
            json_extract(metadata, '$.plan_version'), json_extract(metadata, '$.project')
         FROM runs WHERE metadata LIKE '%PLAN-SAFE-MERGE%'",
    );
    assert_eq!(
        rows,
        [[
            run_id.as_str(),
            "pipeline",
            "ORCHESTRATED",
            "PLAN-SAFE-MERGE-001",
            "safe merge",
            "failed",
            "2025-11-20T15:02:01.000Z",
            "2025-11-20T15:02:01.001Z",
            "2025-11-20T15:02:01.019Z",
            "1",
            "failed: b",
            "1.0",
            "pipeline",
        ]]
    );
    let star = query(
        &conn,
        "SELECT * FROM runs WHERE metadata LIKE '%PLAN-SAFE-MERGE%'",
    );
    assert_eq!(star.len(), 1);
    let events = query(
        &conn,
        "SELECT event_id, run_id, seq, timestamp, event_type, step_id, attempt, data
         FROM run_events WHERE event_type IN ('run_started', 'step_started') ORDER BY seq",
    );
    assert_eq!(events.len(), 3);
    assert_eq!(events[1][0], format!("{run_id}/3"));
    assert_eq!(
        events[1][1..],
        [
            &run_id,
            "3",
            "2025-11-20T15:02:01.003Z",
            "step_started",
            "a",
            "1",
            "{}"
        ]
    );
}

/// P23.
#[test]
fn p23_every_step_has_a_row_with_its_state_attempts_code_and_times() {
    let home = Home::new();
    let run_id = a_mixed_run(&home);
    let rows = query(
        &home.sql(),
        "SELECT replace(step_attempt_id, run_id, 'R'), sequence, step_id, name, attempt, role,
            state, \"end\", exit_code, signal, started_at, ended_at, duration_ms
         FROM step_attempts ORDER BY sequence, role, attempt",
    );
    let time = |ms: u64| format!("1970-01-01T00:00:{:02}.{:03}Z", ms / 1000, ms % 1000);
    let none = "-".to_string();
    let started = "2025-11-20T15:02:01.016Z".to_string();
    let expected = [
        // id, sequence, step, attempt, role, state, end, code, signal, started, ended, duration
        (
            "R/a/1",
            1,
            "a",
            1,
            "main",
            "succeeded",
            "succeeded",
            "0",
            "-",
            time(5),
            time(1005),
            "1000",
        ),
        (
            "R/a/undo/1",
            1,
            "a",
            1,
            "undo",
            "succeeded",
            "succeeded",
            "0",
            "-",
            time(8),
            time(9),
            "1",
        ),
        (
            "R/b/1",
            2,
            "b",
            1,
            "main",
            "failed",
            "failed",
            "7",
            "-",
            time(5),
            time(6),
            "1",
        ),
        (
            "R/b/2",
            2,
            "b",
            2,
            "main",
            "failed",
            "timed_out",
            "-",
            "9",
            time(6),
            time(3006),
            "3000",
        ),
        (
            "R/c/0",
            3,
            "c",
            0,
            "main",
            "skipped",
            "-",
            "-",
            "-",
            none.clone(),
            none.clone(),
            "-",
        ),
        (
            "R/d/0",
            4,
            "d",
            0,
            "main",
            "canceled",
            "-",
            "-",
            "-",
            none.clone(),
            none.clone(),
            "-",
        ),
        (
            "R/e/1",
            5,
            "e",
            1,
            "main",
            "running",
            "-",
            "-",
            "-",
            started,
            none.clone(),
            "-",
        ),
        (
            "R/f/0",
            6,
            "f",
            0,
            "main",
            "pending",
            "-",
            "-",
            "-",
            none.clone(),
            none,
            "-",
        ),
    ]
    .map(
        |(id, sequence, step, attempt, role, state, end, code, signal, from, to, took)| {
            vec![
                id.to_string(),
                sequence.to_string(),
                step.into(),
                format!("Step {step}"),
                attempt.to_string(),
                role.into(),
                state.into(),
                end.into(),
                code.into(),
                signal.into(),
                from,
                to,
                took.into(),
            ]
        },
    );
    assert_eq!(rows, expected);
    let reasons = query(
        &home.sql(),
        "SELECT coalesce(reason, '-') FROM step_attempts ORDER BY sequence, role, attempt",
    );
    let skipped = r#"{"dependency":{"step":"b","outcome":"failed"}}"#;
    assert_eq!(
        reasons.concat(),
        [
            r#"{"exit":"exit 0"}"#,
            "rollback",
            "interrupted",
            r#"{"exit":"Timeout after 3s"}"#,
            skipped,
            "ready",
            "ready",
            "-"
        ]
        .map(|reason| if reason == "rollback" {
            "ready"
        } else {
            reason
        })
    );
    assert_eq!(
        query(
            &home.sql(),
            &format!("SELECT 1 FROM step_attempts WHERE run_id = '{run_id}'")
        )
        .len(),
        8
    );
}

/// P23.
#[test]
fn p23_sql_and_the_jsonl_file_spell_every_moment_alike() {
    let home = Home::new();
    let moments = [
        0,
        1,
        999,
        1_000,
        951_782_400_001,
        1_763_650_921_999,
        4_102_444_800_123,
    ];
    let writer = begin(&home, new_run(&home, plan(&["a"]), 0));
    for (seq, at) in (1..).zip(moments) {
        let kind = started();
        writer.append(Event { seq, at, kind });
    }
    let run_id = writer.run_id().to_string();
    writer.close().unwrap();
    let in_sql = query(&home.sql(), "SELECT timestamp FROM run_events ORDER BY seq").concat();
    let in_file: Vec<String> = fs::read_to_string(home.state.run(&run_id).join("events.jsonl"))
        .unwrap()
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["timestamp"].as_str().unwrap().to_string()
        })
        .collect();
    assert_eq!(in_sql, in_file);
}
