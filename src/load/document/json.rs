//! JSON, read by our own scanner.
//!
//! Ours, because nothing else gives all of: places, several errors at once,
//! messages that know what people do to JSON (comments, trailing commas, NaN),
//! no recursion, and the speed that a plan of ten megabytes wants.
//!
//! What can be mended without guessing is reported and read on as if it had
//! been right; at the rest the scanner stops.

use std::ops::Range;

use crate::plan::problem::{Problem, Span};

use super::escape::{check_escape, plain_run};
use super::tape::{Kind, MAX_DEPTH, Tape, Writer};

/// After this many mistakes the rest of the file says nothing new.
const ENOUGH: usize = 20;

/// Reads the whole text.
///
/// Returns a tape where the mistakes, if any, left one that makes sense.
pub(super) fn parse(text: &str, file: u32) -> (Option<Tape>, Vec<Problem>) {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        pos: 0,
        writer: Writer::new(text, file, true),
        mistakes: 0,
        comments: Comments::default(),
    };
    let whole = scanner.document().is_ok();
    scanner.report_comments();
    let (tape, problems) = scanner.writer.finish();
    (whole.then_some(tape), problems)
}

/// A mistake was reported after which reading on would only guess.
struct Stop;

/// What may come next.
enum Next {
    Value,
    /// A value, or the end of the array.
    FirstItem,
    Key,
    /// A key, or the end of the object.
    FirstKey,
    /// A comma, or the end of what is open.
    Comma,
}

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    writer: Writer<'t>,
    mistakes: usize,
    comments: Comments,
}

#[derive(Default)]
struct Comments {
    first: Option<Span>,
    count: usize,
}

/// A string's content, without its quotes.
struct Str {
    range: Range<usize>,
    kind: Kind,
}

impl<'t> Scanner<'t> {
    fn document(&mut self) -> Result<(), Stop> {
        self.space();
        if self.peek().is_none() {
            return self.stop("the file is empty", self.pos..self.pos, "");
        }
        let mut next = Next::Value;
        loop {
            self.space();
            next = match next {
                Next::Value => self.value()?,
                Next::FirstItem if self.peek() == Some(b']') => self.end(b']')?,
                Next::FirstItem => self.value()?,
                Next::FirstKey if self.peek() == Some(b'}') => self.end(b'}')?,
                Next::FirstKey | Next::Key => self.key()?,
                Next::Comma if self.writer.depth() == 0 => return self.nothing_more(),
                Next::Comma => self.comma()?,
            }
        }
    }

    /// A value's beginning, and for a scalar all of it.
    fn value(&mut self) -> Result<Next, Stop> {
        let start = self.pos;
        self.writer.begin_value();
        match self.peek() {
            Some(b'"') => {
                let found = self.string()?;
                self.writer.scalar(found.kind, found.range);
                Ok(Next::Comma)
            }
            Some(open @ (b'{' | b'[')) => {
                if self.writer.depth() == MAX_DEPTH {
                    // Without the path, which is as long as the nesting is deep.
                    let problem = Problem::error(format!("nested more than {MAX_DEPTH} deep"));
                    let here = self.writer.span(start..start + 1);
                    self.writer.report(problem.at(here, "this is one too many"));
                    return Err(Stop);
                }
                self.pos += 1;
                self.writer.open(start, open == b'{');
                Ok(if open == b'{' {
                    Next::FirstKey
                } else {
                    Next::FirstItem
                })
            }
            Some(b'0'..=b'9') => Ok(self.number()),
            Some(b'-' | b'+' | b'.') if !self.at_signed_word() => Ok(self.number()),
            Some(_) => self.word_or_mistake(),
            None => self.unclosed(),
        }
    }

    /// After a value: a comma and what follows it, or the end of what is open.
    fn comma(&mut self) -> Result<Next, Stop> {
        let object = self.writer.in_object();
        match self.peek() {
            Some(b',') => {
                let comma = self.pos;
                self.pos += 1;
                self.space();
                match self.peek() {
                    Some(close @ (b']' | b'}')) => {
                        let message = "a comma before the closing bracket";
                        let problem = self.writer.problem(message, comma..comma + 1, "");
                        self.mistake(problem.help("JSON allows no trailing comma: remove it"));
                        self.end(close)
                    }
                    Some(b',') => {
                        let here = self.pos..self.pos + 1;
                        self.mistake(self.writer.problem("two commas in a row", here, ""));
                        Ok(Next::Comma)
                    }
                    _ if object => Ok(Next::Key),
                    _ => Ok(Next::Value),
                }
            }
            Some(close @ (b']' | b'}')) => self.end(close),
            None => self.unclosed(),
            Some(b'"' | b'{' | b'[' | b'0'..=b'9' | b'-' | b'a'..=b'z' | b'A'..=b'Z' | b'\'') => {
                let before = self.bytes[..self.pos].trim_ascii_end().len();
                let label = "expected a comma here";
                self.mistake(
                    self.writer
                        .problem("a comma is missing", before..before, label),
                );
                Ok(if object { Next::Key } else { Next::Value })
            }
            Some(_) => self.unexpected("a comma or a closing bracket"),
        }
    }

    fn key(&mut self) -> Result<Next, Stop> {
        match self.peek() {
            Some(b'"') => {
                let found = self.string()?;
                self.writer.key(found.kind, found.range);
            }
            Some(quote @ b'\'') => {
                let range = self.single_quoted(quote)?;
                self.writer.key(Kind::Plain, range);
            }
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$') => {
                let word = self.word();
                let problem = self
                    .writer
                    .key_problem("a key without quotes", word.clone());
                self.mistake(problem.help("in JSON every key is in double quotes"));
                self.writer.key(Kind::Plain, word);
            }
            None => return self.unclosed(),
            Some(_) => {
                let range = self.pos..self.pos + self.char_len();
                let found = self.text[range.clone()].escape_debug();
                let message = format!("expected a key in double quotes, found \"{found}\"");
                self.writer.report(self.writer.key_problem(&message, range));
                return Err(Stop);
            }
        }
        self.space();
        match self.peek() {
            Some(b':') => self.pos += 1,
            Some(b'=') => {
                let here = self.pos..self.pos + 1;
                let problem = self.writer.problem("an equals sign after a key", here, "");
                self.mistake(problem.help("JSON has a colon between key and value"));
                self.pos += 1;
            }
            None => return self.unclosed(),
            Some(b',' | b'}' | b']') => return self.unexpected("a colon and a value"),
            Some(_) => {
                let label = "expected a colon here";
                self.mistake(
                    self.writer
                        .problem("a colon is missing", self.pos..self.pos, label),
                );
            }
        }
        Ok(Next::Value)
    }

    fn end(&mut self, close: u8) -> Result<Next, Stop> {
        let object = self.writer.in_object();
        let expected = if object { b'}' } else { b']' };
        if close != expected {
            let opened = self.writer.opened_at().unwrap_or(0) as usize;
            let opened = self.writer.span(opened..opened + 1);
            let message = format!(
                "expected \"{}\", found \"{}\"",
                expected as char, close as char
            );
            let problem = self
                .writer
                .problem(&message, self.pos..self.pos + 1, "this does not close")
                .also(opened, "what was opened here");
            self.writer.report(problem);
            return Err(Stop);
        }
        self.pos += 1;
        self.writer.close();
        Ok(Next::Comma)
    }

    fn nothing_more(&mut self) -> Result<(), Stop> {
        if self.peek().is_none() {
            return Ok(());
        }
        let end = self.text.len().min(self.pos + self.char_len());
        let message = "something follows the end of the document";
        self.stop(message, self.pos..end, "nothing may stand here")
    }

    /// A string in double quotes. The position is at the first of them.
    fn string(&mut self) -> Result<Str, Stop> {
        let start = self.pos + 1;
        let mut kind = Kind::Plain;
        let mut pos = start;
        loop {
            pos = plain_run(self.bytes, pos);
            match self.bytes.get(pos) {
                Some(b'"') => {
                    self.pos = pos + 1;
                    return Ok(Str {
                        range: start..pos,
                        kind,
                    });
                }
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    let escape = check_escape(self.bytes, pos);
                    if let Err(message) = escape.fault {
                        let end = (pos + escape.len).min(self.bytes.len());
                        self.mistake(self.writer.problem(message, pos..end, ""));
                    }
                    pos += escape.len;
                }
                Some(b'\n' | b'\r') | None => {
                    self.pos = pos;
                    return self.stop(
                        "a string without its closing quote",
                        start - 1..pos,
                        "the string begins here and does not end on this line",
                    );
                }
                Some(control) => {
                    let message = match control {
                        b'\t' => "a tab inside a string; write \\t".to_owned(),
                        code => format!("a control character inside a string; write \\u{code:04x}"),
                    };
                    self.mistake(self.writer.problem(&message, pos..pos + 1, ""));
                    pos += 1;
                }
            }
        }
    }

    fn single_quoted(&mut self, quote: u8) -> Result<Range<usize>, Stop> {
        let start = self.pos + 1;
        let line = &self.bytes[start..];
        let len = line.iter().position(|b| *b == quote || *b == b'\n');
        match len {
            Some(len) if line[len] == quote => {
                self.pos = start + len + 1;
                let problem = self
                    .writer
                    .problem("single quotes", start - 1..self.pos, "");
                self.mistake(problem.help("JSON has strings in double quotes only"));
                Ok(start..start + len)
            }
            _ => self.unexpected("a value"),
        }
    }

    /// Whether this is `-Infinity` and its like, not a number.
    fn at_signed_word(&self) -> bool {
        self.bytes
            .get(self.pos + 1)
            .is_some_and(u8::is_ascii_alphabetic)
    }

    fn number(&mut self) -> Next {
        let start = self.pos;
        let len = self.bytes[start..]
            .iter()
            .position(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.' | b'_'))
            .unwrap_or(self.bytes.len() - start);
        self.pos = start + len;
        let written = &self.bytes[start..self.pos];
        if !is_number(written) {
            let message = format!(
                "\"{}\" is not a number of JSON",
                &self.text[start..self.pos]
            );
            let problem = self.writer.problem(&message, start..self.pos, "");
            let digits = written.strip_prefix(b"-").unwrap_or(written);
            self.mistake(match digits {
                [b'0', b'0'..=b'9', ..] => problem.help("a number does not begin with 0"),
                [b'0', b'x' | b'o' | b'b', ..] => problem.help("write it in decimal"),
                [b'.', ..] => problem.help("a number has a digit before the point"),
                _ => problem,
            });
        }
        self.writer.scalar(Kind::Number, start..self.pos);
        Next::Comma
    }

    /// `true`, `false`, `null`, or what people write in their place.
    fn word_or_mistake(&mut self) -> Result<Next, Stop> {
        let start = self.pos;
        if self.bytes[start] == b'\'' {
            let range = self.single_quoted(b'\'')?;
            self.writer.scalar(Kind::Plain, range);
            return Ok(Next::Comma);
        }
        let signed = matches!(self.bytes[start], b'-' | b'+');
        self.pos += usize::from(signed);
        let word = self.word();
        if word.is_empty() {
            self.pos = start;
            return self.unexpected("a value");
        }
        let range = start..word.end;
        let written = &self.text[word];
        let kind = match written {
            "true" => Kind::True,
            "false" => Kind::False,
            "null" => Kind::Null,
            _ => return self.wrong_word(range),
        };
        self.writer.scalar(kind, range);
        Ok(Next::Comma)
    }

    fn wrong_word(&mut self, range: Range<usize>) -> Result<Next, Stop> {
        let written = &self.text[range.clone()];
        let meant = match written.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(("true", Kind::True)),
            "false" | "no" | "off" => Some(("false", Kind::False)),
            "null" | "none" | "nil" | "undefined" => Some(("null", Kind::Null)),
            _ => None,
        };
        let number = ["nan", "inf", "infinity"].contains(
            &written
                .trim_start_matches(['-', '+'])
                .to_ascii_lowercase()
                .as_str(),
        );
        let (message, help) = match meant {
            Some((right, _)) => (format!("JSON has no {written}"), format!("write {right}")),
            None if number => (
                format!("JSON has no {written}"),
                "write a number, or leave the field out".to_owned(),
            ),
            None => (
                "a value that is no string, number, true, false or null".to_owned(),
                "strings are in double quotes".to_owned(),
            ),
        };
        let problem = self.writer.problem(&message, range.clone(), "").help(help);
        self.mistake(problem);
        self.writer
            .scalar(meant.map_or(Kind::Null, |(_, kind)| kind), range);
        Ok(Next::Comma)
    }

    /// A word of letters, digits, `_` and `$` from here; moves past it.
    fn word(&mut self) -> Range<usize> {
        let start = self.pos;
        let len = self.bytes[start..]
            .iter()
            .position(
                |b| !matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' | b'.'),
            )
            .unwrap_or(self.bytes.len() - start);
        self.pos = start + len;
        start..self.pos
    }

    /// Moves past white space, and past comments, which are counted.
    #[inline]
    fn space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.pos += 1,
                b'/' | b'#' if self.comment() => {}
                _ => return,
            }
        }
    }

    /// Moves past the comment that begins here, if one does.
    #[cold]
    fn comment(&mut self) -> bool {
        let rest = &self.bytes[self.pos..];
        let len = if rest.starts_with(b"//") || rest.starts_with(b"#") {
            rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            let end = self.text[self.pos + 2..].find("*/");
            end.map_or(rest.len(), |end| end + 4)
        } else {
            return false;
        };
        let line_end = rest[..len].iter().position(|b| *b == b'\n');
        let line = self.text[self.pos..self.pos + line_end.unwrap_or(len)].trim_end();
        let span = self.writer.span(self.pos..self.pos + line.len());
        self.comments.first.get_or_insert(span);
        self.comments.count += 1;
        self.pos += len;
        true
    }

    fn report_comments(&mut self) {
        let Some(span) = self.comments.first else {
            return;
        };
        let message = match self.comments.count {
            0 | 1 => "JSON has no comments".to_owned(),
            n => format!("JSON has no comments, and this file has {n}"),
        };
        let problem = Problem::error(message)
            .at(span, "the first is here")
            .help("remove them, or keep the plan as YAML or TOML, where # begins a comment");
        self.writer.report(problem);
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    fn char_len(&self) -> usize {
        self.text[self.pos..]
            .chars()
            .next()
            .map_or(0, char::len_utf8)
    }

    /// Reports something that can be read on from.
    fn mistake(&mut self, problem: Problem) {
        self.mistakes += 1;
        if self.mistakes <= ENOUGH {
            self.writer.report(problem);
        }
    }

    fn stop<T>(&mut self, message: &str, range: Range<usize>, label: &str) -> Result<T, Stop> {
        let problem = self.writer.problem(message, range, label);
        self.writer.report(problem);
        Err(Stop)
    }

    fn unexpected<T>(&mut self, expected: &str) -> Result<T, Stop> {
        let range = self.pos..self.pos + self.char_len();
        let found = self.text[range.clone()].escape_debug().to_string();
        self.stop(
            &format!("expected {expected}, found \"{found}\""),
            range,
            "",
        )
    }

    /// The file ended too early.
    fn unclosed<T>(&mut self) -> Result<T, Stop> {
        let end = self.text.trim_end().len();
        let here = self.writer.span(end..end);
        let problem = match self.writer.opened_at() {
            None => Problem::error("the file ends where a value is expected").at(here, ""),
            Some(opened) => {
                let bracket = self.text[opened as usize..].chars().next().unwrap_or('[');
                let opened = opened as usize..opened as usize + 1;
                Problem::error(format!("a \"{bracket}\" that is never closed"))
                    .at(self.writer.span(opened), "opened here")
                    .also(here, "the file ends here")
            }
        };
        self.writer.report(problem);
        Err(Stop)
    }
}

/// Whether this is a number as JSON spells them.
fn is_number(text: &[u8]) -> bool {
    let digits = |s: &[u8]| s.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = &fraction[len..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', rest @ ..] => rest,
            all => all,
        };
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}
