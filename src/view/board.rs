//! What live progress shows: a few lines that are drawn again and again.
//!
//! ```text
//!   build                   12s
//!   test  attempt 2 of 3     3s
//!  ━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  3/11  27%  2 running, 1 failed, about 40s left
//! ```
//!
//! The board takes each event in constant time and is asked for its lines only
//! when somebody draws. It does not know terminals, and not what time it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use console::{measure_text_width, truncate_str};

use super::escape::clean;
use super::estimate::Estimate;
use super::style::{BAD, BUSY, FAINT, GOOD};
use super::time::so_far;
use super::words;
use crate::plan::{Plan, StepIx};
use crate::run::{Attempt, Counts, Event, Kind, Millis, Role, RunState, Usual};

/// The most that is drawn of a large terminal.
const MOST_LINES: usize = 16;

/// The bar's own length in characters.
const BAR: usize = 24;

/// The present state of what is drawn.
pub struct Board {
    plan: Arc<Plan>,
    running: BTreeMap<Attempt, Millis>,
    counts: Counts,
    phase: Option<&'static str>,
    estimate: Option<Estimate>,
}

impl Board {
    /// A board for a run of this plan, whose steps usually took so long; without
    /// a past, nothing is predicted.
    pub fn new(run: &RunState, usual: &Usual) -> Self {
        let mut estimate = Estimate::new(run.plan(), run.graph(), usual);
        if let Some(estimate) = &mut estimate {
            let settled = run
                .plan()
                .indices()
                .filter(|ix| run.step(*ix).outcome().is_some());
            settled.for_each(|ix| estimate.settled(ix));
        }
        Board {
            plan: run.plan().clone(),
            running: BTreeMap::new(),
            counts: run.counts().clone(),
            phase: None,
            estimate,
        }
    }

    /// Takes an event in, given the state after it.
    pub fn event(&mut self, run: &RunState, event: &Event) {
        match &event.kind {
            Kind::StepStarted { attempt, .. } => {
                self.running.insert(*attempt, event.at);
            }
            Kind::StepFinished { attempt, .. } => {
                self.running.remove(attempt);
                self.settled(run, attempt.step);
            }
            Kind::StepSettled { step, .. } => self.settled(run, *step),
            _ => self.phase = words::run_phase(run),
        }
        self.counts.clone_from(run.counts());
    }

    fn settled(&mut self, run: &RunState, ix: StepIx) {
        if let Some(estimate) = &mut self.estimate
            && run.step(ix).outcome().is_some()
        {
            estimate.settled(ix);
        }
    }

    /// Whether the lines change with time alone.
    pub fn is_ticking(&self) -> bool {
        !self.running.is_empty()
    }

    /// The lines as they are now, for a terminal of so many rows and columns.
    pub fn lines(&mut self, now: Millis, rows: usize, columns: usize) -> Vec<String> {
        let room = rows.saturating_sub(3).clamp(1, MOST_LINES);
        let shown = match self.running.len() > room {
            true => room - 1,
            false => self.running.len(),
        };
        let mut lines: Vec<String> = self
            .oldest(shown)
            .map(|(attempt, since)| self.running_line(attempt, now.saturating_sub(since)))
            .collect();
        let more = self.running.len() - shown;
        if more > 0 {
            lines.push(format!("  {FAINT}and {more} more running{FAINT:#}"));
        }
        lines.push(self.bar(now));
        for line in &mut lines {
            if measure_text_width(line) >= columns {
                *line = truncate_str(line, columns.saturating_sub(1), "…").into_owned();
            }
        }
        lines
    }

    /// Those that have been running longest, which are those one asks about.
    fn oldest(&self, n: usize) -> impl Iterator<Item = (Attempt, Millis)> + use<> {
        let mut all: Vec<(Attempt, Millis)> = self
            .running
            .iter()
            .map(|(attempt, since)| (*attempt, *since))
            .collect();
        all.sort_by_key(|(attempt, since)| (*since, *attempt));
        all.truncate(n);
        all.into_iter()
    }

    fn running_line(&self, attempt: Attempt, ms: u64) -> String {
        let step = &self.plan[attempt.step];
        let what = match (attempt.role, attempt.number) {
            (Role::Undo, _) => "  taking it back".to_owned(),
            (Role::Remedy, _) => "  its remedy".to_owned(),
            (_, 1) => String::new(),
            (_, n) => format!("  attempt {n}"),
        };
        let took = so_far(ms);
        format!(
            "  {BUSY}{}{BUSY:#}{what}  {FAINT}{took}{FAINT:#}",
            clean(&step.id)
        )
    }

    fn bar(&mut self, now: Millis) -> String {
        let counts = &self.counts;
        let percent = words::percent(counts);
        let full = (percent / 100.0 * BAR as f64) as usize;
        let (done, rest) = ("━".repeat(full.min(BAR)), "╌".repeat(BAR - full.min(BAR)));
        let mut told = Vec::new();
        if let Some(phase) = self.phase {
            told.push(phase.to_owned());
        }
        if !self.running.is_empty() {
            told.push(format!("{} running", self.running.len()));
        }
        if counts.failed > 0 {
            told.push(format!("{BAD}{} failed{BAD:#}", counts.failed));
        }
        if counts.skipped > 0 {
            told.push(format!("{} skipped", counts.skipped));
        }
        let (settled, total) = (counts.settled(), counts.total);
        if let Some(estimate) = &mut self.estimate
            && settled < total
        {
            let running = self
                .running
                .iter()
                .filter(|(attempt, _)| attempt.role != Role::Undo);
            let running =
                running.map(|(attempt, since)| (attempt.step, now.saturating_sub(*since)));
            told.push(format!(
                "about {} left",
                so_far(estimate.left_ms(running) + 999)
            ));
        }
        format!(
            " {GOOD}{done}{GOOD:#}{FAINT}{rest}{FAINT:#}  {settled}/{total}  {percent:.0}%  {}",
            told.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, NOON, Story, exited};

    fn board_at(story: &Story, usual: &[(&str, u64)]) -> Board {
        let usual = testing::usual(story.run.plan(), usual);
        let mut board = None;
        story.tell(|run, event| {
            board
                .get_or_insert_with(|| Board::new(run, &usual))
                .event(run, event)
        });
        board.expect("a story has an event")
    }

    fn drawn(board: &mut Board, now: Millis, rows: usize, columns: usize) -> String {
        let lines = board.lines(now, rows, columns).join("\n");
        anstream::adapter::strip_str(&lines).to_string()
    }

    fn midway() -> Story {
        let plan = testing::plan(&["fetch", "build: fetch", "test: fetch", "ship: build test"]);
        Story::until(
            plan,
            |id, _| (exited(0), if id == "fetch" { 1_000 } else { 9_000 }),
            |event| matches!(event.kind, Kind::StepStarted { attempt, .. } if attempt.step.at() == 2),
        )
    }

    /// P27.
    #[test]
    fn p27_running_steps_and_the_whole() {
        let story = midway();
        let mut board = board_at(
            &story,
            &[("fetch", 1_000), ("build", 9_000), ("ship", 2_000)],
        );
        insta::assert_snapshot!(drawn(&mut board, NOON + 4_500, 24, 80), @r#"
         build  3s
         test  3s
        ━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  1/4  25%  2 running, about 8s left
        "#);
        assert!(board.is_ticking());
    }

    #[test]
    fn without_earlier_runs_nothing_is_predicted() {
        let mut board = board_at(&midway(), &[]);
        assert!(!drawn(&mut board, NOON + 4_500, 24, 80).contains("left"));
    }

    #[test]
    fn a_small_terminal_is_not_overrun() {
        let ids: Vec<String> = (0..50)
            .map(|n| format!("step-with-a-long-name-{n}"))
            .collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut plan = testing::plan(&ids);
        plan.max_concurrency = std::num::NonZeroU32::new(50).unwrap();
        let story = Story::until(
            plan,
            |_, _| (exited(0), 1_000),
            |event| matches!(event.kind, Kind::StepStarted { attempt, .. } if attempt.step.at() == 49),
        );
        let mut board = board_at(&story, &[]);
        let shown = drawn(&mut board, NOON, 8, 20);
        assert_eq!(shown.lines().count(), 6);
        assert!(
            shown.lines().all(|line| line.chars().count() < 20),
            "{shown}"
        );
        assert!(shown.contains("and 46 more"), "{shown}");
        assert_eq!(board.lines(NOON, 0, 0).len(), 2);
    }

    #[test]
    fn when_all_is_done_nothing_ticks() {
        let story = Story::of(testing::plan(&["a"]), |_, _| (exited(0), 5));
        let mut board = board_at(&story, &[("a", 5)]);
        assert!(!board.is_ticking());
        let shown = drawn(&mut board, NOON, 24, 80);
        assert!(
            shown.contains("1/1  100%") && !shown.contains("left"),
            "{shown}"
        );
    }
}
