//! What monitoring counts, plan by plan, for people.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{Live, Page, Section, encoded, text};
use crate::run::figures::{Figures, Histogram};
use crate::run::{Outcome, RunOutcome};
use crate::store::Counted;
use crate::view::time::{date_and_clock, took};

/// What the page shows.
pub struct Model<'a> {
    pub counted: &'a Counted,
    pub zone: &'a TimeZone,
}

pub fn page(model: &Model<'_>) -> Page {
    let Counted {
        plans,
        running,
        interrupted,
    } = model.counted;
    Page {
        title: "Metrics".into(),
        section: Section::Metrics,
        live: Live::All,
        body: html! {
            h1 { "Metrics" }
            p { strong { (running) } " running, " strong { (interrupted) } " interrupted. A run is counted when it ends, and stays so when it is pruned. "
                "Prometheus reads the same from " code { "/metrics" } ", with the token." }
            @if plans.is_empty() {
                p .empty { "No run has ended yet." }
            } @else {
                div .scroll tabindex="0" role="region" aria-label="Figures of each plan" {
                    table {
                        thead { tr {
                            th { "Plan" } th .number { "Succeeded" } th .number { "Failed" } th .number { "Canceled" }
                            th .number { "Mean run" } th .number { "Steps" } th .number { "Failed" } th .number { "Fresh" }
                            th .number { "Retries" } th .number { "Mean attempt" } th .number { "Mean wait" } th { "Last success" }
                        } }
                        tbody { @for (plan, figures) in plans { (row(plan, figures, model.zone)) } }
                    }
                }
            }
        },
    }
}

fn row(plan: &str, figures: &Figures, zone: &TimeZone) -> Markup {
    let runs = |outcome| figures.runs.get(&outcome).copied().unwrap_or(0);
    let steps = |outcome| figures.steps.get(&outcome).copied().unwrap_or(0);
    let failed = runs(RunOutcome::Failed) + runs(RunOutcome::Quarantined);
    html! {
        tr {
            th scope="row" { a href={ "/definitions?plan=" (encoded(plan)) } { (text(plan)) } }
            td .number { (runs(RunOutcome::Succeeded)) }
            td .number { (failed) }
            td .number { (runs(RunOutcome::Canceled)) }
            td .number { (mean(&figures.run_duration)) }
            td .number { (figures.steps.values().sum::<u64>()) }
            td .number { (steps(Outcome::Failed)) }
            td .number { (figures.fresh) }
            td .number { (figures.retries) }
            td .number { (mean(&figures.attempt_duration)) }
            td .number { (mean(&figures.queue_wait)) }
            td { @if let Some(at) = figures.last_success_at { (date_and_clock(at, zone)) } }
        }
    }
}

fn mean(histogram: &Histogram) -> String {
    let mean = histogram.sum_ms.checked_div(histogram.count());
    mean.map(|ms| took(ms).to_string()).unwrap_or_default()
}
