//! Runs of orchestrations: who took part, in which round, with what verdict and at what
//! cost, and what they have told each other.
//!
//! What is unpriced is called so, and never nothing.

use maud::{Markup, html};
use serde_json::Value;

use super::{Live, Page, Section, encoded, state, text};
use crate::plan::agent::Entry;
use crate::view::time::took;

/// What the page shows.
pub struct Model<'a> {
    pub shown: &'a [Shown],
    /// It is of one run only.
    pub alone: bool,
    /// Where the next page begins, if there is one.
    pub next: Option<i64>,
}

/// A run.
pub struct Shown {
    pub run_id: String,
    /// See [`crate::view::orchestration::record`].
    pub record: Value,
    /// What the agents have put out, in the plan's order.
    pub entries: Vec<Entry>,
    pub interrupted: bool,
}

/// So many agents, and so many things of the context, are shown of a run.
const MOST: usize = 100;

/// No value of the context is shown longer, in characters.
const LONGEST: usize = 400;

pub fn page(model: &Model<'_>) -> Page {
    Page {
        title: "Agents".into(),
        section: Section::Agents,
        live: match (model.alone, model.shown.first()) {
            (true, Some(shown)) => Live::Run(shown.run_id.clone()),
            _ => Live::All,
        },
        body: html! {
            h1 { "Agents" }
            @if model.shown.is_empty() { p .empty { "No orchestration has run." } }
            @for shown in model.shown { (run(shown, model.alone)) }
            @if let Some(next) = model.next { p { a rel="next" href={ "/agents?before=" (next) } { "Older runs" } } }
        },
    }
}

fn run(shown: &Shown, alone: bool) -> Markup {
    let record = &shown.record;
    let word = match shown.interrupted {
        true => "interrupted",
        false => said(record, "status"),
    };
    let agents = record["agents"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    html! {
        section id={ "run-" (shown.run_id) } {
            h2 { (text(said(record, "orchestration"))) " " (state(word)) }
            p .facts {
                a href={ "/runs/" (encoded(&shown.run_id)) } { code { (shown.run_id) } }
                @if !alone { ", " a href={ "/agents?run=" (encoded(&shown.run_id)) } { "its context" } }
                @for (name, key) in [("goal", "goal"), ("task", "task")] {
                    @if !said(record, key).is_empty() { ", " (name) ": " (text(said(record, key))) }
                }
            }
            @if let Some(why) = record["reason"].as_str() { p { (text(why)) } }
            p { "Together: " (used(&record["usage"])) }
            div .scroll tabindex="0" role="region" aria-label={ "Agents of " (shown.run_id) } {
                table {
                    thead { tr {
                        th { "Agent" } th { "Round" } th { "State" } th { "Verdict" } th .number { "Attempts" }
                        th .number { "Took" } th { "Used" } th { "Error" }
                    } }
                    tbody { @for one in agents.iter().take(MOST) { (agent(&shown.run_id, one)) } }
                }
            }
            @if agents.len() > MOST { p .faint { (agents.len() - MOST) " more steps are on the run's own page." } }
            @if alone { h3 { "Context" } (context(shown)) }
        }
    }
}

fn agent(run_id: &str, one: &Value) -> Markup {
    let step = said(one, "step");
    let number = |key: &str| one[key].as_u64();
    html! {
        tr {
            th scope="row" { a href={ "/runs/" (encoded(run_id)) "/step?step=" (encoded(step)) } { (text(said(one, "name"))) } }
            td { @if let Some(round) = round(step) { (round) } }
            td { (state(said(one, "status"))) }
            td {
                @match said(one, "verdict") {
                    "approved" => span .verdict data-state="succeeded" { "✓ approved" },
                    "rejected" => span .verdict data-state="failed" { "✗ rejected" },
                    _ => {}
                }
            }
            td .number { @if let Some(attempts) = number("attempts") { (attempts) } }
            td .number { @if let Some(ms) = number("duration_ms") { (took(ms)) } }
            td { (used(&one["usage"])) }
            td { (text(said(one, "error"))) (text(said(one, "skipped_because"))) }
        }
    }
}

/// `2/r1/ReviewerAgent` is of round 1.
fn round(step: &str) -> Option<u32> {
    let parts = step.split('/').filter_map(|part| part.strip_prefix('r'));
    parts.filter_map(|number| number.parse().ok()).next()
}

/// What was used, if that is known.
fn used(usage: &Value) -> Markup {
    let number = |key: &str| usage[key].as_u64().unwrap_or(0);
    html! {
        @if usage.is_object() {
            (number("turns")) " turns, " (number("input_tokens")) " tokens read, "
            (number("output_tokens")) " written, "
            @match usage["cost"].as_f64() {
                Some(cost) => strong { (format!("{cost:.4}")) },
                None => em { "unpriced" },
            }
        } @else { span .faint { "not told" } }
    }
}

/// What the agents have said, each thing with who said it last.
fn context(shown: &Shown) -> Markup {
    let Some(context) = shown.record["context"].as_object() else {
        return html! {};
    };
    html! {
        table {
            thead { tr { th { "What" } th { "Value" } th { "From" } } }
            tbody {
                @for (key, value) in context.iter().filter(|(_, value)| !value.is_null()).take(MOST) {
                    tr {
                        th scope="row" { (text(key)) }
                        td .value { (text(&shortened(value))) }
                        td {
                            @match source(&shown.entries, key) {
                                None => span .faint { "what was asked for" },
                                Some(entry) => {
                                    a href={ "/runs/" (encoded(&shown.run_id)) "/step?step=" (encoded(&entry.step)) } { (text(&entry.agent)) }
                                    " " span .faint { "attempt " (entry.attempt) ", " (text(&entry.ended_at)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The last entry that says something of it.
fn source<'e>(entries: &'e [Entry], key: &str) -> Option<&'e Entry> {
    entries
        .iter()
        .rev()
        .find(|entry| entry.result.get(key).is_some())
}

fn shortened(value: &Value) -> String {
    let whole = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match whole.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

fn said<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(agent: &str, result: Value) -> Entry {
        Entry {
            agent: agent.into(),
            step: format!("1/r1/{agent}"),
            attempt: 1,
            started_at: String::new(),
            ended_at: "2026-11-20T12:00:00Z".into(),
            result,
            verdict: None,
            error: None,
            usage: None,
            work: None,
            commit: None,
        }
    }

    #[test]
    fn what_is_unpriced_is_never_nothing_and_everything_has_a_source() {
        let shown = Shown {
            run_id: "one".into(),
            record: json!({
                "orchestration": "port", "status": "running", "goal": "more",
                "usage": { "turns": 3, "input_tokens": 10, "output_tokens": 2, "cost": "unpriced" },
                "agents": [{ "name": "B", "step": "1/r2/B", "status": "succeeded", "verdict": "rejected",
                    "attempts": 1, "usage": { "turns": 1, "cost": 0.5 } }],
                "context": { "goal": "more", "plan": ["<x>"] },
            }),
            entries: vec![
                entry("A", json!({ "plan": [] })),
                entry("B", json!({ "plan": ["<x>"] })),
            ],
            interrupted: false,
        };
        let page = page(&Model {
            shown: &[shown],
            alone: true,
            next: None,
        });
        let body = page.body.into_string();
        for part in [
            "<em>unpriced</em>",
            "<strong>0.5000</strong>",
            "<td>2</td>",
            "✗ rejected",
            "&lt;x&gt;",
            ">B</a> <span class=\"faint\">attempt 1",
            "what was asked for",
        ] {
            assert!(body.contains(part), "{part}: {body}");
        }
    }
}
