//! Values into their places.
//!
//! One walk over a string's pieces, three uses: texts that may keep holes for
//! outputs and secrets, strings that may not, and shell scripts (in `shell`).

use std::ops::Range;

use super::reference::{Broken, Piece, Reference, Target, pieces};
use super::{Scope, place_in};
use crate::plan::name::nearest;
use crate::plan::problem::{Problem, Span};
use crate::plan::{Part, Text};

/// The values in one text may have this many bytes together: a short text can name a long value
/// many times. It is far more than a program can be given as arguments.
const MOST_BYTES: usize = 16 << 20;

/// What a reference stands for.
pub(super) enum Meaning<'a> {
    Value(&'a str),
    /// The reference's own default.
    Default(&'a str),
    /// An output of a step, as the hole it becomes.
    Output(Part),
    /// The secret variable of this name, which has a value.
    Secret(&'a str),
    /// Nothing, and it is to stay as it is written.
    Unresolved,
}

impl Scope {
    /// `text` with its references replaced: `${NAME}`, `${NAME:-default}`,
    /// `${env.NAME}`; `$$` becomes `$`. Outputs of steps and secrets become
    /// holes. `at` is where the text stands in its file, with or without quotes.
    ///
    /// # Errors
    /// A reference to something without a value, or a form that is none.
    pub fn expand(&self, text: &str, at: Span) -> Result<Text, Problem> {
        if !text.contains('$') {
            return Ok(text.into());
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut grown = 0;
        for piece in pieces(text) {
            let reference = match piece.map_err(|broken| broken_form(text, at, broken))? {
                Piece::Literal(piece) => {
                    literal.push_str(piece);
                    continue;
                }
                Piece::Reference(reference) => reference,
            };
            match self.meaning(&reference, text, at)? {
                Meaning::Value(value) | Meaning::Default(value) => {
                    literal.push_str(value);
                    grown += value.len();
                }
                Meaning::Unresolved => literal.push_str(&text[reference.at.clone()]),
                Meaning::Output(hole) => push_hole(&mut parts, &mut literal, hole),
                Meaning::Secret(name) => {
                    push_hole(&mut parts, &mut literal, Part::Secret(name.into()));
                }
            }
            check_size(grown, text, at, &reference.at)?;
        }
        if parts.is_empty() {
            return Ok(literal.into());
        }
        push_literal(&mut parts, &mut literal);
        Ok(Text::Parts(parts.into()))
    }

    /// As [`expand`](Scope::expand), for what has to be known before anything runs.
    ///
    /// # Errors
    /// As `expand`, and where the text names an output or a secret.
    pub fn expand_plain(&self, text: &str, at: Span) -> Result<Box<str>, Problem> {
        let parts = match self.expand(text, at)? {
            Text::Plain(text) => return Ok(text),
            Text::Parts(parts) => parts,
        };
        let what = match parts.iter().find(|p| !matches!(p, Part::Literal(_))) {
            Some(Part::Secret(name)) => {
                format!("variable {name:?} is secret, and this would show it")
            }
            _ => "this has to be known before anything runs, and an output is not".to_owned(),
        };
        let label = "outputs and secrets may stand in arguments, environment and input";
        Err(Problem::error(what).at(at, label))
    }

    /// What `reference`, a piece of `text`, stands for in this scope.
    pub(super) fn meaning<'a>(
        &'a self,
        reference: &Reference<'a>,
        text: &str,
        at: Span,
    ) -> Result<Meaning<'a>, Problem> {
        let default = reference.default;
        let value = match reference.to {
            Target::Output { step, key } => {
                return Ok(Meaning::Output(Part::Output {
                    step: step.into(),
                    key: key.into(),
                    default: default.map(Into::into),
                }));
            }
            Target::Variable(name) => self.get(name),
            Target::Env(name) => self
                .env
                .as_ref()
                .and_then(|env| env.get(name))
                .map(String::as_str),
        };
        match (value, default) {
            (None, None) if self.allow_unresolved => Ok(Meaning::Unresolved),
            (None, None) => Err(self.unresolved(reference, text, at)),
            (None | Some(""), Some(default)) => Ok(Meaning::Default(default)),
            (Some(value), _) => Ok(match reference.to {
                Target::Variable(name) if self.is_secret(name) => Meaning::Secret(name),
                _ => Meaning::Value(value),
            }),
        }
    }

    fn is_secret(&self, name: &str) -> bool {
        self.variables.get(name).is_some_and(|v| v.secret)
    }

    fn unresolved(&self, reference: &Reference<'_>, text: &str, at: Span) -> Problem {
        let place = place_in(text, at, reference.at.clone());
        let name = match reference.to {
            Target::Env(name) => {
                let (message, label) = match self.env {
                    Some(_) => ("is not set", "not in the environment"),
                    None => ("cannot be read here", "no environment is known here"),
                };
                return Problem::error(format!("environment variable {name:?} {message}"))
                    .at(place, label)
                    .help(format!("a default is written `${{env.{name}:-DEFAULT}}`"));
            }
            Target::Variable(name) | Target::Output { key: name, .. } => name,
        };
        let label = match self.variables.get(name) {
            Some(_) => "declared, but neither given nor with a default",
            None => "not given, and not declared",
        };
        let help = match nearest(name, self.variables.keys().map(|name| &**name)) {
            Some(near) => format!("did you mean `${{{near}}}`?"),
            None => format!(
                "give it with --var {name}=VALUE, or a default as in `${{{name}:-DEFAULT}}`; \
                 for these characters themselves write `$${{{name}}}`"
            ),
        };
        Problem::error(format!("variable {name:?} has no value"))
            .at(place, label)
            .help(help)
    }
}

fn push_hole(parts: &mut Vec<Part>, literal: &mut String, hole: Part) {
    push_literal(parts, literal);
    parts.push(hole);
}

/// Moves what has gathered in `literal` to the parts.
fn push_literal(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal).into()));
    }
}

fn check_size(grown: usize, text: &str, at: Span, reference: &Range<usize>) -> Result<(), Problem> {
    if grown <= MOST_BYTES {
        return Ok(());
    }
    let place = place_in(text, at, reference.clone());
    Err(Problem::error(format!(
        "the values in this text are more than {} MiB",
        MOST_BYTES >> 20
    ))
    .at(place, "with this value"))
}

pub(super) fn broken_form(text: &str, at: Span, broken: Broken) -> Problem {
    let forms = "references are `${NAME}`, `${env.NAME}` and `${steps.ID.outputs.KEY}`, each \
                 also with `:-DEFAULT`; for the characters `${` themselves write `$${`";
    Problem::error("a reference that cannot be read")
        .at(place_in(text, at, broken.at), broken.message)
        .help(forms)
}
