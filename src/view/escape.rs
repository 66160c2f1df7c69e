//! Making text from elsewhere fit to be shown.
//!
//! A step's name, a program's last words and another machine's name are not
//! ours, and a terminal obeys what it is sent: an escape sequence in a name
//! can clear the screen, and a character that turns the writing direction can
//! make a line say the opposite. [`clean`] shows such characters in their
//! written form, on one line, and loses nothing. [`Printable`] is for whole
//! logs on a terminal: it keeps lines as they are and takes out what a
//! terminal would act on.
//!
//! Nothing here is for machines: a program's output that is not shown but
//! passed on is passed on byte for byte.

use std::fmt;

/// `text` on one line, with everything a terminal might act on written out:
/// `\n`, `\u{1b}`, `\u{202e}`.
pub fn clean(text: &str) -> Clean<'_> {
    Clean(text)
}

/// See [`clean`]. Width and alignment in a format string are respected.
#[derive(Clone, Copy)]
pub struct Clean<'a>(&'a str);

/// Appends `text` as [`clean`] shows it: for views of a hundred thousand lines,
/// of which formatting is most of the work.
pub fn push_clean(text: &str, to: &mut String) {
    if is_harmless(text) {
        return to.push_str(text);
    }
    for c in text.chars() {
        match is_hostile(c) {
            true => to.extend(c.escape_default()),
            false => to.push(c),
        }
    }
}

fn is_harmless(text: &str) -> bool {
    let printable = |byte| matches!(byte, b' '..=b'~');
    text.bytes().all(printable) || !text.contains(is_hostile)
}

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_harmless(self.0) {
            return f.pad(self.0);
        }
        let mut shown = String::with_capacity(self.0.len() + 16);
        push_clean(self.0, &mut shown);
        f.pad(&shown)
    }
}

/// Whether a terminal might do something else with `c` than show it: control
/// characters, C1 included; what begins a line elsewhere; what changes the
/// direction of writing.
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{061c}' | '\u{200e}' | '\u{200f}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text without colours, and without what a terminal or an editor would act
/// on; lines and tabs stay.
pub fn printable(text: &str) -> String {
    let stripped = anstream::adapter::strip_str(text).to_string();
    stripped.replace(|c: char| is_hostile(c) && c != '\n' && c != '\t', "")
}

/// The first `width` characters, the last of which is `…` if any are missing.
pub fn shortened(text: &str, width: usize) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(width) {
        None => text.into(),
        Some(_) if width == 0 => "".into(),
        Some(_) => {
            let end = text.char_indices().nth(width - 1).map_or(0, |(at, _)| at);
            format!("{}…", &text[..end]).into()
        }
    }
}

/// Takes out of a stream of bytes what a terminal would act on, and nothing else.
///
/// A colour sequence goes as a whole. Of anything else that begins with ESC
/// only the ESC goes and the rest is shown, so that an unfinished sequence
/// cannot swallow the text behind it. What is not UTF-8 becomes `\u{fffd}`.
#[derive(Debug, Default)]
pub struct Printable {
    /// The beginning of a character or of a colour sequence, cut off by the end of the chunk.
    rest: Vec<u8>,
}

/// A longer sequence is none.
const LONGEST_SEQUENCE: usize = 64;

impl Printable {
    /// Appends what is fit to be shown of the next chunk.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let joined;
        let bytes = if self.rest.is_empty() {
            chunk
        } else {
            joined = [&std::mem::take(&mut self.rest), chunk].concat();
            &joined
        };
        let whole = bytes.len() - unfinished(bytes);
        show(&bytes[..whole], out);
        self.rest.extend_from_slice(&bytes[whole..]);
    }

    /// Appends what the last chunk left.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        show(&std::mem::take(&mut self.rest), out);
    }
}

fn show(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for piece in pieces(chunk.valid()) {
            if let Piece::Text(text) = piece {
                out.extend_from_slice(text.as_bytes());
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// A piece of a text that a program meant for a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Fit to be shown; may have lines and tabs.
    Text(&'a str),
    /// `ESC [ parameters letter`, whole.
    Sequence(&'a str),
}

/// The text in pieces, without anything else that a terminal would act on.
pub fn pieces(mut text: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        loop {
            let hostile = text.find(|c| is_hostile(c) && c != '\n' && c != '\t');
            let (piece, rest) = match hostile {
                Some(0) => match colour_sequence(text.as_bytes()) {
                    Sequence::Whole(len) => {
                        let (sequence, rest) = text.split_at(len);
                        (Piece::Sequence(sequence), rest)
                    }
                    _ => {
                        let first = text.chars().next().map_or(1, char::len_utf8);
                        text = &text[first..];
                        continue;
                    }
                },
                _ if text.is_empty() => return None,
                hostile => {
                    let (shown, rest) = text.split_at(hostile.unwrap_or(text.len()));
                    (Piece::Text(shown), rest)
                }
            };
            text = rest;
            return Some(piece);
        }
    })
}

/// How many bytes at the end may be the beginning of something that the next
/// chunk goes on with.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(LONGEST_SEQUENCE)..];
    if let Some(at) = tail.iter().rposition(|byte| *byte == 0x1b)
        && colour_sequence(&tail[at..]) == Sequence::Cut
    {
        return tail.len() - at;
    }
    (1..=tail.len().min(3))
        .find(|n| is_cut_character(&tail[tail.len() - n..]))
        .unwrap_or(0)
}

/// Whether the bytes are the beginning of one character, and no whole one.
fn is_cut_character(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(e) if e.valid_up_to() == 0 && e.error_len().is_none())
}

#[derive(PartialEq, Eq)]
enum Sequence {
    /// It is one, of this many bytes.
    Whole(usize),
    /// It may become one.
    Cut,
    None,
}

/// `ESC [ parameters letter`, at the beginning of `bytes`.
fn colour_sequence(bytes: &[u8]) -> Sequence {
    if bytes.first() != Some(&0x1b) {
        return Sequence::None;
    }
    match bytes.get(1) {
        None => return Sequence::Cut,
        Some(b'[') => {}
        Some(_) => return Sequence::None,
    }
    for (at, byte) in bytes.iter().enumerate().take(LONGEST_SEQUENCE).skip(2) {
        match byte {
            0x20..=0x3f => {}
            0x40..=0x7e => return Sequence::Whole(at + 1),
            _ => return Sequence::None,
        }
    }
    match bytes.len() < LONGEST_SEQUENCE {
        true => Sequence::Cut,
        false => Sequence::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_are_written_out_on_one_line() {
        let hostile = "a\u{1b}[2Jb\nc\u{7}d\u{9b}e\u{202e}f\u{7f}";
        assert_eq!(
            clean(hostile).to_string(),
            r"a\u{1b}[2Jb\nc\u{7}d\u{9b}e\u{202e}f\u{7f}"
        );
        assert_eq!(clean("größe 名").to_string(), "größe 名");
        assert_eq!(format!("{:<5}|", clean("a\n")), r"a\n  |");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shortened("größe", 5), "größe");
        assert_eq!(shortened("größer", 5), "größ…");
        assert_eq!(shortened("x", 0), "");
    }

    fn printable(chunks: &[&[u8]]) -> String {
        let (mut filter, mut out) = (Printable::default(), Vec::new());
        for chunk in chunks {
            filter.push(chunk, &mut out);
        }
        filter.finish(&mut out);
        String::from_utf8(out).expect("what is fit to be shown is text")
    }

    /// XC03.
    #[test]
    fn xc03_a_terminal_gets_no_escape_bell_or_c1_and_every_line() {
        assert_eq!(printable(&[b"\x1b[31mred\x1b[0m\n\ttab\n"]), "red\n\ttab\n");
        assert_eq!(
            printable(&[b"a\x07b\x9bc\xc2\x9bd\xff\n"]),
            "ab\u{fffd}cd\u{fffd}\n"
        );
        assert_eq!(
            printable(&[b"\x1b]0;title that never ends\nnext\n"]),
            "]0;title that never ends\nnext\n"
        );
        assert_eq!(printable(&[b"end \x1b[3"]), "end [3");
    }

    #[test]
    fn where_the_chunks_are_cut_makes_no_difference() {
        let bytes = "x\u{1b}[1;31mrot grö\u{202e}ße 名\u{1b}[0m 😀\u{9b}2J\n".as_bytes();
        let whole = printable(&[bytes]);
        for cut in 0..=bytes.len() {
            assert_eq!(
                printable(&[&bytes[..cut], &bytes[cut..]]),
                whole,
                "cut at {cut}"
            );
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(printable(&single), whole);
    }
}
