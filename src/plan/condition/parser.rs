//! From words to a tree.
//!
//! Recursive descent, with the depth counted, so that no input can exhaust the
//! stack. Where PowerShell and other languages would read one text in different
//! orders (`-and` after `-or`, `!` before a comparison), parentheses are asked
//! for instead of choosing for the author.

use std::ops::Range;

use regex::RegexBuilder;

use super::lexer::{Base, Lexer, OperatorWord, Token};
use super::tree::{Comparison, Expr, Operand, Operator, STATUS_WORDS, Test, status_word};
use super::{MAX_BYTES, SyntaxError, Value};
use crate::plan::name::nearest;

/// Parentheses and negations may stand this deep in one another.
const MAX_DEPTH: usize = 64;
/// A condition may hold this many patterns …
const MAX_PATTERNS: usize = 16;
/// … and each may take this many bytes of memory.
const PATTERN_LIMIT: usize = 1 << 18;

pub(super) fn parse(text: &str) -> Result<Expr, SyntaxError> {
    if text.len() > MAX_BYTES {
        let message = format!("a condition has at most {MAX_BYTES} bytes");
        return Err(SyntaxError::new(0..text.len(), message));
    }
    let mut parser = Parser {
        lexer: Lexer::new(text),
        token: Token::End,
        at: 0..0,
        end: 0,
        depth: 0,
        patterns: 0,
    };
    parser.advance()?;
    if parser.token == Token::End {
        return Err(SyntaxError::new(0..text.len(), "the condition is empty"));
    }
    let node = parser.any()?;
    let expr = node.truth()?;
    match parser.token {
        Token::End => Ok(expr),
        Token::Operator(_) => {
            Err(parser.unexpected("comparisons cannot be chained; join them with `and`"))
        }
        Token::Close => Err(parser.unexpected("this `)` closes nothing")),
        _ => {
            Err(parser
                .unexpected("an operator such as `==`, `-eq`, `and` or `or` is expected here"))
        }
    }
}

/// What a part of the text is, before it is known how it is used.
enum Node {
    Expr(Expr),
    /// The same in parentheses.
    Group(Expr),
    /// A value by itself, and its place.
    Operand(Operand, Range<usize>),
}

impl Node {
    /// The node where true or false is wanted.
    fn truth(self) -> Result<Expr, SyntaxError> {
        match self {
            Node::Expr(expr) | Node::Group(expr) => Ok(expr),
            Node::Operand(
                operand @ (Operand::Name(_) | Operand::Value(Value::Bool(_) | Value::Null)),
                _,
            ) => Ok(Expr::Truth(operand)),
            Node::Operand(_, at) => Err(SyntaxError::new(
                at,
                "this value by itself is neither true nor false",
            )
            .help("compare it with something")),
        }
    }

    /// The node where a value is wanted; `at` is its place.
    fn operand(self, at: Range<usize>) -> Result<Operand, SyntaxError> {
        match self {
            Node::Operand(operand, _) => Ok(operand),
            Node::Expr(_) | Node::Group(_) => Err(SyntaxError::new(
                at,
                "what is true or false cannot be compared; a value is expected here",
            )),
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next word, and its place.
    token: Token,
    at: Range<usize>,
    /// Where the word before that ended.
    end: usize,
    depth: usize,
    patterns: usize,
}

impl Parser<'_> {
    /// Takes the next word, and reads the one after.
    fn advance(&mut self) -> Result<(Token, Range<usize>), SyntaxError> {
        let (token, at) = self.lexer.next()?;
        let token = std::mem::replace(&mut self.token, token);
        let at = std::mem::replace(&mut self.at, at);
        self.end = at.end;
        Ok((token, at))
    }

    fn unexpected(&self, message: &str) -> SyntaxError {
        SyntaxError::new(self.at.clone(), message)
    }

    /// Runs `read` one level deeper.
    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(self
                .unexpected("this is nested too deep")
                .help(format!("{MAX_DEPTH} levels are the most")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Result<Node, SyntaxError> {
        let (first, _) = self.all()?;
        if !matches!(self.token, Token::Or { .. }) {
            return Ok(first);
        }
        let mut parts = vec![first.truth()?];
        while let Token::Or { dashed } = self.token {
            let (_, at) = self.advance()?;
            let (part, joined) = self.all()?;
            // `a -and b -or c` is read alike by everyone; only this order is not.
            if joined.is_some_and(|by_dash| by_dash || dashed) {
                return Err(
                    SyntaxError::new(at, "`-and` after `-or` needs parentheses").help(
                        "PowerShell reads them from left to right, other languages `and` first",
                    ),
                );
            }
            parts.push(part.truth()?);
        }
        Ok(Node::Expr(Expr::Any(parts)))
    }

    /// Parts joined by `and`; if there are several, whether any `and` has a dash.
    fn all(&mut self) -> Result<(Node, Option<bool>), SyntaxError> {
        let first = self.not()?;
        if !matches!(self.token, Token::And { .. }) {
            return Ok((first, None));
        }
        let mut parts = vec![first.truth()?];
        let mut by_dash = false;
        while let Token::And { dashed } = self.token {
            by_dash |= dashed;
            self.advance()?;
            parts.push(self.not()?.truth()?);
        }
        Ok((Node::Expr(Expr::All(parts)), Some(by_dash)))
    }

    fn not(&mut self) -> Result<Node, SyntaxError> {
        let Token::Not { tight } = self.token else {
            return self.comparison();
        };
        self.advance()?;
        let start = self.at.start;
        let inner = self.deeper(Self::not)?;
        if tight && matches!(inner, Node::Expr(Expr::Compare(_))) {
            return Err(SyntaxError::new(
                start..self.end,
                "what is negated here needs parentheses",
            )
            .help("PowerShell would negate the first value alone; write `!(…)` or `not`"));
        }
        Ok(Node::Expr(Expr::Not(Box::new(inner.truth()?))))
    }

    fn comparison(&mut self) -> Result<Node, SyntaxError> {
        let start = self.at.start;
        let left = self.primary()?;
        let left_at = start..self.end;
        let Some(word) = self.operator()? else {
            return Ok(left);
        };
        let left = left.operand(left_at.clone())?;
        let right_start = self.at.start;
        let (test, right) = self.right_side(word)?;
        let right_at = right_start..self.end;
        let of_status =
            matches!(word.base, Base::Equal | Base::In) && (left.is_status() || right.is_status());
        if of_status {
            check_status_words(&left, &left_at, word.fold)?;
            check_status_words(&right, &right_at, word.fold)?;
        }
        Ok(Node::Expr(Expr::Compare(Box::new(Comparison {
            left,
            operator: Operator {
                test,
                negated: word.negated,
                fold: word.fold,
                dashed: word.dashed,
            },
            right,
            of_status,
            at: start..self.end,
        }))))
    }

    /// The operator that stands here, if one does; `not in` is one.
    fn operator(&mut self) -> Result<Option<OperatorWord>, SyntaxError> {
        match self.token {
            Token::Operator(word) => {
                self.advance()?;
                Ok(Some(word))
            }
            Token::Not { tight: false } => {
                self.advance()?;
                match self.token {
                    Token::Operator(word) if word.base == Base::In && !word.dashed => {
                        self.advance()?;
                        Ok(Some(OperatorWord {
                            negated: true,
                            ..word
                        }))
                    }
                    _ => Err(self.unexpected("`in` is expected after this `not`")),
                }
            }
            _ => Ok(None),
        }
    }

    /// What stands behind an operator, and the test it completes.
    fn right_side(&mut self, word: OperatorWord) -> Result<(Test, Operand), SyntaxError> {
        let test = match word.base {
            Base::Like | Base::Match => return self.pattern(word),
            Base::Equal => Test::Equal,
            Base::Less => Test::Less,
            Base::LessOrEqual => Test::LessOrEqual,
            Base::Greater => Test::Greater,
            Base::GreaterOrEqual => Test::GreaterOrEqual,
            Base::In => Test::In,
            Base::Contains => Test::Contains,
        };
        let right = if word.base == Base::In && self.token == Token::Open {
            // After `in`, parentheses are a list even around a single value.
            self.advance()?;
            self.list(Vec::new(), &Token::Close)?
        } else {
            let start = self.at.start;
            let node = self.primary()?;
            node.operand(start..self.end)?
        };
        Ok((test, right))
    }

    /// A pattern, which has to be written out: one that came from a variable
    /// could not be checked before the run.
    fn pattern(&mut self, word: OperatorWord) -> Result<(Test, Operand), SyntaxError> {
        let (token, at) = self.advance()?;
        let Token::Text(text) = token else {
            return Err(SyntaxError::new(
                at,
                "a pattern is expected here, in quotes",
            ));
        };
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            let message = format!("a condition holds at most {MAX_PATTERNS} patterns");
            return Err(SyntaxError::new(at, message));
        }
        let source = match word.base {
            Base::Like => wildcards(&text),
            _ => text.clone(),
        };
        let pattern = RegexBuilder::new(&source)
            .case_insensitive(word.fold)
            .size_limit(PATTERN_LIMIT)
            .build()
            .map_err(|error| pattern_error(at, &error))?;
        Ok((Test::Match(pattern), Operand::Value(Value::Text(text))))
    }

    /// A value, a list, or something in parentheses.
    fn primary(&mut self) -> Result<Node, SyntaxError> {
        let start = self.at.start;
        let operand = match self.token {
            Token::Open => return self.deeper(Self::parentheses),
            Token::OpenList => {
                self.advance()?;
                self.list(Vec::new(), &Token::Close)?
            }
            Token::OpenBracket => {
                self.advance()?;
                self.list(Vec::new(), &Token::CloseBracket)?
            }
            _ => self.scalar()?,
        };
        Ok(Node::Operand(operand, start..self.end))
    }

    /// `(…)`: a group, or a list if there is a comma.
    fn parentheses(&mut self) -> Result<Node, SyntaxError> {
        let (_, open) = self.advance()?;
        let node = self.any()?;
        if self.token == Token::Comma {
            let first = node.operand(open.end..self.end)?;
            if matches!(first, Operand::List(_)) {
                return Err(SyntaxError::new(open.end..self.end, NO_LISTS_IN_LISTS));
            }
            self.advance()?;
            let list = self.list(vec![first], &Token::Close)?;
            return Ok(Node::Operand(list, open.start..self.end));
        }
        if self.token != Token::Close {
            return Err(self.not_closed(&open, "`)` or an operator is expected here"));
        }
        self.advance()?;
        Ok(match node {
            Node::Expr(expr) | Node::Group(expr) => Node::Group(expr),
            Node::Operand(operand, _) => Node::Operand(operand, open.start..self.end),
        })
    }

    /// The rest of a list, up to and with `close`.
    fn list(&mut self, mut items: Vec<Operand>, close: &Token) -> Result<Operand, SyntaxError> {
        if items.is_empty() && self.token == *close {
            self.advance()?;
            return Ok(Operand::List(items));
        }
        loop {
            items.push(self.scalar()?);
            let (token, at) = self.advance()?;
            if token == *close {
                return Ok(Operand::List(items));
            }
            if token != Token::Comma {
                return Err(SyntaxError::new(
                    at,
                    "`,` or the end of the list is expected here",
                ));
            }
        }
    }

    /// A literal or a name.
    fn scalar(&mut self) -> Result<Operand, SyntaxError> {
        match self.token {
            Token::Open | Token::OpenList | Token::OpenBracket => {
                return Err(self.unexpected(NO_LISTS_IN_LISTS));
            }
            Token::End => {
                return Err(self.unexpected("the condition ends where a value is expected"));
            }
            Token::Name(_) | Token::Text(_) | Token::Number(_) | Token::Bool(_) | Token::Null => {}
            _ => {
                return Err(self
                    .unexpected("a value is expected here")
                    .help("a name, a number, true, false, null, a list, or a text in quotes"));
            }
        }
        Ok(match self.advance()?.0 {
            Token::Name(name) => Operand::Name(name),
            Token::Text(text) => Operand::Value(Value::Text(text)),
            Token::Number(number) => Operand::Value(Value::Number(number)),
            Token::Bool(value) => Operand::Value(Value::Bool(value)),
            _ => Operand::Value(Value::Null),
        })
    }

    fn not_closed(&self, open: &Range<usize>, message: &str) -> SyntaxError {
        match self.token {
            Token::End => SyntaxError::new(open.clone(), "this `(` is never closed"),
            _ => self.unexpected(message),
        }
    }
}

const NO_LISTS_IN_LISTS: &str = "a list holds values, not lists or comparisons";

/// Refuses a text that no status of a step ever equals.
fn check_status_words(operand: &Operand, at: &Range<usize>, fold: bool) -> Result<(), SyntaxError> {
    match operand {
        Operand::Value(Value::Text(text)) => {
            let word = if fold {
                text.to_ascii_lowercase()
            } else {
                text.clone()
            };
            if status_word(&word).is_some() {
                return Ok(());
            }
            let error = SyntaxError::new(at.clone(), format!("no step has the status {text:?}"));
            Err(match nearest(text, STATUS_WORDS) {
                Some(near) => error.help(format!("did you mean '{near}'?")),
                None => error.help(format!("one of {}", STATUS_WORDS.join(", "))),
            })
        }
        Operand::List(items) => items
            .iter()
            .try_for_each(|item| check_status_words(item, at, fold)),
        _ => Ok(()),
    }
}

/// A pattern of `-like` as a regular expression: `*`, `?` and `[a-z]`.
fn wildcards(pattern: &str) -> String {
    let mut regex = String::from(r"(?s)\A");
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match (c, rest.split_once(']')) {
            ('*', _) => regex.push_str(".*"),
            ('?', _) => regex.push('.'),
            ('[', Some((class, after))) if !class.is_empty() => {
                let mut escaped = String::new();
                for c in class.chars() {
                    match c {
                        '-' => escaped.push('-'),
                        _ => escaped.push_str(&escaped_char(c)),
                    }
                }
                regex.push_str(&format!("[{escaped}]"));
                rest = after;
            }
            _ => regex.push_str(&escaped_char(c)),
        }
    }
    regex.push_str(r"\z");
    regex
}

fn escaped_char(c: char) -> String {
    regex::escape(c.encode_utf8(&mut [0; 4]))
}

fn pattern_error(at: Range<usize>, error: &regex::Error) -> SyntaxError {
    match error {
        regex::Error::CompiledTooBig(_) => SyntaxError::new(at, "this pattern is too big"),
        _ => {
            // The last line says what is wrong; those before draw it.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            let reason = reason.strip_prefix("error: ").unwrap_or(reason).to_owned();
            SyntaxError::new(at, "this is no regular expression").help(reason)
        }
    }
}
