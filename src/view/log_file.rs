//! Lines that a plan wants added to a file of its own, one for each event that
//! matters:
//!
//! ```text
//! [2026-11-20 12:03:05] [ERROR] [config/hardware/bluetooth] failed (exit 3) after 1.2s: no adapter
//! ```
//!
//! They say what [`plain`](super::plain) says. Since such a file is read later
//! and elsewhere, they have the date, and a failure has the last line that its
//! program wrote. Which file it is, and whether it can be written, is not known
//! here.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;
use jiff::tz::TimeZone;

use super::escape::clean;
use super::plain::tell;
use super::style;
use super::time::date_and_clock;
use crate::plan::{StepIx, Verdict};
use crate::run::{Event, Finish, Kind, Outcome, RunState};

/// What stands for the run as a whole where a line names its step.
pub const ROOT: &str = "root";

/// The view: where it writes.
pub struct LogFile<W> {
    out: W,
    lines: Lines,
}

impl<W: Write> LogFile<W> {
    /// Adds lines to `out`, with times as in `zone`.
    pub fn new(out: W, zone: TimeZone) -> Self {
        LogFile {
            out,
            lines: Lines::new(zone),
        }
    }

    /// Shows an event, given the state after it. A line is one write, so that
    /// two runs can add to one file.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn event(&mut self, run: &RunState, event: &Event) -> io::Result<()> {
        match self.lines.take(run, event) {
            Some(Line { mut text, .. }) => {
                text.push('\n');
                self.out.write_all(text.as_bytes())
            }
            None => Ok(()),
        }
    }
}

/// The lines by themselves, for views that put them somewhere.
pub struct Lines {
    zone: TimeZone,
    /// What failed attempts wrote last, until it is decided what becomes of them.
    last_words: BTreeMap<StepIx, Box<str>>,
}

/// One of them.
pub struct Line {
    /// The step it is about; else it is about the run.
    pub step: Option<StepIx>,
    /// All of it but the newline.
    pub text: String,
}

impl Lines {
    pub fn new(zone: TimeZone) -> Self {
        Lines {
            zone,
            last_words: BTreeMap::new(),
        }
    }

    /// The event's line, if it has one, given the state after it. Events are to
    /// come in their order, and none left out.
    pub fn take(&mut self, run: &RunState, event: &Event) -> Option<Line> {
        let said = match &event.kind {
            Kind::StepFinished { attempt, end } => {
                self.keep(attempt.step, end);
                None
            }
            Kind::StepRetry { attempt, .. } => self.last_words.remove(&attempt.step),
            Kind::StepSettled { step, outcome, .. } => {
                let said = self.last_words.remove(step);
                said.filter(|_| *outcome == Outcome::Failed)
            }
            _ => None,
        };
        let told = tell(run, event)?;
        let colon = if said.is_some() { ": " } else { "" };
        let text = format!(
            "[{}] [{}] [{}] {}{}{colon}{}",
            date_and_clock(event.at, &self.zone),
            level(told.style),
            clean(told.step.map_or(ROOT, |ix| &run.plan()[ix].id)),
            told.verb,
            clean(&told.rest),
            clean(said.as_deref().unwrap_or_default()),
        );
        Some(Line {
            step: told.step,
            text,
        })
    }

    fn keep(&mut self, step: StepIx, end: &Finish) {
        match last_words(end).filter(|_| end.verdict == Verdict::Failure) {
            Some(said) => self.last_words.insert(step, said.into()),
            None => self.last_words.remove(&step),
        };
    }
}

/// The last line that an attempt wrote, to stderr if there, as far as the
/// record keeps it.
pub fn last_words(end: &Finish) -> Option<&str> {
    let lines = end.tail.as_deref()?.lines().rev().map(str::trim);
    lines.into_iter().find(|line| !line.is_empty())
}

/// What a line's colour says on a terminal, a word says in a file.
fn level(style: Style) -> &'static str {
    match style {
        style::BAD => "ERROR",
        style::ODD => "WARNING",
        _ => "INFO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::OnFailure;
    use crate::view::testing::{self, Story, exited};
    use std::time::Duration;

    /// The story as if each failed attempt had written this.
    fn told(mut story: Story, wrote: &str) -> String {
        for event in &mut story.events {
            if let Kind::StepFinished { end, .. } = &mut event.kind {
                end.tail = Some(wrote.into());
            }
        }
        testing::written(|out| {
            let mut view = LogFile::new(out, TimeZone::UTC);
            let mut result = Ok(());
            story.tell(|run, event| {
                let shown = view.event(run, event);
                result = std::mem::replace(&mut result, Ok(())).and(shown);
            });
            result
        })
    }

    /// H20.
    #[test]
    fn h20_starts_ends_and_failures_have_a_line_each_with_date_level_and_phase() {
        let steps = [
            "pre/disk",
            "config/hw/bluetooth",
            "config/hw/wifi",
            "first: config/hw/bluetooth",
        ];
        let mut plan = testing::plan(&steps);
        testing::policy(&mut plan, "config/hw/bluetooth", |policy| {
            policy.on_failure = OnFailure::SkipDependents;
            policy.retry.count = 1;
            policy.retry.delay = Duration::from_secs(5);
        });
        testing::policy(&mut plan, "config/hw/wifi", |policy| {
            policy.on_failure = OnFailure::Continue;
        });
        let story = Story::of(plan, |id, _| match id {
            "config/hw/bluetooth" => (exited(3), 1_200),
            "config/hw/wifi" => (exited(1), 100),
            _ => (exited(0), 400),
        });
        insta::assert_snapshot!(told(story, "looking\nno adapter\n\n"), @r#"
        [2026-11-20 12:00:00] [INFO] [root] started: A test, 4 steps, at most 2 at once
        [2026-11-20 12:00:00] [INFO] [pre/disk] started
        [2026-11-20 12:00:00] [INFO] [config/hw/bluetooth] started
        [2026-11-20 12:00:00] [INFO] [pre/disk] succeeded after 400ms
        [2026-11-20 12:00:00] [INFO] [config/hw/wifi] started
        [2026-11-20 12:00:00] [WARNING] [config/hw/wifi] failed (exit 1) after 100ms: no adapter
        [2026-11-20 12:00:01] [WARNING] [config/hw/bluetooth] failed (exit 3) after 1.2s, attempt 1 of 2, retry in 5s: no adapter
        [2026-11-20 12:00:06] [INFO] [config/hw/bluetooth] started, attempt 2 of 2
        [2026-11-20 12:00:07] [ERROR] [config/hw/bluetooth] failed (exit 3) after 1.2s, after 2 attempts: no adapter
        [2026-11-20 12:00:07] [INFO] [first] skipped: it depends on config/hw/bluetooth, which failed
        [2026-11-20 12:00:07] [ERROR] [root] failed after 7.4s because of config/hw/bluetooth
        "#);
    }

    /// H20.
    #[test]
    fn h20_what_programs_write_cannot_make_lines() {
        let story = Story::of(testing::plan(&["a"]), |_, _| (exited(1), 10));
        let told = told(
            story,
            "ok\r[2026-11-20 12:00:00] [INFO] [a] succeeded\u{1b}[2J",
        );
        assert_eq!(told.lines().count(), 5, "{told}");
        assert!(told.contains("\\r[2026"), "{told}");
        assert!(!told.contains('\u{1b}'), "{told}");
    }
}
