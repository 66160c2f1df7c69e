//! The runs, newest first: what is running, and what happened.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{Live, Page, Section, encoded, spark, state, text};
use crate::run::Millis;
use crate::store::{Recent, RunRow, StoredState};
use crate::view::runs::Listed;
use crate::view::time::{date_and_clock, so_far, took};

/// What the page shows.
pub struct Model<'a> {
    pub runs: &'a [Listed],
    /// The last runs of each plan on the page, by its id.
    pub recent: &'a BTreeMap<String, Vec<Recent>>,
    pub asked: Asked<'a>,
    /// Where the next page begins, if there is one.
    pub next: Option<i64>,
    pub now: Millis,
    pub zone: &'a TimeZone,
}

/// Which runs were asked for; what is empty asks for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub name: &'a str,
    pub state: &'a str,
    pub tag: &'a str,
    /// As it was written.
    pub since: &'a str,
    pub until: &'a str,
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
                form method="get" action="/compare" {
                    p .right { button type="submit" { "Compare A with B" } }
                    table data-rows {
                        thead { tr {
                            th { "State" } th { "Plan" } th { "Run" } th { "Started" } th .number { "Took" }
                            th { "Lately" } th { "Compare" }
                        } }
                        tbody { @for run in model.runs { (row(run, model)) } }
                    }
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
                        option value=(state.word()) selected[asked.state == state.word()] {
                            (state.word())
                        }
                    }
                }
            }
            label { "Tag " input type="text" name="tag" value=(asked.tag) size="10"; }
            label { "Since " input type="datetime-local" name="since" value=(asked.since); }
            label { "Until " input type="datetime-local" name="until" value=(asked.until); }
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
            (lately(row, model))
            td .choice {
                @for side in ["a", "b"] {
                    label { input type="radio" name=(side) value=(row.run_id)
                        aria-label={ (side.to_uppercase()) ": " (row.run_id) }; (side.to_uppercase()) " " }
                }
            }
        }
    }
}

fn lately(row: &RunRow, model: &Model<'_>) -> Markup {
    let recent = model.recent.get(&row.plan_id).map(Vec::as_slice);
    html! {
            td {
                a .lately href={ "/definitions?plan=" (encoded(&row.plan_id)) } aria-label={ "All of " (text(&row.plan_id)) } {
                    (spark::bars(recent.unwrap_or_default())) "all"
                }
            }
    }
}

/// The next page of the same.
fn older(asked: Asked<'_>, before: i64) -> String {
    let fields = [
        ("name", asked.name),
        ("state", asked.state),
        ("tag", asked.tag),
        ("since", asked.since),
        ("until", asked.until),
    ];
    let said = fields.iter().filter(|(_, value)| !value.is_empty());
    let said: String = said
        .map(|(field, value)| format!("{field}={}&", encoded(value)))
        .collect();
    format!("/?{said}before={before}")
}
