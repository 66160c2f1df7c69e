//! The values of conditions, and what it means to compare two of them.
//!
//! Much of what conditions see began as text (variables, the environment,
//! outputs), so text is met half-way: beside a number it counts as the number
//! it spells, beside a bool as the bool it spells. Null is equal to null alone,
//! neither less nor greater than anything, and holds nothing. What is left,
//! such as ordering a list, is refused rather than answered by chance.

use std::cmp::Ordering;
use std::fmt;

use crate::plan::name::folded;

/// What a name or a literal comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: a name that nobody knows.
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
}

/// Why two values cannot be compared, to follow their description.
pub(super) type Mismatch = &'static str;

impl Value {
    /// What is known of the outside world, which is noted as text: "true" and
    /// "false" are truth values, and what is not known is null.
    pub fn of_fact(noted: Option<&str>) -> Self {
        match noted {
            Some("true") => Value::Bool(true),
            Some("false") => Value::Bool(false),
            Some(text) => Value::Text(text.to_owned()),
            None => Value::Null,
        }
    }

    /// Whether the value by itself counts as true: not null, not zero, not
    /// empty, and not a text that spells false or zero.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(b) => *b,
            Value::Number(n) => *n != 0.0,
            Value::Text(text) => !matches!(text.to_ascii_lowercase().as_str(), "" | "false" | "0"),
            Value::List(items) => !items.is_empty(),
        }
    }

    /// How long the text or the list is; a single value counts as one.
    pub(super) fn length(&self) -> Value {
        let length = match self {
            Value::Null => 0,
            Value::Bool(_) | Value::Number(_) => 1,
            Value::Text(text) => text.chars().count(),
            Value::List(items) => items.len(),
        };
        Value::Number(length as f64)
    }

    /// The number this is or spells.
    fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(n) => Some(*n),
            Value::Text(text) => {
                // Rust also reads `inf` and `nan` as numbers; people do not.
                let known = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
                let number = text.trim().parse::<f64>().ok()?;
                (text.trim().bytes().all(known) && number.is_finite()).then_some(number)
            }
            _ => None,
        }
    }

    /// The bool this is or spells.
    fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            Value::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Whether the two are equal; texts without regard to case if `fold`.
    pub(super) fn equals(&self, other: &Value, fold: bool) -> Result<bool, Mismatch> {
        use Value::{Bool, List, Null, Number, Text};
        Ok(match (self, other) {
            (Null, Null) => true,
            (Null, _) | (_, Null) => false,
            (Text(a), Text(b)) => same_text(a, b, fold),
            (Number(_), _) | (_, Number(_)) => {
                matches!((self.as_number(), other.as_number()), (Some(a), Some(b)) if a == b)
            }
            (Bool(_), _) | (_, Bool(_)) => {
                matches!((self.as_bool(), other.as_bool()), (Some(a), Some(b)) if a == b)
            }
            (List(a), List(b)) => {
                let mut equal = a.len() == b.len();
                for (a, b) in a.iter().zip(b) {
                    equal = equal && a.equals(b, fold)?;
                }
                equal
            }
            (List(_), Text(_)) | (Text(_), List(_)) => return Err(LIST_AND_ONE),
        })
    }

    /// Which of the two comes first: as numbers if both are or spell one, as
    /// texts if both are texts. Nothing, where one is null.
    pub(super) fn order(&self, other: &Value, fold: bool) -> Result<Option<Ordering>, Mismatch> {
        if let (Some(a), Some(b)) = (self.as_number(), other.as_number()) {
            return Ok(a.partial_cmp(&b));
        }
        match (self, other) {
            (Value::Null, _) | (_, Value::Null) => Ok(None),
            (Value::Text(a), Value::Text(b)) if fold => Ok(Some(folded(a).cmp(&folded(b)))),
            (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
            _ => Err("only numbers or texts come before one another"),
        }
    }

    /// Whether this holds `item`: as an element, or, where `parts` of a text
    /// count, as a part of it. A text whose parts do not count is a list of one.
    pub(super) fn holds(&self, item: &Value, fold: bool, parts: bool) -> Result<bool, Mismatch> {
        match (self, item) {
            (Value::Null, _) => Ok(false),
            (Value::List(items), _) => {
                for one in items {
                    if one.equals(item, fold)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Value::Text(text), Value::Text(part)) if parts => Ok(text.contains(part.as_str())),
            (Value::Text(_), _) if !parts => self.equals(item, fold),
            (Value::Text(_), Value::Null) => Ok(false),
            _ => Err("only lists and texts hold something"),
        }
    }
}

impl From<&serde_json::Value> for Value {
    /// What is written down, as conditions see it. An object is the text of it:
    /// it is there, and nothing more can be asked of it as a whole.
    fn from(written: &serde_json::Value) -> Self {
        match written {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(*b),
            // Numbers that no f64 is near enough to are still numbers.
            serde_json::Value::Number(n) => n.as_f64().map_or(Value::Null, Value::Number),
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(Value::from).collect()),
            serde_json::Value::Object(_) => Value::Text(written.to_string()),
        }
    }
}

const LIST_AND_ONE: Mismatch = "a list is equal only to a list; ask what it contains";

fn same_text(a: &str, b: &str, fold: bool) -> bool {
    a == b || (fold && folded(a) == folded(b))
}

impl fmt::Display for Value {
    /// For messages: on one line, texts quoted, and nothing of it endless.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST_LETTERS: usize = 40;
        const MOST_ITEMS: usize = 5;
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Number(n) => write!(f, "{n}"),
            Value::Text(text) => match text.char_indices().nth(MOST_LETTERS) {
                Some((end, _)) => write!(f, "{:?}…", &text[..end]),
                None => write!(f, "{text:?}"),
            },
            Value::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().take(MOST_ITEMS).enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(if items.len() > MOST_ITEMS {
                    ", …]"
                } else {
                    "]"
                })
            }
        }
    }
}
