//! Trees of phases as a user of `quintet run DIR` has them: rows H1 to H34. What
//! a row means in detail is tested where it is done (`src/load/phases`); here is
//! what the program shows.

#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod modules;
mod real;
mod running;

use serde_json::Value;
use support::Test;

/// A tree: `level` adds an `index.json` and `program` a shell script that notes
/// that it ran.
struct Tree(Test);

impl Tree {
    fn new() -> Tree {
        Tree(Test::new())
    }

    /// A directory with these children, and what else its `index.json` says.
    fn level(self, dir: &str, children: &str, more: &str) -> Tree {
        let names: Vec<String> = children
            .split_whitespace()
            .map(|n| format!("{n:?}"))
            .collect();
        let text = format!(
            "{{\"metadata\": {{\"name\": {dir:?}}}, \"children\": [{}]{more}}}",
            names.join(", ")
        );
        self.file(&format!("{dir}/index.json"), &text)
    }

    fn file(self, path: &str, text: &str) -> Tree {
        Tree(self.0.file(path, text))
    }

    /// A shell script that notes its id in `ran`, and then does this.
    fn program(self, path: &str, then: &str) -> Tree {
        let ran = self.0.path("work/ran");
        let note = format!("echo $QUINTET_STEP_ID >>'{}'", ran.display());
        self.file(path, &format!("{note}\n{then}\n"))
    }

    /// The ids of the programs that ran, in their order.
    fn ran(&self) -> String {
        let ran = std::fs::read_to_string(self.0.path("work/ran")).unwrap_or_default();
        ran.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Each step of the newest run with its state.
    fn states(&self) -> Vec<(String, String)> {
        let status = self.0.quintet(&["status", "--json"]).run().json();
        let steps = status["steps"].as_array().expect("steps");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let state = |step: &Value| (text(&step["step_id"]), text(&step["state"]));
        steps.iter().map(state).collect()
    }

    #[track_caller]
    fn state(&self, id: &str) -> String {
        let states = self.states();
        let found = states.iter().find(|(known, _)| known == id);
        found.map_or_else(
            || panic!("no {id} in {states:?}"),
            |(_, state)| state.clone(),
        )
    }

    /// The ids of the steps that a plan would run, in the order of its layers.
    fn planned(&self, args: &[&str]) -> Vec<String> {
        let line = [&["plan", "--json", "--quiet"], args].concat();
        let plan = self.0.quintet(&line).run().json();
        let steps = plan["steps"].as_array().expect("steps");
        let would = steps.iter().filter(|step| step["would_run"] != "no");
        would
            .map(|step| step["step_id"].as_str().expect("an id").to_owned())
            .collect()
    }
}
