//! A store that somebody has changed: rows, whole pages, lines of
//! `events.jsonl`, ranges of output. Whoever reads it is told, or sees
//! nonsense; nobody panics, and nothing outside the run's directory is opened.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use quintet::paths::StateDir;
use quintet::run::{LogRange, Output, RunState};
use quintet::store::logs::{self, Log};
use quintet::store::{Owner, Store, StoreError};
use quintet::view::board::Board;
use quintet::view::phases::{document, lines};
use quintet::view::plain::Plain;
use quintet::view::status::{self, Subject};
use quintet::view::timeline::Timeline;
use quintet::view::why::{self, Question};
use quintet::view::{events, summary};
use rusqlite::Connection;
use rusqlite::types::Value;

const PLAN: &str = r#"{
    "plan_id": "FUZZ", "globals": {"max_concurrency": 2, "rollback": "on_failure"},
    "steps": [
        {"id": "a", "shell": true, "command": "echo out; echo K=v >> $QUINTET_OUTPUT",
         "undo": {"command": "true"}},
        {"id": "b", "shell": true, "command": "echo err >&2; exit 7", "depends_on": ["a"],
         "retry": {"count": 1}, "on_failure": "continue"},
        {"id": "c", "command": "false", "depends_on": ["b"]},
        {"id": "d", "command": "true", "depends_on": ["c"]},
        {"id": "e", "command": "true", "when": "prev.a.status == 'failed'", "depends_on": ["a"]}
    ]
}"#;

/// A state directory with one run in it that really happened; each test takes a copy.
fn original() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("plan.json"), PLAN).expect("written");
        let done = quintet(folder.path(), &["run", "plan.json"]);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        // Into one file, so that a copy of it is a copy of all.
        let sql = Connection::open(folder.path().join("state/quintet.db")).expect("a database");
        sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .expect("a checkpoint");
        folder
    });
    made.path()
}

fn quintet(folder: &Path, args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_quintet"))
        .args(args)
        .current_dir(folder)
        .env("QUINTET_STATE_DIR", folder.join("state"))
        .env("XDG_STATE_HOME", folder.join("xdg"))
        .env("NO_COLOR", "1")
        .output()
        .expect("it runs")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            // A pipe is among them, too, and nobody writes to it.
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

struct Copy {
    folder: tempfile::TempDir,
    state: StateDir,
}

impl Copy {
    fn new() -> Copy {
        let folder = tempfile::tempdir().expect("a folder");
        copy(original(), folder.path());
        // The mode of folders is not copied.
        let private = |path: &Path| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(path, mode).expect("it is ours");
        };
        let root = folder.path().join("state");
        private(&root);
        for entry in walk(&root) {
            private(&entry);
        }
        let state = StateDir::create(&root).expect("a state directory");
        Copy { folder, state }
    }

    fn run_id(&self) -> String {
        let mut runs = fs::read_dir(self.state.runs()).expect("a folder");
        let run = runs.next().expect("a run").expect("an entry");
        run.file_name().into_string().expect("text")
    }
}

/// All folders below.
fn walk(root: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(root).expect("a folder").flatten();
    let folders = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    folders
        .flat_map(|folder| {
            let mut all = walk(&folder);
            all.push(folder);
            all
        })
        .collect()
}

/// Reads all there is, in every way.
fn look(state: &StateDir) {
    let Ok(store) = Store::open_existing(state) else {
        return;
    };
    let runs = store.runs(&Default::default()).unwrap_or_default();
    let _ = store.find_run("last");
    for row in runs {
        let id = &row.run_id;
        let _ = (store.requests(id, 0), store.owner(id));
        let _ = store.export_jsonl(id, &mut Vec::new());
        let (Ok(plan), Ok(log)) = (store.plan(id), store.events(id, 0, usize::MAX)) else {
            continue;
        };
        let _ = store.usual(&plan);
        let plan = Arc::new(plan);
        let Ok(run) = RunState::replay(plan.clone(), &log) else {
            continue;
        };
        show(id, &run, &log);
        for event in &log {
            if let quintet::run::Kind::StepFinished { end, .. } = &event.kind {
                let _ = logs::last_lines(state, id, &end.output, 20);
            }
        }
    }
}

fn show(id: &str, run: &RunState, log: &[quintet::run::Event]) {
    let (zone, mut out) = (jiff::tz::TimeZone::UTC, Vec::new());
    let subject = Subject {
        run_id: id,
        run,
        now: 5,
        interrupted: false,
    };
    let takes = "memory takes it";
    status::text(subject, &zone, &mut out).expect(takes);
    lines::write(subject, &zone, &mut out).expect(takes);
    let tree = document::of(subject, log, &zone);
    tree.write(log.len().is_multiple_of(2), &mut out)
        .expect(takes);
    let timeline = Timeline::of(log);
    let _ = timeline.json(run.plan());
    status::json(subject, &timeline, serde_json::Value::Null);
    summary::write(id, run, &mut |_| Vec::new(), &mut out).expect(takes);
    let mut again = RunState::new(run.plan().clone());
    let mut plain = Plain::new(&mut out, run.plan(), zone.clone());
    let mut board = Board::new(&again, &Default::default());
    for event in log {
        again.apply(event).expect("it did before");
        plain.event(&again, event).expect(takes);
        board.event(&again, event);
        let _ = board.lines(event.at, 24, 80);
    }
    for event in log {
        events::line(run.plan(), event, &zone, &mut out).expect(takes);
    }
    for step in run.plan().indices() {
        let question = Question {
            run_id: id,
            run,
            events: log,
            step,
            now: 5,
            interrupted: true,
        };
        why::write(question, &zone, &mut out).expect(takes);
    }
    let _ = quintet::run::next(run, u64::MAX / 2);
}

/// What somebody writes into a column.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (-2..9i64).prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        select(WORDS).prop_map(|word| Value::Text(word.to_owned())),
        ".{0,20}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
    ]
}

const WORDS: &[&str] = &[
    "",
    "{}",
    "[]",
    "null",
    "{\"role\":\"undo\"}",
    "step_started",
    "step_finished",
    "step_settled",
    "run_started",
    "run_finished",
    "run_reopened",
    "step_retry",
    "step_undone",
    "rollback_started",
    "cleanup_started",
    "running",
    "succeeded",
    "{\"reason\":{\"why\":\"interrupted\"},\"not_before\":18446744073709551615}",
    "{\"outcome\":\"succeeded\",\"reason\":{\"why\":\"ready\"}}",
    "{\"end\":\"exited\",\"code\":0}",
];

#[derive(Clone, Debug)]
enum Change {
    /// A column of the n-th row of a table.
    Column(&'static str, &'static str, Index, Value),
    Gone(&'static str, Index),
    /// A number or a word in a text of JSON.
    InText(&'static str, &'static str, Index, Index, String),
}

const COLUMNS: &[(&str, &str)] = &[
    ("event", "at"),
    ("event", "type"),
    ("event", "step"),
    ("event", "attempt"),
    ("event", "data"),
    ("event", "seq"),
    ("run", "run_id"),
    ("run", "plan"),
    ("run", "state"),
    ("run", "epoch"),
    ("run", "created_at"),
    ("run", "started_at"),
    ("run", "ended_at"),
    ("run", "exit_code"),
    ("run", "error_message"),
    ("run", "command_line"),
    ("plan", "json"),
    ("plan", "plan_id"),
    ("plan", "metadata"),
    ("plan", "name"),
    ("plan", "content_id"),
    ("step", "id"),
    ("step", "ix"),
];

fn change() -> impl Strategy<Value = Change> {
    let in_text = (
        select(&[("event", "data"), ("plan", "json")][..]),
        any::<Index>(),
    );
    let words = "[0-9]{1,20}|\"[a-z_]{0,9}\"|null|-1|1e9|\\{\\}|\\[\\]|true";
    prop_oneof![
        4 => (select(COLUMNS), any::<Index>(), value())
            .prop_map(|((table, column), row, value)| Change::Column(table, column, row, value)),
        1 => (select(&["event", "step", "plan", "run"][..]), any::<Index>())
            .prop_map(|(table, row)| Change::Gone(table, row)),
        4 => (in_text, any::<Index>(), words).prop_map(|(((table, column), row), at, word)| {
            Change::InText(table, column, row, at, word)
        }),
    ]
}

impl Change {
    /// Makes the change; one that the schema forbids is not made.
    fn make(&self, sql: &Connection) {
        match self {
            Change::Column(table, column, row, value) => {
                let update = format!("UPDATE {table} SET {column} = ?1 WHERE {}", nth(table));
                let _ = sql.execute(&update, (value, row.index(count(sql, table)) as i64));
            }
            Change::Gone(table, row) => {
                let delete = format!("DELETE FROM {table} WHERE {}", nth(table));
                let row = row.index(count(sql, table)) as i64;
                let _ = sql.execute(&delete, (Value::Null, row));
            }
            Change::InText(table, column, row, at, word) => {
                let row = row.index(count(sql, table)) as i64;
                let ask = format!(
                    "SELECT CAST({column} AS TEXT) FROM {table} WHERE ?1 IS NULL AND {}",
                    nth(table)
                );
                let text: Result<String, _> = sql.query_row(&ask, (Value::Null, row), |r| r.get(0));
                let Ok(text) = text else { return };
                let changed = with_another_word(&text, at, word);
                let update = format!("UPDATE {table} SET {column} = ?1 WHERE {}", nth(table));
                let _ = sql.execute(&update, (&changed, row));
                if *table == "plan" {
                    // Whoever changes a plan with care changes its id, too.
                    let id = quintet::plan::Plan::content_id_of(&changed);
                    let _ = sql.execute("UPDATE plan SET content_id = ?1", [id]);
                }
            }
        }
    }
}

fn nth(table: &str) -> String {
    let key = match table {
        "event" => "(run, seq)",
        "step" => "(plan, ix)",
        _ => "key",
    };
    let plain = key.trim_matches(['(', ')']);
    format!("{key} IN (SELECT {plain} FROM {table} ORDER BY {plain} LIMIT 1 OFFSET ?2)")
}

fn count(sql: &Connection, table: &str) -> usize {
    let count = format!("SELECT count(*) FROM {table}");
    let count: i64 = sql.query_row(&count, [], |row| row.get(0)).unwrap_or(0);
    (count as usize).max(1)
}

/// The text with one of its JSON words replaced.
fn with_another_word(text: &str, at: &Index, word: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || "\"-._".contains(c);
    let mut words = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices().chain([(text.len(), ',')]) {
        match (is_word(c), begin) {
            (true, None) => begin = Some(at),
            (false, Some(from)) => {
                words.push(from..at);
                begin = None;
            }
            _ => {}
        }
    }
    let Some(chosen) = words.get(at.index(words.len().max(1))).cloned() else {
        return word.to_owned();
    };
    let mut text = text.to_owned();
    text.replace_range(chosen, word);
    text
}

fn sql(copy: &Copy) -> Connection {
    let sql = Connection::open(copy.state.database()).expect("a database");
    sql.pragma_update(None, "ignore_check_constraints", true)
        .expect("a pragma");
    sql.pragma_update(None, "foreign_keys", false)
        .expect("a pragma");
    sql
}

#[test]
fn the_original_reads_well() {
    let copy = Copy::new();
    let store = Store::open_existing(&copy.state).expect("a store");
    let plan = Arc::new(store.plan(&copy.run_id()).expect("a plan"));
    let log = store.events(&copy.run_id(), 0, usize::MAX).expect("events");
    RunState::replay(plan, &log).expect("it replays");
    look(&copy.state);
}

proptest! {
    #![proptest_config(crate::cases(150))]

    /// XI02: rows that were changed.
    #[test]
    fn xi02_no_change_of_rows(changes in prop::collection::vec(change(), 1..4)) {
        let copy = Copy::new();
        let connection = sql(&copy);
        for change in &changes {
            change.make(&connection);
        }
        drop(connection);
        look(&copy.state);
    }

    /// XI02: bytes of the database that were changed.
    #[test]
    fn xi02_no_change_of_pages(flips in prop::collection::vec((any::<Index>(), any::<u8>()), 1..30)) {
        let copy = Copy::new();
        let mut bytes = fs::read(copy.state.database()).expect("a file");
        for (at, byte) in &flips {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        fs::write(copy.state.database(), bytes).expect("written");
        look(&copy.state);
    }

    /// XA14: a copy of the events that was cut, lengthened or changed is whole
    /// again after one repair, but for lines that are told by number.
    #[test]
    fn xa14_no_change_of_lines(
        cut in any::<Index>(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 0..5),
        tail in prop::collection::vec(any::<u8>(), 0..50),
        zeros in 0..5000usize,
    ) {
        let copy = Copy::new();
        let store = Store::open_existing(&copy.state).expect("a store");
        let id = copy.run_id();
        let path = copy.state.run(&id).join("events.jsonl");
        let mut bytes = fs::read(&path).expect("a file");
        bytes.truncate(cut.index(2 * bytes.len()));
        for (at, byte) in &flips {
            let at = at.index(bytes.len().max(1));
            if let Some(place) = bytes.get_mut(at) {
                *place = *byte;
            }
        }
        bytes.extend(&tail);
        bytes.resize(bytes.len() + zeros, 0);
        fs::write(&path, bytes).expect("written");
        let repair = store.repair_jsonl(&id).expect("it can be mended");
        let mut wanted = Vec::new();
        store.export_jsonl(&id, &mut wanted).expect("it can be told");
        let found = fs::read(&path).expect("a file");
        prop_assert_eq!(found.len(), wanted.len());
        let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
        };
        let lines = lines(&wanted);
        let rewritten = lines.len() as u64 - repair.written;
        let mut offset = 0;
        for (number, line) in (1..).zip(&lines) {
            let same = found[offset..offset + line.len()] == line[..];
            let told = repair.damaged.contains(&number);
            // What was torn may be told, too, although it is whole again.
            prop_assert!(same != told || (told && number > rewritten), "line {}", number);
            offset += line.len();
        }
        let again = store.repair_jsonl(&id).expect("it can be mended");
        prop_assert_eq!((again.cut, again.written), (0, 0));
        prop_assert!(again.damaged.iter().all(|line| repair.damaged.contains(line)));
    }

    /// XG08: ranges of output that lead anywhere, of any length.
    #[test]
    fn xg08_no_range_of_output(
        file in select(&[
            "slots/1-0.out", "slots/1-0.err", "../../quintet.db", "/etc/passwd", "..", "", ".",
            "slots", "slots/../../../quintet.db", "slots/1-0.out\0", "//", "slots/epochs",
        ][..]),
        start in prop_oneof![0..20u64, any::<u64>()],
        len in prop_oneof![0..20u64, any::<u64>()],
        offset in any::<u64>(),
        lines in prop_oneof![0..5usize, any::<usize>()],
    ) {
        let copy = original();
        let state = StateDir::create(&copy.join("state")).expect("a state directory");
        let id = fs::read_dir(state.runs()).expect("a folder").next().expect("a run");
        let id = id.expect("an entry").file_name().into_string().expect("text");
        let range = LogRange { file: file.into(), start, len };
        let mut buffer = [0; 64];
        if let Ok(log) = Log::open(&state, &id, &range) {
            prop_assert!(!file.contains("..") && !file.starts_with('/'));
            let _ = (log.read(offset, &mut buffer), log.read(0, &mut buffer));
            let _ = log.tail(lines);
            if let Ok(shown) = log.last_lines(lines) {
                prop_assert!(shown.len() <= lines);
            }
        }
        let output = Output { stdout: Some(range.clone()), stderr: Some(range), ..Output::default() };
        let _ = logs::last_lines(&state, &id, &output, lines.min(50));
    }
}

/// What the program may say with its exit code.
const CODES: &[i32] = &[0, 1, 2, 3, 74, 75, 124, 130, 143];

proptest! {
    #![proptest_config(crate::cases(12))]

    /// XI02: the program itself on a store that was changed.
    #[test]
    fn xi02_no_verb_panics(changes in prop::collection::vec(change(), 1..4)) {
        let copy = Copy::new();
        let connection = sql(&copy);
        for change in &changes {
            change.make(&connection);
        }
        drop(connection);
        let verbs: [&[&str]; 8] = [
            &["runs"], &["status", "last"], &["status", "last", "--json"], &["events", "last"],
            &["events", "last", "--json"], &["why", "last", "b"], &["logs", "last"],
            &["resume", "last", "-q"],
        ];
        for verb in verbs {
            let done = quintet(copy.folder.path(), verb);
            let said = String::from_utf8_lossy(&done.stderr);
            let code = done.status.code();
            prop_assert!(!said.contains("panicked"), "{verb:?}: {said}");
            prop_assert!(code.is_some_and(|code| CODES.contains(&code)), "{verb:?}: {code:?} {said}");
        }
    }
}

/// The store refuses what is not its own with an error, not with an empty list.
#[test]
fn a_plan_that_is_not_the_one_of_its_id_is_refused() {
    let copy = Copy::new();
    let text = "UPDATE plan SET json = replace(json, '\"exit 7\"', '\"exit 0\"'), name = name";
    let other = "UPDATE plan SET json = replace(json, 'echo out', 'echo OUT')";
    let connection = sql(&copy);
    connection.execute(text, []).expect("changed");
    connection.execute(other, []).expect("changed");
    let store = Store::open_existing(&copy.state).expect("a store");
    let refused = store.plan(&copy.run_id()).expect_err("it was changed");
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused:?}");
    let _ = store.own(&copy.run_id(), &Owner::default());
}
