//! What a run does, row by row of the acceptance plan, on the program itself.
//!
//! Each test gives a plan, runs it, and asks the record what happened: from
//! another process, by `status --json` and `events --json`, or in the files
//! that the steps have written. A test's name begins with its row. Nothing here
//! measures time: where order matters, events are compared or steps wait for
//! each other, and a run that hangs is ended by the builder.

#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod builtins;
mod ending;
mod failing;
mod hostile;
mod launching;
mod order;
mod output;
mod passing;
mod restart;
mod secrets;
mod stopping;

use std::path::Path;

use serde_json::Value;
use support::{Call, Test};

/// For scripts: holds from the moment at which the run's events tell of `$1`.
const TOLD: &str = r#"told() { grep -q "\"type\":\"$1\"" "$QUINTET_STATE_DIR"/runs/*/events.jsonl; }
until_told() { until told "$1"; do sleep 0.02; done; }
"#;

/// A test with a plan in YAML, where scripts can be read.
fn plan(yaml: &str) -> Test {
    Test::new().file("plan.yaml", yaml)
}

/// The call that runs the plan.
fn running<'a>(test: &'a Test, more: &[&str]) -> Call<'a> {
    test.quintet(&[&["run", "plan.yaml"], more].concat())
}

/// The plan has been run and has ended with this code; what is known of it.
#[track_caller]
fn ran(test: &Test, code: i32) -> Record {
    running(test, &[]).status(code).run();
    Record::last(test)
}

/// What the store tells of a run.
struct Record {
    status: Value,
    events: Vec<Value>,
}

impl Record {
    /// Of the newest run.
    #[track_caller]
    fn last(test: &Test) -> Record {
        let events = test.quintet(&["events", "last", "--json"]).run().text();
        Record {
            status: test.quintet(&["status", "last", "--json"]).run().json(),
            events: events
                .lines()
                .map(|line| serde_json::from_str(line).expect("an event is JSON"))
                .collect(),
        }
    }

    /// The run's state.
    fn state(&self) -> &str {
        text(&self.status["run"]["state"])
    }

    #[track_caller]
    fn step(&self, id: &str) -> &Value {
        let steps = self.status["steps"].as_array().expect("steps are a list");
        let found = steps.iter().find(|step| step["step_id"] == id);
        found.unwrap_or_else(|| panic!("there is no step {id} in {steps:#?}"))
    }

    /// `a succeeded, b failed`, in the plan's order.
    fn states(&self) -> String {
        let steps = self.status["steps"].as_array().expect("steps are a list");
        let states: Vec<String> = steps
            .iter()
            .map(|step| format!("{} {}", text(&step["step_id"]), text(&step["state"])))
            .collect();
        states.join(", ")
    }

    /// What a person reads of why the step stands as it does.
    #[track_caller]
    fn note(&self, id: &str) -> &str {
        text(&self.step(id)["note"])
    }

    /// Events of this type, in order.
    fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| event["type"] == kind)
    }

    /// Events of this type of one step, in order.
    fn of<'a>(&'a self, kind: &'a str, step: &'a str) -> Vec<&'a Value> {
        self.all(kind)
            .filter(|event| event["step_id"] == step)
            .collect()
    }

    /// The steps that events of this type tell of, in order.
    fn steps_of<'a>(&'a self, kind: &'a str) -> Vec<&'a str> {
        self.all(kind)
            .map(|event| text(&event["step_id"]))
            .collect()
    }

    /// Where in the run the first such event stands.
    #[track_caller]
    fn seq(&self, kind: &str, step: Option<&str>) -> u64 {
        let found = self
            .all(kind)
            .find(|event| step.is_none_or(|step| event["step_id"] == step));
        let found = found.unwrap_or_else(|| panic!("there is no {kind} of {step:?}"));
        number(&found["seq"])
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("nothing")
}

#[track_caller]
fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is not a number"))
}

/// What a step has written into a file of the working directory.
#[track_caller]
fn written(test: &Test, name: &str) -> String {
    let path = test.path("work").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn exists(test: &Test, name: &str) -> bool {
    Path::new(&test.path("work")).join(name).exists()
}

/// The words that steps have added to `log`, one after the other.
#[track_caller]
fn log(test: &Test) -> String {
    written(test, "log")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The first value of a query on the store's file.
#[track_caller]
fn asked<T: rusqlite::types::FromSql>(test: &Test, query: &str) -> T {
    let database =
        rusqlite::Connection::open(test.path("state/quintet.db")).expect("the store is a database");
    let answer = database.query_row(query, (), |row| row.get(0));
    answer.unwrap_or_else(|error| panic!("{query}: {error}"))
}
