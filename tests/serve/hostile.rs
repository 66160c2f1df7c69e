//! Requests that nobody means, made of the description alone: for each value that it
//! names one that fits, or is at the edge, of another kind, huge, hostile, missing, there
//! twice or not known.
//!
//! A request follows from its number, so one that found something comes again.

use serde_json::Value;

use crate::described::{Described, Operation};

/// Chance that comes again: SplitMix64.
pub struct Chance(u64);

impl Chance {
    pub fn of(number: u64) -> Chance {
        Chance(number)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `n`.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("it is below a usize")
    }

    /// Once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What there really is, by the name under which requests ask for it.
pub type Known = [(&'static str, Vec<String>)];

pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// It could be meant: what it says fits the description, and its path names what
    /// there is.
    pub is_sound: bool,
}

/// A request for this operation.
pub fn request(
    document: &Described,
    operation: &Operation,
    known: &Known,
    chance: &mut Chance,
) -> Request {
    let mut path = format!("/api/v1{}", operation.path);
    let (mut query, mut headers, mut is_sound) = (Vec::new(), Vec::new(), true);
    for parameter in &operation.parameters {
        let (value, fits) = value(document, &parameter.name, &parameter.schema, known, chance);
        match parameter.place.as_str() {
            "path" => {
                is_sound &= fits;
                let place = format!("{{{}}}", parameter.name);
                path = path.replace(&place, &segment(&value, chance));
            }
            "header" => {
                let plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                if plain && chance.once_in(2) {
                    headers.push(("Last-Event-ID", value));
                }
            }
            _ if chance.once_in(if parameter.required { 8 } else { 2 }) => {}
            _ => query.push(format!("{}={}", parameter.name, encoded(&value))),
        }
    }
    if chance.once_in(8) {
        let odd = *chance.pick(HOSTILE);
        query.push(format!("{}={}", encoded(odd), encoded(odd)));
    }
    if !query.is_empty() && chance.once_in(8) {
        query.push(chance.pick(&query).clone());
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let body = match &operation.body {
        Some(schema) => body(document, schema, known, chance),
        None if chance.once_in(16) => chance.pick(HOSTILE).to_string(),
        None => String::new(),
    };
    if let Some(schema) = &operation.body {
        is_sound &= fits(document, schema, &body);
        let odd = chance.once_in(16);
        let kind = if odd {
            "text/plain"
        } else {
            "application/json"
        };
        is_sound &= !odd;
        headers.push(("Content-Type", kind.into()));
    }
    Request {
        method: operation.method.clone(),
        path,
        headers,
        body,
        is_sound,
    }
}

/// What is the edge of something somewhere, or looks like something else.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "0",
    "1",
    "-1",
    "1.5",
    "+1",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "NaN",
    "true",
    "null",
    "[]",
    "{}",
    "last",
    "..",
    "../../../../etc/passwd",
    "/etc/passwd",
    "%2e%2e%2f",
    "--now",
    "--yes",
    "$(touch done)",
    "; touch done",
    "' OR 1=1 --",
    "%",
    "_",
    "<script>alert(1)</script>",
    "\u{0}",
    "a\r\nX-Odd: 1",
    "\u{202e}\u{200d}\u{feff}",
    "\u{1b}[2J",
    "9999-12-31T23:59:59Z",
    "-9999-01-01",
    "0000-00-00T00:00",
];

/// A value for this name, and whether it is one that could be meant.
fn value(
    document: &Described,
    name: &str,
    schema: &Value,
    known: &Known,
    chance: &mut Chance,
) -> (String, bool) {
    match chance.below(8) {
        0 => ("x".repeat(*chance.pick(&[255, 4_096, 9_000])), false),
        1 | 2 => ((*chance.pick(HOSTILE)).to_owned(), false),
        _ => {
            let there = known.iter().find(|(of, _)| *of == name);
            match (there, words(document, schema)) {
                (Some((_, all)), _) => (chance.pick(all).clone(), true),
                (None, words) if !words.is_empty() => (chance.pick(&words).clone(), true),
                (None, _) => (chance.below(20).to_string(), true),
            }
        }
    }
}

/// The words that a schema lists.
fn words(document: &Described, schema: &Value) -> Vec<String> {
    let listed = document.resolved(schema)["enum"].as_array();
    let words = listed.into_iter().flatten().filter_map(Value::as_str);
    words.map(ToOwned::to_owned).collect()
}

/// A body: one that fits, with one thing or another done to it.
fn body(document: &Described, schema: &Value, known: &Known, chance: &mut Chance) -> String {
    if chance.once_in(8) {
        let deep = "[".repeat(*chance.pick(&[100, 10_000]));
        let long = format!("\"{}\"", "x".repeat(*chance.pick(&[60_000, 70_000])));
        let odd = [
            "",
            "{",
            "{}",
            "[]",
            "null",
            "1e999",
            "\u{feff}{}",
            &deep,
            &long,
        ];
        return (*chance.pick(&odd)).to_owned();
    }
    let mut fields = Vec::new();
    let properties = document.resolved(schema)["properties"].as_object();
    for (name, of) in properties.into_iter().flatten() {
        if !chance.once_in(8) {
            let field = field(document, name, of, known, chance);
            fields.push(format!("{}: {field}", Value::from(name.as_str())));
        }
    }
    if chance.once_in(8) {
        let odd = Value::from(*chance.pick(HOSTILE));
        fields.push(format!("{odd}: {odd}"));
    }
    if !fields.is_empty() && chance.once_in(8) {
        fields.push(chance.pick(&fields).clone());
    }
    format!("{{{}}}", fields.join(", "))
}

fn field(
    document: &Described,
    name: &str,
    schema: &Value,
    known: &Known,
    chance: &mut Chance,
) -> String {
    let is_bool = document.resolved(schema)["type"] == "boolean";
    match chance.below(8) {
        0 => (*chance.pick(&["null", "0", "-1", "1e999", "[]", "{}", "[\"x\"]"])).to_owned(),
        _ if is_bool => (*chance.pick(&["true", "false"])).to_owned(),
        _ => {
            let (value, _) = value(document, name, schema, known, chance);
            Value::from(value).to_string()
        }
    }
}

/// Whether it says what the schema wants, and all of it once.
fn fits(document: &Described, schema: &Value, body: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return false;
    };
    let names = value.as_object().map_or(0, serde_json::Map::len);
    document.validator(schema).is_valid(&value) && body.matches("\": ").count() == names
}

/// A part of a path; sometimes one that is no text.
fn segment(value: &str, chance: &mut Chance) -> String {
    match chance.below(32) {
        0 => "%ff".into(),
        1 => "%c3%28".into(),
        2 => "%".into(),
        3 => "%zz".into(),
        _ => encoded(value),
    }
}

fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let one = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    value.bytes().map(one).collect()
}
