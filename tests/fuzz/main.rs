//! Whatever is read: no bytes make a reader panic, hang or grow without bound,
//! and every refusal says where.
//!
//! Each module is one door: the plan's small languages, plan files, playbooks,
//! trees of phases, the store, output on its way to a screen. (The record files
//! of the supervisors are private, and so are their tests, in
//! `exec/process/wire.rs`.) A failing input is printed, made small, and kept
//! under `proptest-regressions` beside its module, from where it is tried first
//! the next time. `NIGHTLY` tries fifty times as many.

mod languages;
mod output;
mod phases;
mod plans;
mod playbooks;
mod stored;

use proptest::prelude::ProptestConfig;

fn cases(n: u32) -> ProptestConfig {
    let times = if nightly() { 50 } else { 1 };
    ProptestConfig::with_cases(times * n)
}

fn nightly() -> bool {
    std::env::var_os("NIGHTLY").is_some()
}
