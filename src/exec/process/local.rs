//! The local executor, as the engine holds it: one thread, one `epoll`, a
//! socket to each supervisor.
//!
//! Which slot gets which job is the [roster](super::roster)'s business; here
//! its deeds are done and the supervisors' answers are turned into reports.
//! A slot that has become free gets its next job before anything else happens.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::channel::{Channel, Landing, MOST_FILES, Peer};
use super::files::{Directory, Records, SlotName};
use super::roster::{Deed, Entry, Place, Roster, Seat};
use super::slot::never_began;
use super::tree;
use super::wire::{Answer, Order, Record, Secrets, Setup, Trouble};
use super::zygote::{Notice, Zygote};
use crate::exec::{Done, Executor, Found, Job, Report, Stop, Unrecorded, Waker};
use crate::run::{Attempt, Exit};

/// Tokens beside those of seats.
const BELL: u64 = u64::MAX;
const ZYGOTE: u64 = u64::MAX - 1;

/// A job whose supervisors die before they begin it is given up after so many.
const MOST_LOST: u32 = 3;

/// What the local executor must know of the run.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// The run's own directory: absolute, UTF-8, there already, private to the user.
    pub run_dir: PathBuf,
    pub run_id: String,
    /// Never used before for this run, and higher than all that were.
    pub epoch: u32,
    /// At most this many attempts run at once.
    pub slots: usize,
    /// The whole environment that a step's own is laid over: nothing else is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Hard to guess; marks the processes of this engine's attempts.
    pub nonce: String,
}

/// Runs attempts as processes of this machine.
///
/// An error from [`start`](Executor::start) or [`wait`](Executor::wait) means
/// that nothing new is started any more: the attempts it is about, and those
/// that still waited, were not. What runs goes on and is still reported by
/// further calls of `wait`.
pub struct Local {
    pub(super) config: LocalConfig,
    run_dir: String,
    pub(super) directory: Directory,
    zygote: Option<Zygote>,
    zygote_awaits_room: bool,
    epoll: Epoll,
    bell: Arc<EventFd>,
    roster: Roster,
    lines: Vec<Option<Line>>,
    next_number: u32,
    secrets: Vec<String>,
    ends_with_us: bool,
    ready: Vec<Report>,
    broken: Option<io::Error>,
    pub(super) landing: Landing,
}

/// The connection to one supervisor.
struct Line {
    channel: Channel,
    name: SlotName,
    /// A child of our own zygote, which then has the last word on its end.
    ours: bool,
    /// It said that it cannot work, and why.
    failed: Option<Trouble>,
    awaits_room: bool,
    is_open: bool,
}

impl Local {
    /// Opens the run's directory for this epoch. Nothing is started yet.
    ///
    /// # Errors
    /// The directory cannot be used, or the epoch was used before.
    pub fn new(zygote: Zygote, config: LocalConfig) -> io::Result<Local> {
        let Some(run_dir) = config.run_dir.to_str().filter(|path| path.starts_with('/')) else {
            // Steps are told of paths in it, in an environment of texts.
            let why = format!("not an absolute path in UTF-8: {:?}", config.run_dir);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        let run_dir = run_dir.to_string();
        tree::can_end_processes()?;
        let unmade = |e: io::Error| io::Error::new(e.kind(), Unrecorded(e.to_string()));
        let directory = Directory::make(&config.run_dir).map_err(unmade)?;
        directory.open_epoch(config.epoch).map_err(unmade)?;
        allow_open_files(config.slots);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = Arc::new(EventFd::from_flags(flags)?);
        epoll.add(&*bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        epoll.add(&zygote, EpollEvent::new(EpollFlags::EPOLLIN, ZYGOTE))?;
        Ok(Local {
            roster: Roster::new(config.slots.max(1)),
            config,
            run_dir,
            directory,
            zygote: Some(zygote),
            zygote_awaits_room: false,
            epoll,
            bell,
            lines: Vec::new(),
            next_number: 0,
            secrets: Vec::new(),
            ends_with_us: false,
            ready: Vec::new(),
            broken: None,
            landing: Landing::new(64 * 1024),
        })
    }

    /// Keeps these out of everything that attempts put out. Not part of the
    /// configuration, which may be shown.
    #[must_use]
    pub fn masking(mut self, secrets: impl IntoIterator<Item = String>) -> Local {
        self.secrets.extend(secrets);
        self
    }

    /// Has what runs end with this executor, at whatever moment its process dies: for
    /// one that nobody could take over.
    #[must_use]
    pub fn ending_with_us(self) -> Local {
        Local {
            ends_with_us: true,
            ..self
        }
    }

    /// Nothing new starts after this.
    fn break_with(&mut self, e: io::Error) {
        self.roster.halt();
        self.broken.get_or_insert(e);
    }

    fn do_deeds(&mut self) {
        while let Some(deed) = self.roster.next_deed() {
            match deed {
                Deed::Open(seat) => {
                    if let Err(e) = self.open(seat) {
                        self.roster.lost(seat);
                        self.break_with(e);
                    }
                }
                Deed::Give(seat, attempt) => {
                    if let Some(job) = self.roster.job(seat, attempt) {
                        let (frame, locks) = (Order::start_frame(job), job.locks.clone());
                        self.send(seat, frame, locks);
                    }
                }
                Deed::Accept(attempt) => {
                    if let Some(Place::Seat(_)) = self.roster.place(attempt) {
                        self.ready.push(Report::Accepted {
                            attempt,
                            node: None,
                        });
                    }
                }
                Deed::Revoke(seat, attempt) => {
                    self.send(seat, Order::Revoke(attempt).to_frame(), Vec::new());
                }
                Deed::GoOn(seat) => self.send(seat, Order::GoOn.to_frame(), Vec::new()),
            }
        }
    }

    /// Has a supervisor made. It is written to at once: what it is told waits
    /// for it in its socket.
    fn open(&mut self, seat: Seat) -> io::Result<()> {
        let number = self.next_number;
        self.next_number += 1;
        let first = (number == 0).then(|| self.setup());
        let zygote = self.zygote.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        if let Some(setup) = first {
            zygote.prepare(setup);
        }
        let (ours, theirs) = UnixStream::pair()?;
        zygote.request(number, theirs)?;
        self.await_zygote()?;
        let line = Line {
            channel: Channel::new(ours),
            name: SlotName {
                epoch: self.config.epoch,
                number,
            },
            ours: true,
            failed: None,
            awaits_room: false,
            is_open: true,
        };
        self.install(seat, line)
    }

    fn install(&mut self, seat: Seat, line: Line) -> io::Result<()> {
        let interest = EpollEvent::new(EpollFlags::EPOLLIN, seat as u64);
        self.epoll.add(&line.channel, interest)?;
        if self.lines.len() <= seat {
            self.lines.resize_with(seat + 1, || None);
        }
        self.lines[seat] = Some(line);
        Ok(())
    }

    /// The same for the zygote's socket, which many requests at once do fill.
    fn await_zygote(&mut self) -> io::Result<()> {
        let Some(zygote) = &self.zygote else {
            return Ok(());
        };
        if zygote.is_blocked() != self.zygote_awaits_room {
            self.zygote_awaits_room = zygote.is_blocked();
            let mut interest = EpollEvent::new(interests(self.zygote_awaits_room), ZYGOTE);
            self.epoll.modify(zygote, &mut interest)?;
        }
        Ok(())
    }

    pub(super) fn setup(&self) -> Setup {
        let bytes = |text: &OsString| text.as_bytes().to_vec();
        Setup {
            run_dir: self.run_dir.clone(),
            run_id: self.config.run_id.clone(),
            epoch: self.config.epoch,
            nonce: self.config.nonce.clone(),
            env: self
                .config
                .env
                .iter()
                .map(|(key, value)| (bytes(key), bytes(value)))
                .collect(),
            secrets: Secrets(self.secrets.clone()),
            ends_with_engine: self.ends_with_us,
        }
    }

    /// Takes over a supervisor that an earlier engine has left, with what it runs.
    pub(super) fn take_over(
        &mut self,
        name: SlotName,
        channel: Channel,
        running: Attempt,
    ) -> io::Result<()> {
        let seat = self.roster.take_over(Some(running), Instant::now());
        let line = Line {
            channel,
            name,
            ours: false,
            failed: None,
            awaits_room: false,
            is_open: true,
        };
        self.install(seat, line)?;
        // An end that it told at once came together with its greeting.
        self.hear(seat);
        Ok(())
    }

    fn send(&mut self, seat: Seat, frame: Vec<u8>, files: Vec<Arc<std::fs::File>>) {
        if let Some(line) = self.lines.get_mut(seat).and_then(Option::as_mut) {
            // That it is gone shows when it is read from, with its last words.
            let _ = line.channel.send(frame, files);
            self.await_room(seat);
        }
    }

    /// Has `epoll` tell when a full socket has room again.
    fn await_room(&mut self, seat: Seat) {
        let Some(line) = self.lines.get_mut(seat).and_then(Option::as_mut) else {
            return;
        };
        if line.channel.is_blocked() == line.awaits_room || !line.is_open {
            return;
        }
        line.awaits_room = !line.awaits_room;
        let mut interest = EpollEvent::new(interests(line.awaits_room), seat as u64);
        if let Err(e) = self.epoll.modify(&line.channel, &mut interest) {
            self.break_with(e.into());
        }
    }

    /// Waits until somebody says something, and takes it in; true if the bell rang.
    fn listen(&mut self, timeout: EpollTimeout) -> io::Result<bool> {
        let mut events = [EpollEvent::empty(); 64];
        let n = match self.epoll.wait(&mut events, timeout) {
            Err(nix::errno::Errno::EINTR) => 0,
            waited => waited?,
        };
        let mut rang = false;
        for event in &events[..n] {
            match event.data() {
                BELL => {
                    // Read only to make it quiet again.
                    let _ = self.bell.read();
                    rang = true;
                }
                ZYGOTE => self.hear_zygote(),
                seat => self.hear(seat as Seat),
            }
        }
        self.do_deeds();
        Ok(rang)
    }

    /// Takes in what a supervisor says.
    fn hear(&mut self, seat: Seat) {
        let Some(line) = self.lines.get_mut(seat).and_then(Option::as_mut) else {
            return;
        };
        let sent = line.channel.flush();
        let received = line.channel.receive(&mut self.landing);
        let gone = loop {
            let Some(line) = self.lines.get_mut(seat).and_then(Option::as_mut) else {
                return;
            };
            match line.channel.next(|payload, _| Answer::read(payload)) {
                Ok(Some(answer)) => self.take(seat, answer),
                Ok(None) => break received == Peer::Gone || sent == Peer::Gone,
                Err(_) => break true,
            }
        };
        if gone {
            self.hang_up(seat);
        } else {
            self.await_room(seat);
        }
    }

    fn take(&mut self, seat: Seat, answer: Answer) {
        let now = Instant::now();
        match answer {
            Answer::Finished(attempt, done) => {
                let plainly = done.is_plain();
                if !plainly {
                    self.roster.hold(seat);
                }
                if self.roster.finished(seat, attempt, plainly, now) {
                    self.report(Report::Finished { attempt, done });
                    self.do_deeds();
                }
            }
            Answer::Revoked(attempt) => {
                self.roster.given_back(seat, attempt, now);
                self.report_returned();
                self.do_deeds();
            }
            Answer::Unrecordable(attempt, trouble) if trouble.may_pass => {
                self.wait_for_room(trouble);
                self.roster.not_begun(seat, attempt, now);
                self.report_returned();
            }
            Answer::Unrecordable(attempt, trouble) => {
                self.break_with(unrecorded("the start of an attempt", &trouble));
                self.roster.finished(seat, attempt, false, now);
            }
            Answer::Broken(trouble) => {
                if let Some(line) = self.lines.get_mut(seat).and_then(Option::as_mut) {
                    line.failed = Some(trouble.clone());
                }
                match trouble.may_pass {
                    true => self.wait_for_room(trouble),
                    false => self.break_with(unrecorded("the making of a slot", &trouble)),
                }
            }
            // Only said to who has just connected.
            Answer::Hello(_) | Answer::Foreign(_) => {}
        }
    }

    /// Starts nothing more until the engine says that there is room again.
    fn wait_for_room(&mut self, trouble: Trouble) {
        self.roster.pause();
        let error = trouble.why;
        self.ready.push(Report::Unrecordable { error });
    }

    /// A supervisor is gone. Its zygote makes sure that what it ran is too, and
    /// says so; without it that is on us.
    fn hang_up(&mut self, seat: Seat) {
        let Some(line) = self.lines.get_mut(seat).and_then(Option::as_mut) else {
            return;
        };
        if std::mem::take(&mut line.is_open) {
            // Closing it would do as well, but for copies on their way to the zygote.
            let _ = self.epoll.delete(&line.channel);
        }
        let ours = line.ours;
        if !ours || self.zygote.is_none() {
            self.bury(seat, false);
        }
    }

    /// Finds out what became of a dead supervisor's attempts.
    fn bury(&mut self, seat: Seat, swept: bool) {
        let Some(line) = self.lines.get_mut(seat).and_then(Option::take) else {
            return;
        };
        let entries = self.roster.lost(seat);
        if let Some(trouble) = line.failed {
            // What it never began is begun when there is room, by another.
            let entries = self.back_in_line(entries, |_| true);
            for entry in entries.into_iter().rev().filter(|_| trouble.may_pass) {
                self.roster.requeue(entry, Instant::now());
            }
            return;
        }
        // A supervisor that never came so far has no records.
        let records = Records::read(&self.directory, line.name).ok();
        let of = |entry: &Entry| records.as_ref().and_then(|r| r.of(entry.attempt));
        let had_begun = self.back_in_line(entries, |entry| of(entry).is_none());
        for entry in had_begun {
            let record = of(&entry);
            self.account_for(entry, record, swept);
        }
        self.directory.forget_outputs(line.name);
        self.report_returned();
        self.roster.hand_out(Instant::now());
        self.do_deeds();
    }

    /// Puts what stood behind another, and has not begun, in line again; gives
    /// the rest. What is to become of it is told by the other.
    fn back_in_line(
        &mut self,
        entries: Vec<Entry>,
        has_not_begun: impl Fn(&Entry) -> bool,
    ) -> Vec<Entry> {
        let mut rest = Vec::new();
        for entry in entries {
            match entry.behind() {
                Some(first) if has_not_begun(&entry) => self.roster.stand_in_line(entry, first),
                _ => rest.push(entry),
            }
        }
        rest
    }

    fn account_for(&mut self, mut entry: Entry, record: Option<&Record>, swept: bool) {
        let attempt = entry.attempt;
        match record {
            Some(Record::Ended { done, .. }) => {
                self.roster.over(attempt, done.is_plain());
                let done = done.clone();
                self.report(Report::Finished { attempt, done });
            }
            Some(Record::Started { mark, .. }) => {
                if !swept && let Err(e) = tree::end_marked(mark) {
                    self.break_with(e);
                }
                self.roster.over(attempt, false);
                self.report(Report::Interrupted { attempt });
            }
            None if entry.lost + 1 < MOST_LOST && entry.job.is_some() => {
                entry.lost += 1;
                self.roster.requeue(entry, Instant::now());
            }
            None => {
                let why = "its supervisor died before the program could start, again and again";
                self.refuse(attempt, "ECHILD", why);
            }
        }
    }

    fn refuse(&mut self, attempt: Attempt, errno: &str, why: &str) {
        let exit = Exit::FailedToStart {
            errno: errno.into(),
        };
        let error = Some(why.to_string());
        let done = Done {
            exit,
            error,
            ..never_began()
        };
        self.roster.over(attempt, false);
        self.report(Report::Finished { attempt, done });
    }

    /// Reports an end, and then what will not begin because of it.
    fn report(&mut self, end: Report) {
        self.ready.push(end);
        self.report_returned();
    }

    fn report_returned(&mut self) {
        let returned = self.roster.take_returned().into_iter();
        let returned = returned.map(|attempt| Report::Returned { attempt });
        self.ready.extend(returned);
    }

    fn hear_zygote(&mut self) {
        let Some(zygote) = &mut self.zygote else {
            return;
        };
        let mut notices = Vec::new();
        let peer = zygote.hear(&mut self.landing, &mut notices);
        if let Err(e) = self.await_zygote() {
            self.break_with(e);
        }
        for notice in notices {
            self.heed(notice);
        }
        if peer == Peer::Gone {
            self.lose_zygote();
        }
    }

    fn heed(&mut self, notice: Notice) {
        let (Notice::Gone(number) | Notice::Refused(number, _)) = notice;
        let is_it = |line: &Line| line.ours && line.name.number == number;
        let found = |line: &Option<Line>| line.as_ref().is_some_and(is_it);
        let Some(seat) = self.lines.iter().position(found) else {
            return;
        };
        match notice {
            Notice::Gone(_) => {
                // Its last words may still be in the socket.
                self.hear(seat);
                self.bury(seat, true);
            }
            Notice::Refused(_, errno) => {
                self.lines[seat] = None;
                let entries = self.roster.lost(seat);
                let entries = self.back_in_line(entries, |_| true);
                // Slower is better than failed, as long as anything works.
                let others = self.roster.make_do();
                for entry in entries.into_iter().rev() {
                    if others {
                        self.roster.requeue(entry, Instant::now());
                        continue;
                    }
                    let why = format!("no room for another process: {}", errno.desc());
                    self.refuse(entry.attempt, &format!("{errno:?}"), &why);
                }
                self.roster.hand_out(Instant::now());
            }
        }
    }

    fn lose_zygote(&mut self) {
        if let Some(zygote) = self.zygote.take() {
            // Closed with it; only an open copy could keep it registered.
            let _ = self.epoll.delete(&zygote);
        }
        for seat in 0..self.lines.len() {
            if self.lines[seat].as_ref().is_some_and(|line| !line.is_open) {
                self.bury(seat, false);
            }
        }
    }
}

impl Executor for Local {
    fn start(&mut self, job: Job) -> io::Result<()> {
        if let Some(e) = self.broken.take() {
            return Err(e);
        }
        let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if job.locks.len() > MOST_FILES {
            return refuse("an attempt cannot run under so many locks");
        }
        if self.roster.place(job.attempt).is_some() {
            return refuse("the attempt was started before");
        }
        self.roster.start(job, Instant::now());
        self.report_returned();
        self.do_deeds();
        self.broken.take().map_or(Ok(()), Err)
    }

    fn expect(&mut self, attempts: usize) {
        self.roster.expect(attempts);
        self.do_deeds();
    }

    fn pause(&mut self) {
        self.roster.pause();
        self.do_deeds();
    }

    fn unpause(&mut self) {
        self.roster.unpause(Instant::now());
        self.do_deeds();
    }

    fn stop(&mut self, attempt: Attempt, how: Stop) {
        match self.roster.place(attempt) {
            Some(Place::Seat(seat)) => {
                self.roster.stops(seat, attempt);
                self.send(seat, Order::Stop(attempt, how).to_frame(), Vec::new());
            }
            Some(Place::Queue | Place::Behind(_)) if self.roster.call_off(attempt) => {
                let done = never_began();
                self.report(Report::Finished { attempt, done });
            }
            _ => {}
        }
    }

    fn ahead(&self) -> usize {
        self.config.slots
    }

    fn queues_behind(&self) -> bool {
        true
    }

    fn wait(&mut self, timeout: Option<Duration>, reports: &mut Vec<Report>) -> io::Result<()> {
        // Whoever waits has dealt with all that was reported.
        self.roster.go_on(Instant::now());
        self.do_deeds();
        let give_up = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let at_once = !self.ready.is_empty() || self.broken.is_some();
            let left = match (at_once, give_up) {
                (true, _) => EpollTimeout::ZERO,
                (false, Some(end)) => whole_millis(end.saturating_duration_since(Instant::now())),
                (false, None) => EpollTimeout::NONE,
            };
            let rang = self.listen(left)?;
            // What arrives is not always worth a report: a job that was given back.
            let is_over = give_up.is_some_and(|end| end <= Instant::now());
            if rang || is_over || !self.ready.is_empty() || self.broken.is_some() {
                reports.append(&mut self.ready);
                return self.broken.take().map_or(Ok(()), Err);
            }
        }
    }

    fn waker(&self) -> Waker {
        let bell = Arc::clone(&self.bell);
        Waker::new(move || {
            // Fails only when it rings already.
            let _ = bell.write(1);
        })
    }

    fn recover(&mut self, claimed: &[Attempt]) -> io::Result<Vec<(Attempt, Found)>> {
        super::recover::recover(self, claimed)
    }
}

/// What could not be written down, for good.
fn unrecorded(what: &str, trouble: &Trouble) -> io::Error {
    io::Error::other(Unrecorded(format!("{what}: {}", trouble.why)))
}

fn interests(awaits_room: bool) -> EpollFlags {
    let mut flags = EpollFlags::EPOLLIN;
    flags.set(EpollFlags::EPOLLOUT, awaits_room);
    flags
}

/// Up, so that waiting for a deadline does not end a moment before it.
fn whole_millis(timeout: Duration) -> EpollTimeout {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    EpollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX)).unwrap_or(EpollTimeout::MAX)
}

/// Makes room for a socket per slot, as far as the system lets us. Steps keep
/// the limit that the zygote was born with.
fn allow_open_files(slots: usize) {
    let wanted = slots as u64 + 256;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
    {
        // Where this fails, a slot too many says so when it is made.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}
