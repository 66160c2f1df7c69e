//! A builtin in a program's place: a copy of the supervisor that finds something
//! out, says so in one line, and exits.
//!
//! Nothing is executed for it, since this program may be a part of another one,
//! which could not be asked. For the supervisor the copy is like any program: it
//! leads a process group, writes to the attempt's streams, ends by signals, and
//! what it starts is below it. One thing differs: no mark stands in its
//! environment, which it has from long before. So it has the kernel end it
//! together with its supervisor; the programs that it runs have the mark.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getppid, setpgid};

use super::launch::{self, Refusal};
use super::sys::{self, Image, Stack, Stage};
use crate::exec::builtin::{self, Finding, NotRun, Ran, Tool, Tools};
use crate::plan::builtin::Question;

/// So much of what a tool puts out is kept; the rest is read and forgotten.
const MOST_OUTPUT: usize = 64 * 1024;

/// Where nothing could be found out, not even why.
const UNTOLD: i32 = 2;

/// Begins to find out. The image names no program; what the builtin runs gets
/// its environment and directory.
///
/// # Errors
/// No room for another process.
pub fn launch(
    question: &Question,
    image: &Image,
    streams: [BorrowedFd<'_>; 3],
) -> Result<Pid, Refusal> {
    let supervisor = Pid::this();
    let streams = streams.map(|stream| stream.as_raw_fd());
    let forked = sys::fork(|| match take_place(supervisor, &streams) {
        Ok(()) => tell(&builtin::find(question, &mut Toolbox::new(image))),
        Err(_) => UNTOLD,
    });
    let pid = forked.map_err(|e| {
        let errno = Errno::from_raw(e.raw_os_error().unwrap_or(nix::libc::EAGAIN));
        launch::unlaunched(image, Stage::Clone, errno)
    })?;
    // The copy does the same; whoever comes first, the group is there from now on.
    let _ = setpgid(pid, pid);
    Ok(pid)
}

/// Makes the copy what a program would be. It lets go of all that was the
/// supervisor's, whose death would else not be noticed.
fn take_place(supervisor: Pid, streams: &[RawFd; 3]) -> io::Result<()> {
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != supervisor {
        // It died before it could be said.
        return Err(Errno::ESRCH.into());
    }
    // Only for people who look at the list of processes.
    let _ = nix::sys::prctl::set_name(c"quintet-builtin");
    sys::take_streams(streams)?;
    sys::close_all_but(&mut []);
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

/// Says what was found where it belongs; gives the exit code.
fn tell(finding: &Finding) -> i32 {
    let stream = match finding {
        Finding::Holds(_) => 1,
        Finding::Fails(_) | Finding::Unknown(_) => 2,
    };
    let line = finding.line() + "\n";
    // Not by `println`, whose lock somebody may have held when the copy was made.
    // A line that nobody takes changes nothing in what was found.
    let _ = File::from(sys::own(stream)).write_all(line.as_bytes());
    finding.code()
}

/// Runs programs below the builtin, as a supervisor runs them for a step.
struct Toolbox<'a> {
    image: &'a Image,
    stack: Stack,
}

impl<'a> Toolbox<'a> {
    fn new(image: &'a Image) -> Self {
        let stack = Stack::new();
        Toolbox { image, stack }
    }

    fn env(&self, over: &[(&str, &str)]) -> Result<Vec<Rc<CStr>>, Refusal> {
        let is_over = |entry: &CStr| {
            let entry = entry.to_bytes();
            over.iter().any(|(key, _)| {
                let rest = entry.strip_prefix(key.as_bytes());
                rest.is_some_and(|rest| rest.first() == Some(&b'='))
            })
        };
        let own = self.image.env.iter().filter(|entry| !is_over(entry));
        let mut env: Vec<Rc<CStr>> = own.map(Rc::clone).collect();
        for (key, value) in over {
            env.push(launch::text("the environment", format!("{key}={value}").as_bytes())?.into());
        }
        Ok(env)
    }
}

impl Tools for Toolbox<'_> {
    fn run(&mut self, tool: &Tool<'_>) -> Result<Ran, NotRun> {
        let refused = |refusal: Refusal| NotRun::Other(refusal.error);
        let cwd = match tool.cwd {
            Some(cwd) => launch::text("the working directory", cwd.as_bytes()).map_err(refused)?,
            None => self.image.cwd.clone(),
        };
        let env = self.env(tool.env).map_err(refused)?;
        let image = launch::lay_out(&tool.argv, cwd, env).map_err(refused)?;
        let no_streams = |e: io::Error| refused(launch::no_streams(&e));
        let null = File::open("/dev/null").map_err(no_streams)?;
        let (from, into) = io::pipe().map_err(no_streams)?;
        let streams = [null.as_fd(), into.as_fd(), into.as_fd()];
        let started = sys::spawn(&image, streams, &mut self.stack);
        let pid = started.map_err(|(stage, errno)| not_run(&image, tool, stage, errno))?;
        drop(into);
        let output = output_until_end(pid, from);
        // Also where somebody else's signal stopped the reading.
        let code = match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, code)) => Some(code),
            _ => None,
        };
        let output =
            output.map_err(|e| NotRun::Other(format!("{} is unheard: {e}", tool.argv[0])))?;
        Ok(Ran { code, output })
    }
}

fn not_run(image: &Image, tool: &Tool<'_>, stage: Stage, errno: Errno) -> NotRun {
    let program = tool.argv[0];
    let why = launch::unlaunched(image, stage, errno).error;
    match (stage, errno) {
        (Stage::Exec, Errno::ENOENT) if !program.contains('/') => {
            NotRun::NotThere(format!("{program} is not installed"))
        }
        (Stage::Exec, Errno::ENOENT) => NotRun::NotThere(why),
        _ => NotRun::Other(why),
    }
}

/// The beginning of what a child puts out until it ends. Who holds its streams
/// open beyond that is not waited for.
fn output_until_end(child: Pid, mut from: PipeReader) -> io::Result<String> {
    let ended = sys::pidfd_open(child)?;
    let mut output = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let mut polled = [from.as_fd(), ended.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut polled, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
        // What it wrote was there before its end was.
        if !polled[0].any().unwrap_or(false) {
            break;
        }
        let n = from.read(&mut piece)?;
        if n == 0 {
            break;
        }
        let room = MOST_OUTPUT - output.len();
        output.extend_from_slice(&piece[..n.min(room)]);
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}
