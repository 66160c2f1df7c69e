//! Front ends: what is written becomes a plan.

pub mod document;
