//! The tape: a document as one flat list of tokens.
//!
//! A tree of nodes for a plan of 100,000 steps would weigh more than the plan.
//! A token is eight bytes: where it starts, what it is, and how far it reaches.
//! Strings stay in the source and are decoded when somebody asks; those that
//! are not written there literally (folded YAML, TOML with escapes) lie in a
//! side buffer. An array or object knows how many tokens it holds, so that
//! stepping over it is one addition.
//!
//! The tape is cut into pieces between the items of a long array of the top
//! level. Whoever walks that array frees the pieces behind, which is what keeps
//! the memory for a large plan at the size of the plan.
//!
//! This module knows none of the formats, and nothing of plans.

use std::borrow::Cow;

use crate::plan::problem::{Problem, Problems, Span};

use super::escape::unescape;

/// Files may be this long, which is what 28 bits count.
pub const MAX_BYTES: usize = (1 << 28) - 1;

/// Arrays and objects may nest this deep.
pub const MAX_DEPTH: usize = 128;

/// A piece is closed at the next cut once it has this many tokens. That is little
/// enough for an allocator to keep what is freed, and the plan grows into it.
const PIECE: usize = 1 << 13;

/// Up to this many keys are compared each with each, which beats sorting them.
const FEW_KEYS: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    False,
    True,
    /// The source holds the number's text.
    Number,
    /// The source holds the string literally.
    Plain,
    /// The source holds the string with the escapes of JSON.
    Escaped,
    /// The next token says where in the side buffer the string is.
    Aside,
    /// The next token says where in the side buffer the number's text is.
    AsideNumber,
    /// The length counts the tokens within.
    Array,
    /// The length counts the tokens within: keys and values in turn.
    Object,
    /// An array that goes on in the next piece; the length is its index in `cuts`.
    CutArray,
    /// Not a value: a place in the side buffer.
    Extra,
    /// The value of an environment variable; the source holds its name.
    Env,
    /// A string with such values in it. The length counts the tokens within,
    /// which are strings and [`Kind::Env`].
    Mixed,
}

const KINDS: [Kind; 14] = [
    Kind::Null,
    Kind::False,
    Kind::True,
    Kind::Number,
    Kind::Plain,
    Kind::Escaped,
    Kind::Aside,
    Kind::AsideNumber,
    Kind::Array,
    Kind::Object,
    Kind::CutArray,
    Kind::Extra,
    Kind::Env,
    Kind::Mixed,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Byte offset in the source.
    pub start: u32,
    /// Four bits of kind, twenty-eight of length.
    word: u32,
}

impl Token {
    fn new(kind: Kind, start: usize, len: usize) -> Self {
        debug_assert!(len <= MAX_BYTES);
        Token {
            start: start as u32,
            word: (kind as u32) << 28 | len as u32,
        }
    }

    pub fn kind(self) -> Kind {
        KINDS[(self.word >> 28) as usize]
    }

    /// Bytes of a scalar, tokens of an array or object.
    pub fn len(self) -> usize {
        (self.word & MAX_BYTES as u32) as usize
    }

    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len()
    }
}

/// A token's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub piece: u32,
    pub ix: u32,
}

/// An array in several pieces.
#[derive(Debug)]
struct Cut {
    /// The place after its last item.
    end: At,
    items: u32,
}

/// A finished or growing tape.
#[derive(Debug, Default)]
pub(super) struct Tape {
    pieces: Vec<Vec<Token>>,
    cuts: Vec<Cut>,
    side: String,
}

impl Tape {
    pub fn token(&self, at: At) -> Token {
        self.pieces[at.piece as usize][at.ix as usize]
    }

    /// The place after the value at `at`, in the same piece or a later one.
    pub fn after(&self, at: At) -> At {
        let token = self.token(at);
        let ix = match token.kind() {
            Kind::CutArray => return self.cuts[token.len()].end,
            Kind::Aside | Kind::AsideNumber => at.ix + 2,
            Kind::Array | Kind::Object | Kind::Mixed => at.ix + 1 + token.len() as u32,
            _ => at.ix + 1,
        };
        At { ix, ..at }
    }

    /// How many items a cut array has. Others are short enough to be counted.
    pub fn cut_items(&self, at: At) -> Option<usize> {
        let token = self.token(at);
        let cut = token.kind() == Kind::CutArray;
        cut.then(|| self.cuts[token.len()].items as usize)
    }

    /// The same place, where it is past the end of a piece: the next piece's first.
    pub fn normal(&self, at: At) -> At {
        let past = at.ix as usize == self.pieces[at.piece as usize].len();
        if past && at.piece as usize + 1 < self.pieces.len() {
            At {
                piece: at.piece + 1,
                ix: 0,
            }
        } else {
            at
        }
    }

    /// Where the tape ends, which is where the outermost value does.
    pub fn end(&self) -> At {
        let piece = self.pieces.len() - 1;
        At {
            piece: piece as u32,
            ix: self.pieces[piece].len() as u32,
        }
    }

    /// Frees a piece whose values nobody will ask for again.
    pub fn forget(&mut self, piece: u32) {
        self.pieces[piece as usize] = Vec::new();
    }

    pub fn side(&self, at: At) -> &str {
        let extra = self.token(At {
            ix: at.ix + 1,
            ..at
        });
        &self.side[extra.range()]
    }
}

/// An array or object that is not closed yet.
#[derive(Debug)]
struct Open {
    at: At,
    object: bool,
    cut: bool,
    /// Items begun so far.
    items: u32,
    /// Where its keys begin in [`Writer::keys`].
    keys: usize,
}

impl Open {
    fn kind(&self) -> Kind {
        if self.object {
            Kind::Object
        } else {
            Kind::Array
        }
    }
}

/// A piece of a string that the environment has a part in.
#[derive(Debug)]
pub(super) enum MixedPart {
    /// Where it is written, and what it says.
    Literal(std::ops::Range<usize>, String),
    /// Where the variable's name is written.
    Env(std::ops::Range<usize>),
}

/// A key of an object that is not closed yet.
#[derive(Clone, Copy, Debug)]
struct Key {
    token: Token,
    /// What follows an [`Kind::Aside`] token.
    extra: Token,
}

/// Writes a tape, checks what all formats forbid (the same key twice, nesting
/// without end) and knows the path to where it is.
#[derive(Debug)]
pub(super) struct Writer<'t> {
    text: &'t str,
    file: u32,
    tape: Tape,
    /// The piece that is written now, which goes behind those of the tape.
    piece: Vec<Token>,
    open: Vec<Open>,
    keys: Vec<Key>,
    may_cut: bool,
    /// Keys that differ only in case are the same key.
    folds_case: bool,
    problems: Problems,
}

impl<'t> Writer<'t> {
    /// `may_cut` is for formats that never copy a range of the tape.
    pub fn new(text: &'t str, file: u32, may_cut: bool) -> Self {
        Writer {
            text,
            file,
            tape: Tape::default(),
            piece: Vec::new(),
            open: Vec::new(),
            keys: Vec::new(),
            may_cut,
            folds_case: false,
            problems: Problems::default(),
        }
    }

    /// For formats in which `Name` and `name` are the same key.
    pub fn folding_case(self) -> Self {
        Writer {
            folds_case: true,
            ..self
        }
    }

    pub fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span {
            file: self.file,
            start: range.start as u32,
            end: range.end as u32,
        }
    }

    pub fn depth(&self) -> usize {
        self.open.len()
    }

    pub fn in_object(&self) -> bool {
        self.open.last().is_some_and(|open| open.object)
    }

    /// Where the innermost open array or object began.
    pub fn opened_at(&self) -> Option<u32> {
        let open = self.open.last()?;
        Some(self.token(open.at).start)
    }

    /// Where the next token will be.
    pub fn here(&self) -> At {
        At {
            piece: self.tape.pieces.len() as u32,
            ix: self.piece.len() as u32,
        }
    }

    fn token(&self, at: At) -> Token {
        match self.tape.pieces.get(at.piece as usize) {
            Some(piece) => piece[at.ix as usize],
            None => self.piece[at.ix as usize],
        }
    }

    /// Writes an array's or object's beginning.
    pub fn open(&mut self, start: usize, object: bool) {
        let at = self.here();
        self.open.push(Open {
            at,
            object,
            cut: false,
            items: 0,
            keys: self.keys.len(),
        });
        let kind = if object { Kind::Object } else { Kind::Array };
        self.push(Token::new(kind, start, 0));
    }

    /// Closes the innermost array or object. Does nothing where none is open.
    pub fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if open.object {
            self.check_keys(open.keys);
            self.keys.truncate(open.keys);
        }
        let end = self.here();
        let start = self.token(open.at).start as usize;
        let token = if open.cut {
            let items = open.items;
            self.tape.cuts.push(Cut { end, items });
            Token::new(Kind::CutArray, start, self.tape.cuts.len() - 1)
        } else if end.piece != open.at.piece {
            // Only the outermost value is left open across a cut, and its end is the tape's.
            Token::new(open.kind(), start, 0)
        } else {
            Token::new(open.kind(), start, (end.ix - open.at.ix - 1) as usize)
        };
        let piece = self.tape.pieces.get_mut(open.at.piece as usize);
        piece.unwrap_or(&mut self.piece)[open.at.ix as usize] = token;
    }

    pub fn scalar(&mut self, kind: Kind, range: std::ops::Range<usize>) {
        self.push(Token::new(kind, range.start, range.len()));
    }

    /// A string or number whose text is not in the source as it is.
    pub fn aside(&mut self, kind: Kind, range: std::ops::Range<usize>, value: &str) {
        self.push_aside(kind, range, value);
    }

    pub fn key(&mut self, kind: Kind, range: std::ops::Range<usize>) {
        let token = Token::new(kind, range.start, range.len());
        self.push(token);
        self.keys.push(Key {
            token,
            extra: token,
        });
    }

    pub fn key_aside(&mut self, range: std::ops::Range<usize>, value: &str) {
        self.push_aside(Kind::Aside, range, value);
        let end = self.piece.len();
        self.keys.push(Key {
            token: self.piece[end - 2],
            extra: self.piece[end - 1],
        });
    }

    /// Writes the tokens between two places once more, as one value.
    pub fn copy(&mut self, from: At, to: At) {
        debug_assert!(!self.may_cut && from.piece == to.piece);
        self.piece
            .extend_from_within(from.ix as usize..to.ix as usize);
    }

    /// Writes a string with values of environment variables in it.
    pub fn mixed(&mut self, start: usize, parts: &[MixedPart]) {
        let at = self.piece.len();
        self.push(Token::new(Kind::Mixed, start, 0));
        for part in parts {
            match part {
                MixedPart::Literal(range, value) => {
                    self.push_aside(Kind::Aside, range.clone(), value);
                }
                MixedPart::Env(name) => self.push(Token::new(Kind::Env, name.start, name.len())),
            }
        }
        let within = self.piece.len() - at - 1;
        self.piece[at] = Token::new(Kind::Mixed, start, within);
    }

    /// Opens an array around the value from `at` to here: it has turned out to
    /// be the first of a list that has no bracket.
    pub fn wrap(&mut self, at: At) {
        debug_assert!(!self.may_cut);
        let start = self.token(at).start as usize;
        let token = Token::new(Kind::Array, start, 0);
        self.piece.insert(at.ix as usize, token);
        self.open.push(Open {
            at,
            object: false,
            cut: false,
            items: 1,
            keys: self.keys.len(),
        });
    }

    /// Puts the items of the array at `at`, which ends here, in its place.
    /// Does nothing where that is no array.
    pub fn splice(&mut self, at: At) {
        debug_assert!(!self.may_cut);
        if self.piece.get(at.ix as usize).map(|token| token.kind()) == Some(Kind::Array) {
            self.piece.remove(at.ix as usize);
        }
    }

    /// The finished tape.
    pub fn finish(mut self) -> (Tape, Vec<Problem>) {
        while !self.open.is_empty() {
            self.close();
        }
        if self.here() == (At { piece: 0, ix: 0 }) {
            self.push(Token::new(Kind::Null, 0, 0));
        }
        self.tape.pieces.push(self.piece);
        (self.tape, self.problems.into_vec())
    }

    /// The path to the value that comes next or is open: `steps[3].args`.
    pub fn path(&self) -> String {
        self.path_before(self.keys.len())
    }

    /// The path to the array or object that is open: `steps[3]`.
    pub fn owner_path(&self) -> String {
        let keys = self.open.last().map_or(0, |open| open.keys);
        self.path_before(keys)
    }

    /// A problem at a place, told with the path to it.
    pub fn problem(&self, message: &str, range: std::ops::Range<usize>, label: &str) -> Problem {
        Problem::error(led_by(self.path(), message)).at(self.span(range), label)
    }

    /// A problem with a key, told with the path to the object.
    pub fn key_problem(&self, message: &str, range: std::ops::Range<usize>) -> Problem {
        Problem::error(led_by(self.owner_path(), message)).at(self.span(range), "")
    }

    /// Notes a problem.
    pub fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn path_before(&self, keys: usize) -> String {
        let mut path = String::new();
        for (i, open) in self.open.iter().enumerate() {
            let keys_end = match self.open.get(i + 1) {
                Some(inner) => inner.keys,
                None => keys,
            };
            if !open.object {
                path.push_str(&format!("[{}]", open.items.saturating_sub(1)));
            } else if keys_end > open.keys {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&self.key_text(self.keys[keys_end - 1]));
            }
        }
        path
    }

    /// Says that a value follows. Comes before each, and before anything is
    /// reported about it, for it is what counts an array's items.
    pub fn begin_value(&mut self) {
        let depth = self.open.len();
        let Some(open) = self.open.last_mut() else {
            return;
        };
        if open.object {
            return;
        }
        open.items += 1;
        if depth == 2 && self.piece.len() >= PIECE && self.may_cut && open.items > 1 {
            open.cut = true;
            let next = Vec::with_capacity(PIECE + PIECE / 64);
            let full = std::mem::replace(&mut self.piece, next);
            self.tape.pieces.push(full);
        }
    }

    fn push(&mut self, token: Token) {
        self.piece.push(token);
    }

    fn push_aside(&mut self, kind: Kind, range: std::ops::Range<usize>, value: &str) {
        let from = self.tape.side.len();
        self.tape.side.push_str(value);
        self.push(Token::new(kind, range.start, range.len()));
        self.push(Token::new(Kind::Extra, from, value.len()));
    }

    fn key_text(&self, key: Key) -> Cow<'_, str> {
        match key.token.kind() {
            Kind::Aside => Cow::Borrowed(&self.tape.side[key.extra.range()]),
            Kind::Escaped => unescape(&self.text[key.token.range()]).into(),
            _ => Cow::Borrowed(&self.text[key.token.range()]),
        }
    }

    /// What makes two keys the same.
    fn key_identity(&self, key: Key) -> Cow<'_, str> {
        let text = self.key_text(key);
        if self.folds_case {
            text.to_lowercase().into()
        } else {
            text
        }
    }

    fn check_keys(&mut self, from: usize) {
        let mut found = Vec::new();
        let keys = &self.keys[from..];
        let plain = keys.iter().all(|k| k.token.kind() == Kind::Plain);
        if plain && !self.folds_case && keys.len() <= FEW_KEYS {
            let bytes = self.text.as_bytes();
            for (i, key) in keys.iter().enumerate() {
                let same = |k: &&Key| {
                    k.token.len() == key.token.len()
                        && bytes[k.token.range()] == bytes[key.token.range()]
                };
                if let Some(first) = keys[..i].iter().find(same) {
                    found.push(self.key_given_twice(*first, *key, from));
                }
            }
            self.problems.extend(found);
            return;
        }
        let mut sorted: Vec<(Cow<'_, str>, Key)> =
            keys.iter().map(|k| (self.key_identity(*k), *k)).collect();
        sorted.sort_by(|a, b| (&a.0, a.1.token.start).cmp(&(&b.0, b.1.token.start)));
        let found: Vec<Problem> = sorted
            .windows(2)
            .filter(|pair| pair[0].0 == pair[1].0)
            .map(|pair| self.key_given_twice(pair[0].1, pair[1].1, from))
            .collect();
        self.problems.extend(found);
    }

    /// `keys` is where the keys of the object begin, which is closed by now.
    fn key_given_twice(&self, first: Key, second: Key, keys: usize) -> Problem {
        let name = self.key_text(second);
        let mut owner = self.path_before(keys);
        if !owner.is_empty() {
            owner.push_str(": ");
        }
        Problem::error(format!("{owner}the key \"{name}\" is given twice"))
            .at(self.span(second.token.range()), "given again here")
            .also(self.span(first.token.range()), "first given here")
            .help("remove one of the two")
    }
}

/// The message behind the path that it is about.
fn led_by(path: String, message: &str) -> String {
    if path.is_empty() {
        message.to_owned()
    } else {
        format!("{path}: {message}")
    }
}
