//! A kill at every system call: before the N-th call of a kind takes effect,
//! for every kind that leaves a trace and for every N.
//!
//! `strace` does the killing, so the program under test is the one that users
//! have. It counts each thread's and each process's calls by themselves, and
//! three ways of following say whom that can meet:
//!
//! - `Engine`: the thread that drives the run, and nobody else;
//! - `Store`: whoever touches the store's files, which is the engine, and there
//!   mostly the thread that commits;
//! - `Anybody`: engine, zygote, supervisors and steps alike, often several of
//!   them in one run.
//!
//! Normally only some points are tried, other ones each time; a failure names
//! its point, and `CRASH_POINT=Store/Run/fsync/7` tries just that. The nightly
//! form tries all.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use quintet::paths::StateDir;
use quintet::run::Kind;
use quintet::store::{Durability, Store, StoredState};
use serde_json::json;

use crate::support::{Test, nightly, skip};
use crate::witness::{
    count, diamond, given, kill_engine, ledger, nothing_is_left, recorded, started, with, wrongs,
};

/// The calls that change something outside the caller.
const CALLS: &[&str] = &[
    "pwrite64",
    "write",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "mkdir",
    "sendmsg",
    "connect",
    "bind",
    "accept4",
    "clone",
    "clone3",
    "fork",
    "vfork",
    "execve",
    "exit_group",
    "setsid",
];

/// Others, at which the caller waits or takes hold of something. They are many
/// and meet little that the first do not.
const MORE_CALLS: &[&str] = &[
    "openat",
    "flock",
    "fcntl",
    "recvmsg",
    "epoll_wait",
    "ppoll",
    "waitid",
];

/// Points tried of each kind of run in the normal form.
const SOME: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Engine,
    Store,
    Anybody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum During {
    Run,
    Resume,
}

#[derive(Clone, Debug)]
struct Point {
    who: Who,
    during: During,
    call: String,
    nth: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Point {
            who,
            during,
            call,
            nth,
        } = self;
        write!(f, "{who:?}/{during:?}/{call}/{nth}")
    }
}

/// What strace saw of a call of the program.
struct Traced {
    status: ExitStatus,
    trace: String,
}

impl Traced {
    fn hit(&self) -> bool {
        self.trace.contains("killed by SIGKILL")
    }
}

/// Calls the program under strace, with these options, to its end and to that
/// of all that is followed.
fn strace(test: &Test, who: Who, options: &[String], args: &[&str]) -> Traced {
    let plain = test.quintet(args).command();
    let trace = test.path("trace");
    let mut command = Command::new("strace");
    command.arg("-qq").arg("-o").arg(&trace);
    if who != Who::Engine {
        command.arg("-f");
    }
    if who == Who::Store {
        let run_files = fs::read_dir(test.path("state/runs"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|run| run.path().join("events.jsonl"));
        let files = ["", "-wal", "-shm", ".new", ".new-wal", ".new-journal"]
            .map(|end| test.path("state").join(format!("quintet.db{end}")));
        for file in files.into_iter().chain(run_files) {
            command.arg("-P").arg(file);
        }
    }
    command
        .args(options)
        .arg(plain.get_program())
        .args(plain.get_args());
    command.env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let mut child = command
        .current_dir(test.path("work"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("strace can be started");
    let give_up = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().expect("strace can be waited for") {
            break status;
        }
        if Instant::now() > give_up {
            let pid = i32::try_from(child.id()).expect("a process id is a positive number");
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            break child.wait().expect("strace can be waited for");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Traced {
        status,
        trace: fs::read_to_string(trace).unwrap_or_default(),
    }
}

/// The diamond; its middle is long enough to be found alive by a resume.
fn plan(during: During) -> Test {
    let pause = match during {
        During::Run => "0.03",
        During::Resume => "0.3",
    };
    // A step that the tracer kills has failed; it is to be made again.
    let again = |step| with(step, json!({"retries": 3}));
    given(
        2,
        &diamond(pause).into_iter().map(again).collect::<Vec<_>>(),
    )
}

/// Begins what a point is about, up to the call that is traced.
fn prepared(who: Who, during: During) -> (Test, Vec<&'static str>) {
    let test = plan(during);
    if who == Who::Store {
        // To make it is another thread's work, which would meet each number first.
        let state = StateDir::create(&test.path("state")).expect("it can be made");
        Store::open(&state, Durability::Full).expect("it can be made");
    }
    match during {
        During::Run => (test, vec!["run", "plan.json", "-q"]),
        During::Resume => {
            let run = test
                .quintet(&["run", "plan.json", "-q"])
                .status(137)
                .start();
            started(&test, "b");
            started(&test, "c");
            kill_engine(run);
            (test, vec!["resume", "-q"])
        }
    }
}

/// How often a single thread or process makes each of the calls, at most.
fn calls(who: Who, during: During) -> BTreeMap<String, u32> {
    let (test, args) = prepared(who, during);
    let mut names = CALLS.to_vec();
    if nightly() {
        names.extend(MORE_CALLS);
    }
    let all = ["-e".to_owned(), format!("trace=?{}", names.join(",?"))];
    let traced = strace(&test, who, &all, &args);
    assert_eq!(traced.status.code(), Some(0), "{}", traced.trace);
    let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
    for line in traced.trace.lines() {
        let (pid, call) = match who {
            Who::Engine => ("", line),
            _ => line.split_once(' ').unwrap_or(("", line)),
        };
        if let Some((call, _)) = call.trim_start().split_once('(')
            && names.contains(&call)
        {
            *counts.entry((call.into(), pid.into())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((call, _), n) in counts {
        let known: &mut u32 = most.entry(call).or_default();
        *known = n.max(*known);
    }
    most
}

/// In the store, each of these calls takes so much longer.
const SLOW_US: u32 = 3000;

/// The call that is to be slow. A disk that is slow to write leaves time in which
/// what must not happen before the record is durable would happen.
fn slow(point: &Point) -> Option<&'static str> {
    match (point.who, point.call.as_str()) {
        (Who::Store, "pwrite64") => Some("fcntl"),
        (Who::Store, _) => Some("pwrite64"),
        _ => None,
    }
}

/// Kills at one point, resumes to the end, and looks; gives whether the point
/// was reached.
fn killed_at(point: &Point) -> bool {
    let (test, args) = prepared(point.who, point.during);
    let Point { call, nth, .. } = point;
    let mut calls = call.clone();
    let mut injected = vec![format!("inject={call}:signal=SIGKILL:when={nth}")];
    if let Some(slow) = slow(point) {
        calls = format!("{call},{slow}");
        injected.push(format!("inject={slow}:delay_enter={SLOW_US}"));
    }
    let mut options = vec!["-e".to_owned(), format!("trace={calls}")];
    options.extend(
        injected
            .into_iter()
            .flat_map(|inject| ["-e".to_owned(), inject]),
    );
    let traced = strace(&test, point.who, &options, &args);
    let said = |wrong: &str| format!("CRASH_POINT={point}: {wrong}; ledger {:#?}", ledger(&test));
    if !traced.hit() {
        assert_eq!(traced.status.code(), Some(0), "{}", said("not reached"));
    }
    match recorded(&test).map(|run| run.row.state) {
        // A run that is not recorded has started nothing, and is nobody's loss.
        None => {
            assert!(ledger(&test).is_empty(), "{}", said("unrecorded"));
            test.quintet(&["run", "plan.json", "-q"]).run();
        }
        // Nothing is left to do; but its copy may be behind.
        Some(StoredState::Succeeded) => drop(test.quintet(&["resume", "-q"]).status(2).run()),
        // It may also have failed: where steps are killed, each attempt of one
        // dies of its own N-th call.
        Some(_) => drop(test.quintet(&["resume", "-q"]).run()),
    }
    let mut wrong = wrongs(&test);
    if point.who != Who::Anybody {
        // Only the engine was killed: nothing that ran was disturbed.
        let run = recorded(&test).expect("it was just looked at");
        let starts = ledger(&test).iter().filter(|l| l.what == "start").count();
        if starts != 4 {
            wrong.push(format!("{starts} starts"));
        }
        let ends = count(&run, |kind| matches!(kind, Kind::StepFinished { .. }));
        if ends != 4 {
            wrong.push(format!("{ends} ends are recorded"));
        }
    }
    let died = traced.status.signal().or(traced.status.code());
    assert!(wrong.is_empty(), "{}, {died:?}", said(&wrong.join("; ")));
    nothing_is_left(&test);
    traced.hit()
}

/// One that is asked for by name.
fn asked_for(who: Who, during: During) -> Option<Vec<Point>> {
    let asked = std::env::var("CRASH_POINT").ok()?;
    let words: Vec<&str> = asked.split('/').collect();
    let [asked_who, asked_during, call, nth] = words[..] else {
        panic!("CRASH_POINT is like Store/Run/fsync/7");
    };
    let is_it = asked_who == format!("{who:?}") && asked_during == format!("{during:?}");
    let point = Point {
        who,
        during,
        call: call.into(),
        nth: nth.parse().expect("a number"),
    };
    Some(Vec::from_iter(is_it.then_some(point)))
}

/// Kills at every point of its kind, or at some of them.
fn kill_everywhere(who: Who, during: During) {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("xa04", "needs strace");
    }
    if let Some(points) = asked_for(who, during) {
        for point in points {
            assert!(killed_at(&point), "{point} is not reached");
        }
        return;
    }
    let counted = calls(who, during);
    assert!(counted.values().sum::<u32>() > 5, "{counted:?}");
    let point = |call: &str, nth| Point {
        who,
        during,
        call: call.into(),
        nth,
    };
    let all: Vec<Point> = counted
        .iter()
        .flat_map(|(call, most)| (1..=*most).map(|nth| point(call, nth)))
        .collect();
    let mut hits = 0;
    if nightly() {
        for (call, most) in &counted {
            // No two runs are quite alike: on until one ends by itself.
            let mut nth = 1;
            while killed_at(&point(call, nth)) || nth < *most {
                nth += 1;
                hits += 1;
            }
        }
    } else {
        let stride = all.len().div_ceil(SOME);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let first = now.expect("it is after 1970").subsec_nanos() as usize % stride;
        // A record that is about to be there, and is not, is where most can go
        // wrong: each commit is met by one kill or more. After the last of its
        // writes it would survive the engine.
        let is_certain = |point: &Point| {
            let of_commits = (Who::Store, During::Run, "pwrite64");
            (point.who, point.during, &*point.call) == of_commits && point.nth % 4 == 2
        };
        let is_one_of_some = |at: usize| at >= first && (at - first).is_multiple_of(stride);
        for (at, point) in all.iter().enumerate() {
            if is_certain(point) || is_one_of_some(at) {
                hits += usize::from(killed_at(point));
            }
        }
    }
    assert!(hits > 0, "none of {} points was reached", all.len());
}

/// XA04.
#[test]
fn xa04_the_engines_own_thread_is_killed_at_its_calls_while_it_runs_a_plan() {
    kill_everywhere(Who::Engine, During::Run);
}

/// XA04.
#[test]
fn xa04_the_engines_own_thread_is_killed_at_its_calls_while_it_resumes_a_run() {
    kill_everywhere(Who::Engine, During::Resume);
}

/// XA04.
#[test]
fn xa04_the_engine_is_killed_at_each_write_to_the_store_while_it_runs_a_plan() {
    kill_everywhere(Who::Store, During::Run);
}

/// XA04.
#[test]
fn xa04_the_engine_is_killed_at_each_write_to_the_store_while_it_resumes_a_run() {
    kill_everywhere(Who::Store, During::Resume);
}

/// XA09: the last writes are those of the last step's end and of the run's.
#[test]
fn xa09_a_run_that_is_killed_at_its_last_writes_is_closed_and_starts_nothing() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("xa09", "needs strace");
    }
    let (who, during) = (Who::Store, During::Run);
    let counted = calls(who, during);
    let mut hits = 0;
    for call in ["pwrite64", "fdatasync", "write"] {
        let most = counted.get(call).copied().unwrap_or_default();
        for nth in most.saturating_sub(2).max(1)..=most {
            let call = call.to_owned();
            hits += usize::from(killed_at(&Point {
                who,
                during,
                call,
                nth,
            }));
        }
    }
    assert!(hits > 2, "{counted:?}");
}

/// XA04.
#[test]
fn xa04_anybody_is_killed_at_their_calls_while_a_plan_runs() {
    kill_everywhere(Who::Anybody, During::Run);
}

/// XA04.
#[test]
fn xa04_anybody_is_killed_at_their_calls_while_a_run_is_resumed() {
    kill_everywhere(Who::Anybody, During::Resume);
}
