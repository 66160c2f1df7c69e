//! From characters to words, one at a time.
//!
//! Reading only as far as the parser asks keeps a hopeless text cheap: what is
//! refused at its first bytes is never read to its end.

use std::ops::Range;

use super::SyntaxError;
use super::tree::Name;
use crate::plan::name::nearest;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(Name),
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
    /// `==`, `-eq`, `contains`: an operator between two values.
    Operator(OperatorWord),
    And {
        dashed: bool,
    },
    Or {
        dashed: bool,
    },
    /// `not`, which in front of `in` is a part of that; `!` and `-not` are tight.
    Not {
        tight: bool,
    },
    Open,
    /// `@(`
    OpenList,
    Close,
    OpenBracket,
    CloseBracket,
    Comma,
    End,
}

/// An operator's base, and how it was spelled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OperatorWord {
    pub base: Base,
    pub negated: bool,
    pub fold: bool,
    pub dashed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Base {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    Like,
    Match,
}

/// What is spelled with a dash, `i` or `c` in front left aside.
const DASHED: [(&str, Base, bool); 14] = [
    ("eq", Base::Equal, false),
    ("ne", Base::Equal, true),
    ("lt", Base::Less, false),
    ("le", Base::LessOrEqual, false),
    ("gt", Base::Greater, false),
    ("ge", Base::GreaterOrEqual, false),
    ("in", Base::In, false),
    ("notin", Base::In, true),
    ("contains", Base::Contains, false),
    ("notcontains", Base::Contains, true),
    ("like", Base::Like, false),
    ("notlike", Base::Like, true),
    ("match", Base::Match, false),
    ("notmatch", Base::Match, true),
];

/// Signs, longest first.
const SIGNS: [(&str, Token); 16] = [
    ("==", sign(Base::Equal, false)),
    ("!=", sign(Base::Equal, true)),
    ("<=", sign(Base::LessOrEqual, false)),
    (">=", sign(Base::GreaterOrEqual, false)),
    ("&&", Token::And { dashed: false }),
    ("||", Token::Or { dashed: false }),
    ("@(", Token::OpenList),
    ("<", sign(Base::Less, false)),
    (">", sign(Base::Greater, false)),
    ("!", Token::Not { tight: true }),
    ("(", Token::Open),
    (")", Token::Close),
    ("[", Token::OpenBracket),
    ("]", Token::CloseBracket),
    (",", Token::Comma),
    ("", Token::End),
];

const fn sign(base: Base, negated: bool) -> Token {
    Token::Operator(OperatorWord {
        base,
        negated,
        fold: false,
        dashed: false,
    })
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Lexer { text, at: 0 }
    }

    /// The next word, and which bytes it takes; [`Token::End`] at the end, again and again.
    pub fn next(&mut self) -> Result<(Token, Range<usize>), SyntaxError> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let token = self.token()?;
        Ok((token, start..self.at))
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        match first {
            '\'' | '"' => self.string(first),
            '0'..='9' => self.number(),
            '-' => self.dash(),
            '$' => self.dollar(),
            _ if is_name_start(first) => self.word(),
            _ => self.sign(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Moves past `prefix`, if it stands here.
    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// The character here, which fits nowhere.
    fn stray(&self, message: impl Into<String>) -> SyntaxError {
        let length = self.peek().map_or(0, char::len_utf8);
        SyntaxError::new(self.at..self.at + length, message)
    }

    fn sign(&mut self) -> Result<Token, SyntaxError> {
        for (spelling, token) in &SIGNS {
            if !spelling.is_empty() && self.eat(spelling) {
                return Ok(token.clone());
            }
        }
        let c = self.peek().unwrap_or_default();
        let error = self.stray(format!("{c:?} is not part of a condition"));
        Err(match c {
            '=' => error.help("equality is written `==` or `-eq`"),
            '&' => error.help("write `&&` or `and`"),
            '|' => error.help("write `||` or `or`"),
            '+' | '*' | '/' | '%' => error.help("conditions compare, they do not calculate"),
            _ => error,
        })
    }

    /// `'…'` stands as it is, but for `''`. `"…"` has `""`, `\"`, `\\`, `\n` and `\t`.
    fn string(&mut self, quote: char) -> Result<Token, SyntaxError> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.text[start + 1..].char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            let next = chars.peek().map(|&(_, next)| next);
            let stands_for = match (c, next) {
                _ if c == quote && next == Some(quote) => Some(quote),
                _ if c == quote => {
                    self.at = start + 1 + i + 1;
                    return self.text_or_name(start, text);
                }
                ('\\', Some(next @ ('"' | '\\'))) if quote == '"' => Some(next),
                ('\\', Some('n')) if quote == '"' => Some('\n'),
                ('\\', Some('t')) if quote == '"' => Some('\t'),
                _ => None,
            };
            if stands_for.is_some() {
                chars.next();
            }
            text.push(stands_for.unwrap_or(c));
        }
        Err(
            SyntaxError::new(start..start + 1, format!("this {quote} is never closed"))
                .help("a quote inside a text is doubled"),
        )
    }

    /// A text that is nothing but `${X}` is the name: files that put variables
    /// into texts mean the value, and it must not be put in before reading.
    fn text_or_name(&mut self, start: usize, text: String) -> Result<Token, SyntaxError> {
        if !text.starts_with("${") || !text.ends_with('}') {
            return Ok(Token::Text(text));
        }
        let end = self.at;
        self.at = start + 1;
        match self.dollar() {
            Ok(Token::Name(name)) if self.at == end - 1 => {
                self.at = end;
                Ok(Token::Name(name))
            }
            _ => Err(SyntaxError::new(start..end, "this names nothing")
                .help("a text may be one whole reference such as `'${NAME}'`")),
        }
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        self.eat("-");
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let length = self.rest().find(|c| !part(c)).unwrap_or(self.rest().len());
        self.at += length;
        let written = &self.text[start..self.at];
        let plain = |b: u8| b.is_ascii_digit() || b == b'.' || b == b'-';
        match written.parse::<f64>() {
            Ok(number) if number.is_finite() && written.bytes().all(plain) => {
                Ok(Token::Number(number))
            }
            _ => Err(
                SyntaxError::new(start..self.at, format!("{written:?} is not a number"))
                    .help("numbers are written 5, -5 or 0.5; texts in quotes"),
            ),
        }
    }

    /// A negative number, or an operator with a dash.
    fn dash(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let after = &self.text[start + 1..];
        if after.starts_with(|c: char| c.is_ascii_digit()) {
            return self.number();
        }
        let length = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let written = &after[..length];
        self.at = start + 1 + length;
        dashed(&written.to_ascii_lowercase()).ok_or_else(|| {
            let error = SyntaxError::new(start..self.at, "no operator is spelled so");
            let known = DASHED.iter().map(|(spelling, ..)| *spelling);
            match nearest(written, known.chain(["and", "or", "not"])) {
                Some(near) => error.help(format!("did you mean `-{near}`?")),
                None => error.help(
                    "there are -eq -ne -lt -le -gt -ge -in -notin -contains -notcontains \
                     -like -notlike -match -notmatch -and -or -not",
                ),
            }
        })
    }

    /// `$name`, `$env:NAME`, `${…}`, `$true`.
    fn dollar(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let braced = self.eat("{");
        let env = ["env:", "Env:", "ENV:"].iter().any(|p| self.eat(p));
        if !self.peek().is_some_and(is_name_start) {
            return Err(self
                .stray("a name is expected here")
                .help("`$NAME`, `$env:NAME` or `${NAME}`"));
        }
        let mut path = self.path()?;
        if braced && !self.eat("}") {
            return Err(self.stray("a `}` is expected here"));
        }
        if self.rest().starts_with(':') {
            return Err(self.stray("there is no such drive; `$env:NAME` is all there is"));
        }
        if env {
            path.insert(0, "env".into());
        } else if let [only] = path.as_slice()
            && let Some(token) = constant(only)
        {
            return Ok(token);
        }
        let is_length =
            |last: &str| ["length", "count"].contains(&last.to_ascii_lowercase().as_str());
        let of_step = matches!(&*path[0], "prev" | "steps");
        let length = path.len() > 1 + usize::from(env)
            && !of_step
            && path.last().is_some_and(|l| is_length(l));
        if length {
            path.pop();
        }
        self.name(start, path, length)
    }

    /// A word without `$`: part of the language, or a name.
    fn word(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let path = self.path()?;
        if let [only] = path.as_slice()
            && self.text[start..self.at].len() == only.len()
            && let Some(token) = keyword(only)
        {
            return Ok(token);
        }
        self.name(start, path, false)
    }

    /// Segments joined by dots, or in brackets and quotes.
    fn path(&mut self) -> Result<Vec<Box<str>>, SyntaxError> {
        let mut path = vec![self.segment()];
        loop {
            let bracket = ["['", "[\""]
                .iter()
                .any(|open| self.rest().starts_with(open));
            if bracket && path.len() == 1 && keyword(&path[0]).is_some() {
                return Ok(path);
            }
            if bracket {
                self.at += 1;
                let start = self.at;
                let quote = if self.rest().starts_with('"') {
                    '"'
                } else {
                    '\''
                };
                let Token::Text(text) = self.string(quote)? else {
                    return Err(SyntaxError::new(
                        start..self.at,
                        "a name is expected here, as it is",
                    ));
                };
                if !self.eat("]") {
                    return Err(self.stray("a `]` is expected here"));
                }
                path.push(text.into());
            } else if self.eat(".") {
                if !self.peek().is_some_and(is_name_part) {
                    return Err(self.stray("a name is expected after the dot"));
                }
                path.push(self.segment());
            } else {
                return Ok(path);
            }
        }
    }

    /// Letters, digits and `_`, and `-` between them.
    fn segment(&mut self) -> Box<str> {
        let rest = self.rest();
        let mut chars = rest.char_indices().peekable();
        let mut end = rest.len();
        while let Some((i, c)) = chars.next() {
            let joins =
                c == '-' && i > 0 && chars.peek().is_some_and(|&(_, next)| is_name_part(next));
            if !is_name_part(c) && !joins {
                end = i;
                break;
            }
        }
        self.at += end;
        rest[..end].into()
    }

    /// The name that `path` is, once it is known to make sense.
    fn name(
        &mut self,
        start: usize,
        mut path: Vec<Box<str>>,
        length: bool,
    ) -> Result<Token, SyntaxError> {
        let at = start..self.at;
        if self.rest().trim_start().starts_with('(') {
            return Err(SyntaxError::new(at, "nothing can be called in a condition")
                .help("conditions compare values; a command belongs into a step"));
        }
        match &*path[0] {
            "prev" | "steps" => {
                path[0] = "steps".into();
                check_step_path(&path, at)?;
            }
            "env" | "vars" if path.len() != 2 => {
                return Err(SyntaxError::new(
                    at,
                    format!("`{0}` is followed by one name: `{0}.NAME`", path[0]),
                ));
            }
            _ => {}
        }
        Ok(Token::Name(Name {
            path,
            length,
            shown: self.text[start..self.at].into(),
        }))
    }
}

/// Whether `path` asks something of a step that a step can answer.
fn check_step_path(path: &[Box<str>], at: Range<usize>) -> Result<(), SyntaxError> {
    const FIELDS: [&str; 4] = ["status", "exit_code", "attempts", "outputs"];
    let error = match path {
        [_, _, field] if FIELDS[..3].contains(&&**field) => return Ok(()),
        [_, _, field, _] if &**field == "outputs" => return Ok(()),
        [_, _, field] if !FIELDS.contains(&&**field) => {
            let error = SyntaxError::new(at, format!("a step has no {field:?}"));
            match nearest(field, FIELDS) {
                Some(near) => return Err(error.help(format!("did you mean `{near}`?"))),
                None => error,
            }
        }
        _ => SyntaxError::new(at, "this asks nothing of a step"),
    };
    Err(error.help(
        "`prev.ID.status`, `.exit_code`, `.attempts` or `.outputs.KEY`; \
         `prev['ID']` where the id holds `.` or `/`",
    ))
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn constant(word: &str) -> Option<Token> {
    Some(match word.to_ascii_lowercase().as_str() {
        "true" => Token::Bool(true),
        "false" => Token::Bool(false),
        "null" => Token::Null,
        _ => return None,
    })
}

fn keyword(word: &str) -> Option<Token> {
    let operator = |base| {
        Token::Operator(OperatorWord {
            base,
            negated: false,
            fold: false,
            dashed: false,
        })
    };
    Some(match word.to_ascii_lowercase().as_str() {
        "and" => Token::And { dashed: false },
        "or" => Token::Or { dashed: false },
        "not" => Token::Not { tight: false },
        "in" => operator(Base::In),
        "contains" => operator(Base::Contains),
        _ => return constant(word),
    })
}

/// The operator that is spelled with a dash and `word`, in lower case.
fn dashed(word: &str) -> Option<Token> {
    match word {
        "and" => return Some(Token::And { dashed: true }),
        "or" => return Some(Token::Or { dashed: true }),
        "not" => return Some(Token::Not { tight: true }),
        _ => {}
    }
    let known = |word: &str| DASHED.iter().find(|(spelling, ..)| *spelling == word);
    let (entry, fold) = match known(word) {
        Some(entry) => (entry, true),
        None => {
            let (case, word) = word.split_at_checked(1)?;
            let entry = known(word)?;
            match case {
                "c" => (entry, false),
                "i" => (entry, true),
                _ => return None,
            }
        }
    };
    Some(Token::Operator(OperatorWord {
        base: entry.1,
        negated: entry.2,
        fold,
        dashed: true,
    }))
}
