//! Values to bytes and back.
//!
//! Integers are little-endian, texts and lists carry their length in front,
//! what may be absent a byte that says so. Reading trusts nothing: where the
//! bytes end too early or make no sense the answer is `None`, never a panic
//! and never more memory than there are bytes.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use super::wire::Trouble;
use crate::exec::{Done, Job};
use crate::plan::StepIx;
use crate::plan::builtin::Question;
use crate::run::{Attempt, Exit, LogRange, Output, Role};

/// The kinds of orders to start something.
pub const START: u8 = 2;
pub const START_BUILTIN: u8 = 6;

/// Appends to a buffer.
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn u8(&mut self, v: u8) {
        self.0.push(v);
    }

    pub fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }

    pub fn u64(&mut self, v: u64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }

    /// Lengths are 32 bits wide; what is longer than a frame may be is
    /// refused by the reader's limit.
    pub fn len(&mut self, n: usize) {
        self.u32(u32::try_from(n).unwrap_or(u32::MAX));
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub fn pairs<'a>(&mut self, pairs: impl ExactSizeIterator<Item = (&'a str, &'a str)>) {
        self.len(pairs.len());
        for (key, value) in pairs {
            self.bytes(key.as_bytes());
            self.bytes(value.as_bytes());
        }
    }

    pub fn texts(&mut self, texts: &[String]) {
        self.len(texts.len());
        for text in texts {
            self.bytes(text.as_bytes());
        }
    }

    pub fn duration(&mut self, d: Duration) {
        self.u64(u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
    }

    pub fn attempt(&mut self, attempt: Attempt) {
        self.u32(attempt.step.at() as u32);
        self.u32(attempt.number);
        self.u8(match attempt.role {
            Role::Main => 0,
            Role::Remedy => 1,
            Role::Undo => 2,
        });
    }

    pub fn trouble(&mut self, trouble: &Trouble) {
        self.bytes(trouble.why.as_bytes());
        self.u8(u8::from(trouble.may_pass));
    }

    pub fn start(&mut self, job: &Job) {
        match &job.builtin {
            None => self.u8(START),
            Some(question) => {
                self.u8(START_BUILTIN);
                // As plans spell it: few steps have one, and it has many forms.
                self.bytes(&serde_json::to_vec(question).expect("texts and numbers"));
            }
        }
        self.attempt(job.attempt);
        self.texts(&job.argv);
        self.bytes(job.cwd.as_bytes());
        self.pairs(job.env.iter().map(|(k, v)| (&**k, &**v)));
        self.option(job.stdin.as_deref(), |w, text| w.bytes(text.as_bytes()));
        self.option(job.timeout, Self::duration);
        self.duration(job.grace);
        self.u8(u8::from(job.own_log));
        self.option(job.behind, Self::attempt);
        self.len(job.locks.len());
        if let Some(most) = job.max_output {
            self.u64(most);
        }
    }

    pub fn signal(&mut self, signal: Option<i32>) {
        self.option(signal, |w, s| w.u32(s as u32));
    }

    pub fn exit(&mut self, exit: &Exit) {
        match exit {
            Exit::Exited { code } => {
                self.u8(1);
                self.u32(*code as u32);
            }
            Exit::Signaled { signal, core } => {
                self.u8(2);
                self.u32(*signal as u32);
                self.u8(u8::from(*core));
            }
            Exit::TimedOut { after, signal } => {
                self.u8(3);
                self.duration(*after);
                self.signal(*signal);
            }
            Exit::Canceled { signal } => {
                self.u8(4);
                self.signal(*signal);
            }
            Exit::FailedToStart { errno } => {
                self.u8(5);
                self.bytes(errno.as_bytes());
            }
            // No supervisor's to say; where one should, it means no more than this.
            Exit::Interrupted | Exit::Lost { .. } => self.u8(6),
        }
    }

    pub fn range(&mut self, range: &LogRange) {
        self.bytes(range.file.as_bytes());
        self.u64(range.start);
        self.u64(range.len);
    }

    pub fn done(&mut self, done: &Done) {
        self.exit(&done.exit);
        self.u64(done.started_at);
        self.u64(done.ended_at);
        self.option(done.output.stdout.as_ref(), Self::range);
        self.option(done.output.stderr.as_ref(), Self::range);
        self.pairs(done.outputs.iter().map(|(k, v)| (&**k, &**v)));
        self.u8(u8::from(done.leaked));
        self.option(done.error.as_deref(), |w, text| w.bytes(text.as_bytes()));
        let Output {
            masked, dropped, ..
        } = done.output;
        if (masked, dropped) != (0, 0) {
            self.u64(masked);
            self.u64(dropped);
        }
    }
}

/// Takes from the front of what is left.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub fn flag(&mut self) -> Option<bool> {
        Some(self.u8()? != 0)
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        self.take(len)
    }

    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    pub fn boxed(&mut self) -> Option<Box<str>> {
        self.text().map(String::into_boxed_str)
    }

    /// The outer `None` is nonsense, the inner one an absent value.
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            _ => Some(Some(read(self)?)),
        }
    }

    /// Collects without reserving: the count is not to be trusted with memory.
    pub fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.u32()?;
        (0..n).map(|_| read(self)).collect()
    }

    pub fn duration(&mut self) -> Option<Duration> {
        self.u64().map(Duration::from_millis)
    }

    pub fn trouble(&mut self) -> Option<Trouble> {
        Some(Trouble {
            why: self.text()?,
            may_pass: self.flag()?,
        })
    }

    pub fn attempt(&mut self) -> Option<Attempt> {
        Some(Attempt {
            step: StepIx::new(self.u32()? as usize),
            number: self.u32()?,
            role: match self.u8()? {
                0 => Role::Main,
                1 => Role::Remedy,
                2 => Role::Undo,
                _ => return None,
            },
        })
    }

    pub fn question(&mut self) -> Option<Box<Question>> {
        serde_json::from_slice(self.bytes()?).ok()
    }

    pub fn job(
        &mut self,
        builtin: Option<Box<Question>>,
        locks: impl FnOnce(usize) -> Option<Vec<Arc<File>>>,
    ) -> Option<Job> {
        Some(Job {
            builtin,
            attempt: self.attempt()?,
            argv: self.list(Self::text)?,
            cwd: self.text()?.into(),
            env: self.list(|r| Some((r.text()?, r.text()?)))?,
            stdin: self.option(Self::text)?,
            timeout: self.option(Self::duration)?,
            grace: self.duration()?,
            own_log: self.flag()?,
            behind: self.option(Reader::attempt)?,
            locks: locks(self.u32()? as usize)?,
            max_output: self.rest(Self::u64)?,
            slurm: None,
        })
    }

    pub fn signal(&mut self) -> Option<Option<i32>> {
        self.option(|r| Some(r.u32()? as i32))
    }

    pub fn exit(&mut self) -> Option<Exit> {
        Some(match self.u8()? {
            1 => Exit::Exited {
                code: self.u32()? as i32,
            },
            2 => Exit::Signaled {
                signal: self.u32()? as i32,
                core: self.flag()?,
            },
            3 => Exit::TimedOut {
                after: self.duration()?,
                signal: self.signal()?,
            },
            4 => Exit::Canceled {
                signal: self.signal()?,
            },
            5 => Exit::FailedToStart {
                errno: self.text()?,
            },
            6 => Exit::Interrupted,
            _ => return None,
        })
    }

    pub fn range(&mut self) -> Option<LogRange> {
        Some(LogRange {
            file: self.boxed()?,
            start: self.u64()?,
            len: self.u64()?,
        })
    }

    pub fn done(&mut self) -> Option<Done> {
        let mut done = Done {
            exit: self.exit()?,
            started_at: self.u64()?,
            ended_at: self.u64()?,
            output: Output {
                stdout: self.option(Self::range)?,
                stderr: self.option(Self::range)?,
                ..Output::default()
            },
            outputs: self
                .list(|r| Some((r.boxed()?, r.boxed()?)))?
                .into_iter()
                .collect(),
            leaked: self.flag()?,
            error: self.option(Self::text)?,
        };
        if let Some((masked, dropped)) = self.rest(|r| Some((r.u64()?, r.u64()?)))? {
            done.output.masked = masked;
            done.output.dropped = dropped;
        }
        Some(done)
    }

    /// What was added to the end of something in later versions, and where it
    /// says nothing is not written: whatever is left is that.
    #[allow(clippy::option_option)]
    pub fn rest<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.0.is_empty() {
            true => Some(None),
            false => read(self).map(Some),
        }
    }

    /// The value, if nothing is left over.
    pub fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}
