//! Takes secrets out of bytes, however the bytes come in pieces.
//!
//! Every byte that belongs to an occurrence of a secret, in any of the
//! [forms](forms) in which one is usually written, is masked; a run of such
//! bytes becomes one `***`. Occurrences may overlap: with a search that goes on
//! behind each find, the rest of a second secret would stay.
//!
//! What could yet turn out to be the beginning of a secret is held back until
//! it is known: at most one byte less than the longest form. So the result does
//! not depend on where the stream was cut into pieces.
//!
//! Nothing here does input or output, or knows where bytes come from.

mod forms;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// What stands in a secret's place.
pub const MASK: &[u8] = b"***";

/// Above so many bytes of patterns, a table with a row for each byte of them is too large.
const MOST_FOR_TABLE: usize = 16 * 1024;

/// All that is to be taken out, ready to be looked for.
pub struct Masker {
    /// Sorted, each once.
    patterns: Vec<Vec<u8>>,
    finder: AhoCorasick,
    longest: usize,
}

impl Masker {
    /// `None` where there is nothing to look for, since all of it is
    /// [too short](crate::plan::SHORTEST_SECRET).
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Option<Masker> {
        let patterns = forms::of_all(secrets);
        let bytes: usize = patterns.iter().map(Vec::len).sum();
        let kind = (bytes > MOST_FOR_TABLE).then_some(AhoCorasickKind::ContiguousNFA);
        // Only patterns of gigabytes do not fit, and the longest secret has kilobytes.
        let finder = AhoCorasick::builder().kind(kind).build(&patterns).ok()?;
        let longest = patterns.iter().map(Vec::len).max()?;
        Some(Masker {
            patterns,
            finder,
            longest,
        })
    }

    /// A text without its secrets, and in how many places there were any.
    pub fn text(&self, text: &str) -> (String, u64) {
        let (mut masking, mut clean) = (Masking::default(), Vec::new());
        masking.push(self, text.as_bytes(), &mut clean);
        masking.finish(self, &mut clean);
        // Forms are texts, so what is left between them is text as well.
        let clean = String::from_utf8_lossy(&clean).into_owned();
        (clean, masking.masked)
    }

    /// How many bytes at the end may be the beginning of a pattern.
    fn pending(&self, bytes: &[u8]) -> usize {
        let most = bytes.len().min(self.longest - 1);
        let begins = |len: &usize| self.begins(&bytes[bytes.len() - len..]);
        (1..=most).rev().find(begins).unwrap_or(0)
    }

    /// Whether a pattern begins with these bytes, and goes on.
    fn begins(&self, bytes: &[u8]) -> bool {
        let at = self.patterns.partition_point(|p| **p < *bytes);
        let mut near = self.patterns[at..].iter().take(2);
        near.any(|p| p.len() > bytes.len() && p.starts_with(bytes))
    }
}

/// Where the masking of one stream stands.
#[derive(Default)]
pub struct Masking {
    /// Not passed on yet.
    held: Vec<u8>,
    /// So many bytes at its beginning belong to an occurrence that began before it.
    covered: usize,
    /// The last byte that was passed on was masked, so the run may go on.
    in_run: bool,
    /// In how many places something was masked so far.
    pub masked: u64,
}

impl Masking {
    /// Takes the next piece, and appends to `out` what is sure by now.
    pub fn push(&mut self, masker: &Masker, piece: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(piece);
        let sure = self.held.len() - masker.pending(&self.held);
        self.pass_on(masker, sure, out);
    }

    /// Appends the rest: nothing follows.
    pub fn finish(&mut self, masker: &Masker, out: &mut Vec<u8>) {
        self.pass_on(masker, self.held.len(), out);
    }

    /// Passes on the first `sure` bytes. Only bytes behind them can belong to an
    /// occurrence that is not whole yet.
    fn pass_on(&mut self, masker: &Masker, sure: usize, out: &mut Vec<u8>) {
        if sure == 0 {
            return;
        }
        let mut at = 0;
        let mut covered = 0;
        for (start, end) in runs(masker, &self.held, self.covered) {
            if start >= sure {
                break;
            }
            self.plain(at, start, out);
            if !std::mem::replace(&mut self.in_run, true) {
                out.extend_from_slice(MASK);
                self.masked += 1;
            }
            at = end.min(sure);
            covered = end.saturating_sub(sure);
        }
        self.plain(at, sure, out);
        self.covered = covered;
        self.held.drain(..sure);
    }

    fn plain(&mut self, from: usize, to: usize, out: &mut Vec<u8>) {
        if from < to {
            out.extend_from_slice(&self.held[from..to]);
            self.in_run = false;
        }
    }
}

/// The bytes that belong to an occurrence, as ranges that do not touch, in order.
fn runs(masker: &Masker, bytes: &[u8], covered: usize) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    runs.extend((covered > 0).then_some((0, covered)));
    // They come in the order of their ends, so each can only swallow the last ones.
    for found in masker.finder.find_overlapping_iter(bytes) {
        let (mut start, mut end) = (found.start(), found.end());
        while let Some(before) = runs.pop_if(|before| before.1 >= start) {
            start = start.min(before.0);
            end = end.max(before.1);
        }
        runs.push((start, end));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_pieces(masker: &Masker, pieces: &[&[u8]]) -> (Vec<u8>, u64) {
        let (mut masking, mut out) = (Masking::default(), Vec::new());
        for piece in pieces {
            masking.push(masker, piece, &mut out);
            assert!(masking.held.len() < masker.longest, "the hold is bounded");
        }
        masking.finish(masker, &mut out);
        (out, masking.masked)
    }

    /// What masking means, with no thought for cost.
    fn naively(masker: &Masker, bytes: &[u8]) -> (Vec<u8>, u64) {
        let mut covered = vec![false; bytes.len()];
        for pattern in &masker.patterns {
            for at in 0..bytes.len() {
                if bytes[at..].starts_with(pattern) {
                    covered[at..at + pattern.len()].fill(true);
                }
            }
        }
        let (mut out, mut masked) = (Vec::new(), 0);
        for (at, byte) in bytes.iter().enumerate() {
            match covered[at] {
                false => out.push(*byte),
                true if at > 0 && covered[at - 1] => {}
                true => {
                    out.extend_from_slice(MASK);
                    masked += 1;
                }
            }
        }
        (out, masked)
    }

    fn masked(secret: &str, text: &str) -> String {
        let masker = Masker::new([secret]).expect("it is long enough");
        masker.text(text).0
    }

    #[test]
    fn a_secret_that_is_split_anywhere_is_found() {
        let masker = Masker::new(["hunter2-x7Qz9"]).expect("it is long enough");
        let text = b"a hunter2-x7Qz9 b hunter2-x7Qz9hunter2-x7Qz9\nhunter2-x7Qz";
        for cut in 0..=text.len() {
            let (out, masked) = in_pieces(&masker, &[&text[..cut], &text[cut..]]);
            let expected = "a *** b ***\nhunter2-x7Qz";
            assert_eq!((&*String::from_utf8_lossy(&out), masked), (expected, 2));
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(in_pieces(&masker, &bytes).1, 2);
    }

    #[test]
    fn nothing_is_held_back_that_begins_no_secret() {
        let masker = Masker::new(["hunter2-x7Qz9"]).expect("it is long enough");
        let (mut masking, mut out) = (Masking::default(), Vec::new());
        masking.push(&masker, b"progress 10%\n", &mut out);
        assert_eq!(out, b"progress 10%\n");
    }

    #[test]
    fn of_occurrences_that_overlap_nothing_is_left() {
        let masker = Masker::new(["abcdef", "efghij"]).expect("they are long enough");
        assert_eq!(masker.text("-abcdefghij-"), ("-***-".to_owned(), 1));
        assert_eq!(masked("aaaa", "aaaaaaa b aaa"), "*** b aaa");
    }

    #[test]
    fn what_is_too_short_masks_nothing() {
        assert!(Masker::new(["", "abc"]).is_none());
        assert!(Masker::new([]).is_none());
    }

    /// A small alphabet, so that secrets overlap themselves and each other.
    fn secrets() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab/ \"]{4,9}", 1..3)
    }

    proptest! {
        #[test]
        fn any_pieces_give_what_the_whole_gives(
            secrets in secrets(),
            words in prop::collection::vec(
                prop_oneof![(0..40usize).prop_map(Ok), "[ab/ \"2Y]{0,6}".prop_map(Err)],
                0..12,
            ),
            cuts in prop::collection::vec(0..200usize, 0..12),
        ) {
            let masker = Masker::new(secrets.iter().map(String::as_str)).expect("long enough");
            let mut text = Vec::new();
            for word in words {
                match word {
                    Ok(n) => text.extend(&masker.patterns[n % masker.patterns.len()]),
                    Err(word) => text.extend(word.bytes()),
                }
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([text.len()]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let pieces: Vec<&[u8]> = starts.zip(ends).map(|(from, to)| &text[from..to]).collect();
            prop_assert_eq!(in_pieces(&masker, &pieces), naively(&masker, &text));
        }
    }
}
