//! What is wrong with an input, as data.
//!
//! Whoever finds a problem says what and where; how it looks on a terminal is
//! decided elsewhere. Problems are collected, not thrown: a person who mends a
//! file wants to see all of them at once.

use std::fmt;

use super::Source;

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

/// Problems as they gather: kept up to a number that nobody reads to the end
/// of, and counted beyond. A file of ten megabytes can be wrong in every line.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    kept: Vec<Problem>,
    unkept: usize,
    unkept_errors: bool,
}

impl Problems {
    /// So many are kept.
    pub const MOST: usize = 1000;

    pub fn push(&mut self, problem: Problem) {
        if self.kept.len() < Self::MOST {
            self.kept.push(problem);
        } else {
            self.unkept += 1;
            self.unkept_errors |= problem.severity == Severity::Error;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.kept.len()
    }

    /// Makes warnings of those that came after the first `count`: what they are
    /// about is left out, and does no harm by that.
    pub fn soften(&mut self, count: usize) {
        for problem in self.kept.iter_mut().skip(count) {
            problem.severity = Severity::Warning;
        }
    }

    /// The problems, and one that tells how many were not kept.
    pub fn into_vec(mut self) -> Vec<Problem> {
        if self.unkept > 0 {
            let n = self.unkept;
            let mut rest = Problem::error(format!("{n} more problems are not listed"));
            if !self.unkept_errors {
                rest.severity = Severity::Warning;
            }
            self.kept.push(rest);
        }
        self.kept
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        for problem in problems {
            self.push(problem);
        }
    }
}

/// The files that were read, by name and text: what a [`Span`] points into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: Vec<SourceFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SourceFile {
    name: String,
    text: String,
}

impl Sources {
    /// Adds a file and says at which position, which is the `file` of its spans.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> u32 {
        self.files.push(SourceFile {
            name: name.into(),
            text: text.into(),
        });
        (self.files.len() - 1) as u32
    }

    /// The file's name as it is shown; empty for a file that is not here.
    pub fn name(&self, file: u32) -> &str {
        self.files.get(file as usize).map_or("", |f| &f.name)
    }

    /// The file's text; empty for a file that is not here, and after [`Sources::forget_texts`].
    pub fn text(&self, file: u32) -> &str {
        self.files.get(file as usize).map_or("", |f| &f.text)
    }

    /// All names, in the order of their positions.
    pub fn names(&self) -> Vec<String> {
        self.files.iter().map(|f| f.name.clone()).collect()
    }

    /// Frees the texts, which only problems need, and keeps the names.
    pub fn forget_texts(&mut self) {
        for file in &mut self.files {
            file.text = String::new();
        }
    }

    /// Line and column of the span's first byte.
    pub fn place(&self, span: Span) -> Source {
        Locator::new(self.text(span.file), span.file).locate(span.start)
    }
}

/// Turns byte offsets into lines and columns, at the cost of the distance to
/// the offset asked for last: a hundred thousand steps in one file are located
/// in one pass over it, whether it is one line or many.
#[derive(Clone, Debug)]
pub struct Locator<'t> {
    text: &'t str,
    place: Source,
    /// The offset that `place` describes.
    at: usize,
    /// Where its line begins.
    line_start: usize,
}

impl<'t> Locator<'t> {
    /// A locator for `text`, which is the file at position `file`.
    pub fn new(text: &'t str, file: u32) -> Self {
        Locator {
            text,
            place: Source {
                file,
                line: 1,
                column: 1,
            },
            at: 0,
            line_start: 0,
        }
    }

    /// The line and column of a byte offset; the nearest before it where the
    /// offset is past the end or inside a character.
    pub fn locate(&mut self, offset: u32) -> Source {
        let mut to = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(to) {
            to -= 1;
        }
        let bytes = self.text.as_bytes();
        let (passed, forward) = if to >= self.at {
            (&bytes[self.at..to], true)
        } else {
            (&bytes[to..self.at], false)
        };
        let lines = newlines(passed);
        if lines == 0 && forward {
            self.place.column += characters(passed);
        } else {
            if forward {
                self.place.line += lines;
            } else {
                self.place.line -= lines;
            }
            if lines > 0 {
                self.line_start = self.text[..to].rfind('\n').map_or(0, |n| n + 1);
            }
            self.place.column = 1 + characters(&bytes[self.line_start..to]);
        }
        self.at = to;
        self.place
    }
}

fn newlines(bytes: &[u8]) -> u32 {
    count(bytes, |byte| byte == b'\n')
}

/// How many characters begin in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> u32 {
    count(bytes, |byte| (byte as i8) >= -0x40)
}

/// How many of the bytes are such. Counted in bytes, which processors add many
/// of at once, and so few at a time that a byte holds the sum.
fn count(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> u32 {
    let few = |few: &[u8]| few.iter().map(|byte| u8::from(is_such(*byte))).sum::<u8>();
    bytes.chunks(128).map(|chunk| u32::from(few(chunk))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32, column: u32) -> Source {
        Source {
            file: 0,
            line,
            column,
        }
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let mut locator = Locator::new("ab\né✓x\n\nz", 0);
        assert_eq!(locator.locate(0), place(1, 1));
        assert_eq!(locator.locate(2), place(1, 3));
        assert_eq!(locator.locate(3), place(2, 1));
        assert_eq!(locator.locate(8), place(2, 3), "é is 2 bytes and ✓ is 3");
        assert_eq!(locator.locate(9), place(2, 4));
        assert_eq!(locator.locate(11), place(4, 1));
        assert_eq!(locator.locate(99), place(4, 2), "past the end is the end");
    }

    #[test]
    fn a_locator_may_go_back() {
        let text = "a\nbb\nccc\ndddd";
        for there in 0..=text.len() as u32 {
            for back in 0..=there {
                let mut locator = Locator::new(text, 0);
                locator.locate(there);
                let found = locator.locate(back);
                assert_eq!(found, Locator::new(text, 0).locate(back), "{there} {back}");
                let again = locator.locate(there);
                assert_eq!(again, Locator::new(text, 0).locate(there));
            }
        }
    }

    #[test]
    fn an_offset_inside_a_character_is_that_character() {
        assert_eq!(Locator::new("é", 0).locate(1), place(1, 1));
    }

    #[test]
    fn a_file_that_is_not_there_has_no_text() {
        let sources = Sources::default();
        let span = Span {
            file: 7,
            start: 3,
            end: 4,
        };
        assert_eq!(sources.place(span).line, 1);
        assert_eq!(sources.name(7), "");
    }
}
