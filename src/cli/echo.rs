//! What the one step of a run writes, on our own stdout and stderr as it comes.
//!
//! A step's output goes to files by descriptor and never through the engine, so a
//! thread reads it there, a few times a second, and at the end what is still missing
//! of it. The files are the slot's: what was read there is shown only if they were
//! still this attempt's afterwards.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::engine::Ended;
use crate::engine::written::Live;
use crate::paths::StateDir;
use crate::plan::StepIx;
use crate::run::{Attempt, LogRange, Role};
use crate::store::logs::{Log, PIECE};

/// How often it is looked whether something was written.
const LOOK: Duration = Duration::from_millis(100);

/// The first attempt of a run's first step, being shown. Nobody is shown anything
/// more once this is dropped.
pub struct Echo {
    /// Dropped, it ends the thread.
    stop: Sender<()>,
    thread: JoinHandle<Shown>,
}

/// How much of each stream was shown.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    stdout: u64,
    stderr: u64,
}

impl Echo {
    /// Begins with what is written in this run's directory.
    pub fn begin(run: PathBuf) -> Echo {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut shown = Shown::default();
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                // Whoever has closed one of them does not want to know, and what
                // cannot be read now is read at the end.
                let _ = show_live(&run, &mut shown);
            }
            shown
        });
        Echo { stop, thread }
    }

    /// Shows what has not been shown.
    pub fn end(self, state: &StateDir, ended: &Ended) {
        drop(self.stop);
        let shown = self.thread.join().unwrap_or_default();
        let step = ended.state.step(StepIx::new(0));
        let Some(end) = step.last.end() else { return };
        let rest = |range: &Option<LogRange>, from, to: &mut dyn Write| -> io::Result<()> {
            match range {
                Some(range) => {
                    let log = Log::open(state, &ended.run_id, range)?;
                    copy(&log, from, to, &|| true).map(drop)
                }
                None => Ok(()),
            }
        };
        let _ = rest(&end.output.stdout, shown.stdout, &mut io::stdout());
        let _ = rest(&end.output.stderr, shown.stderr, &mut io::stderr());
    }
}

/// Shows what the attempt has written since.
fn show_live(run: &Path, shown: &mut Shown) -> io::Result<()> {
    let attempt = Attempt {
        step: StepIx::new(0),
        number: 1,
        role: Role::Main,
    };
    let Some(live) = Live::find(run, attempt) else {
        return Ok(());
    };
    let streams: [(_, _, &mut dyn Write); 2] = [
        (&live.files.stdout, &mut shown.stdout, &mut io::stdout()),
        (&live.files.stderr, &mut shown.stderr, &mut io::stderr()),
    ];
    for (path, shown, to) in streams {
        let log = Log::so_far(path)?;
        *shown = copy(&log, *shown, to, &|| live.is_sure())?;
    }
    Ok(())
}

/// Copies a stream from there on, as long as it is sure to be the right one; gives
/// where it stopped.
fn copy(
    log: &Log,
    mut from: u64,
    to: &mut dyn Write,
    is_sure: &dyn Fn() -> bool,
) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE];
    loop {
        let got = log.read(from, &mut buffer)?;
        if got == 0 || !is_sure() {
            to.flush()?;
            return Ok(from);
        }
        to.write_all(&buffer[..got])?;
        from += got as u64;
    }
}
