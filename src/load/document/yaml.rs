//! YAML 1.2, through a parser of events.
//!
//! Of YAML a plan needs its shape and its strings. So the rest is refused in
//! plain words rather than half understood: several documents in one file,
//! merge keys, tags of one's own, keys that are no scalars. Aliases are copies,
//! under a budget: nine lines of YAML can ask for a billion nodes.
//!
//! Unquoted scalars are what the core schema of YAML 1.2 says: `yes`, `no`,
//! `on` and `off` are strings.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as Mark, StrInput, Tag};

use crate::plan::problem::Problem;

use super::tape::{At, Kind, MAX_DEPTH, Tape, Writer};

/// All aliases together may add this many tokens.
const ALIAS_BUDGET: usize = 250_000;

/// Reads the whole text.
pub(super) fn parse(text: &str, file: u32) -> (Option<Tape>, Vec<Problem>) {
    let mut reader = Reader {
        text,
        writer: Writer::new(text, file, false),
        open: Vec::new(),
        anchors: HashMap::new(),
        alias_tokens: 0,
        documents: 0,
    };
    let whole = reader.stream().is_ok();
    let empty = whole && reader.documents == 0;
    if empty {
        reader.writer.report(Problem::error("the file is empty"));
    }
    let (tape, problems) = reader.writer.finish();
    ((whole && !empty).then_some(tape), problems)
}

/// A problem was reported after which reading on would only guess.
struct Stop;

/// An open collection.
struct Open {
    mapping: bool,
    /// In a mapping: the next node is a key.
    key: bool,
    anchor: usize,
    at: At,
}

/// What an anchor stands for: a range of the tape, once its node is whole.
enum Anchor {
    Open,
    Whole(At, At),
}

struct Reader<'t> {
    text: &'t str,
    writer: Writer<'t>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchor>,
    alias_tokens: usize,
    documents: usize,
}

impl<'t> Reader<'t> {
    fn stream(&mut self) -> Result<(), Stop> {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
            max_reserved_directive_params: 16,
        };
        let mut parser: Parser<'t, StrInput<'t>> =
            Parser::new_from_str_with_options(self.text, options);
        while let Some(next) = parser.next_event() {
            let (event, mark) = match next {
                Ok(next) => next,
                Err(error) => return self.scan_error(&error),
            };
            self.event(event, &mark)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'t>, mark: &Mark) -> Result<(), Stop> {
        let range = self.range(mark);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return self.refuse("a second document in the file", range, "a plan is one");
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                self.scalar(value, style, anchor, tag.as_deref(), range)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.start(false, anchor, tag.as_deref(), range)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.start(true, anchor, tag.as_deref(), range)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, range)?,
            _ => {}
        }
        Ok(())
    }

    fn start(
        &mut self,
        mapping: bool,
        anchor: usize,
        tag: Option<&Tag>,
        range: Range<usize>,
    ) -> Result<(), Stop> {
        if self.at_key() {
            return self.refuse("a key that is no plain word", range, "keys are strings");
        }
        let own = if mapping { "map" } else { "seq" };
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema_tag(own)) {
            return self.unknown_tag(range);
        }
        if self.open.len() == MAX_DEPTH {
            let problem = Problem::error(format!("nested more than {MAX_DEPTH} deep"));
            let here = self.writer.span(range);
            self.writer.report(problem.at(here, "this is one too many"));
            return Err(Stop);
        }
        self.writer.begin_value();
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor::Open);
        }
        self.open.push(Open {
            mapping,
            key: mapping,
            anchor,
            at: self.writer.here(),
        });
        self.writer.open(range.start, mapping);
        Ok(())
    }

    fn end(&mut self) {
        self.writer.close();
        if let Some(open) = self.open.pop() {
            self.value_done(open.anchor, open.at);
        }
    }

    fn scalar(
        &mut self,
        value: Cow<'t, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        range: Range<usize>,
    ) -> Result<(), Stop> {
        let at = self.writer.here();
        let (place, literal) = self.content(&value, range);
        if self.at_key() {
            if style == ScalarStyle::Plain && value == "<<" {
                let message = "merge keys (<<) are not read";
                return self.refuse(message, place, "write out what is meant");
            }
            if literal {
                self.writer.key(Kind::Plain, place);
            } else {
                self.writer.key_aside(place, &value);
            }
            self.key_done(anchor);
            return Ok(());
        }
        let kind = match tag {
            None if style == ScalarStyle::Plain => core_schema(&value),
            None => Kind::Plain,
            Some(tag) => match tagged(tag, &value) {
                Some(kind) => kind,
                None => return self.unknown_tag(place),
            },
        };
        self.writer.begin_value();
        match kind {
            Kind::Number => self.number(&value, place),
            Kind::Plain if !literal => self.writer.aside(Kind::Aside, place, &value),
            kind => self.writer.scalar(kind, place),
        }
        self.value_done(anchor, at);
        Ok(())
    }

    /// Numbers are kept in decimal; YAML has octal and hexadecimal too.
    fn number(&mut self, value: &str, place: Range<usize>) {
        match decimal(value) {
            Cow::Borrowed(_) => self.writer.scalar(Kind::Number, place),
            Cow::Owned(text) => self.writer.aside(Kind::AsideNumber, place, &text),
        }
    }

    /// An alias is the same as writing its anchor's node again.
    fn alias(&mut self, anchor: usize, range: Range<usize>) -> Result<(), Stop> {
        if self.at_key() {
            return self.refuse("an alias as a key", range, "write the key out");
        }
        let (from, to) = match self.anchors.get(&anchor) {
            Some(Anchor::Whole(from, to)) => (*from, *to),
            Some(Anchor::Open) => {
                return self.refuse("an alias inside what it stands for", range, "");
            }
            None => return self.refuse("an alias of a key", range, "write the text out"),
        };
        self.alias_tokens += (to.ix - from.ix) as usize;
        if self.alias_tokens > ALIAS_BUDGET {
            return self.refuse(
                "the aliases of this file stand for too much",
                range,
                "this one is over the limit",
            );
        }
        self.writer.begin_value();
        self.writer.copy(from, to);
        self.value_done(0, from);
        Ok(())
    }

    fn at_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.key)
    }

    fn key_done(&mut self, anchor: usize) {
        // A key is not a value, so that an alias cannot stand for one.
        self.anchors.remove(&anchor);
        if let Some(open) = self.open.last_mut() {
            open.key = false;
        }
    }

    fn value_done(&mut self, anchor: usize, at: At) {
        if anchor != 0 {
            let whole = Anchor::Whole(at, self.writer.here());
            self.anchors.insert(anchor, whole);
        }
        if let Some(open) = self.open.last_mut() {
            open.key = open.mapping;
        }
    }

    /// Where a scalar's content is, and whether it stands there literally.
    fn content(&self, value: &str, range: Range<usize>) -> (Range<usize>, bool) {
        // Only a value borrowed from the text can lie within it.
        let start = (value.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let end = start.checked_add(value.len());
        if end.is_some_and(|end| end <= self.text.len()) && !value.is_empty() {
            return (start..start + value.len(), true);
        }
        let same = self.text.get(range.clone()) == Some(value);
        (range, same)
    }

    fn range(&self, mark: &Mark) -> Range<usize> {
        let range = mark.byte_range().unwrap_or(0..0);
        let end = range.end.min(self.text.len());
        range.start.min(end)..end
    }

    fn unknown_tag(&mut self, range: Range<usize>) -> Result<(), Stop> {
        self.refuse("a tag that means nothing here", range, "remove the tag")
    }

    fn refuse(&mut self, message: &str, range: Range<usize>, label: &str) -> Result<(), Stop> {
        let problem = self.writer.problem(message, range, label);
        self.writer.report(problem);
        Err(Stop)
    }

    fn scan_error(&mut self, error: &ScanError) -> Result<(), Stop> {
        let at = error.marker().byte_offset().unwrap_or(0);
        let at = at.min(self.text.len());
        let problem = Problem::error(error.info()).at(self.writer.span(at..at), "");
        self.writer.report(problem);
        Err(Stop)
    }
}

/// What an unquoted scalar is.
fn core_schema(value: &str) -> Kind {
    match value {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::True,
        "false" | "False" | "FALSE" => Kind::False,
        _ if is_number(value) => Kind::Number,
        _ => Kind::Plain,
    }
}

/// What a scalar with a tag of the core schema is, if it can be that.
fn tagged(tag: &Tag, value: &str) -> Option<Kind> {
    if tag.is_yaml_core_schema_tag("str") || tag.to_string() == "!" {
        return Some(Kind::Plain);
    }
    let kind = core_schema(value);
    let fits = match kind {
        Kind::Null => tag.is_yaml_core_schema_tag("null"),
        Kind::True | Kind::False => tag.is_yaml_core_schema_tag("bool"),
        Kind::Number => tag.is_yaml_core_schema_tag("int") || tag.is_yaml_core_schema_tag("float"),
        _ => false,
    };
    fits.then_some(kind)
}

fn is_number(value: &str) -> bool {
    if let Some(digits) = value.strip_prefix("0o") {
        return !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    }
    if let Some(digits) = value.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    }
    let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(value, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// A number of the core schema in decimal.
fn decimal(value: &str) -> Cow<'_, str> {
    let other_base = value
        .strip_prefix("0x")
        .map(|digits| (digits, 16))
        .or_else(|| value.strip_prefix("0o").map(|digits| (digits, 8)));
    match other_base {
        // What does not fit 128 bits is too large for any field, however it is spelt.
        Some((digits, base)) => u128::from_str_radix(digits, base)
            .map_or(Cow::Owned("1e999".to_owned()), |n| {
                Cow::Owned(n.to_string())
            }),
        None => match value.strip_prefix('+') {
            Some(unsigned) => Cow::Owned(unsigned.to_owned()),
            None => Cow::Borrowed(value),
        },
    }
}
