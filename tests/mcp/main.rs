//! `quintet mcp` as a client meets it.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod control;
mod hostile;
mod outliving;
mod reading;
