//! What is said when a run of checks is over: how long it took, how many checks
//! ended how, what failed and why, and where what is kept of it lies.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::{Status, Tale, checks};
use crate::plan::{Action, Plan};
use crate::run::took::took;
use crate::run::{RunOutcome, RunPhase, RunState};
use crate::view::escape::clean;
use crate::view::style::{self, FAINT};
use crate::view::summary::{Tail, failures};

/// Where what is kept of a project's checks lies.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Places {
    /// What is remembered of the checks, as a file that can be read and deleted.
    pub state: PathBuf,
    /// The folder of the log files.
    pub logs: PathBuf,
    /// The log file of this run, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// The lock that keeps the project's runs apart.
    pub lock: PathBuf,
}

/// How many checks ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Those that were run and succeeded, remediated ones included.
    pub passed: u32,
    pub failed: u32,
    /// Failed, which the file tolerates.
    pub warned: u32,
    /// Those that were not run, fresh ones included.
    pub skipped: u32,
    pub fresh: u32,
    pub remediated: u32,
    /// Passed after a remedy that was undone.
    pub undone: u32,
    pub canceled: u32,
}

impl Tally {
    /// Counts the checks of a run that is over. What must hold before all checks
    /// counts only where it does not.
    pub fn of(run: &RunState, tale: &Tale, left_out: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for ix in run.plan().indices() {
            match tale.status(run, ix) {
                _ if run.plan()[ix].action == Action::Group => {}
                Some(Status::Failed { .. }) => tally.failed += 1,
                Some(_) if !run.plan()[ix].id.contains('/') => {}
                Some(Status::Passed { .. }) => tally.passed += 1,
                Some(Status::Remediated { .. }) => {
                    tally.passed += 1;
                    tally.remediated += 1;
                }
                Some(Status::Undone { .. }) => tally.undone += 1,
                Some(Status::Fresh(_)) => {
                    tally.skipped += 1;
                    tally.fresh += 1;
                }
                Some(Status::Warned { .. }) => tally.warned += 1,
                Some(Status::Skipped { .. }) => tally.skipped += 1,
                Some(Status::Canceled { .. }) => tally.canceled += 1,
                None => {}
            }
        }
        let tags: Vec<String> = left_out.iter().map(|tag| (*tag).to_owned()).collect();
        tally.skipped += super::lines::left_out(run.plan(), &tags).count() as u32;
        tally
    }

    /// `5 passed, 0 failed, 2 skipped, 1 remediated`; the rest where there is some.
    pub fn said(&self) -> String {
        let always = [
            (self.passed, "passed"),
            (self.failed, "failed"),
            (self.skipped, "skipped"),
            (self.remediated, "remediated"),
        ];
        let seldom = [
            (self.undone, "undone"),
            (self.warned, "warned"),
            (self.canceled, "canceled"),
        ];
        let seldom = seldom.into_iter().filter(|(n, _)| *n > 0);
        let said = always.into_iter().chain(seldom);
        let said: Vec<String> = said.map(|(n, word)| format!("{n} {word}")).collect();
        said.join(", ")
    }
}

/// A run that is over, for whoever tells of it.
pub struct Over<'a> {
    pub run_id: &'a str,
    pub run: &'a RunState,
    pub tale: &'a Tale,
    pub places: &'a Places,
    /// Checks with one of these tags were left out.
    pub left_out: &'a [&'a str],
}

impl Over<'_> {
    /// How the run ended, and how long it took, with the counts: the first line.
    pub fn headline(&self) -> String {
        let tally = Tally::of(self.run, self.tale, self.left_out).said();
        format!("{} in {}: {tally}", word(self.run), self.took())
    }

    fn took(&self) -> String {
        let ms = self.run.ended_at().saturating_sub(self.run.started_at());
        took(ms).to_string()
    }

    /// Writes it all.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn write(&self, tail: &mut Tail<'_>, out: &mut impl Write) -> io::Result<()> {
        failures(self.run_id, self.run, tail, out)?;
        let failed = !self.run.counted_failures().is_empty();
        let gap = if failed { "\n" } else { "" };
        let tally = Tally::of(self.run, self.tale, self.left_out).said();
        let style = style::of_state(crate::view::words::run_word(self.run));
        writeln!(
            out,
            "{gap}{style}{}{style:#} in {}: {tally}",
            word(self.run),
            self.took()
        )?;
        let Places { state, log, .. } = self.places;
        writeln!(
            out,
            "{FAINT}state{FAINT:#}  {}",
            clean(&state.to_string_lossy())
        )?;
        if let Some(log) = log {
            writeln!(
                out,
                "{FAINT}log{FAINT:#}    {}",
                clean(&log.to_string_lossy())
            )?;
        }
        Ok(())
    }
}

/// How the run ended, in the words of checks.
fn word(run: &RunState) -> &'static str {
    match run.phase() {
        RunPhase::Finished(RunOutcome::Succeeded) if run.tolerated_failures().is_empty() => {
            "passed"
        }
        RunPhase::Finished(RunOutcome::Succeeded) => "passed with warnings",
        RunPhase::Finished(outcome) => outcome.word(),
        _ => "unfinished",
    }
}

/// The checks of a plan by phase, in their order.
pub(super) fn by_phase(
    plan: &Plan,
) -> Vec<(Option<crate::plan::StepIx>, Vec<crate::plan::StepIx>)> {
    let mut phases: Vec<(Option<_>, Vec<_>)> = Vec::new();
    let mut places = BTreeMap::new();
    for ix in checks(plan) {
        let phase = super::phase(plan, ix);
        let at = *places.entry(phase).or_insert_with(|| {
            phases.push((phase, Vec::new()));
            phases.len() - 1
        });
        phases[at].1.push(ix);
    }
    phases
}
