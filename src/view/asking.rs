//! What a run's steps ask of people now.

use crate::plan::StepIx;
use crate::run::{Event, Kind, Millis, Role, RunState, StepState};

/// A question that nobody has answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    pub step: StepIx,
    /// It is about the step's remedy, and not the step.
    pub remedy: bool,
    pub question: String,
    pub since: Millis,
    /// When it answers itself, and how.
    pub until: Option<(Millis, bool)>,
}

/// All of a run's questions, those that wait longest first.
pub fn all(run: &RunState, events: &[Event]) -> Vec<Asking> {
    let mut asking = Vec::new();
    // The last question of each step is the one that it asks; found from the end, so that
    // a run of many events in which little is asked is not searched for nothing.
    let mut left: Vec<StepIx> = run.plan().indices().filter(|ix| asks(run, *ix)).collect();
    for event in events.iter().rev() {
        if left.is_empty() {
            break;
        }
        let Kind::StepAsked { step, question } = &event.kind else {
            continue;
        };
        if let Some(at) = left.iter().position(|ix| ix == step) {
            left.swap_remove(at);
            asking.extend(of(run, *step, question));
        }
    }
    asking.sort_by_key(|asking| (asking.since, asking.step));
    asking
}

fn asks(run: &RunState, ix: StepIx) -> bool {
    matches!(run.step(ix).state, StepState::Asked { .. })
}

fn of(run: &RunState, step: StepIx, question: &str) -> Option<Asking> {
    let StepState::Asked { role, since } = run.step(step).state else {
        return None;
    };
    let until = run.plan()[step].policy.approval.and_then(|approval| {
        let within = approval.within?.as_millis() as Millis;
        Some((since + within, approval.otherwise))
    });
    Some(Asking {
        step,
        remedy: role == Role::Remedy,
        question: question.to_owned(),
        since,
        until,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Approval;
    use crate::view::testing::{self, NOON, Story};
    use std::time::Duration;

    #[test]
    fn what_is_asked_is_there_until_it_is_answered() {
        let mut plan = testing::plan(&["a", "b"]);
        testing::policy(&mut plan, "b", |policy| {
            policy.approval = Some(Approval {
                within: Some(Duration::from_secs(60)),
                otherwise: false,
            });
        });
        let mut story = Story::begin(plan);
        let (a, b) = (story.ix("a"), story.ix("b"));
        let ask = |step, question: &str| Kind::StepAsked {
            step,
            question: question.into(),
        };
        story.happens(ask(a, "a?"));
        story.happens(ask(b, "b?"));
        let found = all(&story.run, &story.events);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.step, one.question.as_str()))
            .collect();
        assert_eq!(told, [(a, "a?"), (b, "b?")]);
        assert_eq!(found[0].until, None);
        assert_eq!(found[1].until, Some((NOON + 60_000, false)));
        story.happens(Kind::StepAnswered {
            step: a,
            yes: true,
            by: "me".into(),
        });
        let left = all(&story.run, &story.events);
        assert_eq!(left.iter().map(|one| one.step).collect::<Vec<_>>(), [b]);
    }
}
