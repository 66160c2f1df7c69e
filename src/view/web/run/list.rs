//! The steps of a run: in their groups, or those of them that were asked for.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::scope::Show;
use super::{Model, Pages, Scope};
use crate::plan::{Action, StepIx};
use crate::view::graph::gather::layers;
use crate::view::groups::{Groups, Open, What};
use crate::view::phases::together;
use crate::view::status::attempts;
use crate::view::time::took;
use crate::view::web::{encoded, state, text};
use crate::view::words;

/// On one page.
const MOST_ROWS: usize = 200;

pub fn body(model: &Model<'_>) -> Markup {
    let plan = model.subject.run.plan();
    let groups = Groups::of(plan);
    let asked = asked_for(model, &groups);
    let open = model.scope.groups(plan.steps.len() <= MOST_ROWS);
    let rows: Vec<Row<'_>> = match &asked {
        // What was asked for may be anywhere: groups would only hide it.
        Some(steps) => {
            let stands = |ix: &StepIx| is_so(model, *ix);
            let shown = steps.iter().copied().filter(stands);
            shown.map(|ix| Row::Step(ix, 0)).collect()
        }
        None => in_groups(model, &groups, &open),
    };
    let pages = Pages::of(rows.len(), MOST_ROWS, model.scope.page);
    let shown = &rows[pages.range()];
    html! {
        (filter(model, &groups))
        @if shown.is_empty() {
            p .empty { "No step fits." }
        } @else {
            (table(model, &groups, shown))
            (pages.links(model, "list", "row"))
        }
    }
}

#[derive(Clone, Copy)]
enum Row<'a> {
    /// An entry of the groups, and whether it is open.
    Group(usize, &'a str, bool),
    Step(StepIx, usize),
}

fn in_groups<'a>(model: &Model<'_>, groups: &Groups<'a>, open: &Open<'_>) -> Vec<Row<'a>> {
    let plan = model.subject.run.plan();
    let mut rows = Vec::new();
    for at in groups.visible(open) {
        let entry = &groups.entries[at];
        match entry.what {
            What::Group(group) => rows.push(Row::Group(at, group, open.is_open(group))),
            What::Step(ix) => {
                // A phase's row says how its meeting point stands.
                let above = at.checked_sub(1).map(|above| groups.entries[above].what);
                let is_meeting =
                    plan[ix].action == Action::Group && above == Some(What::Group(&plan[ix].id));
                if !is_meeting {
                    rows.push(Row::Step(ix, entry.depth));
                }
            }
        }
    }
    rows
}

/// The steps that were asked for, but for how they stand; `None` for all.
fn asked_for(model: &Model<'_>, groups: &Groups<'_>) -> Option<Vec<StepIx>> {
    let scope = model.scope;
    let any = Scope {
        show: scope.show,
        q: scope.q.clone(),
        first: scope.first,
        last: scope.last,
        within: scope.within.clone(),
        ..Scope::default()
    };
    (any != Scope::default()).then(|| fitting(model, groups))
}

fn fitting(model: &Model<'_>, groups: &Groups<'_>) -> Vec<StepIx> {
    let (plan, scope) = (model.subject.run.plan(), model.scope);
    let wanted = scope.q.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&wanted);
    let within: Option<BTreeSet<StepIx>> = scope.within.as_ref().map(|within| {
        let is_it = |at: &usize| groups.entries[*at].what == What::Group(within.as_str());
        let found = (0..groups.entries.len()).find(is_it);
        found.into_iter().flat_map(|at| groups.steps(at)).collect()
    });
    let layers = match (scope.first, scope.last) {
        (None, None) => Vec::new(),
        _ => layers(plan),
    };
    let range = scope.first.unwrap_or(0)..=scope.last.unwrap_or(usize::MAX);
    let all = groups.entries.iter().filter_map(|entry| match entry.what {
        What::Step(ix) => Some(ix),
        What::Group(_) => None,
    });
    all.filter(|ix| has(&plan[*ix].id) || plan[*ix].name.as_deref().is_some_and(has))
        .filter(|ix| within.as_ref().is_none_or(|within| within.contains(ix)))
        .filter(|ix| {
            layers
                .get(ix.at())
                .is_none_or(|layer| range.contains(layer))
        })
        .collect()
}

fn is_so(model: &Model<'_>, ix: StepIx) -> bool {
    let word = model.subject.run.step(ix).word();
    model.scope.show.is_none_or(|show| show.word() == word)
}

fn filter(model: &Model<'_>, groups: &Groups<'_>) -> Markup {
    let (run, scope) = (model.subject.run, model.scope);
    let steps = fitting(model, groups);
    let number = |show: Show| {
        let so = steps
            .iter()
            .filter(|ix| run.step(**ix).word() == show.word());
        so.count()
    };
    let address = |show: Option<Show>| {
        let scope = Scope {
            show,
            page: 0,
            ..scope.clone()
        };
        scope.address(model.subject.run_id, "list")
    };
    let layers = scope
        .first
        .zip(scope.last)
        .map(|(first, last)| match first == last {
            true => format!("layer {first} of the graph"),
            false => format!("layers {first} to {last} of the graph"),
        });
    html! {
        form .filter method="get" action={ "/runs/" (encoded(model.subject.run_id)) } role="search" {
            input type="hidden" name="tab" value="list";
            @if let Some(at) = scope.at { input type="hidden" name="at" value=(at); }
            @if let Some(show) = scope.show { input type="hidden" name="show" value=(show.word()); }
            label { "Step " input type="search" name="q" value=(scope.q) data-search; }
            button type="submit" { "Show" }
        }
        nav .tools aria-label="Steps by state" {
            a href=(address(None)) aria-current=[scope.show.is_none().then_some("true")] { "all " (steps.len()) }
            @for show in Show::ALL {
                @let n = number(show);
                @if n > 0 || scope.show == Some(show) {
                    " " a href=(address(Some(show))) aria-current=[(scope.show == Some(show)).then_some("true")] {
                        (words::sign(show.word())) " " (show.word()) " " (n)
                    }
                }
            }
            @if let Some(layers) = layers {
                span { "only " (layers) @if let Some(within) = &scope.within { " in " (text(within)) } }
                a href=(scope.everything().address(model.subject.run_id, "list")) { "All steps" }
            }
        }
    }
}

fn table(model: &Model<'_>, groups: &Groups<'_>, rows: &[Row<'_>]) -> Markup {
    html! {
        table data-rows .steps {
            thead { tr {
                th { "Step" } th { "State" } th .number { "Attempts" } th .number { "Took" } th { "Note" }
            } }
            tbody {
                @for row in rows {
                    @match row {
                        Row::Step(ix, depth) => (step(model, *ix, *depth)),
                        Row::Group(at, group, open) => (heading(model, groups, *at, group, *open)),
                    }
                }
            }
        }
    }
}

fn step(model: &Model<'_>, ix: StepIx, depth: usize) -> Markup {
    let (run, now) = (model.subject.run, model.subject.now);
    let step = &run.plan()[ix];
    html! {
        tr id={ "step-" (ix.at()) } {
            td data-depth=(depth) { a href=(model.step(ix)) { (text(&step.id)) } }
            td { (state(run.step(ix).word())) }
            td .number { (attempts(run, ix)) }
            td .number { (words::duration(run, ix, now)) }
            td { (text(&words::note(run, ix, now))) }
        }
    }
}

fn heading(model: &Model<'_>, groups: &Groups<'_>, at: usize, group: &str, open: bool) -> Markup {
    let steps: Vec<StepIx> = groups.steps(at).collect();
    let all = together(model.subject, group, &steps);
    let parts = all.parts.iter().map(|(n, word)| format!("{n} {word}"));
    let address = model
        .scope
        .turned(group, open)
        .address(model.subject.run_id, "list");
    html! {
        tr .heading id={ "group-" (at) } {
            th scope="rowgroup" data-depth=(groups.entries[at].depth) {
                a href=(address) aria-expanded=(open) {
                    (if open { "▾ " } else { "▸ " }) (text(group))
                }
            }
            td { (state(all.word)) }
            td .number {}
            td .number { @if let Some(ms) = all.took { (took(ms)) } }
            td { (parts.collect::<Vec<_>>().join(", ")) }
        }
    }
}
