//! How problems look: to people with the lines they are about, to programs as JSON.
//!
//! Only looks are decided here; what is wrong, and in which words, was said
//! where it was found. A file may be hostile or one line of ten megabytes, so
//! whatever could move a cursor is shown escaped, and of a long line only the
//! part around the place is shown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::escape::{clean, is_hostile};
use crate::plan::problem::{Locator, Problem, Severity, Sources, Span};

/// So many problems are shown to people; programs get all.
const MOST_SHOWN: usize = 20;

/// Of a line longer than `LONG_LINE` bytes so many are shown on each side of the place.
const LONG_LINE: usize = 400;
const AROUND: usize = 60;

/// Places that are no further apart than this many bytes are shown in one piece.
const NEAR: usize = 4096;

/// How problems are shown to people.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Style {
            color: false,
            width: 100,
        }
    }
}

/// The problems as text for people, each with its lines; ends with a newline
/// where there is any.
pub fn render(problems: &[Problem], sources: &Sources, style: Style) -> String {
    let renderer = if style.color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer
        .term_width(style.width)
        .decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for problem in problems.iter().take(MOST_SHOWN) {
        text.push_str(&one(problem, sources, &renderer));
        text.push_str("\n\n");
    }
    let rest = &problems[problems.len().min(MOST_SHOWN)..];
    if !rest.is_empty() {
        let errors = rest.iter().filter(|p| p.severity == Severity::Error);
        let errors = errors.count();
        let counts = [(errors, "error"), (rest.len() - errors, "warning")];
        let counts: Vec<String> = counts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} more {what}{}", if *n == 1 { "" } else { "s" }))
            .collect();
        let _ = writeln!(text, "and {}", counts.join(" and "));
    } else if !text.is_empty() {
        text.pop();
    }
    text
}

/// The problems as data: every one, with places as lines and columns from 1.
pub fn to_json(problems: &[Problem], sources: &Sources) -> Value {
    let mut places = Places {
        sources,
        locators: BTreeMap::new(),
    };
    problems
        .iter()
        .map(|problem| as_json(problem, &mut places))
        .collect()
}

fn as_json(problem: &Problem, places: &mut Places<'_>) -> Value {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut value = json!({ "severity": severity, "message": problem.message });
    if let Some((span, label)) = &problem.at {
        extend(&mut value, places.json(*span, label));
    }
    if let Some(help) = &problem.help {
        extend(&mut value, json!({ "help": help }));
    }
    let also = problem.also.iter();
    let also: Value = also
        .map(|(span, label)| places.json(*span, label))
        .collect();
    extend(&mut value, json!({ "also": also }));
    value
}

/// Lines and columns in all files. Problems come in the order of the file, so
/// that one walk over it finds the places of a thousand.
struct Places<'s> {
    sources: &'s Sources,
    locators: BTreeMap<u32, Locator<'s>>,
}

impl Places<'_> {
    fn json(&mut self, span: Span, label: &str) -> Value {
        let file = span.file;
        let text = self.sources.text(file);
        let locator = self
            .locators
            .entry(file)
            .or_insert_with(|| Locator::new(text, file));
        let (start, end) = (locator.locate(span.start), locator.locate(span.end));
        json!({
            "file": self.sources.name(file),
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
            "label": label,
        })
    }
}

fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}

/// A place in one of the files, and what is said of it.
struct Mark {
    span: Span,
    label: String,
    primary: bool,
}

/// A piece of a file that is shown, with the marks in it.
struct Excerpt<'s> {
    file: u32,
    /// The bytes of the file that it shows.
    range: Range<usize>,
    text: &'s str,
    marks: Vec<Mark>,
    /// Something of its lines is left out, before or after.
    cut: bool,
}

fn one(problem: &Problem, sources: &Sources, renderer: &Renderer) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(clean(&problem.message).to_string());
    let mut group = Group::with_title(title);
    for excerpt in excerpts(problem, sources) {
        group = group.elements(elements(&excerpt, sources));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(clean(help).to_string()));
    }
    renderer.render(&[group])
}

/// What is shown of the files: the primary place first.
fn excerpts<'s>(problem: &Problem, sources: &'s Sources) -> Vec<Excerpt<'s>> {
    let primary = problem.at.iter().map(|mark| (mark, true));
    let also = problem.also.iter().map(|mark| (mark, false));
    let mut excerpts: Vec<Excerpt<'s>> = Vec::new();
    for ((span, label), primary) in primary.chain(also) {
        let mark = Mark {
            span: clamped(*span, sources),
            label: clean(label).to_string(),
            primary,
        };
        let new = excerpt(mark, sources);
        let near = |old: &&mut Excerpt<'_>| {
            let apart = new.range.start.saturating_sub(old.range.end)
                + old.range.start.saturating_sub(new.range.end);
            old.file == new.file && !old.cut && !new.cut && apart <= NEAR
        };
        match excerpts.iter_mut().find(near) {
            Some(old) => {
                old.range = old.range.start.min(new.range.start)..old.range.end.max(new.range.end);
                old.text = &sources.text(old.file)[old.range.clone()];
                old.marks.extend(new.marks);
            }
            None => excerpts.push(new),
        }
    }
    excerpts
}

/// The lines of a mark, or of a long line the part around it.
fn excerpt(mark: Mark, sources: &Sources) -> Excerpt<'_> {
    let text = sources.text(mark.span.file);
    let (start, end) = (mark.span.start as usize, mark.span.end as usize);
    let line_start = text[..start].rfind('\n').map_or(0, |n| n + 1);
    let line_end = text[end..].find('\n').map_or(text.len(), |n| end + n);
    let cut = line_end - line_start > LONG_LINE;
    let range = if cut {
        let from = floor(text, start.saturating_sub(AROUND).max(line_start));
        // Of a place that is itself too long its beginning is shown.
        let shown_end = end.min(start + LONG_LINE);
        from..floor(text, (shown_end + AROUND).min(line_end)).max(start)
    } else {
        line_start..line_end
    };
    Excerpt {
        file: mark.span.file,
        text: &text[range.clone()],
        range,
        marks: vec![mark],
        cut,
    }
}

fn elements<'a>(excerpt: &Excerpt<'a>, sources: &'a Sources) -> Vec<Element<'a>> {
    let text = sources.text(excerpt.file);
    let first = excerpt.marks.iter().map(|m| m.span).min();
    let place = Locator::new(text, excerpt.file).locate(first.map_or(0, |span| span.start));
    let shown = Locator::new(text, excerpt.file).locate(excerpt.range.start as u32);
    let path = clean(sources.name(excerpt.file)).to_string();
    let mut snippet = Snippet::source(harmless(excerpt.text))
        .line_start(shown.line as usize)
        .fold(true);
    for mark in &excerpt.marks {
        let offset = |at: u32| {
            (at as usize).clamp(excerpt.range.start, excerpt.range.end) - excerpt.range.start
        };
        let kind = if mark.primary {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let span = offset(mark.span.start)..offset(mark.span.end);
        let annotation = kind.span(span);
        snippet = snippet.annotation(if mark.label.is_empty() {
            annotation
        } else {
            annotation.label(mark.label.clone())
        });
    }
    if excerpt.cut {
        // The renderer would count columns from where the excerpt begins.
        let origin = Origin::path(path)
            .line(place.line as usize)
            .char_column(place.column as usize);
        return vec![origin.into(), snippet.into()];
    }
    vec![snippet.path(path).into()]
}

/// The span within its file's text, and on the borders of characters.
fn clamped(span: Span, sources: &Sources) -> Span {
    let text = sources.text(span.file);
    let start = floor(text, (span.start as usize).min(text.len()));
    let end = floor(text, (span.end as usize).min(text.len()));
    Span {
        file: span.file,
        start: start as u32,
        end: end.max(start) as u32,
    }
}

/// The border of a character at or before `at`.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Text of a file with what a terminal might act on replaced by others of the same
/// length, so that places in it stay. (The renderer itself shows ASCII controls.)
fn harmless(text: &str) -> Cow<'_, str> {
    let bad = |c: char| !c.is_ascii() && is_hostile(c);
    if !text.contains(bad) {
        return text.into();
    }
    let replaced = text.chars().map(|c| match (bad(c), c.len_utf8()) {
        (false, _) => c.to_string(),
        (true, 2) => "·".to_owned(),
        // None is longer than three bytes.
        (true, _) => "\u{fffd}".to_owned(),
    });
    replaced.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add("plan.json", text);
        sources
    }

    /// The place of the n-th occurrence of `word`.
    fn nth(sources: &Sources, word: &str, n: usize) -> Span {
        let start = sources.text(0).match_indices(word).nth(n).unwrap().0;
        Span {
            file: 0,
            start: start as u32,
            end: (start + word.len()) as u32,
        }
    }

    fn shown(problem: &Problem, sources: &Sources) -> String {
        render(std::slice::from_ref(problem), sources, Style::default())
    }

    #[test]
    fn a_problem_is_shown_with_its_line_a_caret_and_its_help() {
        let sources = sources("{\n  \"id\": \"a\",\n  \"needs\": [\"gost\"]\n}\n");
        let problem = Problem::error("step \"a\" needs \"gost\", which does not exist")
            .at(nth(&sources, "gost", 0), "no step has this id")
            .help("did you mean \"ghost\"?");
        insta::assert_snapshot!(shown(&problem, &sources), @r#"
        error: step "a" needs "gost", which does not exist
         --> plan.json:3:14
          |
        3 |   "needs": ["gost"]
          |              ^^^^ no step has this id
          |
          = help: did you mean "ghost"?
        "#);
    }

    #[test]
    fn other_places_are_shown_too_near_and_far() {
        let far = "\n".repeat(NEAR + 10);
        let sources = sources(&format!("one: a\ntwo: a\n{far}three: a\n"));
        let problem = Problem::warning("three of them")
            .at(nth(&sources, "two", 0), "second")
            .also(nth(&sources, "one", 0), "first")
            .also(nth(&sources, "three", 0), "third");
        insta::assert_snapshot!(shown(&problem, &sources), @r"
        warning: three of them
            --> plan.json:2:1
             |
           1 | one: a
             | --- first
           2 | two: a
             | ^^^ second
             |
            ::: plan.json:4109:1
             |
        4109 | three: a
             | ----- third
        ");
    }

    #[test]
    fn a_place_in_a_long_line_is_cut_out_of_it() {
        let long = "x".repeat(10 << 20);
        let sources = sources(&format!("{{\n{long} é here {long}"));
        let problem = Problem::error("too long").at(nth(&sources, "here", 0), "this");
        let text = shown(&problem, &sources);
        assert!(text.len() < 1000, "{} bytes", text.len());
        assert!(text.contains("plan.json:2:10485764"), "{text}");
        let caret = text
            .lines()
            .find(|line| line.contains("^^^^ this"))
            .unwrap();
        let line = text.lines().find(|line| line.contains("here")).unwrap();
        let column = line.split("here").next().unwrap().chars().count();
        assert_eq!(caret.find("^^^^"), Some(column), "{text}");
    }

    #[test]
    fn a_place_that_is_itself_endless_is_shown_by_its_beginning() {
        let sources = sources(&"x".repeat(1 << 20));
        let span = Span {
            file: 0,
            start: 5,
            end: 1 << 20,
        };
        let text = shown(&Problem::error("all of it").at(span, ""), &sources);
        assert!(text.len() < 3000, "{} bytes", text.len());
    }

    #[test]
    fn hostile_text_does_not_reach_the_terminal() {
        let evil = "\u{1b}[2J\u{7}\u{202e}\u{9b}31m\u{2066}\r";
        let mut sources = Sources::default();
        sources.add(format!("p{evil}.json"), format!("a {evil} b\n"));
        let problem = Problem::error(format!("bad {evil}"))
            .at(nth(&sources, "b", 0), format!("label {evil}"))
            .help(format!("help {evil}"));
        let text = shown(&problem, &sources);
        let raw: Vec<char> = text
            .chars()
            .filter(|c| *c != '\n' && is_hostile(*c))
            .collect();
        assert_eq!(raw, [], "{text:?}");
    }

    #[test]
    fn a_problem_may_have_no_place_or_one_that_is_not_there() {
        let problem = Problem::error("cannot read \"x\"");
        assert_eq!(
            shown(&problem, &Sources::default()),
            "error: cannot read \"x\"\n"
        );
        let nowhere = Span {
            file: 9,
            start: 5,
            end: 7,
        };
        let problem = Problem::error("gone").at(nowhere, "here");
        assert!(shown(&problem, &Sources::default()).contains("error: gone"));
        let sources = sources("é");
        let inside = Span {
            file: 0,
            start: 1,
            end: 1,
        };
        assert!(shown(&Problem::error("in").at(inside, "x"), &sources).contains("1:1"));
    }

    #[test]
    fn of_many_problems_the_first_are_shown_and_the_rest_counted() {
        let mut problems = vec![Problem::error("e"); MOST_SHOWN];
        assert!(!render(&problems, &Sources::default(), Style::default()).contains("more"));
        problems.extend([Problem::error("e"), Problem::warning("w")]);
        let text = render(&problems, &Sources::default(), Style::default());
        assert_eq!(text.matches("error: e").count(), MOST_SHOWN);
        assert!(
            text.ends_with("and 1 more error and 1 more warning\n"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_shown_of_no_problems() {
        assert_eq!(render(&[], &Sources::default(), Style::default()), "");
    }

    #[test]
    fn color_is_only_where_it_is_asked_for() {
        let problem = [Problem::error("x")];
        let color = Style {
            color: true,
            ..Style::default()
        };
        let plain = render(&problem, &Sources::default(), Style::default());
        assert!(!plain.contains('\u{1b}'));
        assert!(render(&problem, &Sources::default(), color).contains('\u{1b}'));
    }

    #[test]
    fn programs_get_lines_and_columns() {
        let sources = sources("é: 1\nb: 2\n");
        let problem = Problem::error("m")
            .at(nth(&sources, "1", 0), "l")
            .also(nth(&sources, "b", 0), "k")
            .help("h");
        let place = |line, column, label| {
            json!({
                "file": "plan.json", "line": line, "column": column,
                "end_line": line, "end_column": column + 1, "label": label,
            })
        };
        let mut expected = json!({
            "severity": "error", "message": "m", "help": "h",
            "also": [place(2, 1, "k")],
        });
        extend(&mut expected, place(1, 4, "l"));
        assert_eq!(to_json(&[problem], &sources), json!([expected]));
    }
}
