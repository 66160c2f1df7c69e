//! The short form: what a step costs, in counts that do not depend on how busy
//! the machine is. A change that makes steps dearer fails here, in every build.
//!
//! Files and commits are counted by tracing system calls; processor time is
//! compared with the floor's, which meets the same machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use crate::bench::{Bench, text};
use crate::measure::{self, Contender, Measured, in_turn};
use crate::meter::Watch;
use crate::report::{Section, Verdict};
use crate::workload::{Graph, Workload};

/// A count and the most it may be.
struct Bound {
    what: &'static str,
    /// For a build with assertions and without optimisation, as tests have it.
    plain: f64,
    optimised: f64,
    unit: &'static str,
}

/// What was measured, and about a third more; the smaller the machine, the
/// higher the figures. How many events a commit gathers depends on how fast
/// they come, so fsyncs have more room, and still less than half of what a
/// commit for each event would make.
const BOUNDS: &[Bound] = &[
    Bound {
        what: FSYNCS,
        plain: 1.5,
        optimised: 1.5,
        unit: "",
    },
    Bound {
        what: OPENS,
        plain: 0.35,
        optimised: 0.35,
        unit: "",
    },
    Bound {
        what: PROCESSES,
        plain: 0.05,
        optimised: 0.05,
        unit: "",
    },
    Bound {
        what: FRESH,
        plain: 2.5,
        optimised: 2.5,
        unit: "",
    },
    Bound {
        what: TOUCHED,
        plain: 6.5,
        optimised: 6.5,
        unit: "",
    },
    Bound {
        what: CPU,
        plain: 2.25,
        optimised: 1.7,
        unit: "",
    },
    Bound {
        what: MEMORY,
        plain: 1_900.0,
        optimised: 1_900.0,
        unit: " KiB",
    },
    Bound {
        what: FAULTS,
        // A larger program without optimisation spreads over more pages.
        plain: 400.0,
        optimised: 145.0,
        unit: "",
    },
    Bound {
        what: SLOT,
        plain: 1_250.0,
        optimised: 400.0,
        unit: " KiB",
    },
    Bound {
        what: WAKEUPS,
        plain: 0.0,
        optimised: 0.0,
        unit: "",
    },
];

const FSYNCS: &str = "fsyncs per step";
const OPENS: &str = "opened files per step";
const PROCESSES: &str = "processes per step, without its own";
const FRESH: &str = "looks at files per fresh step with two";
const TOUCHED: &str = "looks and opened files per touched step with two";
const CPU: &str = "CPU per step / the floor's";
const MEMORY: &str = "memory per 1,000 steps";
const FAULTS: &str = "page faults per slot of 16, without its step's";
const SLOT: &str = "memory per slot of 16 that runs (PSS)";
const WAKEUPS: &str = "wake-ups in 1 s while all steps sleep";

/// Nothing, where this machine has not what it takes to measure them.
type Figures = Result<Option<Vec<(&'static str, f64)>>, String>;

/// Measures every count.
pub fn counts(bench: &Bench) -> Section {
    let about = "counts that do not depend on how busy the machine is";
    let mut section = Section::of("short", about);
    for measured in [traced, fresh, processor, memory, slots].map(|measure| measure(bench)) {
        match measured {
            Ok(Some(figures)) => section.verdicts.extend(figures.into_iter().map(verdict)),
            Ok(None) => section.notes.push("skipped: strace is needed".into()),
            Err(why) => section.verdicts.push(Verdict::new(why, f64::NAN, 0.0, "")),
        }
    }
    section
}

fn verdict((what, figure): (&'static str, f64)) -> Verdict {
    let bound = BOUNDS.iter().find(|bound| bound.what == what);
    let bound = bound.expect("each count has a bound");
    let most = match cfg!(debug_assertions) {
        true => bound.plain,
        false => bound.optimised,
    };
    Verdict::new(what, figure, most, bound.unit)
}

/// Calls that make files, processes and commits.
const CALLS: &str = "trace=open,openat,creat,fsync,fdatasync,clone,clone3,fork,vfork,execve";

/// What the program does for a step, of the calls in [`CALLS`].
fn traced(bench: &Bench) -> Figures {
    const STEPS: usize = 500;
    let work = Workload::of_true(Graph::Wide, STEPS, 8);
    let run = bench.quintet("traced", "run", &work);
    if !can_trace() {
        return Ok(None);
    }
    let trace = trace(run, CALLS)?;
    let made = made(&trace, &work.command[0]);
    if made.steps != STEPS {
        return Err(format!("{} steps were traced, of {STEPS}", made.steps));
    }
    let each = |count: usize| count as f64 / STEPS as f64;
    Ok(Some(vec![
        (FSYNCS, each(made.commits)),
        (OPENS, each(made.opened)),
        (PROCESSES, each(made.processes) - 1.0),
    ]))
}

/// What the program does to see that a step is fresh: with nothing changed, and
/// with all files touched, so that each is read. So small a file is read at once.
fn fresh(bench: &Bench) -> Figures {
    const STEPS: usize = 500;
    const LOOKS: &str = "trace=stat,lstat,newfstatat,statx,open,openat";
    if !can_trace() {
        return Ok(None);
    }
    let run = || crate::fresh::quintet(bench, "fresh", STEPS);
    crate::fresh::settled(&run())?;
    // A call that lines of other threads came into goes on in a line of its own;
    // what was not there was looked for by whoever loads the program.
    let counts =
        |line: &&str| line.contains('(') && !line.contains("<...") && !line.contains("= -1 ");
    let each = |trace: String| trace.lines().filter(counts).count() as f64 / STEPS as f64;
    let settled = each(trace(run(), LOOKS)?);
    crate::fresh::touch(&run().order.dir);
    let touched = each(trace(run(), LOOKS)?);
    Ok(Some(vec![(FRESH, settled), (TOUCHED, touched)]))
}

/// Runs a command and gives the trace of some of its calls.
fn trace(mut run: Contender, calls: &str) -> Result<String, String> {
    let trace = run.order.dir.join("trace");
    let strace = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-o",
        &text(&trace),
        "-e",
        calls,
    ];
    run.order.words.splice(0..0, strace.map(str::to_owned));
    measure::once(&run)?;
    fs::read_to_string(&trace).map_err(|error| error.to_string())
}

/// Whether there is strace, and it may.
fn can_trace() -> bool {
    let traced = Command::new("strace")
        .args(["-f", "--seccomp-bpf", "-o", "/dev/null", "/bin/true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    traced.is_ok_and(|status| status.success())
}

#[derive(Default)]
struct Made {
    steps: usize,
    commits: usize,
    opened: usize,
    processes: usize,
}

/// Counts the calls of a trace that did what they were asked. What a process
/// does after it has become a step is the step's own.
fn made(trace: &str, step: &str) -> Made {
    let mut made = Made::default();
    let mut steps = BTreeSet::new();
    // Calls that lines of other processes came into, by process.
    let mut halves = BTreeMap::new();
    for line in trace.lines() {
        let Some((pid, what)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let what = what.trim_start();
        if what.starts_with("+++") {
            steps.remove(pid);
        } else if let Some(half) = what.strip_suffix("<unfinished ...>") {
            halves.insert(pid, half);
        } else if !steps.contains(pid) {
            let first = match what.starts_with("<...") {
                true => halves.remove(pid).unwrap_or_default(),
                false => what,
            };
            let became = made.add(first, !what.contains("= -1 "), step);
            if became {
                steps.insert(pid);
            }
        }
    }
    made
}

impl Made {
    /// Counts a call; gives whether its process has become a step by it.
    fn add(&mut self, call: &str, done: bool, step: &str) -> bool {
        let Some((name, arguments)) = call.split_once('(').filter(|_| done) else {
            return false;
        };
        match name {
            "execve" if arguments.trim_start_matches('"').starts_with(step) => {
                self.steps += 1;
                return true;
            }
            "fsync" | "fdatasync" => self.commits += 1,
            "open" | "openat" | "creat" => self.opened += 1,
            "fork" | "vfork" | "clone" | "clone3" => self.processes += 1,
            _ => {}
        }
        false
    }
}

/// Processor time of everything, in those of the floor.
fn processor(bench: &Bench) -> Figures {
    let work = Workload::of_true(Graph::Wide, 500, 2);
    let contenders = [
        bench.floor("processor", &work),
        bench.quintet("processor", "run", &work),
    ];
    let all = in_turn(&contenders, 5);
    if let Some(why) = all.iter().find_map(|measured| measured.failed.clone()) {
        return Err(why);
    }
    // What else the machine does can only add to what a run takes.
    let least = |measured: &Measured| {
        let cpu = measured.samples.iter().map(|sample| sample.cpu);
        cpu.fold(f64::INFINITY, f64::min)
    };
    Ok(Some(vec![(CPU, least(&all[1]) / least(&all[0]))]))
}

/// How much more memory the longer of two plans takes.
fn memory(bench: &Bench) -> Figures {
    let [few, many] = [1_000, 5_000];
    let contenders = [few, many].map(|steps| {
        let work = Workload::of_true(Graph::Wide, steps, 8);
        bench.quintet(&format!("memory-{steps}"), "run", &work)
    });
    let all = in_turn(&contenders, 1);
    if let Some(why) = all.iter().find_map(|measured| measured.failed.clone()) {
        return Err(why);
    }
    let more = (all[1].peak_mib() - all[0].peak_mib()) * 1024.0;
    let each = more * 1_000.0 / (many - few) as f64;
    Ok(Some(vec![(MEMORY, each)]))
}

/// What slots take to be made and to be kept, and what happens while nothing does.
fn slots(bench: &Bench) -> Figures {
    let steps = 16;
    let work = Workload::of(steps, steps, &["/bin/sleep", "4"]);
    let mut run = bench.quintet("idle", "run", &work);
    run.order.watch = Watch::Idle {
        program: bench.program(),
        steps,
        window_ms: 1_000,
    };
    let all = in_turn(&[bench.floor("idle", &work), run], 1);
    let [Some(floor), Some(run)] = [&all[0], &all[1]].map(|one| one.samples.first()) else {
        let why = all.into_iter().find_map(|measured| measured.failed);
        return Err(why.unwrap_or_default());
    };
    let Some(idle) = &run.idle else {
        return Err("the steps were not all asleep long enough".into());
    };
    let each = |count: u64| count as f64 / steps as f64;
    Ok(Some(vec![
        (FAULTS, each(run.faults.saturating_sub(floor.faults))),
        (SLOT, each(idle.others_kib)),
        (WAKEUPS, idle.wakeups as f64),
    ]))
}
