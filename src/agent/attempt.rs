//! One attempt: from what the step was told to what it puts out.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::contract::{self, MOST_PRINTED};
use super::worktree::{self, Entered};
use super::{budget, builder, doc, fan_in, gate, planner, program, report, reviewer, work};
use crate::plan::agent::{
    ENTRY, Entry, Given, STUCK, Task, Told, Usage, VERDICT, Verdict, Work, merged,
};
use crate::plan::isolation::BASE;

/// Where and when an attempt is made.
pub struct Place<'p> {
    /// The run's id.
    pub run: String,
    /// The step's id.
    pub step: String,
    /// From 1.
    pub attempt: u32,
    /// Where what it is told and says may lie while it works. The run's, so that what
    /// an attempt leaves that is killed goes with the run; nobody else's at this time.
    pub folder: std::path::PathBuf,
    /// What time it is, as RFC 3339.
    pub now: &'p dyn Fn() -> String,
}

/// What came of it.
#[derive(Debug)]
pub struct Came {
    /// Names and values, each on one line.
    pub outputs: Vec<(&'static str, String)>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// What was done, before anybody has judged it.
#[derive(Default)]
struct Done {
    result: Value,
    usage: Option<Usage>,
    failed: Option<String>,
}

impl Done {
    fn failed(why: String) -> Done {
        Done {
            failed: Some(why),
            ..Done::default()
        }
    }
}

/// Makes the attempt. `told` is the step's standard input.
///
/// # Errors
/// It is not what an agent's step is told.
pub fn attempt(told: &[u8], place: &Place<'_>) -> Result<Came, String> {
    let mut told: Told = serde_json::from_slice(told)
        .map_err(|error| format!("this is not what an agent's step is told: {error}"))?;
    let started_at = (place.now)();
    let isolation = told.assignment.isolation.take();
    let base = told.base.clone();
    let entered = within_together(&told, None).and_then(|()| {
        let entered = isolation.as_ref();
        let entered = entered.map(|isolation| worktree::enter(isolation, &place.run, &base));
        entered.transpose()
    });
    let (done, entered) = match entered {
        Err(failed) => (Done::failed(failed), None),
        Ok(entered) => {
            let there = move_in(&mut told, entered.as_ref());
            let acted = there.and_then(|()| act(&told, place, entered.as_ref()));
            (judged(&told, acted), entered)
        }
    };
    let mut entry = entry(&told, done, place, started_at);
    if let Some(entered) = entered {
        keep(&entered, &told, &mut entry);
        entered.leave();
    }
    Ok(came(&told, entry))
}

/// Where the agent works in a worktree, so does the task.
fn move_in(told: &mut Told, entered: Option<&Entered<'_>>) -> Result<(), String> {
    if let (Some(entered), Some(task)) = (entered, &mut told.given.task) {
        let inside = entered.inside(Path::new(&task.working_dir))?;
        task.working_dir = inside.to_string_lossy().into_owned();
    }
    Ok(())
}

/// What is told of the attempt.
fn entry(told: &Told, done: Done, place: &Place<'_>, started_at: String) -> Entry {
    let assignment = &told.assignment;
    let mut entry = Entry {
        agent: assignment.agent.clone(),
        step: place.step.clone(),
        attempt: place.attempt,
        started_at,
        ended_at: (place.now)(),
        verdict: verdict(told, &done),
        result: done.result,
        error: done.failed,
        usage: done.usage,
        work: None,
        commit: None,
    };
    if assignment.work == Work::Gate {
        // It judges verdicts, and has none of its own.
        entry.verdict = None;
    } else if assignment.rounds.is_some() {
        entry.work = told.given.task.as_ref().map(work::fingerprint);
    } else if entry.verdict == Some(Verdict::Rejected) && entry.error.is_none() {
        entry.error = Some(format!("rejected{}", findings(&entry.result)));
    }
    entry
}

/// Keeps what a successful attempt has left in its worktree. What cannot be kept
/// nobody may count on.
fn keep(entered: &Entered<'_>, told: &Told, entry: &mut Entry) {
    if entry.error.is_some() {
        return;
    }
    match entered.keep(&entry.agent, &entry.step) {
        Ok(commit) => entry.commit = Some(commit),
        Err(why) => {
            entry.error = Some(why);
            entry.verdict = told.assignment.rounds.as_ref().map(|_| Verdict::Rejected);
        }
    }
}

fn came(told: &Told, entry: Entry) -> Came {
    let mut outputs = Vec::new();
    if let Some(verdict) = entry.verdict {
        outputs.push((VERDICT, verdict.word().to_owned()));
    }
    if let (Some(rounds), Some(Verdict::Rejected)) = (&told.assignment.rounds, entry.verdict) {
        let mut entries = told.history.iter().flatten();
        let before = entries.rfind(|entry| rounds.contains(&entry.step));
        let stuck = before.and_then(|before| gate::stuck(before, &entry));
        outputs.extend(stuck.map(|why| (STUCK, why.to_owned())));
    }
    if matches!(told.assignment.work, Work::Base(_)) {
        let base = fan_in::base_of(&entry.result);
        outputs.extend(base.map(|base| (BASE, base.to_owned())));
    }
    let failed = entry.error.clone();
    // Compact JSON has no line breaks.
    let line = serde_json::to_string(&entry).expect("an entry has no keys but texts");
    outputs.push((ENTRY, line));
    Came { outputs, failed }
}

/// Whether all agents together are within their budget, with what this one used.
fn within_together(told: &Told, own: Option<Usage>) -> Result<(), String> {
    let reported = told.history.iter().flatten().filter_map(|e| e.usage);
    let mut all = reported.chain(own);
    match all.next() {
        None => Ok(()),
        Some(first) => {
            let used = all.fold(first, Usage::plus);
            budget::check(
                Some(used),
                &told.assignment.together,
                "of all agents together",
            )
        }
    }
}

/// Does the work.
fn act(told: &Told, place: &Place<'_>, worktree: Option<&Entered<'_>>) -> Result<Done, String> {
    let assignment = &told.assignment;
    let task = || -> Result<&Task, String> {
        let task = told.given.task.as_ref();
        task.ok_or_else(|| format!("{} works on a task, and there is none", assignment.agent))
    };
    let context = merged(told.history.iter().flatten());
    let result = match &assignment.work {
        Work::Program(argv) => return run(told, argv, &context, place, worktree),
        Work::Planner => planner::plan(&told.given, task()?)?,
        Work::Builder => {
            let (result, failed) = builder::build(task()?, worktree)?;
            return Ok(Done {
                result,
                failed,
                ..Done::default()
            });
        }
        Work::Reviewer => reviewer::review(task()?),
        Work::Doc => doc::document(task()?, &context)?,
        Work::Approval => json!({"verdict": Verdict::Approved}),
        Work::Gate => {
            let rounds = assignment.rounds.as_deref().unwrap_or_default();
            gate::judge(rounds, &told.history)?
        }
        Work::Base(worktree) => fan_in::base(worktree)?,
        Work::Merge(changes) => fan_in::merge(told, changes, &place.run)?,
        Work::Discard(worktrees) => fan_in::discard(worktrees, &place.run)?,
        Work::Remove(worktrees) => fan_in::clear(worktrees, &place.run)?,
    };
    Ok(Done {
        result,
        ..Done::default()
    })
}

fn run(
    told: &Told,
    argv: &[String],
    context: &Map<String, Value>,
    place: &Place<'_>,
    worktree: Option<&Entered<'_>>,
) -> Result<Done, String> {
    let shown = shown(&told.given, context, &told.history);
    let gave = program::run(argv, &shown, &place.folder, worktree)?;
    if let Some(failed) = gave.failed {
        return Err(failed);
    }
    let too_much = |bytes: &[u8]| bytes.len() as u64 > MOST_PRINTED;
    let source = gave.written.as_deref().unwrap_or(&gave.printed);
    if too_much(source) {
        return Err(format!("its result has more than {MOST_PRINTED} bytes"));
    }
    let report = report::read(
        told.assignment.prints,
        &gave.printed,
        gave.written.as_deref(),
    )?;
    Ok(Done {
        result: report.result,
        usage: report.usage,
        failed: None,
    })
}

/// What a program is shown: all but what only concerns us.
fn shown(given: &Given, context: &Map<String, Value>, history: &[Option<Entry>]) -> String {
    let mut shown = match json!(given) {
        Value::Object(given) => given,
        _ => Map::new(),
    };
    shown.insert("context".into(), Value::Object(context.clone()));
    shown.insert(
        "history".into(),
        json!(history.iter().flatten().collect::<Vec<_>>()),
    );
    Value::Object(shown).to_string()
}

/// Holds what was done against the schema and the budgets. What does not stand the
/// test is no result.
fn judged(told: &Told, done: Result<Done, String>) -> Done {
    let mut done = done.unwrap_or_else(Done::failed);
    let assignment = &told.assignment;
    done.usage = done
        .usage
        .map(|usage| budget::priced(usage, assignment.price));
    if done.failed.is_some() {
        return done;
    }
    let fits = contract::check(&done.result, &contract::schema(&assignment.work)).and_then(|()| {
        let own = assignment.schema.as_ref();
        own.map_or(Ok(()), |schema| contract::check(&done.result, schema))
    });
    if let Err(why) = fits {
        done.result = Value::Null;
        done.failed = Some(why);
        return done;
    }
    let whose = format!("of {}", assignment.agent);
    let within = budget::check(done.usage, &assignment.budget, &whose)
        .and_then(|()| within_together(told, done.usage));
    done.failed = within.err();
    done
}

/// What the result says of the work. Who decides about a further round and says
/// nothing that can be read has rejected.
fn verdict(told: &Told, done: &Done) -> Option<Verdict> {
    let said = done.result.get("verdict");
    let read = said.map(|said| serde_json::from_value(said.clone()));
    match read {
        Some(Ok(verdict)) if done.failed.is_none() => Some(verdict),
        None if told.assignment.rounds.is_none() => None,
        _ => Some(Verdict::Rejected),
    }
}

/// `: missing: b`, as far as the result says anything.
fn findings(result: &Value) -> String {
    let report = result.pointer("/review/report").and_then(Value::as_str);
    let report = report.map(str::to_owned);
    let found = || Some(result.get("findings")?.to_string());
    match report.or_else(found) {
        Some(said) => format!(": {}", said.chars().take(200).collect::<String>()),
        None => String::new(),
    }
}
