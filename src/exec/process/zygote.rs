//! The process from which supervisors are forked.
//!
//! It is made before anything else exists, so it is tiny and so is every copy
//! of it: a supervisor costs some pages, not an exec. It has one thread, a
//! session of its own, nothing open but its socket and, once it makes
//! supervisors, what these begin with; and `/dev/null` as its standard streams.
//! So neither it nor a supervisor keeps a terminal, a pipe or a directory busy
//! that was the engine's.
//!
//! It is the parent of the supervisors and a child subreaper. If one of them
//! is killed, what it ran falls to the zygote, which kills it, and only then
//! tells the engine. This goes on after the engine's death; the zygote exits
//! when the last supervisor has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::SignalFd;
use nix::sys::time::TimeSpec;
use nix::unistd::Pid;

use super::channel::{Channel, Landing, Peer};
use super::slot::Common;
use super::supervisor::{Beginning, Kit, child_signals, supervise};
use super::sys::{self, Ended, Reaped};
use super::tree;
use super::wire::{Order, Setup, Trouble};

/// Between two looks at what a dead supervisor has left.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// An engine's hold on its zygote. Without it, the zygote lives only as long
/// as supervisors do.
pub struct Zygote {
    channel: Channel,
}

/// What a zygote has to say of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Its supervisor is gone, and so is everything that ran under it.
    Gone(u32),
    /// There is no room for its supervisor.
    Refused(u32, Errno),
}

impl Zygote {
    /// Makes the zygote. To be called first thing in `main`: what exists by
    /// then, exists in every supervisor.
    ///
    /// The caller does not become its parent, so it never meets a child that
    /// it does not know.
    ///
    /// # Errors
    /// No room for another process.
    pub fn fork() -> io::Result<Zygote> {
        let (ours, theirs) = UnixStream::pair()?;
        let no_room =
            |e: io::Error| io::Error::new(e.kind(), format!("no room for another process: {e}"));
        let helper = sys::fork(|| {
            match sys::fork(|| i32::from(Nursery::run(theirs.as_raw_fd()).is_err())) {
                Ok(_) => 0,
                Err(e) => e.raw_os_error().unwrap_or(1),
            }
        })
        .map_err(no_room)?;
        match sys::wait_for(helper) {
            0 => Ok(Zygote {
                channel: Channel::new(ours),
            }),
            errno => Err(no_room(io::Error::from_raw_os_error(errno))),
        }
    }

    /// Tells it what all slots begin with. Comes before the first request.
    pub fn prepare(&mut self, setup: Setup) {
        // That it is gone shows with the first request.
        let _ = self
            .channel
            .send(Order::Setup(setup).to_frame(), Vec::new());
    }

    /// Asks for a supervisor that answers at the other end of `socket`.
    ///
    /// # Errors
    /// The zygote is gone.
    pub fn request(&mut self, slot: u32, socket: UnixStream) -> io::Result<()> {
        let socket = Arc::new(File::from(OwnedFd::from(socket)));
        let frame = [4u32.to_le_bytes(), slot.to_le_bytes()].concat();
        match self.channel.send(frame, vec![socket]) {
            // The zygote does nothing but read this, so there is room but for moments.
            Peer::There => Ok(()),
            Peer::Gone => Err(gone()),
        }
    }

    /// What the zygote has said; `Gone` if it says no more.
    pub fn hear(&mut self, landing: &mut Landing, notices: &mut Vec<Notice>) -> Peer {
        let peer = match self.channel.flush() {
            Peer::There => self.channel.receive(landing),
            Peer::Gone => Peer::Gone,
        };
        while let Ok(Some(notice)) = self.channel.next(|payload, _| Notice::read(payload)) {
            notices.push(notice);
        }
        peer
    }

    pub fn is_blocked(&self) -> bool {
        self.channel.is_blocked()
    }
}

impl AsFd for Zygote {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the process that starts supervisors is gone",
    )
}

impl Notice {
    fn to_frame(self) -> Vec<u8> {
        let (slot, errno) = match self {
            Notice::Gone(slot) => (slot, 0),
            Notice::Refused(slot, errno) => (slot, errno as i32),
        };
        [8u32.to_le_bytes(), slot.to_le_bytes(), errno.to_le_bytes()].concat()
    }

    fn read(payload: &[u8]) -> Option<Notice> {
        let (slot, errno) = payload.split_first_chunk()?;
        let slot = u32::from_le_bytes(*slot);
        Some(match i32::from_le_bytes(errno.try_into().ok()?) {
            0 => Notice::Gone(slot),
            errno => Notice::Refused(slot, Errno::from_raw(errno)),
        })
    }
}

/// The zygote's own side.
struct Nursery {
    engine: Option<Channel>,
    landing: Landing,
    child_ends: SignalFd,
    supervisors: BTreeMap<Pid, u32>,
    /// Gone, with something of theirs perhaps left.
    swept_for: Vec<u32>,
    /// What each supervisor begins with: made here, since what a process has not
    /// touched since its parent was forked costs it nothing.
    kit: Option<Kit>,
    /// The same of each slot, once the engine has told.
    common: Beginning,
}

/// What an engine asks of its zygote.
enum Request {
    Prepare(Setup),
    /// A supervisor for this slot, which answers here.
    Bear(u32, Arc<File>),
}

impl Request {
    fn read(payload: &[u8], files: &mut VecDeque<Arc<File>>) -> Option<Request> {
        if let Ok(slot) = payload.try_into() {
            return Some(Request::Bear(u32::from_le_bytes(slot), files.pop_front()?));
        }
        match Order::read(payload, |_| None)? {
            Order::Setup(setup) => Some(Request::Prepare(setup)),
            _ => None,
        }
    }
}

impl Nursery {
    fn run(engine: RawFd) -> io::Result<()> {
        leave_everything_but(engine)?;
        let mut nursery = Nursery {
            engine: Some(Channel::new(sys::own(engine).into())),
            landing: Landing::new(1024),
            child_ends: child_signals()?,
            supervisors: BTreeMap::new(),
            swept_for: Vec::new(),
            kit: Some(Kit::new()),
            common: Err(Trouble {
                why: "nobody has said what slots begin with".into(),
                may_pass: false,
            }),
        };
        while nursery.has_duties() {
            nursery.wait()?;
            nursery.reap();
            nursery.sweep();
            nursery.hear();
        }
        Ok(())
    }

    fn has_duties(&self) -> bool {
        self.engine.is_some() || !self.supervisors.is_empty() || !self.swept_for.is_empty()
    }

    fn wait(&self) -> io::Result<()> {
        let mut interests = PollFlags::POLLIN;
        if self.engine.as_ref().is_some_and(Channel::is_blocked) {
            interests |= PollFlags::POLLOUT;
        }
        let mut polled = vec![PollFd::new(self.child_ends.as_fd(), PollFlags::POLLIN)];
        polled.extend(
            self.engine
                .as_ref()
                .map(|e| PollFd::new(e.as_fd(), interests)),
        );
        let sweeps = !self.swept_for.is_empty();
        let timeout = sweeps.then(|| TimeSpec::from_duration(LOOK_AGAIN));
        match ppoll(&mut polled, timeout, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        if polled[0].any() == Some(true) {
            // Only says that there is something to reap; there is at most one.
            let _ = self.child_ends.read_signal();
        }
        Ok(())
    }

    fn reap(&mut self) {
        while let Reaped::Child(pid, ended) = sys::reap() {
            let Some(slot) = self.supervisors.remove(&pid) else {
                continue;
            };
            match ended {
                // It left when nothing ran any more.
                Ended::Exited(0) => self.tell(Notice::Gone(slot)),
                _ => self.swept_for.push(slot),
            }
        }
    }

    /// Kills what dead supervisors have left, and says so when it is gone.
    fn sweep(&mut self) {
        if self.swept_for.is_empty() {
            return;
        }
        let spared: BTreeSet<Pid> = self.supervisors.keys().copied().collect();
        if tree::has_children_but(&spared) {
            tree::kill_below_self(&spared);
        } else {
            for slot in std::mem::take(&mut self.swept_for) {
                self.tell(Notice::Gone(slot));
            }
        }
    }

    fn tell(&mut self, notice: Notice) {
        if let Some(engine) = &mut self.engine
            && engine.send(notice.to_frame(), Vec::new()) == Peer::Gone
        {
            self.engine = None;
        }
    }

    fn hear(&mut self) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        if engine.flush() == Peer::Gone {
            self.engine = None;
        }
        // One by one: each process made would else begin with a copy of every
        // socket that waits here for its own.
        while let Some(engine) = &mut self.engine {
            let peer = engine.receive_some(&mut self.landing);
            while let Some(engine) = &mut self.engine
                && let Ok(Some(request)) = engine.next(Request::read)
            {
                match request {
                    Request::Prepare(setup) => {
                        self.common = Common::new(setup).map_err(Trouble::from);
                    }
                    Request::Bear(slot, socket) => self.bear(slot, &socket),
                }
            }
            match peer {
                None => {}
                Some(Peer::There) => return,
                Some(Peer::Gone) => self.engine = None,
            }
        }
    }

    fn bear(&mut self, slot: u32, socket: &File) {
        let born = sys::fork(|| {
            let socket = socket.as_raw_fd();
            let common = std::mem::replace(&mut self.common, Err(Trouble::default()));
            match &common {
                Ok(common) => {
                    let [directory, null] = common.descriptors();
                    sys::close_all_but(&mut [socket, directory, null]);
                }
                Err(_) => sys::close_all_but(&mut [socket]),
            }
            let kit = self.kit.take().unwrap_or_else(Kit::new);
            i32::from(supervise(sys::own(socket).into(), kit, slot, common).is_err())
        });
        match born {
            Ok(pid) => {
                self.supervisors.insert(pid, slot);
            }
            Err(e) => {
                let errno = Errno::from_raw(e.raw_os_error().unwrap_or(nix::libc::EAGAIN));
                self.tell(Notice::Refused(slot, errno));
            }
        }
    }
}

/// Lets go of all that was the engine's.
fn leave_everything_but(kept: RawFd) -> io::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
    sys::default_signals();
    sys::close_all_but(&mut [kept]);
    nix::unistd::setsid()?;
    nix::unistd::chdir("/")?;
    nix::sys::prctl::set_child_subreaper(true)?;
    // Only for people who look at the list of processes.
    let _ = nix::sys::prctl::set_name(c"quintet-zygote");
    let input = File::open("/dev/null")?;
    let output = File::options().write(true).open("/dev/null")?;
    sys::place(input.as_fd(), 0)?;
    sys::place(output.as_fd(), 1)?;
    sys::place(output.as_fd(), 2)
}
