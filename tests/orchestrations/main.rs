//! Agents and orchestrations as a user of `config.toml` has them: rows O20 to O27
//! and O34, rounds that end, and agents that do what they should not.

#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod budgets;
mod hostile;
mod isolation;
mod replaced;
mod rounds;
mod running;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Call, Test};

/// A test with a configuration.
struct Agents(Test);

impl Agents {
    /// `{work}` in the text is the directory that programs run in.
    fn new(config: &str) -> Agents {
        let test = Test::new();
        let work = test.path("work");
        let config = config.replace("{work}", &work.to_string_lossy());
        std::fs::write(test.path("config.toml"), config).expect("written");
        Agents(test)
    }

    /// A script among the programs of the test: `sh NAME` is an agent.
    fn script(self, name: &str, text: &str) -> Agents {
        Agents(self.0.file(name, text))
    }

    /// `orchestration run NAME`, with more arguments.
    fn run(&self, name: &str, more: &[&str]) -> Call<'_> {
        self.call(&[&["orchestration", "run", name], more].concat())
    }

    fn call(&self, args: &[&str]) -> Call<'_> {
        let config = self.0.path("config.toml");
        let config = config.to_string_lossy();
        self.0.quintet(&[args, &["--config", &*config]].concat())
    }

    /// The records of an orchestration, the oldest first.
    fn records(&self, name: &str) -> Vec<Value> {
        let dir = self.0.path("state/orchestrations").join(name);
        let entries = std::fs::read_dir(dir).map(|e| e.flatten().collect());
        let entries: Vec<_> = entries.unwrap_or_default();
        let mut paths: Vec<PathBuf> = entries.iter().map(|entry| entry.path()).collect();
        // A record that is just being written has another name as yet.
        paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
        paths.sort();
        paths.iter().map(|path| read_json(path)).collect()
    }

    /// The only one.
    fn record(&self, name: &str) -> Value {
        let mut records = self.records(name);
        assert_eq!(records.len(), 1, "{records:?}");
        records.remove(0)
    }

    fn exists(&self, name: &str) -> bool {
        self.0.path("work").join(name).exists()
    }
}

/// Of each agent in a record its step and how it ended.
fn ended(record: &Value) -> Vec<(&str, &str)> {
    let agents = record["agents"].as_array().expect("a list");
    let text = |value: &'static str| move |agent| text(agent, value);
    let pairs = agents.iter().map(|a| (text("step")(a), text("status")(a)));
    pairs.collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} of {value}"))
}

fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("it can be read");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
