//! The hierarchy that step ids spell: `config/hardware/bluetooth` stands under
//! `config/hardware`, whether or not there is a step of that id.
//!
//! A plan without such ids is a flat list, and so is its tree.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::plan::{Plan, StepIx};

/// A place in the hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// The last part of the path.
    pub name: &'a str,
    /// The step of this id, if there is one.
    pub step: Option<StepIx>,
    /// How many levels it stands under the top; the top is 0.
    pub depth: usize,
    /// Whether it is the last of its parent's children.
    pub last: bool,
    /// One past the last of its descendants in the list of nodes.
    pub end: usize,
}

/// All nodes, parents before their children, children in the plan's order.
///
/// Built without recursion: an id may have a hundred parts.
pub fn nodes(plan: &Plan) -> Vec<Node<'_>> {
    let mut tree = Building::default();
    for ix in plan.indices() {
        tree.add(&plan[ix].id, ix);
    }
    tree.flatten()
}

#[derive(Default)]
struct Building<'a> {
    places: Vec<Place<'a>>,
    /// Place of each path, for its parent and its name.
    known: BTreeMap<(usize, &'a str), usize>,
    top: Vec<usize>,
}

struct Place<'a> {
    name: &'a str,
    step: Option<StepIx>,
    children: Vec<usize>,
}

const TOP: usize = usize::MAX;

impl<'a> Building<'a> {
    fn add(&mut self, id: &'a str, ix: StepIx) {
        let mut parent = TOP;
        for name in id.split('/') {
            parent = match self.known.get(&(parent, name)) {
                Some(place) => *place,
                None => self.grow(parent, name),
            };
        }
        if let Some(place) = self.places.get_mut(parent) {
            place.step = Some(ix);
        }
    }

    fn grow(&mut self, parent: usize, name: &'a str) -> usize {
        let place = self.places.len();
        self.places.push(Place {
            name,
            step: None,
            children: Vec::new(),
        });
        match self.places.get_mut(parent) {
            Some(parent) => parent.children.push(place),
            None => self.top.push(place),
        }
        self.known.insert((parent, name), place);
        place
    }

    fn flatten(&self) -> Vec<Node<'a>> {
        let mut nodes: Vec<Node<'a>> = Vec::with_capacity(self.places.len());
        let mut open: Vec<usize> = Vec::new();
        let mut work: Vec<(usize, usize, bool)> = Vec::new();
        push_children(&mut work, &self.top, 0);
        while let Some((place, depth, last)) = work.pop() {
            close(&mut nodes, &mut open, depth);
            open.push(nodes.len());
            let Place {
                name,
                step,
                children,
            } = &self.places[place];
            nodes.push(Node {
                name,
                step: *step,
                depth,
                last,
                end: 0,
            });
            push_children(&mut work, children, depth + 1);
        }
        close(&mut nodes, &mut open, 0);
        nodes
    }
}

fn push_children(work: &mut Vec<(usize, usize, bool)>, children: &[usize], depth: usize) {
    let last = children.len().wrapping_sub(1);
    let in_reverse = children.iter().enumerate().rev();
    work.extend(in_reverse.map(|(n, place)| (*place, depth, n == last)));
}

/// Ends all open nodes at `depth` and below.
fn close(nodes: &mut [Node<'_>], open: &mut Vec<usize>, depth: usize) {
    let end = nodes.len();
    for node in open.drain(depth.min(open.len())..) {
        nodes[node].end = end;
    }
}

/// The lines before a node's name, `│  ├─ `.
pub struct Rails {
    /// For each open level, whether it has ended.
    ended: Vec<bool>,
    /// Beside a later sibling, beside none, before a sibling, before the last one.
    pieces: [&'static str; 4],
}

impl Default for Rails {
    fn default() -> Self {
        Rails {
            ended: Vec::new(),
            pieces: ["│  ", "   ", "├─ ", "└─ "],
        }
    }
}

impl Rails {
    /// For terminals and files that know nothing but ASCII.
    pub fn ascii() -> Self {
        Rails {
            ended: Vec::new(),
            pieces: ["|  ", "   ", "|- ", "`- "],
        }
    }

    /// Writes what stands before the node. Nodes must come in their order.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn before(&mut self, depth: usize, last: bool, out: &mut impl Write) -> io::Result<()> {
        self.ended.truncate(depth);
        let [beside, past, branch, end] = self.pieces;
        for ended in self.ended.iter().skip(1) {
            out.write_all(if *ended { past } else { beside }.as_bytes())?;
        }
        self.ended.push(last);
        match (depth, last) {
            (0, _) => Ok(()),
            (_, true) => out.write_all(end.as_bytes()),
            (_, false) => out.write_all(branch.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing;

    #[test]
    fn ids_with_slashes_stand_under_their_parents() {
        let plan = testing::plan(&[
            "config/hw/bt",
            "prepare",
            "config/hw",
            "config/net",
            "config/hw/wifi",
        ]);
        let drawn = testing::written(|out| {
            let mut rails = Rails::default();
            for node in nodes(&plan) {
                rails.before(node.depth, node.last, out)?;
                let step = node.step.map_or("-", |ix| &plan[ix].id);
                std::io::Write::write_fmt(
                    out,
                    format_args!("{} {step} {}\n", node.name, node.end),
                )?;
            }
            Ok(())
        });
        insta::assert_snapshot!(drawn, @r#"
        config - 5
        ├─ hw config/hw 4
        │  ├─ bt config/hw/bt 3
        │  └─ wifi config/hw/wifi 4
        └─ net config/net 5
        prepare prepare 6
        "#);
    }

    #[test]
    fn a_deep_id_needs_no_stack() {
        let id = vec!["x"; 100_000].join("/");
        let mut plan = testing::plan(&["a"]);
        plan.steps[0].id = id.into();
        let nodes = nodes(&plan);
        assert_eq!(nodes.len(), 100_000);
        assert!(nodes.iter().all(|node| node.end == 100_000));
    }
}
