//! What PowerShell would run: named, refused and passed over.
//!
//! The values that look like code are here too: `$true` and its like, the
//! environment, and casts of a value to the type that it has.

use std::ops::Range;

use super::number;
use super::{Bracket, Next, Scanner, Stop};
use crate::load::document::tape::Kind;
use crate::plan::variables::is_name;

const KEYWORDS: &[&str] = &[
    "begin",
    "break",
    "catch",
    "class",
    "continue",
    "data",
    "do",
    "dynamicparam",
    "else",
    "elseif",
    "end",
    "enum",
    "exit",
    "filter",
    "finally",
    "for",
    "foreach",
    "function",
    "if",
    "param",
    "process",
    "return",
    "switch",
    "throw",
    "trap",
    "try",
    "until",
    "using",
    "while",
];

/// Names in brackets and braces end within so many bytes, so that one which
/// does not end is not looked for again and again.
const LONGEST: usize = 256;

/// What goes on from a statement on the next line.
const GOES_ON: &[&str] = &["catch", "else", "elseif", "finally"];

pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// What a dollar sign begins.
pub(super) enum Dollar {
    /// Nothing: it is a dollar sign.
    Sign,
    /// `$env:NAME`
    Env { name: Range<usize>, end: usize },
    /// Another variable, with its dollar sign.
    Variable(Range<usize>),
    /// `$(` of a subexpression.
    Group,
}

/// Looks at the dollar sign at `at`, in the text up to `limit`.
pub(super) fn dollar(text: &str, at: usize, limit: usize) -> Dollar {
    let start = at + 1;
    let rest = &text[start..limit];
    let word = |s: &str| {
        s.find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(s.len())
    };
    if rest.starts_with('(') {
        return Dollar::Group;
    }
    if let Some(inside) = rest.strip_prefix('{') {
        let near = &inside.as_bytes()[..inside.len().min(LONGEST)];
        let Some(len) = near.iter().position(|b| *b == b'}') else {
            return Dollar::Variable(at..start + 1);
        };
        let end = start + len + 2;
        return match in_environment(&inside[..len]) {
            Some(from) => Dollar::Env {
                name: start + 1 + from..start + 1 + len,
                end,
            },
            None => Dollar::Variable(at..end),
        };
    }
    let mut len = word(rest);
    if let Some(scoped) = rest[len..].strip_prefix(':').filter(|_| len > 0) {
        let more = word(scoped);
        len += if more > 0 { 1 + more } else { 0 };
    }
    if let Some(from) = in_environment(&rest[..len]) {
        return Dollar::Env {
            name: start + from..start + len,
            end: start + len,
        };
    }
    match rest.chars().next() {
        _ if len > 0 => Dollar::Variable(at..start + len),
        Some('$' | '?' | '^') => Dollar::Variable(at..start + 1),
        _ => Dollar::Sign,
    }
}

/// Where the name begins in `env:NAME`, which is one that every system can have.
fn in_environment(variable: &str) -> Option<usize> {
    let scope = variable.get(..4)?;
    (scope.eq_ignore_ascii_case("env:") && is_name(&variable[4..])).then_some(4)
}

/// What a value must be for a cast to leave it as it is.
#[derive(Clone, Copy)]
enum Cast {
    Text,
    Whole,
    Number,
    Truth,
    Hash,
    Array,
}

const CASTS: &[(&str, Cast)] = &[
    ("array", Cast::Array),
    ("bool", Cast::Truth),
    ("decimal", Cast::Number),
    ("double", Cast::Number),
    ("float", Cast::Number),
    ("hashtable", Cast::Hash),
    ("int", Cast::Whole),
    ("int32", Cast::Whole),
    ("int64", Cast::Whole),
    ("int[]", Cast::Array),
    ("long", Cast::Whole),
    ("object[]", Cast::Array),
    ("ordered", Cast::Hash),
    ("pscustomobject", Cast::Hash),
    ("string", Cast::Text),
    ("string[]", Cast::Array),
    ("switch", Cast::Truth),
];

impl Scanner<'_> {
    /// `$true`, `$false`, `$null` or an environment variable.
    pub(super) fn variable(&mut self) -> Result<(), Stop> {
        let at = self.pos;
        let found = dollar(self.text, at, self.text.len());
        match &found {
            Dollar::Env { name, end } => {
                self.writer.scalar(Kind::Env, name.clone());
                self.pos = *end;
            }
            Dollar::Variable(range) => {
                let name = self.text[range.start + 1..range.end].to_ascii_lowercase();
                let kind = match name.as_str() {
                    "true" => Kind::True,
                    "false" => Kind::False,
                    "null" => Kind::Null,
                    _ => {
                        self.pos = self.refuse_dollar(at, self.text.len(), &found);
                        if let Some(b'.' | b'[' | b':') = self.peek() {
                            self.skip_code();
                        }
                        Kind::Null
                    }
                };
                self.pos = self.pos.max(range.end);
                self.writer.scalar(kind, range.clone());
            }
            Dollar::Group | Dollar::Sign => {
                self.pos = self.refuse_dollar(at, self.text.len(), &found);
                self.writer.scalar(Kind::Null, at..at + 1);
            }
        }
        Ok(())
    }

    /// Reports what a dollar sign begins that is no data, and says where it ends.
    pub(super) fn refuse_dollar(&mut self, at: usize, limit: usize, found: &Dollar) -> usize {
        let (what, range, end) = match found {
            Dollar::Variable(range) => {
                let name = &self.text[range.clone()];
                (format!("the variable {name:?}"), range.clone(), range.end)
            }
            Dollar::Group => {
                let end = self.after_group(at + 1).min(limit);
                ("a subexpression".to_owned(), at..at + 2, end)
            }
            Dollar::Env { end, .. } => return *end,
            Dollar::Sign => ("a dollar sign".to_owned(), at..at + 1, at + 1),
        };
        let message = format!("{what} is code, not data");
        let problem = self.writer.problem(&message, range, "");
        let help = "of variables only $true, $false, $null and $env:NAME are data; in single \
                    quotes a dollar sign is only that";
        self.mistake(problem.help(help));
        end
    }

    /// A type in brackets, before a value that has it.
    pub(super) fn cast(&mut self) -> Result<Next, Stop> {
        let range = self.type_here();
        let end = range.end;
        let written = &self.text[range.clone()];
        let name = written.trim_matches(|c: char| c == '[' || c.is_whitespace());
        let name = name
            .strip_suffix(']')
            .unwrap_or(name)
            .trim()
            .to_ascii_lowercase();
        let known = CASTS.iter().find(|(of, _)| *of == name);
        let Some((_, cast)) = known.filter(|_| !self.text[end..].starts_with("::")) else {
            self.refuse_here(&format!("the type {written:?}"), range)?;
            return Ok(self.value_done(0));
        };
        self.pos = end;
        self.blanks()?;
        if !self.fits(*cast) {
            let message = format!("the cast {written:?} of a value that is of another type");
            let problem = self.writer.problem(&message, range, "");
            self.mistake(problem.help("write the value as it is meant, without a cast"));
        }
        Ok(Next::Value)
    }

    /// A type and its brackets; the first of them where they do not close.
    fn type_here(&self) -> Range<usize> {
        let mut depth = 0usize;
        let near = self.bytes[self.pos..].iter().take(LONGEST);
        for (len, byte) in (1..).zip(near) {
            match byte {
                b'[' => depth += 1,
                b']' => depth -= 1,
                b'\n' | b'\r' => break,
                _ => {}
            }
            if depth == 0 {
                return self.pos..self.pos + len;
            }
        }
        self.pos..self.pos + 1
    }

    /// Whether what is at the position is what the cast says.
    fn fits(&self, cast: Cast) -> bool {
        let rest = &self.text[self.pos..];
        let number = || number::decimal(&rest[..number::length(rest.as_bytes())]);
        match cast {
            Cast::Text => ["'", "\"", "@'", "@\"", "$env:"]
                .iter()
                .any(|open| rest.starts_with(open)),
            Cast::Whole => number().is_some_and(|n| n.parse::<i128>().is_ok()),
            Cast::Number => number().is_some(),
            Cast::Truth => ["$true", "$false"].iter().any(|word| {
                rest.get(..word.len())
                    .is_some_and(|r| r.eq_ignore_ascii_case(word))
            }),
            Cast::Hash => rest.starts_with("@{"),
            Cast::Array => rest.starts_with("@("),
        }
    }

    /// What stands in a value's place and is none.
    pub(super) fn refuse_value(&mut self) -> Result<(), Stop> {
        let word = self.word_here();
        let written = &self.text[word.clone()];
        let operator = written.starts_with('-');
        match self.peek() {
            Some(b'{') => self.refuse_here("a script block", self.char_here()),
            Some(b'&' | b'.') => self.refuse_here("a call", self.char_here()),
            Some(b'!') => self.refuse_here("the operator \"!\"", self.char_here()),
            Some(b'@') => self.refuse_here("splatting", self.char_here()),
            Some(b'-') if operator && word.len() > 1 => {
                self.refuse_here(&format!("the operator {written:?}"), word)
            }
            _ if word.is_empty() || operator => self.unexpected("a value"),
            _ if is_keyword(written) => {
                let what = format!("{written:?} begins a statement, which");
                self.refuse_here(&what, word)
            }
            _ if ["true", "false", "null"].contains(&written.to_ascii_lowercase().as_str()) => {
                let message = format!("{written:?} is written with a dollar sign");
                let problem = self.writer.problem(&message, word.clone(), "");
                self.mistake(problem.help(format!("write ${}", written.to_ascii_lowercase())));
                self.pos = word.end;
                self.writer.scalar(Kind::Null, word);
                Ok(())
            }
            _ => {
                let message = format!("the command {written:?} is code, not data");
                let problem = self.writer.problem(&message, word.clone(), "");
                self.mistake(problem.help("if it is a text, put it into quotes"));
                self.skip_code();
                self.writer.scalar(Kind::Null, word);
                Ok(())
            }
        }
    }

    /// What stands directly behind a value and does not end it.
    pub(super) fn refuse_after_value(&mut self) -> Result<Next, Stop> {
        let bracket = self.frames.last().map(|frame| frame.bracket);
        let here = self.pos..self.pos;
        match self.peek() {
            Some(b'|') => self.refuse("a pipeline", self.char_here()),
            Some(b'-') if self.word_here().len() > 1 => {
                let word = self.word_here();
                let what = format!("the operator {:?}", &self.text[word.clone()]);
                self.refuse(&what, word);
            }
            Some(
                b'+' | b'-' | b'*' | b'/' | b'%' | b'=' | b'.' | b'[' | b':' | b'?' | b'!' | b'&'
                | b'<' | b'>',
            ) => {
                let here = self.char_here();
                let what = format!("the operator {:?}", &self.text[here.clone()]);
                self.refuse(&what, here);
            }
            Some(b'\'' | b'"' | b'@' | b'$' | b'(' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
                if bracket != Some(Bracket::Hash) =>
            {
                let message = "a comma is missing";
                let problem = self.writer.problem(message, here, "expected a comma here");
                self.mistake(problem);
                self.next_of_list(self.pos)?;
                return Ok(Next::Value);
            }
            Some(b'\'' | b'"' | b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                let label = "expected a new line or \";\" here";
                let message = "the next entry begins on the same line";
                let problem = self.writer.problem(message, here, label);
                self.mistake(problem);
                self.end_statement();
                return Ok(Next::Entry);
            }
            _ => return self.unexpected("a comma, a new line or a closing bracket"),
        }
        Ok(Next::AfterValue)
    }

    /// Refuses what is at the position and writes null in its place.
    pub(super) fn refuse_here(&mut self, what: &str, range: Range<usize>) -> Result<(), Stop> {
        self.refuse(what, range.clone());
        self.writer.scalar(Kind::Null, range);
        Ok(())
    }

    fn refuse(&mut self, what: &str, range: Range<usize>) {
        let message = format!("{what} is code, not data");
        let problem = self.writer.problem(&message, range, "");
        self.mistake(problem);
        self.skip_code();
    }

    /// Moves to the end of the statement that the position is in.
    fn skip_code(&mut self) {
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' | b'\r' if depth == 0 => {
                    let line_end = self.pos;
                    let more = self.lines().is_ok() && {
                        let word = &self.text[self.word_here()];
                        GOES_ON.iter().any(|w| word.eq_ignore_ascii_case(w))
                    };
                    if !more {
                        self.pos = line_end;
                        return;
                    }
                }
                b';' if depth == 0 => return,
                b')' | b'}' if depth == 0 => return,
                _ => {
                    match byte {
                        b'(' | b'{' => depth += 1,
                        b')' | b'}' => depth -= 1,
                        _ => {}
                    }
                    self.pos = self.after_token(self.pos);
                }
            }
        }
    }

    /// The place after the group whose bracket is at `at`; the text's end where
    /// it is never closed.
    pub(super) fn after_group(&self, mut at: usize) -> usize {
        let mut depth = 0usize;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'(' | b'{' | b'[' => depth += 1,
                b')' | b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            at = self.after_token(at);
            if depth == 0 {
                return at;
            }
        }
        at
    }

    /// The place after a string, a comment, or one character of something else.
    fn after_token(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let end = self.text.len();
        match rest.as_bytes() {
            [b'\'', ..] => self.closing_plain(at + 1, '\''),
            [b'"', ..] => self.closing_plain(at + 1, '"'),
            [b'#', ..] => rest.find('\n').map_or(end, |len| at + len),
            [b'<', b'#', ..] => rest.find("#>").map_or(end, |len| at + len + 2),
            [b'`', _, ..] => at + 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => at + rest.chars().next().map_or(1, char::len_utf8),
        }
    }

    /// The place after the quote that ends a string within code.
    fn closing_plain(&self, from: usize, quote: char) -> usize {
        let mut rest = self.text[from..].char_indices();
        while let Some((at, c)) = rest.next() {
            if c == quote {
                return from + at + 1;
            }
            if c == '`' && quote == '"' {
                rest.next();
            }
        }
        self.text.len()
    }
}
