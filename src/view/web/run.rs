//! One run: what it is, how it stands, and the ways to look at it.

mod graph;
mod list;
mod scope;
mod timeline;

pub use scope::Scope;

use std::ops::Range;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Live, Page, Section, encoded, state, text};
use crate::plan::StepIx;
use crate::run::Event;
use crate::view::status::{Subject, progress};
use crate::view::time::{date_and_clock, so_far, took};
use crate::view::words;

/// What the page shows.
pub struct Model<'a> {
    pub subject: Subject<'a>,
    pub events: &'a [Event],
    pub zone: &'a TimeZone,
    pub tab: Tab,
    pub scope: &'a Scope,
    /// What the end is expected to come from, as long as nothing has run.
    pub expected_path: Vec<StepIx>,
}

/// A way to look at a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tab {
    #[default]
    List,
    Graph,
    Timeline,
}

impl Tab {
    /// In the order in which they are offered, as addresses and people say them.
    const ALL: &[(Tab, &str, &str)] = &[
        (Tab::List, "list", "List"),
        (Tab::Graph, "graph", "Graph"),
        (Tab::Timeline, "timeline", "Timeline"),
    ];
}

pub fn page(model: &Model<'_>) -> Page {
    let Subject { run_id, run, .. } = model.subject;
    Page {
        title: format!("{} {}", text(&run.plan().name), model.subject.word()),
        section: Section::Runs,
        live: Live::Run(run_id.to_owned()),
        body: html! {
            (head(model))
            (tabs(model))
            @match model.tab {
                Tab::List => (list::body(model)),
                Tab::Graph => (graph::body(model)),
                Tab::Timeline => (timeline::body(model)),
            }
        },
    }
}

/// The address of a step's own page.
fn step_address(run_id: &str, step: &str) -> String {
    format!("/runs/{}/step?step={}", encoded(run_id), encoded(step))
}

/// Which of how many things is shown, and the way to the others.
struct Pages {
    /// From 0.
    page: usize,
    all: usize,
    each: usize,
}

impl Pages {
    /// The page that was asked for of so many things, or the last.
    fn of(all: usize, each: usize, asked: usize) -> Pages {
        let last = all.div_ceil(each).max(1) - 1;
        Pages {
            page: asked.min(last),
            all,
            each,
        }
    }

    /// What is on the page.
    fn range(&self) -> Range<usize> {
        let first = self.page * self.each;
        first..self.all.min(first + self.each)
    }

    fn links(&self, model: &Model<'_>, tab: &str, what: &str) -> Markup {
        let Range { start, end } = self.range();
        let address = |page: usize| {
            let scope = Scope {
                page,
                ..model.scope.clone()
            };
            scope.address(model.subject.run_id, tab)
        };
        html! {
            @if self.all > self.each {
                nav .tools aria-label="Pages of the list" {
                    span { (start + 1) " to " (end) " of " (words::counted(self.all, what)) }
                    @if self.page > 0 {
                        a rel="prev" href=(address(self.page - 1)) { "Previous" }
                    }
                    @if end < self.all {
                        a rel="next" href=(address(self.page + 1)) { "Next" }
                    }
                }
            }
        }
    }
}

fn head(model: &Model<'_>) -> Markup {
    let Subject { run_id, run, .. } = model.subject;
    let because = run.ended_because().map(words::because);
    let phase = words::run_phase(run).map(str::to_owned);
    let started = date_and_clock(run.started_at(), model.zone);
    html! {
        h1 { (text(&run.plan().name)) " " (state(model.subject.word())) }
        p .facts {
            code { (run_id) }
            @if run.started_at() != 0 {
                " started " (started) ", "
                @match run.ended_at() {
                    0 => { (so_far(model.subject.duration_ms())) " ago" },
                    _ => { "took " (took(model.subject.duration_ms())) },
                }
            }
        }
        @if let Some(why) = phase.or(because) { p { (text(&why)) } }
        @if model.subject.interrupted {
            p { "Its engine is gone. It goes on with " code { "quintet resume " (run_id) } "." }
        }
        p { (progress(run)) }
        progress max="100" value=(words::percent(run.counts())) aria-label="Progress" {}
    }
}

fn tabs(model: &Model<'_>) -> Markup {
    let run = encoded(model.subject.run_id);
    html! {
        nav .tabs aria-label="Ways to look at the run" {
            @for (tab, word, name) in Tab::ALL {
                a href={ "/runs/" (run) "?tab=" (word) }
                    aria-current=[(*tab == model.tab).then_some("page")] { (name) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
