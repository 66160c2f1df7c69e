//! The program, called by itself: what a server is asked to do, another process of
//! this program does, as if a person had typed it.
//!
//! So nothing that a server begins depends on it, no verb has a second way to be done,
//! and the record says who asked ([`Caller::by`]). It does not know the verbs.

mod begun;
mod call;
mod sys;

pub use begun::run_id;
pub use call::{Call, Caller, Waited};
