//! References in a shell script.
//!
//! Here a value must not be put in its place, or it would be read as script.
//! It travels as environment instead, and the script keeps a parameter
//! expansion that the shell fills in itself, after it has parsed the line. As
//! with any other expansion, it is the author's to quote: an unquoted
//! `${NAME}` is split at spaces and its wildcards match files, and in single
//! quotes it is not replaced at all. A value never becomes code either way.

use std::collections::BTreeMap;

use super::Scope;
use super::expand::{Meaning, broken_form};
use super::reference::{Piece, Target, pieces};
use crate::plan::problem::{Problem, Span};
use crate::plan::{Part, Text};

/// A script, and what has to stand in its environment.
pub type Script = (Box<str>, Vec<(Box<str>, Text)>);

impl Scope {
    /// The script as the shell gets it, with the environment that it names.
    ///
    /// `${NAME}` of a variable stays, and the variable becomes environment of
    /// that name. What has no name that a shell could hold gets one:
    /// `${QUINTET_OUT_1}` and so on for outputs of steps, `${QUINTET_VAR_1}`
    /// for defaults and for `${env.NAME}`. `$$` becomes `$`, so `$${X%.c}` is
    /// the shell's own expansion, and `$$$$` its process id.
    ///
    /// # Errors
    /// As [`expand`](Scope::expand).
    pub fn expand_shell(&self, script: &str, at: Span) -> Result<Script, Problem> {
        let mut text = String::with_capacity(script.len());
        let mut env = Environment::default();
        for piece in pieces(script) {
            let reference = match piece.map_err(|broken| broken_form(script, at, broken))? {
                Piece::Literal(piece) => {
                    text.push_str(piece);
                    continue;
                }
                Piece::Reference(reference) => reference,
            };
            let written = &script[reference.at.clone()];
            let name = match (self.meaning(&reference, script, at)?, reference.to) {
                (Meaning::Unresolved, _) => {
                    text.push_str(written);
                    continue;
                }
                (Meaning::Value(value), Target::Variable(name)) => env.named(name, value.into()),
                (Meaning::Secret(name), _) => {
                    env.named(name, Text::Parts([Part::Secret(name.into())].into()))
                }
                (Meaning::Value(value) | Meaning::Default(value), _) => {
                    env.numbered("VAR", written, value.into())
                }
                (Meaning::Output(hole), _) => {
                    env.numbered("OUT", written, Text::Parts([hole].into()))
                }
            };
            text.push_str("${");
            text.push_str(name);
            text.push('}');
        }
        Ok((text.into(), env.entries))
    }
}

/// What the script needs in its environment, each thing once.
#[derive(Default)]
struct Environment<'a> {
    entries: Vec<(Box<str>, Text)>,
    /// Where in the entries a variable, or a reference as it is written, stands.
    known: BTreeMap<&'a str, usize>,
    counts: BTreeMap<&'static str, usize>,
}

impl<'a> Environment<'a> {
    /// The name under which the shell finds a variable: its own.
    fn named(&mut self, name: &'a str, value: Text) -> &str {
        self.entry(name, || name.into(), value)
    }

    /// The name under which the shell finds what has none of its own.
    fn numbered(&mut self, kind: &'static str, written: &'a str, value: Text) -> &str {
        let count = self.counts.entry(kind).or_default();
        let next = *count + 1;
        if !self.known.contains_key(written) {
            *count = next;
        }
        self.entry(written, || format!("QUINTET_{kind}_{next}").into(), value)
    }

    fn entry(&mut self, key: &'a str, name: impl FnOnce() -> Box<str>, value: Text) -> &str {
        let entries = &mut self.entries;
        let at = *self.known.entry(key).or_insert_with(|| {
            entries.push((name(), value));
            entries.len() - 1
        });
        &self.entries[at].0
    }
}
