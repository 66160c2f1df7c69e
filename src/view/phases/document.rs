//! The tree for programs: the state of each phase as one object, those of its
//! children inside it.
//!
//! The names and words are those of the phase trees' own state files: `status`
//! is `pending`, `running`, `completed`, `failed` or `skipped`, and nothing else.
//! What was canceled is `skipped` if it never ran, and `failed` if it was cut
//! short. An error stands where it happened and nowhere else, with its full path;
//! that something below it failed, a phase's own status tells.
//!
//! The tree is a list, and is written without recursion: a tree may be a
//! thousand levels deep.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Place, Tally, places};
use crate::plan::{Plan, StepIx};
use crate::run::record::rfc3339;
use crate::run::{Event, Kind, Millis, Outcome, Reason, RunOutcome, RunPhase, RunState, StepState};
use crate::view::log_file::{self, Lines, ROOT};
use crate::view::status::Subject;
use crate::view::words;

/// The variable in which a step is passed its configuration, as JSON.
const CONFIG: &str = "QUINTET_CONFIG";

/// What has become of a run, phase by phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The root, and then all phases and steps, each before its children.
    pub phases: Vec<Phase>,
}

/// A phase or step, or the run itself, in the order of its JSON.
///
/// ```json
/// {
///   "status": "failed", "phase": "bluetooth", "current_step": null,
///   "logs": ["[2026-11-20 12:03:05] [ERROR] [config/bluetooth] failed (exit 3) after 1.2s: no adapter"],
///   "children": {},
///   "errors": ["config/bluetooth: exit 3: no adapter"],
///   "config": {"scan": true},
///   "start_time": "2026-11-20T12:03:04.000Z", "end_time": "2026-11-20T12:03:05.200Z"
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its id, and with it its place in the tree; empty for the root.
    pub path: String,
    /// How many levels it stands under the root, which is at 0.
    pub depth: usize,
    pub status: Status,
    /// The last part of its path; `root` for the root.
    pub phase: String,
    /// The path of the step at or below it that runs now, of several the first.
    pub current_step: Option<String>,
    /// What happened to it, a line each, as in a plan's log file.
    pub logs: Vec<String>,
    /// What went wrong with it itself, after its path.
    pub errors: Vec<String>,
    /// What it was passed; of the root the plan's metadata. Values of secrets are
    /// in no record.
    pub config: Value,
    /// When the first of it started. RFC 3339 in JSON.
    pub start_time: Option<Millis>,
    /// When the last of it ended, if nothing of it is left to be done.
    pub end_time: Option<Millis>,
}

/// How a phase or a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Running,
    Completed,
    Failed,
    Skipped,
}

impl Status {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Skipped => "skipped",
        }
    }

    fn of(word: &str, has_begun: bool) -> Self {
        match word {
            "succeeded" => Status::Completed,
            "failed" | "quarantined" => Status::Failed,
            "canceled" if has_begun => Status::Failed,
            "running" => Status::Running,
            "pending" => Status::Pending,
            _ => Status::Skipped,
        }
    }
}

/// The tree of a run, which all these events have happened to. The lines' times
/// are as in `zone`.
pub fn of(subject: Subject<'_>, events: &[Event], zone: &TimeZone) -> Tree {
    let mut said = Said::by(subject.run, events, zone);
    let places = places(subject);
    let mut phases = Vec::with_capacity(places.len() + 1);
    phases.push(root(subject, &places, &mut said));
    let mut path = String::new();
    let mut lengths: Vec<usize> = Vec::new();
    for place in &places {
        lengths.truncate(place.node.depth);
        path.truncate(lengths.last().copied().unwrap_or(0));
        if place.node.depth > 0 {
            path.push('/');
        }
        path.push_str(place.node.name);
        lengths.push(path.len());
        phases.push(phase(subject, place, &path, &mut said));
    }
    Tree { phases }
}

/// What the events say of each step, and of the run.
#[derive(Default)]
struct Said {
    logs: BTreeMap<Option<StepIx>, Vec<String>>,
    last_words: BTreeMap<StepIx, Box<str>>,
}

impl Said {
    fn by(run: &RunState, events: &[Event], zone: &TimeZone) -> Self {
        let mut said = Said::default();
        let mut lines = Lines::new(zone.clone());
        let mut then = RunState::new(run.plan().clone());
        for event in events {
            // What the run has been folded from can be folded again.
            if then.apply(event).is_err() {
                break;
            }
            if let Some(line) = lines.take(&then, event) {
                said.logs.entry(line.step).or_default().push(line.text);
            }
            if let Kind::StepFinished { attempt, end } = &event.kind {
                match log_file::last_words(end) {
                    Some(words) => said.last_words.insert(attempt.step, words.into()),
                    None => said.last_words.remove(&attempt.step),
                };
            }
        }
        said
    }

    fn logs_of(&mut self, step: Option<StepIx>) -> Vec<String> {
        self.logs.remove(&step).unwrap_or_default()
    }
}

fn root(subject: Subject<'_>, places: &[Place<'_>], said: &mut Said) -> Phase {
    let run = subject.run;
    let top = places.iter().filter(|place| place.node.depth == 0);
    let current = top.filter_map(|place| place.below.current).next();
    let known = |at: Millis| (at != 0).then_some(at);
    Phase {
        path: String::new(),
        depth: 0,
        status: Status::of(words::run_word(run), true),
        phase: ROOT.to_owned(),
        current_step: current.map(|ix| run.plan()[ix].id.to_string()),
        logs: said.logs_of(None),
        errors: of_the_run(subject).into_iter().collect(),
        config: json!(run.plan().metadata),
        start_time: known(run.started_at()),
        end_time: known(run.ended_at()),
    }
}

/// What went wrong with the run that is not a step's failure.
fn of_the_run(subject: Subject<'_>) -> Option<String> {
    if subject.interrupted {
        let run_id = subject.run_id;
        return Some(format!("its engine is gone; quintet resume {run_id}"));
    }
    let reason = subject.run.ended_because()?;
    let tells = !matches!(
        (subject.run.phase(), reason),
        (RunPhase::Finished(RunOutcome::Succeeded), _) | (_, Reason::StepsFailed { .. })
    );
    tells.then(|| reason.to_string())
}

fn phase(subject: Subject<'_>, place: &Place<'_>, path: &str, said: &mut Said) -> Phase {
    let (run, below) = (subject.run, &place.below);
    let step = place.node.step;
    let own = place.step(run);
    Phase {
        path: path.to_owned(),
        depth: place.node.depth + 1,
        status: Status::of(place.word, below.started_at != 0),
        phase: place.node.name.to_owned(),
        current_step: below.current.map(|ix| run.plan()[ix].id.to_string()),
        logs: step.map_or_else(Vec::new, |ix| said.logs_of(Some(ix))),
        errors: own
            .and_then(|ix| error(run, ix, said))
            .into_iter()
            .collect(),
        config: step.map_or_else(|| json!({}), |ix| config(run.plan(), ix)),
        start_time: (below.started_at != 0).then_some(below.started_at),
        end_time: ended(below),
    }
}

fn ended(below: &Tally) -> Option<Millis> {
    let over = below.running + below.pending == 0;
    (over && below.ended_at != 0).then_some(below.ended_at)
}

/// What went wrong with a step: its path, how it ended, and what it said last.
fn error(run: &RunState, ix: StepIx, said: &Said) -> Option<String> {
    let record = run.step(ix);
    let StepState::Settled { outcome, reason } = &record.state else {
        return None;
    };
    // Why it was canceled, is said where that began.
    if *outcome != Outcome::Failed {
        return None;
    }
    let reason = reason.as_deref().map(Reason::to_string).unwrap_or_default();
    let last_words = said.last_words.get(&ix).map(|words| format!(": {words}"));
    let id = &run.plan()[ix].id;
    Some(format!("{id}: {reason}{}", last_words.unwrap_or_default()))
}

fn config(plan: &Plan, ix: StepIx) -> Value {
    let mut env = plan[ix].action.env().iter();
    let passed = env.find(|(name, _)| &**name == CONFIG);
    let value = passed.and_then(|(_, text)| serde_json::from_str(&text.shown()).ok());
    value.unwrap_or_else(|| json!({}))
}

impl Tree {
    /// The run itself.
    pub fn root(&self) -> Option<&Phase> {
        self.phases.first()
    }

    /// The phase or step of that path.
    pub fn find(&self, path: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.path == path)
    }

    /// Writes it as JSON, in one line or one field a line.
    ///
    /// # Errors
    /// The stream does not take it.
    pub fn write(&self, in_one_line: bool, out: &mut impl Write) -> io::Result<()> {
        let mut open: Vec<&Phase> = Vec::new();
        for phase in &self.phases {
            let mut follows = false;
            while open.last().is_some_and(|last| last.depth >= phase.depth) {
                follows = true;
                close(open.pop(), in_one_line, out)?;
            }
            if phase.depth > 0 {
                out.write_all(if follows { b"," } else { b"" })?;
                indent(2 * phase.depth, in_one_line, out)?;
                write!(out, "{}:", json!(phase.phase))?;
            }
            begin(phase, in_one_line, out)?;
            open.push(phase);
        }
        while let Some(phase) = open.pop() {
            close(Some(phase), in_one_line, out)?;
        }
        writeln!(out)
    }
}

/// The fields before a phase's children.
fn begin(phase: &Phase, in_one_line: bool, out: &mut impl Write) -> io::Result<()> {
    let fields = [
        ("status", json!(phase.status.word())),
        ("phase", json!(phase.phase)),
        ("current_step", json!(phase.current_step)),
        ("logs", json!(phase.logs)),
    ];
    out.write_all(b"{")?;
    for (name, value) in fields {
        indent(2 * phase.depth + 1, in_one_line, out)?;
        write!(out, "\"{name}\":{value},")?;
    }
    indent(2 * phase.depth + 1, in_one_line, out)?;
    out.write_all(b"\"children\":{")
}

/// The end of a phase's children, and the fields after them.
fn close(phase: Option<&Phase>, in_one_line: bool, out: &mut impl Write) -> io::Result<()> {
    let Some(phase) = phase else {
        return Ok(());
    };
    let moment = |at: Option<Millis>| json!(at.map(|at| rfc3339(at).to_string()));
    let fields = [
        ("errors", json!(phase.errors)),
        ("config", phase.config.clone()),
        ("start_time", moment(phase.start_time)),
        ("end_time", moment(phase.end_time)),
    ];
    out.write_all(b"}")?;
    for (name, value) in fields {
        out.write_all(b",")?;
        indent(2 * phase.depth + 1, in_one_line, out)?;
        write!(out, "\"{name}\":{value}")?;
    }
    indent(2 * phase.depth, in_one_line, out)?;
    out.write_all(b"}")
}

/// A new line, further in for each level: but no further than eyes follow, since
/// of a deep tree there would be more spaces than text.
fn indent(levels: usize, in_one_line: bool, out: &mut impl Write) -> io::Result<()> {
    const MOST: usize = 60;
    match in_one_line {
        true => Ok(()),
        false => write!(out, "\n{:1$}", "", 2 * levels.min(MOST)),
    }
}
