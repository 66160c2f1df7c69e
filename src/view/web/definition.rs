//! A plan over its last runs: a grid of runs and steps, and how long they took.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{Live, Page, Section, encoded, state, text};
use crate::run::Outcome;
use crate::store::{Cell, Recent, Standing, StoredState};
use crate::view::time::{date_and_clock, took};
use crate::view::trend::{LEAST, quantile, regressions};

/// What the page shows.
pub struct Model<'a> {
    pub plan_id: &'a str,
    /// The last runs, oldest first.
    pub runs: &'a [Recent],
    /// The steps that are shown, by the plan's newest version.
    pub steps: &'a [String],
    /// Where the first of them stands, and how many there are in all.
    pub from: usize,
    pub all_steps: usize,
    /// For the last of the runs, oldest first: what became of each step, by its id.
    pub columns: &'a [BTreeMap<&'a str, Cell>],
    pub zone: &'a TimeZone,
}

impl Model<'_> {
    /// The runs that have a column.
    fn shown(&self) -> &[Recent] {
        &self.runs[self.runs.len() - self.columns.len()..]
    }

    fn successes(&self) -> Vec<Option<u64>> {
        let success = |run: &Recent| {
            run.took_ms()
                .filter(|_| run.state == StoredState::Succeeded)
        };
        self.runs.iter().map(success).collect()
    }
}

pub fn page(model: &Model<'_>) -> Page {
    Page {
        title: text(model.plan_id),
        section: Section::Runs,
        live: Live::All,
        body: html! {
            h1 { (text(model.plan_id)) }
            p .facts {
                a href={ "/?name=" (encoded(model.plan_id)) } { "All its runs" }
                @if let Some(last) = model.runs.last() {
                    ", the last " (date_and_clock(last.created_at, model.zone)) " " (state(last.state.word()))
                }
            }
            h2 { "How long its runs took" }
            (trend(model))
            h2 { "Steps" }
            (grid(model))
            (pages(model))
        },
    }
}

/// In the drawing's own units: a run's width, the height of the longest, and what is kept
/// free above it for the marks.
const STRIDE: usize = 20;
const HEIGHT: u64 = 90;
const TOP: u64 = 14;

fn trend(model: &Model<'_>) -> Markup {
    let successes = model.successes();
    let durations: Vec<u64> = successes.iter().flatten().copied().collect();
    let (Some(half), Some(most)) = (quantile(&durations, 50), quantile(&durations, 95)) else {
        return html! { p .empty { "No run of it has succeeded lately." } };
    };
    let all = model.runs.iter().filter_map(Recent::took_ms);
    let longest = all.max().unwrap_or(1).max(1);
    let slower = regressions(&successes);
    let many = slower.iter().filter(|slow| **slow).count();
    let height = |ms: u64| (ms * HEIGHT / longest).max(1);
    let foot = TOP + HEIGHT;
    let width = model.runs.len().max(10) * STRIDE;
    html! {
        p { "Half of the " (durations.len()) " that succeeded took at most " strong { (took(half)) }
            ", 95 of 100 at most " strong { (took(most)) } ". "
            @match many { 0 => "None took longer than was to be expected.", 1 => "One took longer than was to be expected (▲).",
                _ => { (many) " took longer than was to be expected (▲)." } } }
        div .scroll {
            svg .trend viewBox={ "0 0 " (width) " " (foot + 4) } width=(width) height=(foot + 4) role="img" aria-label="Durations of the last runs" {
                @for (at, run) in model.runs.iter().enumerate() {
                    @if let Some(ms) = run.took_ms() {
                        g {
                            title { (run.run_id) ": " (run.state.word()) ", " (took(ms)) }
                            rect .bar data-state=(run.state.word()) x=(at * STRIDE + 3) y=(foot - height(ms)) width=(STRIDE - 6) height=(height(ms)) {}
                            @if slower[at] { text .mark x=(at * STRIDE + STRIDE / 2) y=(foot - height(ms) - 3) { "▲" } }
                        }
                    }
                }
                @for (name, at) in [("half", half), ("most", most)] {
                    line .(name) x1="0" x2=(width) y1=(foot - height(at)) y2=(foot - height(at)) {}
                }
            }
        }
        p .faint { "Lines: the median and the 95th percentile. ▲: more than a fifth longer than the 95th percentile of the successful runs before it here (at least "
            (LEAST) "), and a second longer than their median." }
    }
}

fn grid(model: &Model<'_>) -> Markup {
    let shown = model.shown();
    html! {
        p .legend {
            @for (word, letter) in LETTERS { span .cell data-state=(word) { (letter) } " " (word) " " }
            "· nothing yet, or not part of it"
        }
        @if shown.len() < model.runs.len() {
            p .faint { "The last " (shown.len()) " runs: the plan is large." }
        }
        div .scroll tabindex="0" role="region" aria-label="Runs and steps" {
            table .grid {
                thead { tr {
                    th { "Step" } th .number { "Median" }
                    @for run in shown {
                        th scope="col" {
                            a href={ "/runs/" (encoded(&run.run_id)) }
                                title={ (run.run_id) ", " (date_and_clock(run.created_at, model.zone)) ", " (run.state.word()) } {
                                (tail(&run.run_id))
                            }
                        }
                    }
                } }
                tbody { @for step in model.steps { (row(model, step)) } }
            }
        }
    }
}

fn row(model: &Model<'_>, step: &str) -> Markup {
    let cells = || model.columns.iter().map(|column| column.get(step));
    let done = Standing::Settled(Outcome::Succeeded);
    let durations: Vec<u64> = cells()
        .flatten()
        .filter(|cell| cell.standing == done)
        .filter_map(|cell| cell.took_ms)
        .collect();
    html! {
        tr {
            th scope="row" { (text(step)) }
            td .number { @if let Some(half) = quantile(&durations, 50) { (took(half)) } }
            @for (run, cell) in model.shown().iter().zip(cells()) {
                @match cell {
                    None => { td { "·" } }
                    Some(cell) => {
                        @let (word, letter) = shown_as(cell.standing);
                        td {
                            a .cell data-state=(word) href={ "/runs/" (encoded(&run.run_id)) "/step?step=" (encoded(step)) }
                                title={ (word) @if let Some(ms) = cell.took_ms { ", " (took(ms)) } } { (letter) }
                        }
                    }
                }
            }
        }
    }
}

/// Each state by its word and a letter: colour is never all that tells them apart.
const LETTERS: [(&str, &str); 5] = [
    ("succeeded", "S"),
    ("failed", "F"),
    ("skipped", "–"),
    ("canceled", "C"),
    ("running", "R"),
];

fn shown_as(standing: Standing) -> (&'static str, &'static str) {
    let word = match standing {
        Standing::Running => "running",
        Standing::Settled(outcome) => outcome.word(),
    };
    let found = LETTERS.into_iter().find(|(known, _)| *known == word);
    found.unwrap_or((word, "?"))
}

/// The end of a run's id, by which it is found as well.
fn tail(run_id: &str) -> &str {
    run_id.rsplit('-').next().unwrap_or(run_id)
}

fn pages(model: &Model<'_>) -> Markup {
    let (from, until) = (model.from, model.from + model.steps.len());
    let at = |from: usize| format!("/definitions?plan={}&from={from}", encoded(model.plan_id));
    html! {
        @if from > 0 || until < model.all_steps {
            p {
                "Steps " (from + 1) " to " (until) " of " (model.all_steps) ". "
                @if from > 0 { a rel="prev" href=(at(from.saturating_sub(MOST_STEPS))) { "Before" } " " }
                @if until < model.all_steps { a rel="next" href=(at(until)) { "After" } }
            }
        }
    }
}

/// So many steps are shown at once.
pub const MOST_STEPS: usize = 40;
