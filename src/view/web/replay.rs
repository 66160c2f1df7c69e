//! The bar with which a run is played from its events: a page at an earlier moment is
//! the same page of the state as it was then.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::text;
use crate::plan::Plan;
use crate::run::{Event, Seq};
use crate::view::events::{about, detail};
use crate::view::time::date_and_clock;

/// What the bar shows.
pub struct Replay<'a> {
    /// The page's path, and what else is asked of it.
    pub path: &'a str,
    pub asked: &'a [(&'a str, &'a str)],
    /// The newest event there is.
    pub last: Seq,
    /// The last event before the moment shown; of now, without.
    pub event: Option<&'a Event>,
    pub plan: &'a Plan,
    pub zone: &'a TimeZone,
}

/// Empty where nothing has happened yet.
pub fn bar(replay: &Replay<'_>) -> Markup {
    let last = replay.last;
    if last == 0 {
        return html! {};
    }
    let at = replay.event.map_or(last, |event| event.seq);
    let now = super::address(replay.path, replay.asked);
    html! {
        form .replay data-auto action=(replay.path) aria-label="Replay" {
            @for (name, value) in replay.asked.iter().filter(|(_, value)| !value.is_empty()) {
                input type="hidden" name=(name) value=(value);
            }
            button type="button" data-play="at" { "Play" }
            label for="at" { "Event " (at) " of " (last) }
            input #at type="range" name="at" min="1" max=(last) value=(at);
            @if let Some(event) = replay.event {
                p .moment {
                    strong { (date_and_clock(event.at, replay.zone)) } " "
                    @if let Some(ix) = about(&event.kind) { code { (text(&replay.plan[ix].id)) } ": " }
                    (text(&detail(&event.kind, replay.zone)))
                    " " a href=(now) { "Back to now" }
                }
            }
        }
    }
}
