//! quintet runs the work people already have written down (plans, numbered
//! scripts, phase trees, checks, jobs) through one engine that runs it in the
//! right order, as parallel as it may, survives any crash, remembers everything
//! and can say why.
//!
//! The map, in the order in which the data flows:
//!
//! - [`load`]: front ends; files become a [`plan::Plan`]
//! - [`plan`]: the plan as a value, and the passes all front ends share (pure)
//! - [`run`]: what happened and what to do next (pure)
//! - [`exec`]: executors, which make attempts happen
//! - [`store`]: the memory: every event of every run, durable
//! - [`engine`]: the one loop that joins the four above
//! - [`view`]: what people and programs see; folds over events
//! - [`notify`]: carries messages to whoever a plan wants told
//! - [`agent`]: what agents do, each attempt in a process of its own
//! - [`itself`]: the program, called by itself
//! - [`serve`]: the dashboard: pages and an interface over HTTP
//! - [`cli`]: one verb, one file
//! - [`Quintet`]: the product as a library

pub mod agent;
mod api;
pub mod cli;
pub mod engine;
pub mod exec;
pub mod itself;
pub mod load;
pub mod notify;
pub mod paths;
pub mod plan;
pub mod run;
pub mod serve;
pub mod store;
pub mod view;

pub use api::{Error, Loaded, Quintet, Run};
pub use engine::Ended;
pub use run::{Outcome, RunOutcome};
pub use store::{RunFilter, RunRow};
pub use view::phases::document::{Phase, Status, Tree};
pub use view::result::{Retried, RunResult, StepResult};

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
