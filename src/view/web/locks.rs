//! Named locks, pools and resources: who holds them, and who waits.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{Live, Page, Section, encoded, text};
use crate::run::Millis;
use crate::run::event::Holder;
use crate::view::time::{date_and_clock, so_far};

/// What the page shows.
pub struct Model<'a> {
    pub names: &'a [Name],
    pub now: Millis,
    pub zone: &'a TimeZone,
}

/// A lock, pool or resource of which something is held or wanted.
pub struct Name {
    /// `lock deploy`, as records spell it.
    pub on: String,
    /// Who holds how many units of it; who has not said who it is has no name.
    pub held: Vec<(u64, Option<Holder>)>,
    /// Steps that the record says wait for it.
    pub steps: Vec<Waiting>,
    /// How many stand in its queue: also those that are in no record yet.
    pub waiting: usize,
}

/// A step that waits.
pub struct Waiting {
    pub run_id: String,
    pub step: String,
}

pub fn page(model: &Model<'_>) -> Page {
    Page {
        title: "Locks".into(),
        section: Section::Locks,
        live: Live::All,
        body: html! {
            h1 { "Locks, pools and resources" }
            @if model.names.is_empty() {
                p .empty { "Nothing is held, and nobody waits." }
            } @else {
                table data-rows {
                    thead { tr { th { "Name" } th { "Held by" } th { "Since" } th { "Waiting" } } }
                    tbody { @for name in model.names { (row(name, model)) } }
                }
            }
        },
    }
}

fn row(name: &Name, model: &Model<'_>) -> Markup {
    html! {
        tr {
            td { (text(&name.on)) }
            td {
                @for (units, holder) in &name.held {
                    div {
                        @match holder {
                            Some(holder) => (who(holder)),
                            None => "somebody who has not said who it is",
                        }
                        @if !name.on.starts_with("lock ") { " (" (units) ")" }
                    }
                }
                @if name.held.is_empty() { "nobody" }
            }
            td {
                @for (_, holder) in &name.held {
                    div { @if let Some(holder) = holder {
                        span title=(date_and_clock(holder.since, model.zone)) {
                            (so_far(model.now.saturating_sub(holder.since))) " ago"
                        }
                    } }
                }
            }
            td {
                @for Waiting { run_id, step } in &name.steps {
                    div { (text(step)) " of " a href={ "/runs/" (encoded(run_id)) } { (run_id) } }
                }
                @let others = name.waiting.saturating_sub(name.steps.len());
                @match (name.steps.len(), others) {
                    (0, 0) => span .faint { "nobody" },
                    (_, 0) => {}
                    (0, n) => (n),
                    (_, n) => { (n) " more" }
                }
            }
        }
    }
}

fn who(holder: &Holder) -> Markup {
    html! {
        @if !holder.step.is_empty() { (text(&holder.step)) " of " }
        a href={ "/runs/" (encoded(&holder.run)) } { (text(&holder.run)) }
        span .faint { " pid " (holder.pid) }
    }
}
