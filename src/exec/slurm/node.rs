//! One attempt on a node: the same supervisor that looks after steps on the engine's
//! machine, and a claim, heartbeats and a result for an engine that is elsewhere.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::files::{Card, Claim, Ending, Shared, WISH, ends_now, key};
use crate::exec::process::{Local, LocalConfig, Zygote};
use crate::exec::{Done, Executor, Report, Stop, Waker, errno_of};
use crate::run::{Attempt, Exit};

/// Between two tries to write what a full disk has refused.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Makes the attempt that this job of Slurm's is for, and returns the exit code that
/// Slurm is told.
///
/// # Errors
/// The attempt was not begun, and may still be.
pub fn run(zygote: Zygote, shared: &Path, batch: &str) -> io::Result<u8> {
    let shared = Shared::at_path(shared.to_owned());
    let said = |name: &str| std::env::var(name).ok();
    let index = said("SLURM_ARRAY_TASK_ID").map_or(Ok(0), |index| index.parse::<usize>());
    let index = index.map_err(io::Error::other)?;
    let batch = shared.batch(batch)?;
    let Some((own, _)) = batch.attempts.get(index) else {
        return Err(io::Error::other(format!(
            "{} has no attempt {index}",
            batch.name
        )));
    };
    let card = match Card::read(&shared.job(own).join("job")) {
        Ok(card) => card,
        Err(e) if shared.claimed(own).is_some() => return Ok(begun_before(own, &e)),
        Err(e) => return Err(e),
    };
    let node: Box<str> = node().into();
    let claim = Claim {
        node: Some(node.clone()),
        job: said("SLURM_JOB_ID").map(Into::into),
        fenced: false,
    };
    // Where nothing can be written, nothing is begun: another node may have room, or
    // this one later.
    std::fs::write(shared.job(own).join("node"), node.as_bytes())?;
    // Before anything that could be seen from outside.
    let signals = Signals::block()?;
    if !shared.claim(own, &claim)? {
        return Ok(begun_before(own, &"there is a claim"));
    }
    let done = make(zygote, &shared, card, signals).unwrap_or_else(|e| refused(&e));
    let code = exit_code(&done.exit);
    let ending = Ending {
        done,
        node,
        by_shell: false,
    };
    while let Err(e) = shared.end(own, &ending) {
        say(format_args!(
            "{own}: its end cannot be written: {e}; it is tried again"
        ));
        touch(&shared.claim_path(own));
        std::thread::sleep(TRY_AGAIN);
    }
    Ok(code)
}

/// Into the log that all jobs of the run share, if it can be written: it lies where
/// everything else does, and a full disk is one of the things to tell.
fn say(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{what}");
}

fn begun_before(own: &str, why: &dyn std::fmt::Display) -> u8 {
    say(format_args!(
        "{own} was begun before; it is not begun again ({why})"
    ));
    0
}

/// Says that the attempt goes on. Fails where the directory cannot be reached, which
/// the engine then sees.
fn touch(claim: &Path) {
    let touched = std::fs::File::options().append(true).open(claim);
    let _ = touched.and_then(|claim| claim.set_modified(std::time::SystemTime::now()));
}

/// What Slurm's own records may say of the step.
fn exit_code(exit: &Exit) -> u8 {
    match exit {
        Exit::Exited { code } => u8::try_from(*code).unwrap_or(1),
        Exit::Signaled { signal, .. } => u8::try_from(128 + signal).unwrap_or(1),
        Exit::TimedOut { .. } => 124,
        _ => 1,
    }
}

/// The node as Slurm calls it.
fn node() -> String {
    std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| {
        let name = nix::unistd::gethostname().unwrap_or_default();
        name.to_string_lossy().into_owned()
    })
}

fn make(zygote: Zygote, shared: &Shared, card: Card, signals: Signals) -> io::Result<Done> {
    let own = shared.job(&key(card.attempt));
    let heartbeat = Duration::from_millis(card.heartbeat_ms.max(50));
    let config = LocalConfig {
        run_dir: own.clone(),
        run_id: card.run_id.clone(),
        epoch: 1,
        slots: 1,
        env: environment(shared)?,
        nonce: card.nonce.clone(),
    };
    let local = Local::new(zygote, config)?.masking(card.secrets.clone());
    // What it holds is wanted no longer, and secrets may be in it.
    shared.take_back(&key(card.attempt));
    let attempt = card.attempt;
    let mut nurse = Nurse {
        local: local.ending_with_us(),
        attempt,
        claim: shared.claim_path(&key(attempt)),
        wish: own.join(WISH),
        heartbeat,
        told: 0,
        stopped: Arc::default(),
    };
    nurse.listen(signals)?;
    nurse.local.start(card.job())?;
    nurse.until_its_end()
}

/// The engine's environment, and what Slurm says of the job.
fn environment(shared: &Shared) -> io::Result<Vec<(OsString, OsString)>> {
    let text = std::fs::read(shared.at("env"))?;
    let variable = |text: &[u8]| {
        let at = text.iter().position(|byte| *byte == b'=')?;
        let part = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Some((part(&text[..at]), part(&text[at + 1..])))
    };
    let mut all: Vec<_> = text.split(|byte| *byte == 0).filter_map(variable).collect();
    let slurms = std::env::vars_os();
    all.extend(slurms.filter(|(name, _)| name.as_encoded_bytes().starts_with(b"SLURM")));
    Ok(all)
}

/// Looks after the attempt until it is over.
struct Nurse {
    local: Local,
    attempt: Attempt,
    /// Touched to say that the attempt goes on.
    claim: PathBuf,
    /// Made by an engine that wants the attempt to end, should Slurm not say so.
    wish: PathBuf,
    heartbeat: Duration,
    /// How firmly it was told to stop so far.
    told: u8,
    stopped: Arc<AtomicU8>,
}

const GRACE: u8 = 1;
const NOW: u8 = 2;

impl Nurse {
    /// Signals that ask for the end: TERM politely, as Slurm does, INT at once.
    fn listen(&self, signals: Signals) -> io::Result<()> {
        let (stopped, waker) = (Arc::clone(&self.stopped), self.local.waker());
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.pass_on(&stopped, &waker))?;
        Ok(())
    }

    fn until_its_end(&mut self) -> io::Result<Done> {
        let mut reports = Vec::new();
        let mut paused = false;
        let mut beat = Instant::now() + self.heartbeat;
        loop {
            let now = Instant::now();
            if now >= beat {
                beat = now + self.heartbeat;
                self.say_that_it_goes_on();
            }
            if paused {
                std::thread::sleep(TRY_AGAIN);
                self.local.unpause();
                paused = false;
            }
            let left = beat.saturating_duration_since(Instant::now());
            self.local.wait(Some(left), &mut reports)?;
            for report in reports.drain(..) {
                match report {
                    Report::Finished { done, .. } => return Ok(done),
                    Report::Interrupted { .. } => {
                        // Its supervisor was killed, and with it all that it ran.
                        return Ok(ends_now(Exit::Interrupted, None));
                    }
                    Report::Unrecordable { error } => {
                        say(format_args!(
                            "that the attempt begins cannot be written: {error}"
                        ));
                        paused = true;
                    }
                    _ => {}
                }
            }
            self.stop_as_wanted();
        }
    }

    fn say_that_it_goes_on(&mut self) {
        touch(&self.claim);
        if let Ok(wish) = std::fs::read(&self.wish) {
            let wish = if wish == b"now" { NOW } else { GRACE };
            self.stopped.fetch_max(wish, Ordering::Relaxed);
        }
    }

    fn stop_as_wanted(&mut self) {
        let wanted = self.stopped.load(Ordering::Relaxed);
        if wanted > self.told {
            self.told = wanted;
            let how = if wanted == NOW {
                Stop::Now
            } else {
                Stop::Grace
            };
            self.local.stop(self.attempt, how);
        }
    }
}

/// The signals that end a job of Slurm's, blocked.
struct Signals(SignalFd);

impl Signals {
    fn block() -> io::Result<Signals> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            set.add(signal);
        }
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
        Ok(Signals(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC)?))
    }

    fn pass_on(&self, stopped: &AtomicU8, waker: &Waker) {
        loop {
            let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut polled, PollTimeout::NONE);
            let Ok(Some(signal)) = self.0.read_signal() else {
                continue;
            };
            let is_firm = signal.ssi_signo as i32 == Signal::SIGINT as i32;
            stopped.fetch_max(if is_firm { NOW } else { GRACE }, Ordering::Relaxed);
            waker.wake();
        }
    }
}

fn refused(error: &io::Error) -> Done {
    let exit = Exit::FailedToStart {
        errno: format!("{:?}", errno_of(error)),
    };
    let why = format!("the step cannot be run on {}: {error}", node());
    ends_now(exit, Some(why))
}
