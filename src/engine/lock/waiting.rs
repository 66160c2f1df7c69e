//! Those of this process who wait, and the threads that wait for them.
//!
//! All who wait for one name share one place in its queue (`queue.rs`), that of
//! the one among them who asked first. When that one has its turn, the place
//! becomes the next one's: so however many wait, a name costs one open file and
//! at most one thread for each holder that is in the way.
//!
//! **Nobody polls.** A thread sleeps in the kernel until a holder lets go. Then
//! it looks whose turn it is. If another process goes first, that one takes its
//! turn within a moment, and this one looks again after growing pauses.
//!
//! **Patience.** One who goes first and does not go, because its engine is
//! frozen or has no slot free, holds others up for [`PATIENCE`] only: then this
//! process passes it, now and later. It keeps its place, and is first again for
//! all who have not passed it. It is the same with one who wants several names
//! and waits for the other: a name that is free waits for it for so long.
//!
//! This file does not know how anything is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Want;
use super::queue::{Place, Ticket, ahead};
use super::units::survey;
use crate::store::{StoreError, files, range_lock};

/// How long what is free waits for the one whose turn it is.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The first and the longest pause between two looks during that time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(64));

/// Tells somebody that it may be its turn.
pub(super) type Call = Arc<dyn Fn() + Send + Sync>;

/// Who waits for what, in this process.
#[derive(Clone, Default)]
pub(super) struct WaitList(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    waiters: BTreeMap<Ticket, Waiter>,
    places: BTreeMap<PathBuf, Place>,
    /// Places of other processes that have been passed.
    passed: BTreeSet<Ticket>,
    /// Units that have a thread waiting for them.
    watched: BTreeSet<(PathBuf, u64)>,
    /// Names that have a thread waiting for another process to take its turn.
    patient: BTreeSet<PathBuf>,
}

struct Waiter {
    call: Call,
    /// The queues it stands in: every name that was ever in its way. It leaves
    /// none before it has all it wants, so each is in its way only once.
    stands: BTreeSet<PathBuf>,
    /// What is in its way now. Nothing, once it has been called.
    waits: Option<(PathBuf, Want)>,
}

/// What stands between somebody and its turn.
enum Obstacle {
    /// Too many units are held, by these.
    Held(Vec<Range<u64>>),
    /// Another process goes first.
    Ahead(Ticket),
}

impl WaitList {
    /// Tickets that this process does not wait behind for a name: its own, and
    /// those it has passed.
    pub fn not_ahead(&self, path: &Path) -> BTreeSet<Ticket> {
        lock(&self.0).not_ahead(path)
    }

    /// Someone stands in the name's queue from now on, with a new ticket where it
    /// has none. `call` is made when its turn has come, perhaps before this returns.
    pub fn enter(
        &self,
        ticket: &mut Option<Ticket>,
        path: &Path,
        want: &Want,
        call: &Call,
    ) -> Result<(), StoreError> {
        let mut list = lock(&self.0);
        let ticket = match *ticket {
            Some(ticket) => ticket,
            None => *ticket.insert(list.draw(path)?),
        };
        let waiter = list.waiters.entry(ticket).or_insert_with(|| Waiter {
            call: Arc::clone(call),
            stands: BTreeSet::new(),
            waits: None,
        });
        waiter.stands.insert(path.to_path_buf());
        waiter.waits = Some((path.to_path_buf(), want.clone()));
        // Until now it may have been its turn elsewhere, and is no more.
        let stands = waiter.stands.clone();
        list.arrange(path)?;
        drop(list);
        for path in stands {
            self.look(&path)?;
        }
        Ok(())
    }

    /// Someone waits no more, and whose turn it is now hears of it.
    pub fn leave(&self, ticket: Ticket) {
        let Some(waiter) = lock(&self.0).waiters.remove(&ticket) else {
            return;
        };
        for path in waiter.stands {
            let _ = lock(&self.0).arrange(&path);
            self.look_or_call(&path);
        }
    }

    /// Calls the first who waits for this name, if nothing is in its way; else
    /// sees to it that a thread waits for what is.
    fn look(&self, path: &Path) -> Result<(), StoreError> {
        let mut list = lock(&self.0);
        let Some((ticket, want)) = list.first(path) else {
            return Ok(());
        };
        match list.obstacle(path, ticket, &want)? {
            None => {
                let call = list.called(ticket);
                drop(list);
                call();
            }
            Some(Obstacle::Ahead(_)) => self.have_patience(&mut list, path)?,
            Some(Obstacle::Held(held)) => {
                for range in held {
                    // Units are taken from the lowest: of a range that became
                    // free and was taken again in part, the last is still free.
                    self.watch(&mut list, path, range.end - 1)?;
                }
            }
        }
        Ok(())
    }

    /// As [`look`](WaitList::look). If that fails, let the first one find out
    /// why by trying.
    fn look_or_call(&self, path: &Path) {
        if self.look(path).is_err() {
            let mut list = lock(&self.0);
            let call = list.first(path).map(|(ticket, _)| list.called(ticket));
            drop(list);
            call.into_iter().for_each(|call| call());
        }
    }

    /// Sees to it that a thread waits for this unit. It cannot be woken; it ends
    /// when the unit's holder lets go, or with the process.
    fn watch(&self, list: &mut Inner, path: &Path, unit: u64) -> Result<(), StoreError> {
        let watched = (path.to_path_buf(), unit);
        if list.watched.contains(&watched) {
            return Ok(());
        }
        // An open file of the thread's own: with one that holds units, it
        // would find no lock in its way.
        let file = files::open(path, true)?;
        let (all, this) = (self.clone(), watched.clone());
        spawn(path, move || {
            // If waiting fails, let the first one find out why by trying.
            let _ = range_lock::wait_unlocked(&file, unit..unit + 1);
            lock(&all.0).watched.remove(&this);
            all.look_or_call(&this.0);
        })?;
        list.watched.insert(watched);
        Ok(())
    }

    /// Sees to it that a thread looks whether those ahead have had their turn,
    /// and passes them if they do not take it.
    fn have_patience(&self, list: &mut Inner, path: &Path) -> Result<(), StoreError> {
        if list.patient.contains(path) {
            return Ok(());
        }
        let (all, name) = (self.clone(), path.to_path_buf());
        spawn(path, move || {
            all.be_patient(&name);
            lock(&all.0).patient.remove(&name);
            all.look_or_call(&name);
        })?;
        list.patient.insert(path.to_path_buf());
        Ok(())
    }

    /// Returns when it is not for others any more that the first here waits.
    fn be_patient(&self, path: &Path) {
        let mut pause = PAUSES.0;
        let mut slow = None;
        loop {
            std::thread::sleep(pause);
            pause = (2 * pause).min(PAUSES.1);
            let mut list = lock(&self.0);
            let first = list.first(path);
            let found = first.map(|(ticket, want)| list.obstacle(path, ticket, &want));
            let Some(Ok(Some(Obstacle::Ahead(ahead)))) = found else {
                return;
            };
            match slow {
                Some((same, since)) if same == ahead => {
                    if Instant::now() >= since + PATIENCE {
                        list.passed.insert(ahead);
                        slow = None;
                    }
                }
                _ => {
                    slow = Some((ahead, Instant::now()));
                    pause = PAUSES.0;
                }
            }
        }
    }
}

impl Inner {
    fn not_ahead(&self, path: &Path) -> BTreeSet<Ticket> {
        let mut passed = self.passed.clone();
        passed.extend(self.places.get(path).map(|place| place.ticket));
        passed
    }

    fn draw(&self, path: &Path) -> Result<Ticket, StoreError> {
        let file = files::open(path, true)?;
        let mut ticket = Ticket::draw(&file).map_err(|e| StoreError::io(path, &e))?;
        while self.waiters.contains_key(&ticket) {
            ticket = ticket.next();
        }
        Ok(ticket)
    }

    /// The first here who waits for this name and has not been called. Nobody,
    /// while one who has been called may take it.
    fn first(&self, path: &Path) -> Option<(Ticket, Want)> {
        let mut first = None;
        for (ticket, waiter) in &self.waiters {
            match &waiter.waits {
                None if waiter.stands.contains(path) => return None,
                Some((at, want)) if at == path && first.is_none() => {
                    first = Some((*ticket, want.clone()));
                }
                _ => {}
            }
        }
        first
    }

    fn called(&mut self, ticket: Ticket) -> Call {
        let waiter = self.waiters.get_mut(&ticket).expect("it waits");
        waiter.waits = None;
        Arc::clone(&waiter.call)
    }

    fn obstacle(
        &self,
        path: &Path,
        ticket: Ticket,
        want: &Want,
    ) -> Result<Option<Obstacle>, StoreError> {
        let io = |e| StoreError::io(path, &e);
        let file = &self.places[path].file;
        let found = survey(file, want).map_err(io)?;
        if found.free < u64::from(want.units) {
            return Ok(Some(Obstacle::Held(found.held)));
        }
        let first = ahead(file, ticket, &self.not_ahead(path)).map_err(io)?;
        Ok(first.map(Obstacle::Ahead))
    }

    /// Gives the place in this queue to the first here who stands in it.
    fn arrange(&mut self, path: &Path) -> Result<(), StoreError> {
        let mut standing = self.waiters.iter();
        let first = standing.find(|(_, waiter)| waiter.stands.contains(path));
        match (first, self.places.get_mut(path)) {
            (None, _) => drop(self.places.remove(path)),
            (Some((ticket, _)), Some(place)) => place
                .change(*ticket)
                .map_err(|e| StoreError::io(path, &e))?,
            (Some((ticket, _)), None) => {
                let place = Place::take(path, *ticket)?;
                self.places.insert(path.to_path_buf(), place);
            }
        }
        Ok(())
    }
}

fn spawn(path: &Path, wait: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    std::thread::Builder::new()
        .name("lock".into())
        .stack_size(64 * 1024)
        .spawn(wait)
        .map(drop)
        .map_err(|e| StoreError::io(path, &e))
}

fn lock(list: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    // Nothing in here can panic halfway.
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
