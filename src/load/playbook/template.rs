//! Templates: texts with holes such as `{{name}}` and `{{name:=default}}`.
//!
//! A hole is filled with a value and never read again: a value that holds
//! `{{x}}` stays as it is. What stands after `:=` is written in the file, so it
//! is a template too. A text that is nothing but one hole is the value itself,
//! list, number or whatever it is; in a longer text the value is put in as text.
//! `${{name}}` is `{{name}}`, as jobs spell it.
//!
//! Braces around anything but a name are left alone: `{{.Names}}` and `{{0}}`
//! are templates of other programs.

use serde_json::Value;

use crate::plan::{Part, Text};

/// Defaults may stand this deep in one another.
const MAX_DEPTH: usize = 16;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    Text(&'t str),
    Hole(Hole<'t>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole<'t> {
    pub name: &'t str,
    /// Stands in where the name has no value; a template itself.
    pub default: Option<&'t str>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Filled(Filled),
    /// Nothing, and that is as it should be: it fills its hole with nothing.
    Nothing,
}

/// What a template comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Filled {
    Value(Value),
    /// A text with holes for outputs of steps.
    Parts(Vec<Part>),
}

impl Filled {
    /// The text as a program is given it.
    pub fn into_text(self) -> Text {
        match self {
            Filled::Value(value) => Text::from(shown(&value)),
            Filled::Parts(parts) => Text::Parts(parts.into()),
        }
    }
}

/// Where names are looked up.
pub trait Names {
    /// What a name stands for; `None` where nobody knows it.
    fn find(&mut self, name: &str) -> Option<Found>;
    /// Takes note of a name that nobody knows, and that has no default.
    fn missed(&mut self, name: &str);
}

/// Whether there is a hole in the text.
pub fn has_holes(text: &str) -> bool {
    pieces(text)
        .iter()
        .any(|piece| matches!(piece, Piece::Hole(_)))
}

/// The text, cut at its holes.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut plain, mut at) = (0, 0);
    while let Some(open) = text[at..].find("{{").map(|n| at + n) {
        let closed = braces(text, open);
        let Some((hole, end)) = closed.and_then(|(inside, end)| Some((hole(inside)?, end))) else {
            at = open + 2;
            continue;
        };
        let before = &text[plain..open];
        let before = before.strip_suffix('$').unwrap_or(before);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Hole(hole));
        (plain, at) = (end, end);
    }
    if plain < text.len() {
        pieces.push(Piece::Text(&text[plain..]));
    }
    pieces
}

/// What stands between the braces that open at `open`, and where they end.
/// None for braces that are not closed, or hold too many others: that bounds
/// how often a text is read to its end.
pub fn braces(text: &str, open: usize) -> Option<(&str, usize)> {
    let (mut at, mut depth) = (open, 0);
    loop {
        let rest = &text[at..];
        if rest.starts_with("{{") {
            depth += 1;
            at += 2;
            if depth > MAX_DEPTH {
                return None;
            }
        } else if rest.starts_with("}}") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some((&text[open + 2..at - 2], at));
            }
        } else {
            at += rest.chars().next()?.len_utf8();
        }
    }
}

/// What stands between braces, where it is a hole.
pub fn hole(inside: &str) -> Option<Hole<'_>> {
    let (name, default) = match inside.split_once(":=") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let name = name.trim();
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.ends_with(|c: char| c.is_alphanumeric() || c == '_')
        && name.chars().all(part);
    is_name.then_some(Hole { name, default })
}

/// Fills the holes of a text.
pub fn fill(text: &str, names: &mut dyn Names) -> Filled {
    fill_deep(text, names, 0)
}

/// Fills the holes of every text in a value.
///
/// What steps put out is not known yet, so it fills its hole in a list or an
/// object with nothing: only a text by itself can wait for it.
pub fn fill_value(value: &Value, names: &mut dyn Names) -> Filled {
    Filled::Value(match value {
        Value::String(text) => return fill(text, names),
        Value::Array(items) => items.iter().map(|item| inner(item, names)).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(name, item)| (name.clone(), inner(item, names)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    })
}

fn inner(value: &Value, names: &mut dyn Names) -> Value {
    match fill_value(value, names) {
        Filled::Value(value) => value,
        Filled::Parts(_) => Value::Null,
    }
}

fn fill_deep(text: &str, names: &mut dyn Names, depth: usize) -> Filled {
    let pieces = pieces(text);
    if let [Piece::Hole(hole)] = pieces.as_slice() {
        return fill_hole(hole, names, depth);
    }
    let mut parts = Vec::new();
    for piece in &pieces {
        match piece {
            Piece::Text(text) => push(&mut parts, Part::Literal((*text).into())),
            Piece::Hole(hole) => match fill_hole(hole, names, depth) {
                Filled::Value(value) => push(&mut parts, Part::Literal(shown(&value).into())),
                Filled::Parts(more) => more.into_iter().for_each(|part| push(&mut parts, part)),
            },
        }
    }
    match parts.as_slice() {
        [] => Filled::Value(String::new().into()),
        [Part::Literal(text)] => Filled::Value((**text).into()),
        _ => Filled::Parts(parts),
    }
}

/// Adds a part, so that there are never two literals in a row.
fn push(parts: &mut Vec<Part>, part: Part) {
    match (parts.last_mut(), part) {
        (Some(Part::Literal(last)), Part::Literal(text)) => *last = format!("{last}{text}").into(),
        (_, Part::Literal(text)) if text.is_empty() => {}
        (_, part) => parts.push(part),
    }
}

fn fill_hole(hole: &Hole<'_>, names: &mut dyn Names, depth: usize) -> Filled {
    let default = |names: &mut dyn Names| -> Option<Filled> {
        let text = hole.default.filter(|_| depth < MAX_DEPTH)?;
        Some(match fill_deep(text, names, depth + 1) {
            Filled::Value(Value::String(text)) => Filled::Value(literal(&text)),
            other => other,
        })
    };
    match names.find(hole.name) {
        Some(Found::Filled(Filled::Parts(mut parts))) => {
            if let [Part::Output { default: own, .. }] = parts.as_mut_slice()
                && let Some(Filled::Value(value)) = default(names)
            {
                *own = Some(shown(&value).into());
            }
            Filled::Parts(parts)
        }
        Some(Found::Filled(filled)) => filled,
        found => default(names).unwrap_or_else(|| {
            if found.is_none() {
                names.missed(hole.name);
            }
            Filled::Value(String::new().into())
        }),
    }
}

/// A default as a value: all of them are written as text, and two of them are
/// not meant as one.
fn literal(text: &str) -> Value {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        text => text.into(),
    }
}

/// A value as a text: lists and objects as JSON, nothing as no text at all.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two names that are known, one that is nothing, and all that was missed.
    #[derive(Default)]
    struct Known {
        missed: Vec<String>,
    }

    impl Names for Known {
        fn find(&mut self, name: &str) -> Option<Found> {
            Some(Found::Filled(match name {
                "who" => Filled::Value("{{list}}".into()),
                "list" => Filled::Value(serde_json::json!(["a", 1])),
                "yes" => Filled::Value(true.into()),
                "none" => return Some(Found::Nothing),
                "steps.a.outputs.K" => Filled::Parts(vec![Part::Output {
                    step: "a".into(),
                    key: "K".into(),
                    default: None,
                }]),
                _ => return None,
            }))
        }
        fn missed(&mut self, name: &str) {
            self.missed.push(name.into());
        }
    }

    fn filled(text: &str) -> Value {
        match fill(text, &mut Known::default()) {
            Filled::Value(value) => value,
            Filled::Parts(parts) => panic!("{text}: {parts:?}"),
        }
    }

    /// A34.
    #[test]
    fn a34_holes_are_filled_with_values_that_are_not_read_again() {
        assert_eq!(filled("no holes"), "no holes");
        assert_eq!(filled("hi {{who}}!"), "hi {{list}}!");
        assert_eq!(filled("{{ who }}"), "{{list}}");
        assert_eq!(filled("${{who}} ${{yes}}"), "{{list}} true");
        assert_eq!(filled("{{list}}"), serde_json::json!(["a", 1]));
        assert_eq!(filled("<{{list}}>"), "<[\"a\",1]>");
        assert_eq!(filled("{{yes}}"), true);
        assert_eq!(filled(""), "");
    }

    /// A34.
    #[test]
    fn a34_defaults_stand_in_and_are_templates_themselves() {
        assert_eq!(filled("{{x:=main}}"), "main");
        assert_eq!(filled("{{x:=}}"), "");
        assert_eq!(filled("{{x:=false}}"), false);
        assert_eq!(filled("{{yes:=false}}"), true);
        assert_eq!(filled("{{none:=d}}"), "d");
        assert_eq!(
            filled("{{x:={{y:=1}}({{who}}): {{yes}}}}"),
            "1({{list}}): true"
        );
        let deep = |n| format!("{}z{}", "{{x:=".repeat(n), "}}".repeat(n));
        assert_eq!(filled(&deep(16)), "z");
        assert_ne!(filled(&deep(100_000)), "z");
    }

    #[test]
    fn a_hostile_text_costs_no_more_than_its_length() {
        let open = "{{".repeat(500_000);
        assert_eq!(pieces(&open).len(), 1);
        let nested = format!("{}{}", "{{0".repeat(300_000), "}}".repeat(300_000));
        assert_eq!(pieces(&nested).len(), 1);
    }

    /// A34.
    #[test]
    fn a34_a_name_that_nobody_knows_is_empty_and_told() {
        let mut names = Known::default();
        let filled = fill("a{{x}}b{{none}}c{{y:=1}}d{{x}}", &mut names);
        assert_eq!(filled, Filled::Value("abc1d".into()));
        assert_eq!(names.missed, ["x", "x"]);
    }

    #[test]
    fn braces_around_anything_but_a_name_are_left_alone() {
        for text in [
            "{{.Names}}",
            "{{0}}",
            "{{}}",
            "{{a b}}",
            "{{a == 'b'}}",
            "{a}",
            "{{a",
            "a}}",
            "{{{{",
            "$ {{.x}}",
        ] {
            assert_eq!(filled(text), text);
            assert!(!has_holes(text), "{text}");
        }
        assert_eq!(filled("{{0}}{{who}}"), "{{0}}{{list}}");
        assert_eq!(filled("{{a {{who}}"), "{{a {{list}}");
        assert!(has_holes("{{who}}"));
    }

    #[test]
    fn what_steps_put_out_waits_for_them() {
        let step = |default: Option<&str>| Part::Output {
            step: "a".into(),
            key: "K".into(),
            default: default.map(Box::from),
        };
        let parts = |text| match fill(text, &mut Known::default()) {
            Filled::Parts(parts) => parts,
            Filled::Value(value) => panic!("{value}"),
        };
        assert_eq!(parts("{{steps.a.outputs.K}}"), [step(None)]);
        assert_eq!(
            parts("v{{yes}}-${{ steps.a.outputs.K:={{who}} }}"),
            [Part::Literal("vtrue-".into()), step(Some("{{list}} "))]
        );
    }

    #[test]
    fn values_are_filled_through_lists_and_objects() {
        let value = serde_json::json!({"a": ["{{who}}", {"b": "{{yes}}"}], "c": 1});
        assert_eq!(
            fill_value(&value, &mut Known::default()),
            Filled::Value(serde_json::json!({"a": ["{{list}}", {"b": true}], "c": 1}))
        );
    }
}
