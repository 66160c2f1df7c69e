//! PowerShell data files (`.psd1`), read as data: one hashtable of values.
//!
//! PowerShell itself reads such a file by running it in a restricted mode. Here
//! nothing runs: what is not a value is refused by name (`code`), and the rest
//! of the file is read on, for its other mistakes. Strings and numbers have
//! files of their own.
//!
//! Lists are what needs care. A list need not have a bracket (`a = 1, 2`), so
//! that a value turns out to be the first of one only when its comma comes. And
//! what `@( … )` holds are statements, whose values it gathers: of one that is
//! an array by itself, the items (`@( @(1) )` is `@(1)`; `@( , @(1) )` is not).

mod code;
mod number;
mod string;

use std::ops::Range;

use crate::plan::problem::Problem;

use super::tape::{At, Kind, MAX_DEPTH, Tape, Writer};
use string::Content;

/// After this many mistakes the rest of the file says nothing new.
const ENOUGH: usize = 20;

/// Reads the whole text.
///
/// Returns a tape where the mistakes, if any, left one that makes sense.
pub(super) fn parse(text: &str, file: u32) -> (Option<Tape>, Vec<Problem>) {
    let mut scanner = Scanner::new(text, file);
    let whole = scanner.document().is_ok();
    let (tape, problems) = scanner.writer.finish();
    (whole.then_some(tape), problems)
}

/// Whether the text looks like such a file: behind comments, a hashtable.
pub(super) fn begins(text: &str) -> bool {
    let mut scanner = Scanner::new(text, 0);
    scanner.lines().is_ok() && text[scanner.pos..].starts_with("@{")
}

/// A problem was reported after which reading on would only guess.
struct Stop;

/// What may come next.
enum Next {
    Value,
    /// A value of an array, or the array's end.
    Statement,
    /// A key, or the hashtable's end.
    Entry,
    /// What ends or goes on from a value.
    AfterValue,
}

/// What encloses values.
#[derive(Clone, Copy, PartialEq)]
enum Bracket {
    /// `@{ … }`
    Hash,
    /// `@( … )`
    Array,
    /// `( … )`, which is its value.
    Paren,
    /// A comma before a value makes it an array of one.
    Comma,
}

/// What is open.
struct Frame {
    bracket: Bracket,
    /// Where it was opened.
    start: usize,
    /// Where the statement's first value is on the tape.
    statement: At,
    /// Whether a comma has made a list of the statement.
    list: bool,
    /// How deep the values of the statement nest, and those of all before it.
    deep: usize,
    deepest: usize,
}

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    writer: Writer<'t>,
    frames: Vec<Frame>,
    mistakes: usize,
}

impl<'t> Scanner<'t> {
    fn new(text: &'t str, file: u32) -> Self {
        Scanner {
            text,
            bytes: text.as_bytes(),
            pos: 0,
            writer: Writer::new(text, file, false).folding_case(),
            frames: Vec::new(),
            mistakes: 0,
        }
    }

    fn document(&mut self) -> Result<(), Stop> {
        self.lines()?;
        if self.peek().is_none() {
            return self.stop("the file is empty", self.pos..self.pos, "");
        }
        if !self.bytes[self.pos..].starts_with(b"@{") {
            let message = "a PowerShell data file is one hashtable";
            return self.stop(message, self.char_here(), "expected \"@{\" here");
        }
        let mut next = self.open(Bracket::Hash, 2)?;
        while !self.frames.is_empty() {
            next = match next {
                Next::Value => self.value()?,
                Next::Statement => self.statement()?,
                Next::Entry => self.entry()?,
                Next::AfterValue => self.after_value()?,
            };
        }
        self.lines()?;
        if self.peek().is_none() {
            return Ok(());
        }
        let message = "something follows the end of the document";
        self.stop(message, self.char_here(), "nothing may stand here")
    }

    fn open(&mut self, bracket: Bracket, len: usize) -> Result<Next, Stop> {
        let start = self.pos;
        if self.frames.len() == MAX_DEPTH || self.writer.depth() == MAX_DEPTH {
            return self.too_deep(start);
        }
        self.pos += len;
        if bracket != Bracket::Paren {
            self.writer.open(start, bracket == Bracket::Hash);
        }
        if bracket == Bracket::Comma {
            self.writer.begin_value();
        }
        self.frames.push(Frame {
            bracket,
            start,
            statement: self.writer.here(),
            list: false,
            deep: 0,
            deepest: 0,
        });
        Ok(match bracket {
            Bracket::Hash => Next::Entry,
            Bracket::Array => Next::Statement,
            Bracket::Paren | Bracket::Comma => Next::Value,
        })
    }

    /// Without the path, which is as long as the nesting is deep.
    fn too_deep<T>(&mut self, at: usize) -> Result<T, Stop> {
        let problem = Problem::error(format!("nested more than {MAX_DEPTH} deep"));
        let here = self.writer.span(at..at + 1);
        self.writer.report(problem.at(here, "this is one too many"));
        Err(Stop)
    }

    /// The key of an entry and its equals sign, or the end of the hashtable.
    fn entry(&mut self) -> Result<Next, Stop> {
        self.separators()?;
        match self.peek() {
            Some(close @ (b'}' | b')')) => return self.close(close),
            None => return self.unclosed(),
            Some(_) => {}
        }
        if self.key()? {
            return Ok(Next::AfterValue);
        }
        self.blanks()?;
        match self.peek() {
            Some(b'=') => self.pos += 1,
            Some(b':') => {
                let problem = self
                    .writer
                    .problem("a colon after a key", self.char_here(), "");
                self.mistake(problem.help("PowerShell has an equals sign between key and value"));
                self.pos += 1;
            }
            None => return self.unclosed(),
            Some(_) => return self.unexpected("an equals sign and a value"),
        }
        self.begin_statement();
        Ok(Next::Value)
    }

    /// Writes a key. True where code stood in its place, with null for a value.
    fn key(&mut self) -> Result<bool, Stop> {
        match self.peek() {
            Some(quote @ (b'\'' | b'"')) => {
                let found = self.quoted(quote)?;
                match found.content {
                    Content::Literal => self.writer.key(Kind::Plain, found.range),
                    Content::Aside(text) => self.writer.key_aside(found.range, &text),
                    Content::Mixed(_) => {
                        let problem = self.writer.key_problem(
                            "a key that depends on the environment",
                            found.range.clone(),
                        );
                        self.mistake(problem);
                        self.writer.key_aside(found.range, "");
                    }
                }
            }
            Some(_) => {
                let word = self.word_here();
                if word.is_empty() {
                    return self.unexpected("a key");
                }
                self.pos = word.end;
                self.writer.key(Kind::Plain, word.clone());
                let written = &self.text[word.clone()];
                self.blanks()?;
                if code::is_keyword(written) && self.peek() != Some(b'=') {
                    self.pos = word.start;
                    self.begin_statement();
                    let what = format!("{written:?} begins a statement, which");
                    self.refuse_here(&what, word)?;
                    return Ok(true);
                }
                if written.contains(['-', '.']) {
                    let message = format!("the key {written:?} is not one word");
                    let problem = self.writer.key_problem(&message, word);
                    self.mistake(problem.help("put it into quotes"));
                }
            }
            None => return self.unclosed(),
        }
        Ok(false)
    }

    /// A value of an array, or the end of the array.
    fn statement(&mut self) -> Result<Next, Stop> {
        self.separators()?;
        match self.peek() {
            Some(close @ (b')' | b'}')) => self.close(close),
            None => self.unclosed(),
            Some(_) => {
                self.writer.begin_value();
                self.begin_statement();
                Ok(Next::Value)
            }
        }
    }

    fn begin_statement(&mut self) {
        let here = self.writer.here();
        if let Some(frame) = self.frames.last_mut() {
            frame.statement = here;
            frame.list = false;
            frame.deepest = frame.deepest.max(frame.deep);
            frame.deep = 0;
        }
    }

    /// A value's beginning, and for a scalar all of it.
    fn value(&mut self) -> Result<Next, Stop> {
        self.lines()?;
        match (self.peek(), self.bytes.get(self.pos + 1)) {
            (Some(b'@'), Some(b'{')) => return self.open(Bracket::Hash, 2),
            (Some(b'@'), Some(b'(')) => return self.open(Bracket::Array, 2),
            (Some(b'('), _) => return self.open(Bracket::Paren, 1),
            (Some(b','), _) => return self.open(Bracket::Comma, 1),
            (Some(b'['), _) => return self.cast(),
            (Some(quote @ (b'\'' | b'"')), _) => {
                let found = self.quoted(quote)?;
                self.string(found);
            }
            (Some(b'@'), Some(quote @ (b'\'' | b'"'))) => {
                let found = self.here_string(*quote)?;
                self.string(found);
            }
            (Some(b'0'..=b'9'), _) => self.number(),
            (Some(b'-' | b'+' | b'.'), Some(b'0'..=b'9' | b'.')) => self.number(),
            (Some(b'$'), _) => self.variable()?,
            (Some(b')' | b'}' | b';'), _) => {
                let here = self.pos..self.pos;
                let problem = self.writer.problem("a value is missing", here.clone(), "");
                self.mistake(problem);
                self.writer.scalar(Kind::Null, here);
            }
            (None, _) => return self.unclosed(),
            _ => self.refuse_value()?,
        }
        Ok(self.value_done(0))
    }

    /// Notes that a value is whole, which nests so deep.
    fn value_done(&mut self, mut deep: usize) -> Next {
        while let Some(frame) = self.frames.pop_if(|f| f.bracket == Bracket::Comma) {
            self.writer.close();
            deep = deep.max(frame.deep) + 1;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.deep = frame.deep.max(deep);
        }
        Next::AfterValue
    }

    /// After a value: a comma, or what ends the statement.
    fn after_value(&mut self) -> Result<Next, Stop> {
        self.blanks()?;
        let Some(frame) = self.frames.last() else {
            return Ok(Next::AfterValue);
        };
        match (self.peek(), frame.bracket) {
            (None, _) => self.unclosed(),
            (Some(b','), _) => self.comma(),
            (Some(b'\n' | b'\r'), Bracket::Paren) => {
                self.lines()?;
                match self.peek() {
                    Some(b')') | None => Ok(Next::AfterValue),
                    Some(_) => self.unexpected("a closing bracket"),
                }
            }
            (Some(close @ (b')' | b'}')), _) => {
                self.end_statement();
                self.close(close)
            }
            (Some(b'\n' | b'\r' | b';'), Bracket::Hash) => {
                self.end_statement();
                Ok(Next::Entry)
            }
            (Some(b'\n' | b'\r' | b';'), Bracket::Array) => {
                self.end_statement();
                Ok(Next::Statement)
            }
            (Some(_), _) => self.refuse_after_value(),
        }
    }

    /// The comma that makes a list, or goes on with one.
    fn comma(&mut self) -> Result<Next, Stop> {
        let comma = self.pos;
        self.pos += 1;
        self.lines()?;
        if let Some(b')' | b'}' | b',') = self.peek() {
            let message = "a comma and nothing after it";
            let problem = self.writer.problem(message, comma..comma + 1, "");
            self.mistake(problem.help("remove it"));
            return Ok(Next::AfterValue);
        }
        self.next_of_list(comma)?;
        Ok(Next::Value)
    }

    /// Makes a list of the statement where it is none, for another value to follow.
    fn next_of_list(&mut self, at: usize) -> Result<(), Stop> {
        if let Some(frame) = self.frames.last_mut()
            && !std::mem::replace(&mut frame.list, true)
            && frame.bracket != Bracket::Array
        {
            frame.deep += 1;
            if self.writer.depth() + frame.deep > MAX_DEPTH {
                return self.too_deep(at);
            }
            self.writer.wrap(frame.statement);
        }
        self.writer.begin_value();
        Ok(())
    }

    fn end_statement(&mut self) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        match frame.bracket {
            Bracket::Array if !frame.list => self.writer.splice(frame.statement),
            Bracket::Array => {}
            _ if frame.list => self.writer.close(),
            _ => {}
        }
        frame.list = false;
    }

    fn close(&mut self, close: u8) -> Result<Next, Stop> {
        let Some(frame) = self.frames.pop() else {
            return self.unexpected("nothing more");
        };
        let expected = if frame.bracket == Bracket::Hash {
            b'}'
        } else {
            b')'
        };
        if close != expected {
            let opened = self.writer.span(frame.start..frame.start + 1);
            let message = format!(
                "expected \"{}\", found \"{}\"",
                expected as char, close as char
            );
            let here = self.pos..self.pos + 1;
            let problem = self.writer.problem(&message, here, "this does not close");
            self.writer
                .report(problem.also(opened, "what was opened here"));
            return Err(Stop);
        }
        self.pos += 1;
        let mut deep = frame.deepest.max(frame.deep);
        if frame.bracket != Bracket::Paren {
            self.writer.close();
            deep += 1;
        }
        Ok(self.value_done(deep))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    /// The character at the position.
    fn char_here(&self) -> Range<usize> {
        let len = self.text[self.pos..].chars().next();
        self.pos..self.pos + len.map_or(0, char::len_utf8)
    }

    /// Letters, digits, `_`, and what people write into words without quotes.
    fn word_here(&self) -> Range<usize> {
        let rest = &self.text[self.pos..];
        let within = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let len = rest.find(|c| !within(c)).unwrap_or(rest.len());
        self.pos..self.pos + len
    }

    /// Moves past white space and comments on the line.
    fn blanks(&mut self) -> Result<(), Stop> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | 0x0b | 0x0c) => self.pos += 1,
                Some(0xc2) if self.text[self.pos..].starts_with('\u{a0}') => self.pos += 2,
                Some(b'#') => {
                    let rest = &self.bytes[self.pos..];
                    let line = rest.iter().position(|b| matches!(b, b'\n' | b'\r'));
                    self.pos += line.unwrap_or(rest.len());
                }
                Some(b'<') if self.bytes.get(self.pos + 1) == Some(&b'#') => {
                    let Some(len) = self.text[self.pos..].find("#>") else {
                        let here = self.pos..self.pos + 2;
                        return self.stop("a comment that is never closed", here, "opened here");
                    };
                    self.pos += len + 2;
                }
                // At the end of a line it says that the line goes on.
                Some(b'`') => match self.bytes.get(self.pos + 1..) {
                    Some([b'\r', b'\n', ..]) => self.pos += 3,
                    Some([b'\r' | b'\n', ..]) => self.pos += 2,
                    _ => return Ok(()),
                },
                _ => return Ok(()),
            }
        }
    }

    /// Moves past white space, comments and ends of lines.
    fn lines(&mut self) -> Result<(), Stop> {
        loop {
            self.blanks()?;
            match self.peek() {
                Some(b'\n' | b'\r') => self.pos += 1,
                _ => return Ok(()),
            }
        }
    }

    /// Moves past what separates statements.
    fn separators(&mut self) -> Result<(), Stop> {
        self.lines()?;
        while self.peek() == Some(b';') {
            self.pos += 1;
            self.lines()?;
        }
        Ok(())
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
        let range = self.char_here();
        let found = self.text[range.clone()].escape_debug();
        let message = format!("expected {expected}, found \"{found}\"");
        self.stop(&message, range, "")
    }

    /// The file ended too early.
    fn unclosed<T>(&mut self) -> Result<T, Stop> {
        let end = self.text.trim_end().len();
        let start = self.frames.last().map_or(0, |frame| frame.start);
        let len = if self.bytes[start] == b'@' { 2 } else { 1 };
        let bracket = &self.text[start..start + len];
        let problem = Problem::error(format!("a \"{bracket}\" that is never closed"))
            .at(self.writer.span(start..start + len), "opened here")
            .also(self.writer.span(end..end), "the file ends here");
        self.writer.report(problem);
        Err(Stop)
    }
}

#[cfg(test)]
mod tests;
