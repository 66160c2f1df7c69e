//! Freshness: looking whether a step need not run, and remembering what came of
//! those that ran.
//!
//! A [`Looker`] looks and changes nothing: for previews. A [`Prober`] does it
//! beside a run, on a thread of its own, remembers what comes of the steps, and
//! puts back what they made. Both take a step's fingerprint ([`Print`]) and say
//! the first thing in it that has changed.
//!
//! Nothing here may fail a run, or make it lie: what cannot be read is not
//! fresh, what cannot be remembered runs again, and either is said once. This
//! does not know what a run does with an answer, and reads no clock and no
//! environment: both are arguments.

mod compare;
mod contents;
mod fingerprint;
mod identity;
mod key;
mod look;
mod objects;
mod prober;
mod restore;
mod tools;
mod walk;

use std::collections::BTreeMap;
use std::ffi::OsString;

pub use identity::Identity;
pub use look::Looker;
pub use prober::Prober;

/// The environment that steps are started in.
pub type Environment = BTreeMap<OsString, OsString>;

#[cfg(test)]
mod tests;
