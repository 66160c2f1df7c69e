//! A run that goes on by another plan: whose steps are whose, and when not.
//!
//! Steps are one step if they have one id. What is recorded of the old plan's
//! steps names them by their places, so in the plan that follows they keep
//! these: a step that the new plan has not stays where it was, as absent, and
//! steps that only the new plan has come behind all others. So every record of
//! the run, old and new, reads right with the latest plan; and since that holds
//! the one before it, the whole record can be folded anew from its beginning.
//!
//! What becomes of each step is the fold's to say (`RunState::apply`).

use std::fmt;
use std::sync::Arc;

use super::event::{Reason, Replacement};
use super::state::{RunPhase, RunState, StepState};
use crate::plan::{Absent, Plan, Source, Step, StepIx};

/// A plan holds those before it, one in the other, and they are written and
/// read like that.
const MOST_PLANS: usize = 40;

/// Why a run cannot go on by another plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsuited {
    /// It is a plan for something else.
    OtherPlan { run: String, new: String },
    /// The run was begun with a part of its plan, and nobody can say what part
    /// of the new one that would be.
    Selected,
    /// The run is being brought to rest; what is not yet done will not be.
    Stopping,
    /// It has had too many already.
    TooMany,
    /// An attempt goes on of a step that the new plan has not.
    Runs { step: String },
}

impl fmt::Display for Unsuited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsuited::OtherPlan { run, new } => {
                write!(f, "it is a run of plan {run:?}, and the new plan is {new:?}")
            }
            Unsuited::Selected => f.write_str(
                "it was begun with a selection of steps, which cannot be made again of another plan",
            ),
            Unsuited::Stopping => f.write_str("it is being stopped, which is to be ended first"),
            Unsuited::TooMany => write!(f, "it has had {MOST_PLANS} plans already"),
            Unsuited::Runs { step } => {
                write!(f, "step {step} still runs, and the new plan has no such step")
            }
        }
    }
}

/// The plan by which the run may go on: `new`, with the places of the run's own.
///
/// # Errors
/// It makes no sense for this run.
pub fn merged(run: &RunState, new: Plan) -> Result<Plan, Unsuited> {
    let old = run.latest_plan();
    if old.id != new.id {
        return Err(Unsuited::OtherPlan {
            run: old.id.clone(),
            new: new.id,
        });
    }
    let selected = |step: &Step| step.absent == Some(Absent::NotSelected);
    if old.steps.iter().any(selected) || new.steps.iter().any(selected) {
        return Err(Unsuited::Selected);
    }
    if !matches!(run.phase, RunPhase::Running | RunPhase::Finished(_)) {
        return Err(Unsuited::Stopping);
    }
    if std::iter::successors(Some(old), |plan| plan.before.as_ref()).count() >= MOST_PLANS {
        return Err(Unsuited::TooMany);
    }
    let mut steps: Vec<Step> = old.steps.iter().map(removed).collect();
    let mut place = Vec::with_capacity(new.steps.len());
    let mut next = steps.len();
    for step in &new.steps {
        place.push(run.find(&step.id).unwrap_or_else(|| {
            next += 1;
            StepIx::new(next - 1)
        }));
    }
    for (step, place_of) in new.steps.into_iter().zip(&place) {
        let step = moved(step, &place);
        match steps.get_mut(place_of.at()) {
            Some(before) => *before = step,
            None => steps.push(step),
        }
    }
    Ok(Plan {
        steps,
        before: Some(Arc::clone(old)),
        ..new
    })
}

/// The step as the new plan has it, if it has not: it waits for nothing, and
/// nothing waits for it.
fn removed(step: &Step) -> Step {
    Step {
        absent: Some(Absent::Removed),
        needs: Box::default(),
        after: Box::default(),
        fallback_of: None,
        when: None,
        ..step.clone()
    }
}

fn moved(step: Step, place: &[StepIx]) -> Step {
    let all = |of: &[StepIx]| {
        let mut moved: Vec<StepIx> = of.iter().map(|ix| place[ix.at()]).collect();
        moved.sort_unstable();
        moved.into_boxed_slice()
    };
    Step {
        needs: all(&step.needs),
        after: all(&step.after),
        fallback_of: step.fallback_of.map(|ix| place[ix.at()]),
        ..step
    }
}

/// What is recorded of a plan that follows another.
pub fn replacement(before: &Plan, after: &Plan, file: &str, reason: Reason) -> Replacement {
    let mut replacement = Replacement {
        plan: after.content_id(),
        before: before.content_id(),
        file: file.to_owned(),
        added: Vec::new(),
        removed: Vec::new(),
        changed: Vec::new(),
        reason,
    };
    let is_there = |step: &Step| step.absent != Some(Absent::Removed);
    for ix in after.indices() {
        let step = &after[ix];
        let old = before.steps.get(ix.at()).filter(|step| is_there(step));
        let list = match (old, is_there(step)) {
            (None, true) => &mut replacement.added,
            (Some(_), false) => &mut replacement.removed,
            (Some(old), true) if !same(old, step) => &mut replacement.changed,
            _ => continue,
        };
        list.push(step.id.to_string());
    }
    replacement
}

/// Whether two steps are the same wherever they are written.
fn same(a: &Step, b: &Step) -> bool {
    let elsewhere = Step {
        source: Source::default(),
        ..a.clone()
    };
    elsewhere
        == Step {
            source: Source::default(),
            ..b.clone()
        }
}

impl RunState {
    /// The plan by which the run goes on once all its events are folded in.
    pub fn latest_plan(&self) -> &Arc<Plan> {
        self.later.first().unwrap_or(&self.plan)
    }

    /// Whether no plan is known that follows the one in force.
    pub fn is_latest_plan(&self) -> bool {
        self.later.is_empty()
    }

    /// Takes note of a plan, from [`merged`], that an event will put in force.
    pub fn will_follow(&mut self, plan: Arc<Plan>) {
        self.later.insert(0, plan);
    }

    /// Whether the plan that is to follow can do so now.
    ///
    /// # Errors
    /// An attempt runs for which it has no place.
    pub fn can_change_plan(&self) -> Result<(), Unsuited> {
        let Some(next) = self.later.last() else {
            return Ok(());
        };
        for ix in self.plan.indices() {
            let runs = matches!(self.steps[ix.at()].state, StepState::Running { .. });
            if runs && next[ix].absent.is_some() {
                let step = self.plan[ix].id.to_string();
                return Err(Unsuited::Runs { step });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Event, Kind, Outcome};
    use crate::view::testing::{self, Story, exited};

    fn ids(plan: &Plan) -> Vec<&str> {
        plan.steps.iter().map(|step| &*step.id).collect()
    }

    fn needs<'a>(plan: &'a Plan, id: &str) -> Vec<&'a str> {
        let step = plan.steps.iter().find(|step| &*step.id == id);
        let needs = &step.expect("it is in the plan").needs;
        needs.iter().map(|ix| &*plan[*ix].id).collect()
    }

    fn replaced(run: &mut RunState, new: Plan) -> Event {
        let plan = Arc::new(merged(run, new).expect("it suits"));
        run.will_follow(plan);
        Event {
            seq: run.seq() + 1,
            at: run.last_at(),
            kind: Kind::PlanReplaced {
                by: Box::new(Replacement {
                    plan: "b".into(),
                    before: "a".into(),
                    file: "test.json".into(),
                    added: Vec::new(),
                    removed: Vec::new(),
                    changed: Vec::new(),
                    reason: Reason::Request { by: "me".into() },
                }),
            },
        }
    }

    /// XA12.
    #[test]
    fn xa12_steps_keep_their_places_and_what_succeeded_stays_done() {
        let old = testing::plan(&["a", "b: a", "c: b", "d: c"]);
        let story = Story::of(old, |id, _| (exited(i32::from(id == "b")), 5));
        let mut run = story.run.clone();
        let new = testing::plan(&["x", "d: x c", "c: a", "a"]);
        let event = replaced(&mut run, new);
        run.apply(&event).expect("it can happen");
        assert_eq!(ids(run.plan()), ["a", "b", "c", "d", "x"]);
        assert_eq!(needs(run.plan(), "d"), ["c", "x"]);
        assert_eq!(needs(run.plan(), "b"), <[&str; 0]>::default());
        let is = |run: &RunState, id: &str| {
            let ix = run.find(id).expect("it is in the plan");
            run.step(ix).state.clone()
        };
        let a = run.step(run.find("a").expect("it is there"));
        assert_eq!(a.outcome(), Some(Outcome::Succeeded));
        assert_eq!(is(&run, "b"), StepState::Absent);
        for id in ["c", "d", "x"] {
            assert_eq!(is(&run, id), StepState::Pending, "{id}");
        }
        assert!(run.queues_are_current());
        // The last plan holds all before it: from it the whole record is read.
        let mut events = story.events.clone();
        events.push(event);
        let again = RunState::replay(run.latest_plan().clone(), &events).expect("it is legal");
        assert_eq!(again.plan(), run.plan());
        for ix in run.plan().indices() {
            assert_eq!(again.step(ix), run.step(ix));
        }
        // A third plan in which b has come back is as good.
        let event = replaced(&mut run, testing::plan(&["b", "a"]));
        run.apply(&event).expect("it can happen");
        assert_eq!(ids(run.plan()), ["a", "b", "c", "d", "x"]);
        assert_eq!(is(&run, "b"), StepState::Pending);
        assert_eq!(is(&run, "x"), StepState::Absent);
        let counts = run.counts();
        assert_eq!((counts.total, counts.succeeded), (2, 1));
    }

    /// XA12.
    #[test]
    fn xa12_what_makes_no_sense_is_refused() {
        let story = Story::of(testing::plan(&["a", "b: a"]), |_, _| (exited(1), 5));
        let mut other = testing::plan(&["a"]);
        other.id = "OTHER".into();
        let refused = merged(&story.run, other).map(|plan| plan.steps.len());
        assert!(
            matches!(refused, Err(Unsuited::OtherPlan { .. })),
            "{refused:?}"
        );
        let mut part = testing::plan(&["a", "b: a"]);
        testing::step(&mut part, "b").absent = Some(Absent::NotSelected);
        let story = Story::of(part, |_, _| (exited(1), 5));
        let refused = merged(&story.run, testing::plan(&["a"])).map(|plan| plan.steps.len());
        assert_eq!(refused, Err(Unsuited::Selected));
    }

    /// XA12.
    #[test]
    fn xa12_a_step_that_runs_must_have_a_place_in_the_new_plan() {
        let story = Story::until(
            testing::plan(&["a", "b: a"]),
            |_, _| (exited(0), 5),
            |event| matches!(event.kind, Kind::StepStarted { .. }),
        );
        let mut run = story.run.clone();
        let event = replaced(&mut run, testing::plan(&["b"]));
        assert!(run.apply(&event).is_err());
        let why = Unsuited::Runs { step: "a".into() };
        assert_eq!(run.can_change_plan(), Err(why));
        let mut run = story.run.clone();
        let event = replaced(&mut run, testing::plan(&["b", "a"]));
        run.apply(&event).expect("it can happen");
        let a = run.find("a").expect("it is there");
        assert!(matches!(run.step(a).state, StepState::Running { .. }));
        assert!(run.queues_are_current());
    }
}
