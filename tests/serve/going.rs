//! A run that goes on until its test ends, however that does.

use nix::sys::signal::Signal;

use crate::support::Live;

/// See the module.
pub struct Going<'a>(Option<Live<'a>>);

impl<'a> Going<'a> {
    pub fn on(run: Live<'a>) -> Self {
        Going(Some(run))
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let run = self.0.take().expect("it is taken only here");
        run.signal(Signal::SIGINT);
        // Where the test has failed already, how this ends is no more news.
        if !std::thread::panicking() {
            run.finish();
        }
    }
}
