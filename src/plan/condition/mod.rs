//! Conditions: when a step runs, in one small language with two spellings.
//!
//! ```text
//! prev.a.status == 'success' and (env.X != 'y' or not vars.FAST)
//! Environment -eq 'Production' -and Features -contains 'Docker'
//! ```
//!
//! A condition compares values with values. There are no calls, no arithmetic
//! and no assignment, so judging one can neither do anything nor take long:
//! its length, its depth and its patterns are bounded, and patterns match in
//! linear time.
//!
//! - Values: `'text'` (as it stands; `''` is one quote), `"text"` (`\"` or `""`
//!   a quote, `\\`, `\n`, `\t`; any other backslash stands for itself), numbers,
//!   `true`, `false`, `null` (also `$true` …), lists `('a', 'b')`, `@(…)`, `[…]`.
//! - Names: `prev.ID.status`, `.exit_code`, `.attempts`, `.outputs.KEY` (`steps`
//!   is the same as `prev`; `steps['a/b'].status` where an id holds more than
//!   letters, digits, `_` and `-`), `env.X`, `vars.X`, or a bare name; with or
//!   without `$`, `$env:X`, `${X}`. A text that is nothing but `${X}` is the
//!   name too. A name that nobody knows is null. `.Length` and `.Count` after
//!   a `$name` are the length of its text or list.
//! - Comparisons: `==` `!=` `<` `<=` `>` `>=` `in` `not in` `contains`, exact;
//!   `-eq` `-ne` `-lt` `-le` `-gt` `-ge` `-in` `-notin` `-contains`
//!   `-notcontains` `-like` `-notlike` `-match` `-notmatch`, which ignore case,
//!   or with a `c` in front (`-ceq`) do not.
//! - `and` `or` `not`, `&&` `||` `!`, `-and` `-or` `-not`, and parentheses, which
//!   are asked for where PowerShell and other languages would read a different
//!   order.
//!
//! What the comparisons mean for values of different kinds is told in `value`.
//! This room does not know runs: facts are looked up through [`Facts`].

mod judge;
mod lexer;
mod parser;
mod tree;
mod value;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use value::Value;

use tree::Expr;

/// A condition has at most this many bytes.
pub const MAX_BYTES: usize = 64 << 10;

/// A condition that has been read. It is recorded as the text it was written in.
#[derive(Clone)]
pub struct Condition {
    text: Box<str>,
    expr: Expr,
}

/// Where conditions look up what they name.
pub trait Facts {
    /// The value of a name, [`Value::Null`] where there is none.
    ///
    /// `path` is one of `["steps", ID, "status" | "exit_code" | "attempts"]`,
    /// `["steps", ID, "outputs", KEY]`, `["env", NAME]`, `["vars", NAME]`, or
    /// what stands between the dots of any other name: mostly just `[NAME]`,
    /// which is a variable or one of `IsWindows`, `IsLinux` and `IsMacOS`.
    /// The status of a step is one of `pending`, `running`, `succeeded`,
    /// `failed`, `skipped` and `canceled`, as text.
    fn look_up(&self, path: &[&str]) -> Value;
}

/// What a condition comes to, and the values that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub holds: bool,
    /// One short line: `prev.a.status is "failed"`.
    pub because: String,
}

/// What cannot be read as a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Which bytes of the text are wrong.
    pub at: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

/// A comparison of values that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    /// Which bytes of the text the comparison takes.
    pub at: Range<usize>,
    pub message: String,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// The first thing in the text that is not part of the language.
    pub fn parse(text: &str) -> Result<Condition, SyntaxError> {
        let expr = parser::parse(text)?;
        Ok(Condition {
            text: text.into(),
            expr,
        })
    }

    /// The condition as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The ids of the steps it asks about, each once, in the order of the text.
    pub fn steps(&self) -> Vec<&str> {
        self.names_under("steps")
    }

    /// The variables it names, as `vars.X` or bare, each once, in the order of the text.
    pub fn variables(&self) -> Vec<&str> {
        self.names_under("vars")
    }

    /// The environment variables it names, each once, in the order of the text.
    pub fn environment(&self) -> Vec<&str> {
        self.names_under("env")
    }

    /// Whether it holds, and why.
    ///
    /// # Errors
    /// Where it compares what cannot be compared, such as a list and a number.
    pub fn judge(&self, facts: &dyn Facts) -> Result<Judgement, TypeError> {
        judge::judge(&self.expr, facts)
    }

    fn names_under(&self, root: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        self.expr.for_each_name(&mut |name| {
            let id = match name.path.as_slice() {
                [only] if root == "vars" => only,
                [first, id, ..] if **first == *root => id,
                _ => return,
            };
            if seen.insert(&**id) {
                found.push(&**id);
            }
        });
        found
    }
}

impl SyntaxError {
    fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        SyntaxError {
            at,
            message: message.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at.start, self.message)
    }
}

impl std::error::Error for SyntaxError {}

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TypeError {}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Condition::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
