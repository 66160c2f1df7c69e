//! What an attempt has written, wherever that lies: in the ranges that its end names,
//! or, while it runs, in its slot's files.
//!
//! Those are another attempt's as soon as this one has ended. So what was read there is
//! believed only if the attempt [is found there again](Live::is_sure) after the
//! reading; what is missed that way is in the attempt's own ranges when its end is
//! recorded.

use std::io;
use std::path::{Path, PathBuf};

use crate::exec::process::LiveOutput;
use crate::exec::{process, slurm};
use crate::paths::StateDir;
use crate::run::{Attempt, Finish};
use crate::store::logs::Log;

/// Where an attempt that runs writes.
#[derive(Clone, Debug)]
pub struct Live {
    run: PathBuf,
    attempt: Attempt,
    pub files: LiveOutput,
}

impl Live {
    /// Looks for the attempt in its run's directory. It does not run, without.
    pub fn find(run: &Path, attempt: Attempt) -> Option<Live> {
        Some(Live {
            files: find(run, attempt)?,
            run: run.to_owned(),
            attempt,
        })
    }

    /// Whether what was read until now was what this attempt has written.
    pub fn is_sure(&self) -> bool {
        find(&self.run, self.attempt).as_ref() == Some(&self.files)
    }
}

/// Wherever it runs.
fn find(run: &Path, attempt: Attempt) -> Option<LiveOutput> {
    let here = process::live_output(run, attempt);
    here.or_else(|| slurm::live_output(run, attempt))
}

/// Both streams of an attempt, open.
#[derive(Default)]
pub struct Written {
    /// Of each, absent where nothing was written.
    pub stdout: Option<Log>,
    pub stderr: Option<Log>,
    /// The attempt runs, and may write more.
    pub live: Option<Live>,
}

impl Written {
    /// Opens what an attempt of a run has written; `end` is how it ended, if it has.
    /// One that has neither ended nor runs has written nothing.
    ///
    /// # Errors
    /// A file is gone, or is not a plain file of ours.
    pub fn open(
        state: &StateDir,
        run_id: &str,
        attempt: Attempt,
        end: Option<&Finish>,
    ) -> io::Result<Written> {
        if let Some(end) = end {
            let log = |range| Log::open(state, run_id, range);
            return Ok(Written {
                stdout: end.output.stdout.as_ref().map(log).transpose()?,
                stderr: end.output.stderr.as_ref().map(log).transpose()?,
                live: None,
            });
        }
        let Some(live) = Live::find(&state.run(run_id), attempt) else {
            return Ok(Written::default());
        };
        let log = |path| Log::so_far(path).ok().filter(|log| log.len > 0);
        Ok(Written {
            stdout: log(&live.files.stdout),
            stderr: log(&live.files.stderr),
            live: Some(live),
        })
    }

    /// Whether what was read of it until now was this attempt's.
    pub fn is_sure(&self) -> bool {
        self.live.as_ref().is_none_or(Live::is_sure)
    }
}
