//! Jobs and tasks as a user of `config.toml` has them: rows O1 to O19, O28 to O33,
//! O35 and O36.

#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod configuration;
mod hashing;
mod older;
mod running;
mod tasks;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::Test;

/// A test whose configuration lies where users have it.
struct Jobs(Test);

impl Jobs {
    /// `{}` in the text is the directory that programs run in.
    fn new(config: &str) -> Jobs {
        let test = Test::new();
        let work = test.path("work");
        let config = config.replace("{}", &work.to_string_lossy());
        write(&test.path(".config/quintet/config.toml"), &config);
        Jobs(test)
    }

    /// A path in the state directory.
    fn state(&self, name: &str) -> PathBuf {
        self.0.path("state").join(name)
    }

    /// A record in the state directory.
    fn record(&self, name: &str) -> Value {
        read_json(&self.state(name))
    }

    /// The records in a directory, without `last.json`, the oldest first.
    fn records(&self, dir: &str) -> Vec<Value> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(self.state(dir))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        paths.retain(|path| {
            path.extension().is_some_and(|e| e == "json") && !path.ends_with("last.json")
        });
        let mut records: Vec<Value> = paths.iter().map(|path| read_json(path)).collect();
        records.sort_by_key(|record| record["start_time"].to_string());
        records
    }
}

fn write(path: &Path, text: &str) {
    let parent = path.parent().expect("a file is in a directory");
    std::fs::create_dir_all(parent).expect("a directory can be made");
    std::fs::write(path, text).expect("a file can be written");
}

fn read_json(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
