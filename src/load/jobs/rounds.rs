//! Loops of an orchestration, unrolled.
//!
//! The rounds are `n/r1/Agent` and on, each of which runs only if no earlier one was
//! approved. A loop ends with the step `n/gate`, before which a person may be asked
//! (`n/approval`).

use super::config::Loop;
use super::isolation::Worktrees;
use super::orchestration::{Lower, Own, Turn};
use crate::plan::Condition;
use crate::plan::agent::{STUCK, VERDICT, Work};

impl Lower<'_> {
    pub(super) fn rounds(
        &mut self,
        rounds: &Loop,
        n: usize,
        worktrees: Option<&Worktrees>,
    ) -> Result<(), String> {
        let needs = self.before.clone();
        let mut reviewers: Vec<String> = Vec::new();
        for round in 1..=rounds.max_rounds {
            let mut turn = Turn {
                prefix: format!("{n}/r{round}"),
                needs: needs.clone(),
                after: reviewers.last().cloned().into_iter().collect(),
                when: open(&reviewers, true),
                round: Some(round),
                reviews: None,
                tolerated: true,
                worktrees: worktrees.cloned(),
            };
            for (at, group) in rounds.groups.iter().enumerate() {
                if at + 1 == rounds.groups.len() {
                    turn.reviews = Some(reviewers.clone());
                }
                let ids = self.group(group, &turn)?;
                turn.needs = [&needs[..], &ids[..]].concat();
                turn.after.clear();
                if turn.reviews.is_some() {
                    reviewers.extend(ids);
                }
            }
        }
        let mut turn = Turn {
            prefix: n.to_string(),
            needs,
            after: reviewers.clone(),
            ..Turn::default()
        };
        if let Some(approval) = rounds.ask {
            let question = format!(
                "No round of {} was approved. Go on with the work as it is?",
                self.given.orchestration
            );
            turn.when = open(&reviewers, false);
            let mut own = Own::new(Work::Approval, "approval");
            own.rounds = Some(&reviewers);
            own.question = Some(question.into());
            own.policy.approval = Some(approval);
            let id = self.own(own, &turn);
            reviewers.push(id);
            turn.after = reviewers.clone();
            turn.when = None;
        }
        let mut own = Own::new(Work::Gate, "gate");
        own.rounds = Some(&reviewers);
        self.before = vec![self.own(own, &turn)];
        Ok(())
    }
}

/// Whether none of these reviewers has approved; and, where a further round is to come
/// of it, whether such a one could be of any use.
fn open(reviewers: &[String], further: bool) -> Option<Condition> {
    let terms: Vec<String> = reviewers
        .iter()
        .map(|id| {
            let open = format!("steps['{id}'].outputs.{VERDICT} != 'approved'");
            match further {
                true => format!("{open} and steps['{id}'].outputs.{STUCK} == null"),
                false => open,
            }
        })
        .collect();
    let text = terms.join(" and ");
    // Ids are made of letters, digits and few signs, none of them a quote.
    (!terms.is_empty()).then(|| Condition::parse(&text).expect("it is well formed"))
}
