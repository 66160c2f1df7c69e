//! Where a courier finds what to take next, and hears that it must come to an end.
//!
//! Whoever puts something here only ever waits for a lock that nobody holds for
//! long.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Undelivered;
use crate::run::{Millis, RunState, Seq};
use crate::view::notification::{Message, Steps};
use crate::view::result::StepResult;

/// After the deadline, a courier whose program was ended is waited for so long.
const LAST_MOMENT: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    steps: Option<Gathered>,
    end: Option<Message>,
    /// Known once something is on record.
    run_id: String,
    /// Everything up to this event is on record.
    durable: Seq,
    /// Nothing more comes, and there is time until then.
    deadline: Option<Instant>,
    /// The courier has a message in hand.
    busy: bool,
    /// It will not come again.
    gone: bool,
    undelivered: u32,
    error: String,
    /// The process group of the program that has the message in hand.
    group: Option<Pid>,
}

impl State {
    fn are_steps_on_record(&self) -> bool {
        let steps = self.steps.as_ref();
        steps.is_some_and(|gathered| gathered.upto <= self.durable)
    }

    fn are_steps_ready(&self, now: Instant) -> bool {
        let hurries = self.deadline.is_some() || self.end.is_some();
        let is_due = |gathered: &Gathered| hurries || gathered.due <= now;
        self.are_steps_on_record() && self.steps.as_ref().is_some_and(is_due)
    }
}

enum Taken {
    Steps(Steps, String),
    End(Message),
}

/// What is to be told of steps.
struct Gathered {
    steps: Steps,
    /// When it is told at the latest.
    due: Instant,
    /// The last event that it tells of.
    upto: Seq,
}

impl Desk {
    pub fn put_step(
        &self,
        run: &RunState,
        (seq, at): (Seq, Millis),
        step: &StepResult,
        due: Instant,
    ) {
        let mut state = self.lock();
        match &mut state.steps {
            Some(gathered) => {
                gathered.steps.add(run, at, step);
                gathered.upto = seq;
            }
            None => {
                let steps = Steps::of(run, at, step);
                let upto = seq;
                state.steps = Some(Gathered { steps, due, upto });
                self.changed.notify_all();
            }
        }
    }

    pub fn put_end(&self, message: Message) {
        let mut state = self.lock();
        state.end = Some(message);
        self.changed.notify_all();
    }

    pub fn durable(&self, run_id: &str, seq: Seq) {
        let mut state = self.lock();
        let were_ready = state.are_steps_on_record();
        state.durable = seq;
        if state.run_id.is_empty() {
            run_id.clone_into(&mut state.run_id);
        }
        // A courier that waits for more of them need not be woken by each commit.
        if !were_ready && state.are_steps_on_record() {
            self.changed.notify_all();
        }
    }

    pub fn close(&self, deadline: Instant) {
        self.lock().deadline = Some(deadline);
        self.changed.notify_all();
    }

    /// What to take next, once there is something; none once there will be nothing more.
    pub fn next(&self) -> Option<Message> {
        // To write a message takes a moment, in which somebody may want the desk.
        match self.take()? {
            Taken::Steps(steps, run_id) => Some(steps.message(&run_id)),
            Taken::End(message) => Some(message),
        }
    }

    fn take(&self) -> Option<Taken> {
        let mut state = self.lock();
        state.busy = false;
        loop {
            let now = Instant::now();
            if state.deadline.is_some_and(|deadline| deadline <= now) {
                return None;
            }
            let taken = match state.are_steps_ready(now) {
                true => {
                    let run_id = state.run_id.clone();
                    let gathered = state.steps.take();
                    gathered.map(|gathered| Taken::Steps(gathered.steps, run_id))
                }
                false => state.end.take().map(Taken::End),
            };
            if taken.is_some() {
                state.busy = true;
                return taken;
            }
            if state.deadline.is_some() {
                return None;
            }
            let due = state.steps.as_ref().map(|gathered| gathered.due);
            state = match due.filter(|due| *due > now) {
                Some(due) => self.wait(state, due - now),
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Lets time pass before the next try, and says whether there will be time for
    /// one. Where the end comes meanwhile, and the rest may be cut short, that is
    /// the time for it.
    pub fn rest(&self, delay: Duration, may_be_cut: bool) -> bool {
        let until = Instant::now() + delay;
        let mut state = self.lock();
        let may_be_cut = may_be_cut && state.deadline.is_none();
        loop {
            let now = Instant::now();
            match state.deadline {
                Some(_) if may_be_cut => return true,
                Some(deadline) if until >= deadline => return false,
                _ if now >= until => return true,
                _ => state = self.wait(state, until - now),
            }
        }
    }

    /// How much time there is, if there is an end to it.
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.lock().deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// The message in hand was not delivered.
    pub fn failed(&self, why: String) {
        let mut state = self.lock();
        state.busy = false;
        state.undelivered += 1;
        state.error = why;
    }

    /// The courier does not come again.
    pub fn gone(&self) {
        self.lock().gone = true;
        self.changed.notify_all();
    }

    /// A program with a process group of its own has the message in hand; or none has any more.
    pub fn in_hands_of(&self, group: Option<Pid>) {
        self.lock().group = group;
    }

    /// Waits for the courier's end, until the deadline has passed.
    pub fn wait_for_courier(&self) -> Option<Undelivered> {
        let mut state = self.lock();
        let deadline = state.deadline.unwrap_or_else(Instant::now);
        state = self.wait_until_gone(state, deadline);
        if let Some(group) = state.group.filter(|_| !state.gone) {
            // Not reaped yet, so the group is still the one that was meant.
            let _ = killpg(group, Signal::SIGKILL);
            state = self.wait_until_gone(state, Instant::now() + LAST_MOMENT);
        }
        if !state.gone && state.busy {
            state.undelivered += 1;
            "there was no answer in time".clone_into(&mut state.error);
        }
        // What never got on record would not have been told in any case.
        let left = u32::from(state.are_steps_on_record()) + u32::from(state.end.is_some());
        if left > 0 && state.error.is_empty() {
            "there was no time left".clone_into(&mut state.error);
        }
        let messages = state.undelivered + left;
        let error = std::mem::take(&mut state.error);
        (messages > 0).then_some(Undelivered { messages, error })
    }

    fn wait_until_gone<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        deadline: Instant,
    ) -> MutexGuard<'a, State> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.gone || left.is_zero() {
                return state;
            }
            state = self.wait(state, left);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::notify::Occasion;
    use crate::view::notification;
    use crate::view::testing::{self, NOON, RUN, Story, exited};

    const LONG: Duration = Duration::from_secs(3600);

    /// A desk with a step on it that settled with event 7, and the run's end.
    fn desk(due: Instant) -> (Desk, Message) {
        let story = Story::of(testing::plan(&["a"]), |_, _| (exited(3), 10));
        let (run, ix) = (&story.run, story.ix("a"));
        let desk = Desk::default();
        let step = notification::brief(run, ix, &mut |_| Vec::new());
        desk.put_step(run, (7, NOON), &step, due);
        let mut nothing = |_| Vec::new();
        (
            desk,
            notification::of_run(RUN, run, Occasion::RunFailed, &mut nothing),
        )
    }

    #[test]
    fn nothing_is_told_before_it_is_on_record() {
        let (desk, _) = desk(Instant::now());
        desk.durable(RUN, 6);
        desk.close(Instant::now() + LONG);
        assert_eq!(desk.next(), None);
        desk.gone();
        // And nobody is told that it was not.
        assert_eq!(desk.wait_for_courier(), None);
    }

    #[test]
    fn the_runs_end_does_not_wait_for_more_steps_and_comes_last() {
        let (desk, end) = desk(Instant::now() + LONG);
        desk.durable(RUN, 7);
        desk.put_end(end.clone());
        let steps = desk.next().expect("there is a message");
        assert_eq!(steps.title, "A test: a failed");
        assert!(steps.text.contains(RUN));
        assert_eq!(desk.next(), Some(end));
        desk.close(Instant::now() + LONG);
        assert_eq!(desk.next(), None);
    }

    #[test]
    fn what_there_is_no_time_for_is_counted() {
        let (desk, end) = desk(Instant::now());
        desk.durable(RUN, 7);
        desk.put_end(end);
        desk.close(Instant::now());
        assert_eq!(desk.next(), None);
        desk.gone();
        let undelivered = desk.wait_for_courier().expect("nothing was delivered");
        assert_eq!(undelivered.messages, 2);
        assert_eq!(undelivered.error, "there was no time left");
    }

    #[test]
    fn a_rest_ends_with_the_time_there_is() {
        let (desk, _) = desk(Instant::now());
        assert!(desk.rest(Duration::ZERO, true));
        desk.close(Instant::now() + LONG / 2);
        assert!(desk.rest(Duration::ZERO, true));
        assert!(!desk.rest(LONG, true));
        assert!(!desk.rest(LONG, false));
    }
}
