//! `events.jsonl`: a run's events for people and other programs, a line each.
//!
//! The file follows the database and never leads it. It is not forced to the
//! disk, so a crash may leave it short, torn in the middle of a line, or with
//! zeros where the file system had not written yet. Each line is determined by
//! the event alone, so what the file should be can be told byte for byte, and
//! mending is: compare, cut, go on.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::paths::StateDir;
use crate::plan::Plan;

use super::{Ownership, Store, StoreError, files, range_lock, read};

/// What was wrong with a run's `events.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Bytes cut off at the end: a torn line, zeros, what the database has not.
    pub cut: u64,
    /// Events written anew from the database.
    pub written: u64,
    /// Lines, from 1, that do not say what the database says. A line that is
    /// only wrong within keeps its wrong text: it is evidence of a fault that
    /// no crash makes.
    pub damaged: Vec<u64>,
}

pub(super) fn path(state: &StateDir, run_id: &str) -> PathBuf {
    state.run(run_id).join("events.jsonl")
}

impl Store {
    /// Writes a run's events, a line each, as `events.jsonl` should hold them.
    ///
    /// # Errors
    /// The store cannot be read, or `out` not be written.
    pub fn export_jsonl(&self, run_id: &str, out: &mut dyn Write) -> Result<(), StoreError> {
        let plan = self.plan(run_id)?;
        let mut line = String::new();
        let key = self.key(run_id)?;
        read::rows(&self.conn, &self.state.database(), key, 0, |row| {
            line.clear();
            row.push_line(&plan, run_id, &mut line);
            out.write_all(line.as_bytes())
                .map_err(|e| StoreError::io(Path::new("the export"), &e))
        })
    }

    /// Makes a run's `events.jsonl` whole again. An engine does so itself when
    /// it takes a run over.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while an engine drives the run; else the file or
    /// the store cannot be used.
    pub fn repair_jsonl(&self, run_id: &str) -> Result<Repair, StoreError> {
        let key = self.key(run_id)?;
        let guard = self.state.run(run_id).join("owner");
        let file = files::open(&guard, true)?;
        if !range_lock::try_lock(&file, 0..1).map_err(|e| StoreError::io(&guard, &e))? {
            return Err(StoreError::Busy { path: guard });
        }
        self.mend(run_id, key)
    }

    /// The same for a run that this process owns already.
    ///
    /// # Errors
    /// The file or the store cannot be used.
    pub fn mend_own_jsonl(&self, owned: &Ownership) -> Result<Repair, StoreError> {
        self.mend(owned.run_id(), self.key(owned.run_id())?)
    }

    fn mend(&self, run_id: &str, key: i64) -> Result<Repair, StoreError> {
        let plan = self.plan(run_id)?;
        let path = path(&self.state, run_id);
        Jsonl::mended(
            &path,
            &plan,
            run_id,
            &self.conn,
            &self.state.database(),
            Some(key),
        )
        .map(|(_, repair)| repair)
    }
}

/// The open file of a run that we own, at its end.
pub(super) struct Jsonl {
    path: PathBuf,
    file: File,
}

impl Jsonl {
    /// Opens the file, makes it where there is none, and makes it hold exactly
    /// the events that the database has of the run.
    pub fn mended(
        path: &Path,
        plan: &Plan,
        run_id: &str,
        conn: &Connection,
        database: &Path,
        run: Option<i64>,
    ) -> Result<(Jsonl, Repair), StoreError> {
        let file = files::open(path, true)?;
        let mut repair = Repair::default();
        let mut check = Check::new(&file).map_err(|e| StoreError::io(path, &e))?;
        let mut line = String::new();
        if let Some(run) = run {
            read::rows(conn, database, run, 0, |row| {
                line.clear();
                row.push_line(plan, run_id, &mut line);
                check
                    .line(row.seq, line.as_bytes(), &mut repair)
                    .map_err(|e| StoreError::io(path, &e))
            })?;
        }
        check
            .finish(&mut repair)
            .map_err(|e| StoreError::io(path, &e))?;
        let path = path.to_path_buf();
        Ok((Jsonl { path, file }, repair))
    }

    /// One whose every write fails.
    #[cfg(test)]
    pub fn unwritable(path: &Path) -> Jsonl {
        Jsonl {
            path: path.into(),
            file: File::open(path).unwrap(),
        }
    }

    /// Appends whole lines.
    pub fn append(&mut self, lines: &str) -> Result<(), StoreError> {
        self.file
            .write_all(lines.as_bytes())
            .map_err(|e| StoreError::io(&self.path, &e))
    }
}

/// Walks along the file and along what it should be. First it reads; from
/// where the file ends or goes wrong for good, it writes.
struct Check<'a> {
    file: &'a File,
    reader: io::Take<BufReader<&'a File>>,
    /// Set once the rest is written anew.
    writer: Option<BufWriter<&'a File>>,
    /// How far the file is known to have every line's end in its place.
    offset: u64,
    /// How long it was found.
    len: u64,
    found: Vec<u8>,
}

impl<'a> Check<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(0))?;
        Ok(Check {
            file,
            reader: reader.take(without_zeros(file, len)?),
            writer: None,
            offset: 0,
            len,
            found: Vec::new(),
        })
    }

    /// The next line should be this one.
    fn line(&mut self, number: u64, expected: &[u8], repair: &mut Repair) -> io::Result<()> {
        if self.writer.is_none() {
            self.found.clear();
            (&mut self.reader)
                .take(expected.len() as u64)
                .read_to_end(&mut self.found)?;
            let whole = self.found.len() == expected.len();
            if whole && self.found != expected {
                repair.damaged.push(number);
            }
            if whole && self.found.last() == Some(&b'\n') {
                self.offset += expected.len() as u64;
                return Ok(());
            }
            self.cut(repair)?;
        }
        repair.written += 1;
        match &mut self.writer {
            Some(writer) => writer.write_all(expected),
            None => Ok(()),
        }
    }

    fn cut(&mut self, repair: &mut Repair) -> io::Result<()> {
        repair.cut = self.len - self.offset;
        if repair.cut > 0 {
            self.file.set_len(self.offset)?;
        }
        let mut file = self.file;
        file.seek(SeekFrom::Start(self.offset))?;
        self.writer = Some(BufWriter::new(file));
        Ok(())
    }

    /// There is no further line. Leaves the file at its end.
    fn finish(mut self, repair: &mut Repair) -> io::Result<()> {
        if self.writer.is_none() {
            self.cut(repair)?;
        }
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// The file's length without zeros at its end.
fn without_zeros(file: &File, len: u64) -> io::Result<u64> {
    let mut end = len;
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - start) as usize];
        file.read_exact_at(part, start)?;
        if let Some(last) = part.iter().rposition(|&byte| byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 4] = [
        "{\"a\":1}\n",
        "{\"bb\":2}\n",
        "{\"ccc\":3}\n",
        "{\"d\":4}\n",
    ];

    /// Mends a file with this content; gives the report and the new content.
    fn mend(content: &[u8]) -> (Repair, String) {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("events.jsonl");
        std::fs::write(&path, content).unwrap();
        let mut file = files::open(&path, false).unwrap();
        let mut repair = Repair::default();
        let mut check = Check::new(&file).unwrap();
        for (n, line) in LINES.iter().enumerate() {
            check
                .line(n as u64 + 1, line.as_bytes(), &mut repair)
                .unwrap();
        }
        check.finish(&mut repair).unwrap();
        file.write_all(b"next\n").unwrap();
        let content = std::fs::read_to_string(&path).unwrap();
        let content = content.strip_suffix("next\n").expect("left at its end");
        (repair, content.into())
    }

    fn whole() -> String {
        LINES.concat()
    }

    #[test]
    fn a_whole_file_is_left_alone() {
        assert_eq!(mend(whole().as_bytes()), (Repair::default(), whole()));
    }

    /// XA14.
    #[test]
    fn xa14_wherever_the_file_is_torn_the_rest_is_written_anew() {
        for len in 0..whole().len() {
            let (repair, content) = mend(&whole().as_bytes()[..len]);
            assert_eq!(content, whole());
            assert!(
                repair.written > 0 && repair.damaged.is_empty(),
                "{repair:?}"
            );
        }
    }

    /// XA14.
    #[test]
    fn xa14_zeros_at_the_end_are_cut_in_or_after_a_line() {
        for len in 0..=whole().len() {
            for zeros in [1, 4096, 10_000] {
                let mut torn = whole().as_bytes()[..len].to_vec();
                torn.resize(len + zeros, 0);
                let (repair, content) = mend(&torn);
                assert_eq!(content, whole());
                assert!(repair.cut >= zeros as u64 && repair.damaged.is_empty());
            }
        }
    }

    /// XA14.
    #[test]
    fn xa14_a_flipped_byte_is_told_with_its_line() {
        let mut line = 1;
        for at in 0..whole().len() {
            let mut flipped = whole().into_bytes();
            flipped[at] ^= 1;
            let (repair, content) = mend(&flipped);
            assert_eq!(repair.damaged, [line], "byte {at}");
            assert_eq!(content.len(), whole().len());
            line += u64::from(whole().as_bytes()[at] == b'\n');
        }
    }

    #[test]
    fn what_the_database_has_not_is_cut() {
        let (repair, content) = mend((whole() + "{\"e\":5}\n{\"f").as_bytes());
        assert_eq!(content, whole());
        assert_eq!((repair.cut, repair.written), (11, 0));
    }

    #[test]
    fn a_line_that_somebody_took_out_is_told_and_put_back() {
        let (repair, content) = mend((LINES[0].to_owned() + LINES[2] + LINES[3]).as_bytes());
        assert_eq!(content, whole());
        assert_eq!((repair.damaged, repair.written), (vec![2], 3));
    }
}
