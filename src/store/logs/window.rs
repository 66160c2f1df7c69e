//! A window on a log: some whole lines of it, wherever it is asked for.
//!
//! However long the log is, and however long its lines, the work for a window is
//! bounded. So a line's number is known only where it is not too far to count, and
//! elsewhere a line is told by the byte that it begins at.

use std::io;

use super::{Log, PIECE};

/// A window has so many bytes at most.
pub const MOST_BYTES: usize = 64 << 10;

/// And so many lines.
pub const MOST_LINES: usize = 500;

/// Lines are counted in so many bytes before a window at most.
pub const COUNTED: u64 = 64 << 20;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Where it begins.
    pub from: u64,
    pub bytes: Vec<u8>,
    /// The number of its first line, from 1, where that could be counted.
    pub first_line: Option<u64>,
    /// How long the log is.
    pub len: u64,
}

impl Window {
    /// Where it ends.
    pub fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }
}

impl Log {
    /// The window that begins with the line of this byte; with the last lines where
    /// it is at the end or beyond.
    ///
    /// # Errors
    /// The system's.
    pub fn window(&self, offset: u64) -> io::Result<Window> {
        if offset >= self.len {
            return self.last_window();
        }
        self.window_at(self.line_of(offset)?)
    }

    /// The window with the last lines.
    ///
    /// # Errors
    /// The system's.
    pub fn last_window(&self) -> io::Result<Window> {
        self.window_at(self.before(self.len)?)
    }

    /// Where the window before that place begins.
    ///
    /// # Errors
    /// The system's.
    pub fn before(&self, end: u64) -> io::Result<u64> {
        let begin = end.saturating_sub(MOST_BYTES as u64);
        let bytes = self.bytes(begin, (end - begin) as usize)?;
        // The newline at the very end closes the last line and begins none.
        let inner = bytes.len().saturating_sub(1);
        let mut starts = newlines(&bytes[..inner]).map(|at| at + 1);
        let first = match begin {
            0 => starts.nth_back(MOST_LINES - 1).unwrap_or(0),
            _ => {
                let all = newlines(&bytes[..inner]).count();
                // What the window begins within is a line that is not whole.
                starts.nth(all.saturating_sub(MOST_LINES)).unwrap_or(0)
            }
        };
        Ok(begin + first as u64)
    }

    /// Where the line with this byte begins, or as far before it as a window reaches.
    fn line_of(&self, offset: u64) -> io::Result<u64> {
        let begin = offset.saturating_sub(MOST_BYTES as u64 / 2);
        let bytes = self.bytes(begin, (offset - begin) as usize)?;
        Ok(match newlines(&bytes).next_back() {
            Some(at) => begin + at as u64 + 1,
            None if begin == 0 => 0,
            None => offset,
        })
    }

    fn window_at(&self, from: u64) -> io::Result<Window> {
        let mut bytes = self.bytes(from, MOST_BYTES)?;
        let end = match newlines(&bytes).nth(MOST_LINES - 1) {
            Some(at) => at + 1,
            None if from + bytes.len() as u64 >= self.len => bytes.len(),
            // A line that is longer than a window is shown in several.
            None => newlines(&bytes)
                .next_back()
                .map_or(bytes.len(), |at| at + 1),
        };
        bytes.truncate(end);
        Ok(Window {
            from,
            bytes,
            first_line: self.number(from)?,
            len: self.len,
        })
    }

    /// The number of the line at this byte, if it is not too far to count.
    fn number(&self, from: u64) -> io::Result<Option<u64>> {
        if from > COUNTED {
            return Ok(None);
        }
        let (mut buffer, mut at, mut lines) = (vec![0; PIECE.min(from as usize)], 0, 1);
        while at < from {
            let most = buffer.len().min((from - at) as usize);
            let got = self.read(at, &mut buffer[..most])?;
            if got == 0 {
                return Ok(None);
            }
            lines += buffer[..got].iter().filter(|byte| **byte == b'\n').count() as u64;
            at += got as u64;
        }
        Ok(Some(lines))
    }

    /// What is there, as far as it goes.
    fn bytes(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.len.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; most.min(left)];
        let got = self.read(from, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    }
}

fn newlines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = usize> {
    let all = bytes.iter().enumerate();
    all.filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn log(content: &[u8]) -> Log {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Log::so_far(file.path()).unwrap()
    }

    fn numbered(lines: usize) -> Vec<u8> {
        let lines = (1..=lines).map(|n| format!("line {n}\n"));
        lines.collect::<String>().into_bytes()
    }

    fn first(window: &Window) -> String {
        let text = String::from_utf8_lossy(&window.bytes).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn windows_follow_each_other_without_a_gap_and_count_their_lines() {
        let content = numbered(1_700);
        let log = log(&content);
        let (mut from, mut seen, mut line) = (0, Vec::new(), 1);
        while from < log.len {
            let window = log.window(from).unwrap();
            assert_eq!((window.from, window.first_line), (from, Some(line)));
            line += newlines(&window.bytes).count() as u64;
            seen.extend_from_slice(&window.bytes);
            from = window.end();
        }
        assert_eq!(seen, content);
        let last = log.last_window().unwrap();
        assert_eq!((first(&last), last.end()), ("line 1201".into(), log.len));
        let before = log.window(log.before(last.from).unwrap()).unwrap();
        assert_eq!(
            (first(&before), before.end()),
            ("line 701".into(), last.from)
        );
        assert_eq!(log.before(0).unwrap(), 0);
    }

    #[test]
    fn a_window_begins_with_the_whole_line_of_its_byte() {
        let log = log(b"one\ntwo\nthree");
        assert_eq!(first(&log.window(5).unwrap()), "two");
        assert_eq!(first(&log.window(4).unwrap()), "two");
        assert_eq!(first(&log.window(3).unwrap()), "one");
        assert_eq!(first(&log.window(99).unwrap()), "one");
        assert_eq!(log.window(9).unwrap().first_line, Some(3));
    }

    /// XC02.
    #[test]
    fn xc02_a_huge_log_is_seen_through_windows_and_its_lines_told_by_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let len: u64 = 1 << 30;
        file.as_file().write_all_at(b"end\n", len - 4).unwrap();
        let log = Log::so_far(file.path()).unwrap();
        let last = log.last_window().unwrap();
        assert_eq!((last.bytes.len(), last.first_line), (MOST_BYTES, None));
        let first = log.window(0).unwrap();
        assert_eq!((first.bytes.len(), first.first_line), (MOST_BYTES, Some(1)));
        let next = log.window(first.end()).unwrap();
        assert_eq!(next.from, first.end());
    }

    #[test]
    fn of_nothing_there_is_an_empty_window() {
        assert_eq!(log(b"").window(0).unwrap().bytes, b"");
    }
}
