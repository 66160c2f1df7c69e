//! An agent that is a program: how it gets the context and gives its result.
//!
//! The context is on its standard input, and in a file that `QUINTET_CONTEXT` names.
//! Its result is what it writes into the file that `QUINTET_RESULT` names; where it
//! writes none, what it prints. What it prints is copied to the step's output, so
//! that it can be looked at, but never more than is bearable.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::contract::MOST_PRINTED;
use super::worktree::Entered;

/// Where a step writes what it puts out.
const OUTPUT: &str = "QUINTET_OUTPUT";

/// A program that prints more than this will not come to an end by itself.
const RUNAWAY: u64 = 64 * MOST_PRINTED;

/// When the program has ended and something that it left behind still holds its
/// stdout, what is in the pipe gets so much time.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// What a program gave.
#[derive(Debug)]
pub struct Gave {
    /// The first bytes of what it printed, one more than may be at most.
    pub printed: Vec<u8>,
    /// What it wrote as its result.
    pub written: Option<Vec<u8>>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// Runs it here, or in a worktree, and waits for its end. What it leaves behind is its
/// step's to end.
///
/// # Errors
/// It could not be run, or its result cannot be read.
pub fn run(
    argv: &[String],
    context: &str,
    folder: &Path,
    worktree: Option<&Entered<'_>>,
) -> Result<Gave, String> {
    let (program, arguments) = argv.split_first().ok_or("it names no program")?;
    let own = |error: io::Error| format!("the context cannot be handed over: {error}");
    let folder = Folder::make(folder).map_err(own)?;
    let context_file = folder.0.join("context.json");
    let result_file = folder.0.join("result.json");
    fs::write(&context_file, context).map_err(own)?;
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdin(File::open(&context_file).map_err(own)?);
    command.stdout(Stdio::piped());
    forget_our_own(&mut command);
    command.env("QUINTET_CONTEXT", &context_file);
    command.env("QUINTET_RESULT", &result_file);
    worktree.map_or(Ok(()), |worktree| worktree.go(&mut command))?;
    let spawned = command.spawn();
    let mut child = spawned.map_err(|error| format!("{program:?} cannot be run: {error}"))?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(|_| "it has no process id")?);
    let stdout = child.stdout.take().ok_or("it has no standard output")?;
    let printed = copy(stdout, pid);
    let status = child
        .wait()
        .map_err(|error| format!("{program:?} is lost: {error}"))?;
    let (printed, all) = all_of(&printed);
    let failed = match (status.code(), status.signal()) {
        _ if all > RUNAWAY => Some(format!(
            "it printed more than {} MiB and was ended",
            RUNAWAY >> 20
        )),
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("it ended with exit {code}")),
        (None, signal) => Some(format!("it was ended by signal {}", signal.unwrap_or(0))),
    };
    let written = match failed {
        None => written(&result_file)?,
        Some(_) => None,
    };
    Ok(Gave {
        printed,
        written,
        failed,
    })
}

/// Takes from a program's environment what only we may write to: an agent that could
/// put out a verdict by itself would pass by every check.
pub fn forget_our_own(command: &mut Command) {
    command.env_remove(OUTPUT);
}

/// Reads on until the end, so that nobody waits for us, but keeps and shows only the
/// beginning. In pieces, since the end may never come: each piece with how much was
/// read in all.
fn copy(mut stdout: ChildStdout, pid: Pid) -> Receiver<(Vec<u8>, u64)> {
    let (send, pieces) = channel();
    thread::spawn(move || {
        let mut all = 0;
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n @ 1..) = stdout.read(&mut buffer) {
            let room = (MOST_PRINTED + 1).saturating_sub(all) as usize;
            all += n as u64;
            let kept = buffer[..n.min(room)].to_vec();
            // It is only a copy.
            let _ = io::stdout().write_all(&kept);
            if send.send((kept, all)).is_err() {
                return;
            }
            if all > RUNAWAY {
                // It has not been waited for, so this id is still its own.
                let _ = kill(pid, Signal::SIGKILL);
                return;
            }
        }
    });
    pieces
}

fn all_of(pieces: &Receiver<(Vec<u8>, u64)>) -> (Vec<u8>, u64) {
    let (mut printed, mut all) = (Vec::new(), 0);
    while let Ok((piece, so_far)) = pieces.recv_timeout(AFTERWARDS) {
        printed.extend(piece);
        all = so_far;
    }
    (printed, all)
}

/// What was written as the result; `None` where nothing was.
fn written(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("its result cannot be read: {error}");
    let file = File::options()
        .read(true)
        // A pipe that stands there would keep us waiting.
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let file = match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| failed(&error))?,
    };
    let found = file.metadata().map_err(|error| failed(&error))?;
    if !found.is_file() {
        return Err(failed(&"it is no file"));
    }
    let mut bytes = Vec::new();
    let mut file = file.take(MOST_PRINTED + 1);
    file.read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    Ok(Some(bytes))
}

/// A folder of its own for each attempt, for its owner only; it goes when this does.
struct Folder(PathBuf);

impl Folder {
    fn make(path: &Path) -> io::Result<Folder> {
        // One that was killed may have left its own there.
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Folder(path.to_owned()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It goes with the run, at the latest.
        let _ = fs::remove_dir_all(&self.0);
    }
}
