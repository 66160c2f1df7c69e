//! The vocabulary of the whole house: everything that can happen to a run.
//!
//! One closed enum. Every decision of the engine and every fact it learns is
//! exactly one of these, with its reason, and nothing else changes a run's
//! state. What is written here is what the store keeps, what `events` prints
//! and what every view folds.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use super::exit::{End, Exit, Loss};
use super::freshness::{Fresh, Stale};
use super::took::took;
use crate::plan::{StepIx, Verdict, millis};

/// Milliseconds since 1970-01-01T00:00Z, as the engine counts them: the wall
/// clock read once at its start, moved on by a clock that never jumps.
pub type Millis = u64;

/// An event's place in its run, from 1, without gaps.
pub type Seq = u64;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub seq: Seq,
    pub at: Millis,
    #[serde(flatten)]
    pub kind: Kind,
}

/// One try at one step. Never reused: a retry has the next number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    pub step: StepIx,
    /// From 1, counted for each role of a step by itself.
    #[serde(rename = "attempt")]
    pub number: u32,
    #[serde(default, skip_serializing_if = "Role::is_main")]
    pub role: Role,
}

/// What an attempt is for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    #[default]
    Main,
    Remedy,
    Undo,
}

impl Role {
    fn is_main(&self) -> bool {
        *self == Role::Main
    }
}

/// What happened. The tag is the event's name wherever it is shown or stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    /// An engine began the run.
    RunStarted {
        /// Content id of the plan.
        plan: String,
        /// What chance there is in this run (jitter) follows from this number.
        seed: u64,
        /// The span of someone else's that the run was begun in, as W3C's *Trace
        /// Context* writes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traceparent: Option<Box<str>>,
        engine: Engine,
    },
    /// Another engine took the run over; `epoch` grows with each.
    RunResumed { engine: Engine },
    /// An ended run goes on: every step that has not succeeded is to be done again.
    RunReopened { reason: Reason },
    /// What happens cannot be written down for the time being, so nothing new
    /// starts. Durable, like all that follows it, only when that is over.
    RunPaused { reason: Reason },
    /// What happens can be written down again.
    RunContinued,
    /// The run goes on by another plan. What has succeeded stays done; what runs
    /// goes on, as the step of its id; all else is done as the new plan says.
    PlanReplaced {
        /// Boxed, like an end: it is large, and hardly ever there.
        #[serde(flatten)]
        by: Box<Replacement>,
    },
    /// The log says that the attempt may start. Nothing has started yet.
    StepClaimed {
        #[serde(flatten)]
        attempt: Attempt,
        reason: Reason,
    },
    /// The executor is about to run the program.
    StepStarted {
        #[serde(flatten)]
        attempt: Attempt,
        /// Where it runs, if not on the engine's machine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<Box<str>>,
    },
    /// The executor has the attempt, which waits there, and this is why, in its
    /// words. Said again when it waits for something else.
    StepQueued {
        #[serde(flatten)]
        attempt: Attempt,
        why: Box<str>,
    },
    /// The attempt is being ended early.
    StepStopping {
        #[serde(flatten)]
        attempt: Attempt,
        how: Stop,
        reason: Reason,
    },
    /// The attempt took longer than it may. Its end follows.
    StepTimeout {
        #[serde(flatten)]
        attempt: Attempt,
    },
    /// The attempt ended, and this is how.
    StepFinished {
        #[serde(flatten)]
        attempt: Attempt,
        /// Boxed, since it is many times the size of any other event.
        #[serde(flatten)]
        end: Box<Finish>,
    },
    /// A failed attempt will be made again, not before `not_before`.
    StepRetry {
        #[serde(flatten)]
        attempt: Attempt,
        not_before: Millis,
        reason: Reason,
    },
    /// The claimed attempt waits for something that another run holds.
    StepBlocked {
        #[serde(flatten)]
        attempt: Attempt,
        /// The lock, pool or resource.
        on: String,
        /// Who holds it and since when, as far as that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<Holder>,
    },
    /// What the attempt waited for may be free.
    StepUnblocked {
        #[serde(flatten)]
        attempt: Attempt,
    },
    /// A person is asked whether the step may run.
    StepAsked { step: StepIx, question: String },
    /// The person's answer.
    StepAnswered {
        step: StepIx,
        yes: bool,
        /// Who or what answered: `terminal`, `--yes`, `no terminal`.
        by: String,
    },
    /// How the step ended, its last attempt and its policies considered.
    StepSettled {
        step: StepIx,
        outcome: Outcome,
        reason: Reason,
    },
    /// Nothing new starts any more; `always` steps excepted.
    RunStopping { why: Stopping, reason: Reason },
    /// Completed steps are being taken back, newest first.
    RollbackStarted { reason: Reason },
    /// A completed step was taken back, or could not be.
    StepUndone {
        step: StepIx,
        undone: bool,
        reason: Reason,
    },
    /// The run has stopped, and steps that always run do so now.
    CleanupStarted,
    /// The run is over.
    RunFinished { outcome: RunOutcome, reason: Reason },
}

impl Kind {
    /// Whether it brings the run nearer to its end, or a person has had a say.
    /// What an engine does just before something it does kills it, does not:
    /// claims, starts, and attempts whose end nobody saw.
    pub(super) fn advances(&self) -> bool {
        match self {
            Kind::StepFinished { end, .. } => end.exit != Exit::Interrupted,
            Kind::RunReopened { .. }
            | Kind::PlanReplaced { .. }
            | Kind::StepAnswered { .. }
            | Kind::StepSettled { .. }
            | Kind::RollbackStarted { .. }
            | Kind::StepUndone { .. }
            | Kind::CleanupStarted
            | Kind::RunFinished { .. } => true,
            _ => false,
        }
    }
}

/// The process that drives a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// 1 for the engine that began the run, and one more for each that took it over.
    pub epoch: u32,
    pub pid: u32,
    pub host: String,
    /// Tells one boot of the host from the next; empty where the system has no such id.
    pub boot: String,
    /// Version of quintet.
    pub version: String,
}

/// The plan that a run goes on by, and how it differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// Content ids of the new plan and of the one before it.
    pub plan: String,
    pub before: String,
    /// The file it was loaded from.
    pub file: String,
    /// Ids of the steps in which they differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    pub reason: Reason,
}

/// Who holds what a step, or a run, waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub run: String,
    /// Empty where the run as a whole holds it.
    pub step: String,
    pub pid: u32,
    pub since: Millis,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.step.is_empty() {
            write!(f, "step {} of ", self.step)?;
        }
        write!(f, "run {} (pid {})", self.run, self.pid)
    }
}

/// How an attempt ended, and what it left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    #[serde(flatten)]
    pub exit: Exit,
    pub verdict: Verdict,
    /// When the program began, and when the last of its processes was gone.
    pub started_at: Millis,
    pub ended_at: Millis,
    #[serde(default, skip_serializing_if = "Output::is_empty")]
    pub output: Output,
    /// `KEY=VALUE` lines that the step wrote for later steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<Box<str>, Box<str>>,
    /// Processes outlived the step's main process and were ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaked: bool,
    /// More about the exit, for people: `Timeout after 3s`, `no such program: pwsh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The last lines that the attempt wrote, as far as they are few and short.
    /// Only the log keeps them; a run's state does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Box<str>>,
}

impl Finish {
    /// The word for the attempt's end in the store and in views. What an exit
    /// code means is the verdict's to say: a plan may call 3 a success, or 0 none.
    pub fn end(&self) -> End {
        match self.exit {
            Exit::Exited { .. } if self.verdict != Verdict::Failure => End::Succeeded,
            Exit::Exited { .. } | Exit::Signaled { .. } => End::Failed,
            Exit::TimedOut { .. } => End::TimedOut,
            Exit::Canceled { .. } => End::Canceled,
            Exit::FailedToStart { .. } => End::FailedToStart,
            Exit::Interrupted => End::Interrupted,
            Exit::Lost { .. } => End::Lost,
        }
    }
}

/// Where an attempt's output lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<LogRange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<LogRange>,
    /// In how many places of it, and of what else the attempt left, a secret was masked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub masked: u64,
    /// So many bytes were not kept, as the plan wants it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Output {
    /// The attempt wrote nothing.
    pub fn is_empty(&self) -> bool {
        *self == Output::default()
    }
}

/// A range of a file in the run's own directory. No range at all means no output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    /// Relative to the run's directory.
    pub file: Box<str>,
    pub start: u64,
    pub len: u64,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    Failed,
    Skipped,
    Canceled,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    Succeeded,
    Failed,
    Canceled,
    /// Rollback or cleanup failed, or an interrupted step may not be repeated:
    /// a person is needed.
    Quarantined,
}

/// Why nothing new starts any more, from the mildest to the firmest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopping {
    /// A step wants the machine restarted, and the plan to wait for that. What
    /// runs is left to finish.
    Restart,
    /// A critical step failed.
    Abort,
    /// The run's deadline passed; running steps are stopped with grace.
    Deadline,
    /// Somebody asked; running steps are stopped with grace.
    Cancel,
    /// Somebody asked twice; running steps are killed.
    Kill,
}

/// How firmly an attempt is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// TERM to the whole tree, KILL after the grace period.
    Grace,
    /// KILL to the whole tree at once.
    Now,
}

/// Why something was decided. Closed, so that `why` and the tests can rely on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The step needs nothing, or all it needs is satisfied.
    Ready,
    /// All it needs is under way: its claim is made ahead of its turn.
    Ahead,
    /// It need not run: it succeeded before, and nothing has changed since.
    Fresh(Fresh),
    /// It must run, though it may have succeeded before.
    Stale(Stale),
    /// It failed not long ago, and nothing has changed since.
    FailedBefore { at: Millis, exit: String },
    /// Its attempt ended well: the exit says how.
    Exit(String),
    /// An attempt failed and another is allowed: `attempt` of `of`.
    Retry { exit: String, attempt: u32, of: u32 },
    /// The last allowed attempt failed.
    Exhausted { exit: String, attempts: u32 },
    /// It has failed, and its remedy is used: for the `time`-th time of `of`.
    Remedy { exit: String, time: u32, of: u32 },
    /// The remedy ended well, so the step is tried again.
    Remedied,
    /// The remedy ended well each time, and the step failed all the same.
    Ineffective { exit: String, times: u32 },
    /// The step failed, and its remedy failed too.
    RemedyFailed { exit: String, remedy: String },
    /// The step failed, and its remedy has been used so often lately that it is
    /// not used again. `helped` times the step succeeded after it.
    RemedySpent {
        exit: String,
        times: u32,
        helped: u32,
        #[serde(with = "millis")]
        window: Duration,
    },
    /// The step failed, and a person did not want the remedy, or nobody was there to ask.
    RemedyDeclined { exit: String, by: String },
    /// A step it depends on did not succeed.
    Dependency { step: String, outcome: Outcome },
    /// Its condition does not hold.
    Condition { text: String, because: String },
    /// The step it stands in for did not fail.
    FallbackNotNeeded { step: String },
    /// A person said no, or there was nobody to ask.
    Declined { by: String },
    /// The run is stopping.
    Stopping(Stopping),
    /// A step failed that ends the run.
    CriticalFailure { step: String },
    /// These steps succeeded and want the machine restarted. `boot` tells the
    /// boot they ran in from the next, as [`Engine::boot`] does.
    RestartRequired { steps: Vec<String>, boot: String },
    /// Somebody asked.
    Request { by: String },
    /// The run took longer than it may.
    Deadline {
        #[serde(with = "millis")]
        limit: Duration,
    },
    /// An attempt was interrupted and may be made again.
    Interrupted,
    /// An attempt was lost, for the `time`-th time, and may be made again.
    Lost { why: Loss, time: u32 },
    /// So many attempts were lost that no more are made.
    LostTooOften { why: Loss, times: u32 },
    /// An attempt was interrupted, and the step must not simply be run again.
    NotIdempotent,
    /// So many engines in a row died, and none had brought the run any further.
    EnginesLost { engines: u32 },
    /// The run failed or was canceled, and the step can be taken back.
    Rollback,
    /// Taking the step back failed.
    UndoFailed { exit: String },
    /// The rollback was cut short; these steps are still done.
    NotUndone { steps: Vec<String> },
    /// All steps have ended well.
    AllDone { warnings: u32 },
    /// These steps failed and their failure counts.
    StepsFailed { steps: Vec<String> },
    /// Nothing failed that counts, but too little succeeded.
    TooFewSucceeded { succeeded: u32, wanted: u32 },
    /// Nothing runs and nothing can: the steps that wait, and on what.
    Stuck { steps: Vec<String> },
    /// A text asks for an output that no step has put out.
    MissingOutput { step: String, key: String },
    /// A person decided it for an interrupted step.
    Assumed { by: String },
    /// There is no room for the record, or it must not be changed now.
    Unwritable { error: String },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Ready => f.write_str("everything it needs is satisfied"),
            Reason::Ahead => f.write_str("everything it needs is under way"),
            Reason::Fresh(fresh) => write!(f, "fresh: {fresh}"),
            Reason::Stale(stale) => write!(f, "stale: {stale}"),
            Reason::FailedBefore { exit, .. } => {
                write!(f, "{exit} last time, and nothing has changed since")
            }
            Reason::Exit(exit) => f.write_str(exit),
            Reason::Retry { exit, attempt, of } => {
                write!(f, "{exit}; attempt {attempt} of {of} follows")
            }
            Reason::Exhausted { exit, attempts: 1 } => f.write_str(exit),
            Reason::Exhausted { exit, attempts } => write!(f, "{exit}, after {attempts} attempts"),
            Reason::Remedy {
                exit,
                time: 1,
                of: 1,
            } => write!(f, "{exit}; its remedy is used"),
            Reason::Remedy { exit, time, of } => {
                write!(f, "{exit}; its remedy is used, time {time} of {of}")
            }
            Reason::Remedied => f.write_str("its remedy ended well; it is tried again"),
            Reason::Ineffective { exit, times: 1 } => {
                write!(f, "{exit}; its remedy ran and did not help")
            }
            Reason::Ineffective { exit, times } => {
                write!(f, "{exit}; its remedy ran {times} times and did not help")
            }
            Reason::RemedyFailed { exit, remedy } => {
                write!(f, "{exit}; its remedy failed: {remedy}")
            }
            Reason::RemedySpent {
                exit,
                times,
                helped,
                window,
            } => {
                let window = took(u64::try_from(window.as_millis()).unwrap_or(u64::MAX));
                match helped {
                    0 => write!(
                        f,
                        "{exit}; its remedy was used {times} times within {window} and did not help"
                    ),
                    _ => write!(
                        f,
                        "{exit}; it is flapping: its remedy was used {times} times within \
                         {window}, helped {helped} times, and it failed again"
                    ),
                }
            }
            Reason::RemedyDeclined { exit, by } => {
                write!(f, "{exit}; its remedy was declined ({by})")
            }
            Reason::Dependency { step, outcome } => {
                write!(f, "it depends on {step}, which {}", outcome.past())
            }
            Reason::Condition { text, because } => {
                write!(f, "its condition does not hold: {text} ({because})")
            }
            Reason::FallbackNotNeeded { step } => {
                write!(f, "it stands in for {step}, which did not fail")
            }
            Reason::Declined { by } => write!(f, "declined ({by})"),
            Reason::EnginesLost { engines } => write!(
                f,
                "{engines} engines in a row died and brought the run no further; \
                 see what kills them, then `quintet resume` goes on"
            ),
            Reason::Stopping(Stopping::Restart) => f.write_str("it waits for a restart"),
            Reason::Stopping(Stopping::Abort) => f.write_str("the run was aborted"),
            Reason::Stopping(Stopping::Deadline) => f.write_str("the run's deadline passed"),
            Reason::Stopping(_) => f.write_str("the run was canceled"),
            Reason::CriticalFailure { step } => write!(f, "{step} failed, and it is critical"),
            Reason::RestartRequired { steps, .. } => {
                write!(f, "a restart is required by {}", steps.join(", "))
            }
            Reason::Request { by } => write!(f, "asked for ({by})"),
            Reason::Deadline { limit } => {
                write!(f, "the run's deadline of {}s passed", limit.as_secs_f64())
            }
            Reason::Interrupted => f.write_str("the attempt was interrupted; it is made again"),
            Reason::Lost { why, time: 1 } => {
                write!(f, "the attempt was lost ({why}); it is made again")
            }
            Reason::Lost { why, time } => write!(
                f,
                "the attempt was lost ({why}), for the {time}{} time; it is made again",
                ordinal(*time)
            ),
            Reason::LostTooOften { why, times } => {
                write!(f, "{times} attempts were lost, the last since {why}")
            }
            Reason::NotIdempotent => {
                f.write_str("the attempt was interrupted, and the step says idempotent: false")
            }
            Reason::Rollback => f.write_str("the run is being rolled back"),
            Reason::UndoFailed { exit } => write!(f, "taking it back failed: {exit}"),
            Reason::NotUndone { steps } => {
                write!(
                    f,
                    "the rollback was cut short; still done: {}",
                    steps.join(", ")
                )
            }
            Reason::AllDone { warnings: 0 } => f.write_str("every step ended well"),
            Reason::AllDone { warnings: 1 } => {
                f.write_str("every step ended well but one that may fail")
            }
            Reason::AllDone { warnings } => {
                write!(f, "every step ended well but {warnings} that may fail")
            }
            Reason::StepsFailed { steps } => write!(f, "failed: {}", steps.join(", ")),
            Reason::TooFewSucceeded { succeeded, wanted } => write!(
                f,
                "{succeeded} steps succeeded, and the plan wants at least {wanted}"
            ),
            Reason::Stuck { steps } => {
                write!(
                    f,
                    "nothing runs and nothing can; waiting: {}",
                    steps.join(", ")
                )
            }
            Reason::MissingOutput { step, key } => {
                write!(f, "{step} put out no {key}, and the step asks for it")
            }
            Reason::Assumed { by } => write!(f, "taken as done ({by})"),
            Reason::Unwritable { error } => write!(f, "nothing can be recorded: {error}"),
        }
    }
}

/// The ending of a number that counts times.
fn ordinal(n: u32) -> &'static str {
    match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

impl Outcome {
    /// As the end of a sentence: "which failed".
    pub fn past(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Skipped => "was skipped",
            Outcome::Canceled => "was canceled",
        }
    }

    /// The word in the store and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
            Outcome::Canceled => "canceled",
        }
    }
}

impl RunOutcome {
    /// The word in the store and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            RunOutcome::Succeeded => "succeeded",
            RunOutcome::Failed => "failed",
            RunOutcome::Canceled => "canceled",
            RunOutcome::Quarantined => "quarantined",
        }
    }
}
