//! Objects read by a table of fields.
//!
//! One pass over an object sorts its entries into the table's fields and checks
//! each value's shape. What is wrong is reported there and then and counts as
//! left out; so whoever takes the values afterwards takes them as they are and
//! goes on, and one wrong field does not hide the next.

use crate::load::document::{Entry, Kind, Node, Path};
use crate::plan::build::quoted;
use crate::plan::name::nearest;
use crate::plan::problem::{Problem, Problems, Span};

use super::fields::FREE_PREFIX;
use super::table::{Field, MOST_SECONDS, Shape};

/// No table has more fields than this.
const MOST_FIELDS: usize = 48;

/// Some fields of a table.
#[derive(Clone, Copy)]
pub struct Fields(u64);

impl Fields {
    /// The fields at these positions.
    pub const fn of(positions: &[usize]) -> Fields {
        let (mut fields, mut i) = (0, 0);
        while i < positions.len() {
            fields |= 1 << positions[i];
            i += 1;
        }
        Fields(fields)
    }
}

/// An object's values by the position of their field.
pub struct Record<'d> {
    node: Node<'d>,
    table: &'static [Field],
    values: [Option<Node<'d>>; MOST_FIELDS],
    /// A bit for each field that has a value.
    given: u64,
    /// What no field of the table is called.
    pub unknown: Vec<Entry<'d>>,
}

impl<'d> Record<'d> {
    /// The field's value, unless it is left out, null, or was refused.
    pub fn get(&self, field: usize) -> Option<Node<'d>> {
        self.values[field]
    }

    /// Whether any of these fields has a value: most objects say little of what
    /// they could, and what none of them says needs no look at each.
    pub fn has_any(&self, of: Fields) -> bool {
        self.given & of.0 != 0
    }

    /// As [`Record::get`], by name, for what is not read a hundred thousand times.
    pub fn named(&self, name: &str) -> Option<Node<'d>> {
        let field = self.table.iter().position(|field| field.name == name);
        debug_assert!(field.is_some(), "no field {name}");
        self.get(field?)
    }

    /// Whether the field is not in the file. One that was refused is.
    pub fn is_missing(&self, field: usize) -> bool {
        let given = |e: Entry<'_>| self.table[field].is_called(&e.key) && !e.value.is_null();
        self.values[field].is_none() && !self.node.entries().any(given)
    }

    /// Where the object begins.
    pub fn span(&self) -> Span {
        self.node.span()
    }

    /// The texts of which the field takes one.
    pub fn choices(&self, name: &str) -> &'static [&'static str] {
        match self.table.iter().find(|field| field.name == name) {
            Some(Field {
                shape: Shape::Choice(choices),
                ..
            }) => choices,
            _ => &[],
        }
    }
}

/// Which field came at which position of the object read before. Objects of
/// one list have mostly the same fields in the same order, so the first guess
/// is mostly right.
pub type Hints = [u8; MOST_FIELDS];

/// No hints, for an object that is not one of many.
pub const NO_HINTS: Hints = [0; MOST_FIELDS];

/// Reads `node` by `table`. Reports what does not fit, and fields that are
/// missing, twice there, or misspelt.
pub fn read<'d>(
    node: Node<'d>,
    table: &'static [Field],
    path: &Path<'_>,
    hints: &mut Hints,
    problems: &mut Problems,
) -> Record<'d> {
    let mut record = Record {
        node,
        table,
        values: [None; MOST_FIELDS],
        given: 0,
        unknown: Vec::new(),
    };
    if node.kind() != Kind::Object {
        problems.push(unfit(node, &Shape::Object(table), path));
        return record;
    }
    for (position, entry) in node.entries().enumerate() {
        let Some(field) = find(table, &entry.key, position, hints) else {
            record.unknown.push(entry);
            continue;
        };
        if record.values[field].is_some() {
            problems.extend(under_two_names(node, &table[field], &entry, path));
        } else if !entry.value.is_null() {
            let path = Path::Field(path, &entry.key);
            if check(entry.value, &table[field].shape, &path, problems) {
                record.values[field] = Some(entry.value);
                record.given |= 1 << field;
            }
        }
    }
    for (field, spec) in table.iter().take_while(|f| f.required).enumerate() {
        if record.is_missing(field) {
            problems.push(missing(node, spec, path));
        }
    }
    record
}

fn find(table: &[Field], key: &str, position: usize, hints: &mut Hints) -> Option<usize> {
    let hint = hints.get(position).copied().map_or(0, usize::from);
    if table.get(hint).is_some_and(|field| field.name == key) {
        return Some(hint);
    }
    let found = table.iter().position(|field| field.is_called(key))?;
    if let Some(hint) = hints.get_mut(position) {
        *hint = found as u8;
    }
    Some(found)
}

/// The same field under two of its names. The same name twice has been reported.
fn under_two_names(
    node: Node<'_>,
    field: &Field,
    second: &Entry<'_>,
    path: &Path<'_>,
) -> Option<Problem> {
    let first = node.entries().find(|e| field.is_called(&e.key))?;
    if first.key == second.key {
        return None;
    }
    let message = format!("\"{}\" and \"{}\" are one field", first.key, second.key);
    let problem = Problem::error(path.says(message))
        .at(second.key_span(), "given again here")
        .also(first.key_span(), "first given here");
    Some(problem.help("keep one of the two"))
}

fn missing(node: Node<'_>, field: &Field, path: &Path<'_>) -> Problem {
    let message = format!("\"{}\" is missing", field.name);
    Problem::error(path.says(message)).at(node.span(), "this needs it")
}

/// The field that was probably meant by a name that is none, if any is near.
pub fn meant(table: &'static [Field], name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase().replace('-', "_");
    let mistaken = table.iter().find(|f| f.mistaken.contains(&&*lower));
    // `timeout_ms` and `timeout` for `timeout_sec`, `depend` for `depends_on`.
    let same_stem = || {
        let name = stem(&lower);
        table
            .iter()
            .find(|f| name.len() >= 4 && (stem(f.name) == name || f.name.starts_with(name)))
    };
    if let Some(field) = mistaken.or_else(same_stem) {
        return Some(field.name);
    }
    let aliases = table.iter().flat_map(|f| f.aliases.iter().copied());
    let names = table.iter().map(|f| f.name).chain(aliases);
    let near: Vec<&'static str> = names.collect();
    nearest(name, near.iter().copied())
}

fn stem(name: &str) -> &str {
    ["_sec", "_seconds", "_secs", "_ms", "_s", "_min", "_minutes"]
        .iter()
        .find_map(|unit| name.strip_suffix(unit))
        .unwrap_or(name)
}

/// Whether a field of this name is always allowed.
pub fn is_free(name: &str) -> bool {
    name.starts_with(FREE_PREFIX)
}

/// Whether the value has the shape; reports it where not. Objects of fields are
/// only known to be objects: their fields are checked when they are read.
pub fn check(node: Node<'_>, shape: &Shape, path: &Path<'_>, problems: &mut Problems) -> bool {
    let fits = match (shape, node.kind()) {
        (Shape::Any, _)
        | (Shape::Text | Shape::Word | Shape::Choice(_), Kind::Text)
        | (Shape::Bool, Kind::Bool)
        | (Shape::Object(_), Kind::Object) => true,
        (Shape::Word, Kind::Number) => true,
        (Shape::Count { .. } | Shape::Number { .. } | Shape::Seconds, Kind::Number) => {
            return check_number(node, shape, path, problems);
        }
        // The items are checked when they are read as records.
        (Shape::List(Shape::Object(_)), Kind::Array) => true,
        (Shape::List(item), Kind::Array) => {
            let mut all = true;
            for (index, node) in node.items().enumerate() {
                all &= check(node, item, &Path::Item(path, index), problems);
            }
            return all;
        }
        (Shape::Map(item), Kind::Object) => {
            let mut all = true;
            for entry in node.entries() {
                all &= check(entry.value, item, &Path::Field(path, &entry.key), problems);
            }
            return all;
        }
        (Shape::Either(shapes), _) => {
            if let Some(shape) = shapes.iter().find(|shape| may_be(shape, node.kind())) {
                return check(node, shape, path, problems);
            }
            false
        }
        _ => false,
    };
    if !fits {
        problems.push(unfit(node, shape, path));
    }
    fits
}

/// Whether a value of this kind can have the shape at all.
fn may_be(shape: &Shape, kind: Kind) -> bool {
    match shape {
        Shape::Text | Shape::Choice(_) => kind == Kind::Text,
        Shape::Word => matches!(kind, Kind::Text | Kind::Number),
        Shape::Bool => kind == Kind::Bool,
        Shape::Count { .. } | Shape::Number { .. } | Shape::Seconds => kind == Kind::Number,
        Shape::List(_) => kind == Kind::Array,
        Shape::Map(_) | Shape::Object(_) => kind == Kind::Object,
        Shape::Either(shapes) => shapes.iter().any(|shape| may_be(shape, kind)),
        Shape::Any => true,
    }
}

fn check_number(node: Node<'_>, shape: &Shape, path: &Path<'_>, problems: &mut Problems) -> bool {
    let written = node.number().unwrap_or_default();
    let number = number(node);
    let mut refuse = |message: String| {
        problems.push(Problem::error(path.says(message)).at(node.span(), ""));
        false
    };
    if number.is_nan() {
        return refuse(format!("{} is not a number", quoted(written)));
    }
    let (least, most) = match shape {
        Shape::Count { least, most } => (*least as f64, *most as f64),
        Shape::Number { least, most } => (*least, *most),
        _ => (0.0, MOST_SECONDS),
    };
    if matches!(shape, Shape::Count { .. }) && number.is_finite() && number.fract() != 0.0 {
        return refuse(format!("expected a whole number, found {written}"));
    }
    if number.is_infinite() {
        return refuse(format!("{written} is too large"));
    }
    if number < least {
        return refuse(format!("{written} is too small; {least} is the least"));
    }
    if number > most {
        return refuse(format!("{written} is too large; {most} is the most"));
    }
    true
}

/// A number's value: infinite where it does not fit, no number where it is none.
pub fn number(node: Node<'_>) -> f64 {
    let text = node.number().unwrap_or_default();
    // Rust reads `inf` and `nan`, as TOML spells them; YAML has a dot in front.
    let text = match text.strip_prefix('-') {
        Some(rest) if rest.starts_with(".i") || rest.starts_with(".I") => "-inf",
        _ => match text.get(..2) {
            Some(".i" | ".I") => "inf",
            Some(".n" | ".N") => "nan",
            _ => text,
        },
    };
    text.parse().unwrap_or(f64::NAN)
}

/// The problem of a value that has not the shape.
fn unfit(node: Node<'_>, shape: &Shape, path: &Path<'_>) -> Problem {
    let message = format!("expected {}, found {}", expected(shape), found(node));
    let problem = Problem::error(path.says(message)).at(node.span(), "");
    match hint(node, shape) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// What to write in place of PowerShell's `$env:NAME`.
pub const ENV: &str = "a plan names it as '${env.NAME}', in single quotes";

/// What would fit better, where that can be told from what is there.
fn hint(node: Node<'_>, shape: &Shape) -> Option<String> {
    let text = node.text().unwrap_or_default();
    match shape {
        Shape::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some("write true, without quotes".into()),
            "false" | "no" | "off" => Some("write false, without quotes".into()),
            _ => None,
        },
        Shape::Count { .. } | Shape::Number { .. } | Shape::Seconds => text
            .parse::<f64>()
            .is_ok()
            .then(|| format!("write {text}, without quotes")),
        Shape::List(Shape::Text | Shape::Word) if node.kind() == Kind::Text => {
            Some("put it into brackets: it is a list of one".into())
        }
        Shape::Text | Shape::Word if node.kind() == Kind::Env => Some(ENV.into()),
        Shape::Text | Shape::Word if matches!(node.kind(), Kind::Number | Kind::Bool) => {
            Some("put it into quotes".into())
        }
        _ => None,
    }
}

fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Text | Shape::Word | Shape::Choice(_) => "a text".into(),
        Shape::Bool => "true or false".into(),
        Shape::Count { .. } => "a whole number".into(),
        Shape::Number { .. } => "a number".into(),
        Shape::Seconds => "a number of seconds".into(),
        Shape::List(Shape::Text | Shape::Word) => "a list of texts".into(),
        Shape::List(_) => "a list".into(),
        Shape::Map(_) | Shape::Object(_) => "an object".into(),
        Shape::Any => "anything".into(),
        Shape::Either(shapes) => {
            let all: Vec<String> = shapes.iter().map(expected).collect();
            all.join(" or ")
        }
    }
}

fn found(node: Node<'_>) -> String {
    match node.kind() {
        Kind::Null => "nothing".into(),
        Kind::Bool => if node.bool() == Some(true) {
            "true"
        } else {
            "false"
        }
        .into(),
        Kind::Number => format!("the number {}", node.number().unwrap_or_default()),
        Kind::Text => format!("the text {}", quoted(&node.text().unwrap_or_default())),
        Kind::Env => "an environment variable of PowerShell".into(),
        Kind::Array => "a list".into(),
        Kind::Object => "an object".into(),
    }
}

/// The value of a text that is one of a few. Reports one that is not.
pub fn choice(
    text: &str,
    at: Span,
    choices: &'static [&'static str],
    path: &Path<'_>,
    problems: &mut Problems,
) -> Option<&'static str> {
    let found = choices.iter().copied().find(|choice| *choice == text);
    if found.is_none() {
        let message = format!(
            "expected one of {}, found {}",
            choices.join(", "),
            quoted(text)
        );
        let problem = Problem::error(path.says(message)).at(at, "");
        problems.push(match nearest(text, choices.iter().copied()) {
            Some(near) => problem.help(format!("did you mean \"{near}\"?")),
            None => problem,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fields::{GLOBALS, PLAN, STEP};
    use super::*;

    /// P36: what people write for a field, in other words, units and spellings.
    #[test]
    fn p36_near_names_of_fields() {
        let cases = [
            ("dependson", Some("depends_on")),
            ("depends", Some("depends_on")),
            ("dependencies", Some("depends_on")),
            ("Needs", Some("needs")),
            ("timeout", Some("timeout_sec")),
            ("timeout_ms", Some("timeout_sec")),
            ("timeout_secs", Some("timeout_sec")),
            ("retry-delay", Some("retry_delay_sec")),
            ("cmd", Some("command")),
            ("comand", Some("command")),
            ("cond", Some("condition")),
            ("onfailure", Some("on_failure")),
            ("notes", None),
            ("owner", None),
            ("cached", Some("cache")),
            ("if", Some("condition")),
        ];
        for (name, expected) in cases {
            assert_eq!(meant(&STEP, name), expected, "{name}");
        }
        assert_eq!(meant(&PLAN, "step"), Some("steps"));
        assert_eq!(meant(&PLAN, "planid"), Some("plan_id"));
        assert_eq!(
            meant(&GLOBALS, "default_timeout"),
            Some("default_timeout_sec")
        );
    }
}
