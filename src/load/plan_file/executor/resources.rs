//! What is asked of Slurm, one thing at a time. Slurm takes some texts apart, and
//! what it would take apart otherwise than it is meant is refused here.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::document::{Kind, Node, Path};
use crate::load::plan_file::builtin::size;
use crate::load::plan_file::record::{self, Record};
use crate::load::plan_file::table::Shape;
use crate::load::plan_file::walk::{Walk, count};
use crate::plan::build::quoted;

const MIB: u64 = 1 << 20;

/// MiB. More than this was not meant.
pub const MEMORY: Shape = Shape::Count {
    least: 1,
    most: 1 << 40,
};

/// Memory in MiB. A number without a unit counts them, as Slurm does.
pub fn memory(walk: &mut Walk<'_>, node: Node<'_>, path: &Path<'_>) -> Option<u64> {
    if node.kind() == Kind::Number {
        return Some(record::number(node) as u64);
    }
    let text = walk.plain(node, path)?;
    let amount = match text.trim().parse::<u64>() {
        Ok(amount) => amount.checked_mul(MIB),
        Err(_) => size(&text),
    };
    let amount = amount.map(|bytes| bytes.div_ceil(MIB));
    let amount = amount.filter(|amount| (1..=1 << 40).contains(amount));
    if amount.is_none() {
        let found = quoted(&text);
        let message = format!("expected memory such as 8GiB or 512M, found {found}");
        walk.report(path, &message, node.span());
    }
    amount
}

/// Whole minutes, in which Slurm counts.
pub fn minutes(time: Duration) -> u32 {
    let minutes = time.as_nanos().div_ceil(60_000_000_000);
    u32::try_from(minutes).unwrap_or(u32::MAX)
}

/// `2`, `a100:2`, or several of these.
pub fn gpus(walk: &mut Walk<'_>, node: Node<'_>, path: &Path<'_>) -> Option<Box<str>> {
    if node.kind() == Kind::Number {
        return Some(count(node).to_string().into());
    }
    let text = walk.plain(node, path)?;
    let counts = |count: &str| {
        let is_plain = count.bytes().all(|byte| byte.is_ascii_digit());
        is_plain && count.parse::<u32>().is_ok_and(|count| count > 0)
    };
    let fits = |one: &str| match one.split_once(':') {
        Some((kind, count)) => !kind.is_empty() && kind.chars().all(is_in_name) && counts(count),
        None => counts(one),
    };
    if !text.split(',').all(fits) {
        let found = quoted(&text);
        let message = format!("expected a number of GPUs, or such as a100:2, found {found}");
        walk.report(path, &message, node.span());
        return None;
    }
    Some(text.into())
}

/// A partition, or several: the job runs in the one that has room first.
pub fn partition(walk: &mut Walk<'_>, node: Node<'_>, path: &Path<'_>) -> Option<Box<str>> {
    let text = walk.plain(node, path)?;
    let problem = text.split(',').find_map(name_problem);
    reported(walk, &text, problem, node, path)
}

pub fn account(walk: &mut Walk<'_>, node: Node<'_>, path: &Path<'_>) -> Option<Box<str>> {
    let text = walk.plain(node, path)?;
    let problem = name_problem(&text);
    reported(walk, &text, problem, node, path)
}

/// The text, unless there is a problem with it.
fn reported(
    walk: &mut Walk<'_>,
    text: &str,
    problem: Option<String>,
    node: Node<'_>,
    path: &Path<'_>,
) -> Option<Box<str>> {
    match problem {
        None => Some(text.into()),
        Some(problem) => {
            walk.report(path, &problem, node.span());
            None
        }
    }
}

/// What is wrong with a name that Slurm knows something by.
fn name_problem(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name in it is empty".into());
    }
    if name.starts_with('-') {
        return Some(format!("{} begins like an option", quoted(name)));
    }
    let odd = name.chars().find(|&c| !is_in_name(c))?;
    Some(format!(
        "{} holds {odd:?}, which no such name can",
        quoted(name)
    ))
}

fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || "_-.@+".contains(c)
}

/// Labels become one text, with a comma after each and a = between its two
/// halves, which stands in a line of what Slurm tells of its jobs.
pub fn labels(
    walk: &mut Walk<'_>,
    record: &Record<'_>,
    path: &Path<'_>,
) -> BTreeMap<Box<str>, Box<str>> {
    let entries = record.named("labels").into_iter().flat_map(Node::entries);
    let owner = Path::Field(path, "labels");
    let mut labels = BTreeMap::new();
    for entry in entries {
        let path = Path::Field(&owner, &entry.key);
        if let Some(problem) = name_problem(&entry.key) {
            walk.report(&path, &problem, entry.key_span());
            continue;
        }
        let Some(value) = walk.plain(entry.value, &path) else {
            continue;
        };
        match value
            .chars()
            .find(|&c| c.is_control() || ",;|=\"'\\".contains(c))
        {
            Some(odd) => {
                let message = format!("holds {odd:?}, which no label can");
                walk.report(&path, &message, entry.value.span());
            }
            None => {
                labels.insert(entry.key.as_ref().into(), value.into());
            }
        }
    }
    labels
}
