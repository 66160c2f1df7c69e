//! Variables: what a plan may be told, and where it uses what it was told.
//!
//! A value is data from the moment it is given: it is checked against its
//! declaration once, put into the finished strings of a plan, and never read
//! again as anything else, neither as a variable nor as shell script. Three
//! files: what is declared and what that accepts (`declaration`), the written
//! forms of a reference (`reference`), and putting values in their places
//! (`expand`, and `shell` for scripts, where values travel as environment).
//!
//! This room does not know where values come from. Whoever calls hands over
//! what was given, lowest precedence first, and the environment where `${env.X}`
//! is to work.

mod declaration;
mod expand;
mod reference;
mod shell;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

pub use declaration::{Declaration, Kind};
pub use reference::is_name;

use super::name::nearest;
use super::problem::{Problem, Span};

/// A secret of fewer bytes stands by chance in any output, and is not masked there.
pub const SHORTEST_SECRET: usize = 4;

/// A secret of more bytes cannot be looked for in output at a bearable cost.
pub const LONGEST_SECRET: usize = 16 * 1024;

/// Every variable that has a value, or may have one, in one plan.
#[derive(Clone, Default)]
pub struct Scope {
    variables: BTreeMap<Box<str>, Variable>,
    /// Where `${env.X}` looks; nowhere, without.
    env: Option<BTreeMap<String, String>>,
    allow_unresolved: bool,
}

#[derive(Clone)]
struct Variable {
    value: Option<Box<str>>,
    secret: bool,
    declared: bool,
    given: bool,
    /// Expanding only reads a scope, and yet a value that nothing reads is
    /// worth a warning; so reading leaves a mark.
    used: Cell<bool>,
}

impl Scope {
    /// Checks what was given against what is declared.
    ///
    /// Of several values for one name the last wins, so that a caller can put
    /// defaults of its own in front. A name that nobody declared is accepted,
    /// unless it looks like a misspelt declared one. With `allow_unresolved` a
    /// required variable may be missing, and references to variables without a
    /// value stay in the text as they are written.
    ///
    /// The scope can be used even when there are problems, to find more.
    pub fn resolve(
        declared: &[Declaration],
        given: &[(String, String)],
        allow_unresolved: bool,
    ) -> (Scope, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut scope = Scope {
            allow_unresolved,
            ..Scope::default()
        };
        let mut last: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, value) in given {
            last.insert(name, value);
        }
        let mut places: BTreeMap<&str, Span> = BTreeMap::new();
        for declaration in declared {
            if let Some(&first) = places.get(&*declaration.name) {
                problems.push(
                    Problem::error(format!("variable {:?} is declared twice", declaration.name))
                        .at(declaration.at, "again here")
                        .also(first, "first here"),
                );
                continue;
            }
            places.insert(&declaration.name, declaration.at);
            let value = last.remove(&*declaration.name);
            scope.declare(declaration, value, &mut problems);
        }
        for (name, value) in last {
            scope.add_undeclared(name, value, &mut problems);
        }
        (scope, problems)
    }

    /// Lets `${env.NAME}` look here. No other spelling ever does.
    pub fn with_env(mut self, env: BTreeMap<String, String>) -> Self {
        self.env = Some(env);
        self
    }

    /// The value of a variable, secret or not, if it has one. Counts as use.
    pub fn get(&self, name: &str) -> Option<&str> {
        let variable = self.variables.get(name)?;
        variable.used.set(true);
        variable.value.as_deref()
    }

    /// The values that may be recorded: every variable's that is not secret.
    pub fn values(&self) -> BTreeMap<String, String> {
        let open = self.variables.iter().filter(|(_, v)| !v.secret);
        open.filter_map(|(name, v)| Some((name.to_string(), v.value.as_deref()?.into())))
            .collect()
    }

    /// The names of the variables whose values nobody may see.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let secret = self.variables.iter().filter(|(_, v)| v.secret);
        secret.map(|(name, _)| &**name)
    }

    /// The values that may not be recorded.
    pub fn secret_values(&self) -> BTreeMap<String, String> {
        let secret = self.variables.iter().filter(|(_, v)| v.secret);
        secret
            .filter_map(|(name, v)| Some((name.to_string(), v.value.as_deref()?.into())))
            .collect()
    }

    /// The names of variables that were given, and that no text has used so far.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        let unused = |v: &Variable| v.given && !v.used.get();
        self.variables
            .iter()
            .filter(move |(_, v)| unused(v))
            .map(|(name, _)| &**name)
    }

    fn declare(
        &mut self,
        declaration: &Declaration,
        given: Option<&str>,
        problems: &mut Vec<Problem>,
    ) {
        declaration.check(problems);
        if let Some(value) = given {
            problems.extend(declaration.refuse(value, "is"));
        } else if declaration.required && declaration.default.is_none() && !self.allow_unresolved {
            problems.push(
                Problem::error(format!(
                    "variable {:?} is required and was not given",
                    declaration.name
                ))
                .at(declaration.at, "declared here")
                .help(format!("give it with --var {}=VALUE", declaration.name)),
            );
        }
        let value = given.or(declaration.default.as_deref());
        if declaration.secret {
            problems.extend(unmaskable(declaration, value.unwrap_or_default()));
        }
        self.variables.insert(
            declaration.name.as_str().into(),
            Variable {
                value: value.map(|value| declaration.canonical(value)),
                secret: declaration.secret,
                declared: true,
                given: given.is_some(),
                used: Cell::new(false),
            },
        );
    }

    fn add_undeclared(&mut self, name: &str, value: &str, problems: &mut Vec<Problem>) {
        let declared = self.variables.iter().filter(|(_, v)| v.declared);
        if !is_name(name) {
            problems.push(
                Problem::error(format!("{name:?} cannot be a variable's name"))
                    .help("a name is letters, digits and `_`, and does not begin with a digit"),
            );
        } else if let Some(near) = nearest(name, declared.map(|(name, _)| &**name)) {
            problems.push(
                Problem::error(format!("variable {name:?} was given and is not declared"))
                    .help(format!("did you mean {near:?}?")),
            );
        } else if value.contains('\0') {
            problems.push(Problem::error(format!(
                "the value of variable {name:?} holds a NUL, which no program can be given"
            )));
        }
        self.variables.insert(
            name.into(),
            Variable {
                value: Some(value.into()),
                secret: false,
                declared: false,
                given: true,
                used: Cell::new(false),
            },
        );
    }
}

/// What is wrong with a secret that output cannot be kept clean of.
fn unmaskable(secret: &Declaration, value: &str) -> Option<Problem> {
    let name = &secret.name;
    let problem = match value.len() {
        1..SHORTEST_SECRET => Problem::warning(format!(
            "the value of variable {name:?} (secret) is too short to be masked in output"
        ))
        .help(format!("{SHORTEST_SECRET} bytes are the least")),
        0..=LONGEST_SECRET => return None,
        _ => Problem::error(format!(
            "the value of variable {name:?} (secret) is too long to be masked in output"
        ))
        .help(format!("{LONGEST_SECRET} bytes are the most")),
    };
    Some(problem.at(secret.at, "declared here"))
}

impl fmt::Debug for Scope {
    /// Secret values are left out: debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("values", &self.values())
            .field("secrets", &self.secrets().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The part of a file that `range` of a string covers, where `span` is the
/// string's text in the file, without quotes, and holds no escape: then bytes
/// map one to one. What lies beyond the span is cut off.
pub fn inner(span: Span, range: Range<usize>) -> Span {
    let offset = |n: usize| {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        span.start.saturating_add(n).min(span.end)
    };
    Span {
        file: span.file,
        start: offset(range.start),
        end: offset(range.end),
    }
}

/// As [`inner`], for a string that may be quoted or hold escapes: whether its
/// bytes map is told by its length in the file, and where they do not, the
/// whole string is the place.
pub fn place_in(text: &str, span: Span, range: Range<usize>) -> Span {
    let written = span.end.saturating_sub(span.start) as usize;
    if written == text.len() {
        inner(span, range)
    } else if written == text.len() + 2 {
        inner(span, range.start + 1..range.end + 1)
    } else {
        span
    }
}

#[cfg(test)]
mod tests;
