//! Every event as one line of JSON, for programs.
//!
//! The lines are the same as in the run's `events.jsonl` (`run::record` spells
//! both), so whoever reads one can read the other.

use std::io::{self, Write};

use crate::plan::Plan;
use crate::run::{Event, record};

/// The view: where it writes.
pub struct Jsonl<W> {
    out: W,
    run_id: String,
    line: String,
}

impl<W: Write> Jsonl<W> {
    pub fn new(out: W, run_id: &str) -> Self {
        Jsonl {
            out,
            run_id: run_id.to_owned(),
            line: String::new(),
        }
    }

    /// Shows an event of a run of `plan`.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn event(&mut self, plan: &Plan, event: &Event) -> io::Result<()> {
        self.line.clear();
        record::push_line(plan, &self.run_id, event, &mut self.line);
        self.out.write_all(self.line.as_bytes())
    }

    /// Passes on what the stream may still hold.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, RUN, Story, exited};

    /// P24.
    #[test]
    fn p24_one_object_per_line_in_order_with_ids_and_documented_names() {
        let mut plan = testing::plan(&["a\"b"]);
        plan.steps[0].policy = Default::default();
        testing::policy(&mut plan, "a\"b", |policy| policy.retry.count = 1);
        let story = Story::of(plan, |_, attempt| (exited(2 - attempt as i32), 7));
        let text = testing::written(|out| {
            let mut jsonl = Jsonl::new(out, RUN);
            let plan = story.run.plan();
            story
                .events
                .iter()
                .try_for_each(|event| jsonl.event(plan, event))
        });
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is an object"))
            .collect();
        let types: Vec<&str> = lines
            .iter()
            .filter_map(|line| line["type"].as_str())
            .collect();
        assert_eq!(
            types,
            [
                "run_started",
                "step_claimed",
                "step_started",
                "step_finished",
                "step_retry",
                "step_claimed",
                "step_started",
                "step_finished",
                "run_finished"
            ]
        );
        for (n, line) in lines.iter().enumerate() {
            assert_eq!(line["seq"], n + 1);
            assert_eq!(line["run_id"], RUN);
        }
        assert_eq!(lines[4]["step_id"], "a\"b");
        assert_eq!(lines[4]["attempt"], 2);
        assert_eq!(lines[0]["timestamp"], "2026-11-20T12:00:00.000Z");
    }
}
