//! Records that are torn, damaged, cut short or of another version, and what a
//! resume makes of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use quintet::run::Kind;
use serde_json::json;

use crate::support::Test;
use crate::witness::{
    count, diamond, given, kill_engine, ledger, lines, nothing_is_left, run_of, started, step,
    touch, with, wrong_files, wrongs,
};

fn sql(test: &Test) -> rusqlite::Connection {
    rusqlite::Connection::open(test.path("state/quintet.db")).expect("it can be opened")
}

fn copy_of_events(test: &Test) -> PathBuf {
    let run_id = run_of(test).row.run_id;
    test.path("state/runs").join(run_id).join("events.jsonl")
}

/// Takes the record of the run's end away, as if the engine had been killed
/// between the last step's record and that one.
fn unfinish(test: &Test) {
    let run = run_of(test);
    let last = run.events.last().expect("it has events");
    assert!(matches!(last.kind, Kind::RunFinished { .. }));
    let sql = sql(test);
    sql.execute("DELETE FROM event WHERE seq = ?1", [last.seq as i64])
        .expect("it is there");
    sql.execute_batch(
        "UPDATE run SET state = 'running', ended_at = NULL, exit_code = NULL, error_message = NULL",
    )
    .expect("it is there");
}

/// XA09.
#[test]
fn xa09_a_run_without_its_last_word_is_closed_and_nothing_is_started() {
    let undo = json!({"undo": {"command": "sh", "args": ["step.sh", "undo", "0"]}});
    let always = json!({"always": true});
    let sweep = with(step("sweep", "0", &["b"]), always);
    let failing = |code: &str| {
        let b = with(
            step("b", "0", &["a"]),
            json!({"args": ["step.sh", "b", "0", code]}),
        );
        [with(step("a", "0", &[]), undo.clone()), b, sweep.clone()]
    };
    for (code, expected) in [("0", 0), ("5", 1)] {
        let test = given(2, &failing(code));
        let args = ["run", "plan.json", "-q"];
        test.quintet(&args).status(expected).run();
        let before = (ledger(&test).len(), run_of(&test).row.state);
        unfinish(&test);
        assert_eq!(run_of(&test).row.state.word(), "running");
        test.quintet(&["resume", "-q"]).status(expected).run();
        let run = run_of(&test);
        assert_eq!((ledger(&test).len(), run.row.state), before);
        assert_eq!(run.row.exit_code, Some(expected));
        assert_eq!(lines(&test, "start", "sweep").len(), 1);
        let undone = if expected == 0 { 0 } else { 1 };
        assert_eq!(lines(&test, "start", "undo").len(), undone);
        let resumed = count(&run, |kind| matches!(kind, Kind::RunResumed { .. }));
        let finished = count(&run, |kind| matches!(kind, Kind::RunFinished { .. }));
        assert_eq!((resumed, finished), (1, 1));
        assert_eq!(wrong_files(&test, &run), Vec::<String>::new());
    }
}

/// XA14.
#[test]
fn xa14_a_torn_copy_is_cut_and_written_anew_by_the_next_engine() {
    type Damage = fn(&Path);
    let torn: Damage = |path| {
        let text = fs::read_to_string(path).expect("it is text");
        fs::write(path, &text[..text.len() - 20]).expect("it is ours");
    };
    let zeros: Damage = |path| {
        let mut bytes = fs::read(path).expect("it is there");
        bytes.resize(bytes.len() + 4096, 0);
        fs::write(path, bytes).expect("it is ours");
    };
    let both: Damage = |path| {
        let mut bytes = fs::read(path).expect("it is there");
        bytes.truncate(bytes.len() - 20);
        bytes.resize(bytes.len() + 4096, 0);
        fs::write(path, bytes).expect("it is ours");
    };
    let gone: Damage = |path| fs::remove_file(path).expect("it is there");
    for damage in [torn, zeros, both, gone] {
        let test = interrupted();
        damage(&copy_of_events(&test));
        // A crash does this, and needs no word about it.
        let resumed = test.quintet(&["resume", "-q"]).run();
        assert_eq!(resumed.stderr, "");
        assert_eq!(wrongs(&test), Vec::<String>::new());
    }
}

/// A run whose engine was killed while d ran, which has ended since or is about to.
fn interrupted() -> Test {
    let mut steps = diamond("0");
    steps[3]["args"] = json!(["step.sh", "d", "/end"]);
    let test = given(2, &steps);
    let run = test
        .quintet(&["run", "plan.json", "-q"])
        .status(137)
        .start();
    started(&test, "d");
    kill_engine(run);
    touch(&test, "end");
    test
}

/// XA14.
#[test]
fn xa14_a_flipped_byte_is_told_with_its_line_and_left_as_evidence() {
    let test = interrupted();
    let path = copy_of_events(&test);
    let mut bytes = fs::read(&path).expect("it is there");
    let line = 3;
    let start = |line: usize, bytes: &[u8]| {
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        ends.map(|(at, _)| at + 1)
            .nth(line - 2)
            .expect("it has lines")
    };
    let at = start(line, &bytes) + 10;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("it is ours");
    test.quintet(&["resume", "-q"])
        .stderr_has("events.jsonl")
        .stderr_has(&format!("line {line}\n"))
        .run();
    let run = run_of(&test);
    // The database counts, and everything but the one line is as it says.
    assert_eq!(
        wrong_files(&test, &run),
        ["events.jsonl does not say what the database says"]
    );
    let mut bytes = fs::read(&path).expect("it is there");
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("it is ours");
    assert_eq!(wrongs(&test), Vec::<String>::new());
}

/// All files below a directory, with their contents.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("it can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.insert(path.clone(), Vec::new());
            all.extend(files(&path));
        } else if !path.is_file() {
            // A pipe has no content, and to read it would be to wait for one.
            all.insert(path, Vec::new());
        } else if !path.ends_with("quintet.db-shm") {
            // The index that SQLite keeps for those who have the file open is no content.
            let content = fs::read(&path).expect("it can be read");
            // Nor is a log beside it with nothing in it.
            if !content.is_empty() || !path.ends_with("quintet.db-wal") {
                all.insert(path, content);
            }
        }
    }
    all
}

/// XA11.
#[test]
fn xa11_a_store_of_a_newer_version_is_refused_by_every_verb_and_left_alone() {
    let test = interrupted();
    nothing_is_left(&test);
    let ours: u32 = sql(&test)
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("it is ours");
    sql(&test)
        .execute_batch("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("it is ours");
    let before = files(&test.path("state"));
    let verbs: [&[&str]; 7] = [
        &["run", "plan.json"],
        &["resume"],
        &["cancel", "last"],
        &["status"],
        &["runs"],
        &["events", "last"],
        &["why", "a"],
    ];
    for verb in verbs {
        test.quintet(verb)
            .status(74)
            .stdout("")
            .stderr_has("quintet.db was written by a newer quintet (its version is 99")
            .run();
        let after = files(&test.path("state"));
        let changed: Vec<_> = after
            .iter()
            .filter(|(path, content)| before.get(*path) != Some(content))
            .map(|(path, _)| path)
            .chain(before.keys().filter(|path| !after.contains_key(*path)))
            .collect();
        assert!(changed.is_empty(), "{verb:?} has changed {changed:?}");
    }
    // The newer one goes on where it was.
    sql(&test)
        .execute_batch(&format!("PRAGMA user_version = {ours}"))
        .expect("it is ours");
    test.quintet(&["resume", "-q"]).run();
    assert_eq!(wrongs(&test), Vec::<String>::new());
}
