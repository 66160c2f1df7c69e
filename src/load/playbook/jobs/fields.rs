//! The fields of a record whose keys are written in any style: `continue-on-error`,
//! `continueOnError` and `ContinueOnError` are one.
//!
//! Whoever reads a record takes its fields one by one; what nobody has taken when
//! it is finished changes nothing, and is told.

use serde_json::Value;

use crate::load::document::{Entry, Kind, Node, Piece};
use crate::plan::problem::{Problem, Problems, Span};

use super::Notes;
use crate::load::playbook::book::{Named, Said, Values};

pub struct Fields<'d> {
    /// For messages: `jobs.build.steps[0]`.
    path: String,
    at: Span,
    left: Vec<Entry<'d>>,
}

impl<'d> Fields<'d> {
    /// The fields of what should be an object.
    pub fn of(node: Node<'d>, path: String, problems: &mut Problems) -> Option<Self> {
        if node.kind() != Kind::Object {
            let message = format!("{path}: expected an object");
            problems.push(Problem::error(message).at(node.span(), ""));
            return None;
        }
        let left = node.entries().collect();
        let at = node.span();
        Some(Fields { path, at, left })
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the record begins.
    pub fn at(&self) -> Span {
        self.at
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> Vec<Entry<'d>> {
        std::mem::take(&mut self.left)
    }

    /// Takes the field of this name, unless it is null. Of two spellings the
    /// second is an error.
    pub fn take(&mut self, name: &str, notes: &mut Notes<'_>) -> Option<Entry<'d>> {
        let wanted = plain(name);
        let mut found: Option<Entry<'d>> = None;
        let left = std::mem::take(&mut self.left);
        for entry in left {
            if plain(&entry.key) != wanted {
                self.left.push(entry);
                continue;
            }
            match &found {
                None => found = Some(entry),
                Some(first) => {
                    let message = format!("{}: {name} is given twice", self.path);
                    let problem = Problem::error(message)
                        .at(entry.key_span(), "given again here")
                        .also(first.key_span(), "first given here")
                        .help("remove one of the two");
                    notes.problems.push(problem);
                }
            }
        }
        found.filter(|entry| !entry.value.is_null())
    }

    /// A text, or a number as it is written.
    pub fn text(&mut self, name: &str, notes: &mut Notes<'_>) -> Option<Said<String>> {
        let entry = self.take(name, notes)?;
        let found = text(entry.value);
        if found.is_none() {
            self.refuse(&entry, name, "a text", notes);
        }
        found
    }

    /// A text or a list of them.
    pub fn texts(&mut self, name: &str, notes: &mut Notes<'_>) -> Vec<Said<String>> {
        let Some(entry) = self.take(name, notes) else {
            return Vec::new();
        };
        let items = match entry.value.kind() {
            Kind::Array => entry.value.items().map(text).collect(),
            _ => text(entry.value).map(|one| vec![one]),
        };
        items.unwrap_or_else(|| {
            self.refuse(&entry, name, "a text or a list of texts", notes);
            Vec::new()
        })
    }

    /// Anything.
    pub fn value(&mut self, name: &str, notes: &mut Notes<'_>) -> Option<Said<Value>> {
        let entry = self.take(name, notes)?;
        let value = value(entry.value, notes.problems);
        Some(Said::new(value, entry.value.span()))
    }

    /// Named values.
    pub fn values(&mut self, name: &str, notes: &mut Notes<'_>) -> Values {
        let Some(entry) = self.take(name, notes) else {
            return Values::new();
        };
        if entry.value.kind() != Kind::Object {
            self.refuse(&entry, name, "an object", notes);
            return Values::new();
        }
        let named = |entry: Entry<'_>| Named {
            name: Said::new(entry.key.to_string(), entry.key_span()),
            value: Said::new(value(entry.value, notes.problems), entry.value.span()),
        };
        entry.value.entries().map(named).collect()
    }

    /// A record within.
    pub fn object(&mut self, name: &str, notes: &mut Notes<'_>) -> Option<Fields<'d>> {
        let entry = self.take(name, notes)?;
        let path = format!("{}.{}", self.path, entry.key);
        Fields::of(entry.value, path, notes.problems)
    }

    /// Notes what nobody has taken.
    pub fn finish(self, notes: &mut Notes<'_>) {
        let idle = |entry: Entry<'_>| Said::new(entry.key.to_string(), entry.key_span());
        notes.idle.extend(self.left.into_iter().map(idle));
    }

    fn refuse(&self, entry: &Entry<'_>, name: &str, expected: &str, notes: &mut Notes<'_>) {
        let message = format!("{}.{name}: expected {expected}", self.path);
        let problem = Problem::error(message).at(entry.value.span(), "");
        notes.problems.push(problem);
    }
}

/// A name without its style.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '-' | '_'));
    letters.flat_map(char::to_lowercase).collect()
}

/// A text, or a number as it is written: `run: 0402`.
pub fn text(node: Node<'_>) -> Option<Said<String>> {
    let text = match node.kind() {
        Kind::Text => node.text()?.into_owned(),
        Kind::Number => node.number()?.to_owned(),
        _ => return None,
    };
    Some(Said::new(text, node.span()))
}

/// Anything as a value, in whose texts templates stand as they are written.
pub fn value(node: Node<'_>, problems: &mut Problems) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => node.bool().into(),
        Kind::Number => number(node.number().unwrap_or_default()),
        Kind::Text => node.text().into(),
        Kind::Env => environment(node.pieces(), node.span(), problems).into(),
        Kind::Array => node.items().map(|item| value(item, problems)).collect(),
        Kind::Object => {
            let entries = node.entries();
            let fields = entries.map(|e| (e.key.to_string(), value(e.value, problems)));
            Value::Object(fields.collect())
        }
    }
}

/// A number of YAML and its like, as JSON has them; what JSON cannot say is text.
fn number(written: &str) -> Value {
    serde_json::from_str(written).unwrap_or_else(|_| {
        let number = written.parse().ok().and_then(serde_json::Number::from_f64);
        number.map_or_else(|| written.into(), Value::Number)
    })
}

/// PowerShell's `$env:NAME` is the template `{{env.NAME}}`, which is filled with
/// a value like any other.
fn environment(pieces: Vec<Piece<'_>>, at: Span, problems: &mut Problems) -> String {
    let mut template = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => template.push_str(&text),
            Piece::Env(name) if crate::plan::variables::is_name(name) => {
                template.push_str(&format!("{{{{env.{name}}}}}"));
            }
            Piece::Env(name) => {
                let message = format!("no environment variable can be called {name:?}");
                problems.push(Problem::error(message).at(at, ""));
            }
        }
    }
    template
}
