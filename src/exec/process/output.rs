//! Where a step's output goes, without a file for each step.
//!
//! Making a file costs as much as a short step, so a slot has two files for
//! each stream. A step writes to the *scratch*, through an inherited
//! descriptor. When the step is over, and it is proved that nothing of it is
//! left that could write, what is there is moved to the end of the slot's
//! *segment*, and the step's output is a range of it.
//!
//! Steps do not get the segment itself, since `echo x > /dev/stderr` opens by
//! name what its descriptor stands for, and empties it: with the segment that
//! would take the output of all earlier steps along. Nor do they get pipes, but
//! where there is [no other way](super::pipe): output would pass through this
//! process for nothing.
//!
//! What is too large to be worth copying is not copied: the scratch is renamed
//! to be the output's own file, and a new one is made. A gigabyte costs nothing.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use super::files::{DIRECTORY, Directory, Records, SlotName};
use crate::run::{Attempt, LogRange};

/// Output of more bytes than this gets a file of its own.
const WORTH_COPYING: u64 = 256 * 1024;

/// `KEY=VALUE` lines that a step puts out have at most this many bytes in all.
pub const MOST_OUTPUTS: u64 = 64 * 1024;

/// One stream of a slot.
pub struct Stream {
    slot: SlotName,
    /// `out` or `err`.
    kind: &'static str,
    /// Absent only after it was renamed and could not be made again.
    scratch: Option<File>,
    segment: Option<File>,
    segment_len: u64,
}

impl Stream {
    /// # Errors
    /// The scratch cannot be made.
    pub fn create(directory: &Directory, slot: SlotName, kind: &'static str) -> io::Result<Stream> {
        let mut stream = Stream {
            slot,
            kind,
            scratch: None,
            segment: None,
            segment_len: 0,
        };
        stream.make_ready(directory)?;
        Ok(stream)
    }

    /// Sees to it that there is an empty scratch.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_ready(&mut self, directory: &Directory) -> io::Result<()> {
        if self.scratch.is_none() {
            self.scratch = Some(directory.create(&scratch_name(self.slot, self.kind))?);
        }
        Ok(())
    }

    /// Where output that comes through a pipe is written.
    pub fn sink(&self) -> Option<&File> {
        self.scratch.as_ref()
    }

    /// What a step's stream is made of, once [`make_ready`](Self::make_ready) went well.
    pub fn target(&self) -> Option<BorrowedFd<'_>> {
        self.scratch.as_ref().map(AsFd::as_fd)
    }

    /// Moves what a step wrote to where it stays, and says where that is;
    /// `None` where it wrote nothing. Nothing of the step may be left to write.
    ///
    /// # Errors
    /// It could not be kept; it is gone, unless the scratch's file still is there.
    pub fn collect(
        &mut self,
        directory: &Directory,
        own_file: bool,
        serial: u64,
    ) -> io::Result<Option<LogRange>> {
        let Some(scratch) = &self.scratch else {
            return Ok(None);
        };
        let len = scratch.metadata()?.size();
        if len == 0 {
            return Ok(None);
        }
        if !own_file && len <= WORTH_COPYING {
            // A full disk may refuse the copy. Renaming needs no room.
            if let Ok(range) = self.append(directory, len) {
                return Ok(Some(range));
            }
        }
        self.rename(directory, len, serial).map(Some)
    }

    fn append(&mut self, directory: &Directory, len: u64) -> io::Result<LogRange> {
        let name = format!("{}.{}", self.slot, self.kind);
        let (Some(scratch), start) = (&self.scratch, self.segment_len) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => none.insert(directory.create(&name)?),
        };
        let mut buffer = vec![0; len as usize];
        scratch.read_exact_at(&mut buffer, 0)?;
        segment.write_all_at(&buffer, start).inspect_err(|_| {
            // What a full disk took of it would only confuse a reader.
            let _ = segment.set_len(start);
        })?;
        scratch.set_len(0)?;
        self.segment_len += len;
        Ok(range(&name, start, len))
    }

    fn rename(&mut self, directory: &Directory, len: u64, serial: u64) -> io::Result<LogRange> {
        let name = format!("{}-{serial}.{}", self.slot, self.kind);
        // Whatever happens next, the following step must not write to this file.
        self.scratch = None;
        directory.rename(&scratch_name(self.slot, self.kind), &name)?;
        Ok(range(&name, 0, len))
    }

    /// Leaves no empty file behind.
    pub fn close(&self, directory: &Directory) {
        // It may have been renamed, or removed by somebody: either is fine.
        let _ = directory.remove(&scratch_name(self.slot, self.kind));
    }
}

fn range(name: &str, start: u64, len: u64) -> LogRange {
    LogRange {
        file: format!("{DIRECTORY}/{name}").into(),
        start,
        len,
    }
}

fn scratch_name(slot: SlotName, kind: &str) -> String {
    format!("{slot}.{kind}.now")
}

/// Where the output of an attempt that runs can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOutput {
    pub stdout: PathBuf,
    pub stderr: PathBuf,
}

/// Finds the output of an attempt that runs, from any process.
///
/// The files are the slot's, and another attempt's as soon as this one has
/// ended. Who follows them reads a piece, asks here again, and shows the piece
/// only if the answer is the same; what is missing then lies in the ranges
/// that the attempt's end names.
pub fn live_output(run_dir: &std::path::Path, attempt: Attempt) -> Option<LiveOutput> {
    let directory = Directory::open(run_dir).ok()?;
    for slot in directory.slots().ok()?.into_iter().rev() {
        // Records of a slot that is just being made may not be readable yet.
        let Ok(records) = Records::read(&directory, slot) else {
            continue;
        };
        if records.unfinished() == Some(attempt) {
            return Some(LiveOutput {
                stdout: directory.path_of(&scratch_name(slot, "out")),
                stderr: directory.path_of(&scratch_name(slot, "err")),
            });
        }
    }
    None
}

/// What a step put out for later steps, and what was wrong with it.
#[derive(Debug, Default, PartialEq)]
pub struct Outputs {
    pub values: std::collections::BTreeMap<Box<str>, Box<str>>,
    pub complaint: Option<String>,
}

/// Takes what a step left at `name`, and removes it. A step that leaves
/// nothing there costs one system call.
///
/// The second value is whether the name is free again.
pub fn take_outputs(directory: &Directory, name: &str) -> (Outputs, bool) {
    let outputs = match directory.open_if_there(name) {
        Ok(Some(file)) => read_outputs(file),
        Ok(None) => return (Outputs::default(), true),
        Err(e) => complaint(format!("its outputs cannot be read: {e}")),
    };
    (outputs, directory.remove(name).is_ok())
}

/// What a step left in this file, where nobody of ours has taken it.
pub fn outputs_in(path: &std::path::Path) -> Outputs {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let mut options = File::options();
    match options.read(true).custom_flags(flags).open(path) {
        Ok(file) => read_outputs(file),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Outputs::default(),
        Err(e) => complaint(format!("its outputs cannot be read: {e}")),
    }
}

fn read_outputs(file: File) -> Outputs {
    match file.metadata() {
        Ok(found) if found.is_file() => {}
        _ => return complaint("its outputs are not a regular file".into()),
    }
    let mut bytes = Vec::new();
    match file.take(MOST_OUTPUTS + 1).read_to_end(&mut bytes) {
        Err(e) => complaint(format!("its outputs cannot be read: {e}")),
        Ok(n) if n as u64 > MOST_OUTPUTS => complaint(format!(
            "its outputs are more than {MOST_OUTPUTS} bytes; none was kept"
        )),
        Ok(_) => parse_outputs(&bytes),
    }
}

fn complaint(text: String) -> Outputs {
    Outputs {
        complaint: Some(text),
        ..Outputs::default()
    }
}

/// Reads `KEY=VALUE` lines. A bad line is named and left out; the others count.
/// Where a key comes twice, the later line wins.
fn parse_outputs(bytes: &[u8]) -> Outputs {
    let mut outputs = Outputs::default();
    for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        match parse_line(line) {
            Ok((key, value)) => {
                outputs.values.insert(key.into(), value.into());
            }
            Err(why) => {
                let first = || format!("line {number} of its outputs is left out: {why}");
                outputs.complaint.get_or_insert_with(first);
            }
        }
    }
    outputs
}

fn parse_line(line: &[u8]) -> Result<(&str, &str), &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
    let (key, value) = line.split_once('=').ok_or("there is no =")?;
    let mut letters = key.bytes();
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let other = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if !letters.next().is_some_and(first) || !letters.all(other) {
        return Err("its key is not made of letters, digits, _, . and -, or begins wrongly");
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const SLOT: SlotName = SlotName {
        epoch: 1,
        number: 0,
    };

    fn setup() -> (tempfile::TempDir, Directory) {
        let dir = tempfile::tempdir().expect("a directory");
        let slots = Directory::make(dir.path()).expect("a directory in it");
        (dir, slots)
    }

    fn write(stream: &Stream, text: &[u8]) {
        let scratch = stream.scratch.as_ref().expect("there is a scratch");
        let mut scratch = scratch;
        scratch.write_all(text).expect("there is room");
    }

    fn read(dir: &tempfile::TempDir, range: &LogRange) -> Vec<u8> {
        let file = File::open(dir.path().join(&*range.file)).expect("it is there");
        let mut bytes = vec![0; range.len as usize];
        file.read_exact_at(&mut bytes, range.start)
            .expect("it is as long as it says");
        bytes
    }

    #[test]
    fn small_outputs_follow_each_other_in_one_segment() {
        let (dir, slots) = setup();
        let mut stream = Stream::create(&slots, SLOT, "out").expect("it can be made");
        let collected = |stream: &mut Stream| stream.collect(&slots, false, 1);

        write(&stream, b"one");
        let one = collected(&mut stream).expect("kept").expect("some");
        assert_eq!(collected(&mut stream).expect("kept"), None);
        write(&stream, b"three");
        let three = collected(&mut stream).expect("kept").expect("some");

        assert_eq!((one.start, three.start), (0, 3));
        assert_eq!(one.file, three.file);
        assert_eq!(read(&dir, &one), b"one");
        assert_eq!(read(&dir, &three), b"three");
    }

    #[test]
    fn a_large_output_or_one_that_asks_gets_a_file_of_its_own() {
        let (dir, slots) = setup();
        let mut stream = Stream::create(&slots, SLOT, "err").expect("it can be made");
        let large = vec![b'x'; WORTH_COPYING as usize + 1];
        write(&stream, &large);
        let first = stream.collect(&slots, false, 7).expect("kept");
        stream.make_ready(&slots).expect("it can be made");
        write(&stream, b"mine");
        let second = stream.collect(&slots, true, 8).expect("kept");

        let (first, second) = (first.expect("some"), second.expect("some"));
        assert_eq!(&*first.file, "slots/1-0-7.err");
        assert_eq!(&*second.file, "slots/1-0-8.err");
        assert_eq!(read(&dir, &first), large);
        assert_eq!(read(&dir, &second), b"mine");
    }

    #[test]
    fn bad_lines_of_outputs_are_named_and_the_others_count() {
        let outputs = parse_outputs(b"A=1\r\n\nb-c.d_2=x=y\n9=no\nnone\nA=2\n\xff=1\nE=");
        let values: Vec<_> = outputs.values.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(values, [("A", "2"), ("E", ""), ("b-c.d_2", "x=y")]);
        let complaint = outputs.complaint.expect("there are bad lines");
        assert!(complaint.starts_with("line 4 "), "{complaint}");
    }

    #[test]
    fn outputs_that_are_no_file_or_too_large_are_refused_and_removed() {
        let (dir, slots) = setup();
        let path = slots.path_of("x.set");
        std::fs::write(&path, "A=1").expect("written");
        let (outputs, free) = take_outputs(&slots, "x.set");
        assert_eq!(
            (outputs.values.len(), outputs.complaint, free),
            (1, None, true)
        );
        assert!(!path.exists());

        std::fs::write(&path, format!("A={}", "x".repeat(MOST_OUTPUTS as usize))).expect("written");
        let (outputs, free) = take_outputs(&slots, "x.set");
        assert!(outputs.values.is_empty() && outputs.complaint.is_some() && free);

        let victim = dir.path().join("victim");
        std::fs::write(&victim, "A=1").expect("written");
        std::os::unix::fs::symlink(&victim, &path).expect("made");
        let (outputs, free) = take_outputs(&slots, "x.set");
        assert!(outputs.values.is_empty() && outputs.complaint.is_some() && free);
        assert!(victim.exists());

        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
        let (outputs, free) = take_outputs(&slots, "x.set");
        assert!(outputs.values.is_empty() && outputs.complaint.is_some() && free);

        std::fs::create_dir(&path).expect("made");
        let (outputs, free) = take_outputs(&slots, "x.set");
        assert!(outputs.complaint.is_some() && !free);
    }
}
