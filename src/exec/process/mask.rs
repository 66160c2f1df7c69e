//! Takes secrets out of bytes, however the bytes come in pieces.
//!
//! Every byte that belongs to an occurrence of a secret, in any of the
//! [forms](forms) in which one is usually written, is masked; a run of such
//! bytes becomes one `***`. Occurrences may overlap: with a search that goes on
//! behind each find, the rest of a second secret would stay.
//!
//! What encodes a secret in base64 or hexadecimal usually breaks it into lines
//! as well, so those forms are looked for in the stream without its line breaks.
//!
//! What could yet turn out to be the beginning of a secret is held back until
//! it is known: not more than some times the longest form. So the result does
//! not depend on where the stream was cut into pieces.
//!
//! Nothing here does input or output, or knows where bytes come from.

mod forms;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use forms::Forms;

/// What stands in a secret's place.
pub const MASK: &[u8] = b"***";

/// Above so many bytes of patterns, a table with a row for each byte of them is too large.
const MOST_FOR_TABLE: usize = 16 * 1024;

/// So many line breaks in a row are one break between lines (`\r\n`). More are
/// not looked through, since what is held back must be bounded.
const MOST_BREAKS: usize = 2;

/// All that is to be taken out, ready to be looked for.
pub struct Masker {
    texts: Patterns,
    codes: Patterns,
}

/// What is looked for in one pass.
struct Patterns {
    /// Sorted, each once.
    list: Vec<Vec<u8>>,
    finder: AhoCorasick,
    longest: usize,
}

/// A range of bytes.
type Run = (usize, usize);

impl Masker {
    /// `None` where there is nothing to look for, since all of it is
    /// [too short](crate::plan::SHORTEST_SECRET).
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Option<Masker> {
        let Forms { texts, codes } = Forms::of_all(secrets);
        Some(Masker {
            texts: Patterns::new(texts)?,
            codes: Patterns::new(codes)?,
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
}

impl Patterns {
    fn new(list: Vec<Vec<u8>>) -> Option<Patterns> {
        // First of all: most runs have no secrets, and to build a finder of nothing
        // is a good part of what a slot costs.
        let longest = list.iter().map(Vec::len).max()?;
        let bytes: usize = list.iter().map(Vec::len).sum();
        let kind = (bytes > MOST_FOR_TABLE).then_some(AhoCorasickKind::ContiguousNFA);
        // Only patterns of gigabytes do not fit, and the longest secret has kilobytes.
        let finder = AhoCorasick::builder().kind(kind).build(&list).ok()?;
        Some(Patterns {
            list,
            finder,
            longest,
        })
    }

    /// How many bytes at the end may be the beginning of a pattern.
    fn pending(&self, bytes: &[u8]) -> usize {
        let most = bytes.len().min(self.longest - 1);
        let begins = |len: &usize| self.begins(&bytes[bytes.len() - len..]);
        (1..=most).rev().find(begins).unwrap_or(0)
    }

    /// Whether a pattern begins with these bytes, and goes on.
    fn begins(&self, bytes: &[u8]) -> bool {
        let at = self.list.partition_point(|p| **p < *bytes);
        let mut near = self.list[at..].iter().take(2);
        near.any(|p| p.len() > bytes.len() && p.starts_with(bytes))
    }

    /// The bytes that belong to an occurrence, as ranges of where they really are.
    fn runs(&self, bytes: &[u8], place: impl Fn(Run) -> Run) -> Vec<Run> {
        let mut runs = Vec::new();
        for found in self.finder.find_overlapping_iter(bytes) {
            add(&mut runs, place((found.start(), found.end())));
        }
        runs
    }
}

/// Adds a range that does not end before any other, and joins those that touch.
fn add(runs: &mut Vec<Run>, (mut start, mut end): Run) {
    while let Some(before) = runs.pop_if(|before| before.1 >= start) {
        start = start.min(before.0);
        end = end.max(before.1);
    }
    runs.push((start, end));
}

/// Bytes without the breaks between their lines, and where each of them was.
struct Unbroken {
    bytes: Vec<u8>,
    at: Vec<usize>,
}

impl Unbroken {
    fn new(bytes: &[u8]) -> Unbroken {
        let mut unbroken = Unbroken {
            bytes: Vec::with_capacity(bytes.len()),
            at: Vec::with_capacity(bytes.len()),
        };
        let mut breaks = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            breaks = if matches!(byte, b'\n' | b'\r') {
                breaks + 1
            } else {
                0
            };
            if breaks == 0 || breaks > MOST_BREAKS {
                unbroken.bytes.push(byte);
                unbroken.at.push(at);
            }
        }
        unbroken
    }

    /// Where these bytes were.
    fn broken(&self, (start, end): Run) -> Run {
        (self.at[start], self.at[end - 1] + 1)
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
        self.pass_on(masker, false, out);
    }

    /// Appends the rest: nothing follows.
    pub fn finish(&mut self, masker: &Masker, out: &mut Vec<u8>) {
        self.pass_on(masker, true, out);
    }

    /// Passes on all bytes, or those before the first that may belong to an
    /// occurrence that is not whole yet.
    fn pass_on(&mut self, masker: &Masker, all: bool, out: &mut Vec<u8>) {
        let unbroken = Unbroken::new(&self.held);
        let sure = match all {
            true => self.held.len(),
            false => self.sure(masker, &unbroken),
        };
        if sure == 0 {
            return;
        }
        let mut at = 0;
        let mut covered = 0;
        for (start, end) in self.runs(masker, &unbroken) {
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

    /// How many bytes are before all that may be the beginning of an occurrence.
    fn sure(&self, masker: &Masker, unbroken: &Unbroken) -> usize {
        let text = self.held.len() - masker.texts.pending(&self.held);
        let code = unbroken.bytes.len() - masker.codes.pending(&unbroken.bytes);
        let code = unbroken.at.get(code).copied();
        text.min(code.unwrap_or(self.held.len()))
    }

    /// The bytes that belong to an occurrence, as ranges that do not touch, in order.
    fn runs(&self, masker: &Masker, unbroken: &Unbroken) -> Vec<Run> {
        let mut all = masker.texts.runs(&self.held, |run| run);
        all.extend(
            masker
                .codes
                .runs(&unbroken.bytes, |run| unbroken.broken(run)),
        );
        all.extend((self.covered > 0).then_some((0, self.covered)));
        all.sort_unstable_by_key(|run| run.1);
        let mut runs = Vec::with_capacity(all.len());
        for run in all {
            add(&mut runs, run);
        }
        runs
    }

    fn plain(&mut self, from: usize, to: usize, out: &mut Vec<u8>) {
        if from < to {
            out.extend_from_slice(&self.held[from..to]);
            self.in_run = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_pieces(masker: &Masker, pieces: &[&[u8]]) -> (Vec<u8>, u64) {
        let (mut masking, mut out) = (Masking::default(), Vec::new());
        for piece in pieces {
            masking.push(masker, piece, &mut out);
            let longest = masker.texts.longest.max(masker.codes.longest);
            let most = longest * (1 + MOST_BREAKS);
            assert!(masking.held.len() < most, "the hold is bounded");
        }
        masking.finish(masker, &mut out);
        (out, masking.masked)
    }

    /// The length of a pattern's occurrence here, if it occurs.
    fn occurs(bytes: &[u8], pattern: &[u8], breaks: usize) -> Option<usize> {
        let (mut at, mut broken) = (0, 0);
        for wanted in pattern {
            while at > 0 && broken < breaks && matches!(bytes.get(at), Some(b'\n' | b'\r')) {
                (at, broken) = (at + 1, broken + 1);
            }
            if bytes.get(at) != Some(wanted) {
                return None;
            }
            (at, broken) = (at + 1, 0);
        }
        Some(at)
    }

    /// What masking means, with no thought for cost.
    fn naively(masker: &Masker, bytes: &[u8]) -> (Vec<u8>, u64) {
        let mut covered = vec![false; bytes.len()];
        for (patterns, breaks) in [(&masker.texts, 0), (&masker.codes, MOST_BREAKS)] {
            for pattern in &patterns.list {
                for at in 0..bytes.len() {
                    let len = occurs(&bytes[at..], pattern, breaks).unwrap_or(0);
                    covered[at..at + len].fill(true);
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

    /// XH01: as base64(1) and xxd(1) do it.
    #[test]
    fn xh01_what_is_encoded_and_broken_into_lines_is_found() {
        let secret = "hunter2-x7Qz9:hunter3-x7Qz9:hunter4-x7Qz9:hunter5-x7Qz9:hunter6-x7Qz9";
        let base64 = "aHVudGVyMi14N1F6OTpodW50ZXIzLXg3UXo5Omh1bnRlcjQteDdRejk6aHVudGVyNS14N1F6OTpo\n\
                      dW50ZXI2LXg3UXo5\n";
        assert_eq!(masked(secret, base64), "***\n");
        assert_eq!(masked(secret, &base64.replace('\n', "\r\n")), "***\r\n");
        let hex = "68756e746572322d7837517a393a68756e746572332d7837517a393a6875\n\
                   6e746572342d7837517a393a68756e746572352d7837517a393a68756e74\n\
                   6572362d7837517a39\n";
        assert_eq!(masked(secret, hex), "***\n");
        let far = base64.replace('\n', "\n\n\n");
        assert_eq!(masked(secret, &far), far);
        // And nothing is held back for ever.
        let masker = Masker::new([secret]).expect("it is long enough");
        let (mut masking, mut out) = (Masking::default(), Vec::new());
        masking.push(
            &masker,
            format!("aH{}", "\n".repeat(9)).as_bytes(),
            &mut out,
        );
        assert_eq!((out.len(), masking.held.len()), (11, 0));
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
                prop_oneof![
                    (0..80usize, 0..40usize, 0..4usize).prop_map(Ok),
                    "[ab/ \"2Y\n]{0,6}".prop_map(Err)
                ],
                0..12,
            ),
            cuts in prop::collection::vec(0..200usize, 0..12),
        ) {
            let masker = Masker::new(secrets.iter().map(String::as_str)).expect("long enough");
            let mut text = Vec::new();
            for word in words {
                match word {
                    Ok((n, at, breaks)) => {
                        let all = [&*masker.texts.list, &*masker.codes.list].concat();
                        let mut form = all[n % all.len()].clone();
                        let at = at.min(form.len());
                        form.splice(at..at, vec![b'\n'; breaks]);
                        text.extend(form);
                    }
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
