//! The plan's graph: for Graphviz, for Mermaid, as a tree of lines, as JSON.
//!
//! Solid edges are needs, dashed ones mere order, and a fallback hangs on the
//! failure of its principal. What steps provide and consume is drawn as things
//! of their own between them. Given a run, steps have the colour of their state.
//!
//! Every label is text from a file, so each form escapes it in its own way.

pub mod critical;
pub mod gather;
pub mod layout;
pub mod svg;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::{Value, json};

use super::escape::{clean, is_hostile};
use super::executor;
use super::style::{self, FAINT};
use super::tree::Rails;
use crate::plan::graph::{Graph, waits};
use crate::plan::{Action, Plan, StepIx};
use crate::run::RunState;

/// What is drawn.
#[derive(Clone, Copy)]
pub struct Drawing<'a> {
    pub plan: &'a Plan,
    /// Colours the steps, if there is one.
    pub run: Option<&'a RunState>,
}

/// The kinds of edges that lead to a step, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    Needs,
    After,
    Fallback,
}

impl<'a> Drawing<'a> {
    fn edges_to(self, ix: StepIx) -> impl Iterator<Item = (StepIx, Edge)> + 'a {
        let step = &self.plan[ix];
        let needs = step.needs.iter().map(|from| (*from, Edge::Needs));
        let after = step.after.iter().map(|from| (*from, Edge::After));
        let fallback = step.fallback_of.map(|from| (from, Edge::Fallback));
        needs.chain(after).chain(fallback)
    }

    fn word(self, ix: StepIx) -> Option<&'static str> {
        Some(self.run?.step(ix).word())
    }

    /// The id, and the name where it says something else.
    fn label(self, ix: StepIx) -> (&'a str, Option<&'a str>) {
        let step = &self.plan[ix];
        let name = step.name.as_deref().filter(|name| **name != *step.id);
        (&step.id, name)
    }

    /// What steps provide and consume, each thing once, with a number.
    fn things(self) -> BTreeMap<&'a str, usize> {
        let mut names = BTreeSet::new();
        for about in self
            .plan
            .steps
            .iter()
            .filter_map(|step| step.about.as_deref())
        {
            names.extend(
                about
                    .provides
                    .iter()
                    .chain(&about.consumes)
                    .map(AsRef::as_ref),
            );
        }
        names
            .into_iter()
            .enumerate()
            .map(|(n, name)| (name, n))
            .collect()
    }

    fn provides(self, ix: StepIx) -> &'a [Box<str>] {
        self.plan[ix]
            .about
            .as_ref()
            .map_or(&[], |about| &about.provides)
    }

    fn consumes(self, ix: StepIx) -> &'a [Box<str>] {
        self.plan[ix]
            .about
            .as_ref()
            .map_or(&[], |about| &about.consumes)
    }
}

fn fill(word: &str) -> &'static str {
    match word {
        "succeeded" => "#c8e6c9",
        "failed" => "#ffcdd2",
        "running" => "#bbdefb",
        "canceled" => "#ffe0b2",
        "skipped" => "#eeeeee",
        _ => "#ffffff",
    }
}

/// For Graphviz.
///
/// # Errors
/// The stream does not take it.
pub fn dot(drawing: Drawing<'_>, out: &mut impl Write) -> io::Result<()> {
    let Drawing { plan, .. } = drawing;
    writeln!(out, "digraph {} {{", dot_text(&plan.name))?;
    writeln!(out, "  rankdir=LR;")?;
    writeln!(
        out,
        "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\"];"
    )?;
    for ix in plan.indices() {
        let (id, name) = drawing.label(ix);
        let label = name.map_or_else(|| id.to_owned(), |name| format!("{id}\n{name}"));
        write!(out, "  s{} [label={}", ix.at(), dot_text(&label))?;
        if plan[ix].action == Action::Group {
            write!(out, ", shape=ellipse")?;
        }
        if plan[ix].absent.is_some() {
            write!(out, ", style=\"rounded,dashed\"")?;
        }
        if let Some(word) = drawing.word(ix) {
            write!(out, ", fillcolor=\"{}\", tooltip=\"{word}\"", fill(word))?;
        }
        writeln!(out, "];")?;
    }
    for to in plan.indices() {
        for (from, edge) in drawing.edges_to(to) {
            let look = match edge {
                Edge::Needs => "",
                Edge::After => " [style=dashed]",
                Edge::Fallback => " [style=dashed, label=\"on failure\"]",
            };
            writeln!(out, "  s{} -> s{}{look};", from.at(), to.at())?;
        }
    }
    let things = drawing.things();
    for (name, n) in &things {
        writeln!(
            out,
            "  t{n} [label={}, shape=note, style=\"\"];",
            dot_text(name)
        )?;
    }
    for ix in plan.indices() {
        for name in drawing.provides(ix) {
            writeln!(
                out,
                "  s{} -> t{} [style=dotted];",
                ix.at(),
                things[name.as_ref()]
            )?;
        }
        for name in drawing.consumes(ix) {
            writeln!(
                out,
                "  t{} -> s{} [style=dotted];",
                things[name.as_ref()],
                ix.at()
            )?;
        }
    }
    writeln!(out, "}}")
}

/// A quoted string of Graphviz. Line breaks stay what they mean there; other
/// hostile characters are written out.
fn dot_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if is_hostile(c) => quoted.push_str(&format!("\\\\u{{{:x}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// For Mermaid.
///
/// # Errors
/// The stream does not take it.
pub fn mermaid(drawing: Drawing<'_>, out: &mut impl Write) -> io::Result<()> {
    let Drawing { plan, run } = drawing;
    writeln!(out, "flowchart LR")?;
    for ix in plan.indices() {
        let (id, name) = drawing.label(ix);
        let label = match name {
            Some(name) => format!("{}<br>{}", mermaid_text(id), mermaid_text(name)),
            None => mermaid_text(id),
        };
        let (open, close) = match plan[ix].action {
            Action::Group => ("([", "])"),
            Action::Command(_) | Action::Builtin(_) => ("[", "]"),
        };
        write!(out, "  s{}{open}\"{label}\"{close}", ix.at())?;
        match drawing.word(ix) {
            Some(word) => writeln!(out, ":::{word}")?,
            None => writeln!(out)?,
        }
    }
    for to in plan.indices() {
        for (from, edge) in drawing.edges_to(to) {
            let arrow = match edge {
                Edge::Needs => "-->",
                Edge::After => "-.->",
                Edge::Fallback => "-. on failure .->",
            };
            writeln!(out, "  s{} {arrow} s{}", from.at(), to.at())?;
        }
    }
    let things = drawing.things();
    for (name, n) in &things {
        writeln!(out, "  t{n}[/\"{}\"/]", mermaid_text(name))?;
    }
    for ix in plan.indices() {
        for name in drawing.provides(ix) {
            writeln!(out, "  s{} -.-> t{}", ix.at(), things[name.as_ref()])?;
        }
        for name in drawing.consumes(ix) {
            writeln!(out, "  t{} -.-> s{}", things[name.as_ref()], ix.at())?;
        }
    }
    if run.is_some() {
        for word in [
            "pending",
            "running",
            "succeeded",
            "failed",
            "skipped",
            "canceled",
        ] {
            writeln!(out, "  classDef {word} fill:{},color:#000000", fill(word))?;
        }
    }
    Ok(())
}

/// Text in a label of Mermaid: whatever is not plain becomes an entity, since
/// quotes cannot be escaped and markup would be drawn.
fn mermaid_text(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            c if is_hostile(c) => escaped.push_str(&format!("u{:04x}", u32::from(c))),
            c if c.is_alphanumeric() || " _-./:,".contains(c) => escaped.push(c),
            c => escaped.push_str(&format!("#{};", u32::from(c))),
        }
    }
    escaped
}

/// A tree of lines: under each step what waits for it. A step that several
/// wait for stands in full under the first, and is only named under the others.
///
/// # Errors
/// The stream does not take it.
pub fn tree(drawing: Drawing<'_>, mut rails: Rails, out: &mut impl Write) -> io::Result<()> {
    let Drawing { plan, .. } = drawing;
    let graph = Graph::new(plan);
    let mut shown = vec![false; plan.steps.len()];
    let roots: Vec<StepIx> = plan
        .indices()
        .filter(|ix| waits(plan, *ix).next().is_none())
        .collect();
    let mut work: Vec<(StepIx, usize, bool)> = Vec::new();
    push(&mut work, &roots, 0);
    while let Some((ix, depth, last)) = work.pop() {
        rails.before(depth, last, out)?;
        let again = std::mem::replace(&mut shown[ix.at()], true);
        let dependents = graph.dependents(ix);
        tree_line(drawing, ix, again && !dependents.is_empty(), out)?;
        if !again {
            push(&mut work, dependents, depth + 1);
        }
    }
    Ok(())
}

fn push(work: &mut Vec<(StepIx, usize, bool)>, steps: &[StepIx], depth: usize) {
    let last = steps.last();
    let in_reverse = steps.iter().rev();
    work.extend(in_reverse.map(|ix| (*ix, depth, Some(ix) == last)));
}

fn tree_line(
    drawing: Drawing<'_>,
    ix: StepIx,
    again: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let (id, name) = drawing.label(ix);
    write!(out, "{}", clean(id))?;
    if let Some(word) = drawing.word(ix) {
        let style = style::of_state(word);
        write!(out, "  {style}{word}{style:#}")?;
    }
    if again {
        return writeln!(out, "  {FAINT}(see above){FAINT:#}");
    }
    if let Some(name) = name {
        write!(out, "  {FAINT}{}{FAINT:#}", clean(name))?;
    }
    let step = &drawing.plan[ix];
    if let Some(principal) = step.fallback_of {
        write!(
            out,
            "  {FAINT}if {} fails{FAINT:#}",
            clean(&drawing.plan[principal].id)
        )?;
    }
    if step.absent.is_some() {
        write!(
            out,
            "  {FAINT}({}){FAINT:#}",
            super::words::absent(drawing.plan, ix)
        )?;
    }
    for (verb, names) in [
        ("provides", drawing.provides(ix)),
        ("consumes", drawing.consumes(ix)),
    ] {
        if !names.is_empty() {
            write!(out, "  {FAINT}{verb} {}{FAINT:#}", clean(&names.join(", ")))?;
        }
    }
    writeln!(out)
}

/// For programs.
pub fn json(drawing: Drawing<'_>) -> Value {
    let Drawing { plan, .. } = drawing;
    let nodes: Value = plan
        .indices()
        .map(|ix| {
            let step = &plan[ix];
            json!({
                "step_id": step.id,
                "name": step.name.as_ref().unwrap_or(&step.id),
                "kind": match step.action {
                    Action::Command(_) => "command",
                    Action::Builtin(_) => "builtin",
                    Action::Group => "group",
                },
                "executor": executor::told(&step.executor),
                "absent": step.absent,
                "state": drawing.word(ix),
                "provides": drawing.provides(ix),
                "consumes": drawing.consumes(ix),
            })
        })
        .collect();
    let edges: Value = plan
        .indices()
        .flat_map(|to| {
            drawing
                .edges_to(to)
                .map(move |(from, edge)| (from, to, edge))
        })
        .map(|(from, to, edge)| {
            json!({
                "from": plan[from].id,
                "to": plan[to].id,
                "kind": match edge {
                    Edge::Needs => "needs",
                    Edge::After => "after",
                    Edge::Fallback => "fallback",
                },
            })
        })
        .collect();
    json!({ "plan_id": plan.id, "name": plan.name, "nodes": nodes, "edges": edges })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::About;
    use crate::view::testing::{self, Story, exited};

    fn plan() -> Plan {
        let mut plan = testing::plan(&[
            "fetch",
            "build: fetch",
            "test: build",
            "mend",
            "ship: build test",
        ]);
        testing::step(&mut plan, "build").name = Some("Build \"it\" <b>\\\u{7}".into());
        testing::step(&mut plan, "mend").fallback_of = Some(StepIx::new(2));
        testing::step(&mut plan, "build").about = Some(Box::new(About {
            provides: ["binary".into()].into(),
            ..About::default()
        }));
        testing::step(&mut plan, "ship").about = Some(Box::new(About {
            consumes: ["binary".into()].into(),
            ..About::default()
        }));
        plan
    }

    fn drawing(plan: &Plan) -> Drawing<'_> {
        Drawing { plan, run: None }
    }

    /// P33, P20.
    #[test]
    fn p33_p20_the_graph_for_graphviz() {
        let plan = plan();
        insta::assert_snapshot!(testing::written(|out| dot(drawing(&plan), out)), @r###"
        digraph "A test" {
          rankdir=LR;
          node [shape=box, style="rounded,filled", fillcolor="#ffffff"];
          s0 [label="fetch"];
          s1 [label="build\nBuild \"it\" <b>\\\\u{7}"];
          s2 [label="test"];
          s3 [label="mend"];
          s4 [label="ship"];
          s0 -> s1;
          s1 -> s2;
          s2 -> s3 [style=dashed, label="on failure"];
          s1 -> s4;
          s2 -> s4;
          t0 [label="binary", shape=note, style=""];
          s1 -> t0 [style=dotted];
          t0 -> s4 [style=dotted];
        }
        "###);
    }

    /// P33, P20.
    #[test]
    fn p33_p20_the_graph_for_mermaid() {
        let plan = plan();
        insta::assert_snapshot!(testing::written(|out| mermaid(drawing(&plan), out)), @r###"
        flowchart LR
          s0["fetch"]
          s1["build<br>Build #34;it#34; #60;b#62;#92;u0007"]
          s2["test"]
          s3["mend"]
          s4["ship"]
          s0 --> s1
          s1 --> s2
          s2 -. on failure .-> s3
          s1 --> s4
          s2 --> s4
          t0[/"binary"/]
          s1 -.-> t0
          t0 -.-> s4
        "###);
    }

    /// P33, P20.
    #[test]
    fn p33_p20_the_graph_as_a_tree() {
        let plan = plan();
        let unicode = testing::written(|out| tree(drawing(&plan), Rails::default(), out));
        insta::assert_snapshot!(unicode, @r###"
        fetch
        └─ build  Build "it" <b>\\u{7}  provides binary
           ├─ test
           │  ├─ mend  if test fails
           │  └─ ship  consumes binary
           └─ ship  consumes binary
        "###);
        let ascii = testing::written(|out| tree(drawing(&plan), Rails::ascii(), out));
        assert!(
            ascii.is_ascii() && ascii.contains("\n|- ") | ascii.contains("\n`- "),
            "{ascii}"
        );
    }

    /// P33.
    #[test]
    fn p33_the_graph_as_json_has_every_edge() {
        let plan = plan();
        let json = json(drawing(&plan));
        assert_eq!(json["nodes"].as_array().map(Vec::len), Some(5));
        assert_eq!(json["edges"].as_array().map(Vec::len), Some(5));
        assert_eq!(json["nodes"][1]["provides"][0], "binary");
    }

    #[test]
    fn a_run_colours_its_steps() {
        let story = Story::of(testing::plan(&["a", "b: a"]), |_, _| (exited(0), 1));
        let drawing = Drawing {
            plan: story.run.plan(),
            run: Some(&story.run),
        };
        assert!(
            testing::written(|out| dot(drawing, out))
                .contains("s0 [label=\"a\", fillcolor=\"#c8e6c9\"")
        );
        assert!(testing::written(|out| mermaid(drawing, out)).contains("s1[\"b\"]:::succeeded\n"));
        assert_eq!(
            testing::written(|out| tree(drawing, Rails::default(), out)),
            "a  succeeded\n└─ b  succeeded\n"
        );
    }
}
