//! The written forms of a reference, and nothing about values.
//!
//! `${NAME}`, `${env.NAME}` and `${steps.ID.outputs.KEY}`, each with an
//! optional `:-default`; `$$` for a dollar sign. Everything else that begins
//! with `$` is left as it stands, since it means something to shells; but what
//! begins with `${` and is none of these is refused rather than guessed at.

use std::ops::Range;

use crate::plan::name::check_id;

/// A piece of a string.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    Literal(&'a str),
    Reference(Reference<'a>),
}

/// A reference, and which bytes of the string it is written in.
#[derive(Debug, PartialEq)]
pub(super) struct Reference<'a> {
    pub to: Target<'a>,
    /// Stands in where there is no value, or an empty one. It is not read for
    /// references itself.
    pub default: Option<&'a str>,
    pub at: Range<usize>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Target<'a> {
    Variable(&'a str),
    Env(&'a str),
    Output { step: &'a str, key: &'a str },
}

/// A form that is none.
#[derive(Debug, PartialEq)]
pub(super) struct Broken {
    pub at: Range<usize>,
    pub message: String,
}

/// Whether `name` can be a variable's: letters, digits and `_` of ASCII, no
/// digit first. These are the names that every shell can hold.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The pieces of `text`, up to the first that is broken.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, Broken>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        if rest.is_empty() {
            return None;
        }
        let piece = if rest.starts_with("$$") {
            at += 2;
            Ok(Piece::Literal("$"))
        } else if rest.starts_with("${") {
            let reference = reference(text, at);
            at = reference.as_ref().map_or(text.len(), |r| r.at.end);
            reference.map(Piece::Reference)
        } else {
            let end = literal_end(rest);
            at += end;
            Ok(Piece::Literal(&rest[..end]))
        };
        Some(piece)
    })
}

/// How far `rest` goes without `$$` or `${`.
fn literal_end(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let special = |&i: &usize| bytes[i] == b'$' && matches!(bytes.get(i + 1), Some(b'$' | b'{'));
    (0..bytes.len()).find(special).unwrap_or(bytes.len())
}

/// The reference whose `${` stands at `start`.
fn reference(text: &str, start: usize) -> Result<Reference<'_>, Broken> {
    let inside = start + 2;
    let Some(length) = text[inside..].find('}') else {
        return Err(Broken {
            at: start..inside,
            message: "`${` without a `}`".into(),
        });
    };
    let content = &text[inside..inside + length];
    let (target, default) = match content.split_once(":-") {
        Some((target, default)) => (target, Some(default)),
        None => (content, None),
    };
    if let Some(default) = default
        && let Some(nested) = default.find("${")
    {
        let at = inside + target.len() + 2 + nested;
        return Err(Broken {
            at: at..at + 2,
            message: "a default cannot hold another reference".into(),
        });
    }
    let to = read_target(target).map_err(|(at, message)| Broken {
        // An empty target has no byte to point at, and the whole form is wrong.
        at: if target.is_empty() {
            start..inside + length + 1
        } else {
            inside + at.start..inside + at.end
        },
        message,
    })?;
    Ok(Reference {
        to,
        default,
        at: start..inside + length + 1,
    })
}

/// Reads what stands before the default. The error's range counts from `target`.
fn read_target(target: &str) -> Result<Target<'_>, (Range<usize>, String)> {
    let of_step = target
        .strip_prefix("steps.")
        .or_else(|| target.strip_prefix("prev."));
    if let Some(rest) = of_step {
        let offset = target.len() - rest.len();
        return read_output(rest)
            .map_err(|(at, message)| (offset + at.start..offset + at.end, message));
    }
    if let Some(name) = target.strip_prefix("env.") {
        return match name_error(name) {
            None => Ok(Target::Env(name)),
            Some((at, message)) => Err((4 + at.start..4 + at.end, message)),
        };
    }
    match name_error(target) {
        None => Ok(Target::Variable(target)),
        Some(error) => Err(error),
    }
}

/// Reads `ID.outputs.KEY`. The last `.outputs.` counts: ids may hold dots.
fn read_output(rest: &str) -> Result<Target<'_>, (Range<usize>, String)> {
    let Some((step, key)) = rest.rsplit_once(".outputs.") else {
        let message = "a step's outputs are written `${steps.ID.outputs.KEY}`";
        return Err((0..rest.len(), message.into()));
    };
    if let Err(reason) = check_id(step) {
        return Err((0..step.len(), format!("the step's id {reason}")));
    }
    let known = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if key.is_empty() || !key.bytes().all(known) {
        let message = "a key is letters, digits, `_`, `-` and `.`";
        return Err((rest.len() - key.len()..rest.len(), message.into()));
    }
    Ok(Target::Output { step, key })
}

/// Where `name` stops being one, and why.
fn name_error(name: &str) -> Option<(Range<usize>, String)> {
    if name.is_empty() {
        return Some((0..0, "`${}` names nothing".into()));
    }
    if is_name(name) {
        return None;
    }
    let fits = |(i, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || (i > 0 && c.is_ascii_digit())
    };
    let bad = name.char_indices().find(|&at| !fits(at));
    let (start, c) = bad.unwrap_or((0, '\0'));
    let message = "a variable's name is letters, digits and `_`, and does not begin with a digit";
    Some((start..start + c.len_utf8(), message.into()))
}
