//! A run: what has happened to a plan so far, and what to do next.
//!
//! This room decides everything and does nothing. [`RunState::apply`] folds
//! what happened; [`next`] says what to do; [`wake_at`] says when to ask again.
//! Live runs, recovery, every view and the simulation use these three and no
//! others.
//!
//! Like `plan`, it does not know files, processes, threads, clocks or chance:
//! time is an argument.

pub mod event;
pub mod retry;
pub mod schedule;
pub mod state;

pub use event::{
    Attempt, End, Event, Exit, Kind, LogRange, Millis, Outcome, Output, Reason, Role, RunOutcome,
    Seq,
};
pub use schedule::{Command, next, wake_at};
pub use state::{IllegalEvent, RunPhase, RunState, StepState};
