//! The order in which people are shown the steps.
//!
//! The plan's own order, unless its author gave hints: steps with one `group`
//! stand together under it, lighter ones first, and groups come in the order
//! of their lightest member. Steps without a group form one of their own.

use std::collections::BTreeMap;

use crate::plan::{Plan, StepIx};

/// A heading, if the steps have one, and the steps under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    pub group: Option<&'a str>,
    pub steps: Vec<StepIx>,
}

/// All steps of the plan, as people are shown them. There is at least one
/// section for every plan that has steps.
pub fn sections(plan: &Plan) -> Vec<Section<'_>> {
    let mut groups: BTreeMap<Option<&str>, Vec<StepIx>> = BTreeMap::new();
    for ix in plan.indices() {
        groups.entry(group(plan, ix)).or_default().push(ix);
    }
    let mut sections: Vec<Section<'_>> = groups
        .into_iter()
        .map(|(group, mut steps)| {
            steps.sort_by_key(|ix| (weight(plan, *ix), *ix));
            Section { group, steps }
        })
        .collect();
    sections.sort_by_key(|section| {
        let lightest = section.steps.iter().map(|ix| weight(plan, *ix)).min();
        (lightest, section.steps.iter().min().copied())
    });
    sections
}

fn group(plan: &Plan, ix: StepIx) -> Option<&str> {
    plan[ix].about.as_ref()?.group.as_deref()
}

fn weight(plan: &Plan, ix: StepIx) -> i64 {
    plan[ix].about.as_ref().map_or(0, |about| about.weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::About;
    use crate::view::testing;

    /// P21.
    #[test]
    fn p21_groups_and_weights_order_the_steps_and_the_plan_does_the_rest() {
        let mut plan = testing::plan(&["a", "b", "c", "d", "e"]);
        for (ix, group, weight) in [
            (0, "late", 30),
            (1, "early", 20),
            (2, "late", 10),
            (3, "early", 5),
        ] {
            plan.steps[ix].about = Some(Box::new(About {
                group: Some(group.into()),
                weight,
                ..About::default()
            }));
        }
        let shown: Vec<(Option<&str>, Vec<&str>)> = sections(&plan)
            .iter()
            .map(|section| {
                let ids = section.steps.iter().map(|ix| plan[*ix].id.as_ref());
                (section.group, ids.collect())
            })
            .collect();
        assert_eq!(
            shown,
            [
                (None, vec!["e"]),
                (Some("early"), vec!["d", "b"]),
                (Some("late"), vec!["c", "a"]),
            ]
        );
    }

    #[test]
    fn a_plan_without_hints_keeps_its_order() {
        let plan = testing::plan(&["b", "a"]);
        let sections = sections(&plan);
        assert_eq!(sections.len(), 1);
        assert_eq!(sections[0].steps, plan.indices().collect::<Vec<_>>());
    }
}
