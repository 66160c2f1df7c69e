//! The inside of JSON's strings: where a run of plain text ends, and what an
//! escape stands for.
//!
//! Strings are checked once, when the document is read, and decoded whenever
//! somebody asks for their value; both follow this one reading of an escape.

/// The first position from `pos` on that is a quote, a backslash or a control
/// character. Eight bytes at a time: strings are most of a plan.
pub(super) fn plain_run(bytes: &[u8], mut pos: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    // The lowest set top bit is exact, which is all that is used: a borrow can
    // only spoil bytes above one that matched.
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    while let Some(chunk) = bytes.get(pos..pos + 8) {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        let word = u64::from_le_bytes(eight);
        let quote = zero_bytes(word ^ (ONES * u64::from(b'"')));
        let backslash = zero_bytes(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
        let found = quote | backslash | control;
        if found != 0 {
            return pos + found.trailing_zeros() as usize / 8;
        }
        pos += 8;
    }
    let special = |b: &u8| matches!(b, b'"' | b'\\' | 0..=0x1f);
    let rest = &bytes[pos..];
    pos + rest.iter().position(special).unwrap_or(rest.len())
}

/// An escape, or what should be one.
pub(super) struct Escape {
    /// So many bytes of the text it takes.
    pub len: usize,
    pub fault: Result<(), &'static str>,
}

/// Looks at the escape whose backslash is at `pos`.
pub(super) fn check_escape(bytes: &[u8], pos: usize) -> Escape {
    let ok = |len| Escape { len, fault: Ok(()) };
    let bad = |len, message| Escape {
        len,
        fault: Err(message),
    };
    match bytes.get(pos + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => ok(2),
        Some(b'u') => match hex4(bytes, pos + 2) {
            None => bad(2, "\\u without four hexadecimal digits"),
            Some(0xd800..=0xdbff) => match (bytes.get(pos + 6..pos + 8), hex4(bytes, pos + 8)) {
                (Some(b"\\u"), Some(0xdc00..=0xdfff)) => ok(12),
                _ => bad(6, "half of a surrogate pair: it stands for no character"),
            },
            Some(0xdc00..=0xdfff) => bad(6, "half of a surrogate pair: it stands for no character"),
            Some(_) => ok(6),
        },
        Some(b'\n' | b'\r') | None => bad(1, "a backslash at the end of the line"),
        Some(_) => bad(
            1,
            "a backslash before a character that needs none; write two for one that is meant",
        ),
    }
}

fn hex4(bytes: &[u8], pos: usize) -> Option<u32> {
    let digits = bytes.get(pos..pos + 4)?;
    digits.iter().try_fold(0, |number, digit| {
        Some(number * 16 + (*digit as char).to_digit(16)?)
    })
}

/// Replaces the escapes of JSON. What is no escape stays as it is, for it has
/// been reported.
pub(super) fn unescape(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut text = String::with_capacity(raw.len());
    let mut pos = 0;
    while let Some(skip) = raw[pos..].find('\\') {
        text.push_str(&raw[pos..pos + skip]);
        pos += skip;
        let escape = check_escape(bytes, pos);
        text.push(match bytes.get(pos + 1) {
            _ if escape.fault.is_err() => char::REPLACEMENT_CHARACTER,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => code_point(bytes, pos),
            Some(other) => *other as char,
            None => '\\',
        });
        pos += escape.len;
    }
    text.push_str(&raw[pos..]);
    text
}

fn code_point(bytes: &[u8], pos: usize) -> char {
    let code = match (hex4(bytes, pos + 2), hex4(bytes, pos + 8)) {
        (Some(high @ 0xd800..=0xdbff), Some(low)) => {
            0x10000 + ((high - 0xd800) << 10) + (low & 0x3ff)
        }
        (Some(code), _) => code,
        (None, _) => return char::REPLACEMENT_CHARACTER,
    };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_run_ends_at_the_first_special_byte(
            bytes in prop::collection::vec(any::<u8>(), 0..40), from in 0..40usize
        ) {
            let from = from.min(bytes.len());
            let special = |b: &u8| matches!(b, b'"' | b'\\' | 0..=0x1f);
            let expected = bytes[from..].iter().position(special);
            let expected = expected.map_or(bytes.len(), |n| from + n);
            prop_assert_eq!(plain_run(&bytes, from), expected);
        }

        #[test]
        fn escapes_are_undone(text in any::<String>()) {
            let written = serde_json::Value::from(text.as_str()).to_string();
            prop_assert_eq!(unescape(&written[1..written.len() - 1]), text);
        }
    }

    #[test]
    fn what_is_no_escape_stands_for_no_character() {
        assert_eq!(unescape("a\\qb"), "a\u{fffd}qb");
        assert_eq!(unescape("\\ud800x"), "\u{fffd}x");
        assert_eq!(unescape("\\ud83d\\ude00"), "😀");
    }
}
