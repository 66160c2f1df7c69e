//! A receiver with everything filled in that no plan may hold.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Failed;
use super::desk::Desk;
use super::program::Program;
use super::webhook::Webhook;
use crate::plan::notify::{Key, To};
use crate::plan::text::Missing;
use crate::plan::{self, Text};
use crate::view::notification::Message;

/// Where messages are taken, secrets included: it is for nobody's eyes.
pub struct Address(Kind);

enum Kind {
    Webhook(Webhook),
    Program(Program),
}

impl Address {
    /// Fills in the values of secret variables, and what the environment holds.
    ///
    /// # Errors
    /// In words: one of them was not given.
    pub fn of(
        to: &To,
        secrets: &BTreeMap<String, String>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Address, String> {
        let secret = |name: &str| secrets.get(name).map(String::as_str);
        let missing =
            |name: &str| format!("the secret {name} was not given; give it with --var {name}=…");
        let fill = |text: &Text| match text.fill(&|_, _| None, &|name| secret(name)) {
            Ok(text) => Ok(text.into_owned()),
            Err(Missing::Secret { name }) => Err(missing(&name)),
            Err(Missing::Output { step, key }) => Err(format!("{step} put out no {key}")),
        };
        let pairs = |pairs: &[(Box<str>, Text)]| -> Result<Vec<_>, String> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| Ok((name.to_string(), fill(value)?)))
                .collect()
        };
        Ok(Address(match to {
            To::Webhook {
                url,
                secret: key,
                headers,
            } => Kind::Webhook(Webhook {
                url: fill(url)?,
                key: match key {
                    None => None,
                    Some(Key::Variable(name)) => {
                        Some(secret(name).ok_or_else(|| missing(name))?.to_owned())
                    }
                    Some(Key::Environment(name)) => Some(
                        env(name)
                            .ok_or_else(|| format!("the environment variable {name} is not set"))?,
                    ),
                },
                headers: pairs(headers)?,
            }),
            To::Command(command) => Kind::Program(Program {
                argv: argv(&command.program, &fill)?,
                cwd: command.cwd.to_string(),
                env: pairs(&command.env)?,
            }),
        }))
    }

    /// Tries once to deliver a message, within this time.
    pub(super) fn attempt(
        &self,
        message: &Message,
        id: &str,
        limit: Duration,
        desk: &Desk,
    ) -> Result<(), Failed> {
        match &self.0 {
            Kind::Webhook(webhook) => webhook.post(message, id, limit),
            Kind::Program(program) => program.run(message, limit, desk),
        }
    }
}

fn argv(
    program: &plan::Program,
    fill: &impl Fn(&Text) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    match program {
        plan::Program::Argv(argv) => argv.iter().map(fill).collect(),
        plan::Program::Shell { script, args } => {
            // The word after the script is its $0, which shells put before their errors.
            let fixed = ["/bin/sh", "-c", script, "sh"].map(|word| Ok(word.to_owned()));
            fixed.into_iter().chain(args.iter().map(fill)).collect()
        }
    }
}
