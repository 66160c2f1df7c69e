//! The graph of a run: what waits for what, and how each stands.

use maud::{Markup, html};

use super::{Model, Scope};
use crate::plan::Action;
use crate::view::graph::gather::{self, MOST_NODES, Node, Shows};
use crate::view::graph::svg::{Said, Zoom, of_step, picture};
use crate::view::graph::{Drawing, critical};
use crate::view::groups::{Groups, Open, What};
use crate::view::phases::{Together, together};
use crate::view::time::took;
use crate::view::web::text;
use crate::view::words::{self, counted};

/// As large as pictures are offered, in percent; 0 is as large as there is room.
const ZOOMS: [u16; 7] = [0, 25, 50, 75, 100, 150, 200];

pub fn body(model: &Model<'_>) -> Markup {
    let run = model.subject.run;
    let plan = run.plan();
    let groups = Groups::of(plan);
    let open = model.scope.groups(plan.steps.len() <= MOST_NODES);
    let mut path = critical::path(run);
    if path.is_empty() {
        path.clone_from(&model.expected_path);
    }
    let gathered = gather::some(plan, &groups, &open, &path);
    let zoom = match model.scope.zoom {
        Some(0) => Zoom::Fit,
        percent => Zoom::Percent(percent.unwrap_or(100).clamp(10, 400)),
    };
    let shown = match gathered.nodes.len() == plan.steps.len() {
        true => counted(plan.steps.len(), "step"),
        false => format!(
            "{} in {}",
            counted(plan.steps.len(), "step"),
            counted(gathered.nodes.len(), "node")
        ),
    };
    let label = format!("The graph of {shown}, from left to right");
    html! {
        (tools(model, &groups, &open))
        div .scroll .picture tabindex="0" role="region" aria-label="The graph; it can be scrolled" {
            (picture(&gathered, &label, zoom, |node| said(model, node)))
        }
        (legend(&shown))
    }
}

fn tools(model: &Model<'_>, groups: &Groups<'_>, open: &Open<'_>) -> Markup {
    let run_id = model.subject.run_id;
    let now = model.scope.zoom.unwrap_or(100);
    let address = |scope: Scope| scope.address(run_id, "graph");
    let opened: Vec<&str> = groups
        .visible(open)
        .filter_map(|at| match groups.entries[at].what {
            What::Group(group) if open.is_open(group) => Some(group),
            _ => None,
        })
        .collect();
    html! {
        nav .tools aria-label="The picture" {
            span { "Size"
                @for zoom in ZOOMS {
                    " " a href=(address(Scope { zoom: Some(zoom), ..model.scope.clone() }))
                        aria-current=[(zoom == now).then_some("true")] {
                        @match zoom { 0 => "fit", _ => { (zoom) " %" } }
                    }
                }
            }
            span { a href=(model.scope.address(run_id, "list")) { "As a list" } }
        }
        @if !opened.is_empty() {
            details .tools {
                summary { (counted(opened.len(), "open group")) }
                @for group in opened.iter().take(MOST_NODES) {
                    a href=(address(model.scope.turned(group, true))) { "Close " (text(group)) } " "
                }
            }
        }
    }
}

fn legend(shown: &str) -> Markup {
    let words = [
        "succeeded",
        "failed",
        "running",
        "pending",
        "skipped",
        "canceled",
    ];
    html! {
        p .legend {
            (shown) ". "
            @for word in words { span data-state=(word) { (words::sign(word)) " " (word) } " " }
            "── needs, ┄┄ only order or on failure, ◆ on the critical path: the chain of steps \
             that the end came from."
        }
    }
}

fn said(model: &Model<'_>, node: &Node<'_>) -> Said {
    let run_id = model.subject.run_id;
    match node.shows {
        Shows::Step(ix) => {
            let run = model.subject.run;
            let drawing = Drawing {
                plan: run.plan(),
                run: Some(run),
            };
            let said = of_step(drawing, ix);
            let duration = words::duration(run, ix, model.subject.now);
            let note = text(&words::note(run, ix, model.subject.now));
            let also = |more: &str, with: &str| match more.is_empty() {
                true => String::new(),
                false => format!("{with}{more}"),
            };
            let is_meeting = run.plan()[ix].action == Action::Group;
            Said {
                below: format!(
                    "{}{}{}",
                    said.below,
                    also(&duration, " "),
                    if is_meeting { " (meeting point)" } else { "" }
                ),
                title: format!(
                    "{}{}{}",
                    said.title,
                    also(&duration, ", "),
                    also(&note, ": ")
                ),
                address: Some(model.step(ix)),
                ..said
            }
        }
        Shows::Group(group) => several(
            format!("{}/", text(group)),
            "opens it",
            model.scope.turned(group, false).address(run_id, "graph"),
            together(model.subject, group, &node.steps),
        ),
        Shows::Layers {
            first,
            last,
            within,
        } => {
            let filtered = Scope {
                first: Some(first),
                last: Some(last),
                within: within.map(str::to_owned),
                ..model.scope.everything()
            };
            several(
                counted(node.steps.len(), "step"),
                "lists them",
                filtered.address(run_id, "list"),
                together(model.subject, "", &node.steps),
            )
        }
        Shows::Groups(number) => several(
            counted(number, "group"),
            "lists them",
            model.scope.everything().address(run_id, "list"),
            together(model.subject, "", &node.steps),
        ),
    }
}

/// A node that stands for several steps.
fn several(label: String, does: &str, address: String, all: Together) -> Said {
    let told: Vec<String> = all
        .parts
        .iter()
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    let after = all
        .took
        .map_or_else(String::new, |ms| format!(" in {}", took(ms)));
    Said {
        title: format!("{label}: {}{after} ({does})", told.join(", ")),
        below: match &told[..] {
            [only] => only.clone(),
            [first, rest @ ..] if rest.len() == 1 => format!("{first}, {}", rest[0]),
            _ => format!("{}, {} kinds", counted_all(&all), told.len()),
        },
        label,
        word: Some(all.word),
        parts: all.parts,
        address: Some(address),
    }
}

fn counted_all(all: &Together) -> String {
    let number: usize = all.parts.iter().map(|(n, _)| n).sum();
    counted(number, "step")
}
