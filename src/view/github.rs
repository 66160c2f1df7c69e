//! A run's result for GitHub's runners: workflow commands, which become
//! annotations of the build.
//!
//! What a step wrote is data: where a line of it would be taken for a command,
//! or end one, its characters are spelled as GitHub documents it.

use std::fmt::Write as _;

use super::escape::printable;
use super::result::{RunResult, StepResult};
use crate::run::Outcome;

/// GitHub shows ten annotations of each kind for a step of a job; some more do no
/// harm, and thousands would only bury the log.
const MOST: usize = 50;

/// A line for each failure, tolerated failure, and remark.
pub fn commands(result: &RunResult) -> String {
    let mut lines = String::new();
    let errors = result
        .steps
        .iter()
        .filter(|step| failed(step) && !step.tolerated);
    let warnings = result.steps.iter().filter_map(warning);
    for step in errors.take(MOST) {
        push(&mut lines, "error", step, &failure(step));
    }
    for (step, message) in warnings.take(MOST) {
        push(&mut lines, "warning", step, &message);
    }
    lines
}

fn failed(step: &StepResult) -> bool {
    step.outcome == Some(Outcome::Failed)
}

fn warning(step: &StepResult) -> Option<(&StepResult, String)> {
    let message = match step.tolerated {
        true => format!("{}\n(the plan tolerates it)", failure(step)),
        false => step.remark()?,
    };
    Some((step, message))
}

/// Its reason, then its last words.
fn failure(step: &StepResult) -> String {
    let reason = step.error.as_deref().unwrap_or("failed");
    match &step.output {
        Some(output) => format!("{reason}\n{}", output.trim_end()),
        None => reason.to_owned(),
    }
}

fn push(lines: &mut String, kind: &str, step: &StepResult, message: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        lines,
        "::{kind} title={}::{}",
        property(&step.id),
        data(message)
    );
}

/// A command's text. What could end the line is spelled; colours and the like go.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25");
    let text = text.replace('\r', "%0D").replace('\n', "%0A");
    printable(&text)
}

/// A command's property, which the comma and the colon would end as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::result::tests::result;

    /// A54.
    #[test]
    fn a54_a_result_as_annotations() {
        insta::assert_snapshot!(commands(&result()), @r#"
        ::error title=0402_Run-Tests::Timeout after 1.2s, after 2 attempts%0Aone%0Atwo 100%25
        ::warning title=core/0001_Prepare::a restart is required (194)
        ::warning title=slow::needs handling (200)
        ::warning title=lint::exit 1%0Aone%0Atwo 100%25%0A(the plan tolerates it)
        "#);
    }

    /// A54.
    #[test]
    fn a54_nothing_that_a_step_writes_is_a_command() {
        let mut result = result();
        result.steps[1].id = "a,b:c::%\n::error::x".into();
        result.steps[1].error = Some("100%\r\n::stop-commands::x\n::set-env name=X::y".into());
        let text = commands(&result);
        assert_eq!(text.lines().count(), 4);
        let expected = "::error title=a%2Cb%3Ac%3A%3A%25%0A%3A%3Aerror%3A%3Ax::100%25%0D%0A::stop-";
        assert!(text.starts_with(expected), "{text}");
    }
}
