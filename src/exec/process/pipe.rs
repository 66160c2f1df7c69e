//! The way a step's output takes where it cannot go into the file by itself:
//! where secrets have to be taken out of it, or not all of it is to be kept.
//!
//! Then the step writes into a pipe, and its supervisor, which outlives the
//! engine, reads that among the other things it waits for: a piece at a time,
//! never more than there is room for, never waiting. Nobody waits for the
//! pipe's end either, which may be in the hands of a daemon: when it is proved
//! that nothing of the step is left, what is in the pipe is all there will be.
//!
//! What the disk does not take is lost, and the step goes on. The output says
//! where, as soon as the disk takes something again.
//!
//! It does not know slots, attempts or where the files lie.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

use super::cap::Cap;
use super::mask::{Masker, Masking};

/// As much as a pipe holds, unless somebody has changed that.
const PIECE: usize = 64 * 1024;

/// The pipes of an attempt.
pub struct Pipes {
    stdout: Pipe,
    stderr: Pipe,
    masker: Option<Arc<Masker>>,
    buffer: Vec<u8>,
    /// What a piece has become.
    clean: Vec<u8>,
}

/// What became of the output on its way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub masked: u64,
    pub dropped: u64,
    pub complaint: Option<String>,
}

struct Pipe {
    /// Absent when nobody can write any more.
    reading: Option<File>,
    /// Until the step has it.
    writing: Option<OwnedFd>,
    masking: Masking,
    cap: Option<Cap>,
    /// Bytes that the disk has refused since it last took something.
    gap: u64,
    lost: u64,
    refusal: Option<io::Error>,
}

impl Pipes {
    /// Pipes, if they are needed.
    ///
    /// # Errors
    /// No more files can be open.
    pub fn if_needed(
        masker: Option<&Arc<Masker>>,
        max_output: Option<u64>,
    ) -> io::Result<Option<Box<Pipes>>> {
        if masker.is_none() && max_output.is_none() {
            return Ok(None);
        }
        Ok(Some(Box::new(Pipes {
            stdout: Pipe::new(max_output)?,
            stderr: Pipe::new(max_output)?,
            masker: masker.cloned(),
            buffer: vec![0; PIECE],
            clean: Vec::new(),
        })))
    }

    /// What the step writes to, until it [has begun](Self::has_begun).
    pub fn targets(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [&self.stdout, &self.stderr].map(|pipe| pipe.writing.as_ref().map(AsFd::as_fd))
    }

    /// From now on only the step can write.
    pub fn has_begun(&mut self) {
        self.stdout.writing = None;
        self.stderr.writing = None;
    }

    /// What can be waited for. Never more than two.
    pub fn sources(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let pipes = [&self.stdout, &self.stderr].into_iter();
        pipes.filter_map(|pipe| pipe.reading.as_ref().map(AsFd::as_fd))
    }

    /// Takes a piece of what is there, and writes what is left of it to the files.
    pub fn pump(&mut self, files: [Option<&File>; 2]) {
        for (pipe, file) in [&mut self.stdout, &mut self.stderr].into_iter().zip(files) {
            let n = pipe.take(&mut self.buffer);
            pipe.pass(
                &self.buffer[..n],
                self.masker.as_deref(),
                &mut self.clean,
                file,
            );
        }
    }

    /// Takes the rest. Nothing of the step may be left to write.
    pub fn finish(mut self, files: [Option<&File>; 2]) -> Passed {
        let mut passed = Passed::default();
        for (pipe, file) in [&mut self.stdout, &mut self.stderr].into_iter().zip(files) {
            // Whoever else has got hold of the pipe could write for ever.
            let mut left = pipe.capacity();
            while left > 0 {
                let most = left.min(self.buffer.len());
                let n = pipe.take(&mut self.buffer[..most]);
                if n == 0 {
                    break;
                }
                pipe.pass(
                    &self.buffer[..n],
                    self.masker.as_deref(),
                    &mut self.clean,
                    file,
                );
                left -= n;
            }
            pipe.end(self.masker.as_deref(), &mut self.clean, file);
            passed.masked += pipe.masking.masked;
            passed.dropped += pipe.cap.as_ref().map_or(0, |cap| cap.dropped);
            if let Some(error) = &pipe.refusal {
                let complaint = format!(
                    "{} bytes of its output could not be kept: {error}",
                    pipe.lost
                );
                passed.complaint.get_or_insert(complaint);
            }
        }
        passed
    }
}

impl Pipe {
    fn new(max_output: Option<u64>) -> io::Result<Pipe> {
        let (reading, writing) = pipe2(OFlag::O_CLOEXEC)?;
        // Only this end: what a step writes to never refuses for want of room.
        fcntl(&reading, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Pipe {
            reading: Some(reading.into()),
            writing: Some(writing),
            masking: Masking::default(),
            cap: max_output.map(Cap::new),
            gap: 0,
            lost: 0,
            refusal: None,
        })
    }

    /// How much it can hold now.
    fn capacity(&self) -> usize {
        let size = |pipe| fcntl(pipe, FcntlArg::F_GETPIPE_SZ).ok();
        let size = self.reading.as_ref().and_then(size);
        size.map_or(0, |size| size as usize)
    }

    /// Reads what is there, as far as it fits; nothing at the end.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let Some(pipe) = &mut self.reading else {
            return 0;
        };
        match pipe.read(buffer) {
            Ok(0) => {
                // It would be ready for ever.
                self.reading = None;
                0
            }
            Ok(n) => n,
            // Nothing else is wrong with a pipe but that it is empty.
            Err(_) => 0,
        }
    }

    fn pass(
        &mut self,
        piece: &[u8],
        masker: Option<&Masker>,
        clean: &mut Vec<u8>,
        file: Option<&File>,
    ) {
        let Some(masker) = masker else {
            return self.keep(piece, file);
        };
        clean.clear();
        self.masking.push(masker, piece, clean);
        self.keep(clean, file);
    }

    fn end(&mut self, masker: Option<&Masker>, clean: &mut Vec<u8>, file: Option<&File>) {
        if let Some(masker) = masker {
            clean.clear();
            self.masking.finish(masker, clean);
            self.keep(clean, file);
        }
        if let Some(cap) = &mut self.cap {
            let end = cap.finish();
            self.write(&end, file);
        }
    }

    fn keep(&mut self, bytes: &[u8], file: Option<&File>) {
        let kept = match &mut self.cap {
            Some(cap) => cap.push(bytes),
            None => bytes,
        };
        self.write(kept, file);
    }

    fn write(&mut self, bytes: &[u8], file: Option<&File>) {
        if bytes.is_empty() {
            return;
        }
        if self.gap > 0 {
            let note = format!("\n[quintet: {} bytes are lost here]\n", self.gap);
            if write_most(file, note.as_bytes()).0 == note.len() {
                self.gap = 0;
            } else {
                self.gap += bytes.len() as u64;
                self.lost += bytes.len() as u64;
                return;
            }
        }
        let (written, error) = write_most(file, bytes);
        let lost = (bytes.len() - written) as u64;
        self.gap += lost;
        self.lost += lost;
        if let Some(error) = error {
            self.refusal.get_or_insert(error);
        }
    }
}

/// Writes as much as the disk takes.
fn write_most(file: Option<&File>, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let Some(mut file) = file else {
        return (0, Some(ErrorKind::NotFound.into()));
    };
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return (written, Some(e)),
        }
    }
    (written, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;

    fn pipes(secret: Option<&str>, max_output: Option<u64>) -> Pipes {
        let masker = secret.map(|secret| Arc::new(Masker::new([secret]).expect("long enough")));
        let pipes = Pipes::if_needed(masker.as_ref(), max_output).expect("files can be opened");
        *pipes.expect("they are needed")
    }

    fn writer(pipes: &Pipes) -> File {
        let target = pipes.targets()[0].expect("not begun yet");
        target
            .try_clone_to_owned()
            .expect("it can be copied")
            .into()
    }

    fn content(mut file: File) -> String {
        let mut text = String::new();
        file.rewind().expect("a file can be read again");
        file.read_to_string(&mut text)
            .expect("the tests write UTF-8");
        text
    }

    #[test]
    fn without_secrets_and_limits_there_are_no_pipes() {
        assert!(
            Pipes::if_needed(None, None)
                .expect("nothing is opened")
                .is_none()
        );
    }

    /// XB02: somebody keeps the pipe open, and writes on.
    #[test]
    fn the_end_does_not_wait_for_whoever_else_has_the_pipe() {
        let mut pipes = pipes(Some("hunter2"), None);
        let (mut step, file) = (writer(&pipes), tempfile::tempfile().expect("a file"));
        pipes.has_begun();
        step.write_all(b"a hunt").expect("there is room");
        pipes.pump([Some(&file), None]);
        step.write_all(b"er2 b hunter").expect("there is room");
        let passed = pipes.finish([Some(&file), None]);
        assert_eq!((passed.masked, passed.complaint), (1, None));
        assert_eq!(content(file), "a *** b hunter");
    }

    #[test]
    fn a_closed_pipe_is_not_waited_for() {
        let mut pipes = pipes(Some("hunter2"), None);
        assert_eq!(pipes.sources().count(), 2);
        pipes.has_begun();
        pipes.pump([None, None]);
        assert_eq!(pipes.sources().count(), 0);
        assert_eq!(pipes.finish([None, None]), Passed::default());
    }

    #[test]
    fn limits_are_of_what_is_left_after_masking() {
        let pipes = pipes(Some("hunter2"), Some(8));
        let (mut step, file) = (writer(&pipes), tempfile::tempfile().expect("a file"));
        step.write_all(b"hunter2 is the word")
            .expect("there is room");
        let passed = pipes.finish([Some(&file), None]);
        assert_eq!((passed.masked, passed.dropped), (1, 7));
        let note = "[quintet: 7 bytes are left out here, by max_output]";
        assert_eq!(content(file), format!("*** \n{note}\nword"));
    }

    /// XC04: a full disk costs output, and says so.
    #[test]
    fn xc04_what_the_disk_refuses_is_counted() {
        let mut pipes = pipes(None, Some(1 << 20));
        let (mut step, file) = (writer(&pipes), tempfile::tempfile().expect("a file"));
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it");
        step.write_all(b"one").expect("there is room");
        pipes.pump([Some(&full), None]);
        step.write_all(b"two").expect("there is room");
        pipes.pump([Some(&full), None]);
        step.write_all(b"three").expect("there is room");
        let passed = pipes.finish([Some(&file), None]);
        assert_eq!(content(file), "\n[quintet: 6 bytes are lost here]\nthree");
        let complaint = passed.complaint.expect("it complains");
        assert!(
            complaint.starts_with("6 bytes of its output could not be kept: "),
            "{complaint}"
        );
    }
}
