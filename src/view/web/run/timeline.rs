//! The time of a run: a bar for each attempt, what its step waited for between, and
//! how many ran at once.
//!
//! A part of the time can be looked at, and a page has so many lanes at most; the
//! overview above them always shows the whole.

mod axis;
mod lanes;
mod overview;

use maud::{Markup, html};

use super::{Model, Pages, Scope};
use crate::view::timeline::Timeline;
use crate::view::waits::waits;
use axis::Window;
use lanes::{Lane, MOST_LANES};

/// Where lanes have their names, and how wide the chart beside them is; in pixels.
const NAMES: u64 = 180;
const CHART: u64 = 1_000;

pub fn body(model: &Model<'_>) -> Markup {
    let run = model.subject.run;
    if run.started_at() == 0 {
        return html! { p .empty { "It has not begun." } };
    }
    let timeline = Timeline::of(model.events);
    let waits = waits(run, model.events);
    let window = Window::of(model);
    let all = lanes::lanes(run.plan(), &timeline, &waits);
    let lanes: Vec<&Lane<'_>> = all.iter().filter(|lane| lane.is_in(&window)).collect();
    let pages = Pages::of(lanes.len(), MOST_LANES, model.scope.page);
    let shown = &lanes[pages.range()];
    // Where there are several pages, each shows its own time.
    let window = match lanes.len() > MOST_LANES {
        true => window.around(shown.iter().map(|lane| lane.time())),
        false => window,
    };
    html! {
        (overview::chart(model, &timeline, &window))
        (axis::tools(model, &window))
        @if shown.is_empty() {
            p .empty { "Nothing ran or waited in this time." }
        } @else {
            div .scroll .picture tabindex="0" role="region" aria-label="The attempts; it can be scrolled" {
                (lanes::chart(model, shown, &window))
            }
            (pages.links(model, "timeline", "lane"))
        }
        (legend())
    }
}

/// The address of a part of the time.
fn part(model: &Model<'_>, from: u64, to: u64) -> String {
    let scope = Scope {
        from: Some(from),
        to: Some(to),
        page: 0,
        ..model.scope.clone()
    };
    scope.address(model.subject.run_id, "timeline")
}

fn legend() -> Markup {
    html! {
        p .legend {
            "A bar is an attempt: ✓ succeeded, ✗ failed, ▶ running, ⊘ canceled; with a broken edge \
             one that was made again, with its number a later one, with R a remedy, with U one that \
             takes the step back. A line is waiting: thin for its turn, dotted before another \
             attempt, dashed for what another run holds, double for a person's answer."
        }
    }
}
