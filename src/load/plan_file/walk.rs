//! What lowering a plan file needs at every turn: the variables, the request,
//! and a place for problems; and how texts become values with them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::load::document::{Kind, Node, Path};
use crate::load::{Request, facts};
use crate::plan::build::quoted;
use crate::plan::condition::Condition;
use crate::plan::problem::{Problem, Problems, Span};
use crate::plan::variables::Scope;
use crate::plan::{Part, Text};

use super::record::{self, Hints, NO_HINTS, Record};
use super::table::Field;

/// Environment variables, in the order of the file.
pub type Env = Vec<(Box<str>, Text)>;

/// One lowering.
pub struct Walk<'r> {
    pub request: &'r Request,
    pub scope: Scope,
    pub problems: Problems,
    /// What the conditions met so far ask of the outside world.
    pub facts: BTreeMap<String, String>,
    /// Names that are no field's, with the table in which they are not.
    unknown: BTreeMap<(String, *const Field), Unknown>,
}

/// A name that is no field's.
struct Unknown {
    /// The field that was probably meant.
    meant: Option<&'static str>,
    path: String,
    first: Span,
    count: usize,
}

impl<'r> Walk<'r> {
    pub fn new(request: &'r Request) -> Self {
        Walk {
            request,
            scope: Scope::default(),
            problems: Problems::default(),
            facts: BTreeMap::new(),
            unknown: BTreeMap::new(),
        }
    }

    /// Reads an object by a table.
    pub fn record<'d>(
        &mut self,
        node: Node<'d>,
        table: &'static [Field],
        path: &Path<'_>,
    ) -> Record<'d> {
        self.record_like(node, table, path, &mut NO_HINTS.clone())
    }

    /// As [`Walk::record`], for one of many that are alike.
    pub fn record_like<'d>(
        &mut self,
        node: Node<'d>,
        table: &'static [Field],
        path: &Path<'_>,
        hints: &mut Hints,
    ) -> Record<'d> {
        let record = record::read(node, table, path, hints, &mut self.problems);
        for entry in record.unknown.iter().filter(|e| !record::is_free(&e.key)) {
            self.unknown_field(&entry.key, entry.key_span(), table, path);
        }
        record
    }

    /// P36: a misspelt field is refused wherever it stands; any other unknown
    /// one has no effect, which is told once for each name.
    fn unknown_field(&mut self, name: &str, at: Span, table: &'static [Field], path: &Path<'_>) {
        let key = (name.to_owned(), table.as_ptr());
        let unknown = self.unknown.entry(key).or_insert_with(|| Unknown {
            meant: record::meant(table, name),
            path: path.to_string(),
            first: at,
            count: 0,
        });
        unknown.count += 1;
        if let Some(meant) = unknown.meant {
            let message = path.says(format!("unknown field {}", quoted(name)));
            let problem = Problem::error(message).at(at, "");
            self.problems
                .push(problem.help(format!("did you mean \"{meant}\"?")));
        }
    }

    /// Tells of the unknown fields that are no mistakes.
    pub fn report_unknown(&mut self) {
        for ((name, _), unknown) in std::mem::take(&mut self.unknown) {
            if unknown.meant.is_some() {
                continue;
            }
            let mut message = format!("the unknown field {} has no effect", quoted(&name));
            if unknown.count > 1 {
                message.push_str(&format!("; this file has it {} times", unknown.count));
            } else if !unknown.path.is_empty() {
                message = format!("{}: {message}", unknown.path);
            }
            let problem = Problem::warning(message).at(unknown.first, "");
            let help = format!("a field of your own is called \"x-{name}\"");
            self.problems.push(problem.help(help));
        }
    }

    /// The choice that the record's field `name` makes.
    pub fn choice(
        &mut self,
        record: &Record<'_>,
        name: &str,
        path: &Path<'_>,
    ) -> Option<&'static str> {
        let node = record.named(name)?;
        let path = Path::Field(path, name);
        let text = self.plain(node, &path)?;
        let choices = record.choices(name);
        record::choice(&text, node.span(), choices, &path, &mut self.problems)
    }

    pub fn report(&mut self, path: &Path<'_>, message: &str, at: Span) {
        let problem = Problem::error(path.says(message)).at(at, "");
        self.problems.push(problem);
    }

    /// A text that may hold outputs of steps and secrets. None where it is
    /// refused, which has been reported then.
    pub fn text(&mut self, node: Node<'_>, path: &Path<'_>) -> Option<Text> {
        let written = word(node);
        if !written.contains('$') {
            return Some(Text::Plain(written.into()));
        }
        let expanded = self.scope.expand(&written, node.span());
        self.expanded(expanded, node, path)
    }

    /// As [`Walk::text`], for what a program is given: it cannot be given a NUL.
    pub fn argument(&mut self, node: Node<'_>, path: &Path<'_>) -> Option<Text> {
        let text = self.text(node, path)?;
        let nul = match &text {
            Text::Plain(text) => text.contains('\0'),
            Text::Parts(parts) => parts
                .iter()
                .any(|part| matches!(part, Part::Literal(text) if text.contains('\0'))),
        };
        if nul {
            let message = "holds a NUL, which no program can be given";
            self.report(path, message, node.span());
            return None;
        }
        Some(text)
    }

    /// A text that must be known before anything runs.
    pub fn plain<'d>(&mut self, node: Node<'d>, path: &Path<'_>) -> Option<Cow<'d, str>> {
        let written = word(node);
        if !written.contains('$') {
            return Some(written);
        }
        let expanded = self.scope.expand_plain(&written, node.span());
        self.expanded(expanded, node, path)
            .map(|text| Cow::Owned(text.into()))
    }

    /// A shell script, and the environment that its variables come in.
    pub fn script(&mut self, node: Node<'_>, path: &Path<'_>) -> Option<(Box<str>, Env)> {
        let written = word(node);
        if written.contains('\0') {
            let message = "holds a NUL, which no shell can be given";
            self.report(path, message, node.span());
            return None;
        }
        if !written.contains('$') {
            return Some((written.into(), Vec::new()));
        }
        let expanded = self.scope.expand_shell(&written, node.span());
        self.expanded(expanded, node, path)
    }

    fn expanded<T>(
        &mut self,
        result: Result<T, Problem>,
        node: Node<'_>,
        path: &Path<'_>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(mut problem) => {
                // The length alone does not tell quotes from escapes.
                if let Some((place, _)) = problem.at.as_mut().filter(|_| !node.is_literal()) {
                    *place = node.span();
                }
                // P7: the step is named too, since an index is nothing to search for.
                let owner = match path.step() {
                    Some(id) => format!(" of step {}", quoted(id)),
                    None => String::new(),
                };
                problem.message = format!("{path}{owner}: {}", problem.message);
                self.problems.push(problem);
                None
            }
        }
    }

    /// Notes what a condition asks of the outside world, and that the variables
    /// it names are used.
    pub fn facts(&mut self, condition: &Condition) {
        let known = |name: &str| self.scope.get(name).is_some();
        facts::note(condition, known, self.request.env.as_ref(), &mut self.facts);
    }

    /// A list of plain texts; the texts that are refused are missing.
    pub fn list(&mut self, node: Node<'_>, path: &Path<'_>) -> Box<[Box<str>]> {
        let items = node.items().enumerate();
        items
            .filter_map(|(i, item)| self.plain(item, &Path::Item(path, i)))
            .map(Box::from)
            .collect()
    }

    /// Environment variables and their values.
    pub fn env(&mut self, node: Node<'_>, path: &Path<'_>) -> Env {
        let mut env = Vec::new();
        for entry in node.entries() {
            let path = Path::Field(path, &entry.key);
            if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
                let message = "cannot be the name of an environment variable";
                self.report(&path, message, entry.key_span());
            } else if let Some(text) = self.argument(entry.value, &path) {
                env.push((entry.key.as_ref().into(), text));
            }
        }
        env
    }

    /// A directory or file, seen from `base`. Paths are joined as they are
    /// written: what `..` leads to is for the system to say, when it is used.
    pub fn place(&mut self, node: Node<'_>, base: &Arc<str>, path: &Path<'_>) -> Option<Arc<str>> {
        let text = self.plain(node, path)?;
        if text.contains('\0') {
            self.report(path, "holds a NUL, which no path can", node.span());
            return None;
        }
        let relative = text.trim_start_matches("./");
        if relative.is_empty() || relative == "." {
            return Some(Arc::clone(base));
        }
        if std::path::Path::new(&*text).is_absolute() {
            return Some(text.into());
        }
        Some(format!("{}/{relative}", base.trim_end_matches('/')).into())
    }

    /// Free data, with variables replaced in its strings.
    pub fn value(&mut self, node: Node<'_>, path: &Path<'_>) -> Value {
        match node.kind() {
            Kind::Null | Kind::Bool | Kind::Number => node.to_value(),
            Kind::Text => self.plain(node, path).into(),
            Kind::Env => {
                let message = path.says("PowerShell's environment is not read here");
                let problem = Problem::error(message).at(node.span(), "");
                self.problems.push(problem.help(record::ENV));
                Value::Null
            }
            Kind::Array => {
                let items = node.items().enumerate();
                items
                    .map(|(i, item)| self.value(item, &Path::Item(path, i)))
                    .collect()
            }
            Kind::Object => node
                .entries()
                .map(|e| {
                    let value = self.value(e.value, &Path::Field(path, &e.key));
                    (e.key.into_owned(), value)
                })
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// A text, or a number as it is written.
pub fn word(node: Node<'_>) -> Cow<'_, str> {
    match node.text() {
        Some(text) => text,
        None => Cow::Borrowed(node.number().unwrap_or_default()),
    }
}

/// A whole number that was checked to be one in range of `u32`.
pub fn count(node: Node<'_>) -> u32 {
    // `as` saturates, and the shape was checked.
    record::number(node) as u32
}

/// A number of seconds that was checked to be one.
pub fn seconds(node: Node<'_>) -> Duration {
    Duration::try_from_secs_f64(record::number(node)).unwrap_or(Duration::MAX)
}

/// Seconds of a limit, where 0 means that there is none.
pub fn limit(node: Node<'_>) -> Option<Duration> {
    Some(seconds(node)).filter(|limit| !limit.is_zero())
}
