//! What is wrong with an input, as data.
//!
//! Whoever finds a problem says what and where; how it looks on a terminal is
//! decided elsewhere. Problems are collected, not thrown: a person who mends a
//! file wants to see all of them at once.

use std::fmt;

/// A range of bytes in one of the files that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// Position in the list of files that were read (`Plan::files`).
    pub file: u32,
    pub start: u32,
    pub end: u32,
}

/// Whether the input can be used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, unless `--strict` was asked for.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// One line, lower case, no full stop: `step "a" needs "b", which does not exist`.
    pub message: String,
    /// Where, and what to say under the caret there. May be empty.
    pub at: Option<(Span, String)>,
    /// Other places that matter: the other end of a duplicate, each edge of a cycle.
    pub also: Vec<(Span, String)>,
    /// What would mend it.
    pub help: Option<String>,
}

impl Problem {
    pub fn error(message: impl Into<String>) -> Self {
        Problem {
            severity: Severity::Error,
            message: message.into(),
            at: None,
            also: Vec::new(),
            help: None,
        }
    }

    pub fn warning(message: impl Into<String>) -> Self {
        Problem {
            severity: Severity::Warning,
            ..Problem::error(message)
        }
    }

    /// Points at the place, with a word under the caret.
    pub fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.at = Some((span, label.into()));
        self
    }

    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also.push((span, label.into()));
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
