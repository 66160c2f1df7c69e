//! The critical path: the chain of steps that the run's end came from.
//!
//! Of a run that has begun, by what really happened: from the step that ended last,
//! back to the one whose end it waited for longest, and so on. That a step also waited
//! for a free slot or a lock is not in it. Before anything has run, and for a plan, by
//! what is expected (`run::forecast`), which whoever asks has to bring.

use crate::plan::StepIx;
use crate::run::{Millis, RunState, StepState};
use crate::view::words;

/// First to last; empty as long as nothing has run.
pub fn path(run: &RunState) -> Vec<StepIx> {
    let mut path = Vec::new();
    let mut next = last(run);
    while let Some(ix) = next {
        path.push(ix);
        let before = words::would_wait_for(run.plan(), ix);
        let before = before.iter().copied().filter(|ix| ended(run, *ix) > 0);
        next = latest(before, |ix| ended(run, ix));
    }
    path.reverse();
    path
}

/// The step that holds up the end: of those that run, the one that began first, and
/// else the one that ended last.
fn last(run: &RunState) -> Option<StepIx> {
    let since = |ix| match run.step(ix).state {
        StepState::Running { since, .. } => since,
        _ => Millis::MAX,
    };
    if let Some(running) = latest(run.running(), |ix| Millis::MAX - since(ix)) {
        return Some(running);
    }
    let ran = run
        .plan()
        .indices()
        .filter(|ix| run.step(*ix).started_at > 0);
    latest(ran, |ix| ended(run, ix))
}

/// When the step was over, whether it ran or not; 0 before. Of one that ran, that is
/// the end of its last attempt: it may have been given up long after.
fn ended(run: &RunState, ix: StepIx) -> Millis {
    let record = run.step(ix);
    let ran = record.last.end().filter(|_| record.outcome().is_some());
    ran.map_or(record.ended_at, |end| end.ended_at)
}

/// The first of those with the greatest number.
fn latest(
    steps: impl Iterator<Item = StepIx>,
    number: impl Fn(StepIx) -> Millis,
) -> Option<StepIx> {
    steps.reduce(|best, ix| if number(ix) > number(best) { ix } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Absent;
    use crate::run::Kind;
    use crate::view::testing::{self, Story, exited};

    fn ids(story: &Story) -> Vec<&str> {
        let path = path(&story.run).into_iter();
        path.map(|ix| &*story.run.plan()[ix].id).collect()
    }

    fn took(id: &str) -> u64 {
        match id {
            "slow" => 900,
            "end" => 50,
            _ => 100,
        }
    }

    #[test]
    fn it_leads_back_along_what_was_waited_for_longest() {
        let mut plan = testing::plan(&["a", "slow", "quick: a", "gone: slow", "end: gone quick"]);
        testing::step(&mut plan, "gone").absent = Some(Absent::NotSelected);
        let story = Story::of(plan.clone(), |id, _| (exited(0), took(id)));
        assert_eq!(ids(&story), ["slow", "end"]);
        let until = |event: &crate::run::Event| matches!(event.kind, Kind::StepStarted { attempt, .. } if attempt.step.at() == 2);
        let midway = Story::until(plan, |id, _| (exited(0), took(id)), until);
        assert_eq!(ids(&midway), ["slow"]);
    }

    #[test]
    fn one_that_was_given_up_ended_with_its_last_attempt() {
        let mut plan = testing::plan(&["again", "fails", "more: fails"]);
        testing::policy(&mut plan, "again", |policy| {
            policy.retry.count = 1;
            policy.retry.delay = std::time::Duration::from_secs(60);
        });
        let story = Story::of(plan, |id, _| {
            (exited(1), if id == "fails" { 300 } else { 100 })
        });
        assert_eq!(story.run.counts().canceled, 2);
        assert_eq!(ids(&story), ["fails"]);
    }

    #[test]
    fn before_anything_ran_there_is_none() {
        assert!(path(&Story::begin(testing::plan(&["a"])).run).is_empty());
    }
}
