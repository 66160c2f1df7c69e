//! TOML, through a parser that gives places and goes on after a mistake.
//!
//! That parser keeps tables sorted by key; here they come in the order of the
//! file again, which is the order in which people want to read about them.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::plan::problem::Problem;

use super::tape::{Kind, Tape, Writer};

/// After this many mistakes the rest of the file says nothing new.
const ENOUGH: usize = 20;

/// Reads the whole text.
pub(super) fn parse(text: &str, file: u32) -> (Option<Tape>, Vec<Problem>) {
    let mut reader = Reader {
        text,
        writer: Writer::new(text, file, false),
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(ENOUGH) {
        let range = reader.within(error.span().unwrap_or(0..0));
        let span = reader.writer.span(range);
        let message = error.message().replace('\n', " ");
        reader.writer.report(Problem::error(message).at(span, ""));
    }
    reader.table(root.get_ref(), 0..0);
    let (tape, problems) = reader.writer.finish();
    // A value that could not be read is missing from the tree without a trace.
    (errors.is_empty().then_some(tape), problems)
}

struct Reader<'t> {
    text: &'t str,
    writer: Writer<'t>,
}

impl Reader<'_> {
    /// Writes a table. No deeper than the parser's own limit of nesting.
    fn table(&mut self, table: &DeTable<'_>, place: Range<usize>) {
        self.writer.begin_value();
        self.writer.open(place.start, true);
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let (content, literal) = self.content(key.get_ref(), key.span());
            let key_place = content.clone();
            if literal {
                self.writer.key(Kind::Plain, content);
            } else {
                self.writer.key_aside(content, key.get_ref());
            }
            self.value(value, key_place);
        }
        self.writer.close();
    }

    /// Writes a value; `key` stands in where the parser knows no place for it,
    /// as with tables that a dotted key implies.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, key: Range<usize>) {
        let span = self.within(value.span());
        let place = if span.is_empty() { key } else { span };
        match value.get_ref() {
            DeValue::Table(table) => return self.table(table, place),
            DeValue::Array(items) => {
                self.writer.begin_value();
                self.writer.open(place.start, false);
                for item in items.iter() {
                    self.value(item, place.clone());
                }
                self.writer.close();
                return;
            }
            _ => self.writer.begin_value(),
        }
        match value.get_ref() {
            DeValue::String(text) => {
                let (content, literal) = self.content(text, place);
                if literal {
                    self.writer.scalar(Kind::Plain, content);
                } else {
                    self.writer.aside(Kind::Aside, content, text);
                }
            }
            DeValue::Integer(integer) => self.number(&decimal(integer), place),
            DeValue::Float(float) => self.number(float.as_str(), place),
            DeValue::Boolean(true) => self.writer.scalar(Kind::True, place),
            DeValue::Boolean(false) => self.writer.scalar(Kind::False, place),
            // A date is a string to a plan, spelt as in the file.
            _ => self.writer.scalar(Kind::Plain, place),
        }
    }

    fn number(&mut self, text: &str, place: Range<usize>) {
        let text = text.strip_prefix('+').unwrap_or(text);
        if &self.text[place.clone()] == text {
            self.writer.scalar(Kind::Number, place);
        } else {
            self.writer.aside(Kind::AsideNumber, place, text);
        }
    }

    /// Where a string's content is, and whether it stands there literally.
    fn content(&self, value: &str, span: Range<usize>) -> (Range<usize>, bool) {
        let span = self.within(span);
        let written = &self.text[span.clone()];
        // Literally there, in quotes or without.
        for quotes in [0, 1, 3] {
            let inner = written
                .len()
                .checked_sub(2 * quotes)
                .and_then(|len| written.get(quotes..quotes + len));
            if inner == Some(value) {
                let start = span.start + quotes;
                return (start..start + value.len(), true);
            }
        }
        (span, false)
    }

    fn within(&self, range: Range<usize>) -> Range<usize> {
        let end = range.end.min(self.text.len());
        range.start.min(end)..end
    }
}

/// An integer in decimal, without the underscores and bases that TOML allows.
fn decimal(integer: &DeInteger<'_>) -> String {
    let digits = integer.as_str();
    if integer.radix() == 10 {
        return digits.to_owned();
    }
    // What does not fit 128 bits is too large for any field, however it is spelt.
    u128::from_str_radix(digits, integer.radix())
        .map_or_else(|_| "1e999".to_owned(), |n| n.to_string())
}
