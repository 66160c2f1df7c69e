//! Engines, supervisors and power that die, and what is there afterwards: the
//! rows XA of the table of faults, with the program as its users have it.
//!
//! What really happened is told by the steps themselves, in a ledger that the
//! program knows nothing of (`witness`). A test kills something, lets `resume`
//! go on to the end, and then compares the ledger with the record.
//!
//! Nothing here measures how fast the machine is. What is killed is killed by
//! its process id, and every step has a timeout, so that a test that fails
//! leaves nothing behind for long.

#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod attach;
mod chance;
mod demo;
mod points;
mod power;
mod record;
mod replan;
mod witness;
