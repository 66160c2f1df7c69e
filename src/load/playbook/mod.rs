//! Playbooks: which scripts run in which order and with what, written down.

pub mod book;
mod condition;
pub mod jobs;
mod scope;
mod template;
