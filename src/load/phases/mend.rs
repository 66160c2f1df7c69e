//! What would mend the usual damage to a JSON file, line by line.
//!
//! Quotes that are missing on one side or both, a comma before a closing
//! bracket or none between two lines: of these the line says what it was to be.
//! Nothing is offered that was not tried: the whole text, mended, must be JSON.
//! Nothing is mended either; this only says what a person would write.

use std::ops::Range;

use crate::load::document::{self, Format, Kind};
use crate::plan::problem::{Problem, Span};

/// So many lines are shown with what they would be.
const SHOWN: usize = 6;

/// What is space to JSON, of which there are more kinds elsewhere.
const SPACE: [char; 3] = [' ', '\t', '\r'];

/// A damaged file is one problem, its first, however many follow from it: in a
/// tree with several damaged files each is to be seen.
pub fn one_of(problems: Vec<Problem>, text: &str, file: u32) -> Option<Problem> {
    let more = problems.len().saturating_sub(1);
    let mut first = problems.into_iter().next()?;
    first.message = format!("invalid JSON: {}", first.message);
    if let Some(lines) = mended(text) {
        let help = match lines.len() {
            1 => "so written, the file would be valid".into(),
            n if n <= SHOWN => format!("with these {n} lines so written, the file would be valid"),
            n => format!(
                "with {n} lines so written, of which {SHOWN} are shown, the file would be valid"
            ),
        };
        for line in lines.into_iter().take(SHOWN) {
            let label = match line.right.trim() {
                "" => "leave this line out".into(),
                right => format!("write {right}"),
            };
            let (start, end) = (line.at.start as u32, line.at.end as u32);
            first = first.also(Span { file, start, end }, label);
        }
        return Some(first.help(help));
    }
    if more > 0 {
        let rest = format!("it is the first of {} mistakes in this file", more + 1);
        first.help = Some(match first.help.take() {
            Some(help) => format!("{help}; {rest}"),
            None => rest,
        });
    }
    Some(first)
}

/// A line that is to be written otherwise.
#[derive(Debug, PartialEq)]
struct Line {
    /// Its bytes in the text, without the space around it.
    at: Range<usize>,
    right: String,
}

/// The lines that are to be written otherwise; nothing, where that would not
/// make the text a JSON object.
fn mended(text: &str) -> Option<Vec<Line>> {
    let old: Vec<&str> = text.split('\n').collect();
    let mut new: Vec<String> = old.iter().map(|line| line_mended(line)).collect();
    mend_commas(&mut new);
    let mut problems = Vec::new();
    let joined = new.join("\n");
    let document = document::parse(&joined, Format::Json, 0, &mut problems)?;
    if !problems.is_empty() || document.root().kind() != Kind::Object {
        return None;
    }
    let mut lines = Vec::new();
    let mut start = 0;
    for (old, right) in old.into_iter().zip(new) {
        let begins = start + (old.len() - old.trim_start_matches(SPACE).len());
        let at = begins..begins.max(start + old.trim_end_matches(SPACE).len());
        start += old.len() + 1;
        if old != right {
            lines.push(Line { at, right });
        }
    }
    Some(lines)
}

/// No comma before a bracket that closes, and one between two entries.
fn mend_commas(lines: &mut [String]) {
    let written = |line: &String| !line.trim().is_empty();
    let places: Vec<usize> = (0..lines.len()).filter(|at| written(&lines[*at])).collect();
    for pair in places.windows(2) {
        let next = lines[pair[1]].trim_start();
        let (closes, begins) = (next.starts_with(['}', ']']), next.starts_with('"'));
        let line = &mut lines[pair[0]];
        let end = line.trim_end().len();
        if closes && line[..end].ends_with(',') {
            line.truncate(end - 1);
        } else if begins && !line[..end].ends_with([',', '{', '[', ':']) {
            line.truncate(end);
            line.push(',');
        }
    }
}

/// A line, with its quotes where they belong.
fn line_mended(line: &str) -> String {
    if is_sound(line) {
        return line.to_owned();
    }
    let body = line.trim();
    if body.starts_with("//") || body.starts_with('#') {
        return String::new();
    }
    let indent = &line[..line.len() - line.trim_start().len()];
    let (body, comma) = match body.strip_suffix(',') {
        Some(body) => (body.trim_end(), ","),
        None => (body, ""),
    };
    match key_of(body) {
        Some((key, value)) => format!("{indent}\"{key}\": {}{comma}", value_mended(value)),
        None => format!("{indent}{}{comma}", value_mended(body)),
    }
}

/// `key`, `"key` or `key"` before a colon, and what follows that.
fn key_of(body: &str) -> Option<(&str, &str)> {
    let (key, value) = body.split_once(':')?;
    let key = key.trim().trim_matches(['"', '\'']);
    let is_key = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (!key.is_empty() && key.chars().all(is_key)).then_some((key, value.trim()))
}

fn value_mended(value: &str) -> String {
    match value {
        _ if is_sound(value) => value.to_owned(),
        "True" | "False" => value.to_ascii_lowercase(),
        "None" => "null".into(),
        _ => {
            let bare = value.trim_matches(['"', '\'', '“', '”']);
            serde_json::Value::from(bare).to_string()
        }
    }
}

/// Whether all of the line could stand in a JSON text: its strings are closed,
/// and what stands outside of them is brackets, numbers and JSON's three words.
fn is_sound(line: &str) -> bool {
    let mut outside = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c != '"' {
            outside.push(c);
            continue;
        }
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => drop(chars.next()),
                Some(_) => {}
                None => return false,
            }
        }
        // Two strings side by side are not one word.
        outside.push(' ');
    }
    let separates = |c: char| c.is_whitespace() || "{}[],:".contains(c);
    let words = outside.split(separates).filter(|word| !word.is_empty());
    words.into_iter().all(|word| {
        ["true", "false", "null"].contains(&word)
            || word.parse::<f64>().is_ok() && !word.starts_with(|c: char| c.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended_to(text: &str, wanted: &[(usize, &str)]) {
        let found = mended(text).unwrap_or_else(|| panic!("nothing mends {text}"));
        let number = |line: &Line| text[..line.at.start].matches('\n').count() + 1;
        let found: Vec<(usize, &str)> = found
            .iter()
            .map(|line| (number(line), line.right.trim()))
            .collect();
        assert_eq!(found, wanted, "{text}");
    }

    /// H24.
    #[test]
    fn h24_quotes_that_are_missing_on_any_side_are_put_where_they_belong() {
        mended_to(
            "{\n  \"name\": \"A\",\n  description: all of it, and more\n}",
            &[(3, "\"description\": \"all of it, and more\"")],
        );
        mended_to(
            "{\n  \"description: of a phase\n}",
            &[(2, "\"description\": \"of a phase\"")],
        );
        mended_to(
            "{\n children\": [\n  \"a,\n  b/c,\n  d/e\",\n  \"f\"\n ]\n}",
            &[
                (2, "\"children\": ["),
                (3, "\"a\","),
                (4, "\"b/c\","),
                (5, "\"d/e\","),
            ],
        );
        mended_to(
            "{\n \"x\": True,\n 'y': '1'\n}",
            &[(2, "\"x\": true,"), (3, "\"y\": \"1\"")],
        );
    }

    /// H24.
    #[test]
    fn h24_commas_that_are_too_many_or_missing_are_found() {
        mended_to("{\n \"a\": [\n  1,\n ],\n}", &[(3, "1"), (4, "]")]);
        mended_to("{\n \"a\": 1\n \"b\": 2\n}", &[(2, "\"a\": 1,")]);
        mended_to("{\n // why\n \"a\": 1\n}", &[(2, "")]);
    }

    #[test]
    fn nothing_is_offered_that_does_not_make_it_json() {
        for text in [
            "{",
            "{\n \"a\": [1\n}",
            "",
            "{ a: b, c: d }",
            "{\n \"a\" \"b\": 1\n}",
        ] {
            assert_eq!(mended(text), None, "{text}");
        }
    }
}
