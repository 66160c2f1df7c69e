//! Checks, project by project: how each stands by what is remembered, for how long that
//! counts, what made it stale, and what would mend it.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{Live, Page, Section, encoded, text};
use crate::plan::Plan;
use crate::run::Millis;
use crate::view::checks::name;
use crate::view::command::of_command;
use crate::view::time::{date_and_clock, so_far};
use crate::view::validated::{Standing, Validated};

/// What the page shows.
pub struct Model<'a> {
    pub projects: &'a [Project],
    pub now: Millis,
    pub zone: &'a TimeZone,
    /// Whether anything may be changed from the page.
    pub control: bool,
}

/// A plan in a project, and what is remembered of its steps.
pub struct Project {
    /// An absolute directory.
    pub root: String,
    pub plan_id: String,
    pub at: Millis,
    /// Its last run, if that is still recorded; without it only times are known.
    pub last: Option<Last>,
}

/// The last run of a plan.
pub struct Last {
    pub run_id: String,
    pub plan: std::sync::Arc<Plan>,
    pub steps: Vec<Validated>,
    /// It is a file of checks, of which each can be run by itself.
    pub is_checks: bool,
}

/// So many steps of a project are shown.
const MOST: usize = 100;

pub fn page(model: &Model<'_>) -> Page {
    Page {
        title: "Checks".into(),
        section: Section::Checks,
        live: Live::All,
        body: html! {
            h1 { "Checks" }
            p .faint { "By what is remembered and how they ended last. Files are looked at when a check's turn comes: one that is valid here still runs where something that it reads has changed." }
            @if model.projects.is_empty() {
                p .empty { "Nothing is remembered of any check. " code { "quintet check" } " runs those of a project." }
            }
            @for project in model.projects { (section(project, model)) }
        },
    }
}

fn section(project: &Project, model: &Model<'_>) -> Markup {
    html! {
        section {
            h2 { (text(&project.plan_id)) }
            p .facts {
                (if project.root.is_empty() { "in no project".into() } else { text(&project.root) })
                ", last " (date_and_clock(project.at, model.zone))
                @if let Some(last) = &project.last {
                    ", run " a href={ "/runs/" (encoded(&last.run_id)) } { (last.run_id) }
                }
            }
            @match &project.last {
                None => p .faint { "No run of it is recorded any more." },
                Some(last) => {
                    table data-rows {
                        thead { tr { th { "Check" } th { "State" } th .number { "Age" } th { "Counts for" } th { "Ran last because" } th { "Remedy" } } }
                        tbody { @for step in last.steps.iter().take(MOST) { (row(project, last, step, model)) } }
                    }
                    @if last.steps.len() > MOST { p .faint { (last.steps.len() - MOST) " more." } }
                }
            }
        }
    }
}

fn row(project: &Project, last: &Last, one: &Validated, model: &Model<'_>) -> Markup {
    let id = &*last.plan[one.step].id;
    let (look, left) = match &one.standing {
        Standing::Valid { left_ms: Some(ms) } => ("succeeded", format!("{} more", so_far(*ms))),
        Standing::Valid { left_ms: None } => ("succeeded", "until something changes".into()),
        Standing::Expired { since_ms } => {
            ("canceled", format!("no more since {}", so_far(*since_ms)))
        }
        Standing::Failed { .. } => ("failed", String::new()),
        Standing::Doubtful | Standing::Unknown => ("pending", String::new()),
        Standing::EveryTime { word } => (*word, "runs every time".into()),
    };
    html! {
        tr {
            td { a href={ "/runs/" (encoded(&last.run_id)) "/step?step=" (encoded(id)) } { (text(name(&last.plan, one.step))) } }
            td {
                span .state data-state=(look) { (one.standing.word()) }
                @if let Standing::Failed { exit } = &one.standing { " " (text(exit)) }
            }
            td .number { @if let Some(ms) = one.age_ms { (so_far(ms)) } }
            td { (left) }
            td { @if let Some(why) = &one.stale_because { (text(why)) } }
            td { (remedy(project, last, one, model)) }
        }
    }
}

/// What would mend it, and the way to a preview of that.
fn remedy(project: &Project, last: &Last, one: &Validated, model: &Model<'_>) -> Markup {
    let step = &last.plan[one.step];
    let Some(remedy) = step.remedy.as_deref() else {
        return html! { span .faint { "none" } };
    };
    html! {
        details {
            summary { "show" }
            code { (of_command(&remedy.command)) }
            @if let Some(question) = &remedy.confirm { p { "asks first: " (text(question)) } }
        }
        @if model.control && last.is_checks && !matches!(one.standing, Standing::Valid { .. }) {
            a href={ "/start/check?project=" (encoded(&project.root)) "&plan=" (encoded(&project.plan_id)) "&step=" (encoded(&step.id)) } {
                "Check and remedy…"
            }
        }
    }
}
