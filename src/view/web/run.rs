//! One run: what it is, how it stands, and the ways to look at it.

mod list;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Live, Page, Section, control, encoded, state, text};
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
    /// Whether anything may be changed from the page.
    pub control: bool,
}

/// A way to look at a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tab {
    #[default]
    List,
}

impl Tab {
    /// In the order in which they are offered, as addresses and people say them.
    const ALL: &[(Tab, &str, &str)] = &[(Tab::List, "list", "List")];
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
            }
        },
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
        (control::of_run(model.subject, model.events, model.control))
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
