//! Going through a condition word by word, and writing each again.

use std::ops::Range;

use crate::plan::build::quoted;

use super::super::book::Said;
use super::super::scope::Findings;
use super::super::template::{self, Filled, Found};
use super::{Around, Refused};

/// Where what was written from `start` on came from.
pub(super) struct Mark {
    pub(super) start: usize,
    pub(super) source: Range<usize>,
    pub(super) copied: bool,
}

/// Reads the words of a condition and writes them again.
pub(super) struct Reader<'a, 'b> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Where reading ends: within braces before the text does.
    pub(super) end: usize,
    pub(super) written: String,
    pub(super) marks: Vec<Mark>,
    pub(super) regardless: bool,
    pub(super) said: &'a Said<String>,
    pub(super) around: &'a mut Around<'b>,
    pub(super) findings: &'a mut Findings,
}

impl<'a> Reader<'a, '_> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..self.end]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Moves past what fits, and returns it.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Writes what stands for the source from `start` to here.
    pub(super) fn write(&mut self, start: usize, text: &str) {
        self.mark(start, false);
        self.written.push_str(text);
    }

    /// Writes the source from `start` to here as it is.
    pub(super) fn copy(&mut self, start: usize) {
        self.mark(start, true);
        self.written.push_str(&self.text[start..self.at]);
    }

    pub(super) fn mark(&mut self, start: usize, copied: bool) {
        self.marks.push(Mark {
            start: self.written.len(),
            source: start..self.at,
            copied,
        });
    }

    pub(super) fn words(&mut self) -> Result<(), Refused> {
        while let Some(first) = self.peek() {
            self.word(first)?;
        }
        Ok(())
    }

    pub(super) fn word(&mut self, first: char) -> Result<(), Refused> {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with("{{") || rest.starts_with("${{") {
            return self.template();
        }
        if let Some(construct) = code(rest) {
            return Err(Refused::code(start..start + first.len_utf8(), construct));
        }
        match first {
            '\'' | '"' => self.string(first),
            '$' => self.dollar(),
            '[' => self.bracket(),
            '0'..='9' => self.number(),
            '-' => {
                self.at += 1;
                self.take_while(|c| c.is_alphanumeric() || c == '.');
                self.copy(start);
                Ok(())
            }
            _ if is_start(first) => self.name(),
            _ => {
                let pairs = ["==", "!=", "<=", ">=", "&&", "||", "@("];
                let pair = pairs.into_iter().any(|pair| rest.starts_with(pair));
                self.at += if pair { 2 } else { first.len_utf8() };
                self.copy(start);
                Ok(())
            }
        }
    }

    /// `{{…}}`: a name, or a condition of its own.
    pub(super) fn template(&mut self) -> Result<(), Refused> {
        let start = self.at;
        let open = start + self.rest().find("{{").unwrap_or_default();
        let Some((inside, end)) = template::braces(&self.text[..self.end], open) else {
            return Err(Refused::new(
                open..open + 2,
                "these braces are never closed",
            ));
        };
        self.at = end;
        let Some(hole) = template::hole(inside) else {
            return self.inside(open + 2..end - 2, start..end);
        };
        let known = matches!(self.around.scope.find(hole.name), Some(Found::Filled(_)));
        if hole.default.is_none() || known {
            if self.around.scope.find_or_env(hole.name).is_none() {
                self.findings.missed(hole.name, self.said.at);
            }
            return self.value_of(hole.name, start, "$");
        }
        let filled = self.fill(open..end);
        self.literal(filled, start)
    }

    /// The condition that stands in braces, in parentheses.
    pub(super) fn inside(
        &mut self,
        inside: Range<usize>,
        whole: Range<usize>,
    ) -> Result<(), Refused> {
        self.write(whole.start, "(");
        let end = std::mem::replace(&mut self.end, inside.end);
        self.at = inside.start;
        self.skip_space();
        self.end = self.at + self.rest().trim_end().len();
        self.words()?;
        (self.at, self.end) = (whole.end, end);
        self.write(whole.start, ")");
        Ok(())
    }

    /// The text at `range` with its templates filled.
    pub(super) fn fill(&mut self, range: Range<usize>) -> Filled {
        let scope = self.around.scope;
        scope.fill_at(&self.text[range], self.said.at, self.findings)
    }

    /// A text in quotes.
    /// A list, unless it is a type: `[version]'7.0'`.
    pub(super) fn bracket(&mut self) -> Result<(), Refused> {
        let start = self.at;
        self.at += 1;
        let inside = self.take_while(|c| is_part(c) || c == '.');
        if !inside.is_empty() && self.peek() == Some(']') {
            let construct = format!("the type {}", quoted(inside));
            return Err(Refused::code(start..self.at + 1, &construct));
        }
        self.at = start + 1;
        self.copy(start);
        Ok(())
    }

    pub(super) fn number(&mut self) -> Result<(), Refused> {
        let start = self.at;
        self.take_while(|c| c.is_alphanumeric() || c == '.' || c == '_');
        if self.peek() == Some('>') {
            return Err(Refused::code(start..self.at + 1, "a redirection"));
        }
        self.copy(start);
        Ok(())
    }
}

/// The construct of PowerShell that a text begins with, if it is one that no
/// condition has.
pub(super) fn code(rest: &str) -> Option<&'static str> {
    let two = |pair: &str| rest.starts_with(pair);
    Some(match rest.as_bytes()[0] {
        b'|' if !two("||") => "a pipeline",
        b'&' if !two("&&") => "a call",
        b'{' | b'}' => "a script block",
        b';' => "a second statement",
        b':' if two("::") => "a member of a type",
        b'@' if two("@{") => "a table",
        b'`' => "an escape",
        b'.' => "a member of a result",
        b'=' if !two("==") => "an assignment",
        _ => return None,
    })
}

pub(super) fn is_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(super) fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn is_operator(word: &str) -> bool {
    ["and", "or", "not", "in", "contains"].contains(&&*word.to_ascii_lowercase())
}

pub(super) fn is_constant(word: &str) -> bool {
    ["true", "false", "null"].contains(&&*word.to_ascii_lowercase())
}
