//! Live progress on a terminal: the [`Board`] below, failures scrolling by above.
//!
//! The engine's thread only takes notes: a few assignments under a lock for
//! each event, and a nudge for the thread that draws if that one sleeps. That
//! thread draws ten times a second at most, and once a second while something
//! runs and nothing happens, so ten thousand fast steps cost ten thousand notes
//! and a few dozen drawings. It begins with a thread: where processes are to be
//! forked without one, that comes first.
//!
//! What time it is and how large the terminal is are asked of functions that
//! the caller gives.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::tz::TimeZone;

use super::board::Board;
use super::plain::Lines;
use crate::run::{Event, Kind, Millis, Outcome, RunState, Usual};

/// Never drawn more often than this.
const FRAME: Duration = Duration::from_millis(100);
/// Drawn as often while time passes and nothing else happens.
const TICK: Duration = Duration::from_secs(1);

/// What progress needs from outside.
pub struct Screen {
    /// What time it is, on the engine's clock.
    pub now: Box<dyn Fn() -> Millis + Send>,
    pub term: console::Term,
    pub colour: bool,
    pub zone: TimeZone,
}

/// The view. Dropped, it leaves the terminal as it would be without it.
pub struct Progress {
    shared: Arc<Shared>,
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    notes: Mutex<Notes>,
    nudge: Condvar,
}

struct Notes {
    board: Board,
    /// Lines to be printed above.
    lines: String,
    /// Something is not drawn yet.
    dirty: bool,
    /// Somebody else has the terminal.
    paused: bool,
    done: bool,
}

impl Progress {
    /// Begins to show a run.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn begin(run: &RunState, usual: &Usual, screen: Screen) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            notes: Mutex::new(Notes {
                board: Board::new(run, usual),
                lines: String::new(),
                dirty: true,
                paused: false,
                done: false,
            }),
            nudge: Condvar::new(),
        });
        let lines = Lines::new(run.plan(), screen.zone.clone());
        let drawing = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || draw(&drawing, &screen))?;
        Ok(Progress {
            shared,
            lines,
            thread: Some(thread),
        })
    }

    /// Takes an event in, given the state after it.
    pub fn event(&self, run: &RunState, event: &Event) {
        let mut notes = self.shared.notes();
        notes.board.event(run, event);
        if is_worth_a_line(&event.kind) {
            self.lines.push(run, event, &mut notes.lines);
        }
        // Whoever draws looks again by itself while there is something to draw.
        if !std::mem::replace(&mut notes.dirty, true) {
            self.shared.nudge.notify_one();
        }
    }

    /// Clears the terminal's lines for somebody else, until [`go_on`](Self::go_on).
    pub fn pause(&self) {
        self.set_paused(true);
    }

    /// Draws again after a [`pause`](Self::pause).
    pub fn go_on(&self) {
        self.set_paused(false);
    }

    fn set_paused(&self, paused: bool) {
        let mut notes = self.shared.notes();
        notes.paused = paused;
        notes.dirty = true;
        self.shared.nudge.notify_one();
        // The pause is only good once the lines are gone.
        while paused && notes.dirty && !notes.done {
            notes = self.shared.wait(notes, FRAME);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.notes().done = true;
        self.shared.nudge.notify_all();
        if let Some(thread) = self.thread.take() {
            // A drawing thread that has panicked has nothing more to draw.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A drawer that panicked leaves notes that are as good as any.
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, notes: MutexGuard<'a, Notes>, most: Duration) -> MutexGuard<'a, Notes> {
        let waited = self.nudge.wait_timeout(notes, most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Whether an event is told above the board. What succeeds is only counted.
fn is_worth_a_line(kind: &Kind) -> bool {
    match kind {
        Kind::StepSettled { outcome, .. } => *outcome == Outcome::Failed,
        Kind::StepRetry { .. }
        | Kind::StepBlocked { .. }
        | Kind::StepAsked { .. }
        | Kind::StepUndone { .. }
        | Kind::RunResumed { .. }
        | Kind::RunPaused { .. }
        | Kind::RunContinued
        | Kind::RunStopping { .. }
        | Kind::RollbackStarted { .. } => true,
        _ => false,
    }
}

/// The drawing thread.
fn draw(shared: &Shared, screen: &Screen) {
    // We say when to draw; the library's own limit only must not be in the way.
    let target = ProgressDrawTarget::term(screen.term.clone(), 200);
    let style = ProgressStyle::with_template("{msg}").expect("the template is written out here");
    let bar = ProgressBar::with_draw_target(None, target).with_style(style);
    loop {
        let mut notes = shared.notes();
        if !notes.dirty && !notes.done {
            // Without anything that runs there is nothing that changes by itself.
            let most = if notes.board.is_ticking() {
                TICK
            } else {
                TICK * 3600
            };
            notes = shared.wait(notes, most);
        }
        let (rows, columns) = screen.term.size();
        let lines = std::mem::take(&mut notes.lines);
        let frame = notes
            .board
            .lines((screen.now)(), rows.into(), columns.into());
        let (paused, done) = (notes.paused, notes.done);
        notes.dirty = false;
        drop(notes);
        if !lines.is_empty() {
            print_above(&bar, screen, &lines);
        }
        match paused || done {
            true => bar.set_message(""),
            false => bar.set_message(plain(frame.join("\n"), screen.colour)),
        }
        shared.nudge.notify_all();
        if done {
            bar.finish_and_clear();
            return;
        }
        // The next drawing comes a frame later, whatever happens meanwhile,
        // unless it is the last.
        let notes = shared.notes();
        if !notes.done {
            let _ = shared
                .nudge
                .wait_timeout_while(notes, FRAME, |notes| !notes.done && !notes.paused);
        }
    }
}

fn print_above(bar: &ProgressBar, screen: &Screen, lines: &str) {
    let lines = plain(lines.to_owned(), screen.colour);
    bar.suspend(|| {
        // A terminal that is gone takes nothing, and nobody misses it.
        let _ = (&screen.term).write_all(lines.as_bytes());
        let _ = screen.term.flush();
    });
}

fn plain(text: String, colour: bool) -> String {
    match colour {
        true => text,
        false => anstream::adapter::strip_str(&text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, Story, exited};

    #[test]
    fn a_run_can_be_shown_and_paused_where_there_is_no_terminal() {
        let story = Story::of(testing::plan(&["a", "b: a"]), |id, _| {
            (exited(i32::from(id == "b")), 10)
        });
        let run = RunState::new(story.run.plan().clone());
        let file = tempfile::tempfile().expect("a file can be made");
        let screen = Screen {
            now: Box::new(|| testing::NOON),
            term: console::Term::read_write_pair(file.try_clone().expect("it can be shared"), file),
            colour: false,
            zone: TimeZone::UTC,
        };
        let progress =
            Progress::begin(&run, &Usual::nothing(), screen).expect("a thread can be had");
        story.tell(|run, event| progress.event(run, event));
        progress.pause();
        assert!(!progress.shared.notes().dirty);
        progress.go_on();
    }

    #[test]
    fn only_what_one_must_know_scrolls_by() {
        let story = Story::of(testing::plan(&["a", "b: a"]), |id, _| {
            (exited(i32::from(id == "b")), 10)
        });
        let told: Vec<&Kind> = story
            .events
            .iter()
            .map(|event| &event.kind)
            .filter(|kind| is_worth_a_line(kind))
            .collect();
        assert!(
            matches!(
                told[..],
                [
                    Kind::StepSettled {
                        outcome: Outcome::Failed,
                        ..
                    },
                    Kind::RunStopping { .. }
                ]
            ),
            "{told:?}"
        );
    }
}
