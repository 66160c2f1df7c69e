//! What a step runs, in so few bytes that it can be remembered: two steps of one
//! identity would do the same, as far as the plan and the run tell.

use serde::Serialize;

use crate::plan::{Action, Part, Program, StepIx, Text};
use crate::run::RunState;

/// BLAKE3 of a step's command and of the plan's environment, with what other
/// steps put out in its place, and secrets by their names alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub [u8; 32]);

impl Identity {
    /// The identity of what the step would run now.
    ///
    /// # Errors
    /// In words: it runs nothing, or asks for an output that is not there.
    pub fn of(run: &RunState, step: StepIx) -> Result<Identity, String> {
        let plan = run.plan();
        let Action::Command(command) = &plan[step].action else {
            return Err("it runs nothing".into());
        };
        let mut written = Written(blake3::Hasher::new());
        written.add(command);
        written.add(&plan.env);
        let args: &[Text] = match &command.program {
            Program::Argv(argv) => argv,
            Program::Shell { args, .. } => args,
        };
        let env = command.env.iter().chain(&plan.env).map(|(_, text)| text);
        for text in args.iter().chain(env).chain(command.stdin.as_deref()) {
            let Text::Parts(parts) = text else { continue };
            for part in parts {
                let Part::Output { step, key, default } = part else {
                    continue;
                };
                let value = run.output(step, key).or(default.as_deref());
                written.add(&value.ok_or_else(|| format!("{step} put out no {key}"))?);
            }
        }
        Ok(Identity(*written.0.finalize().as_bytes()))
    }
}

/// What is hashed, as JSON: that says where each part ends.
struct Written(blake3::Hasher);

impl Written {
    fn add(&mut self, part: &impl Serialize) {
        serde_json::to_writer(&mut self.0, part).expect("it is part of a plan that was written");
        self.0.update(b"\n");
    }
}
