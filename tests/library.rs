//! The product through the library alone, as the plan document's *programmatic
//! usage* asks for it: load, run, read results.

use quintet::{Error, Outcome, Quintet, RunFilter, RunOutcome};

fn quintet() -> (tempfile::TempDir, Quintet) {
    let home = tempfile::tempdir().unwrap();
    let quintet = Quintet::open(&home.path().join("state")).unwrap();
    (home, quintet)
}

#[test]
fn a_failed_run_is_resumed_where_it_failed() {
    let (home, quintet) = quintet();
    let dir = home.path().to_str().unwrap();
    let text = r#"{"plan_id": "THREE", "steps": [
        {"id": "a", "shell": true, "command": "echo a >> \"${DIR}/log\""},
        {"id": "b", "command": "test", "args": ["-e", "${DIR}/flag"], "depends_on": ["a"]},
        {"id": "c", "shell": true, "command": "echo c >> \"${DIR}/log\"", "depends_on": ["b"]}
    ]}"#;
    let failed = quintet.run(
        quintet
            .load_str("three.json", text, &[("DIR", dir)])
            .unwrap(),
    );
    let failed = failed.unwrap();
    assert_eq!((failed.outcome, failed.exit_code), (RunOutcome::Failed, 1));

    std::fs::write(home.path().join("flag"), "").unwrap();
    let ended = quintet.resume(&failed.run_id).unwrap();
    assert_eq!(ended.outcome, RunOutcome::Succeeded);
    let log = std::fs::read_to_string(home.path().join("log")).unwrap();
    assert_eq!(log, "a\nc\n", "what had succeeded was not done again");

    let run = quintet.get("last").unwrap();
    assert_eq!(run.row.run_id, failed.run_id);
    assert_eq!(run.progress_percent(), 100);
    let b = run.step("b").unwrap();
    assert_eq!((b.outcome(), b.attempts), (Some(Outcome::Succeeded), 2));
    assert!(
        matches!(quintet.resume("last"), Err(Error::Refused(_))),
        "there is nothing to do"
    );
}

#[test]
fn a_plan_file_is_executed_with_variables_and_listed() {
    let (home, quintet) = quintet();
    let file = home.path().join("plan.toml");
    let text = "plan_id = 'TOML'\n[[steps]]\nid = 'say'\ncommand = 'echo'\nargs = ['${BRANCH}']\n";
    std::fs::write(&file, text).unwrap();
    let ended = quintet
        .execute_plan(&file, &[("BRANCH", "a b; c")])
        .unwrap();
    assert_eq!(quintet.output(&ended.run_id, "say").unwrap(), "a b; c\n");
    let runs = quintet.runs(&RunFilter::default()).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].plan_id, "TOML");
}

#[test]
fn what_is_wrong_is_told_as_data() {
    let (_home, quintet) = quintet();
    let text = r#"{"steps": [{"id": "a", "command": "true", "depends_on": ["b"]}, {"id": "a", "command": "true"}]}"#;
    let Err(Error::Plan(problems)) = quintet.load_str("p.json", text, &[]) else {
        panic!("it was accepted");
    };
    assert_eq!(problems.len(), 2, "{problems:?}");
    let text = r#"{"steps": [{"id": "a", "command": "true"}]}"#;
    let loaded = quintet.load_str("p.json", text, &[]).unwrap();
    assert!(matches!(loaded.select(&["b"]), Err(Error::Selection(_))));
    assert!(matches!(
        quintet.get("last"),
        Err(Error::Store(_) | Error::NotFound(_))
    ));
}
