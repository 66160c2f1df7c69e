//! The graph as a picture (SVG), for a page or as a file of its own.
//!
//! Colours and strokes are classes and `data-` attributes that a style names; each
//! state has a sign and a word beside its colour. What a node says, and where a click
//! on it leads, is given by whoever asks for the picture.

use maud::{Markup, PreEscaped, html};

use super::gather::{Gathered, Node, Shows, all};
use super::layout::{HEIGHT, Layout, Route, Spot, WIDTH, layout};
use super::{Drawing, Edge};
use crate::plan::StepIx;
use crate::view::escape::printable;
use crate::view::words;

/// So many characters have room in a node.
const LABEL: usize = 24;

/// What a node says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub label: String,
    /// The line below the label.
    pub below: String,
    /// All that is to be said of it, for who points at it or does not see it.
    pub title: String,
    /// How it stands, if it does.
    pub word: Option<&'static str>,
    /// How many of its steps stand how, where it has several.
    pub parts: Vec<(usize, &'static str)>,
    pub address: Option<String>,
}

/// The picture, so large.
pub fn picture(
    gathered: &Gathered<'_>,
    label: &str,
    zoom: Zoom,
    say: impl Fn(&Node<'_>) -> Said,
) -> Markup {
    let lines: Vec<(usize, usize)> = gathered.lines.iter().map(|l| (l.from, l.to)).collect();
    let layout = layout(gathered.nodes.len(), &lines);
    let (width, height) = (layout.width, layout.height);
    let size = |length: i32| match zoom {
        Zoom::Fit => None,
        Zoom::Percent(percent) => Some(i64::from(length) * i64::from(percent) / 100),
    };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" .graph role="group" aria-label=(label)
            viewBox={ "0 0 " (width) " " (height) } width=[size(width)] height=[size(height)] {
            g aria-hidden="true" { (edges(gathered, &layout)) }
            @for (node, spot) in gathered.nodes.iter().zip(&layout.spots) {
                (node_at(node, *spot, &say(node)))
            }
        }
    }
}

/// How large a picture is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zoom {
    Percent(u16),
    /// As large as there is room.
    Fit,
}

/// One path for all lines that look alike: a line of its own for each would be most
/// of the page. Those of the critical path come last, on top.
fn edges(gathered: &Gathered<'_>, layout: &Layout) -> Markup {
    let looks = [
        (Edge::Needs, "needs"),
        (Edge::After, "after"),
        (Edge::Fallback, "fallback"),
    ];
    let path = |edge: Edge, critical: bool| {
        let mut path = String::new();
        for (line, route) in gathered.lines.iter().zip(&layout.routes) {
            if line.edge == edge && line.is_critical == critical {
                draw(route, &mut path);
            }
        }
        Some(path).filter(|path| !path.is_empty())
    };
    html! {
        @for critical in [false, true] {
            @for (edge, name) in looks {
                @if let Some(path) = path(edge, critical) {
                    path .edge data-kind=(name) data-critical[critical] d=(path) {}
                }
            }
        }
        @for (line, route) in gathered.lines.iter().zip(&layout.routes) {
            @if line.edge == Edge::Fallback {
                @if let [.., before, end] = route.points[..] {
                    text .edge-label x=((before.0 + end.0) / 2) y=((before.1 + end.1) / 2 - 4) { "on failure" }
                }
            }
        }
    }
}

/// Curves between layers, straight across them, and an arrow's head.
fn draw(route: &Route, path: &mut String) {
    let mut points = route.points.iter();
    let Some(&(mut x, mut y)) = points.next() else {
        return;
    };
    path.push_str(&format!("M{x} {y}"));
    for (n, (next_x, next_y)) in points.enumerate() {
        let middle = (x + next_x) / 2;
        match (n % 2 == 1, y == *next_y) {
            (true, _) | (_, true) => path.push_str(&format!("H{next_x}")),
            _ => path.push_str(&format!(
                "C{middle} {y} {middle} {next_y} {next_x} {next_y}"
            )),
        }
        (x, y) = (*next_x, *next_y);
    }
    let back = if route.back { 5 } else { -5 };
    path.push_str(&format!("m{back}-3l{} 3l{back} 3", -back));
}

fn node_at(node: &Node<'_>, spot: Spot, said: &Said) -> Markup {
    let Spot { x, y, .. } = spot;
    let critical = node.is_critical.then_some("◆ ");
    let inside = html! {
        title { (said.title) @if node.is_critical { ", on the critical path" } }
        @if node.steps.len() > 1 || !matches!(node.shows, Shows::Step(_)) {
            rect x=(x + 4) y=(y + 4) width=(WIDTH) height=(HEIGHT) rx="6" {}
        }
        rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="6" {}
        text x=(x + 10) y=(y + 18) { (critical.unwrap_or_default()) (shortened(&said.label)) }
        text .below x=(x + 10) y=(y + 34) {
            @if let Some(word) = said.word { (words::sign(word)) " " }
            (said.below)
        }
        @if said.parts.len() > 1 { (shares(&said.parts, x + 6, y + HEIGHT - 5)) }
    };
    html! {
        @match &said.address {
            Some(address) => {
                a .node href=(address) data-state=[said.word] data-critical[node.is_critical] { (inside) }
            }
            None => {
                g .node data-state=[said.word] data-critical[node.is_critical] { (inside) }
            }
        }
    }
}

/// A bar that says how the steps of a node stand.
fn shares(parts: &[(usize, &'static str)], x: i32, y: i32) -> Markup {
    let all: usize = parts.iter().map(|(n, _)| n).sum();
    let at = |n: usize| n as i32 * (WIDTH - 12) / all.max(1) as i32;
    let mut before = 0;
    let pieces = parts.iter().map(|(n, word)| {
        let from = at(before);
        before += n;
        (from, at(before) - from, *word)
    });
    let pieces: Vec<_> = pieces.collect();
    html! {
        @for (from, width, word) in pieces {
            rect .share data-state=(word) x=(x + from) y=(y) width=(width) height="3" {}
        }
    }
}

/// The beginning and the end, where it is too long: ids that differ mostly do so at
/// their ends.
fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= LABEL {
        return text.to_owned();
    }
    let head: String = text.chars().take(LABEL / 3).collect();
    let tail: String = text
        .chars()
        .skip(length - (LABEL - LABEL / 3 - 1))
        .collect();
    format!("{head}…{tail}")
}

/// What a step's node says, but for where it leads.
pub fn of_step(drawing: Drawing<'_>, ix: StepIx) -> Said {
    let (id, name) = drawing.label(ix);
    let word = drawing.word(ix);
    let name = name.map(|name| format!(" ({})", printable(name)));
    let told = word.map_or_else(String::new, |word| format!(", {word}"));
    Said {
        label: printable(id),
        below: word.unwrap_or_default().to_owned(),
        title: format!("{}{}{told}", printable(id), name.unwrap_or_default()),
        word,
        ..Said::default()
    }
}

/// A file of its own: all steps, in the colours that pages have.
pub fn document(drawing: Drawing<'_>, critical: &[StepIx]) -> String {
    let gathered = all(drawing.plan, critical);
    let say = |node: &Node<'_>| of_step(drawing, node.steps[0]);
    let label = printable(&drawing.plan.name);
    let drawn = picture(&gathered, &label, Zoom::Percent(100), say).into_string();
    let style = html! { style { (PreEscaped(STYLE)) } }.into_string();
    let at = drawn.find('>').map_or(0, |at| at + 1);
    let (head, body) = drawn.split_at(at);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{head}{style}{body}\n")
}

/// As in the pages' own style, without its variables: not every viewer knows them.
const STYLE: &str = "
text { font: 13px system-ui, sans-serif; fill: #1b1f27; }
.below, .edge-label { font-size: 11px; fill: #59616e; }
.node rect { fill: #ffffff; stroke: #8b93a1; }
.node[data-state=succeeded] rect { fill: #d8f0df; stroke: #14692f; }
.node[data-state=failed] rect { fill: #fbdcdc; stroke: #b3151c; }
.node[data-state=running] rect { fill: #d5ecf8; stroke: #0a5d85; }
.node[data-state=canceled] rect { fill: #fbeccb; stroke: #7a5200; }
.node[data-state=skipped] rect { fill: #e8eaee; stroke-dasharray: 4 3; }
.node[data-critical] rect { stroke-width: 2.5; }
.edge { fill: none; stroke: #8b93a1; }
.edge[data-kind=after], .edge[data-kind=fallback] { stroke-dasharray: 5 4; }
.edge[data-critical] { stroke: #1b1f27; stroke-width: 2.5; }
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, Story, exited};

    #[test]
    fn a_file_of_its_own_has_every_step_and_no_markup_from_ids() {
        let mut plan = testing::plan(&["a", "b: a", "c: a", "mend"]);
        plan.steps[2].id = "<script>\u{202e}".into();
        plan.steps[3].fallback_of = Some(StepIx::new(2));
        let critical = [StepIx::new(0), StepIx::new(1)];
        let drawn = document(
            Drawing {
                plan: &plan,
                run: None,
            },
            &critical,
        );
        assert!(drawn.starts_with("<?xml") && drawn.contains("<style>"));
        assert!(drawn.contains("&lt;script&gt;") && !drawn.contains("<script"));
        assert_eq!(drawn.matches("class=\"node\"").count(), 4);
        assert_eq!(drawn.matches("◆").count(), 2);
        assert!(drawn.contains("on failure"));
        assert!(drawn.contains("data-kind=\"needs\" data-critical"));
    }

    #[test]
    fn a_run_has_signs_and_words_beside_colours() {
        let script = |id: &str, _| (exited(if id == "a" { 0 } else { 1 }), 10);
        let story = Story::of(testing::plan(&["a", "b: a", "c: b"]), script);
        let drawn = document(
            Drawing {
                plan: story.run.plan(),
                run: Some(&story.run),
            },
            &[],
        );
        for part in [
            "✓ succeeded",
            "✗ failed",
            "⊘ canceled",
            "data-state=\"failed\"",
        ] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
    }

    #[test]
    fn long_labels_keep_both_ends() {
        assert_eq!(shortened("short"), "short");
        let long = shortened("configuration/of/the/hardware/usb");
        assert_eq!(long, "configur…he/hardware/usb");
        assert_eq!(long.chars().count(), LABEL);
    }
}
