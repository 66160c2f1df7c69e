//! The fields of an object, as playbooks spell them.
//!
//! Keys count in any style (`continue-on-error`, `ContinueOnError`), and each
//! field has several names, since playbooks of several years and hands are read. Unlike a plan file's, a
//! playbook's fields have no table: who reads an object takes what it knows
//! out of it, and what is left over has no effect. That is told, and not
//! refused, since playbooks carry much that was only ever meant for people; but
//! a key that is nearly one of the known ones is refused, for it was meant to
//! have an effect.

use serde_json::Value;

use crate::load::document::{Entry, Kind, Node, Path};
use crate::plan::build::quoted;
use crate::plan::name::{folded, nearest};
use crate::plan::problem::{Problem, Problems, Span};

use super::book::{Named, Said, Values};

/// What is left of an object while it is being read.
pub struct Fields<'d, 'p> {
    pub at: Span,
    pub path: &'p Path<'p>,
    /// With their keys in no style.
    left: Vec<(String, Entry<'d>)>,
    /// All names that were asked for.
    known: Vec<&'static str>,
}

impl<'d, 'p> Fields<'d, 'p> {
    /// The fields of `node`; none where it is no object, which is reported.
    pub fn of(node: Node<'d>, path: &'p Path<'p>, problems: &mut Problems) -> Self {
        if node.kind() != Kind::Object {
            unfit(node, "an object", path, problems);
        }
        Fields {
            at: node.span(),
            path,
            left: node.entries().map(|e| (plain(&e.key), e)).collect(),
            known: Vec::new(),
        }
    }

    /// Whether there is a field of this name, without taking it.
    pub fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(key, _)| key == name)
    }

    /// Takes the field that has one of these names, which are in no style. Null
    /// is the same as leaving it out.
    pub fn take(&mut self, names: &[&'static str], problems: &mut Problems) -> Option<Node<'d>> {
        self.known.extend(names);
        let mut found: Option<Entry<'d>> = None;
        let mut at = 0;
        while at < self.left.len() {
            if !names.contains(&&*self.left[at].0) {
                at += 1;
                continue;
            }
            let (_, entry) = self.left.remove(at);
            match &found {
                Some(first) => problems.push(self.twice(first, &entry)),
                None => found = Some(entry),
            }
        }
        found
            .map(|entry| entry.value)
            .filter(|node| !node.is_null())
    }

    fn twice(&self, first: &Entry<'_>, second: &Entry<'_>) -> Problem {
        let message = format!("\"{}\" and \"{}\" are one field", first.key, second.key);
        Problem::error(self.path.says(message))
            .at(second.key_span(), "given again here")
            .also(first.key_span(), "first given here")
            .help("keep one of the two")
    }

    /// A text; a number counts as it is written.
    pub fn text(
        &mut self,
        names: &[&'static str],
        problems: &mut Problems,
    ) -> Option<Said<String>> {
        let node = self.take(names, problems)?;
        text(node, &Path::Field(self.path, names[0]), problems)
    }

    /// Anything.
    pub fn value(
        &mut self,
        names: &[&'static str],
        problems: &mut Problems,
    ) -> Option<Said<Value>> {
        let node = self.take(names, problems)?;
        Some(Said::new(node.to_value(), node.span()))
    }

    /// One text or a list of them.
    pub fn texts(
        &mut self,
        names: &[&'static str],
        problems: &mut Problems,
    ) -> Option<Vec<Said<String>>> {
        let node = self.take(names, problems)?;
        Some(texts(node, &Path::Field(self.path, names[0]), problems))
    }

    /// Named values.
    pub fn values(&mut self, names: &[&'static str], problems: &mut Problems) -> Values {
        let Some(node) = self.take(names, problems) else {
            return Values::new();
        };
        values(node, &Path::Field(self.path, names[0]), problems)
    }

    /// All that is left, as named values.
    pub fn named(self) -> Values {
        self.left.iter().map(|(_, entry)| named(entry)).collect()
    }

    /// Leaves these fields out: they are for people, and nobody expects an effect.
    pub fn skip(&mut self, names: &[&str]) {
        self.left.retain(|(key, _)| !names.contains(&&**key));
    }

    /// What no one has taken: the fields without effect, with their path.
    /// `idle` are known to be such; of the others, misspelt ones are refused.
    pub fn rest(self, idle: &[&str], problems: &mut Problems) -> Vec<Said<String>> {
        let mut rest = Vec::new();
        // Nobody reads more than that, and telling what was meant is a search.
        for (key, entry) in self.left.iter().take(Problems::MOST) {
            let path = Path::Field(self.path, &entry.key);
            let near = match idle.contains(&&**key) {
                true => None,
                false => nearest(key, self.known.iter().copied()),
            };
            match near.filter(|_| !entry.key.starts_with("x-")) {
                Some(near) => {
                    let message = self
                        .path
                        .says(format!("unknown field {}", quoted(&entry.key)));
                    let problem = Problem::error(message).at(entry.key_span(), "");
                    problems.push(problem.help(format!("did you mean \"{near}\"?")));
                }
                None if entry.key.starts_with("x-") => {}
                None => rest.push(Said::new(path.to_string(), entry.key_span())),
            }
        }
        rest
    }
}

/// A name without its style: in lower case, with no `-` and no `_` in it.
fn plain(name: &str) -> String {
    folded(name).replace(['-', '_'], "")
}

/// A text, or a number as it is written. None for anything else, which is reported.
pub fn text(node: Node<'_>, path: &Path<'_>, problems: &mut Problems) -> Option<Said<String>> {
    let text = match node.kind() {
        Kind::Text => node.text().unwrap_or_default().into_owned(),
        Kind::Env => node.template(),
        Kind::Number => node.number().unwrap_or_default().to_owned(),
        _ => {
            unfit(node, "a text", path, problems);
            return None;
        }
    };
    Some(Said {
        escaped: !node.is_literal(),
        ..Said::new(text, node.span())
    })
}

/// One text or a list of them.
pub fn texts(node: Node<'_>, path: &Path<'_>, problems: &mut Problems) -> Vec<Said<String>> {
    if node.kind() != Kind::Array {
        return text(node, path, problems).into_iter().collect();
    }
    let items = node.items().enumerate();
    items
        .filter_map(|(i, item)| text(item, &Path::Item(path, i), problems))
        .collect()
}

/// Named values.
pub fn values(node: Node<'_>, path: &Path<'_>, problems: &mut Problems) -> Values {
    if node.kind() != Kind::Object {
        unfit(node, "an object", path, problems);
    }
    node.entries().map(|entry| named(&entry)).collect()
}

fn named(entry: &Entry<'_>) -> Named {
    Named {
        name: Said::new(entry.key.to_string(), entry.key_span()),
        value: Said::new(entry.value.to_value(), entry.value.span()),
    }
}

/// Reports a value that is of another kind than is wanted.
pub fn unfit(node: Node<'_>, wanted: &str, path: &Path<'_>, problems: &mut Problems) {
    let found = match node.kind() {
        Kind::Null => "nothing",
        Kind::Bool => "true or false",
        Kind::Number => "a number",
        Kind::Text => "a text",
        Kind::Env => "an environment variable",
        Kind::Array => "a list",
        Kind::Object => "an object",
    };
    let message = format!("expected {wanted}, found {found}");
    problems.push(Problem::error(path.says(message)).at(node.span(), ""));
}
