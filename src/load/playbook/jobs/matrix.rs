//! A matrix: its axes multiplied, some combinations taken away and some added.
//!
//! In GitHub's order of things: the product of the axes, the last changing first;
//! without what `exclude` fits; then each of `include` is put into every
//! combination that it contradicts in no axis, or where there is none, becomes one.

use serde_json::Value;

use crate::load::document::{Kind, Node, Path};
use crate::load::playbook::fields::{self, Fields};
use crate::load::playbook::template;
use crate::plan::problem::{Problem, Problems, Span};

/// More combinations than these are a mistake, and cost more than they are worth.
const MOST: usize = 256;

/// Values by name, in the order of the file.
type Record = Vec<(String, Value)>;

/// One combination of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    pub values: Record,
    /// Where the matrix is written.
    pub at: Span,
}

impl Combination {
    /// What tells it from others: `linux, 3.12`.
    pub fn label(&self) -> String {
        let values = self.values.iter().map(|(_, value)| template::shown(value));
        let values: Vec<String> = values.collect();
        values.join(", ")
    }
}

struct Axis {
    name: String,
    values: Vec<Value>,
}

/// The combinations of a job's matrix; `None` where it has none, or none that can
/// be made sense of.
pub fn read(strategy: &mut Fields<'_, '_>, problems: &mut Problems) -> Option<Vec<Combination>> {
    let node = strategy.take(&["matrix"], problems)?;
    let path = Path::Field(strategy.path, "matrix");
    if node.kind() == Kind::Text {
        let message = path.says("a matrix that is made by an expression is not known");
        let problem = Problem::error(message).at(node.span(), "");
        problems.push(problem.help("write out its axes"));
        return None;
    }
    let mut fields = Fields::of(node, &path, problems);
    let exclude = records(&mut fields, "exclude", problems);
    let include = records(&mut fields, "include", problems);
    let axes = axes(fields, problems)?;
    let at = node.span();
    let mut most = |count: Option<usize>| match count {
        Some(count) if count <= MOST => Some(()),
        _ => {
            let message = path.says(format!("more than {MOST} combinations"));
            problems.push(Problem::error(message).at(at, ""));
            None
        }
    };
    let mut sizes = axes.iter().map(|axis| axis.values.len());
    most(sizes.try_fold(1usize, |all, n| all.checked_mul(n)))?;
    let mut all = if axes.is_empty() {
        Vec::new()
    } else {
        multiply(&axes)
    };
    all.retain(|values| !exclude.iter().any(|fields| fits(fields, values)));
    add(&mut all, &axes, include);
    most(Some(all.len()))?;
    if all.is_empty() {
        let problem = Problem::error(path.says("there is no combination"));
        problems.push(problem.at(at, ""));
        return None;
    }
    let combination = |values| Combination { values, at };
    Some(all.into_iter().map(combination).collect())
}

/// The axes, which are all that is left of the matrix.
fn axes(fields: Fields<'_, '_>, problems: &mut Problems) -> Option<Vec<Axis>> {
    let path = fields.path;
    let mut axes = Some(Vec::new());
    for named in fields.named() {
        match named.value.value {
            Value::Array(values) if !values.is_empty() => {
                if let Some(axes) = &mut axes {
                    let name = named.name.value;
                    axes.push(Axis { name, values });
                }
            }
            _ => {
                let message =
                    Path::Field(path, &named.name.value).says("expected a list of values");
                problems.push(Problem::error(message).at(named.value.at, ""));
                axes = None;
            }
        }
    }
    axes
}

/// The objects of a list.
fn records(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    problems: &mut Problems,
) -> Vec<Record> {
    let Some(node) = fields.take(&[name], problems) else {
        return Vec::new();
    };
    let record = |item: Node<'_>| {
        let entries = item.entries().map(|entry| {
            let value = entry.value.to_value();
            (entry.key.into_owned(), value)
        });
        (item.kind() == Kind::Object).then(|| entries.collect())
    };
    let records: Option<Vec<_>> = match node.kind() {
        Kind::Array => node.items().map(record).collect(),
        _ => None,
    };
    records.unwrap_or_else(|| {
        let path = Path::Field(fields.path, name);
        fields::unfit(node, "a list of objects", &path, problems);
        Vec::new()
    })
}

fn multiply(axes: &[Axis]) -> Vec<Record> {
    let mut all = vec![Record::new()];
    for axis in axes {
        let with = |values: &Record, value: &Value| {
            let mut values = values.clone();
            values.push((axis.name.clone(), value.clone()));
            values
        };
        all = all
            .iter()
            .flat_map(|values| axis.values.iter().map(move |value| with(values, value)))
            .collect();
    }
    all
}

/// Whether the record has just this value for the name.
fn has(values: &[(String, Value)], field: &(String, Value)) -> bool {
    values.iter().any(|value| value == field)
}

/// Whether every field has the value that the combination has.
fn fits(fields: &[(String, Value)], values: &[(String, Value)]) -> bool {
    fields.iter().all(|field| has(values, field))
}

fn add(all: &mut Vec<Record>, axes: &[Axis], include: Vec<Record>) {
    // What was included by itself is not added to.
    let product = all.len();
    for fields in include {
        let is_axis = |name: &str| axes.iter().any(|axis| axis.name == name);
        let own: Vec<_> = fields.iter().filter(|(name, _)| is_axis(name)).collect();
        let mut added = false;
        for values in &mut all[..product] {
            if own.iter().all(|field| has(values, field)) {
                for (name, value) in &fields {
                    match values.iter_mut().find(|(known, _)| known == name) {
                        Some((_, known)) => *known = value.clone(),
                        None => values.push((name.clone(), value.clone())),
                    }
                }
                added = true;
            }
        }
        if !added {
            all.push(fields);
        }
    }
}
