//! A message as a program's standard input.
//!
//! The program has a process group of its own, which is ended where it takes too
//! long. What it says is read as it comes, so that it cannot get stuck, and but for
//! the last line of it forgotten.

use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::desk::Desk;
use super::{Failed, sys};
use crate::view::notification::Message;

/// So much is remembered of what the program said.
const TAIL: usize = 4096;
/// What is left of the group may hold the pipe open, and is not waited for longer.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A program that takes messages.
pub(super) struct Program {
    pub argv: Vec<String>,
    pub cwd: String,
    pub env: Vec<(String, String)>,
}

/// What is waited for.
#[derive(PartialEq)]
enum Heard {
    Exited,
    Silent,
}

impl Program {
    pub fn run(&self, message: &Message, limit: Duration, desk: &Desk) -> Result<(), Failed> {
        let until = Instant::now() + limit;
        let (mut child, output) = match self.start(message) {
            Ok(started) => started,
            Err(error) => return Err(Failed::for_good(format!("{}: {error}", self.argv[0]))),
        };
        let group = Pid::from_raw(child.id().cast_signed());
        desk.in_hands_of(Some(group));
        let (sender, heard) = channel();
        let said = Arc::new(Mutex::new(Vec::new()));
        listen(output, Arc::clone(&said), sender.clone());
        watch(group, sender);
        let is_late = !wait_for(&heard, &Heard::Exited, until);
        if is_late {
            // Not reaped yet, so the group is still the one that was meant.
            let _ = killpg(group, Signal::SIGKILL);
        }
        desk.in_hands_of(None);
        let status = child.wait();
        wait_for(&heard, &Heard::Silent, Instant::now() + LAST_WORDS);
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let late = match desk.time_left() {
            Some(Duration::ZERO) => Some("it was not done in time".to_owned()),
            _ if is_late => Some(format!("it took longer than {limit:.1?}")),
            _ => None,
        };
        judge(status, late, &last_line(&said))
    }

    fn start(&self, message: &Message) -> io::Result<(Child, PipeReader)> {
        let (output, end) = io::pipe()?;
        let mut command = Command::new(&self.argv[0]);
        command
            .args(&self.argv[1..])
            .current_dir(&self.cwd)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("QUINTET_NOTIFICATION", &message.json)
            .env("QUINTET_TITLE", &message.title)
            .env("QUINTET_TEXT", &message.text)
            .stdin(Stdio::piped())
            .stdout(end.try_clone()?)
            .stderr(end)
            .process_group(0);
        sys::hears_signals(&mut command);
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            let text = message.text.clone();
            // A program that does not read has a right not to, and is not waited for.
            let _ = thread::Builder::new().spawn(move || stdin.write_all(text.as_bytes()));
        }
        Ok((child, output))
    }
}

/// Reads what the program says, to the end of it.
fn listen(mut output: PipeReader, said: Arc<Mutex<Vec<u8>>>, sender: Sender<Heard>) {
    // Without a thread for it, the pipe is closed, and nothing of it known.
    let _ = thread::Builder::new().spawn(move || {
        let mut piece = [0; TAIL];
        while let Ok(len @ 1..) = output.read(&mut piece) {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.extend_from_slice(&piece[..len]);
            let before = said.len().saturating_sub(TAIL);
            said.drain(..before);
        }
        let _ = sender.send(Heard::Silent);
    });
}

/// Waits for the program's end, and leaves it to be reaped.
fn watch(pid: Pid, sender: Sender<Heard>) {
    // Without a thread for it, the program counts as one that takes too long.
    let _ = thread::Builder::new().spawn(move || {
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(pid), ended) == Err(nix::errno::Errno::EINTR) {}
        let _ = sender.send(Heard::Exited);
    });
}

/// Whether it was heard in time.
fn wait_for(heard: &Receiver<Heard>, what: &Heard, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match heard.recv_timeout(left) {
            Ok(found) if found == *what => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn judge(status: io::Result<ExitStatus>, late: Option<String>, said: &str) -> Result<(), Failed> {
    let how = match (late, status) {
        (_, Ok(status)) if status.success() => return Ok(()),
        (Some(late), _) => late,
        (None, Ok(status)) => status.to_string(),
        (None, Err(error)) => error.to_string(),
    };
    Err(Failed::for_now(match said {
        "" => how,
        said => format!("{how}: {said}"),
    }))
}

fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or_default().trim().to_owned()
}
