//! The local executor: attempts as processes of this machine.
//!
//! ```text
//! engine ── zygote ─┬─ supervisor of slot 0 ── the step that runs there
//!    └── sockets ───┴─ supervisor of slot 1 ── …
//! ```
//!
//! - [`Zygote`] is forked first thing in `main` and makes the supervisors.
//! - A supervisor looks after one slot, attempt after attempt: it
//!   starts the program, ends it on timeout or when asked, proves that nothing
//!   is left, writes down what became of it, then reports. It outlives the engine.
//! - A builtin runs in a copy of the supervisor, in the place that a program would have.
//! - [`Local`] is the engine's side: an [`Executor`](super::Executor) over the
//!   supervisors' sockets, which also finds again what an earlier engine left.
//! - Output goes to files by descriptor, never through the engine. Where secrets
//!   must be taken out of it, or only so much is kept, it goes through a pipe that
//!   the supervisor reads.
//!
//! All of this leans on what Linux offers: child subreapers, process handles,
//! open files that travel over sockets. Elsewhere the same names exist and say
//! that they cannot work.

#[cfg(target_os = "linux")]
mod attempt;
#[cfg(target_os = "linux")]
mod builtin;
#[cfg(target_os = "linux")]
mod cap;
#[cfg(target_os = "linux")]
mod channel;
#[cfg(target_os = "linux")]
mod codec;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod local;
mod mask;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod pipe;
#[cfg(target_os = "linux")]
mod recover;
#[cfg(target_os = "linux")]
mod roster;
#[cfg(target_os = "linux")]
mod slot;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
mod zygote;

#[cfg(target_os = "linux")]
pub use self::{
    files::boot_id,
    local::{Local, LocalConfig},
    output::{LiveOutput, live_output, outputs_in},
    tree::can_end_processes,
    zygote::Zygote,
};

pub use self::mask::Masker;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    LiveOutput, Local, LocalConfig, Zygote, boot_id, can_end_processes, live_output, outputs_in,
};
