//! One run: what it is, how it stands, and the ways to look at it.

mod events;
mod failed;
mod graph;
mod list;
pub mod logs;
pub mod plan;
mod scope;
mod timeline;

pub use scope::Scope;

use std::ops::Range;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use super::replay::{self, Replay};
use super::{Live, Page, Section, address, control, encoded, state, text};
use crate::plan::StepIx;
use crate::run::{Event, Outcome, Role, RunState, Seq};
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
    /// Whether anything may be changed from the page.
    pub control: bool,
    pub asked: &'a Asked,
    /// The newest event there is, where the run is shown as it stood at an earlier one.
    pub replayed: Option<Seq>,
    /// The last words of steps that have failed: see [`to_be_explained`].
    pub said: &'a [(StepIx, Vec<String>)],
    /// What was read of output, where the way to look wants it.
    pub logs: Option<&'a logs::Logs>,
}

/// What is asked of a way to look at a run. Each takes of it what it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// A step's id.
    pub step: Option<String>,
    pub attempt: Option<u32>,
    pub role: Role,
    pub stream: logs::Which,
    /// Where to begin: with an event, a step, a byte.
    pub from: Option<u64>,
    /// A text to look for, and the byte from which on.
    pub q: Option<String>,
    pub hit: Option<u64>,
    /// Whether long lines are wrapped: 0 for no.
    pub wrap: Option<u8>,
    /// An event's name.
    pub kind: Option<String>,
    pub order: Order,
}

/// What stands first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    #[default]
    Newest,
    Oldest,
}

impl Order {
    pub fn word(self) -> &'static str {
        match self {
            Order::Newest => "newest",
            Order::Oldest => "oldest",
        }
    }
}

impl Model<'_> {
    /// The run's own path.
    fn path(&self) -> String {
        format!("/runs/{}", encoded(self.subject.run_id))
    }

    /// The moment that is shown, where it is not now: the event just before it.
    fn at(&self) -> Option<String> {
        self.replayed.map(|_| self.subject.run.seq().to_string())
    }

    /// This run at this moment, looked at in another way.
    fn address(&self, tab: &str, query: &[(&str, &str)]) -> String {
        let at = self.at().unwrap_or_default();
        let all = [&[("tab", tab)], query, &[("at", &at)]].concat();
        address(&self.path(), &all)
    }

    /// The page of one of its steps.
    fn step(&self, ix: StepIx) -> String {
        let (id, at) = (&self.subject.run.plan()[ix].id, self.at());
        let query = [("step", &**id), ("at", &at.unwrap_or_default())];
        address(&format!("{}/step", self.path()), &query)
    }

    /// The run as it stood at an event.
    fn at_event(&self, seq: Seq) -> String {
        address(&self.path(), &[("at", &seq.to_string())])
    }
}

/// A way to look at a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tab {
    #[default]
    List,
    Graph,
    Timeline,
    Logs,
    Events,
    Plan,
}

impl Tab {
    /// In the order in which they are offered, as addresses and people say them.
    const ALL: &[(Tab, &str, &str)] = &[
        (Tab::List, "list", "List"),
        (Tab::Graph, "graph", "Graph"),
        (Tab::Timeline, "timeline", "Timeline"),
        (Tab::Logs, "logs", "Logs"),
        (Tab::Events, "events", "Events"),
        (Tab::Plan, "plan", "Plan"),
    ];

    fn word(self) -> &'static str {
        let found = Tab::ALL.iter().find(|(tab, ..)| *tab == self);
        found.map_or("", |(_, word, _)| word)
    }
}

pub fn page(model: &Model<'_>) -> Page {
    let Subject { run_id, run, .. } = model.subject;
    Page {
        title: format!("{} {}", text(&run.plan().name), model.subject.word()),
        section: Section::Runs,
        live: match model.replayed {
            Some(_) => Live::Never,
            None => Live::Run(run_id.to_owned()),
        },
        body: html! {
            (head(model))
            (failed::body(model))
            (tabs(model))
            (replay(model))
            @match model.tab {
                Tab::List => (list::body(model)),
                Tab::Graph => (graph::body(model)),
                Tab::Timeline => (timeline::body(model)),
                Tab::Logs => (logs::body(model)),
                Tab::Events => (events::body(model)),
                Tab::Plan => (plan::body(model)),
            }
        },
    }
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
        @if let Some(why) = phase.or(because) { p { (text(standing_alone(&why))) } }
        @if model.subject.interrupted {
            p { "Its engine is gone. It goes on with " code { "quintet resume " (run_id) } "." }
        }
        (control::of_run(model.subject, model.events, model.control))
        p { (progress(run)) }
        progress max="100" value=(words::percent(run.counts())) data-state=(model.subject.word()) aria-label="Progress" {}
    }
}

/// A reason is worded to follow a state's word.
fn standing_alone(why: &str) -> &str {
    why.trim_start_matches(": ").trim_start()
}

fn tabs(model: &Model<'_>) -> Markup {
    html! {
        nav .tabs aria-label="Ways to look at the run" {
            @for (tab, word, name) in Tab::ALL {
                a href=(model.address(word, &[]))
                    aria-current=[(*tab == model.tab).then_some("page")] { (name) }
            }
        }
    }
}

/// What keeps the way to look while the moment changes.
fn replay(model: &Model<'_>) -> Markup {
    let asked = model.asked;
    let attempt = asked.attempt.map(|attempt| attempt.to_string());
    let scope = model.scope.pairs();
    let kept = [
        ("tab", model.tab.word()),
        ("step", asked.step.as_deref().unwrap_or_default()),
        ("attempt", &attempt.unwrap_or_default()),
        ("kind", asked.kind.as_deref().unwrap_or_default()),
    ];
    let scope = scope.iter().filter(|(name, _)| *name != "at");
    let scope = scope.map(|(name, value)| (*name, value.as_str()));
    let kept: Vec<(&str, &str)> = kept.into_iter().chain(scope).collect();
    replay::bar(&Replay {
        path: &model.path(),
        asked: &kept,
        last: model.replayed.unwrap_or(model.subject.run.seq()),
        event: model.events.last().filter(|_| model.replayed.is_some()),
        plan: model.subject.run.plan(),
        zone: model.zone,
    })
}

/// The steps whose failure the page explains at its top: those that count first, then
/// those that may fail, each in the order in which they failed; and how many there are.
pub fn to_be_explained(run: &RunState) -> (Vec<StepIx>, usize) {
    const MOST: usize = 5;
    let mut failed: Vec<StepIx> = run
        .plan()
        .indices()
        .filter(|ix| run.step(*ix).outcome() == Some(Outcome::Failed))
        .collect();
    failed.sort_by_key(|ix| (!run.counts_as_failure(*ix), run.step(*ix).ended_at, *ix));
    let all = failed.len();
    failed.truncate(MOST);
    (failed, all)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::view::testing::{RUN, Story};

    /// A way to look at a story's run.
    pub fn shown(story: &Story, tab: Tab, asked: &Asked) -> String {
        with_logs(story, tab, asked, None)
    }

    /// The same with what was read of output.
    pub fn with_logs(story: &Story, tab: Tab, asked: &Asked, logs: Option<&logs::Logs>) -> String {
        of(story, tab, asked, &Scope::default(), logs)
    }

    /// A part of a story's run.
    pub fn in_scope(story: &Story, tab: Tab, scope: &Scope) -> String {
        of(story, tab, &Asked::default(), scope, None)
    }

    fn of(
        story: &Story,
        tab: Tab,
        asked: &Asked,
        scope: &Scope,
        logs: Option<&logs::Logs>,
    ) -> String {
        let subject = Subject {
            run_id: RUN,
            run: &story.run,
            now: story.now,
            interrupted: false,
        };
        let model = Model {
            subject,
            events: &story.events,
            zone: &TimeZone::UTC,
            tab,
            asked,
            scope,
            expected_path: Vec::new(),
            replayed: None,
            said: &[],
            logs,
            control: false,
        };
        page(&model).body.into_string()
    }
}

#[cfg(test)]
mod tests;
