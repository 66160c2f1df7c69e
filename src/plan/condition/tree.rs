//! A condition, read: what is compared with what.
//!
//! The tree is at most as deep as the parser allows, so walking it may recurse.

use std::ops::Range;

use regex::Regex;

use super::Value;

#[derive(Clone)]
pub(super) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    /// A value by itself, which counts as true or false.
    Truth(Operand),
    Compare(Box<Comparison>),
}

#[derive(Clone)]
pub(super) struct Comparison {
    pub left: Operand,
    pub operator: Operator,
    pub right: Operand,
    /// One side is a step's status, and the words for one status are equal.
    pub of_status: bool,
    pub at: Range<usize>,
}

/// A comparison, as it was spelled.
#[derive(Clone)]
pub(super) struct Operator {
    pub test: Test,
    pub negated: bool,
    /// Case does not matter.
    pub fold: bool,
    /// Spelled with a dash: there a text holds only itself, elsewhere its parts.
    pub dashed: bool,
}

#[derive(Clone)]
pub(super) enum Test {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// The right holds the left.
    In,
    /// The left holds the right.
    Contains,
    /// The left matches; the right is the pattern as it is written.
    Match(Regex),
}

#[derive(Clone)]
pub(super) enum Operand {
    Value(Value),
    Name(Name),
    /// Values and names, never lists again.
    List(Vec<Operand>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    /// As [`Facts`](super::Facts) gets it.
    pub path: Vec<Box<str>>,
    /// Not the value itself is meant but its length.
    pub length: bool,
    /// As it is written.
    pub shown: Box<str>,
}

impl Name {
    pub fn is_status(&self) -> bool {
        matches!(self.path.as_slice(), [steps, _, field] if &**steps == "steps" && &**field == "status")
    }
}

impl Operand {
    pub fn is_status(&self) -> bool {
        matches!(self, Operand::Name(name) if name.is_status())
    }

    fn for_each_name<'a>(&'a self, f: &mut dyn FnMut(&'a Name)) {
        match self {
            Operand::Value(_) => {}
            Operand::Name(name) => f(name),
            Operand::List(items) => items.iter().for_each(|item| item.for_each_name(f)),
        }
    }
}

impl Expr {
    /// Calls `f` with every name, in the order of the text.
    pub fn for_each_name<'a>(&'a self, f: &mut dyn FnMut(&'a Name)) {
        match self {
            Expr::All(all) | Expr::Any(all) => all.iter().for_each(|e| e.for_each_name(f)),
            Expr::Not(inner) => inner.for_each_name(f),
            Expr::Truth(operand) => operand.for_each_name(f),
            Expr::Compare(comparison) => {
                comparison.left.for_each_name(f);
                comparison.right.for_each_name(f);
            }
        }
    }
}

/// The one word for a step's status, whichever of its words is given.
pub(super) fn status_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "success" | "succeeded" => "succeeded",
        "failure" | "failed" => "failed",
        "skipped" => "skipped",
        "canceled" | "cancelled" => "canceled",
        "pending" => "pending",
        "running" => "running",
        _ => return None,
    })
}

/// Every word that [`status_word`] knows.
pub(super) const STATUS_WORDS: [&str; 8] = [
    "success",
    "succeeded",
    "failed",
    "failure",
    "skipped",
    "canceled",
    "pending",
    "running",
];
