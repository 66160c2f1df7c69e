//! Which slot runs what: the bookkeeping of the local executor.
//!
//! A slot runs one job, and may have one more handed to it ahead, so that it
//! need not ask between two short ones. A job that was handed ahead is asked
//! back when its slot turns out to be busy for longer, so that no slot is idle
//! while a job waits elsewhere, and none waits for long behind a slow one.
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
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Queue,
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

impl Entry {
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
        self.places.insert(job.attempt, Place::Queue);
        self.queue.push_back(Entry {
            attempt: job.attempt,
            job: Some(job),
            lost: 0,
            accepted: false,
        });
        self.hand_out(now);
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
                };
                self.seat_current(seat, entry, now);
            }
        }
        seat
    }

    /// An attempt has ended at that seat. False where it is none of ours.
    pub fn finished(&mut self, seat: Seat, attempt: Attempt, now: Instant) -> bool {
        if self.vacate(seat, attempt, now).is_none() {
            return false;
        }
        self.places.remove(&attempt);
        self.hand_out(now);
        true
    }

    /// That seat could not begin what it was handed. It waits again, before all others.
    pub fn not_begun(&mut self, seat: Seat, attempt: Attempt, now: Instant) {
        if let Some(entry) = self.vacate(seat, attempt, now) {
            self.requeue(entry, now);
        }
    }

    /// Takes a job from its seat.
    fn vacate(&mut self, seat: Seat, attempt: Attempt, now: Instant) -> Option<Entry> {
        let slot = self.seats.get_mut(seat).and_then(Option::as_mut)?;
        let is_it = |handed: &Handed| handed.entry.attempt == attempt;
        let vacated;
        if slot.ahead.as_ref().is_some_and(is_it) {
            vacated = slot.ahead.take();
        } else if slot.current.as_ref().is_some_and(is_it) {
            vacated = slot.current.take();
            let took = |over: &Handed| now.duration_since(over.since);
            slot.brisk = vacated.as_ref().is_some_and(|over| took(over) < BRISK);
            match slot.ahead.take() {
                Some(mut next) => {
                    if !self.held.contains(&seat) {
                        next.entry.accept(&mut self.deeds);
                    }
                    slot.current = Some(Handed {
                        since: now,
                        revoked: false,
                        ..next
                    });
                }
                None => self.idle.push(seat),
            }
        } else {
            return None;
        }
        self.roomy.push(seat);
        vacated.map(|handed| handed.entry)
    }

    /// That seat gives back what it had ahead.
    pub fn given_back(&mut self, seat: Seat, attempt: Attempt, now: Instant) {
        let Some(slot) = self.seats.get_mut(seat).and_then(Option::as_mut) else {
            return;
        };
        if let Some(ahead) = slot.ahead.take_if(|ahead| ahead.entry.attempt == attempt) {
            slot.brisk = false;
            self.requeue(ahead.entry, now);
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
        self.places.insert(entry.attempt, Place::Queue);
        self.queue.push_front(entry);
        self.hand_out(now);
    }

    /// Takes a job out of the queue; false if it is not there.
    pub fn call_off(&mut self, attempt: Attempt) -> bool {
        if self.place(attempt) != Some(Place::Queue) {
            return false;
        }
        self.places.remove(&attempt);
        self.queue.retain(|entry| entry.attempt != attempt);
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
        }
    }

    fn seat_current(&mut self, seat: Seat, entry: Entry, now: Instant) {
        self.places.insert(entry.attempt, Place::Seat(seat));
        if let Some(slot) = &mut self.seats[seat] {
            slot.current = Some(Handed {
                entry,
                since: now,
                revoked: false,
            });
        }
    }

    fn give_ahead(&mut self, seat: Seat, now: Instant) {
        if let Some(entry) = self.queue.pop_front()
            && let Some(slot) = &mut self.seats[seat]
        {
            self.places.insert(entry.attempt, Place::Seat(seat));
            self.deeds.push_back(Deed::Give(seat, entry.attempt));
            slot.ahead = Some(Handed {
                entry,
                since: now,
                revoked: false,
            });
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
mod tests {
    use super::*;
    use crate::plan::StepIx;
    use crate::run::Role;

    fn attempt(n: usize) -> Attempt {
        Attempt {
            step: StepIx::new(n),
            number: 1,
            role: Role::Main,
        }
    }

    fn job(n: usize) -> Job {
        Job {
            attempt: attempt(n),
            argv: vec!["true".into()],
            cwd: "/".into(),
            env: Vec::new(),
            stdin: None,
            timeout: None,
            grace: Duration::ZERO,
            own_log: false,
            locks: Vec::new(),
        }
    }

    /// Jobs 0.. started at once on so many slots, and what was done about it.
    fn started(slots: usize, jobs: usize, now: Instant) -> (Roster, Vec<Deed>) {
        let mut roster = Roster::new(slots);
        for n in 0..jobs {
            roster.start(job(n), now);
        }
        let deeds = deeds(&mut roster);
        (roster, deeds)
    }

    fn deeds(roster: &mut Roster) -> Vec<Deed> {
        std::iter::from_fn(|| roster.next_deed()).collect()
    }

    #[test]
    fn slots_are_opened_only_as_they_are_needed() {
        let (_, deeds) = started(8, 2, Instant::now());
        let opened = deeds.iter().filter(|d| matches!(d, Deed::Open(_))).count();
        assert_eq!(opened, 2);
    }

    #[test]
    fn a_slot_gets_one_job_ahead_and_the_rest_waits() {
        let now = Instant::now();
        let (mut roster, given) = started(1, 3, now);
        assert_eq!(
            given,
            [
                Deed::Open(0),
                Deed::Give(0, attempt(0)),
                Deed::Accept(attempt(0)),
                Deed::Give(0, attempt(1)),
            ]
        );
        assert_eq!(roster.place(attempt(2)), Some(Place::Queue));
        assert!(roster.finished(0, attempt(0), now));
        assert_eq!(
            deeds(&mut roster),
            [Deed::Accept(attempt(1)), Deed::Give(0, attempt(2))]
        );
        assert!(!roster.finished(0, attempt(0), now));
    }

    /// P11.
    #[test]
    fn p11_after_a_failure_nothing_begins_before_the_engine_has_dealt_with_it() {
        let now = Instant::now();
        let (mut roster, _) = started(1, 3, now);
        roster.hold(0);
        assert!(roster.finished(0, attempt(0), now));
        assert_eq!(deeds(&mut roster), []);
        // What stayed in the queue can be called off before it is handed out.
        assert!(roster.call_off(attempt(2)));
        roster.go_on(now);
        assert_eq!(
            deeds(&mut roster),
            [Deed::GoOn(0), Deed::Accept(attempt(1))]
        );
    }

    #[test]
    fn no_slot_is_idle_while_a_job_waits_at_another() {
        let now = Instant::now();
        let (mut roster, _) = started(2, 3, now);
        let waits = roster.seats.iter().flatten().find_map(|s| s.ahead.as_ref());
        let waits = waits.map(|handed| handed.entry.attempt);
        assert_eq!(waits, Some(attempt(2)));
        let Some(Place::Seat(busy)) = roster.place(attempt(2)) else {
            panic!("it was handed ahead");
        };
        let other = 1 - busy;
        let ends = roster.seats[other]
            .as_ref()
            .and_then(|s| s.current.as_ref());
        let ends = ends
            .map(|handed| handed.entry.attempt)
            .expect("it runs one");

        assert!(roster.finished(other, ends, now));
        assert_eq!(deeds(&mut roster), [Deed::Revoke(busy, attempt(2))]);
        roster.given_back(busy, attempt(2), now);
        assert_eq!(
            deeds(&mut roster),
            [Deed::Give(other, attempt(2)), Deed::Accept(attempt(2))]
        );
    }

    #[test]
    fn a_job_does_not_wait_long_behind_a_slow_one_while_others_get_work() {
        let now = Instant::now();
        let (mut roster, _) = started(2, 5, now);
        let later = now + PATIENCE;
        assert!(roster.finished(1, attempt(1), later));
        let asked_back: Vec<Attempt> = deeds(&mut roster)
            .into_iter()
            .filter_map(|deed| match deed {
                Deed::Revoke(0, attempt) => Some(attempt),
                _ => None,
            })
            .collect();
        assert_eq!(asked_back.len(), 1);
        roster.given_back(0, asked_back[0], later);
        assert_eq!(roster.place(asked_back[0]), Some(Place::Queue));
        assert_eq!(roster.queue[0].attempt, asked_back[0]);
    }

    #[test]
    fn what_a_dead_slot_had_is_given_to_another_first() {
        let now = Instant::now();
        let (mut roster, _) = started(1, 3, now);
        let mut entries = roster.lost(0);
        assert_eq!(entries.len(), 2);
        assert_eq!(roster.place(attempt(0)), None);
        roster.requeue(entries.remove(0), now);
        // That it was accepted has been said already.
        assert_eq!(
            deeds(&mut roster),
            [
                Deed::Open(0),
                Deed::Give(0, attempt(0)),
                Deed::Give(0, attempt(2)),
            ]
        );
    }

    /// XD02.
    #[test]
    fn xd02_a_pause_asks_back_what_waits_and_hands_out_nothing_until_it_is_over() {
        let now = Instant::now();
        let (mut roster, _) = started(1, 3, now);
        // There was no room to say that the first begins, nor the one behind it.
        roster.pause();
        roster.not_begun(0, attempt(0), now);
        roster.not_begun(0, attempt(1), now);
        roster.start(job(3), now);
        let about = [Deed::Revoke(0, attempt(1)), Deed::Accept(attempt(1))];
        assert_eq!(deeds(&mut roster), about);
        for n in 0..4 {
            assert_eq!(roster.place(attempt(n)), Some(Place::Queue));
        }
        assert!(roster.call_off(attempt(3)));

        roster.unpause(now);
        // That they were accepted has been said already.
        let given = [Deed::Give(0, attempt(1)), Deed::Give(0, attempt(0))];
        assert_eq!(deeds(&mut roster), given);
    }

    #[test]
    fn what_waits_ahead_of_a_pause_comes_back_and_is_handed_out_after_it() {
        let now = Instant::now();
        let (mut roster, _) = started(1, 2, now);
        roster.pause();
        assert_eq!(deeds(&mut roster), [Deed::Revoke(0, attempt(1))]);
        roster.given_back(0, attempt(1), now);
        assert!(roster.finished(0, attempt(0), now));
        assert_eq!(deeds(&mut roster), []);
        roster.unpause(now);
        let given = [Deed::Give(0, attempt(1)), Deed::Accept(attempt(1))];
        assert_eq!(deeds(&mut roster), given);
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Said {
        EndedPlainly,
        Failed,
        GivenBack,
    }

    /// A supervisor as the roster knows it, and the messages on their way.
    #[derive(Default)]
    struct Model {
        orders: VecDeque<Deed>,
        answers: VecDeque<(Said, Attempt)>,
        running: Option<Attempt>,
        waiting: VecDeque<Attempt>,
        held: bool,
    }

    impl Model {
        fn obey(&mut self, runs: &mut Vec<Attempt>) {
            match self.orders.pop_front() {
                Some(Deed::Give(_, attempt)) => self.waiting.push_back(attempt),
                Some(Deed::Revoke(_, attempt)) => {
                    let before = self.waiting.len();
                    if self.running.is_some() {
                        self.waiting.retain(|waits| *waits != attempt);
                    }
                    if self.waiting.len() < before {
                        self.answers.push_back((Said::GivenBack, attempt));
                    }
                }
                Some(Deed::GoOn(_)) => self.held = false,
                _ => {}
            }
            self.begin(runs);
        }

        fn begin(&mut self, runs: &mut Vec<Attempt>) {
            if self.running.is_none() && !self.held {
                self.running = self.waiting.pop_front();
                runs.extend(self.running);
            }
        }
    }

    /// Whatever the order in which messages arrive: each job is accepted once
    /// and runs once, and none is forgotten at a slot.
    #[test]
    fn every_job_runs_exactly_once_however_messages_cross() {
        const JOBS: usize = 60;
        for seed in 1..400u64 {
            let mut random = seed;
            let mut pick = move |n: usize| {
                random = random
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                (random >> 33) as usize % n
            };
            let slots = 1 + pick(4);
            let mut now = Instant::now();
            let mut roster = Roster::new(slots);
            let mut models: Vec<Model> = (0..slots).map(|_| Model::default()).collect();
            let (mut started, mut finished) = (0, 0);
            let (mut runs, mut accepted) = (Vec::new(), Vec::new());
            for _ in 0..100_000 {
                if finished == JOBS {
                    break;
                }
                now += Duration::from_millis(pick(4) as u64);
                if started < JOBS && started - finished < 2 * slots {
                    roster.start(job(started), now);
                    started += 1;
                }
                let seat = pick(slots);
                let model = &mut models[seat];
                match pick(4) {
                    0 => model.obey(&mut runs),
                    1 => {
                        if let Some(over) = model.running.take() {
                            model.held = pick(3) == 0;
                            let said = [Said::EndedPlainly, Said::Failed][usize::from(model.held)];
                            model.answers.push_back((said, over));
                            // What arrives before the next one begins is heard first.
                            match model.orders.is_empty() || pick(2) == 0 {
                                true => model.begin(&mut runs),
                                false => model.obey(&mut runs),
                            }
                        }
                    }
                    2 => roster.go_on(now),
                    _ => match model.answers.pop_front() {
                        Some((Said::GivenBack, attempt)) => roster.given_back(seat, attempt, now),
                        Some((said, attempt)) => {
                            if said == Said::Failed {
                                roster.hold(seat);
                            }
                            assert!(roster.finished(seat, attempt, now), "seed {seed}");
                            finished += 1;
                        }
                        None => {}
                    },
                }
                for deed in deeds(&mut roster) {
                    match deed {
                        Deed::Give(seat, _) | Deed::Revoke(seat, _) | Deed::GoOn(seat) => {
                            models[seat].orders.push_back(deed);
                        }
                        Deed::Accept(attempt) => accepted.push(attempt),
                        Deed::Open(_) => {}
                    }
                }
            }
            let all: Vec<Attempt> = (0..JOBS).map(attempt).collect();
            runs.sort_unstable();
            accepted.sort_unstable();
            assert_eq!(runs, all, "seed {seed}");
            assert_eq!(accepted, all, "seed {seed}");
        }
    }

    #[test]
    fn what_waits_can_be_called_off_and_a_halt_hands_out_nothing() {
        let now = Instant::now();
        let (mut roster, _) = started(1, 3, now);
        assert!(roster.call_off(attempt(2)));
        assert!(!roster.call_off(attempt(1)));
        roster.halt();
        roster.start(job(7), now);
        assert!(roster.finished(0, attempt(0), now));
        assert_eq!(deeds(&mut roster), [Deed::Accept(attempt(1))]);
    }
}
