//! The rows of the performance budget: what is compared with what, and what
//! the figures must be.

use std::path::Path;

use crate::bench::{Bench, text, this};
use crate::measure::{self, Measured, in_turn};
use crate::meter::{Sample, Watch};
use crate::peers::{PEERS, Peer};
use crate::report::{Section, Table, Verdict};
use crate::workload::{Graph, Workload};

/// A row: its name, what it is about, and who measures it.
pub struct Row {
    pub name: &'static str,
    pub about: &'static str,
    pub measure: fn(&Bench, Section) -> Section,
}

pub const ROWS: &[Row] = &[
    Row {
        name: "W1",
        about: "one step, the whole program, with a warm store",
        measure: one_step,
    },
    Row {
        name: "W2",
        about: "1,000 and 10,000 independent steps, 2 and 8 at once",
        measure: wide,
    },
    Row {
        name: "W3",
        about: "a chain of 1,000 steps",
        measure: chain,
    },
    Row {
        name: "W4",
        about: "20 layers of 500 steps with 28,500 edges, 2 at once",
        measure: layers,
    },
    Row {
        name: "W5",
        about: "100,000 steps with 285,000 edges, read and planned but not run",
        measure: preview,
    },
    Row {
        name: "W6",
        about: "10,000 steps that are fresh, 2 at once",
        measure: crate::fresh::fresh,
    },
    Row {
        name: "W7",
        about: "one step that prints 1 GiB",
        measure: printing,
    },
    Row {
        name: "W8",
        about: "1,000 steps that sleep for 10 s, all at once",
        measure: sleeping,
    },
    Row {
        name: "growth",
        about: "layers of 1,000 and of 100,000 steps in all, 2 at once",
        measure: crate::growth::growth,
    },
    Row {
        name: "history",
        about: "a store that holds 100,000 runs and 5,000,000 events",
        measure: crate::history::history,
    },
];

/// One step is over so soon that more rounds are needed to see anything.
const ROUNDS_OF_ONE_STEP: usize = 8;

const SLEEP: &[&str] = &["/bin/sleep", "10"];
const SLEEPERS: usize = 1_000;
const GIB: usize = 1_024;

pub fn wall(sample: &Sample) -> f64 {
    sample.wall
}

/// The one with this name, if it was measured.
pub fn named<'a>(all: &'a [Measured], name: &str) -> Option<&'a Measured> {
    let mut all = all.iter();
    all.find(|measured| measured.name == name && !measured.samples.is_empty())
}

/// How long `run` took, in lengths of another's.
fn against(all: &[Measured], other: &str) -> f64 {
    match (named(all, "run"), named(all, other)) {
        (Some(run), Some(other)) => run.over(other, wall),
        _ => f64::NAN,
    }
}

fn table_of(heading: impl Into<String>, all: &[Measured]) -> Table {
    Table::of(heading, &all.iter().collect::<Vec<_>>())
}

fn one_step(bench: &Bench, mut section: Section) -> Section {
    let work = Workload::of_true(Graph::Wide, 1, 1);
    let contenders = bench.all("W1", &work);
    let all = in_turn(&contenders, bench.rounds * ROUNDS_OF_ONE_STEP);
    section.tables.push(table_of("", &all));
    let ratio = Verdict::new("wall / ninja's", against(&all, "ninja"), 1.2, "");
    section.verdicts.push(ratio);
    section.note_failures(&all);
    section
}

fn wide(bench: &Bench, mut section: Section) -> Section {
    for at_once in [2, 8] {
        let (few, many) = (1_000, 10_000);
        let of = |steps| {
            let work = Workload::of_true(Graph::Wide, steps, at_once);
            bench.all(&format!("W2-{steps}-{at_once}"), &work)
        };
        let mut contenders = of(few);
        contenders.extend(of(many));
        let all = in_turn(&contenders, bench.rounds);
        let (of_few, of_many): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|measured| measured.steps == few);
        for (steps, all) in [("1,000", &of_few), ("10,000", &of_many)] {
            let title = format!("{steps} steps, {at_once} at once");
            section.tables.push(table_of(title, all));
            for (other, bound) in [("xargs", 0.90), ("floor", 1.15)] {
                let what = format!("wall / {other}'s, {steps} steps, {at_once} at once");
                let verdict = Verdict::new(what, against(all, other), bound, "");
                section.verdicts.push(verdict);
            }
            section.note_failures(all);
        }
        section.verdicts.push(Verdict::new(
            format!("wall per step at 10,000 / at 1,000, {at_once} at once"),
            match (named(&of_many, "run"), named(&of_few, "run")) {
                (Some(many), Some(few)) => {
                    many.over(few, wall) * few.steps as f64 / many.steps as f64
                }
                _ => f64::NAN,
            },
            1.05,
            "",
        ));
    }
    section
}

fn chain(bench: &Bench, mut section: Section) -> Section {
    let work = Workload::of_true(Graph::Chain, 1_000, 2);
    let all = in_turn(&bench.all("W3", &work), bench.rounds);
    section.tables.push(table_of("", &all));
    for (other, bound) in [("floor", 1.12), ("ninja", 0.45)] {
        let what = format!("wall / {other}'s");
        let verdict = Verdict::new(what, against(&all, other), bound, "");
        section.verdicts.push(verdict);
    }
    section.note_failures(&all);
    section
}

fn layers(bench: &Bench, mut section: Section) -> Section {
    let work = Workload::of_true(Graph::Layers, 10_000, 2);
    let all = in_turn(&bench.all("W4", &work), bench.rounds);
    section.tables.push(table_of("", &all));
    for (other, bound) in [("floor", 1.15), ("make", 1.0), ("ninja", 0.5)] {
        let what = format!("wall / {other}'s");
        let verdict = Verdict::new(what, against(&all, other), bound, "");
        section.verdicts.push(verdict);
    }
    section.notes.push(format!("{} edges.", work.edges()));
    section.note_failures(&all);
    section
}

/// n2 and ninja are asked for a target that is made already, so that all they
/// do is to read the file.
fn preview(bench: &Bench, mut section: Section) -> Section {
    let work = Workload::of_true(Graph::Layers, 100_000, 2);
    let mut contenders = Vec::new();
    for (name, words) in [
        ("n2", &["n2", "nothing"][..]),
        ("ninja", &["ninja", "-n", "nothing"]),
        ("ninja", &["ninja", "-n"]),
        ("make", &["make", "-n"]),
    ] {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let peer = bench.peer("W5", Peer::named(name), &work);
        contenders.extend(peer.map(|mut peer| {
            peer.name = words.join(" ");
            peer.shown.clone_from(&peer.name);
            peer.order.words = words;
            peer
        }));
    }
    // Behind the first, which the others are compared with.
    for verb in ["plan", "validate"] {
        contenders.insert(contenders.len().min(1), bench.quintet("W5", verb, &work));
    }
    let all = in_turn(&contenders, bench.rounds);
    section.tables.push(table_of("", &all));
    for verb in ["plan", "validate"] {
        let (wall, peak) = match (named(&all, verb), named(&all, "n2 nothing")) {
            (Some(verb), Some(n2)) => (verb.over(n2, wall), verb.peak_mib()),
            (Some(verb), None) => (f64::NAN, verb.peak_mib()),
            _ => (f64::NAN, f64::NAN),
        };
        let what = format!("`{verb}`: wall / what n2 takes to read it");
        section.verdicts.push(Verdict::new(what, wall, 0.5, ""));
        let what = format!("`{verb}`: memory");
        section
            .verdicts
            .push(Verdict::new(what, peak, 60.0, " MiB"));
    }
    section.notes.push(format!("{} edges.", work.edges()));
    section.note_failures(&all);
    section
}

fn printing(bench: &Bench, mut section: Section) -> Section {
    let mib = GIB.to_string();
    let words = this(&["print", &mib]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let work = Workload::of(1, 1, &words);
    let dir = bench.dir("W7");
    let file = dir.join("bytes");
    let direct = this(&["write", &text(&file), &mib]);
    let mut floor = bench.contender("floor", 1, &dir, direct);
    floor.shown = "writing the file".into();
    floor.leftovers = vec![file];
    let mut run = bench.quintet("W7", "run", &work);
    run.order.watch = Watch::Peak {
        program: bench.program(),
    };
    // Each run keeps its output with its record; only the last may stay here.
    run.leftovers = vec![run.order.dir.join("state")];
    let mut contenders = vec![floor, run];
    contenders.extend(
        PEERS
            .iter()
            .filter_map(|peer| bench.peer("W7", peer, &work)),
    );
    for contender in &mut contenders {
        contender.settle = true;
        let said = contender.order.said.clone();
        contender.leftovers.push(said);
    }
    let all = in_turn(&contenders, bench.rounds);
    section.tables.push(table_of("", &all));
    let floor = against(&all, "floor");
    section
        .verdicts
        .push(Verdict::new("wall / writing the file", floor, 1.1, ""));
    let held = named(&all, "run").map_or(f64::NAN, |run| {
        run.median(|sample| {
            sample
                .watched_kib
                .map_or(f64::NAN, |kib| kib as f64 / 1024.0)
        })
    });
    let held = Verdict::new("memory of all own processes", held, 16.0, " MiB");
    section.verdicts.push(held);
    section.note_failures(&all);
    section
}

fn sleeping(bench: &Bench, mut section: Section) -> Section {
    let work = Workload::of(SLEEPERS, SLEEPERS, SLEEP);
    let mut contenders = bench.all("W8", &work);
    contenders.retain(|contender| {
        // It starts no more than some hundred at once.
        ["floor", "run", "xargs", "make", "ninja", "n2"].contains(&contender.name.as_str())
    });
    for contender in contenders
        .iter_mut()
        .filter(|contender| contender.name == "run")
    {
        contender.order.watch = Watch::Idle {
            program: bench.program(),
            steps: SLEEPERS,
            window_ms: 1_500,
        };
    }
    let all = in_turn(&contenders, bench.rounds.min(3));
    section.tables.push(table_of("", &all));
    let (Some(floor), Some(run)) = (named(&all, "floor"), named(&all, "run")) else {
        section.note_failures(&all);
        return section;
    };
    let rounds = run.samples.iter().zip(&floor.samples);
    let own = measure::median(rounds.map(|(run, floor)| run.cpu - floor.cpu).collect());
    let idle = |of: fn(&crate::meter::Idle) -> f64| {
        run.median(|sample| sample.idle.as_ref().map_or(f64::NAN, of))
    };
    let engine = idle(|idle| idle.engine_kib as f64 / 1024.0);
    let slot = idle(|idle| idle.others_kib as f64 / SLEEPERS as f64);
    let wakeups = idle(|idle| idle.wakeups as f64);
    section.verdicts.extend([
        Verdict::new("CPU beyond the floor's", own, 0.3, " s"),
        Verdict::new("the engine's memory", engine, 16.0, " MiB"),
        Verdict::new("memory per step that is running (PSS)", slot, 160.0, " KiB"),
        Verdict::new("wake-ups in 1.5 s while all sleep", wakeups, 0.0, ""),
    ]);
    section.note_failures(&all);
    section
}

/// The size of a file.
pub fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}
