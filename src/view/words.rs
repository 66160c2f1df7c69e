//! The words for what a step or a run is doing, the same in every view.
//!
//! Sentences about *why* come from [`Reason`]; here is only what it is called.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use super::escape::push_clean;
use super::time::{so_far, took};
use crate::plan::graph::waits;
use crate::plan::{Absent, Action, Plan, StepIx, Verdict};
use crate::run::{
    Counts, Exit, Finish, Millis, Output, Reason, Role, RunPhase, RunState, StepRecord, StepState,
    Stopping,
};

/// The word for the run's state in the store and in JSON.
pub fn run_word(run: &RunState) -> &'static str {
    match run.phase() {
        RunPhase::Pending => "pending",
        RunPhase::Finished(outcome) => outcome.word(),
        _ => "running",
    }
}

/// What the run is doing beyond its state's word, if it does something unusual.
pub fn run_phase(run: &RunState) -> Option<&'static str> {
    match run.phase() {
        RunPhase::Stopping(Stopping::Restart) => Some("stopping for a restart"),
        RunPhase::Stopping(Stopping::Abort) => Some("stopping after a failure"),
        RunPhase::Stopping(Stopping::Deadline) => Some("stopping: its deadline passed"),
        RunPhase::Stopping(Stopping::Cancel) => Some("stopping on request"),
        RunPhase::Stopping(Stopping::Kill) => Some("stopping at once"),
        RunPhase::RollingBack => Some("taking completed steps back"),
        RunPhase::Cleanup => Some("running the steps that always run"),
        RunPhase::Pending | RunPhase::Running | RunPhase::Finished(_) => None,
    }
}

/// ` (2 fresh, 1 remedied)`: of the steps that succeeded, those that did not
/// simply run. Empty where there are none.
pub fn how_succeeded(counts: &Counts) -> String {
    let parts = [(counts.fresh, "fresh"), (counts.remedied, "remedied")];
    let told = parts.into_iter().filter(|(n, _)| *n > 0);
    let told: Vec<String> = told.map(|(n, word)| format!("{n} {word}")).collect();
    match told.is_empty() {
        true => String::new(),
        false => format!(" ({})", told.join(", ")),
    }
}

/// How much of the run is done, in hundredths; all of it where there is nothing to do.
pub fn percent(counts: &Counts) -> f64 {
    match counts.total {
        0 => 100.0,
        total => f64::from(counts.settled()) * 100.0 / f64::from(total),
    }
}

/// The exit in few words: `exit 3`, `signal 9`, `timed out`; what the
/// executor said of it, where that is more.
pub fn exit(end: &Finish) -> Cow<'_, str> {
    match (&end.exit, &end.error) {
        (Exit::Exited { .. } | Exit::Signaled { .. }, _) | (_, None) => end.exit.to_string().into(),
        (_, Some(error)) => error.as_str().into(),
    }
}

/// The exit, and how long it took to come: `exit 3 after 1.2s`. Exits that
/// tell the time themselves, or ended nothing that ran, say no more.
pub fn ended(end: &Finish) -> String {
    match &end.exit {
        Exit::TimedOut { .. }
        | Exit::FailedToStart { .. }
        | Exit::Interrupted
        | Exit::Lost { .. } => exit(end).into_owned(),
        _ => format!("{} after {}", exit(end), took(ran_ms(end))),
    }
}

/// How many milliseconds the attempt's program ran.
pub fn ran_ms(end: &Finish) -> u64 {
    end.ended_at.saturating_sub(end.started_at)
}

/// Why the run ended, to follow the word for how: `: asked for (Ctrl-C)`,
/// ` because of build and 3 more`.
pub fn because(reason: &Reason) -> String {
    match reason {
        Reason::StepsFailed { steps } => {
            let shown = &steps[..steps.len().min(MOST_IDS)];
            let more = match steps.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(" because of {}{more}", shown.join(", "))
        }
        reason => format!(": {reason}"),
    }
}

/// What a successful exit wants to be said beside it.
pub fn remark(end: &Finish) -> Option<String> {
    let verdict = match end.verdict {
        Verdict::Success | Verdict::Failure => None,
        Verdict::Warning => Some(format!("with a warning ({})", exit(end))),
        Verdict::RestartRequired => Some(format!("a restart is required ({})", exit(end))),
        // What is to be done about it, the number tells those who know the program.
        Verdict::NeedsHandling => Some(match end.exit.code() {
            Some(code) => format!("needs handling ({code})"),
            None => "needs handling".to_owned(),
        }),
    };
    joined([verdict, beside(end)])
}

/// What went wrong beside an exit that is no failure.
pub fn beside(end: &Finish) -> Option<String> {
    let leaked = end
        .leaked
        .then(|| "processes it left behind were ended".to_owned());
    let error = end
        .error
        .clone()
        .filter(|_| end.verdict != Verdict::Failure);
    joined([leaked, error])
}

fn joined(said: [Option<String>; 2]) -> Option<String> {
    let said: Vec<String> = said.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// What is not in the output that an attempt left, though the step wrote it.
pub fn left_out(output: &Output) -> Vec<String> {
    let mut said = Vec::new();
    if output.masked > 0 {
        let places = counted(output.masked as usize, "place");
        said.push(format!("secrets were masked in {places} of what it wrote"));
    }
    if output.dropped > 0 {
        let bytes = counted(output.dropped as usize, "byte");
        said.push(format!(
            "{bytes} of its output were left out, by max_output"
        ));
    }
    said
}

/// How long the step has taken, or has been running.
pub fn duration_ms(run: &RunState, ix: StepIx, now: Millis) -> Option<u64> {
    let record = run.step(ix);
    match record.state {
        StepState::Running { since, .. } => Some(now.saturating_sub(since)),
        _ => record.last.end().map(|end| ran_ms(&end)),
    }
}

/// [`duration_ms`] in words; empty where there is none.
pub fn duration(run: &RunState, ix: StepIx, now: Millis) -> String {
    match duration_ms(run, ix, now) {
        None => String::new(),
        Some(ms) if matches!(run.step(ix).state, StepState::Running { .. }) => {
            so_far(ms).to_string()
        }
        Some(ms) => took(ms).to_string(),
    }
}

/// One line on where the step stands, beyond its state's word; empty where
/// the word says it all.
pub fn note(run: &RunState, ix: StepIx, now: Millis) -> String {
    let record = run.step(ix);
    match &record.state {
        StepState::Absent => absent(run.plan(), ix).to_owned(),
        StepState::Pending => waiting(run, ix),
        StepState::Asked {
            role: Role::Remedy, ..
        } => "it failed, and a person is asked about its remedy".to_owned(),
        StepState::Asked { .. } => "a person is asked".to_owned(),
        StepState::Claimed { .. } => match waits_for(run, ix).is_empty() {
            true => "about to start".to_owned(),
            false => waiting(run, ix),
        },
        StepState::Blocked { by, .. } => match &by.holder {
            Some(holder) => format!("waits for {}, held by {holder}", by.on),
            None => format!("waits for {}", by.on),
        },
        StepState::Running { role, attempt, .. } => match (record.stopping, role, attempt) {
            (Some(_), ..) => "being stopped".to_owned(),
            (None, Role::Remedy, _) => "its remedy runs".to_owned(),
            (None, _, 1) => String::new(),
            (None, _, n) => format!("attempt {n}"),
        },
        StepState::Failing { .. } => record
            .last
            .end()
            .map_or_else(String::new, |end| exit(&end).into_owned()),
        StepState::Backoff {
            role,
            attempt,
            not_before,
        } => {
            let left = so_far(not_before.saturating_sub(now) + 999);
            match role {
                Role::Remedy => format!("its remedy in {left}"),
                _ => format!("attempt {attempt} in {left}"),
            }
        }
        StepState::Settled { reason, .. } => {
            match (reason.as_deref(), record.last.end().as_deref()) {
                (Some(Reason::Ready), _) => String::new(),
                (Some(reason), _) => past_meetings(run, reason).to_string(),
                (None, Some(end)) => {
                    let remedied = record.was_remedied().then(|| "remedied".to_owned());
                    joined([remedied, remark(end)]).unwrap_or_default()
                }
                (None, None) => String::new(),
            }
        }
    }
}

/// The reason that people are told. A meeting point only passes on what it was
/// itself kept from, so for whoever depended on one, that is the reason too.
pub fn past_meetings<'a>(run: &'a RunState, reason: &'a Reason) -> &'a Reason {
    /// Further out than this nobody knows any more what the step has to do with it.
    const FAR: usize = 1_000;
    let mut reason = reason;
    for _ in 0..FAR {
        match kept_from(run, reason) {
            Some((ix, further)) if run.plan()[ix].action == Action::Group => reason = further,
            _ => break,
        }
    }
    reason
}

/// The step that another was kept from by, and what kept that one itself.
pub fn kept_from<'a>(run: &'a RunState, reason: &Reason) -> Option<(StepIx, &'a Reason)> {
    let Reason::Dependency { step, .. } = reason else {
        return None;
    };
    let ix = run.find(step)?;
    match &run.step(ix).state {
        StepState::Settled {
            reason: Some(further),
            ..
        } if matches!(**further, Reason::Dependency { .. }) => Some((ix, further)),
        _ => None,
    }
}

/// Why an absent step takes no part.
pub fn absent(plan: &Plan, ix: StepIx) -> &'static str {
    match plan[ix].absent {
        Some(Absent::Disabled) => "switched off in the file",
        Some(Absent::Removed) => "not part of the plan any more",
        _ => "not selected",
    }
}

fn waiting(run: &RunState, ix: StepIx) -> String {
    let waits = waits_for(run, ix);
    match waits.is_empty() {
        true => "waits for its turn".to_owned(),
        false => format!("waits for {}", Ids(run.plan(), &waits)),
    }
}

/// The steps whose end `ix` still waits for.
pub fn waits_for(run: &RunState, ix: StepIx) -> Vec<StepIx> {
    let direct = run.waiting_for(ix);
    through_absent(run.plan(), direct, |ix| run.waiting_for(ix))
}

/// The steps whose end `ix` would have to wait for in a run.
pub fn would_wait_for(plan: &Plan, ix: StepIx) -> Cow<'_, [StepIx]> {
    let step = &plan[ix];
    let only_needs = step.after.is_empty() && step.fallback_of.is_none();
    if only_needs && step.needs.iter().all(|ix| plan[*ix].absent.is_none()) {
        return Cow::Borrowed(&step.needs);
    }
    let direct = waits(plan, ix).collect();
    through_absent(plan, direct, |ix| waits(plan, ix).collect()).into()
}

/// Replaces absent steps, which only pass order on, by what they wait for.
fn through_absent(
    plan: &Plan,
    direct: Vec<StepIx>,
    next: impl Fn(StepIx) -> Vec<StepIx>,
) -> Vec<StepIx> {
    /// People are shown a few of them; nobody needs to search a plan for all.
    const FAR: usize = 1_000;
    if direct.iter().all(|ix| plan[*ix].absent.is_none()) {
        return direct;
    }
    let mut seen: BTreeSet<StepIx> = direct.iter().copied().collect();
    let (mut work, mut found) = (direct, BTreeSet::new());
    while let Some(ix) = work.pop() {
        if plan[ix].absent.is_none() {
            found.insert(ix);
        } else if seen.len() < FAR {
            work.extend(next(ix).into_iter().filter(|ix| seen.insert(*ix)));
        }
    }
    found.into_iter().collect()
}

/// Attempts of which something ran, or tried to. The state counts an attempt
/// from when it is allowed, which may be long before.
pub fn attempts_made(record: &StepRecord) -> u32 {
    match &record.state {
        StepState::Claimed { .. } | StepState::Blocked { .. } => record.attempts.saturating_sub(1),
        StepState::Settled { .. } if record.last.is_none() => 0,
        _ => record.attempts,
    }
}

/// Ids in a row, at most a handful of them.
pub struct Ids<'a>(pub &'a Plan, pub &'a [StepIx]);

const MOST_IDS: usize = 5;

impl Ids<'_> {
    /// Appends them.
    pub fn push(&self, to: &mut String) {
        let Ids(plan, steps) = self;
        for (n, ix) in steps.iter().take(MOST_IDS).enumerate() {
            to.push_str(if n == 0 { "" } else { ", " });
            push_clean(&plan[*ix].id, to);
        }
        if let more @ 1.. = steps.len().saturating_sub(MOST_IDS) {
            to.push_str(&format!(" and {more} more"));
        }
    }
}

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = String::new();
        self.push(&mut shown);
        f.write_str(&shown)
    }
}

/// `1 step`, `2 steps`.
pub fn counted(n: usize, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// A sign for a state's word, for pictures: colour alone tells too little.
pub fn sign(word: &str) -> &'static str {
    match word {
        "succeeded" => "✓",
        "failed" | "quarantined" => "✗",
        "running" => "▶",
        "skipped" => "–",
        "canceled" => "⊘",
        _ => "○",
    }
}
