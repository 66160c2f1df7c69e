//! The process that looks after one slot: it runs one attempt at a time, ends
//! what has to be ended, writes down what became of it, and outlives its engine.
//!
//! It is forked by the [zygote](super::zygote), never executed, and reused from
//! attempt to attempt. It has one thread. All signals are blocked, not ignored:
//! whoever wants to end a run asks the engine, which knows how; a supervisor
//! that died of a stray TERM would take its step's exit code along. What a step
//! starts has default signals, since no disposition was ever changed.
//!
//! When the engine is gone, a supervisor starts nothing more, lets what runs go
//! on, and waits at a socket in the run's directory for the next engine. It
//! exits when nothing runs and all that happened is written down.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::stat::{Mode, umask};
use nix::sys::time::TimeSpec;
use nix::unistd::Uid;

use super::attempt::Running;
use super::channel::{Channel, Landing, Peer};
use super::slot::{Begun, Common, Slot, TRY_AGAIN, never_began};
use super::sys::Stack;
use super::wire::{self, Answer, Order, Trouble};
use crate::exec::{Done, Job, Stop};
use crate::run::Attempt;

/// Bytes taken in at once: a few jobs. Larger ones take more rounds.
const LANDING: usize = 8 * 1024;

/// Looks after a slot until there is nothing more to look after.
///
/// # Errors
/// The system refuses the little that is needed from the start.
pub fn supervise(engine: UnixStream, kit: Kit, slot: u32, common: Beginning) -> io::Result<()> {
    nix::unistd::setsid()?;
    nix::sys::prctl::set_child_subreaper(true)?;
    // Only for people who look at the list of processes.
    let _ = nix::sys::prctl::set_name(c"quintet-slot");
    let mut supervisor = Supervisor::new(engine, kit.landing)?;
    supervisor.set_up(slot, common, kit.stack);
    supervisor.run()
}

/// What a supervisor needs and could as well have been born with.
pub struct Kit {
    landing: Landing,
    stack: Stack,
}

/// What the slot begins with; or why it cannot, which its supervisor tells.
pub type Beginning = Result<Common, Trouble>;

impl Kit {
    pub fn new() -> Kit {
        // The choice of how to hash is made once in a process, and inherited.
        wire::warm_up();
        Kit {
            landing: Landing::new(LANDING),
            stack: Stack::new(),
        }
    }
}

/// The signals a supervisor wants to know of: the ends of children.
pub fn child_signals() -> io::Result<SignalFd> {
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGCHLD);
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok(SignalFd::with_flags(&ends, flags)?)
}

struct Supervisor {
    /// Absent when it is dead.
    engine: Option<Channel>,
    /// It has connected and has still to say who it is.
    is_stranger: bool,
    /// There while the engine is not, if anything is left to tell the next one.
    listener: Option<UnixListener>,
    landing: Landing,
    child_ends: SignalFd,
    slot: Option<Slot>,
    running: Option<Running>,
    /// Handed over ahead of time.
    waiting: VecDeque<Box<Job>>,
    /// An attempt did not end plainly: what waits is held until the engine, which
    /// may want to call it off, has heard of that.
    held: bool,
    /// The last attempt here, if its end was plain: what is to begin behind it
    /// may only now be on its way.
    ended_plainly: Option<Attempt>,
    /// Ends that are written down and that the engine has still to hear of. To
    /// wake it takes a while, and the next attempt need not wait for that.
    untold: Vec<Answer>,
    /// Over, and refused by the disk so far.
    unwritten: Option<(Attempt, Done)>,
    /// Why it refused.
    refusal: Option<Trouble>,
    try_again_at: Option<Instant>,
}

/// What woke a supervisor.
#[derive(Default)]
struct Ready {
    child: bool,
    engine: bool,
    stranger: bool,
    output: bool,
}

impl Supervisor {
    fn new(engine: UnixStream, landing: Landing) -> io::Result<Supervisor> {
        Ok(Supervisor {
            engine: Some(Channel::new(engine)),
            is_stranger: false,
            listener: None,
            landing,
            child_ends: child_signals()?,
            slot: None,
            running: None,
            waiting: VecDeque::new(),
            held: false,
            ended_plainly: None,
            untold: Vec::new(),
            unwritten: None,
            refusal: None,
            try_again_at: None,
        })
    }

    fn set_up(&mut self, slot: u32, common: Beginning, stack: Stack) {
        let made = common.and_then(|common| Ok(Slot::new(common, slot, stack)?));
        match made {
            Ok(slot) => self.slot = Some(slot),
            Err(trouble) => {
                self.tell(&Answer::Broken(trouble));
                self.lose_engine();
            }
        }
    }

    fn run(mut self) -> io::Result<()> {
        while !self.is_done() {
            let ready = self.wait()?;
            if ready.child {
                // Only says that there is something to reap; there is at most one.
                let _ = self.child_ends.read_signal();
                self.reap();
            }
            // That it is dead shows here, before anything new starts.
            if ready.engine {
                self.hear();
            }
            if ready.stranger {
                self.meet();
            }
            if ready.output
                && let Some(slot) = &mut self.slot
            {
                slot.pump();
            }
            self.on_time();
            self.begin_next();
            self.tell_ends();
        }
        if let Some(slot) = &self.slot {
            slot.close();
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.engine.is_none() && self.running.is_none() && self.unwritten.is_none()
    }

    fn wait(&self) -> io::Result<Ready> {
        let mut interests = PollFlags::POLLIN;
        if self.engine.as_ref().is_some_and(Channel::is_blocked) {
            interests |= PollFlags::POLLOUT;
        }
        let peer = match (&self.engine, &self.listener) {
            (Some(engine), _) => Some(engine.as_fd()),
            (None, listener) => listener.as_ref().map(AsFd::as_fd),
        };
        let mut polled = vec![PollFd::new(self.child_ends.as_fd(), PollFlags::POLLIN)];
        polled.extend(peer.map(|peer| PollFd::new(peer, interests)));
        let first_pipe = polled.len();
        let pipes = self.slot.iter().filter_map(Slot::pipes);
        let pipes = pipes.flat_map(super::pipe::Pipes::sources);
        polled.extend(pipes.map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        let due = self.running.as_ref().and_then(Running::wake_at);
        let due = due.into_iter().chain(self.try_again_at).min();
        let timeout =
            due.map(|due| TimeSpec::from_duration(due.saturating_duration_since(Instant::now())));
        match ppoll(&mut polled, timeout, None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let is_ready = |n: usize| polled.get(n).and_then(PollFd::any).unwrap_or(false);
        // Where there is no peer, a pipe is in its place.
        let is_peer = first_pipe == 2 && is_ready(1);
        Ok(Ready {
            child: is_ready(0),
            engine: is_peer && self.engine.is_some(),
            stranger: is_peer && self.engine.is_none(),
            output: (first_pipe..polled.len()).any(is_ready),
        })
    }

    /// Takes ends of children; where the attempt is over with that, finishes it.
    fn reap(&mut self) {
        if self.running.as_mut().is_some_and(Running::reap)
            && let Some((over, slot)) = self.running.take().zip(self.slot.as_mut())
        {
            let done = slot.gather(&over);
            self.conclude(over.attempt, done);
            // Not before the end is written: its locks go free with this.
            drop(over);
        }
    }

    /// First the record, then the report: the report may be lost with the engine.
    fn conclude(&mut self, attempt: Attempt, done: Done) {
        if let Some(slot) = &mut self.slot
            && let Err(e) = slot.record_end(attempt, &done)
        {
            self.unwritten = Some((attempt, done.clone()));
            self.refusal = Some(e.into());
            self.try_again_at = Some(Instant::now() + TRY_AGAIN);
        }
        self.held = !done.is_plain();
        self.ended_plainly = (!self.held).then_some(attempt);
        if self.held {
            self.drop_behind(attempt);
        }
        self.untold.push(Answer::Finished(attempt, done));
    }

    fn tell_ends(&mut self) {
        for end in std::mem::take(&mut self.untold) {
            self.send(&end);
        }
    }

    /// Says something, after all that happened before.
    fn tell(&mut self, answer: &Answer) {
        self.tell_ends();
        self.send(answer);
    }

    fn send(&mut self, answer: &Answer) {
        if let Some(engine) = &mut self.engine
            && engine.send(answer.to_frame(), Vec::new()) == Peer::Gone
        {
            self.lose_engine();
        }
    }

    /// Takes in what the engine says, and notices its death.
    fn hear(&mut self) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        let peer = engine.receive(&mut self.landing);
        let sent = engine.flush();
        while let Some(engine) = &mut self.engine {
            let read = engine.next(|payload, files| {
                Order::read(payload, |n| {
                    (n <= files.len()).then(|| files.drain(..n).collect())
                })
            });
            match read {
                Ok(Some(order)) => self.obey(order),
                Ok(None) => break,
                Err(_) => return self.lose_engine(),
            }
        }
        if peer == Peer::Gone || sent == Peer::Gone {
            self.lose_engine();
        }
    }

    fn obey(&mut self, order: Order) {
        if self.is_stranger && !matches!(order, Order::Setup(_)) {
            return self.lose_engine();
        }
        match order {
            Order::Setup(setup) => {
                let slot = self.slot.as_mut();
                match slot.is_some_and(|slot| slot.change_hands(setup).is_ok()) {
                    true => self.greet(),
                    // Whoever came too late is not answered, let alone obeyed.
                    false => self.lose_engine(),
                }
            }
            Order::Start(job) if self.may_stand(&job) => self.waiting.push_back(job),
            Order::Start(_) => {}
            Order::Stop(attempt, how) => self.stop(attempt, how),
            Order::Revoke(attempt) => {
                // With nothing running, what waits first is as good as begun: the
                // engine has been told that the one before it is over, and counts
                // on it. What waits behind that is not, also where both have come
                // together with this order and neither has begun.
                let is_next = self.running.is_none()
                    && self
                        .waiting
                        .front()
                        .is_some_and(|job| job.attempt == attempt);
                if !is_next && self.call_off(attempt) {
                    self.tell(&Answer::Revoked(attempt));
                }
            }
            Order::GoOn => self.held = false,
        }
    }

    fn stop(&mut self, attempt: Attempt, how: Stop) {
        match &mut self.running {
            Some(running) if running.attempt == attempt => running.stop(how, Instant::now()),
            _ => {
                if self.call_off(attempt) {
                    self.tell(&Answer::Finished(attempt, never_began()));
                }
            }
        }
    }

    /// Forgets a job that only waits; false where there is none.
    fn call_off(&mut self, attempt: Attempt) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|job| job.attempt != attempt);
        let found = self.waiting.len() < before;
        if found {
            self.drop_behind(attempt);
        }
        found
    }

    /// Whether what the job stands behind is still to end, or has ended plainly.
    fn may_stand(&self, job: &Job) -> bool {
        job.behind.is_none_or(|first| {
            let running = self.running.as_ref();
            running.is_some_and(|running| running.attempt == first)
                || self.waiting.iter().any(|job| job.attempt == first)
                || self.ended_plainly == Some(first)
        })
    }

    /// Lets go of what was to begin after a plain end of this one. Nothing is
    /// said: the engine does the same when it hears how this one ended.
    fn drop_behind(&mut self, attempt: Attempt) {
        self.waiting.retain(|job| job.behind != Some(attempt));
    }

    /// Starts what waits, if nothing runs.
    fn begin_next(&mut self) {
        while self.running.is_none()
            && !self.held
            && let Some(slot) = &mut self.slot
            && let Some(job) = self.waiting.pop_front()
        {
            if let Some(trouble) = self.refusal.clone().filter(|_| self.unwritten.is_some()) {
                self.unrecordable(job.attempt, trouble);
                continue;
            }
            match slot.begin(*job) {
                Begun::Running(running) => self.running = Some(running),
                Begun::Refused(attempt, done) => self.conclude(attempt, done),
                Begun::Unrecordable(attempt, e) => self.unrecordable(attempt, e.into()),
            }
        }
    }

    /// The attempt does not start, since that could not be written down.
    fn unrecordable(&mut self, attempt: Attempt, trouble: Trouble) {
        self.drop_behind(attempt);
        self.tell(&Answer::Unrecordable(attempt, trouble));
    }

    fn on_time(&mut self) {
        if self.running.is_none() && self.try_again_at.is_none() {
            return;
        }
        let now = Instant::now();
        if let Some(running) = &mut self.running {
            running.on_time(now);
        }
        if self.try_again_at.is_some_and(|due| due <= now) {
            self.try_again_at = None;
            self.try_again(now);
        }
    }

    /// Does again what a full disk has refused.
    fn try_again(&mut self, now: Instant) {
        if let Some((slot, (attempt, done))) = self.slot.as_mut().zip(self.unwritten.take())
            && slot.record_end(attempt, &done).is_err()
            && !slot.is_removed()
        {
            self.unwritten = Some((attempt, done));
        }
        if self.engine.is_none() && self.listener.is_none() {
            self.listener = self.listen();
        }
        let unlistened = self.engine.is_none() && self.listener.is_none();
        if self.unwritten.is_some() || unlistened {
            self.try_again_at = Some(now + TRY_AGAIN);
        }
    }

    /// Goes on without the engine. What it handed over ahead is not started:
    /// the next engine finds that it never ran.
    fn lose_engine(&mut self) {
        self.engine = None;
        self.is_stranger = false;
        self.waiting.clear();
        self.held = false;
        self.ended_plainly = None;
        self.untold.clear();
        let ends = self.slot.as_ref().is_some_and(Slot::ends_with_engine);
        if let Some(running) = self.running.as_mut().filter(|_| ends) {
            running.stop(Stop::Now, Instant::now());
        }
        if !self.is_done() {
            self.listener = self.listen();
            if self.listener.is_none() {
                self.try_again_at.get_or_insert(Instant::now() + TRY_AGAIN);
            }
        }
    }

    fn listen(&self) -> Option<UnixListener> {
        let slot = self.slot.as_ref()?;
        let name = slot.name.socket();
        // From when it lost an engine before this one.
        slot.directory.remove(&name).ok()?;
        // Nobody else has a thread here that could notice.
        let before = umask(Mode::S_IXUSR | Mode::S_IRWXG | Mode::S_IRWXO);
        let listener = UnixListener::bind(slot.directory.short_path_of(&name));
        umask(before);
        let listener = listener.ok()?;
        listener.set_nonblocking(true).ok()?;
        Some(listener)
    }

    /// Lets another engine in. It is answered, and obeyed, once it has said who
    /// it is: it may be one that was frozen, and whose time is over.
    fn meet(&mut self) {
        let Some((listener, slot)) = self.listener.as_ref().zip(self.slot.as_ref()) else {
            return;
        };
        let Ok((stranger, _)) = listener.accept() else {
            return;
        };
        let me = Uid::effective();
        let is_ours = |uid: u32| uid == me.as_raw() || uid == 0;
        if !getsockopt(&stranger, PeerCredentials).is_ok_and(|peer| is_ours(peer.uid())) {
            return;
        }
        // Not needed any more; a socket file that stays is in nobody's way.
        let _ = slot.directory.remove(&slot.name.socket());
        self.listener = None;
        self.engine = Some(Channel::new(stranger));
        self.is_stranger = true;
    }

    /// Answers an engine that has connected and may.
    fn greet(&mut self) {
        if !std::mem::take(&mut self.is_stranger) {
            return;
        }
        let current = self.running.as_ref().map(|running| running.attempt);
        let unwritten = self.unwritten.clone();
        let told = unwritten.as_ref().map(|(attempt, _)| *attempt);
        self.tell(&Answer::Hello(current.or(told)));
        if let Some((attempt, done)) = unwritten {
            self.tell(&Answer::Finished(attempt, done));
        }
    }
}
