//! The groups that a plan's steps stand in, and which of them are open.
//!
//! Where its author gave hints, those are the groups (see `order`); otherwise they are
//! the parents that the steps' ids spell. A group is closed to be one thing with a
//! summary, and open to be what is in it.
//!
//! What is shown of a group, and how, is not known here.

use std::collections::BTreeSet;

use super::order::sections;
use super::tree;
use crate::plan::{Plan, StepIx};

/// Ids are taken for paths of so many groups at most: what is deeper belongs to the
/// deepest of them. Nobody opens a hundred groups one in the other.
const DEEPEST: usize = 8;

/// All groups and steps in the order in which people are shown them, each group
/// before what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups<'a> {
    pub entries: Vec<Entry<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub what: What<'a>,
    /// How many groups it is in.
    pub depth: usize,
    /// One past the last entry that is in it.
    pub end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A group, by the id that a step of its own would have, or by the hint. Its own
    /// step, if there is one, is an entry in it.
    Group(&'a str),
    Step(StepIx),
}

/// Which groups are open: all or none, but for those that a person opened or closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open<'a> {
    pub by_default: bool,
    pub opened: BTreeSet<&'a str>,
    pub closed: BTreeSet<&'a str>,
}

impl Open<'_> {
    pub fn is_open(&self, group: &str) -> bool {
        match self.by_default {
            true => !self.closed.contains(group),
            false => self.opened.contains(group),
        }
    }
}

impl<'a> Groups<'a> {
    pub fn of(plan: &'a Plan) -> Self {
        let sections = sections(plan);
        let mut groups = Groups::default();
        if sections.iter().all(|section| section.group.is_none()) {
            groups.by_ids(plan);
            return groups;
        }
        for section in sections {
            let depth = usize::from(section.group.is_some());
            let end = groups.entries.len() + depth + section.steps.len();
            if let Some(group) = section.group {
                groups.push(What::Group(group), 0, end);
            }
            for ix in section.steps {
                let end = groups.entries.len() + 1;
                groups.push(What::Step(ix), depth, end);
            }
        }
        groups
    }

    fn by_ids(&mut self, plan: &'a Plan) {
        let nodes = tree::nodes(plan);
        // By node, a step at or below it: its id begins with the node's path.
        let mut first: Vec<Option<StepIx>> = nodes.iter().map(|node| node.step).collect();
        for at in (1..nodes.len()).rev() {
            if nodes[at].depth > nodes[at - 1].depth {
                first[at - 1] = first[at - 1].or(first[at]);
            }
        }
        // The groups that are open where the walk is: their entry, and where they end.
        let mut around: Vec<(usize, usize)> = Vec::new();
        let mut paths: Vec<usize> = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            while let Some((group, _)) = around.pop_if(|(_, end)| *end <= at) {
                self.entries[group].end = self.entries.len();
            }
            paths.truncate(node.depth);
            let before = paths.last().map_or(0, |length| length + 1);
            paths.push(before + node.name.len());
            let is_group = node.end > at + 1 && node.depth < DEEPEST;
            if let Some(some) = first[at].filter(|_| is_group) {
                let path = &plan[some].id[..before + node.name.len()];
                self.push(What::Group(path), around.len(), 0);
                around.push((self.entries.len() - 1, node.end));
            }
            if let Some(ix) = node.step {
                let end = self.entries.len() + 1;
                self.push(What::Step(ix), around.len(), end);
            }
        }
        for (group, _) in around {
            self.entries[group].end = self.entries.len();
        }
    }

    fn push(&mut self, what: What<'a>, depth: usize, end: usize) {
        self.entries.push(Entry { what, depth, end });
    }

    pub fn has_any(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| matches!(entry.what, What::Group(_)))
    }

    /// The entries that are not inside a closed group.
    pub fn visible<'g>(&'g self, open: &'g Open<'_>) -> impl Iterator<Item = usize> + 'g {
        let mut at = 0;
        std::iter::from_fn(move || {
            let entry = self.entries.get(at)?;
            let now = at;
            at = match entry.what {
                What::Group(group) if !open.is_open(group) => entry.end,
                _ => at + 1,
            };
            Some(now)
        })
    }

    /// The steps at or in an entry.
    pub fn steps(&self, at: usize) -> impl Iterator<Item = StepIx> + '_ {
        let entries = &self.entries[at..self.entries[at].end];
        entries.iter().filter_map(|entry| match entry.what {
            What::Step(ix) => Some(ix),
            What::Group(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::About;
    use crate::view::testing;

    fn shown(plan: &Plan, open: &Open<'_>) -> Vec<String> {
        let groups = Groups::of(plan);
        let line = |at: usize| {
            let entry = &groups.entries[at];
            let name = match entry.what {
                What::Group(group) => format!("{group} ({})", groups.steps(at).count()),
                What::Step(ix) => plan[ix].id.to_string(),
            };
            format!("{}{name}", "  ".repeat(entry.depth))
        };
        groups.visible(open).map(line).collect()
    }

    #[test]
    fn ids_spell_groups_and_a_closed_one_hides_what_is_in_it() {
        let plan = testing::plan(&[
            "conf/hw/bt",
            "prepare",
            "conf/hw",
            "conf/net",
            "conf/hw/wifi",
        ]);
        let all = Open {
            by_default: true,
            ..Open::default()
        };
        assert_eq!(
            shown(&plan, &all),
            [
                "conf (4)",
                "  conf/hw (3)",
                "    conf/hw",
                "    conf/hw/bt",
                "    conf/hw/wifi",
                "  conf/net",
                "prepare"
            ]
        );
        let some = Open {
            closed: BTreeSet::from(["conf/hw"]),
            ..all
        };
        assert_eq!(
            shown(&plan, &some),
            ["conf (4)", "  conf/hw (3)", "  conf/net", "prepare"]
        );
        assert_eq!(shown(&plan, &Open::default()), ["conf (4)", "prepare"]);
    }

    #[test]
    fn hints_are_groups_before_ids_are() {
        let mut plan = testing::plan(&["a/x", "b", "a/y"]);
        testing::step(&mut plan, "a/x").about = Some(Box::new(About {
            group: Some("Late".into()),
            weight: 9,
            ..About::default()
        }));
        let open = Open {
            by_default: true,
            ..Open::default()
        };
        assert_eq!(shown(&plan, &open), ["b", "a/y", "Late (1)", "  a/x"]);
    }

    #[test]
    fn groups_are_no_deeper_than_people_look() {
        let deep = vec!["x"; 100_000].join("/");
        let mut plan = testing::plan(&["a", "b"]);
        plan.steps[0].id = deep.as_str().into();
        let groups = Groups::of(&plan);
        assert_eq!(groups.entries.len(), DEEPEST + 2);
        assert_eq!(groups.steps(0).count(), 1);
    }
}
