//! Whose a run is: process ids that come back as somebody else's, and locks that
//! two runs want in opposite order.
//!
//! A process id comes back at will only in a namespace of ids of its own, which
//! root makes with `unshare`; a small Python program there plays the story.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Test, nightly, skip};
use super::{
    Beside, each_ran_once, events, has_tool, is_root, ledger, noted, nothing_is_left, of_kind,
    plan, state, text, times, under, until,
};

/// Starts a run, kills what the story says, puts other processes in the place
/// of the dead, each with the very same id, and lets the run go on. What it says
/// at the end is how the others fared.
const STORY: &str = r#"
import os, signal, subprocess, sys, time
program, what_dies, verb = sys.argv[1:4]

def of_the_run():
    "Pids of the engine, of the supervisors, of the steps."
    found = ([], [], [])
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            name = open(f'/proc/{pid}/comm').read().strip()
            exe = os.readlink(f'/proc/{pid}/exe')
        except OSError:
            continue
        if exe == program:
            found[name == 'quintet-slot'].append(int(pid))
        elif int(pid) not in (1, os.getpid()) and name in ('sh', 'sleep', 'dash', 'bash'):
            found[2].append(int(pid))
    return found

def wait_for(what, holds):
    for _ in range(6000):
        if holds():
            return
        time.sleep(0.01)
    sys.exit('it never came about: ' + what)

def squat(pid):
    "A process with this id that notes every signal it can."
    for _ in range(200):
        with open('/proc/sys/kernel/ns_last_pid', 'w') as last:
            last.write(str(pid - 1))
        child = os.fork()
        if child == 0:
            def note(number, frame):
                open(f'signalled-{pid}', 'w').write(str(number))
            for number in set(range(1, 32)) - {9, 17, 19}:
                signal.signal(number, note)
            open(f'squats-{os.getpid()}', 'w').close()
            while True:
                time.sleep(1)
        if child == pid:
            wait_for('it sits', lambda: os.path.exists(f'squats-{pid}'))
            return
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    sys.exit(f'nobody could be given the id {pid}')

run = subprocess.Popen([program, 'run', 'plan.json', '-q'], stdout=subprocess.DEVNULL)
ledger = lambda: open('ledger').read() if os.path.exists('ledger') else ''
wait_for('a starts', lambda: 'start a' in ledger())
engines, supervisors, steps = of_the_run()
dead = engines if what_dies == 'engine' else engines + supervisors + steps
for pid in dead:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
run.wait()
def all_reaped():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return not any(os.path.exists(f'/proc/{pid}') for pid in dead)
wait_for('they are gone', all_reaped)
for pid in dead:
    squat(pid)
said = subprocess.run([program, 'status'], capture_output=True, text=True).stdout
if 'interrupted' not in said:
    sys.exit('the run is not called interrupted: ' + said)
if verb == 'resume':
    open('go', 'w').close()
done = subprocess.run([program, verb, 'last', '-q'], capture_output=True, text=True, timeout=50)
print(verb, done.returncode, done.stderr)
for pid in dead:
    if os.path.exists(f'signalled-{pid}'):
        sys.exit(f'{pid} got signal ' + open(f'signalled-{pid}').read())
    if os.waitpid(pid, os.WNOHANG) != (0, 0):
        sys.exit(f'{pid} was killed')
print('nobody else was touched:', len(dead))
for pid in dead:
    os.kill(pid, signal.SIGKILL)
"#;

fn ids_can_come_back() -> bool {
    let probe = [
        "-pf",
        "--mount-proc",
        "test",
        "-w",
        "/proc/sys/kernel/ns_last_pid",
    ];
    let can = is_root()
        && has_tool("python3")
        && Command::new("unshare")
            .args(probe)
            .status()
            .is_ok_and(|status| status.success());
    if !can {
        skip(
            "xe03",
            "only root can let process ids come back, where the kernel allows it",
        );
    }
    can
}

#[track_caller]
fn story(what_dies: &str, verb: &str, code: i32) -> Test {
    let steps = json!([noted("a", &[], &until("go")), noted("b", &["a"], "true")]);
    let test = Test::new()
        .file("plan.json", plan(2, steps))
        .file("story.py", STORY);
    let wrapper = [
        "unshare",
        "-pf",
        "--mount-proc",
        "--kill-child",
        "python3",
        "story.py",
    ];
    let mut story = Beside::start(&test, "story", under(&test, &wrapper, &[what_dies, verb]));
    story.ends(0);
    let told = story.results().join("\n");
    assert!(
        told.contains(&format!("{verb} {code}")),
        "{told} {}",
        story.said()
    );
    assert!(told.contains("nobody else was touched"), "{told}");
    test
}

/// XE03.
#[test]
fn xe03_an_id_that_came_back_is_never_taken_for_the_engines() {
    if !ids_can_come_back() {
        return;
    }
    let test = story("engine", "resume", 0);
    each_ran_once(&test, ["a", "b"]);
    assert_eq!(state(&test), "succeeded");
}

/// XE03.
#[test]
fn xe03_ids_that_came_back_are_never_taken_for_supervisors_or_steps() {
    if !ids_can_come_back() {
        return;
    }
    let test = story("all", "resume", 0);
    assert_eq!(times(&test, "start a"), 2, "{:?}", ledger(&test));
    let ends = events(&test);
    let ends: Vec<_> = of_kind(&ends, "step_finished");
    assert_eq!(ends[0]["end"], "interrupted");
    assert_eq!(state(&test), "succeeded");
}

/// XE03.
#[test]
fn xe03_cancel_signals_nobody_whose_id_is_that_of_the_dead() {
    if !ids_can_come_back() {
        return;
    }
    let test = story("all", "cancel", 130);
    assert_eq!(state(&test), "canceled");
    assert_eq!(times(&test, "start b"), 0);
}

/// XE08: two runs want the same two locks, each in its own order, again and again.
#[test]
fn xe08_two_runs_with_opposite_orders_take_turns() {
    let turns = if nightly() { 500 } else { 20 };
    let file = |who: &str, locks: [&str; 2]| {
        let step = |n: usize| {
            let needs: Vec<String> = (n > 0)
                .then(|| format!("{who}{}", n - 1))
                .into_iter()
                .collect();
            let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
            let mut step = noted(&format!("{who}{n}"), &needs, "sleep 0.01");
            step["locks"] = json!(locks);
            step
        };
        plan(1, (0..turns).map(step).collect())
    };
    let test = Test::new()
        .file("x.json", file("x", ["one", "two"]))
        .file("y.json", file("y", ["two", "one"]));
    let start = |who: &str| {
        let command = test
            .quintet(&["run", &format!("{who}.json"), "-q"])
            .command();
        Beside::start(&test, who, command)
    };
    let (mut x, mut y) = (start("x"), start("y"));
    for _ in 0..400 {
        if x.has_ended().is_some() && y.has_ended().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    x.ends(0);
    y.ends(0);
    nothing_is_left(&test);
    let ledger = ledger(&test);
    assert_eq!(ledger.len(), 4 * turns);
    // One that has both is alone, so starts and ends alternate.
    for turn in ledger.chunks(2) {
        assert_eq!(turn[0].replace("start ", "end "), turn[1]);
    }
    let (x, y) = (waits_and_holds(&test, "x"), waits_and_holds(&test, "y"));
    assert!(x.0.len() + y.0.len() > turns / 4, "they hardly ever met");
    for (waits, others) in [(&x.0, &y.1), (&y.0, &x.1)] {
        let began_in = |(asked, got): &(u64, u64)| {
            let begun = others.iter();
            begun.filter(|at| asked < *at && *at < got).count()
        };
        let longest = waits.iter().map(began_in).max();
        assert!(
            longest < Some(2),
            "the other had {longest:?} turns meanwhile"
        );
    }
}

/// From when to when each step of the run waited for its locks, and when each
/// that got them began.
fn waits_and_holds(test: &Test, who: &str) -> (Vec<(u64, u64)>, Vec<u64>) {
    let runs = test.quintet(&["runs", "--json"]).run().json();
    let mut runs = runs.as_array().expect("a list of runs").iter();
    let run = runs.find(|run| run["command_line"][2] == format!("{who}.json"));
    let id = text(&run.expect("it has run")["run_id"]);
    let events = test.quintet(&["events", &id, "--json"]).run().text();
    let (mut waits, mut holds, mut asked) = (Vec::new(), Vec::new(), None);
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect("an event is JSON");
        let at = event["at"].as_u64();
        match event["type"].as_str() {
            Some("step_blocked") => asked = asked.or(at),
            Some("step_started") => {
                let began = at.expect("an event has a time");
                waits.extend(asked.take().map(|asked| (asked, began)));
                holds.push(began);
            }
            _ => {}
        }
    }
    (waits, holds)
}
