//! Reading what steps have written: ranges of files in a run's directory.
//!
//! A log can be of any size, so no more than a piece of it is ever in memory,
//! and to find its last lines only its end is read.

pub mod search;
pub mod window;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path};

use super::files;
use crate::paths::StateDir;
use crate::plan::StepIx;
use crate::run::{LogRange, Output, RunState};

/// How much is read at once.
pub const PIECE: usize = 64 * 1024;

/// The last lines are looked for in so many bytes at most. A line may have
/// hundreds of megabytes, and nobody who asks for the end wants to see them.
pub const FAR: u64 = 1 << 20;

/// An open range of a file.
pub struct Log {
    file: File,
    start: u64,
    pub len: u64,
}

impl Log {
    /// Opens a range that an attempt's end names.
    ///
    /// # Errors
    /// The file is gone, is not a plain file of ours, or lies elsewhere.
    pub fn open(state: &StateDir, run_id: &str, range: &LogRange) -> io::Result<Log> {
        let name = Path::new(range.file.as_ref());
        let inside = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            let text = format!("{} leads out of the run's directory", name.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Log {
            file: open(&state.run(run_id).join(name))?,
            start: range.start,
            len: range.len,
        })
    }

    /// Opens what there is so far of a file that is still written to.
    ///
    /// # Errors
    /// As for [`open`](Log::open).
    pub fn so_far(path: &Path) -> io::Result<Log> {
        let file = open(path)?;
        let len = file.metadata()?.len();
        Ok(Log {
            file,
            start: 0,
            len,
        })
    }

    /// Reads what is at `offset`, as much as fits and is there.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(offset);
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        read_at(
            &self.file,
            self.start.saturating_add(offset),
            &mut buffer[..most],
        )
    }

    /// Where the last `lines` lines begin, and whether that is really so: `false`
    /// if they are longer than anybody wants to see.
    ///
    /// # Errors
    /// The system's.
    pub fn tail(&self, lines: usize) -> io::Result<(u64, bool)> {
        let stop = self.len.saturating_sub(FAR);
        let mut buffer = vec![0; PIECE];
        // The newline at the very end closes the last line and begins none.
        let mut wanted = lines.saturating_add(1);
        let mut end = self.len;
        if lines == 0 {
            return Ok((self.len, true));
        }
        if !self.ends_with_newline()? {
            wanted = lines;
        }
        while end > stop {
            let begin = end.saturating_sub(PIECE as u64).max(stop);
            let piece = &mut buffer[..(end - begin) as usize];
            let got = self.read(begin, piece)?;
            for (at, byte) in piece[..got].iter().enumerate().rev() {
                if *byte == b'\n' {
                    wanted -= 1;
                    if wanted == 0 {
                        return Ok((begin + at as u64 + 1, true));
                    }
                }
            }
            end = begin;
        }
        Ok((stop, stop == 0))
    }

    /// The last lines as text, none longer than a few hundred characters.
    ///
    /// # Errors
    /// The system's.
    pub fn last_lines(&self, lines: usize) -> io::Result<Vec<String>> {
        /// Of a longer line the beginning is enough to know it by.
        const LONGEST: usize = 500;
        let (from, _) = self.tail(lines)?;
        let mut bytes = vec![0; (self.len - from) as usize];
        let got = self.read(from, &mut bytes)?;
        let text = String::from_utf8_lossy(&bytes[..got]);
        let cut = |line: &str| line.chars().take(LONGEST).collect();
        Ok(text.lines().map(cut).collect())
    }

    fn ends_with_newline(&self) -> io::Result<bool> {
        let mut last = [0];
        let got = match self.len {
            0 => 0,
            len => self.read(len - 1, &mut last)?,
        };
        Ok(got == 1 && last == *b"\n")
    }
}

fn open(path: &Path) -> io::Result<File> {
    files::open_to_read(path).map_err(|error| io::Error::other(error.to_string()))
}

/// Fills the buffer as far as the file goes.
///
/// # Errors
/// The system's.
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// The last lines of what an attempt said: of stderr, and where these are too
/// few, of stdout before them. Empty where nothing was said or it is gone.
pub fn last_lines(state: &StateDir, run_id: &str, output: &Output, lines: usize) -> Vec<String> {
    let of = |range: &Option<LogRange>, lines| {
        let log = Log::open(state, run_id, range.as_ref()?).ok()?;
        log.last_lines(lines).ok()
    };
    let stderr = of(&output.stderr, lines).unwrap_or_default();
    let mut all = of(&output.stdout, lines - stderr.len()).unwrap_or_default();
    all.extend(stderr);
    all
}

/// The last lines of what a step's last attempt said: see [`last_lines`].
pub fn last_words(
    state: &StateDir,
    run_id: &str,
    run: &RunState,
    step: StepIx,
    lines: usize,
) -> Vec<String> {
    let last = run.step(step).last.end();
    last.map_or_else(Vec::new, |last| {
        last_lines(state, run_id, &last.output, lines)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::Home;

    fn log(content: &[u8]) -> (Home, LogRange) {
        let home = Home::new();
        // The range lies in the middle of a larger file.
        put(&home, "f", &[b"before\n", content, b"after\n"].concat());
        let range = LogRange {
            file: "f".into(),
            start: 7,
            len: content.len() as u64,
        };
        (home, range)
    }

    fn put(home: &Home, name: &str, content: &[u8]) {
        let dir = home.state.run("r");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name), content).unwrap();
    }

    fn tail_of(content: &[u8], lines: usize) -> (String, bool) {
        let (home, range) = log(content);
        let log = Log::open(&home.state, "r", &range).unwrap();
        let (from, exact) = log.tail(lines).unwrap();
        let mut buffer = vec![0; content.len() + 100];
        let got = log.read(from, &mut buffer).unwrap();
        (String::from_utf8_lossy(&buffer[..got]).into_owned(), exact)
    }

    #[test]
    fn the_last_lines_are_found_from_the_end() {
        let whole = |text: &str| (text.to_owned(), true);
        assert_eq!(tail_of(b"a\nb\nc\n", 2), whole("b\nc\n"));
        assert_eq!(tail_of(b"a\nb\nc", 2), whole("b\nc"));
        assert_eq!(tail_of(b"a\nb\n", 9), whole("a\nb\n"));
        assert_eq!(tail_of(b"a\n\n", 1), whole("\n"));
        assert_eq!(tail_of(b"a\nb\n", 0), whole(""));
        assert_eq!(tail_of(b"", 3), whole(""));
        let long = [vec![b'x'; 3 * PIECE], b"\nend\n".to_vec()].concat();
        assert_eq!(tail_of(&long, 1), whole("end\n"));
    }

    /// XC02.
    #[test]
    fn xc02_of_a_huge_line_only_its_end_is_read() {
        let home = Home::new();
        put(&home, "f", b"");
        let path = home.state.run("r").join("f");
        // Two hundred megabytes that take no room: a hole, and an end.
        let len: u64 = 200 << 20;
        let file = File::options().write(true).open(path).unwrap();
        file.write_all_at(b"end\n", len - 4).unwrap();
        let range = LogRange {
            file: "f".into(),
            start: 0,
            len,
        };
        let log = Log::open(&home.state, "r", &range).unwrap();
        assert_eq!(log.tail(1).unwrap(), (len - FAR, false));
        let lines = log.last_lines(20).unwrap();
        assert!(lines.len() == 1 && lines[0].chars().count() == 500);
    }

    /// XG08.
    #[test]
    fn xg08_no_range_leads_out_of_the_directory() {
        let (home, range) = log(b"x");
        for file in ["../f", "/etc/passwd", "a/../../f"] {
            let range = LogRange {
                file: file.into(),
                ..range.clone()
            };
            assert!(Log::open(&home.state, "r", &range).is_err(), "{file}");
        }
        let link = home.state.run("r").join("link");
        std::os::unix::fs::symlink("/etc/passwd", link).unwrap();
        let link = LogRange {
            file: "link".into(),
            ..range
        };
        assert!(Log::open(&home.state, "r", &link).is_err());
    }

    #[test]
    fn last_words_are_stderr_and_what_of_stdout_still_fits() {
        let home = Home::new();
        put(&home, "out", b"o1\no2\no3\n");
        put(&home, "err", b"e1\ne2\n");
        let range = |file: &str, len| {
            Some(LogRange {
                file: file.into(),
                start: 0,
                len,
            })
        };
        let output = Output {
            stdout: range("out", 9),
            stderr: range("err", 6),
            ..Output::default()
        };
        let words = |lines| last_lines(&home.state, "r", &output, lines);
        assert_eq!(words(3), ["o3", "e1", "e2"]);
        assert_eq!(words(1), ["e2"]);
        std::fs::remove_file(home.state.run("r").join("err")).unwrap();
        assert_eq!(words(9), ["o1", "o2", "o3"]);
    }
}
