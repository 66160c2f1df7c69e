//! The queue of one name: who has waited longest goes first.
//!
//! A place in the queue is one byte of the name's file, far behind its units,
//! and whoever waits there holds a kernel lock on it. So a place is gone the
//! moment its holder is, and nobody has to clean up or to be trusted.
//!
//! **Order.** The number of the byte is the waiter's ticket: the nanoseconds of
//! the machine's monotonic clock when it first asked, raised above every ticket
//! it can see. It shows the same ticket in every queue it stands in. So a later
//! ticket waits for an earlier one and never the other way round, whatever the
//! order of names, and two who want {x, y} and {y, x} cannot wait for each other.
//!
//! This file does not know units, or who waits and why.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use nix::time::{ClockId, clock_gettime};

use crate::store::{StoreError, files, range_lock};

/// Where the places begin. There is room for the nanoseconds of 146 years.
const FIRST: u64 = 1 << 62;
/// Behind the last place: the greatest offset that a file can have.
const END: u64 = i64::MAX as u64;

/// When somebody asked first, in comparison with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl Ticket {
    /// Of one who asks for the first time: after all who wait already.
    pub const NONE: Ticket = Ticket(END);

    /// A ticket of this moment, and later than all that wait in this file.
    pub fn draw(file: &File) -> io::Result<Ticket> {
        let clock = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
        let nanoseconds = clock.tv_sec() * 1_000_000_000 + clock.tv_nsec();
        let mut place = FIRST + nanoseconds.cast_unsigned();
        // Clocks differ where containers have monotonic clocks of their own.
        while let Some(later) = range_lock::conflict(file, place..END)? {
            place = later.end;
        }
        Ok(Ticket(place))
    }

    /// The next later one.
    pub fn next(self) -> Ticket {
        Ticket(self.0 + 1)
    }

    fn place(self) -> Range<u64> {
        self.0..self.0 + 1
    }
}

/// One who waits in this file with an earlier ticket, leaving out some.
pub(super) fn ahead(
    file: &File,
    of: Ticket,
    except: &BTreeSet<Ticket>,
) -> io::Result<Option<Ticket>> {
    let mut from = FIRST;
    let stops = except.range(..of).chain([&of]);
    for stop in stops {
        if from < stop.0
            && let Some(found) = range_lock::conflict(file, from..stop.0)?
        {
            return Ok(Some(Ticket(found.start)));
        }
        from = stop.0 + 1;
    }
    Ok(None)
}

/// More than this are not counted.
const MANY: usize = 1_000;

/// How many wait in this file.
pub(super) fn waiting(file: &File) -> io::Result<usize> {
    // The kernel tells of some lock in a range: what is left on its two sides is asked
    // about in turn.
    let (mut open, mut found) = (vec![(FIRST, END)], 0);
    while let Some((from, until)) = open.pop() {
        if from >= until || found >= MANY {
            continue;
        }
        if let Some(place) = range_lock::conflict(file, from..until)? {
            found += 1;
            open.push((from, place.start));
            open.push((place.end, until));
        }
    }
    Ok(found)
}

/// A place that is held until this is dropped.
pub(super) struct Place {
    pub file: File,
    pub ticket: Ticket,
}

impl Place {
    pub fn take(path: &Path, ticket: Ticket) -> Result<Place, StoreError> {
        let file = files::open(path, true)?;
        let place = Place { file, ticket };
        place.hold().map_err(|e| StoreError::io(path, &e))?;
        Ok(place)
    }

    /// Stands here with another ticket from now on, without an instant in which
    /// there is neither.
    pub fn change(&mut self, ticket: Ticket) -> io::Result<()> {
        let before = std::mem::replace(&mut self.ticket, ticket);
        if before != ticket {
            self.hold()?;
            range_lock::unlock(&self.file, before.place())?;
        }
        Ok(())
    }

    /// Should another have drawn the same nanosecond, it stands there for both.
    fn hold(&self) -> io::Result<()> {
        range_lock::try_lock(&self.file, self.ticket.place()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, std::path::PathBuf) {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("lock-x");
        (tmp, path)
    }

    fn none() -> BTreeSet<Ticket> {
        BTreeSet::new()
    }

    #[test]
    fn who_asked_first_is_ahead_until_it_goes() {
        let (_tmp, path) = file();
        let look = files::open(&path, true).unwrap();
        let first = Place::take(&path, Ticket::draw(&look).unwrap()).unwrap();
        let second = Place::take(&path, Ticket::draw(&look).unwrap()).unwrap();
        assert!(first.ticket < second.ticket);
        assert_eq!(ahead(&look, first.ticket, &none()).unwrap(), None);
        assert_eq!(
            ahead(&look, second.ticket, &none()).unwrap(),
            Some(first.ticket)
        );
        assert!(ahead(&look, Ticket::NONE, &none()).unwrap().is_some());
        drop(first);
        assert_eq!(ahead(&look, second.ticket, &none()).unwrap(), None);
    }

    #[test]
    fn those_who_are_left_out_do_not_hide_others() {
        let (_tmp, path) = file();
        let look = files::open(&path, true).unwrap();
        let places: Vec<Place> = (0..3)
            .map(|_| Place::take(&path, Ticket::draw(&look).unwrap()).unwrap())
            .collect();
        let mut except = BTreeSet::from([places[0].ticket, places[2].ticket]);
        let found = ahead(&look, Ticket::NONE, &except).unwrap();
        assert_eq!(found, Some(places[1].ticket));
        except.insert(places[1].ticket);
        assert_eq!(ahead(&look, Ticket::NONE, &except).unwrap(), None);
    }

    #[test]
    fn a_clock_that_is_behind_does_not_put_anybody_ahead() {
        let (_tmp, path) = file();
        let look = files::open(&path, true).unwrap();
        let now = Ticket::draw(&look).unwrap();
        let future = Place::take(&path, Ticket(now.0 + 1_000_000_000_000)).unwrap();
        assert!(Ticket::draw(&look).unwrap() > future.ticket);
    }
}
