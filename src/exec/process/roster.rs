//! Which slot runs what: the bookkeeping of the local executor.
//!
//! A slot runs one job, and may have one more handed to it ahead, so that it
//! need not ask between two short ones. A job that was handed ahead is asked
//! back when its slot turns out to be busy for longer, so that no slot is idle
//! while a job waits elsewhere, and none waits for long behind a slow one.
//!
//! A job may say that it begins behind another. It stands in line until that has
//! a slot, is handed to the same slot ahead, and begins there without a word to
//! the engine, but only after a plain end; after any other it is returned.
//!
//! When an attempt has not ended plainly, nothing is handed out, and its slot
//! begins nothing, until the engine has dealt with that: it may stop the run.
//!
//! Here nothing is sent or started: [`Deed`]s say what to do, and the time is
//! an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::exec::Job;
use crate::run::Attempt;

/// To a slot whose attempts take longer, being handed the next one ahead saves
/// nothing that could be measured.
const BRISK: Duration = Duration::from_millis(50);

/// A job is asked back after waiting this long at a slot while others get work.
const PATIENCE: Duration = Duration::from_millis(5);

/// A slot, by its place here. Places are reused, slots' names are not.
pub type Seat = usize;

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Make a supervisor for this seat.
    Open(Seat),
    /// Hand it this job.
    Give(Seat, Attempt),
    /// The attempt is the next thing its slot does.
    Accept(Attempt),
    /// Ask for it back, if it has not begun.
    Revoke(Seat, Attempt),
    /// What waits at this seat may begin.
    GoOn(Seat),
}

/// A job in the executor's hands.
#[derive(Debug)]
pub struct Entry {
    pub attempt: Attempt,
    /// Absent where a slot was taken over with its attempt running.
    pub job: Option<Job>,
    /// How many supervisors died before they began it.
    pub lost: u32,
    /// That it is its slot's next thing was said; once is enough.
    accepted: bool,
    /// Its slot was told that it must not begin. Should the slot have been asked
    /// for it before, and give it back, it must not wait for another.
    unwanted: bool,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Queue,
    /// In line behind this one.
    Behind(Attempt),
    Seat(Seat),
}

#[derive(Debug)]
struct Handed {
    entry: Entry,
    since: Instant,
    revoked: bool,
}

#[derive(Debug)]
struct Slot {
    current: Option<Handed>,
    ahead: Option<Handed>,
    brisk: bool,
}

/// How a job has left its seat.
#[derive(Clone, Copy, PartialEq)]
enum Left {
    Plainly,
    Otherwise,
    Unbegun,
}

impl Handed {
    fn new(entry: Entry, since: Instant) -> Handed {
        Handed {
            entry,
            since,
            revoked: false,
        }
    }
}

impl Entry {
    /// It begins when that one has ended plainly, which has not happened yet.
    pub fn behind(&self) -> Option<Attempt> {
        self.job.as_ref()?.behind
    }

    fn stands_alone(&mut self) {
        if let Some(job) = &mut self.job {
            job.behind = None;
        }
    }

    fn accept(&mut self, deeds: &mut VecDeque<Deed>) {
        if !std::mem::replace(&mut self.accepted, true) {
            deeds.push_back(Deed::Accept(self.attempt));
        }
    }
}

#[derive(Debug)]
pub struct Roster {
    /// At most this many slots, those taken over from an earlier engine included.
    most: usize,
    seats: Vec<Option<Slot>>,
    open: usize,
    /// Seats with nothing to do; the last one used comes first.
    idle: Vec<Seat>,
    /// Seats that may have room ahead. Looked at again when used.
    roomy: Vec<Seat>,
    queue: VecDeque<Entry>,
    /// What waits for the end of another, which is queued, in line or at a seat;
    /// what was handed to that one's slot is not here any more.
    line: HashMap<Attempt, VecDeque<Entry>>,
    /// Jobs that will not begin, since what they stood behind did not end plainly.
    returned: Vec<Attempt>,
    places: HashMap<Attempt, Place>,
    asked_back_at: Option<Instant>,
    deeds: VecDeque<Deed>,
    halted: bool,
    paused: bool,
    /// Seats whose last attempt did not end plainly, until the engine has dealt
    /// with that.
    held: Vec<Seat>,
}

impl Roster {
    pub fn new(most: usize) -> Roster {
        Roster {
            most,
            seats: Vec::new(),
            open: 0,
            idle: Vec::new(),
            roomy: Vec::new(),
            queue: VecDeque::new(),
            line: HashMap::new(),
            returned: Vec::new(),
            places: HashMap::new(),
            asked_back_at: None,
            deeds: VecDeque::new(),
            halted: false,
            paused: false,
            held: Vec::new(),
        }
    }

    /// An attempt has ended at that seat, and not plainly.
    pub fn hold(&mut self, seat: Seat) {
        if !self.held.contains(&seat) {
            self.held.push(seat);
        }
    }

    /// The engine has dealt with all ends that it was told of.
    pub fn go_on(&mut self, now: Instant) {
        // In a pause, what waits at a slot that is held is not let go either.
        if self.held.is_empty() || self.paused {
            return;
        }
        for seat in std::mem::take(&mut self.held) {
            let Some(slot) = self.seats.get_mut(seat).and_then(Option::as_mut) else {
                continue;
            };
            self.deeds.push_back(Deed::GoOn(seat));
            if let Some(current) = &mut slot.current
                && !current.entry.accepted
            {
                current.since = now;
                current.entry.accept(&mut self.deeds);
            }
        }
        for seat in 0..self.seats.len() {
            self.close_up(seat, now);
        }
        self.hand_out(now);
    }

    /// Nothing is handed out from now on; what was is still accounted for.
    pub fn halt(&mut self) {
        self.halted = true;
    }

    /// Nothing is handed out for now, and what was handed ahead is asked back.
    pub fn pause(&mut self) {
        self.paused = true;
        for (seat, slot) in self.seats.iter_mut().enumerate() {
            if let Some(ahead) = slot.as_mut().and_then(|slot| slot.ahead.as_mut())
                && !std::mem::replace(&mut ahead.revoked, true)
            {
                self.deeds
                    .push_back(Deed::Revoke(seat, ahead.entry.attempt));
            }
        }
    }

    /// The pause is over.
    pub fn unpause(&mut self, now: Instant) {
        if std::mem::take(&mut self.paused) {
            for seat in 0..self.seats.len() {
                self.close_up(seat, now);
            }
            self.hand_out(now);
        }
    }

    pub fn next_deed(&mut self) -> Option<Deed> {
        self.deeds.pop_front()
    }

    pub fn place(&self, attempt: Attempt) -> Option<Place> {
        self.places.get(&attempt).copied()
    }

    /// The job as it is to be handed to that seat; none, if it is not there any more.
    pub fn job(&self, seat: Seat, wanted: Attempt) -> Option<&Job> {
        let slot = self.seats.get(seat)?.as_ref()?;
        let handed = slot.current.iter().chain(&slot.ahead);
        handed
            .map(|handed| &handed.entry)
            .find(|entry| entry.attempt == wanted)?
            .job
            .as_ref()
    }

    pub fn start(&mut self, job: Job, now: Instant) {
        let entry = Entry {
            attempt: job.attempt,
            job: Some(job),
            lost: 0,
            accepted: false,
            unwanted: false,
        };
        match entry.behind() {
            None => {
                self.places.insert(entry.attempt, Place::Queue);
                self.queue.push_back(entry);
                self.hand_out(now);
            }
            Some(first) => {
                let place = self.place(first);
                self.stand_in_line(entry, first);
                match place {
                    Some(Place::Seat(seat)) => self.close_up(seat, now),
                    Some(_) => {}
                    // It has ended, and the engine will hear how.
                    None => self.over(first, false),
                }
            }
        }
    }

    /// Puts a job that has not begun behind another.
    pub fn stand_in_line(&mut self, entry: Entry, first: Attempt) {
        if entry.unwanted {
            return self.give_up(entry.attempt);
        }
        self.places.insert(entry.attempt, Place::Behind(first));
        self.line.entry(first).or_default().push_back(entry);
    }

    /// Hands a slot the job that stands behind what it runs, if it has room ahead.
    fn close_up(&mut self, seat: Seat, now: Instant) {
        let may = !self.halted && !self.paused && self.held.is_empty();
        let Some(slot) = self.seats.get_mut(seat).and_then(Option::as_mut) else {
            return;
        };
        if let Some(current) = &slot.current
            && may
            && slot.brisk
            && slot.ahead.is_none()
            && let Some(line) = self.line.get_mut(&current.entry.attempt)
            && let Some(entry) = line.pop_front()
        {
            if line.is_empty() {
                self.line.remove(&current.entry.attempt);
            }
            self.places.insert(entry.attempt, Place::Seat(seat));
            self.deeds.push_back(Deed::Give(seat, entry.attempt));
            slot.ahead = Some(Handed::new(entry, now));
        }
    }

    /// An attempt is over: what stands in line behind it may begin, or never will.
    pub fn over(&mut self, first: Attempt, plainly: bool) {
        let Some(line) = self.line.remove(&first) else {
            return;
        };
        for mut entry in line.into_iter().rev() {
            if plainly {
                entry.stands_alone();
                self.places.insert(entry.attempt, Place::Queue);
                self.queue.push_front(entry);
            } else {
                self.give_up(entry.attempt);
            }
        }
    }

    /// The job is the engine's again, and with it all that stands behind it.
    fn give_up(&mut self, attempt: Attempt) {
        self.places.remove(&attempt);
        self.returned.push(attempt);
        self.over(attempt, false);
    }

    /// Jobs that will not begin; each is told once.
    pub fn take_returned(&mut self) -> Vec<Attempt> {
        std::mem::take(&mut self.returned)
    }

    /// Takes a slot with what runs there.
    pub fn take_over(&mut self, running: Option<Attempt>, now: Instant) -> Seat {
        let seat = self.sit();
        match running {
            None => self.idle.push(seat),
            Some(attempt) => {
                let entry = Entry {
                    attempt,
                    job: None,
                    lost: 0,
                    accepted: true,
                    unwanted: false,
                };
                self.seat_current(seat, entry, now);
            }
        }
        seat
    }

    /// An attempt has ended at that seat. False where it is none of ours.
    pub fn finished(&mut self, seat: Seat, attempt: Attempt, plainly: bool, now: Instant) -> bool {
        let how = if plainly {
            Left::Plainly
        } else {
            Left::Otherwise
        };
        if self.vacate(seat, attempt, how, now).is_none() {
            return false;
        }
        self.places.remove(&attempt);
        self.over(attempt, plainly);
        self.close_up(seat, now);
        self.hand_out(now);
        true
    }

    /// That seat could not begin what it was handed. It waits again, before all others.
    pub fn not_begun(&mut self, seat: Seat, attempt: Attempt, now: Instant) {
        if let Some(entry) = self.vacate(seat, attempt, Left::Unbegun, now) {
            self.requeue(entry, now);
        }
    }

    /// Takes a job from its seat.
    fn vacate(&mut self, seat: Seat, attempt: Attempt, how: Left, now: Instant) -> Option<Entry> {
        let slot = self.seats.get_mut(seat).and_then(Option::as_mut)?;
        let is_it = |handed: &Handed| handed.entry.attempt == attempt;
        let vacated;
        if slot.ahead.as_ref().is_some_and(is_it) {
            vacated = slot.ahead.take();
        } else if slot.current.as_ref().is_some_and(is_it) {
            vacated = slot.current.take();
            let took = |over: &Handed| now.duration_since(over.since);
            slot.brisk = vacated.as_ref().is_some_and(|over| took(over) < BRISK);
            let mut ahead = slot.ahead.take();
            // What stood behind it is let go by its supervisor, too.
            let stood = |next: &mut Handed| next.entry.behind() == Some(attempt);
            let gone = match how {
                Left::Plainly => None,
                Left::Otherwise | Left::Unbegun => ahead.take_if(stood),
            };
            match ahead {
                Some(mut next) => {
                    next.entry.stands_alone();
                    if !self.held.contains(&seat) {
                        next.entry.accept(&mut self.deeds);
                    }
                    slot.current = Some(Handed::new(next.entry, now));
                }
                None => self.idle.push(seat),
            }
            match gone {
                Some(gone) if how == Left::Unbegun => self.stand_in_line(gone.entry, attempt),
                Some(gone) => self.give_up(gone.entry.attempt),
                None => {}
            }
        } else {
            return None;
        }
        self.roomy.push(seat);
        vacated.map(|handed| handed.entry)
    }

    /// That seat is told that this must not begin, or must end.
    pub fn stops(&mut self, seat: Seat, attempt: Attempt) {
        if let Some(slot) = self.seats.get_mut(seat).and_then(Option::as_mut) {
            let mut handed = slot.current.iter_mut().chain(&mut slot.ahead);
            if let Some(handed) = handed.find(|handed| handed.entry.attempt == attempt) {
                handed.entry.unwanted = true;
            }
        }
    }

    /// That seat gives back what it had ahead.
    pub fn given_back(&mut self, seat: Seat, attempt: Attempt, now: Instant) {
        let Some(slot) = self.seats.get_mut(seat).and_then(Option::as_mut) else {
            return;
        };
        if let Some(ahead) = slot.ahead.take_if(|ahead| ahead.entry.attempt == attempt) {
            slot.brisk = false;
            match ahead.entry.behind() {
                Some(first) => self.stand_in_line(ahead.entry, first),
                None => self.requeue(ahead.entry, now),
            }
        }
    }

    /// That seat's supervisor is gone. The answer is what it had been handed.
    pub fn lost(&mut self, seat: Seat) -> Vec<Entry> {
        let Some(slot) = self.seats.get_mut(seat).and_then(Option::take) else {
            return Vec::new();
        };
        self.open -= 1;
        self.idle.retain(|idle| *idle != seat);
        let handed = slot.current.into_iter().chain(slot.ahead);
        let entries: Vec<Entry> = handed.map(|handed| handed.entry).collect();
        for entry in &entries {
            self.places.remove(&entry.attempt);
        }
        entries
    }

    /// Makes do with the slots there are from now on; false if there is none.
    pub fn make_do(&mut self) -> bool {
        self.most = self.open.max(1);
        self.open > 0
    }

    /// Puts a job that has not begun back, before all others.
    pub fn requeue(&mut self, entry: Entry, now: Instant) {
        if entry.unwanted {
            return self.give_up(entry.attempt);
        }
        self.places.insert(entry.attempt, Place::Queue);
        self.queue.push_front(entry);
        self.hand_out(now);
    }

    /// Takes a job that no slot has out of the queue or its line; false if it
    /// is not there.
    pub fn call_off(&mut self, attempt: Attempt) -> bool {
        let waits = match self.place(attempt) {
            Some(Place::Queue) => Some(&mut self.queue),
            Some(Place::Behind(first)) => self.line.get_mut(&first),
            Some(Place::Seat(_)) | None => None,
        };
        let Some(waits) = waits else {
            return false;
        };
        waits.retain(|entry| entry.attempt != attempt);
        self.places.remove(&attempt);
        self.over(attempt, false);
        true
    }

    /// Gives work to whoever has none, then ahead to whoever will want it soon.
    pub fn hand_out(&mut self, now: Instant) {
        while !self.halted && !self.paused && self.held.is_empty() && !self.queue.is_empty() {
            if let Some(seat) = self.free_seat() {
                self.give_next(seat, now);
            } else if let Some(seat) = self.roomy_seat() {
                self.give_ahead(seat, now);
            } else {
                break;
            }
        }
        self.ask_back(now);
    }

    /// Has slots made before there is anything for them to do.
    pub fn expect(&mut self, jobs: usize) {
        while self.open < self.most.min(jobs) && !self.halted && !self.paused {
            let seat = self.sit();
            self.deeds.push_back(Deed::Open(seat));
            self.idle.push(seat);
        }
    }

    fn free_seat(&mut self) -> Option<Seat> {
        if let Some(seat) = self.idle.pop() {
            return Some(seat);
        }
        (self.open < self.most).then(|| {
            let seat = self.sit();
            self.deeds.push_back(Deed::Open(seat));
            seat
        })
    }

    fn sit(&mut self) -> Seat {
        self.open += 1;
        let slot = Slot {
            current: None,
            ahead: None,
            brisk: true,
        };
        match self.seats.iter().position(Option::is_none) {
            Some(seat) => {
                self.seats[seat] = Some(slot);
                seat
            }
            None => {
                self.seats.push(Some(slot));
                self.seats.len() - 1
            }
        }
    }

    fn roomy_seat(&mut self) -> Option<Seat> {
        while let Some(seat) = self.roomy.pop() {
            let slot = self.seats.get(seat).and_then(Option::as_ref);
            if slot.is_some_and(|s| s.brisk && s.current.is_some() && s.ahead.is_none()) {
                return Some(seat);
            }
        }
        None
    }

    fn give_next(&mut self, seat: Seat, now: Instant) {
        if let Some(mut entry) = self.queue.pop_front() {
            self.deeds.push_back(Deed::Give(seat, entry.attempt));
            entry.accept(&mut self.deeds);
            self.seat_current(seat, entry, now);
            self.roomy.push(seat);
            self.close_up(seat, now);
        }
    }

    fn seat_current(&mut self, seat: Seat, entry: Entry, now: Instant) {
        self.places.insert(entry.attempt, Place::Seat(seat));
        if let Some(slot) = &mut self.seats[seat] {
            slot.current = Some(Handed::new(entry, now));
        }
    }

    fn give_ahead(&mut self, seat: Seat, now: Instant) {
        if let Some(entry) = self.queue.pop_front()
            && let Some(slot) = &mut self.seats[seat]
        {
            self.places.insert(entry.attempt, Place::Seat(seat));
            self.deeds.push_back(Deed::Give(seat, entry.attempt));
            slot.ahead = Some(Handed::new(entry, now));
        }
    }

    /// Asks jobs back that wait while somebody is idle, or have waited too long.
    fn ask_back(&mut self, now: Instant) {
        let idle = self.queue.is_empty() && !self.idle.is_empty();
        let rested = self
            .asked_back_at
            .is_none_or(|last| now.duration_since(last) >= PATIENCE);
        if self.halted || self.paused || !(idle || rested) {
            return;
        }
        self.asked_back_at = Some(now);
        for (seat, slot) in self.seats.iter_mut().enumerate() {
            if let Some(ahead) = slot.as_mut().and_then(|slot| slot.ahead.as_mut())
                && !ahead.revoked
                // Elsewhere it could not begin either.
                && ahead.entry.behind().is_none()
                && (idle || now.duration_since(ahead.since) >= PATIENCE)
            {
                ahead.revoked = true;
                self.deeds
                    .push_back(Deed::Revoke(seat, ahead.entry.attempt));
            }
        }
    }
}

#[cfg(test)]
mod tests;
