//! The roster by itself, and with supervisors that are told and answer late.

use std::collections::BTreeMap;

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
        builtin: None,
        cwd: "/".into(),
        env: Vec::new(),
        stdin: None,
        timeout: None,
        grace: Duration::ZERO,
        own_log: false,
        max_output: None,
        slurm: None,
        locks: Vec::new(),
        behind: None,
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
fn slots_made_ahead_are_used_first_and_are_no_more_than_may_be() {
    let now = Instant::now();
    let mut roster = Roster::new(2);
    roster.expect(3);
    assert_eq!(deeds(&mut roster), [Deed::Open(0), Deed::Open(1)]);
    roster.start(job(0), now);
    roster.start(job(1), now);
    let opens = |deed: &Deed| matches!(deed, Deed::Open(_));
    assert!(!deeds(&mut roster).iter().any(opens));
    assert_eq!(roster.seats.len(), 2);
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
    assert!(roster.finished(0, attempt(0), true, now));
    assert_eq!(
        deeds(&mut roster),
        [Deed::Accept(attempt(1)), Deed::Give(0, attempt(2))]
    );
    assert!(!roster.finished(0, attempt(0), true, now));
}

/// P11.
#[test]
fn p11_after_a_failure_nothing_begins_before_the_engine_has_dealt_with_it() {
    let now = Instant::now();
    let (mut roster, _) = started(1, 3, now);
    roster.hold(0);
    assert!(roster.finished(0, attempt(0), false, now));
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

    assert!(roster.finished(other, ends, true, now));
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
    assert!(roster.finished(1, attempt(1), true, later));
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

/// P11: the engine holds the executor before it records that the run stops, and
/// only then says of each what is to stop.
#[test]
fn p11_what_is_stopped_while_it_is_on_its_way_back_is_not_handed_out_again() {
    let now = Instant::now();
    for behind in [false, true] {
        let mut roster = Roster::new(1);
        roster.start(job(0), now);
        let behind = behind.then_some(attempt(0));
        roster.start(Job { behind, ..job(1) }, now);
        roster.start(job(2), now);
        deeds(&mut roster);
        assert_eq!(roster.place(attempt(1)), Some(Place::Seat(0)));
        roster.pause();
        roster.stops(0, attempt(1));
        roster.given_back(0, attempt(1), now);
        assert_eq!(roster.take_returned(), [attempt(1)]);
        assert_eq!(roster.place(attempt(1)), None);
        roster.unpause(now);
        assert!(roster.finished(0, attempt(0), true, now));
        assert_eq!(roster.place(attempt(2)), Some(Place::Seat(0)));
    }
}

#[test]
fn what_waits_ahead_of_a_pause_comes_back_and_is_handed_out_after_it() {
    let now = Instant::now();
    let (mut roster, _) = started(1, 2, now);
    roster.pause();
    assert_eq!(deeds(&mut roster), [Deed::Revoke(0, attempt(1))]);
    roster.given_back(0, attempt(1), now);
    assert!(roster.finished(0, attempt(0), true, now));
    assert_eq!(deeds(&mut roster), []);
    roster.unpause(now);
    let given = [Deed::Give(0, attempt(1)), Deed::Accept(attempt(1))];
    assert_eq!(deeds(&mut roster), given);
}

/// XD02.
#[test]
fn xd02_what_stands_behind_another_stays_in_line_through_a_pause() {
    let now = Instant::now();
    let (mut roster, _) = started(1, 1, now);
    let behind = Some(attempt(0));
    roster.start(Job { behind, ..job(1) }, now);
    assert_eq!(deeds(&mut roster), [Deed::Give(0, attempt(1))]);
    // There was no room to say that the first begins; the one behind it goes with it.
    roster.pause();
    roster.not_begun(0, attempt(0), now);
    assert_eq!(roster.place(attempt(1)), Some(Place::Behind(attempt(0))));
    deeds(&mut roster);

    roster.unpause(now);
    let given = [Deed::Give(0, attempt(0)), Deed::Give(0, attempt(1))];
    assert_eq!(deeds(&mut roster), given);
    assert!(roster.finished(0, attempt(0), true, now));
    assert_eq!(deeds(&mut roster), [Deed::Accept(attempt(1))]);
}

/// P11.
#[test]
fn p11_what_stands_behind_another_begins_there_only_after_a_plain_end() {
    let now = Instant::now();
    for plainly in [true, false] {
        let (mut roster, _) = started(1, 1, now);
        for n in 1..3 {
            let behind = Some(attempt(n - 1));
            roster.start(Job { behind, ..job(n) }, now);
        }
        assert_eq!(deeds(&mut roster), [Deed::Give(0, attempt(1))]);
        assert!(roster.finished(0, attempt(0), plainly, now));
        if plainly {
            let next = [Deed::Accept(attempt(1)), Deed::Give(0, attempt(2))];
            assert_eq!(deeds(&mut roster), next);
            assert_eq!(roster.take_returned(), []);
        } else {
            assert_eq!(deeds(&mut roster), []);
            assert_eq!(roster.take_returned(), [attempt(1), attempt(2)]);
            assert_eq!(roster.place(attempt(2)), None);
        }
    }
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
    orders: VecDeque<(Deed, Option<Attempt>)>,
    answers: VecDeque<(Said, Attempt)>,
    running: Option<Attempt>,
    waiting: VecDeque<(Attempt, Option<Attempt>)>,
    held: bool,
    ended_plainly: Option<Attempt>,
}

impl Model {
    fn obey(&mut self, runs: &mut Vec<Attempt>) {
        match self.orders.pop_front() {
            Some((Deed::Give(_, attempt), behind)) if self.may_stand(behind) => {
                self.waiting.push_back((attempt, behind));
            }
            Some((Deed::Revoke(_, attempt), _)) => {
                let before = self.waiting.len();
                if self.running.is_some() {
                    self.waiting.retain(|(waits, _)| *waits != attempt);
                }
                if self.waiting.len() < before {
                    self.answers.push_back((Said::GivenBack, attempt));
                }
            }
            Some((Deed::GoOn(_), _)) => self.held = false,
            _ => {}
        }
        self.begin(runs);
    }

    fn may_stand(&self, behind: Option<Attempt>) -> bool {
        behind.is_none_or(|first| {
            self.running == Some(first)
                || self.waiting.iter().any(|(waits, _)| *waits == first)
                || self.ended_plainly == Some(first)
        })
    }

    fn begin(&mut self, runs: &mut Vec<Attempt>) {
        if self.running.is_none() && !self.held {
            self.running = self.waiting.pop_front().map(|(attempt, _)| attempt);
            runs.extend(self.running);
        }
    }

    fn end(&mut self, fails: bool) {
        if let Some(over) = self.running.take() {
            self.held = fails;
            self.ended_plainly = (!fails).then_some(over);
            if fails {
                self.waiting.retain(|(_, behind)| *behind != Some(over));
            }
            let said = [Said::EndedPlainly, Said::Failed][usize::from(fails)];
            self.answers.push_back((said, over));
        }
    }
}

/// Whatever the order in which messages arrive: each job is accepted once and
/// runs once, none is forgotten at a slot, and what stands behind another begins
/// only after its plain end.
#[test]
fn every_job_runs_exactly_once_however_messages_cross() {
    const JOBS: usize = 60;
    let mut stood = 0;
    for seed in 1..1000u64 {
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
        let (mut started, mut finished) = (0, BTreeMap::new());
        let mut behind: BTreeMap<Attempt, Attempt> = BTreeMap::new();
        let (mut runs, mut accepted) = (Vec::new(), Vec::new());
        for _ in 0..100_000 {
            if finished.len() == JOBS {
                break;
            }
            now += Duration::from_millis(pick(4) as u64);
            if started < JOBS && started - finished.len() < 2 * slots {
                let mut new = job(started);
                let mut open = (0..started).rev().map(attempt);
                let first = open.find(|open| !finished.contains_key(open));
                if let Some(first) = first.filter(|_| pick(2) == 0) {
                    new.behind = Some(first);
                    behind.insert(new.attempt, first);
                }
                roster.start(new, now);
                started += 1;
            }
            let seat = pick(slots);
            let model = &mut models[seat];
            match pick(4) {
                0 => model.obey(&mut runs),
                1 if model.running.is_some() => {
                    model.end(pick(3) == 0);
                    // What arrives before the next one begins is heard first.
                    match model.orders.is_empty() || pick(2) == 0 {
                        true => model.begin(&mut runs),
                        false => model.obey(&mut runs),
                    }
                }
                1 => {}
                2 => roster.go_on(now),
                _ => match model.answers.pop_front() {
                    Some((Said::GivenBack, attempt)) => roster.given_back(seat, attempt, now),
                    Some((said, attempt)) => {
                        let plainly = said == Said::EndedPlainly;
                        if !plainly {
                            roster.hold(seat);
                        }
                        let known = roster.finished(seat, attempt, plainly, now);
                        assert!(known, "seed {seed}");
                        finished.insert(attempt, plainly);
                    }
                    None => {}
                },
            }
            // The engine may want what was returned after all: by itself, then.
            for returned in roster.take_returned() {
                let first = behind.remove(&returned).expect("it stood behind another");
                assert_ne!(finished.get(&first), Some(&true), "seed {seed}");
                stood += 1;
                roster.start(job(returned.step.at()), now);
            }
            for deed in deeds(&mut roster) {
                match deed {
                    Deed::Give(seat, attempt) => {
                        // It may have been returned before it was given.
                        if let Some(job) = roster.job(seat, attempt) {
                            models[seat].orders.push_back((deed, job.behind));
                        }
                    }
                    Deed::Revoke(seat, _) | Deed::GoOn(seat) => {
                        models[seat].orders.push_back((deed, None));
                    }
                    Deed::Accept(attempt) => {
                        if let Some(first) = behind.get(&attempt) {
                            assert_eq!(finished.get(first), Some(&true), "seed {seed}");
                        }
                        accepted.push(attempt);
                    }
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
    assert!(stood > 1000, "only {stood} were returned");
}

#[test]
fn what_waits_can_be_called_off_and_a_halt_hands_out_nothing() {
    let now = Instant::now();
    let (mut roster, _) = started(1, 3, now);
    assert!(roster.call_off(attempt(2)));
    assert!(!roster.call_off(attempt(1)));
    roster.halt();
    roster.start(job(7), now);
    assert!(roster.finished(0, attempt(0), true, now));
    assert_eq!(deeds(&mut roster), [Deed::Accept(attempt(1))]);
}
