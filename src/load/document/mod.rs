//! Documents: JSON, YAML and TOML as one kind of tree, with the place of everything.
//!
//! The formats differ in how they are written and agree in what they say:
//! objects, arrays, strings, numbers, true, false and null. A loader walks
//! [`Node`]s and does not know which format it reads. Every node knows its
//! [`Span`], because every message about a file must show the place.
//!
//! This module does not know what a plan is.

mod escape;
mod json;
mod tape;
mod toml;
mod value;
mod yaml;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use crate::plan::problem::{Problem, Span};

use tape::{At, Kind as TokenKind, Tape};
pub use tape::{MAX_BYTES, MAX_DEPTH};

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Toml,
    Yaml,
}

impl Format {
    /// By the file's extension, and where that says nothing by how the text begins.
    pub fn of(path: &Path, text: &str) -> Format {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        match extension.to_ascii_lowercase().as_str() {
            "json" => Format::Json,
            "toml" => Format::Toml,
            "yaml" | "yml" => Format::Yaml,
            _ => Format::by_look(text),
        }
    }

    fn by_look(text: &str) -> Format {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.clone().next().unwrap_or("");
        if first.starts_with("//") || first.starts_with("/*") {
            return Format::Json;
        }
        let telling = lines.find(|line| !line.starts_with('#')).unwrap_or("");
        if telling.starts_with('{') {
            return Format::Json;
        }
        if let Some(inside) = telling.strip_prefix('[') {
            let name = inside.trim_start_matches('[').trim_start();
            let header = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            return if header { Format::Toml } else { Format::Json };
        }
        match telling.find(['=', ':']) {
            Some(at) if telling.as_bytes()[at] == b'=' => Format::Toml,
            _ => Format::Yaml,
        }
    }
}

/// Bytes that are not text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotText {
    /// The text up to the end of the line with the offending byte, which a
    /// replacement character stands for: something to show the place in.
    pub shown: String,
    pub problem: Problem,
}

/// The text of a file's bytes, without a byte order mark.
///
/// # Errors
/// Where the bytes are not UTF-8.
pub fn decode(bytes: Vec<u8>, file: u32) -> Result<String, Box<NotText>> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let problem = Problem::error("the file is UTF-16; only UTF-8 is read")
            .at(
                Span {
                    file,
                    ..Span::default()
                },
                "",
            )
            .help("save it as UTF-8");
        let shown = String::new();
        return Err(Box::new(NotText { shown, problem }));
    }
    let marked = bytes.starts_with(b"\xef\xbb\xbf");
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(Box::new(not_utf8(&error, file))),
    };
    if marked {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

fn not_utf8(error: &std::string::FromUtf8Error, file: u32) -> NotText {
    let bytes = error.as_bytes();
    let at = error.utf8_error().valid_up_to();
    let valid = String::from_utf8_lossy(&bytes[..at]);
    let line = valid.bytes().filter(|b| *b == b'\n').count() + 1;
    let message = format!(
        "not valid UTF-8: byte 0x{:02x} at offset {at} (line {line})",
        bytes[at]
    );
    let mut shown = valid.trim_start_matches('\u{feff}').to_owned();
    let start = shown.len();
    shown.push(char::REPLACEMENT_CHARACTER);
    let span = Span {
        file,
        start: start as u32,
        end: shown.len() as u32,
    };
    let rest = bytes[at + 1..].split(|b| *b == b'\n').next();
    shown.push_str(&String::from_utf8_lossy(rest.unwrap_or_default()));
    let problem = Problem::error(message)
        .at(span, "this byte")
        .help("save the file as UTF-8");
    NotText { shown, problem }
}

/// Reads a document and adds what is wrong to `problems`.
///
/// None where what is wrong leaves nothing that makes sense. A document with
/// problems is good for finding more of them, and for nothing else.
pub fn parse<'t>(
    text: &'t str,
    format: Format,
    file: u32,
    problems: &mut Vec<Problem>,
) -> Option<Document<'t>> {
    if text.len() > MAX_BYTES {
        problems.push(too_long());
        return None;
    }
    let (tape, mut found) = match format {
        Format::Json => json::parse(text, file),
        Format::Toml => toml::parse(text, file),
        Format::Yaml => yaml::parse(text, file),
    };
    problems.append(&mut found);
    Some(Document {
        text,
        file,
        tape: tape?,
    })
}

/// The problem of a file that is longer than [`MAX_BYTES`].
pub fn too_long() -> Problem {
    Problem::error(format!(
        "the file is longer than {} MiB",
        (MAX_BYTES + 1) >> 20
    ))
}

/// A document that was read.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    file: u32,
    tape: Tape,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

impl<'t> Document<'t> {
    pub fn root(&self) -> Node<'_> {
        let at = At { piece: 0, ix: 0 };
        Node { doc: self, at }
    }

    /// Hands each item of an array to `f`, with its position, and frees what
    /// the document kept of the items behind it: of a long array of the top
    /// level only a part is ever whole. Its items are not to be asked for again.
    pub fn consume(&mut self, array: Place, mut f: impl FnMut(usize, Node<'_>)) {
        let mut index = 0;
        let (mut at, end) = match Node::at(self, array.0).items_range() {
            Some(range) => range,
            None => return,
        };
        while at != end {
            let node = Node::at(self, at);
            f(index, node);
            index += 1;
            let next = self.tape.normal(self.tape.after(at));
            if next.piece != at.piece && at.piece != array.0.piece {
                self.tape.forget(at.piece);
            }
            at = next;
        }
    }
}

/// A node's place, to come back to when the document was borrowed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(At);

/// A value in a document.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    doc: &'d Document<'d>,
    at: At,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {}", self.kind(), self.span().start)
    }
}

impl<'d> Node<'d> {
    fn at(doc: &'d Document<'d>, at: At) -> Self {
        Node { doc, at }
    }

    pub fn place(self) -> Place {
        Place(self.at)
    }

    pub fn kind(self) -> Kind {
        match self.token_kind() {
            TokenKind::Null | TokenKind::Extra => Kind::Null,
            TokenKind::False | TokenKind::True => Kind::Bool,
            TokenKind::Number | TokenKind::AsideNumber => Kind::Number,
            TokenKind::Plain | TokenKind::Escaped | TokenKind::Aside => Kind::Text,
            TokenKind::Array | TokenKind::CutArray => Kind::Array,
            TokenKind::Object => Kind::Object,
        }
    }

    /// Where the node is written: a string without its quotes, an array or
    /// object by its first character.
    pub fn span(self) -> Span {
        let token = self.doc.tape.token(self.at);
        let container = matches!(self.kind(), Kind::Array | Kind::Object);
        let range = if container {
            let start = token.start as usize;
            let first = self.doc.text[start..].chars().next();
            start..start + first.map_or(0, char::len_utf8)
        } else {
            token.range()
        };
        self.doc.span(range)
    }

    /// The place of a part of the node's text, given as bytes of what
    /// [`Node::text`] returns; all of the node where it is not written literally.
    pub fn part(self, range: Range<usize>) -> Span {
        let whole = self.doc.tape.token(self.at).range();
        if self.is_literal() && range.end <= whole.len() {
            self.doc
                .span(whole.start + range.start..whole.start + range.end)
        } else {
            self.span()
        }
    }

    /// Whether the node's text stands in the file as it is, byte for byte.
    pub fn is_literal(self) -> bool {
        matches!(self.token_kind(), TokenKind::Plain | TokenKind::Number)
    }

    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    pub fn bool(self) -> Option<bool> {
        match self.token_kind() {
            TokenKind::False => Some(false),
            TokenKind::True => Some(true),
            _ => None,
        }
    }

    /// The string's value.
    pub fn text(self) -> Option<Cow<'d, str>> {
        let token = self.doc.tape.token(self.at);
        match token.kind() {
            TokenKind::Plain => Some(Cow::Borrowed(&self.doc.text[token.range()])),
            TokenKind::Escaped => Some(escape::unescape(&self.doc.text[token.range()]).into()),
            TokenKind::Aside => Some(Cow::Borrowed(self.doc.tape.side(self.at))),
            _ => None,
        }
    }

    /// The number's text: decimal digits, point, exponent, or what the format
    /// has for infinity and for no number at all.
    pub fn number(self) -> Option<&'d str> {
        let token = self.doc.tape.token(self.at);
        match token.kind() {
            TokenKind::Number => Some(&self.doc.text[token.range()]),
            TokenKind::AsideNumber => Some(self.doc.tape.side(self.at)),
            _ => None,
        }
    }

    /// How many items the array has; none where this is not an array.
    pub fn item_count(self) -> usize {
        let cut = self.doc.tape.cut_items(self.at);
        cut.unwrap_or_else(|| self.items().count())
    }

    /// The array's items; none where this is not an array.
    pub fn items(self) -> Items<'d> {
        let (next, end) = self.items_range().unwrap_or((self.at, self.at));
        Items {
            doc: self.doc,
            next,
            end,
        }
    }

    /// The object's entries in the order of the file; none where this is not an object.
    pub fn entries(self) -> Entries<'d> {
        let (next, end) = if self.kind() == Kind::Object {
            (self.inside(), self.end())
        } else {
            (self.at, self.at)
        };
        Entries {
            doc: self.doc,
            next,
            end,
        }
    }

    fn token_kind(self) -> TokenKind {
        self.doc.tape.token(self.at).kind()
    }

    fn items_range(self) -> Option<(At, At)> {
        let array = self.kind() == Kind::Array;
        array.then(|| (self.inside(), self.end()))
    }

    fn inside(self) -> At {
        self.doc.tape.normal(At {
            ix: self.at.ix + 1,
            ..self.at
        })
    }

    fn end(self) -> At {
        let outermost = self.at == At { piece: 0, ix: 0 };
        self.doc.tape.normal(if outermost {
            self.doc.tape.end()
        } else {
            self.doc.tape.after(self.at)
        })
    }
}

impl Document<'_> {
    fn span(&self, range: Range<usize>) -> Span {
        Span {
            file: self.file,
            start: range.start as u32,
            end: range.end as u32,
        }
    }
}

/// Items of an array.
pub struct Items<'d> {
    doc: &'d Document<'d>,
    next: At,
    end: At,
}

impl<'d> Iterator for Items<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        if self.next == self.end {
            return None;
        }
        let node = Node::at(self.doc, self.next);
        self.next = self.doc.tape.normal(self.doc.tape.after(self.next));
        Some(node)
    }
}

/// An entry of an object.
#[derive(Clone, Debug)]
pub struct Entry<'d> {
    pub key: Cow<'d, str>,
    pub value: Node<'d>,
    key_node: Node<'d>,
}

impl Entry<'_> {
    /// Where the key is written.
    pub fn key_span(&self) -> Span {
        self.key_node.span()
    }
}

/// Entries of an object.
pub struct Entries<'d> {
    doc: &'d Document<'d>,
    next: At,
    end: At,
}

impl<'d> Iterator for Entries<'d> {
    type Item = Entry<'d>;

    fn next(&mut self) -> Option<Entry<'d>> {
        if self.next == self.end {
            return None;
        }
        let tape = &self.doc.tape;
        let key = Node::at(self.doc, self.next);
        let value = Node::at(self.doc, tape.normal(tape.after(self.next)));
        self.next = tape.normal(tape.after(value.at));
        Some(Entry {
            key: key.text().unwrap_or_default(),
            value,
            key_node: key,
        })
    }
}

#[cfg(test)]
mod tests;
