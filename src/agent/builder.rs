//! The built-in builder: runs the task's command where the task works.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::program::forget_our_own;
use super::reviewer::is_there;
use super::worktree::Entered;
use crate::plan::agent::Task;

/// Runs it. What it writes is the step's own output. The result, and why it failed
/// if it did.
///
/// # Errors
/// It could not be run.
pub fn build(
    task: &Task,
    worktree: Option<&Entered<'_>>,
) -> Result<(Value, Option<String>), String> {
    let (program, arguments) = task
        .command
        .split_first()
        .ok_or("the task names no program")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&task.working_dir);
    command.envs(task.env.iter().map(|(name, value)| (name, value)));
    forget_our_own(&mut command);
    if let Some(worktree) = worktree {
        worktree.tell(&mut command);
    }
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(|error| {
        let dir = &task.working_dir;
        format!("the task's command {program:?} cannot be run in {dir}: {error}")
    })?;
    let dir = Path::new(&task.working_dir);
    let made = task.outputs.iter().filter(|output| is_there(dir, output));
    let result = json!({"build": {
        "command": task.command,
        "exit_code": status.code(),
        "outputs": made.collect::<Vec<_>>(),
    }});
    let failed = (!status.success()).then(|| match (status.code(), status.signal()) {
        (Some(code), _) => format!("the task's command ended with exit {code}"),
        (None, signal) => format!("the task's command ended by signal {}", signal.unwrap_or(0)),
    });
    Ok((result, failed))
}
