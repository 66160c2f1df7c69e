//! What holds when the ground moves: full and failing disks, other owners,
//! clocks that jump, process ids that come back, traps in the place of files,
//! ten thousand steps and a hundred thousand runs. With the program as its
//! users have it.
//!
//! Faults are injected from outside: a small file system in memory, mounted over
//! the state directory; `strace`, which lets system calls fail; `faketime`. What
//! needs root or a tool that is not there is left out, and says so.
//!
//! Steps write what they did into the working directory, which no fault touches.

#![cfg(target_os = "linux")]

mod accumulation;
mod clocks;
mod disk;
mod failing;
mod history;
mod homes;
mod owners;
mod traps;

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::{Test, eventually};

/// A plan in which so many steps run at once.
fn plan(at_once: u32, steps: Value) -> String {
    let globals = json!({
        "max_concurrency": at_once, "default_timeout_sec": 50, "default_grace_sec": 1
    });
    json!({"plan_id": "STORAGE", "globals": globals, "steps": steps}).to_string()
}

/// A step that notes its start and its end, and does this in between.
fn noted(id: &str, needs: &[&str], script: &str) -> Value {
    let script = format!("echo start {id} >> ledger; {script} && echo end {id} >> ledger");
    json!({"id": id, "depends_on": needs, "shell": true, "command": script})
}

/// A script that waits until there is such a file in the working directory.
fn until(file: &str) -> String {
    format!("until [ -e {file} ]; do sleep 0.02; done")
}

/// Steps `s0`, `s1` and so on, each after the one before, each for so long.
fn chain(steps: usize, script: &str) -> Value {
    let step = |n: usize| match n {
        0 => noted("s0", &[], script),
        n => noted(&format!("s{n}"), &[&format!("s{}", n - 1)], script),
    };
    (0..steps).map(step).collect()
}

fn ledger(test: &Test) -> Vec<String> {
    let text = fs::read_to_string(test.path("work/ledger")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// How often the ledger has this line.
fn times(test: &Test, line: &str) -> usize {
    ledger(test).iter().filter(|found| *found == line).count()
}

/// Each of these steps ran once, from its start to its end.
#[track_caller]
fn each_ran_once<'a>(test: &Test, ids: impl IntoIterator<Item = &'a str>) {
    for id in ids {
        let ran = (
            times(test, &format!("start {id}")),
            times(test, &format!("end {id}")),
        );
        assert_eq!(ran, (1, 1), "{id}: {:?}", ledger(test));
    }
}

fn touch(test: &Test, name: &str) {
    fs::write(test.path("work").join(name), "").expect("a file can be written");
}

/// A program that goes on beside the test, with what it says in files. It is
/// killed, should the test end first.
struct Beside {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Beside {
    /// Starts the command, which is one of the test's own.
    fn start(test: &Test, name: &str, mut command: Command) -> Beside {
        let stdout = test.path(&format!("{name}.stdout"));
        let stderr = test.path(&format!("{name}.stderr"));
        let made = |path| fs::File::create(path).expect("a file can be made");
        let child = command
            .stdin(Stdio::null())
            .stdout(made(&stdout))
            .stderr(made(&stderr))
            .spawn()
            .expect("the program can be started");
        Beside {
            child,
            stdout,
            stderr,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id is a positive number"))
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.stderr).expect("it is there and text")
    }

    /// The whole lines that it has written as results.
    fn results(&self) -> Vec<String> {
        let all = fs::read_to_string(&self.stdout).expect("it is there and text");
        let whole = all
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        whole.map(|line| line.trim_end().to_owned()).collect()
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the program is there");
    }

    /// Waits for the end, which must come with this exit code.
    #[track_caller]
    fn ends(&mut self, code: i32) {
        eventually("the program ends", || self.has_ended().is_some());
        let status = self.child.wait().expect("it has ended");
        assert_eq!(status.code(), Some(code), "{status}: {}", self.said());
        assert!(!self.said().contains("panicked"), "{}", self.said());
    }

    /// Waits until it has said this.
    #[track_caller]
    fn says(&mut self, words: &str) {
        eventually(&format!("it says {words:?}"), || {
            assert!(self.has_ended().is_none(), "it has ended: {}", self.said());
            self.said().contains(words)
        });
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with these arguments, under another program.
fn under(test: &Test, wrapper: &[&str], args: &[&str]) -> Command {
    let call = test.quintet(args).command();
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(call.get_program())
        .args(call.get_args())
        .current_dir(call.get_current_dir().expect("the test has said where"))
        .env_clear();
    for (name, value) in call.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
}

/// The processes that carry this test's directory in their environment, with
/// whether they are the program itself (an engine or a supervisor) or a step.
fn processes(test: &Test) -> Vec<(Pid, bool)> {
    let program = Path::new(env!("CARGO_BIN_EXE_quintet"));
    let found = test.processes().into_iter();
    found.map(|(pid, runs)| (pid, runs == program)).collect()
}

#[track_caller]
fn nothing_is_left(test: &Test) {
    eventually("no process is left", || processes(test).is_empty());
}

fn status(test: &Test) -> Value {
    test.quintet(&["status", "last", "--json"]).run().json()
}

fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

fn state(test: &Test) -> String {
    text(&status(test)["run"]["state"])
}

fn events(test: &Test) -> Vec<Value> {
    let all = test.quintet(&["events", "last", "--json"]).run().text();
    all.lines()
        .map(|line| serde_json::from_str(line).expect("an event is JSON"))
        .collect()
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let is_it = |event: &&Value| event["type"] == kind;
    events.iter().filter(is_it).collect()
}

/// The database is whole, and `events.jsonl` says what it says.
#[track_caller]
fn the_record_is_whole(test: &Test) {
    let db = test.path("state/quintet.db");
    let conn = rusqlite::Connection::open(db).expect("it can be opened");
    let said: String = conn
        .query_row("PRAGMA integrity_check", (), |row| row.get(0))
        .expect("it can be checked");
    assert_eq!(said, "ok");
    let exported = test.quintet(&["events", "last", "--json"]).run().stdout;
    let id = text(&status(test)["run"]["run_id"]);
    let copy = test.path("state/runs").join(id).join("events.jsonl");
    let copy = || fs::read(&copy).expect("it is there");
    // An engine that goes on by itself writes the copy after the record.
    let deadline = Instant::now() + Duration::from_secs(10);
    while copy() != exported && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let as_text = |bytes| String::from_utf8(bytes).expect("it is text");
    assert_eq!(as_text(exported), as_text(copy()));
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn has_tool(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).exists())
}

/// A file system in memory, mounted over a directory until this is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn over(path: PathBuf, options: &str) -> Mounted {
        fs::create_dir_all(&path).expect("a directory can be made");
        let options = format!("mode=700,{options}");
        run_tool(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                &options,
                "quintet-test",
                as_text(&path),
            ],
        );
        Mounted(path)
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        run_tool("mount", &["-o", &options, as_text(&self.0)]);
    }

    /// Leaves no room at all. What was written is given back by [`Mounted::empty`].
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("filler")).expect("a file can be made");
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).expect("it is there");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[track_caller]
fn run_tool(name: &str, args: &[&str]) {
    let done = Command::new(name)
        .args(args)
        .output()
        .expect("the tool can be run");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{name} {args:?}: {said}");
}

fn as_text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// For what must not happen: as long as a machine under load may need to do it
/// all the same.
fn a_while() {
    std::thread::sleep(Duration::from_millis(1500));
}
