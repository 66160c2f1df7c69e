//! Plans whose steps keep a ledger, and the comparison of the ledger with what
//! the store says.
//!
//! Each line of the ledger is one write to a file opened for appending, so it
//! is there whoever dies. A step says that it starts, with its attempt and its
//! process id; whether an earlier one of its kind still lives; and that it
//! ends. That is all the comparison believes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quintet::paths::StateDir;
use quintet::plan::Verdict;
use quintet::run::{Event, Exit, Kind, Role};
use quintet::store::{Durability, Store};
use quintet::{Outcome, Quintet, RunOutcome};
use serde_json::{Value, json};

use crate::support::{Live, Test, eventually};

/// What every step runs: `sh step.sh ID PAUSE [CODE]`.
const STEP: &str = r#"
id=$1; pause=$2; code=${3:-0}
old=; [ -e "pid.$id" ] && read -r old < "pid.$id"
if [ -n "$old" ] && read -r _ name state _ < "/proc/$old/stat"; then
    case "$name$state" in
        "(sh)"[ZX]) ;;
        "(sh)"*) echo "overlap $id $QUINTET_ATTEMPT $old" >> ledger ;;
    esac
fi 2> /dev/null
trap 'echo "signal $id $QUINTET_ATTEMPT $$" >> ledger; exit 99' HUP INT PIPE TERM
echo "start $id $QUINTET_ATTEMPT $$" >> ledger
echo $$ > "pid.$id"
n=0
case "$pause" in
    /*) until [ -e ".$pause" ]; do n=$((n + 1)); echo "tick $n"; sleep 0.02; done ;;
    *) sleep "$pause" ;;
esac
echo "log of $id"
echo "end $id $QUINTET_ATTEMPT $code $(date +%s%3N)" >> ledger
exit "$code"
"#;

/// A step of the ledger's kind. `pause` is a number of seconds, or `/NAME` to
/// wait, talking, for a file of that name in the working directory.
pub fn step(id: &str, pause: &str, needs: &[&str]) -> Value {
    json!({"id": id, "command": "sh", "args": ["step.sh", id, pause], "depends_on": needs})
}

pub fn with(mut step: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().expect("fields are an object") {
        step[name] = value.clone();
    }
    step
}

/// a, then b and c at once, then d.
pub fn diamond(pause: &str) -> Vec<Value> {
    vec![
        step("a", pause, &[]),
        step("b", pause, &["a"]),
        step("c", pause, &["a"]),
        step("d", pause, &["b", "c"]),
    ]
}

pub fn plan_of(slots: u32, steps: &[Value]) -> String {
    let globals =
        json!({"max_concurrency": slots, "default_timeout_sec": 50, "default_grace_sec": 1});
    json!({"plan_id": "CRASH", "globals": globals, "steps": steps}).to_string()
}

/// A test with these steps as `plan.json`.
pub fn given(slots: u32, steps: &[Value]) -> Test {
    Test::new()
        .file("plan.json", plan_of(slots, steps))
        .file("step.sh", STEP)
}

/// One line of the ledger.
#[derive(Clone, Debug)]
pub struct Line {
    pub what: String,
    pub step: String,
    pub attempt: u32,
    /// The process id of a start or a signal, the exit code of an end.
    pub number: i32,
    /// When an end was, on the wall clock.
    pub at: Option<u64>,
}

pub fn ledger(test: &Test) -> Vec<Line> {
    let text = fs::read_to_string(test.path("work/ledger")).unwrap_or_default();
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |n: usize| words.get(n)?.parse::<i32>().ok();
        Some(Line {
            what: words.first()?.to_string(),
            step: words.get(1)?.to_string(),
            attempt: number(2)?.try_into().ok()?,
            number: number(3)?,
            at: words.get(4).and_then(|at| at.parse().ok()),
        })
    };
    // A step that is killed while it writes its line has written nothing.
    text.lines().filter_map(line).collect()
}

/// The ledger's lines of this kind about this step.
pub fn lines(test: &Test, what: &str, step: &str) -> Vec<Line> {
    let is = |line: &Line| line.what == what && line.step == step;
    ledger(test).into_iter().filter(is).collect()
}

#[track_caller]
pub fn started(test: &Test, step: &str) {
    eventually(&format!("{step} starts"), || {
        !lines(test, "start", step).is_empty()
    });
}

pub fn touch(test: &Test, name: &str) {
    fs::write(test.path("work").join(name), "").expect("a file can be written");
}

/// The processes that carry this test's directory in their environment, with
/// whether they are the program itself (an engine or a supervisor) or a step.
pub fn processes(test: &Test) -> Vec<(Pid, bool)> {
    let of = |(pid, program): (Pid, PathBuf)| {
        let program = program.file_name()?.to_string_lossy().into_owned();
        Some((pid, program.starts_with("quintet")))
    };
    test.processes().into_iter().filter_map(of).collect()
}

#[track_caller]
pub fn nothing_is_left(test: &Test) {
    eventually("no process is left", || processes(test).is_empty());
}

/// Whether a process still does anything. One that is dead and that nobody has
/// waited for is still listed, without its command line.
pub fn lives(pid: i32) -> bool {
    let path = Path::new("/proc").join(pid.to_string()).join("cmdline");
    fs::read(path).is_ok_and(|words| !words.is_empty())
}

/// Kills the engine alone. Its supervisors and steps go on.
#[track_caller]
pub fn kill_engine(run: Live<'_>) {
    run.signal(Signal::SIGKILL);
    run.finish();
}

/// Kills all processes of the test that `which` names, until there are none.
#[track_caller]
pub fn kill_all(test: &Test, which: impl Fn(Pid, bool) -> bool) {
    eventually("none of them is left", || {
        let mut left = processes(test);
        left.retain(|(pid, ours)| which(*pid, *ours));
        for (pid, _) in &left {
            let _ = kill(*pid, Signal::SIGKILL); // It may have ended by itself.
        }
        left.is_empty()
    });
}

/// All that is known of the newest run; `None` where none was ever recorded.
pub fn recorded(test: &Test) -> Option<quintet::Run> {
    let quintet = Quintet::open(&test.path("state")).expect("the state can be used");
    match quintet.get("last") {
        Ok(run) => Some(run),
        Err(quintet::Error::NotFound(_)) => None,
        // Not even a database.
        Err(quintet::Error::Store(why)) if why.starts_with("there is no ") => None,
        Err(error) => panic!("the store cannot be read: {error}"),
    }
}

#[track_caller]
pub fn run_of(test: &Test) -> quintet::Run {
    recorded(test).expect("a run was recorded")
}

/// An end of an attempt, as the record has it.
pub struct End {
    pub attempt: u32,
    pub exit: Exit,
    pub verdict: Verdict,
    pub ended_at: u64,
}

/// How each step's attempts ended, in their order, by id.
pub fn ends(run: &quintet::Run) -> BTreeMap<String, Vec<End>> {
    let mut ends: BTreeMap<String, Vec<End>> = BTreeMap::new();
    for event in &run.events {
        if let Kind::StepFinished { attempt, end } = &event.kind
            && attempt.role == Role::Main
        {
            let id = run.state.plan()[attempt.step].id.to_string();
            ends.entry(id).or_default().push(End {
                attempt: attempt.number,
                exit: end.exit.clone(),
                verdict: end.verdict,
                ended_at: end.ended_at,
            });
        }
    }
    ends
}

pub fn count(run: &quintet::Run, is: impl Fn(&Kind) -> bool) -> usize {
    run.events.iter().filter(|event| is(&event.kind)).count()
}

/// Everything that is wrong with a run that was resumed to its end, its steps
/// being of the ledger's kind; nothing, if all is as it must be.
pub fn wrongs(test: &Test) -> Vec<String> {
    let Some(run) = recorded(test) else {
        return vec!["no run was recorded".into()];
    };
    let mut wrongs = Vec::new();
    if run.row.state.word() != RunOutcome::Succeeded.word() {
        wrongs.push(format!("the run is {}", run.row.state.word()));
    }
    wrongs.extend(wrong_steps(test, &run));
    wrongs.extend(wrong_order(test, &run));
    wrongs.extend(wrong_files(test, &run));
    wrongs
}

/// Steps that are lost, made twice, made at once with themselves, or made
/// again although their success is recorded or their end not.
fn wrong_steps(test: &Test, run: &quintet::Run) -> Vec<String> {
    let ledger = ledger(test);
    let ends = ends(run);
    let mut wrongs = Vec::new();
    for line in ledger.iter().filter(|line| line.what == "overlap") {
        wrongs.push(format!("{} runs twice at once: {line:?}", line.step));
    }
    for step in &run.state.plan().steps {
        let id = step.id.to_string();
        if run.step(&id).and_then(|record| record.outcome()) != Some(Outcome::Succeeded) {
            wrongs.push(format!("{id} has not succeeded"));
        }
        let starts: Vec<u32> = ledger
            .iter()
            .filter(|line| line.what == "start" && line.step == id)
            .map(|line| line.attempt)
            .collect();
        if !starts.is_sorted_by(|a, b| a < b) {
            wrongs.push(format!("{id} starts as attempts {starts:?}"));
        }
        let ends = ends.get(&id).map_or(&[][..], Vec::as_slice);
        let succeeded = ends.iter().find(|end| end.verdict != Verdict::Failure);
        match succeeded {
            None => wrongs.push(format!("no attempt of {id} succeeded")),
            Some(end) => {
                let told = |line: &&Line| {
                    line.what == "end" && line.step == id && line.attempt == end.attempt
                };
                if ledger.iter().find(told).is_none() {
                    wrongs.push(format!("{id} is recorded as done and was not"));
                }
                if starts.iter().any(|start| *start > end.attempt) {
                    wrongs.push(format!("{id} was done and starts again: {starts:?}"));
                }
            }
        }
        for pair in starts.windows(2) {
            let failed = |end: &End| end.attempt == pair[0] && end.verdict == Verdict::Failure;
            if !ends.iter().any(failed) {
                wrongs.push(format!("{id} starts again, and no end of it is recorded"));
            }
        }
    }
    wrongs
}

/// Steps that start before what they need has ended.
fn wrong_order(test: &Test, run: &quintet::Run) -> Vec<String> {
    let ledger = ledger(test);
    let plan = run.state.plan();
    let place = |what: &str, id: &str| {
        let is = |line: &Line| line.what == what && line.step == id;
        ledger.iter().position(is)
    };
    let mut wrongs = Vec::new();
    for step in &plan.steps {
        for need in &step.needs {
            let need = &plan[*need].id;
            if place("start", &step.id) < place("end", need) {
                wrongs.push(format!("{} starts before {need} ends", step.id));
            }
        }
    }
    wrongs
}

/// Files of the store that are damaged, or that say different things.
pub fn wrong_files(test: &Test, run: &quintet::Run) -> Vec<String> {
    let mut wrongs = Vec::new();
    let numbers = run.events.iter().map(|event: &Event| event.seq);
    if !numbers.eq(1..=run.events.len() as u64) {
        wrongs.push("the events' numbers have gaps".into());
    }
    let state = StateDir::existing(&test.path("state")).expect("the state can be used");
    let store = Store::open(&state, Durability::Full).expect("the store can be opened");
    let mut lines = Vec::new();
    store
        .export_jsonl(&run.row.run_id, &mut lines)
        .expect("the events can be written");
    let copy = fs::read(state.run(&run.row.run_id).join("events.jsonl")).unwrap_or_default();
    if copy != lines {
        wrongs.push("events.jsonl does not say what the database says".into());
    }
    let database = rusqlite::Connection::open(state.database()).expect("it can be opened");
    let whole: String = database
        .query_row("PRAGMA integrity_check", (), |row| row.get(0))
        .expect("it can be checked");
    if whole != "ok" {
        wrongs.push(format!("the database is damaged: {whole}"));
    }
    wrongs
}
