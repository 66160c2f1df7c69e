//! A run's result as Markdown: a table that people like to read, in a pull
//! request, a chat or the summary of a build.
//!
//! What comes from files and programs is text, not markup: it is escaped, and
//! what a step wrote stands in a block that it cannot end.

use std::fmt::Write as _;

use super::escape::printable;
use super::result::{RunResult, StepResult};
use super::time::took;
use super::words::counted;
use crate::run::{Outcome, RunOutcome};

/// Rows of the table. Places that show such a text have a limit, a megabyte
/// mostly, and nobody reads so far.
const MOST_ROWS: usize = 500;

/// So many failures are told with their last words.
const MOST_FAILURES: usize = 10;

/// The whole text, with a newline at its end.
pub fn text(result: &RunResult) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "## {} {}\n", mark(result), escaped(&result.name));
    let _ = writeln!(text, "{}\n", headline(result));
    lists(result, &mut text);
    table(result, &mut text);
    failures(result, &mut text);
    let _ = writeln!(text, "<sub>run {}</sub>", escaped(&result.run_id));
    text
}

fn mark(result: &RunResult) -> &'static str {
    match result.outcome {
        None => "⏳",
        Some(RunOutcome::Succeeded) if !result.warnings.is_empty() => "⚠️",
        Some(RunOutcome::Succeeded) => "✅",
        Some(RunOutcome::Canceled) => "⏹️",
        Some(RunOutcome::Failed | RunOutcome::Quarantined) => "❌",
    }
}

/// `**failed** in 2.5s: 5 steps, 2 completed, 2 failed`
fn headline(result: &RunResult) -> String {
    let word = result.outcome.map_or("running", RunOutcome::word);
    let parts = [
        (result.completed, "completed"),
        (result.failed, "failed"),
        (result.skipped, "skipped"),
        (result.canceled, "canceled"),
    ];
    let steps = counted(result.total as usize, "step");
    let mut line = format!("**{word}** in {}: {steps}", took(result.duration_ms));
    for (n, word) in parts.iter().filter(|(n, _)| *n > 0) {
        let _ = write!(line, ", {n} {word}");
    }
    line
}

fn lists(result: &RunResult, text: &mut String) {
    for (what, steps) in [
        ("A restart is required", &result.restart_required),
        ("Needs handling", &result.needs_handling),
        ("Warnings", &result.warnings),
    ] {
        if !steps.is_empty() {
            let steps: Vec<String> = steps.iter().map(|id| escaped(id)).collect();
            let _ = writeln!(text, "**{what}:** {}\n", steps.join(", "));
        }
    }
}

fn table(result: &RunResult, text: &mut String) {
    text.push_str("| | Step | Outcome | Exit | Attempts | Duration | Note |\n");
    text.push_str("|---|---|---|---:|---:|---:|---|\n");
    for step in result.steps.iter().take(MOST_ROWS) {
        let number = |n: Option<i32>| n.map_or_else(String::new, |n| n.to_string());
        let name = match step.name == step.id {
            true => escaped(&step.id),
            false => format!("{} ({})", escaped(&step.name), escaped(&step.id)),
        };
        let _ = writeln!(
            text,
            "| {} | {name} | {} | {} | {} | {} | {} |",
            mark_of(step),
            step.outcome.map_or("not ended", Outcome::word),
            number(step.exit_code),
            number(Some(step.attempts as i32).filter(|n| *n > 0)),
            step.duration_ms
                .map_or_else(String::new, |ms| took(ms).to_string()),
            escaped(&note(step)),
        );
    }
    if let Some(more @ 1..) = result.steps.len().checked_sub(MOST_ROWS) {
        let _ = writeln!(text, "\n… and {more} more");
    }
    text.push('\n');
}

fn mark_of(step: &StepResult) -> &'static str {
    match step.outcome {
        None => "⏳",
        Some(Outcome::Succeeded) if step.remark().is_some() => "⚠️",
        Some(Outcome::Succeeded) => "✅",
        Some(Outcome::Failed) if step.tolerated => "⚠️",
        Some(Outcome::Failed) => "❌",
        Some(Outcome::Skipped) => "⏭️",
        Some(Outcome::Canceled) => "⏹️",
    }
}

fn note(step: &StepResult) -> String {
    let said = step.error.as_ref().or(step.skipped_because.as_ref());
    let said = said.cloned().or_else(|| step.remark());
    match (said, step.tolerated) {
        (Some(said), true) => format!("{said}; tolerated"),
        (said, _) => said.unwrap_or_default(),
    }
}

fn failures(result: &RunResult, text: &mut String) {
    let failed = result
        .steps
        .iter()
        .filter(|step| step.outcome == Some(Outcome::Failed));
    for step in failed.take(MOST_FAILURES) {
        let Some(output) = &step.output else { continue };
        let fence = fence(output);
        let _ = writeln!(
            text,
            "<details><summary>{}: its last words</summary>\n\n{fence}text\n{}\n{fence}\n\n</details>\n",
            html(&step.id),
            printable(output.trim_end()),
        );
    }
}

/// Longer than any row of backticks in the text.
fn fence(text: &str) -> String {
    let rows = text.split(|c| c != '`').map(str::len);
    "`".repeat(rows.max().unwrap_or(0).max(2) + 1)
}

/// As text between two tags, where Markdown is not read.
fn html(text: &str) -> String {
    let text = printable(text).replace('\n', " ");
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// As text of a table's cell: no markup, no cell's end, no line's end, nobody
/// called by name.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in printable(text).chars() {
        match c {
            '\n' | '\t' => escaped.push(' '),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '@' => escaped.push_str("&#64;"),
            '|' | '\\' | '`' | '*' | '[' | ']' | '#' | '~' | '_' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::result::tests::result;

    /// A54.
    #[test]
    fn a54_a_result_as_a_table() {
        insta::assert_snapshot!(text(&result()), @r#"
        ## ❌ A test

        **failed** in 2.4s: 5 steps, 2 completed, 2 failed, 1 skipped

        **A restart is required:** core/0001\_Prepare

        **Needs handling:** slow

        **Warnings:** lint

        | | Step | Outcome | Exit | Attempts | Duration | Note |
        |---|---|---|---:|---:|---:|---|
        | ⚠️ | core/0001\_Prepare | succeeded | 194 | 1 | 100ms | a restart is required (194) |
        | ❌ | Run \| tests (0402\_Run-Tests) | failed | 124 | 2 | 1.2s | Timeout after 1.2s, after 2 attempts |
        | ⚠️ | slow | succeeded | 200 | 1 | 10ms | needs handling (200) |
        | ⚠️ | lint | failed | 1 | 1 | 10ms | exit 1; tolerated |
        | ⏭️ | last | skipped |  |  |  | it depends on 0402\_Run-Tests, which failed |

        <details><summary>0402_Run-Tests: its last words</summary>

        ```text
        one
        two 100%
        ```

        </details>

        <details><summary>lint: its last words</summary>

        ```text
        one
        two 100%
        ```

        </details>

        <sub>run 20261120-120000-test</sub>
        "#);
    }

    /// A54.
    #[test]
    fn a54_text_stays_text() {
        assert_eq!(
            escaped("a|b\n<script> @all _x_ `c` \u{1b}[2J"),
            r"a\|b &lt;script> &#64;all \_x\_ \`c\` "
        );
        assert_eq!(fence("a ``` b ````"), "`````");
        assert_eq!(fence(""), "```");
        let mut result = result();
        result.steps[1].output = Some("```\n</details> still inside\n```".into());
        assert!(text(&result).contains("\n````text\n```\n"));
    }
}
