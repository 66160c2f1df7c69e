//! In which forms a secret may turn up: as it is, and as programs usually
//! write it when they write it differently.
//!
//! Plain, each line of it where it has several, percent-encoded, in base64 at
//! any offset and of either alphabet, in hexadecimal, as a JSON string, and
//! quoted for a shell as `set -x` does. What a program does beyond that
//! (compress it, encrypt it, turn it around, cut it short) is not recognised.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::plan::{LONGEST_SECRET, SHORTEST_SECRET};

/// A line of a secret is only looked for by itself if it is longer than what
/// stands on many lines of anything.
const SHORTEST_LINE: usize = 8;

/// Every form of every secret, sorted, each once.
#[derive(Default)]
pub struct Forms {
    /// Looked for as they are.
    pub texts: Vec<Vec<u8>>,
    /// Encodings that are usually broken into lines.
    pub codes: Vec<Vec<u8>>,
}

impl Forms {
    pub fn of_all<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Forms {
        let (mut texts, mut codes) = (BTreeSet::new(), BTreeSet::new());
        for secret in secrets {
            if (SHORTEST_SECRET..=LONGEST_SECRET).contains(&secret.len()) {
                texts_of(secret, &mut texts);
                codes_of(secret.as_bytes(), &mut codes);
            }
        }
        let bytes = |forms: BTreeSet<String>| {
            let long_enough = forms.into_iter().filter(|f| f.len() >= SHORTEST_SECRET);
            long_enough.map(String::into_bytes).collect()
        };
        Forms {
            texts: bytes(texts),
            codes: bytes(codes),
        }
    }
}

fn texts_of(secret: &str, all: &mut BTreeSet<String>) {
    all.insert(secret.to_owned());
    let lines = secret.lines().map(str::trim);
    let lines = lines.filter(|line| line.len() >= SHORTEST_LINE);
    all.extend(lines.map(str::to_owned));
    for hex in [Hex::Lower, Hex::Upper] {
        for url in [
            Url::Component,
            Url::Path,
            Url::Script,
            Url::Whole,
            Url::Form,
        ] {
            all.insert(percent(secret.as_bytes(), url, hex));
        }
    }
    for json in [Json::Least, Json::Ascii, Json::Html, Json::Slash] {
        all.insert(escaped(secret, json));
    }
    all.insert(secret.replace('\\', r"\\").replace('\n', r"\n"));
    all.insert(secret.replace('\'', r"'\''"));
    all.insert(secret.replace('\'', r#"'"'"'"#));
}

fn codes_of(secret: &[u8], all: &mut BTreeSet<String>) {
    for hex in [Hex::Lower, Hex::Upper] {
        all.insert(secret.iter().fold(String::new(), |s, b| hex.push(s, *b)));
    }
    for alphabet in [STANDARD, URL_SAFE] {
        for offset in 0..3 {
            all.extend(base64(secret, offset, alphabet));
        }
    }
}

#[derive(Clone, Copy)]
enum Hex {
    Lower,
    Upper,
}

impl Hex {
    fn push(self, mut text: String, byte: u8) -> String {
        // Writing to a string cannot fail.
        let _ = match self {
            Hex::Lower => write!(text, "{byte:02x}"),
            Hex::Upper => write!(text, "{byte:02X}"),
        };
        text
    }
}

/// Who encodes for an address, and so what is left as it is.
#[derive(Clone, Copy)]
enum Url {
    /// RFC 3986: letters, digits, `-._~`.
    Component,
    /// The same and `/`, as Python's `quote`.
    Path,
    /// JavaScript's `encodeURIComponent`.
    Script,
    /// JavaScript's `encodeURI`.
    Whole,
    /// HTML forms, where a space is a `+`.
    Form,
}

fn percent(bytes: &[u8], url: Url, hex: Hex) -> String {
    let others: &[u8] = match url {
        Url::Component => b"-._~",
        Url::Path => b"-._~/",
        Url::Script => b"-_.!~*'()",
        Url::Whole => b"-_.!~*'();/?:@&=+$,#",
        Url::Form => b"-_.*",
    };
    bytes.iter().fold(String::new(), |mut text, &byte| {
        match byte {
            b' ' if matches!(url, Url::Form) => text.push('+'),
            _ if byte.is_ascii_alphanumeric() || others.contains(&byte) => text.push(byte.into()),
            _ => {
                text.push('%');
                text = hex.push(text, byte);
            }
        }
        text
    })
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What of an encoding of a longer text depends on the secret alone, where the
/// secret begins `offset` bytes (modulo three) after the text does. Once where
/// more follows, and once where the secret is the end of it.
fn base64(secret: &[u8], offset: usize, alphabet: &[u8; 64]) -> [String; 2] {
    let bit = |n: usize| -> usize {
        let byte = (n / 8).checked_sub(offset).and_then(|at| secret.get(at));
        byte.map_or(0, |byte| usize::from(byte >> (7 - n % 8) & 1))
    };
    let digit = |n: usize| {
        let index = (0..6).fold(0, |index, i| index << 1 | bit(6 * n + i));
        char::from(alphabet[index])
    };
    let (begin, end) = (8 * offset, 8 * (offset + secret.len()));
    let digits = |last: usize| (begin.div_ceil(6)..last).map(digit).collect();
    [digits(end / 6), digits(end.div_ceil(6))]
}

/// Who writes a JSON string, and so what is escaped beyond what must be.
#[derive(Clone, Copy)]
enum Json {
    Least,
    /// Nothing but ASCII is left, as Python does it.
    Ascii,
    /// `<`, `>` and `&`, as Go does it.
    Html,
    /// `/`, as PHP does it.
    Slash,
}

/// The inside of the string.
fn escaped(secret: &str, json: Json) -> String {
    let mut text = String::new();
    for c in secret.chars() {
        match (c, json) {
            ('"' | '\\', _) => text.extend(['\\', c]),
            ('\n', _) => text.push_str(r"\n"),
            ('\r', _) => text.push_str(r"\r"),
            ('\t', _) => text.push_str(r"\t"),
            ('\u{8}', _) => text.push_str(r"\b"),
            ('\u{c}', _) => text.push_str(r"\f"),
            ('/', Json::Slash) => text.push_str(r"\/"),
            ('<' | '>' | '&', Json::Html) => unicode(c, &mut text),
            ('\u{7f}'.., Json::Ascii) | (..' ', _) => unicode(c, &mut text),
            _ => text.push(c),
        }
    }
    text
}

fn unicode(c: char, text: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(secret: &str) -> Vec<String> {
        let Forms { texts, codes } = Forms::of_all([secret]);
        texts
            .into_iter()
            .chain(codes)
            .map(|form| String::from_utf8(form).expect("forms are texts"))
            .collect()
    }

    fn has(secret: &str, written: &str) {
        let forms = forms(secret);
        assert!(
            forms.iter().any(|form| form == written),
            "{written} of {secret}: {forms:?}"
        );
    }

    /// XH01: as Python, JavaScript, Go, PHP, base64(1), xxd and sh write them.
    #[test]
    fn xh01_the_usual_forms_are_known() {
        let secret = "p/w: \"ü&\"'s";
        has(secret, secret);
        has(secret, "p/w%3A%20%22%C3%BC%26%22%27s");
        has(secret, "p%2Fw%3A%20%22%C3%BC%26%22%27s");
        has(secret, "p%2fw%3a%20%22%c3%bc%26%22%27s");
        has(secret, "p%2Fw%3A+%22%C3%BC%26%22%27s");
        has(secret, "p%2Fw%3A%20%22%C3%BC%26%22's");
        has(secret, "p/w:%20%22%C3%BC&%22's");
        has(secret, "cC93OiAiw7wmIidz");
        has(secret, "702f773a2022c3bc26222773");
        has(secret, "702F773A2022C3BC26222773");
        has(secret, r#"p/w: \"ü&\"'s"#);
        has(secret, r#"p/w: \"\u00fc&\"'s"#);
        has(secret, r#"p/w: \"ü\u0026\"'s"#);
        has(secret, r#"p\/w: \"ü&\"'s"#);
        has(secret, r#"p/w: "ü&"'\''s"#);
    }

    /// Of the string a program encodes, the secret may be the beginning, the
    /// middle or the end.
    #[test]
    fn base64_is_known_at_every_offset() {
        // printf %s S3cr3t!?> | base64, with a, ab and abc before it.
        has("S3cr3t!?>", "UzNjcjN0IT8+");
        has("S3cr3t!?>", "UzNjcjN0IT8-");
        has("S3cr3t!?>", "MzY3IzdCE/Pg");
        has("S3cr3t!?>", "MzY3IzdCE/P");
        has("S3cr3t!?>", "TM2NyM3QhPz");
        has("S3cr3t!?>", "TM2NyM3QhPz4");
    }

    #[test]
    fn each_line_of_a_key_is_looked_for_and_short_ones_are_not() {
        let key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nend\n-----END KEY-----\n";
        let forms = forms(key);
        assert!(forms.contains(&"MIIEpAIBAAKCAQEA".to_owned()));
        assert!(!forms.contains(&"end".to_owned()));
    }

    #[test]
    fn no_form_is_so_short_that_it_stands_everywhere() {
        for secret in ["abcd", "1234", "\n\n\n\n", "é\u{1f600}"] {
            assert!(
                forms(secret)
                    .iter()
                    .all(|form| form.len() >= SHORTEST_SECRET)
            );
        }
        assert_eq!(forms("abc"), Vec::<String>::new());
        assert_eq!(forms(&"x".repeat(LONGEST_SECRET + 1)), Vec::<String>::new());
    }
}
