//! What is said when a run is over.
//!
//! The most important comes last, where the eye and the cursor are: first the
//! counts, then what went wrong and does not matter, then what was left out and
//! why, and at the end each failure with its last words and what to type next.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::command::of_action;
use super::escape::clean;
use super::style::{self, BAD, FAINT, HEADING, ODD};
use super::time::took;
use super::words::{self, Ids, counted};
use crate::plan::{Action, StepIx, Verdict};
use crate::run::{Outcome, Reason, RunOutcome, RunPhase, RunState, StepState};

/// So many failures are told in full; of more, only the names.
const MOST_FAILURES: usize = 10;

/// So many of the last lines of a failed step's output are asked for.
pub const TAIL_LINES: usize = 20;

/// The last lines of a step's last attempt, at most [`TAIL_LINES`].
pub type Tail<'a> = dyn FnMut(StepIx) -> Vec<String> + 'a;

/// Writes the summary of a run that is over.
///
/// # Errors
/// The stream does not take it.
pub fn write(
    run_id: &str,
    run: &RunState,
    tail: &mut Tail<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let RunPhase::Finished(outcome) = *run.phase() else {
        return Ok(());
    };
    counts(run, outcome, out)?;
    remarks(run, out)?;
    asked_for(run, Verdict::RestartRequired, "a restart is required", out)?;
    asked_for(run, Verdict::NeedsHandling, "needs handling", out)?;
    tolerated(run, tail, out)?;
    left_out(run, Outcome::Skipped, out)?;
    left_out(run, Outcome::Canceled, out)?;
    failures(run_id, run, tail, out)?;
    ending(run_id, run, outcome, out)
}

/// Writes the failures that count, each with its last words and what to type next.
///
/// # Errors
/// The stream does not take it.
pub fn failures(
    run_id: &str,
    run: &RunState,
    tail: &mut Tail<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let failures = run.counted_failures();
    for ix in failures.iter().take(MOST_FAILURES) {
        failure(run_id, run, *ix, tail, out)?;
    }
    match failures.get(MOST_FAILURES..) {
        Some(more) if !more.is_empty() => writeln!(
            out,
            "\n{BAD}and {} more failed{BAD:#}: {}",
            more.len(),
            Ids(run.plan(), more)
        ),
        _ => Ok(()),
    }
}

fn counts(run: &RunState, outcome: RunOutcome, out: &mut impl Write) -> io::Result<()> {
    let counts = run.counts();
    let parts = [
        (counts.succeeded, "succeeded"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
        (counts.canceled, "canceled"),
    ];
    let style = style::of_state(outcome.word());
    let took = took(run.ended_at().saturating_sub(run.started_at()));
    write!(out, "{style}{}{style:#} in {took}: ", outcome.word())?;
    let told: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| {
            let style = style::of_state(word);
            let how = match *word {
                "succeeded" => words::how_succeeded(counts),
                _ => String::new(),
            };
            format!("{style}{n} {word}{style:#}{how}")
        })
        .collect();
    let steps = counted(counts.total as usize, "step");
    match told.len() {
        0 | 1 => writeln!(out, "{steps}{}", words::how_succeeded(counts)),
        _ => writeln!(out, "{steps}, {}", told.join(", ")),
    }
}

/// Steps that succeeded with something to look at.
fn remarks(run: &RunState, out: &mut impl Write) -> io::Result<()> {
    for ix in run.plan().indices() {
        let record = run.step(ix);
        let succeeded = record.outcome() == Some(Outcome::Succeeded);
        if let Some(end) = record.last.end().filter(|_| succeeded)
            && let Some(remark) = match end.verdict {
                Verdict::Success | Verdict::Warning => words::remark(&end),
                // What these ask for has a line of its own.
                Verdict::RestartRequired | Verdict::NeedsHandling => words::beside(&end),
                Verdict::Failure => None,
            }
        {
            writeln!(
                out,
                "{ODD}warning{ODD:#}: {} succeeded: {}",
                clean(&run.plan()[ix].id),
                clean(&remark)
            )?;
        }
    }
    Ok(())
}

/// Steps that succeeded and ask for something that only people can do.
fn asked_for(run: &RunState, verdict: Verdict, what: &str, out: &mut impl Write) -> io::Result<()> {
    let steps = run.succeeded_with(verdict);
    match steps.is_empty() {
        true => Ok(()),
        false => writeln!(out, "{ODD}{what}{ODD:#}: {}", Ids(run.plan(), &steps)),
    }
}

/// Failures that do not matter, each with the last line that its step wrote.
fn tolerated(run: &RunState, tail: &mut Tail<'_>, out: &mut impl Write) -> io::Result<()> {
    for (n, ix) in run.tolerated_failures().into_iter().enumerate() {
        let id = clean(&run.plan()[ix].id);
        write!(
            out,
            "{ODD}warning{ODD:#}: {id} failed ({}), which the plan tolerates",
            clean(&cause(run, ix))
        )?;
        // To ask for the words of each of thousands would take long.
        let said = if n < MOST_FAILURES {
            tail(ix)
        } else {
            Vec::new()
        };
        match said.last() {
            Some(said) => writeln!(out, ": {}", clean(said.trim_end()))?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

/// Steps with the outcome, together where they have the reason in common: of
/// a chain of steps that were skipped, each for the one before it, that is what
/// kept the first one. Meeting points do nothing, and so nothing of them is
/// left out.
fn left_out(run: &RunState, outcome: Outcome, out: &mut impl Write) -> io::Result<()> {
    let mut reasons: BTreeMap<String, Vec<StepIx>> = BTreeMap::new();
    let mut origins = Origins::default();
    for ix in run.plan().indices() {
        if let StepState::Settled {
            outcome: of,
            reason,
        } = &run.step(ix).state
            && *of == outcome
            && run.plan()[ix].action != Action::Group
        {
            let reason = reason.as_deref();
            let reason = reason.map(|reason| origins.of(run, ix, reason));
            let reason = reason.map_or_else(String::new, Reason::to_string);
            reasons.entry(reason).or_default().push(ix);
        }
    }
    for (reason, steps) in reasons {
        let word = outcome.word();
        writeln!(
            out,
            "{FAINT}{word}{FAINT:#}: {}: {}",
            Ids(run.plan(), &steps),
            clean(&reason)
        )?;
    }
    Ok(())
}

/// What kept steps from running that were skipped for other skipped ones, as far
/// as it has been looked up: a chain of them may be as long as the plan.
#[derive(Default)]
struct Origins<'a>(BTreeMap<StepIx, &'a Reason>);

impl<'a> Origins<'a> {
    fn of(&mut self, run: &'a RunState, ix: StepIx, reason: &'a Reason) -> &'a Reason {
        let (mut reason, mut passed) = (reason, vec![ix]);
        while let Some((before, further)) = words::kept_from(run, reason) {
            reason = further;
            if let Some(known) = self.0.get(&before) {
                reason = known;
                break;
            }
            passed.push(before);
        }
        self.0.extend(passed.into_iter().map(|ix| (ix, reason)));
        reason
    }
}

fn failure(
    run_id: &str,
    run: &RunState,
    ix: StepIx,
    tail: &mut Tail<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let step = &run.plan()[ix];
    let record = run.step(ix);
    write!(out, "\n{BAD}failed: {}{BAD:#}", clean(&step.id))?;
    match step.name.as_deref().filter(|name| **name != *step.id) {
        Some(name) => writeln!(out, " ({})", clean(name))?,
        None => writeln!(out)?,
    }
    writeln!(out, "  command   {}", of_action(&step.action))?;
    match record.last.end().as_deref() {
        Some(end) => writeln!(
            out,
            "  ended     {}, {}",
            clean(&words::ended(end)),
            counted(words::attempts_made(record) as usize, "attempt")
        )?,
        None => writeln!(out, "  never ran {}", clean(&cause(run, ix)))?,
    }
    let lines = tail(ix);
    if !lines.is_empty() {
        writeln!(
            out,
            "  output    {FAINT}(its last {}){FAINT:#}",
            counted(lines.len(), "line")
        )?;
        for line in lines {
            writeln!(out, "    {}", clean(line.trim_end_matches(['\r', '\n'])))?;
        }
    }
    let id = shell_word(&step.id);
    writeln!(out, "  more      quintet logs {run_id} {id}")?;
    writeln!(out, "            quintet why {run_id} {id}")
}

/// Why the step settled as it did.
fn cause(run: &RunState, ix: StepIx) -> String {
    match &run.step(ix).state {
        StepState::Settled {
            reason: Some(reason),
            ..
        } => reason.to_string(),
        _ => String::new(),
    }
}

/// How the run ended, where the counts do not say it, and what may be done.
fn ending(
    run_id: &str,
    run: &RunState,
    outcome: RunOutcome,
    out: &mut impl Write,
) -> io::Result<()> {
    if outcome == RunOutcome::Succeeded {
        return Ok(());
    }
    let because = run.ended_because().map_or_else(String::new, words::because);
    let style = style::of_state(outcome.word());
    writeln!(
        out,
        "\n{HEADING}run {run_id}{HEADING:#} {style}{}{style:#}{}",
        outcome.word(),
        clean(&because)
    )?;
    let asked = run.needs_word();
    for ix in &asked {
        let id = shell_word(&run.plan()[*ix].id);
        writeln!(
            out,
            "nobody saw how {id} ended, and it must not simply be run again:"
        )?;
        writeln!(
            out,
            "  quintet resume {run_id} --rerun {id}        to run it again"
        )?;
        writeln!(
            out,
            "  quintet resume {run_id} --assume-done {id}  to take it as done"
        )?;
    }
    if run.stopped_in().is_some() {
        return writeln!(
            out,
            "to go on once the machine has been restarted: quintet resume {run_id}"
        );
    }
    if asked.is_empty() {
        writeln!(out, "to go on: quintet resume {run_id}")?;
    }
    Ok(())
}

/// The id, fit to be typed. Ids are made of harmless characters; only a plan
/// that was not checked could hold another.
fn shell_word(id: &str) -> String {
    clean(id).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::OnFailure;
    use crate::view::testing::{self, RUN, Story, exited};

    fn summary(story: &Story) -> String {
        let mut tail = |ix: StepIx| vec![format!("last words of {ix:?}\u{1b}[2J\r\n")];
        testing::written(|out| write(RUN, &story.run, &mut tail, out))
    }

    #[test]
    fn failures_come_last_with_what_to_type_next() {
        let mut plan =
            testing::plan(&["fetch", "build: fetch", "test: build", "ship: test", "docs"]);
        testing::policy(&mut plan, "build", |policy| {
            policy.retry.count = 1;
            policy.on_failure = OnFailure::SkipDependents;
        });
        testing::policy(&mut plan, "docs", |policy| {
            policy.on_failure = OnFailure::Continue
        });
        let story = Story::of(plan, |id, _| match id {
            "build" => (exited(3), 1_200),
            "docs" => (exited(1), 300),
            _ => (exited(0), 400),
        });
        insta::assert_snapshot!(summary(&story), @r#"
        failed in 2.8s: 5 steps, 1 succeeded, 2 failed, 2 skipped
        warning: docs failed (exit 1), which the plan tolerates: last words of #4\u{1b}[2J
        skipped: test, ship: it depends on build, which failed

        failed: build
          command   echo build
          ended     exit 3 after 1.2s, 2 attempts
          output    (its last 1 line)
            last words of #1\u{1b}[2J
          more      quintet logs 20261120-120000-test build
                    quintet why 20261120-120000-test build

        run 20261120-120000-test failed because of build
        to go on: quintet resume 20261120-120000-test
        "#);
    }

    /// H18.
    #[test]
    fn h18_an_error_deep_in_a_tree_is_told_once_with_its_full_path() {
        let mut plan = testing::plan(&[
            "config: config/hardware",
            "config/hardware: config/hardware/wifi",
            "config/hardware/bluetooth",
            "config/hardware/wifi: config/hardware/bluetooth",
            "first-run/welcome: config",
        ]);
        for phase in ["config", "config/hardware"] {
            testing::step(&mut plan, phase).action = Action::Group;
        }
        testing::policy(&mut plan, "config/hardware/bluetooth", |policy| {
            policy.on_failure = OnFailure::SkipDependents
        });
        let story = Story::of(plan, |_, _| (exited(3), 100));
        let shown = summary(&story);
        assert_eq!(shown.matches("last words").count(), 1, "{shown}");
        assert_eq!(shown.matches("exit 3").count(), 1, "{shown}");
        let failed = "\nfailed: config/hardware/bluetooth\n";
        assert_eq!(shown.matches(failed).count(), 1, "{shown}");
        let skipped: Vec<&str> = shown
            .lines()
            .filter(|l| l.starts_with("skipped:"))
            .collect();
        let because = "it depends on config/hardware/bluetooth, which failed";
        assert_eq!(
            skipped,
            [format!(
                "skipped: config/hardware/wifi, first-run/welcome: {because}"
            )]
        );
    }

    #[test]
    fn a_long_chain_of_skipped_steps_is_one_line_and_looked_up_once() {
        let steps: Vec<String> = (0..4_000)
            .map(|n| match n {
                0 => "s0".to_owned(),
                n => format!("s{n}: s{}", n - 1),
            })
            .collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let mut plan = testing::plan(&steps);
        testing::policy(&mut plan, "s0", |policy| {
            policy.on_failure = OnFailure::SkipDependents
        });
        let story = Story::of(plan, |_, _| (exited(1), 1));
        let shown = summary(&story);
        let skipped =
            "\nskipped: s1, s2, s3, s4, s5 and 3994 more: it depends on s0, which failed\n";
        assert!(shown.contains(skipped), "{shown}");
    }

    /// P26.
    #[test]
    fn p26_only_tolerated_failures_succeed_with_warnings() {
        let mut plan = testing::plan(&["a", "b: a"]);
        testing::policy(&mut plan, "a", |policy| {
            policy.on_failure = OnFailure::Continue
        });
        let story = Story::of(plan, |id, _| (exited(i32::from(id == "a")), 100));
        insta::assert_snapshot!(summary(&story), @r#"
        succeeded in 200ms: 2 steps, 1 succeeded, 1 failed
        warning: a failed (exit 1), which the plan tolerates: last words of #0\u{1b}[2J
        "#);
    }

    #[test]
    fn many_failures_are_told_in_part_and_counted_in_full() {
        let ids: Vec<String> = (0..40).map(|n| format!("s{n:02}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut plan = testing::plan(&ids);
        for id in &ids {
            testing::policy(&mut plan, id, |policy| {
                policy.on_failure = OnFailure::SkipDependents
            });
        }
        let story = Story::of(plan, |_, _| (exited(1), 1));
        let shown = summary(&story);
        assert_eq!(shown.matches("quintet logs").count(), MOST_FAILURES);
        assert!(
            shown.contains("\nand 30 more failed: s10, s11, s12, s13, s14 and 25 more\n"),
            "{shown}"
        );
    }

    #[test]
    fn a_quarantined_run_says_what_a_person_may_decide() {
        let mut plan = testing::plan(&["pay"]);
        testing::policy(&mut plan, "pay", |policy| policy.idempotent = false);
        let story = Story::of(plan, |_, _| (crate::run::Exit::Interrupted, 50));
        insta::assert_snapshot!(summary(&story), @r#"
        quarantined in 50ms: 1 step

        failed: pay
          command   echo pay
          ended     interrupted: nobody saw how it ended, 1 attempt
          output    (its last 1 line)
            last words of #0\u{1b}[2J
          more      quintet logs 20261120-120000-test pay
                    quintet why 20261120-120000-test pay

        run 20261120-120000-test quarantined: the attempt was interrupted, and the step says idempotent: false
        nobody saw how pay ended, and it must not simply be run again:
          quintet resume 20261120-120000-test --rerun pay        to run it again
          quintet resume 20261120-120000-test --assume-done pay  to take it as done
        "#);
    }
}
