//! One call: a process that leads a session of its own and has none of this one's
//! streams, so that it does not end with it.
//!
//! What it says on stderr goes to a file in memory that both have open. A pipe would
//! have to be read to the end by somebody, and break when this server ends.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::sys;

/// How often is looked whether a child has ended or said something.
const LOOK: Duration = Duration::from_millis(10);

/// No more of what a child says is read.
const MOST_READ: usize = 16 * 1024;

/// What every call of a process is told.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Which verb asks; the record of what is done names it.
    pub by: &'static str,
    /// Where this process was told to keep its state.
    pub state_dir: Option<PathBuf>,
    /// The configuration that this process was told to read.
    pub config: Option<PathBuf>,
}

/// A call of the program that is under way.
pub struct Call {
    process: Child,
    said: File,
}

impl Call {
    /// Begins it, with the same state and configuration as this process has.
    ///
    /// # Errors
    /// The system's.
    pub fn begin(words: Vec<OsString>, caller: &Caller) -> io::Result<Call> {
        let said = File::from(memfd_create("quintet", MFdFlags::MFD_CLOEXEC)?);
        let mut command = Command::new(std::env::current_exe()?);
        let places = [
            ("--state-dir", &caller.state_dir),
            ("--config", &caller.config),
        ];
        for (option, place) in places {
            if let Some(place) = place {
                command.arg(option).arg(place);
            }
        }
        command
            .arg("--quiet")
            .arg(format!("--by={}", caller.by))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said.try_clone()?);
        sys::leads_a_session(&mut command);
        let process = command.spawn()?;
        Ok(Call { process, said })
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The beginning of what it has said on stderr.
    ///
    /// # Errors
    /// The system's.
    pub fn said(&self) -> io::Result<String> {
        let mut bytes = vec![0; MOST_READ];
        let mut filled = 0;
        loop {
            match self.said.read_at(&mut bytes[filled..], filled as u64)? {
                0 => break,
                got => filled += got,
            }
        }
        Ok(String::from_utf8_lossy(&bytes[..filled]).into_owned())
    }

    /// Waits until `news` finds something in what it said, or it has ended; at most
    /// for so long.
    ///
    /// # Errors
    /// The system's.
    pub fn wait<T>(
        &mut self,
        most: Duration,
        news: impl Fn(&str) -> Option<T>,
    ) -> io::Result<Waited<T>> {
        let until = Instant::now() + most;
        loop {
            // Asked before what it said is read: its last words count.
            let ended = self.process.try_wait()?;
            if let Some(found) = news(&self.said()?) {
                return Ok(Waited::Said(found));
            }
            if let Some(status) = ended {
                return Ok(Waited::Ended(status));
            }
            if Instant::now() >= until {
                return Ok(Waited::InVain);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Lets it go on by itself. Its end is taken note of, so that nothing of it stays.
    pub fn let_go(mut self) {
        std::thread::spawn(move || self.process.wait());
    }
}

/// What came of waiting.
pub enum Waited<T> {
    Said(T),
    Ended(ExitStatus),
    InVain,
}
