//! What a plan's author wants people to be told of the run as a whole.
//!
//! Printed, and nothing else: no notice has an effect on anything.

use std::io::{self, Write};

use super::escape::clean;
use super::style;
use crate::plan::{Level, Moment, Notice, Verdict};
use crate::run::{RunOutcome, RunPhase, RunState};

/// Writes the notices for the run's beginning.
///
/// # Errors
/// The stream does not take it.
pub fn at_start(run: &RunState, only_errors: bool, out: &mut impl Write) -> io::Result<()> {
    write(run, &[Moment::Start], only_errors, out)
}

/// Writes those for its end, as it has ended. A run that waits for a restart has not.
///
/// # Errors
/// The stream does not take it.
pub fn at_end(run: &RunState, only_errors: bool, out: &mut impl Write) -> io::Result<()> {
    let moments: &[Moment] = match run.phase() {
        RunPhase::Finished(RunOutcome::Succeeded) if has_warnings(run) => {
            &[Moment::Success, Moment::Warning]
        }
        RunPhase::Finished(RunOutcome::Succeeded) => &[Moment::Success],
        RunPhase::Finished(_) if run.stopped_in().is_none() => &[Moment::Failure],
        _ => &[],
    };
    write(run, moments, only_errors, out)
}

fn has_warnings(run: &RunState) -> bool {
    let odd = [Verdict::Warning, Verdict::NeedsHandling];
    !run.tolerated_failures().is_empty()
        || odd
            .iter()
            .any(|verdict| !run.succeeded_with(*verdict).is_empty())
}

/// Each once, in the plan's order.
fn write(
    run: &RunState,
    moments: &[Moment],
    only_errors: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let wanted = |notice: &&Notice| {
        moments.contains(&notice.on) && (!only_errors || notice.level == Level::Error)
    };
    for notice in run.plan().notices.iter().filter(wanted) {
        let (word, style) = match notice.level {
            Level::Info => ("note", style::BUSY),
            Level::Success => ("success", style::GOOD),
            Level::Warning => ("warning", style::ODD),
            Level::Error => ("error", style::BAD),
        };
        let mut lines = notice.message.lines();
        let first = lines.next().unwrap_or_default();
        writeln!(out, "{style}{word}{style:#}: {}", clean(first))?;
        for line in lines {
            writeln!(out, "  {}", clean(line))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{OnFailure, Plan};
    use crate::view::testing::{self, Story, exited};

    fn told(change: impl Fn(&mut Plan), code: i32, only_errors: bool) -> String {
        let mut plan = testing::plan(&["a"]);
        let notice = |on, level, message: &str| Notice {
            on,
            level,
            message: message.into(),
        };
        plan.notices = vec![
            notice(Moment::Start, Level::Info, "begins\u{1b}[2J\nnow"),
            notice(Moment::Failure, Level::Error, "it broke"),
            notice(Moment::Failure, Level::Info, "sorry"),
            notice(Moment::Success, Level::Success, "done"),
            notice(Moment::Warning, Level::Warning, "look"),
        ];
        change(&mut plan);
        let story = Story::of(plan, |_, _| (exited(code), 10));
        testing::written(|out| {
            at_start(&story.run, only_errors, out)?;
            at_end(&story.run, only_errors, out)
        })
    }

    /// A38.
    #[test]
    fn a38_notices_are_told_when_their_moment_has_come() {
        assert_eq!(
            told(|_| {}, 0, false),
            "note: begins\\u{1b}[2J\n  now\nsuccess: done\n"
        );
        assert_eq!(
            told(|_| {}, 1, false),
            "note: begins\\u{1b}[2J\n  now\nerror: it broke\nnote: sorry\n"
        );
        assert_eq!(told(|_| {}, 1, true), "error: it broke\n");
        assert_eq!(told(|_| {}, 0, true), "");
    }

    /// A38.
    #[test]
    fn a38_a_warning_is_a_tolerated_failure_or_an_exit_that_says_so() {
        let all = "note: begins\\u{1b}[2J\n  now\nsuccess: done\nwarning: look\n";
        let tolerated = |plan: &mut Plan| {
            testing::policy(plan, "a", |policy| policy.on_failure = OnFailure::Continue)
        };
        assert_eq!(told(tolerated, 1, false), all);
        for verdict in [Verdict::Warning, Verdict::NeedsHandling] {
            let says = |plan: &mut Plan| {
                testing::policy(plan, "a", |policy| {
                    policy.exit_codes.insert(2, verdict);
                })
            };
            assert_eq!(told(says, 2, false), all);
        }
    }
}
