//! PowerShell's strings: in single quotes literal, in double quotes with
//! escapes and the values of environment variables; both also as here-strings.
//!
//! Such a value is not looked up here. It stays a part of its own, so that
//! nothing that is in it is ever read again.

use std::ops::Range;

use super::code::{Dollar, dollar};
use super::{Scanner, Stop};
use crate::load::document::tape::{Kind, MixedPart};

/// A string, and where its content is.
pub(super) struct Str {
    pub range: Range<usize>,
    pub content: Content,
}

pub(super) enum Content {
    /// It stands in the source as it is.
    Literal,
    Aside(String),
    Mixed(Vec<MixedPart>),
}

impl Scanner<'_> {
    /// Writes the string as a value.
    pub(super) fn string(&mut self, found: Str) {
        match found.content {
            Content::Literal => self.writer.scalar(Kind::Plain, found.range),
            Content::Aside(text) => self.writer.aside(Kind::Aside, found.range, &text),
            Content::Mixed(parts) => self.writer.mixed(found.range.start, &parts),
        }
    }

    /// A string in quotes, the first of which is at the position.
    pub(super) fn quoted(&mut self, quote: u8) -> Result<Str, Stop> {
        let start = self.pos + 1;
        let Some(end) = self.closing(start, quote) else {
            let line = &self.text[start..];
            let len = line.find(['\r', '\n']).unwrap_or(line.len());
            let message = "a string without its closing quote";
            return self.stop(message, start - 1..start + len, "the string begins here");
        };
        self.pos = end + 1;
        let range = start..end;
        if quote == b'"' {
            return Ok(self.expanded(range, "\"\""));
        }
        let written = &self.text[range.clone()];
        let content = if written.contains('\'') {
            Content::Aside(written.replace("''", "'"))
        } else {
            Content::Literal
        };
        Ok(Str { range, content })
    }

    /// The quote that ends the string whose content is at `from`.
    pub(super) fn closing(&self, from: usize, quote: u8) -> Option<usize> {
        let mut at = from;
        loop {
            let special = |b: &u8| *b == quote || (quote == b'"' && matches!(b, b'`' | b'$'));
            at += self.bytes.get(at..)?.iter().position(special)?;
            match (self.bytes[at], self.bytes.get(at + 1)) {
                (b'$', Some(b'(')) => at = self.after_group(at + 1),
                (b'$', _) => at += 1,
                (b'`', Some(_)) => at += 2,
                (b'`', None) => return None,
                (_, Some(next)) if *next == quote => at += 2,
                (_, _) => return Some(at),
            }
        }
    }

    /// `@'`, the end of the line, lines, `'@` at the beginning of a line.
    pub(super) fn here_string(&mut self, quote: u8) -> Result<Str, Stop> {
        let opened = self.pos..self.pos + 2;
        let line = &self.text[opened.end..];
        let len = line.find('\n').unwrap_or(line.len());
        if !line[..len].trim().is_empty() {
            let message = "a here-string begins on a line of its own";
            let text = opened.end..opened.end + line[..len].trim_end().len();
            return self.stop(message, text, "nothing may stand behind its quote");
        }
        let start = (opened.end + len + 1).min(self.text.len());
        let close = if quote == b'"' { "\n\"@" } else { "\n'@" };
        // The line before may be the one of the opening quote.
        let Some(newline) = self.text.get(start - 1..).and_then(|t| t.find(close)) else {
            let message = "a here-string that is never closed";
            return self.stop(message, opened, "opened here");
        };
        let newline = start - 1 + newline;
        self.pos = newline + close.len();
        let end = newline.max(start);
        let text = &self.text[start..end];
        let range = start..start + text.strip_suffix('\r').unwrap_or(text).len();
        if quote == b'"' {
            return Ok(self.expanded(range, ""));
        }
        let content = Content::Literal;
        Ok(Str { range, content })
    }

    /// What stands in double quotes. `doubled` is how a quote is written within.
    fn expanded(&mut self, range: Range<usize>, doubled: &str) -> Str {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut from = range.start;
        let mut at = range.start;
        while at < range.end {
            let rest = &self.text[at..range.end];
            let first = rest.chars().next().map_or(1, char::len_utf8);
            if !doubled.is_empty() && rest.starts_with(doubled) {
                literal.push('"');
                at += doubled.len();
            } else if rest.starts_with('`') {
                at += self.escape(at, range.end, &mut literal);
            } else if rest.starts_with('$') {
                match dollar(self.text, at, range.end) {
                    Dollar::Sign => {
                        literal.push('$');
                        at += 1;
                    }
                    Dollar::Env { name, end } => {
                        if !literal.is_empty() {
                            let text = std::mem::take(&mut literal);
                            parts.push(MixedPart::Literal(from..at, text));
                        }
                        parts.push(MixedPart::Env(name));
                        at = end;
                        from = end;
                    }
                    other => at = self.refuse_dollar(at, range.end, &other),
                }
            } else {
                let special = rest[first..].find(['`', '$', '"']);
                let len = special.map_or(rest.len(), |n| first + n);
                literal.push_str(&rest[..len]);
                at += len;
            }
        }
        let content = if !parts.is_empty() {
            if !literal.is_empty() {
                parts.push(MixedPart::Literal(from..range.end, literal));
            }
            Content::Mixed(parts)
        } else if literal == self.text[range.clone()] {
            Content::Literal
        } else {
            Content::Aside(literal)
        };
        Str { range, content }
    }

    /// Adds what the escape at `at` stands for, and says how long it is.
    fn escape(&mut self, at: usize, end: usize, literal: &mut String) -> usize {
        let mut chars = self.text[at + 1..end].chars();
        let Some(escaped) = chars.next() else {
            return 1;
        };
        literal.push(match escaped {
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'e' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'u' if chars.as_str().starts_with('{') => {
                let digits = &chars.as_str()[1..];
                let len = digits.find(|c: char| !c.is_ascii_hexdigit());
                let len = len.unwrap_or(digits.len());
                let code = u32::from_str_radix(&digits[..len], 16).ok();
                if let Some(code) = code.and_then(char::from_u32)
                    && digits[len..].starts_with('}')
                {
                    literal.push(code);
                    return len + 4;
                }
                let here = at..at + 3;
                let message = "`u without the number of a character in braces";
                self.mistake(self.writer.problem(message, here, ""));
                char::REPLACEMENT_CHARACTER
            }
            other => other,
        });
        1 + escaped.len_utf8()
    }
}
