//! The built-in planner: takes the goal apart and checks that the task can be worked on.

use std::path::Path;

use serde_json::{Value, json};

use crate::plan::agent::{Given, Task};

/// The result.
///
/// # Errors
/// The task cannot be worked on: all that is wrong with it.
pub fn plan(given: &Given, task: &Task) -> Result<Value, String> {
    let wrong = faults(task);
    if !wrong.is_empty() {
        return Err(format!("the task {} {}", task.name, wrong.join("; it ")));
    }
    Ok(json!({"plan": {
        "goal": given.goal,
        "steps": parts(&given.goal),
        "tasks": [task.name],
    }}))
}

fn faults(task: &Task) -> Vec<String> {
    let mut wrong = Vec::new();
    if task.command.first().is_none_or(String::is_empty) {
        wrong.push("names no program".to_owned());
    }
    if !Path::new(&task.working_dir).is_dir() {
        let dir = &task.working_dir;
        wrong.push(format!(
            "works in {dir}, which is no directory that is there"
        ));
    }
    wrong
}

/// A goal is written as one thing, or as several: a line each, or with `;` between.
fn parts(goal: &str) -> Vec<&str> {
    let parts = goal.split(['\n', ';']).map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O21.
    #[test]
    fn o21_a_goal_is_taken_apart_and_all_that_is_wrong_with_the_task_is_told() {
        let given = Given {
            goal: "parse it; write it\ntest it;".into(),
            ..Given::default()
        };
        let task = Task {
            name: "t".into(),
            command: vec!["make".into()],
            working_dir: "/".into(),
            ..Task::default()
        };
        let plan = plan(&given, &task).expect("it can be worked on");
        assert_eq!(
            plan["plan"]["steps"],
            json!(["parse it", "write it", "test it"])
        );
        assert_eq!(plan["plan"]["tasks"], json!(["t"]));
        let none = Task {
            name: "t".into(),
            working_dir: "/not/there".into(),
            ..Task::default()
        };
        let why = super::plan(&given, &none).expect_err("two things");
        assert!(
            why.contains("names no program") && why.contains("/not/there"),
            "{why}"
        );
    }
}
