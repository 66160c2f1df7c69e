//! Who is told of a run elsewhere: what they get, how often it is tried, and that
//! neither the run nor its exit code depends on it.

#[path = "../support/mod.rs"]
mod support;

mod programs;
mod receiver;
mod webhooks;
