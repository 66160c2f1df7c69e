//! What a run came to, as a value: what reports are made of, what the Rust API
//! gives, and, written as JSON, what programs read.
//!
//! Only steps that do something are in it: meeting points and what takes no part
//! in the run are left out, of the counts too. Nothing is in it that the run's
//! record does not hold, so secrets are masked here as they are there.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::words;
use crate::plan::{Action, StepIx, Verdict};
use crate::run::record::rfc3339;
use crate::run::{
    Event, Exit, Finish, Kind, Millis, Outcome, Reason, Role, RunOutcome, RunState, StepState,
};

pub use super::summary::Tail;

/// Of a failed step's output so many bytes are kept, the last ones.
const TAIL_BYTES: usize = 4096;

/// The result of a run, in the order of its JSON.
///
/// ```json
/// {
///   "run_id": "20261120-120000-k3x9", "plan_id": "release", "name": "Release", "version": "1",
///   "outcome": "failed", "reason": "failed: test",
///   "started_at": "2026-11-20T12:00:00.000Z", "ended_at": "2026-11-20T12:00:02.500Z",
///   "duration_ms": 2500,
///   "total": 3, "completed": 1, "failed": 1, "skipped": 1, "canceled": 0,
///   "restart_required": [], "needs_handling": [], "warnings": [],
///   "steps": [{
///     "id": "0402_Run-Tests", "name": "Run tests", "number": "0402", "group": "Testing",
///     "outcome": "failed", "verdict": "failure", "tolerated": false, "exit_code": 3,
///     "attempts": 2,
///     "started_at": "2026-11-20T12:00:00.100Z", "ended_at": "2026-11-20T12:00:02.400Z",
///     "duration_ms": 1200,
///     "error": "exit 3, after 2 attempts", "output": "last words\n", "skipped_because": null,
///     "retries": [{"attempt": 1, "duration_ms": 1100, "error": "exit 3", "output": null}]
///   }]
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunResult {
    pub run_id: String,
    /// What the author calls the plan.
    pub plan_id: String,
    /// The plan's name for people.
    pub name: String,
    /// The author's version of the plan.
    pub version: String,
    /// How the run ended; `None` (null) while it has not.
    pub outcome: Option<RunOutcome>,
    /// Why it ended so, in words.
    pub reason: Option<String>,
    /// When it began, or went on last. RFC 3339 in JSON.
    #[serde(serialize_with = "moment")]
    pub started_at: Option<Millis>,
    #[serde(serialize_with = "moment")]
    pub ended_at: Option<Millis>,
    /// From the one to the other, or to the last that is known of it.
    pub duration_ms: u64,
    /// Steps that are there to be done.
    pub total: u32,
    /// Of these, how many succeeded, with a warning or without.
    pub completed: u32,
    pub failed: u32,
    pub skipped: u32,
    pub canceled: u32,
    /// Ids of steps that succeeded and want the machine restarted.
    pub restart_required: Vec<String>,
    /// Ids of steps that succeeded and say that something needs special handling.
    pub needs_handling: Vec<String>,
    /// Ids of steps that succeeded with a warning, or whose failure is tolerated.
    pub warnings: Vec<String>,
    /// In the plan's order.
    pub steps: Vec<StepResult>,
}

/// What a step came to, in the order of its JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepResult {
    pub id: String,
    /// Its name for people; its id where it has none.
    pub name: String,
    /// The four digits with which the last part of its id begins, if it does.
    pub number: Option<String>,
    /// Its stage; else the heading that the plan lists it under; else the id
    /// without its last part.
    pub group: Option<String>,
    /// How it ended; `None` (null) while it has not.
    pub outcome: Option<Outcome>,
    /// What its last attempt's exit means.
    pub verdict: Option<Verdict>,
    /// It failed, and that is not the run's failure.
    pub tolerated: bool,
    /// Of its last attempt, as a shell would say it: 124 after a timeout, 128 and
    /// the signal's number after a signal. `None` where nothing ran or ended.
    pub exit_code: Option<i32>,
    /// Attempts made, earlier engines' included.
    pub attempts: u32,
    #[serde(serialize_with = "moment")]
    pub started_at: Option<Millis>,
    #[serde(serialize_with = "moment")]
    pub ended_at: Option<Millis>,
    /// How long its last attempt ran.
    pub duration_ms: Option<u64>,
    /// Why it failed or was canceled, in one line.
    pub error: Option<String>,
    /// Where it failed, the last lines of stderr, and where these are few, of
    /// stdout before them: 20 lines and 4 KiB at most.
    pub output: Option<String>,
    /// Why it was skipped, in one line.
    pub skipped_because: Option<String>,
    /// Failed attempts before the last, in order.
    pub retries: Vec<Retried>,
}

/// A failed attempt after which another was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retried {
    /// From 1.
    pub attempt: u32,
    pub duration_ms: u64,
    /// How it ended, in one line.
    pub error: String,
    /// The last lines that it wrote, as far as the record keeps them.
    pub output: Option<String>,
}

/// What the run has come to so far. `events` are all of its events; without them
/// nothing is known of earlier attempts.
pub fn of(run_id: &str, run: &RunState, events: &[Event], tail: &mut Tail<'_>) -> RunResult {
    let plan = run.plan();
    let mut retries = retries(events);
    let mut step = |ix: StepIx| {
        let retried = retries.remove(&ix).unwrap_or_default();
        step(run, ix, retried, tail)
    };
    let does = |ix: &StepIx| plan[*ix].absent.is_none() && plan[*ix].action != Action::Group;
    let steps: Vec<StepResult> = plan.indices().filter(does).map(&mut step).collect();
    let count = |outcome| {
        steps
            .iter()
            .filter(|step| step.outcome == Some(outcome))
            .count() as u32
    };
    let ids = |wanted: &dyn Fn(&&StepResult) -> bool| {
        let found = steps.iter().filter(wanted);
        found.map(|step| step.id.clone()).collect()
    };
    let until = match run.ended_at() {
        0 => run.last_at(),
        ended => ended,
    };
    RunResult {
        run_id: run_id.to_owned(),
        plan_id: plan.id.clone(),
        name: plan.name.clone(),
        version: plan.version.clone(),
        outcome: match run.phase() {
            crate::run::RunPhase::Finished(outcome) => Some(*outcome),
            _ => None,
        },
        reason: run.ended_because().map(Reason::to_string),
        started_at: known(run.started_at()),
        ended_at: known(run.ended_at()),
        duration_ms: until.saturating_sub(run.started_at()),
        total: steps.len() as u32,
        completed: count(Outcome::Succeeded),
        failed: count(Outcome::Failed),
        skipped: count(Outcome::Skipped),
        canceled: count(Outcome::Canceled),
        restart_required: ids(&|step| step.asks_for(Verdict::RestartRequired)),
        needs_handling: ids(&|step| step.asks_for(Verdict::NeedsHandling)),
        warnings: ids(&|step| step.tolerated || step.asks_for(Verdict::Warning)),
        steps,
    }
}

impl StepResult {
    /// It succeeded, and its exit means this.
    pub fn asks_for(&self, verdict: Verdict) -> bool {
        self.outcome == Some(Outcome::Succeeded) && self.verdict == Some(verdict)
    }

    /// What is to be known of a step that succeeded, if there is anything.
    pub fn remark(&self) -> Option<String> {
        let what = match self.verdict? {
            Verdict::Warning => "succeeded with a warning",
            Verdict::RestartRequired => "a restart is required",
            Verdict::NeedsHandling => "needs handling",
            Verdict::Success | Verdict::Failure => return None,
        };
        let code = self.exit_code.map(|code| format!(" ({code})"));
        let succeeded = self.outcome == Some(Outcome::Succeeded);
        succeeded.then(|| format!("{what}{}", code.unwrap_or_default()))
    }
}

/// What one step has come to.
pub(super) fn step(
    run: &RunState,
    ix: StepIx,
    retries: Vec<Retried>,
    tail: &mut Tail<'_>,
) -> StepResult {
    let (step, record) = (&run.plan()[ix], run.step(ix));
    let outcome = record.outcome();
    let end = record.last.end();
    let failed = outcome == Some(Outcome::Failed);
    let reason = match &record.state {
        StepState::Settled { reason, .. } => reason
            .as_deref()
            .map(|reason| one_line(&reason.to_string())),
        _ => None,
    };
    let skipped = outcome == Some(Outcome::Skipped);
    StepResult {
        id: step.id.to_string(),
        name: step.name.as_deref().unwrap_or(&step.id).to_owned(),
        number: number(&step.id).map(str::to_owned),
        group: group(run, ix),
        outcome,
        verdict: end.as_deref().map(|end| end.verdict),
        tolerated: failed && !run.counts_as_failure(ix),
        exit_code: end.as_deref().and_then(|end| exit_code(&end.exit)),
        attempts: words::attempts_made(record),
        started_at: known(record.started_at),
        ended_at: known(record.ended_at),
        duration_ms: end.as_deref().map(words::ran_ms),
        error: reason
            .clone()
            .filter(|_| failed || outcome == Some(Outcome::Canceled)),
        output: failed.then(|| joined(&tail(ix))).flatten(),
        skipped_because: reason.filter(|_| skipped),
        retries,
    }
}

/// The failed attempts of each step that were followed by others.
fn retries(events: &[Event]) -> BTreeMap<StepIx, Vec<Retried>> {
    let mut ends: BTreeMap<StepIx, Vec<(u32, &Finish)>> = BTreeMap::new();
    for event in events {
        if let Kind::StepFinished { attempt, end } = &event.kind
            && attempt.role == Role::Main
        {
            ends.entry(attempt.step)
                .or_default()
                .push((attempt.number, end));
        }
    }
    let earlier = |mut ends: Vec<(u32, &Finish)>| {
        ends.pop();
        let failed = ends
            .into_iter()
            .filter(|(_, end)| end.verdict == Verdict::Failure);
        failed.map(|(attempt, end)| retried(attempt, end)).collect()
    };
    ends.into_iter()
        .map(|(ix, ends)| (ix, earlier(ends)))
        .collect()
}

fn retried(attempt: u32, end: &Finish) -> Retried {
    Retried {
        attempt,
        duration_ms: words::ran_ms(end),
        error: one_line(&words::exit(end)),
        output: end.tail.as_deref().map(str::to_owned),
    }
}

fn exit_code(exit: &Exit) -> Option<i32> {
    match exit {
        Exit::Exited { code } => Some(*code),
        Exit::TimedOut { .. } => Some(124),
        Exit::Signaled { signal, .. } => Some(128 + signal),
        Exit::Canceled { .. }
        | Exit::FailedToStart { .. }
        | Exit::Interrupted
        | Exit::Lost { .. } => None,
    }
}

/// `0402` of `testing/0402_Run-Tests`.
fn number(id: &str) -> Option<&str> {
    let name = id.rsplit('/').next().unwrap_or(id);
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    (digits == 4).then(|| &name[..4])
}

fn group(run: &RunState, ix: StepIx) -> Option<String> {
    let step = &run.plan()[ix];
    let about = step.about.as_deref();
    let said = about.and_then(|about| about.stage.as_deref().or(about.group.as_deref()));
    let parent = || step.id.rsplit_once('/').map(|(parent, _)| parent);
    said.or_else(parent).map(str::to_owned)
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}

fn joined(lines: &[String]) -> Option<String> {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end_matches(['\r', '\n']));
        text.push('\n');
    }
    let cut = text.len().saturating_sub(TAIL_BYTES);
    let cut = (cut..).find(|at| text.is_char_boundary(*at))?;
    text.drain(..cut);
    (!text.is_empty()).then_some(text)
}

fn known(at: Millis) -> Option<Millis> {
    (at != 0).then_some(at)
}

fn moment<S: Serializer>(at: &Option<Millis>, to: S) -> Result<S::Ok, S::Error> {
    at.map(|at| rfc3339(at).to_string()).serialize(to)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::{About, Absent, OnFailure};
    use crate::view::testing::{self, RUN, Story, exited, timed_out};

    /// A run with something of everything.
    pub fn story() -> Story {
        let mut plan = testing::plan(&[
            "core/0001_Prepare",
            "0402_Run-Tests: core/0001_Prepare",
            "slow",
            "lint",
            "last: 0402_Run-Tests",
            "meet",
            "unselected",
        ]);
        for (id, code, verdict) in [
            ("core/0001_Prepare", 194, Verdict::RestartRequired),
            ("slow", 200, Verdict::NeedsHandling),
        ] {
            testing::policy(&mut plan, id, |policy| {
                policy.exit_codes.insert(code, verdict);
            });
        }
        testing::policy(&mut plan, "0402_Run-Tests", |policy| {
            policy.retry.count = 1;
            policy.on_failure = OnFailure::SkipDependents;
        });
        testing::policy(&mut plan, "lint", |policy| {
            policy.on_failure = OnFailure::Continue
        });
        let step = testing::step(&mut plan, "0402_Run-Tests");
        step.name = Some("Run | tests".into());
        step.about = Some(Box::new(About {
            stage: Some("Testing".into()),
            ..About::default()
        }));
        testing::step(&mut plan, "meet").action = Action::Group;
        testing::step(&mut plan, "unselected").absent = Some(Absent::NotSelected);
        Story::of(plan, |id, attempt| match (id, attempt) {
            ("core/0001_Prepare", _) => (exited(194), 100),
            ("0402_Run-Tests", 1) => (exited(3), 1_100),
            ("0402_Run-Tests", _) => (timed_out(1_200), 1_200),
            ("slow", _) => (exited(200), 10),
            _ => (exited(1), 10),
        })
    }

    pub fn result() -> RunResult {
        let story = story();
        let mut tail = |_: StepIx| {
            vec![
                "one\r\n".to_owned(),
                "\u{1b}[31mtwo\u{1b}[0m 100%".to_owned(),
            ]
        };
        of(RUN, &story.run, &story.events, &mut tail)
    }

    /// A51, A52, A53.
    #[test]
    fn a51_a52_a53_a_result_has_the_counts_and_every_step_that_does_something() {
        let result = result();
        assert_eq!(
            (
                result.total,
                result.completed,
                result.failed,
                result.skipped,
                result.canceled
            ),
            (5, 2, 2, 1, 0)
        );
        assert_eq!(result.restart_required, ["core/0001_Prepare"]);
        assert_eq!(result.needs_handling, ["slow"]);
        assert_eq!(result.warnings, ["lint"]);
        let ids: Vec<&str> = result.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "core/0001_Prepare",
                "0402_Run-Tests",
                "slow",
                "lint",
                "last"
            ]
        );
        insta::assert_snapshot!(serde_json::to_string_pretty(&result.steps[1]).unwrap(), @r##"
        {
          "id": "0402_Run-Tests",
          "name": "Run | tests",
          "number": "0402",
          "group": "Testing",
          "outcome": "failed",
          "verdict": "failure",
          "tolerated": false,
          "exit_code": 124,
          "attempts": 2,
          "started_at": "2026-11-20T12:00:00.100Z",
          "ended_at": "2026-11-20T12:00:02.400Z",
          "duration_ms": 1200,
          "error": "Timeout after 1.2s, after 2 attempts",
          "output": "one\n\u001b[31mtwo\u001b[0m 100%\n",
          "skipped_because": null,
          "retries": [
            {
              "attempt": 1,
              "duration_ms": 1100,
              "error": "exit 3",
              "output": null
            }
          ]
        }
        "##);
        let first = &result.steps[0];
        assert_eq!(first.number.as_deref(), Some("0001"));
        assert_eq!(first.group.as_deref(), Some("core"));
        assert_eq!(
            (first.error.as_deref(), first.output.as_deref()),
            (None, None)
        );
        assert!(result.steps[3].tolerated);
        let why = "it depends on 0402_Run-Tests, which failed";
        assert_eq!(result.steps[4].skipped_because.as_deref(), Some(why));
    }

    #[test]
    fn of_a_long_tail_the_end_is_kept_in_whole_characters() {
        let lines = vec!["ä".repeat(500); 20];
        let text = joined(&lines).unwrap();
        assert!(text.len() <= TAIL_BYTES && text.len() > TAIL_BYTES - 4);
        assert!(text.ends_with("ä\n"));
        assert_eq!(joined(&[]), None);
    }

    #[test]
    fn a_number_is_four_digits_and_no_more() {
        assert_eq!(number("a/0402_X"), Some("0402"));
        assert_eq!(number("0402"), Some("0402"));
        assert_eq!(number("04021_X"), None);
        assert_eq!(number("0402/x"), None);
        assert_eq!(number("402_X"), None);
    }

    #[test]
    fn a_run_that_goes_on_has_no_outcome_yet() {
        let plan = testing::plan(&["a"]);
        let begun = |event: &Event| matches!(event.kind, Kind::StepStarted { .. });
        let story = Story::until(plan, |_, _| (exited(0), 10), begun);
        let result = of(RUN, &story.run, &story.events, &mut |_| Vec::new());
        assert_eq!((result.outcome, result.ended_at), (None, None));
        assert_eq!((result.total, result.completed), (1, 0));
    }
}
