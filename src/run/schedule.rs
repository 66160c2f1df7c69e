use super::{Millis, RunState};
pub enum Command {}
pub fn next(_run: &RunState, _now: Millis) -> Vec<Command> {
    Vec::new()
}
pub fn wake_at(_run: &RunState, _now: Millis) -> Option<Millis> {
    None
}
