//! Named locks, pools and weighted resources, across runs and processes.
//!
//! Each name is a file in `locks/`, and each unit of it is one byte of that
//! file's range: a lock has one, a pool or a resource as many as its capacity.
//! Whoever holds units holds kernel locks on their bytes through one open file
//! (see `store/range_lock.rs`). So they are free the moment the last process
//! with that open file is gone, without anybody cleaning up; and they outlive
//! the engine where a supervisor was handed the file, because its step goes on.
//!
//! A holder also writes down who it is. This is for people: nothing is decided
//! by it, and where it cannot be written (a full disk) the holder is merely
//! nameless.
//!
//! **Order.** Several wants are taken all or none, never some while waiting for
//! others, so no order of taking can deadlock. They are tried in the order of
//! their files' names, so that of two who want the same things one is refused
//! early.
//!
//! **Capacity** is what the one who asks says it is. Where two plans differ,
//! each sees the units from 0 to its own capacity: the one that says 2 is
//! refused while units 0 and 1 are held, by whomever, and does not see units 2
//! and 3 of one that says 4. Units are taken from the lowest, so that this is
//! as strict as can be.
//!
//! **Turns.** First come, first served: who finds others waiting for a name
//! waits behind them (`lock/queue.rs`), whatever is free, and of those who wait
//! the first is told when it is its turn (`lock/waiting.rs`). So somebody who
//! wants much is not kept waiting for ever by many who want little. One who
//! wants several names waits in the queue of the one that is in its way, and
//! leaves none before it has them all.
//!
//! This file does not know steps, or what is done under a lock.

mod queue;
mod seen;
mod units;
mod waiting;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::ears::Signals;
use crate::run::event::Holder;
use crate::store::{StoreError, files};

pub use seen::{Seen, seen};

use queue::{Ticket, ahead};
use waiting::{Call, WaitList};

/// A holder without a name has usually taken the unit a moment ago, or is
/// somebody else's probe that is gone a moment later. Nobody is told before this.
const SETTLE: Duration = Duration::from_millis(10);

/// Longest file name made of a name as it is; longer ones are hashed.
const LONGEST: usize = 200;

/// What a name stands for. Each kind has names of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One holder at a time.
    Lock,
    /// So many places.
    Pool,
    /// So many units of something, of which a holder takes some.
    Resource,
}

impl Kind {
    /// As records and files spell it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Lock => "lock",
            Kind::Pool => "pool",
            Kind::Resource => "resource",
        }
    }
}

/// Units of something that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    pub kind: Kind,
    pub name: Box<str>,
    pub units: u32,
    /// How many there are in all, as far as the one who asks knows.
    pub capacity: u32,
}

impl Want {
    pub fn lock(name: &str) -> Want {
        Want {
            kind: Kind::Lock,
            name: name.into(),
            units: 1,
            capacity: 1,
        }
    }

    pub fn pool(name: &str, places: u32, capacity: u32) -> Want {
        Want {
            kind: Kind::Pool,
            name: name.into(),
            units: places,
            capacity,
        }
    }

    pub fn resource(name: &str, units: u32, capacity: u32) -> Want {
        Want {
            kind: Kind::Resource,
            name: name.into(),
            units,
            capacity,
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.name)
    }
}

/// Somebody else has too much of something, or asked for it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `lock deploy`, `pool db`, `resource memory`.
    pub on: String,
    /// One of those who hold it, if it has said who it is.
    pub holder: Option<Holder>,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Some(holder) => write!(f, "{} is held by {holder}", self.on),
            None => write!(f, "{} is held, or others asked first", self.on),
        }
    }
}

/// Why nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    Held(Held),
    /// More than there will ever be. Loading a plan checks this; a caller that
    /// asks all the same would else wait for ever.
    TooMany(Want),
    /// Somebody who waits for it has been told to stop, by this signal.
    CalledOff(&'static str),
    Store(StoreError),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Denied::Store(error)
    }
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::Held(held) => held.fmt(f),
            Denied::TooMany(want) => {
                write!(f, "{want} has {} units, not {}", want.capacity, want.units)
            }
            Denied::CalledOff(signal) => write!(f, "waits no longer ({signal})"),
            Denied::Store(error) => error.fmt(f),
        }
    }
}

/// Until somebody calls, a signal comes, or this long.
fn wait(freed: &UnixStream, signals: Option<&Signals>, left: Duration) -> io::Result<()> {
    let mut heard = vec![PollFd::new(freed.as_fd(), PollFlags::POLLIN)];
    heard.extend(signals.map(|signals| PollFd::new(signals.as_fd(), PollFlags::POLLIN)));
    // Rounded up, or it would look again and again in the last millisecond.
    let left = left.as_millis().saturating_add(1);
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    match poll(&mut heard, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// All named locks, pools and resources of a state directory.
///
/// Cheap to clone; clones share the threads that wait, and do not wait behind
/// each other.
#[derive(Clone)]
pub struct LockSpace {
    dir: PathBuf,
    waiting: WaitList,
}

impl LockSpace {
    /// The names in this directory, which is one of ours (`StateDir::locks`).
    pub fn open(dir: &Path) -> LockSpace {
        LockSpace {
            dir: dir.to_path_buf(),
            waiting: WaitList::default(),
        }
    }

    /// Takes all that is wanted, or nothing. Never waits, and never goes before
    /// others who do.
    ///
    /// What was taken is held as long as any copy of these files is open, in
    /// whatever process.
    ///
    /// # Errors
    /// Somebody holds too much of one, or waits for it; or see [`Denied`].
    pub fn try_acquire(&self, wants: &[Want], who: &Holder) -> Result<Vec<Arc<File>>, Denied> {
        self.take(&in_order(wants)?, who, Ticket::NONE)
            .map_err(|(_, denied)| denied)
    }

    /// Takes all that is wanted, and waits for it until `deadline`, or until a
    /// signal asks to stop. `on_wait` is told whenever it is somebody else that
    /// is waited for.
    ///
    /// # Errors
    /// As for [`LockSpace::try_acquire`], when the deadline has passed; or
    /// [`Denied::CalledOff`].
    pub fn acquire_within(
        &self,
        wants: &[Want],
        who: &Holder,
        deadline: Instant,
        signals: Option<&Signals>,
        mut on_wait: impl FnMut(&Held),
    ) -> Result<Vec<Arc<File>>, Denied> {
        let mut told = None;
        let mut settled = false;
        let broken = |error| StoreError::io(&self.dir, &error);
        let (mut freed, free) = UnixStream::pair().map_err(broken)?;
        freed.set_nonblocking(true).map_err(broken)?;
        free.set_nonblocking(true).map_err(broken)?;
        let mut asking = self.ask(wants, move || {
            // Nobody listens any more after the deadline; and who has not heard
            // the last call yet needs no other.
            let _ = (&free).write(&[0]);
        })?;
        loop {
            let held = match asking.try_acquire(who) {
                Err(Denied::Held(held)) => held,
                done => return done,
            };
            let mut left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Denied::Held(held));
            }
            if held.holder.is_none() && !settled {
                settled = true;
                left = left.min(SETTLE);
            } else if told.as_ref() != Some(&held) {
                on_wait(&held);
                told = Some(held);
            }
            wait(&freed, signals, left).map_err(broken)?;
            if let Some(signal) = signals.and_then(Signals::heard) {
                return Err(Denied::CalledOff(signal));
            }
            let _ = freed.read(&mut [0; 16]);
        }
    }

    /// Begins to ask for all that is wanted, by [`Asking::try_acquire`]. After
    /// each time that this is refused, `turn` is called once, when it may be the
    /// one's turn: perhaps before the refusal returns.
    ///
    /// # Errors
    /// [`Denied::TooMany`].
    pub fn ask(
        &self,
        wants: &[Want],
        turn: impl Fn() + Send + Sync + 'static,
    ) -> Result<Asking, Denied> {
        Ok(Asking {
            space: self.clone(),
            wants: in_order(wants)?,
            turn: Arc::new(turn),
            ticket: None,
        })
    }

    /// Takes all, or says which of the wants is not to be had.
    fn take(
        &self,
        wants: &[Want],
        who: &Holder,
        ticket: Ticket,
    ) -> Result<Vec<Arc<File>>, (usize, Denied)> {
        let take = |(at, want)| match self.take_one(want, who, ticket) {
            Ok(file) => Ok(Arc::new(file)),
            Err(denied) => Err((at, denied)),
        };
        wants.iter().enumerate().map(take).collect()
    }

    fn take_one(&self, want: &Want, who: &Holder, ticket: Ticket) -> Result<File, Denied> {
        let path = self.path(want);
        let io = |e| StoreError::io(&path, &e);
        let file = files::open(&path, true)?;
        let not_ahead = self.waiting.not_ahead(&path);
        match ahead(&file, ticket, &not_ahead).map_err(io)? {
            None => units::take(file, &path, want, who),
            Some(_) => Err(Denied::Held(Held {
                on: want.to_string(),
                holder: units::holder(&file, want).map_err(io)?,
            })),
        }
    }

    fn path(&self, want: &Want) -> PathBuf {
        self.dir.join(file_name(want))
    }
}

/// One who asks for something until it has it. When this is dropped, it does not
/// want it any more.
#[must_use = "dropping it gives up the place in the queue"]
pub struct Asking {
    space: LockSpace,
    wants: Vec<Want>,
    turn: Call,
    /// Since it was refused for the first time.
    ticket: Option<Ticket>,
}

impl Asking {
    /// As [`LockSpace::try_acquire`]; but once this has been refused, those who
    /// come later wait behind it.
    ///
    /// # Errors
    /// As for [`LockSpace::try_acquire`]; also if no thread can be started.
    pub fn try_acquire(&mut self, who: &Holder) -> Result<Vec<Arc<File>>, Denied> {
        let ticket = self.ticket.unwrap_or(Ticket::NONE);
        match self.space.take(&self.wants, who, ticket) {
            Ok(files) => {
                self.leave();
                Ok(files)
            }
            Err((at, Denied::Held(held))) => {
                let want = &self.wants[at];
                let (waiting, path) = (&self.space.waiting, self.space.path(want));
                waiting.enter(&mut self.ticket, &path, want, &self.turn)?;
                Err(Denied::Held(held))
            }
            Err((_, denied)) => Err(denied),
        }
    }

    fn leave(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.space.waiting.leave(ticket);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The wants in the order in which everybody tries them, each name once.
fn in_order(wants: &[Want]) -> Result<Vec<Want>, Denied> {
    let mut merged: BTreeMap<String, Want> = BTreeMap::new();
    for want in wants {
        merged
            .entry(file_name(want))
            .and_modify(|first| match want.kind {
                Kind::Lock => {}
                Kind::Pool | Kind::Resource => first.units = first.units.saturating_add(want.units),
            })
            .or_insert_with(|| want.clone());
    }
    let merged: Vec<Want> = merged.into_values().filter(|want| want.units > 0).collect();
    match merged.iter().find(|want| want.units > want.capacity) {
        Some(want) => Err(Denied::TooMany(want.clone())),
        None => Ok(merged),
    }
}

/// The file of a name: `lock-deploy`, `pool-a%2Fb`. Different names have
/// different files, whatever they are made of.
fn file_name(want: &Want) -> String {
    let mut name = format!("{}-", want.kind.word());
    for byte in want.name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > LONGEST {
        // `#` is in no other name.
        let hash = blake3::hash(want.name.as_bytes()).to_hex();
        name = format!("{}-#{hash}", want.kind.word());
    }
    name
}

#[cfg(test)]
mod tests;
