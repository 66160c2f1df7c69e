//! Texts in quotes, read by PowerShell's rules and with templates in them.

use serde_json::Value;

use crate::plan::name::folded;

use super::super::template::{self, Filled, Found, Hole, Piece, shown};
use super::Refused;
use super::value::is_plain;
use super::words::{Reader, is_part, is_start};

impl<'a> Reader<'a, '_> {
    /// A text in quotes.
    pub(super) fn string(&mut self, quote: char) -> Result<(), Refused> {
        let start = self.at;
        let filled = match self.quoted(quote)? {
            Quoted::Plain(text) if quote == '\'' || !text.contains('\\') => {
                self.copy(start);
                return Ok(());
            }
            Quoted::Plain(text) => Filled::Value(text.into()),
            Quoted::Name(name) => return self.value_of(name, start, "$"),
            Quoted::Environment => {
                let inside = self.text[start + 1..self.at - 1].to_owned();
                self.write(start, &inside);
                return Ok(());
            }
            Quoted::Template(text) => match template::pieces(&text).as_slice() {
                [Piece::Hole(hole)] if self.is_single(hole) => {
                    return self.value_of(hole.name, start, "$");
                }
                _ => self.in_quotes(&text),
            },
        };
        match filled {
            Filled::Value(Value::Array(_) | Value::Object(_)) => self.literal(filled, start),
            Filled::Value(value) => self.literal(Filled::Value(shown(&value).into()), start),
            parts @ Filled::Parts(_) => self.literal(parts, start),
        }
    }

    /// Whether the hole is filled by one value that has a name: then a text that
    /// is nothing but the hole is the name, and the reason can tell it.
    pub(super) fn is_single(&self, hole: &Hole<'_>) -> bool {
        let scope = self.around.scope;
        let single = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_));
        scope.spelled(hole.name).is_some_and(is_plain)
            && matches!(scope.find(hole.name), Some(Found::Filled(Filled::Value(v))) if single(&v))
    }

    pub(super) fn in_quotes(&mut self, text: &str) -> Filled {
        let scope = self.around.scope;
        scope.fill_at(text, self.said.at, self.findings)
    }

    /// Moves past a text in quotes, read by PowerShell's rules.
    pub(super) fn quoted(&mut self, quote: char) -> Result<Quoted<'a>, Refused> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            let part = self.take_while(|c| c != quote);
            text.push_str(part);
            if self.peek().is_none() {
                let message = format!("this {quote} is never closed");
                return Err(Refused::new(start..start + 1, message));
            }
            self.at += 1;
            if self.peek() != Some(quote) {
                break;
            }
            self.at += 1;
            text.push(quote);
        }
        let inside = &self.text[start + 1..self.at - 1];
        if quote == '"' && inside.contains('`') {
            return Err(Refused::code(start..self.at, "a text with escapes (`)"));
        }
        if quote == '"'
            && let Some(dollar) = variable_in(inside)
        {
            return match dollar {
                Dollar::Whole(name) => Ok(Quoted::Name(name)),
                Dollar::Environment => Ok(Quoted::Environment),
                Dollar::Part => Err(Refused::code(start..self.at, "a text with variables in it")),
            };
        }
        if template::has_holes(&text) {
            return Ok(Quoted::Template(text));
        }
        Ok(Quoted::Plain(text))
    }
}

/// A text in quotes.
pub(super) enum Quoted<'a> {
    Plain(String),
    /// There are templates in it.
    Template(String),
    /// It is nothing but this name.
    Name(&'a str),
    /// It is nothing but a name of the environment.
    Environment,
}

pub(super) enum Dollar<'a> {
    Whole(&'a str),
    Environment,
    Part,
}

/// How a variable stands in a text in double quotes, if one does.
fn variable_in(text: &str) -> Option<Dollar<'_>> {
    let is_variable = |rest: &str| rest.starts_with(|c| is_start(c) || c == '{' || c == '(');
    let mut dollars = text.match_indices('$');
    let (at, _) = dollars.find(|(at, _)| {
        let rest = &text[at + 1..];
        is_variable(rest) && !rest.starts_with("{{")
    })?;
    let name = &text[at + 1..];
    let name = match name.strip_prefix('{').and_then(|n| n.strip_suffix('}')) {
        Some(inside) => inside,
        None => name,
    };
    let whole = at == 0 && !name.is_empty();
    Some(if whole && name.chars().all(is_part) {
        Dollar::Whole(name)
    } else if let Some(variable) = folded(name).strip_prefix("env:").filter(|_| whole)
        && variable.chars().all(is_part)
    {
        Dollar::Environment
    } else {
        Dollar::Part
    })
}
