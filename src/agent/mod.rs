//! Agents at work: one attempt of an agent's step, from what it is told to what it
//! puts out.
//!
//! Every agent comes through here, the four that are built in and those that are
//! programs, so that for all of them a result is checked against a schema, a verdict
//! that cannot be read is a rejection, and what was used is held against a budget.
//! It is a program of its own for each attempt (`quintet agent step`): the engine
//! that runs it knows nothing of agents.
//!
//! Which agents run and in what order it does not know either; that is the plan's.

mod attempt;
mod budget;
mod builder;
mod contract;
mod doc;
mod fan_in;
mod gate;
mod git;
mod planner;
mod program;
mod report;
mod reviewer;
mod work;
mod worktree;

pub use attempt::{Came, Place, attempt};
pub use contract::check_schema;
pub use doc::write as write_documents;
pub use worktree::sweep as sweep_worktrees;
