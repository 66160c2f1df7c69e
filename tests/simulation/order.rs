//! The order of ready steps, in virtual time: the graphs and the world of
//! `cargo bench --bench order`, only smaller.

#[path = "../../bench/order/compare.rs"]
mod compare;
#[path = "../../bench/order/graphs.rs"]
mod graphs;
#[path = "../../bench/order/play.rs"]
mod play;

use compare::{Past, first_come, lower_bound, usual};
use graphs::Workflow;

fn workflows() -> Vec<Workflow> {
    let mut workflows = graphs::made(20);
    workflows.extend(graphs::all_recorded());
    workflows
}

/// How long a workflow takes, as a multiple of the lower bound.
fn ratio(workflow: &Workflow, slots: u32, past: Past) -> f64 {
    let took = play::makespan(workflow, slots, &usual(workflow, past, 1)) as f64;
    took / lower_bound(workflow, slots) as f64
}

/// With its past known, no workflow takes notably longer than in the plan's
/// order or first come, first served; and all of them together much less.
#[test]
fn with_a_past_a_run_is_seldom_slower_and_mostly_faster() {
    let (mut known, mut unknown, mut served, mut all) = (0.0, 0.0, 0.0, 0.0);
    for workflow in workflows() {
        for slots in [2, 4, 8] {
            let exact = ratio(&workflow, slots, Past::Exact);
            let planned = ratio(&workflow, slots, Past::Unknown);
            let bound = lower_bound(&workflow, slots) as f64;
            let first_come = first_come(&workflow, slots) as f64 / bound;
            let name = workflow.name;
            println!("{name}, {slots} at once: {exact:.3} {planned:.3} {first_come:.3}");
            assert!(exact <= planned * 1.01, "{name}: {exact} {planned}");
            assert!(exact <= first_come * 1.01, "{name}: {exact} {first_come}");
            known += exact;
            unknown += planned;
            served += first_come;
            all += 1.0;
        }
    }
    let (known, unknown, served) = (known / all, unknown / all, served / all);
    println!("mean: {known:.3} {unknown:.3} {served:.3}");
    assert!(known <= 0.93 * unknown, "{known} {unknown}");
    assert!(known <= 0.93 * served, "{known} {served}");
}

/// A past that is half wrong, or half unknown, is still better than none.
#[test]
fn an_inexact_past_is_better_than_none() {
    let mean = |past| {
        let workflows = workflows();
        let ratios = workflows.iter().map(|workflow| ratio(workflow, 4, past));
        ratios.sum::<f64>() / workflows.len() as f64
    };
    let (noisy, half, none) = (mean(Past::Noisy), mean(Past::Half), mean(Past::Unknown));
    println!("{noisy:.3} {half:.3} {none:.3}");
    assert!(noisy <= 0.92 * none, "{noisy} {none}");
    assert!(half <= 0.94 * none, "{half} {none}");
}
