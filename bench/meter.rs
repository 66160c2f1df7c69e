//! Runs one command and measures it: a small process of its own.
//!
//! It adopts every process of the command whose parent has ended, and waits
//! for all of them, so that the processor time of a supervisor that outlives
//! its engine is in the sum. The wall time is that of the command itself.
//!
//! It is small because the kernel charges a program with the size of the
//! process that started it. It does not know what the command is.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::own;
use crate::sys;

/// What to run, and what to look at meanwhile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub words: Vec<String>,
    pub dir: PathBuf,
    /// Else it has nothing to read.
    pub stdin: Option<PathBuf>,
    /// Where all goes that it says.
    pub said: PathBuf,
    pub env: Vec<(String, String)>,
    /// After so long everything is killed.
    pub limit_sec: u64,
    pub watch: Watch,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Watch {
    Nothing,
    /// The memory of all processes of this program, at its highest.
    Peak {
        program: PathBuf,
    },
    /// What the processes of this program do while so many steps sleep.
    Idle {
        program: PathBuf,
        steps: usize,
        window_ms: u64,
    },
}

/// What a command took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    pub wall: f64,
    /// Seconds of processor time, of all its processes.
    pub cpu: f64,
    /// The most memory that one of its processes held.
    pub peak_kib: u64,
    /// How often its processes fell asleep.
    pub switches: u64,
    /// How often its processes touched a page that was not theirs yet.
    pub faults: u64,
    pub code: i32,
    /// For [`Watch::Peak`]: the sum over the program's processes.
    pub watched_kib: Option<u64>,
    /// For [`Watch::Idle`].
    pub idle: Option<Idle>,
}

/// The program's processes while all steps sleep.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Idle {
    /// How often they woke in the window.
    pub wakeups: u64,
    pub window_ms: u64,
    /// The engine's resident memory.
    pub engine_kib: u64,
    /// The other processes', shared pages counted for their share.
    pub others_kib: u64,
    pub others: usize,
}

/// Runs an order. Everything of it has ended when this returns.
///
/// # Errors
/// The command cannot be started.
pub fn run(order: &Order) -> io::Result<Sample> {
    nix::sys::prctl::set_child_subreaper(true)?;
    let stdin = match &order.stdin {
        Some(path) => Stdio::from(File::open(path)?),
        None => Stdio::null(),
    };
    let said = File::create(&order.said)?;
    let mut command = Command::new(&order.words[0]);
    command
        .args(&order.words[1..])
        .current_dir(&order.dir)
        .envs(order.env.iter().cloned())
        .stdin(stdin)
        .stdout(said.try_clone()?)
        .stderr(said)
        .process_group(0);
    let began = Instant::now();
    let main = command.spawn()?.id();
    let (done, watched) = channel::<()>();
    let (watch, deadline) = (
        order.watch.clone(),
        began + Duration::from_secs(order.limit_sec),
    );
    let watcher = std::thread::spawn(move || look(&watch, main, deadline, &watched));
    let mut sample = Sample::default();
    // Not the handle's own wait: what was adopted must be waited for as well.
    while let Ok((pid, code)) = sys::wait_any() {
        if pid.unsigned_abs() == main {
            sample.wall = began.elapsed().as_secs_f64();
            sample.code = code;
        }
    }
    drop(done);
    (sample.watched_kib, sample.idle) = watcher.join().unwrap_or_default();
    let used = sys::used_by_children();
    sample.cpu = (used.user + used.system).as_secs_f64();
    sample.peak_kib = used.peak_kib;
    sample.switches = used.switches;
    sample.faults = used.faults;
    Ok(sample)
}

/// Looks at the command until it is over, and ends it at the deadline.
fn look(
    watch: &Watch,
    main: u32,
    deadline: Instant,
    over: &Receiver<()>,
) -> (Option<u64>, Option<Idle>) {
    let (mut highest, mut idle) = (None, None);
    let pause = match watch {
        Watch::Peak { .. } => Duration::from_millis(20),
        _ => Duration::from_millis(200),
    };
    while over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        if Instant::now() > deadline {
            for pid in own::descendants(std::process::id()) {
                let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
            }
        }
        match watch {
            Watch::Peak { program } => highest = highest.max(Some(held_by(program))),
            // What was still going on in the first window may be over in the next.
            Watch::Idle {
                program,
                steps,
                window_ms,
            } if idle.as_ref().is_none_or(|idle: &Idle| idle.wakeups > 0)
                && sleeping(program) == *steps =>
            {
                let window = Duration::from_millis(*window_ms);
                let seen = over_a_window(program, main, window, over)
                    .filter(|_| sleeping(program) == *steps);
                idle = seen.or(idle);
            }
            _ => {}
        }
    }
    (highest, idle)
}

fn of_the_program(program: &Path) -> Vec<u32> {
    let mut all = own::descendants(std::process::id());
    all.retain(|&pid| own::runs(pid, program));
    all
}

fn held_by(program: &Path) -> u64 {
    let memory = of_the_program(program).into_iter().filter_map(own::memory);
    memory.map(|memory| memory.shared_out).sum()
}

/// How many of the processes are steps.
fn sleeping(program: &Path) -> usize {
    let mut all = own::descendants(std::process::id());
    all.retain(|&pid| !own::runs(pid, program));
    all.len()
}

/// What the program's processes do and hold while nothing happens. The window
/// begins when what was still going on has had time to end. Whoever asks must
/// see afterwards that no step has ended: that would not have been idleness.
fn over_a_window(program: &Path, main: u32, window: Duration, over: &Receiver<()>) -> Option<Idle> {
    let pause = |time| (over.recv_timeout(time) == Err(RecvTimeoutError::Timeout)).then_some(());
    pause(Duration::from_millis(500))?;
    let pids = of_the_program(program);
    let woken = || pids.iter().map(|&pid| own::switches(pid)).sum::<u64>();
    let before = woken();
    pause(window)?;
    let mut idle = Idle {
        wakeups: woken() - before,
        window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
        ..Idle::default()
    };
    for &pid in &pids {
        let memory = own::memory(pid)?;
        if pid == main {
            idle.engine_kib = memory.resident;
        } else {
            idle.others_kib += memory.shared_out;
            idle.others += 1;
        }
    }
    Some(idle)
}
