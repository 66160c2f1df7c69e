//! One lane for each step, in the order in which they began, those of a group together.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::axis::{Window, tick_label};
use super::{CHART, NAMES, part};
use crate::plan::{Plan, StepIx};
use crate::run::event::End;
use crate::run::{Millis, Role};
use crate::view::groups::{Groups, What};
use crate::view::time::{exact, took};
use crate::view::timeline::{Bar, Timeline};
use crate::view::waits::{On, Wait};
use crate::view::web::run::Model;
use crate::view::web::text;
use crate::view::words;

/// On one page.
pub const MOST_LANES: usize = 200;
/// A lane has so many marks at most; what comes after them is one more.
const MOST_MARKS: usize = 40;
/// A lane's height, in pixels; and above all of them, the axis.
const LANE: usize = 22;
const AXIS: usize = 22;
/// So many characters have room for a name.
const NAME: usize = 24;

/// What happened to a step.
pub struct Lane<'a> {
    step: StepIx,
    group: Option<&'a str>,
    marks: Vec<Mark<'a>>,
}

/// Something that took time.
enum Mark<'a> {
    Attempt {
        bar: &'a Bar,
        /// It was made again.
        again: bool,
    },
    Wait(&'a Wait),
}

impl Mark<'_> {
    fn from(&self) -> Millis {
        match self {
            Mark::Attempt { bar, .. } => bar.started_at,
            Mark::Wait(wait) => wait.from,
        }
    }

    fn until(&self) -> Option<Millis> {
        match self {
            Mark::Attempt { bar, .. } => bar.end.as_ref().map(|end| end.ended_at),
            Mark::Wait(wait) => wait.until,
        }
    }
}

impl Lane<'_> {
    pub fn is_in(&self, window: &Window) -> bool {
        let mut marks = self.marks.iter();
        marks.any(|mark| window.has(mark.from(), mark.until()))
    }

    /// From the beginning of its first attempt to the end of its last, if that is over.
    /// What it waited for before says little: many steps wait from the first moment on.
    pub fn time(&self) -> (Millis, Option<Millis>) {
        let is_attempt = |mark: &&Mark<'_>| matches!(mark, Mark::Attempt { .. });
        let (attempts, waits): (Vec<_>, Vec<_>) = self.marks.iter().partition(is_attempt);
        let marks = if attempts.is_empty() { waits } else { attempts };
        let ends = marks.iter().map(|mark| mark.until());
        let last = ends.reduce(|one, other| Some(one?.max(other?)));
        (marks.first().map_or(0, |mark| mark.from()), last.flatten())
    }
}

/// All lanes in the order in which they are shown.
pub fn lanes<'a>(plan: &'a Plan, timeline: &'a Timeline, waits: &'a [Wait]) -> Vec<Lane<'a>> {
    let mut marks: BTreeMap<StepIx, Vec<Mark<'a>>> = BTreeMap::new();
    for bar in &timeline.bars {
        let marks = marks.entry(bar.attempt.step).or_default();
        // A remedy may have been used between the two.
        let before = marks.iter_mut().rev().find_map(|mark| match mark {
            Mark::Attempt { bar: before, again } => {
                (before.attempt.role == bar.attempt.role).then_some(again)
            }
            Mark::Wait(_) => None,
        });
        if let Some(again) = before {
            *again = true;
        }
        marks.push(Mark::Attempt { bar, again: false });
    }
    for wait in waits {
        marks.entry(wait.step).or_default().push(Mark::Wait(wait));
    }
    let groups = groups(plan);
    let mut lanes: Vec<Lane<'a>> = marks
        .into_iter()
        .map(|(step, mut marks)| {
            marks.sort_by_key(Mark::from);
            let group = groups[step.at()];
            Lane { step, group, marks }
        })
        .collect();
    let mut begins: BTreeMap<Option<&str>, Millis> = BTreeMap::new();
    for lane in &lanes {
        let first = begins.entry(lane.group).or_insert(Millis::MAX);
        *first = lane.time().0.min(*first);
    }
    lanes.sort_by_cached_key(|lane| (begins[&lane.group], lane.group, lane.time().0, lane.step));
    lanes
}

/// By step, the outermost group that it is in.
fn groups(plan: &Plan) -> Vec<Option<&str>> {
    let groups = Groups::of(plan);
    let mut of = vec![None; plan.steps.len()];
    for (at, entry) in groups.entries.iter().enumerate() {
        if let (What::Group(group), 0) = (entry.what, entry.depth) {
            for ix in groups.steps(at) {
                of[ix.at()] = Some(group);
            }
        }
    }
    of
}

/// A row of the chart.
enum Row<'a> {
    Group(&'a str),
    Lane(&'a Lane<'a>),
}

pub fn chart(model: &Model<'_>, lanes: &[&Lane<'_>], window: &Window) -> Markup {
    let mut rows = Vec::new();
    let mut last = None;
    for lane in lanes {
        if lane.group != last {
            rows.push(Row::Group(lane.group.unwrap_or("other steps")));
            last = lane.group;
        }
        rows.push(Row::Lane(lane));
    }
    let (width, height) = (NAMES + CHART + 20, AXIS + rows.len() * LANE + 4);
    let label = format!(
        "Attempts and waiting of {}",
        words::counted(lanes.len(), "step")
    );
    html! {
        svg .timeline role="group" aria-label=(label) viewBox={ "0 0 " (width) " " (height) }
            width=(width) height=(height) {
            (axis(model, window, height))
            @for (n, row) in rows.iter().enumerate() {
                @let y = AXIS + n * LANE;
                @match row {
                    Row::Group(group) => {
                        text .group x="0" y=(y + 15) { (shortened(&text(group))) }
                    }
                    Row::Lane(lane) => (lane_at(model, lane, y, window)),
                }
            }
            @if let Some(now) = window.now.filter(|_| window.to == window.whole) {
                @let x = window.x(now);
                line .now x1=(x) x2=(x) y1="0" y2=(height) { title { "now" } }
            }
        }
    }
}

fn axis(model: &Model<'_>, window: &Window, height: usize) -> Markup {
    let every = window.every();
    html! {
        @for tick in window.ticks() {
            @let x = window.x_since(tick);
            line .tick x1=(x) x2=(x) y1="16" y2=(height) {}
            a href=(part(model, tick, tick + every)) {
                title { "Zoom in from " (tick_label(tick, every)) " on" }
                text .below x=(x + 3) y="12" { (tick_label(tick, every)) }
            }
        }
    }
}

fn lane_at(model: &Model<'_>, lane: &Lane<'_>, y: usize, window: &Window) -> Markup {
    let id = &model.subject.run.plan()[lane.step].id;
    let indent = if lane.group.is_some() { 10 } else { 0 };
    let inside = |mark: &&Mark<'_>| window.has(mark.from(), mark.until());
    let marks: Vec<&Mark<'_>> = lane.marks.iter().filter(inside).collect();
    let (shown, rest) = marks.split_at(marks.len().min(MOST_MARKS));
    html! {
        a href=(model.step(lane.step)) {
            text x=(indent) y=(y + 15) { (shortened(&text(id))) title { (text(id)) } }
            @for mark in shown {
                @match mark {
                    Mark::Attempt { bar, again } => (attempt(model, bar, *again, y, window)),
                    Mark::Wait(wait) => (waiting(model, wait, y, window)),
                }
            }
            @if let [first, ..] = rest {
                @let x = window.x(first.from());
                rect .bar x=(x) y=(y + 6) width=((NAMES + CHART - x).max(2)) height="10" {
                    title { (text(id)) ": and so on, " (rest.len()) " more" }
                }
            }
        }
    }
}

fn attempt(model: &Model<'_>, bar: &Bar, again: bool, y: usize, window: &Window) -> Markup {
    let until = bar.end.as_ref().map_or(window.end(), |end| end.ended_at);
    let (from, to) = (window.x(bar.started_at), window.x(until));
    let width = (to - from).max(2);
    let word = word(bar);
    let sign = match (bar.attempt.role, bar.attempt.number) {
        (Role::Main, 1) => String::new(),
        (Role::Main, n) => n.to_string(),
        (Role::Remedy, _) => "R".to_owned(),
        (Role::Undo, _) => "U".to_owned(),
    };
    html! {
        rect .bar data-state=(word) data-role=[role(bar.attempt.role)] data-again[again]
            x=(from) y=(y + 3) width=(width) height="16" rx="2" {
            title { (told(model, bar, until)) }
        }
        @if width >= 26 {
            text .sign x=(from + 4) y=(y + 15) { (words::sign(word)) (sign) }
        } @else if width >= 10 && !sign.is_empty() {
            text .sign x=(from + 2) y=(y + 15) { (sign) }
        }
    }
}

/// How it ended, as the state that a step would have.
fn word(bar: &Bar) -> &'static str {
    match bar.end.as_ref().map(|end| end.end()) {
        None => "running",
        Some(End::Succeeded) => "succeeded",
        Some(End::Failed | End::TimedOut | End::FailedToStart) => "failed",
        Some(End::Canceled) => "canceled",
        Some(End::Interrupted | End::Lost) => "interrupted",
    }
}

fn role(role: Role) -> Option<&'static str> {
    match role {
        Role::Main => None,
        Role::Remedy => Some("remedy"),
        Role::Undo => Some("undo"),
    }
}

fn told(model: &Model<'_>, bar: &Bar, until: Millis) -> String {
    let id = text(&model.subject.run.plan()[bar.attempt.step].id);
    let what = match (bar.attempt.role, bar.attempt.number) {
        (Role::Main, n) => format!("attempt {n}"),
        (Role::Remedy, n) => format!("remedy {n}"),
        (Role::Undo, n) => format!("taking it back, attempt {n}"),
    };
    let from = exact(bar.started_at, model.zone);
    match &bar.end {
        None => format!(
            "{id}, {what}: running since {from}, for {}",
            took(until.saturating_sub(bar.started_at))
        ),
        Some(end) => format!(
            "{id}, {what}: {}; {from} to {}",
            text(&words::ended(end)),
            exact(end.ended_at, model.zone)
        ),
    }
}

fn waiting(model: &Model<'_>, wait: &Wait, y: usize, window: &Window) -> Markup {
    let until = wait.until.unwrap_or(window.end());
    let (from, to) = (window.x(wait.from), window.x(until));
    let id = text(&model.subject.run.plan()[wait.step].id);
    let title = format!(
        "{id}: {} {} {}; {} to {}",
        if wait.until.is_some() {
            "waited"
        } else {
            "waits"
        },
        text(&wait.on.told()),
        took(until.saturating_sub(wait.from)),
        exact(wait.from, model.zone),
        wait.until
            .map_or("now".to_owned(), |at| exact(at, model.zone))
    );
    let middle = y + LANE / 2;
    html! {
        @if to > from {
            line .wait data-on=(wait.on.word()) x1=(from) x2=(to) y1=(middle) y2=(middle) {
                title { (title) }
            }
            @if wait.on == On::Answer {
                line .wait data-on="answer" x1=(from) x2=(to) y1=(middle + 4) y2=(middle + 4) {}
            }
        }
    }
}

/// The end of a name is what tells it from others.
fn shortened(name: &str) -> String {
    let length = name.chars().count();
    match length > NAME {
        true => format!(
            "…{}",
            name.chars().skip(length - NAME + 1).collect::<String>()
        ),
        false => name.to_owned(),
    }
}
