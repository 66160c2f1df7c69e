//! Finding a text in a log, from a place on or back from it.
//!
//! Letters of ASCII are found whether they are large or small. One search looks at so
//! much at most, and says how far it came, so that it can go on from there.

use std::io;

use aho_corasick::AhoCorasick;

use super::Log;

/// So many bytes are searched at once at most.
pub const SEARCHED: u64 = 64 << 20;

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// A text longer than this is not looked for.
pub const LONGEST: usize = 256;

/// A text to look for.
pub struct Needle {
    text: String,
    searcher: AhoCorasick,
}

/// Where a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A match begins at this byte.
    At(u64),
    /// There is none as far as it was searched: to this byte, where there is more.
    NotUntil(u64),
    No,
}

impl Needle {
    /// Of a text that is neither empty nor too long.
    pub fn new(text: &str) -> Option<Needle> {
        if text.is_empty() || text.len() > LONGEST {
            return None;
        }
        let mut builder = AhoCorasick::builder();
        let searcher = builder.ascii_case_insensitive(true).build([text]).ok()?;
        Some(Needle {
            text: text.to_owned(),
            searcher,
        })
    }

    /// Where in a text it stands, from the beginning.
    pub fn matches<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
        self.searcher.find_iter(text).map(|found| found.range())
    }
}

impl Log {
    /// The first match that begins at this byte or after it.
    ///
    /// # Errors
    /// The system's.
    pub fn find(&self, needle: &Needle, from: u64) -> io::Result<Found> {
        let (mut at, mut buffer) = (from, vec![0; CHUNK + LONGEST]);
        while at < self.len {
            if at - from >= SEARCHED {
                return Ok(Found::NotUntil(at));
            }
            let got = self.read(at, &mut buffer)?;
            if let Some(found) = needle.searcher.find(&buffer[..got]) {
                return Ok(Found::At(at + found.start() as u64));
            }
            if got < buffer.len() {
                break;
            }
            // What stands across the border is found in the next chunk.
            at += CHUNK as u64;
        }
        Ok(Found::No)
    }

    /// The last match that begins before this byte.
    ///
    /// # Errors
    /// The system's.
    pub fn find_back(&self, needle: &Needle, before: u64) -> io::Result<Found> {
        let (mut end, mut buffer) = (before.min(self.len), vec![0; CHUNK + LONGEST]);
        while end > 0 {
            if before.min(self.len) - end >= SEARCHED {
                return Ok(Found::NotUntil(end));
            }
            let begin = end.saturating_sub(CHUNK as u64);
            let most = (end - begin) as usize + needle.text.len() - 1;
            let got = self.read(begin, &mut buffer[..most])?;
            if let Some(found) = needle.searcher.find_iter(&buffer[..got]).last() {
                return Ok(Found::At(begin + found.start() as u64));
            }
            end = begin;
        }
        Ok(Found::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn log(content: &[u8], at: u64) -> Log {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all_at(content, at).unwrap();
        Log::so_far(file.path()).unwrap()
    }

    #[test]
    fn matches_are_found_on_and_back_and_across_chunks() {
        let needle = Needle::new("Error").unwrap();
        let across = CHUNK as u64 - 2;
        let log = log(b"error", across);
        assert_eq!(log.find(&needle, 0).unwrap(), Found::At(across));
        assert_eq!(log.find(&needle, across).unwrap(), Found::At(across));
        assert_eq!(log.find(&needle, across + 1).unwrap(), Found::No);
        assert_eq!(log.find_back(&needle, log.len).unwrap(), Found::At(across));
        let just_after = log.find_back(&needle, across + 1).unwrap();
        assert_eq!(just_after, Found::At(across));
        assert_eq!(log.find_back(&needle, across).unwrap(), Found::No);
    }

    #[test]
    fn of_several_the_nearest_is_found() {
        let needle = Needle::new("aa").unwrap();
        let log = log(b"aa.AA.aa", 0);
        assert_eq!(log.find(&needle, 1).unwrap(), Found::At(3));
        assert_eq!(log.find_back(&needle, 6).unwrap(), Found::At(3));
        assert_eq!(needle.matches("xAaaa").count(), 2);
    }

    /// XC02.
    #[test]
    fn xc02_a_search_in_a_huge_log_says_how_far_it_came() {
        let needle = Needle::new("end").unwrap();
        let log = log(b"end", 200 << 20);
        let until = Found::NotUntil(SEARCHED);
        assert_eq!(log.find(&needle, 0).unwrap(), until);
        let mut at = 0;
        while let Found::NotUntil(until) = log.find(&needle, at).unwrap() {
            at = until;
        }
        assert_eq!(log.find(&needle, at).unwrap(), Found::At(200 << 20));
        let needle = Needle::new("none").unwrap();
        assert!(matches!(
            log.find_back(&needle, log.len).unwrap(),
            Found::NotUntil(_)
        ));
    }

    #[test]
    fn nothing_and_too_much_are_not_looked_for() {
        assert!(Needle::new("").is_none() && Needle::new(&"x".repeat(LONGEST + 1)).is_none());
    }
}
