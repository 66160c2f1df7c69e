//! The built-in reviewer: is everything there that the task says it makes?

use std::path::{Component, Path};

use serde_json::{Value, json};

use crate::plan::agent::{Task, Verdict};

/// The result.
pub fn review(task: &Task) -> Value {
    let dir = Path::new(&task.working_dir);
    let missing: Vec<&String> = task.outputs.iter().filter(|o| !is_there(dir, o)).collect();
    let (status, verdict, report) = match &missing[..] {
        [] => {
            let report = match task.outputs.len() {
                0 => "the task declares no outputs".to_owned(),
                n => format!("all {n} declared outputs are there"),
            };
            ("passed", Verdict::Approved, report)
        }
        _ => {
            let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
            let report = format!("missing: {}", names.join(", "));
            ("failed", Verdict::Rejected, report)
        }
    };
    json!({
        "review": {"status": status, "report": report, "missing": missing},
        "verdict": verdict,
        "findings": missing,
    })
}

/// Whether an output is there, inside the directory: `..` leads elsewhere, and what
/// is elsewhere is not the task's.
pub fn is_there(dir: &Path, output: &str) -> bool {
    let inside = Path::new(output)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    inside && dir.join(output).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O25.
    #[test]
    fn o25_what_is_missing_is_named_and_what_is_elsewhere_is_missing() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("a"), "x").expect("written");
        let mut task = Task {
            working_dir: dir.path().to_string_lossy().into_owned(),
            outputs: vec!["a".into()],
            ..Task::default()
        };
        let passed = review(&task);
        assert_eq!(passed["review"]["status"], "passed");
        assert_eq!(passed["verdict"], "approved");
        task.outputs.extend(["b".into(), "../".into(), "/".into()]);
        let failed = review(&task);
        assert_eq!(failed["review"]["status"], "failed");
        assert_eq!(failed["review"]["report"], "missing: b, ../, /");
        assert_eq!(failed["verdict"], "rejected");
    }
}
