//! Every node of a tree gets its place: what it waits for, what it is passed,
//! and what its levels say of it.
//!
//! One walk over the nodes, with the levels that they are in on a stack. The
//! rules are those of `flow`.

use super::config::Config;
use super::flow::{Flow, MOST_EDGES, Member};
use super::resolve::Kind;
use super::tree::{Node, Tree, What};

/// A step, but for what it does.
pub struct Planned {
    pub id: Box<str>,
    /// None for a gate.
    pub node: Option<usize>,
    pub flow: Flow,
    pub config: Config,
    /// Its failure is tolerated by its level or further out.
    pub tolerated: bool,
    pub always: bool,
    pub disabled: bool,
}

/// A level that is being placed.
struct Open {
    level: usize,
    /// The phase's own step; the root has none.
    step: Option<usize>,
    /// What the group being placed waits for.
    flow: Flow,
    group: Vec<Member>,
    order: f64,
    config: Config,
    /// A failure within it is tolerated here or further out.
    tolerated: bool,
    always: bool,
    disabled: bool,
}

/// A tree of which every node has its place.
pub struct Placed {
    /// In the tree's order, with gates before the groups that wait for them.
    pub steps: Vec<Planned>,
    /// So many children of the largest group run together.
    pub widest: usize,
}

/// Places all nodes; `passed` is what the root is passed.
pub fn place(tree: &Tree, passed: Config) -> Placed {
    let mut placing = Placing {
        tree,
        planned: Vec::with_capacity(tree.nodes.len()),
        open: Vec::new(),
        widest: 1,
    };
    placing.place(passed);
    Placed {
        steps: placing.planned,
        widest: placing.widest,
    }
}

struct Placing<'t> {
    tree: &'t Tree,
    planned: Vec<Planned>,
    open: Vec<Open>,
    widest: usize,
}

impl Placing<'_> {
    /// Gives every node its place.
    fn place(&mut self, passed: Config) {
        self.open.push(Open {
            level: 0,
            step: None,
            flow: Flow::default(),
            group: Vec::new(),
            order: f64::NAN,
            config: passed,
            tolerated: false,
            always: false,
            disabled: false,
        });
        for at in 0..self.tree.nodes.len() {
            while self.open.last().map(|open| open.level) != Some(self.tree.nodes[at].level) {
                self.close();
            }
            self.place_node(at);
        }
        while self.open.len() > 1 {
            self.close();
        }
    }

    fn place_node(&mut self, at: usize) {
        let node = &self.tree.nodes[at];
        let child = self.tree.child(node);
        self.begin_group(node, child.order);
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let own = self.tree.levels[node.level].index.config.get(&child.name);
        let planned = Planned {
            id: node.id.clone(),
            node: Some(at),
            flow: open.flow.clone(),
            config: open.config.with(own),
            tolerated: open.tolerated || child.tolerated,
            always: open.always || child.always,
            disabled: open.disabled || !child.enabled,
        };
        let step = self.planned.len();
        open.group.push(Member {
            step,
            tolerated: child.tolerated,
            always: planned.always,
            hands_on: is_module(node) && !planned.disabled,
        });
        self.widest = self.widest.max(open.group.len());
        if let What::Phase(Some(level)) = node.what {
            self.open.push(Open {
                level,
                step: Some(step),
                flow: planned.flow.clone(),
                group: Vec::new(),
                order: f64::NAN,
                config: planned.config.clone(),
                tolerated: planned.tolerated,
                always: planned.always,
                disabled: planned.disabled,
            });
        }
        self.planned.push(planned);
    }

    /// Ends the group before, unless this child runs together with it.
    fn begin_group(&mut self, node: &Node, order: f64) {
        let parallel = self.tree.levels[node.level].index.parallel;
        let gate = self.planned.len();
        let Some(open) = self.open.last_mut() else {
            return;
        };
        if parallel && open.order == order {
            return;
        }
        let before = std::mem::replace(&mut open.order, order);
        open.flow = open.flow.then(&std::mem::take(&mut open.group));
        if open.flow.edges() <= MOST_EDGES {
            return;
        }
        let parent = node.id.rfind('/').map_or("", |end| &node.id[..=end]);
        let flow = std::mem::take(&mut open.flow);
        open.flow = flow.behind(gate);
        self.planned.push(Planned {
            id: format!("{parent}after-order-{before}").into(),
            node: None,
            flow,
            config: Config::default(),
            tolerated: open.tolerated,
            always: open.always,
            disabled: open.disabled,
        });
    }

    /// A phase ends where its last group does.
    fn close(&mut self) {
        let Some(open) = self.open.pop() else {
            return;
        };
        if let Some(step) = open.step {
            self.planned[step].flow = open.flow.then(&open.group);
        }
    }
}

fn is_module(node: &Node) -> bool {
    matches!(&node.what, What::Program(program) if program.kind == Kind::Module)
}
