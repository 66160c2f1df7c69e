//! What of a plan a picture shows: so much that a person can look at it.
//!
//! A closed group is one node. Where that leaves too many nodes or lines, what stands
//! in the same layers of the graph is taken together (`500 steps`): such steps are
//! alike in that none waits for another. Layers are taken together too where there
//! are too many of them, so that any plan has a picture of bounded size.

use std::collections::BTreeMap;

use super::{Drawing, Edge};
use crate::plan::graph::{Graph, waits};
use crate::plan::{Plan, StepIx};
use crate::view::groups::{Groups, Open, What};

/// What a person still looks at as a whole.
pub const MOST_NODES: usize = 250;
const MOST_LINES: usize = 2_500;

/// Nodes with the steps that they stand for, and lines between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered<'a> {
    pub nodes: Vec<Node<'a>>,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    pub shows: Shows<'a>,
    pub steps: Vec<StepIx>,
    pub is_critical: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows<'a> {
    Step(StepIx),
    /// A group that is closed.
    Group(&'a str),
    /// The steps in these layers of the plan, both included, that stand directly in
    /// the group, or in none.
    Layers {
        first: usize,
        last: usize,
        within: Option<&'a str>,
    },
    /// So many closed groups.
    Groups(usize),
}

/// Leads from one node to another: their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub from: usize,
    pub to: usize,
    pub edge: Edge,
    pub is_critical: bool,
}

/// All steps, each for itself.
pub fn all<'a>(plan: &'a Plan, critical: &[StepIx]) -> Gathered<'a> {
    let nodes = plan.indices().map(Shows::Step).map(|shows| (shows, None));
    Gathering::new(plan, nodes.collect(), &Groups::default()).finish(critical)
}

/// What is open, as far as there is room for it.
pub fn some<'a>(
    plan: &'a Plan,
    groups: &Groups<'a>,
    open: &Open<'_>,
    critical: &[StepIx],
) -> Gathered<'a> {
    // Where the walk is: open groups, and where they end.
    let mut around: Vec<(&'a str, usize)> = Vec::new();
    let mut shown = Vec::new();
    for at in groups.visible(open) {
        while around.pop_if(|(_, end)| *end <= at).is_some() {}
        let entry = &groups.entries[at];
        let within = around.last().map(|(group, _)| *group);
        match entry.what {
            What::Step(ix) => shown.push((Shows::Step(ix), within)),
            What::Group(group) if open.is_open(group) => around.push((group, entry.end)),
            What::Group(group) => shown.push((Shows::Group(group), within)),
        }
    }
    let gathering = Gathering::new(plan, shown, groups);
    match gathering.is_too_much() {
        false => gathering.finish(critical),
        true => in_layers(plan, gathering).finish(critical),
    }
}

/// The layer of each step: how many stand one behind the other before it.
pub fn layers(plan: &Plan) -> Vec<usize> {
    let mut layers = vec![0; plan.steps.len()];
    for ix in Graph::new(plan).topological(plan) {
        let before = waits(plan, ix).map(|from| layers[from.at()] + 1);
        layers[ix.at()] = before.max().unwrap_or(0);
    }
    layers
}

/// Nodes, and which step is in which.
struct Gathering<'a> {
    plan: &'a Plan,
    nodes: Vec<Node<'a>>,
    /// By node, the open group that it stands in.
    within: Vec<Option<&'a str>>,
    node_of: Vec<usize>,
    lines: Vec<Line>,
}

impl<'a> Gathering<'a> {
    fn new(
        plan: &'a Plan,
        shown: Vec<(Shows<'a>, Option<&'a str>)>,
        groups: &Groups<'a>,
    ) -> Gathering<'a> {
        let entries = groups.entries.iter().enumerate();
        let at: BTreeMap<&str, usize> = entries
            .filter_map(|(at, entry)| match entry.what {
                What::Group(group) => Some((group, at)),
                What::Step(_) => None,
            })
            .collect();
        let steps = |shows: Shows<'_>| match shows {
            Shows::Step(ix) => vec![ix],
            Shows::Group(group) => groups.steps(at[group]).collect(),
            Shows::Layers { .. } | Shows::Groups(_) => Vec::new(),
        };
        let nodes = shown
            .iter()
            .map(|(shows, within)| (*shows, *within, steps(*shows)));
        Gathering::of(plan, nodes.collect())
    }

    fn of(plan: &'a Plan, shown: Vec<(Shows<'a>, Option<&'a str>, Vec<StepIx>)>) -> Gathering<'a> {
        let mut gathering = Gathering {
            plan,
            nodes: Vec::with_capacity(shown.len()),
            within: Vec::with_capacity(shown.len()),
            node_of: vec![0; plan.steps.len()],
            lines: Vec::new(),
        };
        for (shows, within, steps) in shown {
            for ix in &steps {
                gathering.node_of[ix.at()] = gathering.nodes.len();
            }
            gathering.within.push(within);
            gathering.nodes.push(Node {
                shows,
                steps,
                is_critical: false,
            });
        }
        gathering.connect();
        gathering
    }

    /// One line between two nodes, of the strongest kind there is.
    fn connect(&mut self) {
        let drawing = Drawing {
            plan: self.plan,
            run: None,
        };
        let ends = self.plan.indices().flat_map(|to| {
            let into = drawing.edges_to(to);
            into.map(move |(from, edge)| (from, to, edge))
        });
        let mut lines: Vec<(usize, usize, Edge)> = ends
            .map(|(from, to, edge)| (self.node_of[from.at()], self.node_of[to.at()], edge))
            .filter(|(from, to, _)| from != to)
            .collect();
        lines.sort_unstable();
        lines.dedup_by_key(|(from, to, _)| (*from, *to));
        let lines = lines.into_iter().map(|(from, to, edge)| Line {
            from,
            to,
            edge,
            is_critical: false,
        });
        self.lines = lines.collect();
    }

    fn is_too_much(&self) -> bool {
        self.nodes.len() > MOST_NODES || self.lines.len() > MOST_LINES
    }

    fn finish(mut self, critical: &[StepIx]) -> Gathered<'a> {
        for ix in critical {
            self.nodes[self.node_of[ix.at()]].is_critical = true;
        }
        for pair in critical.windows(2) {
            let ends = (self.node_of[pair[0].at()], self.node_of[pair[1].at()]);
            let found = self
                .lines
                .binary_search_by_key(&ends, |line| (line.from, line.to));
            if let Ok(found) = found {
                self.lines[found].is_critical = true;
            }
        }
        Gathered {
            nodes: self.nodes,
            lines: self.lines,
        }
    }
}

/// Takes nodes together that are in the same layers of the same group, in fewer and
/// fewer bands of layers until it is little enough.
fn in_layers<'a>(plan: &'a Plan, fine: Gathering<'a>) -> Gathering<'a> {
    let layers = layers(plan);
    let deep = layers.iter().max().map_or(0, |last| last + 1);
    let mut groups: Vec<Option<&str>> = fine.within.clone();
    groups.sort_unstable();
    groups.dedup();
    let mut bands = (MOST_NODES / (2 * groups.len())).clamp(1, deep.max(1));
    loop {
        let coarse = in_bands(plan, &fine, &layers, bands, deep);
        if bands == 1 || !coarse.is_too_much() {
            return coarse;
        }
        bands /= 2;
    }
}

fn in_bands<'a>(
    plan: &'a Plan,
    fine: &Gathering<'a>,
    layers: &[usize],
    bands: usize,
    deep: usize,
) -> Gathering<'a> {
    let mut taken: BTreeMap<(Option<&str>, bool, usize), Vec<usize>> = BTreeMap::new();
    for (n, node) in fine.nodes.iter().enumerate() {
        let layer = node
            .steps
            .iter()
            .map(|ix| layers[ix.at()])
            .min()
            .unwrap_or(0);
        let is_step = matches!(node.shows, Shows::Step(_));
        let key = (fine.within[n], is_step, layer * bands / deep);
        taken.entry(key).or_default().push(n);
    }
    let nodes = taken.into_iter().map(|((within, is_step, _), nodes)| {
        if let [only] = nodes[..] {
            let node = &fine.nodes[only];
            return (node.shows, within, node.steps.clone());
        }
        let steps = nodes
            .iter()
            .flat_map(|n| fine.nodes[*n].steps.iter().copied());
        let steps: Vec<StepIx> = steps.collect();
        let of = || steps.iter().map(|ix| layers[ix.at()]);
        let shows = match is_step {
            false => Shows::Groups(nodes.len()),
            true => Shows::Layers {
                first: of().min().unwrap_or(0),
                last: of().max().unwrap_or(0),
                within,
            },
        };
        (shows, within, steps)
    });
    Gathering::of(plan, nodes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing;
    use std::collections::BTreeSet;

    fn wide(layers: usize, each: usize) -> Plan {
        let mut steps = Vec::new();
        for layer in 0..layers {
            for n in 0..each {
                let needs: Vec<String> = match layer {
                    0 => Vec::new(),
                    _ => (0..3)
                        .map(|m| format!("s{}-{}", layer - 1, (n + m) % each))
                        .collect(),
                };
                steps.push(format!("s{layer}-{n}: {}", needs.join(" ")));
            }
        }
        testing::plan(&steps.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn every_step_is_in_one_node(plan: &Plan, gathered: &Gathered<'_>) {
        let mut steps: Vec<StepIx> = gathered
            .nodes
            .iter()
            .flat_map(|n| n.steps.clone())
            .collect();
        steps.sort_unstable();
        assert_eq!(steps, plan.indices().collect::<Vec<_>>());
    }

    #[test]
    fn layers_of_many_steps_are_taken_together() {
        let plan = wide(4, 100);
        let gathered = some(&plan, &Groups::of(&plan), &Open::default(), &[]);
        every_step_is_in_one_node(&plan, &gathered);
        let shown: Vec<_> = gathered.nodes.iter().map(|node| node.shows).collect();
        let layer = |n| Shows::Layers {
            first: n,
            last: n,
            within: None,
        };
        assert_eq!(shown, [layer(0), layer(1), layer(2), layer(3)]);
        assert_eq!(gathered.lines.len(), 3);
    }

    #[test]
    fn a_long_chain_is_bands_of_layers() {
        let plan = wide(3_000, 1);
        let gathered = some(&plan, &Groups::of(&plan), &Open::default(), &[]);
        every_step_is_in_one_node(&plan, &gathered);
        assert!((2..=MOST_NODES).contains(&gathered.nodes.len()));
        assert!(gathered.lines.iter().all(|line| line.from < line.to));
    }

    #[test]
    fn a_closed_group_is_one_node_and_lines_lead_to_it() {
        let plan = testing::plan(&["a", "g/x: a", "g/y: g/x a", "b: g/y"]);
        let groups = Groups::of(&plan);
        let closed = some(
            &plan,
            &groups,
            &Open::default(),
            &[StepIx::new(0), StepIx::new(1)],
        );
        every_step_is_in_one_node(&plan, &closed);
        assert_eq!(closed.nodes.len(), 3);
        assert_eq!(closed.nodes[1].shows, Shows::Group("g"));
        let lines: Vec<_> = closed
            .lines
            .iter()
            .map(|l| (l.from, l.to, l.is_critical))
            .collect();
        assert_eq!(lines, [(0, 1, true), (1, 2, false)]);
        let open = Open {
            opened: BTreeSet::from(["g"]),
            ..Open::default()
        };
        assert_eq!(some(&plan, &groups, &open, &[]), all(&plan, &[]));
    }

    /// A thousand groups are too many to look at as well.
    #[test]
    fn many_groups_are_taken_together() {
        let steps: Vec<String> = (0..2_000).map(|n| format!("g{}/s{n}", n / 2)).collect();
        let plan = testing::plan(&steps.iter().map(String::as_str).collect::<Vec<_>>());
        let gathered = some(&plan, &Groups::of(&plan), &Open::default(), &[]);
        every_step_is_in_one_node(&plan, &gathered);
        assert_eq!(gathered.nodes[0].shows, Shows::Groups(1_000));
    }
}
