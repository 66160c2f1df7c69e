//! Conditions as playbooks spell them, in the one language of conditions.
//!
//! Playbooks write conditions in PowerShell, with templates in them. The part of
//! that which compares values is read; everything that is code is refused by
//! name, since nothing in a condition is ever run:
//!
//! - `{{x}}` is the name `x`, `{{x == 'a'}}` is `(x == 'a')`, `{{x:=d}}` is `x`
//!   or, without a value, `d`; in quotes a template is filled and stays a text.
//! - `$(x)` is the name `x`. Names are found without regard to case.
//! - `Test-Path` and `Get-Command` become questions that steps of their own
//!   answer (`question`), `success()` and its like ask what became of other
//!   stages (`ending`).
//!
//! Rewriting goes word by word and remembers where each came from, so that what
//! [`Condition::parse`] refuses is shown in the file's own text.

mod ending;
mod name;
mod question;
mod quotes;
mod value;
mod words;

use std::ops::Range;

use crate::plan::condition::Condition;
use crate::plan::problem::Problem;
use crate::plan::variables::place_in;

use super::book::Said;
use super::scope::{Findings, Scope};

pub use ending::Earlier;
pub use question::Question;
use words::{Mark, Reader};

/// What a condition may ask, beside its own text.
pub struct Around<'a> {
    /// Whose condition it is, for messages: `stage "Build"`.
    pub whose: &'a str,
    pub scope: &'a Scope,
    /// The stages that it can ask about.
    pub earlier: &'a [Earlier],
    /// Makes the step that answers a question, and returns its id.
    pub ask: &'a mut dyn FnMut(Question) -> String,
}

/// A condition that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub condition: Condition,
    /// It is to be judged however what is before it ended.
    pub regardless: bool,
}

/// Reads a condition. None where it is refused, which has been reported then.
pub fn read(said: &Said<String>, around: &mut Around<'_>, findings: &mut Findings) -> Option<Read> {
    let whose = around.whose;
    let mut reader = Reader {
        text: &said.value,
        at: 0,
        end: said.value.len(),
        written: String::new(),
        marks: Vec::new(),
        regardless: false,
        said,
        around,
        findings,
    };
    let refused = reader.words().err();
    let (written, marks, regardless) = (reader.written, reader.marks, reader.regardless);
    let refused = refused.or_else(|| match Condition::parse(&written) {
        Ok(_) => None,
        Err(error) => Some(Refused {
            at: source(&marks, &error.at, &said.value),
            message: error.message,
            help: error.help,
        }),
    });
    match refused {
        None => Some(Read {
            condition: Condition::parse(&written).ok()?,
            regardless,
        }),
        Some(refused) => {
            let place = match said.escaped {
                true => said.at,
                false => place_in(&said.value, said.at, refused.at),
            };
            let message = format!("the condition of {whose}: {}", refused.message);
            let problem = Problem::error(message).at(place, "");
            findings.problems.push(match refused.help {
                Some(help) => problem.help(help),
                None => problem,
            });
            None
        }
    }
}

/// What cannot be read, as bytes of the text as it is written.
pub(super) struct Refused {
    pub at: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

impl Refused {
    pub fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Refused {
            at,
            message: message.into(),
            help: None,
        }
    }

    /// A construct of PowerShell that a condition would have to run.
    pub fn code(at: Range<usize>, construct: &str) -> Self {
        Refused {
            help: Some(
                "conditions compare values and run nothing; of commands only `Test-Path` and \
                 `Get-Command` are understood. What this asks, a script can: let it exit with 0"
                    .into(),
            ),
            ..Refused::new(at, format!("{construct} is code, which is never run here"))
        }
    }
}

/// Which bytes of the source a range of what was written came from. A word
/// that was copied maps byte for byte, one that was replaced is one place.
fn source(marks: &[Mark], range: &Range<usize>, text: &str) -> Range<usize> {
    let Some(mark) = marks.iter().rfind(|mark| mark.start <= range.start) else {
        return 0..text.len();
    };
    if !mark.copied {
        return mark.source.clone();
    }
    let start = (mark.source.start + range.start - mark.start).min(mark.source.end);
    let end = (start + range.len()).clamp(start, text.len());
    start..end
}

#[cfg(test)]
mod tests;
