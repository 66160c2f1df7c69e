//! What names and templates come to, written as conditions spell it.

use std::ops::Range;

use serde_json::Value;

use crate::plan::build::quoted;
use crate::plan::name::folded;
use crate::plan::{Part, Text};

use super::super::template::{Filled, Found};
use super::Refused;
use super::quotes::Quoted;
use super::words::{Reader, is_constant, is_operator, is_part, is_start};

impl Reader<'_, '_> {
    /// What a name stands for: the name where the condition can be judged with
    /// it, so that the reason tells it, and else its value.
    pub(super) fn value_of(&mut self, name: &str, start: usize, sign: &str) -> Result<(), Refused> {
        let scope = self.around.scope;
        if let Some(spelled) = scope.spelled(name).filter(|name| is_plain(name)) {
            self.write(start, &format!("{sign}{spelled}"));
            return Ok(());
        }
        if let Some(Found::Filled(filled)) = scope.find(name) {
            return self.literal(filled, start);
        }
        if let Some((owner, field)) = name.rsplit_once('.')
            && ["length", "count"].contains(&&*folded(field))
            && let Some(spelled) = scope.spelled(owner).filter(|name| is_plain(name))
        {
            self.write(start, &format!("${spelled}.Length"));
            return Ok(());
        }
        let system = ["IsWindows", "IsLinux", "IsMacOS"];
        let system = system.into_iter().find(|s| folded(s) == folded(name));
        let name = system.unwrap_or(name);
        let unknown = if name.split('.').all(is_plain) {
            format!("{sign}{name}")
        } else {
            "null".into()
        };
        self.write(start, &unknown);
        Ok(())
    }

    /// Writes a value as it is.
    pub(super) fn literal(&mut self, filled: Filled, start: usize) -> Result<(), Refused> {
        let at = start..self.at;
        let written = match &filled {
            Filled::Value(value) => literal(value),
            Filled::Parts(parts) => match parts.as_slice() {
                [Part::Output { step, key, .. }] => {
                    Some(format!("steps['{step}'].outputs['{key}']"))
                }
                _ => None,
            },
        };
        match written {
            Some(written) => {
                self.write(start, &written);
                Ok(())
            }
            None => {
                let value = filled.into_text().shown().into_owned();
                let message = format!("its value {} cannot stand in a condition", quoted(&value));
                Err(Refused::new(at, message))
            }
        }
    }

    /// An argument of a command: a text, a name, or a word. None where there is none.
    pub(super) fn argument(&mut self) -> Result<Option<Text>, Refused> {
        self.skip_space();
        let start = self.at;
        let filled = match self.peek() {
            Some(quote @ ('\'' | '"')) => match self.quoted(quote)? {
                Quoted::Plain(text) => Filled::Value(text.into()),
                Quoted::Template(text) => self.in_quotes(&text),
                Quoted::Name(name) => self.value(name, start)?,
                Quoted::Environment => return Err(environment(start..self.at)),
            },
            Some('$') if !self.rest().starts_with("${{") => {
                self.at += 1;
                let name = self.take_while(|c| is_part(c) || c == '.' || c == ':');
                if name.contains(':') {
                    return Err(environment(start..self.at));
                }
                self.value(name, start)?
            }
            Some('-' | ')') | None => return Ok(None),
            Some(_) => {
                self.take_while(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | ';' | '|'));
                if self.at == start {
                    return Ok(None);
                }
                self.fill(start..self.at)
            }
        };
        Ok(Some(filled.into_text()))
    }

    pub(super) fn value(&mut self, name: &str, start: usize) -> Result<Filled, Refused> {
        match self.around.scope.find(name) {
            Some(Found::Filled(filled)) => Ok(filled),
            _ => {
                let message = format!("nothing gives a value to {}", quoted(name));
                Err(Refused::new(start..self.at, message))
            }
        }
    }
}

pub(super) fn environment(at: Range<usize>) -> Refused {
    Refused::new(at, "the environment cannot be part of this question")
}

/// A value as conditions spell it; None for one that they cannot spell.
pub(super) fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.as_f64()?.to_string(),
        // What is nothing but a reference would be one, quotes or not.
        Value::String(text) if text.starts_with("${") && text.ends_with('}') => return None,
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Array(items) => {
            let scalar = |item: &Value| match item {
                Value::Array(_) | Value::Object(_) => None,
                item => literal(item),
            };
            let items: Option<Vec<String>> = items.iter().map(scalar).collect();
            format!("@({})", items?.join(", "))
        }
        Value::Object(_) => return None,
    })
}

/// Whether conditions can spell the name, and mean nothing else by it.
pub(super) fn is_plain(name: &str) -> bool {
    let reserved = ["steps", "prev", "env", "vars"];
    name.starts_with(is_start)
        && name.chars().all(is_part)
        && !reserved.contains(&name)
        && !is_operator(name)
        && !is_constant(name)
}
