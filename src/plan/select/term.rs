//! The written terms of a selection, before any plan is looked at.

use std::ops;

use globset::{GlobBuilder, GlobMatcher};

use super::{FORMS, MAX_ERRORS, SelectError};
use crate::plan::name::{check_id, nearest};

/// Terms that have to be held against every step, such as globs, are this many at most.
const MAX_WALKS: usize = 1000;
/// A glob has at most this many bytes.
const MAX_GLOB: usize = 1000;

/// A selection that has been read; without terms it selects everything.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub(super) args: Vec<String>,
    pub(super) terms: Vec<Term>,
    pub(super) allow_missing: bool,
}

/// One term: what it is about, and what of that it takes.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub exclude: bool,
    /// `+x`: and what it needs.
    pub up: bool,
    /// `x+`: and what needs it.
    pub down: bool,
    pub what: What,
    /// Which argument, and which bytes of it, say what it is about.
    pub arg: usize,
    pub at: ops::Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Everything,
    /// A step's id or name, or a group's.
    Id(Box<str>),
    Glob(GlobMatcher),
    Number(u16),
    Numbers(ops::RangeInclusive<u16>),
    /// Numbers that begin so. Where it is written as a glob and the plan has no
    /// numbers at all, it is one.
    Prefix {
        digits: Box<str>,
        glob: Option<GlobMatcher>,
    },
    Tag(Box<str>),
    Stage(Box<str>),
    /// A group, literally.
    Path(Box<str>),
    /// Groups, by a glob whose `*` stays within one part.
    PathGlob(GlobMatcher),
}

impl Selection {
    /// Reads the terms of all arguments.
    ///
    /// # Errors
    /// Every term that cannot be read; of very many, the first.
    pub fn parse(args: &[String]) -> Result<Selection, Vec<SelectError>> {
        let mut selection = Selection {
            args: args.to_vec(),
            ..Selection::default()
        };
        let mut errors = Vec::new();
        let places = args
            .iter()
            .enumerate()
            .flat_map(|(i, arg)| pieces(arg).map(move |at| (i, at)));
        for (i, at) in places {
            match term(&args[i], at) {
                Ok(term) => selection.terms.push(Term { arg: i, ..term }),
                Err(error) => errors.push(error),
            }
            if errors.len() == MAX_ERRORS {
                return Err(errors);
            }
        }
        selection.check_walks(&mut errors);
        if errors.is_empty() {
            Ok(selection)
        } else {
            Err(errors)
        }
    }

    /// Reads arguments that hold nothing but tags.
    pub(super) fn of_tags(args: &[String]) -> Selection {
        let terms = args.iter().enumerate().flat_map(|(i, arg)| {
            pieces(arg).map(move |at| Term {
                exclude: false,
                up: false,
                down: false,
                what: What::Tag(arg[at.clone()].into()),
                arg: i,
                at,
            })
        });
        Selection {
            terms: terms.collect(),
            args: args.to_vec(),
            allow_missing: false,
        }
    }

    /// Accepts ids and numbers that the plan does not have; they select nothing.
    pub fn allow_missing(mut self) -> Self {
        self.allow_missing = true;
        self
    }

    fn check_walks(&self, errors: &mut Vec<SelectError>) {
        let walks = |term: &&Term| {
            !matches!(
                term.what,
                What::Everything | What::Id(_) | What::Number(_) | What::Path(_)
            )
        };
        if let Some(term) = self.terms.iter().filter(walks).nth(MAX_WALKS) {
            let message = format!("more than {MAX_WALKS} globs, ranges, tags and stages");
            let arg = &self.args[term.arg];
            errors.push(error(arg, term.at.clone(), message));
        }
    }
}

/// The places of what stands between commas, without the spaces around it.
fn pieces(arg: &str) -> impl Iterator<Item = ops::Range<usize>> + '_ {
    let mut start = 0;
    arg.split(',').map(move |piece| {
        let at = trimmed(arg, start..start + piece.len());
        start += piece.len() + 1;
        at
    })
}

fn trimmed(text: &str, at: ops::Range<usize>) -> ops::Range<usize> {
    let piece = &text[at.clone()];
    let start = at.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}

fn error(arg: &str, at: ops::Range<usize>, message: impl Into<String>) -> SelectError {
    SelectError {
        term: arg.into(),
        at,
        message: message.into(),
        help: Some(FORMS.into()),
    }
}

/// Reads the term at `at`.
fn term(arg: &str, at: ops::Range<usize>) -> Result<Term, SelectError> {
    let mut inner = at.clone();
    let eat_front = |inner: &mut ops::Range<usize>, sign: &[char]| {
        let found = arg[inner.clone()].starts_with(sign);
        if found {
            *inner = trimmed(arg, inner.start + 1..inner.end);
        }
        found
    };
    let exclude = eat_front(&mut inner, &['!', '^']);
    let up = eat_front(&mut inner, &['+']);
    let down = arg[inner.clone()].ends_with('+');
    if down {
        inner = trimmed(arg, inner.start..inner.end - 1);
    }
    if inner.is_empty() {
        return Err(error(arg, at, "a term is expected here"));
    }
    let what = what(&arg[inner.clone()]).map_err(|message| error(arg, inner.clone(), message))?;
    Ok(Term {
        exclude,
        up,
        down,
        what,
        arg: 0,
        at: inner,
    })
}

/// Reads what a term is about, signs in front and behind taken off.
fn what(text: &str) -> Result<What, String> {
    if let Some((kind, value)) = text.split_once(':') {
        return of_kind(kind.trim_end(), value.trim_start());
    }
    if text == "*" {
        return Ok(What::Everything);
    }
    if let Some(number) = number(text) {
        return Ok(What::Number(number));
    }
    if let Some((first, last)) = text.split_once('-')
        && let (Some(first), Some(last)) = (number(first.trim_end()), number(last.trim_start()))
    {
        return match first <= last {
            true => Ok(What::Numbers(first..=last)),
            false => Err(format!(
                "the range {text} is reversed: {last:04} is less than {first:04}"
            )),
        };
    }
    if let Some(prefix) = prefix(text)? {
        return Ok(prefix);
    }
    if is_glob(text) {
        return Ok(What::Glob(glob(text, false)?));
    }
    match check_id(text) {
        Ok(()) => Ok(What::Id(text.into())),
        Err(reason) => Err(format!("{text:?} is no term: as an id it {reason}")),
    }
}

fn of_kind(kind: &str, value: &str) -> Result<What, String> {
    let kind = kind.to_ascii_lowercase();
    if ["tag", "stage", "path"].contains(&kind.as_str()) && value.is_empty() {
        return Err(format!("`{kind}:` is followed by what it asks for"));
    }
    match kind.as_str() {
        "tag" => Ok(What::Tag(value.into())),
        "stage" => Ok(What::Stage(value.into())),
        "path" => {
            let path = value.trim_end_matches('/');
            match is_glob(path) {
                true => Ok(What::PathGlob(glob(path, true)?)),
                false => Ok(What::Path(path.into())),
            }
        }
        _ => Err(match nearest(&kind, ["tag", "stage", "path"]) {
            Some(near) => format!("there is no `{kind}:`; did you mean `{near}:`?"),
            None => format!("there is no `{kind}:`"),
        }),
    }
}

/// A number as scripts have them: four digits.
pub(super) fn number(text: &str) -> Option<u16> {
    let is_one = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    is_one.then(|| text.parse().ok()).flatten()
}

/// `02*`, `2*`, `02xx`.
fn prefix(text: &str) -> Result<Option<What>, String> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    let starred = rest == "*" && (1..=4).contains(&length);
    let crossed = text.len() == 4
        && length > 0
        && !rest.is_empty()
        && rest.bytes().all(|b| b"xX".contains(&b));
    if !starred && !crossed {
        return Ok(None);
    }
    // A single digit stands for hundreds: scripts are numbered 0000 to 0999.
    let padded = starred && length == 1;
    Ok(Some(What::Prefix {
        digits: if padded {
            format!("0{digits}").into()
        } else {
            digits.into()
        },
        glob: starred.then(|| glob(text, false)).transpose()?,
    }))
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn glob(text: &str, within_parts: bool) -> Result<GlobMatcher, String> {
    if text.len() > MAX_GLOB {
        return Err(format!("a glob has at most {MAX_GLOB} bytes"));
    }
    if text.contains('{') {
        return Err("commas separate terms, so a glob has no `{a,b}`; give two terms".into());
    }
    let glob = GlobBuilder::new(text)
        .literal_separator(within_parts)
        .backslash_escape(false)
        .build();
    match glob {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(error) => Err(format!("this is no glob: {}", error.kind())),
    }
}
