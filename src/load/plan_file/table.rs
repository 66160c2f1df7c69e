//! What tables of fields are made of, and how they are written down.
//!
//! All of it is `const`, so that a table is data in the program and a field's
//! position in it is known when compiling.

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    /// Other names for the same field, as other systems spell it.
    pub aliases: &'static [&'static str],
    /// Names that people try and that are not this field's: worth a "did you mean".
    pub mistaken: &'static [&'static str],
    pub shape: Shape,
    /// The object makes no sense without it. Such fields come first in their table.
    pub required: bool,
    /// What it says, in one or two sentences.
    pub doc: &'static str,
}

/// What a value may be. Null is the same as leaving the field out.
#[derive(Debug)]
pub enum Shape {
    Text,
    /// A text, or a number that is taken as it is written.
    Word,
    Bool,
    /// A whole number.
    Count {
        least: i64,
        most: i64,
    },
    /// Any number.
    Number {
        least: f64,
        most: f64,
    },
    /// A number of seconds, parts of one included.
    Seconds,
    /// One of these texts.
    Choice(&'static [&'static str]),
    List(&'static Shape),
    /// An object whose keys are free.
    Map(&'static Shape),
    /// An object of these fields.
    Object(&'static [Field]),
    Either(&'static [Shape]),
    Any,
}

/// A hundred years. What is longer was not meant.
pub const MOST_SECONDS: f64 = 100.0 * 365.25 * 86_400.0;

/// The position of the field with this name.
///
/// # Panics
/// When compiling, if the table has no such field.
pub const fn at(table: &[Field], name: &str) -> usize {
    let mut i = 0;
    while i < table.len() {
        if equal(table[i].name.as_bytes(), name.as_bytes()) {
            return i;
        }
        i += 1;
    }
    panic!("the table has no such field")
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

pub const fn field(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field {
        name,
        aliases: &[],
        mistaken: &[],
        shape,
        required: false,
        doc,
    }
}

impl Field {
    /// The same field under other names.
    pub const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Names that this field's are mistaken for.
    pub const fn not(mut self, mistaken: &'static [&'static str]) -> Self {
        self.mistaken = mistaken;
        self
    }

    /// The field may not be left out.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Whether this is the field's name or another name for it.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}
