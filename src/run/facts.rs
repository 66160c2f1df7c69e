//! What a step's condition and texts may ask of the run.
//!
//! Answers come from the plan (variables, the outside world as it was when the
//! plan was made) and from the steps that have settled; the plan's builder has
//! seen to it that a step asked about settles first. So an answer, once a step
//! is ready, never changes.

use super::event::{Outcome, Reason};
use super::state::RunState;
use crate::plan::condition::{Facts, Value};
use crate::plan::{Condition, Part, StepIx, Text, look_up};

/// What a condition came to.
pub(super) enum Judged {
    Holds,
    /// It does not, and this is why: the values that decided.
    Fails(String),
    /// It compares what cannot be compared.
    Broken(String),
}

/// Judges the condition of a step whose turn it is.
pub(super) fn judge(run: &RunState, ix: StepIx, when: &Condition) -> Judged {
    match when.judge(&Known { run, ix }) {
        Ok(judgement) if judgement.holds => Judged::Holds,
        Ok(judgement) => Judged::Fails(judgement.because),
        Err(error) => Judged::Broken(error.to_string()),
    }
}

pub(super) fn holds(run: &RunState, ix: StepIx, when: &Condition) -> bool {
    matches!(judge(run, ix, when), Judged::Holds)
}

/// The first output that the step's command asks for and nobody has put out.
pub(super) fn missing_output(run: &RunState, ix: StepIx) -> Option<Reason> {
    run.plan[ix]
        .action
        .texts()
        .find_map(|text| missing_in(run, text))
}

/// Whether the step's command asks for anything that other steps put out.
pub(super) fn asks_for_outputs(run: &RunState, ix: StepIx) -> bool {
    let asks = |text: &Text| match text {
        Text::Plain(_) => false,
        Text::Parts(parts) => parts.iter().any(|part| matches!(part, Part::Output { .. })),
    };
    run.plan[ix]
        .action
        .texts()
        .chain(run.plan.env.iter().map(|(_, text)| text))
        .any(asks)
}

fn missing_in(run: &RunState, text: &Text) -> Option<Reason> {
    let Text::Parts(parts) = text else {
        return None;
    };
    parts.iter().find_map(|part| match part {
        Part::Output {
            step,
            key,
            default: None,
        } if run.output(step, key).is_none() => Some(Reason::MissingOutput {
            step: step.to_string(),
            key: key.to_string(),
        }),
        _ => None,
    })
}

struct Known<'a> {
    run: &'a RunState,
    ix: StepIx,
}

impl Facts for Known<'_> {
    fn look_up(&self, path: &[&str]) -> Value {
        match path {
            ["prev" | "steps", id, field @ ..] => self.step(id, field),
            ["env", name] => self.env(name),
            ["vars", name] => self.variable(name).unwrap_or(Value::Null),
            [name] => self.variable(name).unwrap_or_else(|| self.outside(name)),
            [name, within @ ..] => self.part_of(name, within),
            [] => Value::Null,
        }
    }
}

impl Known<'_> {
    fn step(&self, id: &str, field: &[&str]) -> Value {
        let Some(ix) = self.run.find(id) else {
            return Value::Null;
        };
        let record = self.run.step(ix);
        match field {
            ["status" | "state" | "outcome"] => match record.outcome() {
                Some(outcome) => text(Some(outcome.word())),
                None => text(Some(record.word())),
            },
            ["exit_code"] => match record.last.end().and_then(|last| last.exit.code()) {
                Some(code) if record.outcome() != Some(Outcome::Skipped) => {
                    Value::Number(f64::from(code))
                }
                _ => Value::Null,
            },
            ["attempts"] => Value::Number(f64::from(record.attempts)),
            ["outputs", key] => text(self.run.output(id, key)),
            _ => Value::Null,
        }
    }

    /// The step's own meaning of the name, then the plan's.
    fn variable(&self, name: &str) -> Option<Value> {
        let own = self.own(name).map(Value::from);
        own.or_else(|| Some(text(Some(self.run.plan.variables.get(name)?))))
    }

    /// What the step's scope says of the name, in any case of letters.
    fn own(&self, name: &str) -> Option<&serde_json::Value> {
        look_up(self.run.plan[self.ix].scope.as_deref()?, name)
    }

    /// A field of a value that has fields.
    fn part_of(&self, name: &str, within: &[&str]) -> Value {
        let field = |value: Option<&serde_json::Value>| value.map_or(Value::Null, Value::from);
        field(
            within
                .iter()
                .try_fold(self.own(name), |value, key| {
                    Some(value?.as_object()?.get(*key))
                })
                .flatten(),
        )
    }

    /// The step's own environment, then the plan's, then the outside world's.
    fn env(&self, name: &str) -> Value {
        let own = self.run.plan[self.ix].action.env();
        let said = own
            .iter()
            .chain(&self.run.plan.env)
            .find(|(key, _)| key.as_ref() == name);
        match said {
            Some((_, value)) => {
                let filled = value.fill(&|step, key| self.run.output(step, key), &|_| None);
                text(filled.ok().as_deref())
            }
            None => self.outside(&format!("env.{name}")),
        }
    }

    fn outside(&self, name: &str) -> Value {
        Value::of_fact(self.run.plan.facts.get(name).map(String::as_str))
    }
}

fn text(value: Option<&str>) -> Value {
    value.map_or(Value::Null, |value| Value::Text(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::view::testing;

    /// A26.
    #[test]
    fn a_step_means_by_a_name_what_its_scope_says_and_then_what_the_plan_says() {
        let mut plan = testing::plan(&["a", "b"]);
        let said = [("Environment", "Production"), ("Where", "here")];
        plan.variables = said.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let scope = serde_json::json!({
            "Environment": "Lab",
            "Features": ["HyperV", "Docker"],
            "Skip": false,
            "HyperV": {"Switch": "internal", "Cpus": 4},
        });
        let scope: crate::plan::Scope = serde_json::from_value(scope).expect("an object");
        plan.steps[0].scope = Some(Arc::new(scope));
        let run = RunState::new(Arc::new(plan));
        let judged = |ix: usize, text: &str| {
            let when = Condition::parse(text).expect("a condition");
            holds(&run, StepIx::new(ix), &when)
        };
        for text in [
            "Environment -eq 'lab'",
            "$environment -eq 'Lab' -and vars.Environment == 'Lab'",
            "Features -contains 'docker' -and $Features.Count -eq 2",
            "$Skip -ne $true -and -not $Skip",
            "Where -eq 'here'",
            "HyperV.Switch -eq 'internal' -and HyperV.Cpus -gt 3 -and HyperV.Gone -eq $null",
        ] {
            assert!(judged(0, text), "{text}");
        }
        assert!(judged(1, "Environment -eq 'Production'"));
        assert!(!judged(1, "Features -contains 'Docker'"));
    }
}
