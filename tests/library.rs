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

/// A51. A7.
#[test]
fn a51_a_folder_of_scripts_is_run_and_its_result_is_a_value() {
    let (home, quintet) = quintet();
    let folder = home.path().join("scripts");
    std::fs::create_dir(&folder).expect("a folder");
    for (file, text) in [
        ("0001_First.sh", "# Stage: Core\n"),
        ("0002_Second.sh", "# Stage: Core\nexit 3\n"),
        ("0003_Third.sh", "# Stage: Late\n"),
    ] {
        std::fs::write(folder.join(file), text).expect("written");
    }
    let loaded = quintet.load(&folder, &[]).expect("it loads");
    let loaded = loaded.select(&["stage:Core"]).expect("there are such");
    let ended = quintet.run(loaded).expect("it is driven to its end");
    let result = quintet.result(&ended.run_id).expect("it is recorded");
    assert_eq!((result.total, result.completed, result.failed), (2, 1, 1));
    assert_eq!(result.steps[1].exit_code, Some(3));
}

/// H22. H23.
#[test]
fn h22_one_phase_of_a_tree_is_run_and_a_phase_is_a_tree_of_its_own() {
    let (home, quintet) = quintet();
    let tree = home.path().join("install");
    let write = |path: &str, text: &str| {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    let index =
        |children: &str| format!(r#"{{"metadata": {{"name": "t"}}, "children": [{children}]}}"#);
    write("index.json", &index(r#""preflight", "config""#));
    write("preflight/index.json", &index(r#""disk""#));
    write("preflight/disk.sh", "exit 1");
    write("config/index.json", &index(r#""theme""#));
    write("config/theme.sh", "exit 0");
    let whole = quintet
        .execute_plan(&tree, &[])
        .expect("it is driven to its end");
    assert_eq!(whole.exit_code, 1);
    let loaded = quintet.load(&tree, &[]).expect("it loads");
    let config = loaded
        .select(&["path:config"])
        .expect("there is such a phase");
    assert_eq!(
        quintet
            .run(config)
            .expect("it is driven to its end")
            .exit_code,
        0
    );
    let alone = quintet.execute_plan(&tree.join("config"), &[]);
    assert_eq!(alone.expect("it is driven to its end").exit_code, 0);
}
