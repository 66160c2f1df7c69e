//! Keeps the beginning and the end of a stream that is longer than it may be,
//! and says in between how much is missing.
//!
//! The beginning is passed on as it comes. The end is known only at the end,
//! so as much of the stream as it may have is remembered until then; that is
//! why it is never more than some hundred kilobytes, however much may be kept.
//!
//! Nothing here does input or output.

use std::collections::VecDeque;

/// The end of a stream is at most this long; where more may be kept, the
/// beginning is longer.
const LONGEST_END: u64 = 256 * 1024;

/// What is kept of one stream.
pub struct Cap {
    /// So much of the beginning may still be passed on.
    room: u64,
    /// The last byte that was passed on ended a line, or there was none.
    at_line_start: bool,
    end: VecDeque<u8>,
    most_end: usize,
    /// So many bytes are gone.
    pub dropped: u64,
}

impl Cap {
    /// At most `most` bytes are kept, a half of them from the end.
    pub fn new(most: u64) -> Cap {
        let end = (most / 2).min(LONGEST_END);
        Cap {
            room: most - end,
            at_line_start: true,
            end: VecDeque::new(),
            most_end: end as usize,
            dropped: 0,
        }
    }

    /// Takes the next piece; answers with the part that is kept for sure.
    pub fn push<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let kept = self.room.min(piece.len() as u64);
        self.room -= kept;
        let (kept, rest) = piece.split_at(kept as usize);
        if let Some(last) = kept.last() {
            self.at_line_start = *last == b'\n';
        }
        let rest = match rest.len().checked_sub(self.most_end) {
            None => rest,
            Some(too_much) => {
                self.dropped += (self.end.len() + too_much) as u64;
                self.end.clear();
                &rest[too_much..]
            }
        };
        let too_much = (self.end.len() + rest.len()).saturating_sub(self.most_end);
        self.dropped += too_much as u64;
        self.end.drain(..too_much);
        self.end.extend(rest);
        kept
    }

    /// What comes behind all that was passed on: the end of the stream, after a
    /// line about what is missing where something is.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut end = Vec::from(std::mem::take(&mut self.end));
        if self.dropped > 0 {
            let newline = if self.at_line_start { "" } else { "\n" };
            let bytes = self.dropped;
            let note =
                format!("{newline}[quintet: {bytes} bytes are left out here, by max_output]\n");
            end.splice(..0, note.into_bytes());
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(most: u64, pieces: &[&[u8]]) -> (String, u64) {
        let mut cap = Cap::new(most);
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(cap.push(piece));
            assert!(cap.end.len() <= cap.most_end, "memory is bounded");
        }
        out.extend(cap.finish());
        (
            String::from_utf8(out).expect("tests write ASCII"),
            cap.dropped,
        )
    }

    #[test]
    fn what_is_not_too_long_stays_as_it_is() {
        assert_eq!(kept(6, &[b"abc", b"def"]), ("abcdef".into(), 0));
        assert_eq!(kept(6, &[]), (String::new(), 0));
    }

    #[test]
    fn the_beginning_and_the_end_are_kept_and_the_gap_is_told() {
        let note = |n| format!("[quintet: {n} bytes are left out here, by max_output]\n");
        assert_eq!(kept(6, &[b"abcdefg"]), (format!("abc\n{}efg", note(1)), 1));
        assert_eq!(
            kept(5, &[b"ab", b"\n1", b"2345678", b"9"]),
            (format!("ab\n{}89", note(7)), 7)
        );
        assert_eq!(kept(1, &[b"abc"]), (format!("a\n{}", note(2)), 2));
        let long = vec![b'x'; 2 << 20];
        let mut cap = Cap::new(1 << 20);
        assert_eq!(cap.push(&long).len() as u64, (1 << 20) - LONGEST_END);
        assert_eq!((cap.end.len() as u64, cap.dropped), (LONGEST_END, 1 << 20));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in "[a-c\n]{0,60}",
            most in 1..40u64,
            cuts in prop::collection::vec(0..60usize, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([text.len()]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let pieces: Vec<&[u8]> = starts.zip(ends).map(|(a, b)| &text.as_bytes()[a..b]).collect();
            let whole = kept(most, &[text.as_bytes()]);
            prop_assert_eq!(&kept(most, &pieces), &whole);
            prop_assert_eq!(whole.1, (text.len() as u64).saturating_sub(most));
        }
    }
}
