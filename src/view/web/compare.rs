//! Two runs side by side: how each step ended in both, how long it took, and what differs
//! in their plans.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{Live, Page, Section, encoded, state, text};
use crate::plan::{Plan, StepIx};
use crate::run::{Millis, RunState};
use crate::view::command::of_action;
use crate::view::status::Subject;
use crate::view::time::{date_and_clock, took};
use crate::view::words;

/// What the page shows.
pub struct Model<'a> {
    pub a: &'a Side,
    pub b: &'a Side,
    /// Also steps that are alike in both.
    pub all: bool,
    /// So many rows are left out.
    pub from: usize,
    pub now: Millis,
    pub zone: &'a TimeZone,
}

/// One of the runs.
pub struct Side {
    pub run_id: String,
    /// Its plan's content id.
    pub content_id: String,
    pub run: RunState,
    pub interrupted: bool,
}

/// So many rows are shown at once.
const MOST: usize = 200;

/// A duration has changed where it did by so many milliseconds and by a fifth.
const NOISE: u64 = 100;

/// A step of either run, or of both.
struct Pair<'a> {
    id: &'a str,
    a: Option<StepIx>,
    b: Option<StepIx>,
    /// What differs in the plans.
    plan: Vec<&'static str>,
}

pub fn page(model: &Model<'_>) -> Page {
    let pairs = pairs(model);
    let total = pairs.len();
    let shown: Vec<&Pair<'_>> = pairs
        .iter()
        .filter(|pair| model.all || differs(pair, model))
        .collect();
    let from = model.from.min(shown.len());
    let window = &shown[from..shown.len().min(from + MOST)];
    Page {
        title: "Two runs".into(),
        section: Section::Runs,
        live: Live::Never,
        body: html! {
            h1 { "Two runs side by side" }
            table .sides {
                thead { tr { td {} th { "Run" } th { "Plan" } th { "State" } th { "Started" } th .number { "Took" } } }
                tbody { (head("A", model.a, model)) (head("B", model.b, model)) }
            }
            p {
                @if model.a.content_id == model.b.content_id { "Both went by the same plan. " } @else { "They went by different plans. " }
                a href={ "/compare?a=" (encoded(&model.b.run_id)) "&b=" (encoded(&model.a.run_id)) "&all=" (model.all) } { "The other way round" }
            }
            h2 { @if model.all { "All steps" } @else { "Steps that differ" } }
            p .facts {
                (shown.len()) " of " (total) ". "
                a href=(address(model, !model.all, 0)) { @if model.all { "Only what differs" } @else { "All of them" } }
            }
            @if window.is_empty() { p .empty { "No step differs." } } @else {
                div .scroll tabindex="0" role="region" aria-label="Steps of both runs" {
                    table {
                        thead { tr { th { "Step" } th { "A" } th { "B" } th .number { "A took" } th .number { "B took" } th .number { "Change" } th { "In the plan" } } }
                        tbody { @for pair in window { (row(pair, model)) } }
                    }
                }
            }
            @if from + MOST < shown.len() { p { a rel="next" href=(address(model, model.all, from + MOST)) { "More steps" } } }
        },
    }
}

fn address(model: &Model<'_>, all: bool, from: usize) -> String {
    let (a, b) = (encoded(&model.a.run_id), encoded(&model.b.run_id));
    format!("/compare?a={a}&b={b}&all={all}&from={from}")
}

fn head(letter: &str, side: &Side, model: &Model<'_>) -> Markup {
    let subject = Subject {
        run_id: &side.run_id,
        run: &side.run,
        now: model.now,
        interrupted: side.interrupted,
    };
    html! {
        tr {
            th scope="row" { (letter) }
            td { a href={ "/runs/" (encoded(&side.run_id)) } { (side.run_id) } }
            td { (text(&side.run.plan().name)) }
            td { (state(subject.word())) }
            td { (date_and_clock(side.run.started_at(), model.zone)) }
            td .number { (took(subject.duration_ms())) }
        }
    }
}

/// Every step of either, in the order of B's plan, then what only A has.
fn pairs<'a>(model: &Model<'a>) -> Vec<Pair<'a>> {
    let (a, b) = (model.a.run.plan(), model.b.run.plan());
    let in_a: BTreeMap<&str, StepIx> = a.indices().map(|ix| (&*a[ix].id, ix)).collect();
    let same_plan = model.a.content_id == model.b.content_id;
    let mut pairs = Vec::with_capacity(b.steps.len());
    for ix in b.indices() {
        let id = &*b[ix].id;
        let old = in_a.get(id).copied();
        let plan = match old {
            None => vec!["only in B"],
            Some(_) if same_plan => Vec::new(),
            Some(old) => changed((a, old), (b, ix)),
        };
        pairs.push(Pair {
            id,
            a: old,
            b: Some(ix),
            plan,
        });
    }
    for ix in a
        .indices()
        .filter(|ix| model.b.run.find(&a[*ix].id).is_none())
    {
        let (id, plan) = (&*a[ix].id, vec!["only in A"]);
        pairs.push(Pair {
            id,
            a: Some(ix),
            b: None,
            plan,
        });
    }
    pairs
}

/// Which parts of a step are others. Steps that it names are the same where their ids are.
fn changed((a, old): (&Plan, StepIx), (b, new): (&Plan, StepIx)) -> Vec<&'static str> {
    fn ids<'p>(plan: &'p Plan, steps: &[StepIx]) -> Vec<&'p str> {
        let mut ids: Vec<&str> = steps.iter().map(|ix| &*plan[*ix].id).collect();
        ids.sort_unstable();
        ids
    }
    let (x, y) = (&a[old], &b[new]);
    let parts = [
        ("what it does", x.action != y.action),
        ("what it needs", ids(a, &x.needs) != ids(b, &y.needs)),
        ("what it comes after", ids(a, &x.after) != ids(b, &y.after)),
        ("whether it takes part", x.absent != y.absent),
        ("its condition", x.when != y.when),
        ("its policy", x.policy != y.policy),
        ("what it holds", x.holds != y.holds),
        ("its question", x.confirm != y.confirm),
        ("its cache", x.cache != y.cache),
        ("its remedy", x.remedy != y.remedy),
        ("its undo", x.undo != y.undo),
    ];
    let others = parts.into_iter().filter(|(_, other)| *other);
    others.map(|(part, _)| part).collect()
}

fn differs(pair: &Pair<'_>, model: &Model<'_>) -> bool {
    let word = |side: &'_ Side, ix: Option<StepIx>| ix.map(|ix| side.run.step(ix).word());
    !pair.plan.is_empty()
        || word(model.a, pair.a) != word(model.b, pair.b)
        || change(durations(pair, model)).is_some()
}

fn durations(pair: &Pair<'_>, model: &Model<'_>) -> (Option<u64>, Option<u64>) {
    let took = |side: &Side, ix: Option<StepIx>| words::duration_ms(&side.run, ix?, model.now);
    (took(model.a, pair.a), took(model.b, pair.b))
}

/// How much longer B took, in words, where that is more than noise.
fn change(durations: (Option<u64>, Option<u64>)) -> Option<String> {
    let (a, b) = (durations.0?, durations.1?);
    let by = a.abs_diff(b);
    if by < NOISE || by * 5 < a.min(b) {
        return None;
    }
    let sign = if b > a { "+" } else { "−" };
    let percent = match a {
        0 => String::new(),
        a => format!(" ({sign}{}%)", by * 100 / a),
    };
    Some(format!("{sign}{}{percent}", took(by)))
}

fn row(pair: &Pair<'_>, model: &Model<'_>) -> Markup {
    let (a, b) = durations(pair, model);
    html! {
        tr {
            th scope="row" { (text(pair.id)) }
            (stands(model.a, pair.a))
            (stands(model.b, pair.b))
            td .number { @if let Some(ms) = a { (took(ms)) } }
            td .number { @if let Some(ms) = b { (took(ms)) } }
            td .number { (change((a, b)).unwrap_or_default()) }
            td {
                (pair.plan.join(", "))
                @if let (Some(old), Some(new), true) = (pair.a, pair.b, pair.plan.contains(&"what it does")) {
                    @let (a, b) = (model.a.run.plan(), model.b.run.plan());
                    details { summary { "show" }
                        p { "A " code { (of_action(&a[old].action)) } }
                        p { "B " code { (of_action(&b[new].action)) } }
                    }
                }
            }
        }
    }
}

fn stands(side: &Side, ix: Option<StepIx>) -> Markup {
    html! {
        td {
            @match ix {
                None => span .faint { "not in it" },
                Some(ix) => a href={ "/runs/" (encoded(&side.run_id)) "/step?step=" (encoded(&side.run.plan()[ix].id)) } {
                    (state(side.run.step(ix).word()))
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, Story, exited};

    fn side(id: &str, steps: &[&str], slow: u64) -> Side {
        let plan = testing::plan(steps);
        let content_id = plan.content_id();
        let story = Story::of(plan, |step, _| match step {
            "b" => (exited(if slow > 500 { 1 } else { 0 }), slow),
            _ => (exited(0), 50),
        });
        Side {
            run_id: id.into(),
            content_id,
            run: story.run,
            interrupted: false,
        }
    }

    fn shown(a: &Side, b: &Side, all: bool) -> String {
        page(&Model {
            a,
            b,
            all,
            from: 0,
            now: testing::NOON,
            zone: &TimeZone::UTC,
        })
        .body
        .into_string()
    }

    #[test]
    fn only_what_differs_is_shown_unless_all_is_wanted() {
        let a = side("one", &["a", "b: a"], 400);
        let b = side("two", &["a", "b: a"], 900);
        let page = shown(&a, &b, false);
        assert!(page.contains("the same plan"), "{page}");
        assert!(page.contains("1 of 2"), "{page}");
        assert!(page.contains("+500ms (+125%)"), "{page}");
        assert!(shown(&a, &b, true).contains("2 of 2"));
        assert!(shown(&a, &a, false).contains("No step differs"));
    }

    #[test]
    fn what_differs_in_the_plans_is_named() {
        let a = side("one", &["a", "b: a", "old"], 100);
        let b = side("two", &["new", "a", "b: a new"], 100);
        let page = shown(&a, &b, false);
        for part in ["different plans", "only in A", "only in B", "what it needs"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        // `a` stands at another place, and is the same.
        assert!(page.contains("3 of 4"), "{page}");
    }
}
