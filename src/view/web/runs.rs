//! The runs, newest first: what is running, and what happened.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{Live, Page, Section, encoded, state, text};
use crate::run::Millis;
use crate::store::StoredState;
use crate::view::runs::Listed;
use crate::view::time::{date_and_clock, so_far, took};

/// What the page shows.
pub struct Model<'a> {
    pub runs: &'a [Listed],
    pub asked: Asked<'a>,
    /// Where the next page begins, if there is one.
    pub next: Option<i64>,
    pub now: Millis,
    pub zone: &'a TimeZone,
}

/// Which runs were asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Empty for all.
    pub name: &'a str,
    pub state: Option<&'a str>,
}

pub fn page(model: &Model<'_>) -> Page {
    Page {
        title: "Runs".into(),
        section: Section::Runs,
        live: Live::All,
        body: html! {
            h1 { "Runs" }
            (filter(model.asked))
            @if model.runs.is_empty() {
                p .empty { "No run has been recorded that fits." }
            } @else {
                table data-rows {
                    thead { tr {
                        th { "State" } th { "Plan" } th { "Run" } th { "Started" } th .number { "Took" }
                    } }
                    tbody { @for run in model.runs { (row(run, model)) } }
                }
            }
            @if let Some(next) = model.next {
                p { a rel="next" href=(older(model.asked, next)) { "Older runs" } }
            }
        },
    }
}

fn filter(asked: Asked<'_>) -> Markup {
    html! {
        form .filter method="get" action="/" role="search" {
            label { "Plan " input type="search" name="name" value=(asked.name) data-search; }
            label { "State "
                select name="state" {
                    option value="" { "any" }
                    @for state in StoredState::ALL {
                        option value=(state.word()) selected[asked.state == Some(state.word())] {
                            (state.word())
                        }
                    }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

fn row(run: &Listed, model: &Model<'_>) -> Markup {
    let row = &run.row;
    let address = format!("/runs/{}", encoded(&row.run_id));
    let duration = run.duration_ms(model.now).map(|ms| match row.ended_at {
        Some(_) => took(ms).to_string(),
        None => so_far(ms).to_string(),
    });
    html! {
        tr id={ "run-" (row.run_id) } {
            td { (state(run.word())) }
            td { a href=(address) { (text(&row.name)) } }
            td { code { (row.run_id) } }
            td { (date_and_clock(row.started_at.unwrap_or(row.created_at), model.zone)) }
            td .number { (duration.unwrap_or_default()) }
        }
    }
}

fn older(asked: Asked<'_>, before: i64) -> String {
    let state = asked.state.unwrap_or_default();
    format!(
        "/?name={}&state={state}&before={before}",
        encoded(asked.name)
    )
}
