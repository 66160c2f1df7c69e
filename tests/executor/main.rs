//! The local executor against real processes, the badly behaved ones first.
//!
//! Each test makes its own engine side with its own zygote, in a directory of
//! its own, under a run id of its own; what is left of a step is looked for by
//! the mark in the environment. Every wait has a bound, and what a hostile step
//! does to be waited for takes longer than the bound, so that waiting for it fails.

#![cfg(target_os = "linux")]

mod builtins;
mod clock;
mod crash;
mod hostile;
mod ordinary;
mod rig;
