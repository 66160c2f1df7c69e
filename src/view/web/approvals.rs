//! What steps ask of people now, over all runs.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{Live, Page, Section, control, encoded, text};
use crate::run::Millis;
use crate::view::asking::Asking;
use crate::view::time::{clock, date_and_clock, so_far};

/// What the page shows.
pub struct Model<'a> {
    pub asked: &'a [Asked],
    /// More runs ask than were looked at.
    pub more: bool,
    pub now: Millis,
    pub zone: &'a TimeZone,
    /// Whether anything may be changed from the page.
    pub control: bool,
}

/// A question, and whose it is.
pub struct Asked {
    pub run_id: String,
    /// The plan's name.
    pub plan: String,
    /// The step's id.
    pub step: String,
    pub asking: Asking,
    /// No engine drives the run: the answer counts once it goes on.
    pub interrupted: bool,
}

pub fn page(model: &Model<'_>) -> Page {
    Page {
        title: match model.asked.len() {
            0 => "Approvals".into(),
            n => format!("{n} to answer"),
        },
        section: Section::Approvals,
        live: Live::All,
        body: html! {
            h1 { "Approvals" }
            @if model.asked.is_empty() {
                p .empty { "No step asks anything now." }
            } @else {
                @if !model.control {
                    p .faint { "This page only shows. Answer with " code { "quintet approve RUN STEP" }
                        ", or here where the server runs with " code { "--control" } "." }
                }
                table data-rows {
                    thead { tr { th { "Question" } th { "Step" } th { "Run" } th { "Asks for" } th { "Answer" } } }
                    tbody { @for asked in model.asked { (row(asked, model)) } }
                }
                @if model.more { p { "More runs ask; they follow when these are answered." } }
            }
        },
    }
}

fn row(asked: &Asked, model: &Model<'_>) -> Markup {
    let Asked {
        run_id,
        step,
        asking,
        ..
    } = asked;
    let run = encoded(run_id);
    html! {
        tr id={ "asks-" (run_id) "-" (asking.step.at()) } {
            td { a href={ "/runs/" (run) } { (text(&asking.question)) } }
            td { (text(step)) @if asking.remedy { " (its remedy)" } }
            td { (text(&asked.plan)) " " code .faint { (run_id) } }
            td {
                span title=(date_and_clock(asking.since, model.zone)) { (so_far(model.now.saturating_sub(asking.since))) }
                @if let Some((at, yes)) = asking.until {
                    br; span .faint { (if yes { "yes" } else { "no" }) " by itself at " (clock(at, model.zone)) }
                }
                @if asked.interrupted {
                    br; span .faint { "its engine is gone: an answer counts when it goes on" }
                }
            }
            td { @if model.control { (control::answers(run_id, step)) } }
        }
    }
}
