//! What happens to the checks, a line each, under the phases they are in:
//!
//! ```text
//! Environment validation
//!   passed      Python version (120ms)
//!   fresh       UV installation (validated 12m ago, ttl 1h)
//! ```
//!
//! Where phases run at once, a phase's name is told again whenever another's
//! checks had the word.

use std::io::{self, Write};

use anstyle::Style;

use super::{Status, Told, name, phase};
use crate::plan::{Absent, Plan, StepIx};
use crate::run::{Event, Kind, RunState};
use crate::view::command::of_command;
use crate::view::escape::clean;
use crate::view::style::{self, BAD, BUSY, FAINT, GOOD, HEADING, ODD};

/// The view: where it writes.
pub struct Lines<W> {
    out: W,
    /// The phase whose name was written last.
    under: Option<StepIx>,
    /// Checks with one of these tags were left out on purpose.
    left_out: Vec<String>,
}

impl<W: Write> Lines<W> {
    /// A view that also tells of the checks that are left out for these tags.
    pub fn new(out: W, left_out: &[&str]) -> Self {
        Lines {
            out,
            under: None,
            left_out: left_out.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    /// Shows an event, given the state after it and what it is worth.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn event(&mut self, run: &RunState, event: &Event, told: &[Told]) -> io::Result<()> {
        if let Kind::RunStarted { .. } = event.kind {
            self.left_out(run.plan())?;
        }
        for told in told {
            self.told(run.plan(), told)?;
        }
        Ok(())
    }

    fn left_out(&mut self, plan: &Plan) -> io::Result<()> {
        let left_out: Vec<StepIx> = left_out(plan, &self.left_out).collect();
        for ix in left_out {
            self.line(plan, ix, FAINT, "skipped", &format!(" ({LEFT_OUT})"))?;
        }
        Ok(())
    }

    fn told(&mut self, plan: &Plan, told: &Told) -> io::Result<()> {
        match told {
            // Said when one of its checks has something to say.
            Told::Phase { .. } => Ok(()),
            Told::Begun { check } => self.line(plan, *check, BUSY, "begins", ""),
            Told::Again { check, attempt } => {
                let rest = format!(", attempt {attempt}");
                self.line(plan, *check, BUSY, "begins", &rest)
            }
            Told::FailedOnce { check, why } => {
                self.line(plan, *check, ODD, "failed", &format!(": {why}"))
            }
            Told::Mending { check } => {
                let remedy = plan[*check].remedy.as_deref();
                let command = remedy.map(|remedy| of_command(&remedy.command).to_string());
                let rest = format!(" with {}", command.unwrap_or_default());
                self.line(plan, *check, BUSY, "remedies", &rest)
            }
            Told::Mended { well: true, .. } => Ok(()),
            Told::Mended { check, how, .. } => {
                let rest = format!(": its remedy failed: {how}");
                self.line(plan, *check, ODD, "failed", &rest)
            }
            Told::Undone { check, well, why } => {
                let (word, rest) = match well {
                    true => ("undone", format!(": {why}")),
                    false => ("failed", format!(": its remedy cannot be undone: {why}")),
                };
                let style = if *well { ODD } else { BAD };
                self.line(plan, *check, style, word, &rest)
            }
            Told::Asked { check, question } => {
                self.line(plan, *check, ODD, "asks", &format!(": {question}"))
            }
            Told::Answered { check, yes, by } => {
                let word = if *yes { "confirmed" } else { "declined" };
                self.line(plan, *check, Style::new(), word, &format!(" ({by})"))
            }
            Told::Settled { check, status } => {
                let rest = match status {
                    Status::Failed { why } | Status::Warned { why } => format!(": {why}"),
                    status => match status.said() {
                        said if said.is_empty() => said,
                        said => format!(" ({said})"),
                    },
                };
                self.line(plan, *check, style_of(status), status.word(), &rest)
            }
            Told::Stopping { why } => writeln!(self.out, "{ODD}stops{ODD:#}: {}", clean(why)),
        }
    }

    fn line(
        &mut self,
        plan: &Plan,
        ix: StepIx,
        style: Style,
        word: &str,
        rest: &str,
    ) -> io::Result<()> {
        let mut text = String::new();
        if let Some(phase) = phase(plan, ix)
            && self.under != Some(phase)
        {
            self.under = Some(phase);
            let name = clean(name(plan, phase)).to_string();
            text.push_str(&format!("{HEADING}{name}{HEADING:#}\n"));
        }
        text.push_str(&format!(
            "  {style}{word:<10}{style:#}  {}{}\n",
            clean(name(plan, ix)),
            clean(rest)
        ));
        // One write, so that lines of two programs do not mix.
        self.out.write_all(text.as_bytes())
    }
}

/// Why checks of some tags do not take part.
pub const LEFT_OUT: &str = "left out by --skip-tests";

/// The checks that are left out for their tags.
pub fn left_out<'p>(plan: &'p Plan, tags: &'p [String]) -> impl Iterator<Item = StepIx> + 'p {
    super::checks(plan).filter(|ix| {
        let step = &plan[*ix];
        let tagged = step
            .tags
            .iter()
            .any(|tag| tags.iter().any(|of| **of == **tag));
        step.absent == Some(Absent::NotSelected) && tagged
    })
}

fn style_of(status: &Status) -> Style {
    match status {
        Status::Passed { .. } | Status::Remediated { .. } => GOOD,
        Status::Fresh(_) | Status::Skipped { .. } => FAINT,
        Status::Failed { .. } => BAD,
        Status::Warned { .. } | Status::Undone { .. } => ODD,
        Status::Canceled { .. } => style::of_state("canceled"),
    }
}
