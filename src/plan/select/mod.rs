//! The selection language: which steps of a plan are to run.
//!
//! Every input is selected from in the same way, since selection works on the
//! plan. Terms stand in several arguments or in one, with commas between:
//!
//! | Term | Selects |
//! |---|---|
//! | `build`, `config/hardware` | the step with that id or name, and all steps below it |
//! | `conf*`, `*/blue?ooth` | ids by glob; `*` passes `/` too, and `*` alone is everything |
//! | `0001`, `0001-0099` | steps by number: those with a part of the id that begins so |
//! | `02*`, `2*`, `02xx` | numbers by their first digits; a single digit stands for hundreds |
//! | `tag:x`, `stage:x` | steps with that tag, or in that stage (in any case of letters) |
//! | `path:config/*` | a group and all below it; here `*` stays within one part of the path |
//! | `+x`, `x+`, `+x+` | any of these and all it needs; all that needs it; both |
//! | `!x`, `^x` | leaves out what the rest selects, wherever it stands |
//!
//! Only terms that leave out leave out of everything. A term that names a step,
//! a tag, a stage or a path that does not exist is an error, also after `!`: a
//! misspelt exclusion would run what it was to keep from running. So is a number
//! that stands in two names: a range takes both, the number alone neither.
//!
//! Four files: the set of steps (`set`), the written terms (`term`), finding the
//! steps that one is about (`index`), and what all of them come to (`resolve`).
//! This room does not know what running is; whoever restricts a plan marks
//! steps, and removes none.

mod index;
mod resolve;
mod set;
mod term;

use std::fmt;
use std::ops;

use super::graph::Graph;
use super::{Absent, Plan};

pub use resolve::Range;
pub use set::StepSet;
pub use term::Selection;

/// A term that cannot be read, or selects nothing that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectError {
    /// The argument as it was given.
    pub term: String,
    /// Which bytes of it are wrong.
    pub at: ops::Range<usize>,
    pub message: String,
    /// What may have been meant, and what is accepted.
    pub help: Option<String>,
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SelectError {}

/// This many errors are told at once. Each repeats its argument and has cost a
/// search for what was meant, and nobody reads more.
const MAX_ERRORS: usize = 20;

/// What is accepted, for help.
const FORMS: &str = "a term is an id, a glob `conf*`, a number `0001`, a range `0001-0099`, \
                     a prefix `02*`, `tag:T`, `stage:S` or `path:P`; `!` leaves out, \
                     `+x` adds what x needs, `x+` what needs x";

/// The steps that both the terms and the range select.
///
/// # Errors
/// All that is wrong with either, or that no step is left of a plan that has some.
pub fn select(
    plan: &Plan,
    graph: &Graph,
    selection: &Selection,
    range: &Range,
) -> Result<StepSet, Vec<SelectError>> {
    let (mut steps, bounds) = match (selection.resolve(plan, graph), range.resolve(plan, graph)) {
        (Ok(steps), Ok(bounds)) => (steps, bounds),
        (Err(mut errors), Err(more)) => {
            errors.extend(more);
            return Err(errors);
        }
        (Err(errors), _) | (_, Err(errors)) => return Err(errors),
    };
    steps.intersect(&bounds);
    not_empty(steps, plan, || "the selection".into())
}

/// Marks every step outside of `set` as not selected. What is absent for a
/// reason of its own stays so.
pub fn restrict(plan: &mut Plan, set: &StepSet) {
    for ix in plan.indices() {
        if !set.contains(ix) && plan[ix].absent.is_none() {
            plan[ix].absent = Some(Absent::NotSelected);
        }
    }
}

/// The set, unless it is empty though the plan is not; `what` is what was asked for.
fn not_empty(
    set: StepSet,
    plan: &Plan,
    what: impl FnOnce() -> String,
) -> Result<StepSet, Vec<SelectError>> {
    if !set.is_empty() || plan.steps.is_empty() {
        return Ok(set);
    }
    let term = what();
    Err(vec![SelectError {
        at: 0..term.len(),
        message: format!("no step matches {term}"),
        help: Some("every term is known, and together they leave nothing".into()),
        term,
    }])
}

#[cfg(test)]
mod tests;
