//! Growth: what a step costs in a plan a hundred times as long.
//!
//! Cost is taken three ways, since each hides something: wall time per step,
//! processor time per step of everything, and the same beyond the floor's.

use crate::bench::Bench;
use crate::measure::{Measured, in_turn, median};
use crate::report::{Section, Table, Verdict};
use crate::rows::{size, wall};
use crate::workload::{Graph, Workload};

const FEW: usize = 1_000;
const MANY: usize = 100_000;

/// A run of the long plan takes most of a minute.
const ROUNDS: usize = 3;

pub fn growth(bench: &Bench, mut section: Section) -> Section {
    let works = [FEW, MANY].map(|steps| Workload::of_true(Graph::Layers, steps, 2));
    let mut contenders = Vec::new();
    let mut text = Vec::new();
    for work in &works {
        let place = format!("growth-{}", work.steps);
        contenders.push(bench.floor(&place, work));
        let run = bench.quintet(&place, "run", work);
        text.push(size(&run.order.dir.join("plan.json")) as f64);
        contenders.push(run);
    }
    let all = in_turn(&contenders, bench.rounds.min(ROUNDS));
    section
        .tables
        .push(Table::of("", &all.iter().collect::<Vec<_>>()));
    section.note_failures(&all);
    let [floor_few, few, floor_many, many] = &all[..] else {
        return section;
    };
    let per_step = |measured: &Measured, of: fn(&crate::meter::Sample) -> f64| {
        measured.median(of) / measured.steps as f64
    };
    let wall = per_step(many, wall) / per_step(few, wall);
    let cpu = per_step(many, |sample| sample.cpu) / per_step(few, |sample| sample.cpu);
    let beyond = |run: &Measured, floor: &Measured| {
        let rounds = run.samples.iter().zip(&floor.samples);
        let rounds = rounds.map(|(run, floor)| run.cpu - floor.cpu);
        median(rounds.collect()) / run.steps as f64
    };
    let own = beyond(many, floor_many) / beyond(few, floor_few);
    let memory = (many.peak_mib() - few.peak_mib()) * 1024.0 * 1024.0 - (text[1] - text[0]);
    section.verdicts.extend([
        Verdict::new("wall per step at 100,000 / at 1,000", wall, 1.2, ""),
        Verdict::new("CPU per step at 100,000 / at 1,000", cpu, 1.2, ""),
        Verdict::new(
            "CPU per step beyond the floor's at 100,000 / at 1,000",
            own,
            1.2,
            "",
        ),
        Verdict::new(
            "memory per step beyond the plan's text",
            memory / (MANY - FEW) as f64,
            600.0,
            " B",
        ),
    ]);
    section
}
