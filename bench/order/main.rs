//! What the order of ready steps is worth: how long workflows take, in virtual
//! time, beside the lower bound that no order is under.
//!
//! `cargo bench --bench order` prints the tables of `bench/ORDER.md`. They are
//! the same on every machine.

mod compare;
mod graphs;
mod play;

use compare::{Past, first_come, lower_bound, usual};
use graphs::Workflow;
use play::makespan;

/// Where the past is not exact, it is as inexact in so many ways.
const SEEDS: u64 = 5;

fn main() {
    let mut workflows = graphs::made(100);
    workflows.extend(graphs::all_recorded());
    for slots in [2, 4, 8, 16] {
        table(&workflows, slots);
    }
}

fn table(workflows: &[Workflow], slots: u32) {
    println!("\n### {slots} at once\n");
    println!(
        "| workflow | steps | lower bound | first come | plan's order | exact past | ±50 % | half known |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let mut sums = [0.0; 5];
    for workflow in workflows {
        let bound = lower_bound(workflow, slots) as f64;
        let ratios = [
            first_come(workflow, slots) as f64 / bound,
            mean(workflow, slots, Past::Unknown, 1) / bound,
            mean(workflow, slots, Past::Exact, 1) / bound,
            mean(workflow, slots, Past::Noisy, SEEDS) / bound,
            mean(workflow, slots, Past::Half, SEEDS) / bound,
        ];
        let seconds = format!("{:.1} s", bound / 1000.0);
        row(
            workflow.name,
            &workflow.steps.len().to_string(),
            &seconds,
            &ratios,
        );
        for (sum, ratio) in sums.iter_mut().zip(ratios) {
            *sum += ratio;
        }
    }
    let means = sums.map(|sum| sum / workflows.len() as f64);
    row("**mean**", "", "", &means);
}

fn mean(workflow: &Workflow, slots: u32, past: Past, seeds: u64) -> f64 {
    let one = |seed| makespan(workflow, slots, &usual(workflow, past, seed));
    (0..seeds).map(one).sum::<u64>() as f64 / seeds as f64
}

fn row(name: &str, steps: &str, bound: &str, ratios: &[f64]) {
    print!("| {name} | {steps} | {bound} |");
    for ratio in ratios {
        print!(" {ratio:.3} |");
    }
    println!();
}
