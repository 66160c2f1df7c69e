//! The plan as it was run: what is true of it as a whole, and every step with what it
//! does and the place that it came from.

use maud::{Markup, html};

use super::Model;
use crate::plan::{Plan, StepIx};
use crate::view::command::of_action;
use crate::view::escape::shortened;
use crate::view::web::{encoded, text};
use crate::view::words::{self, Ids};

/// So many steps are shown at once.
const PAGE: usize = 100;

/// A longer command is shown by its beginning; the step's own page has all of it.
const LONGEST: usize = 300;

pub fn body(model: &Model<'_>) -> Markup {
    let plan = model.subject.run.plan();
    let from = usize::try_from(model.asked.from.unwrap_or(0)).unwrap_or(usize::MAX);
    let from = from.min(plan.steps.len());
    let steps = plan.indices().skip(from).take(PAGE);
    let rest = plan.steps.len().saturating_sub(from + PAGE);
    html! {
        (about(model))
        table .plan data-rows {
            thead { tr { th { "Step" } th { "Does" } th { "Waits for" } th { "Written in" } } }
            tbody { @for ix in steps {
                tr id={ "plan-" (ix.at()) } {
                    td { a href=(model.step(ix)) { (text(&plan[ix].id)) } }
                    td {
                        code { (shortened(&text(&of_action(&plan[ix].action).to_string()), LONGEST)) }
                        @if plan[ix].absent.is_some() { p .faint { (words::absent(plan, ix)) } }
                    }
                    td { (text(&Ids(plan, &words::would_wait_for(plan, ix)).to_string())) }
                    td { (place(plan, ix)) }
                }
            } }
        }
        p {
            @if from > 0 {
                @let before = from.saturating_sub(PAGE).to_string();
                a rel="prev" href=(model.address("plan", &[("from", &before)])) { "Steps before" } " "
            }
            @if rest > 0 {
                @let next = (from + PAGE).to_string();
                a rel="next" href=(model.address("plan", &[("from", &next)])) { (rest) " more" }
            }
        }
    }
}

fn about(model: &Model<'_>) -> Markup {
    let plan = model.subject.run.plan();
    let deadline = plan
        .deadline
        .map(|limit| format!("{} s", limit.as_secs_f64()));
    let rows = [
        ("plan", plan.id.clone()),
        ("version", plan.version.clone()),
        ("description", plan.description.clone()),
        ("steps", plan.steps.len().to_string()),
        ("at once", plan.max_concurrency.to_string()),
        ("deadline", deadline.unwrap_or_default()),
        (
            "files",
            plan.files
                .iter()
                .take(20)
                .map(|file| &**file)
                .collect::<Vec<_>>()
                .join(", "),
        ),
    ];
    let run = encoded(model.subject.run_id);
    html! {
        dl .facts {
            @for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
                dt { (name) } dd { (text(value)) }
            }
            @for (name, value) in &plan.metadata {
                dt { (text(name)) }
                dd { (match value.as_str() { Some(value) => text(value), None => text(&value.to_string()) }) }
            }
            @for (name, value) in &plan.variables {
                dt { "$" (text(name)) } dd { (text(value)) }
            }
        }
        p { a href={ "/api/v1/runs/" (run) "/plan" } data-download={ (run) "-plan.json" } { "The plan as JSON" } }
    }
}

/// `plan.json:12:5`, as far as it is known.
pub fn place(plan: &Plan, ix: StepIx) -> Markup {
    let source = plan[ix].source;
    html! {
        @if let Some(file) = plan.files.get(source.file as usize) {
            code {
                (text(file))
                @if source.line > 0 { ":" (source.line) @if source.column > 0 { ":" (source.column) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::view::testing::{self, Story};
    use crate::view::web::run::testing::shown;
    use crate::view::web::run::{Asked, Tab};

    #[test]
    fn every_step_says_what_it_does_and_where_it_is_written() {
        let mut plan = testing::plan(&["a", "b: a"]);
        plan.metadata
            .insert("team".into(), serde_json::json!("<b>"));
        let page = shown(&Story::begin(plan), Tab::Plan, &Asked::default());
        for part in [
            "<code>echo b</code>",
            "test.json:2:1",
            "<dd>&lt;b&gt;</dd>",
            "/plan\"",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn a_large_plan_is_shown_in_pages() {
        let steps: Vec<String> = (0..250).map(|n| format!("s{n}")).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let story = Story::begin(testing::plan(&steps));
        let asked = Asked {
            from: Some(200),
            ..Asked::default()
        };
        let page = shown(&story, Tab::Plan, &asked);
        assert!(page.contains("id=\"plan-249\"") && !page.contains("id=\"plan-199\""));
        assert!(page.contains("from=100"), "{page}");
    }
}
