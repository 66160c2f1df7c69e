//! Carries messages to whoever a plan wants told.
//!
//! Nobody waits for a message but its courier. Each receiver has one, with a thread
//! of its own once there is something to tell, so that one that never answers keeps
//! neither the run nor the next receiver. What waits for it does not grow: on its
//! desk there is room for one message about steps, which is gathered until it is
//! fetched, and for one about the run's end.
//!
//! What could not be delivered comes back as words. Nothing here prints, or knows
//! what becomes of a run; and nothing of a run is told before it is on record.

mod address;
mod desk;
mod program;
mod sys;
mod webhook;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use address::Address;
use desk::Desk;

use crate::plan::{Notify, Retry};
use crate::run::retry::backoff;
use crate::run::{Millis, RunState, Seq};
use crate::view::notification::Message;
use crate::view::result::StepResult;

/// A server that asks us to come again later is not waited for longer than this.
const MOST_ASKED: Duration = Duration::from_secs(120);

/// Takes messages to one receiver.
pub struct Courier {
    desk: Arc<Desk>,
    /// What the thread will need, until there is one.
    route: Option<Route>,
    group_within: Duration,
}

/// What did not get to its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    pub messages: u32,
    /// Why the last of them was not taken. May hold what a program wrote.
    pub error: String,
}

/// Why a try failed.
struct Failed {
    why: String,
    /// Whether another try may do better.
    again: bool,
    /// The receiver wants to be left alone so long.
    not_before: Option<Duration>,
}

impl Failed {
    fn for_good(why: impl Into<String>) -> Failed {
        Failed {
            again: false,
            ..Failed::for_now(why)
        }
    }

    fn for_now(why: impl Into<String>) -> Failed {
        Failed {
            why: why.into(),
            again: true,
            not_before: None,
        }
    }
}

impl Courier {
    pub fn new(notify: &Notify, address: Address) -> Courier {
        Courier {
            desk: Arc::default(),
            route: Some(Route {
                address,
                timeout: notify.timeout,
                retry: notify.retry.clone(),
            }),
            group_within: notify.group_within,
        }
    }

    /// Tells of a step that settled with the event `seq`, once that is
    /// [durable](Courier::durable), and together with others that settle soon.
    pub fn step(&mut self, run: &RunState, at: (Seq, Millis), step: &StepResult) {
        let due = Instant::now() + self.group_within;
        self.desk.put_step(run, at, step, due);
        self.set_out();
    }

    /// Everything up to this event of the run is on record.
    pub fn durable(&self, run_id: &str, seq: Seq) {
        self.desk.durable(run_id, seq);
    }

    /// Tells how the run ended, which is on record. What waits to be told of steps
    /// goes first, and at once.
    pub fn end(&mut self, message: Message) {
        self.desk.put_end(message);
        self.set_out();
    }

    /// Nothing more comes. What is under way is tried until `deadline`, see
    /// [`undelivered`](Courier::undelivered).
    pub fn close(&self, deadline: Instant) {
        self.desk.close(deadline);
    }

    /// Waits until everything is delivered or given up, or the deadline has passed.
    pub fn undelivered(self) -> Option<Undelivered> {
        match self.route {
            // It never set out, so there was nothing to tell.
            Some(_) => None,
            None => self.desk.wait_for_courier(),
        }
    }

    fn set_out(&mut self) {
        let Some(route) = self.route.take() else {
            return;
        };
        let desk = Arc::clone(&self.desk);
        let thread = std::thread::Builder::new().name("notify".into());
        if let Err(error) = thread.spawn(move || route.walk(&desk)) {
            self.desk.failed(error.to_string());
            self.desk.gone();
        }
    }
}

/// One receiver, and how hard to try.
struct Route {
    address: Address,
    timeout: Duration,
    retry: Retry,
}

impl Route {
    fn walk(&self, desk: &Desk) {
        while let Some(message) = desk.next() {
            if let Err(why) = self.deliver(&message, desk) {
                desk.failed(why);
            }
        }
        desk.gone();
    }

    fn deliver(&self, message: &Message, desk: &Desk) -> Result<(), String> {
        let id = delivery_id();
        let mut nth = 0;
        loop {
            let limit = desk
                .time_left()
                .map_or(self.timeout, |left| left.min(self.timeout));
            let failed = match self.address.attempt(message, &id, limit, desk) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            nth += 1;
            if !failed.again || nth > self.retry.count {
                return Err(failed.why);
            }
            let own = backoff(&self.retry, getrandom::u64().unwrap_or_default(), nth);
            let asked = failed.not_before.map(|asked| asked.min(MOST_ASKED));
            let may_go = match asked.filter(|asked| *asked > own) {
                Some(asked) => desk.rest(asked, false),
                None => desk.rest(own, true),
            };
            if !may_go {
                return Err(failed.why);
            }
        }
    }
}

/// Tells one message from all others: 32 hexadecimal digits.
fn delivery_id() -> String {
    let half = || getrandom::u64().unwrap_or_default();
    format!("{:016x}{:016x}", half(), half())
}
