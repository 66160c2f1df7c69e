//! What is done with jobs and tasks, as lines of JSON in `logs/quintet.log` of the
//! state directory:
//!
//! ```json
//! {"time":"2026-11-20T12:00:00.000Z","level":"INFO","msg":"job ended","job":"sample","exit_code":0}
//! ```
//!
//! The file is kept small: a full one becomes `quintet.log.1`, and the oldest goes.
//! It is for people who look later. Nothing depends on it, so what cannot be written
//! is a warning.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::error::warn;
use super::output;
use crate::load::jobs::config::LogLevel;
use crate::paths::{StateDir, private_dir};
use crate::view::job_record::moment;

/// A file this long is full.
const FULL: u64 = 1 << 20;
/// So many full ones are kept.
const KEPT: u32 = 3;

const NAME: &str = "quintet.log";

/// Adds a line, if lines of this level are wanted. `fields` is an object.
pub fn write(state: &StateDir, wanted: LogLevel, level: LogLevel, message: &str, fields: Value) {
    if level < wanted {
        return;
    }
    let mut line = json!({
        "time": moment(output::now()),
        "level": level.word().to_ascii_uppercase(),
        "msg": message,
    });
    if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
        line.extend(fields);
    }
    let logs = state.logs();
    let written = private_dir(&logs)
        .map_err(io::Error::other)
        .and_then(|()| append(&logs, &format!("{line}\n"), FULL));
    if let Err(error) = written {
        let path = logs.join(NAME);
        warn(&format!("no line is added to {}: {error}", path.display()));
    }
}

/// Adds a line to the file in this folder, and begins another where it is full.
fn append(folder: &Path, line: &str, full: u64) -> io::Result<()> {
    let open = |name: &str| -> io::Result<File> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(folder.join(name))
    };
    // One process at a time: of two that turned the files, one would lose some.
    let turn = open(&format!("{NAME}.lock"))?;
    turn.lock()?;
    let path = folder.join(NAME);
    let is_full = fs::symlink_metadata(&path).is_ok_and(|found| found.len() >= full);
    if is_full {
        let numbered = |n: u32| folder.join(format!("{NAME}.{n}"));
        for n in (1..KEPT).rev() {
            // Not all of them are there yet.
            let _ = fs::rename(numbered(n), numbered(n + 1));
        }
        fs::rename(&path, numbered(1))?;
    }
    open(NAME)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O29.
    #[test]
    fn o29_a_full_file_makes_room_and_only_so_many_are_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        for n in 0..20 {
            append(dir.path(), &format!("{{\"n\":{n}}}\n"), 16).expect("written");
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("it is there");
        let all: String = [
            "quintet.log.3",
            "quintet.log.2",
            "quintet.log.1",
            "quintet.log",
        ]
        .map(read)
        .concat();
        assert!(all.ends_with("{\"n\":18}\n{\"n\":19}\n"), "{all}");
        assert!(!dir.path().join("quintet.log.4").exists());
        let numbers: Vec<i64> = all
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).expect("JSON")["n"]
                    .as_i64()
                    .unwrap()
            })
            .collect();
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{all}"
        );
    }
}
