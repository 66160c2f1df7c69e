//! What of a run of checks is worth a word: a fold over events.

use std::collections::{BTreeMap, BTreeSet};

use super::{not_here, phase, validated};
use crate::plan::{Action, StepIx, Verdict};
use crate::run::took::took;
use crate::run::{Event, Fresh, Kind, Outcome, Reason, Role, RunState, StepState, UndoState};
use crate::view::log_file::last_words;
use crate::view::words;

/// Something worth a word.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A phase comes: its first check is begun or settled.
    Phase {
        phase: StepIx,
    },
    /// The check's first attempt has begun.
    Begun {
        check: StepIx,
    },
    /// Another attempt of it has begun.
    Again {
        check: StepIx,
        attempt: u32,
    },
    /// An attempt failed, and this is what becomes of the check: another attempt,
    /// or its remedy.
    FailedOnce {
        check: StepIx,
        why: String,
    },
    /// Its remedy has begun.
    Mending {
        check: StepIx,
    },
    /// Its remedy has ended, and how.
    Mended {
        check: StepIx,
        well: bool,
        how: String,
    },
    /// Its remedy was undone, or could not be.
    Undone {
        check: StepIx,
        well: bool,
        why: String,
    },
    Asked {
        check: StepIx,
        question: String,
    },
    Answered {
        check: StepIx,
        yes: bool,
        by: String,
    },
    /// It is over.
    Settled {
        check: StepIx,
        status: Status,
    },
    /// Nothing new starts any more.
    Stopping {
        why: String,
    },
}

/// Why a remedy is undone.
const WITHOUT_USE: &str = "the run failed all the same";

/// How a check ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    Passed {
        took: String,
        remark: Option<String>,
    },
    /// It failed, its remedy helped, and it passed.
    Remediated {
        took: String,
    },
    /// It passed after its remedy, but that was undone: the run failed all the same.
    Undone {
        why: String,
    },
    Fresh(Fresh),
    /// It failed, and that fails the run.
    Failed {
        why: String,
    },
    /// It failed, and that is a warning.
    Warned {
        why: String,
    },
    Skipped {
        why: String,
    },
    Canceled {
        why: String,
    },
}

impl Status {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Status::Passed { .. } => "passed",
            Status::Remediated { .. } => "remediated",
            Status::Undone { .. } => "undone",
            Status::Fresh(_) => "fresh",
            Status::Failed { .. } => "failed",
            Status::Warned { .. } => "warning",
            Status::Skipped { .. } => "skipped",
            Status::Canceled { .. } => "canceled",
        }
    }

    /// What is to be said beside the word.
    pub fn said(&self) -> String {
        match self {
            Status::Passed { took, remark } => match remark {
                Some(remark) => format!("{took}, {remark}"),
                None => took.clone(),
            },
            Status::Remediated { took } => format!("{took}, after its remedy"),
            Status::Fresh(fresh) => validated(fresh),
            Status::Failed { why }
            | Status::Warned { why }
            | Status::Undone { why }
            | Status::Skipped { why }
            | Status::Canceled { why } => why.clone(),
        }
    }
}

/// The fold.
#[derive(Clone, Debug, Default)]
pub struct Tale {
    /// Phases that have been told of.
    begun: BTreeSet<StepIx>,
    /// Checks whose remedy ended well.
    mended: BTreeSet<StepIx>,
    /// The last line that a check wrote when it failed, or its remedy.
    last_words: BTreeMap<StepIx, Box<str>>,
}

impl Tale {
    /// What the event is worth, given the state after it. Events are to come in
    /// their order, and none left out.
    pub fn event(&mut self, run: &RunState, event: &Event) -> Vec<Told> {
        let mut told = Vec::new();
        let Some(one) = self.one(run, event) else {
            return told;
        };
        if let Some(check) = one.check()
            && let Some(phase) = phase(run.plan(), check)
            && self.begun.insert(phase)
        {
            told.push(Told::Phase { phase });
        }
        told.push(one);
        told
    }

    /// Whether the check's remedy has helped it to pass.
    pub fn is_remediated(&self, run: &RunState, check: StepIx) -> bool {
        self.mended.contains(&check) && run.step(check).outcome() == Some(Outcome::Succeeded)
    }

    /// How the check ended; nothing, where it has not.
    pub fn status(&self, run: &RunState, check: StepIx) -> Option<Status> {
        let record = run.step(check);
        let StepState::Settled { outcome, reason } = &record.state else {
            return None;
        };
        let end = record.last.end();
        let took = end.as_deref().map(words::ran_ms);
        let took = took.map_or_else(String::new, |ms| self::took(ms).to_string());
        let why = || {
            let reason = reason.as_deref();
            reason.map_or_else(String::new, |reason| because(run, reason))
        };
        let failed = || match self.last_words.get(&check) {
            Some(said) => format!("{}: {said}", why()),
            None => why(),
        };
        Some(match (outcome, reason.as_deref()) {
            (Outcome::Succeeded, Some(Reason::Fresh(fresh))) => Status::Fresh(fresh.clone()),
            (Outcome::Succeeded, _) if *record.undo() == UndoState::Undone => Status::Undone {
                why: WITHOUT_USE.to_owned(),
            },
            (Outcome::Succeeded, _) if self.mended.contains(&check) => Status::Remediated { took },
            (Outcome::Succeeded, _) => Status::Passed {
                took,
                remark: end.as_deref().and_then(words::remark),
            },
            (Outcome::Failed, _) => match run.counts_as_failure(check) {
                true => Status::Failed { why: failed() },
                false => Status::Warned { why: failed() },
            },
            (Outcome::Skipped, _) => Status::Skipped { why: why() },
            (Outcome::Canceled, _) => Status::Canceled { why: why() },
        })
    }

    fn one(&mut self, run: &RunState, event: &Event) -> Option<Told> {
        match &event.kind {
            Kind::StepStarted { attempt, .. } => {
                let check = attempt.step;
                match (attempt.role, attempt.number) {
                    (Role::Main, 1) => Some(Told::Begun { check }),
                    (Role::Main, attempt) => Some(Told::Again { check, attempt }),
                    (Role::Remedy, _) => Some(Told::Mending { check }),
                    (Role::Undo, _) => None,
                }
            }
            Kind::StepRetry {
                attempt, reason, ..
            } if attempt.role != Role::Undo && *reason != Reason::Remedied => {
                Some(Told::FailedOnce {
                    check: attempt.step,
                    why: reason.to_string(),
                })
            }
            Kind::StepFinished { attempt, end } if attempt.role == Role::Remedy => {
                let (check, well) = (attempt.step, end.verdict != Verdict::Failure);
                let mut how = words::ended(end);
                if well {
                    self.mended.insert(check);
                } else if let Some(said) = last_words(end) {
                    // Why the remedy failed says more than why the check did.
                    how = format!("{how}: {said}");
                    self.last_words.insert(check, said.into());
                }
                Some(Told::Mended { check, well, how })
            }
            // That an attempt ended well is told here; of one that did not, what
            // becomes of the check is told when it is decided.
            Kind::StepFinished { attempt, end } if attempt.role == Role::Main => {
                let check = attempt.step;
                match last_words(end).filter(|_| end.verdict == Verdict::Failure) {
                    Some(said) => self.last_words.insert(check, said.into()),
                    None => self.last_words.remove(&check),
                };
                let status = self.status(run, check)?;
                is_told(run, check, &status).then_some(Told::Settled { check, status })
            }
            Kind::StepSettled { step, .. } => {
                let check = *step;
                let status = self.status(run, check)?;
                is_told(run, check, &status).then_some(Told::Settled { check, status })
            }
            Kind::StepUndone {
                step,
                undone,
                reason,
            } => Some(Told::Undone {
                check: *step,
                well: *undone,
                why: match undone {
                    true => WITHOUT_USE.to_owned(),
                    false => reason.to_string(),
                },
            }),
            Kind::StepAsked { step, question } => Some(Told::Asked {
                check: *step,
                question: question.clone(),
            }),
            Kind::StepAnswered { step, yes, by } => Some(Told::Answered {
                check: *step,
                yes: *yes,
                by: by.clone(),
            }),
            Kind::RunStopping { reason, .. } => Some(Told::Stopping {
                why: reason.to_string(),
            }),
            _ => None,
        }
        // What must hold before all checks is worth a word only when it does not.
        .filter(|told| match told {
            Told::Settled { .. } | Told::Stopping { .. } => true,
            told => told
                .check()
                .is_some_and(|check| run.plan()[check].id.contains('/')),
        })
    }
}

/// Meeting points have nothing to tell, nor what must hold before all checks, as
/// long as it does.
fn is_told(run: &RunState, check: StepIx, status: &Status) -> bool {
    let step = &run.plan()[check];
    let good = matches!(status, Status::Passed { .. } | Status::Fresh(_));
    step.action != Action::Group && (step.id.contains('/') || !good)
}

/// A reason, in the words of checks.
fn because(run: &RunState, reason: &Reason) -> String {
    match words::past_meetings(run, reason) {
        Reason::Condition { text, .. } if not_here(text).is_some() => {
            not_here(text).unwrap_or_default()
        }
        reason => reason.to_string(),
    }
}

impl Told {
    /// The check that it is about.
    pub fn check(&self) -> Option<StepIx> {
        match self {
            Told::Begun { check }
            | Told::Again { check, .. }
            | Told::FailedOnce { check, .. }
            | Told::Mending { check }
            | Told::Mended { check, .. }
            | Told::Undone { check, .. }
            | Told::Asked { check, .. }
            | Told::Answered { check, .. }
            | Told::Settled { check, .. } => Some(*check),
            Told::Phase { .. } | Told::Stopping { .. } => None,
        }
    }
}
