//! A step's output, piece by piece: as it is, fit for a terminal, or as JSON.
//!
//! Output can be larger than memory and can hold anything, so no view of it
//! ever has more than a piece, and nothing is taken for text that is not.

use std::io::{self, Write};

use serde_json::json;

use super::escape::Printable;

/// What is shown of a piece.
pub enum Form {
    /// Byte for byte, for files and programs.
    Raw,
    /// Without what a terminal would act on.
    Terminal(Printable),
    /// An object on a line for each piece, from which every byte can be had.
    Json(Label),
}

/// Whose output it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub step_id: String,
    pub attempt: u32,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// Where the next piece begins.
    pub offset: u64,
}

impl Form {
    /// Writes the next piece.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn piece(&mut self, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        match self {
            Form::Raw => out.write_all(bytes),
            Form::Terminal(filter) => {
                let mut shown = Vec::with_capacity(bytes.len());
                filter.push(bytes, &mut shown);
                out.write_all(&shown)
            }
            Form::Json(label) => {
                let (kind, value) = match std::str::from_utf8(bytes) {
                    Ok(text) => ("text", text.to_owned()),
                    Err(_) => ("base64", base64(bytes)),
                };
                let line = json!({
                    "step_id": label.step_id,
                    "attempt": label.attempt,
                    "stream": label.stream,
                    "offset": label.offset,
                    kind: value,
                });
                label.offset += bytes.len() as u64;
                writeln!(out, "{line}")
            }
        }
    }

    /// Writes what may still be held back.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        if let Form::Terminal(filter) = self {
            let mut shown = Vec::new();
            filter.finish(&mut shown);
            out.write_all(&shown)?;
        }
        Ok(())
    }
}

/// How many bytes of a piece can be shown now: the beginning of a character at
/// its end waits for the rest, so that text stays text in JSON.
pub fn whole_characters(bytes: &[u8]) -> usize {
    let cut = |n: &usize| {
        let end = &bytes[bytes.len() - n..];
        matches!(std::str::from_utf8(end), Err(e) if e.valid_up_to() == 0 && e.error_len().is_none())
    };
    bytes.len() - (1..=bytes.len().min(3)).find(cut).unwrap_or(0)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n)) as usize & 63];
            text.push(if n <= three.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_usual() {
        let spelled: Vec<String> = ["", "f", "fo", "foo", "foob", "fooba", "foobar"]
            .map(|text| base64(text.as_bytes()))
            .into();
        assert_eq!(
            spelled,
            [
                "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"
            ]
        );
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    /// XC03.
    #[test]
    fn xc03_json_is_text_where_it_can_be_and_lossless_where_not() {
        let mut form = Form::Json(Label {
            step_id: "a".into(),
            attempt: 1,
            stream: "stdout",
            offset: 0,
        });
        let mut out = Vec::new();
        form.piece("grün\u{1b}".as_bytes(), &mut out).unwrap();
        form.piece(b"\xff\xfe\xfd", &mut out).unwrap();
        let lines: Vec<serde_json::Value> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["text"], "grün\u{1b}");
        assert_eq!(lines[1]["base64"], "//79");
        assert_eq!(lines[1]["offset"], 6);
    }

    #[test]
    fn a_character_is_not_cut_in_two() {
        let text = "aü".as_bytes();
        assert_eq!(whole_characters(text), 3);
        assert_eq!(whole_characters(&text[..2]), 1);
        assert_eq!(whole_characters(&text[1..2]), 0);
        assert_eq!(whole_characters(b"a\xff"), 2);
        assert_eq!(whole_characters(b""), 0);
    }
}
