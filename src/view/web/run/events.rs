//! What happened in the run, each thing with its reason.

use maud::{Markup, html};

use super::{Model, Order};
use crate::plan::StepIx;
use crate::run::{Event, Kind, Seq};
use crate::view::events::about;
use crate::view::events::{concerns, detail};
use crate::view::time::clock;
use crate::view::web::text;

/// So many are shown at once.
const PAGE: usize = 200;

pub fn body(model: &Model<'_>) -> Markup {
    let asked = model.asked;
    let id = asked.step.as_deref().unwrap_or_default();
    let step = model.subject.run.find(id);
    let kind = asked.kind.as_deref().unwrap_or_default();
    let (events, next) = page(model, step);
    html! {
        (filter(model))
        @if !id.is_empty() && step.is_none() {
            p .empty { "The run has no step " code { (text(id)) } "." }
        } @else if events.is_empty() {
            p .empty { "Nothing has happened that fits." }
        } @else {
            (table(model, &events))
        }
        @if let Some(next) = next {
            @let from = next.to_string();
            @let older = [("step", id), ("kind", kind), ("order", asked.order.word()), ("from", &from)];
            p { a rel="next" href=(model.address("events", &older)) {
                (match asked.order { Order::Newest => "Older events", Order::Oldest => "Newer events" })
            } }
        }
    }
}

/// The events to show, and the one that the next page begins with.
fn page<'a>(model: &Model<'a>, step: Option<StepIx>) -> (Vec<&'a Event>, Option<Seq>) {
    let asked = model.asked;
    let plan = model.subject.run.plan();
    let is_any = asked.step.as_deref().unwrap_or_default().is_empty();
    let fits = |event: &&Event| {
        let of_step = is_any || step.is_some_and(|ix| concerns(event, ix, plan));
        let kind = asked.kind.as_deref().unwrap_or_default();
        of_step && (kind.is_empty() || event.kind.name() == kind)
    };
    let events = model.events;
    let mut page: Vec<&Event> = match asked.order {
        Order::Newest => {
            let until = asked.from.unwrap_or(Seq::MAX);
            let until = events.partition_point(|event| event.seq <= until);
            events[..until]
                .iter()
                .rev()
                .filter(fits)
                .take(PAGE + 1)
                .collect()
        }
        Order::Oldest => {
            let from = asked.from.unwrap_or(0);
            let from = events.partition_point(|event| event.seq < from);
            events[from..].iter().filter(fits).take(PAGE + 1).collect()
        }
    };
    let next = page.get(PAGE).map(|event| event.seq);
    page.truncate(PAGE);
    (page, next)
}

fn filter(model: &Model<'_>) -> Markup {
    let asked = model.asked;
    let run = model.path();
    html! {
        form .filter method="get" action=(run) role="search" {
            input type="hidden" name="tab" value="events";
            @if let Some(at) = model.at() { input type="hidden" name="at" value=(at); }
            label { "Step "
                input type="search" name="step" value=(asked.step.as_deref().unwrap_or_default()) data-search;
            }
            label { "Kind "
                select name="kind" {
                    option value="" { "any" }
                    @for name in Kind::NAMES {
                        option value=(name) selected[asked.kind.as_deref() == Some(name)] { (name) }
                    }
                }
            }
            label { "Order "
                select name="order" {
                    @for (order, name) in [(Order::Newest, "newest first"), (Order::Oldest, "oldest first")] {
                        option value=(order.word()) selected[asked.order == order] { (name) }
                    }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

fn table(model: &Model<'_>, events: &[&Event]) -> Markup {
    let plan = model.subject.run.plan();
    html! {
        table .events data-rows {
            thead { tr {
                th .number { "Event" } th { "Time" } th { "Kind" } th { "Step" } th { "What, and why" }
            } }
            tbody { @for event in events {
                tr id={ "event-" (event.seq) } {
                    td .number {
                        a href=(model.at_event(event.seq)) title="The run as it stood then" { (event.seq) }
                    }
                    td { (clock(event.at, model.zone)) }
                    td { (event.kind.name()) }
                    td { @if let Some(ix) = about(&event.kind) {
                        a href=(model.step(ix)) { (text(&plan[ix].id)) }
                    } }
                    td { (text(&detail(&event.kind, model.zone))) }
                }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, Story, exited};
    use crate::view::web::run::testing::shown;
    use crate::view::web::run::{Asked, Tab};

    fn story(steps: usize) -> Story {
        let steps: Vec<String> = (0..steps).map(|n| format!("step-{n}")).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        Story::of(testing::plan(&steps), |_, _| (exited(0), 10))
    }

    fn rows(page: &str) -> usize {
        page.matches("<tr id=\"event-").count()
    }

    #[test]
    fn events_are_told_newest_first_a_page_at_a_time() {
        let story = story(100);
        let asked = Asked::default();
        let page = shown(&story, Tab::Events, &asked);
        assert_eq!(rows(&page), PAGE);
        let last = story.events.len();
        assert!(page.contains(&format!("id=\"event-{last}\"")));
        let from = last - PAGE;
        assert!(
            page.contains(&format!("from={from}\">Older events")),
            "{page}"
        );
        let asked = Asked {
            from: Some(from as u64),
            ..asked
        };
        let page = shown(&story, Tab::Events, &asked);
        assert!(page.contains(&format!("id=\"event-{from}\"")));
        assert_eq!(rows(&page), from.min(PAGE));
    }

    #[test]
    fn events_are_found_by_step_and_kind() {
        let story = story(3);
        let asked = Asked {
            step: Some("step-1".into()),
            kind: Some("step_finished".into()),
            order: Order::Oldest,
            ..Asked::default()
        };
        let page = shown(&story, Tab::Events, &asked);
        assert_eq!(rows(&page), 1);
        assert!(
            page.contains("attempt 1 ended: exit 0 after 10ms"),
            "{page}"
        );
        let nobody = Asked {
            step: Some("<ghost>".into()),
            ..Asked::default()
        };
        let page = shown(&story, Tab::Events, &nobody);
        assert!(
            page.contains("has no step <code>&lt;ghost&gt;</code>"),
            "{page}"
        );
    }
}
