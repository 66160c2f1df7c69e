//! What a plan says of a variable, and which values that accepts.
//!
//! A refusal names the variable, the value and what would be accepted. The
//! value of a secret one is never part of a message, nor are the choices it is
//! one of.

use regex::{Regex, RegexBuilder};

use super::is_name;
use crate::plan::name::nearest;
use crate::plan::problem::{Problem, Span};

/// What a plan says of one of its variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    pub name: String,
    pub kind: Kind,
    /// Stands in where no value is given; it is checked as one.
    pub default: Option<String>,
    /// Without a value and a default, nothing may run.
    pub required: bool,
    /// The only values there are, if any are listed.
    pub choices: Vec<String>,
    /// A regular expression that the whole value has to match.
    pub pattern: Option<String>,
    /// The least value of a number.
    pub min: Option<f64>,
    /// The greatest value of a number.
    pub max: Option<f64>,
    /// The value is shown and recorded nowhere.
    pub secret: bool,
    pub description: String,
    /// Where the declaration is written.
    pub at: Span,
}

/// What kind of value a variable takes. Values stay the text that was given,
/// but for a bool, which becomes `true` or `false` however it was spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    #[default]
    String,
    /// A whole number of 64 bits.
    Int,
    /// A finite number.
    Number,
    /// `true`, `yes`, `on`, `1` or their opposites, in any case.
    Bool,
    /// Any text but none. Whether something is there is not asked.
    Path,
    /// One of the declared choices.
    Choice,
}

/// A compiled pattern may take this many bytes of memory.
const PATTERN_LIMIT: usize = 1 << 20;

impl Declaration {
    /// A declaration that asks for nothing: any text, and none will do.
    pub fn new(name: impl Into<String>, kind: Kind, at: Span) -> Self {
        Declaration {
            name: name.into(),
            kind,
            default: None,
            required: false,
            choices: Vec::new(),
            pattern: None,
            min: None,
            max: None,
            secret: false,
            description: String::new(),
            at,
        }
    }

    /// Finds what makes no sense in the declaration itself, its default included.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let mut wrong = |message: String| {
            problems.push(Problem::error(message).at(self.at, "declared here"));
        };
        let name = &self.name;
        if !is_name(name) {
            wrong(format!(
                "{name:?} cannot be a variable's name: a name is letters, digits and `_`, \
                 and does not begin with a digit"
            ));
        }
        if self.kind == Kind::Choice && self.choices.is_empty() {
            wrong(format!("variable {name:?} is a choice and lists none"));
        }
        let numeric = matches!(self.kind, Kind::Int | Kind::Number);
        if !numeric && (self.min.is_some() || self.max.is_some()) {
            wrong(format!(
                "variable {name:?} has a least or a greatest value and is no number"
            ));
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            wrong(format!(
                "variable {name:?} accepts nothing: {min} is more than {max}"
            ));
        }
        if let Some(Err(error)) = self.pattern.as_deref().map(compile) {
            wrong(format!("the pattern of variable {name:?} {error}"));
        }
        if let Some(default) = &self.default {
            problems.extend(self.refuse(default, "has the default"));
        }
    }

    /// Why `value` is not accepted, if it is not. `verb` joins the variable and
    /// its value in the message.
    pub(super) fn refuse(&self, value: &str, verb: &str) -> Option<Problem> {
        if self.accepts(value) {
            return None;
        }
        let message = if self.secret {
            format!(
                "the value of variable {:?} (secret) is not accepted; it takes {}",
                self.name,
                self.accepted()
            )
        } else {
            format!(
                "variable {:?} {verb} {}; it takes {}",
                self.name,
                shown(value),
                self.accepted()
            )
        };
        let mut problem = Problem::error(message).at(self.at, "declared here");
        if !self.secret
            && let Some(near) = nearest(value, self.choices.iter().map(String::as_str))
        {
            problem = problem.help(format!("did you mean {near:?}?"));
        } else if value.contains('\0') {
            problem = problem.help("it holds a NUL, which no program can be given");
        }
        Some(problem)
    }

    fn accepts(&self, value: &str) -> bool {
        let of_kind = match self.kind {
            Kind::String => true,
            Kind::Path => !value.is_empty(),
            Kind::Choice => self.choices.iter().any(|c| c == value),
            Kind::Bool => as_bool(value).is_some(),
            Kind::Int => is_integer(value) && self.is_in_range(value),
            Kind::Number => is_decimal(value) && self.is_in_range(value),
        };
        // A pattern that does not compile is a problem of its own already.
        let matches = |pattern: &str| compile(pattern).map_or(true, |p| p.is_match(value));
        of_kind
            && !value.contains('\0')
            && (self.choices.is_empty() || self.choices.iter().any(|c| c == value))
            && self.pattern.as_deref().is_none_or(matches)
    }

    fn is_in_range(&self, value: &str) -> bool {
        let Ok(value) = value.parse::<f64>() else {
            return false;
        };
        value.is_finite()
            && self.min.is_none_or(|min| value >= min)
            && self.max.is_none_or(|max| value <= max)
    }

    /// What is accepted, to follow "it takes".
    fn accepted(&self) -> String {
        let mut accepted = match self.kind {
            Kind::String => "text".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Bool => "true or false".to_owned(),
            Kind::Int => "a whole number".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Choice => String::new(),
        };
        if !self.choices.is_empty() {
            accepted = if self.secret {
                "one of its choices".to_owned()
            } else {
                format!("one of {}", self.choices.join(", "))
            };
        }
        match (self.min, self.max) {
            (Some(min), Some(max)) => accepted.push_str(&format!(" from {min} to {max}")),
            (Some(min), None) => accepted.push_str(&format!(" of {min} or more")),
            (None, Some(max)) => accepted.push_str(&format!(" of {max} or less")),
            (None, None) => {}
        }
        if let Some(pattern) = &self.pattern {
            accepted.push_str(&format!(" that matches `{pattern}`"));
        }
        accepted
    }

    /// The value as the plan gets it.
    pub(super) fn canonical(&self, value: &str) -> Box<str> {
        match (self.kind, as_bool(value)) {
            (Kind::Bool, Some(value)) => value.to_string().into(),
            _ => value.into(),
        }
    }
}

/// A pattern for whole values.
fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .size_limit(PATTERN_LIMIT)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "is too big".to_owned(),
            _ => format!("is no regular expression: {}", shown(pattern)),
        })
}

fn as_bool(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn is_integer(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    digits.bytes().all(|b| b.is_ascii_digit()) && value.parse::<i64>().is_ok()
}

/// Rust also reads `inf`, `nan` and `infinity` as numbers; people do not.
fn is_decimal(value: &str) -> bool {
    let known = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
    value.bytes().all(known) && value.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A value for a message: quoted, on one line, and not endless.
fn shown(value: &str) -> String {
    const MOST: usize = 60;
    match value.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}
