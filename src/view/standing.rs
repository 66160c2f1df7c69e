//! A run as it stands, for programs: what `status --json` and the interface tell.
//!
//! Types rather than loose values, so that the interface's description is made of what is
//! really told. People are told the same by [`super::status`].

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::order::sections;
use super::runs::RunListed;
use super::status::Subject;
use super::timeline::{AttemptTold, Timeline, signal};
use super::words;
use crate::plan::{Plan, StepIx, Verdict};
use crate::run::record::rfc3339;
use crate::run::{End, Engine, Millis, Reason, StepState};

/// A run as it stands, for programs. Moments are RFC 3339; steps are named by their ids.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunTold<'a> {
    run: HeaderTold<'a>,
    /// How many of a hundred steps are settled, to a tenth.
    progress_pct: f64,
    counts: CountsTold,
    /// Those whose failure was tolerated.
    warnings: Vec<&'a str>,
    /// Those after which the machine wants a restart.
    restart_required: Vec<&'a str>,
    /// Those that succeeded and want something handled specially.
    needs_handling: Vec<&'a str>,
    /// In the order in which people find them.
    steps: Vec<StepTold<'a>>,
    /// Every attempt, in the order in which they began.
    timeline: Vec<AttemptTold<'a>>,
    /// The runs that go on now, where they were asked for.
    #[schema(value_type = Option<Vec<RunListed>>)]
    active_runs: Value,
}

/// What a run is, and how it stands as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeaderTold<'a> {
    run_id: &'a str,
    plan_id: &'a str,
    /// The plan's.
    name: &'a str,
    version: &'a str,
    /// `pending`, `running`, or how it ended.
    state: &'static str,
    /// What it does beside running, such as rolling back.
    phase: Option<&'static str>,
    /// It has not ended, and no engine drives it any more.
    interrupted: bool,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// How long it took, or has taken so far.
    duration_ms: u64,
    /// Why it ended as it did.
    reason: Option<String>,
    /// The process that drives it, or drove it last.
    #[schema(value_type = Option<Object>)]
    engine: Option<&'a Engine>,
}

/// How many steps stand how.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountsTold {
    total: u32,
    /// All that are settled.
    completed: u32,
    succeeded: u32,
    /// Those that did not have to run.
    fresh: u32,
    remedied: u32,
    failed: u32,
    skipped: u32,
    canceled: u32,
    running: usize,
}

/// A step as it stands, for programs. Moments are RFC 3339; steps are named by their ids.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepTold<'a> {
    step_id: &'a str,
    name: &'a str,
    /// The heading that people find it under.
    group: Option<&'a str>,
    /// `pending`, `running`, or how it was settled.
    state: &'static str,
    /// What is to be said of it in a line.
    note: Option<String>,
    /// Why it was settled so, as its event has it: a word, or an object with one key.
    #[schema(value_type = Value)]
    reason: Option<&'a Reason>,
    /// How many were made.
    attempts: u32,
    /// How the last attempt ended, as the timeline says it.
    #[schema(value_type = Option<String>)]
    end: Option<End>,
    /// What that means: `success`, `warning`, `restart_required`, `needs_handling` or
    /// `failure`.
    #[schema(value_type = Option<String>)]
    verdict: Option<Verdict>,
    exit_code: Option<i32>,
    /// Which one ended it.
    signal: Option<i32>,
    /// In how many places of its output a secret was masked.
    masked: u64,
    /// How much of its output was not kept.
    dropped_bytes: u64,
    error: Option<String>,
    started_at: Option<String>,
    ended_at: Option<String>,
    duration_ms: Option<u64>,
    needs: Vec<&'a str>,
    /// Of one that is not settled: what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<Vec<&'a str>>,
}

/// Everything, for programs. `active` is the list of runs that go on now.
pub fn told<'a>(subject: Subject<'a>, timeline: &Timeline, active: Value) -> RunTold<'a> {
    let run = subject.run;
    let plan = run.plan();
    let counts = run.counts();
    RunTold {
        run: header_told(subject),
        progress_pct: (words::percent(counts) * 10.0).round() / 10.0,
        counts: CountsTold {
            total: counts.total,
            completed: counts.settled(),
            succeeded: counts.succeeded,
            fresh: counts.fresh,
            remedied: counts.remedied,
            failed: counts.failed,
            skipped: counts.skipped,
            canceled: counts.canceled,
            running: run.running().count(),
        },
        warnings: ids(plan, &run.tolerated_failures()),
        restart_required: ids(plan, &run.succeeded_with(Verdict::RestartRequired)),
        needs_handling: ids(plan, &run.succeeded_with(Verdict::NeedsHandling)),
        steps: steps(subject),
        timeline: timeline.told(plan),
        active_runs: active,
    }
}

fn header_told(subject: Subject<'_>) -> HeaderTold<'_> {
    let Subject { run_id, run, .. } = subject;
    let plan = run.plan();
    HeaderTold {
        run_id,
        plan_id: &plan.id,
        name: &plan.name,
        version: &plan.version,
        state: words::run_word(run),
        phase: words::run_phase(run),
        interrupted: subject.interrupted,
        started_at: moment(run.started_at()),
        ended_at: moment(run.ended_at()),
        duration_ms: subject.duration_ms(),
        reason: run.ended_because().map(Reason::to_string),
        engine: run.engine(),
    }
}

fn steps(subject: Subject<'_>) -> Vec<StepTold<'_>> {
    let order = sections(subject.run.plan());
    let all = order
        .iter()
        .flat_map(|section| section.steps.iter().map(|ix| (section.group, *ix)));
    all.map(|(group, ix)| step(subject, group, ix)).collect()
}

/// One step as it stands, for programs; `group` is the heading that people find it under.
pub fn step<'a>(subject: Subject<'a>, group: Option<&'a str>, ix: StepIx) -> StepTold<'a> {
    let Subject { run, now, .. } = subject;
    let (plan, record) = (run.plan(), run.step(ix));
    let step = &plan[ix];
    let last = record.last.end();
    let last = last.as_deref();
    let reason = match &record.state {
        StepState::Settled { reason, .. } => reason.as_deref(),
        _ => None,
    };
    let note = words::note(run, ix, now);
    let is_open = record.outcome().is_none();
    StepTold {
        step_id: &step.id,
        name: step.name.as_ref().unwrap_or(&step.id),
        group,
        state: record.word(),
        note: (!note.is_empty()).then_some(note),
        reason,
        attempts: words::attempts_made(record),
        end: last.map(|end| end.end()),
        verdict: last.map(|end| end.verdict),
        exit_code: last.and_then(|end| end.exit.code()),
        signal: last.and_then(|end| signal(&end.exit)),
        masked: last.map_or(0, |end| end.output.masked),
        dropped_bytes: last.map_or(0, |end| end.output.dropped),
        error: last
            .and_then(|end| end.error.as_deref())
            .map(ToString::to_string),
        started_at: moment(record.started_at),
        ended_at: moment(record.ended_at),
        duration_ms: words::duration_ms(run, ix, now),
        needs: ids(plan, &step.needs),
        waits_for: is_open.then(|| ids(plan, &words::waits_for(run, ix))),
    }
}

/// None where it has not come.
fn moment(at: Millis) -> Option<String> {
    (at != 0).then(|| rfc3339(at).to_string())
}

fn ids<'a>(plan: &'a Plan, steps: &[StepIx]) -> Vec<&'a str> {
    steps.iter().map(|ix| &*plan[*ix].id).collect()
}
