//! A run: what has happened to a plan so far, and what to do next.
//!
//! This room decides everything and does nothing. [`RunState::apply`] folds
//! what happened; [`next`] says what to do; [`wake_at`] says when to ask again.
//! Live runs, recovery, every view and the simulation use these three and no
//! others.
//!
//! Like `plan`, it does not know files, processes, threads, clocks or chance:
//! time is an argument, and chance is a number in the run's first event.

pub mod checkup;
mod ending;
pub mod event;
mod exit;
pub mod expect;
mod facts;
mod failure;
pub mod figures;
mod fold;
pub mod forecast;
pub mod freshness;
mod last;
mod legal;
mod names;
mod order;
mod places;
pub mod readiness;
pub mod record;
pub mod remedy;
pub mod replan;
pub mod retry;
pub mod schedule;
pub mod state;
pub mod step;
pub mod took;
pub mod trace;

pub use ending::exit_code;
pub use event::{
    Attempt, End, Engine, Event, Exit, Finish, Holder, Kind, LogRange, Loss, Millis, Outcome,
    Output, Reason, Replacement, Role, RunOutcome, Seq, Stop, Stopping,
};
pub use expect::Usual;
pub use freshness::{Change, Fresh, Freshness, Stale};
pub use last::Last;
pub use order::order_matters;
pub use schedule::{Command, next, waits_for_log, wake_at};
pub use state::{
    Counts, IllegalEvent, Mending, Obstacle, Probe, RunPhase, RunState, StepRecord, StepState,
    UndoState,
};
