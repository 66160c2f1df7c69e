//! What people and programs see of a run. One view, one file.
//!
//! Each view is a fold over events or a function of a
//! [`RunState`](crate::run::RunState), and writes to whatever it is given. None
//! reads the clock, the environment or a terminal: the time, the zone and the
//! width are arguments, so that a test sees what a person sees. All that came
//! from a file, a program or another machine goes through [`escape`] first.
//!
//! Views write colours always; whoever owns the stream takes them out where
//! they are not wanted.

pub mod asking;
pub mod board;
pub mod checks;
pub mod command;
pub mod diagnostic;
pub mod doctor;
pub mod escape;
pub mod estimate;
pub mod events;
pub mod executor;
pub mod forecast;
pub mod freshness;
pub mod github;
pub mod graph;
pub mod groups;
pub mod job_record;
pub mod jsonl;
pub mod junit;
pub mod log;
pub mod log_file;
pub mod markdown;
pub mod metrics;
pub mod notices;
pub mod notification;
pub mod orchestration;
pub mod order;
pub mod phases;
pub mod plain;
pub mod preview;
pub mod progress;
pub mod recorded;
pub mod result;
pub mod runs;
pub mod standing;
pub mod status;
pub mod step;
pub mod style;
pub mod summary;
pub mod task_page;
pub mod time;
pub mod timeline;
pub mod top;
pub mod trace;
pub mod tree;
pub mod trend;
pub mod validated;
pub mod waits;
pub mod web;
pub mod why;
pub mod words;

#[cfg(test)]
pub(crate) mod testing;
